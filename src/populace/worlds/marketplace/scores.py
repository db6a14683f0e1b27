"""What came of a day: welfare, needs met, payments for the first offer, sales by mind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.cast import COLUMN
from populace.kernel.measures import By
from populace.kernel.population import Population
from populace.worlds.marketplace.day import Day


def results(day: Day, customers: Population) -> dict[str, NDArray[Any]]:
    """Return columns of a row a customer."""
    rows = np.arange(customers.rows)
    paid = day.chosen >= 0
    return {
        "market": customers.market.copy(),
        "offers": day.offers,
        "rank": day.rank,
        "paid": paid,
        "price": np.where(paid, day.price[rows, day.chosen], np.nan),
        "met": paid & day.met[rows, day.chosen],
        "utility": day.utility.copy(),
        "optimum": customers.optimum.copy(),
        "found": (day.page == customers.best[:, None]).any(axis=1),
    }


def measures(
    day: Day, customers: Population, businesses: Population
) -> dict[str, float | By | None]:
    """Return the measures of a day.

    ``welfare`` is the customers' utility as a share of the most there is; ``first`` the share of
    payments, by customers with two offers or more, for the offer that came first, ``chance`` the
    mean of 1 over their number of offers, and ``advantage`` the ratio of the odds of the two.
    """
    table = results(day, customers)
    choice = table["paid"] & (table["offers"] > 1)
    first, chance = table["rank"] == 1, 1 / np.maximum(table["offers"], 1)
    welfare: dict[str, float] = {}
    met: dict[str, float] = {}
    early: dict[str, float] = {}
    for code, name in enumerate(day.minds):
        who = day.mind == code
        if who.any():
            welfare[name] = _ratio(table["utility"][who].sum(), table["optimum"][who].sum())
            met[name] = float(table["met"][who].mean())
            early[name] = _mean(first[who & choice])
    sales, revenue = {}, {}
    buyers = np.flatnonzero(table["paid"])
    sold = np.zeros_like(day.offer)
    sold[buyers, day.chosen[buyers]] = True
    for code, name in enumerate(day.sellers):
        theirs = day.offer & (day.seller == code)
        if theirs.any():
            sales[name] = float(sold[theirs].mean())
            n = int((businesses[COLUMN] == code).sum())
            revenue[name] = float(day.price[theirs & sold].sum()) / n
    share, fair = _mean(first[choice]), _mean(chance[choice])
    odds = _ratio(share * (1 - fair), fair * (1 - share))
    return {
        "welfare": _ratio(table["utility"].sum(), table["optimum"].sum()),
        "met": float(table["met"].mean()),
        "paid": float(table["paid"].mean()),
        "found": float(table["found"].mean()),
        "first": _known(share),
        "chance": _known(fair),
        "advantage": _known(odds),
        "welfare_of": By("mind", welfare),
        "met_of": By("mind", met),
        "first_of": By("mind", early),
        "sales_of": By("business", sales),
        "revenue_of": By("business", revenue),
    }


def _ratio(a: float, b: float) -> float:
    return float(a / b) if b > 0 else float("nan")


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _known(value: float) -> float | None:
    return value if value == value else None
