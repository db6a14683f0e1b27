"""What a run keeps, as the command line says it, and how large that will be."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import click

from populace.kernel.errors import ParameterError
from populace.records import Run
from populace.records.frames import empty
from populace.records.tables import TABLES
from populace.simulation.focus import Records

if TYPE_CHECKING:
    import polars as pl

_THINNED = ("metrics", "by", "panel", "exchanges", "states")


def read_records(
    panel: str,
    columns: str | None,
    kinds: str | None,
    measures: str | None,
    every: int,
    exchanges: bool | None = None,
) -> Records:
    """Return what the options ask to keep.

    Raises
    ------
    ParameterError
        If `panel` is neither a number nor a condition.
    """
    number = panel.strip().lstrip("-").isdecimal()
    return Records(
        panel=int(panel) if number else panel,
        columns=_names(columns) or (),
        kinds=_names(kinds),
        measures=_names(measures),
        every=every,
        exchanges=exchanges,
    )


def _names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ParameterError(f"expected NAME,NAME,..., got {text!r}")
    return names


def sizes(run: Run, length: int, records: Records) -> list[dict[str, Any]]:
    """Return rows and bytes of every table of a run of `length` ticks, from its first ticks.

    Rows go on at the rate of the rehearsed ticks, a row of Parquet at the size of the later half of
    theirs. The bytes are those of one part; a long run is written in several.
    """
    told = []
    for name in TABLES:
        frame = run._table(name)
        ticks, done = length, run.ticks
        if name in _THINNED:
            ticks, done = (-(-n // records.every) for n in (length, done))
        rows = frame.height
        ended = not done or run.ticks < run.manifest["ticks"]["asked"]  # the world was done
        whole = rows if name == "reference" or ended else round(rows * ticks / done)
        told.append({"table": name, "rows": whole, "bytes": _bytes(frame, name, whole)})
    return told


def _bytes(frame: pl.DataFrame, name: str, rows: int) -> int:
    """Return the size of so many rows like these: that of these, and of the rest as of the last."""
    if not frame.height:
        return _written(empty(name))
    size, half = _written(frame), frame.height // 2
    each = (size - _written(frame.head(half))) / (frame.height - half)
    return max(round(size + each * (rows - frame.height)), _written(frame.clear()))


def _written(frame: pl.DataFrame) -> int:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.tell()


def print_sizes(found: list[dict[str, Any]], rehearsed: int) -> None:
    """Print the sizes of tables for a person, those without a row left out."""
    click.echo("records")
    kept = [one for one in found if one["rows"]]
    for one in kept:
        click.echo(f"  {one['table']:<11} {one['rows']:>14,} rows {_amount(one['bytes']):>10}")
    total = sum(one["bytes"] for one in found)
    click.echo(f"  {'all':<11} {sum(o['rows'] for o in kept):>14,} rows {_amount(total):>10}")
    click.echo(f"  as the first {rehearsed:,} ticks go on, each table in one part")


def _amount(number: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number} B"
