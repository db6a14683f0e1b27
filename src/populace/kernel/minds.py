"""The one exchange: a world asks, the cast's policies act, in batches."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import OUTCOMES, Answers, Outcome, settle
from populace.kernel.cast import Cast
from populace.kernel.errors import CastError, PopulationError, WorldError, nearest
from populace.kernel.exchange import (
    act_all,
    aligned,
    blaming,
    fitting,
    guarded,
    missing_decision,
    writable,
)
from populace.kernel.exchanges import Exchange, exchange, followed, places_of
from populace.kernel.observation import Observation
from populace.kernel.population import Part, Population
from populace.kernel.spaces import Space, Text
from populace.kernel.streams import Stream, Streams

Turns = Literal["fixed", "reversed", "random", "together"]

REQUIRED: Any = object()  # missing=: no decision is an error
_NOBODY = np.empty(0, np.uint32)
_TOLD = Text()  # the space of a tell, which expects no answer


@dataclass
class AskCount:
    """What one policy was asked of one kind in one tick: a row of the table ``asks``."""

    population: str
    kind: str
    policy: str
    agents: int = 0
    outcomes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(OUTCOMES), np.int64))
    seconds: float = 0.0


@dataclass
class PanelRows:
    """Decisions of the panel's agents in one ask: rows of the table ``panel``."""

    population: str
    kind: str
    ids: NDArray[np.uint32]
    policies: list[str]
    outcomes: list[str]
    values: list[float | None]
    labels: list[str | None]


