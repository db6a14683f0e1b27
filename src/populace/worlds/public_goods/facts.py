"""What is known of the linear public good, in closed form (notation of Fehr and Gächter).

Of n members with endowment y, each gives g_i of it; all get ``a`` times the sum (a the marginal
per-capita return, 1/n < a < 1). A point costs who assigns it `cost` and who receives it `impact`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def payoffs(given: ArrayLike, endowment: float, mpcr: float) -> NDArray[np.float64]:
    """Return ``pi_i = y - g_i + a sum_j g_j`` of groups, shape (..., n) like `given`."""
    given = np.asarray(given, np.float64)
    return np.asarray(endowment - given + mpcr * given.sum(axis=-1, keepdims=True))


def slope(mpcr: float, impact: float, severity: float, punishers: int) -> float:
    """Return what a unit more earns its giver before `punishers` full contributors.

    ``a - 1`` without punishment: to give nothing is dominant. With `severity` points from each for
    every unit not given it is ``a - 1 + impact severity punishers``; above 0, where the fines
    exceed ``1 - a``, to give everything is the best reply (as long as points are below their most).
    """
    return mpcr - 1 + impact * severity * punishers


def fixed_point(slope: float, intercept: float, members: int, free_riders: int = 0) -> float:
    """Return where the contributions of a group's conditional cooperators settle, in units.

    They follow ``c' = intercept + slope c (n - k - 1)/(n - 1)`` beside k free riders, which has
    the fixed point ``intercept / (1 - slope (n - k - 1)/(n - 1))`` if that slope is below 1.
    """
    return intercept / (1 - slope * (members - free_riders - 1) / (members - 1))
