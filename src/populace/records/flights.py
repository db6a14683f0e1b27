"""A call in flight, shared by all the tasks of one event loop that ask the same."""

from __future__ import annotations

import asyncio

Slot = tuple[asyncio.AbstractEventLoop, str]


class Flight:
    """A call in flight in one event loop, and how many wait for it."""

    def __init__(self, task: asyncio.Task[str], flights: dict[Slot, Flight], slot: Slot) -> None:
        self.task, self._flights, self._slot = task, flights, slot
        self._waiting, self._booked = 0, False
        task.add_done_callback(self._land)

    async def wait(self) -> tuple[str, bool]:
        """Return the answer, and True to the first that takes it; the last to leave cancels."""
        self._waiting += 1
        try:
            text = await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self.task.done():
                self._forget()  # whoever asks from now on makes a call of their own
                self.task.cancel()
        paid, self._booked = not self._booked, True
        return text, paid

    def _land(self, task: asyncio.Task[str]) -> None:
        if not task.cancelled():
            task.exception()  # whoever still waits has it: none goes unretrieved
        self._forget()

    def _forget(self) -> None:
        if self._flights.get(self._slot) is self:
            del self._flights[self._slot]
