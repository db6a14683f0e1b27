"""Teams compared at the same cost: every arm sits the same exam within the same budget an item.

Cards 1 and 18: the default baseline is self-consistency of the best single member at equal cost,
best and sample count taken from a pilot whose items are not judged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.kernel.errors import ParameterError, StudyError, nearest
from populace.kernel.prices import Prices
from populace.kernel.streams import Streams
from populace.records.answers import AnswerStore
from populace.simulation.manifest import plain, versions
from populace.studies import matching
from populace.studies.exam_files import FORMAT, ExamComparison, begun
from populace.studies.exam_tables import Tables, discordant, dropped
from populace.studies.matching import MATCHED, Limits
from populace.studies.sitting import Given, Sat, sit
from populace.studies.team_arms import TeamArm, check_prices, completed, counts, models
from populace.teams.seats import Seat
from populace.teams.structures.consistency import self_consistency
from populace.teams.structures.single import single
from populace.teams.team import Team
from populace.worlds.exam.item import Item, Source, checked, digest, half
from populace.worlds.exam.sources import source_named

if TYPE_CHECKING:
    import polars as pl

Note = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class _Setting:
    """What every cell of the comparison has in common."""

    limits: Sequence[Limits]
    seed: int
    threshold: float
    answers: Any
    prices: Prices | None
    incomplete: str

    def sit(self, name: str, team: Team, items: Sequence[Item], limits: Limits) -> Sat:
        return sit(
            name,
            team,
            items,
            limits,
            seed=self.seed,
            threshold=self.threshold,
            answers=self.answers,
            prices=self.prices,
            incomplete=self.incomplete,
        )


def compare_teams(
    source: Source | str,
    arms: Mapping[str, TeamArm],
    budget: Mapping[str, Any],
    *,
    baseline: str | None = None,
    items: int | None = None,
    pilot: int = 50,
    size: int = 50,
    source_seed: int = 0,
    seed: int = 0,
    threshold: float = 0.99,
    clusters: str = "family",
    pairs: bool = False,
    family: str = "all",
    level: float = 0.95,
    resamples: int = 10_000,
    incomplete: str = "drop",
    team: Mapping[str, Any] | None = None,
    answers: AnswerStore | str | Path | None = None,
    prices: Prices | None = None,
    about: Mapping[str, Any] | None = None,
    to: str | Path | None = None,
    note: Note | None = None,
) -> ExamComparison:
    """Let teams sit one exam at the same budgets an item, and compare them.

    Parameters
    ----------
    source : Source or str
        As `Exam` takes it; `size` and `source_seed` are of reasoning-gym.
    arms : mapping of name to TeamArm
    budget : mapping
        What one item may cost, of tokens, calls, usd, seconds: numbers, or lists for several
        budgets, side by side. All that an arm does counts: judges, routers, retries, moderators.
    baseline : str, optional
        An arm. By default one is added: self-consistency of the best single member, with as many
        samples as the budget pays for.
    items : int, optional
        How many are judged, drawn from one half of the source (`half`); by default all of it.
    pilot : int
        At most so many are drawn from the other half. They choose the best member, measure what a
        sample costs, and foretell what can be found; nothing of them is judged.
    seed : int
        Of everything: items, models' draws, ties, resampling.
    threshold : float
        Score from which an answer is right.
    clusters : "family" or "item"
        What intervals and permutation tests resample.
    pairs : bool
        Compare every arm with every other too.
    family : "all" or "arms"
        Over what Holm's method adjusts: all of the table, or the arms at each budget.
    incomplete : "drop" or "keep"
        Whether an item on which a call of some member failed is left out though there is an answer.
    team : mapping, optional
        Settings of `Team` for all arms, the members alone and the baseline (``scored``,
        ``max_tokens``, ...).
    answers : AnswerStore or path, optional
        By default ``answers.sqlite`` in `to`, or memory.
    to : path, optional
        Directory of the comparison; one that was stopped there goes on without paying twice.
    note : callable, optional
        Told what goes on: mappings with ``event`` plan, pilot, cell or foretold.

    Returns
    -------
    ExamComparison

    Raises
    ------
    ParameterError, RegistryError, PriceError
        Before any call, for what cannot be run.
    RecordError
        If `to` holds something else.
    StudyError
        If the budget holds not even one sample, or no item was run by every arm.
    """
    limits = matching.levels(budget)
    _check(arms, baseline, clusters, family, incomplete, pilot, level)
    common = dict(team or {})
    arms = {name: completed(arm, common, name) for name, arm in arms.items()}
    built = {name: arm.team(name, 1) for name, arm in arms.items()}
    seats = models(built)
    if baseline is None and not seats:
        raise ParameterError("no member is a model", where="baseline", mend="name an arm")
    check_prices(built, prices or Prices(), limits)
    everything = checked(
        (source_named(source, size, source_seed) if isinstance(source, str) else source).items()
    )
    fit = _drawn(half(everything, "fit"), pilot, seed, "pilot")
    judged = _drawn(half(everything, "judge"), items, seed, "items")
    identity = {
        "arms": {name: plain(one.describe()) | plain(dict(arms[name].settings))
                 for name, one in built.items()},
        "budgets": limits, "baseline": baseline, "pilot": digest(fit), "items": digest(judged),
        "seed": seed, "threshold": threshold, "incomplete": incomplete,
    }  # fmt: skip
    manifest = {
        "format": FORMAT,
        "identity": hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode())
        .hexdigest(),
        **identity, "items_judged": len(judged), "items_pilot": len(fit),
        "clusters": clusters, "family": family, "level": level, "resamples": resamples,
        "pairs": pairs, "versions": versions(), **(about or {}),
    }  # fmt: skip
    folder = None if to is None else begun(Path(to), manifest)
    if answers is None and folder is not None:
        answers = folder / "answers.sqlite"
    store = AnswerStore(answers) if isinstance(answers, (str, Path)) else answers
    work = _Setting(limits, seed, threshold, store or AnswerStore(None), prices, incomplete)
    tell = note or (lambda event: None)
    tell({"event": "plan", **_plan(arms, limits, seats, fit, judged, baseline)})
    singles = _singles(seats, common, fit, work, tell) if baseline is None or _any(arms) else []
    if baseline is None:
        top = matching.best(singles)
        baseline = f"self-consistency of {top.name}"
        matched = {**common, "k": MATCHED}
        arms = {
            baseline: TeamArm({top.name: seats[top.name].model}, self_consistency, matched)
        } | arms
    many = counts(arms, seats, singles, limits, fit)
    found = _Found(work, arms, many, tell)
    found.sat("pilot", fit)
    forecast = _foretold(found, baseline, len(judged), level, family, pairs)
    tell({"event": "foretold", "rows": forecast})
    found.sat("judge", judged)
    names = list(arms)
    frame = found.frame()
    own = frame.filter(frame["split"] == "judge")
    tables = Tables(
        own, names, limits, clusters=clusters, seed=seed, level=level, resamples=resamples
    )
    manifest |= {
        "status": "finished", "names": names, "against": baseline,
        "limits": [matching.told(each) for each in limits],
        "singles": [plain(vars(one)) for one in singles],
        "samples": many,
        "adapts": [name for name, arm in arms.items() if arm.adapts],
        "foretold": forecast, "spend": found.spend, "errors": found.errors[:20],
        "structures": {name: arm.team(name, 1).structure_name for name, arm in arms.items()},
    }  # fmt: skip
    told = {
        "items": frame,
        "transcript": found.transcript(),
        "table": tables.differences(baseline, family, pairs),
        "arms": tables.arm_table(),
        "oracle": tables.oracle(),
        "dropped": dropped(own),
    }
    comparison = ExamComparison(told, manifest, folder)
    if folder is not None:
        comparison.write(folder)
    return comparison


class _Found:
    """The cells of the comparison, as they are worked out."""

    def __init__(
        self, work: _Setting, arms: Mapping[str, TeamArm], counts: Any, tell: Note
    ) -> None:
        self.work, self.arms, self.counts, self.tell = work, arms, counts, tell
        self._items: list[pl.DataFrame] = []
        self._said: list[pl.DataFrame] = []
        self.spend: dict[str, Any] = {"logical": {}, "billed": {}}
        self.errors: list[str] = []

    def sat(self, split: str, items: Sequence[Item]) -> None:
        """Let every arm sit the items at every budget."""
        import polars as pl

        cells = [(i, name) for i in range(len(self.work.limits)) for name in self.arms]
        for n, (i, name) in enumerate(cells):
            self.tell({"event": "cell", "split": split, "done": n, "of": len(cells), "arm": name})
            team = self.arms[name].team(name, self.counts[i].get(name))
            found = self.work.sit(name, team, items, self.work.limits[i])
            where = [pl.lit(split).alias("split"), pl.lit(i, pl.Int64).alias("level")]
            self._items.append(found.items.select(*where, pl.lit(name).alias("arm"), pl.all()))
            if split == "judge":
                self._said.append(found.transcript.select(where[1], pl.all()))
            for ledger, own in (("logical", found.logical), ("billed", found.billed)):
                kept = self.spend[ledger]
                for measure, amount in own.items():
                    known = None not in (amount, kept.get(measure, 0))
                    kept[measure] = kept.get(measure, 0) + amount if known else None
            self.errors += [text for text in found.errors if text not in self.errors]
        self.tell({"event": "cell", "split": split, "done": len(cells), "of": len(cells)})

    def frame(self) -> pl.DataFrame:
        """Return a row a split, budget, arm and item."""
        import polars as pl

        return pl.concat(self._items)

    def transcript(self) -> pl.DataFrame:
        """Return what was said about the judged items."""
        import polars as pl

        return pl.concat(self._said)


# -- before and in the pilot ---------------------------------------------------------------------


def _check(
    arms: Mapping[str, TeamArm], baseline: str | None, clusters: str, family: str, incomplete: str,
    pilot: int, level: float,
) -> None:  # fmt: skip
    if not arms or not all(isinstance(arm, TeamArm) for arm in arms.values()):
        raise ParameterError(f"expected TeamArms by name, got {arms!r:.80}", where="arms")
    if baseline is not None and baseline not in arms:
        raise ParameterError(f"no arm {baseline!r}; {nearest(baseline, arms)}", where="baseline")
    if baseline is not None and len(arms) < 2:
        raise ParameterError("nothing to compare it with", where="baseline")
    for what, value, known in (
        ("clusters", clusters, ("family", "item")),
        ("family", family, ("all", "arms")),
        ("incomplete", incomplete, ("drop", "keep")),
    ):
        if value not in known:
            raise ParameterError(f"expected {' or '.join(known)}, got {value!r}", where=what)
    if isinstance(pilot, bool) or not isinstance(pilot, int) or pilot < 1:
        raise ParameterError(f"expected 1 item or more, got {pilot!r}", where="pilot")
    if not 0 < level < 1:
        raise ParameterError(f"expected a level between 0 and 1, got {level!r}", where="level")


def _drawn(items: Sequence[Item], count: int | None, seed: int, what: str) -> list[Item]:
    if not items:
        raise StudyError("the source has too few items for a pilot", where=what)
    if what == "items" and count is not None and not 1 <= count <= len(items):
        raise ParameterError(
            f"expected 1 to {len(items)} items (half of the source), got {count}", where=what
        )
    if count is None or count >= len(items):
        return list(items)
    order = Streams(seed).stream(f"exam/{what}").permutation(len(items))
    return [items[i] for i in sorted(order[:count])]


def _any(arms: Mapping[str, TeamArm]) -> bool:
    return any(arm.matched for arm in arms.values())


def _plan(
    arms: Mapping[str, TeamArm], limits: Sequence[Limits], seats: Mapping[str, Seat],
    fit: Sequence[Item], judged: Sequence[Item], baseline: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Return what will be run, and the most that it can cost by the budgets an item."""
    count = len(arms) + (baseline is None)
    alone = len(seats) if baseline is None or _any(arms) else 0
    most = {
        measure: sum(each[measure] for each in limits) * count * (len(fit) + len(judged))
        + limits[-1][measure] * alone * len(fit)
        for measure in limits[0]
    }
    return {
        "arms": count, "budgets": [matching.told(each) for each in limits],
        "pilot": len(fit), "items": len(judged), "members": list(seats), "most": most,
    }  # fmt: skip


