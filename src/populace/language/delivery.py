"""Getting one request answered: retries, deadlines, and what may be sent a second time.

Whether a request may be sent again is two questions. Would it help? And was it possibly done, and
billed, already? A server that says "busy" did nothing: the request is sent again after the wait it
asked for. A connection that broke while the answer was on its way, an unreadable answer or a
deadline that passed leave it unclear: by default such a request is *not* sent again, its failure is
reported with that count, and nothing is paid for twice.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from populace.kernel.streams import Stream, Streams
from populace.language.errors import ModelError, ModelTimeout, ModelUnavailable
from populace.language.traffic import Cancellable, Traffic

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When and how often a request is sent again.

    Parameters
    ----------
    attempts : int
        Most requests sent for one answer, 1 or more.
    first, longest : float
        Seconds: attempt k waits a uniform share of min(longest, first * 2**(k-1)) ("full jitter",
        Brooker 2015, "Exponential backoff and jitter"), but never less than the server asked for.
    patience : float
        Most seconds that a server's Retry-After is obeyed; longer ones end the request.
    unclear : bool
        Send again also what the server may have done already. Each sending of one request carries
        the same Idempotency-Key: safe where the server honours it, else it may be paid twice.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0
    patience: float = 300.0
    unclear: bool = False

    def wait(self, attempt: int, asked: float | None, jitter: float) -> float:
        """Return the seconds to wait after failed attempt `attempt` (1, 2, ...)."""
        backoff = jitter * min(self.longest, self.first * 2.0 ** (attempt - 1))
        return backoff if asked is None else asked + backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a failed attempt means.

    Parameters
    ----------
    error : ModelError
        What to report if it is the last.
    again : bool
        Sending the request again may help.
    unclear : bool
        The server may have done, and billed, the work.
    congested : bool
        The server is overloaded: send less.
    after : float, optional
        Seconds that the server asked to wait.
    """

    error: ModelError
    again: bool = False
    unclear: bool = False
    congested: bool = False
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Delivered(Generic[T]):
    """An answer, the requests sent for it, and how many of those before it were unclear."""

    answer: T
    attempts: int
    unclear: int

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Put the counts on a `ModelError` that reading the answer raises."""
        try:
            yield
        except ModelError as error:
            error.attempts, error.unclear = self.attempts, self.unclear
            raise


def jitter_from(stream: Stream | None = None) -> Callable[[], float]:
    """Return a function that draws from [0, 1): by default from a stream keyed by the process.

    Waits do not enter any result; two processes only must not wait in step.
    """
    draws = stream or Streams(os.getpid()).stream("language/jitter")
    return lambda: float(draws.uniform(1)[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How requests to one endpoint are delivered.

    Parameters
    ----------
    traffic : Traffic
    retry : Retry
    timeout : float, optional
        Seconds an attempt may take, from its sending.
    deadline : float, optional
        Seconds a request may take, its waits and attempts together.
    jitter : callable
        Draws from [0, 1).
    """

    traffic: Traffic
    retry: Retry = Retry()
    timeout: float | None = 120.0
    deadline: float | None = 600.0
    jitter: Callable[[], float] = field(default_factory=jitter_from)

    async def deliver(self, errand: Errand[T]) -> Delivered[T]:
        """Send until answered.

        Raises
        ------
        ModelError
            The last fault, with the counts of attempts.
        """
        counts = _Counts()
        try:
            async with _Scope(self.deadline, self.traffic):
                return await self._attempts(errand, counts)
        except TimeoutError:
            error: ModelError = ModelTimeout(
                f"no answer in {self.deadline:g} s and {counts.sent} attempts",
                where=errand.where,
                mend="raise deadline=, or send less at once",
            )
            raise counts.on(error) from None

    async def _attempts(self, errand: Errand[T], counts: _Counts) -> Delivered[T]:
        while True:
            came = await self._attempt(errand, counts)
            if isinstance(came, Delivered):
                return came
            after, again = came.after, came.again and (self.retry.unclear or not came.unclear)
            if after is not None and after > self.retry.patience:
                what = f"the server asks to wait {after:g} s: {came.error.what}"
                mend = f"come back later, or raise Retry(patience={self.retry.patience:g})"
                raise counts.on(ModelUnavailable(what, where=errand.where, mend=mend))
            if after is not None and came.again:
                self.traffic.limit.pause(after)  # for all who send there
            if not again or counts.sent >= self.retry.attempts:
                raise counts.on(came.error)
            await self.traffic.timing.sleep(self.retry.wait(counts.sent, after, self.jitter()))

    async def _attempt(self, errand: Errand[T], counts: _Counts) -> Delivered[T] | Fault:
        taken = errand.tokens
        epoch = await self.traffic.enter(taken)
        counts.sent += 1
        good: bool | None = None
        used = taken  # unless it is known better: what is unclear may have been used
        try:
            async with _Scope(self.timeout, self.traffic):
                answer = await errand.send()
            good, used = True, errand.used(answer)
            return Delivered(answer, counts.sent, counts.unclear)
        except TimeoutError:
            good = False
            counts.unclear += 1
            what = f"no answer in {self.timeout or 0:g} s"
            error = ModelTimeout(what, where=errand.where, mend="raise timeout=")
            return Fault(error=error, again=True, unclear=True, congested=True)
        except asyncio.CancelledError:
            counts.unclear += 1  # the server may still be at it
            raise
        except Exception as why:
            if (fault := errand.read(why)) is None:
                raise
            good = False if fault.congested else None
            counts.unclear += fault.unclear
            if not fault.unclear:
                used = fault.error.tokens_in + fault.error.tokens_out
            return fault
        finally:
            self.traffic.leave(epoch, good, taken, used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand(Generic[T]):
    """One request to deliver.

    Parameters
    ----------
    send : callable
        One attempt; cancelled when its time is up.
    read : callable
        Says what an exception of `send` means; None lets it pass as a bug.
    used : callable
        Tokens that an answer used, in and out.
    tokens : int
        Upper bound of those, for the rate limit.
    where : str
        The endpoint, for errors.
    """

    send: Callable[[], Awaitable[T]]
    read: Callable[[Exception], Fault | None]
    used: Callable[[T], int]
    tokens: int
    where: str


class _Counts:
    """What has been sent for one answer."""

    def __init__(self) -> None:
        self.sent = self.unclear = 0

    def on(self, error: ModelError) -> ModelError:
        error.attempts, error.unclear = self.sent, self.unclear
        return error


class _Scope:
    """`asyncio.timeout` on an injected clock: cancels what is inside when `seconds` are over."""

    __slots__ = ("_handle", "_seconds", "_timeout", "_traffic")

    def __init__(self, seconds: float | None, traffic: Traffic) -> None:
        self._seconds, self._traffic = seconds, traffic
        self._timeout = asyncio.timeout(None)
        self._handle: Cancellable | None = None

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        if self._seconds is not None:
            self._handle = self._traffic.timing.later(self._seconds, self._over)

    async def __aexit__(self, *details: object) -> None:
        if self._handle is not None:
            self._handle.cancel()
        await self._timeout.__aexit__(*details)  # type: ignore[arg-type]

    def _over(self) -> None:
        self._timeout.reschedule(-math.inf)


def retry_after(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    """Return the seconds that a server asks to wait, from its response headers.

    ``retry-after-ms`` counts milliseconds; ``Retry-After`` is seconds or a date (RFC 9110, 10.2.3).

    Parameters
    ----------
    headers : mapping
        With lower-case names, or case-insensitive.
    now : callable
        Seconds since 1970, for dates.
    """
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        if (text := headers.get(name)) is None:
            continue
        try:
            seconds = float(text) * scale
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(text).timestamp() - now()
            except (TypeError, ValueError):
                continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None
