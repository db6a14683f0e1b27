"""The answer store: one key a request, one payment an answer, the same bytes for everybody."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.errors import AnswerMissError, ParameterError, RecordError
from populace.records.answers import AnswerStore, _make
from populace.records.requests import FIELDS, canonical, key

NOON = "2026-01-31T12:00:00Z"


def request(text: str = "hello", **changes: Any) -> dict[str, Any]:
    return {
        "endpoint": "http://localhost:8080/v1",
        "model": "small-1",
        "fingerprint": None,
        "op": "generate",
        "messages": [{"role": "user", "content": text}],
        "options": {"temperature": 0.5, "max_tokens": 20},
        "schema": None,
        "sample": 0,
        **changes,
    }


class Model:
    """Counts its calls and answers each differently; waits for `gate` where one is given."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self.calls, self.gate = 0, gate
        self.error: Exception | None = None

    async def __call__(self) -> dict[str, Any]:
        self.calls += 1
        number = self.calls
        await (self.gate.wait() if self.gate else asyncio.sleep(0))
        if self.error is not None:
            raise self.error
        return {"text": f"answer {number}", "logprobs": [-0.1 / 3, -1e-300]}


def run(store: AnswerStore, asked: dict[str, Any], model: Any) -> tuple[dict[str, Any], bool]:
    return asyncio.run(store.fetch(None, asked, model))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


# --- keys

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8)  # lone surrogates and all
)
values = st.recursive(
    leaves,
    lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=6), v, max_size=4),
    max_leaves=12,
)
near = st.sampled_from([0, 0.0, -0.0, 1, 1.0, True, False, None, "1", "", 2**53, 2.0**53, 1e300])
near |= st.lists(near, max_size=2) | st.dictionaries(st.sampled_from("ab"), near, max_size=2)
speech = st.fixed_dictionaries({"messages": values, "schema": values})


def test_a_key_is_the_sha256_of_a_text_written_by_hand() -> None:
    text = (
        '{"endpoint":"http://localhost:8080/v1","fingerprint":null,'
        '"messages":[{"content":"caf\\u00e9, \\"one\\"","role":"user"}],"model":"small-1",'
        '"op":"generate","options":{"max_tokens":20,"temperature":0.5},"sample":0,"schema":null}'
    )
    asked = request('café, "one"')
    assert canonical(asked).text == text
    assert key(asked) == hashlib.sha256(text.encode()).hexdigest()


