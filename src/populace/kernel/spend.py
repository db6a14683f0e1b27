"""What calls cost: a spend that adds, and the exact integer amounts that limits are kept in.

Money and time are kept in picodollars and nanoseconds, so that sums are exact, whatever the order
in which calls finish.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from populace.kernel.errors import ParameterError

Measure = Literal["tokens", "calls", "usd", "seconds"]
MEASURES: tuple[Measure, ...] = ("tokens", "calls", "usd", "seconds")
SCALE: dict[Measure, int] = {"tokens": 1, "calls": 1, "usd": 10**12, "seconds": 10**9}

_ROUNDING = {"up": ROUND_CEILING, "down": ROUND_FLOOR, "nearest": ROUND_HALF_EVEN}


@dataclass(frozen=True)
class Spend:
    """What one or more calls cost; spends add.

    Parameters
    ----------
    calls, tokens_in, tokens_out : int
        0 or more.
    usd : float or None
        US dollars; None where no price is known. The sum of a known and an unknown price is
        unknown, never the known part alone; only a spend of no call and no token adds nothing.
    seconds : float
        Time that the calls took, added up even where they overlapped.

    Raises
    ------
    ParameterError
        For a negative, fractional (counts) or non-finite amount.

    Examples
    --------
    >>> Spend(calls=1, tokens_in=90, tokens_out=10, usd=0.5) + Spend(calls=1, usd=0.25)
    Spend(calls=2, tokens_in=90, tokens_out=10, usd=0.75, seconds=0.0)
    >>> (Spend(calls=1, usd=0.5) + Spend(calls=1)).usd is None
    True
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        for name in ("calls", "tokens_in", "tokens_out"):
            exact(getattr(self, name), "calls", name)
        for measure in ("usd", "seconds"):
            if (value := getattr(self, measure)) is not None:
                exact(value, measure, measure)

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: Spend) -> Spend:
        if not isinstance(other, Spend):
            return NotImplemented
        total = Total()
        total.add(self)
        total.add(other)
        spend = total.spend
        return spend if total.priced else Spend(*total.counts, None, spend.seconds)


class Total:
    """A running sum of spends, exact and independent of their order.

    Attributes
    ----------
    amounts : dict of measure to int
        The sum in units of ``1 / SCALE``.
    priced, unpriced
        Whether some spend had a price, and how many had calls or tokens but none.
    """

    __slots__ = ("amounts", "priced", "tokens_in", "unpriced")

    def __init__(self) -> None:
        self.amounts: dict[Measure, int] = dict.fromkeys(MEASURES, 0)
        self.tokens_in = 0
        self.unpriced = 0
        self.priced = False

    def add(self, spend: Spend, own: dict[Measure, int] | None = None) -> None:
        """Add a spend; `own` gives its amounts where they are known already."""
        for measure, amount in (own or amounts(spend)).items():
            self.amounts[measure] += amount
        self.tokens_in += spend.tokens_in
        if spend.usd is not None:
            self.priced = True
        elif spend.calls or spend.tokens:
            self.unpriced += 1

    def book(
        self, calls: int, tokens_in: int, tokens_out: int, usd: int | None, seconds: int
    ) -> None:
        """Add a spend given in units of ``1 / SCALE``; its price None where there is none."""
        held = self.amounts
        held["calls"] += calls
        held["tokens"] += tokens_in + tokens_out
        held["seconds"] += seconds
        self.tokens_in += tokens_in
        if usd is not None:
            held["usd"] += usd
            self.priced = True
        elif calls or tokens_in or tokens_out:
            self.unpriced += 1

    def include(self, other: Total) -> None:
        """Add all that another sum holds."""
        for measure, amount in other.amounts.items():
            self.amounts[measure] += amount
        self.tokens_in += other.tokens_in
        self.unpriced += other.unpriced
        self.priced |= other.priced

    def state(self) -> list[int]:
        """Return the sum as integers, for a checkpoint."""
        held = [self.amounts[measure] for measure in MEASURES]
        return [*held, self.tokens_in, self.unpriced, int(self.priced)]

    def restore(self, state: Sequence[int]) -> None:
        """Go on from what `state` returned."""
        *held, self.tokens_in, self.unpriced, priced = state
        self.amounts = dict(zip(MEASURES, held, strict=True))
        self.priced = bool(priced)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Calls, tokens read and tokens written."""
        held = self.amounts
        return held["calls"], self.tokens_in, held["tokens"] - self.tokens_in

    @property
    def spend(self) -> Spend:
        """The sum; its usd is None as soon as one spend had no price, and 0 if there is none."""
        usd = None if self.unpriced else inexact(self.amounts["usd"], "usd")
        return Spend(*self.counts, usd, inexact(self.amounts["seconds"], "seconds"))


def amounts(spend: Spend) -> dict[Measure, int]:
    """Return a spend in units of ``1 / SCALE``; an unknown price as 0 (see `Total.unpriced`)."""
    return {
        "tokens": spend.tokens,
        "calls": spend.calls,
        "usd": exact(spend.usd or 0, "usd", "usd"),
        "seconds": exact(spend.seconds, "seconds", "seconds"),
    }


def exact(
    value: Any,
    measure: Measure,
    name: str,
    rounding: Literal["up", "down", "nearest"] = "nearest",
    where: str = "",
) -> int:
    """Return an amount as an integer number of ``1 / SCALE[measure]``.

    A float is read as its shortest decimal, the one that was written: 0.07 is seven cents exactly.

    Raises
    ------
    ParameterError
        Unless it is finite and at least 0, and whole for tokens and calls.
    """
    whole = SCALE[measure] == 1
    if whole and type(value) is int and value >= 0:
        return value
    try:
        if isinstance(value, bool):
            raise TypeError
        if whole:
            number = operator.index(value)
        elif not math.isfinite(value):
            raise ValueError
        elif value == 0:
            number = 0
        elif rounding == "nearest" and (quick := _quick(value * SCALE[measure])) is not None:
            number = quick
        else:
            scaled = Decimal(repr(float(value))) * SCALE[measure]
            number = int(scaled.to_integral_value(_ROUNDING[rounding]))
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0 or (not whole and value < 0):
        expected = "a whole number" if whole else "a finite number"
        raise ParameterError(f"expected {name} as {expected} >= 0, got {value!r}", where=where)
    return number


def _quick(scaled: float) -> int | None:
    """Return the nearest integer, None where binary rounding might tell another than decimal.

    Below 1e12 the product is off by 1e-4 at most, so it is safe but close to a half.
    """
    number = round(scaled) if 0 <= scaled < 1e12 else -1
    return number if number >= 0 and abs(scaled - number) < 0.499 else None


def inexact(number: int, measure: Measure) -> float:
    """Return an integer of `exact` in tokens, calls, dollars or seconds."""
    return number if SCALE[measure] == 1 else number / SCALE[measure]
