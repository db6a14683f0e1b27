"""Counting infectious contacts from either end, and the draws of who catches it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.kernel.jit import jit
from populace.kernel.philox_jit import uniform2x32
from populace.kernel.threads import chunked, thread_count

# An edge walked from an infectious agent costs about 1.5 of one read by a susceptible agent: it
# writes where the other only reads.
PUSH_COST = 1.5
_BLOCK = 512


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
    cheaper one (compare direction-optimising search, Beamer, Asanović and Patterson 2012). Counts
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
    if direction == "auto":
        reading = len(susceptible) / thread_count()  # pull runs on all threads, push on one
        direction = "push" if PUSH_COST * np.count_nonzero(infectious) < reading else "pull"
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
def _push(rows: Any, offsets: Any, targets: Any, exposure: Any) -> None:
    for k in range(np.uint64(0), np.uint64(rows.size)):
        i = np.uint64(rows[k])
        for e in range(np.uint64(offsets[i]), np.uint64(offsets[i + np.uint64(1)])):
            exposure[targets[e]] += 1


@jit
def _pull(
    start: int,
    stop: int,
    rows: Any,
    offsets: Any,
    targets: Any,
    infectious: Any,
    exposure: Any,
) -> None:
    for k in range(np.uint64(start), np.uint64(stop)):
        i = np.uint64(rows[k])
        count = np.uint32(0)
        for e in range(np.uint64(offsets[i]), np.uint64(offsets[i + np.uint64(1)])):
            count += infectious[targets[e]]
        exposure[i] = count


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
    first, last = np.uint64(start), np.uint64(stop)
    while first < last:
        end, m = min(first + np.uint64(_BLOCK), last), np.uint64(0)
        for k in range(first, end):
            hit[k] = False
            exposed[m] = k
            m += np.uint64(exposure[rows[k]] > 0)
        for e in range(np.uint64(0), m):
            k = exposed[e]
            i = rows[k]
            hit[k] = uniform2x32(i, tick, key) < chance[protected[k], exposure[i]]
        first = end
