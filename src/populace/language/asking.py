"""From distinct prompts to requests, and from what came back to tables and outcomes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Outcome
from populace.kernel.observation import Observation
from populace.kernel.schema import json_schema, own_bounds
from populace.kernel.spaces import Choice, Space, Text
from populace.language.calls import Answered, Calls
from populace.language.coalesce import Deal, kept_apart
from populace.language.distinct import rows
from populace.language.model import Label, LanguageModel, Message, Request
from populace.language.noting import note_samples, note_scores
from populace.language.prompts import Distinct, Prompts, Rendered
from populace.language.reading import raw_column, reading

if TYPE_CHECKING:
    from populace.kernel.resources import Resources

_KEPT = 100  # failures kept for reading


@dataclass(frozen=True)
class Failure:
    """A request without a decision, kept for reading.

    Attributes
    ----------
    tick : int
    kind, outcome : str
    agents : int
        How many agents it left undecided.
    prompt : tuple of Message
    reply : str
        What came back, if anything did.
    why : str
    """

    tick: int
    kind: str
    outcome: str
    agents: int
    prompt: tuple[Message, ...]
    reply: str
    why: str

    def describe(self) -> dict[str, Any]:
        """Return it as plain data, the prompt as one text."""
        said = "\n\n".join(f"[{m.role}]\n{m.content}" for m in self.prompt)
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "prompt": said}


@dataclass(frozen=True)
class Asked:
    """What one ask took: `agents` decided through `distinct` prompts and `calls` answers.

    `paid` of the calls were sent; the others' answers were stored already.
    """

    tick: int
    kind: str
    agents: int
    distinct: int
    calls: int
    paid: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True)
class Estimate:
    """What an ask would take if nothing were stored yet.

    Attributes
    ----------
    agents, distinct, calls : int
    tokens_in : int
        By the model's own count, or the bound that it gives.
    tokens_out : int
        At most.
    """

    agents: int
    distinct: int
    calls: int
    tokens_in: int
    tokens_out: int


class Asker:
    """Sends what agents are asked to one model, and keeps account.

    Attributes
    ----------
    resources : Resources or None
    failures : deque of Failure
        The last 100.
    untold : list of Failure
        The first 100, until `Language.failed` takes them; those over budget, which have no reply,
        are left out.
    asked : list of Asked
    """

    def __init__(
        self, model: LanguageModel, prompts: Prompts, timeout: float | None, name: str
    ) -> None:
        self.model, self.prompts = model, prompts
        self.timeout, self.name = timeout, name
        self.resources: Resources | None = None
        self.failures: deque[Failure] = deque(maxlen=_KEPT)
        self.untold: list[Failure] = []
        self.told = 0
        self.asked: list[Asked] = []

    async def scores(
        self,
        observation: Observation,
        found: Distinct,
        which: NDArray[Any],
        orders: Sequence[tuple[int, ...]],
        blanks: Sequence[str] = (),
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64]]:
        """Score a choice for the distinct prompts `which`, listing the options in each order.

        Returns
        -------
        table : float64 array of shape (orders, m, k)
            Probabilities; a row without an answer holds NaN.
        blank : float64 array of shape (orders, blanks, k)
            The same for content-free inputs.
        outcome : uint8 array of shape (m,)
            Why a prompt has no answer in some order, or for lack of the content-free ones.
        tokens : int64 array of shape (m,)
            What a prompt took, the content-free ones not counted.
        """
        requests, choices = self.score_requests(observation, found, which, orders, blanks)
        m, k, each = len(which), len(choices), len(which) + len(blanks)
        sizes = [*found.sizes[which].tolist(), *(1 for _ in blanks)] * len(orders)
        answered = await self._calls(observation).score(requests, choices, sizes)
        self._account(observation, m, requests, sizes, answered)
        logs = [a.answer.logprobs if a.answer is not None else (np.nan,) * k for a in answered]
        table = np.exp(np.array(logs, np.float64).reshape(len(orders), each, k))
        went = np.array([a.outcome for a in answered], np.uint8).reshape(len(orders), each)
        note_scores(observation, found.index, which, requests, choices, table[:, :m])
        outcome = _first_failure(went[:, :m])
        if (lost := _first_failure(went[:, m:].reshape(-1, 1))).any():
            outcome[outcome == Outcome.ACTED] = lost[0]
        tokens = _tokens(answered).reshape(len(orders), each)[:, :m].sum(axis=0)
        return table[:, :m], table[:, m:], outcome, tokens

    async def samples(
        self,
        observation: Observation,
        found: Distinct,
        dealt: Deal,
        orders: Sequence[tuple[int, ...]],
        temperature: float,
    ) -> tuple[Any, NDArray[np.uint8], NDArray[np.int64]]:
        """Draw the samples of a deal; return their values, outcomes and tokens, of length s.

        With several orders, each sample lists the options in one of them, by its number.
        """
        space, prompt = observation.space, self.prompts.kind(observation.kind)
        requests = self.sample_requests(observation, found, dealt, orders, temperature)
        sizes = dealt.sizes.tolist()
        answered = await self._calls(observation).generate(requests, sizes)
        self._account(observation, len(found), requests, sizes, answered)
        options = prompt.wordings(space.options) if isinstance(space, Choice) else ()
        note_samples(observation, dealt.of, requests, answered)
        understood = reading(space, options)
        raw = [None if a.answer is None else understood(a.answer.text) for a in answered]
        own = space.part(dealt.agent)
        values, valid = own.check(raw_column(own, raw), len(raw), f"Language, {observation.kind!r}")
        outcome = np.array([a.outcome for a in answered], np.uint8)
        if valid is not None:
            bad = np.flatnonzero((outcome == Outcome.ACTED) & ~valid)
            outcome[bad] = Outcome.INVALID
            for i in bad.tolist():
                why = f"expected {space.part(dealt.agent[i : i + 1]).describe()}"
                if answered[i].answer.finish == "length":
                    why += ", and the reply was cut off at max_tokens"
                text = answered[i].answer.text
                self._fail(observation, Outcome.INVALID, sizes[i], requests[i], text, why)
        return values, outcome, _tokens(answered)

    def score_requests(
        self,
        observation: Observation,
        found: Distinct,
        which: NDArray[Any],
        orders: Sequence[tuple[int, ...]],
        blanks: Sequence[str],
    ) -> tuple[list[Request], list[str]]:
        """Return the requests of `scores`, order by order, and the choices to score."""
        space, prompt = observation.space, self.prompts.kind(observation.kind)
        assert isinstance(space, Choice)
        choices = prompt.wordings(space.options)
        if prompt.format == "text":
            choices = [f" {choice}" for choice in choices]
        requests: list[Request] = []
        for order in orders:
            rendered = self.prompts.render(observation, found, order=order)
            for i in which.tolist():
                label = _label(observation, int(found.first[i]))
                messages = rendered.messages(i)
                requests.append(Request(messages=messages, stop=prompt.stop, label=label))
            for blank in blanks:
                empty = self.prompts.render(observation, found, order=order, blank=blank)
                requests.append(Request(messages=empty.messages(0), stop=prompt.stop))
        return requests, choices

    def sample_requests(
        self,
        observation: Observation,
        found: Distinct,
        dealt: Deal,
        orders: Sequence[tuple[int, ...]],
        temperature: float,
    ) -> list[Request]:
        """Return the requests of `samples`."""
        prompt = self.prompts.kind(observation.kind)
        schemas = self.schemas(observation, found)
        rendered = [self._rendered(observation, found, order) for order in orders]
        kind, tick, seed = observation.kind, observation.tick, observation.random.seed
        ids = observation.ids[dealt.agent].tolist()
        return [
            Request(
                messages=rendered[number % len(orders)].messages(i),
                stop=prompt.stop,
                max_tokens=prompt.max_tokens,
                temperature=temperature,
                schema=schemas[i if len(schemas) > 1 else 0],
                seed=seed,
                sample=number,
                label=Label(id, kind, tick),
            )
            for i, id, number in zip(dealt.prompt.tolist(), ids, dealt.sample, strict=True)
        ]

    def schemas(self, observation: Observation, found: Distinct) -> list[dict[str, Any] | None]:
        """Return the JSON schema of each distinct prompt's answer, or the one of all of them."""
        space, options = observation.space, self.prompts.kind(observation.kind).options
        if isinstance(space, Text) or not self.model.capabilities.schema:
            return [None]
        if not own_bounds(space):
            return [json_schema(space, options)]
        own = space.part(found.first)
        index, first = rows(kept_apart(own), len(found))  # few bounds, as a rule, for many agents
        each = [json_schema(own.part(first[i : i + 1])) for i in range(len(first))]
        return [each[i] for i in index.tolist()]

    def digests(self, observation: Observation, found: Distinct) -> Digests:
        """Return a digest of what each distinct prompt asks, bounds of its own included."""
        return Digests(self, observation, found)

    def _rendered(
        self, observation: Observation, found: Distinct, order: tuple[int, ...] | None
    ) -> Rendered:
        as_json = self.model.capabilities.schema and not isinstance(observation.space, Text)
        form = self.prompts, order or None, as_json
        if form not in found.rendered:
            found.rendered[form] = self.prompts.render(
                observation, found, order=order or None, as_json=as_json
            )
        return found.rendered[form]

    @property
    def booked_as(self) -> str:
        """The name in the ledger."""
        return (self.resources.policy if self.resources is not None else "") or self.name

    def _calls(self, observation: Observation) -> Calls:
        return Calls(self.model, self.resources, observation.kind, self.booked_as, self.timeout)

    def _account(
        self,
        observation: Observation,
        distinct: int,
        requests: Sequence[Request],
        sizes: Sequence[int],
        answered: Sequence[Answered],
    ) -> None:
        for request, size, one in zip(requests, sizes, answered, strict=True):
            if one.outcome != Outcome.ACTED:
                reply = getattr(one.error, "raw", "")
                self._fail(observation, one.outcome, size, request, reply, str(one.error))
        self.asked.append(
            Asked(
                tick=observation.tick,
                kind=observation.kind,
                agents=len(observation),
                distinct=distinct,
                calls=len(requests),
                paid=sum(one.paid for one in answered),
                tokens_in=sum(one.tokens_in for one in answered),
                tokens_out=sum(one.tokens_out for one in answered),
            )
        )

    def _fail(
        self,
        observation: Observation,
        outcome: Outcome,
        agents: int,
        request: Request,
        reply: str,
        why: str,
    ) -> None:
        failure = Failure(
            observation.tick, observation.kind, outcome.label, agents, request.messages, reply, why
        )
        self.failures.append(failure)
        if outcome != Outcome.OVER_BUDGET and self.told < _KEPT:
            self.untold.append(failure)
            self.told += 1


