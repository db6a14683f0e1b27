"""A run in a screenful, for people or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from populace.kernel.answers import OUTCOMES
from populace.records import Run
from populace.reports.spending import language_minds, spending

if TYPE_CHECKING:
    import polars as pl

_STYLES = {"finished": "green", "failed": "red"}
_NOTES = {"running": " (still running, or its process died)"}


def summary(run: Run) -> dict[str, Any]:
    """Return status, measures and decisions of a run as JSON can hold them."""
    manifest = run.manifest
    return {
        "path": None if run.path is None else str(run.path),
        "status": run.status,
        "error": manifest.get("error"),
        "stopped": manifest.get("stopped") or None,
        "world": manifest["world"]["name"],
        "parameters": manifest["world"].get("parameters"),
        "seed": manifest["seed"],
        "ticks": manifest["ticks"],
        "populations": manifest.get("populations"),
        "seconds": manifest.get("seconds"),
        "started": manifest.get("started"),
        "finished": manifest.get("finished"),
        "measures": measures(run),
        "decisions": decisions(run.asks),
        "spend": spending(run),
        "minds": language_minds(run),
        "failures_kept": run.failures.height,
    }


def measures(run: Run) -> dict[str, dict[str, Any]]:
    """Return last, lowest and highest value of every measure, with the ticks of the two."""
    found: dict[str, dict[str, Any]] = {}
    for name in run.metrics.columns[1:]:
        known = run.metrics.select("tick", name).drop_nulls()
        values, ticks = known[name], known["tick"]
        if not known.height:
            found[name] = dict.fromkeys(("last", "low", "low_tick", "high", "high_tick"))
            continue
        low, high = values.arg_min() or 0, values.arg_max() or 0
        found[name] = {
            "last": values[-1],
            "low": values[low],
            "low_tick": ticks[low],
            "high": values[high],
            "high_tick": ticks[high],
        }
    return found


def decisions(asks: pl.DataFrame) -> list[dict[str, Any]]:
    """Return agents asked and outcomes by population, kind and policy."""
    totals = asks.group_by("population", "kind", "policy", maintain_order=True)
    return (
        totals.sum()
        .select("population", "kind", "policy", "agents", *OUTCOMES, "seconds")
        .to_dicts()
    )


def print_summary(run: Run, report: Path | None = None) -> None:
    """Print a run for a person."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 110
    manifest, ticks = run.manifest, run.manifest["ticks"]
    first, seconds = ticks.get("first", 0), manifest.get("seconds") or 0.0
    head = Text.assemble(
        (str(manifest["world"]["name"]), "bold"),
        f"  seed {manifest['seed']}  ",
        (run.status, _STYLES.get(run.status, "yellow")),
        _NOTES.get(run.status, ""),
    )
    console.print(head)
    if error := manifest.get("error"):
        told = " ".join(f"{error['type']}: {error['message']}".split())
        console.print(Text(told, style="red"), soft_wrap=True)
    if stopped := manifest.get("stopped"):
        console.print(Text(f"stopped: {stopped}", style="yellow"), soft_wrap=True)
    people = ", ".join(f"{n:,} {name}" for name, n in (manifest.get("populations") or {}).items())
    done = f"{run.ticks:,} of {ticks['asked']:,} ticks"
    if run.ticks and manifest["world"].get("calendar"):
        done += f", {run.when(first)} to {run.when(first + run.ticks - 1)}"
    speed = f" ({run.ticks / seconds:,.1f} ticks/s)" if seconds > 0 and run.ticks else ""
    console.print(Text(f"{people}  {done}  {seconds:,.1f} s{speed}"))
    _print_measures(console, run)
    _print_decisions(console, run)
    _print_minds(console, run)
    _print_spend(console, run)
    if run.path is not None:
        console.print(Text(f"records  {run.path}"), soft_wrap=True)
    if report is None and run.path is not None and (run.path / "report.html").exists():
        report = run.path / "report.html"
    if report is not None:
        console.print(Text(f"report   {report}"), soft_wrap=True)


def _print_measures(console: Console, run: Run) -> None:
    table = _table("measure", "last", "lowest", "", "highest", "", left=(0, 3, 5))
    for name, found in measures(run).items():
        row = [name, _number(found["last"])]
        for end in ("low", "high"):
            tick = found[f"{end}_tick"]
            row += [_number(found[end]), "" if tick is None else run.when(tick)]
        table.add_row(*map(Text, row))
    if table.row_count and run.ticks:
        console.print(table)


def _print_decisions(console: Console, run: Run) -> None:
    rows = decisions(run.asks)
    happened = [name for name in OUTCOMES if name == "acted" or any(row[name] for row in rows)]
    table = _table("decision", "policy", "asked", *happened, "seconds", left=(0, 1))
    several = len({row["population"] for row in rows}) > 1
    for row in rows:
        kind = f"{row['population']}: {row['kind']}" if several else row["kind"]
        counts = [f"{row[name]:,}" for name in ("agents", *happened)]
        table.add_row(*map(Text, [kind, row["policy"], *counts, f"{row['seconds']:,.2f}"]))
    if table.row_count:
        console.print(table)


def _print_minds(console: Console, run: Run) -> None:
    """Print through how many prompts and calls language minds decided."""
    rows = language_minds(run)
    stood_in = any(row["predicted"] is not None for row in rows)
    heads = ["decided through", "policy", "agents", "prompts", "calls", "paid"]
    heads += ["foretold", "error", "95 %"] if stood_in else []
    table = _table(*heads, left=(0, 1))
    for row in rows:
        cells = [row["kind"], row["policy"]]
        cells += [_number(row[name]) for name in ("agents", "distinct", "calls", "paid")]
        if stood_in:
            share, low, high = row["share"], row["low"], row["high"]
            cells += ["-" if share is None else f"{share:.1%}", _number(row["error"])]
            cells.append("-" if low is None else f"{_number(low)} to {_number(high)}")
        table.add_row(*map(Text, cells))
    if table.row_count:
        console.print(table)


def _print_spend(console: Console, run: Run) -> None:
    """Print what the method costs, and what of it was billed."""
    found = spending(run)
    if found is None:
        return
    table = _table("spend", "calls", "tokens in", "tokens out", "US$", "seconds", left=(0,))
    for ledger in ("logical", "billed"):
        spend = found[ledger]
        usd = "no price" if spend["usd"] is None else f"{spend['usd']:,.4f}"
        counts = [f"{spend[name]:,}" for name in ("calls", "tokens_in", "tokens_out")]
        table.add_row(*map(Text, [ledger, *counts, usd, f"{spend['seconds']:,.1f}"]))
    console.print(table)
    if run.failures.height:
        console.print(Text(f"failures {run.failures.height} replies kept in the table 'failures'"))


def _table(*heads: str, left: tuple[int, ...]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for i, head in enumerate(heads):
        table.add_column(head.replace("_", " "), justify="left" if i in left else "right")
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
