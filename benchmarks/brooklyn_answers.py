"""Brooklyn calibrated on what was known on 15 April 2020, forecast to 30 June, and three questions.

    python benchmarks/brooklyn_answers.py calibrate     # posterior of four parameters
    python benchmarks/brooklyn_answers.py forecast      # scored on days the fit never saw
    python benchmarks/brooklyn_answers.py order         # what the stay-at-home order changed
    python benchmarks/brooklyn_answers.py timing        # the order a week earlier or later
    python benchmarks/brooklyn_answers.py minds         # one kind of mind for another

Each prints a table of `docs/brooklyn-answers.md`; `forecast` draws its figure too. What was run is
kept under ``--to`` (runs/brooklyn-answers): stopped, each goes on where it was.
"""

from __future__ import annotations

import argparse
import datetime as dt
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from populace import Cast, Observation
from populace.kernel.answers import settle
from populace.kernel.streams import Streams
from populace.reports.forecast import write_forecast
from populace.studies import Calibration, Range, calibrate
from populace.studies.baselines import fit_seir, persistence
from populace.studies.losses import dispersion, draw_negative_binomial
from populace.studies.scores import score
from populace.studies.statistics import Difference, holm, paired
from populace.worlds.brooklyn import Brooklyn
from populace.worlds.brooklyn.figures import FIRST_DAY, daily

CENSUS = 2_712_360
KNOWN = dt.date(2020, 4, 15)  # the last day that the fit sees
END = dt.date(2020, 6, 30)
FIT_DAYS = (KNOWN - FIRST_DAY).days + 1
DAYS = (END - FIRST_DAY).days + 1
MEASURES = ("cases", "hospitalised", "deaths")
SHARES = ("staying_home",)  # not counts
WIDE = 500_000  # people of a forecast's runs: chance in a sample of 200,000 would widen its bands
PRIORS = {
    "transmission": Range(0.3, 1.5, log=True),
    "infected": Range(20.0, 600.0, log=True),
    "testing": Range(0.5, 2.0, log=True),
    "closed": Range(0.0, 0.9),
}
ORDER = dt.date(2020, 3, 22)
WEEK = dt.timedelta(days=7)
TESTS_BEGIN = 7  # tick, 8 March: a compartment model cannot know that there were no tests before
MINDS = ("rule", "habit", "utility", "learned")


class Town:
    """Brooklyn as somebody on 15 April knew it: no end of the order, testing as it was that day.

    A class, so that other processes can import it; `changes` are parameters of the world.
    """

    def __init__(self, people: int, mind: str = "", levels: Any = None, **changes: Any) -> None:
        self.people, self.mind, self.levels, self.changes = people, mind, levels, changes

    def __call__(
        self, transmission: float, infected: float, testing: float, closed: float
    ) -> dict[str, Any]:
        given = {"easing": None, "testing_known": KNOWN, **self.changes}
        world = Brooklyn(
            people=self.people,
            transmission=transmission,
            infected=infected,
            testing=testing,
            closed=closed,
            **given,
        )
        if not self.mind:
            return {"world": world}
        mind = world.policies()[self.mind]
        if self.levels is not None:
            mind = Level(mind, *self.levels)
        return {"world": world, "cast": Cast({self.mind: mind})}


class Level:
    """A mind whose share that stays at home is moved, day by day, towards a given one.

    Of those who would go out (or stay), each is turned with the same probability, by a draw of its
    own: how many stay changes, and hardly who, or what makes them.

    Parameters
    ----------
    mind : Policy
    own, target : sequence of float
        Shares that stay on each day: of this mind left alone, and wanted.
    """

    def __init__(self, mind: Any, own: list[float], target: list[float]) -> None:
        self.mind, self.own, self.target = mind, own, target

    async def act(self, observation: Observation) -> Any:
        stay = observation.space.options.index("stay_home")
        raw = self.mind.act(observation)
        raw = await raw if inspect.isawaitable(raw) else raw
        values, _ = settle(raw, observation.space, len(observation), "level")
        staying = values == stay
        own, target = self.own[observation.tick], self.target[observation.tick]
        turn = observation.part(np.arange(len(observation)), draws="level").random
        if target >= own:
            staying = staying | turn.bernoulli(p=min(1.0, (target - own) / max(1 - own, 1e-9)))
        else:
            staying = staying & ~turn.bernoulli(p=min(1.0, (own - target) / max(own, 1e-9)))
        return np.where(staying, stay, 1 - stay)

    def start(self, population: Any, streams: Any) -> None:
        if start := getattr(self.mind, "start", None):
            start(population, streams)


