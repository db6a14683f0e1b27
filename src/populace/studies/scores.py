"""Scores of probabilistic forecasts: interval scores, CRPS and coverage. Lower is better.

A forecast is a set of sample paths, or its quantiles. Every score is *proper*: a forecaster does
best, in expectation, by saying what it believes.

References
----------
Gneiting, Raftery: Strictly proper scoring rules, prediction, and estimation. JASA 102 (2007).
Bracher, Ray, Gneiting, Reich: Evaluating epidemic forecasts in an interval format. PLOS
Computational Biology 17 (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError

if TYPE_CHECKING:
    import polars

# Central intervals of the COVID-19 Forecast Hub (Cramer et al., PNAS 119, 2022).
LEVELS = (0.02, 0.05, *(round(0.1 * k, 1) for k in range(1, 10)))

Floats = NDArray[np.float64]


def interval_score(observed: ArrayLike, low: ArrayLike, high: ArrayLike, alpha: float) -> Floats:
    """Return the score of central intervals of level ``1 - alpha`` (Gneiting and Raftery, eq. 43).

    ``(high - low) + 2/alpha (low - y) [y < low] + 2/alpha (y - high) [y > high]``

    Parameters
    ----------
    observed, low, high : array of one shape
    alpha : float
        Probability outside the interval, between 0 and 1.

    Raises
    ------
    ParameterError
        For an alpha outside (0, 1), or an interval whose ends are the wrong way round.
    """
    if not 0 < alpha < 1:
        raise ParameterError(f"expected alpha between 0 and 1, got {alpha!r}")
    y, lo, hi = np.broadcast_arrays(*(np.asarray(a, float) for a in (observed, low, high)))
    if (lo > hi).any():
        raise ParameterError("expected low <= high", where=f"interval of level {1 - alpha:g}")
    missed = np.maximum(lo - y, 0) + np.maximum(y - hi, 0)
    return np.asarray(hi - lo + 2 / alpha * missed)


def weighted_interval_score(
    observed: ArrayLike, samples: ArrayLike, alphas: Sequence[float] = LEVELS
) -> Floats:
    """Return the weighted interval score of sample forecasts, one a time (Bracher et al., eq. 1).

    ``(|y - m| / 2 + sum_k alpha_k / 2 IS_k) / (K + 1/2)``: with many intervals it approaches the
    CRPS. It is in the units of what is forecast.

    Parameters
    ----------
    observed : array of shape (times,)
    samples : array of shape (draws, times)
    alphas : sequence of float
        1 less the levels of the central intervals.

    Returns
    -------
    float64 array of shape (times,)

    Raises
    ------
    ParameterError
        If shapes do not fit, or a value is not finite.

    Examples
    --------
    >>> weighted_interval_score([3.0], [[1.0], [1.0]]).tolist()  # a point forecast: |3 - 1|
    [2.0]
    """
    y, draws = _fitting(observed, samples)
    total = np.abs(y - np.quantile(draws, 0.5, axis=0)) / 2
    for alpha in alphas:
        low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2], axis=0)
        total = total + alpha / 2 * interval_score(y, low, high, alpha)
    return np.asarray(total / (len(alphas) + 0.5))


def crps(observed: ArrayLike, samples: ArrayLike, *, fair: bool = False) -> Floats:
    """Return the continuous ranked probability score of sample forecasts, one a time.

    ``mean |x - y| - mean |x - x'| / 2`` (Gneiting and Raftery, eq. 21), in the units of what is
    forecast; for one sample the absolute error.

    Parameters
    ----------
    observed : array of shape (times,)
    samples : array of shape (draws, times)
    fair : bool
        Leave pairs of a draw with itself out, so that the expected score does not depend on how
        many draws there are (Ferro, QJRMS 140, 2014). Needs two draws or more.

    Raises
    ------
    ParameterError
        If shapes do not fit, a value is not finite, or `fair` is asked of one draw.
    """
    y, draws = _fitting(observed, samples)
    n = len(draws)
    if fair and n < 2:
        raise ParameterError("expected two draws or more for a fair score, got 1")
    ordered = np.sort(draws, axis=0)
    # sum over pairs |x_i - x_j| of a sorted sample, without the n^2 pairs
    weights = 2 * np.arange(1, n + 1) - n - 1
    apart = 2 * (weights[:, None] * ordered).sum(axis=0)
    pairs = n * (n - 1) if fair else n * n
    return np.asarray(np.abs(draws - y).mean(axis=0) - apart / pairs / 2)


def coverage(observed: ArrayLike, samples: ArrayLike, level: float = 0.95) -> NDArray[np.bool_]:
    """Return whether each value lies in the central interval of that level, ends included.

    Raises
    ------
    ParameterError
        For a level outside (0, 1), or shapes that do not fit.
    """
    if not 0 < level < 1:
        raise ParameterError(f"expected a level between 0 and 1, got {level!r}")
    y, draws = _fitting(observed, samples)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray((low <= y) & (y <= high))


def score(
    observed: ArrayLike, forecasts: dict[str, Any], baseline: str | None = None
) -> polars.DataFrame:
    """Compare forecasts of one series on the same times.

    Parameters
    ----------
    observed : array of shape (times,)
    forecasts : mapping of name to samples of shape (draws, times)
    baseline : str, optional
        The forecast that the others are measured against.

    Returns
    -------
    polars.DataFrame
        A row a forecast: forecast, wis, crps, error (of the median), bias (median less observed),
        inside_50 and inside_95 (share of times covered), and ``relative`` (WIS over the
        baseline's; below 1 is better) if there is a baseline.

    Raises
    ------
    ParameterError
        If shapes do not fit, or the baseline is none of them.
    """
    import polars as pl

    if baseline is not None and baseline not in forecasts:
        raise ParameterError(f"expected a baseline of {', '.join(forecasts)}, got {baseline!r}")
    rows: list[dict[str, str | float]] = []
    for name, samples in forecasts.items():
        y, draws = _fitting(observed, samples)
        middle = np.median(draws, axis=0)
        rows.append(
            {
                "forecast": name,
                "wis": float(weighted_interval_score(y, draws).mean()),
                "crps": float(crps(y, draws).mean()),
                "error": float(np.abs(middle - y).mean()),
                "bias": float((middle - y).mean()),
                "inside_50": float(coverage(y, draws, 0.5).mean()),
                "inside_95": float(coverage(y, draws, 0.95).mean()),
            }
        )
    frame = pl.DataFrame(rows)
    if baseline is None:
        return frame
    base = frame.filter(pl.col("forecast") == baseline)["wis"].item()
    return frame.with_columns(relative=pl.col("wis") / base)


def _fitting(observed: ArrayLike, samples: ArrayLike) -> tuple[Floats, Floats]:
    y, draws = np.asarray(observed, np.float64), np.asarray(samples, np.float64)
    if y.ndim != 1 or draws.ndim != 2 or draws.shape[1:] != y.shape or not len(draws):
        raise ParameterError(
            f"expected samples of shape (draws, {len(y) if y.ndim == 1 else 'times'}), got "
            f"{draws.shape} for observations of shape {y.shape}"
        )
    if not (np.isfinite(y).all() and np.isfinite(draws).all()):
        raise ParameterError("expected finite numbers, got NaN or infinity", where="scores")
    return y, draws
