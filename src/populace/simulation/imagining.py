"""Imagined futures: the running world once more, forked in the middle of a tick.

A world's `step` is a coroutine, which cannot be copied. So the state before a tick is kept (as a
twin, see `populace.simulation.twins`), with the answers that were given since. A future is a twin
of that state whose tick is lived through again: asks answered already get the same answers by the
same draws, and from the ask on that is being answered everything is imagined: other draws, twins
of the minds as they were just before it, and whoever imagines acts as it is told to. Nothing that
is imagined reaches the real run but what it costs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers
from populace.kernel.cast import Cast
from populace.kernel.errors import CastError, PolicyError, StateError
from populace.kernel.exchange import writable
from populace.kernel.minds import Minds
from populace.kernel.observation import Observation
from populace.kernel.policy import as_policy
from populace.kernel.population import Part, Population
from populace.kernel.register import Register
from populace.kernel.resources import Resources
from populace.kernel.spaces import Space
from populace.kernel.state import capture
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.simulation.imagined_minds import Answered, Column, ImaginedMinds, unlike
from populace.simulation.loop import world_fails
from populace.simulation.twins import Imagination, twin, twin_cast, twin_world


@dataclass(frozen=True)
class Future:
    """What came of one imagined future.

    Attributes
    ----------
    world : World
        The imagined world at the end.
    agents : Part
        Those who imagined, in that world, as far as they are alive.
    alive : bool array of shape (n,)
        Which of those who imagined that is.
    me : Policy
        The twin of what acted for them.
    told : float64 array of shape (n,), or None
        Sums of the column asked for (``collect``), over what they were told since; None where it
        was never told.
    ticks, decisions : int
        What was lived through, and how often an agent was asked on the way.
    """

    world: Any
    agents: Part
    alive: NDArray[np.bool_]
    me: Any
    told: NDArray[np.float64] | None
    ticks: int
    decisions: int


class Imagining:
    """What lets policies imagine futures; one simulation's, handed out as ``Resources.imagining``.

    Parameters
    ----------
    world : World
    populations, casts : mapping by name
        Those of the simulation, not copies.
    minds : Foreseeing
    seed : int
    """

    def __init__(
        self,
        world: World,
        populations: Mapping[str, Population],
        casts: Mapping[str, Cast],
        minds: Foreseeing,
        seed: int,
    ) -> None:
        self.world, self.populations, self.casts = world, populations, casts
        self.minds, self.seed = minds, seed
        minds.imagining = self
        self._wants: dict[str, Collection[str] | None] = {}
        self._checked = False
        self._start: tuple[Any, dict[str, Population]] | None = None
        self._answered: list[Answered] = []
        self._open: dict[str, Moment] = {}

    def want(self, policy: str, kinds: Collection[str] | None = None) -> None:
        """Make futures available from the next tick on.

        Parameters
        ----------
        policy : str
            Name in the cast of who imagines; nothing is kept in a tick where nobody has it.
        kinds : collection of str, optional
            Of decisions before which that is; by default any.
        """
        known = self._wants.get(policy, ())
        both = None if kinds is None or known is None else {*known, *kinds}
        self._wants[policy] = both

    def begin(self) -> None:
        """Keep the state before a tick's step (called by `Simulation`), if somebody needs it.

        Raises
        ------
        StateError
            If the world holds what cannot be copied.
        """
        self._start, self._answered, self._open = None, [], {}
        if not any(
            cast.counts()[name]
            for name in self._wants
            for cast in self.casts.values()
            if name in cast.policies
        ):
            return
        memo: dict[int, Any] = {id(self.minds): self.minds}
        if not self._checked:
            try:
                capture({"world": self.world}, {"minds": self.minds})
            except StateError as error:
                raise StateError(
                    error.what.replace("kept in a checkpoint", "copied, as looking ahead needs"),
                    where=error.where,
                    mend="hold values (numbers, texts, arrays, containers, dataclasses)",
                ) from error
            self._checked = True
        world = twin_world(self.world, memo)
        self._start = world, {name: memo[id(p)] for name, p in self.populations.items()}

    def opened(self, kind: str, part: Part, cast: Cast, name: str) -> None:
        """Keep the minds as they are before an ask, if one who is asked may imagine."""
        if self._start is None:
            return
        asked = {cast.names[code] for code, _ in cast.groups(part)}
        if not any(
            policy in asked and (kinds is None or kind in kinds)
            for policy, kinds in self._wants.items()
        ):
            return
        memo: dict[int, Any] = Imagination(self._real())
        columns = {name: _kept(people) for name, people in self.populations.items()}
        casts = {n: twin_cast(c, self.populations[n], memo) for n, c in self.casts.items()}
        self._open[name] = Moment(
            self, name, self.minds.tick, *self._start, tuple(self._answered), columns, casts
        )

    def closed(self, name: str, answers: Answers | None) -> None:
        """Keep what was answered to an ask."""
        self._open.pop(name, None)
        if self._start is None or answers is None:
            return
        assert answers.agents is not None
        assert answers.space is not None
        assert answers.policy is not None
        n, space = len(answers), answers.space
        rows, values = answers.agents.rows.copy(), writable(space, answers.values, n)
        kept = values, answers.outcome.copy(), answers.policy.copy(), answers.policies
        self._answered.append(Answered(name, rows, *kept))

    def moment(self, observation: Observation) -> Moment:
        """Return the moment at which agents are being asked.

        Raises
        ------
        PolicyError
            If it was not kept: nobody wanted it, or these agents are not being asked by the world.
        """
        asked = observation.random.name.removeprefix("ask/")
        names = [name for name in self._open if asked == name or asked.startswith(f"{name}/")]
        if not names:
            raise PolicyError(
                "there is no moment to look ahead from",
                where=f"{observation.kind!r} at tick {observation.tick}",
                mend="cast who looks ahead before the tick, and let the world itself ask",
            )
        return self._open[max(names, key=len)]

    def _real(self) -> dict[int, Any]:
        """Return what belongs to the real run and is exchanged in every future, by id."""
        real: dict[int, Any] = {id(self.world): self.world, id(self.minds): self.minds}
        for people in self.populations.values():
            real[id(people)] = people
            real |= {id(data): data for data in people._data.values()}
        return real


@dataclass(frozen=True)
class Moment:
    """One ask of the real run, from which futures are imagined.

    Attributes
    ----------
    name : str
        Of the ask within its tick.
    tick : int
    """

    _of: Imagining
    name: str
    tick: int
    _world: Any
    _populations: Mapping[str, Population]
    _answered: tuple[Answered, ...]
    _columns: Mapping[str, Mapping[str, Column]]
    _casts: Mapping[str, Cast]

    @property
    def policies(self) -> tuple[str, ...]:
        """Names of the casts' policies."""
        return tuple(dict.fromkeys(n for cast in self._casts.values() for n in cast.policies))

    async def future(
        self,
        agents: Part,
        me: Any,
        *,
        depth: int,
        seed: int,
        others: Mapping[str, Any] | None = None,
        memory: Mapping[str, Column] | None = None,
        collect: str = "",
        resources: Resources | None = None,
    ) -> Future:
        """Imagine one future.

        Parameters
        ----------
        agents : Part
            Of the real population: who imagines.
        me : Policy
            Acts for them, a twin of it that is: from this ask on, the present one included.
        depth : int
            How many ticks, 1 or more: the present one to its end, and those after it.
        seed : int
            Of all that is drawn from this ask on.
        others : mapping of name to Policy, optional
            Who stands for a policy of the casts; by default its twin.
        memory : mapping of column to (array of shape (n, ...), default), optional
            From `memory_of`: columns of those who imagine, once they have acted in this ask.
        collect : str
            Column of what is told to add up, agent by agent.
        resources : Resources, optional
            What imagined minds may spend.

        Raises
        ------
        CastError
            If `others` names no policy.
        WorldError
            If the world fails, or does not repeat the tick that it is in.
        """
        of = self._of
        streams = Streams(of.seed)
        minds = ImaginedMinds(streams, of.minds._turns)
        memo: dict[int, Any] = {id(of.minds): minds}
        world = twin_world(self._world, memo)
        populations = {name: memo[id(p)] for name, p in self._populations.items()}
        memo2: dict[int, Any] = Imagination({id(of.world): world, id(of.minds): minds})
        for name, people in populations.items():
            real = of.populations[name]
            memo2[id(real)] = people
            for column, data in real._data.items():
                if column in people._data:
                    memo2[id(data)] = people._data[column]
        casts = {n: twin_cast(c, populations[n], memo2) for n, c in self._casts.items()}
        mine = twin(me, memo2)
        _stand_in(casts, others or {}, memo2, streams)
        registers = {
            id(made): made
            for made in (streams._names, *memo.values(), *memo2.values())
            if isinstance(made, Register)
        }
        population = agents.population.name
        minds.prepare(casts, populations, self._answered, self._columns, registers.values(), seed)
        minds.cast(agents, mine, memory or {}, collect)
        if resources is not None:
            _equip(casts, mine, resources)
        ticks = 0
        for tick in range(self.tick, self.tick + depth):
            if ticks and world.done:
                break
            minds.begin(tick)
            with world_fails(world, f"step at tick {tick}, imagined"):
                await world.step(minds)
            await minds.heard()
            ticks += 1
        if not minds.live:
            raise unlike(self.tick)
        people = populations[population]
        rows = agents.rows
        alive = people._alive[rows] & (people._id[rows] == agents.ids)
        return Future(
            world, people[rows[alive]], alive, mine, minds.collected(), ticks, minds.decisions
        )


