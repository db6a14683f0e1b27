"""The calls of one round to one model: stored, timed, and accounted for together."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from populace.kernel.answers import Outcome
from populace.kernel.resources import Resources, Store
from populace.kernel.spend import Spend
from populace.language.errors import (
    BadRequest,
    CapabilityError,
    ModelError,
    ModelRefused,
    ModelTimeout,
)
from populace.language.model import LanguageModel, Reply, Request, Scores
from populace.language.naming import named


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
    confidence: float | None = None


class _NoAnswer(Exception):
    """Carries the error of a reply past the store, which keeps answers only."""

    def __init__(self, error: ModelError, seconds: float) -> None:
        super().__init__(str(error))
        self.error, self.seconds = error, seconds


async def converse(
    model: LanguageModel,
    requests: Sequence[Request],
    choices: Sequence[tuple[str, ...]],
    store: Store | None,
    timeout: float | None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Heard]:
    """Return what became of each request, in their order.

    A request that has choices is answered by one of them, drawn from the model's scores (see
    `drawn`).

    Without stored answers and time-out, all are one call of the model; with them each is a call of
    its own, so that each answer is on file, or given up, as soon as it can be. What a model answers
    from a record is neither stored again nor paid.

    Raises
    ------
    CapabilityError, BadRequest
        If the model cannot be asked this at all.
    """
    recorded = model.capabilities.recorded  # on file already, there at once, and nobody's bill
    if recorded or (store is None and timeout is None and not any(choices)):
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
        return [await _one(model, requests[0], store, timeout, clock, choices[0])]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_one(model, request, store, timeout, clock, own))
                for request, own in zip(requests, choices, strict=True)
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
    choices: tuple[str, ...] = (),
) -> Heard:
    sent = False

    async def answer() -> Reply | Scores:
        if choices:
            return (await model.score([request], [choices]))[0]
        return (await model.generate([request]))[0]

    async def call() -> dict[str, Any]:
        nonlocal sent
        sent, begun = True, clock()
        try:
            if timeout is None:
                reply = await answer()
            else:
                async with asyncio.timeout(timeout):
                    reply = await answer()
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
            asked = named(model.identity, request, list(choices) or None)
            record, paid = await store.fetch(None, asked, call)
    except _NoAnswer as failure:
        return _failed(failure.error, failure.seconds, sent)
    counts = record["tokens_in"], record["tokens_out"], record["seconds"], paid
    if "refused" in record:
        error = ModelRefused("the model declined", raw=record["refused"])
        return Heard(Outcome.REFUSED, record["refused"], *counts, error=error)
    if choices:
        kept = {name: value for name, value in record.items() if name != "seconds"}
        text, share = drawn(request, choices, Scores.from_json(kept).probabilities)
        return Heard(Outcome.ACTED, text, *counts, confidence=share)
    return Heard(Outcome.ACTED, record["text"], *counts, cut=record["finish"] == "length")


def drawn(
    request: Request, choices: Sequence[str], probabilities: Sequence[float]
) -> tuple[str, float]:
    """Return one of the choices, drawn at the request's temperature, and its probability.

    The draw is a function of all that is asked: seed, sample and messages, and of nothing else. At
    temperature T an option weighs ``p ** (1 / T)``, at 0 the likeliest (the first of equals) wins;
    the probability returned is the model's own, p.
    """
    best = max(range(len(choices)), key=lambda i: (probabilities[i], -i))
    if request.temperature > 0:
        top = probabilities[best]
        weights = [(p / top) ** (1 / request.temperature) for p in probabilities]
        said = json.dumps([[m.role, m.content] for m in request.messages])
        key = f"{request.seed}/{request.sample}/{said}".encode()
        digest = blake2b(key, digest_size=8).digest()
        bar = (int.from_bytes(digest, "little") >> 11) / 2**53 * math.fsum(weights)
        below = 0.0
        for i, weight in enumerate(weights):
            below += weight
            if bar < below:
                return choices[i], probabilities[i]
    return choices[best], probabilities[best]


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


def bound(
    model: LanguageModel, requests: Sequence[Request], choices: Sequence[tuple[str, ...]]
) -> tuple[int, int]:
    """Return the most tokens that requests can read and write.

    Choices are read at one token a byte at most, and one that ends each.

    A model that knows the costs of its answers beforehand says so in a method ``bound(request)``.
    """
    known = getattr(model, "bound", None)
    if any(choices):
        pairs = [
            (
                model.count_tokens(request.messages),
                sum(len(c.encode()) + 1 for c in own) if own else request.max_tokens,
            )
            for request, own in zip(requests, choices, strict=True)
        ]
        return sum(a for a, _ in pairs), sum(b for _, b in pairs)
    if known is not None:
        pairs = [known(request) for request in requests]
        return sum(a for a, _ in pairs), sum(b for _, b in pairs)
    return (
        sum(model.count_tokens(request.messages) for request in requests),
        sum(request.max_tokens for request in requests),
    )


class Tally:
    """What calls cost, by model: logically, and what of it was paid.

    Plain numbers, since a tally is kept for every question: a `Spend` is made when it is booked.
    """

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: dict[str, list[float]] = {}

    def add(self, model: str, heard: Sequence[Heard]) -> None:
        """Count calls of one model."""
        row = self.rows.get(model)
        if row is None:
            row = self.rows[model] = [0, 0, 0, 0.0, 0, 0, 0, 0.0]
        for one in heard:
            row[0] += 1
            row[1] += one.tokens_in
            row[2] += one.tokens_out
            row[3] += one.seconds
            if one.paid:
                row[4] += 1
                row[5] += one.tokens_in
                row[6] += one.tokens_out
                row[7] += one.seconds

    def include(self, other: Tally) -> None:
        """Add what another tally counted."""
        for model, row in other.rows.items():
            held = self.rows.get(model)
            self.rows[model] = list(row if held is None else map(sum, zip(held, row, strict=True)))

    @property
    def paid(self) -> int:
        """Calls that were paid."""
        return int(sum(row[4] for row in self.rows.values()))

    def spends(self, resources: Resources | None) -> dict[str, tuple[Spend, Spend]]:
        """Return each model's logical and billed spend."""
        return {model: _pair(model, row, resources) for model, row in self.rows.items()}

    def totals(self, resources: Resources | None) -> tuple[Spend, Spend]:
        """Return the logical and the billed spend of all models."""
        if len(self.rows) == 1:
            ((model, row),) = self.rows.items()
            return _pair(model, row, resources)
        summed = [sum(column) for column in zip(*self.rows.values(), strict=True)]
        logical = _all(self.rows, summed, 0, resources)
        if summed[0] == summed[4]:
            return logical, logical
        return logical, _all(self.rows, summed, 4, resources)


def _all(
    rows: Mapping[str, Sequence[float]],
    summed: Sequence[float],
    at: int,
    resources: Resources | None,
) -> Spend:
    """Return the spend of all models, whose price is known if each one's is."""
    usd: float | None = None
    if resources is not None and len(resources.prices):
        prices = resources.prices
        each = [prices.usd(name, int(row[at + 1]), int(row[at + 2])) for name, row in rows.items()]
        known = [one for one in each if one is not None]
        usd = math.fsum(known) if len(known) == len(each) else None
    calls, tokens_in, tokens_out = map(int, summed[at : at + 3])
    return Spend(calls, tokens_in, tokens_out, usd, summed[at + 3])


def _pair(model: str, row: Sequence[float], resources: Resources | None) -> tuple[Spend, Spend]:
    logical = _spend(model, row[:4], resources)
    return logical, logical if row[0] == row[4] else _spend(model, row[4:], resources)


def _spend(model: str, row: Sequence[float], resources: Resources | None) -> Spend:
    calls, tokens_in, tokens_out = map(int, row[:3])
    usd = None if resources is None else resources.prices.usd(model, tokens_in, tokens_out)
    return Spend(calls, tokens_in, tokens_out, usd, row[3])
