"""Asking a model one request at a time: stored, budgeted, timed, and honest about failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from populace.kernel.answers import Outcome
from populace.kernel.errors import BudgetError
from populace.language.billing import Bill, Cost, Reserved
from populace.language.errors import (
    BadRequest,
    CapabilityError,
    ModelError,
    ModelRefused,
    ModelTimeout,
)
from populace.language.model import LanguageModel, Reply, Request, Scores
from populace.language.naming import Names, named

if TYPE_CHECKING:
    from populace.kernel.resources import Resources
    from populace.records.requests import Canonical

_IN_FLIGHT = 4096  # tasks at once; how many requests go out is the backend's to decide
_PART = 1024  # requests looked up, reserved and stored together


@dataclass(slots=True)
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
    tokens_in, tokens_out : int
        What the answer costs where nothing is stored.
    """

    outcome: Outcome
    answer: Any = None
    error: Exception | None = None
    paid: bool = False
    tokens_in: int = 0
    tokens_out: int = 0


@runtime_checkable
class Batched(Protocol):
    """What a store of answers may offer beside `fetch`: many requests in one go."""

    def known(self, asked: Sequence[Canonical]) -> list[dict[str, Any] | None]:
        """Return what is on file for each, None where a call has to be made."""
        ...

    def keep(
        self, asked: Sequence[Canonical], answers: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Keep answers that were just paid, and return what is on file."""
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
        self.timeout, self.clock = timeout, clock
        answers = None if resources is None else resources.answers
        self.recorded = model.capabilities.recorded
        self.store = None if self.recorded else answers

    async def generate(self, requests: Sequence[Request], agents: Sequence[int]) -> list[Answered]:
        """Return what became of each request; `agents` is how many each one stands for."""
        return await self._all(_Round(self, requests, None, agents))

    async def score(
        self, requests: Sequence[Request], choices: Sequence[str], agents: Sequence[int]
    ) -> list[Answered]:
        """As `generate`, scoring the same choices for every request."""
        return await self._all(_Round(self, requests, list(choices), agents))

    async def _all(self, work: _Round) -> list[Answered]:
        try:
            if self.model.capabilities.at_once and self.timeout is None:
                await work.in_turn()
            else:
                await work.side_by_side()
        finally:
            work.bill.enter(self.kind, self.policy)
        return work.results


class _Round:
    """Some requests, and what becomes of each."""

    def __init__(
        self,
        calls: Calls,
        requests: Sequence[Request],
        choices: list[str] | None,
        agents: Sequence[int],
    ) -> None:
        self.calls, self.requests, self.choices, self.agents = calls, requests, choices, agents
        self.model, self.clock, self.store = calls.model, calls.clock, calls.store
        store: Any = calls.store
        self.batched: Batched | None = store if isinstance(store, Batched) else None
        self.bill = Bill(self.model, calls.resources, choices, calls.timeout)
        self.names = Names(self.model.identity, choices)
        self.results = [Answered(Outcome.FAILED)] * len(requests)
        self._first: dict[str, int] = {}  # whose request under this key is the first

    # -- many at a time --------------------------------------------------------------------------

    async def side_by_side(self) -> None:
        """Ask for all at once, each in its own time."""
        waiting: Iterator[int] = iter(range(len(self.requests)))

        async def work() -> None:
            for i in waiting:
                await self.one(i)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(self.requests), _IN_FLIGHT)):
                    group.create_task(work())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def in_turn(self) -> None:
        """Ask for one after the other, of a model that answers without waiting.

        So there is nothing to be done meanwhile, and no need of tasks; what surrounds the calls
        is done for many of them together.
        """
        n = len(self.requests)
        for a in range(0, n, _PART):
            part = range(a, min(a + _PART, n))
            if self.store is not None and self.batched is None:
                for i in part:
                    await self.one(i)
            else:
                await self._part(part)
            await asyncio.sleep(0)  # others may act, and a cancellation may come

    async def _part(self, part: Sequence[int]) -> None:
        open_ = list(part)
        asked: dict[int, Canonical] = {}
        twins: list[tuple[int, int]] = []  # the same request again, and the first of them
        if self.batched is not None:
            open_ = []
            forms = [self.names(self.requests[i]) for i in part]
            for i, form, record in zip(part, forms, self.batched.known(forms), strict=True):
                if record is not None:
                    self._take(i, record, False)
                elif form.key in self._first:
                    twins.append((i, self._first[form.key]))
                else:
                    self._first[form.key], asked[i] = i, form
                    open_.append(i)
        reserved = self.bill.reserved([self.requests[i] for i in open_]) if open_ else None
        if reserved is not None:
            await self._send(open_, asked, reserved)
        else:
            for i in open_:
                await self.one(i)
        for i, before in twins:
            error = self.results[before].error
            if isinstance(error, ModelError) and not isinstance(error, ModelRefused):
                self._fail(i, error, False)
            else:
                await self.one(i)  # on file by now

    async def _send(
        self, which: Sequence[int], asked: Mapping[int, Canonical], reserved: Reserved
    ) -> None:
        """Send requests within what is reserved for them, and keep the answers together."""
        came: dict[int, tuple[Reply | Scores, dict[str, Any], Cost]] = {}
        try:
            for n, i in enumerate(which):
                begun = self.clock()
                try:
                    answer = await self._sent(self.requests[i])
                except ModelError as error:
                    seconds = self.clock() - begun
                    reserved.spent(n, self.bill.cost(error.tokens_in, error.tokens_out, seconds))
                    self._fail(i, error, True)
                    continue
                seconds = self.clock() - begun if answer.seconds is None else answer.seconds
                cost = self.bill.cost(answer.tokens_in, answer.tokens_out, seconds)
                reserved.spent(n, cost)
                if answer.error is None or isinstance(answer.error, ModelRefused):
                    came[i] = answer, _record(answer, seconds), cost
                else:
                    self._fail(i, answer.error, True)
        finally:
            reserved.settle()
            records = [record for _, record, _ in came.values()]
            kept: Sequence[dict[str, Any]] = records
            if self.batched is not None and came:
                kept = self.batched.keep([asked[i] for i in came], records)
            for (i, (answer, given, cost)), record in zip(came.items(), kept, strict=True):
                if record == given:  # as a rule: nobody else paid for it meanwhile
                    self._take(i, record, not self.calls.recorded, cost, answer)
                else:
                    self._take(i, record, not self.calls.recorded)

    # -- one -------------------------------------------------------------------------------------

    async def one(self, i: int) -> None:
        """Ask for one, whatever is in flight beside it."""
        request, sent = self.requests[i], False

        async def call() -> dict[str, Any]:
            nonlocal sent
            sent = True
            return await self._paid(request)

        try:
            if self.store is None:
                record, paid = await call(), not self.calls.recorded
            else:
                asked: Any = (
                    named(self.model.identity, request, self.choices)
                    if self.batched is None
                    else self.names(request)
                )
                record, paid = await self.store.fetch(None, asked, call)
        except ModelError as failure:
            self._fail(i, failure, sent)
        except BudgetError as refusal:
            if not refusal.scope:  # no limit was met: the reservation itself is impossible
                raise
            self.results[i] = Answered(Outcome.OVER_BUDGET, None, refusal)
        else:
            self._take(i, record, paid)

    async def _paid(self, request: Request) -> dict[str, Any]:
        """Send a request within the budget, and return the record to store."""
        hold, resources = None, self.calls.resources
        if resources is not None:
            hold = await resources.budget.acquire(**self.bill.bound(request, resources.budget))
        begun = self.clock()
        try:
            answer = await self._sent(request)
        except ModelError as error:
            if hold is not None:
                seconds = self.clock() - begun
                hold.settle(self.bill.spend(error.tokens_in, error.tokens_out, seconds))
            raise
        except BaseException:
            if hold is not None:
                hold.release()
            raise
        seconds = self.clock() - begun if answer.seconds is None else answer.seconds
        if hold is not None:
            hold.settle(self.bill.spend(answer.tokens_in, answer.tokens_out, seconds))
        if answer.error is not None and not isinstance(answer.error, ModelRefused):
            raise answer.error
        return _record(answer, seconds)

    async def _sent(self, request: Request) -> Reply | Scores:
        sending: Awaitable[Sequence[Reply | Scores]]
        if self.choices is None:
            sending = self.model.generate([request])
        else:
            sending = self.model.score([request], [self.choices])
        timeout = self.calls.timeout
        if timeout is None:
            return (await sending)[0]
        try:
            async with asyncio.timeout(timeout):
                return (await sending)[0]
        except TimeoutError:
            raise ModelTimeout(
                f"no answer within {timeout:g} s", where=self.model.identity.model
            ) from None

    # -- what came of it -------------------------------------------------------------------------

    def _take(
        self,
        i: int,
        record: dict[str, Any],
        paid: bool,
        cost: Cost | None = None,
        answer: Reply | Scores | None = None,
    ) -> None:
        """Take an answer as it is on file; its cost and itself where they are at hand."""
        counts, seconds = (record["tokens_in"], record["tokens_out"]), record.pop("seconds")
        if self.calls.resources is not None:
            cost = self.bill.cost(*counts, seconds) if cost is None else cost
            self.bill.book(cost, seconds, self.agents[i], paid)
        if "refused" in record:
            error = ModelRefused("the model declined", raw=record["refused"])
            self.results[i] = Answered(Outcome.REFUSED, None, error, paid, *counts)
        else:
            form: Any = Reply if self.choices is None else Scores
            answer = form.from_json(record) if answer is None else answer
            self.results[i] = Answered(Outcome.ACTED, answer, None, paid, *counts)

    def _fail(self, i: int, error: ModelError, sent: bool) -> None:
        """Take a failure; raise it if the call itself is wrong, and would be for every agent."""
        if isinstance(error, (CapabilityError, BadRequest)):
            raise error
        paid, counts = sent and not self.calls.recorded, (error.tokens_in, error.tokens_out)
        if self.calls.resources is not None:
            self.bill.book(self.bill.cost(*counts, 0.0), 0.0, self.agents[i], paid)
        outcome = Outcome[error.outcome.upper()]
        self.results[i] = Answered(outcome, None, error, paid, *counts)


def _record(answer: Reply | Scores, seconds: float) -> dict[str, Any]:
    """Return what is kept of an answer; a refusal is one too, and not to be bought twice."""
    if isinstance(answer.error, ModelRefused):
        counts = {"tokens_in": answer.tokens_in, "tokens_out": answer.tokens_out}
        return {"refused": answer.error.raw, **counts, "seconds": seconds}
    record = answer.as_json()
    record["seconds"] = seconds
    return record
