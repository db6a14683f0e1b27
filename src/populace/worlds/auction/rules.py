"""Traders without memory: zero intelligence, truth, and the sniper.

Prices are whole, from 1 to ``most``. What a rule returns is an array a field: see `Auction`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.observation import Observation
from populace.kernel.spaces import Choice, Number, Record
from populace.worlds.auction.schedules import BUYER

ACTIONS: Final = ("pass", "order", "cancel")
PASS, ORDER = 0, 1
MOST: Final = 200  # Gode and Sunder (1993): prices from 1 to 200


def order_space(most: int) -> Record:
    """Return what a trader may answer: what to do, and for an order the price."""
    return Record(action=Choice(ACTIONS), price=Number(1, most, integer=True))


def orders(price: ArrayLike, when: ArrayLike = True) -> dict[str, NDArray[Any]]:
    """Return orders at these prices, which pass where `when` is false."""
    prices = np.asarray(price)
    made = np.broadcast_to(np.asarray(when), prices.shape)
    action = np.where(made, ORDER, PASS).astype(np.uint8)
    return {"action": action, "price": np.where(made, prices, 1).astype(np.int64)}


def whole(side: Any, price: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return prices rounded in the trader's favour: a buyer's down, a seller's up."""
    return np.where(side == BUYER, np.floor(price + 1e-9), np.ceil(price - 1e-9))


def inside(o: Observation, price: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole prices from 1 to ``most``, rounded in the trader's favour."""
    return np.clip(whole(o["side"], price), 1, o["most"]).astype(np.int64)


def constrained(o: Observation) -> Any:
    """Any price without a loss, all as likely: ZI-C (Gode and Sunder 1993)."""
    buyer, limit = o["side"] == BUYER, o["limit"]
    low, high = np.where(buyer, 1, limit), np.where(buyer, limit, o["most"])
    return orders(low + np.floor(o.random.uniform() * (high - low + 1)))


def unconstrained(o: Observation) -> Any:
    """Any price, all as likely: ZI-U (Gode and Sunder 1993)."""
    return orders(1 + np.floor(o.random.uniform() * o["most"]))


def truthful(o: Observation) -> Any:
    """Bid one's value, ask one's cost."""
    return orders(o["limit"])


def snipe(
    o: Observation, spread: float = 0.1, profit: float = 0.02, rush: float = 0.1
) -> dict[str, NDArray[Any]]:
    """Wait in the background and take a good offer: Todd Kaplan's sniper.

    Rust, Miller and Palmer (1994, *Characterizing effective trading strategies*, Journal of
    Economic Dynamics and Control 18, 61). It takes the best offer of the other side without a loss
    (a) where that beats every price of the day before; (b) where the spread is below `spread` of
    the ask, at least `profit` of the limit is earned, and the offer is no worse than the worst
    price of the day before; (c) in the last `rush` of the day. On the first day there is no day
    before, so that of (a) and (b) only the spread and the profit count.
    """
    buyer, limit = o["side"] == BUYER, o["limit"]
    bid, ask = np.asarray(o["bid"], float), np.asarray(o["ask"], float)
    low, high = np.asarray(o["low"], float), np.asarray(o["high"], float)
    offer = np.where(buyer, ask, bid)
    with np.errstate(invalid="ignore"):
        gain = np.where(buyer, limit - offer, offer - limit)
        juicy = np.where(buyer, ask < low, bid > high)
        fair = ~np.where(buyer, ask > high, bid < low)
        close = (ask - bid) < spread * ask
        near = close & (gain >= profit * limit) & fair
        late = (o["steps"] - o["step"]) < rush * o["steps"]
        takes = (gain >= 0) & (juicy | near | late)
    return orders(np.where(np.isnan(offer), 1, offer), takes)


def sniper(o: Observation) -> Any:
    """Take a good offer, make none: Kaplan's sniper."""
    return snipe(o)
