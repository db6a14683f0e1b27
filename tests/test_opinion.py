"""Opinion worlds: limits by linear algebra, plain numpy runs, published cluster counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import eigs

from populace import Cast, Network, Rule, Simulation, Streams, threads
from populace.errors import ParameterError
from populace.worlds.opinion import Opinion
from populace.worlds.opinion.kernels import average_near_all, clusters
from populace.worlds.pairs import matched


def simulate(world: Opinion, ticks: int, seed: int = 1, policy: str = "conformist"):
    return Simulation(world, world.policies()[policy], seed=seed).run(ticks)


def trust(network: Network, own: float) -> sparse.csr_array:
    """DeGroot's row-stochastic matrix, built independently."""
    n = network.n
    weights = np.ones(network.arcs) if network.weights is None else network.weights
    parts = (weights.astype(float), network.targets.astype(int), network.offsets.astype(int))
    w = sparse.csr_array(parts, (n, n))
    rows = np.asarray(w.sum(axis=1)).ravel()
    alone = rows == 0
    scale = sparse.diags_array((1 - own) / np.where(alone, 1, rows))
    return sparse.csr_array(scale @ w + sparse.diags_array(np.where(alone, 1.0, own)))


def ring_and_chords(n: int, seed: int, directed: bool, weighted: bool) -> Network:
    """A strongly connected network: a ring and random chords."""
    rng = np.random.default_rng(seed)
    ring = np.stack([np.arange(n), (np.arange(n) + 1) % n], axis=1)
    edges = np.unique(np.vstack([ring, rng.integers(0, n, (3 * n, 2))]), axis=0)
    if not directed:
        edges = np.unique(np.sort(edges, axis=1), axis=0)
    edges = edges[edges[:, 0] != edges[:, 1]]
    weights = rng.uniform(0.1, 1.0, len(edges)) if weighted else None
    return Network.from_edges(edges, n, weights=weights, directed=directed)


# -- DeGroot -------------------------------------------------------------------------------------


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_degroot_ends_at_the_left_eigenvector_average(directed: bool, weighted: bool) -> None:
    network = ring_and_chords(300, 4, directed, weighted)
    world = Opinion(model="degroot", network=network, own=0.3)
    run = simulate(world, 1500)
    values, vectors = eigs(trust(network, 0.3).T, k=1, which="LM", v0=np.ones(300), tol=1e-14)
    assert abs(values[0] - 1) < 1e-9
    influence = np.real(vectors[:, 0]) / np.real(vectors[:, 0]).sum()
    limit = influence @ world.people.initial
    np.testing.assert_allclose(world.people.opinion, limit, rtol=0, atol=1e-8)
    assert run.metrics["spread"][-1] < 1e-8
    if not directed and not weighted:  # then influence goes by degree
        np.testing.assert_allclose(influence, network.degree / network.arcs, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_degroot_each_tick_is_the_matrix_product(weighted: bool) -> None:
    n = 500
    edges = np.random.default_rng(2).integers(0, n, (400, 2))  # some agents hear nobody
    weights = np.linspace(0.5, 1.0, 400) if weighted else None
    network = Network.from_edges(edges, n, weights=weights, directed=True, simple=False)
    world = Opinion(model="degroot", network=network, own=0.2)
    simulation = Simulation(world, world.policies()["conformist"], seed=5)
    w, x = trust(network, 0.2), world.people.opinion.copy()
    assert (network.degree == 0).any()
    for _ in range(5):
        simulation.run(1)
        x = w @ x
        np.testing.assert_allclose(world.people.opinion, x, rtol=1e-12)


def test_degroot_on_the_complete_graph() -> None:
    world = Opinion(50, model="degroot", own=0.4)
    x = simulate(world, 1).world.people.initial
    others = (x.sum() - x) / 49
    np.testing.assert_allclose(world.people.opinion, 0.4 * x + 0.6 * others, rtol=1e-12)
    explicit = Opinion(model="degroot", own=0.4, network=Network.complete(50))
    simulate(explicit, 1)
    np.testing.assert_allclose(explicit.people.opinion, world.people.opinion, rtol=1e-12)


def test_anchored_minds_end_at_the_limit_of_friedkin_and_johnsen() -> None:
    """x = (1/2) W x + (1/2) x(0), so x = (I - W / 2)^-1 x(0) / 2."""
    network = ring_and_chords(200, 1, False, False)
    world = Opinion(model="degroot", network=network, own=0.3)
    simulate(world, 80, policy="anchored")
    w = trust(network, 0.3).toarray()
    limit = np.linalg.solve(np.eye(200) - 0.5 * w, 0.5 * world.people.initial)
    np.testing.assert_allclose(world.people.opinion, limit, rtol=0, atol=1e-12)


def test_one_stubborn_agent_wins_everybody() -> None:
    network = ring_and_chords(60, 2, False, False)
    world = Opinion(model="degroot", network=network)
    cast = Cast(world.policies(), {"conformist": 1})
    simulation = Simulation(world, cast, seed=1)
    cast.assign("stubborn", world.people[7])
    simulation.run(6000)
    np.testing.assert_allclose(world.people.opinion, world.people.initial[7], atol=1e-6)


# -- Hegselmann and Krause -----------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(np.linspace(0, 1, 41).tolist()), min_size=1, max_size=40),
    st.sampled_from([0.03, 0.1, 0.21, 0.5, 1.0]),
)
def test_hearing_all_within_reach_is_counted_as_by_hand(x: list[float], reach: float) -> None:
    opinion = np.array(x)
    # exactly the comparison of the kernel: x_j within [x_i - reach, x_i + reach]
    near = (opinion >= opinion[:, None] - reach) & (opinion <= opinion[:, None] + reach)
    expected = (near * opinion).sum(axis=1) / near.sum(axis=1)
    np.testing.assert_allclose(average_near_all(opinion, reach), expected, rtol=1e-12, atol=1e-15)
    ordered = np.sort(opinion)
    gaps = np.flatnonzero(np.diff(ordered) > reach)
    sizes = np.diff(np.concatenate([[0], gaps + 1, [len(x)]]))
    np.testing.assert_array_equal(clusters(opinion, reach), sizes)


