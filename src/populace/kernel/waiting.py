"""Who waits for a budget: decided in the order of coming, each in its own event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING

from populace.kernel.errors import BudgetError
from populace.kernel.spend import Measure

if TYPE_CHECKING:
    from populace.kernel.budget import Budget, Hold


class Tree:
    """What all scopes of one budget share: the lock, and who waits, in order of coming."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.queue: deque[Waiter] = deque()

    def decide_waiting(self) -> None:
        """Decide requests from the front until one must go on waiting (the lock is held)."""
        while self.queue:
            waiter = self.queue[0]
            if not waiter.gone:
                try:
                    waiter.hold = waiter.budget._decide(waiter.asked)
                except BudgetError as refusal:
                    waiter.refusal = refusal
                if waiter.hold is None and waiter.refusal is None:
                    return
                waiter.wake()
            self.queue.popleft()


class Waiter:
    """A task waiting for its turn; decided under the tree's lock, woken in its own event loop."""

    def __init__(self, budget: Budget, asked: dict[Measure, int]) -> None:
        self.budget, self.asked = budget, asked
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Hold] = self.loop.create_future()
        self.hold: Hold | None = None
        self.refusal: BudgetError | None = None
        self.gone = False

    def wake(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self._tell)
        except RuntimeError:  # its loop was closed without cancelling it
            if self.hold is not None:
                self.hold._close()
                self.hold = None

    def _tell(self) -> None:
        if self.future.done():
            return
        if self.hold is not None:
            self.future.set_result(self.hold)
        elif self.refusal is not None:
            self.future.set_exception(self.refusal)
