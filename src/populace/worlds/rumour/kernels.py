"""How messages travel: every sender's arcs walked once, each with a draw of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.kernel import philox
from populace.kernel.jit import jit
from populace.kernel.philox_jit import philox2x32, threshold32
from populace.kernel.threads import chunked
from populace.worlds.rumour.codes import CLAIM, NOBODY

_BLOCK = 4096  # messages that are gathered before they are handed over
_0, _1 = np.uint64(0), np.uint64(1)
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
    columns : claims, truths (uint16), cascade (uint32), depth (uint16), each of shape (n,)
        Counted up: messages of either sort that arrived. Set for those who hear the claim for the
        first time: which cascade it came by, and after how many steps. Among several who tell one
        of it in the same round, the first row counts. A sender of the claim must have a cascade.
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
    cascade: Any,
    depth: Any,
) -> Any:
    # Messages are gathered without a branch to mispredict, then handed over: loads of recipients,
    # which lie anywhere, are then under way many at once
    to, of = np.empty(_BLOCK, np.uint32), np.empty(_BLOCK, np.uint32)
    arrived, m = _0, _0
    for s in range(_0, np.uint64(senders.size)):
        i = np.uint64(senders[s])
        for e in range(offsets[i], offsets[i + _1]):
            to[m], of[m] = targets[e], s
            m += np.uint64(np.uint64(philox2x32(e, tick, key)[0]) < limit)
            if m == _BLOCK:
                _hand_over(to, of, m, senders, says, claims, truths, cascade, depth)
                arrived, m = arrived + m, _0
    _hand_over(to, of, m, senders, says, claims, truths, cascade, depth)
    return arrived + m


@jit
def _hand_over(
    to: Any,
    of: Any,
    m: Any,
    senders: Any,
    says: Any,
    claims: Any,
    truths: Any,
    cascade: Any,
    depth: Any,
) -> None:
    for k in range(_0, m):
        j = to[k]
        if says[of[k]] != CLAIM:
            truths[j] += truths[j] < _MOST
            continue
        claims[j] += claims[j] < _MOST
        if cascade[j] == NOBODY:
            i = senders[of[k]]
            cascade[j] = cascade[i]
            depth[j] = np.uint16(min(np.uint64(depth[i]) + _1, np.uint64(_MOST)))


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


@jit
def tally(rows: Any, cascade: Any, depth: Any, sizes: Any, depths: Any) -> None:
    """Count the agents of these rows in the sizes of their cascades, and the most steps in each."""
    for k in range(_0, np.uint64(rows.size)):
        i = rows[k]
        c = cascade[i]
        if c != NOBODY:
            sizes[c] += 1
            depths[c] = max(depths[c], np.int64(depth[i]))


def census(
    role: NDArray[np.uint8],
    belief: NDArray[np.uint8],
    heard: NDArray[np.bool_],
    attacked: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Count agents by role, belief, whether they heard of it and believed it after the attack.

    Returns
    -------
    int64 array of shape (3, 3, 2, 2)
    """
    parts = chunked(_census, len(role), role, belief, heard, attacked)
    return np.asarray(np.sum(parts, axis=0).reshape(3, 3, 2, 2))


@jit
def _census(start: int, stop: int, role: Any, belief: Any, heard: Any, attacked: Any) -> Any:
    found = np.zeros(36, np.int64)
    for i in range(np.uint64(start), np.uint64(stop)):
        found[((role[i] * 3 + belief[i]) * 2 + heard[i]) * 2 + attacked[i]] += 1
    return found
