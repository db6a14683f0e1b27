"""Imitation: fixation in closed form, expected changes, what is copied, memory and errors."""

import asyncio
from functools import partial

import numpy as np
import pytest

from populace import (
    Cast,
    Choice,
    Fallback,
    FastSlow,
    Imitate,
    Language,
    Number,
    Outcome,
    Population,
    Rule,
    Simulation,
    Text,
    World,
)
from populace.cli.casting import read_cast
from populace.cli.speaking import languages
from populace.errors import CastError, ParameterError, PolicyError
from populace.language.scripted import Scripted
from populace.policies.imitate import _one_each, _others, fermi, proportional
from populace.testing import check_policy, observe
from populace.worlds.dilemma import Dilemma
from tests.trying import Arms, Matrix

ZERO, ONE = Rule(lambda o: 0), Rule(lambda o: 1)
BOTH = {"zero": ZERO, "one": ONE}


def playing(world, policy, ones=None, seed=1):
    """Return a simulation in which agents `ones` (a mask) begin with strategy one."""
    simulation = Simulation(world, policy, seed=seed)
    if ones is not None:
        world.people["imitate/strategy"][:] = 1 + ones
    return simulation


# -- laws ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payoffs",
    [[[1, 1], [1.6, 1.6]], [[2.0, 0.5], [2.5, 1.0]], [[2.0, 0.0], [0.5, 1.5]]],
    ids=["constant advantage", "dilemma", "coordination"],
)
def test_the_chance_of_fixation_of_a_mutant_is_that_of_traulsen_nowak_and_pacheco(payoffs):
    """One at a time compares, by Fermi's function: 1 / sum_k prod_{j <= k} exp(-b (p1 - p0))."""
    groups, size, noise = 2000, 5, 1.25
    world = Matrix(groups, size, payoffs)
    policy = Imitate(BOTH, noise=noise, mutation=0, revise="one", among="group")
    simulation = playing(world, policy, np.arange(groups * size) % size == 0, seed=4)
    simulation.run(170)
    ones = np.bincount(world.people.group, world.people["imitate/strategy"] == 2)
    undecided = ((ones > 0) & (ones < size)).sum()
    assert undecided <= 2  # and each of them counts for both sides below
    steps = np.arange(1, size)
    zero, one = world.pays(steps)
    p = 1 / (1 + np.exp(-np.cumsum(one - zero) / noise).sum())
    slack = 5 * np.sqrt(p * (1 - p) / groups) + undecided / groups
    assert abs((ones == size).mean() - p) < slack
    assert abs(p - 1 / size) > slack  # so that it can be told from drift


@pytest.mark.parametrize("rule", ["fermi", "proportional"])
def test_shares_change_as_expected_of_independent_comparisons(rule):
    """Given the shares of one tick, those of the next: the replicator equation, if proportional."""
    n, advantage, noise, span = 60_000, 0.4, 0.5, 1.0
    world = Matrix(1, n, [[1, 1], [1 + advantage, 1 + advantage]])
    policy = Imitate(BOTH, rule=rule, noise=noise, span=span, mutation=0)
    x = playing(world, policy, np.arange(n) < 0.1 * n).run(14).metrics["ones"].to_numpy()
    if rule == "fermi":
        up, down = 1 / (1 + np.exp([-advantage / noise, advantage / noise]))
    else:
        up, down = advantage / span, 0.0
    x, after = x[:-1], x[1:]
    meets = n / (n - 1)  # nobody looks at oneself
    rise, fall = meets * x * up, meets * (1 - x) * down
    mean = x + (1 - x) * rise - x * fall
    error = np.sqrt(((1 - x) * rise * (1 - rise) + x * fall * (1 - fall)) / n)
    assert (np.abs(after - mean) < 5 * error).all()
    if rule == "proportional":
        np.testing.assert_allclose(mean - x, meets * advantage * x * (1 - x))  # the replicator
    assert after[-1] > 0.8


def test_neutral_strategies_under_mutation_go_to_equal_shares():
    n, mu = 50_000, 0.25
    world = Matrix(1, n, [[1, 1], [1, 1]])
    run = playing(world, Imitate(BOTH, mutation=mu), np.zeros(n, bool)).run(8)
    x = run.metrics["ones"].to_numpy()
    mean = (1 - mu) * x[:-1] + mu / 2
    assert (np.abs(x[1:] - mean) < 5 * np.sqrt(mean * (1 - mean) / n)).all()