def _singles(
    seats: Mapping[str, Seat], common: Mapping[str, Any], fit: Sequence[Item], work: _Setting,
    tell: Note,
) -> list[matching.Alone]:  # fmt: skip
    """Return how each model does by itself on the pilot, at the largest budget."""
    found = []
    for n, (name, seat) in enumerate(seats.items()):
        tell({"event": "pilot", "member": name, "done": n, "of": len(seats)})
        team = Team({name: seat.model}, single, name=name, **common)
        found.append(matching.alone(name, work.sit(name, team, fit, work.limits[-1]).items))
    return found


def _foretold(
    found: _Found, baseline: str, n: int, level: float, family: str, pairs: bool
) -> list[dict[str, Any]]:
    """Return what the pilot foretells of each arm and budget: cost, and what can be found."""
    import polars as pl

    frame, limits, names = found.frame(), found.work.limits, list(found.arms)
    tests = len(names) - 1 if not pairs else len(names) * (len(names) - 1) // 2
    alpha = (1 - level) / (tests * (len(limits) if family == "all" else 1))
    rows = []
    for i in range(len(limits)):
        for name in names:
            own = frame.filter((pl.col("level") == i) & (pl.col("arm") == name))
            ran = own.filter(pl.col("status") == "ran")
            if not ran.height:
                why = own["status"][0]
                raise StudyError(
                    f"ran none of the pilot's {own.height} items within "
                    f"{matching.told(limits[i])}: {why}", where=f"arm {name!r}",
                    mend="raise the budget, or lower max_tokens",
                )  # fmt: skip
            apart, both = discordant(frame, i, name, baseline)
            rows.append(
                {
                    "level": i, "arm": name, "ran": ran.height, "of": own.height,
                    "accuracy": float(ran["correct"].mean()),  # type: ignore[arg-type]
                    "cost": matching.cost(own), "discordant": apart, "both": both,
                    "detectable": None if name == baseline
                    else matching.foretold(apart, both, n, alpha),
                    "expected": {m: v * n for m, v in matching.cost(own).items()},
                }
            )  # fmt: skip
    return rows


__all__ = ["ExamComparison", "Given", "TeamArm", "compare_teams"]
