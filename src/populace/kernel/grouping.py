"""Splitting agents by a small code in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.jit import jit


@jit
def _count(codes: Any, counts: Any) -> None:
    for code in codes:
        counts[code] += 1


@jit
def _scatter(codes: Any, next_place: Any, positions: Any) -> None:
    for i in range(len(codes)):
        code = codes[i]
        positions[next_place[code]] = i
        next_place[code] += 1


def positions_by_code(codes: NDArray[np.uint8], k: int) -> list[NDArray[np.intp]]:
    """Return, for each code 0..k-1, the ascending positions where it stands in `codes`.

    A counting sort: two passes over the codes, whatever `k`.
    """
    counts = np.zeros(256, np.int64)
    _count(codes, counts)
    counts = counts[:k]
    ends = np.cumsum(counts)
    positions = np.empty(len(codes), np.intp)
    _scatter(codes, ends - counts, positions)
    return np.split(positions, ends[:-1])
