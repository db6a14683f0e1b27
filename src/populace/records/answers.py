"""The answer store: every answer of a model is kept, so that no call is paid twice.

SQLite in WAL mode holds one row an answer under the key of its request. An answer is on file before
anybody gets it, and everybody gets what is on file, so that a replay gives the same bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

from populace.kernel.errors import AnswerMissError, ParameterError, RecordError
from populace.kernel.spend import Spend
from populace.records import answer_files
from populace.records.answer_base import check, copy, insert, prepare
from populace.records.answer_base import make as _make
from populace.records.answer_files import Filter, Imported, Keep, Stats
from populace.records.flights import Flight, Slot
from populace.records.requests import Canonical, canonical, dump, hide

Mode = Literal["fill", "strict", "refresh"]
Call = Callable[[], Awaitable[Mapping[str, Any]]]

_DECODER = json.JSONDecoder()
_AT_ONCE = 500  # keys looked up by one query, which may have 999
_BUSY = 60.0  # seconds to wait for another process's write, which takes milliseconds
_ANOTHER = "choose another file, or move this one away"


def _utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class AnswerStore:
    """Answers by request, in one SQLite file (not on a network file system) or in memory.

    Parameters
    ----------
    path : path or None
        Made if absent, except in strict mode. None keeps answers in memory.
    mode : "fill", "strict" or "refresh"
        fill: call for what is not there, and keep it. strict: call for nothing; a miss is an error,
        and the file is not touched. refresh: call once for every request, whatever is there, and
        keep the new answer.
    create : bool
        False: the file must be there.
    now : callable
        The time as ISO 8601 text in UTC, kept with each answer.

    Attributes
    ----------
    hits, paid, shared : int
        Fetches answered from the file, by a call of their own, and by another's call in flight.

    Raises
    ------
    RecordError
        If the file is absent in strict mode, is not an answer store, is damaged, is of another
        format, or cannot be written. By any method, if the file turns out to be damaged.

    Notes
    -----
    *Tasks of one event loop* share calls: identical requests in flight are called once. Between
    *threads and processes* each loop calls for itself while an answer is not on file: one request
    may be paid once by each that missed it at the same time, and not again once it is on file. The
    first answer on file is the one that all of them return.

    A killed process loses no answer that it was given. After a power failure the file is sound, and
    may lack the last answers.
    """

    def __init__(
        self,
        path: str | Path | None,
        mode: Mode = "fill",
        *,
        create: bool = True,
        now: Callable[[], str] = _utc_now,
    ) -> None:
        if mode not in get_args(Mode):
            raise ParameterError(
                f"expected mode {', '.join(get_args(Mode))}, got {mode!r}", where="AnswerStore"
            )
        self.path = None if path is None else Path(path)
        self.mode: Mode = mode
        self.hits = self.paid = self.shared = 0
        self._where = "answers in memory" if path is None else str(path)
        self._now = now
        self._lock = threading.Lock()
        self._flights: dict[Slot, Flight] = {}
        self._refreshed: set[str] = set()
        self._held: dict[str, tuple[str, ...]] = {}  # rows in memory, until the base is needed
        self._settled = path is not None or mode == "refresh"
        with self._guard(settle=False):
            self._base = self._open(create)

    async def fetch(
        self, key: str | None, request: Mapping[str, Any] | Canonical, call: Call
    ) -> tuple[dict[str, Any], bool]:
        """Return the answer to a request, from the file or by `call`.

        Parameters
        ----------
        key : str or None
            As `populace.records.requests.key` gives it; None to have it worked out.
        request : mapping
            All that the answer depends on (see `populace.records.requests.FIELDS`), or its
            canonical form.
        call : callable
            Asks the model: returns, when awaited, a mapping of JSON values, which is kept without
            any secret of the request. It runs in a task of its own, for all that ask the same, and
            is cancelled when none of them waits any longer.

        Returns
        -------
        answer : dict
            Everybody's own copy of what is on file.
        paid : bool
            Whether this fetch is the one to book the call: True for one of those that share it.

        Raises
        ------
        AnswerMissError
            In strict mode, if the answer is not there.
        RecordError
            If the request is none, the key is not its key, or the answer is not JSON.
        Exception
            What `call` raised, for all that shared it; nothing is kept, the next fetch calls again.
        """
        asked = canonical(request) if key is None else None
        key = asked.key if asked else str(key)
        slot = asyncio.get_running_loop(), key
        if (flight := self._flights.get(slot)) is None:
            if self._may_read(key) and (text := self._read([key]).get(key)) is not None:
                self._count("hits")
                return self._parsed(key, text), False
            if self.mode == "strict":
                raise self._miss(asked or canonical(request))
            flight = self._depart(slot, asked or canonical(request), call)
        text, paid = await flight.wait()
        self._count("paid" if paid else "shared")
        return self._parsed(key, text), paid

    def peek(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a request if it is on file; nothing is called, none is counted."""
        key = canonical(request).key
        text = self._read([key]).get(key)
        return None if text is None else self._parsed(key, text)

    def known(self, asked: Sequence[Canonical]) -> list[dict[str, Any] | None]:
        """Return what is on file for each of many requests, None where a call has to be made.

        Raises
        ------
        AnswerMissError
            In strict mode, for the first that is not there.
        """
        wanted = [one.key for one in asked if self._may_read(one.key)]
        texts = self._read(wanted)
        found = [
            self._parsed(one.key, texts[one.key]) if one.key in texts else None for one in asked
        ]
        if self.mode == "strict" and None in found:
            raise self._miss(asked[found.index(None)])
        self._count("hits", sum(answer is not None for answer in found))
        return found

    def keep(
        self, asked: Sequence[Canonical], answers: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Keep the answers that were just paid to different requests, and return what is on file.

        As by `fetch` one by one, but in one transaction.
        """
        hidden = [hide(a, one.secrets) for one, a in zip(asked, answers, strict=True)]
        told = list(_each(dump(hidden, "answer")))
        kept = self._write(asked, [text for _, text in told])
        self._count("paid", len(kept))
        return [
            answer if text == there else self._parsed(one.key, there)
            for one, (answer, text), there in zip(asked, told, kept, strict=True)
        ]

    def stats(self) -> Stats:
        """Return what is in the store: answers by endpoint, model and operation, size and dates."""
        with self._guard():
            return answer_files.stats(self._base, self._where)

    def totals(self) -> dict[str, Spend]:
        """Return what the answers on file cost when they were bought, by model, without prices."""
        with self._guard():
            return answer_files.totals(self._base)

    def export(self, path: str | Path) -> int:
        """Write all answers as JSON Lines, sorted by key, and return their number.

        Two stores with the same answers give the same bytes. The file is complete or absent.
        """
        with self._guard():
            return answer_files.export(self._base, Path(path))

    def import_(self, path: str | Path, keep: Keep | None = None) -> Imported:
        """Add the answers of an exported file: all of them, or none if anything is wrong.

        Parameters
        ----------
        keep : "ours" or "theirs", optional
            Which of two different answers to one request stays; by default that is an error.

        Raises
        ------
        RecordError
            If the file is not an export, a line is damaged or its key is not that of its request,
            or answers conflict and `keep` is not given.
        """
        with self._guard():
            return answer_files.import_(self._base, Path(path), keep)

    def prune(self, dry_run: bool = False, **only: str) -> int:
        """Remove the answers for which all conditions hold, and return their number.

        Parameters
        ----------
        dry_run : bool
            Count only.
        endpoint, model, op, before : str
            Exact names; `before` is a date or time (ISO 8601, UTC) of when an answer was bought.
            At least one: nothing removes every answer at once.
        """
        with self._guard():
            return answer_files.prune(self._base, Filter(**only), dry_run)

    def move(self, path: str | Path) -> None:
        """Keep the answers in a file from now on, those so far included.

        Raises
        ------
        RecordError
            If they are kept in a file already, or this one cannot be used.
        """
        if self.path is not None:
            raise RecordError("the answers are kept in a file already", where=self._where)
        with AnswerStore(path) as other, self._guard():
            copy(self._base, other._base)
            self._base, other._base = other._base, self._base
            self.path, self._where = other.path, other._where

    def take(self, path: str | Path) -> None:
        """Add the answers of another store to this one's, which has the last word.

        Raises
        ------
        RecordError
            If either cannot be used.
        """
        with AnswerStore(path, "strict") as other, self._guard():
            copy(other._base, self._base)

    def close(self) -> None:
        """Close the file. Calls in flight go on, but their answers can no longer be kept."""
        with self._lock:
            self._held.clear()
            self._settled = True
            self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"AnswerStore({self._where!r}, {self.mode!r})"

    # --- calls in flight

    def _depart(self, slot: Slot, asked: Canonical, call: Call) -> Flight:
        """Start the shared call for a key, once it has proved to be that of its request."""
        loop, key = slot
        if asked.key != key:
            raise RecordError(
                "the key is not that of the request", where=self._where, mend="give key=None"
            )

        async def pay() -> str:
            try:
                answer = await call()
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise
                # Nobody cancelled us: the waiters must not take it for a cancellation of theirs.
                raise RecordError("the call cancelled itself", where=self._where) from None
            if not isinstance(answer, Mapping):
                raise RecordError(
                    f"expected an answer by name, got {type(answer).__name__}", where=self._where
                )
            return self._write([asked], [dump(hide(answer, asked.secrets), "answer")])[0]

        flight = Flight(loop.create_task(pay()), self._flights, slot)
        self._flights[slot] = flight
        return flight

    # --- rows

    def _may_read(self, key: str) -> bool:
        return self.mode != "refresh" or key in self._refreshed

    def _read(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the answers that are there, by key."""
        with self._guard(settle=False):
            return self._there(keys)

    def _there(self, keys: Sequence[str]) -> dict[str, str]:
        """As `_read`, for whoever has the lock."""
        texts = {key: self._held[key][2] for key in keys if key in self._held}
        if not self._settled:
            return texts
        for a in range(0, len(keys), _AT_ONCE):
            some = keys[a : a + _AT_ONCE]
            marks = ",".join("?" * len(some))
            sql = f"SELECT key, answer FROM answers WHERE key IN ({marks})"
            texts.update(self._base.execute(sql, some))
        return texts

    def _write(self, asked: Sequence[Canonical], answers: Sequence[str]) -> list[str]:
        """Keep answers; return what is on file: earlier ones, where another process had them."""
        now, keys = self._now(), [one.key for one in asked]
        rows = [
            (one.key, one.text, answer, *one.labels, now)
            for one, answer in zip(asked, answers, strict=True)
        ]
        with self._guard(settle=False):
            if not self._settled:
                return [self._held.setdefault(row[0], row)[2] for row in rows]
            again = [self.mode == "refresh" and key not in self._refreshed for key in keys]
            with self._base:
                kept = [row for row, new in zip(rows, again, strict=True) if not new]
                number = insert(self._base, kept)
                insert(self._base, [r for r, new in zip(rows, again, strict=True) if new], True)
            if any(again):
                self._refreshed.update(keys)
            if number == len(kept):
                return list(answers)
            there = self._there(keys)
        return [there.get(key, answer) for key, answer in zip(keys, answers, strict=True)]

    def _count(self, what: str, number: int = 1) -> None:
        with self._lock:
            setattr(self, what, getattr(self, what) + number)

    def _parsed(self, key: str, text: str) -> dict[str, Any]:
        try:
            answer, end = _DECODER.raw_decode(text)
        except ValueError:
            answer, end = None, 0
        if not isinstance(answer, dict) or end != len(text):
            raise RecordError(
                f"the answer under {key} is damaged", where=self._where, mend=_ANOTHER
            )
        return answer

    def _miss(self, asked: Canonical) -> AnswerMissError:
        endpoint, model, op = asked.labels
        plain = json.loads(asked.text)
        messages = plain["messages"]
        last = messages[-1] if isinstance(messages, list) and messages else messages
        words = last.get("content", last) if isinstance(last, dict) else last
        return AnswerMissError(
            f"no answer of {model} at {endpoint} to {op} {str(words)!r:.120} "
            f"(sample {plain['sample']})",
            where=self._where,
            mend="run once in mode fill, with the model at hand",
        )

    # --- the file

    def _open(self, create: bool) -> sqlite3.Connection:
        if self.path is None:
            base = sqlite3.connect(":memory:", check_same_thread=False)
            prepare(base)
            return base
        if self.mode != "strict" and create and not self.path.exists():
            _make(self.path)
        if not self.path.is_file():
            raise RecordError("no answers are here", where=self._where, mend="check the path")
        address = f"{self.path.resolve().as_uri()}?mode=rw"
        if self.mode == "strict" and not os.access(self.path.parent, os.W_OK):
            # SQLite could not put its shared memory beside the file.
            address = f"{self.path.resolve().as_uri()}?immutable=1"
        base = sqlite3.connect(address, uri=True, timeout=_BUSY, check_same_thread=False)
        try:
            check(base, self._where, _ANOTHER)
            if self.mode == "strict":
                base.execute("PRAGMA query_only=ON")
            # A commit is in the system's hands at once, and forced to disk at each checkpoint.
            base.execute("PRAGMA synchronous=NORMAL")
        except BaseException:
            base.close()
            raise
        return base

    @contextlib.contextmanager
    def _guard(self, settle: bool = True) -> Iterator[None]:
        """One use of the file at a time, all answers in it, and its failures in our own type."""
        with self._lock:
            try:
                if settle and not self._settled:
                    with self._base:
                        insert(self._base, list(self._held.values()))
                    self._held.clear()
                    self._settled = True
                yield
            except (sqlite3.Error, OSError, UnicodeError) as error:
                raise RecordError(
                    f"cannot be used as an answer store: {error}", where=self._where, mend=_ANOTHER
                ) from error


def _each(listed: str) -> Iterator[tuple[Any, str]]:
    """Return each value of a list in JSON without spaces, and its text."""
    at = 1
    while at < len(listed) - 1:
        value, end = _DECODER.raw_decode(listed, at)
        yield value, listed[at:end]
        at = end + 1
