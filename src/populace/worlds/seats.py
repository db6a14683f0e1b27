"""Many small games side by side: who sits where, who is cast for which seat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.cast import Cast
from populace.kernel.errors import CastError
from populace.kernel.population import Population

NAMES = ("John", "Kate", "Jack", "Emma", "Luke", "Nora", "Omar", "Ruth", "Saul", "Tess")


def names(seats: int) -> tuple[str, ...]:
    """Return a name a seat; from the eleventh seat on, numbered.

    >>> names(11)[9:]
    ('Tess', 'John 2')
    """
    lap = len(NAMES)
    return tuple(NAMES[i % lap] + (f" {i // lap + 1}" if i >= lap else "") for i in range(seats))


def by_seat(policies: Mapping[str, Any], counts: Mapping[str, int], people: Population) -> Cast:
    """Return a cast with the same minds in every game: so many seats of each, in this order.

    Shares draw minds over all games, so that the games differ; this gives every game the same.

    Parameters
    ----------
    policies : mapping of str to Policy
    counts : mapping of str to int
        Seats of each; together as many as a game has.
    people : Population
        With a column ``seat``.

    Raises
    ------
    CastError
        If the counts do not fill the seats.
    """
    seats = int(people.seat.max()) + 1
    order: NDArray[Any] = np.repeat(list(counts), list(counts.values()))
    if len(order) != seats:
        raise CastError(f"expected minds for {seats} seats, got {dict(counts)}", where="by_seat")
    cast = {name: policies[name] for name in counts if name in policies}
    assign = {name: np.isin(people.seat, np.flatnonzero(order == name)) for name in counts}
    return Cast(cast, assign=assign)
