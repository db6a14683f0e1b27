"""The trade of each pair, in whole units of money."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.jit import jit
from populace.kernel.philox_jit import uniform2x32
from populace.kernel.streams import Stream
from populace.kernel.threads import chunked


def trade(
    money: NDArray[np.int64], save: NDArray[np.float64], order: NDArray[np.uint32], stream: Stream
) -> None:
    """Let the agents ``order[2k]`` and ``order[2k + 1]`` divide what they stake, at random.

    Parameters
    ----------
    money : int64 array of shape (n,), in units; changed in place, its sum kept.
    save : float64 array of shape (n,)
        Share of its money that each agent keeps out, rounded down to whole units.
    order : agents, every one at most once; an odd last one does not trade.
    stream : Stream
        One draw a pair, keyed by its first agent.
    """
    key, tick = stream.key2(), np.uint32(stream.tick)
    chunked(_trade, len(order) // 2, order, money, save, tick, key)


@jit
def _trade(start: int, stop: int, order: Any, money: Any, save: Any, tick: Any, key: Any) -> None:
    for k in range(np.uint64(start), np.uint64(stop)):
        i, j = order[np.uint64(2) * k], order[np.uint64(2) * k + np.uint64(1)]
        kept_i, kept_j = np.int64(save[i] * money[i]), np.int64(save[j] * money[j])
        pot = money[i] - kept_i + money[j] - kept_j
        share = min(np.int64(uniform2x32(i, tick, key) * (pot + 1)), pot)
        money[i], money[j] = kept_i + share, kept_j + pot - share
