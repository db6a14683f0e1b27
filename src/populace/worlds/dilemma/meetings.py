"""Who plays whom: encounters as pairs of arcs, dealt into rounds in which nobody plays twice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.jit import jit

Ints = NDArray[np.int64]


class Encounters:
    """Pairs of players with the moves they made, from both sides.

    Parameters
    ----------
    pairs : integer array of shape (m, 2)
        Each pair once; a player may be in several.
    rounds : int

    Attributes
    ----------
    player, partner : int64 arrays of shape (2 m,)
        Whose side an arc is, and against whom; arcs ``2 k`` and ``2 k + 1`` are one encounter.
    moves : uint8 array of shape (2 m, rounds)
    earned : float64 array of shape (2 m,)
        Sum of payoffs so far.
    sittings : list of int64 arrays
        Arcs that play at the same time: in each, every player has one partner at most.
    """

    def __init__(self, pairs: NDArray[Any], rounds: int) -> None:
        pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
        self.player = pairs.ravel()
        self.partner = pairs[:, ::-1].ravel()
        self.moves = np.zeros((2 * len(pairs), rounds), np.uint8)
        self.earned = np.zeros(2 * len(pairs))
        self.sittings = sittings(pairs)

    def opposite(self, arcs: Ints) -> Ints:
        """Return the other sides of `arcs`."""
        return arcs ^ 1

    def play(self, number: int, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Book round `number`, of which all moves are made; return its payoff an arc."""
        own = self.moves[:, number]
        paid = table[own, own.reshape(-1, 2)[:, ::-1].ravel()]
        self.earned += paid
        return np.asarray(paid)

    def means(self, players: int, each: bool) -> NDArray[np.float64]:
        """Return every player's payoff: over encounters the mean (`each`) or the sum; 0 of none."""
        total = np.bincount(self.player, self.earned, players).astype(np.float64)
        if not each:
            return total
        return total / np.maximum(1, np.bincount(self.player, minlength=players))


def sittings(pairs: Ints) -> list[Ints]:
    """Return the arcs of `pairs` in groups that can play at once: a greedy edge colouring.

    At most ``2 d - 1`` groups where no player has more than d partners.
    """
    if not len(pairs):
        return []
    colour = _coloured(np.ascontiguousarray(pairs), int(pairs.max()) + 1)
    found = []
    for c in range(int(colour.max()) + 1):
        own = np.flatnonzero(colour == c)
        found.append(np.sort(np.concatenate([2 * own, 2 * own + 1])))
    return found


@jit
def _coloured(pairs: Any, players: int) -> Any:
    colour = np.full(len(pairs), -1, np.int64)
    busy = np.full(players, -1, np.int64)
    left, c = len(pairs), 0
    while left > 0:
        for k in range(len(pairs)):
            a, b = pairs[k, 0], pairs[k, 1]
            if colour[k] < 0 and busy[a] != c and busy[b] != c:
                busy[a] = c
                busy[b] = c
                colour[k] = c
                left -= 1
        c += 1
    return colour