def same(a: Any, b: Any) -> bool:
    """Whether two values of JSON ask the same, by another road than the canonical text."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b  # exact in Python, whatever their size
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


@given(near | values, near | values)
def test_keys_are_equal_where_requests_ask_the_same_and_nowhere_else(a: Any, b: Any) -> None:
    assert (key(request(schema=a)) == key(request(schema=b))) == same(a, b)


@given(speech, st.randoms(use_true_random=False))
def test_keys_do_not_depend_on_the_order_of_names(a: dict[str, Any], draws: random.Random) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            draws.shuffle(items)
            return {name: shuffled(held) for name, held in items}
        return tuple(shuffled(held) for held in value) if isinstance(value, list) else value

    assert key(request(**a)) == key(shuffled(request(**a)))
    text = canonical(request(**a)).text
    assert canonical(json.loads(text)).text == text


def test_what_looks_alike_has_different_keys() -> None:
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    alike = [
        request("a", model="b|c"),
        request("a|b", model="c"),
        request("a", model='b","op":"generate'),
        request("1"),
        request('1"'),
        request(composed),
        request(decomposed),
        request(messages=["a", "b"]),
        request(messages=["a,b"]),
        request(messages='["a","b"]'),
        request(options={"n": True}),
        request(options={"n": 1}),
        request(options={"n": "1"}),
        request(options={"n": None}),
        request(options={}),
        request(options=None),
        request(options={"seed": 2**63}),
        request(options={"seed": 2**63 + 1}),
        *(request(sample=sample) for sample in range(1, 4)),
        request(fingerprint="f"),
        request(endpoint="http://localhost:8081/v1"),
        request(op="score", choices=["yes", "no"]),
        request(op="score", choices=["no", "yes"]),
    ]
    assert len({key(asked) for asked in alike}) == len(alike)


def test_forms_of_one_number_have_one_key() -> None:
    for forms in (
        [1, 1.0, 1e0],
        [0, 0.0, -0.0],
        [1e15, 10**15],
        [2.0**60, 2**60],
        [0.1, 1e-1, float("0.10")],
    ):
        assert len({key(request(options={"temperature": form})) for form in forms}) == 1


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({k: v for k, v in request().items() if k != "sample"}, "sample"),
        (request(options={"temperature": float("nan")}), r"options\.temperature.*finite"),
        (request(messages=[b"raw"]), "messages.*bytes"),
        (request(schema={1: "x"}), "names as text"),
        (["not", "named"], "by name"),
    ],
)
def test_what_is_no_request_is_refused_before_any_call(asked: Any, told: str) -> None:
    model = Model()
    with AnswerStore(None) as store, pytest.raises(RecordError, match=told):
        run(store, asked, model)
    assert model.calls == 0


def test_a_key_of_another_request_is_refused_before_any_call() -> None:
    model = Model()
    with AnswerStore(None) as store, pytest.raises(RecordError, match="not that of the request"):
        asyncio.run(store.fetch(key(request("a")), request("b"), model))
    assert model.calls == 0


# --- paid once


def test_an_answer_is_paid_once_and_is_the_same_ever_after(path: Path) -> None:
    model = Model()
    with AnswerStore(path) as store:
        first, paid = run(store, request(), model)
        again, paid_again = run(store, request(), model)
        other, paid_other = run(store, request(sample=1), model)
    assert (paid, paid_again, paid_other, model.calls) == (True, False, True, 2)
    assert first == again != other
    with AnswerStore(path) as store:
        assert run(store, request(), model) == (first, False)
        assert (store.hits, store.paid, store.shared) == (1, 0, 0)


def test_identical_requests_in_flight_share_one_call() -> None:
    model = Model()

    async def main(store: AnswerStore) -> list[tuple[dict[str, Any], bool]]:
        return await asyncio.gather(
            *(store.fetch(None, request(str(n % 5)), model) for n in range(1_000))
        )

    with AnswerStore(None) as store:
        got = asyncio.run(main(store))
        assert (store.paid, store.shared, store.hits) == (5, 995, 0)
    assert model.calls == 5
    assert Counter(paid for _, paid in got) == {True: 5, False: 995}
    for n in range(5):
        assert len({json.dumps(answer) for answer, _ in got[n::5]}) == 1
    got[0][0]["text"] = "changed"
    assert got[5][0]["text"] != "changed", "everybody has a copy of their own"


def test_a_failing_call_fails_for_all_and_is_not_kept() -> None:
    model = Model()
    model.error = ConnectionError("no line")

    async def main(store: AnswerStore) -> None:
        asked = [store.fetch(None, request(), model) for _ in range(50)]
        errors = await asyncio.gather(*asked, return_exceptions=True)
        assert errors == [model.error] * 50
        assert (model.calls, store.stats().answers) == (1, 0)
        model.error = None
        answer, paid = await store.fetch(None, request(), model)
        assert (answer["text"], paid, model.calls) == ("answer 2", True, 2)
        assert not (await store.fetch(None, request(), never))[1]
        assert (store.hits, store.paid, store.shared) == (1, 1, 0)

    with AnswerStore(None) as store:
        asyncio.run(main(store))


@pytest.mark.parametrize("answer", ["text", ["list"], {"p": float("nan")}, {"p": b"raw"}, None])
def test_an_answer_that_is_not_json_is_an_error(answer: Any) -> None:
    async def model() -> Any:
        return answer

    with AnswerStore(None) as store, pytest.raises(RecordError):
        run(store, request(), model)


def test_who_asked_first_may_leave_and_the_others_have_the_answer() -> None:
    async def main(store: AnswerStore) -> None:
        model = Model(asyncio.Event())
        tasks = [asyncio.create_task(store.fetch(None, request(), model)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        assert tasks[0].cancelled()
        model.gate.set()  # type: ignore[union-attr]
        rest = await asyncio.gather(*tasks[1:])
        assert [answer["text"] for answer, _ in rest] == ["answer 1"] * 2
        assert sorted(paid for _, paid in rest) == [False, True], "somebody books the call"

    with AnswerStore(None) as store:
        asyncio.run(main(store))


def test_a_call_that_nobody_waits_for_is_cancelled() -> None:
    async def main(store: AnswerStore) -> None:
        hung, cleaning, clean = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def slow_to_go() -> dict[str, Any]:
            try:
                await hung.wait()
            finally:
                cleaning.set()
                await clean.wait()
            return {}

        tasks = [asyncio.create_task(store.fetch(None, request(), slow_to_go)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await cleaning.wait()
        assert all(task.cancelled() for task in tasks)
        # Who asks while the old call still cleans up does not wait for it.
        anew = asyncio.create_task(store.fetch(None, request(), Model()))
        for _ in range(10):
            await asyncio.sleep(0)
        waited = not anew.done()
        clean.set()
        answer, paid = await anew
        assert (answer["text"], paid, waited) == ("answer 1", True, False)

    with AnswerStore(None) as store:
        asyncio.run(main(store))


def test_a_call_that_cancels_itself_is_an_error_of_the_call() -> None:
    async def model() -> Any:
        raise asyncio.CancelledError

    with AnswerStore(None) as store, pytest.raises(RecordError, match="cancelled itself"):
        run(store, request(), model)


def test_threads_may_share_a_store(path: Path) -> None:
    got: list[dict[int, str]] = []

    def worker(number: int) -> None:
        async def main() -> None:
            async def model() -> dict[str, Any]:
                await asyncio.sleep(0)
                return {"text": f"of {number}"}

            asked = [store.fetch(None, request(str(n % 40)), model) for n in range(200)]
            answers = await asyncio.gather(*asked)
            got.append({n % 40: answer["text"] for n, (answer, _) in enumerate(answers)})

        asyncio.run(main())

    with AnswerStore(path) as store:
        threads = [threading.Thread(target=worker, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.stats().answers == 40
        assert store.hits + store.paid + store.shared == 800
        assert 40 <= store.paid <= 160
    assert len(got) == 4
    assert all(one == got[0] for one in got), "the first answer on file is everybody's"


# --- modes


def never() -> Any:
    raise AssertionError("the network was used")


def test_strict_mode_calls_nobody_and_leaves_the_file_as_it_is(path: Path) -> None:
    with AnswerStore(path) as store:
        bought = [run(store, request(str(n)), Model()) for n in range(5)]
    before = path.read_bytes()
    with AnswerStore(path, "strict") as store:
        for n, (answer, _) in enumerate(bought):
            assert run(store, request(str(n)), never) == (answer, False)
        told = (
            r"no answer of small-1 at http://localhost:8080/v1 to generate 'what now\?' .sample 3"
        )
        with pytest.raises(AnswerMissError, match=told):
            run(store, request("what now?", sample=3), never)
        with pytest.raises(RecordError):
            store.prune(model="small-1")
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_strict_mode_needs_a_file(path: Path) -> None:
    with pytest.raises(RecordError, match="no answers are here"):
        AnswerStore(path, "strict")
    with pytest.raises(RecordError, match="no answers are here"):
        AnswerStore(path, create=False)
    assert not path.exists()
    with pytest.raises(ParameterError, match="fill, strict, refresh"):
        AnswerStore(path, "full")  # type: ignore[arg-type]
    with AnswerStore(None, "strict") as store, pytest.raises(AnswerMissError):
        run(store, request(), never)


def test_refresh_buys_each_answer_anew_once(path: Path) -> None:
    with AnswerStore(path) as store:
        old, _ = run(store, request(), Model())
    model = Model()
    model.calls = 10
    with AnswerStore(path, "refresh") as store:
        new, paid = run(store, request(), model)
        assert paid
        assert new != old
        assert run(store, request(), model) == (new, False), "a run's answers agree with its replay"
    assert model.calls == 11
    with AnswerStore(path, "strict") as store:
        assert run(store, request(), never) == (new, False)


# --- moving answers


def fill(store: AnswerStore, texts: Any, prefix: str = "to ", **changes: Any) -> None:
    for text in texts:

        async def model(text: str = text) -> dict[str, Any]:
            return {"text": f"{prefix}{text} é\ud800", "logprobs": [1 / 3, 2.0, -5e-324]}

        run(store, request(text, **changes), model)


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


# --- secrets

SECRETS = [
    "sk-live-4242424242",
    "hunter2hunter2",
    "pass:w0rd-in-url",
    "tok-9999-8888",
    'q"uoted\\key',
]


def with_secrets() -> dict[str, Any]:
    return request(
        f"the key is {SECRETS[0]}, keep it",
        endpoint=f"https://me:{SECRETS[2]}@host.example/v1?api_key={SECRETS[3]}&version=2",
        options={
            "temperature": 0.5,
            "max_tokens": 20,
            "api_key": SECRETS[0],
            "extra_headers": {"Authorization": f"Bearer {SECRETS[1]}", "X-Trace": "on"},
            "nested": [{"X-API-Key": SECRETS[4]}],
        },
        api_token=SECRETS[3],
    )


def test_secrets_are_in_no_file(path: Path, tmp_path: Path) -> None:
    async def model() -> dict[str, Any]:
        return {
            "text": f"bad key {SECRETS[0]} or {SECRETS[4]}",
            "headers": {SECRETS[1]: SECRETS[3]},
        }

    with AnswerStore(path) as store:
        answer, _ = run(store, with_secrets(), model)
        assert run(store, with_secrets(), never) == (answer, False)
        store.export(tmp_path / "x.jsonl")
        written = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    assert {"answers.sqlite", "answers.sqlite-wal", "x.jsonl"} <= set(written)
    assert any(b"[secret]" in content for content in written.values())
    for content in written.values():
        for secret in SECRETS:
            assert secret.encode() not in content
            assert json.dumps(secret)[1:-1].encode() not in content
    assert "X-Trace" in (tmp_path / "x.jsonl").read_text(), "only secrets are left out"


def test_a_key_does_not_depend_on_who_pays() -> None:
    plain = request(options={"temperature": 0.5})
    for name in ("api_key", "API-Key", "x-api-key", "Authorization", "access_token", "password"):
        assert key(request(options={"temperature": 0.5, name: "0123456789"})) == key(plain)
    for name in ("max_tokens", "stop_token_ids", "top_k", "keyboard", "tokenizer"):
        assert key(request(options={"temperature": 0.5, name: 5})) != key(plain)


def test_fields_of_a_schema_are_no_secrets() -> None:
    def schema(name: str) -> dict[str, Any]:
        return {"type": "object", "properties": {name: {"type": "string"}}}

    assert key(request(schema=schema("password"))) != key(request(schema=schema("secret")))
    options = [{"response_format": {"json_schema": schema(n)}} for n in ("password", "secret")]
    assert key(request(options=options[0])) != key(request(options=options[1]))


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


# --- processes

CHILD = """
import asyncio, json, random, sys
from populace.records.answers import AnswerStore

