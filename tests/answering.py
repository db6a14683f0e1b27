"""A request, a model that counts its calls, and short ways to use an answer store with them."""

from __future__ import annotations

import asyncio
from typing import Any

from populace.records.answers import AnswerStore


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


def never() -> Any:
    raise AssertionError("the network was used")


def fill(store: AnswerStore, texts: Any, prefix: str = "to ", **changes: Any) -> None:
    for text in texts:

        async def model(text: str = text) -> dict[str, Any]:
            return {"text": f"{prefix}{text} é\ud800", "logprobs": [1 / 3, 2.0, -5e-324]}

        run(store, request(text, **changes), model)
