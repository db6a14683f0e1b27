"""Statistics of comparisons: pure functions, arrays in, numbers out; draws from seeded streams.

References
----------
Cohen: Statistical power analysis for the behavioral sciences, 2nd ed. (1988): d_z.
Hall: The bootstrap and Edgeworth expansion (1992), section 2.6: when Student's interval holds.
Holm: A simple sequentially rejective multiple test procedure. Scand. J. Statistics 6 (1979).
Fagerland, Lydersen, Laake: The McNemar test for binary matched-pairs data: mid-p and asymptotic
are better than exact conditional. BMC Medical Research Methodology 13 (2013).
Wilson: Probable inference, the law of succession, and statistical inference. JASA 22 (1927).
Law: Simulation modeling and analysis, 5th ed. (2015), section 11.2: common random numbers.
Intervals and permutation tests: `populace.studies.resampling`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError
from populace.studies.power import detectable, half_width, seeds_needed
from populace.studies.resampling import (
    FEWEST,
    Clusters,
    Method,
    bootstrap_interval,
    sign_flip,
    t_interval,
)

__all__ = [
    "Difference",
    "Mean",
    "clustered_bootstrap",
    "detectable",
    "half_width",
    "holm",
    "mcnemar",
    "paired",
    "seeds_needed",
    "wilson",
]

Floats = NDArray[np.float64]
NAN = math.nan


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean with its interval.

    Attributes
    ----------
    mean : float
    low, high : float
        Ends of the interval; NaN where there is one cluster only.
    method : "bca", "percentile", "t" or "none"
        How the interval was made.
    level : float
    sd : float
        Standard deviation of the values (with n - 1); NaN for one value.
    n, clusters : int
        Values, and what was resampled: clusters of them, or the values themselves.
    """

    mean: float
    low: float
    high: float
    method: Method
    level: float
    sd: float
    n: int
    clusters: int


@dataclass(frozen=True, kw_only=True)
class Difference(Mean):
    """A mean paired difference a - b, with what is needed to judge it.

    Attributes
    ----------
    t_low, t_high : float
        Student's interval.
    t_holds : bool
        Whether Student's interval can be trusted: there are `FEWEST` pairs or more, and the leading
        error of its tails, ``|skew| / sqrt(n) (2 z^2 + 1) phi(z) / 6``, is below the tails
        themselves (Hall 1992).
    skew : float
        Sample skewness of the differences.
    p : float
        Two-sided sign-flip permutation p of a mean difference of zero.
    exact : bool
        Whether all sign flips were enumerated.
    effect : float
        Cohen's d_z: the mean difference in standard deviations of the differences.
    correlation : float
        Pearson's, between the arms; NaN where an arm does not vary.
    variance_ratio : float
        ``var(a - b) / (var(a) + var(b))``: the variance left by pairing. Its inverse is how many
        times more seeds independent arms would need for the same precision. NaN where no arm
        varies.
    """

    t_low: float
    t_high: float
    t_holds: bool
    skew: float
    p: float
    exact: bool
    effect: float
    correlation: float
    variance_ratio: float


