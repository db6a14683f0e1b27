"""A posterior without a likelihood: approximate Bayesian computation by population Monte Carlo.

References
----------
Lenormand, Jabot, Deffuant: Adaptive approximate Bayesian computation for complex models.
Computational Statistics 28 (2013): the sampler.
Filippi, Barnes, Cornebise, Stumpf: On optimality of kernels for ABC-SMC. Statistical Applications
in Genetics and Molecular Biology 12 (2013): the step of twice the weighted covariance.
Prangle: Adapting the ABC distance function. Bayesian Analysis 12 (2017): statistics scaled by
their spread under the prior.
Beaumont, Zhang, Balding: Approximate Bayesian computation in population genetics. Genetics 162
(2002): the regression that corrects for what tolerance is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError, StudyError
from populace.kernel.streams import Streams
from populace.studies.design import Options, Range, as_axis

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]
Simulate = Callable[[Sequence[Mapping[str, Any]], int], ArrayLike]

_EDGE = 1e-9  # of the unit interval, kept free for the logit


@dataclass(frozen=True)
class Posterior:
    """Weighted draws of parameters.

    Attributes
    ----------
    names : tuple of str
    values : float64 array of shape (n, parameters)
    weights : float64 array of shape (n,)
        They sum to 1.
    generations : tuple of mapping
        How the sampler went: generation, simulations (so far), tolerance, accepted (share of the
        new draws below the tolerance before).
    """

    names: tuple[str, ...]
    values: Floats
    weights: Floats
    generations: tuple[Mapping[str, float], ...] = field(default=(), repr=False)

    @property
    def effective(self) -> float:
        """Effective number of draws, ``1 / sum w^2``."""
        return float(1 / np.sum(self.weights**2))

    def quantile(self, name: str, q: float) -> float:
        """Return a weighted quantile of one parameter."""
        column = self.values[:, self._place(name)]
        order = np.argsort(column, kind="stable")
        cumulative = np.cumsum(self.weights[order]) - self.weights[order] / 2
        return float(np.interp(q, cumulative, column[order]))

    def interval(self, name: str, level: float = 0.95) -> tuple[float, float]:
        """Return the central interval of one parameter."""
        return self.quantile(name, (1 - level) / 2), self.quantile(name, (1 + level) / 2)

    def mean(self, name: str) -> float:
        """Return the mean of one parameter."""
        return float(self.weights @ self.values[:, self._place(name)])

    def draw(self, n: int, seed: int = 0) -> list[dict[str, float]]:
        """Return `n` parameter sets, drawn by weight (systematic resampling)."""
        start = Streams(seed).stream("posterior").uniform([0])[0]
        places = (np.arange(n) + start) / n
        found = np.searchsorted(np.cumsum(self.weights), places)
        rows = self.values[np.minimum(found, len(self.values) - 1)]
        return [dict(zip(self.names, map(float, row), strict=True)) for row in rows]

    def table(self) -> polars.DataFrame:
        """Return a row a parameter: parameter, mean, median, low and high of the 95 % interval."""
        import polars as pl

        rows = []
        for name in self.names:
            low, high = self.interval(name)
            middle = self.quantile(name, 0.5)
            mean = self.mean(name)
            rows.append(
                {"parameter": name, "mean": mean, "median": middle, "low": low, "high": high}
            )
        return pl.DataFrame(rows)

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise ParameterError(f"expected a parameter of {', '.join(self.names)}, got {name!r}")
        return self.names.index(name)


def abc_smc(
    simulate: Simulate,
    observed: ArrayLike,
    priors: Mapping[str, Any],
    *,
    particles: int = 400,
    keep: float = 0.5,
    generations: int = 10,
    least_accepted: float = 0.05,
    adjust: bool = True,
    seed: int = 0,
) -> Posterior:
    """Sample parameters whose simulated statistics are near the observed ones.

    Generation 0 draws from the prior; each later one draws around those kept and keeps the nearest
    of old and new, until few of the new ones are nearer than what was kept before.

    Parameters
    ----------
    simulate : callable
        ``simulate(samples, generation)`` returns statistics of shape (len(samples), k), one row a
        parameter set, each from draws of its own; a row with NaN is a simulation that failed.
    observed : array of shape (k,)
    priors : mapping of name to Range or (low, high)
        Uniform over the range; over its logarithm with ``Range(..., log=True)``.
    particles : int
        Simulations of generation 0, 20 or more; later ones have ``particles * (1 - keep)``.
    keep : float
        Share kept, between 0 and 1.
    generations : int
        At most so many, 1 or more.
    least_accepted : float
        Stop when a smaller share of the new draws lies below the tolerance before.
    adjust : bool
        Correct for the remaining tolerance by local-linear regression.
    seed : int

    Returns
    -------
    Posterior

    Raises
    ------
    ParameterError
        For impossible settings or shapes.
    StudyError
        If too few simulations come to a result.
    """
    target, axes = np.asarray(observed, np.float64), _axes(priors)
    _check(target, particles, keep, generations)
    streams, d = Streams(seed), len(axes)
    kept = max(10, round(keep * particles))

    def run(u: Floats, generation: int) -> Floats:
        columns = [axis.at(column) for axis, column in zip(axes.values(), u.T, strict=True)]
        samples = [dict(zip(axes, row, strict=True)) for row in zip(*columns, strict=True)]
        found = np.asarray(simulate(samples, generation), np.float64)
        if found.shape != (len(u), len(target)):
            raise ParameterError(
                f"expected statistics of shape {(len(u), len(target))}, got {found.shape}",
                where="abc_smc",
            )
        return found

    u = streams.stream("abc/prior").uniform(np.arange(particles), size=d)
    statistics = run(u, 0)
    good = np.isfinite(statistics).all(axis=1)
    if good.sum() < kept:
        raise StudyError(
            f"{int((~good).sum())} of {particles} simulations failed, fewer than {kept} are left",
            where="abc_smc",
            mend="look at one of them, or narrow the priors",
        )
    scale = _spread(statistics[good])
    distance = _distance(statistics, target, scale)
    order = np.argsort(distance, kind="stable")[:kept]
    u, statistics, distance = u[order], statistics[order], distance[order]
    raw = np.ones(kept)  # prior density over the density drawn from, here the prior itself
    told = [_told(0, particles, distance, kept / particles)]
    for generation in range(1, generations):
        weights = raw / raw.sum()
        covariance = 2 * _covariance(u, weights)
        fresh, inside = _around(streams, generation, u, weights, covariance, particles - kept)
        own = inside / _density(fresh, u, weights, covariance)
        seen = run(fresh, generation)
        away = _distance(seen, target, scale)
        accepted = float((away < distance[-1]).mean())
        raw = np.concatenate([raw, own])
        u, statistics = np.concatenate([u, fresh]), np.concatenate([statistics, seen])
        distance = np.concatenate([distance, away])
        order = np.argsort(distance, kind="stable")[:kept]
        u, statistics, distance = u[order], statistics[order], distance[order]
        raw = raw[order]
        told.append(_told(generation, len(fresh), distance, accepted, told[-1]))
        if accepted < least_accepted:
            break
    weights = raw / raw.sum()
    if adjust:
        u, weights = _adjusted(u, statistics, weights, distance, target, scale)
    values = np.array([axis.at(column) for axis, column in zip(axes.values(), u.T, strict=True)]).T
    return Posterior(tuple(axes), values.astype(np.float64), weights, tuple(told))


def _axes(priors: Mapping[str, Any]) -> dict[str, Range | Options]:
    if not priors:
        raise ParameterError("expected priors by name, got none", where="abc_smc")
    axes = {name: as_axis(given, name) for name, given in priors.items()}
    for name, axis in axes.items():
        if isinstance(axis, Options):
            raise ParameterError("expected a range, got a list of options", where=name)
    return axes


def _check(target: Floats, particles: int, keep: float, generations: int) -> None:
    if target.ndim != 1 or not len(target) or not np.isfinite(target).all():
        raise ParameterError(
            f"expected finite observed statistics, got shape {target.shape}", where="abc_smc"
        )
    if particles < 20 or not 0 < keep < 1 or generations < 1:
        raise ParameterError(
            "expected 20 particles or more, keep between 0 and 1, a generation or more; got "
            f"{particles}, {keep}, {generations}",
            where="abc_smc",
        )


def _told(
    generation: int,
    new: int,
    distance: Floats,
    accepted: float,
    before: Mapping[str, float] | None = None,
) -> dict[str, float]:
    total = new + (before["simulations"] if before else 0)
    return {
        "generation": generation,
        "simulations": total,
        "tolerance": float(distance[-1]),
        "accepted": accepted,
    }


def _spread(statistics: Floats) -> Floats:
    """Return the median absolute deviation of each statistic, 1 where it never changes."""
    spread = np.median(np.abs(statistics - np.median(statistics, axis=0)), axis=0)
    plain = statistics.std(axis=0)
    return np.where(spread > 0, spread, np.where(plain > 0, plain, 1.0))


def _distance(statistics: Floats, target: Floats, scale: Floats) -> Floats:
    away = np.sqrt((((statistics - target) / scale) ** 2).mean(axis=1))
    return np.where(np.isfinite(away), away, np.inf)


def _covariance(u: Floats, weights: Floats) -> Floats:
    away = u - weights @ u
    found = (away * weights[:, None]).T @ away / (1 - np.sum(weights**2))
    return np.asarray(found + 1e-12 * np.eye(u.shape[1]))


def _around(
    streams: Streams,
    generation: int,
    u: Floats,
    weights: Floats,
    covariance: Floats,
    n: int,
) -> tuple[Floats, float]:
    """Draw `n` points about the kept ones inside the unit cube; also the share that fell inside."""
    root = np.linalg.cholesky(covariance)
    stream = streams.stream("abc/step", generation)
    out = np.full((n, u.shape[1]), np.nan)
    missing, tries = np.arange(n), 0
    while len(missing):
        tries += len(missing)
        parents = np.searchsorted(np.cumsum(weights), stream.uniform(missing))
        steps = stream.normal(missing, size=u.shape[1])
        tried = u[np.minimum(parents, len(u) - 1)] + steps @ root.T
        inside = ((tried >= 0) & (tried < 1)).all(axis=1)
        out[missing[inside]] = tried[inside]
        missing = missing[~inside]
    return out, n / tries


def _density(points: Floats, u: Floats, weights: Floats, covariance: Floats) -> Floats:
    """Return the density of the mixture of normal steps from which points were drawn."""
    root = np.linalg.inv(np.linalg.cholesky(covariance))
    apart = (points @ root.T)[:, None] - (u @ root.T)[None]
    peak = np.linalg.det(root) / (2 * np.pi) ** (u.shape[1] / 2)
    return np.asarray(peak * np.exp(-0.5 * (apart**2).sum(axis=2)) @ weights)


def _adjusted(
    u: Floats, statistics: Floats, weights: Floats, distance: Floats, target: Floats, scale: Floats
) -> tuple[Floats, Floats]:
    """Move draws to where they would be at distance 0, by weighted regression of their logits."""
    tolerance = distance.max()
    if tolerance == 0:
        return u, weights
    kernel = weights * (1 - (distance / tolerance) ** 2 * (1 - 1e-6))
    kernel /= kernel.sum()
    logit = np.log(np.clip(u, _EDGE, 1 - _EDGE)) - np.log1p(-np.clip(u, _EDGE, 1 - _EDGE))
    x = (statistics - target) / scale
    k = x.shape[1]
    design = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    ridge = np.diag([0.0, *[1e-3] * k])  # of statistics in units of their spread
    slopes = np.linalg.solve(
        (design * kernel[:, None]).T @ design + ridge / len(x), (design * kernel[:, None]).T @ logit
    )
    moved = logit - x @ slopes[1:]
    return np.clip(1 / (1 + np.exp(-moved)), 0.0, 1 - _EDGE), kernel
