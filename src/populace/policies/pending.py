"""Answers under way: asked on the state of one tick, in force at a later one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Outcome
from populace.kernel.observation import Observation
from populace.kernel.population import Population
from populace.kernel.spaces import Choice, Number, Record, Space

_COLUMNS = {"due": np.int64, "begun": np.int64, "outcome": np.uint8, "value": np.float64}


@dataclass
class Pending:
    """Of one population and kind: when each agent's thought is due, and what it came to.

    Attributes
    ----------
    head : str
        Prefix of the columns: ``due`` (tick plus 1; 0: none), ``begun``, ``outcome``, ``value``.
    words : list of str
        Options of a `Choice` by the code that stands in the column, whatever the order of the
        options is by the time it lands.
    rest : dict of int to value
        By agent, what is neither a choice nor a number.
    """

    head: str
    words: list[str] = field(default_factory=list)
    rest: dict[int, Any] = field(default_factory=dict)

    def free(self, observation: Observation) -> NDArray[np.bool_]:
        """Return who has no thought under way."""
        columns = self._columns(observation.agents.population)
        return np.asarray(columns["due"][observation.agents.rows] == 0)

    def begin(
        self,
        observation: Observation,
        values: Any,
        outcome: NDArray[np.uint8],
        ticks: NDArray[np.int64],
    ) -> None:
        """Keep what the agents' thoughts came to, to be in force after these ticks."""
        space, rows = observation.space, observation.agents.rows
        columns = self._columns(observation.agents.population)
        columns["due"][rows] = observation.tick + ticks + 1
        columns["begun"][rows] = observation.tick
        columns["outcome"][rows] = outcome
        if isinstance(space, Choice):
            columns["value"][rows] = self._codes(space)[values]
        elif isinstance(space, Number):
            columns["value"][rows] = values
        else:
            self.rest.update(zip(observation.ids.tolist(), _rows(space, values), strict=True))

    def land(
        self, observation: Observation, counts: Counter[str]
    ) -> tuple[NDArray[np.intp], Any, NDArray[np.uint8]]:
        """Take out what is due by now.

        Returns
        -------
        who : positions of those whose answer is in force
        values : in the form of the space, aligned with `who`
        outcome : uint8 array aligned with `who`
        """
        columns = self._columns(observation.agents.population)
        rows = observation.agents.rows
        due = columns["due"][rows]
        ripe = np.flatnonzero((due > 0) & (due <= observation.tick + 1))
        if not len(ripe):
            return ripe, observation.space.empty(0), np.zeros(0, np.uint8)
        outcome = columns["outcome"][rows[ripe]]
        columns["due"][rows[ripe]] = 0
        decided = (outcome == Outcome.ACTED) | (outcome == Outcome.FALLBACK)
        counts["lost"] += int((~decided).sum())
        who, outcome = ripe[decided], outcome[decided]
        space = observation.space.part(who)
        raw = self._raw(space, observation.ids[ripe], decided, columns["value"][rows[who]])
        values, valid = space.check(raw, len(who), f"FastSlow, {observation.kind!r}")
        if valid is not None:
            counts["dropped"] += int((~valid).sum())
            good = np.flatnonzero(valid)
            who, outcome, values = who[good], outcome[good], space.take(values, good)
        counts["landed"] += len(who)
        counts["waited"] += int((observation.tick - columns["begun"][rows[who]]).sum())
        return who, values, outcome

    def _raw(
        self,
        space: Space,
        ids: NDArray[Any],
        decided: NDArray[np.bool_],
        values: NDArray[np.float64],
    ) -> Any:
        """Return what was kept, as something that the space of now can check."""
        if isinstance(space, Number):
            return values
        if not isinstance(space, Choice):
            kept = [self.rest.pop(i) for i in ids.tolist()]
            return [one for one, good in zip(kept, decided.tolist(), strict=True) if good]
        now = {option: code for code, option in enumerate(space.options)}
        codes = np.array([now.get(word, -1) for word in self.words], np.int64)
        return codes[values.astype(np.intp)]

    def _codes(self, space: Choice) -> NDArray[np.int64]:
        """Return the code of each option, giving new ones a code."""
        self.words += [option for option in space.options if option not in self.words]
        return np.array([self.words.index(option) for option in space.options], np.int64)

    def _columns(self, people: Population) -> dict[str, NDArray[Any]]:
        for name, dtype in _COLUMNS.items():
            if f"{self.head}/{name}" not in people.columns:
                people.add_column(f"{self.head}/{name}", dtype)
        return {name: people[f"{self.head}/{name}"] for name in _COLUMNS}


def _rows(space: Space, values: Any) -> list[Any]:
    """Return one plain value an agent."""
    rows = space.rows(values) if isinstance(space, Record) else list(values)
    return [row.tolist() if isinstance(row, np.ndarray) else row for row in rows]
