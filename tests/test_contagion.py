"""Contagion against percolation theory, its mean field, and a plain numpy run of the same rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse, stats

from populace import Cast, Network, Rule, Simulation, Streams, threads
from populace.errors import ParameterError
from populace.kernel.philox import uniform2x32
from populace.worlds.contagion import Contagion, E, I, R, S
from populace.worlds.contagion.kernels import catch, count_infectious


def matrix(network: Network) -> sparse.csr_array:
    parts = (np.ones(network.arcs), network.targets.astype(int), network.offsets.astype(int))
    return sparse.csr_array(parts, (network.n, network.n))


def simulate(world: Contagion, seed: int = 1, cast: object = None, ticks: int = 1000):
    cast = Cast(world.policies(), world.shares()) if cast is None else cast
    return Simulation(world, cast, seed=seed).run(ticks)


# -- final size ----------------------------------------------------------------------------------


def transmissibility(transmission: float, mean: float) -> float:
    """Chance that an infectious agent ever infects a given neighbour: 1 - E[(1 - b)^D].

    D is geometric on 1, 2, ... with that mean, whose generating function at q is
    g q / (1 - (1 - g) q), g = 1 / mean.
    """
    g, q = 1.0 / mean, 1.0 - transmission
    return 1.0 - g * q / (1.0 - (1.0 - g) * q)


def percolated(degrees: dict[int, float], t: float, seeds: float) -> float:
    """Expected share ever infected on a configuration network of that degree distribution.

    Newman (2002), Phys. Rev. E 66, 016128, with a share of seeds. The chance u that a neighbour
    does not infect one along an edge solves ``u = 1 - t + t (1 - seeds) G1(u)``; then the
    size is ``1 - (1 - seeds) G0(u)``. It holds for random infectious periods too, though they tie
    the transmissions *from* one agent together: those *to* one agent come from different agents
    and stay independent (Kenah and Robins 2007, Phys. Rev. E 76, 036113).
    """
    k, p = np.array(list(degrees)), np.array(list(degrees.values()))
    mean = float(k @ p)

    def error(u: float) -> float:
        return 1 - t + t * (1 - seeds) * float(p * k @ u ** (k - 1)) / mean - u

    u = optimize.brentq(error, 0.0, 1.0 - 1e-9)
    return 1 - (1 - seeds) * float(p @ u**k)


@pytest.mark.parametrize(
    ("disease", "transmission"), [("SIR", 0.04), ("SEIR", 0.04), ("SIR", 0.12)]
)
def test_final_size_is_that_of_percolation(disease: str, transmission: float) -> None:
    degrees, n, seeds = {2: 0.5, 6: 0.3, 15: 0.2}, 50_000, 0.01
    sizes = []
    for seed in range(16):  # a new network and a new epidemic each
        counts = np.repeat(list(degrees), [round(p * n) for p in degrees.values()])
        network = Network.configuration(counts, Streams(seed).stream("network"))
        world = Contagion(
            network=network,
            disease=disease,
            transmission=transmission,
            latent=2.0,
            infectious=5.0,
            seeds=seeds,
        )
        run = simulate(world, seed)
        assert world.done
        assert run.metrics["recovered"][-1] + run.metrics["susceptible"][-1] == n
        sizes.append(run.metrics["attack_rate"][-1])
    expected = percolated(degrees, transmissibility(transmission, 5.0), seeds)
    # Final sizes are asymptotically normal, so Student's t with 15 degrees of freedom: two-sided
    # error chance 1e-6. What remains of order 1/n (dropped double edges) is below 10/n.
    error = stats.t.ppf(1 - 5e-7, len(sizes) - 1) * np.std(sizes, ddof=1) / math.sqrt(len(sizes))
    assert error < 0.015  # the test has power
    assert abs(np.mean(sizes) - expected) < error + 10 / n


def test_below_the_threshold_outbreaks_stay_small() -> None:
    # Mean outbreak below the threshold (Newman 2002), on a regular network of degree d:
    # 1 + t d / (1 - t (d - 1)) agents a seed
    d, n, seeds, transmission = 6, 40_000, 0.002, 0.02
    t = transmissibility(transmission, 4.0)
    assert t * (d - 1) < 1
    ratios = []
    for seed in range(20):
        network = Network.configuration(np.full(n, d), Streams(seed).stream("network"))
        world = Contagion(
            network=network, disease="SIR", transmission=transmission, infectious=4.0, seeds=seeds
        )
        ratios.append(simulate(world, seed).metrics["attack_rate"][-1] / seeds)
    error = stats.t.ppf(1 - 5e-7, 19) * np.std(ratios, ddof=1) / math.sqrt(20)
    cluster = 1 + t * d / (1 - t * (d - 1))
    # Clusters of different seeds overlap: each loses at most the share that the others cover
    assert abs(np.mean(ratios) - cluster) < error + cluster * seeds * cluster


# -- SIS -----------------------------------------------------------------------------------------


def test_sis_settles_at_its_mean_field() -> None:
    """On the complete graph, i' = i (1 - g) + (1 - i) (1 - (1 - b)^(n i)), exactly in the limit."""
    n, g = 1000, 1.0 / 5.0
    b = 0.4 / n
    network = Network.complete(n)
    world = Contagion(network=network, disease="SIS", transmission=b, infectious=5.0, seeds=0.5)
    run = simulate(world, 3, ticks=4000)
    share = run.metrics["infectious"].to_numpy()[200:] / n

    def step(i: float) -> float:
        return i * (1 - g) + (1 - i) * (1 - (1 - b) ** (n * i))

    level = optimize.brentq(lambda i: step(i) - i, 0.05, 0.95)
    h = 1e-4
    slope = (step(level + h) - step(level - h)) / (2 * h)
    curve = (step(level + h) - 2 * step(level) + step(level - h)) / h**2
    caught = 1 - (1 - b) ** (n * level)
    noise = (level * g * (1 - g) + (1 - level) * caught * (1 - caught)) / n
    # Linear noise about the fixed point: an autoregression with that slope. Variance of its mean
    # over M ticks is noise / (1 - slope)^2 / M; curvature shifts it by curve var / 2 / (1 - slope)
    variance = noise / (1 - slope**2)
    shift = curve * variance / 2 / (1 - slope)
    error = 5 * math.sqrt(noise / len(share)) / (1 - slope)
    assert error < 0.01
    assert abs(share.mean() - level - shift) < error + 2 / n  # an agent is not its own neighbour
    assert share.std() == pytest.approx(math.sqrt(variance), rel=0.2)


