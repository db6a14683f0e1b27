"""How long a contact network takes to make, beside networkx and scipy.

    python benchmarks/networks.py [--agents 1000000] [--repeats 5] [--peer 20000]

Seconds for each generator at mean degree 10, on one thread, after compiling. networkx takes minutes
at that size, so it is measured on ``--peer`` agents (0 leaves it out), and the ratio is of seconds
an agent at that common size. Building the rows of the same edges and the sum over neighbours are
measured beside scipy's, at full size.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from _measure import by_turns, peak_memory_mib, ratio, report, spread
from populace.geometry import Network
from populace.kernel.streams import Streams
from populace.kernel.threads import threads

DEGREE = 10


def generators(n: int) -> dict[str, Any]:
    """Return a maker of each kind of network of `n` agents."""
    streams = Streams(1)
    degrees = np.full(n, DEGREE)
    blocks = np.full((4, 4), DEGREE / 2 / n) + np.eye(4) * 2 * DEGREE / n
    sizes = [n - 3 * (n // 4), *[n // 4] * 3]
    return {
        "erdos_renyi": lambda: Network.erdos_renyi(n, DEGREE, streams.stream("er")),
        "configuration": lambda: Network.configuration(degrees, streams.stream("conf")),
        "barabasi_albert": lambda: Network.barabasi_albert(n, DEGREE // 2, streams.stream("ba")),
        "watts_strogatz": lambda: Network.watts_strogatz(n, DEGREE, 0.1, streams.stream("ws")),
        "stochastic_block": lambda: Network.stochastic_block(sizes, blocks, streams.stream("sbm")),
    }


def peers(n: int) -> dict[str, Any]:
    """Return networkx's own makers of the same networks, or nothing if it is not installed."""
    try:
        import networkx as nx
    except ImportError:
        return {}
    degrees = [DEGREE] * n
    block = np.full((4, 4), DEGREE / 2 / n) + np.eye(4) * 2 * DEGREE / n
    sizes = [n - 3 * (n // 4), *[n // 4] * 3]
    return {
        "erdos_renyi": lambda: nx.fast_gnp_random_graph(n, DEGREE / (n - 1), seed=1),
        "configuration": lambda: nx.Graph(nx.configuration_model(degrees, seed=1)),
        "barabasi_albert": lambda: nx.barabasi_albert_graph(n, DEGREE // 2, seed=1),
        "watts_strogatz": lambda: nx.watts_strogatz_graph(n, DEGREE, 0.1, seed=1),
        "stochastic_block": lambda: nx.stochastic_block_model(
            sizes, block.tolist(), seed=1, sparse=True
        ),
    }


def beside_scipy(network: Network, repeats: int) -> dict[str, Any]:
    """Measure building rows and summing over neighbours, by us and by scipy."""
    try:
        from scipy import sparse
    except ImportError:
        return {}
    n, edges = network.n, network.edges()
    values = Streams(1).stream("values").uniform(n)
    data = np.ones(network.arcs)
    both = np.concatenate([edges, edges[:, ::-1]]).astype(np.int32)
    shuffled = edges[Streams(1).stream("order").permutation(len(edges))]
    again = np.concatenate([shuffled, shuffled[:, ::-1]]).astype(np.int32)
    parts = (np.ones(len(both)), (both[:, 0], both[:, 1]))
    matrix = sparse.csr_array(sparse.coo_array(parts, shape=(n, n)))

    def build() -> Any:
        rows = sparse.csr_array(sparse.coo_array((data, (again[:, 0], again[:, 1])), shape=(n, n)))
        rows.sort_indices()
        return rows

    seconds = by_turns(
        {
            "rows": lambda: Network.from_edges(shuffled, n),
            "scipy rows": build,
            "sum": lambda: network.sum(values),
            "scipy sum": lambda: matrix @ values,
        },
        repeats,
    )
    np.testing.assert_allclose(network.sum(values), matrix @ values)
    return {
        "seconds": {name: spread(times) for name, times in seconds.items()},
        "ratio": {x: ratio(seconds[x], seconds[f"scipy {x}"]) for x in ("rows", "sum")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer", type=int, default=20_000)
    options = parser.parse_args()
    n = options.agents
    with threads(1):
        makers = generators(n)
        networks = {name: maker() for name, maker in makers.items()}
        held = {name: round(network.nbytes / n, 1) for name, network in networks.items()}
        network = networks.pop("erdos_renyi")
        networks.clear()
        seconds = by_turns(makers, options.repeats, warm=0)
        scipy = beside_scipy(network, options.repeats)
        compared: dict[str, Any] = {}
        if options.peer and (theirs := peers(options.peer)):
            ours = generators(options.peer)
            both = {**ours, **{f"networkx {name}": maker for name, maker in theirs.items()}}
            small = by_turns(both, options.repeats)
            compared = {name: ratio(small[name], small[f"networkx {name}"]) for name in ours}
    report(
        "networks",
        {
            "agents": n,
            "degree": DEGREE,
            "threads": 1,
            "seconds": {name: spread(values) for name, values in seconds.items()},
            "bytes_an_agent": held,
            "networkx_agents": options.peer,
            "ratio_to_networkx": compared,
            "scipy": scipy,
            "peak_memory_mib": peak_memory_mib(),
        },
        "networkx",
        "scipy",
    )


if __name__ == "__main__":
    main()
