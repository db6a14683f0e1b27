"""Majority trees of agents with shared errors and lossy messages: what is amplified, what is lost.

The model is B. Liu, L. Kong and J. Pei's, "Phase Transition for Budgeted Multi-Agent Synergy"
(arXiv:2601.17311, 2026). A question has two answers; an agent's *bias* is mu = 2 P(right) - 1. The
N = b^L leaves of a b-ary tree answer; every inner node takes the majority of what its b children
tell it. A message arrives as sent with fidelity gamma: its bias is gamma mu, it is flipped with
probability (1 - gamma) / 2. The b messages at a node have error correlation rho: with
probability rho they are all the same one, else they are independent (*shared failures*).

The paper's are: ``f_b'(0)``, ``alpha_rho``, the recursion, its phase transition at alpha_rho = 1
(theorem 4), s = log_b(alpha_rho) and synergy exactly when s > beta (theorem 5), and the floor of
continuous trees (equation 13). We had these formulas from a published summary of the paper, not
from its text; each is derived anew in the notes below, and held against simulation.
Ours are: the closed form of f_b, `critical_fidelity` and `critical_correlation`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError

Floats = NDArray[np.float64]


def majority(mu: ArrayLike, fan_in: int, rho: ArrayLike = 0.0) -> Floats:
    """Return the bias of the majority of `fan_in` answers, f_{b,rho}(mu).

    Parameters
    ----------
    mu : array
        Bias of each answer, from -1 to 1.
    fan_in : int
        b, odd.
    rho : array, broadcast against `mu`
        Correlation of the answers, from 0 to 1.

    Notes
    -----
    rho mu + (1 - rho) f_b(mu), with f_b(mu) = 2 P(Bin(b, (1 + mu) / 2) > b / 2) - 1.
    """
    bias, share = np.asarray(mu, np.float64), np.asarray(rho, np.float64)
    _odd(fan_in)
    _within(bias, -1, 1, "mu")
    _within(share, 0, 1, "rho")
    p = (1 + bias) / 2
    k = np.arange(fan_in // 2 + 1, fan_in + 1)
    ways = np.array([math.comb(fan_in, int(i)) for i in k], np.float64)
    terms = ways * p[..., None] ** k * (1 - p[..., None]) ** (fan_in - k)
    return np.asarray(share * bias + (1 - share) * (2 * terms.sum(axis=-1) - 1))


def slope(fan_in: int) -> float:
    """Return f_b'(0) = b C(b - 1, (b - 1) / 2) / 2^(b - 1): what a majority makes of weak signal.

    Notes
    -----
    The derivative of P(Bin(b, p) > b / 2) by p is b C(b - 1, (b - 1) / 2) (p (1 - p))^((b - 1) / 2)
    (all other terms cancel in pairs); at p = 1/2, times 2, by dp/dmu = 1/2. It grows as
    sqrt(2 b / pi), so that s < 1/2 for every b.

    Examples
    --------
    >>> slope(1), slope(3), slope(5)
    (1.0, 1.5, 1.875)
    """
    _odd(fan_in)
    return float(fan_in * math.comb(fan_in - 1, (fan_in - 1) // 2) / 2 ** (fan_in - 1))


def amplification(fan_in: int, rho: ArrayLike, fidelity: ArrayLike) -> Floats:
    """Return alpha_rho = gamma (rho + (1 - rho) f_b'(0)), the factor on weak signal a level.

    Above 1, weak signal grows to `fixed_point`; at 1 and below it is washed out with depth.
    """
    share, gamma = np.asarray(rho, np.float64), np.asarray(fidelity, np.float64)
    _within(share, 0, 1, "rho")
    _within(gamma, 0, 1, "fidelity")
    return np.asarray(gamma * (share + (1 - share) * slope(fan_in)))


def exponent(fan_in: int, rho: ArrayLike, fidelity: ArrayLike) -> Floats:
    """Return the organisation exponent s = log_b(alpha_rho): bias grows as N^s in N leaves."""
    if fan_in < 3:
        raise ParameterError(f"expected a fan-in of 3 or more, got {fan_in}", where="exponent")
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(amplification(fan_in, rho, fidelity)) / math.log(fan_in))


def critical_fidelity(fan_in: int, rho: ArrayLike, beta: float = 0.0) -> Floats:
    """Return the fidelity above which s > beta: b^beta / (rho + (1 - rho) f_b'(0)).

    With beta = 0 it is the edge between amplifying and washing out. Above 1 it cannot be had.
    """
    return np.asarray(fan_in**beta / amplification(fan_in, rho, 1.0))


def critical_correlation(fan_in: int, fidelity: ArrayLike, beta: float = 0.0) -> Floats:
    """Return the correlation below which s > beta: (f' - b^beta / gamma) / (f' - 1).

    Below 0 no team is independent enough.
    """
    if fan_in < 3:
        raise ParameterError(f"expected a fan-in of 3 or more, got {fan_in}", where="correlation")
    gamma = np.asarray(fidelity, np.float64)
    _within(gamma, 0, 1, "fidelity")
    with np.errstate(divide="ignore"):
        return np.asarray((slope(fan_in) - fan_in**beta / gamma) / (slope(fan_in) - 1))


def tree_bias(
    mu: ArrayLike, fan_in: int, depth: int, rho: ArrayLike = 0.0, fidelity: ArrayLike = 1.0
) -> Floats:
    """Return the bias of the root of a tree of `depth` levels whose leaves have bias `mu`.

    The recursion mu <- f_{b,rho}(gamma mu), exact at every depth; depth 1 is a star, depth 0 one
    agent. It needs no clipping: where the paper has a clipped predictor of growth and saturation,
    this is the model itself.
    """
    if depth < 0:
        raise ParameterError(f"expected a depth of 0 or more, got {depth}", where="tree_bias")
    gamma = np.asarray(fidelity, np.float64)
    _within(gamma, 0, 1, "fidelity")
    bias = np.asarray(mu, np.float64)
    for _ in range(depth):
        bias = majority(gamma * bias, fan_in, rho)
    return bias


def fixed_point(fan_in: int, rho: float, fidelity: float) -> float:
    """Return the bias mu* that a deep tree comes to: 0 where alpha_rho <= 1, else above 0.

    Notes
    -----
    f_b is concave on [0, 1] (its slope falls with p (1 - p)), so that there is one fixed point
    above 0 where alpha_rho > 1, and trees below it rise: a tree beats its own leaf exactly when
    the leaf's bias is below mu*. For b = 3 it has the closed form
    mu*^2 = 2 (gamma (rho + 3 (1 - rho) / 2) - 1) / ((1 - rho) gamma^3).
    """
    if float(amplification(fan_in, rho, fidelity)) <= 1:
        return 0.0
    low, high = 0.0, 1.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return high if float(tree_bias(high, fan_in, 1, rho, fidelity)) >= high else low
        if float(tree_bias(middle, fan_in, 1, rho, fidelity)) > middle:
            low = middle
        else:
            high = middle


def star_risk(
    n: ArrayLike, variance: ArrayLike, rho: ArrayLike = 0.0, noise: ArrayLike = 0.0
) -> Floats:
    """Return the mean squared error of the mean of n estimates, each told with noise.

    Parameters
    ----------
    n : array of int
    variance : array
        Of each estimate, unbiased.
    rho : array
        Correlation of the estimates' errors.
    noise : array
        Variance that a message adds, independently.

    Notes
    -----
    variance (rho + (1 - rho) / n) + noise / n: more agents never get below rho variance.
    """
    count, share = np.asarray(n, np.float64), np.asarray(rho, np.float64)
    _within(share, 0, 1, "rho")
    mean = share + (1 - share) / count
    return np.asarray(np.asarray(variance) * mean + np.asarray(noise) / count)


def tree_risk(
    fan_in: int, depth: int, variance: float, rho: float = 0.0, noise: float = 0.0
) -> float:
    """Return the mean squared error at the root of a tree of means: `star_risk` at every level."""
    risk = float(variance)
    for _ in range(depth):
        risk = float(star_risk(fan_in, risk, rho, noise))
    return risk


def tree_floor(fan_in: int, rho: float, noise: float) -> float:
    """Return the error that no depth of a tree of means gets below (or, from below, above).

    v* = noise / ((b - 1) (1 - rho)), the fixed point of `tree_risk` (the paper's equation 13).
    """
    if fan_in < 2 or not 0 <= rho < 1:
        raise ParameterError(
            f"expected a fan-in of 2 or more and rho in [0, 1), got {fan_in} and {rho}",
            where="tree_floor",
        )
    return noise / ((fan_in - 1) * (1 - rho))


def _odd(fan_in: int) -> None:
    if isinstance(fan_in, bool) or fan_in < 1 or fan_in % 2 == 0:
        raise ParameterError(
            f"expected an odd fan-in, so that a majority has no ties, got {fan_in!r}",
            where="fan_in",
        )


def _within(value: Floats, low: float, high: float, name: str) -> None:
    if not np.all((value >= low) & (value <= high)):
        raise ParameterError(f"expected {name} in [{low}, {high}], got {value!r:.80}", where=name)
