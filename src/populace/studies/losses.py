"""How far a run is from the data: losses of one series against another. Lower is better."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError
from populace.kernel.streams import Stream

Floats = NDArray[np.float64]

_LEAST = 1e-6  # an expected count of 0 would make any count impossible


def negative_binomial(observed: ArrayLike, expected: ArrayLike, size: float) -> float:
    """Return the negative log-likelihood of counts whose variance is ``mu + mu^2 / size``.

    The law of counts when cases come in clusters (Lloyd-Smith et al., Nature 438, 2005); towards
    Poisson as `size` grows.

    Parameters
    ----------
    observed : array of whole numbers >= 0
    expected : array of the same shape
        Means; below 1e-6 they count as 1e-6.
    size : float
        Dispersion parameter, above 0.

    Raises
    ------
    ParameterError
        If shapes differ, a count is no whole number, or the size is not above 0.
    """
    from scipy.special import gammaln

    if not size > 0:
        raise ParameterError(f"expected a size above 0, got {size!r}", where="negative_binomial")
    y, mu = _counts(observed, expected)
    log_p = gammaln(y + size) - gammaln(size) - gammaln(y + 1)
    log_p += size * np.log(size / (size + mu)) + y * np.log(mu / (size + mu))
    return float(-log_p.sum())


def poisson(observed: ArrayLike, expected: ArrayLike) -> float:
    """Return the negative log-likelihood of counts of a Poisson law, arguments as above."""
    from scipy.special import gammaln

    y, mu = _counts(observed, expected)
    return float((mu - y * np.log(mu) + gammaln(y + 1)).sum())


def dispersion(observed: ArrayLike, expected: ArrayLike) -> float:
    """Return the size of a negative binomial law by maximum likelihood, from 0.01 to 1e6."""
    from scipy.optimize import minimize_scalar

    y, mu = _counts(observed, expected)
    found = minimize_scalar(
        lambda log: negative_binomial(y, mu, float(np.exp(log))),
        bounds=(np.log(0.01), np.log(1e6)),
        method="bounded",
    )
    return float(np.exp(found.x))


def draw_negative_binomial(stream: Stream, mean: ArrayLike, size: ArrayLike) -> Floats:
    """Return a count about every mean, by inversion: one draw a count, one agent a row.

    Parameters
    ----------
    stream : Stream
    mean : array of shape (rows, times)
        Above 0.
    size : float, or array that broadcasts
        As in `negative_binomial`.
    """
    from scipy.stats import nbinom

    mu, k = np.asarray(mean, np.float64), np.asarray(size, np.float64)
    u = stream.uniform(np.arange(len(mu)), size=mu.shape[1])
    return np.asarray(nbinom.ppf(u, k, k / (k + mu)), np.float64)


def squared_log(observed: ArrayLike, expected: ArrayLike) -> float:
    """Return the mean squared difference of ``log(1 + x)``: relative errors, zeros allowed."""
    y, mu = _same(observed, expected)
    if (y < 0).any() or (mu < 0).any():
        raise ParameterError("expected numbers >= 0", where="squared_log")
    return float(np.mean((np.log1p(y) - np.log1p(mu)) ** 2))


def squared(observed: ArrayLike, expected: ArrayLike) -> float:
    """Return the mean squared difference."""
    y, mu = _same(observed, expected)
    return float(np.mean((y - mu) ** 2))


def _counts(observed: ArrayLike, expected: ArrayLike) -> tuple[Floats, Floats]:
    y, mu = _same(observed, expected)
    if (y < 0).any() or (y != np.round(y)).any():
        raise ParameterError("expected counts: whole numbers >= 0", where="observed")
    if (mu < 0).any():
        raise ParameterError("expected means >= 0", where="expected")
    return y, np.maximum(mu, _LEAST)


def _same(observed: ArrayLike, expected: ArrayLike) -> tuple[Floats, Floats]:
    y, mu = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    if y.shape != mu.shape:
        raise ParameterError(f"expected series of one shape, got {y.shape} and {mu.shape}")
    if not (np.isfinite(y).all() and np.isfinite(mu).all()):
        raise ParameterError("expected finite numbers, got NaN or infinity", where="losses")
    return y, mu
