"""Random graphs as edge arrays: uint32 of shape (m, 2). Every draw is from the stream given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.jit import jit
from populace.kernel.philox import log
from populace.kernel.philox_jit import philox2x32
from populace.kernel.streams import Stream
from populace.kernel.threads import chunked

Edges = NDArray[np.uint32]
_32 = np.uint64(32)
_EMPTY = np.uint64(2**64 - 1)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing (Knuth, TAOCP 3, 6.4)


@jit
def below2x32(agent: Any, attempt: Any, key: Any, span: Any) -> Any:
    """Return an integer in 0..span-1, span < 2**32: 64 bits times the span, upper word."""
    first, second = philox2x32(agent, attempt, key)
    span = np.uint64(span)
    return (np.uint64(second) * span + ((np.uint64(first) * span) >> _32)) >> _32


def _key(stream: Stream) -> np.uint32:
    """Return a key for counters (edge, attempt), which hold no tick: it must come from the tick."""
    return np.uint32(stream.bits(1)[0] >> _32)


# -- each of many pairs with the same small probability --------------------------------------------


@jit
def _walk(gaps: Any, rate: float, total: int, last: int, out: Any) -> Any:
    """Turn exponential gaps into indices; return how many, and the last."""
    for k in range(gaps.size):
        gap = gaps[k] / rate
        if gap >= total - 1 - last:
            return k, total
        last += 1 + int(gap)
        out[k] = last
    return gaps.size, last


def bernoulli_indices(total: int, p: float, stream: Stream) -> NDArray[np.int64]:
    """Return which of 0..total-1 are taken when each is with probability `p`, ascending.

    Skips from one to the next by geometric gaps, so the work is that of the indices taken:
    V. Batagelj and U. Brandes, "Efficient generation of large random networks", Physical Review E
    71, 036113 (2005).
    """
    if total == 0 or p == 0.0:
        return np.empty(0, np.int64)
    if p == 1.0:
        return np.arange(total)
    # log(1 - p), exact for small p as well: the error of 1 - p cancels in the quotient.
    rate = -float(log(np.array(1.0 - p))) * (p / (1.0 - (1.0 - p))) if 1.0 - p < 1.0 else p
    found, last = [], -1
    while last < total:
        expected = (total - 1 - last) * p
        gaps = stream.exponential(int(expected + 6 * expected**0.5) + 16)
        batch = np.empty(gaps.size, np.int64)
        count, last = _walk(gaps, rate, total, last, batch)
        found.append(batch[:count])
    return np.concatenate(found)


@jit
def _triangle(start: int, stop: int, index: Any, first: Any, out: Any) -> None:
    """Write the pair i > j of index i (i - 1) / 2 + j, nodes counted from `first`."""
    for k in range(start, stop):
        at = index[k]
        i = np.int64((1.0 + np.sqrt(1.0 + 8.0 * at)) / 2.0)
        while i * (i - 1) // 2 > at:
            i -= 1
        while i * (i + 1) // 2 <= at:
            i += 1
        out[k, 0] = first + at - i * (i - 1) // 2
        out[k, 1] = first + i


def within(n: int, first: int, p: float, stream: Stream) -> Edges:
    """Join each pair of the nodes first..first+n-1 with probability `p`."""
    index = bernoulli_indices(n * (n - 1) // 2, p, stream)
    edges = np.empty((index.size, 2), np.uint32)
    chunked(_triangle, index.size, index, first, edges)
    return edges


def between(rows: range, columns: range, p: float, stream: Stream) -> Edges:
    """Join each node of one range to each of the other with probability `p`."""
    index = bernoulli_indices(len(rows) * len(columns), p, stream)
    edges = np.empty((index.size, 2), np.uint32)
    if index.size:
        edges[:, 0], edges[:, 1] = np.divmod(index, len(columns))
        edges += np.array([rows.start, columns.start], np.uint32)
    return edges


def arcs(n: int, p: float, stream: Stream) -> Edges:
    """Draw each ordered pair of different nodes with probability `p`."""
    index = bernoulli_indices(n * (n - 1), p, stream)
    edges = np.empty((index.size, 2), np.uint32)
    if index.size:
        edges[:, 0], edges[:, 1] = np.divmod(index, n - 1)
        edges[:, 1] += edges[:, 1] >= edges[:, 0]  # the column of the node itself is left out
    return edges


# -- configuration model ---------------------------------------------------------------------------


@jit
def _shuffle(values: Any, bits: Any, top: int) -> None:
    """Fisher and Yates' exchanges at places top, top - 1, ...; one 64-bit draw each."""
    for k in range(bits.size):
        span = np.uint64(top - k + 1)
        high, low = bits[k] >> _32, bits[k] & np.uint64(0xFFFFFFFF)
        j = (high * span + ((low * span) >> _32)) >> _32
        values[top - k], values[j] = values[j], values[top - k]


