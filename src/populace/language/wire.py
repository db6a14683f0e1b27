"""Reading what OpenAI-compatible servers send: pure functions of their answers and errors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from populace.language.delivery import Fault, retry_after
from populace.language.errors import (
    BadReply,
    BadRequest,
    ModelError,
    ModelRefused,
    ModelUnavailable,
)
from populace.language.model import Reply

# HTTP status codes. Those of SAFE say that no work was done; UNCLEAR ones come from a gateway that
# lost sight of the server. 408, 425, 429, 503: RFC 9110, 8470, 6585; 529 is Anthropic's overload.
SAFE = {408, 409, 425, 429, 500, 503, 529}
UNCLEAR = {502, 504}
CONGESTED = {429, 503, 529}
FILTERED = {"content_filter", "content_policy_violation", "responsible_ai_policy_violation"}
SPENT = {"insufficient_quota", "billing_hard_limit_reached", "quota_exceeded"}


class Counts(TypedDict):
    """Tokens that an answer used."""

    tokens_in: int
    tokens_out: int


def body(content: bytes, where: str) -> dict[str, Any]:
    """Return the JSON object of a successful response.

    Raises
    ------
    BadReply
        If it is empty or no JSON object.
    """
    text = content.decode("utf-8", "replace")
    try:
        record = json.loads(text)
    except ValueError:
        came = "an empty body" if not text.strip() else f"{text[:80]!r}"
        raise BadReply(f"expected JSON, got {came}", where=where, raw=text[:4000]) from None
    if not isinstance(record, dict):
        what = f"expected a JSON object, got {type(record).__name__}"
        raise BadReply(what, where=where, raw=text[:4000])
    return record


def usage(record: Mapping[str, Any]) -> tuple[int, int]:
    """Return the tokens in and out that the server counted; 0 where it does not say."""
    counts = record.get("usage")
    if not isinstance(counts, Mapping):
        return 0, 0
    return _count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens"))


def detail(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else is worth keeping of a response: the provider's fingerprint."""
    print_ = record.get("system_fingerprint")
    return {"fingerprint": print_} if isinstance(print_, str) else {}


def reply(record: Mapping[str, Any], model: str, where: str) -> Reply:
    """Return the reply in a chat completion.

    Raises
    ------
    ModelRefused
        If the model or a filter declined; with what it said.
    BadReply
        If there is no message, or an empty one that nothing explains.
    """
    tokens_in, tokens_out = usage(record)
    spent: Counts = {"tokens_in": tokens_in, "tokens_out": tokens_out}
    choice = _first(record, where, spent)
    message = choice.get("message")
    message = message if isinstance(message, Mapping) else {}
    text, reason = message.get("content"), choice.get("finish_reason")
    if refusal := message.get("refusal"):
        raise ModelRefused("the model refused", where=where, raw=str(refusal), **spent)
    if reason == "content_filter":
        raise ModelRefused("the provider's filter", where=where, raw=str(text or ""), **spent)
    if not isinstance(text, str) or (not text and reason != "length"):
        what = f"expected text, got none (finish_reason {reason!r})"
        raise BadReply(what, where=where, raw=json.dumps(record)[:4000], **spent)
    return Reply(
        text=text,
        finish="length" if reason == "length" else "stop",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        model=str(record.get("model") or model),
        detail=detail(record),
    )


@dataclass(frozen=True, slots=True)
class ChoiceLogprobs:
    """Log-probabilities of choices among the reported tokens: see `Scores` for `mass`, `slack`."""

    logs: list[float]
    mass: float
    slack: float


