"""Q-learning: optima in closed form, exact moments, another implementation, memory and errors."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Choice, Number, Outcome, Population, QLearning, Simulation, Text, World
from populace.errors import ParameterError, PolicyError
from populace.kernel.streams import Streams
from populace.testing import check_policy, observe
from tests.trying import Arms


class Maze(World):
    """A finite decision problem for everybody by themselves.

    ``chances[s, a]`` are the chances of the next state, ``pay[s, a]`` is the mean reward, uniform
    within `spread` of it. Nothing is told at the last state, where `ends`: the episode is done.
    """

    def __init__(self, chances, pay, people=10, spread=0.0, ends=False):
        self.chances, self.pay = np.asarray(chances, float), np.asarray(pay, float)
        self.spread, self.ends = spread, ends
        self.people = Population(people, at=np.int64)

    async def step(self, minds):
        people, space = self.people, Choice([str(a) for a in range(self.pay.shape[1])])
        found = await minds.ask("move", people, space, see=["at"])
        earned = self.pay[people.at, found.values]
        noise = minds.stream("pay").uniform(people, -1, 1) * self.spread
        where = self.chances[people.at, found.values]
        people.at = minds.stream("move").choice(people, where)
        done = people.at == len(self.pay) - 1 if self.ends else np.zeros(len(people), bool)
        minds.tell("moved", people, reward=earned + noise, done=done)
        people.at[done] = 0

    def measure(self):
        return {"at": float(self.people.at.mean())}


def optimum(chances, pay, gamma, sweeps=5000):
    """Return Q* by value iteration (Bellman's equation), a contraction by `gamma`."""
    q = np.zeros_like(pay)
    for _ in range(sweeps):
        q = pay + gamma * chances @ q.max(axis=1)
    return q


def chain(states, gamma):
    """Return a walk of which the last state pays 1 for going on, and Q* in closed form.

    Action 1 goes a step on (from the last state to the first), action 0 stays; going on from the
    last pays 1. With k steps to go (the paying one included) V = gamma^(k-1) / (1 - gamma^n).
    """
    n = states
    chances, pay = np.zeros((n, 2, n)), np.zeros((n, 2))
    chances[np.arange(n), 0, np.arange(n)] = 1
    chances[np.arange(n), 1, (np.arange(n) + 1) % n] = 1
    pay[n - 1, 1] = 1.0
    value = gamma ** (n - 1 - np.arange(n)) / (1 - gamma**n)
    return chances, pay, np.column_stack([gamma * value, value])


def test_it_finds_the_optimum_of_a_deterministic_chain_in_closed_form():
    """With rate 1 each visit sets Q to the target, so the error shrinks by gamma a full round."""
    gamma, n = 0.7, 4
    chances, pay, best = chain(n, gamma)
    np.testing.assert_allclose(optimum(chances, pay, gamma), best, atol=1e-12)
    world = Maze(chances, pay, people=20)
    policy = QLearning({"at": n}, alpha=1, gamma=gamma, epsilon=1)
    Simulation(world, policy, seed=1).run(1500)
    found = policy.worth(world.people, "move")
    assert found.shape == (20, 4, 2)
    # gamma^60 = 5e-10: a full round (each pair once) takes 25 moves or so, of 1500
    np.testing.assert_allclose(found, np.broadcast_to(best, found.shape), atol=1e-8)


def test_with_a_falling_rate_it_finds_the_optimum_of_a_noisy_problem():
    """The mean over agents, as far as its own standard error and a bias that falls with time."""
    draws = Streams(5).stream("problem")
    chances = draws.uniform(6, size=3).reshape(3, 2, 3) + 0.1
    chances /= chances.sum(axis=2, keepdims=True)
    pay, gamma = np.array([[0.0, 1.0], [0.5, 0.2], [2.0, 0.0]]), 0.5
    best = optimum(chances, pay, gamma)
    off = []
    for ticks in (200, 1800):
        world = Maze(chances, pay, people=200, spread=1.0)
        policy = QLearning({"at": 3}, alpha=1, decay=0.8, gamma=gamma, epsilon=1)
        Simulation(world, policy, seed=2).run(ticks)
        off.append(np.abs(policy.worth(world.people, "move") - best).max(axis=(1, 2)))
    # the squared error falls as n^-0.8 or faster (Even-Dar and Mansour 2003): 9^-0.8 = 0.17
    assert np.sqrt((off[1] ** 2).mean() / (off[0] ** 2).mean()) < 9**-0.4
    assert off[1].mean() < 0.1 * best.max()


def test_means_of_a_lone_action_follow_their_linear_recursion_exactly():
    """With one action it is TD(0), whose expectation has moments in closed form.

    m[s, x] = E[Q_t(x) 1{S_t = s}] follows from linearity of the update in Q.
    """
    p = np.array([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.4, 0.4, 0.2]])
    pay, gamma, alpha, ticks, n = np.array([1.0, -0.5, 2.0]), 0.8, 0.3, 12, 30_000
    world = Maze(p[:, None, :], pay[:, None], people=n, spread=0.5)
    policy = QLearning({"at": 3}, alpha=alpha, gamma=gamma)
    Simulation(world, policy, seed=3).run(ticks + 1)  # the last reward is not yet learnt
    found = policy.worth(world.people, "move")[:, :, 0]
    m, at = np.zeros((3, 3)), np.array([1.0, 0, 0])
    for _ in range(ticks):
        new = np.zeros((3, 3))
        for s in range(3):
            for t in range(3):
                after = m[s] * p[s, t]
                after[s] += alpha * (
                    at[s] * p[s, t] * pay[s] + p[s, t] * (gamma * m[s, t] - m[s, s])
                )
                new[t] += after
        m, at = new, at @ p
    error = found.std(axis=0) / np.sqrt(n)
    assert (np.abs(found.mean(axis=0) - m.sum(axis=0)) < 5 * error).all()


