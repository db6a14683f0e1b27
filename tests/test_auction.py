"""The double auction: published efficiencies, laws of prices, profits against a second book."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from populace import Cast, Rule, Simulation
from populace.errors import ParameterError, WorldError
from populace.language import Scripted
from populace.language.policy import Language
from populace.records.checkpoints import Checkpoints
from populace.testing import check_world, observe
from populace.worlds.auction import PROMPTS, Auction
from populace.worlds.auction.clearing import Result
from populace.worlds.auction.rules import order_space, snipe
from populace.worlds.auction.schedules import (
    CONSTRAINED,
    EVERYTHING,
    Schedule,
    named,
)
from tests.order_book import Reference


def play(mind: Any, seed: int = 1, **parameters: Any) -> Auction:
    world = Auction(**parameters)
    minds = world.policies()
    if isinstance(mind, dict):
        cast: Any = Cast({name: minds[name] for name in mind}, shares=mind)
    else:
        cast = minds[mind] if isinstance(mind, str) else mind
    Simulation(world, cast, seed=seed, panel=0).run(world.ticks)
    return world


# -- published facts ------------------------------------------------------------------------------


def test_constrained_zero_intelligence_is_as_efficient_as_published() -> None:
    """Gode and Sunder (1993), table 2: 99.9, 99.2, 99.0, 98.2 and 97.1 %, on average 98.7 %.

    Their schedules are published as drawings only; ours share price, and what is left when all
    units trade, so the average is expected to hold, a single market within 2 points.
    """
    five = tuple(named(f"gode-sunder-{number}") for number in range(1, 6))
    world = play("zi-c", schedule=five, markets=300, days=1)
    each = world.history[0].efficiency.reshape(60, 5)
    error = stats.t.ppf(1 - 5e-7, 59) * each.std(axis=0, ddof=1) / math.sqrt(60)
    assert (np.abs(each.mean(axis=0) - CONSTRAINED) < 0.02 + error).all()
    assert (each.mean(axis=0) > 0.97).all()
    assert abs(each.mean() - 0.987) < 0.005


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_unconstrained_zero_intelligence_trades_everything(number: int) -> None:
    """Which leaves exactly (all values less all costs) / surplus: 90, 90, 76.7, 48.8, 86 %."""
    world = play("zi-u", schedule=f"gode-sunder-{number}", markets=5, days=1, steps=800)
    schedule, day = world.schedules[0], world.history[0]
    left = np.sum(schedule.values) - np.sum(schedule.costs)
    np.testing.assert_array_equal(day.efficiency, left / schedule.equilibrium.surplus)
    np.testing.assert_array_equal(day.volume, np.size(schedule.values))
    assert abs(day.efficiency[0] - EVERYTHING[number - 1]) < 0.001


def test_the_market_may_be_what_constrains() -> None:
    """With orders at a loss refused, ZI-U traders are as good as constrained ones, and gain."""
    world = play("zi-u", markets=20, days=1, solvent=True, steps=4000)
    assert (world.traders.gain >= 0).all()
    assert world.history[0].efficiency.mean() > 0.97


def chain(value: int, cost: int, most: int) -> np.ndarray:
    """Return the law of the price between a ZI-C buyer and seller, by iteration of the chain.

    A state is the best bid and ask; each tick one of the two is drawn, half and half.
    """
    at = {(0, 0): 1.0}
    law = np.zeros(most + 1)
    for _ in range(400):
        new: dict[tuple[int, int], float] = {}
        for (bid, ask), p in at.items():
            for price in range(1, value + 1):
                q = p / 2 / value
                if price <= bid:
                    new[bid, ask] = new.get((bid, ask), 0) + q
                elif ask and price >= ask:
                    law[ask] += q
                else:
                    new[price, ask] = new.get((price, ask), 0) + q
            for price in range(cost, most + 1):
                q = p / 2 / (most - cost + 1)
                if ask and price >= ask:
                    new[bid, ask] = new.get((bid, ask), 0) + q
                elif bid and price <= bid:
                    law[bid] += q
                else:
                    new[bid, price] = new.get((bid, price), 0) + q
        at = new
    return law


def test_prices_of_two_constrained_traders_have_the_law_of_their_markov_chain() -> None:
    law = chain(6, 3, 8)
    assert abs(law.sum() - 1) < 1e-9
    assert law[:3].sum() == law[7:].sum() == 0
    n = 4000
    world = play(
        "zi-c", schedule=Schedule([[6]], [[3]]), markets=n, days=1, steps=150, most=8, record=True
    )
    paid = world.game().told[:, 1]
    counts = np.bincount(paid[paid > 0], minlength=9)[3:7]
    assert counts.sum() == n
    assert stats.chisquare(counts, n * law[3:7] / law.sum()).pvalue > 1e-6


def test_zip_traders_converge_and_zero_intelligence_does_not() -> None:
    """Cliff (1997): alpha falls over the days; that of ZI-C stays where it was."""
    plus, zero = (
        play(mind, schedule="smith-1", markets=25, days=8, steps=300) for mind in ("zip", "zi-c")
    )
    alpha = [np.nanmean(day.alpha) for day in plus.history]
    assert alpha[-1] < 8 < 14 < alpha[0]
    assert np.mean(alpha[-3:]) < np.mean(alpha[3:5]) < np.mean(alpha[:2])
    assert min(np.nanmean(day.alpha) for day in zero.history) > 14
    last = plus.history[-1]
    assert abs(last.price.mean() - 200) < 10
    assert last.efficiency.mean() > 0.96


def test_gjerstad_dickhaut_traders_are_nearly_efficient_from_the_second_day() -> None:
    world = play("gd", schedule="smith-1", markets=20, days=3, steps=300)
    first, *later = world.history
    for day in later:
        assert day.efficiency.mean() > 0.99
        assert np.nanmean(day.alpha) < 0.5 * np.nanmean(first.alpha)


def test_truthful_traders_trade_too_much_and_take_all_from_one_side() -> None:
    """Each trade is at one of the two limits; extramarginal units trade, none at a loss."""
    world = play("truthful", markets=20, days=1, record=True)
    day, most = world.history[0], world.equilibria[0]
    assert (world.traders.gain >= 0).all()
    assert (day.volume >= most.quantity).all()
    assert 0.9 < day.efficiency.mean() < 0.99
    limits = set(world.schedules[0].limits.ravel().tolist())
    paid = world.game().told[:, 1]
    assert set(paid[paid > 0].tolist()) <= limits


def test_snipers_alone_never_trade_and_take_only_good_offers() -> None:
    assert play("sniper", markets=3, days=2, steps=100).history[-1].volume.sum() == 0
    nan = math.nan
    cases = [  # limit, bid, ask, yesterday's low and high, step of 100 -> takes the ask?
        ((100, nan, 40, nan, nan, 0), False),  # nothing to judge it by
        ((100, 38, 40, nan, nan, 0), True),  # a small spread, a good gain
        ((100, 30, 40, nan, nan, 0), False),  # a wide spread
        ((41, 40, 40.5, nan, nan, 0), False),  # hardly a gain
        ((100, 30, 40, 50, 60, 0), True),  # better than every price of yesterday
        ((100, 69, 70, 50, 60, 0), False),  # worse than every one
        ((100, nan, 70, 50, 60, 91), True),  # but it is late
        ((60, nan, 70, 50, 60, 91), False),  # never at a loss
        ((100, nan, nan, 50, 60, 91), False),  # nothing offered
    ]
    names = ("limit", "bid", "ask", "low", "high", "step")
    columns = {n: np.array([c[i] for c, _ in cases], float) for i, n in enumerate(names)}
    n, takes = len(cases), [taken for _, taken in cases]

    def sniped(side: int, step: int, **shown: Any) -> Any:
        many = {"side": np.full(n, side), "step": step, "steps": 100, "most": 200}
        return snipe(observe("order", n, order_space(200), **many, **shown))

    step = columns.pop("step")
    early, late = sniped(0, 0, **columns), sniped(0, 91, **columns)
    assert np.where(step > 0, late["action"], early["action"]).tolist() == takes
    assert early["price"][4] == 40
    # a seller is the mirror image about 100
    other = {"limit": "limit", "bid": "ask", "ask": "bid", "low": "high", "high": "low"}
    mirror = {name: 200 - columns[twin] for name, twin in other.items()}
    assert sniped(1, 91, **mirror)["action"][[4, 6, 7, 8]].tolist() == [1, 1, 0, 0]


# -- the world ------------------------------------------------------------------------------------

MIXED = {"zi-c": 0.2, "zip": 0.2, "gd": 0.2, "roth-erev": 0.2, "sniper": 0.1, "truthful": 0.1}


@pytest.mark.parametrize("improve", [True, False])
@pytest.mark.parametrize("book", ["cleared", "standing"])
@pytest.mark.parametrize("asked", [1, 4])
def test_profits_are_those_of_the_record_cleared_by_an_independent_book(
    improve: bool, book: Any, asked: int
) -> None:
    world = play(
        MIXED,
        schedule="random",
        markets=4,
        days=2,
        steps=120,
        improve=improve,
        book=book,
        asked=asked,
        record=True,
    )
    game = world.game()
    payoffs = np.zeros((4, 12), np.int64)
    surplus = np.zeros((2, 4))
    for day in range(2):
        books = [Reference(schedule, world.rules) for schedule in world.schedules]
        for _, m, who, price in game.orders[game.orders[:, 0] == day].tolist():
            units = [list(u) for u in books[m].units]
            _, other, paid = books[m].submit(who, price)
            if paid:
                buyer, seller = (who, other) if who < 6 else (other, who)
                payoffs[m, buyer] += units[buyer][0] - paid
                payoffs[m, seller] += paid - units[seller][0]
                surplus[day, m] += units[buyer][0] - units[seller][0]
    np.testing.assert_array_equal(payoffs.ravel(), world.traders.gain)
    np.testing.assert_array_equal(game.payoffs, payoffs)
    most = [e.surplus for e in world.equilibria]
    for day in range(2):
        np.testing.assert_allclose(world.history[day].efficiency, surplus[day] / most)


def test_a_market_is_the_same_however_many_stand_beside_it() -> None:
    few, many = (play("zi-c", schedule="random", markets=m, days=2, steps=80) for m in (2, 5))
    for one, other in zip(few.history, many.history, strict=True):
        for name in vars(one):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name)[:2])
    assert few.schedules == many.schedules[:2]


def test_alpha_and_dispersion_are_as_defined() -> None:
    """A trade by hand: worth 10 to one, 2 to the other, at 4; the equilibrium is 6."""
    price = {0: 4, 1: 4}
    rule = Rule(order=lambda o: {"action": 1, "price": [price[i] for i in o.ids.tolist()]})
    world = play(rule, schedule=Schedule([[10]], [[2]]), days=1, steps=2)
    if world.history[0].volume[0] == 0:  # the same was drawn twice
        world = play(rule, 3, schedule=Schedule([[10]], [[2]]), days=1, steps=40)
    day = world.history[0]
    assert (day.efficiency[0], day.price[0], day.volume[0]) == (1, 4, 1)
    assert day.alpha[0] == pytest.approx(100 * 2 / 6)
    assert day.dispersion[0] == 2  # 6 and 2 in place of 4 and 4
    assert world.traders.gain.tolist() == [6, 2]
    assert world.results() == [
        {"day": 0, "market": 0, "efficiency": 1.0, "alpha": pytest.approx(100 / 3), "price": 4.0,
         "volume": 1.0, "dispersion": 2.0}
    ]  # fmt: skip


def test_a_market_without_trade_has_no_price() -> None:
    world = play(Rule(order=lambda o: {"action": 0, "price": 1}), days=1, steps=5)
    measured = world.measure()
    assert measured["efficiency"] == 0
    assert measured["alpha"] is measured["price"] is None
    assert measured["volume"] == 0


def test_cancelled_orders_are_gone() -> None:
    def act(o: Any) -> Any:
        return {"action": 2 if o["step"] % 2 else 1, "price": 1}

    one = Schedule([[5]], [[2]])
    world = Auction(schedule=one, days=1, steps=40, record=True)
    cast = Cast({"x": Rule(order=act), "no": Rule(order=lambda o: {"action": 0, "price": 1})},
                assign={"x": world.traders.side == 0, "no": world.traders.side == 1})  # fmt: skip
    simulation = Simulation(world, cast, seed=4)
    simulation.run(40)
    told = world.game().told[:, 0].tolist()
    assert set(told) <= {Result.STANDING, Result.CANCELLED, Result.REFUSED}
    assert Result.CANCELLED in told


def test_impossible_markets_are_refused_before_anything_runs() -> None:
    with pytest.raises(ParameterError, match="most >= 133"):
        Auction(most=100)
    with pytest.raises(ParameterError, match="schedule"):
        Auction(schedule="gode-sunder-6")  # type: ignore[arg-type]
    with pytest.raises(WorldError, match="record=True"):
        play("zi-c", days=1, steps=2).game()
    assert Auction(schedule="smith-1")._most == 400


@pytest.mark.parametrize(("asked", "book"), [(1, "cleared"), (3, "standing")])
def test_the_rules_of_the_kernel_are_kept(asked: int, book: Any) -> None:
    def world() -> Auction:
        return Auction(markets=3, days=3, steps=12, asked=asked, book=book)

    def cast() -> Cast:
        minds = Auction().policies()
        return Cast({name: minds[name] for name in MIXED}, shares=MIXED)

    check_world(world, cast, ticks=30).raise_if_failed()


def test_a_run_that_was_stopped_goes_on_as_if_never(tmp_path: Any) -> None:
    def made() -> tuple[Auction, Cast]:
        world = Auction(markets=3, days=3, steps=40, record=True)
        minds = world.policies()
        return world, Cast({name: minds[name] for name in MIXED}, shares=MIXED)

    whole, cast = made()
    Simulation(whole, cast, seed=3).run(120)
    world, cast = made()
    every = Checkpoints(every_ticks=1)
    Simulation(world, cast, seed=3).run(53, to=tmp_path / "run", checkpoint=every)
    world, cast = made()
    Simulation.resume(tmp_path / "run", world=world, cast=cast).run(67)
    np.testing.assert_array_equal(world.traders.gain, whole.traders.gain)
    np.testing.assert_array_equal(world.game().orders, whole.game().orders)
    assert world.results() == whole.results()


def test_a_language_model_trades_by_the_shipped_prompt() -> None:
    asked: list[str] = []

    def reply(request: Any) -> str:
        asked.append("\n".join(m.content for m in request.messages))
        buys = "You are a buyer" in asked[-1]
        return json.dumps({"action": "order", "price": 5 if buys else 4})

    world = Auction(schedule=Schedule([[9]], [[2]]), days=1, steps=30, most=20)
    Simulation(world, Language(Scripted(reply), PROMPTS), seed=2).run(30)
    assert world.history[0].volume[0] == 1
    assert "at whole prices from 1 to 20" in asked[0]
    assert "Best bid: none. Best ask: none" in asked[0]
    assert any("Best bid: 5" in text or "Best ask: 4" in text for text in asked)
    limits = {"buyer": "9.", "seller": "2."}
    for text in asked:
        who = "buyer" if "You are a buyer" in text else "seller"
        assert f"costs you this: {limits[who]}" in text