def test_bounded_confidence_on_a_network_is_counted_as_by_hand() -> None:
    network = Network.erdos_renyi(400, 8.0, Streams(1).stream("g"))
    world = Opinion(model="hegselmann-krause", network=network, confidence=0.2)
    simulation = Simulation(world, world.policies()["conformist"], seed=5)
    for _ in range(4):
        x = world.people.opinion.copy()
        simulation.run(1)
        for i in range(400):
            near = [x[j] for j in network.neighbours(i) if abs(x[j] - x[i]) <= 0.2] + [x[i]]
            assert world.people.opinion[i] == pytest.approx(sum(near) / len(near), rel=1e-12)


def test_a_complete_network_and_none_are_the_same() -> None:
    a = Opinion(150, model="hegselmann-krause", confidence=0.11)
    b = Opinion(model="hegselmann-krause", confidence=0.11, network=Network.complete(150))
    simulate(a, 6)
    simulate(b, 6)
    np.testing.assert_allclose(a.people.opinion, b.people.opinion, rtol=1e-11)


@pytest.mark.parametrize("confidence", [0.05, 0.1, 0.15, 0.25, 0.5])
def test_hegselmann_krause_settles_in_clusters_out_of_reach(confidence: float) -> None:
    """It stops in finite time (Dittmer 2001), order kept, clusters more than `confidence` apart."""
    world = Opinion(2000, model="hegselmann-krause", confidence=confidence)
    simulation = Simulation(world, world.policies()["conformist"], seed=3)
    order = np.argsort(world.people.initial)
    simulation.run(200)
    x = world.people.opinion
    assert (np.diff(x[order]) >= -1e-12).all()
    settled = x.copy()
    simulation.run(1)
    np.testing.assert_allclose(x, settled, rtol=0, atol=1e-12)
    sizes = clusters(x, confidence)
    assert len(np.unique(np.round(x, 9))) == len(sizes)
    # Out of reach of each other, and at most floor(1 / confidence) + 1 of them fit
    assert len(sizes) <= math.floor(1 / confidence) + 1
    if confidence >= 0.25:
        # Consensus on the complete graph above about 0.2 (Fortunato 2005, IJMPC 16, 259)
        assert len(sizes) == 1
    if confidence <= 0.15:
        assert len(sizes) > 1


