"""Maps from stated confidence to the probability of being right, fitted on validation data.

Isotonic: B. Zadrozny and C. Elkan, "Transforming classifier scores into accurate multiclass
probability estimates" (KDD 2002). Platt: J. Platt, "Probabilistic outputs for support vector
machines" (1999), whose smoothed targets keep every probability away from 0 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError
from populace.teams.settings import expect


@dataclass(frozen=True)
class Isotonic:
    """A map that rises or stays, linear between its knots and constant beyond them.

    Attributes
    ----------
    confidence, probability : tuple of float
        The knots, in ascending order.
    """

    confidence: tuple[float, ...]
    probability: tuple[float, ...]

    def __call__(self, confidence: float) -> float:
        return float(np.interp(confidence, self.confidence, self.probability))


@dataclass(frozen=True)
class Platt:
    """A logistic map, 1 / (1 + exp(-(slope c + intercept)))."""

    slope: float
    intercept: float

    def __call__(self, confidence: float) -> float:
        return 0.5 + 0.5 * math.tanh((self.slope * confidence + self.intercept) / 2)


def fit(
    confidence: ArrayLike, right: ArrayLike, method: Literal["isotonic", "platt"] = "isotonic"
) -> Isotonic | Platt:
    """Fit a map from what a member stated on validation items and whether it was right.

    Parameters
    ----------
    confidence : array of shape (n,)
        From 0 to 1.
    right : array of shape (n,)
        Truth values.
    method : "isotonic" or "platt"
        Isotonic regression of the share of right answers at each stated confidence, each smoothed
        by Laplace's rule, (r + 1) / (n + 2) with weight n + 2; or logistic regression on Platt's
        targets, (n+ + 1) / (n+ + 2) and 1 / (n- + 2).

    Raises
    ------
    ParameterError
        For no data, data that do not fit one another, or without scikit-learn (``learned`` extra).
    """
    stated, good = np.asarray(confidence, np.float64), np.asarray(right)
    aligned = stated.ndim == 1 and stated.shape == good.shape and stated.size > 0
    expect(aligned, "two aligned arrays that are not empty", [stated.shape, good.shape], "fit")
    expect(bool(np.all((stated >= 0) & (stated <= 1))), "confidence in [0, 1]", stated, "fit")
    expect(bool(np.isin(good, [0, 1]).all()), "right as truth values", good, "fit")
    expect(method in ("isotonic", "platt"), "isotonic or platt", method, "fit")
    return (_isotonic if method == "isotonic" else _platt)(stated, good.astype(np.bool_))


def _isotonic(stated: NDArray[np.float64], good: NDArray[np.bool_]) -> Isotonic:
    try:
        from sklearn.isotonic import isotonic_regression
    except ImportError as error:
        raise _without() from error
    levels, of = np.unique(stated, return_inverse=True)
    n = np.bincount(of).astype(np.float64)
    share = (np.bincount(of, good) + 1) / (n + 2)
    rising = isotonic_regression(share, sample_weight=n + 2)
    return Isotonic(tuple(levels.tolist()), tuple(np.asarray(rising).tolist()))


def _platt(stated: NDArray[np.float64], good: NDArray[np.bool_]) -> Platt:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise _without() from error
    positive = int(good.sum())
    high, low = (positive + 1) / (positive + 2), 1 / (len(good) - positive + 2)
    target = np.where(good, high, low)
    # an observation of target t is one right answer of weight t and one wrong of weight 1 - t
    x, y = np.tile(stated, 2)[:, None], np.repeat([1, 0], len(good))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    model.fit(x, y, sample_weight=np.concatenate([target, 1 - target]))
    return Platt(float(model.coef_[0, 0]), float(model.intercept_[0]))


def _without() -> ParameterError:
    return ParameterError(
        "calibration needs scikit-learn", where="fit", mend="pip install 'populace[learned]'"
    )
