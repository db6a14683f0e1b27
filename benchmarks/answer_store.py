"""What paying once and never over costs: the answer store, the budget and the ledger a request.

Each is measured by turns with the least that would do the same job: a bare ``SELECT`` or ``INSERT``
by the same SQLite on the same file format, or the same tasks with no budget and no store at all.

Run ``python benchmarks/answer_store.py``: one JSON line. Times are microseconds a request; a ratio
is how many times the bare form's time ours takes.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from _measure import report, spread
from populace import AnswerStore, Budget
from populace.kernel.ledger import Ledger
from populace.kernel.spend import Spend
from populace.records.requests import key

REQUESTS = 1_000
ROUNDS = 7
PROMPT = "You live in Brooklyn. " * 40  # about 900 characters, a usual prompt


def request(n: int) -> dict[str, Any]:
    return {
        "endpoint": "http://localhost:8080/v1",
        "model": "small-1",
        "fingerprint": "b179c9523d0e",
        "op": "score",
        "messages": [{"role": "system", "content": PROMPT}, {"role": "user", "content": str(n)}],
        "options": {"temperature": 0.7, "max_tokens": 64, "stop": ["\n"]},
        "schema": None,
        "choices": ["go out", "stay at home"],
        "sample": 0,
    }


ANSWER = {"logprobs": [-0.31, -1.32], "tokens_in": 231, "tokens_out": 0, "text": "stay " * 20}
ASKED = [request(n) for n in range(REQUESTS)]
KEYS = [key(asked) for asked in ASKED]
TEXTS = [json.dumps(asked, sort_keys=True) for asked in ASKED]


async def model() -> dict[str, Any]:
    await asyncio.sleep(0)  # so that all are in flight at once
    return ANSWER


async def fetch_all(store: AnswerStore, asked: list[dict[str, Any]], keys: list[Any]) -> None:
    await asyncio.gather(*(store.fetch(k, a, model) for k, a in zip(keys, asked, strict=True)))


async def spend_all(store: AnswerStore, budget: Budget, ledger: Ledger) -> None:
    async def one(asked: dict[str, Any]) -> None:
        with await budget.acquire(tokens=300, usd=0.001) as hold:
            answer, paid = await store.fetch(None, asked, model)
            spend = Spend(1, answer["tokens_in"], answer["tokens_out"], 0.0005, 0.2)
            hold.settle(spend)
            ledger.add("go out", "model", "small-1", spend, spend if paid else Spend())

    await asyncio.gather(*(one(asked) for asked in ASKED))


async def nothing_all() -> None:
    await asyncio.gather(*(model() for _ in ASKED))


def bare(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=NORMAL")
    base.execute("CREATE TABLE IF NOT EXISTS t (key TEXT PRIMARY KEY, request TEXT, answer TEXT)")
    return base


def timed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) / REQUESTS * 1e6


def one_round(folder: Path) -> dict[str, float]:
    """Time every way once, on files of its own; microseconds a request."""
    got: dict[str, float] = {}
    base = bare(folder / "bare.sqlite")

    def insert() -> None:
        for k, text in zip(KEYS, TEXTS, strict=True):
            with base:
                base.execute("INSERT INTO t VALUES (?,?,?)", (k, text, json.dumps(ANSWER)))

    def select() -> None:
        for k in KEYS:
            json.loads(base.execute("SELECT answer FROM t WHERE key = ?", (k,)).fetchone()[0])

    got["bare_insert"] = timed(insert)
    with AnswerStore(folder / "ours.sqlite") as store:
        got["miss"] = timed(lambda: asyncio.run(fetch_all(store, ASKED, KEYS)))
        got["bare_select"] = timed(select)
        got["hit"] = timed(lambda: asyncio.run(fetch_all(store, ASKED, KEYS)))
    with AnswerStore(None) as store:
        same = [ASKED[0]] * REQUESTS
        got["shared"] = timed(lambda: asyncio.run(fetch_all(store, same, [KEYS[0]] * REQUESTS)))
        assert store.paid == 1
    got["key"] = timed(lambda: [key(asked) for asked in ASKED])
    budget, ledger = Budget(tokens=10**9, usd=1e6), Ledger()
    inner = budget.scope("a").scope("b", tokens=10**9)

    def reserve() -> None:
        for _ in range(REQUESTS):
            with inner.reserve(tokens=300, usd=0.001) as hold:
                hold.settle(Spend(1, 200, 31, 0.0005, 0.2))

    got["reserve_and_settle_3_scopes"] = timed(reserve)
    got["nothing"] = timed(lambda: asyncio.run(nothing_all()))
    with AnswerStore(folder / "whole.sqlite") as store:
        got["whole_first"] = timed(lambda: asyncio.run(spend_all(store, inner, ledger)))
        got["whole_again"] = timed(lambda: asyncio.run(spend_all(store, inner, ledger)))
    assert ledger.totals().billed.calls == REQUESTS
    assert ledger.totals().logical.calls == 2 * REQUESTS
    base.close()
    return got


def main() -> None:
    rounds = []
    for number in range(ROUNDS + 1):
        folder = Path(tempfile.mkdtemp())
        try:
            got = one_round(folder)
        finally:
            shutil.rmtree(folder)
        if number:  # the first warms
            rounds.append(got)
    median = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    report(
        "answer_store",
        {
            "requests_in_flight": REQUESTS,
            "sqlite": sqlite3.sqlite_version,
            "us_a_request": {name: spread([r[name] for r in rounds]) for name in median},
            "miss_to_bare_insert": spread([r["miss"] / r["bare_insert"] for r in rounds], digits=3),
            "hit_to_bare_select": spread([r["hit"] / r["bare_select"] for r in rounds], digits=3),
            "own_ms_a_paid_request": round((median["whole_first"] - median["nothing"]) / 1e3, 4),
            "own_ms_a_stored_request": round((median["whole_again"] - median["nothing"]) / 1e3, 4),
        },
        "polars",
    )


if __name__ == "__main__":
    main()