class Digests(Sequence[str]):
    """Digests of distinct prompts, each made when it is read."""

    def __init__(self, asker: Asker, observation: Observation, found: Distinct) -> None:
        self._asker, self._observation, self._found = asker, observation, found

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        text, bounds = self._rendered.texts[i], self._bounds
        one = self._shared.copy()
        one.update(json.dumps([text, bounds[i if len(bounds) > 1 else 0]]).encode())
        return one.hexdigest()

    @cached_property
    def _rendered(self) -> Rendered:
        return self._asker._rendered(self._observation, self._found, None)

    @cached_property
    def _shared(self) -> Any:
        head = json.dumps([[m.role, m.content] for m in self._rendered.shared])
        return sha256(f"{self._observation.kind}\n{head}".encode())

    @cached_property
    def _bounds(self) -> list[Any]:
        space, found = self._observation.space, self._found
        bounds: list[Any] = self._asker.schemas(self._observation, found)
        if own_bounds(space) and len(bounds) == 1 < len(found):
            return [_bounds(space, int(i)) for i in found.first]
        return bounds


def _label(observation: Observation, agent: int) -> Label:
    return Label(int(observation.ids[agent]), observation.kind, observation.tick)


def _tokens(answered: Sequence[Answered]) -> NDArray[np.int64]:
    """Return what each call read and wrote."""
    return np.array([one.tokens_in + one.tokens_out for one in answered], np.int64)


def _first_failure(went: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return, a column, the first outcome that is not ACTED, or ACTED."""
    outcome = np.zeros(went.shape[1], np.uint8)
    for row in went:
        outcome = np.where(outcome == Outcome.ACTED, row, outcome)
    return outcome


def _bounds(space: Space, agent: int) -> list[Any]:
    return [array[agent].tolist() for array in own_bounds(space)]
