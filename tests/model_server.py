"""An OpenAI-compatible server on loopback that fails on purpose, and keeps books."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any


class FaultyServer:
    """Answers chat completions by a plan for each prompt: one fault an attempt, then well.

    The last user message is the name of the request. ``plans[name]`` lists what its attempts meet;
    after the list is used up, and for names without plan, the answer is ``"echo: " + name``.

    Attributes
    ----------
    sent, billed : Counter
        By name: requests that arrived; completions made for them (good or bad, they cost).
    keys : dict
        By name, the Idempotency-Key of each attempt.
    gone : set
        Names whose client hung up while the server was hanging.
    peak, busy : int
        Most requests, and requests now, at once.
    """

    def __init__(self, plans: dict[str, list[str]] | None = None) -> None:
        self.plans = {name: list(steps) for name, steps in (plans or {}).items()}
        self.sent: Counter[str] = Counter()
        self.billed: Counter[str] = Counter()
        self.keys: dict[str, list[str]] = {}
        self.gone: set[str] = set()
        self.busy = self.peak = 0
        self.hanging: Callable[[str], None] = lambda name: None
        self.hung_up = asyncio.Event()
        self.barrier: asyncio.Barrier | None = None
        self.bodies: list[dict[str, Any]] = []
        self.tops: list[dict[str, Any]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> FaultyServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = {
                    k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:] if line)
                }
                size = int(headers.get("content-length", 0))
                body = json.loads(await reader.readexactly(size)) if size else {}
                if "GET" in lines[0]:
                    await self._write(writer, 200, {"data": [{"id": "good"}, {"id": "other"}]})
                elif not await self._chat(reader, writer, headers, body):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _chat(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        headers: dict[str, str],
        body: dict[str, Any],
    ) -> bool:
        name = body["messages"][-1]["content"]
        self.bodies.append(body)
        self.sent[name] += 1
        self.keys.setdefault(name, []).append(headers.get("idempotency-key", ""))
        self.busy += 1
        self.peak = max(self.peak, self.busy)
        try:
            if self.barrier is not None:
                await self.barrier.wait()
            steps = self.plans.get(name, [])
            step = steps.pop(0) if steps else "good"
            if body["model"] != "good":
                error = {"message": f"no model {body['model']!r}", "code": "model_not_found"}
                await self._write(writer, 404, {"error": error})
                return True
            return await self._step(step, name, reader, writer, body)
        finally:
            self.busy -= 1

    async def _step(
        self,
        step: str,
        name: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        body: dict[str, Any],
    ) -> bool:
        kind, _, value = step.partition(" ")
        if kind.isdigit():  # an HTTP error, with a Retry-After if the plan gives one
            extra = {"Retry-After": value} if value else {}
            await self._write(writer, int(kind), {"error": {"message": "no"}}, extra)
            return True
        if kind == "hang":
            self.billed[name] += 1
            self.hanging(name)
            if await reader.read(1) == b"":  # returns when the client hangs up
                self.gone.add(name)
                self.hung_up.set()
            return False
        self.billed[name] += 1
        if kind in ("garbage", "empty", "notjson"):
            text = {"garbage": b"<html>oops", "empty": b"", "notjson": b'{"choices": [{"mess'}[kind]
            await self._raw(writer, 200, text, {})
            return True
        record = self._completion(kind, name, body)
        if kind == "cut":
            data = json.dumps(record).encode()
            start = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            writer.write(start + b"Content-Length: %d\r\n\r\n" % len(data) + data[: len(data) // 2])
            await writer.drain()
            return False
        await self._write(writer, 200, record)
        return True

    def _completion(self, kind: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": f"echo: {name}"}
        reason = "stop"
        if kind == "refusal":
            message |= {"content": None, "refusal": "I will not."}
        if kind == "filtered":
            message["content"], reason = "", "content_filter"
        if kind == "blank":
            message["content"] = ""
        if kind == "truncated":
            message["content"], reason = '{"answer": 4', "length"
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reason}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [{"token": "A", "top_logprobs": self.tops}]}
        return {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "good",
            "system_fingerprint": "fp",
            "choices": [] if kind == "nochoice" else [choice],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        }

    async def _write(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        record: object,
        extra: dict[str, str] | None = None,
    ) -> None:
        await self._raw(writer, status, json.dumps(record).encode(), extra or {})

    async def _raw(
        self, writer: asyncio.StreamWriter, status: int, data: bytes, extra: dict[str, str]
    ) -> None:
        head = {"Content-Type": "application/json", "Content-Length": str(len(data)), **extra}
        lines = "".join(f"{k}: {v}\r\n" for k, v in head.items())
        writer.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + data)
        await writer.drain()


class FakeTime:
    """Time that passes by sleeping in it, at once, or when a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._timers: list[FakeTimer] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let others run, then be at the end of the sleep: sleeps that overlap pass together."""
        self.slept.append(seconds)
        end = self.now + seconds
        await asyncio.sleep(0)
        self.advance(max(0.0, end - self.now))
        for _ in range(3):  # a timer that fired in that time cancels the sleep
            await asyncio.sleep(0)

    def later(self, seconds: float, call: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer(self.now + seconds, call)
        self._timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [t for t in self._timers if t.at <= self.now]
        self._timers = [t for t in self._timers if t.at > self.now and not t.over]
        for timer in due:
            if not timer.over:
                timer.call()


class FakeTimer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.over = at, call, False

    def cancel(self) -> None:
        self.over = True
