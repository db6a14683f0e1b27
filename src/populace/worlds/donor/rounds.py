"""A round: who donates to whom, in all games at once, and what that moves."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pairing = Literal["rotation", "random"]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def rotation(order: Ints, number: int) -> tuple[Ints, Ints]:
    """Return donors and recipients of a round in which everybody changes its role.

    The two halves of each game donate by turns, so that who receives was a donor in the round
    before. In n / 2 rounds nobody meets the same partner twice; in n rounds each of a half meets
    each of the other once in each role.

    Parameters
    ----------
    order : int array of shape (games, n)
        Rows of each game's agents in a random order that stands for a generation; n even.
    number : int
        Of the round, from 0.

    Returns
    -------
    donors, recipients : int64 arrays of shape (games, n / 2)
    """
    half = order.shape[1] // 2
    # where half is even, a lap's step keeps a pair from the roles that it had a lap ago
    shift = number if half % 2 else number + number // half
    first, second = order[:, :half], order[:, half:]
    met = np.roll(second, -(shift % half), axis=1)
    return (first, met) if number % 2 == 0 else (met, first)


def at_random(order: Ints) -> tuple[Ints, Ints]:
    """Return donors and recipients of a round of random pairs and roles, from a random order.

    Shapes (games, n // 2); with n odd the last of each order sits out.
    """
    pairs = order.shape[1] // 2
    return order[:, 0 : 2 * pairs : 2], order[:, 1 : 2 * pairs : 2]


def moved(
    share: Floats, have: Floats, theirs: Floats, multiplier: float, impact: float
) -> tuple[Floats, Floats]:
    """Return the units that donors spend, and what their recipients gain by it (or lose).

    A unit given is worth `multiplier` to the recipient; a unit spent to punish takes `impact` from
    it, down to nothing.

    Parameters
    ----------
    share : float64 array of shape (n,)
        Of `have`, given; below 0: spent to punish.
    have, theirs : float64 arrays of shape (n,)
        What a donor can give all of, and what its recipient has.
    """
    units = np.minimum(np.abs(share) * have, have)
    gain = np.where(share < 0, -np.minimum(impact * units, theirs), multiplier * units)
    return units, gain