class Race(World):
    """A number from everybody, which is what it pays."""

    def __init__(self, n=400, space=None):
        self.people = Population(n, drawn=np.float64, group=np.arange(n) % 4)
        self.space = space or Number(0, 10)

    async def step(self, minds):
        self.people.drawn = (await minds.ask("run", self.people, self.space)).values
        minds.tell("ran", self.people, reward=self.people.drawn)

    def measure(self):
        return {"drawn": float(self.people.drawn.mean())}


def test_numbers_move_as_the_sum_over_all_pairs_says():
    """Price's equation without transmission: mean of p(i copies j) (z_j - z_i) over all pairs."""
    n, noise = 20_000, 3.0
    world = Race(n)
    policy = Imitate(noise=noise, mutation=0, spread=0)
    simulation = Simulation(world, policy, seed=3)
    simulation.run(1)
    z = world.people.drawn.copy()
    simulation.run(1)
    gap = np.diff(np.sort(z), prepend=0)
    assert gap.min() >= 0
    some = z[:: n // 500]  # all pairs of n with 500 of them as those looked at
    moved = (some[None, :] - z[:, None]) / (1 + np.exp(-(some[None, :] - z[:, None]) / noise))
    change = world.people.drawn - z
    slack = 5 * np.sqrt(change.var() / n + moved.mean(axis=0).var() / len(some))
    assert abs(change.mean() - moved.mean()) < slack < 0.5 * moved.mean()
    assert np.isin(world.people.drawn, z).all()  # nothing new without errors and mutants


def test_without_noise_the_best_number_is_never_lost_and_takes_over():
    world = Race(200)
    simulation = Simulation(world, Imitate(noise=0, mutation=0, spread=0), seed=2)
    simulation.run(1)
    best = world.people.drawn.max()
    for _ in range(20):
        simulation.run(1)
        assert world.people.drawn.max() == best
    assert (world.people.drawn == best).all()


def test_groups_are_worlds_apart():
    world = Race(200)
    policy = Imitate(noise=0, mutation=0, spread=0, among="group")
    simulation = Simulation(world, policy, seed=2)
    simulation.run(1)
    first = world.people.drawn.copy()
    simulation.run(25)
    for group in range(4):
        mine = world.people.group == group
        assert (world.people.drawn[mine] == first[mine].max()).all()


def test_a_number_is_copied_with_an_error_of_the_stated_size():
    n, spread = 40_000, 0.01
    world = Race(n)
    policy = Imitate(noise=0, mutation=0, spread=spread)
    simulation = Simulation(world, policy, seed=2)
    simulation.run(1)
    low = np.arange(n) < n / 2
    world.people["imitate/run"][:] = world.people["imitate/payoff"][:] = np.where(low, 0.25, 0.75)
    simulation.run(1)
    copied = low & (world.people.drawn > 5)
    error = world.people.drawn[copied] / 10 - 0.75
    assert copied.sum() > n / 5
    assert abs(error.mean()) < 5 * spread / np.sqrt(len(error))
    assert abs(error.std() / spread - 1) < 5 / np.sqrt(2 * len(error))


# -- parts -----------------------------------------------------------------------------------------


def test_fermi_and_proportional():
    own, theirs = np.array([1.0, 1.0, 2.0]), np.array([1.0, 3.0, 1.0])
    np.testing.assert_allclose(fermi(own, theirs, 2), 1 / (1 + np.exp([0, -4, 2])))
    assert fermi(own, theirs, np.inf).tolist() == [0.5, 1, 0]
    assert proportional(own, theirs, 4).tolist() == [0, 0.5, 0]
    assert proportional(own, theirs, 1).tolist() == [0, 1, 0]


def test_others_are_drawn_alike_and_never_oneself():
    group = np.repeat([0, 1, 2], [1, 2, 6])[np.array([3, 0, 8, 1, 2, 4, 5, 6, 7])]
    n = 120  # draws, evenly spread over [0, 1)
    seen = np.zeros((9, 9))
    for i in range(n):
        seen[np.arange(9), _others(group, np.full(9, (i + 0.5) / n))] += 1
    same = group[:, None] == group[None, :]
    assert (seen[~same] == 0).all()
    alone = np.bincount(group)[group] == 1
    assert (np.diag(seen)[~alone] == 0).all()
    assert np.diag(seen)[alone] == n
    six = seen[group == 2][:, group == 2]
    assert (six[~np.eye(6, dtype=bool)] == n / 5).all()


def test_one_of_each_group_has_the_least_draw():
    group, draws = np.array([1, 0, 1, 0, 2]), np.array([0.4, 0.9, 0.3, 0.1, 1.0])
    assert np.flatnonzero(_one_each(group, draws)).tolist() == [2, 3, 4]


def test_payoffs_are_summed_until_the_comparison_is_due():
    people = Population(2, name="people")
    policy = Imitate(noise=0, mutation=0, spread=0, every=3, told="day")
    policy.start(people, None)

    async def ask(tick):
        return np.array(await policy.act(observe("run", people, Number(0, 1), tick=tick)))

    first = asyncio.run(ask(0))
    low = int(np.argmin(first))
    pay = np.where(np.arange(2) == low, 1.0, 3.0)
    policy.hear(observe("traded", people, Text(), reward=-pay))  # another kind: not counted
    for tick in range(3):
        policy.hear(observe("day", people, Text(), tick=tick, reward=pay))
        policy.hear(observe("day", people, Text(), tick=tick, reward=np.array([np.nan, np.nan])))
        assert (asyncio.run(ask(tick)) == first).all()
    assert people["imitate/payoff"].tolist() == (3 * pay).tolist()
    assert (asyncio.run(ask(3)) == first.max()).all()
    assert people["imitate/payoff"].tolist() == [0, 0]
    (told,) = policy.report()
    assert (told["compared"], told["copied"], told["run (mean place)"]) == (2, 1, first.max())


def test_newborns_begin_for_themselves_and_the_dead_are_not_copied():
    world = Race(50)
    simulation = Simulation(world, Imitate(noise=0, mutation=0, spread=0), seed=2)
    simulation.run(1)
    best = world.people.drawn.max()
    world.people.remove(world.people[world.people.drawn == best])
    born = world.people.add(1)
    assert np.isnan(world.people["imitate/run"][born.rows]).all()
    simulation.run(12)
    assert (world.people.drawn < best).all()


def test_shares_say_how_it_begins():
    n, p = 20_000, 0.25
    world = Matrix(1, n, [[0, 0], [0, 0]])
    simulation = Simulation(world, Imitate(BOTH, shares={"zero": 3, "one": 1}), seed=1)
    x = simulation.run(1).metrics["ones"][0]
    assert abs(x - p) < 5 * np.sqrt(p * (1 - p) / n)


def test_only_those_with_the_same_mind_are_copied_and_shares_are_told():
    world = Matrix(1, 300, [[0, 0], [1, 1]])
    cast = Cast({"learner": Imitate(BOTH, noise=0, mutation=0), "one": ONE},
                shares={"learner": 1, "one": 2})  # fmt: skip
    simulation = Simulation(world, cast, seed=1)
    learner = world.people[world.people.mind == 0]
    simulation.run(1)
    learner["imitate/strategy"] = 1
    run = simulation.run(4)
    assert (learner["imitate/strategy"] == 1).all()  # the others' ones are not theirs to copy
    shares = run.minds.filter(run.minds["measure"] == "zero")["value"].to_list()
    assert shares[-1] == 1.0


def test_options_of_a_choice_are_copied_and_other_spaces_left():
    """Each arm is a trait: the best-paid spreads."""
    run = Simulation(Arms(400, means=(0.0, 0.3, 1.0)), Imitate(mutation=0), seed=1).run(25)
    assert run.metrics["paid"][-1] > 0.98 > 0.6 > run.metrics["paid"][0]
    policy = Imitate(kinds=["pull"])
    for kind, space in [("say", Text()), ("push", Choice(["a", "b"]))]:
        found = policy.traits
        found.start(Population(2, name="people"), "imitate")
        assert found.act(observe(kind, 2, space)).outcome == Outcome.ABSTAINED


@pytest.mark.parametrize(
    "make",
    [
        partial(Imitate, BOTH, revise=0.7, mutation=0.1),
        partial(Imitate, BOTH, revise="one", among="group", every=2),
        partial(Imitate, rule="proportional", mutation=0.1),
    ],
    ids=["strategies", "one at a time", "options"],
)
def test_keeps_the_rules_of_the_kernel(make):
    """Order, batches and threads change nothing, and a resumed run ends as an uninterrupted one."""
    world = partial(Matrix, 6, 5, [[2, 0], [3, 1]])
    check_policy(make, world=world, ticks=8).raise_if_failed()


def test_keeps_the_rules_of_the_kernel_with_numbers():
    check_policy(Imitate, world=partial(Race, 40), ticks=8).raise_if_failed()
    whole = partial(Race, 40, Number(0, 3, integer=True))
    check_policy(partial(Imitate, mutation=0.2), world=whole, ticks=8).raise_if_failed()


# -- casts and errors ------------------------------------------------------------------------------


def test_a_cast_file_names_the_strategies(tmp_path):
    file = tmp_path / "cast.toml"
    file.write_text(
        '[policies.culture]\nuse = "populace.policies:Imitate"\nof = ["cooperate", "mean"]\n'
        'noise = 0.2\nevery = 2\n[policies.mean]\nuse = "defect"\n[shares]\nculture = 1\n'
    )
    world = Dilemma(players=400, rounds=1, update="none")
    cast = read_cast(str(file), world)
    run = Simulation(world, cast, seed=1).run(60)
    assert run.metrics["cooperation"][0] > 0.4 > 0.1 > run.metrics["cooperation"][-1]
    assert list(run.manifest["cast"]["people"]["policies"]["culture"]["parameters"]["of"]) == [
        "cooperate",
        "mean",
    ]
    file.write_text(
        '[policies.culture]\nuse = "populace.policies:Imitate"\nof = ["culture", "defect"]\n'
    )
    with pytest.raises(CastError, match="no policy is named 'culture'"):
        read_cast(str(file), world)
    file.write_text('[policies.culture]\nuse = "populace.policies:Imitate"\nof = 3\n')
    with pytest.raises(ParameterError, match="expected of as the name of a policy, got 3"):
        read_cast(str(file), world)


def test_language_minds_among_the_strategies_are_found_for_estimates():
    """`populace estimate` puts stand-ins in place of their models; one missed would be paid."""
    mind = Language(Scripted({}), {"kind": {"play": {"agent": "x"}}})
    other = Language(Scripted({}), {"kind": {"play": {"agent": "y"}}})
    within = Imitate({"model": mind, "rule": FastSlow(ZERO, other)})
    assert list(languages(Fallback(within, to=ONE))) == [mind, other]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"of": {"a": ONE}}, "two strategies or more"),
        ({"of": BOTH, "shares": {"two": 1}}, "no strategy 'two'"),
        ({"of": BOTH, "shares": {"one": -1}}, "at least 0 for 'one'"),
        ({"of": BOTH, "shares": {"one": 0}}, "a share above 0"),
        ({"noise": -1}, "expected noise >= 0"),
        ({"rule": "best"}, "unknown rule 'best'"),
        ({"revise": "two"}, "unknown revise 'two'"),
        ({"every": 0}, "expected every >= 1"),
    ],
)
def test_impossible_settings(given, told):
    with pytest.raises(ParameterError, match=told):
        Imitate(**given)


def test_what_does_not_fit_says_so():
    with pytest.raises(PolicyError, match="no bounds to take a place between; give strategies"):
        Simulation(Race(4, Number(0)), Imitate()).run(1)
    with pytest.raises(PolicyError, match="has no column 'village'"):
        Simulation(Race(4), Imitate(among="village")).run(2)
    with pytest.raises(PolicyError, match="told no 'payoff'"):
        Simulation(Race(4), Imitate(payoff="payoff", told="ran")).run(2)
    policy, people = Imitate(), Population(2, name="people")
    policy.start(people, None)
    policy.traits.act(observe("pull", people, Choice(["a", "b"])))
    with pytest.raises(PolicyError, match="options were a, b and now are b"):
        policy.traits.act(observe("pull", people, Choice(["b"])))