def pair_stubs(degrees: NDArray[np.int64], stream: Stream) -> Edges:
    """Pair the ends of nodes at random: every pairing of the ends is equally likely."""
    ends = np.repeat(np.arange(degrees.size, dtype=np.uint32), degrees)
    top = ends.size - 1
    while top > 0:
        block = min(top, 1 << 20)
        _shuffle(ends, stream.bits(block), top)
        top -= block
    return ends.reshape(-1, 2)


# -- preferential attachment -----------------------------------------------------------------------


@jit
def _attach(n: int, m: int, key: Any, edges: Any) -> None:
    """Each end of each earlier edge is one chance to be chosen: chances go by degree."""
    ends = edges.reshape(-1)
    for s in range(m):
        edges[s, 0], edges[s, 1] = m, s
    for v in range(m + 1, n):
        base = (v - m) * m
        for s in range(m):
            attempt = np.uint32(0)
            while True:
                at = below2x32(np.uint32(base + s), attempt, key, 2 * base)
                attempt += np.uint32(1)
                target = ends[at]
                fresh = True
                for earlier in range(base, base + s):
                    fresh &= edges[earlier, 1] != target
                if fresh:
                    break
            edges[base + s, 1] = target
            edges[base + s, 0] = v


def attach(n: int, m: int, stream: Stream) -> Edges:
    """Add nodes to a star of m + 1, each joined to m different nodes by their degrees."""
    edges = np.empty(((n - m) * m, 2), np.uint32)
    _attach(n, m, _key(stream), edges)
    return edges


# -- small worlds ----------------------------------------------------------------------------------


@jit
def _rewire(n: int, half: int, moved: Any, key: Any, bits: int, edges: Any) -> None:
    """Give edges marked in `moved` a new far end: any node that is not yet a neighbour.

    Edge d n + i is that of the ring from i to i + d + 1. Lattice edges are looked up by their
    number, new ones in a hash table of open addressing.
    """
    table = np.full(np.uint64(1) << np.uint64(bits), _EMPTY)
    wrap, shift = np.uint64(table.size - 1), np.uint64(64 - bits)
    gone = np.zeros(moved.size, np.uint8)
    degree = np.full(n, 2 * half, np.uint32)
    for e in range(moved.size):
        i = e % n
        edges[e, 0], edges[e, 1] = i, (i + e // n + 1) % n
        if not moved[e] or degree[i] >= n - 1:
            continue
        attempt = np.uint32(0)
        while True:
            j = np.int64(below2x32(np.uint32(e), attempt, key, n))
            attempt += np.uint32(1)
            if j == i:
                continue
            ahead = (j - i) % n
            if ahead <= half and gone[(ahead - 1) * n + i] == 0:
                continue
            if n - ahead <= half and gone[(n - ahead - 1) * n + j] == 0:
                continue
            low, high = (i, j) if i < j else (j, i)
            name = (np.uint64(low) << _32) | np.uint64(high)
            slot = (name * _GOLDEN) >> shift
            while table[slot] != _EMPTY and table[slot] != name:
                slot = (slot + np.uint64(1)) & wrap
            if table[slot] == _EMPTY:
                break
        table[slot] = name
        gone[e] = 1
        degree[edges[e, 1]] -= np.uint32(1)
        degree[j] += np.uint32(1)
        edges[e, 1] = j


def rewire(n: int, k: int, p: float, stream: Stream) -> Edges:
    """Rewire each edge of a ring of `k` nearest neighbours with probability `p`."""
    moved = stream.bernoulli(n * (k // 2), p)
    bits = max(4, int(2 * np.count_nonzero(moved)).bit_length())
    edges = np.empty((moved.size, 2), np.uint32)
    _rewire(n, k // 2, moved, _key(stream), bits, edges)
    return edges
