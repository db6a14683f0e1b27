"""Choosing by weight: the inverse distribution function, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def by_weight(weights: NDArray[Any], draws: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return an option a row, drawn with probability proportional to its weight.

    The smallest option whose cumulated weight exceeds ``draw * total`` (Devroye 1986, *Non-Uniform
    Random Variate Generation*, section III.2); an option of weight 0 is never chosen.

    Parameters
    ----------
    weights : array of shape (options, n), at least 0, columns summing to something positive
        Overwritten by its cumulated sums.
    draws : float64 array of shape (n,)
        Uniform in [0, 1).
    """
    np.cumsum(weights, axis=0, out=weights)
    return np.asarray((weights[:-1] <= draws * weights[-1]).sum(axis=0))


def best(values: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return a column of largest value a row, of equals each with the same chance.

    Parameters
    ----------
    values : float64 array of shape (n, options)
    draws : float64 array of shape (n,)
        Uniform in [0, 1).
    """
    top = values == values.max(axis=1, keepdims=True)
    which = (draws * top.sum(axis=1)).astype(np.int64)
    return np.asarray((top.cumsum(axis=1) > which[:, None]).argmax(axis=1))