def choice_logprobs(
    record: Mapping[str, Any], choices: Sequence[str], slack: float, where: str
) -> ChoiceLogprobs:
    """Read choices off the likeliest first tokens of a reply.

    A token counts for a choice if it begins that choice and no other, white space at both ends
    aside. A choice that none of the m reported tokens begins has at most the probability of the
    last of them, and all such choices together at most what the m tokens leave over.

    Raises
    ------
    BadReply
        If the server sent no log-probabilities, a token begins two choices, or choices outside the
        reported tokens may have more than `slack` of the probability.
    """
    tokens_in, tokens_out = usage(record)
    spent: Counts = {"tokens_in": tokens_in, "tokens_out": tokens_out}
    try:
        first = _first(record, where, spent)["logprobs"]["content"][0]
        tops = [(str(t["token"]).strip(), float(t["logprob"])) for t in first["top_logprobs"]]
    except (KeyError, TypeError, IndexError, ValueError):
        tops = []
    if not tops:
        what, mend = "expected top_logprobs, got none", "declare top_logprobs=0 and use draws"
        raw = json.dumps(record)[:4000]
        raise BadReply(what, where=where, mend=mend, raw=raw, **spent)
    probability = [0.0] * len(choices)
    stripped = [choice.strip() for choice in choices]
    for token, logprob in tops:
        begun = [i for i, choice in enumerate(stripped) if token and choice.startswith(token)]
        if len(begun) > 1:
            both = " and ".join(repr(choices[i]) for i in begun[:2])
            what = f"the token {token!r} begins {both}"
            mend = "use choices with different first tokens, as letters"
            raise BadReply(what, where=where, mend=mend, **spent)
        if begun:
            probability[begun[0]] += math.exp(logprob)
    mass = math.fsum(probability)
    last = math.exp(min(logprob for _, logprob in tops))
    left = max(0.0, 1.0 - math.fsum(math.exp(logprob) for _, logprob in tops))
    missing = [choice for choice, p in zip(choices, probability, strict=True) if p == 0]
    outside = min(left, last * len(missing))
    share = outside / (mass + outside) if missing and mass + outside > 0 else 0.0
    if mass == 0 or share > slack:
        what = f"the {len(tops)} reported tokens leave {share:.2g} of the choices' probability open"
        mend = "raise top_logprobs, or tell the model to answer with one of the choices only"
        raise BadReply(f"{what} ({missing[0]!r})", where=where, mend=mend, **spent)
    logs = [math.log(p) if p > 0 else -math.inf for p in probability]
    return ChoiceLogprobs(logs, min(1.0, mass), share)


def fault(why: Exception, where: str, model: str, now: Callable[[], float]) -> Fault | None:
    """Say what an exception of the openai client means; None if it is not one of its."""
    import openai

    if isinstance(why, BadReply):  # of `body`: the answer was sent, and may be billed
        return Fault(error=why, again=True, unclear=True)
    if isinstance(why, openai.APIStatusError):
        raw = why.response.text[:4000]
        code = why.code or why.type or ""
        headers = why.response.headers
        return status_fault(why.status_code, str(code), raw, headers, where, model, now)
    if isinstance(why, openai.APIConnectionError):
        reason = why.__cause__ or why
        unsent = type(reason).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout")
        what = "no connection" if unsent else "the connection broke before the answer was complete"
        error = ModelUnavailable(f"{what}: {reason or type(reason).__name__}", where=where)
        return Fault(error=error, again=True, unclear=not unsent)
    if isinstance(why, openai.APIError):
        error_ = BadReply(str(why.message), where=where, raw=str(why.body)[:4000])
        return Fault(error=error_, again=True, unclear=True)
    return None


def status_fault(
    status: int,
    code: str,
    raw: str,
    headers: Mapping[str, str],
    where: str,
    model: str,
    now: Callable[[], float],
) -> Fault:
    """Say what an HTTP error status means.

    Parameters
    ----------
    status : int
    code : str
        The provider's error code, where it sent one.
    raw : str
        The response's body.
    headers : mapping
        Of the response, case-insensitive.
    where, model : str
        For the error.
    now : callable
        Seconds since 1970.
    """
    what = f"HTTP {status}{f' {code}' if code else ''}: {_said(raw)}"
    error: ModelError
    if code in FILTERED:
        return Fault(error=ModelRefused("the provider's filter", where=where, raw=raw))
    if code in SPENT or status == 402:
        mend = "the account is out of credit"
        return Fault(error=ModelUnavailable(what, where=where, mend=mend, raw=raw))
    if status in (401, 403):
        mend = "check the API key's variable and its rights"
        return Fault(error=ModelUnavailable(what, where=where, mend=mend, raw=raw))
    if status == 404:
        mend = f"check the address, and that the server has a model {model!r}"
        return Fault(error=ModelUnavailable(what, where=where, mend=mend, raw=raw))
    again = status in SAFE | UNCLEAR or status >= 500
    if headers.get("x-should-retry") == "false":  # the server knows better
        again = False
    if not again and status < 500:
        return Fault(error=BadRequest(what, where=where, raw=raw))
    error = ModelUnavailable(what, where=where, raw=raw)
    return Fault(
        error=error,
        again=again,
        unclear=status not in SAFE,
        congested=status in CONGESTED,
        after=retry_after(headers, now),
    )


def _said(raw: str) -> str:
    """Return the server's own message, or the beginning of what it sent."""
    try:
        record = json.loads(raw)
        inner = record.get("error", record)
        return str(inner.get("message") or inner)[:300]
    except (ValueError, AttributeError):
        return raw.strip()[:300] or "no message"


def _first(record: Mapping[str, Any], where: str, spent: Counts) -> Mapping[str, Any]:
    choices = record.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raw = json.dumps(record)[:4000]
        raise BadReply(f"expected a choice, got {_said(raw)}", where=where, raw=raw, **spent)
    return choices[0]


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
