"""How messages travel: every sender's arcs walked once, each with a draw of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.kernel import philox
from populace.kernel.jit import jit
from populace.kernel.philox_jit import bernoulli2x32, threshold32
from populace.kernel.threads import chunked
from populace.worlds.rumour.codes import CLAIM, NOBODY

_1 = np.uint64(1)
_MOST = 2**16 - 1


def spread(
    network: Network,
    senders: NDArray[np.intp],
    says: NDArray[np.uint8],
    chance: float,
    tick: int,
    key: np.uint32,
    columns: tuple[Any, Any, Any, Any],
) -> int:
    """Send what each sender says along its arcs, and return how many messages arrived.

    Whether a message arrives is a draw keyed by its arc and the tick. Serial, since several
    senders write to one recipient; a sender's arcs are walked only when it says something.

    Parameters
    ----------
    network : Network
        Row i holds those whom i tells.
    senders : rows, ascending
    says : uint8 array of shape (senders,)
        1 the claim, 2 the truth.
    chance : float in [0, 1]
        That a message arrives.
    tick, key
        Of the draws (`Stream.key2`).
    columns : claims, truths (uint16), root (uint32), depth (uint16), each of shape (n,)
        Counted up: messages of either sort that arrived. Set for those who hear the claim for the
        first time: where it came from, and after how many steps. Among several who tell one of it
        in the same round, the first row counts. A sender of the claim must have a root.
    """
    offsets, targets, limit = network.offsets, network.targets, threshold32(chance)
    return int(_spread(offsets, targets, senders, says, limit, np.uint32(tick), key, *columns))


@jit
def _spread(
    offsets: Any,
    targets: Any,
    senders: Any,
    says: Any,
    limit: Any,
    tick: Any,
    key: Any,
    claims: Any,
    truths: Any,
    root: Any,
    depth: Any,
) -> Any:
    arrived = 0
    for s in range(np.uint64(0), np.uint64(senders.size)):
        i = np.uint64(senders[s])
        of, at = root[i], np.uint16(min(np.uint64(depth[i]) + _1, np.uint64(_MOST)))
        for e in range(offsets[i], offsets[i + _1]):
            if not bernoulli2x32(e, tick, key, limit):
                continue
            j = targets[e]
            arrived += 1
            if says[s] != CLAIM:
                truths[j] += truths[j] < _MOST
                continue
            claims[j] += claims[j] < _MOST
            if root[j] == NOBODY:
                root[j], depth[j] = of, at
    return arrived


def arrivals(
    network: Network, senders: NDArray[np.intp], chance: float, tick: int, key: np.uint32
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the messages that arrive in `spread`: positions in `senders`, and the rows they reach.

    The same draws in plain numpy, for talk, where each message is a text of its own.
    """
    first = network.offsets[senders].astype(np.int64)
    count = network.offsets[senders + 1].astype(np.int64) - first
    sender = np.repeat(np.arange(len(senders)), count)
    arc = np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    there = philox.bernoulli2x32(arc.astype(np.uint32), tick, int(key), threshold32(chance))
    return sender[there], network.targets[arc[there]].astype(np.int64)


def remember(
    claims: NDArray[np.uint16],
    truths: NDArray[np.uint16],
    retention: float,
    for_claim: NDArray[np.float32],
    for_truth: NDArray[np.float32],
    heard: NDArray[np.bool_],
) -> None:
    """Let what is remembered fade to `retention`, and add what arrived."""
    kept = np.float32(retention)
    chunked(_remember, len(heard), claims, truths, kept, for_claim, for_truth, heard)


@jit
def _remember(
    start: int,
    stop: int,
    claims: Any,
    truths: Any,
    retention: Any,
    for_claim: Any,
    for_truth: Any,
    heard: Any,
) -> None:
    for i in range(np.uint64(start), np.uint64(stop)):
        for_claim[i] = for_claim[i] * retention + np.float32(claims[i])
        for_truth[i] = for_truth[i] * retention + np.float32(truths[i])
        heard[i] |= (claims[i] | truths[i]) != 0
