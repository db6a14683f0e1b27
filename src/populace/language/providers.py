"""`Providers`: hosted vendors with protocols of their own, through pydantic-ai's model layer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from populace.language import wire
from populace.language.delivery import Delivery, Errand, Fault, Retry, jitter_from
from populace.language.errors import (
    BadReply,
    CapabilityError,
    ModelError,
    ModelRefused,
    ModelUnavailable,
)
from populace.language.model import (
    Capabilities,
    Identity,
    Message,
    Reply,
    Request,
    Scores,
    check_requests,
)
from populace.language.traffic import SharedTraffic


class Providers:
    """A model of a hosted vendor, as pydantic-ai names it: ``anthropic:claude-…``, ``google:…``.

    The vendor's key is read by pydantic-ai from the vendor's usual environment variable. Retries,
    rate limits, concurrency and deadlines are populace's own; the vendor client's are off.

    Parameters
    ----------
    model : str or pydantic_ai.models.Model
        ``vendor:model``, or a model object of pydantic-ai.
    settings : mapping, optional
        pydantic-ai model settings sent with every request; part of the identity.
    schema, seed : bool
        The vendor holds replies to a JSON schema; it takes seeds.
    fingerprint, traffic, retry, timeout, deadline, jitter, now
        As in `Endpoint`.

    Raises
    ------
    ModelUnavailable
        If pydantic-ai or the vendor's client is missing, or the model is unknown to them.
    """

    def __init__(
        self,
        model: Any,
        *,
        settings: Mapping[str, Any] | None = None,
        schema: bool = True,
        seed: bool = False,
        fingerprint: str = "",
        traffic: SharedTraffic | None = None,
        retry: Retry | None = None,
        timeout: float | None = 120.0,
        deadline: float | None = 600.0,
        jitter: Callable[[], float] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        where = model if isinstance(model, str) else "pydantic-ai"
        try:
            from pydantic_ai.exceptions import UserError
            from pydantic_ai.models import infer_model
        except ImportError:
            mend = "pip install 'populace[providers]'"
            raise ModelUnavailable("needs pydantic-ai-slim", where=where, mend=mend) from None
        try:
            self._model = infer_model(model)
        except (UserError, ImportError, ValueError) as why:
            mend = "name it as vendor:model, and install the vendor's client"
            raise ModelUnavailable(str(why), where=where, mend=mend) from None
        url = self._model.base_url or f"https://{self._model.system}.invalid"
        self._settings, self._now, self._schema = dict(settings or {}), now, schema
        shown = {k: v for k, v in self._settings.items() if k != "extra_headers"}  # may hold keys
        options = repr(sorted(shown.items())) if shown else ""
        self.identity = Identity(
            f"{self._model.system} {url.rstrip('/')}",
            self._model.model_name,
            " ".join(filter(None, [fingerprint, options])),
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self.capabilities = Capabilities(schema=schema, seed=seed)
        self._delivery = Delivery(
            traffic=(traffic or SharedTraffic()).at(url),
            retry=retry or Retry(),
            timeout=timeout,
            deadline=deadline,
            jitter=jitter or jitter_from(),
        )

    async def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """See `LanguageModel.generate`."""
        check_requests(self, requests, "generate")
        await self._enter()
        return list(await asyncio.gather(*map(self._reply, requests)))

    async def score(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[Scores]:
        """Refuse: this layer passes no log-probabilities on."""
        check_requests(self, requests, "score")
        raise CapabilityError("this model does not score", where=self.identity.model)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an upper bound: bytes, and what a chat template adds (see `Endpoint`)."""
        return 64 + sum(len(m.content.encode()) + 16 for m in messages)

    async def close(self) -> None:
        """Close the connections that pydantic-ai made for this model."""
        loop, self._loop = self._loop, None
        if loop is asyncio.get_running_loop():
            await self._model.__aexit__(None, None, None)

    async def _enter(self) -> None:
        """Have pydantic-ai open a client for the running event loop: connections belong to one."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            before, self._loop = self._loop, loop
            if before is not None:  # it ended without `close`, and took its connections with it
                with contextlib.suppress(RuntimeError):
                    await self._model.__aexit__(None, None, None)
            await self._model.__aenter__()

    async def _reply(self, request: Request) -> Reply:
        from pydantic_ai.direct import model_request

        messages, parameters = self._messages(request), self._parameters(request)
        settings = self._options(request)
        errand: Errand[Any] = Errand(
            send=lambda: model_request(
                self._model,
                messages,
                model_settings=settings,  # type: ignore[arg-type]
                model_request_parameters=parameters,
            ),
            read=self._fault,
            used=lambda answer: answer.usage.input_tokens + answer.usage.output_tokens,
            tokens=self.count_tokens(request.messages) + request.max_tokens,
            where=self.identity.endpoint,
        )
        try:
            came = await self._delivery.deliver(errand)
            with came.counted():
                reply = self._read(came.answer)
        except ModelError as error:
            return Reply.failed(error, self.identity.model)
        return replace(reply, attempts=came.attempts, unclear=came.unclear)

    def _messages(self, request: Request) -> list[Any]:
        from pydantic_ai.messages import (
            ModelRequest,
            ModelResponse,
            SystemPromptPart,
            TextPart,
            UserPromptPart,
        )

        turns: list[Any] = []
        parts: list[Any] = []
        for message in request.messages:
            if message.role == "assistant":
                turns += [ModelRequest(parts=parts), ModelResponse([TextPart(message.content)])]
                parts = []
            elif message.role == "system":
                parts.append(SystemPromptPart(message.content))
            else:
                parts.append(UserPromptPart(message.content))
        return [*turns, ModelRequest(parts=parts)]

    def _parameters(self, request: Request) -> Any:
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.output import OutputObjectDefinition

        if request.schema is None:
            return ModelRequestParameters()
        form = OutputObjectDefinition(dict(request.schema), name="answer", strict=True)
        return ModelRequestParameters(output_mode="native", output_object=form)

    def _options(self, request: Request) -> dict[str, Any]:
        options = {
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "max_retries": 0,
            **self._settings,
        }
        if request.stop:
            options["stop_sequences"] = list(request.stop)
        if self.capabilities.seed:
            options["seed"] = request.draw
        return options

    def _read(self, answer: Any) -> Reply:
        where, model = self.identity.endpoint, answer.model_name or self.identity.model
        text = "".join(p.content for p in answer.parts if p.part_kind == "text")
        spent = {
            "tokens_in": answer.usage.input_tokens,
            "tokens_out": answer.usage.output_tokens,
        }
        if answer.finish_reason == "content_filter":
            raise ModelRefused("the provider's filter", where=where, raw=text, **spent)
        if not text and answer.finish_reason != "length":
            what = f"expected text, got none (finish_reason {answer.finish_reason!r})"
            raise BadReply(what, where=where, raw=repr(answer)[:4000], **spent)
        finish: Any = "length" if answer.finish_reason == "length" else "stop"
        return Reply(text=text, finish=finish, model=model, **spent)

    def _fault(self, why: Exception) -> Fault | None:
        from pydantic_ai import exceptions as e

        where, model = self.identity.endpoint, self.identity.model
        if isinstance(why, e.ContentFilterError):
            return Fault(error=ModelRefused(str(why), where=where, raw=str(why.body or "")))
        if isinstance(why, e.ModelHTTPError):
            raw = str(why.body or why)
            code = why.provider_error_code or why.provider_error_type or ""
            headers = why.headers or {}
            fault = wire.status_fault(why.status_code, code, raw, headers, where, model, self._now)
            return replace(fault, after=fault.after if fault.after is not None else _after(why))
        if isinstance(why, e.ModelAPIError):
            unsent = getattr(why, "phase", None) in ("pool", "connect")
            return Fault(
                error=ModelUnavailable(str(why), where=where), again=True, unclear=not unsent
            )
        if isinstance(why, e.UnexpectedModelBehavior):
            error = BadReply(str(why), where=where, raw=str(why.body or ""))
            return Fault(error=error, again=True, unclear=True)
        if isinstance(why, e.UserError):
            return Fault(error=ModelUnavailable(str(why), where=where))
        return None


def _after(why: Any) -> float | None:
    seconds = why.retry_after
    return None if seconds is None else float(seconds)
