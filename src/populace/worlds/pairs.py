"""Random disjoint pairs of agents, for worlds in which two agents meet at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.geometry.generate import below2x32
from populace.kernel.jit import jit
from populace.kernel.streams import Stream


def shuffled(n: int, stream: Stream) -> NDArray[np.uint32]:
    """Return ``0..n-1`` in random order: Fisher and Yates, one 64-bit draw a place.

    Quicker than sorting by keys, which `Stream.permutation` does so that an order of a subset is
    the order of the whole.
    """
    order = np.empty(n, np.uint32)
    _shuffle(order, np.uint32(stream.tick), stream.key2())
    return order


@jit
def _shuffle(order: Any, tick: Any, key: Any) -> None:
    for i in range(np.uint64(0), np.uint64(order.size)):  # inside out: place i among 0..i
        j = below2x32(np.uint32(i), tick, key, i + np.uint64(1))
        order[i] = order[j]
        order[j] = np.uint32(i)


def matched(n: int, network: Network | None, stream: Stream) -> NDArray[np.int64]:
    """Return whom each of `n` agents meets, -1 for nobody; int64 of shape (n,).

    Without a network all pairings are equally likely, and at most one agent is left alone. On a
    network agents take their turn in random order: one that is still free picks one of its
    neighbours at random, and they meet if that one is free too.
    """
    order = shuffled(n, stream)
    partner = np.full(n, -1, np.int64)
    if network is None:
        left, right = order[0 : n - 1 : 2], order[1:n:2]
        partner[left], partner[right] = right, left
    else:
        tick, key = np.uint32(stream.tick), stream.key2()
        _meet(order, network.offsets, network.targets, tick, key, partner)
    return partner


@jit
def _meet(order: Any, offsets: Any, targets: Any, tick: Any, key: Any, partner: Any) -> None:
    for k in range(np.uint64(0), np.uint64(order.size)):
        i = order[k]
        first = np.uint64(offsets[i])
        degree = np.uint64(offsets[np.uint64(i) + np.uint64(1)]) - first
        if partner[i] >= 0 or degree == 0:
            continue
        j = targets[first + below2x32(i, tick, key, degree)]
        if partner[j] < 0 and j != i:
            partner[i], partner[j] = j, i
