"""What is shared: how it grows, what can be taken for ever, and what is left when it is too late.

The good of Piatti et al. 2024, "Cooperate or Collapse" (GovSim, arXiv:2404.16698), section 2: what
is left after the harvest doubles, up to the capacity, and is lost below five units. The bad of
Curvo et al. 2025 (arXiv:2505.09289), the inverse environment: what is left grows by half the
capacity, up to the capacity, and the house is lost when more is left than it can take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.streams import Stream

Floats = NDArray[np.float64]
Allocation = Literal["random", "proportional"]
_EXACT = 1e-9  # of the capacity: what rounding may add to a stock that is not whole


@dataclass(frozen=True)
class Resource:
    """A shared good that is used up, or a shared bad that is taken away.

    Parameters
    ----------
    capacity : float
        K, the most there can be, in units; there is as much at the start.
    growth : float
        A good multiplies by this every month, what is left y becoming ``min(K, growth y)``; a bad
        grows by ``K (1 - 1 / growth)``, half the capacity for 2.
    collapse : float
        A good collapses when less than this is left after the harvest; a bad when more is left than
        ``K / growth - collapse``, so that less room than this remains once more has come.
    bad : bool
    """

    capacity: float = 100.0
    growth: float = 2.0
    collapse: float = 5.0
    bad: bool = False

    @property
    def inflow(self) -> float:
        """K (1 - 1/growth): what comes of a bad each month, what a full good yields each month."""
        return self.capacity * (1 - 1 / self.growth)

    @property
    def limit(self) -> float:
        """The most of a bad that may be left, or the least of a good, without a collapse."""
        return self.capacity / self.growth - self.collapse if self.bad else self.collapse

    def grown(self, left: Any) -> Floats:
        """Return the stock a month after `left` was left."""
        more = left + self.inflow if self.bad else self.growth * left
        return np.asarray(np.minimum(self.capacity, more))

    def collapsed(self, left: Any) -> NDArray[np.bool_]:
        """Return whether so little of a good, or so much of a bad, is left that it is over."""
        slack = _EXACT * self.capacity
        return np.asarray(left > self.limit + slack if self.bad else left < self.limit - slack)

    def sustainable(self, stock: Any) -> Floats:
        """Return the sustainability threshold f(t) of the group, in units.

        Of a good, the largest harvest after which next month's stock is no smaller:
        ``f(t) = max{x : g(h(t) - x) >= h(t)} = h(t) (1 - 1 / growth)`` (GovSim, section 3.3). Of a
        bad, the smallest removal after which next month's stock is no larger and the house not
        lost: ``max(inflow, h(t) - (K / growth - collapse))``, and no more than there is. (The
        study tells its agents the inflow alone, which from a full house is too little for its own
        limit.)
        """
        stock = np.asarray(stock, np.float64)
        if not self.bad:
            return np.asarray(stock * (1 - 1 / self.growth))
        return np.asarray(np.minimum(stock, np.maximum(self.inflow, stock - self.limit)))

    # -- closed forms ----------------------------------------------------------------------------

    def sustained(self, months: int) -> float:
        """Return the total of a group that takes f(t) each month, in units.

        ``T f(0)`` of a good, the normaliser of the efficiency. Of a bad,
        ``T inflow + collapse``, once `collapse` to make room; it is the least that survives.
        """
        return months * self.inflow + (self.collapse if self.bad else 0.0)

    def optimum(self, months: int) -> float:
        """Return the best total of a group that knows the last month.

        Of a good ``(T - 1) f(0) + K``: leave K / growth each month, which is what a full stock
        needs, and take all in the last. (Of what is left beyond that nothing comes back; of what is
        left less, `growth` times as much is lost.) Of a bad, as `sustained`.
        """
        return self.sustained(months) if self.bad else (months - 1) * self.inflow + self.capacity

    def collapse_month(self, portion: float) -> float:
        """Return the month in which a good collapses if the group takes `portion` of it each month.

        After month t, ``K (1 - p) (growth (1 - p))**(t - 1)`` is left; the month is the first in
        which that is below `collapse`, and infinite where ``growth (1 - p) >= 1`` and the first
        harvest leaves enough. Units must be divisible for it to be exact.
        """
        left = self.capacity * (1 - portion)
        if left < self.collapse:
            return 1.0
        factor = self.growth * (1 - portion)
        if factor >= 1:
            return math.inf
        return math.floor(math.log(self.collapse / left) / math.log(factor)) + 2.0


def ration(wanted: Floats, stock: Floats, how: Allocation, whole: bool, stream: Stream) -> Floats:
    """Return what everybody gets where all want more than there is.

    Parameters
    ----------
    wanted : float64 array of shape (games, seats), in units, >= 0
    stock : float64 array of shape (games,)
    how : "random" or "proportional"
        Unit by unit, each to one of those who still want one, at random (GovSim's "stochastic"); or
        in proportion to what is wanted, what rounding leaves being given out unit by unit.
    whole : bool
        Units are not divided; otherwise "proportional" is exact and the only one there is.
    stream : Stream
        Draws are keyed by game.
    """
    got = np.minimum(wanted, stock[:, None])
    total = wanted.sum(axis=1)
    short = np.flatnonzero(total > stock)
    if not len(short):
        return got
    if how == "random":
        got[short] = 0.0
    else:
        share = wanted[short] * (stock[short] / total[short])[:, None]
        got[short] = np.floor(share + _EXACT) if whole else share
    if whole:
        got[short] = _unit_by_unit(got[short], wanted[short], stock[short], stream.bound(short))
    return got


def _unit_by_unit(got: Floats, wanted: Floats, stock: Floats, stream: Stream) -> Floats:
    got = got.copy()
    while True:
        open_ = (got < wanted) & (got.sum(axis=1) < stock)[:, None]
        games = np.flatnonzero(open_.any(axis=1))
        if not len(games):
            return got
        draw = stream.uniform()[games]
        count = open_[games].sum(axis=1)
        nth = np.minimum((draw * count).astype(np.int64), count - 1)
        seat = (np.cumsum(open_[games], axis=1) <= nth[:, None]).sum(axis=1)
        got[games, seat] += 1.0
