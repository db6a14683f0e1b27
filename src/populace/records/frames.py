"""Columns of the tables of a run: their schemas, and frames made of what a tick left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from populace.kernel.answers import OUTCOMES
from populace.kernel.errors import RecordError
from populace.records.redact import hider

if TYPE_CHECKING:
    import polars as pl

    from populace.kernel.exchanges import Exchange
    from populace.kernel.minds import AskCount, PanelRows

Broken = tuple[str, str, Sequence[str], Sequence[float]]  # measure, axis, labels, values


def schemas() -> dict[str, dict[str, Any]]:
    import polars as pl

    number, text, real = pl.Int64, pl.String, pl.Float64
    asked = {"tick": number, "population": text, "kind": text, "policy": text, "agents": number}
    seen = {"tick": number, "population": text, "id": number, "kind": text, "policy": text}
    return {
        "metrics": {"tick": number},
        "by": {"tick": number, "measure": text, "axis": text, "label": text, "value": real},
        "asks": {**asked, **dict.fromkeys(OUTCOMES, number), "seconds": real},
        "panel": {**seen, "outcome": text, "value": real, "label": text},
        "exchanges": {
            "tick": number,
            "turn": number,
            "population": text,
            "id": number,
            "act": text,
            "kind": text,
            "policy": text,
            "outcome": text,
            "value": real,
            "label": text,
            "shown": pl.List(pl.Struct({"column": text, "value": real, "label": text})),
            "notes": pl.List(pl.Struct({"what": text, "text": text})),
        },
        "minds": {
            "tick": number,
            **dict.fromkeys(("population", "policy", "kind", "measure"), text),
            "value": real,
        },
        "spend": {
            "tick": number,
            **dict.fromkeys(("kind", "policy", "model"), text),
            **{
                f"{ledger}_{name}": real if name in ("usd", "seconds") else number
                for ledger in ("logical", "billed")
                for name in ("calls", "tokens_in", "tokens_out", "usd", "seconds")
            },
        },
        "failures": {
            "tick": number,
            **dict.fromkeys(("population", "policy", "kind", "outcome"), text),
            "agents": number,
            **dict.fromkeys(("prompt", "reply", "why"), text),
        },
        "surveys": {
            "tick": number,
            **dict.fromkeys(("survey", "population"), text),
            "id": number,
            **dict.fromkeys(("policy", "question", "outcome"), text),
            "value": real,
            "label": text,
        },
        "states": {
            "tick": number,
            "population": text,
            "id": number,
            "column": text,
            "value": real,
            "label": text,
        },
        "events": {"tick": number, "name": text, "what": text},
        "replies": {
            "tick": number,
            "population": text,
            "id": number,
            "kind": text,
            "number": number,
            "reply": text,
        },
        "transcript": {
            "tick": number,
            "population": text,
            "agent": number,
            "policy": text,
            "round": number,
            "turn": number,
            **dict.fromkeys(("member", "prompt", "asked"), text),
            "sees": pl.List(text),
            **dict.fromkeys(("text", "answer", "outcome"), text),
            "confidence": real,
            "tokens_in": number,
            "tokens_out": number,
            **dict.fromkeys(("votes", "reason"), text),
            "answering": pl.Boolean,
        },
        "reference": {"tick": number, "measure": text, "value": real},
    }


def empty(name: str) -> pl.DataFrame:
    """Return a table without rows."""
    import polars as pl

    return pl.DataFrame(schema=schemas()[name])


def load(path: Path) -> pl.DataFrame:
    """Return one part.

    Raises
    ------
    RecordError
        If it cannot be read.
    """
    import polars as pl

    try:
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RecordError(
            f"cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            mend="delete this part to read the others",
        ) from error


def joined(name: str, parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the parts of one table together (those of a live run may differ for a moment)."""
    import polars as pl

    return pl.concat(parts, how="diagonal_relaxed") if parts else empty(name)


def by_frame(rows: Sequence[tuple[int, Broken]]) -> pl.DataFrame:
    import polars as pl

    lengths = [len(labels) for _, (_, _, labels, _) in rows]
    columns = {
        "tick": np.repeat(np.array([tick for tick, _ in rows], np.int64), lengths),
        "measure": _repeated([measure for _, (measure, _, _, _) in rows], lengths),
        "axis": _repeated([axis for _, (_, axis, _, _) in rows], lengths),
        "label": [label for _, (_, _, labels, _) in rows for label in labels],
        "value": [value for _, (_, _, _, values) in rows for value in values],
    }
    return pl.DataFrame(columns, schema=schemas()["by"])


def asks_frame(rows: Sequence[tuple[int, AskCount]]) -> pl.DataFrame:
    import polars as pl

    counts = np.array([ask.outcomes for _, ask in rows], np.int64).reshape(len(rows), len(OUTCOMES))
    columns: dict[str, Any] = {
        "tick": [tick for tick, _ in rows],
        "population": [ask.population for _, ask in rows],
        "kind": [ask.kind for _, ask in rows],
        "policy": [ask.policy for _, ask in rows],
        "agents": [ask.agents for _, ask in rows],
    }
    columns |= {name: counts[:, i] for i, name in enumerate(OUTCOMES)}
    columns["seconds"] = [float(ask.seconds) for _, ask in rows]
    return pl.DataFrame(columns, schema=schemas()["asks"])


