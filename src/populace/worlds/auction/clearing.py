"""Order books of a continuous double auction: price first, then time, one unit an order.

Pure bookkeeping on whole prices: no agents, no chance. Many markets stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError
from populace.worlds.auction.schedules import BUYER, SELLER, Ints, Schedule

Book = Literal["cleared", "standing"]


class Result(IntEnum):
    """What became of an order."""

    REFUSED = 0  # against the rules, of a trader with nothing left, or a cancel of nothing
    STANDING = 1
    TRADED = 2
    CANCELLED = 3


@dataclass(frozen=True)
class Rules:
    """The rules of a market.

    Parameters
    ----------
    improve : bool
        An order must be better than the best of its side (of the trader itself, too).
    book : "cleared" or "standing"
        Whether a trade cancels all other orders of its market, as in Gode and Sunder (1993), or
        they stand until they are traded, replaced or cancelled, or the day ends.
    solvent : bool
        Orders at a loss, above one's value or below one's cost, are refused.
    """

    improve: bool = True
    book: Book = "cleared"
    solvent: bool = False

    def __post_init__(self) -> None:
        if self.book not in ("cleared", "standing"):
            raise ParameterError(
                f"expected book as cleared or standing, got {self.book!r}", where="Rules"
            )

    def describe(self) -> dict[str, Any]:
        """Return the rules as plain data."""
        return asdict(self)


class Books:
    """The books of some markets of T traders at most each, on one day.

    A trader has one order in the book at a time: a new one takes the place of the old. Whoever
    comes to an order that stands trades at its price.

    Parameters
    ----------
    schedules : sequence of Schedule
        One a market.
    rules : Rules

    Attributes
    ----------
    side : int8 array of shape (markets, T)
        0 buyer, 1 seller, -1 nobody.
    limits : int64 array of shape (markets, T, units)
        Values and costs, 0 where there is no unit.
    units, traded : int64 arrays of shape (markets, T)
        Units of each trader, and how many of them it traded today, in their order.
    quote : int64 array of shape (markets, T)
        Price of each trader's order, 0 for none.
    since : int64 array of shape (markets, T)
        When it came, in the orders of its market.
    """

    def __init__(self, schedules: Sequence[Schedule], rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        m, t = len(schedules), max(len(s.side) for s in schedules)
        u = max(s.limits.shape[1] for s in schedules)
        self.side = np.full((m, t), -1, np.int8)
        self.units = np.zeros((m, t), np.int64)
        self.limits = np.zeros((m, t, u + 1), np.int64)  # one more: of who has nothing left
        for i, schedule in enumerate(schedules):
            n, k = schedule.limits.shape
            self.side[i, :n], self.units[i, :n] = schedule.side, schedule.units
            self.limits[i, :n, :k] = schedule.limits
        self.traded = np.zeros((m, t), np.int64)
        self.quote = np.zeros((m, t), np.int64)
        self.since = np.zeros((m, t), np.int64)
        self._clock = np.zeros(m, np.int64)

    def open(self) -> None:
        """Begin a day: empty books, and everybody has all units again."""
        for table in (self.traded, self.quote, self.since, self._clock):
            table[:] = 0

    @property
    def limit(self) -> Ints:
        """Value or cost of each trader's next unit, 0 for none; int64 of shape (markets, T)."""
        m, t, u = self.limits.shape
        return self.limits.reshape(-1, u)[np.arange(m * t), self.traded.ravel()].reshape(m, t)

    @property
    def left(self) -> Ints:
        """Units that each trader may still trade today."""
        return self.units - self.traded

    @property
    def bid(self) -> Ints:
        """Best bid of each market, 0 for none; int64 of shape (markets,)."""
        return np.asarray(np.where(self.side == BUYER, self.quote, 0).max(axis=1))

    @property
    def ask(self) -> Ints:
        """Best ask of each market, 0 for none; int64 of shape (markets,)."""
        far = np.iinfo(np.int64).max
        best = np.where((self.side == SELLER) & (self.quote > 0), self.quote, far).min(axis=1)
        return np.asarray(np.where(best == far, 0, best))

    def submit(
        self, market: ArrayLike, trader: ArrayLike, price: ArrayLike
    ) -> tuple[NDArray[np.int8], Ints, Ints]:
        """Take orders one after another.

        Parameters
        ----------
        market, trader : int arrays of shape (n,)
        price : int array of shape (n,)
            From 1 on; 0 cancels the trader's order.

        Returns
        -------
        result : int8 array of shape (n,), of `Result`
        partner : int64 array of shape (n,)
            Whom it traded with, else -1.
        paid : int64 array of shape (n,)
            The price of the trade, else 0.
        """
        from populace.worlds.auction.kernels import submit

        where, who, at = (np.ascontiguousarray(a, np.int64) for a in (market, trader, price))
        n = len(where)
        result = np.zeros(n, np.int8)
        partner, paid = np.zeros(n, np.int64), np.zeros(n, np.int64)
        rules = np.array(
            [self.rules.improve, self.rules.book == "cleared", self.rules.solvent], np.bool_
        )
        submit(
            where,
            who,
            at,
            self.side,
            self.limits,
            self.units,
            self.traded,
            self.quote,
            self.since,
            self._clock,
            rules,
            result,
            partner,
            paid,
        )
        return result, partner, paid
