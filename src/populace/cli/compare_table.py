"""A comparison in a screenful."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from populace.cli.summary import _number, _table

if TYPE_CHECKING:
    from populace.studies import Comparison


def expected(arms: int, seeds: int) -> list[str]:
    """Return, in words, what will run and what precision so many seeds can be expected to give.

    >>> expected(2, 10)[0]
    '2 arms x 10 seeds = 20 runs, paired by seed.'
    """
    from populace.studies.compare import foresight

    lines = [f"{arms:,} arms x {seeds:,} seeds = {arms * seeds:,} runs, paired by seed."]
    told = foresight(seeds)
    if math.isnan(told["half_width"]):
        return [*lines, "One seed gives a difference without an interval."]
    least = told["least_p"]
    lines.append(
        f"Expect a mean difference to ±{told['half_width']:.2g} sd of the paired differences "
        f"(95 %); a true one of {told['detectable']:.2g} sd is found with 80 % power."
    )
    if least > 0.05:
        lines.append(f"No p below {least:.2g} is possible with {seeds} seeds: 6 or more give 0.05.")
    return lines


def print_comparison(comparison: Comparison, report: Path | None) -> None:
    """Print differences from the baseline, with what was dropped and what pairing saved."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 140
    manifest = comparison.manifest
    level = f"{100 * manifest['level']:g} %"
    console.print(
        Text.assemble(
            (str(manifest.get("title") or manifest.get("world") or "comparison"), "bold"),
            f"  {len(comparison.seeds):,} seeds  against ",
            (comparison.baseline, "bold"),
        )
    )
    for line in told(comparison):
        console.print(Text(line, style="yellow"), soft_wrap=True)
    table = _table(
        "measure", "arm", comparison.baseline, "arm's", "difference", level, "p", "p Holm", "d",
        "variance", "seeds", left=(0, 1),
    )  # fmt: skip
    for column in table.columns:
        column.no_wrap = True
    before = ""
    for row in comparison.table.to_dicts():
        name = "" if row["measure"] == before else row["measure"].replace("_", " ")
        before = row["measure"]
        apart = row["low"] is not None and not row["low"] <= 0 <= row["high"]
        cells = [name, row["arm"], *(_number(row[k]) for k in ("baseline_mean", "mean"))]
        cells += [_number(row["difference"]), interval(row), _p(row["p"]), _p(row["p_holm"])]
        cells += [_short(row["effect"]), _short(row["variance_ratio"])]
        cells.append("-" if row["seeds_needed"] is None else f"{row['seeds_needed']:,}")
        table.add_row(*(Text(cell, style="bold" if apart else "") for cell in cells))
    console.print(table)
    for line in legend(comparison):
        console.print(Text(line, style="dim"), soft_wrap=True)
    if comparison.path is not None:
        console.print(Text(f"records  {comparison.path}"), soft_wrap=True)
    if report is not None:
        console.print(Text(f"report   {report}"), soft_wrap=True)


def told(comparison: Comparison) -> list[str]:
    """Return what went wrong, in words."""
    lines = []
    if dropped := comparison.dropped:
        failed = comparison.manifest["failed"]
        lines.append(
            f"{len(dropped):,} of {len(dropped) + len(comparison.seeds):,} seeds dropped from all "
            f"arms: they did not finish in every one"
        )
        if failed:
            row = failed[0]
            lines.append(f"  {row['arm']}, seed {row['seed']}: {row['error']}")
    short = comparison.table.filter(comparison.table["n"] < len(comparison.seeds))
    for name in short["measure"].unique(maintain_order=True):
        n = short.filter(short["measure"] == name)["n"][0]
        lines.append(f"{name}: known in every arm with {n:,} of {len(comparison.seeds):,} seeds")
    return lines


def legend(comparison: Comparison) -> list[str]:
    """Return how to read the table, in words."""
    tests = comparison.table["p"].drop_nulls().len()
    scope = "all tests of the table" if comparison.manifest["family"] == "all" else "each measure"
    lines = [
        f"p: sign-flip permutation; p Holm: adjusted over {scope} ({tests:,} tests in all); "
        "d: difference in sd of the paired differences"
    ]
    if not math.isnan(comparison.saved):
        lines.append(
            f"variance: what pairing by common random numbers left of that of independent seeds "
            f"(median {comparison.saved:.2g})"
        )
    if comparison.table["seeds_needed"].drop_nulls().len():
        row = next(r for r in comparison.table.to_dicts() if r["wanted"])
        lines.append(
            f"seeds: needed for the wanted half-width (for {row['measure']} ±"
            f"{_number(row['wanted'])})"
        )
    methods = set(comparison.table["method"].drop_nulls())
    if "t" in methods:
        lines.append("intervals: Student's t, for there are fewer than 8 seeds to resample")
    return lines


def interval(row: dict[str, Any]) -> str:
    return "-" if row["low"] is None else f"{_number(row['low'])} to {_number(row['high'])}"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2g}" if value >= 0.001 else f"{value:.0e}"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
