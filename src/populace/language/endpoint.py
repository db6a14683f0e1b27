"""`Endpoint`: any server of OpenAI's chat completions (hosted, vLLM, llama.cpp, Ollama)."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import count
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from populace.language import wire
from populace.language.delivery import Delivered, Delivery, Errand, Retry, jitter_from
from populace.language.errors import ModelError, ModelUnavailable
from populace.language.model import (
    Capabilities,
    Identity,
    Message,
    Reply,
    Request,
    Scores,
    check_choices,
    check_requests,
    normalised,
)
from populace.language.traffic import SharedTraffic

A_MESSAGE = 16  # bound of the tokens that a chat template puts around one message


class Endpoint:
    """A model behind an OpenAI-compatible server.

    Parameters
    ----------
    url : str
        Up to and with the version: ``https://api.openai.com/v1``, ``http://localhost:11434/v1``.
    model : str
        As the server names it.
    key : str
        Name of the environment variable that holds the API key; an unset one sends none.
    top_logprobs : int
        Likeliest tokens that the server reports (OpenAI and vLLM 20, llama.cpp 200); 0 for a
        server that reports none: then there are no scores.
    slack : float
        Most probability that may lie on choices outside the reported tokens before scores are
        refused (`Scores.slack`).
    structured : str
        How the server is held to a schema: ``json_schema``, or ``none``.
    seed : bool
        Send the seed; some servers refuse it.
    limit : str
        What the server calls the limit of the reply: ``max_tokens``, ``max_completion_tokens``.
    extra : mapping, optional
        Added to every request's body; part of the identity.
    fingerprint : str
        What is known of the weights, for the identity.
    tokenizer : callable, optional
        Text to a number of tokens; without it, `count_tokens` bounds them by the bytes of the text
        (a byte-level tokenizer makes no token of less than a byte).
    overhead : int
        Bound of the tokens that the server's chat template adds to a whole prompt: a default
        system message, the opening of the reply.
    traffic : SharedTraffic, optional
        Pass the same one to all endpoints, so that one machine's limits hold for all of them.
    retry, timeout, deadline, jitter
        See `Delivery`.
    now : callable
        Seconds since 1970, to read dates in Retry-After.

    Raises
    ------
    ModelUnavailable
        If the package openai is missing or `url` is none.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str = "OPENAI_API_KEY",
        top_logprobs: int = 0,
        slack: float = 0.01,
        structured: Literal["json_schema", "none"] = "json_schema",
        seed: bool = True,
        limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        extra: Mapping[str, Any] | None = None,
        fingerprint: str = "",
        tokenizer: Callable[[str], int] | None = None,
        overhead: int = 64,
        traffic: SharedTraffic | None = None,
        retry: Retry | None = None,
        timeout: float | None = 120.0,
        deadline: float | None = 600.0,
        jitter: Callable[[], float] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            mend = "give it as https://host/v1"
            raise ModelUnavailable("expected the address of a server", where=url, mend=mend)
        try:
            import openai  # noqa: F401
        except ImportError:
            mend = "pip install 'populace[endpoint]'"
            raise ModelUnavailable("needs the package openai", where=url, mend=mend) from None
        bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self.url, self.model, self._key = bare.rstrip("/"), model, key
        self._top, self._slack, self._structured = top_logprobs, slack, structured
        self._seed, self._limit, self._extra = seed, limit, dict(extra or {})
        self._tokenizer, self._overhead, self._now = tokenizer, overhead, now
        options = json.dumps(self._extra, sort_keys=True) if self._extra else ""
        self.identity = Identity(self.url, model, " ".join(filter(None, [fingerprint, options])))
        self.capabilities = Capabilities(
            score=top_logprobs > 0,
            schema=structured != "none",
            seed=seed,
        )
        self._delivery = Delivery(
            traffic=(traffic or SharedTraffic()).at(url),
            retry=retry or Retry(),
            timeout=timeout,
            deadline=deadline,
            jitter=jitter or jitter_from(),
        )
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._nonce, self._number = secrets.token_hex(8), count()

    async def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """See `LanguageModel.generate`. All requests are under way at once, as traffic allows."""
        check_requests(self, requests, "generate")
        return list(await asyncio.gather(*map(self._reply, requests)))

    async def score(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[Scores]:
        """See `LanguageModel.score`.

        One token is asked for, with the likeliest `top_logprobs` ones; their probabilities count
        for the choice that they begin, and are normalised over the choices. So choices must differ
        in their first token: letters or single words.
        """
        check_choices(requests, choices)
        check_requests(self, requests, "score")
        return list(await asyncio.gather(*map(self._score, requests, choices)))

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an upper bound of the tokens of the messages."""
        size = self._tokenizer or _bytes
        return self._overhead + sum(size(message.content) + A_MESSAGE for message in messages)

    async def models(self) -> list[str]:
        """Return the names of the models that the server lists.

        Raises
        ------
        ModelError
            If it does not answer, or refuses.
        """

        async def ask() -> dict[str, Any]:
            raw = await self._open().models.with_raw_response.list()
            return wire.body(raw.content, self.url)

        came = await self._send(ask, 0)
        return [str(one.get("id")) for one in came.answer.get("data") or []]

    async def close(self) -> None:
        """Close the connections; those of an event loop that has ended are gone already."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.close()

    # -- one request -----------------------------------------------------------------------------

    async def _reply(self, request: Request) -> Reply:
        body = self._body(request)
        body[self._limit] = request.max_tokens
        body["temperature"] = request.temperature
        if request.stop:
            body["stop"] = list(request.stop)
        if self._seed:
            body["seed"] = request.draw
        if request.schema is not None:
            form = {"name": "answer", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        try:
            came = await self._post(request, body)
            with came.counted():
                reply = wire.reply(came.answer, self.model, self.url)
        except ModelError as error:
            return Reply.failed(error, self.model)
        return replace(reply, attempts=came.attempts, unclear=came.unclear)

    async def _score(self, request: Request, options: Sequence[str]) -> Scores:
        body = self._body(request)
        body |= {self._limit: 1, "temperature": 1.0, "logprobs": True, "top_logprobs": self._top}
        try:
            came = await self._post(request, body)
            with came.counted():
                found = wire.choice_logprobs(came.answer, options, self._slack, self.url)
        except ModelError as error:
            return Scores.failed(error, self.model)
        tokens_in, tokens_out = wire.usage(came.answer)
        return Scores(
            logprobs=normalised(found.logs),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            model=str(came.answer.get("model") or self.model),
            mass=found.mass,
            slack=found.slack,
            attempts=came.attempts,
            unclear=came.unclear,
            detail=wire.detail(came.answer),
        )

    def _body(self, request: Request) -> dict[str, Any]:
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        return {"model": self.model, "messages": messages}

    async def _post(self, request: Request, body: dict[str, Any]) -> Delivered[dict[str, Any]]:
        text = f"{self._nonce}/{next(self._number)}"
        headers = {"Idempotency-Key": blake2b(text.encode(), digest_size=16).hexdigest()}

        async def send() -> dict[str, Any]:
            chat = self._open().chat.completions.with_raw_response
            raw = await chat.create(**body, extra_headers=headers, extra_body=self._extra)
            return wire.body(raw.content, self.url)

        return await self._send(send, self.count_tokens(request.messages) + request.max_tokens)

    async def _send(
        self, send: Callable[[], Awaitable[dict[str, Any]]], tokens: int
    ) -> Delivered[dict[str, Any]]:
        errand = Errand(
            send=send,
            read=lambda why: wire.fault(why, self.url, self.model, self._now),
            used=lambda answer: sum(wire.usage(answer)) or tokens,
            tokens=tokens,
            where=self.url,
        )
        return await self._delivery.deliver(errand)

    def _open(self) -> Any:
        """Return the client of the running event loop: connections belong to one."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            import openai

            self._loop = loop
            self._client = openai.AsyncOpenAI(
                base_url=self.url,
                api_key=os.environ.get(self._key) or "none",
                max_retries=0,
                timeout=openai.Timeout(None, connect=30.0),
            )
        return self._client


def _bytes(text: str) -> int:
    return len(text.encode())
