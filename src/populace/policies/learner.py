"""What learners share: arms, rewards told, and memory in columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome
from populace.kernel.errors import PolicyError, nearest
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.population import Population
from populace.kernel.streams import Stream
from populace.policies.arms import Grid, check_grid, names_of, played
from populace.policies.columns import add_table, own_prefix, safe

_BLOCK = 16_384  # agents at a time: their tables fit a core's cache

Arms = Annotated[Grid, Parameter("steps that a number is divided into, or values")]
Reward = Annotated[str, Parameter("column of what agents are told that holds their reward")]
Told = Annotated[str, Parameter("what they are told with it; empty: whatever has that column")]
Kinds = Annotated[Sequence[str], Parameter("what it decides; empty: every choice and number")]


class Learner(Parametric, ABC):
    """Base of minds that try a few actions and learn from the reward that they are told.

    Each agent learns for itself. What it remembers stands in columns of its population, of a size
    known from the first ask, so it is born empty and dies with the agent. The action in force is
    the *open* one: rewards told from then on are summed and learnt at the next ask.

    Subclasses say `tables` (columns beside the base's) and `_turn`.
    """

    base = "learner"
    arms: Grid
    reward: str
    told: str
    kinds: tuple[str, ...]

    def _learns(self, arms: Grid, reward: str, told: str, kinds: Sequence[str]) -> None:
        name = type(self).__name__
        self.arms = check_grid(arms, name)
        self.reward, self.told = reward, told
        self.kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        self._prefix: dict[str, str] = {}  # by population
        self._options: dict[tuple[str, str], tuple[str, ...]] = {}  # by population and kind
        self._counts: dict[str, Counter[str]] = {}  # by kind, since the last report

    @abstractmethod
    def tables(self, arms: int) -> Mapping[str, tuple[tuple[int, ...], Any]]:
        """Return the columns of a kind by name: the shape of an agent's table, and its dtype."""

    @abstractmethod
    def _turn(
        self, columns: Mapping[str, NDArray[Any]], rows: Any, draws: Stream, seen: NDArray[Any]
    ) -> NDArray[np.int64]:
        """Learn what was told to the agents of `rows`, and return the arm that each plays now."""

    def _seen(self, observation: Observation) -> NDArray[np.int64]:
        """Return the state that each agent is in."""
        return np.zeros(len(observation), np.int64)

    # -- the policy ------------------------------------------------------------------------------

    def start(self, population: Population, streams: Any) -> None:
        """Take names for private columns."""
        self._prefix[population.name] = own_prefix(population, self.base)
        for key in [key for key in self._options if key[0] == population.name]:
            del self._options[key]

    def act(self, observation: Observation) -> Any:
        kind, n, where = observation.kind, len(observation), self._where(observation)
        names = names_of(observation.space, self.arms)
        if not names or (self.kinds and kind not in self.kinds):
            return Answers(None, Outcome.ABSTAINED)
        columns = self._columns(observation, names)
        rows, seen = observation.agents.rows, self._seen(observation)
        draws, arm = observation.random.named(self.base), np.empty(n, np.int64)
        counts = self._counts.setdefault(kind, Counter())
        for a in range(0, n, _BLOCK):
            block = slice(a, min(a + _BLOCK, n))
            some = rows[block]
            counts["learnt"] += int(columns["told"][some].sum())
            arm[block] = self._turn(columns, some, draws.part(block), seen[block])
        return played(observation.space, arm, self.arms, where)

    def hear(self, observation: Observation) -> None:
        """Add the reward that agents are told to what their open actions have earned."""
        if self.told and observation.kind != self.told:
            return
        if self.reward not in observation:
            if self.told:
                raise PolicyError(
                    f"agents are told no {self.reward!r}; "
                    f"{nearest(self.reward, observation.columns)}",
                    where=self._where(observation),
                )
            return
        reward = rewards(observation, self.reward, self._where(observation))
        known = ~np.isnan(reward)
        people: Population = observation.agents.population
        rows, reward = observation.agents.rows[known], reward[known]
        for name, kind in self._options:
            if name == people.name:
                columns = self._held(people, kind)
                tried = columns["arm"][rows] > 0
                columns["reward"][rows[tried]] += reward[tried]
                columns["told"][rows[tried]] = True

    def report(self) -> list[dict[str, Any]]:
        """Return, by kind, how many rewards were learnt since the last call."""
        told = [{"kind": kind, **counts} for kind, counts in self._counts.items()]
        self._counts = {}
        return told

    # -- memory ----------------------------------------------------------------------------------

    def _columns(self, observation: Observation, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        """Return the columns of a kind, made at its first ask."""
        people, kind = observation.agents.population, observation.kind
        known = self._options.get((people.name, kind))
        if known is None:
            if people.name not in self._prefix:
                self.start(people, None)
            head = self._head(people, kind)
            for name, (shape, dtype) in self._all(len(names)).items():
                add_table(people, f"{head}/{name}", shape, dtype)
            self._options[people.name, kind] = names
        elif known != names:
            raise PolicyError(
                f"the options were {', '.join(known)} and now are {', '.join(names)}",
                where=self._where(observation),
                mend="ask a choice with other options as another kind",
            )
        return self._held(people, kind)

    def _all(self, arms: int) -> dict[str, tuple[tuple[int, ...], Any]]:
        own = {"arm": ((), np.uint16), "reward": ((), np.float64), "told": ((), np.bool_)}
        return {**own, **self.tables(arms)}  # arm: 0 for none open, else its number from 1

    def _held(self, people: Population, kind: str) -> dict[str, NDArray[Any]]:
        head = self._head(people, kind)
        return {name: people[f"{head}/{name}"] for name in self._all(1)}

    def _head(self, people: Population, kind: str) -> str:
        return f"{self._prefix[people.name]}/{safe(kind)}"

    def table(self, people: Population, kind: str, name: str) -> NDArray[Any]:
        """Return what agents have learnt: a column of `tables`, with a row for each of `people`.

        Raises
        ------
        PolicyError
            If they were never asked that kind, or there is no such table.
        """
        if (people.name, kind) not in self._options or name not in self._all(1):
            asked = [each for of, each in self._options if of == people.name]
            raise PolicyError(
                f"no table {name!r} of {kind!r}: asked were {', '.join(asked) or 'none'}, with "
                f"the tables {', '.join(self._all(1))}",
                where=type(self).__name__,
            )
        return self._held(people, kind)[name]

    def _where(self, observation: Observation) -> str:
        return f"{type(self).__name__}, {observation.kind!r}"


def rewards(observation: Observation, column: str, where: str) -> NDArray[np.float64]:
    """Return a column of rewards, float64 of shape (n,); NaN where an agent is told none.

    Raises
    ------
    PolicyError
        If it is none of numbers, or one is infinite.
    """
    given = np.asarray(observation[column])
    if given.dtype.kind not in "biuf" or given.shape not in ((), (len(observation),)):
        raise PolicyError(
            f"expected {column!r} as one number an agent, got {given.dtype} of shape {given.shape}",
            where=where,
        )
    found = np.broadcast_to(given.astype(np.float64), (len(observation),))
    if np.isinf(found).any():
        raise PolicyError(f"{column!r} is infinite", where=where)
    return found
