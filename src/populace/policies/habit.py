"""Habit: doing again what one did last, with a given inertia."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome, settle
from populace.kernel.errors import PolicyError
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.policy import as_policy, closed, describe_policy
from populace.kernel.population import Population
from populace.kernel.spaces import Choice, Number, Space
from populace.policies.columns import safe

Inertia = float | Callable[[Observation], Any]


class Habit(Parametric):
    """Repeat the last action with probability `inertia`, else decide afresh by another policy.

    An agent asked a kind for the first time decides by `policy`; so does one whose last action is
    not allowed any more (a number outside today's bounds). Under a constant world the chance that
    an agent still repeats its first action after t asks is ``inertia**t``, and the long-run shares
    of the actions are those of `policy`: habit delays, it does not bias.

    What an agent did last is kept in a private column of its population, one a kind, so it dies
    with the agent and stays the agent's when it is cast anew. Two habits of one cast share it.

    Parameters
    ----------
    policy : Policy or function
        Decides when habit does not. Nothing that it failed to decide is remembered.
    inertia : float, or function of the observation
        Probability of repeating, in [0, 1]; a function returns one for all or one an agent.

    Raises
    ------
    PolicyError
        If a kind is asked whose space is neither `Choice` nor `Number`, a choice whose options
        change between asks, or inertia outside [0, 1].
    ParameterError
        If `inertia` is a number outside [0, 1].

    Examples
    --------
    >>> from populace import Rule
    >>> slow = Habit(Rule(stay=lambda o: o["cases"] > 50), inertia=0.8)
    """

    def __init__(
        self,
        policy: Annotated[Any, Parameter("decides when habit does not")],
        inertia: Annotated[
            Inertia, Parameter("probability of repeating the last action", low=0, high=1)
        ] = 0.8,
    ) -> None:
        self.policy = as_policy(policy)
        self.inertia = inertia
        depth = _depth(self.policy)  # a habit within a habit has draws and memory of its own
        self._name = f"habit{depth}" if depth else "habit"
        self._options: dict[tuple[str, str], tuple[str, ...]] = {}  # by population and kind

    def act(self, observation: Observation) -> Any:
        """Answer for everybody; awaitable if the inner policy's answer is."""
        n, space = len(observation), observation.space
        column = self._column(observation)
        memory = observation.agents.gather(column)
        known = memory != 0 if isinstance(space, Choice) else ~np.isnan(memory)
        inertia = self._probability(observation)
        again = observation.random.named(self._name).bernoulli(p=inertia)
        again &= known
        last = memory - 1 if isinstance(space, Choice) else memory
        last, allowed = space.check(np.where(again, last, 0), n, observation.kind)
        if allowed is not None:
            again &= allowed
        if again.all():
            return last
        fresh = np.flatnonzero(~again)
        asked = observation if len(fresh) == n else observation.part(fresh)
        raw = self.policy.act(asked)
        if inspect.isawaitable(raw):
            return self._wait(raw, observation, asked, column, last, fresh)
        return self._merge(raw, observation, asked, column, last, fresh)

    async def _wait(self, raw: Awaitable[Any], *rest: Any) -> Answers:
        return self._merge(await raw, *rest)

    def _merge(
        self,
        raw: Any,
        observation: Observation,
        asked: Observation,
        column: str,
        values: Any,
        fresh: NDArray[np.intp],
    ) -> Answers:
        """Put fresh decisions among repeated ones, and remember those that came about."""
        space = asked.space
        new, result = settle(raw, space, len(asked), f"Habit, {asked.kind!r}")
        decided = np.flatnonzero((result == Outcome.ACTED) | (result == Outcome.FALLBACK))
        everyone = len(decided) == len(asked)
        kept = new if everyone else new[decided]
        agents = asked.agents if everyone else asked.agents[decided]
        agents[column] = kept.astype(np.int64) + 1 if isinstance(space, Choice) else kept
        if asked is observation:
            return Answers(new, result)
        outcome = np.zeros(len(observation), np.uint8)
        outcome[fresh] = result
        values[fresh] = new
        return Answers(values, outcome)

    def _column(self, observation: Observation) -> str:
        """Return the name of the private column of this kind, made on first use."""
        space, kind = observation.space, observation.kind
        where = f"Habit, {kind!r}"
        people: Population = observation.agents.population
        if isinstance(space, Choice):
            known = self._options.setdefault((people.name, kind), space.options)
            if known != space.options:
                raise PolicyError(
                    f"the options were {', '.join(known)} and now are {', '.join(space.options)}",
                    where=where,
                    mend="ask a choice with other options as another kind",
                )
            spec: tuple[np.dtype[Any], float] = (
                np.min_scalar_type(len(space.options)),
                0,
            )  # 0: none yet, else index + 1
        elif isinstance(space, Number):
            spec = (np.dtype(np.float64), np.nan)
        else:
            raise PolicyError(
                f"expected a Choice or a Number to repeat, got {_described(space)}",
                where=where,
                mend="cast another policy for this kind",
            )
        column = f"{self._name}/{safe(kind)}"
        if column not in people.columns:
            people.add_column(column, spec)
        elif people[column].dtype != spec[0]:
            raise PolicyError(
                f"{kind!r} was another action space before: {people[column].dtype} remembered",
                where=where,
                mend="ask another space as another kind",
            )
        return column

    def _probability(self, observation: Observation) -> Any:
        if not callable(self.inertia):
            return self.inertia
        given = np.asarray(self.inertia(observation), dtype=np.float64)
        if given.shape not in ((), (len(observation),)) or not np.all((given >= 0) & (given <= 1)):
            raise PolicyError(
                f"expected an inertia in [0, 1], one or {len(observation)}, got {given!r:.80}",
                where=f"Habit, {observation.kind!r}",
            )
        return given

    def describe(self) -> dict[str, Any]:
        """Return inertia and the inner policy, for the manifest."""
        return {"policy": describe_policy(self.policy), "inertia": self.inertia}

    # -- passed on to the inner policy -----------------------------------------------------------

    def start(self, population: Any, streams: Any) -> None:
        """Start the inner policy."""
        if start := getattr(self.policy, "start", None):
            start(population, streams)

    def equip(self, resources: Any) -> None:
        """Equip the inner policy."""
        if equip := getattr(self.policy, "equip", None):
            equip(resources)

    async def close(self) -> None:
        """Close the inner policy."""
        await closed(self.policy)

    def report(self) -> Any:
        """Return what the inner policy reports."""
        return getattr(self.policy, "report", list)()

    def failed(self) -> Any:
        """Return the failures of the inner policy."""
        return getattr(self.policy, "failed", list)()

    def replied(self) -> Any:
        """Return what people typed in the inner policy."""
        return getattr(self.policy, "replied", list)()

    @property
    def waiting(self) -> bool:
        """Whether a person is being asked."""
        return bool(getattr(self.policy, "waiting", False))

    def hear(self, observation: Observation) -> Any:
        """Let the inner policy hear."""
        hear = getattr(self.policy, "hear", None)
        return None if hear is None else hear(observation)


def _depth(policy: Any) -> int:
    """Count the habits one inside another, through policies around policies."""
    if policy is None:
        return 0
    inside = max(_depth(getattr(policy, name, None)) for name in ("policy", "to"))
    return inside + isinstance(policy, Habit)


def _described(space: Space) -> str:
    return f"{type(space).__name__} ({space.describe()})"
