"""A person at the terminal, asked without blocking the run."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import Future
from typing import TextIO


class Terminal:
    """Writes a prompt and waits for a line, at most so many seconds.

    Lines are read by a thread of their own, since a blocked read cannot be taken back: a line that
    comes after its deadline is dropped, unless the next prompt stands already.

    Parameters
    ----------
    source, target : text files
        By default standard input and error, so that a run's own output stays clean.
    """

    def __init__(self, source: TextIO | None = None, target: TextIO | None = None) -> None:
        self._source, self._target = source, target
        self._reading: Future[str] | None = None

    async def __call__(self, prompt: str, seconds: float | None) -> str | None:
        """Return the line typed, or None when time is up.

        Raises
        ------
        EOFError
            If the source has ended.
        """
        target = self._target or sys.stderr
        target.write(prompt)
        target.flush()
        if self._reading is None or self._reading.done():
            self._reading = self._read()
        try:
            waiting = asyncio.shield(asyncio.wrap_future(self._reading))
            line = await asyncio.wait_for(waiting, seconds)
        except TimeoutError:
            target.write("\n(time is up)\n")
            return None
        self._reading = None
        if not line:
            target.write("\n")
            raise EOFError("the terminal's input has ended")
        return line.rstrip("\r\n")

    def _read(self) -> Future[str]:
        future: Future[str] = Future()

        def wait() -> None:
            try:
                future.set_result((self._source or sys.stdin).readline())
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=wait, name="populace terminal", daemon=True).start()
        return future
