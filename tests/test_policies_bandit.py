"""Bandits: exact laws over short horizons, the literature's bounds over long ones, memory."""

from functools import partial
from itertools import product
from math import e, exp, lgamma, log, pi, sqrt

import numpy as np
import pytest

from populace import Bandit, Choice, Fallback, Number, Outcome, Population, Rule, Simulation, Text
from populace.errors import ParameterError, PolicyError
from populace.kernel.streams import Streams
from populace.testing import check_policy, observe
from tests.trying import Arms, Bernoulli, Sequence, pulls

ALGORITHMS = ["epsilon-greedy", "ucb1", "thompson", "exp3"]


def log_beta(a, b):
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def beta_exceeds(a, b, c, d):
    """Return P(X > Y), X ~ Beta(a, b) and Y ~ Beta(c, d), for whole numbers: a finite sum."""
    terms = [
        exp(log_beta(c + i, b + d) - log(b + i) - log_beta(1 + i, b) - log_beta(c, d))
        for i in range(a)
    ]
    return sum(terms)


def second_by_thompson(n, s):
    return beta_exceeds(1 + s[1], 1 + n[1] - s[1], 1 + s[0], 1 + n[0] - s[0])


def greedier(first, second):
    return 0.5 if first == second else float(second > first)


def second_by_means(n, s, epsilon=None):
    """Return the chance of the second arm by UCB1, or epsilon-greedily."""
    if 0 in n:
        return greedier(n[1], n[0])
    means = [s[j] / n[j] for j in range(2)]
    if epsilon is None:
        return greedier(*(means[j] + sqrt(2 * log(sum(n)) / n[j]) for j in range(2)))
    return (1 - epsilon) * greedier(*means) + epsilon / 2


def expected_pulls(second, mu, horizon):
    """Return how often the second of two Bernoulli arms is expected to be pulled, exactly."""
    states, pulled = {((0, 0), (0, 0)): 1.0}, 0.0
    for _ in range(horizon):
        after = {}
        for (n, s), chance in states.items():
            p = second(n, s)
            pulled += chance * p
            for arm, won in product(range(2), range(2)):
                q = chance * (p if arm else 1 - p) * (mu[arm] if won else 1 - mu[arm])
                if q:
                    one = (
                        tuple(n[j] + (j == arm) for j in range(2)),
                        tuple(s[j] + won * (j == arm) for j in range(2)),
                    )
                    after[one] = after.get(one, 0.0) + q
        states = after
    return pulled


@pytest.mark.parametrize(
    ("policy", "second"),
    [
        (Bandit("thompson"), second_by_thompson),
        (Bandit("ucb1"), second_by_means),
        (Bandit("epsilon-greedy", epsilon=0.2), partial(second_by_means, epsilon=0.2)),
    ],
    ids=["thompson", "ucb1", "epsilon-greedy"],
)
def test_expected_pulls_are_those_of_the_exact_recursion_over_counts(policy, second):
    n, horizon, mu = 20_000, 25, (0.35, 0.6)
    pulled = sum(arm for arm, _ in pulls(policy, n, horizon, Bernoulli(*mu), seed=4))
    error = pulled.std() / np.sqrt(n)
    assert abs(pulled.mean() - expected_pulls(second, mu, horizon)) < 5 * error
    assert error < 0.06  # of 25: the test can tell


def test_exp3_earns_what_its_tree_of_weights_says():
    """All paths of rewards that stand beforehand, against many agents' mean."""
    table = Streams(3).stream("table").uniform(6, size=3) ** 2
    gamma, k = 0.3, 3

    def expected(t, weights):
        if t == len(table):
            return 0.0
        p = (1 - gamma) * weights / weights.sum() + gamma / k
        total = 0.0
        for j in range(k):
            heavier = weights.copy()
            heavier[j] *= np.exp(gamma * table[t, j] / (p[j] * k))
            total += p[j] * (table[t, j] + expected(t + 1, heavier))
        return total

    n = 50_000
    earned = sum(reward for _, reward in pulls(Bandit("exp3", gamma=gamma), n, 6, Sequence(table)))
    assert abs(earned.mean() - expected(0, np.ones(k))) < 5 * earned.std() / np.sqrt(n)


def test_ucb1_keeps_the_bound_of_its_theorem():
    """Auer et al. 2002, Theorem 1; and no less than a pull of each arm."""
    mu, horizon, n = np.array([0.7, 0.5, 0.3]), 1500, 300
    regret = sum(mu.max() - mu[arm] for arm, _ in pulls(Bandit("ucb1"), n, horizon, Bernoulli(*mu)))
    gap = mu.max() - mu[1:]
    bound = 8 * (log(horizon) / gap).sum() + (1 + pi**2 / 3) * gap.sum()
    assert gap.sum() < regret.mean() < bound
    assert regret.mean() < 0.5 * horizon * (mu.max() - mu.mean())  # far from pulling blindly


