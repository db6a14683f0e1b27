"""Who goes on to the next generation, and whom those who come new take after."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from populace.policies.imitate import proportional

Selection = Literal["top", "random", "imitation"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def survivors(scores: Floats, keep: int, keys: Floats) -> NDArray[np.bool_]:
    """Return the `keep` best of each game, bool of shape (games, n); ties go by `keys`.

    Parameters
    ----------
    scores, keys : float64 arrays of shape (games, n)
        Scores that are all the same leave the choice to the keys.
    """
    order = np.lexsort((keys, -scores), axis=1)
    chosen = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(chosen, order[:, :keep], True, axis=1)
    return chosen


def teachers(survived: NDArray[np.bool_], draws: Floats) -> Ints:
    """Return a survivor of the same game for each who did not survive, as rows, in row order.

    Parameters
    ----------
    survived : bool array of shape (games, n)
        The same number in each game.
    draws : float64 array of shape (newcomers,)
        Uniform in [0, 1).
    """
    games, n = survived.shape
    keep = int(survived[0].sum())
    table = np.flatnonzero(survived.ravel()).reshape(games, keep)
    game = np.flatnonzero(~survived.ravel()) // n
    return np.asarray(table[game, (draws * keep).astype(np.int64)])


def models(scores: Floats, looks: Floats, takes: Floats) -> Ints:
    """Return whom each agent imitates of its game, as rows: itself, or one who is better off.

    Each looks at a random other and takes over its ways with chance ``(theirs - own) / range``,
    the range that of the game's scores. So of a share x that plays one of two strategies the
    expected change is ``x (1 - x) (mean difference of scores) / range n / (n - 1)``: the replicator
    equation (Schlag 1998, Journal of Economic Theory 78, 130).

    Parameters
    ----------
    scores : float64 array of shape (games, n)
    looks, takes : float64 arrays of shape (games, n)
        Uniform in [0, 1).
    """
    games, n = scores.shape
    rows = np.arange(games * n).reshape(games, n)
    if n == 1:
        return rows.ravel()
    other = np.minimum((looks * (n - 1)).astype(np.int64), n - 2)
    other += other >= np.arange(n)
    theirs = np.take_along_axis(scores, other, axis=1)
    span = scores.max(axis=1, keepdims=True) - scores.min(axis=1, keepdims=True)
    chance = proportional(scores, theirs, np.where(span > 0, span, 1.0))
    model = np.take_along_axis(rows, other, axis=1)
    return np.where(takes < chance, model, rows).ravel()
