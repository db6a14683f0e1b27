"""What a structure is given and what it returns: members to ask, what they said, a verdict.

A structure is ordinary asynchronous code over `Members.ask`. Concurrency, budgets, cancellation,
transcripts and random streams are the runtime's, so that a structure is its paper's method alone.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from populace.kernel.answers import Outcome
from populace.kernel.errors import PopulaceError
from populace.kernel.spaces import Space
from populace.kernel.streams import Stream


class OutOfBudget(PopulaceError):
    """A round was not started, since the item's budget does not hold all of it.

    A structure may catch it; otherwise the runtime aggregates the last round that was committed
    (plurality) and marks the verdict's reason ``budget``.
    """


@dataclass(frozen=True, slots=True)
class Question:
    """One agent's observation, frozen for the time a team works on it.

    Attributes
    ----------
    kind : str
        What the world asks.
    text : str
        The question in words, as language models read it.
    space : Space
        What an answer may be.
    agent, tick : int
    columns : mapping
        What the world shows this agent, by name; scalars.
    """

    kind: str
    text: str
    space: Space
    agent: int
    tick: int
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """What one member said once.

    Attributes
    ----------
    member : int
        Position in the team.
    round : int
        The ask in which it was said, from 0.
    text : str
        As the member wrote it; the answer in words where the member is no language model.
    answer : str, float, int or None
        Canonical answer, comparable with ``==``; None where there is none.
    outcome : Outcome
        ``ACTED`` where there is an answer; an unparsed one is ``INVALID``. Whatever did not act
        stays in the transcript and does not vote.
    confidence : float or None
        From 0 to 1, where the member stated one.
    fields : mapping
        Further fields of a typed reply (a judge's scores, a document), by name.
    tokens_in, tokens_out : int
    """

    member: int
    round: int
    text: str
    answer: Any = None
    outcome: Outcome = Outcome.ACTED
    confidence: float | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def votes(self) -> bool:
        """Whether it counts in a vote; what a named fallback decided does."""
        acted = self.outcome == Outcome.ACTED or self.outcome == Outcome.FALLBACK
        return acted and self.answer is not None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a team decided.

    Attributes
    ----------
    answer : str, float, int or None
        None: the team came to no answer, for the reason in `outcome`.
    outcome : Outcome
    text : str
        What is handed to a world that asks for `Text`: by default the words of the member whose
        answer it is.
    confidence : float or None
    votes : mapping of answer to weight
    tie : bool
        Whether a draw decided between equals.
    reason : str
        Why the structure ended: ``done``, ``unanimous``, ``uncatchable``, ``budget``, ...
    unparsed : int
        How many of those who spoke had no answer, and so did not vote.
    """

    answer: Any
    outcome: Outcome = Outcome.ACTED
    text: str = ""
    confidence: float | None = None
    votes: Mapping[Any, float] = field(default_factory=dict)
    tie: bool = False
    reason: str = "done"
    unparsed: int = 0

    @property
    def margin(self) -> float:
        """Share of the votes by which the first leads the second, from 0 to 1.

        Negative weights count as much as positive ones in the whole.
        """
        weights = sorted(self.votes.values(), reverse=True)
        total = sum(map(abs, weights))
        second = weights[1] if len(weights) > 1 else 0.0
        return abs(weights[0] - second) / total if total > 0 else 0.0

    @property
    def entropy(self) -> float:
        """Shannon entropy of the votes in bits; answers of negative weight are left out."""
        weights = [weight for weight in self.votes.values() if weight > 0]
        total = sum(weights)
        return max(0.0, -sum(w / total * math.log2(w / total) for w in weights))


class Members(Protocol):
    """The members of a team, at work on one question."""

    def __len__(self) -> int: ...

    @property
    def names(self) -> Sequence[str]:
        """Name of each member."""

    async def ask(
        self,
        prompt: str = "answer",
        *,
        to: Sequence[int] | int | None = None,
        space: Space | None = None,
        sees: Sequence[Said] | Mapping[int, Sequence[Said]] = (),
        sample: int | Sequence[int] = 0,
        fresh: bool = False,
        temperature: float | None = None,
        **columns: Any,
    ) -> list[Said]:
        """Ask members, all at once on what has been said so far; answers in the order of `to`.

        Parameters
        ----------
        prompt : str
            Name of a prompt of the structure: the kind of decision that members are asked. Found
            in ``prompts/MODULE.toml`` beside the structure's module or its folder, else in the
            shared ``common.toml`` (see `populace.teams.prompting.Prompt`). Members that are
            policies are shown it as a column, beside ``peers`` and ``round``.
        to : positions, optional
            Whom; by default everybody. A position may stand there several times, with different
            `sample`.
        space : Space, optional
            What the answer may be; by default what the question asks for. A `Record` asks for a
            typed document, whose fields are in `Said.fields`.
        sees : sequence of Said, or mapping of position to sequence of Said
            What of the others' words is put before them (never their own), as ``{peers}``.
        sample : int, or one an asked member
            Repetitions differ by it; the same (member, prompt text, sample) is the same answer. A
            member has a conversation of its own for each sample.
        fresh : bool
            Begin a new conversation; by default a member goes on with its own.
        temperature : float, optional
            In place of the prompt's or the team's.
        **columns : scalar, or mapping of position to scalar
            Further things shown, as ``{name}``.

        Raises
        ------
        OutOfBudget
            If the item's budget does not hold the whole round: nobody is asked.
        """

    def hand_over(self, old: int, new: int) -> None:
        """Let member `new` go on with the conversations of `old` as if they were its own."""

    def random(self, name: str) -> Stream:
        """Return this question's random stream of that name (``vote/tie``), bound to one agent.

        Further draws of one name continue the earlier ones.
        """

    def left(self) -> Mapping[str, float]:
        """Return what the item's budget still holds, by measure; unlimited ones are left out."""

    def said(self) -> Sequence[Said]:
        """Return everything committed so far, in order."""


Structure = Callable[..., Awaitable["Verdict | Said | Any"]]
