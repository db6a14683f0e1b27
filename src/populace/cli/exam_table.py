"""A comparison of teams in a screenful: the plan before, the table after."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from populace.cli.compare_table import _p
from populace.cli.summary import _number as number
from populace.cli.summary import _table as plain_table

if TYPE_CHECKING:
    from populace.studies.exams import ExamComparison


class Teller:
    """Tells the plan and what the pilot foretells, then how far the work is."""

    def __init__(self, console: Console, silent: bool) -> None:
        self.console, self.silent = console, silent
        self.bar: Any = None

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def __call__(self, event: Mapping[str, Any]) -> None:
        if self.silent:
            return
        if event["event"] == "cell":
            self._cell(event)
            return
        self._stop()
        lines = plan(event) if event["event"] == "plan" else ()
        if event["event"] == "foretold":
            lines = foretold(event["rows"])
        for line in lines:
            self.console.print(line, highlight=False, soft_wrap=True)

    def _cell(self, event: Mapping[str, Any]) -> None:
        if self.bar is None and self.console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

            columns: list[Any] = ["{task.description}", BarColumn(), MofNCompleteColumn()]
            self.bar = Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True)
            self.task = self.bar.add_task(event["split"], total=event["of"])
            self.bar.start()
        if self.bar is not None:
            what = f"{event['split']}  {event.get('arm', '')}"
            self.bar.update(self.task, completed=event["done"], description=what)
            if event["done"] == event["of"]:
                self._stop()


def plan(event: Mapping[str, Any]) -> list[str]:
    """Return what will run and the most that it can cost, in words."""
    most = ", ".join(f"{number(v)} {m}" for m, v in event["most"].items())
    budgets = "; ".join(event["budgets"])
    return [
        f"{event['arms']:,} arms x {len(event['budgets']):,} budgets ({budgets} an item): "
        f"{event['items']:,} items judged, {event['pilot']:,} others as a pilot.",
        f"At most {most} in all, where nothing is stored.",
    ]


def foretold(rows: list[dict[str, Any]]) -> list[str]:
    """Return what the pilot lets expect, in words."""
    measures = [m for m in rows[0]["expected"] if m != "seconds"]
    cost = {m: sum(r["expected"][m] for r in rows) for m in measures}
    known = ", ".join(f"{number(v)} {m}" for m, v in cost.items() if not math.isnan(v))
    found = [r["detectable"] for r in rows if r["detectable"] is not None]
    least = [d for d in found if math.isfinite(d)]
    lines = [f"By the pilot, expect {known} for the items judged."]
    if least:
        lines.append(
            f"Differences of {100 * min(least):.0f} to {100 * max(least):.0f} points of accuracy "
            "can be found with 80 % power, after Holm's adjustment."
        )
    if len(least) < len(found):
        lines.append(
            f"{len(found) - len(least)} of {len(found)} comparisons: the arms agree on so many "
            "items that no difference can be found."
        )
    return lines


def print_exam(comparison: ExamComparison, report: Path | None) -> None:
    """Print accuracies, differences from the baseline, what was dropped and what it cost."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 140
    manifest, baseline = comparison.manifest, comparison.baseline
    console.print(
        Text.assemble(
            (str(manifest.get("title") or "exam"), "bold"),
            f"  {manifest['items_judged']:,} items  against ",
            (baseline, "bold"),
        )
    )
    for line in remarks(comparison):
        console.print(Text(line, style="yellow"), soft_wrap=True)
    level = f"{100 * manifest['level']:g} %"
    measure = next(iter(manifest["budgets"][0]))
    differs = {(r["level"], r["arm"]): r for r in comparison.table.to_dicts()
               if r["against"] == baseline}  # fmt: skip
    table = plain_table(
        "budget", "arm", "accuracy", level, "spent", "unspent", "difference", level, "won:lost",
        "McNemar", "Holm", left=(0, 1),
    )  # fmt: skip
    before = None
    for row in comparison.arms.to_dicts():
        shown = "" if row["level"] == before else comparison.limits[row["level"]]
        before = row["level"]
        cells = [shown, row["arm"], _share(row["accuracy"]), _ends(row)]
        spent, unspent = row[measure], row[f"{measure}_unspent"]
        cells += [number(spent), "-" if unspent is None else f"{100 * unspent:.0f} %"]
        one = differs.get((row["level"], row["arm"]))
        apart = one is not None and one["low"] is not None and not one["low"] <= 0 <= one["high"]
        if one is None:
            cells += ["-"] * 5
        else:
            cells += [f"{100 * one['difference']:+.1f}", _ends(one, sign="+"),
                      f"{one['gained']}:{one['lost']}", _p(one["mcnemar"]),
                      _p(one["mcnemar_holm"])]  # fmt: skip
        table.add_row(*(Text(cell, style="bold" if apart else "") for cell in cells))
    console.print(table)
    for line in legend(comparison, measure):
        console.print(Text(line, style="dim"), soft_wrap=True)
    console.print(Text(f"records  {comparison.path}"), soft_wrap=True)
    if report is not None:
        console.print(Text(f"report   {report}"), soft_wrap=True)


def remarks(comparison: ExamComparison) -> list[str]:
    """Return what was left out and what else must be known, in words."""
    lines = []
    for row in comparison.dropped.to_dicts():
        lines.append(
            f"{row['items']:,} items left out of all arms at {comparison.limits[row['level']]}: "
            f"{row['arm']}, {row['status'].replace('_', ' ')}"
        )
    lines += [f"  {text}" for text in comparison.manifest["errors"][:2]]
    return lines


def legend(comparison: ExamComparison, measure: str) -> list[str]:
    """Return how to read the table, in words."""
    manifest = comparison.manifest
    scope = "all rows" if manifest["family"] == "all" else "the arms at each budget"
    clusters = comparison.arms["clusters"][0]
    by = f"{clusters} families" if manifest["clusters"] == "family" else f"{clusters:,} items"
    lines = [
        f"accuracy and differences in points of 100; intervals over {by}; spent: mean {measure} "
        f"an item, nothing stored; Holm: McNemar's exact p, adjusted over {scope}"
    ]
    for row in comparison.oracle.to_dicts():
        lines.append(
            f"oracle at {comparison.limits[row['level']]}: {_share(row['arms'])} solved by some "
            f"arm, {_share(row['answers'])} met by some answer"
        )
    many = [f"{arm} {k}" for arm, k in manifest["samples"][-1].items()]
    if many:
        lines.append(f"samples matched to the largest budget by the pilot: {', '.join(many)}")
    if manifest["adapts"]:
        lines.append(f"samples until the budget is exhausted: {', '.join(manifest['adapts'])}")
    return lines


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _ends(row: Mapping[str, Any], sign: str = "") -> str:
    if row["low"] is None:
        return "-"
    return f"{100 * row['low']:{sign}.1f} to {100 * row['high']:{sign}.1f}"
