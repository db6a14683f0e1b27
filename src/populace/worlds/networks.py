"""Networks by name, for worlds that take any network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from populace.geometry import Network
from populace.kernel.errors import ParameterError
from populace.kernel.streams import Streams

NetworkName = Literal["erdos-renyi", "barabasi-albert", "watts-strogatz"]
#: Why such parameters cannot change in mid-run.
MADE = "agents are made at the start"
DRAWN = "the network is drawn at the start"
REWIRED = 0.1  # share of a small world's edges, in the middle of its regime (Watts, Strogatz 1998)


def make_network(
    network: str | Network, n: int, degree: float, streams: Streams, tick: int = 0
) -> Network:
    """Return the network given, or draw the one named, for `n` agents of mean `degree`.

    `tick` numbers the draws: those of two ticks are independent.

    Raises
    ------
    ParameterError
        If there are fewer agents than a network of that degree needs.
    """
    if isinstance(network, Network):
        return network
    where = f"{network} network"
    if not degree <= n - 1:
        raise ParameterError(f"expected degree <= {n - 1}, got {degree}", where=where)
    stream = streams.stream("edges", tick)
    if network == "erdos-renyi":
        return Network.erdos_renyi(n, degree, stream)
    half = round(degree / 2)
    if half < 1 or 2 * half > n - 1:
        raise ParameterError(f"expected degree from 2 to {n - 2}, got {degree}", where=where)
    if network == "barabasi-albert":
        return Network.barabasi_albert(n, half, stream)
    return Network.watts_strogatz(n, 2 * half, REWIRED, stream)


def side_by_side(networks: Sequence[Network]) -> Network:
    """Return networks without weights as one, the nodes of each numbered on from the one before.

    >>> side_by_side([Network.ring(3), Network.ring(4)]).neighbours(3).tolist()
    [4, 6]
    """
    if len(networks) == 1:
        return networks[0]
    first = np.cumsum([0, *(network.n for network in networks)])
    arcs = np.cumsum([0, *(network.arcs for network in networks)])
    parts = list(zip(networks, first, arcs, strict=False))
    offsets = [network.offsets[:-1] + np.uint64(at) for network, _, at in parts]
    targets = [network.targets + np.uint32(at) for network, at, _ in parts]
    return Network(
        np.concatenate([*offsets, [np.uint64(arcs[-1])]]),
        np.concatenate(targets),
        directed=any(network.directed for network in networks),
    )


def unweighted(network: Network, where: str) -> Network:
    """Return `network`, which must have no weights.

    Raises
    ------
    ParameterError
        If it has, since the world would ignore them.
    """
    if network.weights is not None:
        raise ParameterError(
            "expected a network without weights", where=where, mend="leave weights= out"
        )
    return network
