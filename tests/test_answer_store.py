"""The answer store: nothing is paid twice, and everybody has the same bytes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from populace.errors import AnswerMissError, ParameterError, RecordError
from populace.records.answers import AnswerStore, _make
from populace.records.requests import FIELDS
from tests.answering import Model, fill, never, request, run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


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
