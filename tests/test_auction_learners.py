"""Traders that learn: each rule against its paper's formula, worked out again in plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Population
from populace.kernel.streams import Streams
from populace.testing import observe
from populace.worlds.auction.beliefs import best_prices, remember
from populace.worlds.auction.clearing import Result
from populace.worlds.auction.learners import ZIP, GjerstadDickhaut, RothErev
from populace.worlds.auction.rules import order_space

SPACE = order_space(20)


def traders(side: Any, policy: Any) -> Population:
    people = Population(len(side), name="traders", side=np.array(side, np.int8))
    policy.start(people, Streams(1))
    return people


# -- Gjerstad and Dickhaut ------------------------------------------------------------------------


def believed(orders: list[tuple[int, int, bool]], side: int, most: int, trades: int) -> list[float]:
    """Return the belief at 0..most+1 by the paper's definition, from (by, price, traded)."""
    tape: list[list[Any]] = []  # side of the order that stands or was taken, price, taken
    for by, price, traded in orders:
        if traded:
            for entry in reversed(tape):
                if entry == [1 - by, price, False]:
                    tape.remove(entry)
                    break
            tape.append([1 - by, price, True])
        else:
            tape.append([by, price, False])
    while sum(taken for *_, taken in tape) > trades:
        tape = tape[next(i for i, entry in enumerate(tape) if entry[2]) + 1 :]
    sign = 1 if side == 1 else -1  # a seller's chance falls with the price

    def chance(a: int) -> float:
        good = sum(1 for s, p, taken in tape if sign * p >= sign * a and (taken or s != side))
        bad = sum(1 for s, p, t in tape if s == side and not t and sign * p <= sign * a)
        return good / (good + bad)

    knots = {p: chance(p) for _, p, _ in tape}
    knots |= {0: 1.0, most + 1: 0.0} if side == 1 else {0: 0.0, most + 1: 1.0}
    at = sorted(knots)
    found = []
    for x in range(most + 2):
        low, high = max(k for k in at if k <= x), min(k for k in at if k >= x)
        t = 0 if low == high else (x - low) / (high - low)
        found.append(knots[low] + (knots[high] - knots[low]) * (3 * t**2 - 2 * t**3))
    return found


heard = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 20), st.booleans()), max_size=25)


@settings(max_examples=150, deadline=None)
@given(heard, st.integers(0, 1), st.integers(1, 20), st.integers(0, 20), st.integers(0, 20))
def test_the_best_price_is_that_of_the_papers_beliefs(
    orders: list[tuple[int, int, bool]], side: int, limit: int, bid: int, ask: int
) -> None:
    price, what, count = np.zeros((1, 40), np.int32), np.zeros((1, 40), np.int8), np.zeros(1, int)
    for by, p, traded in orders:
        one = (np.array([by]), np.array([p]), np.array([traded]))
        remember(price, what, count, np.zeros(1, int), *one)
    here = [np.array([v]) for v in (side, limit, bid, ask)]
    found = int(best_prices(price, what, count, *here, 20, 99)[0])
    belief = believed(orders, side, 20, 99)
    gains = {}
    for p in range(1, 21):
        open_ = (not ask or p < ask) if side == 1 else p > bid
        gains[p] = (p - limit if side == 1 else limit - p) * belief[p] if open_ else 0.0
    best = max(gains.values())
    if best <= 1e-9:
        assert found == 0
    else:
        assert gains[found] == pytest.approx(best)


def test_what_lies_before_the_last_trades_is_forgotten() -> None:
    """Two bids at 9 taken: sure up to 9, then a cubic down to 0 at 21; an ask at 12 had failed."""
    asked = {}
    for trades in (2, 3):
        gd = GjerstadDickhaut(trades=trades)
        people = traders([1], gd)
        for by, price, result in [
            (1, 12, Result.STANDING),
            (0, 3, Result.STANDING),
            (1, 3, Result.TRADED),
            (0, 9, Result.STANDING),
            (1, 9, Result.TRADED),
            (0, 9, Result.STANDING),
            (1, 9, Result.TRADED),
            (1, 19, Result.REFUSED),  # never in the book
        ]:
            gd.hear(told("order", people, by=by, price=price, result=result))
        assert people["gd/heard"].tolist() == [7]
        asked[trades] = int(gd.act(shown(people, limit=5))["price"][0])
        assert gd.act(shown(people, limit=20))["action"].tolist() == [0]  # no price above its cost

    def gain(price: int, end: int) -> float:
        t = min(1.0, (end - price) / (end - 9))
        return (price - 5) * t * t * (3 - 2 * t)

    assert asked[2] == max(range(9, 21), key=lambda p: gain(p, 21))
    assert asked[3] == max(range(9, 12), key=lambda p: gain(p, 12))
    assert asked[2] != asked[3]


