"""What a comparison can find, before it is run: seeds needed, and the least effect in reach.

References
----------
Cohen: Statistical power analysis for the behavioral sciences, 2nd ed. (1988), chapter 2.
Connor: Sample size for testing differences in proportions for the paired-sample design.
Biometrics 43 (1987).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from populace.kernel.errors import ParameterError
from populace.studies.resampling import quantile_t


def half_width(sd: float, n: int, level: float = 0.95) -> float:
    """Return half the width of Student's interval of a mean of n values: ``t sd / sqrt(n)``."""
    _check(n=n, sd=sd, level=level)
    return quantile_t(n - 1, level) * sd / math.sqrt(n)


def seeds_needed(sd: float, half_width: float, level: float = 0.95) -> int:
    """Return the fewest seeds whose interval is ``mean +- half_width`` or narrower.

    Parameters
    ----------
    sd : float
        Standard deviation of the paired differences, as known so far.
    half_width : float
        Wanted; above 0, in the units of `sd`.
    level : float

    Raises
    ------
    ParameterError

    Examples
    --------
    >>> seeds_needed(sd=1.0, half_width=0.5)
    18
    """
    _check(sd=sd, level=level)
    if not half_width > 0:
        raise ParameterError(f"expected a half-width above 0, got {half_width!r}")
    if not half_width / max(sd, 1e-300) > 1e-7:
        raise ParameterError(f"a half-width of {half_width!r} with sd {sd!r} is out of reach")

    def enough(n: int) -> bool:
        return quantile_t(n - 1, level) * sd / math.sqrt(n) <= half_width

    low, high = 1, 2  # 1 is never enough: one pair has no interval
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable(
    n: int,
    *,
    sd: float | None = None,
    discordant: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float:
    """Return the least true difference that a two-sided test finds with probability `power`.

    With `sd`, a difference of means by the paired t test (non-central t law). With `discordant`, a
    difference of two rates on the same items by McNemar's test (Connor 1987, eq. 2, solved for the
    difference).

    Parameters
    ----------
    n : int
        Pairs: seeds, or items of an exam; 2 or more.
    sd : float, optional
        Standard deviation of the paired differences; 1 gives the answer in those units.
    discordant : float, optional
        Share of the items on which the two arms disagree, above 0, at most 1.
    alpha : float
        Level of the test.
    power : float

    Returns
    -------
    float
        In units of `sd`, or a difference of rates; infinite if no difference can be found, because
        the two arms disagree on too few items.

    Raises
    ------
    ParameterError

    Examples
    --------
    >>> round(detectable(34, sd=1.0), 2)  # Cohen: d = 0.5 needs 34 pairs
    0.5
    >>> round(detectable(1000, discordant=0.2), 3)
    0.04
    """
    from scipy.special import nctdtr, ndtr, ndtri

    _check(n=n, level=1 - alpha)
    if not alpha < power < 1:
        raise ParameterError(f"expected power between alpha and 1, got {power!r}", where="power")
    if (sd is None) == (discordant is None):
        raise ParameterError("expected sd= or discordant=", where="detectable")
    if sd is not None:
        _check(sd=sd)
        bar = quantile_t(n - 1, 1 - alpha)

        def finds(d: float) -> float:
            shift = d * math.sqrt(n)
            return float(1 - nctdtr(n - 1, shift, bar) + nctdtr(n - 1, shift, -bar))

        high = 1.0 / math.sqrt(n)
        while finds(high) < power:
            high *= 2
        return sd * _root(finds, power, 0.0, high)
    assert discordant is not None
    if not 0 < discordant <= 1:
        raise ParameterError(f"expected discordant above 0, at most 1, got {discordant!r}")
    rate, z = discordant, float(ndtri(1 - alpha / 2))

    def finds_rate(d: float) -> float:
        spread = math.sqrt(max(rate - d * d, 0.0))
        gap = d * math.sqrt(n) - z * math.sqrt(rate)
        return float(ndtr(gap / spread)) if spread else float(gap >= 0)

    return _root(finds_rate, power, 0.0, rate) if finds_rate(rate) >= power else math.inf


def _root(rising: Callable[[float], float], value: float, low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return high


def _check(n: int | None = None, sd: float | None = None, level: float | None = None) -> None:
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 2):
        raise ParameterError(f"expected 2 pairs or more, got {n!r}")
    if sd is not None and not 0 <= sd < math.inf:
        raise ParameterError(f"expected sd of 0 or more, got {sd!r}")
    if level is not None and not 0 < level < 1:
        raise ParameterError(f"expected a level between 0 and 1, got {level!r}")