def test_without_a_future_a_constant_rate_has_the_variance_of_its_weights():
    """gamma = 0: Q is a weighted mean, of variance a / (2 - a) of the reward's (as t grows)."""
    alpha, n, ticks = 0.25, 20_000, 40
    world = Maze(np.ones((1, 1, 1)), [[2.0]], people=n, spread=1.0)
    policy = QLearning(alpha=alpha, gamma=0)
    Simulation(world, policy, seed=3).run(ticks + 1)
    q = policy.worth(world.people, "move").ravel()
    variance = (1 / 3) * alpha / (2 - alpha) * (1 - (1 - alpha) ** (2 * ticks))
    assert abs(q.mean() - 2 * (1 - (1 - alpha) ** ticks)) < 5 * np.sqrt(variance / n)
    assert abs(q.var() / variance - 1) < 5 * np.sqrt(2 / n)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32), st.floats(0.05, 1), st.floats(0, 1), st.floats(0, 1), st.floats(-2, 2)
)
def test_it_learns_what_a_plain_loop_learns(seed, alpha, decay, gamma, initial):
    """The same moves and rewards through a loop over one agent after another."""
    states, arms, n, ticks = 3, 2, 4, 25
    draws = Streams(seed).stream("try")
    at = draws.integers(n, states, size=ticks + 1)
    pay = draws.normal(n, size=ticks)
    done = draws.bernoulli(n, 0.2, size=ticks)
    people = Population(n, name="people")
    policy = QLearning(
        {"at": states}, alpha=alpha, decay=decay, gamma=gamma, initial=initial, epsilon=0.5
    )
    policy.start(people, None)
    moves = np.zeros((n, ticks + 1), int)
    for t in range(ticks + 1):
        ask = observe("move", people, Choice(["a", "b"]), tick=t, seed=seed, at=at[:, t])
        moves[:, t] = policy.act(ask)
        if t < ticks:
            told = observe("moved", people, Text(), tick=t, reward=pay[:, t], done=done[:, t])
            policy.hear(told)
    for i in range(n):
        q, visits = np.full((states, arms), initial), np.zeros((states, arms), int)
        for t in range(ticks):
            s, a = at[i, t], moves[i, t]
            visits[s, a] += 1
            target = pay[i, t] + (0 if done[i, t] else gamma * q[at[i, t + 1]].max())
            q[s, a] += alpha * float(visits[s, a]) ** -decay * (target - q[s, a])
        np.testing.assert_allclose(policy.worth(people, "move")[i], q, rtol=1e-9, atol=1e-9)


def test_an_episode_ends_where_it_is_done():
    """Three steps to a prize of 1: Q* = gamma^(steps left - 1), and nothing beyond."""
    chances, pay, _ = chain(4, 0.5)
    pay[:], pay[2, 1] = 0.0, 1.0
    world = Maze(chances, pay, people=10, ends=True)
    policy = QLearning({"at": 4}, alpha=1, gamma=0.5, epsilon=1)
    Simulation(world, policy, seed=1).run(600)
    found = policy.worth(world.people, "move")
    assert np.array_equal(found[:, :3, 1], np.tile([0.25, 0.5, 1.0], (10, 1)))
    assert np.array_equal(found[:, :3, 0], np.tile([0.125, 0.25, 0.5], (10, 1)))


