"""A small regression of choice probabilities on columns, checked by cross-validation.

Multinomial logit on a quadratic response surface of the numbers and an indicator of each code,
with a ridge; fitted to probabilities rather than to draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.language.calibrate import softmax

Float = NDArray[np.float64]
Cell = Mapping[str, float | str]  # a prompt's columns: numbers, and words for codes

_CODES = 32  # a column of words with more different ones is left out
_RIDGE = 1e-3
_FOLDS = 5


@dataclass(frozen=True)
class Surface:
    """Features of cells, as standardised on the cells that were learnt from."""

    numbers: tuple[tuple[str, float, float, float, float], ...]  # name, mean, sd, least, largest
    codes: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Surface:
        """Learn which numbers and codes there are, and their range."""
        numbers, codes = [], []
        for name in cells[0]:
            values = [cell[name] for cell in cells]
            if all(isinstance(v, float) for v in values):
                column = np.array(values, np.float64)
                sd = float(column.std())
                bounds = float(column.min()), float(column.max())
                numbers.append((name, float(column.mean()), sd or 1.0, *bounds))
            elif len(words := sorted({str(v) for v in values})) <= _CODES:
                codes.append((name, tuple(words)))
        return cls(tuple(numbers), tuple(codes))

    def features(self, cells: Sequence[Cell]) -> Float:
        """Return features of shape (m, d): 1, numbers, their products, indicators of codes."""
        m = len(cells)
        z = [
            (np.array([cell[name] for cell in cells], np.float64) - mean) / sd
            for name, mean, sd, *_ in self.numbers
        ]
        columns = [np.ones(m), *z]
        columns += [z[i] * z[j] for i in range(len(z)) for j in range(i, len(z))]
        for name, words in self.codes:
            said = [cell[name] for cell in cells]
            columns += [np.array([s == word for s in said], np.float64) for word in words[1:]]
        return np.stack(columns, axis=1)

    def covers(self, cells: Sequence[Cell]) -> NDArray[np.bool_]:
        """Return which cells lie within the range of numbers and among the codes learnt from."""
        codes = [(name, set(words)) for name, words in self.codes]
        return np.array(
            [
                all(low <= cell[name] <= high for name, _, _, low, high in self.numbers)  # type: ignore[operator]
                and all(cell[name] in words for name, words in codes)
                for cell in cells
            ],
            np.bool_,
        )


@dataclass(frozen=True)
class Regression:
    """Choice probabilities as a function of cells."""

    surface: Surface
    theta: Float  # of shape (k - 1, d): the first option's logit is 0

    @classmethod
    def fit(cls, cells: Sequence[Cell], p: Float, weight: Float) -> Regression:
        """Fit to probabilities `p` of shape (m, k), each weighted by the agents it stands for."""
        surface = Surface.of(cells)
        return cls(surface, multinomial(surface.features(cells), p, weight, _RIDGE))

    def predict(self, cells: Sequence[Cell]) -> Float:
        """Return probabilities of shape (m, k)."""
        x = self.surface.features(cells)
        return softmax(np.concatenate([np.zeros((len(x), 1)), x @ self.theta.T], axis=1))

    def as_json(self) -> dict[str, Any]:
        """Return JSON values that `from_json` reads back to the last bit."""
        numbers, codes = self.surface.numbers, self.surface.codes
        return {"numbers": numbers, "codes": codes, "theta": self.theta.tolist()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Regression:
        numbers = tuple((str(name), *map(float, rest)) for name, *rest in record["numbers"])
        codes = tuple((str(name), tuple(words)) for name, words in record["codes"])
        return cls(Surface(numbers, codes), np.array(record["theta"]))  # type: ignore[arg-type]


def cross_validated(
    cells: Sequence[Cell], p: Float, weight: Float, fold: NDArray[np.int64]
) -> tuple[Float, NDArray[np.bool_]]:
    """Return each cell's error by a regression fitted without its fold, and where that is covered.

    The error is the total variation distance, ``sum |p' - p| / 2``: the largest difference in the
    probability of any set of options.
    """
    error, covered = np.zeros(len(cells)), np.zeros(len(cells), np.bool_)
    for k in range(_FOLDS):
        out = np.flatnonzero(fold % _FOLDS == k)
        rest = np.flatnonzero(fold % _FOLDS != k)
        if not len(out) or not len(rest):
            continue
        fitted = Regression.fit([cells[i] for i in rest.tolist()], p[rest], weight[rest])
        held = [cells[i] for i in out.tolist()]
        covered[out] = fitted.surface.covers(held)
        error[out] = distance(fitted.predict(held), p[out])
    return error, covered


def distance(p: Float, q: Float) -> Float:
    """Return the total variation distance of distributions, row by row."""
    return np.asarray(np.abs(p - q).sum(axis=1) / 2)


def interval(errors: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of independent errors in [0, 1] and its 95 % confidence interval.

    Student's interval; below 3 errors nothing is known, which is 0 to 1. The quantile of t is
    Abramowitz & Stegun (1964), 26.7.5: within 4 % at 2 degrees of freedom, 0.3 % from 5 on.
    """
    n = len(errors)
    if n == 0:
        return math.nan, 0.0, 1.0
    mean = math.fsum(errors) / n
    if n < 3:
        return mean, 0.0, 1.0
    sd = math.sqrt(math.fsum((e - mean) ** 2 for e in errors) / (n - 1))
    half = student(n - 1) * sd / math.sqrt(n)
    return mean, max(0.0, mean - half), min(1.0, mean + half)


def student(freedom: int, z: float = 1.959963984540054) -> float:
    """Return the quantile of Student's t at which the normal one is `z`, by the expansion above."""
    v = freedom
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )


def multinomial(x: Float, p: Float, weight: Float, ridge: float, rounds: int = 50) -> Float:
    """Return coefficients of a multinomial logit fitted to probabilities, by Newton's method.

    Parameters
    ----------
    x : float array of shape (m, d), its first column 1
    p : float array of shape (m, k)
    weight : float array of shape (m,)
    ridge : float
        On all coefficients but the constants, beside the mean negative log-likelihood.

    Returns
    -------
    float array of shape (k - 1, d)
    """
    m, d = x.shape
    k = p.shape[1] - 1
    w = weight / weight.sum()
    penalty = np.full(d, ridge)
    penalty[0] = 1e-9
    theta = np.zeros((k, d))

    def loss(at: Float) -> float:
        logits = np.concatenate([np.zeros((m, 1)), x @ at.T], axis=1)
        top = logits.max(axis=1)
        total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        return float(w @ (total - (p * logits).sum(axis=1)) + (penalty * at**2).sum() / 2)

    here = loss(theta)
    for _ in range(rounds):
        q = softmax(np.concatenate([np.zeros((m, 1)), x @ theta.T], axis=1))[:, 1:]
        gradient = ((q - p[:, 1:]) * w[:, None]).T @ x + penalty * theta
        curved = np.empty((k, d, k, d))
        for a in range(k):
            for b in range(k):
                curvature = w * q[:, a] * ((a == b) - q[:, b])
                curved[a, :, b] = (x * curvature[:, None]).T @ x
        flat = curved.reshape(k * d, k * d) + np.diag(np.tile(penalty, k))
        step = np.linalg.solve(flat, gradient.ravel()).reshape(k, d)
        slope, size = float((gradient * step).sum()), 1.0
        while (there := loss(theta - size * step)) > here - 1e-4 * size * slope and size > 1e-8:
            size /= 2
        if size <= 1e-8:
            break
        theta, gain, here = theta - size * step, here - there, there
        if gain < 1e-10:
            break
    return theta
