"""What imitators copy: a strategy, or an option or place in a range for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome
from populace.kernel.errors import PolicyError
from populace.kernel.observation import Observation
from populace.kernel.population import Population
from populace.kernel.spaces import Choice, Number
from populace.kernel.streams import Stream
from populace.policies.columns import safe

Floats = NDArray[np.float64]
_STRATEGY = "strategy"


class Traits:
    """Traits of agents in private columns: codes from 1 (0: none yet), places in [0, 1] or NaN.

    Parameters
    ----------
    strategies : tuple of str
        If there are any, the one trait is which of them an agent follows.
    kinds : sequence of str
        Kinds that have a trait otherwise; empty: all whose space is a `Choice` or a `Number`.
    spread : float
        Standard deviation of the error in copying a place.
    """

    def __init__(self, strategies: tuple[str, ...], kinds: Sequence[str], spread: float) -> None:
        self.strategies, self.spread = strategies, spread
        self.kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        self._prefix: dict[str, str] = {}
        self._options: dict[tuple[str, str], tuple[str, ...]] = {}  # by population, trait

    def start(self, population: Population, prefix: str) -> None:
        """Make the column of strategies, if there are any."""
        name = population.name
        self._prefix[name] = prefix
        self._options = {key: of for key, of in self._options.items() if key[0] != name}
        if self.strategies:
            self._add(population, _STRATEGY, self.strategies)

    def _add(self, people: Population, trait: str, options: tuple[str, ...]) -> None:
        spec: Any = np.uint16 if options else (np.float64, np.nan)
        people.add_column(self._column(people, trait), spec)
        self._options[people.name, trait] = options

    def _column(self, people: Population, trait: str) -> str:
        return f"{self._prefix[people.name]}/{trait}"

    # -- who has what ----------------------------------------------------------------------------

    def strategy(self, observation: Observation, chances: Floats) -> NDArray[np.int64]:
        """Return the strategy that each agent follows, drawn where it has none yet."""
        people, rows = observation.agents.population, observation.agents.rows
        column = people[self._column(people, _STRATEGY)]
        fresh = column[rows] == 0
        if fresh.any():
            drawn = observation.random.named("imitate/first").choice(p=chances)
            column[rows[fresh]] = drawn[fresh].astype(np.int64) + 1
        return np.asarray(column[rows].astype(np.int64) - 1)

    def act(self, observation: Observation) -> Any:
        """Return what the agents' traits say, drawn where there is none yet."""
        space, kind = observation.space, observation.kind
        if not isinstance(space, (Choice, Number)) or (self.kinds and kind not in self.kinds):
            return Answers(None, Outcome.ABSTAINED)
        options = space.options if isinstance(space, Choice) else ()
        people, rows, where = observation.agents.population, observation.agents.rows, safe(kind)
        known = self._options.get((people.name, where))
        if known is None:
            self._add(people, where, options)
        elif known != options:
            raise PolicyError(
                f"the options were {', '.join(known)} and now are {', '.join(options)}",
                where=f"Imitate, {kind!r}",
                mend="ask another action space as another kind",
            )
        column = people[self._column(people, where)]
        own = column[rows]
        fresh = own == 0 if options else np.isnan(own)
        if fresh.any():
            draws = observation.random.named("imitate/first").uniform()[fresh]
            column[rows[fresh]] = _any(draws, len(options))
            own = column[rows]
        return own.astype(np.int64) - 1 if isinstance(space, Choice) else _placed(own, space, kind)

    # -- copying ---------------------------------------------------------------------------------

    def take(
        self,
        people: Population,
        rows: NDArray[np.intp],
        other: NDArray[np.intp],
        copies: NDArray[np.bool_],
        mutates: NDArray[np.bool_],
        draws: Stream,
    ) -> Mapping[str, float]:
        """Copy and mutate every trait at once; return what the agents of `rows` then have.

        Parameters
        ----------
        other : positions in `rows` of those looked at
        copies, mutates : bool arrays of shape (n,)

        Returns
        -------
        mapping
            Share of each strategy or option, mean of each place.
        """
        told: dict[str, float] = {}
        for (name, trait), options in self._options.items():
            if name != people.name:
                continue
            column = people[self._column(people, trait)]
            own = column[rows]
            seen = own[other]
            known = seen != 0 if options else ~np.isnan(seen)
            change = draws.named(trait).uniform(size=2)
            if not options and self.spread:
                error = draws.named(f"{trait}/error").normal(sd=self.spread)
                seen = np.clip(seen + error, 0.0, 1.0)
            own = np.where(copies & known, seen, own)
            own = np.where(mutates, _any(change[:, 0], len(options)), own)
            column[rows] = own
            if options:
                count = np.bincount(own, minlength=len(options) + 1)[1:]
                head = "" if trait == _STRATEGY else f"{trait} "
                share = count / max(1, count.sum())
                names = (f"{head}{option}" for option in options)
                told |= dict(zip(names, share.tolist(), strict=True))
            elif not np.isnan(own).all():
                told[f"{trait} (mean place)"] = float(np.nanmean(own))
        return told


def _any(draws: Floats, options: int) -> NDArray[Any]:
    """Return a code from 1, or a place, with equal chances."""
    if not options:
        return draws
    return (draws * options).astype(np.uint16) + np.uint16(1)


def _placed(place: Floats, space: Number, kind: str) -> NDArray[np.float64]:
    low, high = space.low, space.high
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise PolicyError(
            f"{space.describe()} has no bounds to take a place between",
            where=f"Imitate, {kind!r}",
            mend="give strategies: of={name: policy}",
        )
    if space.integer:
        low, high = np.ceil(low), np.floor(high)
    values = low + (high - low) * place
    return np.asarray(np.clip(np.rint(values) if space.integer else values, low, high))
