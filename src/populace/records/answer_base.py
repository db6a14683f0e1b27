"""The SQLite base of an answer store: its table, made whole, checked, copied."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from populace.kernel.errors import RecordError

FORMAT = 1
_APPLICATION = 0x706F7061  # "popa", SQLite's application_id: tells our files from others'
_SCHEMA = """
CREATE TABLE answers (
    key TEXT PRIMARY KEY NOT NULL, request TEXT NOT NULL, answer TEXT NOT NULL,
    endpoint TEXT NOT NULL, model TEXT NOT NULL, op TEXT NOT NULL, created TEXT NOT NULL
)
"""


def check(base: sqlite3.Connection, where: str, mend: str) -> None:
    """Raise RecordError unless it is a store of this format."""
    application, version = (
        int(base.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("application_id", "user_version")
    )
    if application != _APPLICATION:
        raise RecordError("is not an answer store", where=where, mend=mend)
    if version != FORMAT:
        raise RecordError(
            f"expected an answer store of format {FORMAT}, got {version}",
            where=where,
            mend="use the version of populace that wrote it",
        )
    base.execute("SELECT key, answer FROM answers LIMIT 1").fetchone()


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Add the answers of one store to another, which has the last word."""
    with target:
        insert(target, source.execute("SELECT * FROM answers"))


def insert(base: sqlite3.Connection, rows: Iterable[Sequence[str]], replace: bool = False) -> int:
    """Write rows, those already there only to `replace` them; return how many were written."""
    verb = "REPLACE" if replace else "IGNORE"
    sql = f"INSERT OR {verb} INTO answers VALUES (?,?,?,?,?,?,?)"
    return base.executemany(sql, rows).rowcount


def prepare(base: sqlite3.Connection) -> None:
    """Make an empty store."""
    base.execute(_SCHEMA)
    base.execute(f"PRAGMA application_id={_APPLICATION}")
    base.execute(f"PRAGMA user_version={FORMAT}")
    base.commit()


def make(path: Path) -> None:
    """Make an empty store beside `path` and link it into place: whole, and by one process only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        beside.unlink(missing_ok=True)  # left by a killed process of the same number
        with contextlib.closing(sqlite3.connect(beside)) as base:
            base.execute("PRAGMA journal_mode=WAL")
            prepare(base)
        with contextlib.suppress(FileExistsError):
            try:
                os.link(beside, path)
            except (PermissionError, NotImplementedError):  # a file system without hard links
                if not path.exists():
                    os.rename(beside, path)
    finally:
        for suffix in ("", "-wal", "-shm"):
            beside.with_name(beside.name + suffix).unlink(missing_ok=True)
