"""A stand-in for a model that answers without it, and counts what the model would be asked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Literal

from populace.language.model import LanguageModel, Message, Reply, Request, Scores
from populace.language.naming import named
from populace.records.requests import canonical

Rule = Literal["random", "first", "last"]
RULES: tuple[Rule, ...] = ("random", "first", "last")

_SPREAD = 1e6  # a number without a bound is taken to reach this far


@dataclass(frozen=True)
class Asking:
    """A request that the model would be sent.

    Attributes
    ----------
    tick : int
    key : str
        Of the answer store.
    tokens_in, tokens_out : int
        Of the prompt, as the model counts; and the most that a reply can have.
    """

    tick: int
    key: str
    tokens_in: int
    tokens_out: int


class Rehearsal:
    """Takes a model's place: every request is kept, and answered by a rule.

    Parameters
    ----------
    model : LanguageModel
        Asked for its identity, capabilities and counts of tokens, never for an answer.
    rule : "random", "first" or "last"
        At random, with equal probabilities; or always the first or last option (the lowest or
        highest number).
    known : dict, optional
        Token counts by key, shared by several rehearsals of one model.

    Attributes
    ----------
    asked : list of Asking
    requests : dict of key to mapping
        What the store keys each by.

    Notes
    -----
    It takes schemas, whether or not the model does, so that it can answer in every space: worked
    examples are then counted with their answers in JSON.
    """

    def __init__(
        self, model: LanguageModel, rule: Rule, known: dict[str, tuple[int, int]] | None = None
    ) -> None:
        self.identity = model.identity
        self.capabilities = replace(model.capabilities, schema=True)
        self.asked: list[Asking] = []
        self.requests: dict[str, dict[str, Any]] = {}
        self._model, self._rule = model, rule
        self._known = {} if known is None else known

    async def score(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[Scores]:
        """See `LanguageModel.score`."""
        return [self._scored(r, list(c)) for r, c in zip(requests, choices, strict=True)]

    async def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """See `LanguageModel.generate`."""
        return [self._replied(request) for request in requests]

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._model.count_tokens(messages)

    async def close(self) -> None:
        await self._model.close()

    def _scored(self, request: Request, choices: list[str]) -> Scores:
        tokens, _ = self._note(request, choices)
        k = len(choices)
        at = {"first": 0, "last": k - 1}.get(self._rule)
        logs = [-math.log(k) if at is None else (0.0 if i == at else -math.inf) for i in range(k)]
        return Scores(logprobs=tuple(logs), tokens_in=tokens, model=self.identity.model)

    def _replied(self, request: Request) -> Reply:
        tokens, most = self._note(request, None)
        text = "Nothing to say."
        if request.schema is not None:
            text = json.dumps(_Filler(self._rule, request.draw).fill(request.schema))
        return Reply(text=text, tokens_in=tokens, tokens_out=most, model=self.identity.model)

    def _note(self, request: Request, choices: list[str] | None) -> tuple[int, int]:
        said = named(self.identity, request, choices)
        key = canonical(said).key
        self.requests.setdefault(key, said)
        if key not in self._known:
            most = request.max_tokens
            if choices is not None:
                most = sum(self.count_tokens([Message("user", c)]) for c in choices)
            self._known[key] = self.count_tokens(request.messages), most
        label = request.label
        tick = self.asked[-1].tick if self.asked else 0
        if label is not None and label.tick is not None:
            tick = label.tick
        self.asked.append(Asking(tick, key, *self._known[key]))
        return self._known[key]


class _Filler:
    """Fills a JSON schema by a rule; its draws are BLAKE2b of the request's draw and a count."""

    def __init__(self, rule: Rule, draw: int) -> None:
        self._rule, self._draw, self._count = rule, draw, 0

    def fill(self, schema: Mapping[str, Any]) -> Any:
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][self._at(len(schema["enum"]))]
        if "anyOf" in schema:
            return self.fill(schema["anyOf"][self._at(len(schema["anyOf"]))])
        kind = schema.get("type")
        if kind == "object":
            return {name: self.fill(one) for name, one in schema["properties"].items()}
        if kind == "array":
            return self._several(schema["items"], int(schema.get("minItems", 1)))
        if kind == "string":
            return "nothing"[: schema.get("maxLength", 7)]
        return self._number(schema, whole=kind == "integer")

    def _several(self, one: Mapping[str, Any], count: int) -> list[Any]:
        """Return different candidates: neighbours, from one that is drawn."""
        if "enum" in one:
            listed = list(one["enum"])
        else:
            low = int(one.get("minimum", 0))
            listed = list(range(low, int(one.get("maximum", low + count)) + 1))
        start = self._at(len(listed))
        return [listed[(start + i) % len(listed)] for i in range(count)]

    def _number(self, schema: Mapping[str, Any], whole: bool) -> float | int:
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is None:
            low = 0.0 if high is None or high >= 0 else high - _SPREAD
        if high is None:
            high = low + _SPREAD
        share = {"first": 0.0, "last": 1.0}.get(self._rule)
        value = low + (high - low) * (self._uniform() if share is None else share)
        return int(value) if whole else min(max(value, low), high)

    def _at(self, n: int) -> int:
        at = {"first": 0, "last": n - 1}.get(self._rule)
        return int(self._uniform() * n) if at is None else at

    def _uniform(self) -> float:
        self._count += 1
        digest = blake2b(f"{self._draw}/{self._count}".encode(), digest_size=6).digest()
        return int.from_bytes(digest, "little") / 2**48
