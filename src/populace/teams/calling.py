"""The calls of one round to one model: stored, timed, and accounted for together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from populace.kernel.answers import Outcome
from populace.kernel.resources import Resources, Store
from populace.kernel.spend import Spend
from populace.language.calls import named
from populace.language.model import (
    BadRequest,
    CapabilityError,
    LanguageModel,
    ModelError,
    ModelRefused,
    ModelTimeout,
    Reply,
    Request,
)


@dataclass(slots=True)
class Heard:
    """What became of one request: a reply's text and cost, or why there is none."""

    outcome: Outcome
    text: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    paid: bool = False
    cut: bool = False
    error: Exception | None = None


class _NoAnswer(Exception):
    """Carries the error of a reply past the store, which keeps answers only."""

    def __init__(self, error: ModelError, seconds: float) -> None:
        super().__init__(str(error))
        self.error, self.seconds = error, seconds


async def converse(
    model: LanguageModel,
    requests: Sequence[Request],
    store: Store | None,
    timeout: float | None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Heard]:
    """Return what became of each request, in their order.

    Without stored answers and time-out, all are one call of the model; with them each is a call of
    its own, so that each answer is on file, or given up, as soon as it can be.

    Raises
    ------
    CapabilityError, BadRequest
        If the model cannot be asked this at all.
    """
    recorded = model.capabilities.recorded  # on file already, there at once, and nobody's bill
    if recorded or (store is None and timeout is None):
        begun = clock()
        try:
            replies = await model.generate(requests)
        except (CapabilityError, BadRequest):
            raise
        except ModelError as error:
            return [_failed(error, clock() - begun, not recorded) for _ in requests]
        seconds = clock() - begun
        return [_heard(reply, seconds, not recorded) for reply in replies]
    if len(requests) == 1:
        return [await _one(model, requests[0], store, timeout, clock)]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_one(model, request, store, timeout, clock))
                for request in requests
            ]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _one(
    model: LanguageModel,
    request: Request,
    store: Store | None,
    timeout: float | None,
    clock: Callable[[], float],
) -> Heard:
    sent = False

    async def call() -> dict[str, Any]:
        nonlocal sent
        sent, begun = True, clock()
        try:
            if timeout is None:
                reply = (await model.generate([request]))[0]
            else:
                async with asyncio.timeout(timeout):
                    reply = (await model.generate([request]))[0]
        except TimeoutError:
            late = ModelTimeout(f"no answer within {timeout:g} s", where=model.identity.model)
            raise _NoAnswer(late, clock() - begun) from None
        except (CapabilityError, BadRequest):
            raise
        except ModelError as error:
            raise _NoAnswer(error, clock() - begun) from error
        seconds = clock() - begun if reply.seconds is None else reply.seconds
        if isinstance(reply.error, ModelRefused):  # an answer too, and not to be bought twice
            said = {"tokens_in": reply.tokens_in, "tokens_out": reply.tokens_out}
            return {"refused": reply.error.raw, **said, "seconds": seconds}
        if reply.error is not None:
            raise _NoAnswer(reply.error, seconds)
        return {**reply.as_json(), "seconds": seconds}

    try:
        if store is None:
            record, paid = await call(), True
        else:
            record, paid = await store.fetch(None, named(model.identity, request, None), call)
    except _NoAnswer as failure:
        return _failed(failure.error, failure.seconds, sent)
    counts = record["tokens_in"], record["tokens_out"], record["seconds"], paid
    if "refused" in record:
        error = ModelRefused("the model declined", raw=record["refused"])
        return Heard(Outcome.REFUSED, record["refused"], *counts, error=error)
    return Heard(Outcome.ACTED, record["text"], *counts, cut=record["finish"] == "length")


def _heard(reply: Reply, seconds: float, paid: bool) -> Heard:
    seconds = seconds if reply.seconds is None else reply.seconds
    if reply.error is not None:
        return _failed(reply.error, seconds, paid)
    return Heard(
        Outcome.ACTED,
        reply.text,
        reply.tokens_in,
        reply.tokens_out,
        seconds,
        paid,
        reply.finish == "length",
    )


def _failed(error: ModelError, seconds: float, paid: bool) -> Heard:
    return Heard(
        Outcome[error.outcome.upper()],
        error.raw,
        error.tokens_in,
        error.tokens_out,
        seconds,
        paid,
        error=error,
    )


def bound(model: LanguageModel, requests: Sequence[Request]) -> tuple[int, int]:
    """Return the most tokens that requests can read and write.

    A model that knows the costs of its answers beforehand says so in a method ``bound(request)``.
    """
    known = getattr(model, "bound", None)
    if known is not None:
        pairs = [known(request) for request in requests]
        return sum(a for a, _ in pairs), sum(b for _, b in pairs)
    return (
        sum(model.count_tokens(request.messages) for request in requests),
        sum(request.max_tokens for request in requests),
    )


def spends(heard: Sequence[Heard], model: str, resources: Resources | None) -> tuple[Spend, Spend]:
    """Return what calls cost where nothing is stored, and what of it this run pays."""
    logical, billed = _sum(heard), _sum([one for one in heard if one.paid])
    if resources is None:
        return logical, billed
    prices = resources.prices
    return prices.priced(logical, model), prices.priced(billed, model)


def _sum(heard: Sequence[Heard]) -> Spend:
    return Spend(
        len(heard),
        sum(one.tokens_in for one in heard),
        sum(one.tokens_out for one in heard),
        None,
        sum(one.seconds for one in heard),
    )
