"""The measures of GovSim (Piatti et al. 2024, arXiv:2404.16698, section 3.3), a number a game."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from populace.worlds.commons.resource import Floats, Resource


def equality(gains: Floats, members: NDArray[np.bool_]) -> Floats:
    """Return one less the Gini coefficient of the members' gains, float64 of shape (games,).

    ``e = 1 - sum_ij |R_i - R_j| / (2 n sum_i R_i)``; NaN where nobody has gained.

    Parameters
    ----------
    gains, members : arrays of shape (games, seats)
    """
    both = members[:, :, None] & members[:, None, :]
    apart = np.where(both, np.abs(gains[:, :, None] - gains[:, None, :]), 0).sum(axis=(1, 2))
    n, total = members.sum(axis=1), np.where(members, gains, 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, 1 - apart / (2 * n * total), np.nan)


def efficiency(
    total: Floats, resource: Resource, months: int, survived: NDArray[np.bool_]
) -> Floats:
    """Return how near a group's total is to the sustained one, float64 of shape (games,).

    Of a good ``u = 1 - max(0, T f(0) - R) / (T f(0))``, R the total gain over T months. Of a bad
    the total is effort, so the sign is turned: ``1 - max(0, R - R*) / R*``, R* the least that
    survives, at worst 0, and 0 where the game did not survive.
    """
    goal = resource.sustained(months)
    if not resource.bad:
        return np.asarray(1 - np.maximum(0.0, goal - total) / goal)
    spared = np.maximum(0.0, 1 - np.maximum(0.0, total - goal) / goal)
    return np.where(survived, spared, 0.0)
