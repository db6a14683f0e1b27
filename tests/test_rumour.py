"""The rumour: cascades against branching processes and percolation, guardians, memory, talk."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from populace import Cast, Network, Simulation, Streams, threads
from populace.errors import ParameterError
from populace.language import Scripted
from populace.language.embedding import Hashed
from populace.language.memory import Memory
from populace.language.policy import Language
from populace.records.checkpoints import Checkpoints
from populace.testing import check_world
from populace.worlds.networks import side_by_side
from populace.worlds.rumour import PROMPTS, REMEMBERING, Rumour
from populace.worlds.rumour.codes import (
    BENIGN,
    CLAIM,
    GUARDIAN,
    MANIPULATED,
    NOBODY,
    TRUTH,
    UNSURE,
)
from populace.worlds.rumour.facts import (
    excess,
    extinction,
    guardian_threshold,
    reach_by_round,
    total_progeny,
)
from populace.worlds.rumour.kernels import arrivals, remember, spread
from populace.worlds.rumour.rules import Hearsay

ONCE: dict[str, Any] = {
    "attack": 1,
    "rounds": 400,
    "later": 0,
}  # all speak once: a branching process


def played(mind: Any = "gullible", ticks: int = 500, seed: int = 1, **parameters: Any) -> Rumour:
    world = Rumour(**parameters)
    mind = world.policies()[mind] if isinstance(mind, str) else mind
    Simulation(world, mind, seed=seed).run(ticks)
    return world


def poisson(mean: float, most: int = 60) -> Any:
    p = stats.poisson.pmf(np.arange(most + 1), mean)
    return p / p.sum()


# -- the theory ------------------------------------------------------------------------------------


def borel(mean: float, n: Any) -> Any:
    """Borel's law: exp(-m n) (m n)^(n - 1) / n!."""
    n = np.asarray(n, float)
    logs = -mean * n + (n - 1) * np.log(mean * n) - [math.lgamma(x + 1) for x in n]
    return np.exp(logs)