def told(kind: str, people: Population, **columns: Any) -> Any:
    n = len(people)
    full = {k: np.broadcast_to(np.asarray(v), (n,)).copy() for k, v in columns.items()}
    return observe(kind, people, SPACE, see=["side"], **full)


def shown(people: Population, limit: Any) -> Any:
    n = len(people)
    nan = np.full(n, np.nan)
    limits = np.broadcast_to(np.asarray(limit), (n,)).copy()
    return observe("order", people, SPACE, see=["side"], limit=limits, bid=nan, ask=nan, most=20)


# -- ZIP ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize("result", [Result.STANDING, Result.TRADED, Result.REFUSED])
def test_margins_move_as_cliff_says(by: int, result: Result) -> None:
    """Who moves, which way, and by how much: Cliff (1997), section 5, figures 26 and 27."""
    zip_ = ZIP(relative=0.0, absolute=0.0)  # the target is the price that was said
    side = [1, 1, 1, 1, 0, 0, 0, 0]
    limit = np.array([50.0, 50, 50, 50, 150, 150, 150, 150])
    quote = np.array([80.0, 120, 80, 120, 80, 120, 80, 120])
    left = np.array([1, 1, 0, 0, 1, 1, 0, 0])
    people = traders(side, zip_)
    people["zip/margin"][:] = quote / limit - 1
    people["zip/momentum"][:] = 0.1
    people["zip/rate"][:] = 0.5
    people["zip/change"][:] = 2.0
    before = people["zip/margin"].copy()
    q = 100
    zip_.hear(told("order", people, limit=limit, left=left, by=by, price=q, result=result))
    traded = result == Result.TRADED
    for i, (s, p, active) in enumerate(zip(side, quote, left, strict=True)):
        if s == 1:
            up = traded and p <= q
            down = active and p >= q and (by == 0 if traded else by == 1)
        else:
            down = traded and p >= q  # a buyer's price falls when its margin is raised
            up = active and p <= q and (by == 1 if traded else by == 0)
        change = 0.1 * 2.0 + 0.9 * 0.5 * (q - p)
        expected = (p + change) / limit[i] - 1 if up or down else before[i]
        assert people["zip/margin"][i] == pytest.approx(expected)


def test_first_margins_are_cliffs() -> None:
    people = traders(np.arange(2000) % 2, ZIP())
    margin, sign = people["zip/margin"], np.where(people.side == 0, -1, 1)
    assert ((sign * margin >= 0.05) & (sign * margin <= 0.35)).all()
    assert abs((sign * margin).mean() - 0.2) < 5 * 0.3 / np.sqrt(12 * 2000)
    assert ((people["zip/rate"] >= 0.1) & (people["zip/rate"] <= 0.5)).all()


# -- Roth and Erev --------------------------------------------------------------------------------


def test_propensities_are_reinforced_as_in_the_modified_rule() -> None:
    """Nicolaisen, Petrov and Tesfatsion (2001), equations 1 and 2, by hand."""
    learner = RothErev(recency=0.1, experimentation=0.2, options=4, scale=8.0)
    people = traders([0, 1], learner)
    people["rotherev/chosen"][:] = [1, 3]
    learner.hear(told("day", people, reward=[10, 0]))
    q = people["rotherev/propensity"]
    other = 0.9 * 2 + 0.2 * 2 / 3
    np.testing.assert_allclose(q[0], [other, 0.9 * 2 + 0.8 * 10, other, other])
    np.testing.assert_allclose(q[1], [other, other, other, 0.9 * 2])


def test_the_choice_is_in_proportion_to_propensity() -> None:
    learner = RothErev(recency=0.0, experimentation=0.0, options=2, scale=2.0)
    n = 20_000
    people = traders(np.zeros(n, int), learner)
    people["rotherev/chosen"][:] = 0
    learner.hear(told("day", people, reward=2))  # propensities 3 and 1
    share = (people["rotherev/chosen"] == 0).mean()
    assert abs(share - 0.75) < 5 * np.sqrt(0.75 * 0.25 / n)


def test_shading_stands_off_the_limit_in_even_steps() -> None:
    learner = RothErev(options=5, widest=8)
    people = traders([0, 0, 1, 1], learner)
    people["rotherev/chosen"][:] = [0, 4, 1, 4]
    made = learner.act(shown(people, limit=10))
    assert made["price"].tolist() == [10, 2, 12, 18]
