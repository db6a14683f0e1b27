"""Asking a model one request at a time: stored, budgeted, timed, and honest about failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from populace.kernel.answers import Outcome
from populace.kernel.errors import BudgetError
from populace.kernel.spend import Spend
from populace.language.model import (
    BadRequest,
    CapabilityError,
    Identity,
    LanguageModel,
    Message,
    ModelError,
    ModelRefused,
    ModelTimeout,
    Reply,
    Request,
    Scores,
)

if TYPE_CHECKING:
    from populace.kernel.resources import Resources

_IN_FLIGHT = 4096  # tasks at once; how many requests go out is the backend's to decide


@dataclass(frozen=True)
class Answered:
    """What became of one request.

    Attributes
    ----------
    outcome : Outcome
        ``ACTED`` if there is an answer.
    answer : Reply, Scores or None
    error : Exception or None
        Why there is none.
    paid : bool
        Whether this call sent the request: False where an answer was stored already, or not asked
        for.
    spend : Spend
        What the answer costs where nothing is stored.
    """

    outcome: Outcome
    answer: Any = None
    error: Exception | None = None
    paid: bool = False
    spend: Spend = Spend()  # noqa: RUF009 - frozen


@runtime_checkable
class Bounded(Protocol):
    """What a `LanguageModel` may offer beside: what a request costs, known before it is sent."""

    def bound(self, request: Request) -> tuple[int, int]:
        """Return the most tokens, in and out, that `generate` reports for the request."""
        ...


class Calls:
    """Sends requests to one model on behalf of one kind of decision.

    Parameters
    ----------
    model : LanguageModel
    resources : Resources or None
        Budget, ledger, prices and stored answers; without it every request is sent.
    kind, policy : str
        For the ledger.
    timeout : float or None
        Seconds after which a request is cancelled; its outcome is ``TIMEOUT``.
    clock : callable
        Seconds, for the ledger.
    """

    def __init__(
        self,
        model: LanguageModel,
        resources: Resources | None,
        kind: str,
        policy: str,
        timeout: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.model, self.resources = model, resources
        self.kind, self.policy = kind, policy
        self.timeout, self._clock = timeout, clock
        self._known = model.bound if isinstance(model, Bounded) else None
        answers = None if resources is None else resources.answers
        self._store = None if model.capabilities.recorded else answers

    async def generate(self, requests: Sequence[Request], agents: Sequence[int]) -> list[Answered]:
        """Return what became of each request; `agents` is how many each one stands for."""
        return await self._all(requests, [None] * len(requests), agents)

    async def score(
        self, requests: Sequence[Request], choices: Sequence[str], agents: Sequence[int]
    ) -> list[Answered]:
        """As `generate`, scoring the same choices for every request."""
        return await self._all(requests, [list(choices)] * len(requests), agents)

    async def _all(
        self,
        requests: Sequence[Request],
        choices: Sequence[list[str] | None],
        agents: Sequence[int],
    ) -> list[Answered]:
        results: list[Answered] = [Answered(Outcome.FAILED)] * len(requests)
        waiting: Iterator[int] = iter(range(len(requests)))

        async def work() -> None:
            for i in waiting:
                results[i] = await self._one(requests[i], choices[i], agents[i])

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(requests), _IN_FLIGHT)):
                    group.create_task(work())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return results

    async def _one(self, request: Request, choices: list[str] | None, agents: int) -> Answered:
        sent = False

        async def call() -> dict[str, Any]:
            nonlocal sent
            sent = True
            return await self._paid(request, choices)

        error: Exception
        try:
            if self._store is None:
                record, paid = await call(), not self.model.capabilities.recorded
            else:
                record, paid = await self._store.fetch(
                    None, named(self.model.identity, request, choices), call
                )
        except (CapabilityError, BadRequest):
            raise  # the call itself is wrong, and would be for every agent
        except ModelError as failure:
            error, outcome = failure, Outcome[failure.outcome.upper()]
            spent = self._spend(failure.tokens_in, failure.tokens_out, 0.0)
            paid = sent and not self.model.capabilities.recorded
            self._book(spent, agents, paid)
            return Answered(outcome, None, error, paid, spent)
        except BudgetError as refusal:
            if not refusal.scope:  # no limit was met: the reservation itself is impossible
                raise
            return Answered(Outcome.OVER_BUDGET, None, refusal)
        spent = self._spend(record["tokens_in"], record["tokens_out"], record["seconds"])
        self._book(spent, agents, paid)
        if "refused" in record:
            error = ModelRefused("the model declined", raw=record["refused"])
            return Answered(Outcome.REFUSED, None, error, paid, spent)
        kept = {k: v for k, v in record.items() if k != "seconds"}
        answer = Reply.from_json(kept) if choices is None else Scores.from_json(kept)
        return Answered(Outcome.ACTED, answer, None, paid, spent)

    async def _paid(self, request: Request, choices: list[str] | None) -> dict[str, Any]:
        """Send a request within the budget, and return the record to store."""
        hold = None
        if self.resources is not None:
            hold = await self.resources.budget.acquire(**self._bound(request, choices))
        begun = self._clock()
        try:
            answer = await self._sent(request, choices)
        except ModelError as error:
            if hold is not None:
                spent = self._spend(error.tokens_in, error.tokens_out, self._clock() - begun)
                hold.settle(spent)
            raise
        except BaseException:
            if hold is not None:
                hold.release()
            raise
        seconds = self._clock() - begun if answer.seconds is None else answer.seconds
        spent = self._spend(answer.tokens_in, answer.tokens_out, seconds)
        if hold is not None:
            hold.settle(spent)
        if isinstance(answer.error, ModelRefused):  # an answer too, and not to be bought twice
            record = {
                "refused": answer.error.raw,
                "tokens_in": answer.tokens_in,
                "tokens_out": answer.tokens_out,
            }
        elif answer.error is not None:
            raise answer.error
        else:
            record = answer.as_json()
        return {**record, "seconds": seconds}

    async def _sent(self, request: Request, choices: list[str] | None) -> Reply | Scores:
        sending: Awaitable[Sequence[Reply | Scores]]
        if choices is None:
            sending = self.model.generate([request])
        else:
            sending = self.model.score([request], [choices])
        if self.timeout is None:
            return (await sending)[0]
        try:
            async with asyncio.timeout(self.timeout):
                return (await sending)[0]
        except TimeoutError:
            raise ModelTimeout(
                f"no answer within {self.timeout:g} s", where=self.model.identity.model
            ) from None

    def _bound(self, request: Request, choices: list[str] | None) -> dict[str, Any]:
        """Return the most that a request can cost, of what is limited."""
        assert self.resources is not None
        budget = self.resources.budget
        bound: dict[str, Any] = {"calls": 1}
        if budget.limited("tokens") or budget.limited("usd"):
            if choices is None and self._known is not None:
                tokens_in, tokens_out = self._known(request)
            else:
                tokens_in = self.model.count_tokens(request.messages)
                tokens_out = request.max_tokens
            if choices is not None:
                tokens_out = sum(self.model.count_tokens([Message("user", c)]) for c in choices)
            model = self.model.identity.model
            bound["tokens"] = tokens_in + tokens_out
            bound["usd"] = self.resources.prices.usd(model, tokens_in, tokens_out)
        if budget.limited("seconds"):
            bound["seconds"] = self.timeout
        return bound

    def _spend(self, tokens_in: int, tokens_out: int, seconds: float) -> Spend:
        spend = Spend(1, tokens_in, tokens_out, None, seconds)
        if self.resources is None:
            return spend
        return self.resources.prices.priced(spend, self.model.identity.model)

    def _book(self, spent: Spend, agents: int, paid: bool) -> None:
        """Book a call: logically once for every agent that it stands for, billed once."""
        if self.resources is None:
            return
        logical = replace(
            spent,
            calls=spent.calls * agents,
            tokens_in=spent.tokens_in * agents,
            tokens_out=spent.tokens_out * agents,
            usd=None if spent.usd is None else spent.usd * agents,
            seconds=spent.seconds * agents,
        )
        model = self.model.identity.model
        billed = spent if paid else Spend()
        self.resources.ledger.add(self.kind, self.policy, model, logical, billed)


def named(identity: Identity, request: Request, choices: list[str] | None) -> dict[str, Any]:
    """Return all that the answer to a request depends on, for the store."""
    who = {
        "endpoint": identity.endpoint,
        "model": identity.model,
        "fingerprint": identity.fingerprint,
    }
    said = request.canonical()
    if choices is None:
        return {**who, "op": "generate", "options": None, **said}
    scored = {"messages": said["messages"], "stop": said["stop"]}
    return {**who, "op": "score", "options": choices, "schema": None, "sample": None, **scored}
