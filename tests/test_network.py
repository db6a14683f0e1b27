"""Networks: their laws, their sums, and that nothing but the stream decides them."""

import math
from itertools import pairwise

import networkx as nx
import numpy as np
import polars as pl
import pytest
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.geometry import Network
from populace.geometry.generate import bernoulli_indices, pair_stubs
from populace.kernel.errors import ParameterError, PopulationError, RecordError
from populace.kernel.streams import Streams
from populace.kernel.threads import threads

SIGMAS = 5.5  # two-sided error rate of 4e-8 a comparison of normal law
N = 20_000

MAKERS = {
    "erdos_renyi": lambda s, n=N: Network.erdos_renyi(n, 8, s),
    "configuration": lambda s, n=N: Network.configuration(np.full(n, 8), s),
    "barabasi_albert": lambda s, n=N: Network.barabasi_albert(n, 4, s),
    "watts_strogatz": lambda s, n=N: Network.watts_strogatz(n, 8, 0.2, s),
    "stochastic_block": lambda s, n=N: Network.stochastic_block(
        [n // 2, n - n // 2], np.array([[12, 4], [4, 12]]) / n, s
    ),
}


def stream(name="edges", seed=1):
    return Streams(seed).stream(name)


def matrix(network):
    """The network as scipy stores it, for sums by other means."""
    data = np.ones(network.arcs) if network.weights is None else network.weights.astype(float)
    parts = (data, network.targets.astype(np.int64), network.offsets.astype(np.int64))
    return sparse.csr_array(parts, shape=(network.n, network.n))


def edge_lists(largest=12):
    nodes = st.integers(0, largest - 1)
    return st.lists(st.tuples(nodes, nodes), max_size=60).map(
        lambda pairs: np.array(pairs, np.int64).reshape(-1, 2)
    )


# -- every generator -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_generated_networks_are_simple_symmetric_and_sorted(name):
    network = MAKERS[name](stream())
    source = network.sources().astype(np.int64)
    target = network.targets.astype(np.int64)
    assert np.all(source != target)
    code = source * network.n + target
    assert np.all(np.diff(code) > 0)  # rows in order, targets ascending, none twice
    np.testing.assert_array_equal(np.sort(target * network.n + source), code)
    assert network.degree.sum() == network.arcs == 2 * len(network.edges())
    assert network.nbytes == 8 * (network.n + 1) + 4 * network.arcs


@pytest.mark.parametrize("name", MAKERS)
def test_a_network_is_a_function_of_its_stream(name):
    with threads(1):
        one = MAKERS[name](stream(), 60_001)
    with threads(2):
        two = MAKERS[name](stream(), 60_001)
    np.testing.assert_array_equal(one.targets, two.targets)
    np.testing.assert_array_equal(one.offsets, two.offsets)
    again = stream()
    MAKERS[name](again)
    for s in (stream(seed=2), stream("other"), Streams(1).stream("edges", 1), again):
        other = MAKERS[name](s, 60_001)
        assert one.arcs != other.arcs or np.any(one.targets != other.targets)


# -- Erdős–Rényi -----------------------------------------------------------------------------------


@pytest.mark.parametrize("directed", [False, True])
def test_erdos_renyi_degrees_are_binomial(directed):
    n, p = N, 8 / (N - 1)
    network = Network.erdos_renyi(n, 8, stream(), directed=directed)
    draws = n * (n - 1) / (1 if directed else 2)
    arcs = network.arcs / (1 if directed else 2)
    assert abs(arcs - draws * p) < SIGMAS * math.sqrt(draws * p * (1 - p))
    # The variance of n nearly independent binomial degrees of variance v and fourth central
    # moment 3 v^2 + v has standard error sqrt((2 v^2 + v) / n).
    v = (n - 1) * p * (1 - p)
    for degree in (network.degree, network.transpose().degree):
        assert abs(degree.var() - v) < SIGMAS * math.sqrt((2 * v * v + v) / n)


@pytest.mark.parametrize("total", [1, 7, 1000])
@pytest.mark.parametrize("p", [0.02, 0.5, 0.98])
def test_every_index_has_its_probability(total, p):
    runs = 4000
    streams = Streams(3)
    hits = np.zeros(total)
    for tick in range(runs):
        found = bernoulli_indices(total, p, streams.stream("x", tick))
        assert np.all(np.diff(found) > 0)
        hits[found] += 1
    assert np.abs(hits - runs * p).max() < 6.5 * math.sqrt(runs * p * (1 - p))


def test_every_pair_has_its_probability():
    runs, n, p = 3000, 9, 0.3
    streams = Streams(4)
    for directed in (False, True):
        seen = np.zeros((n, n))
        for tick in range(runs):
            s = streams.stream("pairs", tick)
            network = Network.erdos_renyi(n, None, s, p=p, directed=directed)
            seen[network.sources(), network.targets] += 1
        off = seen[~np.eye(n, dtype=bool)]
        assert np.trace(seen) == 0
        assert np.abs(off - runs * p).max() < SIGMAS * math.sqrt(runs * p * (1 - p))


def test_sparse_and_full_limits():
    assert Network.erdos_renyi(100, None, stream(), p=0.0).arcs == 0
    assert Network.erdos_renyi(100, None, stream(), p=1e-300).arcs == 0
    full, complete = Network.erdos_renyi(50, 49, stream()), Network.complete(50)
    np.testing.assert_array_equal(full.targets, complete.targets)
    np.testing.assert_array_equal(full.offsets, complete.offsets)
    for n in (0, 1):
        assert Network.erdos_renyi(n, 0, stream()).arcs == Network.complete(n).arcs == 0


# -- configuration ---------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_configuration_keeps_every_degree(degrees, seed):
    degrees[0] += sum(degrees) % 2
    network = Network.configuration(degrees, stream(seed=seed), simple=False)
    assert network.degree.tolist() == degrees
    assert np.all(Network.configuration(degrees, stream(seed=seed)).degree <= degrees)


def test_pairings_are_uniform():
    # Four nodes of degree 1 have three pairings.
    runs, streams = 6000, Streams(5)
    partner = [
        Network.configuration([1, 1, 1, 1], streams.stream("x", t)).neighbours(0)[0]
        for t in range(runs)
    ]
    counts = np.bincount(partner, minlength=4)[1:]
    assert np.abs(counts - runs / 3).max() < SIGMAS * math.sqrt(runs * 2 / 9)


def test_every_end_comes_to_every_place_alike():
    runs, n, streams = 4000, 4, Streams(6)
    seen = np.zeros((n, n))
    for tick in range(runs):
        order = pair_stubs(np.ones(n, np.int64), streams.stream("x", tick)).ravel()
        assert sorted(order) == list(range(n))
        seen[np.arange(n), order] += 1
    assert np.abs(seen - runs / n).max() < SIGMAS * math.sqrt(runs * (1 - 1 / n) / n)


def test_loops_and_repeats_are_as_rare_as_theory_says():
    # Poisson in the limit: loops of mean m / 2, repeats of mean m^2 / 4, m = <k (k-1)> / <k> = 5
    # (Bollobás 1980). The means below are exact for finite n up to terms of order 1 / n.
    runs, n, k = 200, 3000, 6
    lost = 0
    for seed in range(runs):
        kept = Network.configuration(np.full(n, k), stream(seed=seed)).arcs
        lost += (n * k - kept) // 2
    expected = (k - 1) / 2 + (k - 1) ** 2 / 4
    assert abs(lost / runs - expected) < SIGMAS * math.sqrt(expected / runs)


# -- Barabási–Albert -------------------------------------------------------------------------------


def test_barabasi_albert_degrees():
    n, m = 100_000, 3
    network = Network.barabasi_albert(n, m, stream())
    assert network.arcs == 2 * m * (n - m)
    assert network.degree.min() == m
    k = np.arange(m, 15)
    share = 2 * m * (m + 1) / (k * (k + 1) * (k + 2))  # Bollobás, Riordan, Spencer, Tusnády 2001
    found = np.bincount(network.degree, minlength=15)[m:15] / n
    # Changing one edge changes few degrees, so counts spread no more than independent ones;
    # the law itself is reached up to terms of order 1 / n.
    assert np.all(np.abs(found - share) < SIGMAS * np.sqrt(share / n) + 10 / n)


def test_barabasi_albert_is_nx_in_mean_for_the_oldest():
    # Both start from a star, whose centre has degree m; mean-field growth is sqrt(n / m).
    n, m, runs = 300, 2, 400
    ours = [Network.barabasi_albert(n, m, stream(seed=s)).degree for s in range(runs)]
    theirs = [[d for _, d in nx.barabasi_albert_graph(n, m, seed=s).degree] for s in range(runs)]
    ours, theirs = np.sort(ours, axis=1)[:, ::-1], np.sort(theirs, axis=1)[:, ::-1]
    for rank in (0, 5, 50, 200):
        a, b = ours[:, rank], theirs[:, rank]
        assert abs(a.mean() - b.mean()) < SIGMAS * math.sqrt((a.var() + b.var()) / runs) + 1e-9


def test_attachment_goes_by_degree_exactly():
    # With m = 1 the third node joins either of two by 1/2, the fourth the middle one by 2/4.
    runs, streams = 4000, Streams(8)
    joined = np.zeros((2, 4))
    for tick in range(runs):
        network = Network.barabasi_albert(4, 1, streams.stream("x", tick))
        third, fourth = (min(network.neighbours(v)) for v in (2, 3))
        joined[0, third] += 1
        joined[1, int(fourth == third)] += 1
    assert np.abs(joined[:, :2] - runs / 2).max() < SIGMAS * math.sqrt(runs / 4)


def test_small_star():
    assert Network.barabasi_albert(5, 4, stream()).edges().tolist() == [
        [0, 4],
        [1, 4],
        [2, 4],
        [3, 4],
    ]


# -- Watts–Strogatz --------------------------------------------------------------------------------


def clustering(network):
    """Closed over all paths of length two: trace(A^3) / sum k (k - 1)."""
    a = matrix(network)
    degree = network.degree
    return (a @ a).multiply(a).sum() / (degree * (degree - 1)).sum()


def test_watts_strogatz_clusters_as_published():
    n, k = N, 10
    start = clustering(Network.watts_strogatz(n, k, 0.0, stream()))
    assert start == pytest.approx(3 * (k - 2) / (4 * (k - 1)))
    # C(p) / C(0) = (1 - p)^3 + O(1 / n) for triples weighted by the mean number of paths
    # (Barrat and Weigt 2000, who divide by k (k - 1)); paths then number n (k (k - 1) + var).
    for p in (0.05, 0.2, 0.5):
        network = Network.watts_strogatz(n, k, p, stream())
        degree = network.degree
        triangles = clustering(network) * (degree * (degree - 1)).sum() / (n * k * (k - 1))
        law = (1 - p) ** 3
        # n k (k-2) / 8 triangles, each kept with probability q^3, q = 1 - p. An edge is in
        # 3 (k-2) / 4 of them on average, and two that share one correlate by
        # q^2 (1-q) / (1-q^3) <= 1/3: the variance is that of independent ones times at most
        # 1 + 9 (k-2) / 12 < 1.5 (k-2).
        count = n * k * (k - 2) / 8
        error = math.sqrt(law * (1 - law) * 1.5 * (k - 2) / count)
        assert abs(triangles / start - law) < SIGMAS * error + 3 * k / n


def test_watts_strogatz_moves_the_share_it_should():
    n, k, p = N, 10, 0.3
    network = Network.watts_strogatz(n, k, p, stream())
    assert network.arcs == n * k
    a, b = network.edges().astype(np.int64).T
    away = np.minimum(b - a, n - (b - a)) > k // 2
    # A moved edge lands on a free lattice place with chance below k / n.
    edges = n * k / 2
    assert abs(away.sum() - edges * p) < SIGMAS * math.sqrt(edges * p * (1 - p)) + edges * p * k / n
    # In-degree of moved ends is Poisson of mean k p / 2, kept ones binomial (k / 2, 1 - p).
    v = k / 2 * p + k / 2 * p * (1 - p)
    assert abs(network.degree.var() - v) < SIGMAS * math.sqrt((2 * v * v + v) / n)


@given(st.integers(3, 30), st.integers(0, 14), st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_watts_strogatz_stays_simple_when_dense(n, half, p, seed):
    k = min(2 * half, (n - 1) // 2 * 2)
    network = Network.watts_strogatz(n, k, p, stream(seed=seed))
    pairs = {tuple(pair) for pair in network.edges().tolist()}
    assert len(pairs) == n * k // 2
    assert all(a < b for a, b in pairs)
    assert np.all(network.degree >= k // 2)


# -- blocks, rings, files --------------------------------------------------------------------------


def test_stochastic_blocks_have_their_densities():
    sizes = np.array([300, 0, 500, 200])
    p = np.array([[0.3, 0.1, 0.01, 0.0], [0.1, 0.5, 0.1, 0.1], [0.01, 0.1, 0.2, 0.05],
                  [0.0, 0.1, 0.05, 1.0]])  # fmt: skip
    network = Network.stochastic_block(sizes, p, stream())
    block = np.repeat(np.arange(4), sizes)
    edges = network.edges()
    for a in range(4):
        for b in range(a, 4):
            of = np.sort(block[edges], axis=1)
            found = np.count_nonzero((of[:, 0] == a) & (of[:, 1] == b))
            pairs = sizes[a] * (sizes[a] - 1) / 2 if a == b else sizes[a] * sizes[b]
            error = math.sqrt(pairs * p[a, b] * (1 - p[a, b]))
            assert abs(found - pairs * p[a, b]) <= SIGMAS * error


def test_ring_is_the_unrewired_lattice():
    ring, lattice = Network.ring(50, 6), Network.watts_strogatz(50, 6, 0.0, stream())
    np.testing.assert_array_equal(ring.targets, lattice.targets)
    assert ring.neighbours(0).tolist() == [1, 2, 3, 47, 48, 49]
    assert Network.ring(0, 0).arcs == 0


@given(edge_lists(), st.booleans())
@settings(max_examples=80, deadline=None)
def test_networkx_and_back(edges, directed):
    graph = (nx.MultiDiGraph if directed else nx.MultiGraph)()
    graph.add_nodes_from(range(12))
    graph.add_edges_from(edges.tolist())
    network = Network.from_networkx(graph)
    theirs = graph.out_degree if directed else graph.degree
    assert network.degree.tolist() == [theirs[i] for i in range(12)]
    again = Network.from_edges(network.edges(), 12, directed=directed, simple=False)
    np.testing.assert_array_equal(again.targets, network.targets)
    np.testing.assert_array_equal(again.offsets, network.offsets)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_edge_lists_load(tmp_path, suffix):
    table = pl.DataFrame({"from": [0, 3, 1], "to": [1, 1, 0], "weight": [0.5, 2.0, 0.5]})
    path = tmp_path / f"edges{suffix}"
    if suffix == ".parquet":
        table.write_parquet(path)
    else:
        table.write_csv(path, separator="," if suffix == ".csv" else "\t")
    network = Network.load(path)
    assert network.edges().tolist() == [[0, 1], [1, 3]]
    assert network.weights is not None
    assert network.weights.tolist() == [0.5, 0.5, 2.0, 2.0]
    assert Network.load(path, 9, directed=True).edges().tolist() == [[0, 1], [1, 0], [3, 1]]


# -- sums along the rows ---------------------------------------------------------------------------


@given(edge_lists(), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 99))
@settings(max_examples=120, deadline=None)
def test_sums_are_products_with_the_matrix(edges, directed, weighted, simple, seed):
    draws = stream(seed=seed)
    weights = draws.normal(len(edges)) if weighted and not simple else None
    network = Network.from_edges(edges, 12, weights=weights, directed=directed, simple=simple)
    dense = np.zeros((12, 12))
    held = np.ones(len(edges)) if weights is None else weights.astype(np.float32).astype(float)
    np.add.at(dense, (edges[:, 0], edges[:, 1]), held)
    if not directed:
        np.add.at(dense, (edges[:, 1], edges[:, 0]), held)
    if simple:
        dense = (dense > 0) * (1 - np.eye(12))
    values = draws.normal(12)
    np.testing.assert_allclose(network.sum(values), dense @ values, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network.transpose().sum(values), dense.T @ values, atol=1e-12)
    mask = values > 0
    arcs = np.zeros((12, 12))
    np.add.at(arcs, (network.sources(), network.targets), 1)
    assert network.count(mask).tolist() == (arcs @ mask).tolist()
    assert network.push_count(np.flatnonzero(mask)).tolist() == (mask @ arcs).tolist()
    total = dense.sum(axis=1)
    some = network.degree > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_allclose(
            network.mean(values)[some], (dense @ values / total)[some], rtol=1e-6, atol=1e-9
        )
    assert np.isnan(network.mean(values)[~some]).all()


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.int64, np.float32, np.float64])
def test_large_sums_equal_scipy_for_any_threads(dtype):
    network = Network.barabasi_albert(80_000, 5, stream())
    values = (stream("v").uniform(80_000) * 2 - 0.5).astype(dtype)
    with threads(1):
        one = network.sum(values)
    with threads(2):
        two = network.sum(values)
    np.testing.assert_array_equal(one, two)
    assert one.dtype == (values.dtype if values.dtype.kind == "f" else np.int64)
    exact = matrix(network) @ values.astype(np.float64)
    tolerance = 1e-3 if dtype == np.float32 else 1e-9  # rows of up to 2000, values up to 1.5
    np.testing.assert_allclose(one, exact, atol=tolerance if one.dtype.kind == "f" else 0)
    assert network.mean(values).dtype == (np.float32 if dtype == np.float32 else np.float64)


def test_pull_and_push_count_the_same():
    network = MAKERS["erdos_renyi"](stream())
    for share in (0.001, 0.5):
        mask = stream("mask").bernoulli(network.n, share)
        pull = network.count(mask)
        np.testing.assert_array_equal(pull, network.push_count(np.flatnonzero(mask)))
        np.testing.assert_array_equal(pull, network.sum(mask))


@given(edge_lists(), st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_of_edges_does_not_matter(edges, data):
    order = np.array(data.draw(st.permutations(range(len(edges)))), np.int64)
    flip = data.draw(st.booleans())
    other = edges[order][:, ::-1] if flip else edges[order]
    one, two = Network.from_edges(edges, 12), Network.from_edges(other, 12)
    np.testing.assert_array_equal(one.targets, two.targets)
    np.testing.assert_array_equal(one.offsets, two.offsets)
    assert all(np.all(np.diff(one.neighbours(i).astype(int)) > 0) for i in range(12))
    assert [a for a, b in pairwise(one.offsets.tolist()) if a > b] == []


# -- errors ----------------------------------------------------------------------------------------

BAD = {
    "negative n": lambda s: Network.erdos_renyi(-1, 3, s),
    "fraction n": lambda s: Network.erdos_renyi(10.5, 3, s),
    "no degree": lambda s: Network.erdos_renyi(10, None, s),
    "both": lambda s: Network.erdos_renyi(10, 3, s, p=0.1),
    "degree": lambda s: Network.erdos_renyi(10, 10, s),
    "negative degree": lambda s: Network.erdos_renyi(10, -1, s),
    "p": lambda s: Network.erdos_renyi(10, None, s, p=1.5),
    "nan": lambda s: Network.erdos_renyi(10, None, s, p=math.nan),
    "text": lambda s: Network.erdos_renyi(10, "many", s),
    "too many": lambda s: Network.erdos_renyi(10**6, 10**5, s),
    "odd": lambda s: Network.configuration([1, 1, 1], s),
    "negative": lambda s: Network.configuration([1, -1], s),
    "fractions": lambda s: Network.configuration([1.0, 1.0], s),
    "m": lambda s: Network.barabasi_albert(10, 10, s),
    "m zero": lambda s: Network.barabasi_albert(10, 0, s),
    "odd k": lambda s: Network.watts_strogatz(10, 3, 0.1, s),
    "k": lambda s: Network.watts_strogatz(10, 10, 0.1, s),
    "ring": lambda s: Network.ring(10, 5),
    "complete": lambda s: Network.complete(10**6),
    "asymmetric": lambda s: Network.stochastic_block([5, 5], [[0.1, 0.2], [0.3, 0.1]], s),
    "blocks": lambda s: Network.stochastic_block([5, 5], [[0.1]], s),
    "block p": lambda s: Network.stochastic_block([5], [[-0.1]], s),
    "range": lambda s: Network.from_edges([[0, 5]], 5),
    "below": lambda s: Network.from_edges([[0, -1]], 5),
    "columns": lambda s: Network.from_edges([[0, 1, 2]], 5),
    "floats": lambda s: Network.from_edges([[0.0, 1.0]], 5),
    "weights": lambda s: Network.from_edges([[0, 1]], 5, weights=[1.0, 2.0]),
    "nan weight": lambda s: Network.from_edges([[0, 1]], 5, weights=[math.nan]),
    "unequal": lambda s: Network.from_edges([[0, 1], [1, 0]], 5, weights=[1.0, 2.0]),
    "values": lambda s: Network.ring(5).sum(np.ones(4)),
    "objects": lambda s: Network.ring(5).sum(np.array(list("abcde"))),
    "mask": lambda s: Network.ring(5).count(np.ones(5)),
    "rows": lambda s: Network.ring(5).push_count([5]),
    "lacking": lambda s: Network.from_networkx(nx.path_graph(3), weight="w"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_before_a_draw_is_used(case):
    s = stream()
    with pytest.raises(ParameterError):
        BAD[case](s)
    assert s.draw == 0


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="csv"):
        Network.load(tmp_path / "edges.xml")
    with pytest.raises(RecordError, match="cannot read"):
        Network.load(tmp_path / "none.csv")
    for text in ("a,b\nx,y\n", "a\n1\n", "a,b\n1,\n"):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(ParameterError):
            Network.load(tmp_path / "bad.csv")


def test_unknown_nodes_are_refused():
    with pytest.raises(PopulationError):
        Network.ring(5).neighbours(5)
