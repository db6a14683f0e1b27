"""`Plan`: a text that an agent keeps, and makes anew after a time or when surprised."""

from __future__ import annotations

from dataclasses import dataclass

from populace.kernel.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class Plan:
    """When agents plan (J. S. Park et al., UIST 2023, section 4.3).

    An agent without a plan makes one before its next decision.

    Parameters
    ----------
    every : int, optional
        Ticks after which a plan is made anew.
    surprise : float, optional
        A new plan follows an observation of this importance or more; by default 8.

    Raises
    ------
    ParameterError
        For less than 1 tick, or a surprise that is no number.
    """

    every: int | None = None
    surprise: float | None = 8.0

    def __post_init__(self) -> None:
        if self.every is not None and (type(self.every) is not int or self.every < 1):
            raise ParameterError(f"expected every 1 or more, got {self.every!r}", where="Plan")
        real = isinstance(self.surprise, (int, float)) and not isinstance(self.surprise, bool)
        if self.surprise is not None and not (real and self.surprise == self.surprise):
            raise ParameterError(f"expected a number, got {self.surprise!r}", where="Plan surprise")