def test_exp3_keeps_its_bound_against_an_adversary():
    """The arm that was best so far turns bad; Auer et al. 2002, Theorem 3.1."""
    horizon, k, gamma, n = 600, 2, 0.12, 300
    table = np.zeros((horizon, k))
    table[:250, 0], table[250:, 1] = 1.0, 1.0
    earned = sum(
        r for _, r in pulls(Bandit("exp3", gamma=gamma), n, horizon, Sequence(table), seed=1)
    )
    best = table.sum(axis=0).max()
    bound = (e - 1) * gamma * best + k * log(k) / gamma
    error = earned.std() / np.sqrt(n)
    assert best - earned.mean() < bound + 4 * error
    deterministic = Bandit("epsilon-greedy", epsilon=0)  # follows the leader, and pays for it
    stuck = sum(r for _, r in pulls(deterministic, n, horizon, Sequence(table)))
    assert best - stuck.mean() > best - earned.mean()


def test_a_step_forgets_and_a_mean_does_not():
    """After the arms change places: exponential weights, against a mean over everything."""
    table = np.zeros((300, 2))
    table[:200, 0], table[200:, 1] = 1.0, 1.0
    late = {
        step: sum(
            r.mean()
            for _, r in list(
                pulls(Bandit(epsilon=0.2, step=step), 500, 300, Sequence(table), seed=2)
            )[250:]
        )
        for step in (0.0, 0.5)
    }
    assert late[0.5] > 40 > 25 > late[0.0]  # of 50: at best (1 - 0.2 / 2) 50 = 45


def test_epsilon_greedy_ends_at_its_closed_form_share():
    """Arms that pay for sure: the best has the share 1 - e + e / K of all pulls but the first K."""
    epsilon, k, n = 0.3, 4, 40_000
    table = np.tile([0.1, 0.9, 0.4, 0.2], (12, 1))
    shares = [
        (arm == 1).mean()
        for arm, _ in pulls(Bandit(epsilon=epsilon), n, 12, Sequence(table), seed=5)
    ]
    p = 1 - epsilon + epsilon / k
    for share in shares[k:]:
        assert abs(share - p) < 5 * np.sqrt(p * (1 - p) / n)


# -- rewards, arms and memory ----------------------------------------------------------------------


def test_an_arm_is_held_until_its_reward_is_told_and_what_is_told_is_summed():
    policy, people = Bandit(epsilon=0.5), Population(40, name="people")
    policy.start(people, None)
    space = Choice(["a", "b", "c"])
    arms = [policy.act(observe("pull", people, space, tick=t)).copy() for t in range(3)]
    assert (arms[0] == arms[1]).all()
    assert (arms[1] == arms[2]).all()
    for _ in range(2):
        policy.hear(observe("paid", people, space, reward=np.full(40, 0.25)))
    policy.hear(observe("paid", people, space, reward=np.full(40, np.nan)))
    policy.hear(observe("news", people, space, other=1))
    assert policy.act(observe("pull", people, space, tick=3)).shape == (40,)
    assert policy.report() == [{"kind": "pull", "learnt": 40}]
    count, mean = policy.table(people, "pull", "count"), policy.table(people, "pull", "mean")
    assert (count[np.arange(40), arms[0]] == 1).all()
    assert count.sum() == 40
    assert (mean[np.arange(40), arms[0]] == 0.5).all()


def test_told_picks_one_of_several_rewards():
    policy, people = Bandit(told="day"), Population(3, name="people")
    policy.start(people, None)
    ask = observe("pull", people, Choice(["a", "b"]))
    policy.act(ask)
    policy.hear(observe("traded", people, Text(), reward=5.0))
    policy.act(ask)
    assert policy.table(people, "pull", "count").sum() == 0
    with pytest.raises(PolicyError, match="told no 'reward'"):
        policy.hear(observe("day", people, Text(), rewards=5.0))


@pytest.mark.parametrize(
    ("space", "arms", "values"),
    [
        (Number(2, 4), 3, {2.0, 3.0, 4.0}),
        (Number(0, np.full(400, 10.0), integer=True), 5, {0, 2, 5, 8, 10}),  # 2.5 and 7.5 to even
        (Number(-5, 2.5), [-9.0, 0.0, 2.0], {-5.0, 0.0, 2.0}),
        (Number(0.4, 3.7, integer=True), [0.0, 9.0], {1, 3}),
    ],
)
def test_the_arms_of_a_number(space, arms, values):
    found = Bandit(epsilon=1, arms=arms).act(observe("take", 400, space))
    value, valid = space.check(found, 400)
    assert valid is None
    assert set(value.tolist()) == values


