"""Teams of recorded models at equal cost: the two public sets, at three budgets an item.

``python benchmarks/recorded_teams.py --to runs/recorded-teams --page docs`` remakes everything on
docs/recorded-teams.md: known figures, tables, figure, speed. Each cell (exam, arm, budget) is a
file in the directory of the study; a run that was stopped goes on from there. ``--items 200`` is
a small one. Data: the folder that POPULACE_DATA names, by default ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from _answer_table import Answers
from _measure import machine, peak_memory_mib
from _recorded_arms import Arm, planned, team
from _recorded_pairs import curves, many_of_a_kind, pairs
from populace import Cast, Simulation
from populace.language import Recorded, Recording
from populace.language.recorded_import import import_mmlu_pro, import_reasoning_gym
from populace.language.recording import RIGHT
from populace.studies.exam_tables import Tables, dropped
from populace.studies.sitting import sit
from populace.studies.statistics import holm, paired
from populace.studies.tasks import run_all
from populace.teams.structures.voting import vote
from populace.teams.team import Team
from populace.worlds.exam import Exam
from populace.worlds.exam import Recorded as Items

DATA = Path(os.environ.get("POPULACE_DATA", Path(__file__).parents[2] / "shared" / "data"))
SILENT = ("deepseek_deepseek-r1", "openai_o3-mini", "qwen_qwq-32b")
"""Models that reason before they reply; the record holds the reply alone, not what it cost."""

EXAMS: dict[str, dict[str, Any]] = {
    "rg": {
        "title": "reasoning-gym, ten models", "set": "rg", "without": [],
        "budgets": [500, 2000, 8000], "router": "family",
    },
    "rg-open": {
        "title": "reasoning-gym, seven that reason aloud", "set": "rg", "without": list(SILENT),
        "budgets": [1000, 3000, 9000], "router": "family",
    },
    "mmlu-pro": {
        "title": "MMLU-Pro, 29 models", "set": "mmlu-pro", "without": [],
        "budgets": [200, 800, 3500], "router": "category",
    },
}  # fmt: skip
VERIFIER = "verifier, one by one"
KEPT = ["correct", "score", "answer", "outcome", "status", "reason", "rounds", "calls", "tokens",
        "tokens_in", "usd", "seconds", "reached"]  # fmt: skip
SPEED_ITEMS, SPEED_MEMBERS = 10_000, 16


# -- the data ------------------------------------------------------------------------------------


def recorded(folder: Path, name: str) -> Path:
    """Import a set once."""
    path = folder / f"{name}.rec"
    if not path.exists():
        if name == "rg":
            import_reasoning_gym(DATA / "reasoning-gym-easy-answers.jsonl.gz", path)
        else:
            import_mmlu_pro(DATA / "mmlu-pro-answers.jsonl.gz", path)
    return path


@lru_cache(maxsize=1)
def answers(folder: Path, exam: str, items: int | None) -> Answers:
    """Return the answers to the items that all the exam's models were asked, or to some of them."""
    about = EXAMS[exam]
    recording = Recording(recorded(folder, about["set"]))
    models = [m for m in recording.models if m not in about["without"]]
    table = recording.table().filter(pl.col("model").is_in(models))
    asked = table.group_by("item").agg(pl.col("model").n_unique())
    common = set(asked.filter(pl.col("model") == len(models))["item"])
    found = [item for item in Items(recording).items() if item.name in common]
    if items is not None:
        ranked = sorted(found, key=lambda item: sha256(f"{item.name} drawn".encode()).digest())
        names = {item.name for item in ranked[:items]}
        found = [item for item in found if item.name in names]
    return Answers.of(recording, found, models)