path, job, number = sys.argv[1], sys.argv[2], int(sys.argv[3])

def request(text):
    return dict(endpoint="e", model="m", fingerprint=None, op="generate", messages=[text],
                options={}, schema=None, sample=0)

def say(*words):
    print(json.dumps(words), flush=True)

async def meet():  # in the midst of its call, it waits to be told to go on
    async def model():
        say("calling")
        sys.stdin.readline()
        return {"by": number}
    say(*await store.fetch(None, request("the same"), model))

async def fill():
    texts = [str(n) for n in range(60)]
    random.Random(number).shuffle(texts)
    say("ready")
    sys.stdin.readline()
    paid = {}
    for text in texts:
        async def model():
            paid[text] = paid.get(text, 0) + 1
            return {"by": number}
        answer, _ = await store.fetch(None, request(text), model)
        paid.setdefault(text, 0)
        say(text, answer["by"], paid[text])

async def write():  # until killed
    for n in range(10**6):
        async def model():
            return {"text": "x" * (n % 5000)}
        await store.fetch(None, request(str(n)), model)
        say(n)

store = AnswerStore(path)
asyncio.run({"meet": meet, "fill": fill, "write": write}[job]())
store.close()
"""


class Child:
    """A process of its own that uses the store, and says what it does line by line."""

    def __init__(self, path: Path, job: str, number: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), job, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
        )

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process ended"
        return json.loads(line)

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> str:
        rest, _ = self.process.communicate(timeout=60)
        return rest


@pytest.fixture
def children() -> Iterator[Callable[[Path, str, int], Child]]:
    started: list[Child] = []

    def start(path: Path, job: str, number: int) -> Child:
        started.append(Child(path, job, number))
        return started[-1]

    yield start
    for child in started:
        child.process.kill()
        child.process.communicate()


def test_processes_that_miss_together_each_pay_and_all_return_the_first_answer(
    path: Path, children: Callable[[Path, str, int], Child]
) -> None:
    both = [children(path, "meet", number) for number in (1, 2)]
    assert [child.hear() for child in both] == [["calling"]] * 2
    both[1].go()
    assert both[1].hear() == [{"by": 2}, True]
    both[0].go()
    assert both[0].hear() == [{"by": 2}, True], "it paid too, and returns what is on file"
    late = children(path, "meet", 3)
    assert late.hear() == [{"by": 2}, False], "once on file, nobody pays"
    for child in (*both, late):
        child.end()
        assert child.process.returncode == 0


def test_a_store_that_another_process_has_just_made_is_kept(path: Path) -> None:
    with AnswerStore(path) as store:
        fill(store, "a")
        made = path.stat().st_ino
        _make(path)  # as by a process that looked before the file was there
        assert path.stat().st_ino == made
        fill(store, "b")
    with AnswerStore(path, "strict") as store:
        assert store.stats().answers == 2
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_processes_fill_one_store_at_once(
    path: Path, children: Callable[[Path, str, int], Child]
) -> None:
    crowd = [children(path, "fill", number) for number in range(3)]  # the file is made by one
    for child in crowd:
        assert child.hear() == ["ready"]
    for child in crowd:
        child.go()
    said = [[json.loads(line) for line in child.end().splitlines()] for child in crowd]
    assert [child.process.returncode for child in crowd] == [0, 0, 0]
    answers: dict[str, set[int]] = {}
    paid: Counter[str] = Counter()
    for one in said:
        assert len(one) == 60
        for text, by, payments in one:
            assert payments <= 1, "a process pays a key at most once"
            paid[text] += payments
            answers.setdefault(text, set()).add(by)
    assert all(len(given) == 1 for given in answers.values()), "one answer a key, for everybody"
    assert set(paid) == set(answers)
    assert all(1 <= n <= 3 for n in paid.values())
    with AnswerStore(path, "strict") as store:
        assert store.stats().answers == 60


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_kill_in_the_middle_of_writing_loses_no_answer_that_was_given(
    path: Path, children: Callable[[Path, str, int], Child]
) -> None:
    last = -1
    for wait in (1, 40, 700):
        child = children(path, "write", 0)
        for _ in range(wait):
            child.hear()
        child.process.send_signal(signal.SIGKILL)
        given = [json.loads(line)[0] for line in child.end().splitlines() if line.endswith("]")]
        last = max([last, wait - 1, *given])
        assert child.process.returncode == -signal.SIGKILL
        with sqlite3.connect(path) as base:
            assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        base.close()
        with AnswerStore(path, "strict") as store:
            for n in range(last + 1):
                asked = dict.fromkeys(FIELDS) | {"endpoint": "e", "model": "m", "op": "generate"}
                asked |= {"messages": [str(n)], "options": {}, "sample": 0}
                assert run(store, asked, never) == ({"text": "x" * (n % 5000)}, False)
    assert last >= 699
