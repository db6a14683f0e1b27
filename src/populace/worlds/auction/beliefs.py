"""Gjerstad and Dickhaut's beliefs, compiled: a trader at a time, over all whole prices."""

from __future__ import annotations

from typing import Any

import numpy as np

from populace.kernel.jit import jit
from populace.worlds.auction.schedules import Ints


def best_prices(
    price: Any,
    what: Any,
    heard: Ints,
    side: Ints,
    limit: Ints,
    bid: Ints,
    ask: Ints,
    most: int,
    trades: int,
) -> Ints:
    """Return each trader's price of highest expected gain, 0 where none is expected.

    Parameters
    ----------
    price, what : int arrays of shape (n, memory)
        Orders heard, in a ring: see `remember`.
    heard : int64 array of shape (n,)
        How many orders each has heard; the next one's place is ``heard % memory``.
    side, limit, bid, ask : int64 arrays of shape (n,)
        0 buys, 1 sells; value or cost; the best that stand, 0 for none.
    most : int
        Highest price.
    trades : int
        How many trades back orders count.
    """
    out = np.zeros(len(heard), np.int64)
    _best(price, what, heard, side, limit, bid, ask, most, trades, out, np.zeros(most + 2))
    return out


@jit
def remember(price: Any, what: Any, heard: Any, rows: Any, by: Any, at: Any, traded: Any) -> None:
    """Write orders into the rings of those who hear them: 1 a bid, 2 an ask.

    A trade is an order of the other side that was taken: 3 a bid, 4 an ask; the bid or ask that it
    was until then is struck out (0).
    """
    memory = price.shape[1]
    for k in range(rows.size):
        i, kind = rows[k], 1 + by[k]
        if traded[k]:
            was = 2 - by[k]
            for back in range(1, min(heard[i], memory) + 1):
                place = (heard[i] - back) % memory
                if what[i, place] == was and price[i, place] == at[k]:
                    what[i, place] = 0
                    break
            kind = was + 2
        place = heard[i] % memory
        price[i, place], what[i, place] = at[k], kind
        heard[i] += 1


@jit
def _best(
    price: Any,
    what: Any,
    heard: Any,
    side: Any,
    limit: Any,
    bid: Any,
    ask: Any,
    most: Any,
    trades: Any,
    out: Any,
    belief: Any,
) -> None:
    for k in range(side.size):
        _believe(price[k], what[k], heard[k], side[k], most, trades, belief)
        best, sells = 0.0, side[k] == 1
        for p in range(1, most + 1):
            if sells:
                hopeless, gain = ask[k] > 0 and p >= ask[k], p - limit[k]
            else:
                hopeless, gain = p <= bid[k], limit[k] - p
            if not hopeless and gain * belief[p] > best + 1e-12:
                best, out[k] = gain * belief[p], p


@jit
def _believe(
    price: Any, what: Any, heard: Any, side: Any, most: Any, trades: Any, belief: Any
) -> None:
    """Write the probability that an order at each price is taken, 0 to most + 1."""
    memory = price.size
    taken, other, rejected = np.zeros(most + 2), np.zeros(most + 2), np.zeros(most + 2)
    found = 0
    for back in range(1, min(heard, memory) + 1):
        at = (heard - back) % memory
        kind, p = what[at], price[at]
        if kind == 0:
            continue
        trade = kind >= 3
        if trade:
            found += 1
            if found > trades:
                break
        bids = kind == 1 or kind == 3
        if bids == (side == 1):
            other[p] += 1
        elif trade:
            taken[p] += 1
        else:
            rejected[p] += 1
    # a seller's sure end is price 0, a buyer's the highest; walk from the hopeless end
    hopeless, step = (most + 1, -1) if side == 1 else (0, 1)
    good, bad = 0.0, rejected.sum()
    belief[hopeless] = 0.0
    knot, last = hopeless, 0.0
    p = hopeless + step
    while True:
        end = p == 0 if side == 1 else p == most + 1
        here = end or taken[p] + other[p] + rejected[p] > 0
        if here:
            good += taken[p] + other[p]
            value = 1.0 if end or good + bad == 0 else good / (good + bad)
            bad -= rejected[p]
            width = abs(p - knot)
            for x in range(1, width + 1):  # a cubic with slope 0 at both knots
                t = x / width
                belief[knot + step * x] = last + (value - last) * t * t * (3.0 - 2.0 * t)
            knot, last = p, value
        if end:
            break
        p += step
