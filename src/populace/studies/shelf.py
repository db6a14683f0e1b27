"""A study's result as a directory: a manifest and one Parquet file a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.kernel.errors import RecordError
from populace.records.files import MANIFEST, as_json, write_atomically

if TYPE_CHECKING:
    import polars as pl


def put(path: str | Path, tables: Mapping[str, pl.DataFrame], manifest: Mapping[str, Any]) -> Path:
    """Write the tables, then the manifest; equal tables give equal bytes. Return the directory.

    Raises
    ------
    RecordError
        If the disk refuses.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"cannot be made: {error.strerror}", where=str(folder)) from error
    for name, table in tables.items():
        write_atomically(folder / f"{name}.parquet", table.write_parquet)
    write_atomically(folder / MANIFEST, lambda file: file.write(as_json(manifest)))
    return folder


def manifest_of(path: str | Path, form: str) -> dict[str, Any] | None:
    """Return the manifest of a directory if it is of that format, else None."""
    try:
        manifest = json.loads((Path(path) / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if isinstance(manifest, dict) and str(manifest.get("format")) == form:
        return manifest
    return None


def take(path: str | Path, names: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Return the tables that `put` wrote.

    Raises
    ------
    RecordError
        If one cannot be read.
    """
    import polars as pl

    try:
        return {name: pl.read_parquet(Path(path) / f"{name}.parquet") for name in names}
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RecordError(f"cannot be read: {error}", where=str(path)) from error