def known_figures(folder: Path) -> dict[str, Any]:
    """Return the published figures of the two sets, counted as docs/recorded.md says."""
    table = Recording(recorded(folder, "rg")).table().with_columns(right=pl.col("score") >= RIGHT)
    single = table.group_by("model").agg(pl.col("right").mean())["right"]
    three = table.filter(pl.col("sample") < 3).group_by("model", "item").agg(pl.col("right").any())
    best = three.group_by("model").agg(pl.col("right").mean())["right"]
    asked = table.group_by("item").agg(pl.col("model").n_unique()).filter(pl.col("model") >= 5)
    table = table.join(asked.select("item"), on="item", how="semi", maintain_order="left")
    solved = table.group_by("item").agg(pl.col("right").any())["right"]
    scored = table.group_by("item", "answer").agg(pl.col("right").any())
    right = {(item, answer): yes for item, answer, yes in scored.rows()}
    votes: dict[str, Counter[str]] = {item: Counter() for item in asked["item"]}
    for item, answer in table.select("item", "answer").drop_nulls().rows():
        votes[item][answer] += 1
    winners = {item: max(cast, key=cast.__getitem__) for item, cast in votes.items() if cast}
    mmlu = Recording(recorded(folder, "mmlu-pro")).summary()["right"]
    return {
        "answers": Recording(recorded(folder, "rg")).table().height,
        "single": [single.min(), single.max()],
        "best_of_three": [best.min(), best.max()],
        "questions": asked.height,
        "plurality": sum(right[one] for one in winners.items()) / asked.height,
        "solved": solved.mean(),
        "mmlu_pro": [mmlu.min(), mmlu.max()],
    }


# -- the cells -----------------------------------------------------------------------------------