class Foreseeing(Minds):
    """Minds of a real run, whose asks are kept where somebody imagines."""

    imagining: Imagining | None = None

    async def _decide(
        self, kind: str, part: Part, cast: Cast, space: Space, see: tuple[str, ...], missing: Any,
        given: Mapping[str, Any], name: str,
    ) -> Answers:  # fmt: skip
        ask = super()._decide
        imagining = self.imagining
        if imagining is None or imagining._start is None:
            return await ask(kind, part, cast, space, see, missing, given, name)
        if self._hearing:
            await self.heard()
        imagining.opened(kind, part, cast, name)
        answers = None
        try:
            answers = await ask(kind, part, cast, space, see, missing, given, name)
        finally:
            imagining.closed(name, answers)
        return answers


def memory_of(agents: Part) -> dict[str, Column]:
    """Return the columns of some agents as they are now, copied."""
    people = agents.population
    return {
        name: (data[agents.rows], people._defaults[name]) for name, data in people._data.items()
    }


def _kept(people: Population) -> dict[str, Column]:
    return {
        name: (data[: people.rows].copy(), people._defaults[name])
        for name, data in people._data.items()
    }


def _stand_in(
    casts: Mapping[str, Cast], others: Mapping[str, Any], memo: dict[int, Any], streams: Streams
) -> None:
    """Put other policies in place of some of the casts'."""
    started: set[tuple[int, str]] = set()
    for name, policy in others.items():
        found = [cast for cast in casts.values() if name in cast.policies]
        if not found:
            known = sorted({n for cast in casts.values() for n in cast.names})
            raise CastError(
                f"no policy {name!r} to stand in for; there are {', '.join(known)}",
                where="others",
            )
        for cast in found:
            cast.policies[name] = made = twin(as_policy(policy, name), memo)
            people = cast._population
            assert people is not None
            start = getattr(made, "start", None)
            if start is not None and (id(made), people.name) not in started:
                started.add((id(made), people.name))
                start(people, streams.named("cast"))


def _equip(casts: Mapping[str, Cast], me: Any, resources: Resources) -> None:
    """Let imagined minds spend, under a name of their own in the ledger."""
    name = f"{resources.policy} (imagined)"
    for policy in _spenders(casts, me):
        policy.equip(replace(resources, policy=name, imagining=None))


def _spenders(casts: Mapping[str, Cast], me: Any) -> Iterator[Any]:
    for policy in (me, *(policy for cast in casts.values() for policy in cast.policies.values())):
        if hasattr(policy, "equip"):
            yield policy
