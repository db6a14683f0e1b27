"""Brooklyn's language mind measured: the tables of `docs/brooklyn-language.md`.

    python benchmarks/brooklyn_language.py check
    python benchmarks/brooklyn_language.py minds --people 20000 --seeds 5
    python benchmarks/brooklyn_language.py wordings --people 20000 --seeds 5

`check`: how each column moves the choice, and the fit to the survey. `minds`: populations of one
kind of mind, as paired differences. `wordings`: what other words for the same situation change,
beside what the question asked of the model changes. Seeds are shared by all that is compared, so
draws are common; an interval is Student's t over the paired differences. ``--model`` takes any
model (`populace.language.open_model`), and ``--answers`` a file in which answers are kept, so that
no prompt is paid twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import statistics
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from _measure import report
from brooklyn import DAYS, T95
from populace import Cast, Simulation
from populace.kernel.spaces import Choice
from populace.language import open_model
from populace.language.check import check_prompt, spearman
from populace.language.policy import Language
from populace.records.answers import AnswerStore
from populace.testing import observe
from populace.worlds.brooklyn import Brooklyn
from populace.worlds.brooklyn.speaking import KIND, PROMPTS, Speaking
from populace.worlds.brooklyn.survey import situations, survey_model
from populace.worlds.brooklyn.survey import survey as survey_table
from populace.worlds.brooklyn.world import OPTIONS

GRID: dict[str, Any] = {
    "advice": [0, 1, 2],
    "cases": [0, 50, 300],
    "age": [30, 50, 75],
    "pressure": [False, True],
    "remote": False,
    "symptoms": [False, True],
    "sick_at_home": [False, True],
}
#: Other words for the same situations, as replacements in the prompt file's text.
PARAPHRASES: dict[str, tuple[tuple[str, str], ...]] = {
    "as shipped": (),
    "reworded": (
        ("Who stays at home during the epidemic in Brooklyn?", "Brooklyn, 2020: who is at home?"),
        ("Infections: {cases}", "Cases nearby: {cases}"),
        ("Advice: keep distance", "Officials advise distance"),
        ("Order: stay at home", "Officials order people to stay home"),
        (" who is paid only at work", " who loses pay at home"),
        (" who works on a laptop", " who can work at home"),
        (", feverish", ", with a fever"),
        (", sick family", ", family ill"),
    ),
    "another question": (("Stays home?", "Is this person at home today?"),),
    "examples reversed": (),
}  # fmt: skip
SCENARIOS: dict[str, dict[str, Any]] = {"order": {}, "no order": {"order": None, "easing": None}}
MEASURES = ("staying", "infected", "cases", "deaths")


def worded(name: str) -> dict[str, Any]:
    """Return the prompts in other words, or with the examples in another order."""
    text = PROMPTS.read_text(encoding="utf-8")
    for old, new in PARAPHRASES[name]:
        if old not in text:
            raise SystemExit(f"{PROMPTS} has no {old!r}")
        text = text.replace(old, new)
    source = tomllib.loads(text)
    if name == "examples reversed":
        source["kind"][KIND]["examples"].reverse()
    return source


class Counted:
    """A model, and the distinct prompts that it was asked to score."""

    def __init__(self, model: Any) -> None:
        self.model, self.seen = model, set[Any]()
        self.capabilities, self.identity = model.capabilities, model.identity

    async def score(self, requests: Any, choices: Any) -> Any:
        self.seen |= {request.messages for request in requests}
        return await self.model.score(requests, choices)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def simulate(cast: Cast, people: int, seed: int, store: AnswerStore, change: Any) -> dict[str, Any]:
    """Run 184 days; return totals per Brooklyn of full size, and shares in per cent."""
    run = Simulation(Brooklyn(people=people, **change), cast, seed=seed, answers=store).run(DAYS)
    scale = 2_712_360 / people
    staying = run.metrics["staying_home"].to_numpy()
    return {
        "staying": 100 * float(staying[22:99].mean()),
        "infected": 100 * float(run.metrics["ever_infected"][-1]),
        "cases": run.metrics["cases"].sum() * scale,
        "deaths": run.metrics["deaths"].sum() * scale,
    }


def paired(mine: list[Any], base: list[Any]) -> dict[str, dict[str, float]]:
    """Return mean, mean difference and half width of its 95 % interval for each measure."""
    found = {}
    for name in MEASURES:
        gaps = [a[name] - b[name] for a, b in zip(mine, base, strict=True)]
        half = T95[len(gaps) - 1] * statistics.stdev(gaps) / math.sqrt(len(gaps))
        mean = statistics.fmean(run[name] for run in mine)
        found[name] = {
            "mean": round(mean, 2),
            "difference": round(statistics.fmean(gaps), 2),
            "half_width": round(half, 2),
        }
    return found


def table(rows: dict[str, dict[str, dict[str, float]]], first: str) -> None:
    print(f"| {first} | {' | '.join(MEASURES)} |\n|---|---|---|---|---|")
    for name, row in rows.items():
        cells = []
        for measure, cell in row.items():
            digits = 1 if measure in ("staying", "infected") else 0
            text = f"{cell['mean']:,.{digits}f}"
            if cell["half_width"]:
                text += f" ({cell['difference']:+,.{digits}f} ± {cell['half_width']:,.{digits}f})"
            cells.append(text)
        print(f"| {name} | {' | '.join(cells)} |")


def minds(model: Any, people: int, seeds: int, store: AnswerStore) -> dict[str, Any]:
    def runs(shares: dict[str, float]) -> list[Any]:
        found = []
        for seed in range(1, seeds + 1):
            offered = {**Brooklyn(people=people).policies(), "language": Speaking(model)}
            cast = Cast({name: offered[name] for name in shares}, shares=shares)
            found.append(simulate(cast, people, seed, store, {}))
        return found

    base = runs({"rule": 1})
    casts = {f"everybody `{name}`": {name: 1.0} for name in ("language", "utility", "learned")}
    default = dict(Brooklyn(people=people).shares())
    casts["default"] = default
    casts["default=4, language=1"] = {
        **{name: 4 * share for name, share in default.items()}, "language": 1,
    }  # fmt: skip
    rows = {"everybody `rule`": paired(base, base)}
    for name, shares in casts.items():
        rows[name] = paired(runs(shares), base)
    table(rows, "cast")
    return rows


def wordings(model: Any, people: int, seeds: int, store: AnswerStore) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        return _wordings(model, people, seeds, store, Path(folder))


def _wordings(model: Any, people: int, seeds: int, store: Any, folder: Path) -> dict[str, Any]:
    runs: dict[tuple[str, str], list[Any]] = {}
    for name in PARAPHRASES:
        path = folder / f"{name.replace(' ', '-')}.toml"
        path.write_text(toml(worded(name), json.dumps), encoding="utf-8")
        for scenario, change in SCENARIOS.items():
            runs[name, scenario] = [
                simulate(
                    Cast({"language": Speaking(model, prompts=str(path))}),
                    people, seed, store, change,
                )
                for seed in range(1, seeds + 1)
            ]  # fmt: skip
    shipped = runs["as shipped", "order"]
    words = {name: paired(runs[name, "order"], shipped) for name in PARAPHRASES}
    table(words, "wording, against the shipped one")
    question = {name: paired(runs[name, "no order"], runs[name, "order"]) for name in PARAPHRASES}
    table(question, "without the order, against with it")
    return {"wording": words, "question": question}


def toml(source: dict[str, Any], text: Any) -> str:
    """Return prompts as TOML: JSON's texts, numbers, booleans and lists are TOML too."""

    def value(given: Any) -> str:
        if isinstance(given, dict):
            return "{ " + ", ".join(f"{k} = {value(v)}" for k, v in given.items()) + " }"
        if isinstance(given, list):
            return "[" + ", ".join(map(value, given)) + "]"
        return str(text(given))

    lines = []
    for sort in ("kind", "wording"):
        for name, one in source[sort].items():
            lines += [f"[{sort}.{name}]", *(f"{k} = {value(v)}" for k, v in one.items())]
    return "\n".join(lines)


