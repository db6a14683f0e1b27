"""What agents hear of each other's opinions, and how opinions lie in clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.kernel.jit import jit
from populace.kernel.threads import chunked

F64 = NDArray[np.float64]


def average(network: Network, opinion: F64, own: float, out: F64) -> None:
    """Write ``own * x_i + (1 - own) * mean of neighbours``; who has none keeps its opinion."""
    if network.weights is not None:
        means = network.mean(opinion)
        mixed = own * opinion + (1.0 - own) * means
        out[:] = np.clip(np.where(np.isnan(means), opinion, mixed), 0.0, 1.0)  # rounding
        return
    chunked(_average, len(out), network.offsets, network.targets, opinion, own, out)


@jit
def _average(
    start: int, stop: int, offsets: Any, targets: Any, opinion: Any, own: float, out: Any
) -> None:
    for i in range(np.uint64(start), np.uint64(stop)):
        first, last = np.uint64(offsets[i]), np.uint64(offsets[i + np.uint64(1)])
        total = 0.0
        for e in range(first, last):
            total += opinion[targets[e]]
        mine = opinion[i]
        if last > first:
            mine = own * mine + (1.0 - own) * (total / np.float64(last - first))
        out[i] = mine


def average_near(network: Network, opinion: F64, confidence: float, out: F64) -> None:
    """Write the mean over oneself and the neighbours within `confidence`."""
    chunked(_average_near, len(out), network.offsets, network.targets, opinion, confidence, out)


@jit
def _average_near(
    start: int, stop: int, offsets: Any, targets: Any, opinion: Any, confidence: float, out: Any
) -> None:
    for i in range(np.uint64(start), np.uint64(stop)):
        mine = opinion[i]
        total, count = mine, 1.0
        for e in range(np.uint64(offsets[i]), np.uint64(offsets[i + np.uint64(1)])):
            theirs = opinion[targets[e]]
            near = 1.0 if abs(theirs - mine) <= confidence else 0.0  # a product, not a branch
            total += near * theirs
            count += near
        out[i] = total / count


def average_near_all(opinion: F64, confidence: float) -> F64:
    """Return the mean over all agents within `confidence`, oneself included, in n log n.

    In sorted order those within reach stand side by side, so that their sum is a difference of two
    running sums. Agents of one opinion share one mean: equal opinions stay equal to the bit.
    """
    values, place, count = np.unique(opinion, return_inverse=True, return_counts=True)
    first = np.searchsorted(values, values - confidence, side="left")
    last = np.searchsorted(values, values + confidence, side="right")
    sums = np.concatenate([[0.0], np.cumsum(values * count)])
    counts = np.concatenate([[0], np.cumsum(count)])
    means = (sums[last] - sums[first]) / (counts[last] - counts[first])
    return np.asarray(np.clip(means, values[first], values[last - 1])[place])  # rounding


def clusters(opinion: F64, confidence: float) -> NDArray[np.int64]:
    """Return the sizes of groups of opinions that lie more than `confidence` apart, ascending.

    Found without sorting: inside a bin narrower than `confidence` there is no such gap, so that
    the least and greatest opinion of each bin tell all gaps.
    """
    bins = int(1.0 / confidence) + 1
    count = np.zeros(bins, np.int64)
    least, most = np.full(bins, np.inf), np.full(bins, -np.inf)
    _extremes(opinion, count, least, most)
    kept = count > 0
    gaps = np.flatnonzero(least[kept][1:] - most[kept][:-1] > confidence)
    return np.asarray(np.add.reduceat(count[kept], np.concatenate([[0], gaps + 1])))


@jit
def _extremes(opinion: Any, count: Any, least: Any, most: Any) -> None:
    bins = count.size
    for i in range(opinion.size):
        x = opinion[i]
        b = min(np.int64(x * bins), bins - 1)
        count[b] += 1
        least[b] = min(least[b], x)
        most[b] = max(most[b], x)


def histogram(opinion: F64, bins: int) -> NDArray[np.int64]:
    """Return how many opinions lie in each of `bins` equal parts of [0, 1]."""
    count = np.zeros(bins, np.int64)
    _histogram(opinion, count)
    return count


@jit
def _histogram(opinion: Any, count: Any) -> None:
    bins = count.size
    for i in range(opinion.size):
        count[min(np.int64(opinion[i] * bins), bins - 1)] += 1