def test_arms_of_a_number_follow_todays_bounds():
    policy, people = Bandit(arms=3), Population(200, name="people")
    policy.start(people, None)
    one = policy.act(observe("take", people, Number(0, 10)))
    two = policy.act(observe("take", people, Number(0, 4), tick=1))  # nothing told: the same arm
    np.testing.assert_allclose(two, 0.4 * one)


def test_a_newborn_has_learnt_nothing_even_in_the_row_of_a_dead():
    policy, people = Bandit(), Population(5, name="people")
    policy.start(people, None)
    for tick in range(4):
        policy.act(observe("pull", people, Choice(["a", "b"]), tick=tick))
        policy.hear(observe("paid", people, Text(), tick=tick, reward=1.0))
    people.remove(people[2])
    born = people.add(1)
    assert born.rows.tolist() == [2]
    assert policy.table(people, "pull", "count").sum(axis=1).tolist() == [3, 3, 0, 3, 3]


def test_bandits_of_one_population_do_not_share_what_they_know():
    people = Population(4, name="people")
    first, second = Bandit(), Bandit("exp3")
    for policy in (first, second):
        policy.start(people, None)
        policy.act(observe("pull", people, Choice(["a", "b"])))
    assert first.table(people, "pull", "count").shape == (4, 2)
    assert second.table(people, "pull", "weight").shape == (4, 2)
    with pytest.raises(PolicyError, match="no table 'weight' of 'pull'"):
        first.table(people, "pull", "weight")


def test_what_it_cannot_decide_it_leaves_and_kinds_may_be_named():
    policy = Bandit(kinds=["pull"])
    for kind, space in [("speak", Text()), ("push", Choice(["a", "b"])), ("pull", Text())]:
        assert policy.act(observe(kind, 2, space)).outcome == Outcome.ABSTAINED
    both = Fallback(policy, to=Rule(lambda o: 1))
    assert Simulation(Arms(5), both, seed=0).run(2).asks["acted"].to_list() == [5, 5]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"algorithm": "ucb2"}, "unknown algorithm 'ucb2'"),
        ({"epsilon": 1.5}, "expected epsilon 0 to 1"),
        ({"low": 1.0, "high": 1.0}, "expected low < high"),
        ({"arms": 1}, "expected arms as a number from 2 on"),
        ({"arms": [1.0, 1.0]}, "different numbers"),
        ({"arms": "many"}, "expected arms"),
    ],
)
def test_impossible_settings(given, told):
    with pytest.raises(ParameterError, match=told):
        Bandit(**given)


def test_what_does_not_fit_says_so():
    people = Population(3, name="people")
    policy = Bandit("ucb1")
    policy.act(observe("pull", people, Choice(["a", "b"])))
    with pytest.raises(PolicyError, match=r"options were a, b and now are b, a"):
        policy.act(observe("pull", people, Choice(["b", "a"])))
    with pytest.raises(PolicyError, match="no bounds to divide into 11 arms; give the arms"):
        policy.act(observe("take", people, Number(0)))
    with pytest.raises(PolicyError, match="'reward' is infinite"):
        policy.hear(observe("paid", people, Text(), reward=np.inf))
    with pytest.raises(PolicyError, match="as one number an agent"):
        policy.hear(observe("paid", people, Text(), reward=np.array(["a", "b", "c"])))
    policy.hear(observe("paid", people, Text(), reward=7.0))
    with pytest.raises(PolicyError, match="rewards from 0 to 1, got 7 to 7; say how large"):
        policy.act(observe("pull", people, Choice(["a", "b"])))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keeps_the_rules_of_the_kernel(algorithm):
    """Order, batches and threads change nothing, and a resumed run ends as an uninterrupted one."""
    check_policy(partial(Bandit, algorithm), world=Arms, ticks=8).raise_if_failed()


def test_blocks_change_nothing(monkeypatch):
    run = lambda: Simulation(Arms(300), Bandit("thompson"), seed=1).run(6).metrics  # noqa: E731
    whole = run()
    monkeypatch.setattr("populace.policies.learner._BLOCK", 7)
    assert run().equals(whole)


def test_a_number_is_learnt_as_a_choice_is():
    """The same arms, named or as numbers of a grid: the same draws, so the same run."""
    named = Simulation(Arms(80), Bandit("ucb1"), seed=3).run(30).metrics["paid"]
    steps = Simulation(Arms(80, space=Number(0, 1)), Bandit("ucb1", arms=3), seed=3).run(30)
    assert named.to_list() == steps.metrics["paid"].to_list()
    assert named[-5:].mean() > 0.55 > named[:3].mean()  # arms in turn pay 0.5 on average
