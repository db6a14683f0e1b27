"""Vendors through pydantic-ai: what is sent, what is read, and whose retries count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("pydantic_ai", reason="needs the extra 'providers'")

from pydantic_ai import exceptions
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from populace.language.conformance import check_model
from populace.language.errors import (
    BadReply,
    BadRequest,
    CapabilityError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)
from populace.language.model import Message, Reply, Request, user
from populace.language.providers import Providers
from populace.language.traffic import SharedTraffic, Timing

from .model_server import FakeTime, FaultyServer


class Vendor:
    """A vendor that fails by plan, then answers, and remembers what it was sent."""

    def __init__(self, *faults: Any) -> None:
        self.faults = list(faults)
        self.settings: list[dict[str, Any]] = []
        self.messages: list[list[ModelMessage]] = []
        self.schemas: list[Any] = []
        self.time = FakeTime()

    async def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.settings.append(dict(info.model_settings or {}))
        self.messages.append(messages)
        self.schemas.append(info.model_request_parameters.output_object)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            return fault  # type: ignore[no-any-return]
        usage = RequestUsage(input_tokens=7, output_tokens=1)
        return ModelResponse([TextPart("hello")], usage=usage, finish_reason="stop")

    def model(self, **kw: Any) -> Providers:
        time = self.time
        timing = Timing(clock=time.clock, sleep=time.sleep, later=time.later)
        traffic = SharedTraffic(timing=timing)
        return Providers(FunctionModel(self), traffic=traffic, jitter=lambda: 0.0, **kw)

    def ask(self, **kw: Any) -> Reply:
        return asyncio.run(self.model(**kw).generate([user("hi", max_tokens=5, stop=("x",))]))[0]


def test_requests_and_replies_are_translated() -> None:
    vendor = Vendor()
    model = vendor.model(seed=True, settings={"top_p": 0.5})
    turns = (Message("system", "be brief"), Message("user", "a"), Message("assistant", "b"))
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    request = Request(messages=(*turns, Message("user", "c")), max_tokens=5, stop=("x",))
    first, second = asyncio.run(model.generate([request, user("d", schema=schema)]))
    assert (first.text, first.finish, first.tokens_in, first.tokens_out) == ("hello", "stop", 7, 1)
    settings = vendor.settings[0]
    assert settings["max_retries"] == 0  # one layer of retries: ours
    assert (settings["max_tokens"], settings["stop_sequences"]) == (5, ["x"])
    assert (settings["seed"], settings["top_p"]) == (request.draw, 0.5)
    parts = [[part.part_kind for part in message.parts] for message in vendor.messages[0]]
    assert parts == [["system-prompt", "user-prompt"], ["text"], ["user-prompt"]]
    assert vendor.schemas[1].json_schema == schema
    assert second.attempts == 1


def http(status: int, **kw: Any) -> exceptions.ModelHTTPError:
    return exceptions.ModelHTTPError(status, "m", {"error": {"message": "no"}}, **kw)


def test_busy_vendors_are_asked_again_after_the_time_they_name() -> None:
    vendor = Vendor(http(429, headers={"retry-after": "7"}), http(503), http(500))
    reply = vendor.ask()
    assert (reply.text, reply.attempts, reply.unclear) == ("hello", 4, 0)
    assert vendor.time.slept[0] == 7.0


@pytest.mark.parametrize(
    ("fault", "error", "unclear"),
    [
        (exceptions.ModelConnectionError("m", "broke", phase="read"), ModelUnavailable, 1),
        (exceptions.UnexpectedModelBehavior("garbage", "<html>"), BadReply, 1),
        (exceptions.ContentFilterError("filtered"), ModelRefused, 0),
        (http(401), ModelUnavailable, 0),
        (http(404), ModelUnavailable, 0),
        (http(400), BadRequest, 0),
        (http(504), ModelUnavailable, 1),
        (ModelResponse([], finish_reason="stop"), BadReply, 0),
        (ModelResponse([TextPart("no")], finish_reason="content_filter"), ModelRefused, 0),
    ],
)
def test_faults_are_typed_and_nothing_is_paid_twice(
    fault: Any, error: type[Exception], unclear: int
) -> None:
    vendor = Vendor(fault)
    reply = vendor.ask()
    assert type(reply.error) is error
    assert (reply.attempts, reply.unclear) == (1, unclear)
    assert len(vendor.settings) == 1


def test_an_unsent_request_is_sent_again() -> None:
    vendor = Vendor(exceptions.ModelConnectionError("m", "refused", phase="connect"))
    assert vendor.ask().attempts == 2


def test_deadlines_cancel() -> None:
    cancelled: list[bool] = []
    time = FakeTime()

    async def hang(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        time.advance(60.0)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        raise AssertionError

    timing = Timing(clock=time.clock, sleep=time.sleep, later=time.later)
    model = Providers(FunctionModel(hang), traffic=SharedTraffic(timing=timing), timeout=60.0)
    (reply,) = asyncio.run(model.generate([user("hi")]))
    assert isinstance(reply.error, ModelTimeout)
    assert cancelled == [True]


def test_truncation_is_told_and_scores_are_refused() -> None:
    cut = ModelResponse([TextPart('{"a": ')], finish_reason="length")
    assert Vendor(cut).ask().finish == "length"
    with pytest.raises(CapabilityError, match="does not score"):
        asyncio.run(Vendor().model().score([user("q")], [["a", "b"]]))


def test_settings_are_part_of_the_identity_but_headers_are_secret() -> None:
    plain, tuned = (
        Vendor().model(settings={**more, "extra_headers": {"x-key": "sk-secret"}})
        for more in ({}, {"top_p": 0.5})
    )
    assert plain.identity != tuned.identity
    assert "secret" not in repr(tuned.identity)


def test_unknown_vendors_are_refused() -> None:
    with pytest.raises(ModelUnavailable, match="vendor:model"):
        Providers("nobody:nothing")


def test_it_conforms() -> None:
    report = asyncio.run(check_model(Vendor().model(schema=False)))
    report.demand()
    assert {c.state for c in report.checks} == {"passed", "skipped"}


def test_a_vendor_client_on_a_real_socket_neither_retries_nor_pays_twice() -> None:
    pytest.importorskip("openai", reason="needs the extra 'endpoint'")
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    plans = {"a": ["429"], "b": ["cut"], "c": [], "d": ["garbage"], "e": ["refusal"]}
    servers = []
    provider = OpenAIProvider(base_url="http://127.0.0.1:1/v1", api_key="none")
    time = FakeTime()
    timing = Timing(clock=time.clock, sleep=time.sleep, later=time.later)
    model = Providers(
        OpenAIChatModel("good", provider=provider), traffic=SharedTraffic(timing=timing)
    )

    async def main(plans: dict[str, list[str]]) -> list[Reply]:
        async with FaultyServer(plans) as server:
            servers.append(server)
            await model._enter()
            provider.client.base_url = server.url
            replies = await model.generate([user(name) for name in plans])
            await model.close()
            return replies

    replies = asyncio.run(main(plans))
    assert [reply.text for reply in replies[:3]] == ["echo: a", "", "echo: c"]
    assert [reply.attempts for reply in replies] == [2, 1, 1, 1, 1]
    assert [reply.unclear for reply in replies[:4]] == [0, 1, 0, 1]
    assert isinstance(replies[4].error, ModelRefused)
    assert dict(servers[0].billed) == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}
    (again,) = asyncio.run(main({"f": []}))  # in another event loop
    assert again.text == "echo: f"
