"""Endpoints against a real server on loopback that fails in every way it can."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

pytest.importorskip("openai", reason="needs the extra 'endpoint'")

from populace.language.aimd import Window
from populace.language.conformance import check_model
from populace.language.delivery import Retry
from populace.language.endpoint import Endpoint
from populace.language.errors import (
    BadReply,
    BadRequest,
    CapabilityError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)
from populace.language.model import LanguageModel, Message, Reply, Request, user
from populace.language.opening import open_model
from populace.language.ratelimit import Rate
from populace.language.traffic import SharedTraffic, Timing

from .model_server import FakeTime, FaultyServer

T = TypeVar("T")


def on(
    server: FaultyServer, time: FakeTime, model: str = "good", rate: Rate | None = None, **kw: Any
) -> Endpoint:
    """Return an endpoint on `server` that lives in fake time, without jitter."""
    timing = Timing(clock=time.clock, sleep=time.sleep, later=time.later)
    rates = {server.url: rate} if rate else None
    traffic = kw.pop("traffic", None) or SharedTraffic(rates, timing=timing)
    kw.setdefault("jitter", lambda: 0.5)
    return Endpoint(server.url, model, traffic=traffic, now=time.clock, **kw)


def run(
    plans: dict[str, list[str]], what: Callable[[FaultyServer, FakeTime], Awaitable[T]]
) -> tuple[T, FaultyServer, FakeTime]:
    time = FakeTime()

    async def main() -> tuple[T, FaultyServer]:
        async with FaultyServer(plans) as server:
            return await what(server, time), server

    result, server = asyncio.run(main())
    return result, server, time


def ask(plans: dict[str, list[str]], *names: str, **kw: Any) -> tuple[list[Reply], Any, FakeTime]:
    async def go(server: FaultyServer, time: FakeTime) -> list[Reply]:
        server.hanging = lambda name: time.advance(120.0)
        endpoint = on(server, time, **kw)
        replies = await endpoint.generate([user(name, max_tokens=8) for name in names])
        if any(plan[:1] == ["hang"] for plan in plans.values()):
            await server.hung_up.wait()
        await endpoint.close()
        return replies

    return run(plans, go)


def test_a_reply_carries_text_tokens_model_and_fingerprint() -> None:
    (reply,), server, _ = ask({}, "a")
    assert reply.text == "echo: a"
    assert (reply.finish, reply.tokens_in, reply.tokens_out) == ("stop", 7, 3)
    assert (reply.model, reply.attempts, reply.unclear) == ("good", 1, 0)
    assert reply.detail == {"fingerprint": "fp"}
    assert server.bodies[0]["max_tokens"] == 8


def test_busy_servers_are_asked_again_after_the_time_they_name() -> None:
    (reply,), server, time = ask({"a": ["429 7", "503 2", "500"]}, "a")
    assert reply.text == "echo: a"
    assert (reply.attempts, reply.unclear) == (4, 0)
    # asked + jitter * min(longest, first * 2**(k-1)) with first = 0.5, jitter = 0.5
    assert time.slept == [7.25, 2.5, 1.0]
    assert server.billed["a"] == 1
    assert len(set(server.keys["a"])) == 1
    assert server.keys["a"][0]


def test_retry_after_may_be_a_date_or_milliseconds() -> None:
    from populace.language.delivery import retry_after

    now = lambda: 784111770.0  # noqa: E731  (seven seconds before the date of RFC 9110)
    assert retry_after({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, now) == 7.0
    assert retry_after({"retry-after": "Sun, 06 Nov 1993 08:49:37 GMT"}, now) == 0.0
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}, now) == 1.5
    assert retry_after({"retry-after": "soon"}, now) is None
    assert retry_after({"retry-after": "nan"}, now) is None


def test_a_pause_holds_for_everyone_who_sends_to_that_machine() -> None:
    async def go(server: FaultyServer, time: FakeTime) -> list[float]:
        timing = Timing(clock=time.clock, sleep=time.sleep, later=time.later)
        traffic = SharedTraffic(timing=timing)
        one, two = on(server, time, traffic=traffic), on(server, time, "other", traffic=traffic)
        await one.generate([user("a")])
        traffic.at(server.url).limit.pause(9.0)
        time.slept.clear()
        await two.generate([user("b")])
        await one.close()
        await two.close()
        return time.slept

    slept, _, _ = run({}, go)
    assert slept == [9.0]


def test_patience_has_an_end() -> None:
    (reply,), server, time = ask({"a": ["429 4000"]}, "a")
    assert isinstance(reply.error, ModelUnavailable)
    assert "4000 s" in str(reply.error)
    assert time.slept == []
    assert server.sent["a"] == 1


@pytest.mark.parametrize("fault", ["cut", "garbage", "empty", "notjson", "502", "504"])
def test_what_may_have_been_billed_is_not_sent_again(fault: str) -> None:
    (reply,), server, _ = ask({"a": [fault]}, "a")
    assert isinstance(reply.error, BadReply | ModelUnavailable)
    assert reply.error.outcome == "failed"
    assert (reply.attempts, reply.unclear) == (1, 1)
    assert server.sent["a"] == 1


def test_it_is_sent_again_on_request_under_the_same_key() -> None:
    (reply,), server, _ = ask({"a": ["cut", "empty"]}, "a", retry=Retry(unclear=True))
    assert reply.text == "echo: a"
    assert (reply.attempts, reply.unclear) == (3, 2)
    assert len(set(server.keys["a"])) == 1


def test_a_hanging_server_is_left_when_the_time_is_up() -> None:
    (reply,), server, _ = ask({"a": ["hang"]}, "a", timeout=60.0)
    assert isinstance(reply.error, ModelTimeout)
    assert reply.error.outcome == "timeout"
    assert (reply.attempts, reply.unclear) == (1, 1)
    assert server.gone == {"a"}  # the server saw the connection close: the work was cancelled


def test_a_deadline_covers_waits_and_attempts() -> None:
    plan = {"a": ["429 5"] * 10}
    (reply,), server, _ = ask(plan, "a", deadline=12.0, retry=Retry(attempts=20))
    assert isinstance(reply.error, ModelTimeout)
    assert (reply.attempts, reply.unclear) == (3, 0)  # sent at 0, 5.25 and 10.75 seconds
    assert server.billed["a"] == 0


def test_a_cancelled_call_cancels_its_requests() -> None:
    async def go(server: FaultyServer, time: FakeTime) -> tuple[int, int]:
        endpoint = on(server, time)
        begun = asyncio.Event()
        server.hanging = lambda name: begun.set()
        task = asyncio.create_task(endpoint.generate([user("a")]))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.hung_up.wait()
        gate = endpoint._delivery.traffic.gate
        await endpoint.close()
        return gate.in_flight, gate.waiting

    assert run({"a": ["hang"]}, go)[0] == (0, 0)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refusal", ModelRefused),
        ("filtered", ModelRefused),
        ("blank", BadReply),
        ("nochoice", BadReply),
        ("401", ModelUnavailable),
        ("404", ModelUnavailable),
        ("402", ModelUnavailable),
        ("400", BadRequest),
        ("413", BadRequest),
    ],
)
def test_no_answer_is_an_error_of_its_type_and_is_asked_once(
    fault: str, error: type[Exception]
) -> None:
    (reply,), server, _ = ask({"a": [fault]}, "a")
    assert type(reply.error) is error
    assert server.sent["a"] == 1
    assert reply.attempts == 1
    assert reply.unclear == 0
    if not fault.isdigit():
        assert (reply.tokens_in, reply.tokens_out) == (7, 3)  # billed, and said so
    if fault == "refusal":
        assert (reply.finish, reply.text) == ("refusal", "I will not.")


def test_a_wrong_model_name_is_said_with_how_to_mend_it() -> None:
    (reply,), _, _ = ask({}, "a", model="gud")
    assert isinstance(reply.error, ModelUnavailable)
    assert "no model 'gud'" in str(reply.error)
    assert "has a model 'gud'" in reply.error.mend


def test_truncated_json_is_kept_and_named() -> None:
    (reply,), server, _ = ask({"a": ["truncated"]}, "a")
    assert reply.error is None
    assert (reply.finish, reply.text) == ("length", '{"answer": 4')
    with pytest.raises(BadReply, match="cut off at max_tokens"):
        reply.json()
    assert server.sent["a"] == 1


def test_no_answer_is_lost_and_none_billed_twice() -> None:
    faults = ["429 1", "429", "500", "503 2", "hang", "cut", "garbage", "empty", "refusal"]
    faults += ["truncated", "blank", "nochoice", "filtered", "502", "400", "notjson"]
    plans = {}
    for i in range(160):
        # up to three faults in a row, every fault in every place
        plans[f"q{i}"] = [faults[(i // 16**k + k * i) % 16] for k in range(i % 4)]
    copies = {name: list(steps) for name, steps in plans.items()}

    async def go(server: FaultyServer, time: FakeTime) -> list[Reply]:
        hanging: list[str] = []
        changed = asyncio.Event()

        def hangs(name: str) -> None:
            hanging.append(name)
            changed.set()

        server.hanging = hangs
        timing = Timing(clock=time.clock, sleep=time.sleep, later=time.later)
        traffic = SharedTraffic(window=Window(size=160.0, low=160.0), timing=timing)
        endpoint = on(server, time, traffic=traffic, timeout=500.0, deadline=None)
        calls = [
            asyncio.create_task(endpoint.generate([user(name, max_tokens=4)])) for name in plans
        ]
        for call in calls:
            call.add_done_callback(lambda _: changed.set())
        while sum(not call.done() for call in calls) > len(hanging):
            await changed.wait()
            changed.clear()
        time.advance(500.0)  # only those that hang are left
        replies = [(await call)[0] for call in calls]
        await endpoint.close()
        return replies

    replies, server, _ = run(plans, go)
    safe = {"429", "500", "503"}
    seen = set()
    for name, reply in zip(copies, replies, strict=True):
        steps = [step.split()[0] for step in copies[name]]
        ends = next((step for step in steps if step not in safe), "good")
        seen.add(ends)
        assert server.billed[name] <= 1, (name, steps)
        assert server.sent[name] == reply.attempts, (name, steps)
        if ends == "good":
            assert reply.text == f"echo: {name}", (name, steps, reply.error)
        elif ends == "truncated":
            assert reply.finish == "length"
        else:
            assert reply.error is not None, (name, steps)
        if server.billed[name] and reply.error is not None:  # paid for, and it says so
            assert reply.unclear == 1 or reply.tokens_out == 3, (name, steps)
    assert seen == {fault.split()[0] for fault in faults} - safe | {"good"}


def test_concurrency_is_halved_by_complaints_and_grows_with_answers() -> None:
    async def go(server: FaultyServer, time: FakeTime) -> tuple[float, float, int]:
        timing = Timing(clock=time.clock, sleep=time.sleep, later=time.later)
        traffic = SharedTraffic(window=Window(size=8.0), timing=timing)
        endpoint = on(server, time, traffic=traffic, retry=Retry(attempts=50))
        gate = traffic.at(server.url).gate
        server.barrier = asyncio.Barrier(8)  # all eight are in flight when the first is answered
        await endpoint.generate([user(f"b{i}") for i in range(8)])
        grown = gate.window.size
        server.barrier = None
        server.plans = {f"c{i}": ["429"] for i in range(8)}
        await endpoint.generate([user(f"c{i}") for i in range(8)])
        shrunk = gate.window.size
        await endpoint.close()
        return grown, shrunk, server.peak

    (grown, shrunk, peak), _, _ = run({}, go)
    size = 8.0
    for in_flight in range(8, 0, -1):  # grows while at least half of the window is in use
        if 2 * in_flight >= int(size):
            size += 1 / size
    assert grown == pytest.approx(size)
    assert shrunk < grown
    assert peak == 8


def test_rates_are_kept_by_all_models_of_one_machine() -> None:
    async def go(server: FaultyServer, time: FakeTime) -> float:
        timing = Timing(clock=time.clock, sleep=time.sleep, later=time.later)
        rate = Rate(requests=60.0, burst_seconds=1.0)
        traffic = SharedTraffic({server.url: rate}, timing=timing)
        models = [on(server, time, traffic=traffic, deadline=None) for _ in range(2)]
        start = time.now
        for i in range(6):
            await models[i % 2].generate([user(f"q{i}")])
        for model in models:
            await model.close()
        return time.now - start

    elapsed, server, _ = run({}, go)
    assert elapsed == pytest.approx(5.0)  # one at once, then one a second
    assert server.sent.total() == 6


def test_token_rates_settle_on_what_was_used() -> None:
    async def go(server: FaultyServer, time: FakeTime) -> float:
        endpoint = on(server, time, rate=Rate(tokens=6000.0, burst_seconds=10.0), deadline=None)
        start = time.now
        for i in range(80):  # each is bounded by 64 + 16 + 3 + 100 tokens, and uses 10
            await endpoint.generate([user(f"q{i}", max_tokens=100)])
        await endpoint.close()
        return time.now - start

    elapsed, _, _ = run({}, go)
    # 80 * 10 tokens and the bound of one more fit into the burst of 1000; unsettled, five would
    assert elapsed == 0.0


def top(**logprobs: float) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": math.log(p)} for token, p in logprobs.items()]


def score(tops: list[dict[str, Any]], choices: list[str], **kw: Any) -> Any:
    async def go(server: FaultyServer, time: FakeTime) -> Any:
        server.tops = tops
        endpoint = on(server, time, top_logprobs=20, **kw)
        (scores,) = await endpoint.score([user("q")], [choices])
        await endpoint.close()
        return scores

    return run({}, go)[0]


def test_scores_are_read_off_the_likeliest_tokens() -> None:
    tops = [*top(A=0.4, B=0.2, Well=0.1), {"token": " A", "logprob": math.log(0.2)}]
    scores = score(tops, ["A", "B"])
    assert scores.probabilities == pytest.approx((0.75, 0.25))
    assert scores.mass == pytest.approx(0.8)
    assert (scores.slack, scores.tokens_in) == (0.0, 7)


def test_a_choice_that_is_not_reported_has_a_bounded_share() -> None:
    scores = score(top(A=0.9, B=0.0999, x=0.00005), ["A", "B", "C"])
    assert scores.logprobs[2] == -math.inf
    left = 1 - 0.9 - 0.0999 - 0.00005
    assert scores.slack == pytest.approx(left / (0.9999 + left), rel=1e-6)
    wide = score(top(A=0.5, x=0.1), ["A", "B"])
    assert isinstance(wide.error, BadReply)
    assert "'B'" in str(wide.error)
    assert wide.error.attempts == 1


def test_scores_that_cannot_be_told_are_errors() -> None:
    shared = score(top(go=0.9), ["go out", "go home"])
    assert "begins 'go out' and 'go home'" in str(shared.error)
    none = score([], ["A", "B"])
    assert "expected top_logprobs" in str(none.error)


def test_what_is_not_offered_is_refused_before_it_is_sent() -> None:
    async def go(server: FaultyServer, time: FakeTime) -> None:
        endpoint = on(server, time, structured="none")
        with pytest.raises(CapabilityError, match="does not score"):
            await endpoint.score([user("q")], [["A", "B"]])
        with pytest.raises(CapabilityError, match="JSON schema"):
            await endpoint.generate([user("q", schema={"type": "object"})])
        with pytest.raises(CapabilityError, match="bare text"):
            await endpoint.generate([Request(messages=(Message("text", "Hi"),))])

    _, server, _ = run({}, go)
    assert server.sent.total() == 0


def test_requests_are_sent_as_asked() -> None:
    async def go(server: FaultyServer, time: FakeTime) -> None:
        schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
        endpoint = on(server, time, limit="max_completion_tokens", extra={"top_k": 3})
        request = user("q", schema=schema, stop=("\n",), temperature=0.25, max_tokens=9, sample=2)
        await endpoint.generate([request, user("q", sample=3)])
        await endpoint.close()
        body, other = server.bodies
        assert body["response_format"]["json_schema"]["schema"] == schema
        assert (body["stop"], body["temperature"], body["top_k"]) == (["\n"], 0.25, 3)
        assert body["max_completion_tokens"] == 9
        assert body["seed"] == request.draw != other["seed"]

    run({}, go)


def test_a_dead_server_is_tried_again_and_nothing_is_unclear() -> None:
    async def go() -> Reply:
        time = FakeTime()
        async with FaultyServer() as server:
            endpoint = on(server, time, retry=Retry(attempts=3))
        (reply,) = await endpoint.generate([user("a")])
        await endpoint.close()
        return reply

    reply = asyncio.run(go())
    assert isinstance(reply.error, ModelUnavailable)
    assert "no connection" in str(reply.error)
    assert (reply.attempts, reply.unclear) == (3, 0)


def test_secrets_stay_out_of_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-secret")
    endpoint = Endpoint("https://me:hunter2@example.com/v1/", "m", key="SOME_KEY")
    assert endpoint.identity.endpoint == "https://example.com/v1"
    assert "hunter2" not in repr(endpoint.identity)
    assert "secret" not in repr(vars(endpoint))
    with pytest.raises(ModelUnavailable, match="address"):
        Endpoint("example.com", "m")


def test_one_endpoint_serves_event_loops_one_after_the_other() -> None:
    async def go(endpoint: Endpoint | None) -> tuple[Endpoint, Reply]:
        async with FaultyServer() as server:
            model = endpoint or on(server, FakeTime())
            model.url = server.url  # the same machine on another port
            (reply,) = await model.generate([user("a")])
            await model.close()
            return model, reply

    endpoint, first = asyncio.run(go(None))
    _, second = asyncio.run(go(endpoint))
    assert first.text == second.text == "echo: a"


def test_it_conforms_and_lists_its_models() -> None:
    async def go(server: FaultyServer, time: FakeTime) -> list[str]:
        server.tops = top(A=0.5, B=0.3, C=0.2)
        model: LanguageModel = open_model(
            f"{server.url}#good", top_logprobs=5, structured="none", seed=False
        )
        report = await check_model(model)
        state = {check.name: check.state for check in report.checks}
        assert [c for c in report.failed if c.name != "limits hold"] == []
        assert state["schemas hold"] == "skipped"
        assert state["limits hold"] == "failed"  # this server ignores stop strings: it is told on
        endpoint = on(server, time)
        names = await endpoint.models()
        await endpoint.close()
        return names

    assert run({}, go)[0] == ["good", "other"]


def test_a_thousand_requests_at_once_all_come_back() -> None:
    names = [f"q{i}" for i in range(1000)]
    plans = {name: ["429"] for name in names[::10]}

    async def go(server: FaultyServer, time: FakeTime) -> list[Reply]:
        endpoint = on(server, time, deadline=None)
        replies = await endpoint.generate([user(name) for name in names])
        await endpoint.close()
        return replies

    replies, server, _ = run(plans, go)
    assert [reply.text for reply in replies] == [f"echo: {name}" for name in names]
    assert server.billed.total() == 1000
