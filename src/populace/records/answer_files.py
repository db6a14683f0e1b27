"""Looking into an answer store, and moving answers between stores as JSON Lines."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args

from populace.kernel.errors import ParameterError, RecordError
from populace.kernel.spend import Spend
from populace.records.files import write_atomically
from populace.records.requests import canonical, dump, hide

Keep = Literal["ours", "theirs"]

_HEADER = {"format": 1, "populace": "answers"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")


@dataclass(frozen=True)
class Group:
    """Answers of one model by one operation; `oldest` and `newest` are ISO 8601 in UTC."""

    endpoint: str
    model: str
    op: str
    answers: int
    bytes: int
    oldest: str
    newest: str


@dataclass(frozen=True)
class Stats:
    """What a store holds: answers, bytes of their text, and both by model."""

    where: str
    answers: int
    bytes: int
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Imported:
    """What an import did: answers new here, the same already, and different (see `Keep`)."""

    added: int
    same: int
    different: int


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which answers to remove; at least one condition, and all must hold."""

    endpoint: str | None = None
    model: str | None = None
    op: str | None = None
    before: str | None = None

    def __post_init__(self) -> None:
        if all(value is None for value in asdict(self).values()):
            raise ParameterError(
                "expected a condition: endpoint, model, op or before",
                where="prune",
                mend="delete the file to remove every answer",
            )
        if self.before is not None and not _MOMENT.fullmatch(self.before):
            raise ParameterError(
                f"expected before as 2026-01-31 or 2026-01-31T12:00:00Z, got {self.before!r}",
                where="prune",
            )

    def sql(self) -> tuple[str, list[str]]:
        """Return the condition and its values."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        terms = ["created < ?" if name == "before" else f"{name} = ?" for name in given]
        return " AND ".join(terms), list(given.values())


def stats(base: sqlite3.Connection, where: str) -> Stats:
    """Return what a store holds."""
    rows = base.execute(
        "SELECT endpoint, model, op, count(*), sum(length(request) + length(answer)),"
        " min(created), max(created) FROM answers GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    groups = tuple(Group(*row) for row in rows)
    return Stats(where, sum(g.answers for g in groups), sum(g.bytes for g in groups), groups)


def totals(base: sqlite3.Connection) -> dict[str, Spend]:
    """Return what the answers cost when they were bought, by model; prices are not known here."""
    cost = ", ".join(
        f"sum(coalesce(json_extract(answer, '$.{name}'), 0))"
        for name in ("tokens_in", "tokens_out", "seconds")
    )
    rows = base.execute(f"SELECT model, count(*), {cost} FROM answers GROUP BY 1 ORDER BY 1")
    return {
        model: Spend(calls, int(read), int(written), seconds=float(seconds))
        for model, calls, read, written, seconds in rows
    }


def export(base: sqlite3.Connection, path: Path) -> int:
    """Write a header line and a line an answer, sorted by key; return how many answers."""
    count = 0

    def write(file: IO[bytes]) -> None:
        nonlocal count
        file.write((dump(_HEADER, "export") + "\n").encode())
        for key, request, answer, created in base.execute(
            "SELECT key, request, answer, created FROM answers ORDER BY key"
        ):
            # Both texts are canonical JSON already: as they stand, they stay the same bytes.
            line = f'"answer":{answer},"created":{json.dumps(created)},"key":"{key}"'
            file.write(f'{{{line},"request":{request}}}\n'.encode())
            count += 1

    write_atomically(path, write)
    return count


def import_(base: sqlite3.Connection, path: Path, keep: Keep | None) -> Imported:
    """Add exported answers in one transaction."""
    if keep is not None and keep not in get_args(Keep):
        raise ParameterError(f"expected keep 'ours' or 'theirs', got {keep!r}", where="import")
    added = same = different = 0
    with base:  # rolled back if anything is wrong
        base.execute("BEGIN IMMEDIATE")
        for row in _rows(_lines(path), path):
            there = base.execute("SELECT answer FROM answers WHERE key = ?", row[:1]).fetchone()
            if there is not None and there[0] == row[2]:
                same += 1
                continue
            if there is None:
                added += 1
            else:
                different += 1
                if keep is None:
                    raise RecordError(
                        f"the answer under {row[0]} differs from the one here",
                        where=str(path),
                        mend="say which to keep: keep='ours' or keep='theirs'",
                    )
                if keep == "ours":
                    continue
            base.execute("INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?,?,?)", row)
    return Imported(added, same, different)


def prune(base: sqlite3.Connection, only: Filter, dry_run: bool) -> int:
    """Remove answers and give their space back; return how many."""
    condition, values = only.sql()
    if dry_run:
        sql = f"SELECT count(*) FROM answers WHERE {condition}"
        return int(base.execute(sql, values).fetchone()[0])
    with base:
        removed = base.execute(f"DELETE FROM answers WHERE {condition}", values).rowcount
    base.execute("VACUUM")
    return removed


def _lines(path: Path) -> Iterator[str]:
    try:
        with open(path, encoding="ascii") as file:
            yield from file
    except (OSError, UnicodeError) as error:
        raise RecordError(f"cannot be read: {error}", where=str(path)) from error


def _rows(lines: Iterator[str], path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the rows of an exported file, each checked against its key."""
    if _json(next(lines, "")) != _HEADER:
        raise RecordError(
            "is not an export of answers", where=str(path), mend="export it with populace"
        )
    for number, line in enumerate(lines, start=2):
        where = f"{path}, line {number}"
        entry = _json(line)
        if (
            not isinstance(entry, dict)
            or set(entry) != {"answer", "created", "key", "request"}
            or not isinstance(entry["answer"], dict)
            or not isinstance(entry["created"], str)
        ):
            raise RecordError("expected an answer with its request", where=where)
        asked = canonical(entry["request"])
        if asked.key != entry["key"]:
            raise RecordError("the key is not that of the request", where=where)
        answer = dump(hide(entry["answer"], asked.secrets), where)
        yield asked.key, asked.text, answer, *asked.labels, entry["created"]


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