@pytest.mark.parametrize("mean", [0.3, 0.8, 1.0, 1.7])
def test_the_progeny_of_poisson_offspring_is_borels(mean: float) -> None:
    law = total_progeny(poisson(mean), 40)
    np.testing.assert_allclose(law[1:], borel(mean, np.arange(1, 41)), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("offspring", [[0.5, 0.3, 0.2], [0.2, 0.1, 0.3, 0.4], [0.5, 0, 0.5]])
def test_the_progeny_sums_to_the_chance_of_extinction(offspring: list[float]) -> None:
    total, q = total_progeny(offspring, 500).sum(), extinction(offspring)
    assert sum(p * q**k for k, p in enumerate(offspring)) == pytest.approx(q, abs=1e-12)
    if np.arange(len(offspring)) @ offspring == 1:  # critical: P(T > n) falls as n^(-1/2)
        assert 0.9 < total < q == 1
    else:
        assert total == pytest.approx(q, abs=1e-6)


def test_the_progeny_is_that_of_a_plain_recursion() -> None:
    """By conditioning on the root: T = 1 + T_1 + ... + T_k, with a root of its own law."""
    offspring, root, size = np.array([0.5, 0.2, 0.2, 0.1]), np.array([0.1, 0.0, 0.9]), 25
    tree = np.zeros(size + 1)
    for _ in range(size):  # the law of trees of depth 0, 1, ...: exact up to `size` after `size`
        tree = _with_root(offspring, tree, size)
    np.testing.assert_allclose(total_progeny(offspring, size), tree, atol=1e-14)
    np.testing.assert_allclose(
        total_progeny(offspring, size, root), _with_root(root, tree, size), atol=1e-14
    )


def _with_root(root: Any, tree: Any, size: int) -> Any:
    found, power = np.zeros(size + 1), np.array([1.0])
    for p in root:
        found[1 : 1 + len(power[:size])] += p * power[:size]
        power = np.convolve(power, tree)[: size + 1]
    return found


def test_the_final_reach_is_one_less_extinction_and_thresholds_are_where_it_vanishes() -> None:
    degrees = np.array([0, 0.3, 0.3, 0, 0.2, 0, 0, 0.2])
    t = 0.6
    thinned = np.zeros(len(degrees))  # of those told along an edge
    for k, p in enumerate(excess(degrees)):
        thinned[: k + 1] += p * stats.binom.pmf(np.arange(k + 1), k, t)
    q = extinction(thinned[:-1])  # nobody is told by whom he heard it from
    u = 1 - t + t * q
    final = reach_by_round(degrees, t, 1e-9, 2000)[-1]
    assert final == pytest.approx(1 - degrees @ u ** np.arange(len(degrees)), abs=1e-6)
    edge = guardian_threshold(degrees, t)
    assert 0 < edge < 1
    assert reach_by_round(degrees, t, 1e-9, 5000, edge + 0.01)[-1] < 1e-6
    assert reach_by_round(degrees, t, 1e-9, 5000, edge - 0.05)[-1] > 0.05
    assert guardian_threshold([0, 1], 1.0) == 0  # pairs: it never goes far
    for bad in ([0.5, 0.6], [-0.5, 1.5], [[1.0]]):
        with pytest.raises(ParameterError, match="sum to 1"):
            extinction(bad)
    with pytest.raises(ParameterError, match="neighbours"):
        excess([1.0])


# -- cascades --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [0.5, 0.8])
def test_sizes_of_cascades_follow_borels_law(mean: float) -> None:
    n, seeds, degree = 250_000, 250, 5.0
    network = Network.erdos_renyi(n, degree, Streams(9).stream("edges"))
    sizes: list[int] = []
    for seed in range(12):
        world = played(
            seed=seed,
            network=network,
            manipulated=seeds,
            guardians=0.0,
            transmission=mean / degree,
            **ONCE,
        )
        assert world.done
        found = world.cascades()
        assert len(found["size"]) == seeds
        assert found["size"].sum() == np.count_nonzero(world.people.belief == CLAIM)
        sizes += found["size"].tolist()
    # Dvoretzky, Kiefer and Wolfowitz, exceeded by chance once in a million. Cascades of one run
    # meet where a message of one reaches an agent of another, and a meeting cuts one of them: of
    # seeds m / (1 - m) messages, a share seeds / (1 - m) / n each. That degrees are binomial
    # changes less.
    bound = math.sqrt(math.log(2 / 1e-6) / (2 * len(sizes)))
    met = seeds * mean / (1 - mean) ** 2 / n
    law = np.cumsum(borel(mean, np.arange(1, 200)))
    share = np.searchsorted(np.sort(sizes), np.arange(1, 200), side="right") / len(sizes)
    assert bound + met < 0.075
    assert np.abs(share - law).max() < bound + met


def test_a_cascade_on_a_configuration_network_has_the_progeny_of_its_degrees() -> None:
    """The root has the law of degrees, the others the law of further neighbours, both thinned."""
    degrees, t, n, seeds = np.array([0, 0.5, 0, 0, 0.3, 0, 0, 0.2]), 0.15, 200_000, 400
    counts = np.repeat(np.arange(len(degrees)), np.round(degrees * n).astype(int))

    def thin(law: Any) -> Any:
        k = np.arange(len(law))
        return sum(p * stats.binom.pmf(k, j, t) for j, p in enumerate(law))

    law = np.cumsum(total_progeny(thin(excess(degrees)), 60, thin(degrees)))
    further, neighbours = float(np.arange(7) @ excess(degrees)), float(np.arange(8) @ degrees)
    sizes: list[int] = []
    for seed in range(5):
        network = Network.configuration(counts, Streams(seed).stream("edges"))
        world = played(
            seed=seed,
            network=network,
            manipulated=seeds,
            guardians=0.0,
            transmission=t,
            **ONCE,
        )
        sizes += world.cascades()["size"].tolist()
    share = np.searchsorted(np.sort(sizes), np.arange(61), side="right") / len(sizes)
    bound = math.sqrt(math.log(2 / 1e-6) / (2 * len(sizes)))
    # meetings as above, an agent of a cascade met in proportion to its neighbours, at most one more
    # than the further ones on average
    reached = seeds * t * neighbours / (1 - t * further)
    met = reached * (reached + seeds) * (further + 1) / (n * neighbours) / seeds
    assert bound + met < 0.075
    assert np.abs(share - law).max() < bound + met


def test_one_in_so_many_claims_dies_out_as_the_branching_process_does() -> None:
    """Above the threshold it stays small with the chance of extinction, or else takes the bulk."""
    n, groups, degree, mean = 800, 800, 6.0, 1.8
    world = played(
        people=n,
        degree=degree,
        manipulated=1,
        guardians=0.0,
        transmission=mean / degree,
        communities=groups,
        **ONCE,
    )
    sizes = world.cascades()["size"]
    assert len(sizes) == groups
    small = sizes < 100  # of Borel's law that reach it: below (m e^(1 - m))^100 = 2e-9
    assert (sizes[~small] > n / 2).all()
    offspring = stats.binom.pmf(np.arange(60), n - 1, mean / (n - 1))
    q = extinction(offspring / offspring.sum())
    assert abs(small.mean() - q) < 5 * math.sqrt(q * (1 - q) / groups) + 10 / n
    bulk = reach_by_round(poisson(degree), mean / degree, 1e-9, 2000)[-1]
    # the giant component's variance is n b (1 - b) / (1 - m (1 - b))^2 (Stepanov 1970)
    deviation = math.sqrt(bulk * (1 - bulk)) / (1 - mean * (1 - bulk))
    error = 5 * deviation / math.sqrt(n * np.count_nonzero(~small))
    assert abs(sizes[~small].mean() / n - bulk) < error + 10 / n


def test_the_final_number_in_small_groups_is_that_of_reed_and_frost() -> None:
    """Exactly: P(j of m catch it) = C(m, j) q^((m - j)(j + a)) less smaller ends (Ball 1986)."""
    m, p, groups = 9, 0.15, 4000

    def final(size: int) -> Any:
        """The law among `size`, one manipulated beside them."""
        found = np.zeros(size + 1)
        for j in range(size):  # any j alone are reached: all of them by the one, none of the rest
            inside = float(final(j)[j])
            found[j] = math.comb(size, j) * inside * (1 - p) ** ((size - j) * (j + 1))
        found[size] = 1 - found.sum()
        return found

    world = played(
        people=m + 1,
        network="complete",
        manipulated=1,
        guardians=0.0,
        transmission=p,
        communities=groups,
        **ONCE,
    )
    counts = np.bincount(np.rint(world.results()["reach"] * m).astype(int), minlength=m + 1)
    assert stats.chisquare(counts, groups * final(m)).pvalue > 1e-6
    sizes = world.cascades()
    np.testing.assert_array_equal(sizes["size"] - 1, np.rint(world.results()["reach"] * m))
    assert (sizes["depth"][sizes["size"] > 1] >= 1).all()


def test_reach_by_round_is_that_of_the_generating_functions() -> None:
    degrees, t, n = {1: 0.4, 3: 0.3, 8: 0.3}, 0.35, 100_000
    law = np.zeros(9)
    law[list(degrees)] = list(degrees.values())
    seeds, guards, detection = 2000, 0.2, 0.75
    runs = []
    for seed in range(12):
        counts = np.repeat(list(degrees), [round(p * n) for p in degrees.values()])
        world = Rumour(
            network=Network.configuration(counts, Streams(seed).stream("edges")),
            manipulated=seeds,
            guardians=guards,
            detection=detection,
            transmission=t,
            **ONCE,
        )
        run = Simulation(world, world.policies()["gullible"], seed=seed).run(12)
        runs.append(run.metrics["reach"].to_numpy())
    expected = reach_by_round(law, t, seeds / n, 12, guards * detection)[1:]
    # Student's t with 11 degrees of freedom, two-sided 1e-6 over 12 rounds; dropped repeats of
    # edges are of order 1/n
    error = stats.t.ppf(1 - 5e-7 / 12, 11) * np.std(runs, axis=0, ddof=1) / math.sqrt(12)
    assert error.max() < 0.03
    assert (np.abs(np.mean(runs, axis=0) - expected) < error + 20 / n).all()


def test_guardians_stop_it_at_their_threshold() -> None:
    """With fewer it reaches the part that theory says, with more each cascade stays small."""
    n, degree, t, detection, seeds = 20_000, 8.0, 0.2, 0.8, 40
    edge = guardian_threshold(poisson(degree), t) / detection
    assert edge == pytest.approx((1 - 1 / (degree * t)) / detection)  # 0.47

    def convinced(guards: float) -> Any:
        """Agents convinced in each of some runs, of the benign and of guardians who fail."""
        runs = []
        for seed in range(10):
            world = played(
                seed=seed,
                people=n,
                degree=degree,
                transmission=t,
                manipulated=seeds,
                guardians=guards,
                detection=detection,
                **ONCE,
            )
            runs.append(np.count_nonzero(world.people.convinced) - seeds)
        return np.array(runs)

    few = edge - 0.15
    found = convinced(few)
    stopped = few * detection
    expected = reach_by_round(poisson(degree), t, seeds / n, 1000, stopped)[-1]
    expected *= n * (1 - stopped) - seeds
    error = stats.t.ppf(1 - 5e-7, 9) * found.std(ddof=1) / math.sqrt(10)
    assert error < 0.4 * expected
    assert abs(found.mean() - expected) < error
    # above it, cascades have mean m / (1 - m) and variance m / (1 - m)^3, root left out
    found, m = convinced(edge + 0.15), degree * t * (1 - (edge + 0.15) * detection)
    assert m < 0.81
    most = seeds * m / (1 - m) + 5 * math.sqrt(seeds * m / (1 - m) ** 3 / 10)
    assert found.mean() < most < 0.1 * expected


# -- the kernel ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(0, 120), st.floats(0, 1), st.integers(0, 10**6))
def test_messages_travel_as_plain_numpy_says(n: int, m: int, chance: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = Network.from_edges(rng.integers(0, n, (m, 2)), n, directed=bool(seed % 2))
    rows = np.sort(rng.permutation(n)[: rng.integers(0, n + 1)])
    says = rng.integers(1, 3, len(rows)).astype(np.uint8)
    root = np.where(rng.random(n) < 0.3, np.arange(n), NOBODY).astype(np.uint32)
    claimers = rows[says == CLAIM]
    root[claimers] = np.where(root[claimers] == NOBODY, claimers, root[claimers])
    depth = rng.integers(0, 5, n).astype(np.uint16)
    claims, truths = np.zeros(n, np.uint16), np.zeros(n, np.uint16)
    key = Streams(seed).stream("x").key2()
    columns = (claims, truths, root.copy(), depth.copy())
    arrived = spread(network, rows, says, chance, 3, key, columns)
    sender, reached = arrivals(network, rows, chance, 3, key)
    assert arrived == len(sender) == claims.sum() + truths.sum()
    for code, found in ((CLAIM, claims), (TRUTH, truths)):
        of = reached[says[sender] == code]
        np.testing.assert_array_equal(found, np.bincount(of, minlength=n))
    for j in range(n):
        tellers = rows[sender[(reached == j) & (says[sender] == CLAIM)]]
        fresh = root[j] == NOBODY and len(tellers)
        assert columns[2][j] == (root[tellers[0]] if fresh else root[j])
        assert columns[3][j] == (depth[tellers[0]] + 1 if fresh else depth[j])
    if chance == 1:
        assert arrived == network.degree[rows].sum()


def test_messages_arrive_with_the_chance_given() -> None:
    network = Network.complete(300)
    arrived = spread(
        network,
        np.arange(300),
        np.ones(300, np.uint8),
        0.3,
        0,
        Streams(1).stream("x").key2(),
        (
            np.zeros(300, np.uint16),
            np.zeros(300, np.uint16),
            np.arange(300, dtype=np.uint32),
            np.zeros(300, np.uint16),
        ),
    )
    arcs = 300 * 299
    assert abs(arrived - 0.3 * arcs) < 5 * math.sqrt(0.21 * arcs)


def test_what_is_remembered_fades_and_adds_up() -> None:
    claims, truths = np.array([2, 0, 1], np.uint16), np.array([0, 0, 3], np.uint16)
    for_claim, for_truth = np.array([1, 4, 0], np.float32), np.zeros(3, np.float32)
    heard = np.zeros(3, bool)
    remember(claims, truths, 0.5, for_claim, for_truth, heard)
    assert for_claim.tolist() == [2.5, 2, 1]
    assert for_truth.tolist() == [0, 0, 3]
    assert heard.tolist() == [True, False, True]


def test_who_is_asked() -> None:
    """Who has heard of it is asked what to pass on; who has something new, what it believes."""
    asked: list[tuple[str, list[int]]] = []

    class Watching(Hearsay):
        def act(self, observation: Any) -> Any:
            asked.append((observation.kind, observation.ids.tolist()))
            return super().act(observation)

    path = Network.from_edges([(0, 1), (1, 2), (2, 3)], 4)
    for retention, second in ((1.0, [2]), (0.9, [1, 2])):
        asked.clear()
        world = Rumour(
            network=path, guardians=0, manipulated=1, transmission=1, attack=1, retention=retention
        )
        simulation = Simulation(world, Watching(), seed=1)
        put(world, [MANIPULATED, BENIGN, BENIGN, BENIGN])
        simulation.run(1)
        assert asked == [("pass", [0]), ("believe", [1])]
        simulation.run(1)
        # 1 tells 0 and 2; the manipulated have spoken, and are never asked what they believe
        assert asked[2:] == [("pass", [1]), ("believe", second)]
        simulation.run(9)  # 3 tells 2 in the fourth round, nobody speaks in the fifth: it is over
        assert asked[-1] == ("believe", [1, 2, 3])
        assert world.over == 5
        assert [kind for kind, _ in asked].count("pass") == 5


def test_draws_do_not_depend_on_threads() -> None:
    def history(limit: int) -> Any:
        with threads(limit):
            return played("sceptic", 12, people=120_000, manipulated=200, rounds=12).people

    one, two = history(1), history(2)
    for name in one.columns:
        np.testing.assert_array_equal(one[name], two[name])


# -- minds and memory ------------------------------------------------------------------------------


def test_a_ring_is_walked_one_step_a_round() -> None:
    world = played(
        people=21, network="ring", degree=2, manipulated=1, guardians=0, transmission=1, ticks=4
    )
    assert np.count_nonzero(world.people.belief == CLAIM) == 9
    assert world.cascades()["depth"].tolist() == [4]


def test_a_sceptic_needs_two_and_a_warner_speaks_against_it() -> None:
    # a path 0 - 1 - 2 - 3; the manipulated end speaks once a round
    path = Network.from_edges([(0, 1), (1, 2), (2, 3)], 4)

    def beliefs(mind: Any, ticks: int, **more: Any) -> list[int]:
        world = Rumour(network=path, guardians=0, manipulated=1, transmission=1, attack=3, **more)
        simulation = Simulation(world, mind, seed=1)
        put(world, [MANIPULATED, BENIGN, BENIGN, BENIGN])
        simulation.run(ticks)
        return world.people.belief.tolist()

    assert beliefs(Hearsay(), 2) == [CLAIM, CLAIM, CLAIM, UNSURE]
    assert beliefs(Hearsay(doubt=1), 1) == [CLAIM, UNSURE, UNSURE, UNSURE]
    assert beliefs(Hearsay(doubt=1), 2) == [CLAIM, CLAIM, UNSURE, UNSURE]
    assert beliefs(Hearsay(doubt=1), 20) == [CLAIM, CLAIM, UNSURE, UNSURE]  # 1 speaks but once
    assert beliefs(Hearsay(doubt=1, repeats=True), 20) == [CLAIM] * 4


def put(world: Rumour, roles: list[int], finding: int = TRUTH) -> None:
    """Seat the roles as given."""
    people = world.people
    people.role[:] = roles
    bad = people.role == MANIPULATED
    people.belief[:], people.heard[:], people.convinced[:] = bad * CLAIM, bad, bad
    people.cascade[:] = np.where(bad, 0, NOBODY)
    people.finding[:] = finding


@pytest.mark.parametrize(("finding", "beyond"), [(TRUTH, UNSURE), (CLAIM, CLAIM)])
def test_a_guardian_who_finds_it_out_stops_it_and_one_who_does_not_passes_it_on(
    finding: int, beyond: int
) -> None:
    path = Network.from_edges([(0, 1), (1, 2)], 3)
    world = Rumour(network=path, guardians=0.34, manipulated=1, transmission=1)
    simulation = Simulation(world, world.policies()["gullible"], seed=1)
    put(world, [MANIPULATED, GUARDIAN, BENIGN], finding)
    simulation.run(5)
    assert world.people.belief.tolist() == [CLAIM, finding, beyond]
    warned = Rumour(network=path, guardians=0.34, manipulated=1, transmission=1)
    simulation = Simulation(warned, warned.policies()["warner"], seed=1)
    put(warned, [MANIPULATED, GUARDIAN, BENIGN], finding)
    simulation.run(5)
    assert warned.people.belief.tolist() == [CLAIM, finding, finding]


def test_a_belief_lasts_as_long_as_what_is_remembered() -> None:
    """k messages in one round, fading to r a round, exceed a doubt d for log(d / k) / log r."""
    star = Network.from_edges([(i, 4) for i in range(4)], 5)
    for retention, doubt in ((0.8, 0.5), (0.9, 1.5), (0.5, 0.1)):
        world = Rumour(
            network=star,
            manipulated=4,
            guardians=0,
            transmission=1,
            retention=retention,
            attack=1,
            later=40,
        )
        simulation = Simulation(world, Hearsay(doubt), seed=1)
        put(world, [MANIPULATED] * 4 + [BENIGN])
        run = simulation.run(40)
        kept = run.metrics["persistence"].to_list()
        lasts = math.ceil(math.log(doubt / 4) / math.log(retention)) - 1  # rounds after the first
        assert kept[: lasts + 1] == [1.0] * (lasts + 1)
        assert set(kept[lasts + 1 :]) == {0.0}
        assert world.people.convinced[4]


def test_an_attack_ends_with_the_talk() -> None:
    run = Simulation(
        world := Rumour(500, attack=9, rounds=4, later=2, retention=1.0, manipulated=20),
        world.policies()["gullible"],
        seed=2,
    ).run(20)
    assert (world.ended, world.over, world.round) == (4, 4, 6)
    assert run.metrics["persistence"].to_list() == [None] * 3 + [1.0] * 3


def test_memories_that_do_not_fade_keep_the_belief_after_the_attack() -> None:
    run = Simulation(
        world := Rumour(2000, later=8, retention=1.0), world.policies()["sceptic"], seed=2
    ).run(60)
    assert world.done
    kept = [x for x in run.metrics["persistence"].to_list() if x is not None]
    assert len(kept) == len(run.metrics) - 2  # known from the end of the attack on
    assert set(kept) == {1.0}


def test_who_is_informed_holds_the_truth_until_more_speak_for_the_claim() -> None:
    world = played(people=400, informed=1.0, transmission=0.0, ticks=5, guardians=0)
    assert world.results()["truth"].tolist() == [1.0]
    half = Rumour(400, informed=0.5, guardians=0)
    Simulation(half, half.policies()["gullible"], seed=1)
    assert np.count_nonzero(half.people.belief == TRUTH) == round(0.5 * 395)


# -- talk ------------------------------------------------------------------------------------------


def replies(asked: dict[tuple[str, int, int], str]) -> Any:
    """A model that believes what it was told last, by its words or its memories."""

    def reply(request: Any) -> Any:
        label = request.label
        text = "\n".join(message.content for message in request.messages)
        asked[label.kind, label.agent, label.tick] = text
        if label.kind == "speak":
            return f"Believe me, {label.agent}"
        own = text.split("Your name is", 1)[1]
        if label.kind == "pass":
            return [0, 1, 0] if "certain" in own or "believe the first" in own else [1, 0, 0]
        if label.kind == "check":
            return [0, 0, 1]
        return [0, 1, 0] if "Believe me" in own else [1, 0, 0]

    return reply


TALK: dict[str, Any] = {
    "people": 6,
    "network": "complete",
    "manipulated": 1,
    "guardians": 0.17,
    "transmission": 1.0,
    "talk": True,
    "attack": 2,
    "rounds": 3,
    "later": 2,
}


def test_a_language_model_talks_and_is_shown_what_it_heard() -> None:
    asked: dict[tuple[str, int, int], str] = {}
    world = Rumour(**TALK)
    run = Simulation(world, Language(Scripted(replies(asked)), PROMPTS), seed=1).run(9)
    bad = int(np.flatnonzero(world.people.role == MANIPULATED)[0])
    guard = int(np.flatnonzero(world.people.role == GUARDIAN)[0])
    benign = np.flatnonzero(world.people.role == BENIGN).tolist()
    assert len(benign) == 4
    assert "certain of the first" in asked["pass", bad, 0]
    assert world.claim in asked["pass", bad, 0]
    assert ("pass", benign[0], 0) not in asked  # who has not heard of it is not asked
    name = ("John", "Kate", "Jack", "Emma", "Luke", "Nora")[bad]
    assert f"{name}: Believe me, {bad}" in asked["believe", benign[0], 0]
    assert "1 told you the first and 0 told you the second" in asked["believe", benign[0], 0]
    assert "second statement is right" in asked["check", guard, 0]
    assert "second statement is right" not in asked["believe", benign[1], 0]
    assert f"You: Believe me, {benign[0]}" in asked["believe", benign[0], 1]
    assert run.metrics["reach"].to_list()[:3] == [1.0, 1.0, 1.0]
    # without a memory nothing is left of the talk once it is over
    assert "Believe me" not in asked["believe", benign[0], 3]
    assert run.metrics["reach"].to_list()[3:] == [0.0, 0.0]
    assert run.metrics["persistence"].to_list() == [None, 1.0, 1.0, 0.0, 0.0]


def test_remembered_chat_keeps_the_claim_alive_after_the_talk() -> None:
    """The paper's finding that stored chats go on misleading, with a model that reads them."""
    asked: dict[tuple[str, int, int], str] = {}
    world = Rumour(**TALK)
    mind = Language(Scripted(replies(asked)), REMEMBERING, memory=Memory(k=5, embed=Hashed(64)))
    run = Simulation(world, mind, seed=1).run(9)
    benign = int(np.flatnonzero(world.people.role == BENIGN)[0])
    assert "told me the first" in asked["believe", benign, 3]
    assert "Believe me" in asked["believe", benign, 3]
    assert run.metrics["persistence"].to_list() == [None, 1.0, 1.0, 1.0, 1.0]
    without = Language(
        Scripted(replies({})),
        REMEMBERING,
        memory=Memory(k=5, embed=Hashed(64)),
        without=["observation"],
    )
    forgets = Simulation(Rumour(**TALK), without, seed=1).run(9)
    assert forgets.metrics["persistence"].to_list()[-1] == 0.0


def test_rules_talk_too_and_words_change_nothing() -> None:
    quiet = played("warner", 9, **{**TALK, "talk": False, "transmission": 0.5, "people": 12})
    world = Rumour(**{**TALK, "transmission": 0.5, "people": 12})
    Simulation(world, world.policies()["warner"], seed=1).run(2)
    said = [line for own in world.chat.said for line in own]
    assert f"You: I heard: {world.claim}" in said
    Simulation(world := Rumour(**{**TALK, "transmission": 0.5, "people": 12}),
               world.policies()["warner"], seed=1).run(9)  # fmt: skip
    for name in world.people.columns:
        np.testing.assert_array_equal(world.people[name], quiet.people[name])


class Listener(Hearsay):
    """Hears everything."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[int, str, int, int]] = []

    def hear(self, observation: Any) -> None:
        columns = (observation[name] for name in ("words", "claims", "truths"))
        shown = (np.broadcast_to(c, len(observation)).tolist() for c in columns)
        self.heard += list(zip(observation.ids.tolist(), *shown, strict=True))


def test_what_arrives_is_told() -> None:
    mind = Listener()
    world = played(mind, 1, **TALK)
    bad = int(np.flatnonzero(world.people.role == MANIPULATED)[0])
    others = [i for i in range(6) if i != bad]
    name = ("John", "Kate", "Jack", "Emma", "Luke", "Nora")[bad]
    assert mind.heard == [(i, f"{name}: I heard: {world.claim}", 1, 0) for i in others]


# -- the rest --------------------------------------------------------------------------------------


def test_communities_are_apart_and_alike_in_number() -> None:
    one = Network.from_edges([(0, 1), (1, 2)], 3)
    two = side_by_side([one, Network.ring(4)])
    assert two.edges().tolist() == [[0, 1], [1, 2], [3, 4], [3, 6], [4, 5], [5, 6]]
    world = Rumour(50, communities=20, manipulated=2, guardians=0.2)
    Simulation(world, world.policies()["gullible"], seed=1).run(10)
    people = world.people
    for role, number in ((MANIPULATED, 2), (GUARDIAN, 10)):
        assert np.bincount(people.community[people.role == role]).tolist() == [number] * 20
    edges = world.network.edges()
    np.testing.assert_array_equal(people.community[edges[:, 0]], people.community[edges[:, 1]])
    heard = people.cascade != NOBODY
    np.testing.assert_array_equal(
        world.cascades()["community"][people.cascade[heard]], people.community[heard]
    )
    first = edges[edges[:, 0] < 50]
    second = edges[(edges[:, 0] >= 50) & (edges[:, 0] < 100)] - 50
    assert first.tolist() != second.tolist()  # networks of their own


def test_a_run_goes_on_from_a_checkpoint_to_the_same_end(tmp_path: Any) -> None:
    def make() -> tuple[Rumour, Any]:
        world = Rumour(12, degree=4, talk=True, retention=0.9, communities=3, transmission=0.6)
        names = ("chatty", "warner")
        minds = {"listener": Listener(), **{name: world.policies()[name] for name in names}}
        return world, Cast(minds, shares=dict.fromkeys(minds, 1))

    straight, cast = make()
    Simulation(straight, cast, seed=6).run(12)
    broken, cast = make()
    every = Checkpoints(every_ticks=1)
    Simulation(broken, cast, seed=6).run(5, to=tmp_path / "run", checkpoint=every)
    world, cast = make()
    Simulation.resume(tmp_path / "run", world=world, cast=cast).run(7)
    for name in straight.people.columns:
        np.testing.assert_array_equal(world.people[name], straight.people[name])
    assert world.chat.said == straight.chat.said
    assert any(straight.chat.said)


@pytest.mark.parametrize(
    "bad",
    [
        {"people": 1},
        {"people": 10, "manipulated": 6, "guardians": 0.5},
        {"transmission": 1.5},
        {"network": "torus"},
        {"people": 6, "degree": 9.0},
        {"retention": -0.1},
        {"network": Network.from_edges([(0, 1)], 2, weights=[2.0])},
    ],
)
def test_impossible_parameters_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        Simulation(Rumour(**bad), Hearsay())


def test_the_rules_of_the_kernel_are_kept() -> None:
    def make() -> Rumour:
        return Rumour(30, degree=6, talk=True, retention=0.8, communities=2, informed=0.3)

    def cast() -> Cast:
        names = ("gullible", "sceptic", "chatty", "warner")
        return Cast({n: make().policies()[n] for n in names}, shares=dict.fromkeys(names, 1))

    check_world(make, cast, ticks=6).raise_if_failed()