class Minds:
    """What a world asks and tells; made by `Simulation` and handed to `World.step`.

    Attributes
    ----------
    tick : int
        The tick being lived through, from 0.
    """

    def __init__(
        self,
        casts: Mapping[str, Cast],
        streams: Streams,
        panel: Mapping[str, NDArray[np.uint32]] | None = None,
        turns: Turns | None = None,
        kept: Collection[str] = (),
    ) -> None:
        self.tick = 0
        self._casts = dict(casts)
        self._asking = streams.named("ask")
        self._world = streams.named("world")
        self._turns = turns
        self.took_turns = False
        self._panel = dict(panel or {})
        bound = {n: c._population for n, c in self._casts.items() if c._population is not None}
        self._everybody = {n for n, p in bound.items() if len(self._panel.get(n, ())) == len(p)}
        self.kept = set(kept)  # populations of whose panel all exchanges are kept
        self.forms: dict[str, dict[str, str]] = {}  # what is asked, by population and kind
        self._turn = 0
        self._streams: dict[str, Stream] = {}
        self._ordinals: dict[tuple[str, str], int] = {}
        self._hearing: list[tuple[Any, str, str, int]] = []  # awaited, policy, doing, tick
        self.counts: dict[tuple[str, str, str], AskCount] = {}
        self.seen: list[PanelRows] = []
        self.exchanges: list[Exchange] = []

    def begin(self, tick: int) -> None:
        """Start a tick (called by `Simulation`)."""
        self.tick = tick
        self._streams.clear()
        self._ordinals.clear()
        self.counts = {}
        self.seen, self.exchanges, self._turn = [], [], 0

    async def heard(self) -> None:
        """Wait until every asynchronous `hear` is through (called by `Simulation`)."""
        while self._hearing:
            await guarded(*self._hearing.pop(0))

    def close(self) -> None:
        """Drop what is still to be heard when a run ends early (called by `Simulation`)."""
        for waiting, *_ in self._hearing:
            if inspect.iscoroutine(waiting):
                waiting.close()
        self._hearing.clear()

    def stream(self, name: str) -> Stream:
        """Return the world's random stream of that name at this tick.

        Within a tick the same object is returned, so that later draws continue earlier ones.
        """
        if name not in self._streams:
            self._streams[name] = self._world.stream(name, self.tick)
        return self._streams[name]

    # -- ask, each, tell -------------------------------------------------------------------------

    async def ask(
        self,
        kind: str,
        agents: Population | Part,
        space: Space,
        see: Sequence[str] = (),
        missing: Any = REQUIRED,
        **columns: Any,
    ) -> Answers:
        """Ask agents for a decision, all at once on the present state.

        Parameters
        ----------
        kind : str
            Name of the decision; policies tell kinds apart by it.
        agents : Population or Part
        space : Space
            What an answer may be; every answer is checked against it.
        see : sequence of str
            Columns of the population that the agents are shown, gathered only if read.
        missing : value, optional
            What is in force for an agent without a valid decision. Without it, that is an error.
        **columns : scalar, or array of shape (n, ...) aligned with the agents
            Further things shown; a tuple is shown to all as it is.

        Returns
        -------
        Answers
            Values and outcomes aligned with `agents`.

        Raises
        ------
        MissingDecision
            If someone did not decide and `missing` was not given.
        AnswerError, PolicyError, CastError, PopulationError
            If a policy returned no answer or raised, nobody is cast, or a column does not fit.
        """
        part, cast = self._who(kind, agents)
        given = fitting(columns, len(part), kind)
        return await self._decide(
            kind, part, cast, space, _known(see, part), missing, given, self._name(kind, part)
        )

    async def each(
        self,
        kind: str,
        agents: Population | Part,
        space: Space | Callable[[Part], Space],
        *,
        order: Literal["fixed", "random"] = "fixed",
        block: int = 1,
        see: Sequence[str] = (),
        missing: Any = REQUIRED,
        **columns: Any,
    ) -> AsyncIterator[tuple[Part, Answers]]:
        """Ask agents one after another; each sees the state left by those before it.

        ``async for part, answers in minds.each(...)``: change the state in the loop's body before
        the next turn. As `ask`, and:

        Parameters
        ----------
        space : Space or function of the part
            A function is called at each turn, on the state of that moment.
        order : "fixed" or "random"
            In the order of `agents`, or shuffled anew each time by a seeded stream.
        block : int
            How many agents take their turn together.
        **columns : scalar, aligned array, or function of the part
            Functions are called at each turn; arrays and scalars are as they were at the call.
        """
        if block < 1:
            raise WorldError(f"expected block >= 1, got {block}", where=f"each {kind!r}")
        part, cast = self._who(kind, agents)
        fixed = {k: v for k, v in columns.items() if not callable(v)}
        moving = {k: v for k, v in columns.items() if callable(v)}
        fixed = fitting(fixed, len(part), kind)
        seen = _known(see, part)
        name = self._name(kind, part)
        positions = np.arange(len(part))
        turns = self._turns or order
        self.took_turns = True
        if turns == "random":
            positions = self._asking.stream(f"{name}/turns", self.tick).permutation(part.ids)
        elif turns == "reversed":
            positions = positions[::-1]
        elif turns == "together":
            block = max(1, len(part))
        for start in range(0, len(part), block):
            index = positions[start : start + block]
            sub = part[index]
            living = sub.living
            if len(living) < len(sub):  # some died in an earlier turn
                index = index[sub.population._alive[sub.rows]]
                sub = living
                if not len(sub):
                    continue
            here = space(sub) if callable(space) else space.part(index)
            given = {k: v[index] if aligned(v) else v for k, v in fixed.items()}
            given |= fitting({k: read(sub) for k, read in moving.items()}, len(sub), kind)
            yield sub, await self._decide(kind, sub, cast, here, seen, missing, given, name)

    def tell(self, kind: str, agents: Population | Part, **columns: Any) -> None:
        """Tell agents what they perceive without deciding: consequences, rewards, messages.

        Policies with ``hear(observation)`` receive it; the columns are as in `ask`. An asynchronous
        ``hear`` is through before the next ask.
        """
        self.deliver(kind, agents, columns)

    def deliver(
        self,
        kind: str,
        agents: Population | Part,
        columns: Mapping[str, Any],
        sender: str = "",
    ) -> int:
        """As `tell`; return how many can hear.

        The draws of who hears bear the sender's name, so that those of the world stay as they are.
        """
        part, cast = self._who(kind, agents)
        given = fitting(columns, len(part), kind)
        name = self._name(f"tell/{kind}/{sender}" if sender else f"tell/{kind}", part)
        heard, kept = 0, self._exchange(kind, part, (), given)
        for code, index in cast.groups(part):
            policy = cast.policies[cast.names[code]]
            hear = getattr(policy, "hear", None)
            if hear is None:
                continue
            heard += len(part) if index is None else len(index)
            observation = self._observe(kind, part, _TOLD, (), given, name, index, kept)
            with blaming(cast.names[code], f"hearing {kind!r}", self.tick):
                result = hear(observation)
            if inspect.isawaitable(result):  # later: on the columns as they are now
                observation.keep()
                self._hearing.append((result, cast.names[code], f"hearing {kind!r}", self.tick))
        return heard

    # -- inside ----------------------------------------------------------------------------------

    def _who(self, kind: str, agents: Population | Part) -> tuple[Part, Cast]:
        if not isinstance(agents, (Population, Part)):
            raise PopulationError(
                f"expected a Population or a part of one, got {type(agents).__name__}",
                where=f"ask {kind!r}",
                mend="index the population: people[mask]",
            )
        part = agents.everyone if isinstance(agents, Population) else agents
        if part.living is not part:
            raise PopulationError("some of these agents have died", where=f"ask {kind!r}")
        name = part.population.name
        if name not in self._casts or self._casts[name]._population is not part.population:
            raise CastError(
                f"population {name!r} has no cast; {nearest(name, self._casts)}",
                where=f"ask {kind!r}",
                mend="give Simulation a cast for it by name",
            )
        return part, self._casts[name]

    def _name(self, kind: str, part: Part) -> str:
        """Name the stream of an ask: population, kind, and which ask of that kind in the tick."""
        key = (part.population.name, kind)
        ordinal = self._ordinals.get(key, 0)
        self._ordinals[key] = ordinal + 1
        return f"{key[0]}/{kind}/{ordinal}" if ordinal else f"{key[0]}/{kind}"

    def _observe(
        self,
        kind: str,
        part: Part,
        space: Space,
        see: tuple[str, ...],
        given: Mapping[str, Any],
        name: str,
        index: NDArray[np.intp] | None,
        kept: Exchange | None = None,
    ) -> Observation:
        whole = Observation(
            kind,
            space,
            part,
            self.tick,
            see=see,
            given=given,
            streams=self._asking,
            stream=name,
            notes=None if kept is None else kept.notes,
        )
        return whole if index is None else whole.part(index)

    async def _decide(
        self,
        kind: str,
        part: Part,
        cast: Cast,
        space: Space,
        see: tuple[str, ...],
        missing: Any,
        given: Mapping[str, Any],
        name: str,
    ) -> Answers:
        if self._hearing:
            await self.heard()
        n = len(part)
        where = f"{kind!r} at tick {self.tick}"
        groups, kept = cast.groups(part), self._exchange(kind, part, see, given)
        observations = [
            self._observe(kind, part, space, see, given, name, i, kept) for _, i in groups
        ]
        policies = [(cast.names[code], cast.policies[cast.names[code]]) for code, _ in groups]
        replies = await act_all(policies, observations, self.tick)
        values, outcome = space.empty(0), np.zeros(n, np.uint8)
        if not (len(groups) == 1 and groups[0][1] is None):
            values = space.empty(n)
        for (_code, index), (who, _), seen, (raw, seconds) in zip(
            groups, policies, observations, replies, strict=True
        ):
            part_values, part_outcome = settle(
                raw, seen.space, len(seen), f"policy {who!r}, {where}"
            )
            if index is None:
                values, outcome = part_values, part_outcome
            else:
                space.put(values, index, part_values)
                if part_outcome.any():
                    outcome[index] = part_outcome
            self._count(part.population.name, kind, who, part_outcome, seconds)
        undecided = outcome != Outcome.ACTED
        if undecided.any():
            undecided &= outcome != Outcome.FALLBACK
        if undecided.any():
            if missing is REQUIRED:
                raise missing_decision(
                    part, space, outcome, undecided, where, groups, policies, replies
                )
            lost = np.flatnonzero(undecided)
            values = writable(space, values, n)
            space.put(values, lost, space.take(space.default(missing, n, f"ask {where}"), lost))
        answers = Answers(values, outcome, part, space, None, cast.names)
        answers.policy = cast.codes if part.whole else cast.codes[part.rows]
        self._watch(kind, answers, kept)
        return answers

    def _count(
        self, population: str, kind: str, policy: str, outcome: NDArray[np.uint8], seconds: float
    ) -> None:
        key = (population, kind, policy)
        if key not in self.counts:
            self.counts[key] = AskCount(*key)
        row = self.counts[key]
        row.agents += len(outcome)
        if outcome.any():
            row.outcomes += np.bincount(outcome, minlength=len(OUTCOMES))
        else:
            row.outcomes[Outcome.ACTED] += len(outcome)
        row.seconds += seconds

    def panel(self, people: Population) -> NDArray[np.uint32]:
        """Return the ids of the agents of a population that are followed now, sorted."""
        name = people.name
        ids = self._panel.get(name)
        return _NOBODY if ids is None else followed(people, ids, name in self._everybody)

    def _exchange(
        self, kind: str, part: Part, see: Sequence[str], given: Mapping[str, Any]
    ) -> Exchange | None:
        """Begin to keep what passes between the world and the panel's agents, if that is kept."""
        if part.population.name not in self.kept:
            return None
        panel = self.panel(part.population)
        begun = exchange(part, panel, kind, self._turn, see, given)
        if begun is not None:
            self._turn += 1
            self.exchanges.append(begun)
        return begun

    def _watch(self, kind: str, answers: Answers, kept: Exchange | None) -> None:
        """Keep the decisions of the panel's agents."""
        part = answers.agents
        assert part is not None
        panel = self.panel(part.population)
        if not len(panel) or not len(part):
            return
        places = places_of(part, panel)
        if not len(places):
            return
        space = answers.space
        assert space is not None
        assert answers.policy is not None
        values, labels = space.record(space.take(answers.values, places))
        rows = PanelRows(
            part.population.name,
            kind,
            part[places].ids,
            [answers.policies[code] for code in answers.policy[places]],
            [OUTCOMES[code] for code in answers.outcome[places]],
            values,
            labels,
        )
        self.seen.append(rows)
        self.forms.setdefault(rows.population, {})[kind] = type(space).__name__.lower()
        if kept is not None:
            kept.decision = rows


def _known(see: Sequence[str], part: Part) -> tuple[str, ...]:
    see = (see,) if isinstance(see, str) else tuple(see)
    for name in see:
        if name not in part.population._data:
            raise PopulationError(
                f"no column {name!r} to see; {nearest(name, part.population.columns)}",
                where=f"population {part.population.name!r}",
            )
    return see
