"""The tables of a run: rows are gathered in plain lists, and become columns when written.

Every table has one schema for the whole run, whenever its parts were written: if a measure first
appears, or first takes a fraction, in mid-run, the earlier (small) parts are written again.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from populace.kernel.errors import RecordError, WorldError
from populace.records.files import write_atomically
from populace.records.frames import (
    Broken,
    asks_frame,
    by_frame,
    empty,
    exchanges_frame,
    joined,
    load,
    panel_frame,
    rows_frame,
    schemas,
)

if TYPE_CHECKING:
    import polars as pl

    from populace.kernel.exchanges import Exchange
    from populace.kernel.minds import AskCount, PanelRows

TABLES = (
    "metrics",
    "by",
    "asks",
    "panel",
    "exchanges",
    "minds",
    "spend",
    "failures",
    "events",
    "transcript",
    "replies",
    "surveys",
    "states",
    "reference",
)

_PLAIN = ("minds", "spend", "failures", "events", "transcript", "replies")  # rows as they come
_INTEGERS = range(-(2**63), 2**63)


def checked(metrics: Mapping[str, Any]) -> dict[str, int | float | None]:
    """Return measures as plain numbers, None where one is not defined (None or NaN).

    Raises
    ------
    WorldError
        If a measure is no number, is infinite, or does not fit 64 bits.
    """
    plain: dict[str, int | float | None] = {}
    for name, value in metrics.items():
        if type(value) is not float and type(value) is not int and value is not None:
            if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0:
                value = value.item()
            if isinstance(value, (bool, int)):
                value = int(value)
            elif isinstance(value, float):
                value = float(value)
        if type(value) is float:
            if math.isinf(value):
                raise _not_a_measure(name, value)
            plain[name] = None if math.isnan(value) else value
        elif value is None or (type(value) is int and value in _INTEGERS):
            plain[name] = value
        else:
            raise _not_a_measure(name, value)
    return plain


def _defined(broken: Broken) -> Broken:
    """Leave out the labels whose value is NaN; refuse an infinite one."""
    measure, axis, labels, values = broken
    pairs = [(la, v) for la, v in zip(labels, values, strict=True) if not math.isnan(v)]
    for label, value in pairs:
        if math.isinf(value):
            raise _not_a_measure(f"{measure} of {label}", value)
    return measure, axis, [label for label, _ in pairs], [value for _, value in pairs]


def _not_a_measure(name: str, value: Any) -> WorldError:
    return WorldError(
        f"expected a finite number, got {value!r:.80}",
        where=f"measure {name!r}",
        mend="None or NaN says that a measure is not defined",
    )


class Tables:
    """Rows gathered since the last flush, and the parts written so far.

    Parameters
    ----------
    folder : Path or None
        Where parts are written, one folder a table; None keeps them as frames in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._parts: dict[str, list[Any]] = {name: [] for name in TABLES}
        self._metrics: list[tuple[int, dict[str, int | float | None]]] = []
        self._by: list[tuple[int, Broken]] = []
        self._asks: list[tuple[int, AskCount]] = []
        self._panel: list[tuple[int, PanelRows]] = []
        self._exchanges: list[tuple[int, Exchange]] = []
        self._rows: dict[str, list[Mapping[str, Any]]] = {name: [] for name in _PLAIN}
        self._frames: dict[str, list[pl.DataFrame]] = {"surveys": [], "states": []}
        self._written: dict[str, str] = {}  # kind of each metric so far: "", "int" or "float"

    def add(
        self,
        tick: int,
        metrics: Mapping[str, Any] | None,
        by: Iterable[Broken],
        asks: Iterable[AskCount],
        panel: Iterable[PanelRows],
        rows: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
        exchanges: Iterable[Exchange] = (),
    ) -> None:
        """Keep the rows of one tick, `rows` by table. The objects must not change afterwards."""
        if metrics is not None:
            self._metrics.append((tick, checked(metrics)))
        for broken in by:
            if not math.isfinite(sum(broken[3])):
                broken = _defined(broken)
            self._by.append((tick, broken))
        for ask in asks:
            self._asks.append((tick, ask))
        self._panel += [(tick, seen) for seen in panel]
        self._exchanges += [(tick, one) for one in exchanges]
        self.add_rows(rows or {})

    def add_rows(self, rows: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
        """Keep rows by table that say their tick themselves."""
        for name, more in rows.items():
            self._rows[name].extend(more)

    def add_survey(self, tick: int, name: str, population: str, answers: pl.DataFrame) -> None:
        """Keep the answers to a survey; the agents' columns among them go into ``states``."""
        import polars as pl

        schema = schemas()["surveys"]
        where = {"tick": tick, "survey": name, "population": population}
        told = answers.with_columns(pl.lit(v).alias(k) for k, v in where.items())
        self._frames["surveys"].append(told.select(pl.col(n).cast(t) for n, t in schema.items()))
        seen = answers.unique("id", maintain_order=True)
        self.add_states(
            tick, population, seen.select(n for n in seen.columns if n == "id" or n not in schema)
        )

    def add_states(self, tick: int, population: str, agents: pl.DataFrame) -> None:
        """Keep columns of agents: `agents` holds ``id``, and columns of numbers or texts."""
        import polars as pl

        schema = schemas()["states"]
        for name in agents.columns:
            values = agents[name]
            text = values.dtype == pl.String
            if name == "id" or not (
                text or values.dtype.is_numeric() or values.dtype == pl.Boolean
            ):
                continue
            number, label = (None, values) if text else (values.cast(pl.Float64), None)
            found = {"id": agents["id"].cast(pl.Int64), "value": number, "label": label}
            frame = pl.DataFrame({k: v for k, v in found.items() if v is not None}).with_columns(
                tick=pl.lit(tick), population=pl.lit(population), column=pl.lit(name)
            )
            for absent in {"value", "label"} - set(frame.columns):
                frame = frame.with_columns(pl.lit(None).alias(absent))
            self._frames["states"].append(
                frame.select(pl.col(n).cast(t) for n, t in schema.items())
            )

    def flush(self) -> None:
        """Write the gathered rows as one more part of every table that has any."""
        if self._metrics:
            self._put("metrics", self._metrics_frame())
            self._metrics = []
        if self._by:
            self._put("by", by_frame(self._by))
            self._by = []
        if self._asks:
            self._put("asks", asks_frame(self._asks))
            self._asks = []
        if self._panel:
            self._put("panel", panel_frame(self._panel))
            self._panel = []
        if self._exchanges:
            self._put("exchanges", exchanges_frame(self._exchanges))
            self._exchanges = []
        for name, frames in self._frames.items():
            if frames:
                self._put(name, joined(name, frames))
                self._frames[name] = []
        for name, rows in self._rows.items():
            if rows:
                self._put(name, rows_frame(name, rows))
                self._rows[name] = []

    def complete(self) -> None:
        """Flush, and give a table without any row an empty part, so that every table is there."""
        self.flush()
        for name in TABLES:
            if not self._parts[name]:
                self._put(name, empty(name))

    def put_reference(self, frame: pl.DataFrame) -> None:
        """Write the real series.

        Raises
        ------
        WorldError
            If columns tick, measure, value are missing or of other types.
        """
        import polars as pl

        schema = schemas()["reference"]
        try:
            frame = frame.select([pl.col(name).cast(dtype) for name, dtype in schema.items()])
        except (pl.exceptions.PolarsError, AttributeError) as error:
            raise WorldError(
                f"expected a polars DataFrame with columns {', '.join(schema)}: "
                f"{str(error).splitlines()[0]}",
                where="World.reference",
            ) from error
        self._put("reference", frame)

    def position(self) -> dict[str, Any]:
        """Return how far the tables go, after a flush, as JSON can hold it."""
        parts = {name: len(parts) for name, parts in self._parts.items() if name != "reference"}
        return {"parts": parts, "kinds": dict(self._written)}

    def take(self, source: Path | Tables, position: Mapping[str, Any]) -> None:
        """Begin with what tables in a run directory, or in another object, held at a `position`.

        Where `source` is this object's own folder, what was written later is removed.

        Raises
        ------
        RecordError
            If a part is not there or cannot be read.
        """
        self._written = dict(position["kinds"])
        if isinstance(source, Tables):
            for name in position["parts"]:
                self._put(name, source.frame(name))
            return
        folder = source
        wanted = ["tick", *self._written]
        for name in TABLES:
            count = position["parts"].get(name, 0)
            parts = [_part(folder, name, i) for i in range(count)]
            for part in parts:
                if not part.is_file():
                    raise RecordError("this part of a table is gone", where=str(part))
            if self._folder is None:
                self._parts[name] = [load(part) for part in parts]
                continue
            if self._folder == folder:
                for part in sorted((folder / name).glob("part-*")):
                    if part not in parts:
                        part.unlink()
                self._parts[name] = list(parts)
            else:
                self._parts[name] = [_copied(part, self._folder / name) for part in parts]
        dtypes = {name: _dtype(kind) for name, kind in self._written.items()}
        schemas = [_schema(part) for part in self._parts["metrics"]]
        if any(list(s) != wanted or any(s[n] != d for n, d in dtypes.items()) for s in schemas):
            self._rewrite(dtypes)  # it was written again later, with other columns

    def frame(self, name: str) -> pl.DataFrame:
        """Return a whole table."""
        self.flush()
        parts = self._parts[name]
        return joined(name, parts if self._folder is None else [load(part) for part in parts])

    # -- inside ----------------------------------------------------------------------------------

    def _put(self, name: str, frame: pl.DataFrame) -> None:
        parts = self._parts[name]
        if self._folder is None:
            parts.append(frame)
            return
        path = _part(self._folder, name, len(parts))
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, frame.write_parquet)
        parts.append(path)

    def _metrics_frame(self) -> pl.DataFrame:
        import polars as pl

        kinds = dict(self._written)
        for _, row in self._metrics:
            for name, value in row.items():
                kind = kinds.setdefault(name, "")
                if value is not None and kind != "float":
                    kinds[name] = "int" if type(value) is int else "float"
        if kinds != self._written:
            self._rewrite({name: _dtype(kind) for name, kind in kinds.items()})
            self._written = kinds
        columns: dict[str, Any] = {"tick": pl.Series([t for t, _ in self._metrics], dtype=pl.Int64)}
        for name, kind in kinds.items():
            values = [row.get(name) for _, row in self._metrics]
            columns[name] = pl.Series(values, dtype=_dtype(kind), strict=False)
        return pl.DataFrame(columns)

    def _rewrite(self, dtypes: Mapping[str, Any]) -> None:
        """Write earlier parts of the metrics again, with all columns in their present types."""
        import polars as pl

        for i, part in enumerate(self._parts["metrics"]):
            frame = part if self._folder is None else load(part)
            frame = frame.select(
                "tick",
                *(
                    (pl.col(name) if name in frame.columns else pl.lit(None))
                    .cast(dtype)
                    .alias(name)
                    for name, dtype in dtypes.items()
                ),
            )
            if self._folder is None:
                self._parts["metrics"][i] = frame
            else:
                write_atomically(part, frame.write_parquet)


def _part(folder: Path, name: str, number: int) -> Path:
    return folder / name / f"part-{number:06d}.parquet"


def _copied(part: Path, folder: Path) -> Path:
    """Return the same part in another folder; parts are replaced, never written into."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / part.name
    try:
        os.link(part, copy)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(part, copy)
    return copy


def _schema(part: Any) -> Mapping[str, Any]:
    return (load(part) if isinstance(part, Path) else part).schema


def _dtype(kind: str) -> Any:
    import polars as pl

    return pl.Int64 if kind == "int" else pl.Float64
