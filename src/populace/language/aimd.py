"""Concurrency that finds what a server bears: additive increase, multiplicative decrease.

Chiu and Jain (1989), "Analysis of the increase and decrease algorithms for congestion avoidance in
computer networks", Computer Networks and ISDN Systems 17: of the linear rules, only these converge
to an efficient and fair share.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Window:
    """How many requests may be in flight.

    Parameters
    ----------
    size : float
        Present limit; its whole part counts.
    low, high : float
        Bounds of the limit, 1 or more.
    factor : float
        What congestion multiplies the limit with, between 0 and 1.
    epoch : int
        Decreases so far.

    Examples
    --------
    A full window's worth of good answers adds one; any number of complaints about requests that
    were in flight together halve it once.

    >>> window = Window(size=4.0)
    >>> for _ in range(4):
    ...     window = window.grown()
    >>> round(window.size, 1)
    4.9
    >>> once = window.shrunk(epoch=0)
    >>> once.shrunk(epoch=0) == once
    True
    """

    size: float = 8.0
    low: float = 1.0
    high: float = 256.0
    factor: float = 0.5
    epoch: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.low <= self.size <= self.high and 0 < self.factor < 1):
            raise ValueError(f"expected 1 <= low <= size <= high and 0 < factor < 1, got {self}")

    def grown(self) -> Window:
        """Return the window after a good answer: larger by 1/size."""
        return replace(self, size=min(self.high, self.size + 1 / self.size))

    def shrunk(self, epoch: int) -> Window:
        """Return the window after congestion met by a request that was let in at `epoch`.

        Requests let in before the last decrease tell nothing new: they change nothing.
        """
        if epoch < self.epoch:
            return self
        return replace(self, size=max(self.low, self.size * self.factor), epoch=self.epoch + 1)


class Gate:
    """Lets requests in, first come first served, while the window has room.

    For one event loop at a time. All of its state is in `window`, `in_flight` and `waiting`.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return sum(not one.done() for one in self._waiting)

    async def enter(self) -> int:
        """Wait for room; return the epoch to hand to `leave`. If cancelled, no room is taken."""
        if self.in_flight < int(self.window.size) and not self.waiting:
            self.in_flight += 1
            return self.window.epoch
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # let in and cancelled at once
                self.in_flight -= 1
            self._admit()
            raise
        return self.window.epoch

    def leave(self, epoch: int, good: bool | None) -> None:
        """Give the room back: `good` says answered, False congested, None neither."""
        if good is True and 2 * self.in_flight >= int(self.window.size):
            self.window = self.window.grown()  # only a window that is used says it could be larger
        elif good is False:
            self.window = self.window.shrunk(epoch)
        self.in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.in_flight < int(self.window.size):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self.in_flight += 1