def counted(days: slice, people: int = CENSUS) -> dict[str, np.ndarray]:
    """Return what was counted, scaled to so many people."""
    return {name: daily()[name][days] * people / CENSUS for name in MEASURES}


def fitted(given: argparse.Namespace) -> Calibration:
    return calibrate(
        Town(given.people),
        counted(slice(0, FIT_DAYS), given.people),
        PRIORS,
        "abc",
        runs=given.runs,
        particles=given.runs // 3,
        seed=1,
        workers=given.workers,
        to=given.to / "calibrate",
        progress=say,
    )


def drawn(
    given: argparse.Namespace,
    found: Calibration,
    part: str,
    town: Town,
    draws: int,
    measures: tuple[str, ...] = MEASURES,
) -> dict[str, np.ndarray]:
    """Run a town to the end with draws of the posterior; the same draws and seeds in every part."""
    assert found.posterior is not None
    runner = found.runner.changed(
        ticks=DAYS, factory=town, measures=measures, to=given.to, progress=say
    )
    ran = runner.run(found.posterior.draw(draws, seed=2), range(10_000, 10_000 + draws), part)
    if lost := [error for error in ran.errors if error]:
        raise SystemExit(f"{len(lost)} runs failed: {lost[0]}")
    scale = CENSUS / town.people
    return {
        name: values if name in SHARES else values * scale for name, values in ran.series.items()
    }


def say(done: int, of: int) -> None:
    print(f"\r{done}/{of} ", end="", flush=True)


def calibration(given: argparse.Namespace) -> None:
    found = fitted(given)
    assert found.posterior is not None
    print()
    show(found.posterior.table())
    for generation in found.posterior.generations:
        print({name: round(value, 4) for name, value in generation.items()})


def forecast(given: argparse.Namespace) -> None:
    """Score the forecast of 16 April to 30 June, and draw it."""
    found = fitted(given)
    runs = drawn(given, found, "forecast", Town(WIDE), given.draws)
    real = counted(slice(0, DAYS))
    rows, panels = [], {}
    for name in MEASURES:
        known, later = real[name][:FIT_DAYS], real[name][FIT_DAYS:]
        fit = np.median(runs[name][:, :FIT_DAYS], axis=0)
        size = dispersion(known[TESTS_BEGIN:], fit[TESTS_BEGIN:])
        stream = Streams(3).stream(f"counts/{name}")
        model = draw_negative_binomial(stream, np.maximum(runs[name], 1e-6), size)
        ahead = DAYS - FIT_DAYS
        changes = [16 - 1 - TESTS_BEGIN, (ORDER - FIRST_DAY).days - TESTS_BEGIN]
        seir = fit_seir(known[TESTS_BEGIN:], CENSUS, changes=changes)
        forecasts = {
            "populace": model[:, FIT_DAYS:],
            "SEIR": seir.forecast(ahead, draws=1000, seed=4),
            "persistence": persistence(known, ahead, draws=1000, season=7, seed=5),
        }
        for window, days in (("16 to 29 April", slice(0, 14)), ("to 30 June", slice(0, ahead))):
            cut = {who: paths[:, days] for who, paths in forecasts.items()}
            for row in score(later[days], cut, "persistence").rows(named=True):
                rows.append({"measure": name, "days": window, **row})
        panels[name] = {**forecasts, "populace": model}
    print()
    scores = pl.DataFrame(rows)
    show(scores)
    show(pl.DataFrame([misfit(name, runs[name], real[name]) for name in MEASURES]))
    page = write_forecast(
        given.to / "forecast.html",
        panels,
        real,
        FIT_DAYS,
        scores=scores,
        calendar=Brooklyn.calendar,
        title="Brooklyn, forecast on 15 April 2020",
        doc="Four parameters fitted to the days before; the order taken to stay in force.",
    )
    print(page)