def paired(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 10_000,
    method: Method | None = None,
) -> Difference:
    """Return the mean of a - b over pairs, with intervals, a test, and what pairing saved.

    Parameters
    ----------
    a, b : array of shape (n,)
        Values of two arms, aligned: the same seed, or the same item, at the same place.
    clusters : sequence of n hashable, optional
        Which pairs belong together (families of items): they are resampled and flipped as one.
    seed : int
        Of the resampling.
    level : float
        Of the intervals.
    resamples : int
    method : "bca", "percentile" or "t", optional
        The interval in ``low`` and ``high``; by default "bca", and "t" below `FEWEST` clusters,
        from which there is little to resample.

    Returns
    -------
    Difference

    Raises
    ------
    ParameterError
        Unless both have the same length of 1 or more and are finite.

    Examples
    --------
    >>> found = paired([3.0, 5.0, 4.0], [2.0, 3.0, 3.0])
    >>> round(found.mean, 3), found.p, found.method
    (1.333, 0.25, 't')
    """
    x, y = _values(a, "a"), _values(b, "b")
    if len(x) != len(y):
        raise ParameterError(f"expected pairs, got {len(x)} and {len(y)} values", where="paired")
    d = x - y
    around, data = _mean(d, clusters, seed, level, resamples, method)
    p, exact = sign_flip(data.sums[:, 0], seed, resamples)
    t_low = t_high = NAN
    if len(data) > 1:
        t_low, t_high = (float(end[0]) for end in t_interval(data, level))
    skew = _skew(data.influence[:, 0])
    total = _variance(x) + _variance(y)
    moves = min(_variance(x), _variance(y)) > 0
    return Difference(
        **vars(around),
        t_low=t_low,
        t_high=t_high,
        t_holds=_t_holds(skew, len(data), level),
        skew=skew,
        p=p,
        exact=exact,
        effect=around.mean / around.sd if around.sd > 0 else NAN,
        correlation=float(np.corrcoef(x, y)[0, 1]) if moves else NAN,
        variance_ratio=_variance(d) / total if total > 0 else NAN,
    )


def clustered_bootstrap(
    values: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 10_000,
    method: Method | None = None,
) -> Mean:
    """Return a mean and its bootstrap interval, whole clusters resampled.

    Parameters
    ----------
    values : array of shape (n,)
    clusters : sequence of n hashable, optional
        By default every value is one by itself: the plain bootstrap.
    seed, level, resamples, method : see `paired`

    Raises
    ------
    ParameterError
        For no value, one that is not finite, or clusters that are not aligned.
    """
    return _mean(_values(values, "values"), clusters, seed, level, resamples, method)[0]


def bands(
    values: Floats, *, seed: int = 0, level: float = 0.95, resamples: int = 2_000
) -> tuple[Floats, Floats, Floats]:
    """Return mean, low and high by column of a table whose rows are pairs (or runs).

    Intervals are those of `clustered_bootstrap`, of each column by itself (not simultaneous).

    Parameters
    ----------
    values : float64 array of shape (pairs, columns)
    """
    data = Clusters.of(values)
    if len(data) < 2:
        return data.means, np.full(len(data.means), NAN), np.full(len(data.means), NAN)
    if len(data) < FEWEST:
        return data.means, *t_interval(data, level)
    return data.means, *bootstrap_interval(data, level, "bca", seed, resamples)


def holm(p: ArrayLike) -> Floats:
    """Return Holm's adjusted p-values, in the order given.

    The k-th smallest of m becomes the largest of ``(m - j + 1) p_(j)`` over ``j <= k``, at most 1;
    NaN (no test) stays NaN and does not count.

    Parameters
    ----------
    p : array of shape (m,)
        From 0 to 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, float)
    known = ~np.isnan(given)
    if given.ndim != 1 or not ((given[known] >= 0) & (given[known] <= 1)).all():
        raise ParameterError(f"expected p-values from 0 to 1, got {p!r:.80}", where="holm")
    adjusted, tests = np.full(given.shape, NAN), given[known]
    order = np.argsort(tests, kind="stable")
    steps = np.maximum.accumulate(tests[order] * np.arange(len(tests), 0, -1))
    back = np.empty(len(tests))
    back[order] = np.minimum(steps, 1)
    adjusted[known] = back
    return adjusted


def mcnemar(b: int, c: int, *, mid: bool = False) -> float:
    """Return the two-sided p of McNemar's exact test.

    Of the pairs that disagree, each side is right in half under the null hypothesis: a binomial
    test. Pairs that agree do not matter.

    Parameters
    ----------
    b, c : int
        Pairs where only the first is right, and where only the second is.
    mid : bool
        The mid-p: half of the probability of what was observed (Fagerland and others 2013, eq. 6);
        less conservative, not strictly valid.

    Examples
    --------
    >>> mcnemar(9, 1)
    0.021484375
    """
    from scipy.special import bdtr

    for count in (b, c):
        if isinstance(count, bool) or int(count) != count or count < 0:
            raise ParameterError(f"expected counts of pairs, got {b!r}, {c!r}", where="mcnemar")
    n, less = int(b + c), int(min(b, c))
    if n == 0:
        return 1.0
    tail = float(bdtr(less, n, 0.5))
    if mid:
        here = tail - (float(bdtr(less - 1, n, 0.5)) if less else 0.0)
        return min(1.0, 2 * tail - here)
    return min(1.0, 2 * tail)


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a rate (1927).

    Examples
    --------
    >>> [round(end, 4) for end in wilson(0, 10)]
    [0.0, 0.2775]
    """
    from scipy.special import ndtri

    if not 0 <= successes <= n or n < 1:
        raise ParameterError(f"expected 0 to n successes of n >= 1, got {successes!r} of {n!r}")
    z = float(ndtri((1 + _level(level)) / 2))
    rate, wide = successes / n, 1 + z * z / n
    middle = (rate + z * z / (2 * n)) / wide
    half = z / wide * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else middle - half
    return low, 1.0 if successes == n else middle + half


