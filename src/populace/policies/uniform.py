"""`Uniform`: any answer that is allowed, each as likely; the null model of a mind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parametric
from populace.kernel.spaces import Choice, Number, Record, Space


class Uniform(Parametric):
    """Answers anything that the space allows, each answer as likely, heeding nothing.

    What any other mind adds to a world is its difference from this one. Options of a `Choice` are
    equally likely; a `Number` is uniform between its bounds, the whole ones within them if it is an
    integer; the fields of a `Record` are independent. From other spaces, and numbers without
    finite bounds, it abstains.

    Examples
    --------
    >>> from populace import Simulation
    >>> from populace.worlds.public_goods import PublicGoods
    >>> run = Simulation(PublicGoods(groups=500), Uniform(), seed=1).run(10)
    >>> round(run.metrics["contribution"].mean())  # of whole numbers from 0 to 20
    10
    """

    def act(self, observation: Observation) -> Any:
        if not _bounded(observation.space):
            return Answers(None, Outcome.ABSTAINED)
        return _drawn(observation.space, observation)


def _bounded(space: Space) -> bool:
    if isinstance(space, Record):
        return all(map(_bounded, space.fields.values()))
    if isinstance(space, Number):
        return bool(np.isfinite(space.low).all() and np.isfinite(space.high).all())
    return isinstance(space, Choice)


def _drawn(space: Space, observation: Observation) -> Any:
    if isinstance(space, Record):
        return {name: _drawn(field, observation) for name, field in space.fields.items()}
    draw: NDArray[np.float64] = observation.random.uniform()
    if isinstance(space, Choice):
        k = len(space.options)
        return np.minimum((draw * k).astype(np.int64), k - 1)
    assert isinstance(space, Number)
    if not space.integer:
        return space.low + draw * (space.high - space.low)
    low, high = np.ceil(space.low), np.floor(space.high)
    return np.minimum(low + np.floor(draw * (high - low + 1)), high)
