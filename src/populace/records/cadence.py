"""When checkpoints are written: every so many ticks or seconds, or as often as is cheap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from populace.kernel.errors import ParameterError

_LEAST = 10.0  # seconds between two checkpoints, at least
_TIMES = 50.0  # what a checkpoint costs, so often must have passed since: 2 % of the run
_BYTES_A_SECOND = 3e8  # guessed for the first one


@dataclass(frozen=True)
class Checkpoints:
    """When checkpoints are written, and how many are kept.

    Parameters
    ----------
    every_ticks : int, optional
        At every tick that this divides. These are all kept.
    every_seconds : float, "auto" or None
        At the first tick's end after so many seconds; "auto" writes as often as is cheap: when
        50 times what the last one took has passed, at least 10 seconds.
    keep : int
        How many of the latest are kept, at least 1; more than one lets a damaged one be skipped.

    Raises
    ------
    ParameterError
    """

    every_ticks: int | None = None
    every_seconds: float | Literal["auto"] | None = "auto"
    keep: int = 2

    def __post_init__(self) -> None:
        whole = [("keep", self.keep)]
        if self.every_ticks is not None:
            whole.append(("every_ticks", self.every_ticks))
        for name, value in whole:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ParameterError(f"expected {name} >= 1, got {value!r}", where="Checkpoints")
        seconds = self.every_seconds
        if seconds not in ("auto", None) and not (
            isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds >= 0
        ):
            raise ParameterError(
                f"expected every_seconds >= 0, 'auto' or None, got {seconds!r}", where="Checkpoints"
            )

    @classmethod
    def parse(cls, text: str) -> Checkpoints:
        """Read ``auto``, ``100`` (ticks) or ``30s``.

        Raises
        ------
        ParameterError

        Examples
        --------
        >>> Checkpoints.parse("100").every_ticks, Checkpoints.parse("30s").every_seconds
        (100, 30.0)
        """
        given = text.strip()
        try:
            if given == "auto":
                return cls()
            if given.endswith("s"):
                return cls(every_seconds=float(given[:-1]))
            return cls(every_ticks=int(given), every_seconds=None)
        except ValueError:
            raise ParameterError(
                f"expected ticks, seconds or auto, got {text!r}",
                where="checkpoints",
                mend="for instance 100, 30s or auto",
            ) from None


class Cadence:
    """Knows when the next checkpoint is due.

    Parameters
    ----------
    settings : Checkpoints
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, settings: Checkpoints, clock: Callable[[], float]) -> None:
        self.settings, self._clock = settings, clock
        self._cost, self._last = 0.0, clock()

    def expect(self, nbytes: int) -> None:
        """Guess what the first checkpoint will cost, from the bytes that it will hold."""
        self._cost = nbytes / _BYTES_A_SECOND

    def wrote(self, seconds: float) -> None:
        """Say that a checkpoint was written just now, and what it took."""
        self._cost, self._last = seconds, self._clock()

    def took_more(self, seconds: float) -> None:
        """Say what the last checkpoint took beside."""
        self._cost += seconds

    def due(self, tick: int) -> bool:
        """Whether a checkpoint is due before `tick`."""
        every, seconds = self.settings.every_ticks, self.settings.every_seconds
        if every is not None and tick % every == 0:
            return True
        if seconds is None:
            return False
        if seconds == "auto":
            seconds = max(_LEAST, _TIMES * self._cost)
        return self._clock() - self._last >= seconds