def test_si_infects_a_component_and_nothing_else() -> None:
    rng = np.random.default_rng(5)
    n = 400
    a, b = rng.integers(0, n, 300), rng.integers(0, n, 300)
    network = Network.from_edges(np.stack([a, b], axis=1), n)
    world = Contagion(network=network, disease="SI", transmission=0.5, seeds=3 / n)
    simulation = Simulation(world, Rule(protect=lambda o: False), seed=2)
    first = np.flatnonzero(world.people.state == I)
    simulation.run(400)
    _, component = sparse.csgraph.connected_components(matrix(network))
    np.testing.assert_array_equal(world.people.state == I, np.isin(component, component[first]))
    assert (world.people.until == -1).all()


# -- the same run, however it is computed --------------------------------------------------------


def history(n: int = 60_000, direction: str = "auto", limit: int = 1):
    with threads(limit):
        world = Contagion(
            n, degree=8.0, transmission=0.06, seeds=0.01, efficacy=0.7, direction=direction
        )
        cast = Cast(world.policies(), {"careless": 1, "watchful": 1})
        run = simulate(world, 11, cast, 40)
    return run.metrics, world.people.state.copy(), world.people.until.copy()


def test_threads_and_direction_change_nothing() -> None:
    metrics, state, until = history()
    assert {E, I, R, S} == set(np.unique(state))
    for direction, limit in [("push", 1), ("pull", 1), ("pull", 2), ("push", 2), ("auto", 2)]:
        other, its_state, its_until = history(direction=direction, limit=limit)
        assert metrics.equals(other), (direction, limit)
        np.testing.assert_array_equal(state, its_state)
        np.testing.assert_array_equal(until, its_until)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(0, 200), st.integers(0, 2**32 - 1), st.data())
