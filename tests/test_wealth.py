"""Money is conserved, and its law is the exponential one of Drăgulescu and Yakovenko."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from populace import Rule, Simulation, Streams, threads
from populace.kernel.philox import uniform2x32
from populace.worlds.pairs import shuffled
from populace.worlds.wealth import Wealth, gini
from populace.worlds.wealth.kernels import trade


def spend(o: object) -> float:
    return 0.0


def test_money_follows_the_exponential_law() -> None:
    """Splitting at random keeps the uniform law on the simplex: exponential given the total.

    Bounds are exceeded by chance once in a million: Dvoretzky-Kiefer-Wolfowitz for the
    Kolmogorov-Smirnov distance (smaller still for a fixed total), the normal law for the rest.
    """
    n, mean = 40_001, 10_000
    world = Wealth(n, money=mean)
    run = Simulation(world, Rule(save=spend), seed=4).run(60)
    money = world.people.money
    distance = stats.kstest(money + 0.5, stats.expon(scale=mean).cdf).statistic
    assert distance < math.sqrt(math.log(2 / 1e-6) / (2 * n)) + 0.5 / mean  # whole units
    # The Gini coefficient of an exponential sample is distributed as the mean of n - 1 uniform
    # numbers (Gail and Gastwirth 1978), up to the factor (n - 1) / n
    error = 5 / math.sqrt(12 * (n - 1)) + 1 / n
    assert abs(run.metrics["gini"][-1] - 0.5) < error
    # Median of an exponential law: asymptotic standard deviation mean / sqrt(n)
    median = run.metrics["median"][-1]
    assert abs(median - mean * math.log(2)) < 5 * mean / math.sqrt(n) + 1


def test_partners_do_not_share_their_fortunes() -> None:
    """In the stationary state any two agents are as good as independent."""
    world = Wealth(20_000)
    Simulation(world, Rule(save=spend), seed=1).run(40)
    money = world.people.money
    r = stats.pearsonr(money[::2], money[1::2]).statistic
    assert abs(r) < 5 / math.sqrt(len(money) / 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 50), st.integers(1, 10**6), st.integers(0, 2**32), st.data())
def test_money_is_conserved_to_the_unit(n: int, money: int, seed: int, data: st.DataObject) -> None:
    world = Wealth(n, money=money)
    saved = data.draw(st.lists(st.floats(0, 1), min_size=n, max_size=n))
    run = Simulation(world, Rule(save=lambda o: np.array(saved)), seed=seed).run(5)
    assert (run.metrics["money"] == n * money).all()
    assert (world.people.money >= 0).all()


def test_who_saves_more_ends_richer() -> None:
    """Chatterjee, Chakrabarti and Manna (2004): mean money goes as 1 / (1 - s).

    Setting the mean of m' = s m + u ((1 - s) m + (1 - s_j) m_j) equal to that of m, E u = 1/2.
    """
    n, mean = 40_000, 10_000
    world = Wealth(n, money=mean)
    Simulation(world, Rule(save=lambda o: 0.5 * (o.ids % 2)), seed=3).run(80)
    money = world.people.money
    for group, expected in [(money[::2], 2 / 3 * mean), (money[1::2], 4 / 3 * mean)]:
        assert abs(group.mean() - expected) < 5 * group.std() / math.sqrt(n / 2)


def test_who_stakes_nothing_never_loses() -> None:
    world = Wealth(500)
    simulation = Simulation(world, Rule(save=lambda o: o.ids % 2), seed=3)
    for _ in range(10):
        before = world.people.money[1::2].copy()
        simulation.run(1)
        assert (world.people.money[1::2] >= before).all()


def test_savings_make_the_law_narrower() -> None:
    """Chakraborti and Chakrabarti (2000): the more all save, the more equal they are.

    With a saved share s the stationary variance is mean^2 (1 - s) / (1 + 2 s): by the moments of
    m' = s m + u (1 - s) (m + m_j), u uniform and the two independent, E u = 1/2, E u^2 = 1/3.
    """
    n, mean = 40_000, 10_000
    for s in (0.25, 0.5):
        world = Wealth(n, money=mean)
        Simulation(world, Rule(save=lambda o, s=s: s), seed=2).run(60)
        money = world.people.money.astype(float)
        expected = mean**2 * (1 - s) / (1 + 2 * s)
        kurtosis = float(((money - mean) ** 4).mean()) / expected**2
        error = 5 * expected * math.sqrt((kurtosis - 1) / n)
        assert abs(money.var() - expected) < error + expected * 10 / n  # the fixed total


def test_the_kernel_agrees_with_plain_numpy() -> None:
    rng = np.random.default_rng(0)
    n = 1001
    money, save = rng.integers(0, 10**5, n), rng.random(n)
    stream = Streams(9).stream("split", 3)
    key = Streams(9).stream("split", 3).key2()
    order = shuffled(n, Streams(9).stream("order", 3))
    assert sorted(order) == list(range(n))
    i, j = order[0 : n - 1 : 2], order[1:n:2]
    kept = (save * money).astype(np.int64)
    pot = (money - kept)[i] + (money - kept)[j]
    share = (uniform2x32(i, 3, key) * (pot + 1)).astype(np.int64)
    expected = money.copy()
    expected[i], expected[j] = kept[i] + share, kept[j] + pot - share
    trade(money, save, order, stream)
    np.testing.assert_array_equal(money, expected)


def test_threads_change_nothing() -> None:
    held = []
    for limit in (1, 2):
        with threads(limit):
            world = Wealth(120_000)
            Simulation(world, Rule(save=lambda o: 0.1), seed=8).run(3)
            held.append(world.people.money.copy())
    np.testing.assert_array_equal(*held)


def test_the_shuffle_is_uniform() -> None:
    """All 24 orders of four come equally often: chi-squared, error chance 1e-6."""
    streams = Streams(77)
    count: dict[tuple[int, ...], int] = {}
    for tick in range(12_000):
        order = tuple(shuffled(4, streams.stream("order", tick)).tolist())
        count[order] = count.get(order, 0) + 1
    assert len(count) == 24
    assert stats.chisquare(list(count.values())).pvalue > 1e-6


def test_gini_by_its_definition() -> None:
    money = np.random.default_rng(1).integers(0, 1000, 300)
    differences = np.abs(money[:, None] - money[None, :]).mean()
    running = np.concatenate([[0], np.cumsum(np.sort(money))])
    assert gini(running) == pytest.approx(differences / (2 * money.mean()))
    assert gini(np.arange(11)) == pytest.approx(0.0)