def cell(task: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Let one arm sit the judged half of one exam at one budget."""
    folder = Path(task["folder"])
    judge = answers(folder, task["exam"], task["items"]).part("judge").items
    recording = Recording(recorded(folder, EXAMS[task["exam"]]["set"]))
    own = team(task["name"], task["arm"], recording, judge)
    sat = sit(task["name"], own, judge, {"tokens": task["tokens"]})
    short = pl.when(pl.col("answer").is_not_null()).then(pl.lit("y")).alias("answer")
    return sat.items.with_columns(short).select(KEPT).to_dict(as_series=False)


def study(folder: Path, exam: str, items: int | None, workers: int, tell: Any) -> dict[str, Any]:
    """Return what one exam says."""
    about, held = EXAMS[exam], answers(folder, exam, items)
    budgets = about["budgets"]
    baseline, arms = planned(held, router_column=about["router"], budgets=budgets)
    tasks = [
        {"exam": exam, "items": items, "folder": str(folder), "name": name, "arm": arm,
         "tokens": tokens}
        for tokens in budgets
        for name, arm in arms.items()
        if tokens in arm["tokens"]
    ]  # fmt: skip
    results = run_all(
        tasks,
        cell,
        workers=workers,
        backend="serial" if workers == 1 else "processes",
        to=folder / f"{exam}-{items or 'all'}",
        progress=lambda done, of: tell(f"{exam}: {done} of {of} cells"),
    )
    judge = held.part("judge")
    frames = []
    for task, result in zip(tasks, results, strict=True):
        if result.value is None:
            raise RuntimeError(f"{task['name']}: {result.error}")
        level = budgets.index(task["tokens"])
        frames.append(_frame(judge, task["name"], level, result.value))
    return {
        **_told(pl.concat(frames), baseline, arms, about),
        "items": len(held.items), "judged": len(judge.items),
        "families": len({item.family for item in judge.items}),
        "curves": curves(held), "pairs": pairs(held), "many": many_of_a_kind(held),
    }  # fmt: skip


def _frame(judge: Answers, arm: str, level: int, found: Mapping[str, Any]) -> pl.DataFrame:
    types = {"usd": pl.Float64, "score": pl.Float64, "answer": pl.String}
    return pl.DataFrame(found, schema_overrides=types).with_columns(
        item=pl.Series([item.name for item in judge.items]),
        family=pl.Series([item.family for item in judge.items]),
        arm=pl.lit(arm),
        level=pl.lit(level, pl.Int64),
    )


def _told(
    rows: pl.DataFrame, baseline: str, arms: Mapping[str, Arm], about: Mapping[str, Any]
) -> dict[str, Any]:
    limits = [{"tokens": float(tokens)} for tokens in about["budgets"]]
    sixteen = next(n for n in ("log-odds, sixteen best", "diverse 16, log-odds") if n in arms)
    found: dict[str, list[Any]] = {
        name: [] for name in ("arms", "differences", "oracle", "most_spent", "pair_and_sixteen")
    }
    for level, limit in enumerate(limits):  # not every arm enters at every budget
        own = rows.filter(pl.col("level") == level).with_columns(level=pl.lit(0, pl.Int64))
        names = [name for name, arm in arms.items() if limit["tokens"] in arm["tokens"]]
        tables = Tables(own, names, [limit])
        for name, table in (
            ("arms", tables.arm_table()),
            ("differences", tables.differences(baseline)),
            ("oracle", tables.oracle()),
        ):
            found[name] += [row | {"level": level} for row in table.to_dicts()]
        found["most_spent"].append(max(own["tokens"].to_list()))
        found["pair_and_sixteen"] += [
            {"level": level, **_against(tables, name, sixteen)}
            for name in names
            if name.startswith("pair")
        ]
    for measure in ("mcnemar", "p"):  # Holm's family is the exam: all arms at all budgets
        adjusted = holm([row[measure] for row in found["differences"]]).tolist()
        for row, value in zip(found["differences"], adjusted, strict=True):
            row[f"{measure}_holm"] = value
    return {
        "title": about["title"], "budgets": about["budgets"], "baseline": baseline,
        "verifier": VERIFIER, "plan": dict(arms), "dropped": dropped(rows).to_dicts(), **found,
    }  # fmt: skip


def _against(tables: Tables, one: str, other: str) -> dict[str, Any]:
    a, b = tables.of(0, one), tables.of(0, other)
    found = paired(
        a["correct"].cast(pl.Float64), b["correct"].cast(pl.Float64), a["family"].to_list()
    )
    means = {"tokens": a["tokens"].mean(), "other_tokens": b["tokens"].mean()}
    return {"arm": one, "against": other, "difference": found.mean,
            "low": found.low, "high": found.high, **means}  # fmt: skip


# -- speed ---------------------------------------------------------------------------------------


def speed(folder: Path, items: int = SPEED_ITEMS, members: int = SPEED_MEMBERS) -> dict[str, Any]:
    """Return what a vote of recorded models takes, items and members as real as they come."""
    recording = Recording(recorded(folder, "mmlu-pro"))
    summary = recording.summary().filter(pl.col("items") == len(recording.items))
    names = summary["model"].to_list()[:members]
    team_ = Team([Recorded(recording, name) for name in names], vote, in_flight=1000)
    world = Exam(Items(recording), items=items)
    simulation = Simulation(world, Cast({"team": team_}), seed=1)
    wall, cpu = time.perf_counter(), time.process_time()
    simulation.run(1)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    logical, billed = simulation.resources.ledger.totals()
    return {
        "items": items, "members": len(names), "in_flight": 1000, "calls": logical.calls,
        "billed": billed.calls, "seconds": round(wall, 2), "cpu_seconds": round(cpu, 2),
        "microseconds_a_call": round(1e6 * cpu / logical.calls, 1),
        "accuracy": world.measure()["accuracy"], "peak_memory_mib": peak_memory_mib(),
        "machine": machine(),
    }  # fmt: skip


# -- all of it -----------------------------------------------------------------------------------


def main(given: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("runs/recorded-teams"))
    parser.add_argument("--page", type=Path, help="folder of the page whose tables are remade")
    parser.add_argument("--exams", nargs="+", choices=EXAMS, default=list(EXAMS))
    parser.add_argument("--items", type=int, help="so many items of each exam only")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--speed-items", type=int, default=SPEED_ITEMS)
    chosen = parser.parse_args(given)
    if not DATA.is_dir():
        parser.error(f"no recorded answers in {DATA}; set POPULACE_DATA")
    folder = chosen.to.resolve()
    folder.mkdir(parents=True, exist_ok=True)

    def tell(words: str) -> None:
        print(words, flush=True)

    found: dict[str, Any] = {"known": known_figures(folder)}
    tell(json.dumps(found["known"]))
    found["exams"] = {
        name: study(folder, name, chosen.items, chosen.workers, tell) for name in chosen.exams
    }
    found["speed"] = speed(folder, chosen.speed_items)
    tell(json.dumps(found["speed"]))
    (folder / "results.json").write_text(json.dumps(found, indent=1, default=str))
    if chosen.page is not None:
        from _recorded_page import remake

        remake(found, chosen.page)
    return found


if __name__ == "__main__":
    main()
