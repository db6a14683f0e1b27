"""What theory says of a rumour that is believed when heard and passed on once.

The first messages are a branching process, whole cascades are percolation on the network. A law of
degrees or offspring is an array of probabilities, by number from 0 on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError

Floats = NDArray[np.float64]


def law(probabilities: ArrayLike, where: str = "law") -> Floats:
    """Return the probabilities as float64, checked.

    Raises
    ------
    ParameterError
        If they are not probabilities that sum to 1.
    """
    found = np.asarray(probabilities, np.float64)
    if found.ndim != 1 or not (found >= 0).all() or abs(found.sum() - 1) > 1e-9:
        raise ParameterError("expected probabilities that sum to 1", where=where)
    return found


def excess(degrees: ArrayLike) -> Floats:
    """Return the law of the further neighbours of an agent reached along an edge.

    ``q_k = (k + 1) p_(k+1) / <k>`` (Newman, Strogatz and Watts 2001, Phys. Rev. E 64, 026118).
    """
    p = law(degrees, "excess")
    weighted = np.arange(len(p)) * p
    if not weighted.sum() > 0:
        raise ParameterError("expected agents with neighbours", where="excess")
    return np.asarray(weighted[1:] / weighted.sum())


def extinction(offspring: ArrayLike) -> float:
    """Return the chance that a branching process dies out: the least q with q = G(q).

    Newton's steps from 0, which rise to it since G is convex (Athreya and Ney 1972, theorem I.5.1).

    >>> round(extinction([0.25, 0.25, 0.5]), 9)
    0.5
    """
    p = law(offspring, "extinction")
    slopes = np.arange(1, len(p)) * p[1:]
    if len(p) < 2 or (slopes.sum() <= 1 and p[0] > 0):
        return 1.0
    q = 0.0
    for _ in range(200):
        step = (_at(p, q) - q) / (1.0 - _at(slopes, q))
        q += step
        if step <= 1e-15:
            break
    return float(q)


def total_progeny(offspring: ArrayLike, size: int, root: ArrayLike | None = None) -> Floats:
    """Return the law of a cascade's size, its root included: float64 of shape (size + 1,).

    Otter and Dwass: ``P(T = n) = sum over k of root_k k / (n - 1) P(S = n - 1 - k)``, where S is
    the offspring of n - 1 independent agents (Dwass 1969, J. Appl. Prob. 6). Of Poisson offspring
    it is Borel's law.

    Parameters
    ----------
    offspring : law of those whom one agent convinces
    size : int
        The largest that is wanted; what is missing to 1 is larger or infinite.
    root : law, optional
        Of those whom the first agent convinces; by default the same.
    """
    p = law(offspring, "total_progeny")[:size]
    first = p if root is None else law(root, "total_progeny")[:size]
    found = np.zeros(size + 1)
    if size >= 1:
        found[1] = first[0]
    power = np.ones(1)  # law of S for n - 1 agents
    for n in range(2, size + 1):
        power = np.convolve(power, p)[:size]
        k = np.arange(1, min(n - 1, len(first) - 1) + 1)
        rest = n - 1 - k
        there = rest < len(power)
        found[n] = (
            first[k] * k * np.where(there, power[np.minimum(rest, len(power) - 1)], 0)
        ).sum()
        found[n] /= n - 1
    return found


def reach_by_round(
    degrees: ArrayLike,
    transmission: float,
    manipulated: float,
    rounds: int,
    stopped: float = 0.0,
) -> Floats:
    """Return the benign share that believes after 0, 1, ... rounds; float64 of shape (rounds + 1,).

    Newman's generating functions (2002, Phys. Rev. E 66, 016128), round by round: the chance that a
    neighbour has not yet told one is ``u' = 1 - T (m + b (1 - G1(u)))``, u = 1 at first, where m
    are the manipulated and b the benign; of the benign ``1 - G0(u)`` believe. It is exact on large
    configuration networks if all speak once, on the round after they came to believe.

    Parameters
    ----------
    degrees : law of the number of neighbours
    transmission : float
        T, the chance that a message arrives.
    manipulated, stopped : float
        Shares of the manipulated, and of guardians who find the claim out; b is the rest.
    """
    p = law(degrees, "reach_by_round")
    q, benign = excess(p), 1.0 - manipulated - stopped
    u, found = 1.0, [0.0]
    for _ in range(rounds):
        u = 1.0 - transmission * (manipulated + benign * (1.0 - _at(q, u)))
        found.append(1.0 - _at(p, u))
    return np.array(found)


def guardian_threshold(degrees: ArrayLike, transmission: float) -> float:
    """Return the share of guardians at which one claim cannot spread far, 0 if it never can.

    Guardians who find the claim out take away their share of the offspring, T <k (k - 1)> / <k>:
    ``1 - 1 / (T <k (k - 1)> / <k>)``, the share of sites to be removed in percolation (Cohen, Erez,
    ben-Avraham and Havlin 2000, Phys. Rev. Lett. 85). Divide it by the chance of finding out.
    """
    q = excess(degrees)
    spread = transmission * float(np.arange(len(q)) @ q)
    return max(0.0, 1.0 - 1.0 / spread) if spread > 0 else 0.0


def _at(coefficients: Any, x: float) -> float:
    """Return the polynomial with these coefficients, the constant first, at `x`."""
    return float(np.polynomial.polynomial.polyval(x, coefficients))
