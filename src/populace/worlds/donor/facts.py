"""What is known of the donor game, in closed form.

A donation costs its donor c and is worth b = m c to who receives it, m the multiplier. A donor
knows the recipient's image with chance q (Nowak and Sigmund 1998, Nature 393, 573; 2005, Nature
437, 1291). A share x of a large population are discriminators, who give unless they know that the
recipient is bad; the others never give.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from populace.worlds.donor.norms import Norm


def final_resources(
    share: float, rounds: int, multiplier: float, endowment: float
) -> tuple[float, float]:
    """Return what both halves end with where every donor gives `share` of what it has.

    Roles alternate, so two rounds take the resources (a, b) of an agent of the half that donates
    first and one of the other half to ``G F (a, b)``, with
    ``F = [[1 - s, 0], [m s, 1]]`` and ``G = [[1, m s], [0, 1 - s]]``.

    >>> final_resources(0.0, 12, 2.0, 10.0), final_resources(1.0, 12, 2.0, 10.0)
    ((10.0, 10.0), (61440.0, 0.0))
    """
    first = np.array([[1 - share, 0], [multiplier * share, 1]])
    second = first[::-1, ::-1]
    both = np.linalg.matrix_power(second @ first, rounds // 2)
    if rounds % 2:
        both = first @ both
    a, b = both @ np.full(2, endowment)
    return float(a), float(b)


def threshold(norm: Literal["scoring", "standing"], benefit: float, cost: float, q: float) -> float:
    """Return the share of discriminators above which they earn more than defectors.

    Where images have settled, defectors are bad. Under ``scoring`` a share g of the discriminators
    is good, who earn ``g (b q x - c)`` more than defectors, whatever g: x* = c / (b q). Under
    ``standing`` they are all good and earn ``b q x - c (1 - q + q x)`` more: x* = c (1 - q) /
    (q (b - c)). Both are below 1, so that discriminators can resist defectors at all, if and only
    if **q > c / b**, the rule of Nowak and Sigmund. May exceed 1; infinite where q is 0.

    >>> threshold("scoring", 2, 1, 0.5), threshold("standing", 2, 1, 0.5)
    (1.0, 1.0)
    """
    if q == 0:
        return float("inf")
    if norm == "scoring":
        return cost / (benefit * q)
    return cost * (1 - q) / (q * (benefit - cost))


class MeanField(NamedTuple):
    """A large population's course, float64 arrays of shape (rounds,).

    ``good`` and ``bad`` are the shares of the discriminators, and of the defectors, whose image is
    good before the round; ``giving`` is the chance that a discriminator who donates gives;
    ``discriminators`` and ``defectors`` are their payoffs of the round.
    """

    good: NDArray[np.float64]
    bad: NDArray[np.float64]
    giving: NDArray[np.float64]
    discriminators: NDArray[np.float64]
    defectors: NDArray[np.float64]


def mean_field(
    norm: Norm, x: float, q: float, rounds: int, benefit: float = 2.0, cost: float = 1.0
) -> MeanField:
    """Return what discriminators and defectors do and earn, round by round, all good at first.

    Pairs and roles are random, so half of either are donors in a round. With ``G = x g +
    (1 - x) d`` the chance that a recipient is good, a discriminator gives with chance
    ``1 - q + q G``.

    Parameters
    ----------
    norm : "scoring", "standing" or "judging"
    x : float
        Share of discriminators, 0 to 1.
    q : float
        Chance that a donor knows the recipient's image, 0 to 1.
    """
    g = d = 1.0
    rows = []
    for _ in range(rounds):
        known = x * g + (1 - x) * d
        gives = 1 - q + q * known
        own = -cost * gives + benefit * x * (1 - q + q * g)
        theirs = benefit * x * (1 - q + q * d)
        rows.append((g, d, gives, own / 2, theirs / 2))
        if norm == "scoring":
            after, lost = gives, 0.0
        elif norm == "standing":
            after, lost = gives + q * (1 - known) * g, (1 - known) * d
        else:  # to give to the good and to refuse the bad, known to be so, is good
            after, lost = known + q * (1 - known), 1 - known
        g, d = (g + after) / 2, (d + lost) / 2
    return MeanField(*np.array(rows).T)
