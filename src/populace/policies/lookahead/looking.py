"""Looking ahead: what might be done is imagined and scored before something is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers
from populace.kernel.errors import ParameterError, nearest
from populace.kernel.exchange import writable
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric, parameters
from populace.kernel.policy import PolicyLike, as_policy, closed, describe_policy
from populace.policies.around import Around
from populace.policies.lookahead.forked import Asked, Forked
from populace.policies.lookahead.paths import GRID, Step, acted, candidates, decided, words


class WorldModel(Protocol):
    """What a `LookAhead` imagines with: `Forked` or `Imagined`."""

    forks: bool

    def equip(self, resources: Any, kinds: Collection[str] | None) -> None:
        """Take what the simulation gives."""

    def now(self, observation: Observation, resources: Any) -> Any:
        """Return what is to be noted before anybody acts; None where nothing can be imagined."""

    async def judge(self, asked: Asked, candidates: Sequence[Step]) -> NDArray[np.float64]:
        """Return a score for each candidate and agent, of shape (candidates, n)."""

    def describe(self) -> dict[str, Any]:
        """Return the settings, for the manifest."""


class LookAhead(Parametric, Around):
    """Propose by one policy, imagine what would follow, do what scores best.

    For each decision `policy` proposes some actions; each is imagined `depth` ticks ahead, the
    agent going on by `policy`; the one with the highest score is taken, of equals the first. The
    first is what `policy` decides itself, so nothing changes without a reason. Where `policy` does
    not decide, nor does this.

    This is the rollout policy of the literature (Bertsekas, Tsitsiklis and Wu 1997, *Journal of
    Heuristics* 3): where the imagination is exact and reaches the end, it does no worse than
    `policy`. With `Imagined` it is the planning of WebDreamer (Gu et al. 2024, arXiv:2411.06559).

    Parameters
    ----------
    policy : Policy or function
    model : Forked, Imagined, or mapping, optional
        What the consequences are imagined with; a `Forked` by default. A mapping, as in a file,
        holds the settings of an `Imagined` if one is ``goal``, else of a `Forked`.
    depth : int
        How many ticks ahead: 1 is the present one to its end; 0 does as `policy` does. For
        `Imagined`, how many steps are described.
    breadth : int
        Proposals a decision. All options of a `Choice`, or values of a whole `Number`, where they
        are no more; else distinct samples of `policy`, if that many turn up.
    score : str or function, optional
        With `Forked`: a column of the population at the end of the imagined time, or the sum of a
        column that agents are told in that time, by default ``reward``, or a function of the
        `Future` that returns a number for each of ``future.agents``. With `Imagined` the model
        judges.
    kinds : sequence of str, optional
        Decisions to look ahead at; all by default.
    propose : "grid" or Policy, optional
        Other proposals: `breadth` evenly spaced numbers, or samples of another policy.

    Raises
    ------
    ParameterError
        For a setting out of range; at the first decision, for a score that nothing bears.
    """

    def __init__(
        self,
        policy: Annotated[PolicyLike, Parameter("proposes")],
        model: Annotated[Any, Parameter("what consequences are imagined with")] = None,
        depth: Annotated[int, Parameter("how far ahead", "ticks", low=0)] = 1,
        breadth: Annotated[int, Parameter("proposals a decision", low=1)] = 5,
        score: Annotated[Any, Parameter("what is to be high in the end")] = None,
        *,
        kinds: Annotated[Sequence[str] | None, Parameter("decisions to look ahead at")] = None,
        propose: Annotated[Any, Parameter("other proposals")] = None,
    ) -> None:
        self.policy = as_policy(policy)
        self.model = _opened(model)
        if score is not None and not self.model.forks:
            raise ParameterError(
                "a language model judges by its goal, not by a score", where="LookAhead, score"
            )
        self.depth, self.breadth, self.score = depth, breadth, score or "reward"
        self.kinds = (
            None if kinds is None else frozenset([kinds] if isinstance(kinds, str) else kinds)
        )
        if isinstance(propose, str) and propose != GRID:
            raise ParameterError(f"expected {GRID!r} or a policy, got {propose!r}", where="propose")
        self.propose = propose if propose is None or propose == GRID else as_policy(propose)
        self._resources: Any = None
        self._counts: dict[str, Counter[str]] = {}

    async def act(self, observation: Observation) -> Answers:
        space, n = observation.space, len(observation)
        looks = self.depth > 0 and (self.kinds is None or observation.kind in self.kinds)
        moment = self.model.now(observation, self._resources) if looks and n else None
        values, outcome = await decided(self.policy, observation)
        who = np.flatnonzero(acted(outcome))
        if moment is None or not len(who):
            return Answers(values, outcome)
        asked = Asked(
            observation.part(who), self.policy, moment, self.depth, self.score, self.kinds,
            self._resources, self._counts.setdefault(observation.kind, Counter()),
        )  # fmt: skip
        own = space.take(values, who)
        found = await candidates(self.policy, asked.observation, own, self.breadth, self.propose)
        chosen = await self._choose(asked, found) if len(found) > 1 else np.zeros(len(who), int)
        values = writable(space, values, n)
        for j, step in enumerate(found):
            mine = np.flatnonzero(chosen == j)
            if j and len(mine):
                space.put(values, who[mine], space.take(step.values, mine))
        asked.counts["decisions"] += len(who)
        asked.counts["candidates"] += sum(int(step.has.sum()) for step in found)
        asked.counts["changed"] += int((chosen > 0).sum())
        return Answers(values, outcome)

    async def _choose(self, asked: Asked, found: Sequence[Step]) -> NDArray[np.intp]:
        """Return, for each agent, which of the candidates scores best."""
        scores = await self.model.judge(asked, found)
        asked.counts["unscored"] += int(
            (np.isnan(scores) & np.array([step.has for step in found])).sum()
        )
        for i in asked.observation.noted.tolist():
            told = [
                f"{words(step.space, step.part(np.array([i])).values)[0]}: {scores[j, i]:g}"
                for j, step in enumerate(found)
                if step.has[i]
            ]
            asked.observation.note(i, "foreseen", "\n".join(told))
        return np.asarray(np.where(np.isnan(scores), -np.inf, scores).argmax(axis=0))

    def imagined(self) -> Any:
        """Return who stands for this in somebody's imagination: the policy that proposes."""
        return self.policy

    def describe(self) -> dict[str, Any]:
        """Return the settings, for the manifest."""
        score = self.score if isinstance(self.score, str) else getattr(self.score, "__name__", "")
        return {
            "policy": describe_policy(self.policy),
            "model": {"class": type(self.model).__name__, **self.model.describe()},
            "depth": self.depth,
            "breadth": self.breadth,
            "score": score,
            "kinds": None if self.kinds is None else sorted(self.kinds),
            "propose": describe_policy(self.propose)
            if self.propose not in (None, GRID)
            else self.propose,
        }

    def inner(self) -> list[Any]:
        """Return the policies inside."""
        return [self.policy, *([] if self.propose in (None, GRID) else [self.propose])]

    def equip(self, resources: Any) -> None:
        """Equip the policies and the model."""
        super().equip(resources)
        self._resources = resources
        self.model.equip(resources, self.kinds)

    def report(self) -> list[Any]:
        """Return, by kind, what looking ahead took since the last call of this, and the rest."""
        taken, self._counts = self._counts, {}
        own = [{"kind": kind, **counts} for kind, counts in taken.items()]
        return [*own, *super().report(), *getattr(self.model, "report", list)()]

    def failed(self) -> list[Any]:
        """Return the failures of the policies and the model."""
        return [*super().failed(), *getattr(self.model, "failed", list)()]

    async def close(self) -> None:
        """Close the policies and the model."""
        await super().close()
        await closed(self.model)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: the policy."""
        return {"policy": self.policy}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.policy = state["policy"]


def _opened(model: Any) -> Any:
    """Return the model that is meant."""
    if model is None:
        return Forked()
    if not isinstance(model, Mapping):
        return model
    from populace.policies.lookahead.imagined import Imagined

    cls: Any = Imagined if "goal" in model else Forked
    known = parameters(cls)
    for name in model:
        if name not in known:
            raise ParameterError(
                f"{cls.__name__} has no setting {name!r}; {nearest(name, known)}", where="model"
            )
    return cls(**model)
