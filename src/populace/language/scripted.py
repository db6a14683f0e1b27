"""`Scripted`: a model whose every answer is written down beforehand, keyed by who asks and when."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from populace.kernel.errors import nearest
from populace.language.errors import BadRequest, ModelError
from populace.language.model import (
    Capabilities,
    Finish,
    Identity,
    Label,
    Message,
    Reply,
    Request,
    Scores,
    check_choices,
    check_requests,
)

Key = tuple[int | None, str | None, int | None, int | None]
_STOP: Finish = "stop"
FIELDS = ("agent", "kind", "tick", "turn")


class ScriptError(ModelError):
    """A request that the script does not foresee, or an answer in it that cannot be one."""


class Scripted:
    """A model for tests: answers by the label of the request, never by the order of calls.

    Parameters
    ----------
    script : mapping or callable
        From keys to answers, or a function of the request that returns the answer. A key is a
        tuple (agent, kind, tick, turn), shorter ones leave the last fields open, as does None; a
        plain string is a kind. Of the keys that fit, the one with the most fields given counts,
        and of equals the one whose earlier fields are given. An answer to `generate` is a text, a
        `Reply` or a `ModelError`; to `score`, a mapping from choice to weight (choices left out
        weigh 0), a sequence of weights aligned with the choices, `Scores` or a `ModelError`. Any
        of them may be a function of the request.
    name : str
        Of the model, in its identity.

    Attributes
    ----------
    asked : list of Request
        What was asked, in the order of arrival.

    Notes
    -----
    Its tokens are the words of the messages. Text is cut at stop strings and at `max_tokens` words.
    """

    capabilities = Capabilities(
        score=True,
        schema=True,
        seed=True,
        exact=True,
        prefill=True,
        text=True,
        tokens="exact",
        at_once=True,
    )

    def __init__(
        self, script: Mapping[Any, Any] | Callable[[Request], Any], name: str = "script"
    ) -> None:
        self.identity = Identity("scripted", name)
        self._rule = script if callable(script) else None
        self._script: dict[Key, Any] = {}
        if not callable(script):
            for key, answer in script.items():
                self._script[_key(key)] = answer
        self._used: set[Key] = set()
        self.asked: list[Request] = []

    async def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """See `LanguageModel.generate`."""
        check_requests(self, requests, "generate")
        return [self._reply(request) for request in requests]

    async def score(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[Scores]:
        """See `LanguageModel.score`."""
        check_choices(requests, choices)
        check_requests(self, requests, "score")
        return [self._scores(*pair) for pair in zip(requests, choices, strict=True)]

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return max(1, sum(len(message.content.split()) for message in messages))

    async def close(self) -> None:
        """Nothing to close."""

    @property
    def unused(self) -> list[Key]:
        """Keys of the script that no request has met."""
        return [key for key in self._script if key not in self._used]

    # -- one request -----------------------------------------------------------------------------

    def _answer(self, request: Request) -> Any:
        self.asked.append(request)
        if self._rule is not None:
            return self._rule(request)
        label = request.label or Label()
        asked = tuple(getattr(label, name) for name in FIELDS)
        fits = [k for k in self._script if all(a in (None, b) for a, b in zip(k, asked))]  # noqa: B905
        if not fits:
            known = [_shown(key) for key in self._script]
            raise ScriptError(
                f"no answer for ({_shown(asked)})",
                where=self.identity.model,
                mend=nearest(_shown(asked), known),
            )
        best = max(fits, key=lambda k: (sum(x is not None for x in k), [x is not None for x in k]))
        self._used.add(best)
        answer = self._script[best]
        return answer(request) if callable(answer) else answer

    def _reply(self, request: Request) -> Reply:
        tokens = self.count_tokens(request.messages)
        answer = self._answer(request)
        if isinstance(answer, ModelError):
            return Reply.failed(answer, self.identity.model)
        if isinstance(answer, Reply):
            return answer
        if not isinstance(answer, str):
            what = f"expected a text, a Reply or a ModelError, got {type(answer).__name__}"
            raise ScriptError(what, where=self.identity.model)
        text, finish = answer, _STOP
        for stop in request.stop:
            text = text.partition(stop)[0]
        words = text.split(" ")
        if len(words) > request.max_tokens:
            text, finish = " ".join(words[: request.max_tokens]), "length"
        out = min(len(words), request.max_tokens)
        name = self.identity.model
        return Reply(text=text, finish=finish, tokens_in=tokens, tokens_out=out, model=name)

    def _scores(self, request: Request, options: Sequence[str]) -> Scores:
        tokens, answer = self.count_tokens(request.messages), self._answer(request)
        if isinstance(answer, ModelError):
            return Scores.failed(answer, self.identity.model)
        if isinstance(answer, Scores):
            return answer
        if isinstance(answer, Mapping):
            if unknown := [name for name in answer if name not in options]:
                mend = nearest(str(unknown[0]), options)
                raise ScriptError(f"{unknown[0]!r} is no choice", where="script", mend=mend)
            answer = [answer.get(option, 0.0) for option in options]
        weights = [float(weight) for weight in answer]
        total = math.fsum(weights)
        if len(weights) != len(options) or min(weights) < 0 or not 0 < total < math.inf:
            what = f"expected {len(options)} weights of 0 or more, got {weights}"
            raise ScriptError(what, where=self.identity.model)
        logs = tuple(math.log(w / total) if w > 0 else -math.inf for w in weights)
        return Scores(logprobs=logs, tokens_in=tokens, mass=1.0, model=self.identity.model)


def _key(key: Any) -> Key:
    fields = (None, key) if isinstance(key, str) else key
    if not isinstance(fields, tuple) or len(fields) > len(FIELDS):
        what = f"expected a key (agent, kind, tick, turn), got {key!r}"
        raise BadRequest(what, where="script", mend="leave a field open with None")
    full = (*fields, *(None,) * (len(FIELDS) - len(fields)))
    return full[0], full[1], full[2], full[3]


def _shown(key: Sequence[Any]) -> str:
    return ", ".join(f"{f}={'any' if v is None else v}" for f, v in zip(FIELDS, key, strict=True))
