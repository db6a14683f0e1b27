"""Arms: the few actions that a learner tells apart, of a `Choice` or of a grid over a `Number`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, PolicyError
from populace.kernel.spaces import Choice, Number, Space

Grid = int | Sequence[float]


def check_grid(grid: Grid, where: str) -> Grid:
    """Return how a number is divided: into so many equal steps, or into these values.

    Raises
    ------
    ParameterError
    """
    if isinstance(grid, (int, np.integer)) and not isinstance(grid, bool) and grid >= 2:
        return int(grid)
    if not isinstance(grid, (str, int)) and isinstance(grid, Sequence):
        values = [float(v) for v in grid if isinstance(v, (int, float))]
        if len(values) == len(grid) == len(set(values)) >= 2 and np.isfinite(values).all():
            return tuple(values)
    raise ParameterError(
        f"expected arms as a number from 2 on, or as 2 or more different numbers, got {grid!r:.80}",
        where=where,
    )


def names_of(space: Space, grid: Grid) -> tuple[str, ...]:
    """Return the names of the arms; none where a space has no arms."""
    if isinstance(space, Choice):
        return space.options
    if not isinstance(space, Number):
        return ()
    if isinstance(grid, int):
        return tuple(f"{i}/{grid - 1}" for i in range(grid))
    return tuple(f"{value:g}" for value in grid)


def played(space: Space, arm: NDArray[np.int64], grid: Grid, where: str) -> NDArray[Any]:
    """Return arms as values of the space.

    Of g equal steps, arm i is ``low + (high - low) i / (g - 1)`` between each agent's bounds of
    today; a value of one's own that today's bounds do not allow is the nearest that they do. Whole
    numbers are rounded.

    Raises
    ------
    PolicyError
        If a number has no bounds to divide.
    """
    if not isinstance(space, Number):
        return arm
    low, high = space.low, space.high
    if space.integer:
        low, high = np.ceil(low), np.floor(high)
    if isinstance(grid, int):
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise PolicyError(
                f"{space.describe()} has no bounds to divide into {grid} arms",
                where=where,
                mend="give the arms as numbers: arms=[0, 1, 5]",
            )
        values = low + (high - low) * (arm / (grid - 1))
    else:
        values = np.asarray(grid)[arm]
    if space.integer:
        values = np.rint(values)
    return np.clip(values, low, high)
