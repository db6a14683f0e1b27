"""Checks of input that the rooms of geometry share; each refusal says what came."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError

IDS = 2**32


def count(value: Any, what: str, where: str, low: int = 0, high: int = IDS - 1) -> int:
    """Return `value` as an int in low..high, or raise ParameterError."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ParameterError(f"expected {what} as an integer, got {value!r}", where=where) from None
    if isinstance(value, bool) or not low <= number <= high:
        raise ParameterError(f"expected {what} in {low}..{high}, got {value!r}", where=where)
    return number


def probability(value: Any, what: str, where: str) -> float:
    """Return `value` as a float in [0, 1], or raise ParameterError."""
    number = real(value, what, where)
    if not 0 <= number <= 1:
        raise ParameterError(f"expected {what} in [0, 1], got {value!r}", where=where)
    return number


def real(value: Any, what: str, where: str) -> float:
    """Return `value` as a finite float, or raise ParameterError."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ParameterError(f"expected {what} as a number, got {value!r}", where=where) from None
    if not math.isfinite(number):
        raise ParameterError(f"expected a finite {what}, got {value!r}", where=where)
    return number


def integers(
    values: Any, what: str, where: str, low: int = 0, high: int = IDS - 1
) -> NDArray[np.int64]:
    """Return a one-dimensional array of int64 in low..high, or raise ParameterError."""
    array = np.asarray(values)
    if array.size == 0 and array.ndim == 1:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        came = f"{array.dtype} of shape {array.shape}"
        raise ParameterError(f"expected {what} as a row of integers, got {came}", where=where)
    if array.min() < low or array.max() > high:
        came = f"{array.min()} to {array.max()}"
        raise ParameterError(f"expected {what} in {low}..{high}, got {came}", where=where)
    return array.astype(np.int64, copy=False)


def aligned(values: Any, n: int, what: str, where: str) -> NDArray[Any]:
    """Return a contiguous bool, integer or float array of shape (n,), or raise ParameterError.

    Narrow integers become int64 and half precision float64, so that kernels see few types.
    """
    array = np.asarray(values)
    if array.shape != (n,) or array.dtype.kind not in "biuf":
        came = f"{array.dtype} of shape {array.shape}"
        raise ParameterError(f"expected {what} as numbers of shape ({n},), got {came}", where=where)
    if array.dtype.kind in "iu":
        array = array.astype(np.int64, copy=False)
    elif array.dtype.kind == "f" and array.dtype != np.float32:
        array = array.astype(np.float64, copy=False)
    return np.ascontiguousarray(array)


def mask(values: Any, n: int, where: str) -> NDArray[np.uint8]:
    """Return a bool array of shape (n,) as bytes, or raise ParameterError."""
    array = np.asarray(values)
    if array.shape != (n,) or array.dtype != np.bool_:
        came = f"{array.dtype} of shape {array.shape}"
        raise ParameterError(f"expected a bool mask of shape ({n},), got {came}", where=where)
    return np.ascontiguousarray(array).view(np.uint8)
