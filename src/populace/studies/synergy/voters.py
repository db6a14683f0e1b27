"""Voters who err together: how right their majority is, and in how many channels they speak.

Independent voters: Condorcet (1785). The beta-binomial vote: S. Berg, "Condorcet's jury theorem,
dependency among jurors", Social Choice and Welfare 10 (1993). One factor: O. Vasicek (1987).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError

Model = Literal["shock", "beta", "factor"]
MODELS: tuple[Model, ...] = ("shock", "beta", "factor")
_NODES = 64  # of Gauss-Legendre on each side of the step


def majority_accuracy(p: float, n: int, rho: float, model: Model = "shock") -> float:
    """Return the probability that the majority of n exchangeable voters is right.

    Parameters
    ----------
    p : float
        Probability that one is right.
    n : int
        Ties of an even number are drawn.
    rho : float
        Dependence, from 0 to 1: the correlation of any two voters' being right for ``shock`` and
        ``beta``, that of their latent factors for ``factor``.
    model : "shock", "beta" or "factor"
        ``shock``: with probability rho all give one voter's answer, else they are independent (the
        tree's model). ``beta``: each question has its own p from a beta distribution.
        ``factor``: voter i is right where sqrt(rho) z + sqrt(1 - rho) e_i < Phi^-1(p), normal z
        shared.

    Raises
    ------
    ParameterError
        For values out of range, or if scipy is missing (``studies`` extra) where it is needed.

    Notes
    -----
    For n to infinity ``shock`` tends to rho p + (1 - rho) (p > 1/2), ``beta`` to the beta
    distribution's mass above 1/2, ``factor`` to Phi(Phi^-1(p) / sqrt(rho)): never to 1.

    Examples
    --------
    >>> round(majority_accuracy(0.6, 3, 0.0), 6)  # p^3 + 3 p^2 (1 - p)
    0.648
    """
    if not (0 <= p <= 1 and 0 <= rho <= 1 and n >= 1 and model in MODELS):
        raise ParameterError(
            f"expected p and rho in [0, 1], n of 1 or more and a model of {', '.join(MODELS)}; got "
            f"{p}, {rho}, {n}, {model!r}",
            where="majority_accuracy",
        )
    if rho == 1 or p in (0, 1):
        return float(p)
    if rho == 0 or model == "shock":
        return float(rho * p + (1 - rho) * _binomial(np.array([p]), n)[0])
    return _beta(p, n, rho) if model == "beta" else _factor(p, n, rho)


def _binomial(p: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """P(majority right) of n independent voters, by each p: a regularised incomplete beta."""
    special = _scipy()
    if n % 2:
        return np.asarray(special.betainc((n + 1) / 2, (n + 1) / 2, p))
    # an even number with ties drawn is as good as one voter fewer
    return np.asarray(special.betainc(n / 2, n / 2, p)) if n > 0 else p


def _beta(p: float, n: int, rho: float) -> float:
    special = _scipy()
    a, b = p * (1 / rho - 1), (1 - p) * (1 / rho - 1)
    k = np.arange(n // 2, n + 1)
    logs = (
        special.gammaln(n + 1)
        - special.gammaln(k + 1)
        - special.gammaln(n - k + 1)
        + special.betaln(k + a, n - k + b)
        - special.betaln(a, b)
    )
    weight = np.where(2 * k > n, 1.0, np.where(2 * k == n, 0.5, 0.0))
    return float((weight * np.exp(logs)).sum())


def _factor(p: float, n: int, rho: float) -> float:
    """Integrate the conditional majority over the factor, both sides of where it crosses 1/2."""
    special = _scipy()
    point = float(special.ndtri(p))
    middle = point / math.sqrt(rho)  # where the conditional p is 1/2
    # width of the step: the conditional p moves by 1 / sqrt(n) about there
    width = math.sqrt((1 - rho) / rho) * min(1.0, 2.5 / math.sqrt(n))
    cuts = {-9.0, 9.0, middle, *(middle + s * m * width for s in (-1, 1) for m in (1, 3, 8, 25))}
    edges = sorted(cut for cut in cuts if -9 <= cut <= 9)
    x, w = np.polynomial.legendre.leggauss(_NODES)
    total = 0.0
    for low, high in pairwise(edges):
        z = (high - low) / 2 * x + (high + low) / 2
        chance = special.ndtr((point - math.sqrt(rho) * z) / math.sqrt(1 - rho))
        density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        total += float((w * density * _binomial(np.asarray(chance), n)).sum()) * (high - low) / 2
    return total


def error_correlation(right: ArrayLike) -> float:
    """Return the correlation of any two voters' being right, from who was right about what.

    Parameters
    ----------
    right : array of shape (questions, voters)
        Truth values.

    Returns
    -------
    float
        (P(two different voters right) - p^2) / (p (1 - p)), p over all; NaN where p is 0 or 1, or
        for one voter.
    """
    table = np.asarray(right, np.float64)
    if table.ndim != 2 or table.size == 0:
        raise ParameterError(
            f"expected a table of questions by voters, got shape {table.shape}",
            where="error_correlation",
        )
    n, p = table.shape[1], float(table.mean())
    if n < 2 or p in (0.0, 1.0):
        return math.nan
    yes = table.sum(axis=1)
    pairs = float((yes * (yes - 1)).mean()) / (n * (n - 1))
    return float((pairs - p**2) / (p * (1 - p)))


def k_star_equicorrelated(n: int, r: float) -> float:
    """Return K* of n unit vectors with cosine r between any two.

    Their Gram matrix over n has the eigenvalues (1 + (n - 1) r) / n, once, and (1 - r) / n, n - 1
    times; K* is 2 to the power of their entropy: n at r = 0 and 1 at r = 1.

    Examples
    --------
    >>> [round(k_star_equicorrelated(5, r), 2) for r in (0.0, 0.5, 1.0)]
    [5.0, 3.41, 1.0]
    """
    if n < 1 or not (-1 / max(n - 1, 1) <= r <= 1):
        raise ParameterError(
            f"expected n >= 1 and a cosine that {n} vectors can have, got {n} and {r}",
            where="k_star_equicorrelated",
        )
    one, rest = (1 + (n - 1) * r) / n, (1 - r) / n
    entropy = -sum(
        times * value * math.log(value) for times, value in ((1, one), (n - 1, rest)) if value > 0
    )
    return math.exp(entropy)


def _scipy() -> Any:
    try:
        from scipy import special
    except ImportError as error:
        raise ParameterError(
            "correlated voters need scipy",
            where="majority_accuracy",
            mend="pip install 'populace[studies]'",
        ) from error
    return special
