"""Columns of any Python values: texts, tuples, mappings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def column(values: Sequence[Any]) -> NDArray[Any]:
    """Return values as an object array of shape (n,), one an agent, whatever they are.

    >>> column([("a", "b"), ("c", "d")]).shape  # numpy by itself would make it (2, 2)
    (2,)
    """
    made = np.empty(len(values), object)
    for i, value in enumerate(values):
        made[i] = value
    return made
