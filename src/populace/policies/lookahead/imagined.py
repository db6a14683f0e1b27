"""A language model as the model of what would follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Outcome
from populace.kernel.columns import column
from populace.kernel.errors import ParameterError
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.spaces import Choice, Space, Text
from populace.policies.lookahead.forked import Asked, at_once
from populace.policies.lookahead.paths import Step, word, words

if TYPE_CHECKING:
    from populace.language.model import LanguageModel

PROMPTS = Path(__file__).parent / "prompts" / "imagine.toml"
WORTH = {"complete": 1.0, "on_track": 0.5, "off_track": 0.0}
_STANDS = Choice(list(WORTH))
_SAID = Text(2000)


class Imagined(Parametric):
    """A language model describes what would follow from an action, and judges it (WebDreamer).

    For each candidate: the model describes what will be different after it; for every further step
    of `depth` it says what would be done next, and describes that. Then it is asked how things
    stand with the goal; the score is the mean of its answers, 1 for complete, 1/2 for on track, 0
    for off track (Gu et al. 2024, arXiv:2411.06559): exact where the model gives the probabilities
    of its answers, else over `samples` of them.

    The model reads what the world shows to the agent of this decision, no more; a fork knows all.
    Descriptions are shared by agents who read the same, never the judgement's chance.

    Unlike there, no filter removes candidates before they are imagined: LookAhead's breadth is all.

    Parameters
    ----------
    model : LanguageModel or str
        As `populace.Language` takes it.
    goal : str
        In words, as the model reads it.
    prompts : path or mapping
        With the kinds ``describe``, ``next`` and ``judge``, over the columns ``goal``,
        ``situation``, ``story``, ``decision``, ``action``, and whatever the world shows.
    samples : int
        Answers to the judgement, where the model does not give their probabilities.
    decisions : mapping of str to str, optional
        What a kind of decision is called in words; by default its name.

    Raises
    ------
    ParameterError, PromptError
        For an impossible setting, or malformed prompts.
    """

    forks = False

    def __init__(
        self,
        model: Annotated[LanguageModel | str, Parameter("who imagines, for instance embedded")],
        goal: Annotated[str, Parameter("in words")],
        prompts: Annotated[Any, Parameter("file of prompts")] = PROMPTS,
        samples: Annotated[int, Parameter("answers to a judgement", low=1)] = 20,
        decisions: Annotated[
            Mapping[str, str] | None, Parameter("decisions in words, by kind")
        ] = None,
    ) -> None:
        from populace.language.policy import Language

        if not goal.strip():
            raise ParameterError("expected a goal in words", where="Imagined")
        self.goal, self.decisions = goal, dict(decisions or {})
        self.language = Language(model, prompts, draws=samples, name="imagined")
        for kind in ("describe", "next", "judge"):
            self.language.prompts.kind(kind)

    def describe(self) -> dict[str, Any]:
        """Return goal, model and prompts, for the manifest."""
        return {"goal": self.goal, "decisions": self.decisions, **self.language.describe()}

    def equip(self, resources: Any, kinds: Collection[str] | None) -> None:
        """Take what the model may spend."""
        if resources is not None:
            resources = replace(resources, policy=f"{resources.policy} (imagined)")
        self.language.equip(resources)

    def now(self, observation: Observation, resources: Any) -> Any:
        """Nothing is to be noted beforehand."""
        return True

    async def judge(self, asked: Asked, candidates: Sequence[Step]) -> NDArray[np.float64]:
        """Return a score for each candidate and agent.

        Returns
        -------
        float64 array of shape (candidates, n)
            From 0 to 1; NaN for a candidate that an agent does not have, and where the model gave
            no answer.
        """
        scores = np.full((len(candidates), len(asked.observation)), np.nan)
        situations = situation(asked.observation)
        jobs = [self._imagine(asked, step, situations) for step in candidates]
        for j, (step, found) in enumerate(zip(candidates, await at_once(jobs), strict=True)):
            scores[j, step.has] = found
        return scores

    async def _imagine(
        self, asked: Asked, step: Step, situations: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Return the scores of one candidate, of those agents who have it."""
        who = np.flatnonzero(step.has)
        part = asked.observation.part(who)
        shown = {
            "goal": self.goal,
            "situation": situations[who],
            "decision": self.decisions.get(part.kind, part.kind),
        }
        action = words(step.space, step.space.take(step.values, who))
        stories, good = np.full(len(who), "", object), np.ones(len(who), np.bool_)
        for number in range(asked.depth):
            if number:
                action, fine = await self._said(part, "next", number, shown, story=stories)
                good &= fine
            asked.counts["imagined_texts"] += len(who) * (1 + bool(number))
            columns = {"story": stories, "action": action}
            text, fine = await self._said(part, "describe", number, shown, **columns)
            good &= fine
            stories = column(
                [
                    f"{told}\n\nThey answered: {done}\n{then}".strip()
                    for told, done, then in zip(stories, action, text, strict=True)
                ]
            )
        judged = self._asked(part, "judge", asked.depth, _STANDS, {**shown, "story": stories})
        found = await self.language.probabilities(judged)
        asked.counts["judgements"] += len(who)
        index = found.distinct.index
        values = (found.table @ np.array(list(WORTH.values())))[index]
        good &= found.outcome[index] == Outcome.ACTED
        return np.where(good, values, np.nan)

    async def _said(
        self, part: Observation, kind: str, number: int, shown: Mapping[str, Any], **columns: Any
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return what the model says to each agent, and whether it said anything."""
        observation = self._asked(part, kind, number, _SAID, {**shown, **columns})
        answers = await self.language.decide(observation)
        good = np.asarray(answers.outcome) == Outcome.ACTED
        said = column(
            [text.strip() if fine else "" for text, fine in zip(answers.values, good, strict=True)]
        )
        return said, good

    def _asked(
        self, part: Observation, kind: str, number: int, space: Space, columns: Mapping[str, Any]
    ) -> Observation:
        own = part.asked(np.arange(len(part)), f"{kind}/{number}", space, **columns)
        own.kind = kind
        own._notes = None
        return own

    # -- as a policy inside another ---------------------------------------------------------------

    def report(self) -> list[Any]:
        """Return what the model was asked since the last call of this."""
        return self.language.report()

    def failed(self) -> list[Any]:
        """Return the failures since the last call of this."""
        return self.language.failed()

    async def close(self) -> None:
        """Close the model's connections."""
        await self.language.close()


def situation(observation: Observation) -> NDArray[Any]:
    """Return what each agent is shown, a line a column; what is empty or NaN is left out."""
    lines: list[list[str]] = [[] for _ in range(len(observation))]
    for name in observation.columns:
        value = observation[name]
        aligned = isinstance(value, np.ndarray) and value.ndim > 0
        shared = "" if aligned else word(value)
        for i, told in enumerate(lines):
            said = word(value[i]) if aligned else shared
            if said:
                told.append(f"{name}: {said}")
    return column(["\n".join(told) for told in lines])
