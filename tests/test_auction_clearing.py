"""The books of the double auction against a second one; exact equilibria."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from populace.errors import ParameterError
from populace.worlds.auction.clearing import Books, Result, Rules
from populace.worlds.auction.recorded import Game
from populace.worlds.auction.schedules import BUYER, MARKETS, Schedule, equilibrium, fair, named
from tests.order_book import Reference

# -- supply, demand and equilibrium ---------------------------------------------------------------


numbers = st.lists(st.integers(1, 30), min_size=1, max_size=8)


@given(numbers, numbers)
def test_the_equilibrium_is_where_a_search_finds_it(values: list[int], costs: list[int]) -> None:
    """Surplus is that of the best matching; prices are all at which nobody is left unserved."""
    found = equilibrium(values, costs)
    gains = np.maximum(0, np.subtract.outer(values, costs))
    assert found.surplus == gains[linear_sum_assignment(gains, maximize=True)].sum()
    prices = [
        p
        for p in range(32)
        if sum(v > p for v in values) <= sum(c <= p for c in costs)  # all who gain can be served
        and sum(c < p for c in costs) <= sum(v >= p for v in values)
    ]
    assert min(prices) == (found.low if found.quantity else min(found.low, max(values)))
    if found.quantity:
        assert (found.low, found.high) == (min(prices), max(prices))
        wanted = [sum(v >= p for v in values) for p in prices]
        offered = [sum(c <= p for c in costs) for p in prices]
        assert found.quantity == max(map(min, wanted, offered))


def test_the_markets_have_the_published_prices() -> None:
    """Gode and Sunder (1993): 69, 69, 106, 170, 131; Smith (1962), test 1: six units at 200."""
    for number, price in enumerate((69, 69, 106, 170, 131), 1):
        schedule = named(f"gode-sunder-{number}")
        found = schedule.equilibrium
        assert found.low <= price <= found.high
        assert found.price == price
        assert fair(schedule).sum() == found.surplus
        assert schedule.side.tolist() == [0] * 6 + [1] * 6
    assert named("smith-1").equilibrium[:3] == (200, 200, 6)
    assert len(MARKETS) == 6


@pytest.mark.parametrize(
    ("values", "costs"),
    [
        ([[5, 6]], [[1]]),
        ([[5]], [[2, 1]]),
        ([], [[1]]),
        ([[5]], [[]]),
        ([[0]], [[1]]),
        ([[1.5]], [[1]]),
    ],
)
def test_schedules_out_of_order_are_refused(values: Any, costs: Any) -> None:
    with pytest.raises(ParameterError, match="Schedule"):
        Schedule(values, costs)


# -- clearing -------------------------------------------------------------------------------------


@st.composite
def schedules(draw: Any) -> Schedule:
    units = st.lists(st.integers(1, 12), min_size=1, max_size=3)
    sides = st.lists(units, min_size=1, max_size=4)
    down = [sorted(row, reverse=True) for row in draw(sides)]
    return Schedule(down, [sorted(row) for row in draw(sides)])


rule_sets = st.builds(Rules, st.booleans(), st.sampled_from(["cleared", "standing"]), st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.lists(schedules(), min_size=1, max_size=3), rule_sets, st.data())
def test_the_clearing_is_that_of_an_independent_book(
    markets: list[Schedule], rules: Rules, data: Any
) -> None:
    """And it keeps its laws: price, time, limits, surplus, no crossing book."""
    order = st.integers(0, len(markets) - 1).flatmap(
        lambda m: st.tuples(
            st.just(m), st.integers(0, len(markets[m].side) - 1), st.integers(0, 13)
        )
    )
    wanted = data.draw(st.lists(order, max_size=60))
    references = [Reference(schedule, rules) for schedule in markets]
    books = Books(markets, rules)
    bought = sold = profit = 0
    for m, who, price in wanted:
        before, quotes, since = books.limit[m].copy(), books.quote[m].copy(), books.since[m].copy()
        (result,), (partner,), (paid,) = books.submit([m], [who], [price])
        assert (result, partner, paid) == references[m].submit(who, price)
        side = books.side[m]
        if result == Result.TRADED:
            buyer, seller = (who, partner) if side[who] == BUYER else (partner, who)
            assert side[buyer] != side[seller]
            assert price >= paid if side[who] == BUYER else price <= paid
            rivals = np.flatnonzero((side == side[partner]) & (quotes > 0))
            sign = 1 if side[partner] == BUYER else -1
            best = max(rivals, key=lambda j: (sign * quotes[j], -since[j]))
            assert (partner, paid) == (best, quotes[best])
            if rules.solvent:
                assert before[seller] <= paid <= before[buyer]
            bought += before[buyer]
            sold += before[seller]
            profit += (before[buyer] - paid) + (paid - before[seller])
        assert books.bid[m] == 0 or books.ask[m] == 0 or books.bid[m] < books.ask[m]
        standing = dict(references[m].book)
        assert standing == {j: int(q) for j, q in enumerate(books.quote[m]) if q}
    together = Books(markets, rules)
    if wanted:
        together.submit(*np.array(wanted).T)  # all at once is one after another
        np.testing.assert_array_equal(together.quote, books.quote)
        np.testing.assert_array_equal(together.traded, books.traded)
    table = np.array([(0, *order, -1, 0) for order in wanted], np.int64).reshape(-1, 6)
    payoffs = Game(rules, tuple(markets), table[:, :4], table[:, 4:]).clear().payoffs
    assert profit == bought - sold == payoffs.sum()


def test_who_came_first_trades_first_among_equals() -> None:
    books = Books([Schedule([[9]], [[1], [1], [1]])], Rules(improve=False, book="standing"))
    result, partner, paid = books.submit([0] * 5, [1, 2, 3, 2, 0], [6, 5, 5, 5, 9])
    assert result.tolist() == [1, 1, 1, 1, 2]
    assert (partner[-1], paid[-1]) == (3, 5)  # trader 2 had come before, but ordered anew
    assert (books.bid[0], books.ask[0]) == (0, 5)
    with pytest.raises(ParameterError, match="cleared or standing"):
        Rules(book="open")  # type: ignore[arg-type]
