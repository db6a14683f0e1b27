"""What agents might do: candidates for one decision, and paths of several."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome, settle
from populace.kernel.columns import column
from populace.kernel.errors import ParameterError
from populace.kernel.observation import Observation
from populace.kernel.policy import as_policy
from populace.kernel.spaces import Choice, Number, Space
from populace.policies.around import Around
from populace.simulation.twins import shadow, twin

TRIES = 2  # proposals drawn for each one that is wanted
GRID = "grid"

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Step:
    """One decision a agent: values of the space, and which agents have one."""

    space: Space
    values: Any
    has: Bool

    def part(self, which: NDArray[np.intp]) -> Step:
        """Return the step of some of the agents."""
        return Step(self.space, self.space.take(self.values, which), self.has[which])


async def decided(policy: Any, observation: Observation) -> tuple[Any, NDArray[np.uint8]]:
    """Return values and outcomes of a policy, waited for and checked."""
    raw = policy.act(observation)
    raw = await raw if inspect.isawaitable(raw) else raw
    return settle(raw, observation.space, len(observation), f"{observation.kind!r}")


def acted(outcome: NDArray[np.uint8]) -> Bool:
    """Return which outcomes are decisions."""
    return np.asarray((outcome == Outcome.ACTED) | (outcome == Outcome.FALLBACK))


async def candidates(
    policy: Any, observation: Observation, own: Any, breadth: int, propose: Any
) -> list[Step]:
    """Return what each agent might do: first its own proposal, then others, each once.

    Parameters
    ----------
    policy : Policy
        Left as it is: a twin is asked for further proposals, each by draws of its own.
    own : values of the space
        What the policy proposes.
    breadth : int
    propose : None, "grid" or Policy
        None: all options of a `Choice`, all values of a whole `Number`, where there are no more
        than `breadth`; else samples of `policy`, up to `breadth` in all. "grid": so many evenly
        spaced numbers. A policy: its samples.

    Raises
    ------
    ParameterError
        For a grid where the space is no bounded `Number`.
    """
    space, n = observation.space, len(observation)
    steps = [Step(space, own, np.ones(n, np.bool_))]
    seen = [{key} for key in _keys(space, own)]
    listed = _listed(space, n, breadth, propose)
    if listed is not None:
        for values in listed:
            _keep(steps, space, values, np.ones(n, np.bool_), seen, breadth + 1)
        return steps
    aside, asked = _aside(policy if propose is None else as_policy(propose), observation)
    for j in range(1, TRIES * breadth):
        if all(len(known) >= breadth for known in seen):
            break
        part = asked.part(np.arange(n), f"proposal/{j}")
        values, outcome = await decided(aside, part)
        _keep(steps, space, values, acted(outcome), seen, breadth)
    return steps


def _keep(
    steps: list[Step], space: Space, values: Any, good: Bool, seen: list[set[Any]], most: int
) -> None:
    """Add proposals that are new to their agents."""
    new = np.zeros(len(seen), np.bool_)
    for i, key in enumerate(_keys(space, values)):
        if good[i] and key not in seen[i] and len(seen[i]) < most:
            new[i] = True
            seen[i].add(key)
    if new.any():
        steps.append(Step(space, values, new))


def _keys(space: Space, values: Any) -> list[Any]:
    """Return what tells one agent's values from another's."""
    numbers, words = space.record(values)
    return [n if w is None else w for n, w in zip(numbers, words, strict=True)]


def _listed(space: Space, n: int, breadth: int, propose: Any) -> list[Any] | None:
    """Return every candidate there is, or a grid of them; None where they must be drawn."""
    if propose is None and isinstance(space, Choice) and len(space.options) <= breadth:
        return [np.full(n, i, space.dtype) for i in range(len(space.options))]
    if isinstance(space, Number):
        low = np.broadcast_to(space.low, (n,))
        high = np.broadcast_to(space.high, (n,))
        if space.integer:
            low, high = np.ceil(low), np.floor(high)
        few = space.integer and n and float((high - low).max()) < breadth
        if propose is None and few:
            return [np.minimum(low + i, high).astype(np.int64) for i in range(breadth)]
        if propose == GRID and np.isfinite(low).all() and np.isfinite(high).all():
            steps = [low + (high - low) * i / max(breadth - 1, 1) for i in range(breadth)]
            return [np.rint(s).astype(np.int64) if space.integer else s for s in steps]
    if isinstance(propose, str) and propose == GRID:
        raise ParameterError(
            f"expected a Number with both bounds for a grid, got {space.describe()}",
            where="LookAhead",
            mend="leave propose out for this kind, or name others in kinds=",
        )
    return None


def _aside(policy: Any, observation: Observation) -> tuple[Any, Observation]:
    """Return a twin of a policy, and the observation over columns that it may write to."""
    people = observation.agents.population
    other = shadow(people)
    seen = observation.part(np.arange(len(observation)))
    seen._notes = None  # what else it might do is no part of how it came to what it does
    seen.agents = other[observation.agents.rows] if len(observation) else other[:0]
    return twin(policy, {id(people): other}), seen


class Path(Around):
    """Acts as told for some decisions of each agent, then as another policy.

    Parameters
    ----------
    policy : Policy
    rows : int array of shape (n,)
        Rows of the agents.
    steps : sequence of Step
    kinds : collection of str or None
        Decisions that steps are for; None: any.
    first : str
        Name of the stream of the ask of the first step.
    branch : (breadth, propose), optional
        Have each agent's candidates noted for its first decision after its steps.
    """

    def __init__(
        self,
        policy: Any,
        rows: NDArray[np.intp],
        steps: Sequence[Step],
        kinds: Collection[str] | None,
        first: str,
        branch: tuple[int, Any] | None = None,
    ) -> None:
        self.policy, self.rows, self.steps, self.kinds = policy, rows, list(steps), kinds
        self.first, self.branch = first, branch
        self.done = np.zeros(len(rows), np.intp)
        self.begun = False
        self.children: dict[int, list[Step]] = {}
        self._order = np.argsort(rows)

    async def act(self, observation: Observation) -> Any:
        self.begun = self.begun or observation.random.name.startswith(self.first)
        if not self.begun or (self.kinds is not None and observation.kind not in self.kinds):
            return await decided_as(self.policy, observation)
        rows, n = observation.agents.rows, len(observation)
        place = self._order[np.searchsorted(self.rows, rows, sorter=self._order)]
        space = observation.space
        values, outcome = space.empty(n), np.zeros(n, np.uint8)
        free = np.ones(n, np.bool_)
        for number, step in enumerate(self.steps):
            told = np.flatnonzero((self.done[place] == number) & step.has[place] & free)
            if len(told):
                space.put(values, told, space.take(step.values, place[told]))
                free[told] = False
        self.done[place[~free]] += 1
        rest = np.flatnonzero(free)
        if len(rest):
            part = observation.part(rest)
            some, result = await decided(self.policy, part)
            if self.branch is not None:
                await self._note(part, place[rest], some, result)
            space.put(values, rest, some)
            outcome[rest] = result
        return Answers(values, outcome)

    async def _note(
        self, part: Observation, place: NDArray[np.intp], own: Any, outcome: NDArray[np.uint8]
    ) -> None:
        """Note what agents might do in their first decision after their steps."""
        new = np.array([int(i) not in self.children for i in place]) & acted(outcome)
        who = np.flatnonzero(new)
        if not len(who):
            return
        assert self.branch is not None
        space = part.space
        found = await candidates(self.policy, part.part(who), space.take(own, who), *self.branch)
        for i, at in enumerate(place[who].tolist()):
            self.children[at] = [step.part(np.array([i])) for step in found if step.has[i]]

    def inner(self) -> list[Any]:
        """Return the policy."""
        return [self.policy]


async def decided_as(policy: Any, observation: Observation) -> Any:
    """Return a policy's answers as they are, waited for."""
    raw = policy.act(observation)
    return await raw if inspect.isawaitable(raw) else raw


def words(space: Space, values: Any) -> NDArray[Any]:
    """Return actions in words: the option, the number, the text."""
    numbers, labels = space.record(values)
    return column([word(n) if w is None else w for n, w in zip(numbers, labels, strict=True)])


def word(value: Any) -> str:
    """Return a value in words; nothing for None and NaN."""
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, float, np.number)):
        return f"{float(value):g}"
    return str(value)
