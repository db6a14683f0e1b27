"""What a language model is here: batched, asynchronous, and honest about what it did not answer.

A backend implements `LanguageModel`. What goes wrong with *one* request of a batch is data (the
``error`` of its reply), so that one failure never costs the answers beside it; what is wrong with
the call itself (a capability that the backend does not declare, choices that cannot be told apart)
raises before anything is sent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal, Protocol, runtime_checkable

from populace.language.errors import BadReply, BadRequest, CapabilityError, ModelError, ModelRefused

Role = Literal["system", "user", "assistant", "text"]
Finish = Literal["stop", "length", "refusal", "error"]
ROLES = ("system", "user", "assistant", "text")


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its role and its text.

    Roles are ``system``, ``user`` and ``assistant``; a single message of role ``text`` is a bare
    text for the model to continue, without a chat template (`Capabilities.text`). An
    ``assistant`` message in last place is the beginning of the reply (`Capabilities.prefill`).
    """

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Label:
    """Who asks: for scripts, logs and errors. It is no part of what is asked.

    A request that stands for several agents carries the first of them.

    Attributes
    ----------
    agent, kind, tick, turn : optional
    item : str, optional
        Name of the exam item whose question the request puts, *and nothing else*: None where it
        shows what others said or goes on with a conversation. Recorded answers are kept by it.
    """

    agent: int | None = None
    kind: str | None = None
    tick: int | None = None
    turn: int | None = None
    item: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to a model.

    Parameters
    ----------
    messages : tuple of Message
    stop : tuple of str
        Strings that end the reply; they are not part of it.
    max_tokens : int
        Most tokens of the reply, 1 or more.
    temperature : float
        0 (always the likeliest token) or more; 1 samples from the model's own distribution.
    schema : mapping, optional
        JSON schema that the reply is to conform to (`Capabilities.schema`).
    seed, sample : int
        Key of the draw: requests that differ in `sample` are independent draws from one model.
    label : Label, optional
        Who asks; not compared and not sent.

    Raises
    ------
    BadRequest
        If a field is outside its range or the roles are not in a legal order.
    """

    messages: tuple[Message, ...]
    stop: tuple[str, ...] = ()
    max_tokens: int = 256
    temperature: float = 1.0
    schema: Mapping[str, Any] | None = None
    seed: int = 0
    sample: int = 0
    label: Label | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_roles(tuple([message.role for message in self.messages]))
        if self.max_tokens < 1:
            raise BadRequest(f"expected max_tokens of 1 or more, got {self.max_tokens}")
        if not (0 <= self.temperature < math.inf):
            raise BadRequest(f"expected a temperature of 0 or more, got {self.temperature}")
        if self.seed < 0 or self.sample < 0:
            raise BadRequest(f"expected seed and sample >= 0, got {self.seed}, {self.sample}")
        if not all(self.stop):
            raise BadRequest("expected non-empty stop strings", where="request")

    @property
    def draw(self) -> int:
        """The 31-bit seed to sample with: BLAKE2b of (seed, sample)."""
        digest = blake2b(f"{self.seed}/{self.sample}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "little") >> 1

    def canonical(self) -> dict[str, Any]:
        """Return what defines the answer, for keys of stores: everything but the label."""
        return {
            "messages": [[m.role, m.content] for m in self.messages],
            "stop": list(self.stop),
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "schema": self.schema,
            "seed": self.seed,
            "sample": self.sample,
        }


@lru_cache(maxsize=1024)
def _check_roles(roles: tuple[str, ...]) -> None:
    if not roles:
        raise BadRequest("expected one message or more, got none", where="request")
    if unknown := [role for role in roles if role not in ROLES]:
        what = f"expected a role of {', '.join(ROLES)}, got {unknown[0]!r}"
        raise BadRequest(what, where="request")
    if "text" in roles and len(roles) > 1:
        what = f"expected a message of role 'text' alone, got roles {', '.join(roles)}"
        raise BadRequest(what, where="request", mend="put the whole text into one message")
    if "system" in roles[1:]:
        raise BadRequest("expected the system message first", where="request")


def user(content: str, **options: Any) -> Request:
    """Return a request of one user message."""
    return Request(messages=(Message("user", content),), **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model said to one request.

    Parameters
    ----------
    text : str
        The reply; what there is of it when `finish` is ``length`` or ``refusal``.
    finish : str
        ``stop`` (the model or a stop string ended it), ``length`` (cut at `max_tokens`),
        ``refusal`` or ``error``; the last two carry `error`.
    tokens_in, tokens_out : int
        As counted by the model's own tokenizer; 0 where the server did not say.
    attempts, unclear : int
        Requests sent, and how many of them the server may have billed without answering.
    detail : mapping
        JSON values that the backend adds, as the provider's fingerprint.
    seconds : float, optional
        Time that the model spent on this request alone, where the backend knows; without it, the
        time until the answer came counts, waiting for other requests included.
    """

    text: str
    finish: Finish = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    model: str = ""
    attempts: int = 1
    unclear: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)
    error: ModelError | None = None
    seconds: float | None = field(default=None, compare=False)

    @classmethod
    def failed(cls, error: ModelError, model: str = "") -> Reply:
        """Return the reply that carries `error`, with its counts."""
        return cls(
            text=error.raw if isinstance(error, ModelRefused) else "",
            finish="refusal" if isinstance(error, ModelRefused) else "error",
            tokens_in=error.tokens_in,
            tokens_out=error.tokens_out,
            model=model,
            attempts=error.attempts,
            unclear=error.unclear,
            error=error,
        )

    def json(self) -> Any:
        """Return the reply read as JSON.

        Raises
        ------
        ModelError
            The reply's own error; `BadReply` when the text is no JSON, saying if it was cut off.
        """
        if self.error is not None:
            raise self.error
        try:
            return json.loads(self.text)
        except ValueError as why:
            cut = self.finish == "length"
            raise BadReply(
                f"expected JSON, got {'JSON cut off at max_tokens' if cut else why}",
                where=self.model,
                mend="raise max_tokens" if cut else "give the request a schema",
                raw=self.text,
                attempts=self.attempts,
                tokens_in=self.tokens_in,
                tokens_out=self.tokens_out,
            ) from None

    def as_json(self) -> dict[str, Any]:
        """Return JSON values that `from_json` reads back; for replies without an error."""
        return _record(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Reply:
        return cls(**record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Log-probabilities of the choices, as continuations of one request's messages.

    Parameters
    ----------
    logprobs : tuple of float
        Natural logarithms aligned with the choices; their exponentials sum to 1. Empty with
        `error`.
    mass : float, optional
        Probability that the model, left free, begins with one of the choices' first tokens; None
        where the backend cannot say. A small mass means the choices are not what it would say.
    slack : float
        Most probability (after normalising) that choices may have in truth where the backend says
        0, because the server reports the likeliest tokens only.
    seconds : float, optional
        As of a `Reply`.
    """

    logprobs: tuple[float, ...]
    tokens_in: int = 0
    tokens_out: int = 0
    model: str = ""
    mass: float | None = None
    slack: float = 0.0
    attempts: int = 1
    unclear: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)
    error: ModelError | None = None
    seconds: float | None = field(default=None, compare=False)

    @classmethod
    def failed(cls, error: ModelError, model: str = "") -> Scores:
        """Return the scores that carry `error`, with its counts."""
        return cls(
            logprobs=(),
            tokens_in=error.tokens_in,
            tokens_out=error.tokens_out,
            model=model,
            attempts=error.attempts,
            unclear=error.unclear,
            error=error,
        )

    @property
    def probabilities(self) -> tuple[float, ...]:
        return tuple(map(math.exp, self.logprobs))

    def as_json(self) -> dict[str, Any]:
        """Return JSON values that `from_json` reads back; minus infinity stands as null."""
        record = _record(self)
        record["logprobs"] = [None if x == -math.inf else x for x in self.logprobs]
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Scores:
        logprobs = tuple(-math.inf if x is None else x for x in record["logprobs"])
        return cls(**{**record, "logprobs": logprobs})


def _record(answer: Reply | Scores) -> dict[str, Any]:
    if answer.error is not None:
        raise ValueError("an answer that carries an error is not kept")
    record = {name: getattr(answer, name) for name in _KEPT[type(answer)]}
    record["detail"] = dict(answer.detail)
    return record


_KEPT = {  # how long it took is no part of an answer
    kind: [f.name for f in fields(kind) if f.name not in ("error", "seconds")]
    for kind in (Reply, Scores)
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model answers: part of the key of every stored answer, so it holds no secret.

    Parameters
    ----------
    endpoint : str
        Where it runs: a URL without credentials, or the runtime and its version.
    model : str
    fingerprint : str
        Digest of the weights, or what the provider gives in its place.
    """

    endpoint: str
    model: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do.

    Parameters
    ----------
    generate, score : bool
    schema : bool
        Replies can be constrained to a JSON schema.
    seed : bool
        Equal (seed, sample) give equal replies, and others independent ones.
    exact : bool
        Scores are bit-identical whenever asked, whatever was asked before, and have no slack.
    prefill, text : bool
        A last ``assistant`` message is continued; a ``text`` message is taken without template.
    tokens : str
        `count_tokens` is ``exact``, or an upper ``bound``.
    recorded : bool
        Answers come from a record of what a model once said: nothing is sent, so nothing is billed,
        and they are not stored a second time.
    at_once : bool
        `generate` answers without waiting for anything: calls to several such models need not be
        tasks of their own.
    """

    generate: bool = True
    score: bool = False
    schema: bool = False
    seed: bool = False
    exact: bool = False
    prefill: bool = False
    text: bool = False
    tokens: Literal["exact", "bound"] = "bound"
    recorded: bool = False
    at_once: bool = False


@runtime_checkable
class LanguageModel(Protocol):
    """A language model. Calls may overlap; nothing is kept between them that alters an answer."""

    @property
    def identity(self) -> Identity: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Return one reply a request, in order; a failure is the `error` of its reply.

        Raises
        ------
        CapabilityError
            If a request needs what the backend does not declare; nothing is sent then.
        """
        ...

    async def score(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[Scores]:
        """Return the log-probabilities of ``choices[i]`` as continuations of ``requests[i]``.

        They are the model's own (temperature 1); of a request, only the messages play a part, and
        the first of `stop`, which ends a choice that begins another one.

        Raises
        ------
        CapabilityError
            If the backend does not score, or a request needs what it does not declare.
        BadRequest
            If a request has no choices, equal ones or an empty one.
        """
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the messages as sent, or an upper bound (`Capabilities.tokens`)."""
        ...

    async def close(self) -> None:
        """Give back connections and memory. May be called twice; a later call opens them again."""
        ...


def check_requests(model: LanguageModel, requests: Sequence[Request], op: str) -> None:
    """Refuse requests that need what `model` does not declare.

    Raises
    ------
    CapabilityError
    """
    able, where = model.capabilities, model.identity.model
    if not getattr(able, op):
        mend = "use draws from generate" if op == "score" else "use score"
        raise CapabilityError(f"this model does not {op}", where=where, mend=mend)
    for request in requests:
        if request.schema is not None and op == "generate" and not able.schema:
            what = "this model cannot be held to a JSON schema"
            raise CapabilityError(what, where=where, mend="ask for JSON in words and read it")
        last = request.messages[-1].role
        if last == "assistant" and not able.prefill:
            what = "this model cannot go on from the beginning of a reply"
            raise CapabilityError(what, where=where, mend="end with a user message")
        if last == "text" and not able.text:
            what = "this model takes chat messages, not bare text"
            raise CapabilityError(what, where=where, mend="use a user message")


def check_choices(requests: Sequence[Request], choices: Sequence[Sequence[str]]) -> None:
    """Refuse choices that cannot be scored.

    Raises
    ------
    BadRequest
    """
    if len(requests) != len(choices):
        what = f"expected choices for {len(requests)} requests, got {len(choices)}"
        raise BadRequest(what, where="score")
    for options in choices:
        if isinstance(options, str) or not options:
            raise BadRequest(f"expected a list of choices, got {options!r}", where="score")
        if len(set(options)) < len(options):
            raise BadRequest(f"expected different choices, got {list(options)}", where="score")
        if not all(options):
            raise BadRequest(f"expected non-empty choices, got {list(options)}", where="score")


def normalised(logs: Sequence[float]) -> tuple[float, ...]:
    """Return `logs` shifted so that their exponentials sum to 1 (log-sum-exp)."""
    top = max(logs)
    total = top + math.log(math.fsum(math.exp(x - top) for x in logs))
    return tuple(x - total for x in logs)