def panel_frame(rows: Sequence[tuple[int, PanelRows]]) -> pl.DataFrame:
    import polars as pl

    lengths = [len(seen.ids) for _, seen in rows]
    columns = {
        "tick": np.repeat(np.array([tick for tick, _ in rows], np.int64), lengths),
        "population": _repeated([seen.population for _, seen in rows], lengths),
        "id": np.concatenate([np.asarray(seen.ids, np.int64) for _, seen in rows]),
        "kind": _repeated([seen.kind for _, seen in rows], lengths),
        "policy": [name for _, seen in rows for name in seen.policies],
        "outcome": [name for _, seen in rows for name in seen.outcomes],
        "value": [value for _, seen in rows for value in seen.values],
        "label": [label for _, seen in rows for label in seen.labels],
    }
    return pl.DataFrame(columns, schema=schemas()["panel"], strict=False)


def exchanges_frame(rows: Sequence[tuple[int, Exchange]]) -> pl.DataFrame:
    import polars as pl

    schema, hidden = schemas()["exchanges"], hider()
    flat: dict[str, list[Any]] = {name: [] for name in schema if name not in ("shown", "notes")}
    shown, notes = _Lists(schema["shown"]), _Lists(schema["notes"])
    for tick, one in rows:
        n, done = len(one), one.decision
        alike = (tick, one.turn, one.population, "told" if done is None else "asked", one.kind)
        for name, value in zip(("tick", "turn", "population", "act", "kind"), alike, strict=True):
            flat[name] += [value] * n
        flat["id"] += one.ids.tolist()
        nothing = [None] * n
        flat["policy"] += nothing if done is None else done.policies
        flat["outcome"] += nothing if done is None else done.outcomes
        flat["value"] += nothing if done is None else done.values
        flat["label"] += nothing if done is None else done.labels
        columns = [_told(value, n) for value in one.shown.values()]
        names = list(one.shown)
        for i, agent in enumerate(one.ids.tolist()):
            shown.add(names, [values[i] for values, _ in columns], [said[i] for _, said in columns])
            noted = one.notes.found.get(agent, ())
            notes.add([what for what, _ in noted], [hidden(text) for _, text in noted])
    lists = {"shown": shown.series(), "notes": notes.series()}
    return pl.DataFrame({**flat, **lists}, schema=schema, strict=False)


class _Lists:
    """A column of lists of records, gathered field by field."""

    def __init__(self, dtype: Any) -> None:
        self._dtype, self._lengths = dtype, [0]
        self._fields: list[list[Any]] = [[] for _ in dtype.inner.fields]

    def add(self, *fields: list[Any]) -> None:
        """Add one list: all its records' first fields, all its second ones, and so on."""
        self._lengths.append(len(fields[0]))
        for held, more in zip(self._fields, fields, strict=True):
            held += more

    def series(self) -> pl.Series:
        import polars as pl

        fields = zip(self._dtype.inner.fields, self._fields, strict=True)
        flat = pl.DataFrame([pl.Series(f.name, held, f.dtype) for f, held in fields])
        rows = pl.Series(np.repeat(np.arange(len(self._lengths) - 1), self._lengths[1:]))
        lists = flat.to_struct("all").to_frame().group_by(rows.alias("row"), maintain_order=True)
        every = pl.DataFrame({"row": np.arange(len(self._lengths) - 1)})
        found = every.join(lists.agg("all"), on="row", how="left", maintain_order="left")["all"]
        return found.cast(self._dtype).fill_null([])


def _told(value: Any, n: int) -> tuple[list[float | None], list[str | None]]:
    """Return what n agents are shown as numbers and in words; both None: not known."""
    if not (isinstance(value, np.ndarray) and value.ndim):
        number, words = _one_told(value)
        return [number] * n, [words] * n
    nothing: list[Any] = [None] * n
    if value.ndim > 1 or value.dtype.kind not in "biuf":
        pairs = [_one_told(each) for each in value.tolist()]
        return [number for number, _ in pairs], [words for _, words in pairs]
    if value.dtype.kind == "b":
        return nothing, ["yes" if each else "no" for each in value.tolist()]
    numbers = value.astype(np.float64)
    return [None if x != x else x for x in numbers.tolist()], nothing


def _one_told(value: Any) -> tuple[float | None, str | None]:
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, (tuple, list)):
        return None, ", ".join(map(str, value))
    if isinstance(value, bool):
        return None, "yes" if value else "no"
    if isinstance(value, (int, float)):
        return (None if math.isnan(value) else float(value)), None
    return None, None if value is None else str(value)


def rows_frame(name: str, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    import polars as pl

    schema = schemas()[name]
    return pl.DataFrame({c: [row[c] for row in rows] for c in schema}, schema=schema)


def _repeated(texts: Sequence[str], lengths: Sequence[int]) -> list[str]:
    return [text for text, n in zip(texts, lengths, strict=True) for _ in range(n)]
