"""A token bucket that says how long to wait; whoever asks does the waiting.

The bucket is arithmetic only: no task, no lock, no sleep. Each reservation is told its own wait, so
callers are served in the order they asked and none can starve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Units that flow in at `rate` a second, up to `burst`, and are taken before use.

    Parameters
    ----------
    rate : float
        Units a second, above 0.
    burst : float
        Most units taken at once after a pause, above 0.
    level : float
        Units there at `at`; negative when later arrivals are promised already.
    at : float
        Time of `level`, seconds.

    Examples
    --------
    Two requests a second, two at once at most: the third waits half a second, the fourth a whole.

    >>> bucket = Bucket.full(rate=2.0, burst=2.0, now=0.0)
    >>> [bucket.take(1.0, now=0.0) for _ in range(4)]
    [0.0, 0.0, 0.5, 1.0]
    >>> bucket.take(1.0, now=2.0)
    0.0
    """

    rate: float
    burst: float
    level: float
    at: float

    @classmethod
    def full(cls, rate: float, burst: float, now: float) -> Bucket:
        return cls(rate, burst, burst, now)

    def take(self, units: float, now: float) -> float:
        """Take `units` and return the seconds until they may be used.

        More than `burst` at once wait for a full bucket and leave a debt, so that the long-run
        rate holds and nothing waits for ever.
        """
        self._flow(now)
        wait = max(0.0, (min(units, self.burst) - self.level) / self.rate)
        self.level -= units
        return wait

    def give(self, units: float, now: float) -> None:
        """Give back `units` that were taken and not used; negative units are taken in addition."""
        self._flow(now)
        self.level = min(self.burst, self.level + units)

    def _flow(self, now: float) -> None:
        if now > self.at:
            self.level = min(self.burst, self.level + (now - self.at) * self.rate)
            self.at = now


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What an endpoint allows a minute; None is no limit.

    Parameters
    ----------
    requests, tokens : float, optional
        Requests, and tokens in and out, a minute.
    burst_seconds : float
        How many seconds' worth may be used at once.
    """

    requests: float | None = None
    tokens: float | None = None
    burst_seconds: float = 5.0


class RateLimit:
    """Request and token buckets of one endpoint, and its pauses.

    Parameters
    ----------
    rate : Rate
    clock : callable
        Seconds, never falling.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self.rate, self._clock = rate, clock
        self._requests = self._bucket(rate.requests, 1.0)
        self._tokens = self._bucket(rate.tokens, 1.0)
        self.paused_until = -float("inf")

    def take(self, tokens: int) -> float:
        """Take one request and `tokens`; return the seconds to wait before sending."""
        now = self._clock()
        waits = [self.paused_until - now]
        if self._requests is not None:
            waits.append(self._requests.take(1.0, now))
        if self._tokens is not None:
            waits.append(self._tokens.take(float(tokens), now))
        return max(0.0, *waits)

    def settle(self, taken: int, used: int) -> None:
        """Give back the tokens that were taken beyond those used (or take what was used more)."""
        if self._tokens is not None:
            self._tokens.give(float(taken - used), self._clock())

    def give_back(self, tokens: int) -> None:
        """Undo `take`, for a request that was never sent."""
        if self._requests is not None:
            self._requests.give(1.0, self._clock())
        self.settle(tokens, 0)

    def pause(self, seconds: float) -> None:
        """Send nothing for `seconds`: the server asked so."""
        self.paused_until = max(self.paused_until, self._clock() + seconds)

    def paused(self) -> float:
        """Return the seconds left of the pause."""
        return max(0.0, self.paused_until - self._clock())

    def _bucket(self, a_minute: float | None, least: float) -> Bucket | None:
        if a_minute is None:
            return None
        if not a_minute > 0:
            raise ValueError(f"expected a rate above 0 a minute, got {a_minute}")
        burst = max(least, a_minute / 60 * self.rate.burst_seconds)
        return Bucket.full(a_minute / 60, burst, self._clock())
