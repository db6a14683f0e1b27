"""What came of a trading day, market by market."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.worlds.auction.schedules import Equilibrium, Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Day:
    """A day by market; arrays of shape (markets,), NaN where not defined.

    Attributes
    ----------
    efficiency : float64 array
        Surplus made as a share of the most there is (Smith 1962); not defined without gains.
    alpha : float64 array, per cent
        100 / P0 times the root mean square of price less equilibrium price P0 (Smith 1962, p. 116);
        not defined without trades.
    price : float64 array
        Mean price.
    volume : float64 array
        Units traded.
    dispersion : float64 array
        Root mean square over traders of profit less profit at the equilibrium price (Gode and
        Sunder 1993, p. 133).
    """

    efficiency: Floats
    alpha: Floats
    price: Floats
    volume: Floats
    dispersion: Floats

    def means(self) -> dict[str, float | None]:
        """Return means over the markets where each is defined, None where it is nowhere."""
        found: dict[str, float | None] = {}
        for name, values in vars(self).items():
            known = values[~np.isnan(values)]
            found[name] = float(known.mean()) if len(known) else None
        return found

    def rows(self, day: int) -> list[dict[str, Any]]:
        """Return a row a market, with None where not defined."""
        columns = {name: values.tolist() for name, values in vars(self).items()}
        return [
            {
                "day": day,
                "market": m,
                **{k: None if v[m] != v[m] else v[m] for k, v in columns.items()},
            }
            for m in range(len(self.volume))
        ]


def score(
    profit: Ints,
    trades: Ints,
    squares: Floats,
    equilibria: Sequence[Equilibrium],
    fair: Floats,
) -> Day:
    """Score a day.

    Parameters
    ----------
    profit : int64 array of shape (markets, traders)
    trades : int64 array of shape (2, markets)
        Number of trades, and sum of their prices.
    squares : float64 array of shape (markets,)
        Sum of squares of price less equilibrium price.
    equilibria : sequence of Equilibrium, one a market
    fair : float64 array of shape (markets, traders)
        Profits at the equilibrium price.
    """
    most = np.array([e.surplus for e in equilibria], np.float64)
    centre = np.array([e.price for e in equilibria])
    count = trades[0].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Day(
            efficiency=np.where(most > 0, profit.sum(axis=1) / most, np.nan),
            alpha=np.where(count > 0, 100 * np.sqrt(squares / count) / centre, np.nan),
            price=np.where(count > 0, trades[1] / count, np.nan),
            volume=count,
            dispersion=np.sqrt(((profit - fair) ** 2).mean(axis=1)),
        )
