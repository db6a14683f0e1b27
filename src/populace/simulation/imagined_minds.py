"""The minds of an imagined future (see `populace.simulation.imagining`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers
from populace.kernel.cast import COLUMN, Cast
from populace.kernel.errors import CastError, ParameterError, WorldError
from populace.kernel.exchange import writable
from populace.kernel.minds import Minds
from populace.kernel.population import Part, Population
from populace.kernel.register import Register
from populace.kernel.spaces import Space
from populace.kernel.streams import Streams

Column = tuple[NDArray[Any], Any]  # values, and the default of the newborn
ME = "(imagining)"  # the policy, in an imagined cast, of those who imagine
_MOST = 255


@dataclass(frozen=True)
class Answered:
    """One ask of the tick, and what was answered."""

    name: str
    rows: NDArray[np.intp]
    values: Any
    outcome: NDArray[np.uint8]
    policy: NDArray[np.uint8]
    policies: tuple[str, ...]


class ImaginedMinds(Minds):
    """Minds of an imagined future: first the past of the tick as it was, then other draws."""

    def __init__(self, streams: Streams, turns: Any) -> None:
        super().__init__({}, streams, None, turns)
        self.live = False
        self.decisions = 0

    def prepare(
        self,
        casts: Mapping[str, Cast],
        populations: Mapping[str, Population],
        answered: Iterable[Answered],
        columns: Mapping[str, Mapping[str, Column]],
        registers: Iterable[Register],
        seed: int,
    ) -> None:
        """Set the past of the tick, and what there is from the present ask on."""
        self._casts, self._populations = dict(casts), populations
        self._past: dict[str, deque[Answered]] = {}
        for one in answered:
            self._past.setdefault(one.name, deque()).append(one)
        self._columns, self._registers, self._seed = columns, list(registers), seed

    def cast(self, agents: Part, me: Any, memory: Mapping[str, Column], collect: str) -> None:
        """Set who acts for those who imagine, and what of all that they are told is added up."""
        self._own, self._rows, self._me = agents.population.name, agents.rows, me
        self._memory, self._collect = memory, collect
        self._sum, self._told = np.zeros(len(agents)), False
        self._place = np.full(int(self._rows.max(initial=-1)) + 1, -1, np.intp)
        self._place[self._rows] = np.arange(len(agents))

    async def _decide(
        self, kind: str, part: Part, cast: Cast, space: Space, see: tuple[str, ...], missing: Any,
        given: Mapping[str, Any], name: str,
    ) -> Answers:  # fmt: skip
        if not self.live:
            if past := self._past.get(name):
                return self._again(past.popleft(), part, space)
            self._go_live()
        self.decisions += len(part)
        cast = self._casts[part.population.name]
        return await super()._decide(kind, part, cast, space, see, missing, given, name)

    def _again(self, one: Answered, part: Part, space: Space) -> Answers:
        if not np.array_equal(one.rows, part.rows):
            raise unlike(self.tick)
        values = writable(space, one.values, len(part))
        answers = Answers(values, one.outcome.copy(), part, space, None, one.policies)
        answers.policy = one.policy.copy()
        return answers

    def _go_live(self) -> None:
        """From here on: minds and columns as they were before the present ask, other draws."""
        self.live = True
        for population, columns in self._columns.items():
            people = self._populations[population]
            for name, (values, default) in columns.items():
                if len(values) != people.rows:
                    raise unlike(self.tick)
                _column(people, name, values, default)[: people.rows] = values
        people = self._populations[self._own]
        for name, (values, default) in self._memory.items():
            _column(people, name, values, default)[self._rows] = values
        cast, code = self._casts[self._own], len(self._casts[self._own].names)
        if code >= _MOST:
            raise CastError(f"expected fewer than {_MOST} policies, to imagine with one more")
        cast.names, cast.policies = (*cast.names, ME), {**cast.policies, ME: self._me}
        cast._groups = None
        people[COLUMN][self._rows] = code
        for register in self._registers:
            register.seed = self._seed

    def deliver(
        self, kind: str, agents: Population | Part, columns: Mapping[str, Any], sender: str = ""
    ) -> int:
        if not self.live:  # the minds have heard it
            part, _ = self._who(kind, agents)
            self._name(f"tell/{kind}/{sender}" if sender else f"tell/{kind}", part)
            return 0
        if self._collect in columns:
            self._add(columns[self._collect], agents)
        return super().deliver(kind, agents, columns, sender)

    def tell(self, kind: str, agents: Population | Part, **columns: Any) -> None:
        self.deliver(kind, agents, columns)

    def _add(self, values: Any, agents: Population | Part) -> None:
        part = agents.everyone if isinstance(agents, Population) else agents
        if part.population.name != self._own:
            return
        given = np.asarray(values)
        if given.dtype.kind not in "biuf":
            raise ParameterError(
                f"{self._collect!r} is told as {given.dtype}, no number", where="score"
            )
        self._told = True
        known = np.flatnonzero(part.rows < len(self._place))
        place = self._place[part.rows[known]]
        mine = place >= 0
        told = np.broadcast_to(given, (len(part),))
        self._sum[place[mine]] += told[known[mine]]

    def collected(self) -> NDArray[np.float64] | None:
        return self._sum if self._told else None


def _column(people: Population, name: str, values: NDArray[Any], default: Any) -> NDArray[Any]:
    """Return a column, made now if a mind has made it in mid-tick."""
    if name not in people._data:
        room = (people._room, *values.shape[1:])
        made = np.zeros(room, values.dtype)
        if default is not None:
            made[...] = default
        people._data[name], people._defaults[name] = made, default
    return people._data[name]


def unlike(tick: int) -> WorldError:
    """Return the error of a world that does not repeat a tick."""
    return WorldError(
        f"tick {tick} does not repeat itself from the state before it",
        where="looking ahead",
        mend="let all that changes be in the world, and draw from minds.stream(...) only",
    )