def test_greedy_agents_take_the_best_and_the_curious_anything():
    gamma = 0.7
    chances, pay, _ = chain(3, gamma)
    world = Maze(chances, pay, people=30)
    policy = QLearning({"at": 3}, alpha=1, gamma=gamma, epsilon=1)
    cast = Simulation(world, policy, seed=1)
    cast.run(400)
    policy.epsilon = 0.0
    cast.run(6)
    before = world.people.at.copy()
    cast.run(1)
    np.testing.assert_array_equal(world.people.at, (before + 1) % 3)  # everybody goes on
    n, eps = 40_000, 0.3
    fresh, people = QLearning(epsilon=eps, alpha=1, gamma=0), Population(n, name="people")
    fresh.start(people, None)
    three = Choice(["a", "b", "c"])
    first = fresh.act(observe("move", people, three))
    fresh.hear(observe("moved", people, Text(), reward=np.where(first == 0, 1.0, -1.0)))
    for tick in range(1, 9):  # by now most have tried a: the others' Q is -1 or 0
        move = fresh.act(observe("move", people, three, tick=tick))
        fresh.hear(observe("moved", people, Text(), reward=np.where(move == 0, 1.0, -1.0)))
    knows = fresh.worth(people, "move")[:, 0, 0] == 1
    move, p = fresh.act(observe("move", people, three, tick=9)), 1 - eps + eps / 3
    assert knows.sum() > n / 2
    assert abs((move[knows] == 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / knows.sum())


def test_states_are_codes_and_bins_and_nan_is_one_of_its_own():
    policy = QLearning({"last": 3, "stock": [10.0, 20.0]})
    assert policy.states == 3 * 4
    stock = np.array([9.9, 10.0, 19.9, 20.0, np.nan, -np.inf])
    shown = observe("move", 6, Choice(["a", "b"]), last=np.array([0, 0, 1, 1, 2, 2]), stock=stock)
    assert policy._seen(shown).tolist() == [0, 1, 4 + 1, 4 + 2, 8 + 3, 8 + 0]
    scalar = observe("move", 2, Choice(["a", "b"]), last=True, stock=15)
    assert policy._seen(scalar).tolist() == [5, 5]


def test_untold_rewards_are_none_and_those_told_are_summed():
    people, policy = Population(2, name="people"), QLearning(alpha=1, gamma=0, initial=5.0)
    policy.start(people, None)
    ask = partial(observe, "move", people, Choice(["a"]))
    policy.act(ask())
    assert (policy.worth(people, "move") == 5).all()
    policy.act(ask(tick=1))
    assert (policy.worth(people, "move") == 0).all()  # nothing told, nothing earned
    for part in (0.5, 1.5):
        policy.hear(observe("paid", people[[1]], Text(), reward=part))
    policy.act(ask(tick=2))
    assert policy.worth(people, "move").ravel().tolist() == [0, 2]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"alpha": 0}, "expected alpha"),
        ({"gamma": 1.1}, "expected gamma 0 to 1"),
        ({"state": {"at": 0}}, "state 'at': expected a number of codes, or edges"),
        ({"state": {"at": [2.0, 1.0]}}, "ascending"),
        ({"state": {"at": ["a"]}}, "ascending"),
        ({"state": {"at": []}}, "ascending"),
    ],
)
def test_impossible_settings(given, told):
    with pytest.raises(ParameterError, match=told):
        QLearning(**given)


def test_what_does_not_fit_says_so():
    space = Choice(["a", "b"])
    with pytest.raises(PolicyError, match=r"does not show 'stock'; did you mean 'stocks'"):
        QLearning({"stock": [1.0]}).act(observe("move", 2, space, stocks=1))
    with pytest.raises(PolicyError, match=r"expected 'at' in 0..2, got 1 to 3"):
        QLearning({"at": 3}).act(observe("move", 2, space, at=np.array([1, 3])))
    with pytest.raises(PolicyError, match="as one number an agent, got"):
        QLearning({"at": 3}).act(observe("move", 2, space, at=np.array(["x", "y"])))
    with pytest.raises(PolicyError, match=r"1000 states of 2 arms take 0.0149 GiB, more than 0.01"):
        QLearning({"at": 1000}, memory=0.01).act(observe("move", 1000, space, at=1))
    assert QLearning().act(observe("say", 2, Text())).outcome == Outcome.ABSTAINED


def test_a_column_with_nan_is_no_code():
    with pytest.raises(PolicyError, match="got nan"):
        QLearning({"at": 3}).act(observe("m", 2, Choice(["a"]), at=np.array([1.0, np.nan])))


@pytest.mark.parametrize("decay", [0.0, 0.7])
def test_keeps_the_rules_of_the_kernel(decay):
    """Order, batches and threads change nothing, and a resumed run ends as an uninterrupted one."""
    chances, pay, _ = chain(3, 0.9)
    make = partial(QLearning, {"at": 3}, decay=decay)
    check_policy(make, world=partial(Maze, chances, pay, spread=1.0), ticks=9).raise_if_failed()
    check_policy(partial(QLearning, decay=decay), world=Arms, ticks=6).raise_if_failed()


def test_it_plays_numbers_on_a_grid():
    policy = QLearning(arms=3, epsilon=1)
    found = policy.act(observe("take", 50, Number(0, 10)))
    assert set(found.tolist()) == {0.0, 5.0, 10.0}
