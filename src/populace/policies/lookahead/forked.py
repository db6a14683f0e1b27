"""The world itself as the model of what would follow."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, PolicyError, nearest
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.policy import as_policy, describe_policy
from populace.policies.lookahead.paths import Path, Step
from populace.simulation.imagining import Future, Moment, memory_of

T = TypeVar("T")
Score = str | Callable[[Future], Any]

_AT_ONCE = 16  # futures, each of which holds a world


@dataclass
class Asked:
    """One decision that is looked ahead at.

    Attributes
    ----------
    observation : Observation
        Of the agents who look ahead, n of them.
    policy : Policy
        Proposes, and goes on from there.
    moment : object
        What `WorldModel.now` gave before anybody acted.
    depth : int
    score : str, function or None
    kinds : collection of str or None
        Decisions that a path consists of.
    resources : Resources or None
    counts : Counter
        What it took; a model adds to it.
    """

    observation: Observation
    policy: Any
    moment: Any
    depth: int
    score: Score | None
    kinds: Collection[str] | None
    resources: Any
    counts: Counter[str] = field(default_factory=Counter)


class Forked(Parametric):
    """The world itself, forked: what would happen if an agent did this, by the world's own rules.

    Each candidate is tried in a copy of the running world: the tick up to this ask as it was, then
    the candidate, then `depth` - 1 further ticks. The agent itself goes on by the policy that
    proposes; all others by twins of their own policies, with all that they remember (of a
    `LookAhead` the policy inside; of a `Human` nobody, so that its fallback or the world's
    ``missing=`` is in force). Interventions to come are not foreseen.

    A fork knows all that is true at this moment, hidden or not, the others' minds included; what is
    drawn from then on are its own draws, which tell nothing of those of the run. All candidates of
    a decision meet the same draws.

    Parameters
    ----------
    others : mapping of name to Policy, or Policy, optional
        Who stands for policies of the cast, by their names; a lone policy for everybody else.
    futures : int
        How many futures a candidate is tried in; its score is the mean.
    apart : str
        A column of the population: agents whose values differ have no influence on each other, as
        games played side by side. One fork then serves one agent of each. It is taken on trust.
    clairvoyant : bool
        Use the draws of the run itself: what is imagined is what will happen, if all do so.

    Raises
    ------
    ParameterError
        For a setting out of range, or several futures of a clairvoyant, which would be the same.
    """

    forks = True

    def __init__(
        self,
        others: Annotated[Any, Parameter("who stands for the others' policies")] = None,
        futures: Annotated[int, Parameter("futures a candidate", low=1)] = 1,
        apart: Annotated[str, Parameter("column that tells independent groups apart")] = "",
        clairvoyant: Annotated[bool, Parameter("use the run's own draws")] = False,
    ) -> None:
        if clairvoyant and futures != 1:
            raise ParameterError("a clairvoyant knows the one future", where="Forked, futures")
        if others is not None and not isinstance(others, Mapping):
            others = as_policy(others, "others")
        self.others, self.futures, self.apart = others, futures, apart
        self.clairvoyant = clairvoyant

    def describe(self) -> dict[str, Any]:
        """Return the settings, for the manifest."""
        others = self.others
        if isinstance(others, Mapping):
            told: Any = {name: describe_policy(as_policy(p)) for name, p in others.items()}
        else:
            told = None if others is None else describe_policy(others)
        rest = {"futures": self.futures, "apart": self.apart, "clairvoyant": self.clairvoyant}
        return {"others": told, **rest}

    def equip(self, resources: Any, kinds: Collection[str] | None) -> None:
        """Have the simulation keep what forks need."""
        if resources is not None and resources.imagining is not None:
            resources.imagining.want(resources.policy, kinds)

    def now(self, observation: Observation, resources: Any) -> Moment | None:
        """Return the present moment, to be taken before anybody acts; None in a survey.

        Raises
        ------
        PolicyError
            Outside of a simulation.
        """
        if resources is None:
            raise PolicyError(
                "there is no world to fork",
                where=f"looking ahead at {observation.kind!r}",
                mend="cast the policy in a Simulation",
            )
        if resources.imagining is None:
            return None
        moment: Moment = resources.imagining.moment(observation)
        return moment

    async def judge(self, asked: Asked, candidates: Sequence[Step]) -> NDArray[np.float64]:
        """Return a score for each candidate and agent.

        Returns
        -------
        float64 array of shape (candidates, n)
            NaN for a candidate that an agent does not have, and where the score is not defined.
        """
        n = len(asked.observation)
        scores = np.full((len(candidates), n), np.nan)
        groups = self._groups(asked.observation)
        jobs, places = [], []
        for j, step in enumerate(candidates):
            for group in groups:
                who = group[step.has[group]]
                if len(who):
                    jobs.append(self.follow(asked, who, [step.part(who)]))
                    places.append((j, who))
        for (j, who), (found, _) in zip(places, await at_once(jobs), strict=True):
            scores[j, who] = found
        return scores

    async def follow(
        self,
        asked: Asked,
        who: NDArray[np.intp],
        steps: Sequence[Step],
        branch: tuple[int, Any] | None = None,
    ) -> tuple[NDArray[np.float64], dict[int, list[Step]]]:
        """Imagine that some agents take these steps, together in one fork.

        Returns
        -------
        scores : float64 array of shape (len(who),)
        children : dict of int to list of Step
            With `branch`: by position among `who`, what an agent might do next.
        """
        part = asked.observation.part(who)
        first = part.random.name
        me = Path(asked.policy, part.agents.rows, steps, asked.kinds, first, branch)
        memory = memory_of(part.agents)
        children: dict[int, list[Step]] = {}
        total = np.zeros(len(who))
        seeds = part.random.named("futures").bits(np.arange(self.futures)).tolist()
        if self.clairvoyant:
            seeds = [part.random.seed]
        for number, seed in enumerate(seeds):
            future = await asked.moment.future(
                part.agents,
                me,
                depth=asked.depth,
                seed=seed,
                others=self._stand_ins(asked.moment),
                memory=memory,
                collect=asked.score if isinstance(asked.score, str) else "",
                resources=asked.resources,
            )
            total += scored(future, asked.score)
            if number == 0:
                children = future.me.children
            asked.counts["futures"] += 1
            asked.counts["imagined_ticks"] += future.ticks
            asked.counts["imagined_decisions"] += future.decisions
        return total / len(seeds), children

    def _stand_ins(self, moment: Moment) -> Mapping[str, Any] | None:
        if self.others is None or isinstance(self.others, Mapping):
            return self.others
        return dict.fromkeys(moment.policies, self.others)

    def _groups(self, observation: Observation) -> list[NDArray[np.intp]]:
        """Split agents so that no two of a part influence each other."""
        n = len(observation)
        if not self.apart:
            return [np.array([i]) for i in range(n)]
        people = observation.agents.population
        if self.apart not in people.columns:
            raise ParameterError(
                f"no column {self.apart!r}; {nearest(self.apart, people.columns)}",
                where="Forked, apart",
            )
        values = observation.agents[self.apart]
        order = np.argsort(values, kind="stable")
        ranked = values[order]
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if n else np.empty(0, int)
        rank = np.empty(n, np.intp)
        rank[order] = np.arange(n) - np.repeat(starts, np.diff(np.r_[starts, n]))
        return [np.flatnonzero(rank == r) for r in range(int(rank.max(initial=-1)) + 1)]


def scored(future: Future, score: Score | None) -> NDArray[np.float64]:
    """Return the score of each agent who imagined; NaN for one who is dead at the end.

    Raises
    ------
    ParameterError
        If nothing bears the name of the score, or a function returns something else than a number
        for each living agent.
    """
    n, alive = len(future.alive), future.alive
    scores = np.full(n, np.nan)
    if callable(score):
        found = np.asarray(score(future), np.float64)
        if found.shape not in ((), (int(alive.sum()),)):
            raise ParameterError(
                f"expected a score for each of {int(alive.sum())} agents, got {found.shape}",
                where="score",
            )
        scores[alive] = found
    elif score in (people := future.agents.population).columns:
        scores[alive] = future.agents[str(score)]
    elif future.told is not None:
        scores[:] = future.told
    else:
        raise ParameterError(
            f"{score!r} is no column of {people.name!r}, and no number that its agents were told "
            "in the imagined time",
            where="score",
            mend=f"{nearest(str(score), people.columns)}; or give a function of the future",
        )
    return scores


async def at_once(jobs: Sequence[Awaitable[T]]) -> list[T]:
    """Return what came of all, a few at a time."""
    results: dict[int, T] = {}
    waiting = iter(enumerate(jobs))

    async def work() -> None:
        for i, job in waiting:
            results[i] = await job

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(len(jobs), _AT_ONCE)):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        for _, job in waiting:
            if asyncio.iscoroutine(job):
                job.close()
        raise failures.exceptions[0] from None
    return [results[i] for i in range(len(jobs))]
