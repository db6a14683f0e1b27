"""Induced supply and demand, and the competitive equilibrium that they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError
from populace.kernel.streams import Stream

BUYER: Final = 0
SELLER: Final = 1
Ints = NDArray[np.int64]


class Equilibrium(NamedTuple):
    """Where supply meets demand.

    Attributes
    ----------
    low, high : int
        Lowest and highest price at which as many units are wanted as offered.
    quantity : int
        Most units that trade there.
    surplus : int
        Values less costs of those units: the most that any trade can bring.
    """

    low: int
    high: int
    quantity: int
    surplus: int

    @property
    def price(self) -> float:
        """The middle of the equilibrium prices."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Schedule:
    """What each trader may trade, unit by unit (Smith 1962, Journal of Political Economy 70, 111).

    Parameters
    ----------
    values : sequence of sequences of int
        Of each buyer, what its first, second, ... unit is worth to it; none may rise.
    costs : sequence of sequences of int
        Of each seller, what its units cost it; none may fall.

    Raises
    ------
    ParameterError
        If a side has nobody, somebody has no unit, or units are out of order or below 1.

    Examples
    --------
    >>> Schedule([[9, 5], [7]], [[2], [4, 8]]).equilibrium
    Equilibrium(low=5, high=7, quantity=2, surplus=10)
    """

    values: Sequence[Sequence[int]]
    costs: Sequence[Sequence[int]]

    def __post_init__(self) -> None:
        for name, rows, way in (("values", self.values, -1), ("costs", self.costs, 1)):
            if not len(rows) or not all(len(row) for row in rows):
                raise ParameterError(f"expected units of each trader as {name}", where="Schedule")
            for row in rows:
                units = np.asarray(row)
                whole = units.dtype.kind in "iu" and bool((units >= 1).all())
                if not whole or bool((np.diff(units.astype(np.int64)) * way < 0).any()):
                    order = "rise" if way < 0 else "fall"
                    raise ParameterError(
                        f"expected {name} as whole numbers from 1 that never {order}, "
                        f"got {list(row)}",
                        where="Schedule",
                    )

    @property
    def side(self) -> NDArray[np.int8]:
        """0 for the buyers, then 1 for the sellers, int8 of shape (traders,)."""
        return np.repeat([BUYER, SELLER], [len(self.values), len(self.costs)]).astype(np.int8)

    @property
    def units(self) -> Ints:
        """How many units each trader has, int64 of shape (traders,)."""
        return np.array([len(row) for row in (*self.values, *self.costs)], np.int64)

    @property
    def limits(self) -> Ints:
        """Values and costs, int64 of shape (traders, most units), 0 where there is no unit."""
        rows = [*self.values, *self.costs]
        table = np.zeros((len(rows), max(map(len, rows))), np.int64)
        for i, row in enumerate(rows):
            table[i, : len(row)] = row
        return table

    @property
    def equilibrium(self) -> Equilibrium:
        """The competitive equilibrium, exactly."""
        values = [v for row in self.values for v in row]
        costs = [c for row in self.costs for c in row]
        return equilibrium(values, costs)


def equilibrium(values: Sequence[int], costs: Sequence[int]) -> Equilibrium:
    """Return the competitive equilibrium of units worth `values` and costing `costs`.

    With values sorted down and costs up, the first q pairs with v >= c trade; the prices are those
    at which neither a further nor one of these units would rather be on the other side: from
    max(c_q, v_{q+1}) to min(v_q, c_{q+1}). Where nothing trades, from the highest value to the
    lowest cost.
    """
    v, c = np.sort(np.asarray(values, np.int64))[::-1], np.sort(np.asarray(costs, np.int64))
    n = min(len(v), len(c))
    gains = v[:n] - c[:n]
    q = int(np.count_nonzero(gains >= 0))  # the gains never rise
    if q == 0:
        return Equilibrium(int(v[0]), int(c[0]), 0, 0)
    low = max(int(c[q - 1]), int(v[q]) if q < len(v) else 0)
    high = min(int(v[q - 1]), int(c[q]) if q < len(c) else int(v[q - 1]))
    return Equilibrium(low, high, q, int(gains[:q].sum()))


def fair(schedule: Schedule) -> NDArray[np.float64]:
    """Return each trader's profit were every unit traded at the equilibrium price."""
    price = schedule.equilibrium.price
    sign = np.where(schedule.side == BUYER, 1, -1)[:, None]
    gains = np.maximum(0.0, (schedule.limits - price) * sign)
    return np.asarray(np.where(schedule.limits > 0, gains, 0.0).sum(axis=1))


def linear(top: int, bottom: int, low: int, high: int, traders: int, units: int) -> Schedule:
    """Return straight demand from `top` down to `bottom` and supply from `low` up to `high`.

    Rounded to whole prices; the k-th unit in order belongs to trader k mod `traders` of its side.
    """
    n = traders * units
    down = np.rint(np.linspace(top, bottom, n)).astype(np.int64)
    up = np.rint(np.linspace(low, high, n)).astype(np.int64)
    return Schedule(
        [down[i::traders].tolist() for i in range(traders)],
        [up[i::traders].tolist() for i in range(traders)],
    )


def drawn(buyers: int, sellers: int, units: int, most: int, stream: Stream) -> Schedule:
    """Return values and costs drawn uniformly from 1 to `most`, each trader's own in order."""
    table = stream.integers(buyers + sellers, 1, most + 1, size=units)
    table.sort(axis=1)
    return Schedule(table[:buyers, ::-1].tolist(), table[buyers:].tolist())


Name = Literal[
    "gode-sunder-1",
    "gode-sunder-2",
    "gode-sunder-3",
    "gode-sunder-4",
    "gode-sunder-5",
    "smith-1",
    "random",
]

MARKETS: Final[dict[str, Any]] = {
    "gode-sunder-1": (133, 50, 5, 88, 6, 4),
    "gode-sunder-2": (169, 40, 41, 78, 6, 4),
    "gode-sunder-3": (146, 88, 64, 125, 6, 2),
    "gode-sunder-4": (200, 149, 129, 199, 6, 4),
    "gode-sunder-5": (147, 125, 111, 138, 6, 4),
    "smith-1": (325, 75, 75, 325, 11, 1),
}
"""Highest and lowest value, lowest and highest cost, traders a side, units a trader.

``smith-1`` is test 1 of Smith (1962): a unit each, in steps of 25. The others are after the five
markets of Gode and Sunder (1993): six buyers, six sellers, prices from 1 to 200. That paper gives
its schedules as drawings only; these are straight lines that share with them the equilibrium price
(69, 69, 106, 170, 131) and what is left of the surplus when every unit trades, which is what
unconstrained traders do (`EVERYTHING`). How well others trade is not fitted.
"""

EVERYTHING: Final = (0.900, 0.900, 0.767, 0.488, 0.860)
"""Efficiency of ZI-U traders in the five markets: Gode and Sunder (1993), table 2."""

CONSTRAINED: Final = (0.999, 0.992, 0.990, 0.982, 0.971)
"""Efficiency of ZI-C traders in the five markets: Gode and Sunder (1993), table 2."""


def named(name: str) -> Schedule:
    """Return one of `MARKETS`."""
    return linear(*MARKETS[name])
