"""What a forecast has to beat: the last value held, and a fitted compartment model.

References
----------
Cramer et al.: Evaluation of individual and ensemble probabilistic forecasts of COVID-19 mortality
in the United States. PNAS 119 (2022); its baseline is `persistence`.
Kermack, McKendrick: A contribution to the mathematical theory of epidemics. Proc. R. Soc. A (1927).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError
from populace.kernel.streams import Streams
from populace.studies import losses

Floats = NDArray[np.float64]

_PROPOSALS = 8  # a draw that is kept


def persistence(
    series: ArrayLike, horizon: int, *, draws: int = 1000, season: int = 1, seed: int = 0
) -> Floats:
    """Return sample paths whose median stays at the last value.

    Steps are drawn from the past changes of the series and their negatives, so that the forecast
    is as uncertain as the past was; values below 0 become 0 (Cramer et al., supplement).

    Parameters
    ----------
    series : array of shape (times,)
        Numbers >= 0, at least ``season + 1`` of them.
    horizon : int
        Times to forecast, 1 or more.
    draws : int
    season : int
        7 for daily counts with a weekly rhythm: each weekday persists by itself.
    seed : int

    Returns
    -------
    float64 array of shape (draws, horizon)

    Raises
    ------
    ParameterError
        For a series that is too short, negative or not finite, or an impossible number.
    """
    y = _series(series, season + 1, "persistence")
    for name, value in (("horizon", horizon), ("draws", draws), ("season", season)):
        if value < 1:
            raise ParameterError(f"expected {name} >= 1, got {value!r}", where="persistence")
    changes = y[season:] - y[:-season]
    changes = np.concatenate([changes, -changes])
    rounds = -(-horizon // season)
    drawn = (
        Streams(seed)
        .stream("persistence")
        .integers(np.arange(draws), len(changes), size=season * rounds)
    )
    paths = np.empty((draws, rounds * season))
    for place in range(season):
        walk = np.cumsum(changes[drawn[:, place::season]], axis=1)
        walk -= np.median(walk, axis=0)
        paths[:, place::season] = y[len(y) - season + place] + walk
    return np.maximum(paths[:, :horizon], 0.0)


@dataclass(frozen=True)
class SEIR:
    """A fitted compartment model: what the fit found, and how sure it is.

    Attributes
    ----------
    r : tuple of float
        Reproduction number before the first change, after it, and so on.
    changes : tuple of int
        Times at which transmission changed.
    start : float
        People exposed at time 0.
    reported : float
        Share of infections that is counted.
    size : float
        Dispersion of the counts (see `losses.negative_binomial`).
    latent, infectious : float
        Mean days exposed and infectious, as given.
    people : int
    series : float64 array of shape (times,)
        What it was fitted to.
    covariance : float64 array
        Of the logarithms of (r..., start, reported, size), by the curvature at the optimum.
    """

    r: tuple[float, ...]
    changes: tuple[int, ...]
    start: float
    reported: float
    size: float
    latent: float
    infectious: float
    people: int
    series: Floats
    covariance: Floats

    @property
    def times(self) -> int:
        """Length of the fitted series."""
        return len(self.series)

    def forecast(self, horizon: int, *, draws: int = 1000, seed: int = 0) -> Floats:
        """Return sample paths of the times after the fitted ones, shape (draws, horizon).

        Parameters are proposed by the normal approximation on the log scale (Laplace, of twice the
        covariance, within the bounds of the fit) and resampled by their likelihood (Rubin 1988);
        counts follow the negative binomial law.
        """
        streams = Streams(seed)
        middle = np.log([*self.r, self.start, self.reported, self.size])
        root = _root(2 * self.covariance)
        n = _PROPOSALS * draws
        z = streams.stream("seir/parameters").normal(np.arange(n), size=len(middle))
        low, high = _bounds(len(self.r), self.people)
        logs = np.clip(middle + z @ root.T, low, high)
        log_weight = -self._loss(logs) + (z**2).sum(axis=1) / 2
        weights = np.exp(log_weight - log_weight.max())
        start = streams.stream("seir/resample").uniform([0])[0]
        places = np.cumsum(weights / weights.sum())
        chosen = np.minimum(np.searchsorted(places, (np.arange(draws) + start) / draws), n - 1)
        logs = logs[chosen]
        mean = self._expected(logs, self.times + horizon)[:, self.times :]
        size = np.exp(logs[:, -1:])
        stream = streams.stream("seir/counts")
        return losses.draw_negative_binomial(stream, np.maximum(mean, 1e-6), size)

    def fitted(self) -> Floats:
        """Return the expected counts of the fitted times."""
        logs = np.log([[*self.r, self.start, self.reported, self.size]])
        return np.asarray(self._expected(logs, self.times)[0])

    def _loss(self, logs: Floats) -> Floats:
        return _loss(logs, self.series, self.changes, self.latent, self.infectious, self.people)

    def _expected(self, logs: Floats, times: int) -> Floats:
        return _expected(logs, times, self.changes, self.latent, self.infectious, self.people)


def fit_seir(
    series: ArrayLike,
    people: int,
    *,
    changes: Sequence[int] = (),
    latent: float = 3.0,
    infectious: float = 5.0,
    reported: float | None = None,
) -> SEIR:
    """Fit a deterministic SEIR model to daily counts by negative binomial likelihood.

    ``S' = -b S I / N, E' = b S I / N - E / latent, I' = E / latent - I / infectious``, with
    ``b = R / infectious`` constant between `changes`; expected counts are `reported` times the
    daily flow from E to I.

    Parameters
    ----------
    series : array of shape (times,)
        Counts, 10 times or more.
    people : int
    changes : sequence of int
        Times at which transmission may change (an order, a closure); days from the start.
    latent, infectious : float
        Mean days; by default those of early SARS-CoV-2 variants to the nearest day: incubation of
        about 5 days less about 2 infectious before symptoms, and about 5 infectious (He et al.,
        Nature Medicine 26, 2020).
    reported : float, optional
        Share of infections that is counted; fitted if not given, which a series before the peak
        hardly determines.

    Raises
    ------
    ParameterError
        For a series that is too short or holds no cases, changes outside it, or an impossible
        number.
    """
    from scipy.optimize import minimize

    y = _series(series, 10, "fit_seir")
    changes = tuple(int(c) for c in changes)
    if not y.any():
        raise ParameterError("expected some cases, got none", where="fit_seir")
    if any(not 0 < c < len(y) for c in changes) or list(changes) != sorted(set(changes)):
        raise ParameterError(
            f"expected changes between 1 and {len(y) - 1}, ascending, got {list(changes)}",
            where="fit_seir",
        )
    for name, value in (("people", people), ("latent", latent), ("infectious", infectious)):
        if not value > 0:
            raise ParameterError(f"expected {name} above 0, got {value!r}", where="fit_seir")
    if reported is not None and not 0 < reported <= 1:
        raise ParameterError(f"expected reported from 0 to 1, got {reported!r}", where="fit_seir")
    k = len(changes) + 1
    low, high = _bounds(k, people)
    fixed = None if reported is None else np.log(reported)

    def loss(rows: Floats) -> Floats:
        """Negative log-likelihood of each row of free parameters, all rows at once."""
        logs = rows if fixed is None else np.insert(rows, k + 1, fixed, axis=1)
        return _loss(logs, y, changes, latent, infectious, people)

    keep = np.array([True] * (k + 1) + [fixed is None] + [True])
    bounds = list(zip(low[keep], high[keep], strict=True))
    best = None
    for r0 in (1.5, 2.5, 4.0):  # several starts: the likelihood has a ridge from start to R
        for share in (0.02, 0.1, 0.3):
            seeds = max(1.0, float(y[: max(3, len(y) // 8)].mean())) / share
            guess = np.log([r0, *[1.0] * (k - 1), seeds, share, 5.0])[keep]
            guess = np.clip(guess, low[keep] + 1e-6, high[keep] - 1e-6)
            found = minimize(_slope, guess, (loss,), "L-BFGS-B", jac=True, bounds=bounds)
            if best is None or found.fun < best.fun:
                best = found
    assert best is not None
    spread = _spread(loss, best.x, low[keep], high[keep])
    covariance = np.zeros((k + 3, k + 3))
    covariance[np.ix_(keep, keep)] = spread
    logs = np.empty(k + 3)
    logs[keep] = best.x
    if fixed is not None:
        logs[k + 1] = fixed
    values = np.exp(logs)
    return SEIR(
        r=tuple(values[:k].tolist()),
        changes=changes,
        start=float(values[k]),
        reported=float(values[k + 1]),
        size=float(values[k + 2]),
        latent=latent,
        infectious=infectious,
        people=people,
        series=y,
        covariance=covariance,
    )


def _expected(
    logs: Floats, times: int, changes: Sequence[int], latent: float, infectious: float, people: int
) -> Floats:
    """Return expected counts, one row a row of parameters."""
    from populace.studies.seir_kernel import flows

    values = np.exp(logs)
    k = len(changes) + 1
    left = flows(
        values[:, :k] / infectious, values[:, k].copy(), changes, latent, infectious, people, times
    )
    return np.asarray(values[:, k + 1, None] * left)


def _bounds(rates: int, people: int) -> tuple[Floats, Floats]:
    """Return lowest and highest logarithms of (r..., start, reported, size)."""
    low = np.log([*[0.05] * rates, 0.01, 1e-4, 0.05])
    return low, np.log([*[12.0] * rates, people / 10, 1.0, 1e4])


def _loss(
    logs: Floats, y: Floats, changes: Sequence[int], latent: float, infectious: float, people: int
) -> Floats:
    """Return the negative log-likelihood of each row of parameters."""
    mean = np.maximum(_expected(logs, len(y), changes, latent, infectious, people), 1e-6)
    sizes = np.exp(logs[:, -1])
    return np.array(
        [losses.negative_binomial(y, m, float(s)) for m, s in zip(mean, sizes, strict=True)]
    )


def _slope(x: Floats, loss: Callable[[Floats], Floats]) -> tuple[float, Floats]:
    """Return the loss and its gradient, by central differences in one batch."""
    h = 1e-5
    steps = h * np.eye(len(x))
    values = loss(np.concatenate([[x], x + steps, x - steps]))
    up, down = np.split(values[1:], 2)
    return float(values[0]), (up - down) / (2 * h)


def _spread(loss: Callable[[Floats], Floats], x: Floats, low: Floats, high: Floats) -> Floats:
    """Return the inverse curvature of the loss at its minimum, by central differences.

    Directions in which the loss hardly curves, or bends down (at a bound), get the variance of the
    widest law that the bounds allow: a uniform one.
    """
    n, h = len(x), 1e-3
    x = np.clip(x, low + 2 * h, high - 2 * h)
    i, j = (a.ravel() for a in np.meshgrid(range(n), range(n), indexing="ij"))
    a, b = h * np.eye(n)[i], h * np.eye(n)[j]
    values = loss(np.concatenate([x + a + b, x + a - b, x - a + b, x - a - b])).reshape(4, n, n)
    hessian = (values[0] - values[1] - values[2] + values[3]) / (4 * h * h)
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    widest = float(np.max(high - low)) ** 2 / 12
    variances = np.where(values > 1 / widest, 1 / np.maximum(values, 1e-12), widest)
    return np.asarray((vectors * variances) @ vectors.T)


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def _series(series: ArrayLike, least: int, where: str) -> Floats:
    y = np.asarray(series, np.float64)
    if y.ndim != 1 or len(y) < least:
        raise ParameterError(
            f"expected a series of {least} times or more, got shape {y.shape}", where=where
        )
    if not np.isfinite(y).all() or (y < 0).any():
        raise ParameterError("expected finite numbers >= 0", where=where)
    return y
