"""Rates, windows and retries as arithmetic, on clocks that tests move."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.kernel.streams import Streams
from populace.language.aimd import Gate, Window
from populace.language.delivery import Retry, jitter_from
from populace.language.ratelimit import Bucket, Rate, RateLimit
from populace.language.traffic import SharedTraffic, Timing, Traffic, address

from .model_server import FakeTime

steps = st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 30)), min_size=1, max_size=40)


@given(steps, st.floats(0.5, 20), st.floats(1, 20))
def test_a_bucket_never_lets_more_through_than_its_rate(
    asked: list[tuple[float, float]], rate: float, burst: float
) -> None:
    bucket, now, sent = Bucket.full(rate, burst, 0.0), 0.0, []
    for pause, units in asked:
        now += pause
        sent.append((now + bucket.take(units, now), units))
    times = [at for at, _ in sent]
    assert times == pytest.approx(sorted(times))  # first come, first served
    # in any window: at most the burst, what flows in, and the debt that one oversize request may
    # leave (it waits for a full bucket, so it is alone at its time)
    for i in range(len(sent)):
        used = 0.0
        for at, units in sent[i:]:
            used += units
            oversize = max(0.0, units - burst)
            assert used - oversize <= burst + rate * (at - sent[i][0]) + 1e-6


def test_a_bucket_gives_back() -> None:
    bucket = Bucket.full(1.0, 10.0, 0.0)
    assert bucket.take(10.0, 0.0) == 0.0
    bucket.give(4.0, 0.0)
    assert bucket.take(4.0, 0.0) == 0.0
    assert bucket.take(1.0, 0.0) == 1.0
    bucket.give(100.0, 0.0)
    assert bucket.level == 10.0  # never above the burst


def test_limits_take_the_longer_wait_and_undo_it() -> None:
    time = FakeTime()
    limit = RateLimit(Rate(requests=60.0, tokens=600.0, burst_seconds=1.0), time.clock)
    assert limit.take(10) == 0.0
    assert limit.take(10) == pytest.approx(1.0)
    limit.give_back(10)
    assert limit.take(30) == pytest.approx(1.0)  # waits for a full bucket of ten, then owes twenty
    assert limit.take(1) == pytest.approx(3.1)
    limit.pause(50.0)
    assert limit.take(0) == 50.0
    with pytest.raises(ValueError, match="above 0"):
        RateLimit(Rate(requests=0.0), time.clock)


@given(st.lists(st.booleans(), max_size=200))
def test_windows_stay_in_their_bounds(answers: list[bool]) -> None:
    window = Window(size=4.0, low=2.0, high=9.0)
    for good in answers:
        before = window
        window = window.grown() if good else window.shrunk(window.epoch)
        assert 2.0 <= window.size <= 9.0
        assert (window.size >= before.size) is good or window.size == before.size


def test_a_gate_admits_in_order_and_forgets_those_who_leave() -> None:
    async def main() -> None:
        gate = Gate(Window(size=2.0))
        entered: list[int] = []

        async def one(i: int) -> int:
            epoch = await gate.enter()
            entered.append(i)
            return epoch

        tasks = [asyncio.create_task(one(i)) for i in range(5)]
        for _ in range(3):
            await asyncio.sleep(0)
        assert (entered, gate.in_flight, gate.waiting) == ([0, 1], 2, 3)
        tasks[2].cancel()
        gate.leave(0, None)
        for _ in range(3):
            await asyncio.sleep(0)
        assert (entered, gate.in_flight, gate.waiting) == ([0, 1, 3], 2, 1)
        gate.leave(0, False)  # down to one: nobody is let in until both have left
        await asyncio.sleep(0)
        assert (gate.window.size, gate.in_flight) == (1.0, 1)
        gate.leave(0, False)  # it was let in before the decrease: no second one
        for _ in range(3):
            await asyncio.sleep(0)
        assert (gate.window.size, gate.window.epoch, entered) == (1.0, 1, [0, 1, 3, 4])
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_one_let_in_and_cancelled_at_once_passes_the_place_on() -> None:
    async def main() -> None:
        gate = Gate(Window(size=1.0))
        epoch = await gate.enter()
        first, second = (asyncio.create_task(gate.enter()) for _ in range(2))
        await asyncio.sleep(0)
        gate.leave(epoch, None)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        assert (gate.in_flight, gate.waiting) == (1, 0)

    asyncio.run(main())


def test_cancelled_waiting_takes_nothing() -> None:
    async def main() -> None:
        time, forever = FakeTime(), asyncio.Event()

        async def sleep(seconds: float) -> None:
            await forever.wait()

        timing = Timing(clock=time.clock, sleep=sleep, later=time.later)
        traffic = Traffic(Rate(requests=60.0, burst_seconds=1.0), None, timing)
        await traffic.enter(1)
        task = asyncio.create_task(traffic.enter(1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert traffic.limit.take(1) == pytest.approx(1.0)  # not two seconds
        assert traffic.gate.in_flight == 1

    asyncio.run(main())


def test_a_pause_that_begins_while_waiting_for_a_place_is_kept() -> None:
    async def main() -> None:
        time = FakeTime()
        timing = Timing(clock=time.clock, sleep=time.sleep, later=time.later)
        traffic = Traffic(None, Window(size=1.0), timing)
        epoch = await traffic.enter(1)
        task = asyncio.create_task(traffic.enter(1))
        await asyncio.sleep(0)
        traffic.limit.pause(5.0)
        traffic.leave(epoch, None, 1, 1)
        await task
        assert time.slept == [5.0]

    asyncio.run(main())


@given(st.integers(1, 30), st.floats(0, 0.999), st.none() | st.floats(0, 100))
def test_waits_lie_between_what_was_asked_and_the_backoff(
    attempt: int, jitter: float, asked: float | None
) -> None:
    retry = Retry(first=0.5, longest=30.0)
    wait = retry.wait(attempt, asked, jitter)
    least = asked or 0.0
    assert least <= wait <= least + min(30.0, 0.5 * 2 ** (attempt - 1))


def test_jitter_is_a_named_stream() -> None:
    one, two = (jitter_from(Streams(5).stream("jitter")) for _ in range(2))
    draws = [one() for _ in range(50)]
    assert draws == [two() for _ in range(50)]
    assert len(set(draws)) == 50
    assert all(0 <= x < 1 for x in draws)
    assert draws != [jitter_from()() for _ in range(50)]


def test_traffic_is_one_for_a_machine() -> None:
    shared = SharedTraffic({"http://Host:80": Rate(requests=5.0)})
    assert shared.at("http://host/v1") is shared.at("http://me:pw@HOST:80/other")
    assert shared.at("http://host/v1").limit.rate.requests == 5.0
    assert shared.at("http://host:81/v1") is not shared.at("http://host/v1")
    assert address("https://h") == "https://h:443"
