"""Answers move between stores byte for byte, and a file that is no store, or damaged, is told."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from populace.errors import ParameterError, RecordError
from populace.records.answers import AnswerStore
from populace.records.requests import key
from tests.answering import fill, never, request, run

NOON = "2026-01-31T12:00:00Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


# --- moving answers


def test_export_and_import_give_back_the_same_bytes(path: Path, tmp_path: Path) -> None:
    times = itertools.count()
    with AnswerStore(path, now=lambda: f"2026-01-31T12:00:{next(times):02d}Z") as store:
        fill(store, map(str, range(20)))
        assert store.export(tmp_path / "a.jsonl") == 20
        stats = store.stats()
    with AnswerStore(tmp_path / "b.sqlite") as other:
        told = other.import_(tmp_path / "a.jsonl")
        assert (told.added, told.same, told.different) == (20, 0, 0)
        told = other.import_(tmp_path / "a.jsonl")
        assert (told.added, told.same, told.different) == (0, 20, 0)
        other.export(tmp_path / "b.jsonl")
        assert other.stats().groups == stats.groups
        assert not run(other, request("7"), never)[1]
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert len(lines) == 21
    assert lines[1:] == sorted(lines[1:], key=lambda line: str(json.loads(line)["key"]))
    for line in lines[1:]:
        entry = json.loads(line)
        assert entry["key"] == key(entry["request"])


def test_conflicting_answers_are_an_error_unless_told_which_to_keep(tmp_path: Path) -> None:
    with AnswerStore(None) as theirs:
        fill(theirs, "ab", prefix="theirs ")
        theirs.export(tmp_path / "t.jsonl")
    for keep, text in (("ours", "ours a"), ("theirs", "theirs a")):
        with AnswerStore(None) as store:
            fill(store, "a", prefix="ours ")
            with pytest.raises(RecordError, match="differs"):
                store.import_(tmp_path / "t.jsonl")
            assert store.stats().answers == 1, "all or nothing"
            told = store.import_(tmp_path / "t.jsonl", keep)  # type: ignore[arg-type]
            assert (told.added, told.same, told.different) == (1, 0, 1)
            assert run(store, request("a"), never)[0]["text"].startswith(text)


def _damaged(lines: list[str]) -> dict[str, tuple[list[str], str]]:
    entry = json.loads(lines[2])
    forged = json.dumps({**entry, "request": request("forged")})
    return {
        "foreign": (["{}", *lines[1:]], "not an export"),
        "empty": ([], "not an export"),
        "cut": ([*lines[:2], lines[2][:-9]], "line 3"),
        "forged": ([*lines[:2], forged], "line 3: the key is not"),
        "answer": ([*lines[:2], json.dumps({**entry, "answer": 5})], "line 3"),
        "latin": ([*lines[:2], "é"], "cannot be read"),
    }


@pytest.mark.parametrize("how", ["foreign", "empty", "cut", "forged", "answer", "latin"])
def test_a_damaged_export_imports_nothing(tmp_path: Path, how: str) -> None:
    with AnswerStore(None) as store:
        fill(store, "abc")
        store.export(tmp_path / "x.jsonl")
    lines, told = _damaged((tmp_path / "x.jsonl").read_text().splitlines())[how]
    (tmp_path / "x.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    with AnswerStore(None) as store:
        with pytest.raises(RecordError, match=told):
            store.import_(tmp_path / "x.jsonl")
        assert store.stats().answers == 0
        with pytest.raises(RecordError, match="cannot be read"):
            store.import_(tmp_path / "nowhere.jsonl")


def test_stats_and_prune(path: Path) -> None:
    with AnswerStore(path, now=lambda: "2026-01-01T00:00:00Z") as store:
        fill(store, "abc")
    with AnswerStore(path, now=lambda: NOON) as store:
        fill(store, "abcd", model="big")
        groups = store.stats().groups
        assert [(g.model, g.op, g.answers) for g in groups] == [
            ("big", "generate", 4),
            ("small-1", "generate", 3),
        ]
        assert (groups[0].oldest, groups[1].newest) == (NOON, "2026-01-01T00:00:00Z")
        assert store.stats().bytes == sum(g.bytes for g in groups) > 0
        assert store.prune(before="2026-01-31", dry_run=True) == 3
        assert store.stats().answers == 7
        assert store.prune(before="2026-01-31", model="big") == 0
        assert store.prune(before="2026-01-31") == 3
        assert store.prune(model="big", op="generate") == 4
        assert store.stats().answers == 0
        for wrong in ({}, {"before": "yesterday"}):
            with pytest.raises(ParameterError):
                store.prune(**wrong)  # type: ignore[arg-type]


# --- files that are none, and damage


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE answers (key TEXT, answer TEXT)")
    base.close()


def _newer(path: Path) -> None:
    AnswerStore(path).close()
    base = sqlite3.connect(path)
    base.execute("PRAGMA user_version=99")
    base.close()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("these are notes, not answers\n" * 99), "not a database"),
    "empty": (lambda path: path.write_bytes(b""), "not an answer store"),
    "foreign": (_foreign, "not an answer store"),
    "newer": (_newer, "format 1, got 99"),
    "folder": (lambda path: path.mkdir(), "no answers are here"),
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("mode", ["fill", "strict"])
def test_a_file_that_is_no_store_is_refused_and_left_alone(path: Path, how: str, mode: Any) -> None:
    make, told = DAMAGE[how]
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(RecordError, match=told):
        AnswerStore(path, mode)
    assert (path.read_bytes() if path.is_file() else None) == before


@pytest.mark.parametrize("cut", [True, False])
def test_a_damaged_store_is_a_typed_error(path: Path, cut: bool) -> None:
    with AnswerStore(path) as store:
        fill(store, map(str, range(200)))
    whole = path.read_bytes()
    path.write_bytes(
        whole[: len(whole) // 2] if cut else whole[:4096] + b"\xa5" * (len(whole) - 4096)
    )

    def everything() -> None:
        with AnswerStore(path, "strict") as store:
            for n in range(200):
                run(store, request(str(n)), never)

    with pytest.raises(RecordError, match=r"answers\.sqlite"):
        everything()


def test_a_damaged_row_is_a_typed_error(path: Path) -> None:
    with AnswerStore(path) as store:
        fill(store, "a")
    with sqlite3.connect(path) as base:
        base.execute("UPDATE answers SET answer = substr(answer, 1, 9)")
    base.close()
    with AnswerStore(path) as store, pytest.raises(RecordError, match="damaged"):
        run(store, request("a"), never)
