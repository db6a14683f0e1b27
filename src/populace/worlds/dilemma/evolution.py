"""Imitation: who takes over whose strategy, from what both earned."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.kernel.streams import Stream
from populace.policies.imitate import fermi, proportional

Update = Literal["none", "fermi", "replicator", "best"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def models(network: Network | None, n: int, stream: Stream) -> Ints:
    """Return whom each of `n` players looks at: a random other, or a random neighbour.

    Who has none looks at itself.
    """
    ids, own = np.arange(n), np.arange(n)
    if network is None:
        if n == 1:
            return own
        other = np.minimum((stream.uniform(ids) * (n - 1)).astype(np.int64), n - 2)
        return np.asarray(other + (other >= own))
    degree = network.degree
    place = np.minimum((stream.uniform(ids) * degree).astype(np.int64), degree - 1)
    at = network.offsets[:-1].astype(np.int64) + np.maximum(place, 0)
    targets = np.append(network.targets.astype(np.int64), 0)
    return np.where(degree > 0, targets[np.minimum(at, len(targets) - 1)], own)


def best(network: Network, earned: Floats) -> Ints:
    """Return whom each player imitates: who earned most of oneself and one's neighbours.

    Nowak and May 1992, Nature 359, 826. Oneself where nobody earned more; of several
    the lowest row.
    """
    n = network.n
    found = np.arange(n)
    source = np.repeat(np.arange(n), network.degree)
    target = network.targets.astype(np.int64)
    order = np.lexsort((target, -earned[target], source))  # the best neighbour first, by source
    source, target = source[order], target[order]
    first = np.flatnonzero(np.r_[True, source[1:] != source[:-1]]) if len(source) else source
    better = earned[target[first]] > earned[source[first]]
    found[source[first][better]] = target[first][better]
    return found


def imitate(
    strategy: NDArray[Any],
    earned: Floats,
    update: Update,
    network: Network | None,
    stream: Stream,
    selection: float,
    span: float,
    each: bool,
) -> NDArray[Any]:
    """Return everybody's next strategy, all deciding at once on what was earned.

    Parameters
    ----------
    strategy : array of shape (n,)
    earned : float64 array of shape (n,)
    each : bool
        Payoffs are means over encounters; if they are sums, those of players with up to d partners
        differ by up to ``d span`` (Santos and Pacheco 2005, Physical Review Letters 95, 098104).
    """
    n = len(strategy)
    if update == "best":
        assert network is not None
        return np.asarray(strategy[best(network, earned)])
    model = models(network, n, stream)
    if update == "fermi":
        p = fermi(earned, earned[model], selection)
    else:
        scale: Floats | float = span
        if not each and network is not None:
            scale = span * np.maximum(1, np.maximum(network.degree, network.degree[model]))
        p = proportional(earned, earned[model], scale)
    takes = stream.uniform(np.arange(n)) < p
    return np.where(takes, strategy[model], strategy)