def test_kernels_agree_with_plain_numpy(n: int, m: int, key: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    directed = data.draw(st.booleans())
    network = Network.from_edges(rng.integers(0, n, (m, 2)), n, directed=directed)
    state = rng.integers(0, 4, n)
    susceptible, infectious = np.flatnonzero(state == S), state == I
    count = (matrix(network).T @ infectious.astype(float)).astype(int)
    for direction in ("push", "pull", "auto"):
        exposure = np.full(n, 99, np.uint8)
        count_infectious(network, network.transpose(), infectious, susceptible, exposure, direction)
        np.testing.assert_array_equal(exposure[susceptible], count[susceptible])
    chance = 1 - (1 - np.array([[0.3], [0.1]])) ** np.arange(count.max() + 1)
    protected = rng.integers(0, 2, len(susceptible)).astype(np.uint8)
    hit = catch(susceptible, exposure, protected, chance, 7, np.uint32(key))
    drawn = uniform2x32(susceptible, 7, key) < chance[protected, count[susceptible]]
    np.testing.assert_array_equal(hit, drawn)


# -- decisions and limits ------------------------------------------------------------------------


def test_protection_multiplies_the_chance_of_each_contact() -> None:
    """Full protection for all stops the disease; partial protection scales transmission."""
    world = Contagion(5000, disease="SIR", transmission=0.3, seeds=0.02, efficacy=1.0)
    run = simulate(world, 1, Rule(protect=lambda o: "yes"))
    assert run.metrics["infections"].sum() == 0
    scaled = Contagion(5000, disease="SIR", transmission=0.3 * (1 - 0.4), seeds=0.02)
    world = Contagion(5000, disease="SIR", transmission=0.3, seeds=0.02, efficacy=0.4)
    names = ["susceptible", "infectious", "infections"]
    a = simulate(world, 1, Rule(protect=lambda o: True)).metrics.select(names)
    b = simulate(scaled, 1, Rule(protect=lambda o: False)).metrics.select(names)
    assert a.equals(b)


def test_who_is_asked_and_what_is_seen() -> None:
    seen = []

    def watch(o):
        assert (o.agents["state"] == S).all()
        neighbours = [(before == I)[network.neighbours(i)].sum() for i in o.agents.rows]
        np.testing.assert_array_equal(o["exposure"], neighbours)
        assert o["prevalence"] == (before == I).mean()
        seen.append(len(o))
        return o["exposure"] > 1

    world = Contagion(300, degree=6.0, transmission=0.1, seeds=0.05)
    simulation = Simulation(world, Rule(protect=watch), seed=4)
    network = world.network
    for tick in range(12):
        before = world.people.state.copy()
        run = simulation.run(1)
        assert seen[tick] == (before == S).sum()
        assert run.metrics["susceptible"][-1] + run.metrics["infections"][-1] == seen[tick]


def test_watching_helps_and_both_runs_share_their_draws() -> None:
    careless = Contagion(4000, transmission=0.05, seeds=0.01)
    watchful = Contagion(4000, transmission=0.05, seeds=0.01)
    a = simulate(careless, 9, careless.policies()["careless"])
    b = simulate(watchful, 9, watchful.policies()["watchful"])
    assert a.metrics["exposed"][0] >= b.metrics["exposed"][0]  # same draws, smaller chances
    assert b.metrics["attack_rate"][-1] < a.metrics["attack_rate"][-1]
    assert a.metrics["protecting"].max() == 0 < b.metrics["protecting"].max()


def test_periods_have_the_means_and_the_law_asked_for() -> None:
    world = Contagion(50_000, disease="SIR", transmission=0.0, infectious=6.0, seeds=1.0)
    Simulation(world, Rule(protect=lambda o: False), seed=3)
    wait = world.people.until
    # Kolmogorov-Smirnov does not fit a discrete law: compare P(D > k) at each k instead, with the
    # Dvoretzky-Kiefer-Wolfowitz bound, exceeded by chance once in a million
    bound = math.sqrt(math.log(2 / 1e-6) / (2 * len(wait)))
    k = np.arange(60)
    survival = (wait[:, None] > k).mean(axis=0)
    np.testing.assert_allclose(survival, (1 - 1 / 6) ** k, rtol=0, atol=bound)
    constant = Contagion(100, disease="SIR", infectious=1.0, seeds=1.0)
    Simulation(constant, Rule(protect=lambda o: False))
    assert (constant.people.until == 1).all()


def test_memory_held_an_agent() -> None:
    world = Contagion(100_000, degree=10.0)
    Simulation(world, Rule(protect=lambda o: False))
    people, network = world.people, world.network
    held = sum(people[c].nbytes for c in people.columns) + people.id.nbytes + people.alive.nbytes
    held += network.nbytes
    assert held / len(people) <= 64  # 10 arcs of 4 bytes, an offset of 8, columns of 12


@pytest.mark.parametrize(
    "bad",
    [
        {"transmission": 1.5},
        {"people": 1},
        {"seeds": -0.1},
        {"latent": 0.5},
        {"disease": "sir"},
        {"network": "torus"},
    ],
)
def test_impossible_parameters_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        Contagion(**bad)
