"""The contract of `LanguageModel` as checks that an outside backend can run on itself.

>>> report = await check_model(MyModel())          # doctest: +SKIP
>>> report.demand()                                # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

from populace.kernel.errors import PopulaceError
from populace.language.errors import BadRequest, CapabilityError
from populace.language.model import LanguageModel, Message, Reply, Request, Scores, user

QUESTIONS = ("Name a fruit.", "Name a city.", "Name an animal that can swim.")
CHOICES = ("A", "B", "C")
CHOOSE = "Which comes first in the alphabet? A: ant, B: bee, C: cat. Answer A, B or C."
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}},
    "required": ["name"],
    "additionalProperties": False,
}


class NonConforming(PopulaceError):
    """A backend breaks the contract."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: ``passed``, ``failed`` or ``skipped`` (not declared), and why."""

    name: str
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What `check_model` found."""

    model: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.state == "failed")

    def demand(self) -> None:
        """Raise if a check failed.

        Raises
        ------
        NonConforming
            Naming every failed check.
        """
        if self.failed:
            what = "; ".join(f"{check.name}: {check.why}" for check in self.failed)
            raise NonConforming(what, where=self.model)


class _Skip(Exception):
    """The backend does not declare what the check is about."""


async def check_model(model: LanguageModel, *, max_tokens: int = 12) -> Report:
    """Run every check on `model`: about 20 short requests; it is closed at the end.

    Parameters
    ----------
    model : LanguageModel
    max_tokens : int
        Of the longest reply asked for; a schema's reply gets four times as many.
    """
    checks = []
    for check in CHECKS:
        name = check.__name__.strip("_").replace("_", " ")
        try:
            await check(model, max_tokens)
            checks.append(Check(name, "passed"))
        except _Skip as why:
            checks.append(Check(name, "skipped", str(why)))
        except AssertionError as why:
            checks.append(Check(name, "failed", str(why)))
        except Exception as why:
            checks.append(Check(name, "failed", f"{type(why).__name__}: {why}"))
    return Report(model.identity.model, tuple(checks))


def _need(model: LanguageModel, *names: str) -> None:
    for name in names:
        if not getattr(model.capabilities, name):
            raise _Skip(f"{name} is not declared")


def _answered(answers: Sequence[Reply] | Sequence[Scores], n: int) -> None:
    assert len(answers) == n, f"expected {n} answers, got {len(answers)}"
    for answer in answers:
        assert answer.error is None, f"expected an answer, got {answer.error!r}"


async def identity_is_stable_json(model: LanguageModel, _: int) -> None:
    assert isinstance(model, LanguageModel), "expected every member of LanguageModel"
    first = asdict(model.identity)
    assert first == asdict(model.identity), "the identity changes"
    json.dumps(first)
    assert all(first[name] for name in ("endpoint", "model")), f"expected names, got {first}"


async def undeclared_capabilities_are_refused(model: LanguageModel, _: int) -> None:
    able = model.capabilities
    half = Request(messages=(Message("user", "Hi."), Message("assistant", "Hel")), max_tokens=1)
    attempts: list[tuple[bool, Callable[[], Awaitable[object]]]] = [
        (able.schema, lambda: model.generate([user("Hi.", schema=SCHEMA, max_tokens=1)])),
        (able.prefill, lambda: model.generate([half])),
        (
            able.text,
            lambda: model.generate([Request(messages=(Message("text", "Hi"),), max_tokens=1)]),
        ),
        (able.score, lambda: model.score([user(CHOOSE)], [CHOICES])),
    ]
    if all(declared for declared, _ in attempts):
        raise _Skip("all are declared")
    for declared, attempt in attempts:
        if not declared:
            try:
                await attempt()
            except CapabilityError:
                continue
            raise AssertionError("expected CapabilityError, got an answer")


async def replies_come_one_a_request_in_order(model: LanguageModel, max_tokens: int) -> None:
    _need(model, "generate")
    assert await model.generate([]) == [], "expected no replies to no requests"
    requests = [user(question, max_tokens=max_tokens) for question in QUESTIONS]
    together = await model.generate(requests)
    _answered(together, len(requests))
    if model.capabilities.seed:
        alone = [(await model.generate([request]))[0] for request in reversed(requests)]
        texts = [reply.text for reply in together], [reply.text for reply in reversed(alone)]
        assert texts[0] == texts[1], f"a batch and single requests differ: {texts}"


async def overlapping_calls_do_not_mix(model: LanguageModel, max_tokens: int) -> None:
    _need(model, "generate", "seed")
    requests = [user(question, max_tokens=max_tokens) for question in QUESTIONS]
    one_by_one = [(await model.generate([request]))[0].text for request in requests]
    at_once = await asyncio.gather(*(model.generate([request]) for request in requests))
    assert [reply[0].text for reply in at_once] == one_by_one, "overlapping calls change replies"


async def limits_hold(model: LanguageModel, max_tokens: int) -> None:
    _need(model, "generate")
    short, stopped = await model.generate(
        [user(QUESTIONS[0], max_tokens=2), user(QUESTIONS[1], max_tokens=max_tokens, stop=("a",))]
    )
    for reply in (short, stopped):  # a reply may be empty, if the stop string comes first
        assert reply.finish in ("stop", "length") or reply.error is not None, reply.finish
    assert short.tokens_out <= 2, f"expected 2 tokens at most, got {short.tokens_out}"
    assert "a" not in stopped.text, f"the stop string is in {stopped.text!r}"


async def tokens_are_counted(model: LanguageModel, max_tokens: int) -> None:
    _need(model, "generate")
    request = user(QUESTIONS[2], max_tokens=max_tokens)
    counted = model.count_tokens(request.messages)
    longer = model.count_tokens((Message("user", QUESTIONS[2] * 3),))
    assert 0 < counted < longer, f"expected more tokens in a longer message: {counted}, {longer}"
    (reply,) = await model.generate([request])
    _answered([reply], 1)
    if reply.tokens_in:
        assert reply.tokens_in <= counted, f"{reply.tokens_in} used, counted {counted}"
        if model.capabilities.tokens == "exact":
            assert reply.tokens_in == counted, f"{reply.tokens_in} used, counted {counted}"


async def schemas_hold(model: LanguageModel, max_tokens: int) -> None:
    _need(model, "generate", "schema")
    request = user("Name a fruit, as JSON.", schema=SCHEMA, max_tokens=4 * max_tokens)
    (reply,) = await model.generate([request])
    _answered([reply], 1)
    record = reply.json()
    assert isinstance(record, dict), f"expected an object, got {reply.text!r}"
    assert list(record) == ["name"], f"expected one field 'name', got {reply.text!r}"
    assert isinstance(record["name"], str), f"expected a string, got {reply.text!r}"


async def scores_are_a_distribution(model: LanguageModel, _: int) -> None:
    _need(model, "score")
    assert await model.score([], []) == [], "expected no scores for no requests"
    here, there = await model.score([user(CHOOSE)] * 2, [CHOICES, CHOICES[::-1]])
    _answered([here, there], 2)
    for scores in (here, there):
        assert len(scores.logprobs) == len(CHOICES), f"expected {len(CHOICES)} logprobs"
        total = math.fsum(scores.probabilities)
        assert abs(total - 1) < 1e-6, f"probabilities sum to {total}"
    if model.capabilities.exact:
        assert here.logprobs == there.logprobs[::-1], "the order of the choices changes scores"
        (alone,) = await model.score([user(CHOOSE)], [CHOICES])
        assert alone.logprobs == here.logprobs, "a batch changes scores"
        assert here.slack == 0, f"exact scores with slack {here.slack}"


async def bad_choices_are_refused(model: LanguageModel, _: int) -> None:
    _need(model, "score")
    cases: list[list[list[str]]] = [[["A", "A"]], [[]], [["A", ""]], [["A"], ["B"]]]
    for wrong in cases:
        try:
            await model.score([user(CHOOSE)], wrong)
        except BadRequest:
            continue
        raise AssertionError(f"expected BadRequest for choices {wrong}")


async def answers_survive_storage(model: LanguageModel, _: int) -> None:
    _need(model, "generate")
    (reply,) = await model.generate([user(QUESTIONS[0], max_tokens=2)])
    kept = json.loads(json.dumps(reply.as_json()))
    assert Reply.from_json(kept) == reply, f"{reply} reads back as {Reply.from_json(kept)}"


async def closing_is_harmless(model: LanguageModel, _: int) -> None:
    await model.close()
    await model.close()
    if model.capabilities.generate:
        _answered(await model.generate([user(QUESTIONS[0], max_tokens=2)]), 1)
        await model.close()


CHECKS: tuple[Callable[[LanguageModel, int], Awaitable[None]], ...] = (
    identity_is_stable_json,
    undeclared_capabilities_are_refused,
    replies_come_one_a_request_in_order,
    overlapping_calls_do_not_mix,
    limits_hold,
    tokens_are_counted,
    schemas_hold,
    scores_are_a_distribution,
    bad_choices_are_refused,
    answers_survive_storage,
    closing_is_harmless,
)
