"""Counting infectious contacts from either end, and the draws of who catches it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.kernel.jit import jit
from populace.kernel.philox_jit import uniform2x32
from populace.kernel.threads import chunked, thread_count

_BLOCK = 64  # agents whose rows are fetched together
_1, _0 = np.uint64(1), np.uint64(0)


def count_infectious(
    network: Network,
    back: Network,
    infectious: NDArray[np.bool_],
    susceptible: NDArray[np.intp],
    exposure: NDArray[Any],
    direction: str = "auto",
) -> None:
    """Write into `exposure` how many infectious neighbours each susceptible agent has.

    *Push* walks the edges of the infectious, *pull* those of the susceptible; "auto" takes the
    fewer agents (compare direction-optimising search, Beamer, Asanović and Patterson 2012). Counts
    of the susceptible are the same integers either way; those of others mean nothing.

    Parameters
    ----------
    network : Network
        Row i holds those whom i may infect.
    back : Network
        Its transpose, which of an undirected network is the network itself.
    infectious : bool array of shape (n,)
    susceptible : rows, ascending
    exposure : unsigned array of shape (n,), overwritten; must hold the highest in-degree.
    direction : "auto", "push" or "pull"
    """
    if direction == "auto":  # pull runs on all threads, push on one
        pulling = len(susceptible) / thread_count()
        direction = "push" if np.count_nonzero(infectious) <= pulling else "pull"
    if direction == "push":
        exposure[:] = 0
        _push(np.flatnonzero(infectious), network.offsets, network.targets, exposure)
    else:
        table = infectious.view(np.uint8)
        chunked(
            _pull,
            len(susceptible),
            susceptible,
            back.offsets,
            back.targets,
            table,
            exposure,
        )


@jit
def _fetch(rows: Any, start: Any, m: Any, offsets: Any, targets: Any, first: Any, last: Any) -> Any:
    """Look up where the rows of a block begin and end, and touch their targets.

    The loads of a whole block are under way at once; in the loop over the rows themselves each
    would wait behind the mispredicted end of the row before it. Halves the time where the rows are
    few and far between. The value returned keeps the touching from being optimised away.
    """
    touched, highest = np.uint32(0), np.uint64(targets.size - 1)
    for k in range(_0, m):
        i = np.uint64(rows[start + k])
        first[k], last[k] = offsets[i], offsets[i + _1]
    for k in range(_0, m):
        touched ^= targets[min(first[k], highest)]
        touched ^= targets[min(last[k], highest)]
    return touched


@jit
def _push(rows: Any, offsets: Any, targets: Any, exposure: Any) -> Any:
    first, last = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint64)
    at, stop, touched = _0, np.uint64(rows.size), np.uint32(0)
    while at < stop and targets.size:
        m = min(np.uint64(_BLOCK), stop - at)
        touched ^= _fetch(rows, at, m, offsets, targets, first, last)
        for k in range(_0, m):
            for e in range(first[k], last[k]):
                exposure[targets[e]] += 1
        at += m
    return touched


@jit
def _pull(
    start: int, stop: int, rows: Any, offsets: Any, targets: Any, infectious: Any, exposure: Any
) -> Any:
    first, last = np.zeros(_BLOCK, np.uint64), np.zeros(_BLOCK, np.uint64)
    at, end, touched = np.uint64(start), np.uint64(stop), np.uint32(0)
    while at < end:
        m = min(np.uint64(_BLOCK), end - at)
        if targets.size:
            touched ^= _fetch(rows, at, m, offsets, targets, first, last)
        for k in range(_0, m):
            count = np.uint32(0)
            for e in range(first[k], last[k]):
                count += infectious[targets[e]]
            exposure[rows[at + k]] = count
        at += m
    return touched


def catch(
    susceptible: NDArray[np.intp],
    exposure: NDArray[Any],
    protected: NDArray[np.uint8],
    chance: NDArray[np.float64],
    tick: int,
    key: np.uint32,
) -> NDArray[np.bool_]:
    """Return who of the susceptible is infected: one draw each, below ``chance[protected, count]``.

    The draw is keyed by agent and tick, and the count is an integer; so the result depends on
    neither the direction of counting nor the number of threads.
    """
    hit = np.empty(len(susceptible), np.bool_)
    chunked(_catch, len(hit), susceptible, exposure, protected, chance, np.uint32(tick), key, hit)
    return hit


@jit
def _catch(
    start: int,
    stop: int,
    rows: Any,
    exposure: Any,
    protected: Any,
    chance: Any,
    tick: Any,
    key: Any,
    hit: Any,
) -> None:
    # Block by block: first who is exposed at all, without a branch to mispredict; then their draws
    exposed = np.empty(_BLOCK, np.uint64)
    at, end = np.uint64(start), np.uint64(stop)
    while at < end:
        last, m = min(at + np.uint64(_BLOCK), end), _0
        for k in range(at, last):
            hit[k] = False
            exposed[m] = k
            m += np.uint64(exposure[rows[k]] > 0)
        for e in range(_0, m):
            k = exposed[e]
            i = rows[k]
            hit[k] = uniform2x32(i, tick, key) < chance[protected[k], exposure[i]]
        at = last
