"""Shares by name, as ``tit_for_tat=2,defect=1``, for worlds whose agents start with a strategy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, nearest


def named_shares(text: str, known: Iterable[str], where: str) -> dict[str, float]:
    """Read shares by name; a name alone has share 1.

    Raises
    ------
    ParameterError
        For an unknown or repeated name, a share that is negative or no number, or none above 0.

    Examples
    --------
    >>> named_shares("give=2,keep", ["give", "keep"], "doc")
    {'give': 2.0, 'keep': 1.0}
    """
    names, shares = list(known), dict[str, float]()
    for item in text.split(","):
        name, equals, share = (part.strip() for part in item.partition("="))
        if name not in names:
            raise ParameterError(f"no strategy {name!r}; {nearest(name, names)}", where=where)
        try:
            number = float(share) if equals else 1.0
        except ValueError:
            number = -1.0
        if not 0 <= number < np.inf or name in shares:
            raise ParameterError(
                f"expected name=share,name=share, each name once, got {item.strip()!r}",
                where=where,
            )
        shares[name] = number
    if not sum(shares.values()) > 0:
        raise ParameterError("expected a share above 0", where=where)
    return shares


def counts(shares: Mapping[str, float], n: int) -> NDArray[np.int64]:
    """Return how many of `n` each share comes to, exact by largest remainder.

    >>> counts({"a": 2, "b": 1}, 4).tolist()
    [3, 1]
    """
    weights = np.array(list(shares.values()))
    quota = weights / weights.sum() * n
    whole: NDArray[np.int64] = np.floor(quota + 1e-9).astype(np.int64)
    extra = np.argsort(whole - quota, kind="stable")[: n - int(whole.sum())]
    whole[extra] += 1
    return whole
