"""Calibration of scored choices: away from what the prompt says before it has said anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError

Float = NDArray[np.float64]

BLANKS = ("N/A", "[MASK]", "")
"""Content-free inputs, whose mean is taken (Zhao et al. 2021, section 5)."""

_FLOOR = 1e-12  # a probability below this counts as this, where its logarithm is taken


@dataclass(frozen=True)
class Fitted:
    """A slope and a level fitted to known decisions: ``log p'_j = slope * log p_j + level_j + c``.

    With two options and levels (0, b) this is ``logit p' = slope * logit p + b`` (J. Platt 1999,
    "Probabilistic outputs for support vector machines"); with more it is the vector scaling of Guo
    et al. 2017, "On calibration of modern neural networks", with one slope.

    Parameters
    ----------
    slope : float
    level : float or sequence of float
        One a option; a lone number is the second of two options' level, the first being 0.

    Raises
    ------
    ParameterError
        If a number is not finite.
    """

    slope: float = 1.0
    level: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.level, (int, float)):
            object.__setattr__(self, "level", tuple(float(v) for v in self.level))
        if not np.isfinite([self.slope, *np.atleast_1d(self.level)]).all():
            raise ParameterError(f"expected finite slope and level, got {self}", where="Fitted")

    def apply(self, p: ArrayLike) -> Float:
        """Return calibrated probabilities of `p`, of shape (m, k)."""
        table = np.asarray(p, np.float64)
        levels = self._levels(table.shape[1])
        return softmax(self.slope * np.log(np.maximum(table, _FLOOR)) + levels)

    def _levels(self, k: int) -> Float:
        given = np.atleast_1d(np.asarray(self.level, np.float64))
        if given.size == 1 and (k == 2 or not given.any()):
            given = np.concatenate([np.zeros(1), np.repeat(given, k - 1)])
        if given.size != k:
            raise ParameterError(
                f"expected {k} levels, one an option, got {given.size}", where="Fitted"
            )
        return given

    @classmethod
    def fit(cls, p: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> Fitted:
        """Fit to known decisions by maximum likelihood.

        Parameters
        ----------
        p : float array of shape (m, k)
            The model's probabilities.
        target : float array of shape (m, k) or integer array of shape (m,)
            Shares of the options among known decisions, or the options decided for.
        weight : float array of shape (m,), optional
            How many decisions each row stands for.

        Returns
        -------
        Fitted
            With the first level 0. A ridge of 1e-6 a decision keeps the fit finite where the known
            decisions could be told apart perfectly.

        Raises
        ------
        ParameterError
            If the shapes differ, or a target is no share.
        """
        table = np.asarray(p, np.float64)
        if table.ndim != 2 or not len(table):
            raise ParameterError(f"expected p of shape (m, k), got {table.shape}", where="Fitted")
        m, k = table.shape
        shares = np.asarray(target)
        if shares.ndim == 1 and shares.dtype.kind in "biu" and len(shares) == m:
            if not (shares.min() >= 0 and shares.max() < k):
                raise ParameterError(f"expected options 0..{k - 1}", where="Fitted")
            shares = np.eye(k)[shares.astype(np.int64)]
        if shares.shape != (m, k) or not (shares >= 0).all() or not (shares.sum(1) > 0).all():
            raise ParameterError(
                f"expected targets as options (m,) or shares ({m}, {k}), got {shares.shape}",
                where="Fitted",
            )
        shares = shares / shares.sum(axis=1, keepdims=True)
        w = np.ones(m) if weight is None else np.asarray(weight, np.float64)
        logs = np.log(np.maximum(table, _FLOOR))
        features = np.zeros((m, k, k))  # of option j: its log-probability, and which option it is
        features[:, :, 0] = logs
        for j in range(1, k):
            features[:, j, j] = 1.0
        start = np.zeros(k)
        start[0] = 1.0
        theta = conditional_logit(features, shares, w, start, ridge=1e-6)
        return cls(float(theta[0]), (0.0, *theta[1:].tolist()))


Calibration = Literal["content-free"] | Fitted | None


def content_free(p: Float, blank: Float) -> Float:
    """Return `p` divided by the mean answer to content-free inputs, normalised.

    Contextual calibration with W = diag(p_cf)^-1, b = 0 (Zhao et al. 2021, "Calibrate before use:
    improving few-shot performance of language models", ICML).

    Parameters
    ----------
    p : float array of shape (m, k)
    blank : float array of shape (b, k)
    """
    base = np.maximum(blank.mean(axis=0), _FLOOR)
    table = p / base
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def softmax(logits: Float) -> Float:
    """Return exp(logits) normalised over the last axis."""
    with np.errstate(under="ignore"):
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def tempered(p: Float, temperature: float) -> Float:
    """Return p^(1/temperature), normalised; at 0 the likeliest option, the first of equals."""
    if temperature == 1:
        return p
    if temperature == 0:
        return np.asarray(np.eye(p.shape[1])[np.argmax(p, axis=1)])
    with np.errstate(divide="ignore"):
        return softmax(np.log(p) / temperature)


def conditional_logit(
    features: Float, shares: Float, weight: Float, start: Float, ridge: float, rounds: int = 100
) -> Float:
    """Maximise the weighted log-likelihood of shares under softmax(features @ theta), by Newton.

    Parameters
    ----------
    features : float array of shape (m, k, d)
    shares : float array of shape (m, k), rows summing to 1
    weight : float array of shape (m,)
    start : float array of shape (d,)
        Also what the ridge draws theta towards.
    ridge : float
        Added to the mean negative log-likelihood as ``ridge/2 * |theta - start|^2``.

    Returns
    -------
    float array of shape (d,)
    """
    w = weight / weight.sum()
    theta = start.copy()

    def loss(at: Float) -> float:
        logits = features @ at
        top = logits.max(axis=1)
        total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        fit = w @ (total - (shares * logits).sum(axis=1))
        return float(fit + ridge / 2 * ((at - start) ** 2).sum())

    here = loss(theta)
    for _ in range(rounds):
        p = softmax(features @ theta)
        gradient = np.einsum("m,mk,mkd->d", w, p - shares, features) + ridge * (theta - start)
        mean = np.einsum("mk,mkd->md", p, features)
        curved = np.einsum("m,mk,mkd,mke->de", w, p, features, features, optimize=True)
        curved -= np.einsum("m,md,me->de", w, mean, mean)
        step = np.linalg.solve(curved + ridge * np.eye(len(theta)), gradient)
        size = 1.0
        while (there := loss(theta - size * step)) > here - 1e-4 * size * (gradient @ step):
            size /= 2
            if size < 1e-8:
                return theta
        theta, gain, here = theta - size * step, here - there, there
        if gain < 1e-12:
            break
    return theta


def check_calibration(given: Any, kinds: Mapping[str, Any]) -> dict[str, Calibration]:
    """Return a calibration for every kind, from one for all or a mapping by kind."""
    table = given if isinstance(given, Mapping) else dict.fromkeys(kinds, given)
    for kind, one in table.items():
        if kind not in kinds or not (
            one is None or one == "content-free" or isinstance(one, Fitted)
        ):
            raise ParameterError(
                f"expected None, 'content-free' or Fitted(slope, level), got {one!r} for {kind!r}",
                where="Language",
            )
    return dict(table)