def misfit(name: str, runs: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """Return where the median goes wrong: highest weeks, and counted over forecast by period."""
    middle = np.median(runs, axis=0)
    row: dict[str, Any] = {"measure": name}
    for who, series in (("forecast", middle), ("counted", real)):
        week = np.convolve(series, np.ones(7) / 7, "valid")
        day = FIRST_DAY + dt.timedelta(days=int(week.argmax()) + 3)
        row[f"highest week, {who}"] = f"{week.max():,.0f} a day about {day:%d %B}"
    first, may, june = FIT_DAYS, (dt.date(2020, 5, 1) - FIRST_DAY).days, 92
    for period, days in (
        ("late April", slice(first, may)),
        ("May", slice(may, june)),
        ("June", slice(june, DAYS)),
    ):
        row[f"counted / forecast, {period}"] = float(real[days].sum() / middle[days].sum())
    return row


def outcomes(series: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return totals to 30 June of every run, and the share of adults at home from 23 March."""
    home = series["staying_home"][:, 22:]
    totals = {name: series[name].sum(axis=1) for name in ("infections", "cases", "deaths")}
    return {**totals, "at home, %": 100 * home.mean(axis=1)}


def question(given: argparse.Namespace, arms: Mapping[str, Town], base: str) -> None:
    """Print the paired difference of every arm from the base, over draws of the posterior."""
    found = fitted(given)
    measures = ("infections", "cases", "deaths", "staying_home")
    ran = {
        name: outcomes(drawn(given, found, f"question-{name}", town, given.draws, measures))
        for name, town in arms.items()
    }
    rows: list[dict[str, Any]] = []
    tests: list[tuple[int, str, Difference]] = []
    for name, mine in ran.items():
        row: dict[str, Any] = {"arm": name}
        for measure, values in mine.items():
            row[measure] = f"{values.mean():,.{1 if '%' in measure else 0}f}"
            if name != base:
                gap = paired(values, ran[base][measure], seed=6)
                tests.append((len(rows), measure, gap))
        rows.append(row)
    for (i, measure, gap), p in zip(tests, holm([gap.p for _, _, gap in tests]), strict=True):
        digits = 1 if "%" in measure else 0
        rows[i][measure] += (
            f" ({gap.mean:+,.{digits}f}; {gap.low:+,.{digits}f} to {gap.high:+,.{digits}f};"
            f" p {p:.2g})"
        )
    print()
    show(pl.DataFrame(rows))


def order(given: argparse.Namespace) -> None:
    question(
        given, {"order": Town(given.people), "no order": Town(given.people, order=None)}, "order"
    )


def timing(given: argparse.Namespace) -> None:
    arms = {
        "22 March": Town(given.people),
        "a week earlier": Town(given.people, order=ORDER - WEEK),
        "a week later": Town(given.people, order=ORDER + WEEK),
    }
    question(given, arms, "22 March")


def minds(given: argparse.Namespace) -> None:
    """Everybody of one kind, each kind moved to the share at home of the default cast."""
    found = fitted(given)
    # five kinds, settled in two rounds: fewer and smaller runs
    given.draws, people = given.draws // 2, given.people // 4

    def home(part: str, town: Town) -> np.ndarray:
        ran = drawn(given, found, part, town, min(8, given.draws), SHARES)
        return np.asarray(ran["staying_home"].mean(axis=0))

    target = home("share-default", Town(people))
    arms = {"default": Town(people)}
    for mind in MINDS:
        # the epidemic answers to who stays, and they to it: two rounds settle the level
        own = home(f"share-{mind}-0", Town(people, mind))
        levels = [own.tolist(), target.tolist()]
        reached = home(f"share-{mind}-1", Town(people, mind, levels))
        levels = [own.tolist(), (target + (target - reached)).clip(0, 1).tolist()]
        arms[mind] = Town(people, mind, levels)
    question(given, arms, "default")


def show(table: pl.DataFrame) -> None:
    """Print a table as Markdown."""
    print("| " + " | ".join(table.columns) + " |\n|" + "---|" * table.width)
    for row in table.rows():
        print("| " + " | ".join(_cell(value) for value in row) + " |")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


WHAT = {
    "calibrate": calibration,
    "forecast": forecast,
    "order": order,
    "timing": timing,
    "minds": minds,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=[*WHAT, "all"])
    parser.add_argument(
        "--people", type=int, default=200_000, help="of a run; a forecast's have 500,000"
    )
    parser.add_argument("--runs", type=int, default=900, help="of the calibration")
    parser.add_argument("--draws", type=int, default=60, help="of the posterior")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--to", type=Path, default=Path("runs/brooklyn-answers"))
    given = parser.parse_args()
    for name in WHAT if given.what == "all" else [given.what]:
        WHAT[name](given)


if __name__ == "__main__":
    main()