# -- Deffuant ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("confidence", "major"), [(0.35, 1), (0.22, 2)])
def test_deffuant_clusters_bifurcate_where_published(confidence: float, major: int) -> None:
    """Major parties by confidence, Ben-Naim, Krapivsky and Redner (2003), Physica D 183, 190.

    In their units opinions fill [-D, D] and reach is 1, so D = 1 / (2 confidence): one major
    cluster below D = 1.87 (confidence above 0.267), two from there to 2.72 (above 0.184). That is
    the 1 / (2 confidence) rule of Deffuant et al. (2000).
    """
    assert math.floor(1 / (2 * confidence)) == major
    world = Opinion(6000, model="deffuant", confidence=confidence)
    run = simulate(world, 150, seed=2)
    assert run.metrics["major_clusters"][-1] == major
    sizes = clusters(world.people.opinion, confidence)
    assert np.sort(sizes)[-major:].sum() > 0.95 * 6000


def test_deffuant_reaches_full_consensus_above_one_half() -> None:
    """Fortunato (2004), IJMPC 15, 1301: the threshold of complete consensus is 1/2."""
    world = Opinion(3000, model="deffuant", confidence=0.52)
    run = simulate(world, 100)
    assert run.metrics["clusters"][-1] == 1
    assert run.metrics["spread"][-1] < 1e-6


@pytest.mark.parametrize("network", ["complete", "erdos-renyi"])
def test_deffuant_meetings_conserve_the_sum(network: str) -> None:
    world = Opinion(2001, model="deffuant", network=network, confidence=0.3, convergence=0.3)
    simulation = Simulation(world, world.policies()["conformist"], seed=6)
    for _ in range(10):
        before = world.people.opinion.copy()
        simulation.run(1)
        after = world.people.opinion
        assert after.sum() == pytest.approx(before.sum(), abs=1e-9)
        moved = np.flatnonzero(after != before)
        assert len(moved) % 2 == 0
        assert np.abs(after - before).max() <= 0.3 * 0.3 + 1e-12


def test_only_those_who_heard_somebody_are_asked() -> None:
    asked = []

    def revise(o):
        assert (np.abs(o["heard"] - o["opinion"]) <= 0.5 * 0.1 + 1e-12).all()
        asked.append(len(o))
        return o["heard"]

    world = Opinion(500, model="deffuant", confidence=0.1)
    Simulation(world, Rule(revise=revise), seed=1).run(3)
    assert all(0 < n < 500 for n in asked)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 80), st.integers(0, 200), st.integers(0, 2**32))
def test_meetings_are_disjoint_pairs_of_neighbours(n: int, m: int, seed: int) -> None:
    stream = Streams(seed).stream("m", 3)
    partner = matched(n, None, stream)
    assert (partner >= 0).sum() == n - n % 2
    edges = np.random.default_rng(seed).integers(0, n, (m, 2))
    network = Network.from_edges(edges, n)
    on_network = matched(n, network, stream)
    for pairs in (partner, on_network):
        met = np.flatnonzero(pairs >= 0)
        np.testing.assert_array_equal(pairs[pairs[met]], met)
        assert (pairs[met] != met).all()
    for i in np.flatnonzero(on_network >= 0):
        assert on_network[i] in network.neighbours(i)


# -- all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["degroot", "hegselmann-krause", "deffuant"])
def test_threads_change_nothing(model: str) -> None:
    found = []
    for limit in (1, 2):
        with threads(limit):
            world = Opinion(60_000, model=model, network="watts-strogatz", degree=6)
            simulate(world, 3, seed=9)
            found.append(world.people.opinion.copy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("model", ["degroot", "hegselmann-krause", "deffuant"])
@pytest.mark.parametrize("network", ["complete", "barabasi-albert"])
def test_opinions_stay_within_their_hull_and_measures_agree(model: str, network: str) -> None:
    world = Opinion(1000, model=model, network=network, own=0.37)
    run = simulate(world, 12, seed=4)
    low, high = run.metrics["lowest"].to_numpy(), run.metrics["highest"].to_numpy()
    assert (np.diff(low) >= -1e-12).all()
    assert (np.diff(high) <= 1e-12).all()
    x = world.people.opinion
    assert run.metrics["mean"][-1] == x.mean()
    counts = run.by.filter(run.by["tick"] == 11)["value"].to_numpy()
    np.testing.assert_array_equal(counts, np.histogram(x, 20, (0, 1))[0])


def test_weights_and_impossible_parameters_are_refused() -> None:
    weighted = Network.from_edges(np.array([[0, 1]]), 2, weights=np.ones(1))
    with pytest.raises(ParameterError, match="weights"):
        Opinion(model="hegselmann-krause", network=weighted)
    with pytest.raises(ParameterError):
        Opinion(convergence=0.9)
    with pytest.raises(ParameterError):
        Opinion(confidence=0.0)
