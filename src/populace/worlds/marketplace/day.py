"""A day of a marketplace: pages in order of arrival, replies, offers and payments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers
from populace.worlds.marketplace.market import Floats, Ints

Texts = NDArray[Any]  # of str, dtype object


@dataclass
class Asked:
    """Customers whom a reply has reached, and what they see.

    Attributes
    ----------
    rows : int64 array of shape (n,)
    seen : int64 array of shape (n,)
        Offers so far.
    text : object array of str of shape (n,)
        Those offers in words, numbered.
    shown : dict of str to array
    """

    rows: Ints
    seen: Ints
    text: Texts
    shown: dict[str, Any]


@dataclass
class Day:
    """What happens to n customers with pages of k businesses, in the order in which replies arrive.

    Parameters
    ----------
    found : int64 array of shape (n, k)
        Rows of businesses as the search ranks them, padded with -1.
    order : float64 array of shape (n, k)
        Replies arrive from the lowest number to the highest.

    Attributes
    ----------
    page : int64 array of shape (n, k)
        Rows of businesses in order of arrival, padded with -1; the following arrays are alike.
    place : int64 array
        Where the search ranked them, from 0.
    offer, said, met : bool arrays
        Whether they make an offer, say that they have all amenities, would meet the need in truth.
    price : float64 array, NaN without an offer
    letters : int64 array
        Length of their words.
    seller : int16 array
        Code of the business's mind in `sellers`.
    words : object array of str
    read : object array of str of shape (n,)
        The offers that reached each customer, in words.
    chosen : int64 array of shape (n,)
        Column of the offer that was paid for, or -1.
    utility : float64 array of shape (n,)
    mind : int16 array of shape (n,)
        Code of the customer's mind in `minds`, -1 for whom no offer reached.
    """

    found: Ints
    order: Floats
    page: Ints = field(init=False)
    place: Ints = field(init=False)
    minds: tuple[str, ...] = ()
    sellers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        keys = np.where(self.found >= 0, self.order, np.inf)
        self.place = np.argsort(keys, axis=1, kind="stable")
        self.page = np.take_along_axis(self.found, self.place, axis=1)
        n, k = self.page.shape
        self.offer, self.said, self.met = (np.zeros((n, k), np.bool_) for _ in range(3))
        self.price = np.full((n, k), np.nan)
        self.letters = np.zeros((n, k), np.int64)
        self.seller = np.full((n, k), -1, np.int16)
        self.words = np.full((n, k), "", object)
        self.read = np.full(n, "", object)
        self.chosen = np.full(n, -1)
        self.utility = np.zeros(n)
        self.mind = np.full(n, -1, np.int16)

    # -- replies ---------------------------------------------------------------------------------

    def sittings(self) -> Iterator[tuple[Ints, Ints]]:
        """Return customers and columns of the page, in turns in which no business is twice."""
        customer, column = np.nonzero(self.page >= 0)
        row = self.page[customer, column]
        order = np.argsort(row, kind="stable")
        customer, column, row = customer[order], column[order], row[order]
        turn = np.arange(len(row)) - np.searchsorted(row, row)
        for number in range(int(turn.max(initial=-1)) + 1):
            now = np.flatnonzero(turn == number)
            yield customer[now], column[now]

    def replied(self, customer: Ints, column: Ints, answers: Answers) -> None:
        """Take what businesses answered."""
        values, offer = answers.values, answers.values["offer"] == 1
        assert answers.policy is not None
        self.offer[customer, column] = offer
        self.said[customer, column] = offer & (values["amenities"] == 1)
        self.price[customer, column] = np.where(offer, values["price"].round(2), np.nan)
        self.seller[customer, column] = answers.policy
        self.sellers = answers.policies
        self.words[customer, column] = values["words"]
        self.letters[customer, column] = [len(text) for text in values["words"]]

    # -- payments --------------------------------------------------------------------------------

    @property
    def offers(self) -> Ints:
        """How many offers each customer has in the end, int64 of shape (n,)."""
        return np.asarray(self.offer.sum(axis=1))

    @property
    def rank(self) -> Ints:
        """Which offer each customer paid for, 1 for the first that arrived, 0 for none."""
        number = np.cumsum(self.offer, axis=1)
        taken = number[np.arange(len(self.chosen)), self.chosen]
        return np.asarray(np.where(self.chosen >= 0, taken, 0))

    def rounds(self, arrivals: int) -> Iterator[Asked]:
        """Let replies arrive, so many at a time (0: all), to customers who have not paid.

        Those whom a new offer reached are asked, and those whose last reply is in, if they have an
        offer at all.
        """
        n, k = self.page.shape
        step = arrivals or k
        came = (self.page >= 0).sum(axis=1)
        number = np.pad(np.cumsum(self.offer, axis=1), ((0, 0), (1, 0)))  # offers in a beginning
        self._columns = np.argsort(~self.offer, axis=1, kind="stable")  # of offer 1, 2, ...
        everybody = np.arange(n)
        for begin in range(0, int(came.max(initial=0)), step):
            before, now = np.minimum(begin, came), np.minimum(begin + step, came)
            had, has = number[everybody, before], number[everybody, now]
            last = (now == came) & (before < came)
            asked = np.flatnonzero((self.chosen < 0) & (has > 0) & ((has > had) | last))
            if not len(asked):
                continue
            for i in range(int((has - had)[asked].max())):  # the next new offer of all with one
                rows = asked[(has - had)[asked] > i]
                self._read_on(rows, had[rows] + i)
            yield Asked(
                asked,
                has[asked],
                self.read[asked],
                self._shown(asked, has[asked]) | {"waiting": (came - now)[asked]},
            )

    def _read_on(self, rows: Ints, last: Ints) -> None:
        """Let customers read one further offer, after so many."""
        new = self.words[rows, self._columns[rows, last]].tolist()
        read = zip(self.read[rows].tolist(), last.tolist(), new, strict=True)
        self.read[rows] = [
            f"{text}\n{i + 1}. {line}" if i else f"1. {line}" for text, i, line in read
        ]

    def _shown(self, rows: Ints, seen: Ints) -> dict[str, Any]:
        at = rows[:, None], self._columns[rows]
        there = np.arange(self.page.shape[1]) < seen[:, None]
        return {
            "seen": seen,
            "business": np.where(there, self.page[at], -1),
            "price": np.where(there, self.price[at], np.nan),
            "place": np.where(there, self.place[at], np.nan),
            "letters": np.where(there, self.letters[at], np.nan),
            "said": there & self.said[at],
        }

    def paid(self, asked: Asked, answers: Answers) -> None:
        """Take what customers decided."""
        assert answers.policy is not None
        self.mind[asked.rows], self.minds = answers.policy, answers.policies
        taken = np.flatnonzero(answers.values > 0)
        rows = asked.rows[taken]
        self.chosen[rows] = self._columns[rows, answers.values[taken] - 1]


def listed(names: Sequence[str]) -> str:
    """Return names in a row.

    >>> listed(["soup", "pie", "tart"])
    'soup, pie and tart'
    """
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), *names[-1:]])