def check(model: Any) -> dict[str, Any]:
    shown, shares, answers = situations()
    own = {name: shown[name] for name in GRID if name != "advice"}
    asked = observe(KIND, len(shares), OPTIONS, advice=shown["advice"], **own)
    policy = Speaking(model)
    asyncio.run(policy.act(asked))
    fitted = policy.language.calibration[KIND]
    raw = asyncio.run(Language(model, PROMPTS).probabilities(asked))
    p = raw.table[raw.distinct.index, 1]
    q = fitted.apply(raw.table)[raw.distinct.index, 1]  # type: ignore[union-attr]
    weight = answers / answers.sum()

    def error(told: Any) -> float:
        return round(float(np.sqrt(weight @ (told - shares) ** 2)), 3)

    features, _, _ = survey_table()
    fit = {
        "fitted": str(fitted),
        "rank correlation": round(spearman(p, shares), 2),
        "rmse as it is": error(p),
        "rmse calibrated": error(q),
        "rmse of one share for all": error(np.full(len(shares), weight @ shares)),
        "rmse of the survey's own logit": error(survey_model().predict_proba(features)[:, 1]),
    }
    print(fit)
    space = Choice(OPTIONS.options)
    main = asyncio.run(check_prompt(PROMPTS, KIND, model, GRID, space, calibration=fitted))
    laptop = {**GRID, "pressure": False, "remote": [False, True]}
    work = asyncio.run(check_prompt(PROMPTS, KIND, model, laptop, space, calibration=fitted))
    effects = [*main.effects, *(e for e in work.effects if e.column == "remote")]
    print(f"P(stay_home): {main.p[:, 1].min():.2f} to {main.p[:, 1].max():.2f}")
    print("| column | from, to | change of P | least, most | steps that rise | rank |")
    print("|---|---|---|---|---|---|")
    rows = {}
    for e in effects:
        print(
            f"| `{e.column}` | {e.first}, {e.last} | {e.change:+.3f} | "
            f"{e.least:+.2f}, {e.most:+.2f} | {e.rising:.0%} | {e.rank:+.2f} |"
        )
        rows[e.column] = [round(v, 3) for v in (e.change, e.least, e.most, e.rising, e.rank)]
    source = tomllib.loads(PROMPTS.read_text(encoding="utf-8"))
    source["kind"][KIND]["examples"] = []
    bare = asyncio.run(check_prompt(source, KIND, model, GRID, space))
    ranks = {e.column: round(e.rank, 2) for e in bare.effects}
    print(
        f"without examples: P {bare.p[:, 1].min():.2f} to {bare.p[:, 1].max():.2f}; ranks {ranks}"
    )
    ends = [round(float(end), 3) for end in (main.p[:, 1].min(), main.p[:, 1].max())]
    return {"survey": fit, "effects": rows, "range": ends, "ranks without examples": ranks}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=["check", "minds", "wordings"])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--answers", type=Path)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=5, choices=range(2, 12))
    given = parser.parse_args()
    model = Counted(open_model(given.model))
    with AnswerStore(given.answers) as store:
        if given.what == "check":
            result = check(model)
        else:
            measure = minds if given.what == "minds" else wordings
            result = measure(model, given.people, given.seeds, store)
    asked = {"distinct_prompts_asked": len(model.seen)}
    report(f"brooklyn language {given.what}", {"result": result, **asked})


if __name__ == "__main__":
    main()
