"""Distinct rows of coded columns, without comparing or making strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TABLE = 1 << 22  # a range of codes up to this is marked in a table instead of sorted


def factorise(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return codes (n,) and the distinct values that they stand for, in ascending order.

    Texts and other objects are coded in the order of their first appearance.
    """
    if values.dtype == np.bool_:
        codes, keys = factorise(values.view(np.uint8))
        return codes, keys.astype(np.bool_)
    if values.dtype.kind == "O":
        return _objects(values)
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < max(_TABLE, 256):
            return _marked(values, low, high - low + 1)
    keys, codes = np.unique(values, return_inverse=True)
    return codes, keys


def _marked(values: NDArray[Any], low: int, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Factorise integers of a small range by a table of those that occur."""
    shifted = values if low == 0 else values.astype(np.int64) - low
    seen = np.zeros(width, np.bool_)
    seen[shifted] = True
    found = np.flatnonzero(seen)
    table = np.zeros(width, np.min_scalar_type(max(len(found) - 1, 0)))
    table[found] = np.arange(len(found))
    return table[shifted], (found + low).astype(values.dtype)


def _objects(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    places: dict[Any, int] = {}
    found = [places.setdefault(value, len(places)) for value in values.tolist()]
    codes = np.array(found, np.int64)
    keys = np.empty(len(places), object)
    keys[:] = list(places)
    return codes, keys


def merged(codes: NDArray[Any], words: Sequence[str]) -> tuple[NDArray[Any], list[str]]:
    """Give codes with the same words one code."""
    distinct = list(dict.fromkeys(words))
    if len(distinct) == len(words):
        return codes, distinct
    place = {word: i for i, word in enumerate(distinct)}
    table = np.array([place[word] for word in words], np.min_scalar_type(len(distinct)))
    return table[codes], distinct


def rows(columns: Sequence[tuple[NDArray[Any], int]], n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find the distinct rows of some coded columns.

    Parameters
    ----------
    columns : sequence of (codes of shape (n,), number of codes)
    n : int
        How many rows.

    Returns
    -------
    index : integer array of shape (n,)
        Which distinct row each row is; distinct rows are numbered in the order of their codes.
    first : intp array
        Where each distinct row first stands.

    Notes
    -----
    Columns are joined to one mixed-radix number, which is made small again after each column, so
    that a table of those that occur does in place of sorting.
    """
    key: NDArray[Any] = np.zeros(n, np.int32)
    width = 1
    for codes, size in columns:
        if size == 1:
            continue
        room = width * size
        dtype = np.int64 if room >= 2**31 else np.int32
        joined: NDArray[Any] = np.multiply(key, size, dtype=dtype)
        joined += codes.astype(dtype, copy=False)
        if room <= _TABLE:
            key, width = joined, room
        else:
            key, keys = factorise(joined)
            width = len(keys)
    index, keys = factorise(key)
    first = np.empty(len(keys), np.intp)
    first[index[::-1]] = np.arange(n - 1, -1, -1)  # the last assignment, of the first place, stays
    return index, first
