"""One market: who wants what, who sells it, and what the best choice of each customer is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError
from populace.kernel.streams import Stream
from populace.worlds.marketplace.domains import Domain, business_names

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

OTHER_GOODS: Final = (10, 15)
"""Fewest and most goods on a menu that nobody asks for, as in the paper's data."""
OTHER_AMENITIES: Final = (2, 4)
"""Fewest and most amenities that a business has whatever is asked for, as there."""
_POOL = 40  # goods that nobody asks for, of which menus take some


@dataclass(frozen=True)
class Making:
    """How markets are made; the defaults are those of the paper's data.

    Attributes
    ----------
    customers : int
        Of a market.
    rivals : int
        Businesses made for each customer, who sell all that it asks for.
    lacking : int
        How many of those lack an amenity that it asks for.
    goods, wishes : int
        Most goods, and most amenities, that a customer asks for.
    spread : float
        Standard deviation of prices, as a share of a good's mean price.
    """

    customers: int = 33
    rivals: int = 3
    lacking: int = 1
    goods: int = 3
    wishes: int = 2
    spread: float = 0.15

    @property
    def businesses(self) -> int:
        """Businesses of a market."""
        return self.customers * self.rivals


@dataclass
class Market:
    """C customers and B businesses with I goods.

    Attributes
    ----------
    goods : list of str
    mean : float64 array of shape (I,)
        Mean prices.
    orders : int64 array of shape (C, most)
        Goods that each customer asks for, padded with -1.
    wants : bool array of shape (C, A)
        Amenities that it asks for.
    names : list of str
        Of the businesses.
    prices : float64 array of shape (B, I)
        Menus: NaN where a good is not sold.
    has : bool array of shape (B, A)
        Amenities.
    """

    goods: list[str]
    mean: Floats
    orders: Ints
    wants: Bools
    names: list[str]
    prices: Floats
    has: Bools

    def quote(self, customer: Any, business: Any) -> Floats:
        """Return what a customer's order costs at a business by its menu, NaN if it lacks a good.

        Arrays that broadcast with each other; the result has their common shape.
        """
        order = self.orders[customer]
        each = self.prices[np.asarray(business)[..., None], order]
        return np.asarray(np.where(order >= 0, each, 0.0).sum(axis=-1).round(2))

    def fits(self, customer: Any, business: Any) -> Bools:
        """Return whether a business has all amenities that a customer asks for."""
        return np.asarray((self.has[business] | ~self.wants[customer]).all(axis=-1))

    def values(self, worth: float) -> Floats:
        """Return what each customer's order is worth to it: `worth` times its mean price."""
        mean = np.where(self.orders >= 0, self.mean[self.orders], 0.0).sum(axis=1)
        return np.asarray((worth * mean).round(2))

    def best(self) -> tuple[Ints, Floats]:
        """Return the cheapest business that meets each customer's needs, and its price."""
        businesses, rows, prices = np.arange(len(self.prices)), [], []
        for customer in range(len(self.orders)):  # one at a time: memory of one row of a table
            price = self.quote(customer, businesses)
            price[~self.fits(customer, businesses) | np.isnan(price)] = np.inf
            rows.append(int(price.argmin()))
            prices.append(float(price[rows[-1]]))
        return np.array(rows), np.array(prices)


def draw(making: Making, domain: Domain, stream: Stream) -> Market:
    """Return a market as the paper's data are made, with goods and prices of its own.

    Bansal et al. 2025, arXiv:2510.25779: a third of the customers each asks for one, two and three
    goods (windows of one list, so that orders share goods but none holds another), and one or two
    amenities. For each there are three businesses with all of its goods, at prices normal about the
    goods' means, among goods that nobody asks for; one of the three lacks one of the amenities.

    Raises
    ------
    ParameterError
        If the domain has too few goods for so many customers.
    """
    c, b = making.customers, making.businesses
    orders, used = _orders(making, stream)
    n = used + _POOL
    if n > domain.goods:
        raise ParameterError(
            f"expected at most {domain.goods} goods, so many customers need {n}",
            where="Marketplace",
            mend="several markets of fewer customers",
        )
    which = stream.permutation(domain.goods)[:n].tolist()
    low, high = domain.prices
    mean = stream.uniform(n, low, high).round(2)
    wants = _some(c, len(domain.amenities), (1, making.wishes), stream)

    made_for = np.repeat(np.arange(c), making.rivals)
    sold = np.zeros((b, n), np.bool_)
    for column in orders[made_for].T:
        sold[column >= 0, column[column >= 0]] |= True
    sold[:, used:] |= _some(b, _POOL, OTHER_GOODS, stream)
    noise = 1 + making.spread * stream.normal(b, size=n)
    prices = np.where(sold, np.maximum(0.01, mean * noise).round(2), np.nan)

    has = _some(b, len(domain.amenities), OTHER_AMENITIES, stream) | wants[made_for]
    lacks = np.arange(b) % making.rivals >= making.rivals - making.lacking
    has[lacks, wants[made_for].argmax(axis=1)[lacks]] = False

    places = stream.permutation(b)  # so that a row says nothing of its business
    names = business_names(b, stream)
    goods = [domain.good(number) for number in which]
    return Market(goods, mean, orders, wants, names, prices[places], has[places])


def _orders(making: Making, stream: Stream) -> tuple[Ints, int]:
    """Return orders as windows of a list of goods, and how long that list is."""
    c, most = making.customers, making.goods
    size = 1 + (np.arange(c) + int(stream.integers(1, most)[0])) % most
    steps = stream.uniform(c)
    orders, begin = np.full((c, most), -1), 0
    for k in range(1, most + 1):  # by size: an order of one size is part of none of another
        rows = np.flatnonzero(size == k)
        step = 1 + (steps[rows] * k).astype(np.int64)
        first = begin + np.concatenate([[0], np.cumsum(step)[:-1]]).astype(np.int64)
        orders[rows, :k] = first[: len(rows), None] + np.arange(k)
        begin = int(first[-1]) + k if len(rows) else begin
    return orders[stream.permutation(c)], begin


def _some(n: int, k: int, few: tuple[int, int], stream: Stream) -> Bools:
    """Return n random subsets of k, of `few` from least to most, all sizes alike; shape (n, k)."""
    rank = np.argsort(np.argsort(stream.uniform(n, size=k), axis=1), axis=1)
    return np.asarray(rank < stream.integers(n, few[0], few[1] + 1)[:, None])
