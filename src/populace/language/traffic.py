"""One endpoint's traffic, shared by everyone in the process who sends to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from populace.language.aimd import Gate, Window
from populace.language.ratelimit import Rate, RateLimit


class Cancellable(Protocol):
    def cancel(self) -> None: ...


def _later(seconds: float, call: Callable[[], None]) -> Cancellable:
    return asyncio.get_running_loop().call_later(seconds, call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All that traffic and retries know of time: replace it and no test need wait.

    Parameters
    ----------
    clock : callable
        Seconds, never falling.
    sleep : callable
        ``await sleep(seconds)``.
    later : callable
        ``later(seconds, call)`` has `call` called then, unless the returned handle is cancelled.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    later: Callable[[float, Callable[[], None]], Cancellable] = field(default=_later)


class Traffic:
    """Rate limits, pauses and concurrency of one physical endpoint.

    Parameters
    ----------
    rate : Rate
        What the endpoint allows a minute.
    window : Window
        Concurrency to begin with, and its bounds.
    timing : Timing
    """

    def __init__(
        self, rate: Rate | None = None, window: Window | None = None, timing: Timing | None = None
    ) -> None:
        self.timing = timing or Timing()
        self.limit = RateLimit(rate or Rate(), self.timing.clock)
        self.gate = Gate(window or Window())

    async def enter(self, tokens: int) -> int:
        """Wait until a request of at most `tokens` may be sent; return what `leave` wants.

        No place is held while waiting for the rate or a pause. If cancelled, nothing stays taken.
        """
        wait = self.limit.take(tokens)
        try:
            while True:
                while wait > 0:
                    await self.timing.sleep(wait)
                    wait = self.limit.paused()
                epoch = await self.gate.enter()
                if (wait := self.limit.paused()) == 0:
                    return epoch
                self.gate.leave(epoch, None)  # the server asked for a pause meanwhile
        except asyncio.CancelledError:
            self.limit.give_back(tokens)
            raise

    def leave(self, epoch: int, good: bool | None, taken: int, used: int) -> None:
        """Say how a request ended: answered, congested (False) or neither, and what it used."""
        self.limit.settle(taken, used)
        self.gate.leave(epoch, good)


class SharedTraffic:
    """The traffic of each physical endpoint (scheme, host and port), made when first asked for.

    Pass one of these to all endpoints of a run, so that models served by one machine share its
    limits.

    Parameters
    ----------
    rates : mapping, optional
        `Rate` by address, as ``"https://api.example.com"``.
    window : Window, optional
    timing : Timing, optional
    """

    def __init__(
        self,
        rates: dict[str, Rate] | None = None,
        window: Window | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._rates = {address(url): rate for url, rate in (rates or {}).items()}
        self._window, self._timing = window, timing
        self._traffic: dict[str, Traffic] = {}

    def at(self, url: str) -> Traffic:
        """Return the traffic of the machine that serves `url`."""
        key = address(url)
        if key not in self._traffic:
            self._traffic[key] = Traffic(self._rates.get(key), self._window, self._timing)
        return self._traffic[key]


def address(url: str) -> str:
    """Return scheme, host and port of `url`, without credentials.

    >>> address("https://me:secret@API.example.com/v1"), address("http://localhost:8080/v1")
    ('https://api.example.com:443', 'http://localhost:8080')
    """
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname or ''}:{port}"
