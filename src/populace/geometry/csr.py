"""Compressed sparse rows: building them by counting, and sums along them. All kernels.

Row i of a graph is ``targets[offsets[i]:offsets[i + 1]]``. Loop counters are unsigned, which
spares the test for negative indices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.jit import jit

_1 = np.uint64(1)


@jit
def _tally(edges: Any, end: int, counts: Any) -> None:
    for e in range(np.uint64(edges.shape[0])):
        counts[edges[e, end]] += _1


@jit
def _scatter(edges: Any, weights: Any, end: int, cursor: Any, targets: Any, out: Any) -> None:
    """Put each edge at the next free place of the row of its `end`: the other end is its target.

    `cursor` holds the next free place of each row.
    """
    weighted = weights.size > 0
    for e in range(np.uint64(edges.shape[0])):
        row = edges[e, end]
        at = cursor[row]
        targets[at] = edges[e, 1 - end]
        cursor[row] = at + _1
        if weighted:
            out[at] = weights[e]


@jit
def _turn(offsets: Any, targets: Any, weights: Any, cursor: Any, out: Any, to_weights: Any) -> None:
    """Write the transposed rows. They come out sorted, since rows are read in their order."""
    weighted = weights.size > 0
    for i in range(np.uint64(offsets.size - 1)):
        for j in range(offsets[i], offsets[i + _1]):
            row = targets[j]
            at = cursor[row]
            out[at] = i
            cursor[row] = at + _1
            if weighted:
                to_weights[at] = weights[j]


@jit
def _keep(offsets: Any, targets: Any, weights: Any, kept: Any) -> Any:
    """Count the arcs of each row but loops and repeats; return whether repeats differ in weight."""
    unequal = False
    for i in range(np.uint64(kept.size)):
        count = np.uint64(0)
        for j in range(offsets[i], offsets[i + _1]):
            if targets[j] == i:
                continue
            if j > offsets[i] and targets[j] == targets[j - _1]:
                unequal |= weights.size > 0 and weights[j] != weights[j - _1]
                continue
            count += _1
        kept[i] = count
    return unequal


@jit
def _compact(old: Any, targets: Any, weights: Any, new: Any, to: Any, to_weights: Any) -> None:
    for i in range(np.uint64(old.size - 1)):
        at = new[i]
        for j in range(old[i], old[i + _1]):
            if targets[j] == i or (j > old[i] and targets[j] == targets[j - _1]):
                continue
            to[at] = targets[j]
            if weights.size > 0:
                to_weights[at] = weights[j]
            at += _1


def _offsets(counts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    offsets = np.zeros(counts.size + 1, np.uint64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _transposed(
    turned: NDArray[np.uint64],
    targets: NDArray[np.uint32],
    weights: NDArray[np.float32],
    offsets: NDArray[np.uint64],
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    out, held = np.empty_like(targets), np.empty_like(weights)
    _turn(turned, targets, weights, offsets[:-1].copy(), out, held)
    return out, held


def build(
    n: int,
    edges: NDArray[np.uint32],
    weights: NDArray[np.float32] | None,
    both: bool,
    simple: bool,
) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.float32] | None, bool]:
    """Return offsets, targets and weights of the rows, each sorted.

    Two passes of a counting sort: by second end, then, stable, by first end.

    Parameters
    ----------
    n : int
        Nodes.
    edges : uint32 array of shape (m, 2), below n
    weights : float32 array of shape (m,), or None
    both : bool
        Store each edge as an arc from either end.
    simple : bool
        Drop loops and repeated arcs.

    Returns
    -------
    offsets : uint64 (n + 1,)
    targets : uint32 (arcs,)
    weights : float32 (arcs,) or None
    unequal : bool
        Whether repeated arcs that were dropped differed in weight.
    """
    given = np.empty(0, np.float32) if weights is None else weights
    arcs = len(edges) * (2 if both else 1)
    counts = np.zeros((2, n), np.uint64)  # of first and of second ends
    _tally(edges, 0, counts[0])
    _tally(edges, 1, counts[1])
    if both:
        counts[:] = counts.sum(axis=0, dtype=np.uint64)
    turned = _offsets(counts[1])
    cursor, targets = turned[:-1].copy(), np.empty(arcs, np.uint32)
    held = np.empty(0 if weights is None else arcs, np.float32)
    _scatter(edges, given, 1, cursor, targets, held)
    if both:
        _scatter(edges, given, 0, cursor, targets, held)
    offsets = _offsets(counts[0])
    targets, held = _transposed(turned, targets, held, offsets)
    unequal = False
    if simple:
        unequal = bool(_keep(offsets, targets, held, counts[0]))
        new = _offsets(counts[0])
        if int(new[-1]) < arcs:
            to = np.empty(int(new[-1]), np.uint32)
            to_held = np.empty(0 if weights is None else to.size, np.float32)
            _compact(offsets, targets, held, new, to, to_held)
            offsets, targets, held = new, to, to_held
    return offsets, targets, None if weights is None else held, unequal


# -- along the rows --------------------------------------------------------------------------------


@jit
def count_rows(start: int, stop: int, offsets: Any, targets: Any, mask: Any, out: Any) -> None:
    """Count the set bytes of `mask` along each row."""
    for i in range(np.uint64(start), np.uint64(stop)):
        total = np.uint32(0)
        for j in range(offsets[i], offsets[i + _1]):
            total += np.uint32(mask[targets[j]])
        out[i] = total


@jit
def push_rows(rows: Any, offsets: Any, targets: Any, out: Any) -> None:
    """Add one at every target of the rows listed."""
    for k in range(np.uint64(rows.size)):
        i = np.uint64(rows[k])
        for j in range(offsets[i], offsets[i + _1]):
            out[targets[j]] += np.uint32(1)


@jit
def sum_rows(start: int, stop: int, offsets: Any, targets: Any, values: Any, out: Any) -> None:
    """Add `values` along each row, in the order of the row and the precision of `out`."""
    for i in range(np.uint64(start), np.uint64(stop)):
        total = out[i] * 0
        for j in range(offsets[i], offsets[i + _1]):
            total += values[targets[j]]
        out[i] = total


@jit
def weigh_rows(
    start: int, stop: int, offsets: Any, targets: Any, weights: Any, values: Any, out: Any
) -> None:
    """Add `values` times the arcs' weights along each row, in float64."""
    for i in range(np.uint64(start), np.uint64(stop)):
        total = 0.0
        for j in range(offsets[i], offsets[i + _1]):
            total += np.float64(weights[j]) * np.float64(values[targets[j]])
        out[i] = total


@jit
def add_rows(start: int, stop: int, offsets: Any, weights: Any, out: Any) -> None:
    """Add the arcs' weights along each row, in float64."""
    for i in range(np.uint64(start), np.uint64(stop)):
        total = 0.0
        for j in range(offsets[i], offsets[i + _1]):
            total += np.float64(weights[j])
        out[i] = total


@jit
def sources(start: int, stop: int, offsets: Any, out: Any) -> None:
    """Write to each arc the row that it leaves."""
    for i in range(np.uint64(start), np.uint64(stop)):
        for j in range(offsets[i], offsets[i + _1]):
            out[j] = i