# -- inside --------------------------------------------------------------------------------------


def _mean(
    values: Floats, clusters: Any, seed: int, level: float, resamples: int, method: Method | None
) -> tuple[Mean, Clusters]:
    _level(level)
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 1:
        raise ParameterError(f"expected 1 resample or more, got {resamples!r}")
    if method not in (None, "bca", "percentile", "t"):
        raise ParameterError(f"expected method bca, percentile or t, got {method!r}")
    data = Clusters.of(values, _codes(clusters, len(values)))
    low, high = np.array([NAN]), np.array([NAN])
    if len(data) < 2:
        method = "none"
    elif method is None:
        method = "bca" if len(data) >= FEWEST else "t"
    if method == "t":
        low, high = t_interval(data, level)
    elif method in ("bca", "percentile"):
        low, high = bootstrap_interval(data, level, method, seed, resamples)
    assert method is not None
    found = Mean(
        mean=float(data.means[0]),
        low=float(low[0]),
        high=float(high[0]),
        method=method,
        level=level,
        sd=math.sqrt(_variance(values)) if len(values) > 1 else NAN,
        n=len(values),
        clusters=len(data),
    )
    return found, data


def _values(given: ArrayLike, name: str) -> Floats:
    values = np.asarray(given, float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ParameterError(
            f"expected finite numbers in one dimension, got {given!r:.80}", where=name
        )
    return values


def _codes(clusters: Any, n: int) -> NDArray[np.intp] | None:
    if clusters is None:
        return None
    if len(clusters) != n:
        raise ParameterError(f"expected {n} clusters, one a value, got {len(clusters)}")
    known: dict[Any, int] = {}
    return np.array([known.setdefault(each, len(known)) for each in clusters], np.intp)


def _level(level: float) -> float:
    if not 0 < level < 1:
        raise ParameterError(f"expected a level between 0 and 1, got {level!r}", where="level")
    return level


def _variance(values: Floats) -> float:
    if len(values) < 2 or np.ptp(values) <= 1e-12 * np.abs(values).max():  # no more than rounding
        return 0.0
    return float(values.var(ddof=1))


def _skew(around: Floats) -> float:
    """Return the skewness of values whose sum is 0: ``m3 / m2^1.5``; 0 where all are 0."""
    most = float(np.abs(around).max())
    each = around / most if most > 0 else around
    return float((each**3).mean() / (each**2).mean() ** 1.5) if most > 0 else 0.0


def _t_holds(skew: float, n: int, level: float) -> bool:
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    error = abs(skew) / math.sqrt(n) * (2 * z * z + 1) * density / 6
    return n >= FEWEST and error < (1 - level) / 2
