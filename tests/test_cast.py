"""Who acts is data: shares, assignment, births, reassignment during a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Cast, Minds, Number, Population, Simulation, Streams
from populace.errors import CastError
from populace.kernel.grouping import positions_by_code
from tests.worlds import Scripted


def zero(o: Any) -> int:
    return 0


@settings(deadline=None)
@given(
    st.integers(1, 300),
    st.lists(st.floats(0, 10), min_size=1, max_size=6).filter(lambda s: sum(s) > 0.01),
    st.integers(0, 2**64 - 1),
)
def test_shares_are_exact_to_one_agent(n: int, shares: list[float], seed: int) -> None:
    names = [f"p{i}" for i in range(len(shares))]
    cast = Cast(dict.fromkeys(names, zero), shares=dict(zip(names, shares, strict=True)))
    cast.bind(Population(n, "people"), Streams(seed))
    counts = np.array(list(cast.counts().values()))
    assert counts.sum() == n
    assert np.all(np.abs(counts - n * np.array(shares) / sum(shares)) < 1)


def test_shares_are_drawn_and_depend_on_the_seed_alone() -> None:
    def codes(seed: int) -> list[int]:
        cast = Cast({"a": zero, "b": zero}, shares={"a": 1, "b": 1})
        cast.bind(Population(64, "people"), Streams(seed))
        return list(cast.codes)

    assert codes(3) == codes(3) != codes(4)
    assert codes(3) != sorted(codes(3)), "not by row"


def test_assignment_by_mask_rows_and_part_overrides_shares() -> None:
    people = Population(6, "people", age=[1, 2, 3, 4, 5, 6])
    cast = Cast(
        {"a": zero, "b": zero, "c": zero},
        shares={"a": 1},
        assign={"b": np.array([1, 0, 0, 0, 0, 1], bool), "c": [2]},
    )
    cast.assign("c", people[people.age == 4])
    cast.bind(people, Streams(0))
    assert cast.codes.tolist() == [1, 0, 2, 2, 0, 1]


def test_reassignment_during_a_run_is_in_force_at_the_next_ask() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        world.log.append((await minds.ask("wish", world.people, Number())).values.tolist())
        cast.assign("two", world.people[[minds.tick]])

    cast = Cast({"one": lambda o: 1, "two": lambda o: 2}, shares={"one": 1})
    world = Scripted(3, body)
    run = Simulation(world, cast).run(3)
    assert world.log == [[1, 1, 1], [2, 1, 1], [2, 2, 1]]
    assert run.manifest["cast"]["people"]["policies"]["two"]["agents"] == 3


def test_newborns_are_cast_by_the_shares() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        await minds.ask("wish", world.people, Number())
        world.people.remove(world.people.everyone[: len(world.people) // 4])
        world.people.add(1000)

    cast = Cast({"a": zero, "b": zero}, shares={"a": 1, "b": 3})
    world = Scripted(100, body)
    Simulation(world, cast).run(10)
    counts = cast.counts()
    n = sum(counts.values())
    assert n == len(world.people)
    # a binomial share lies within 5 standard deviations but once in 1.7 million runs
    assert abs(counts["a"] - n / 4) < 5 * np.sqrt(n * 3 / 16)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Cast({}), "1 to 254 policies"),
        (lambda: Cast({"a": zero, "b": zero}), "nobody is cast"),
        (lambda: Cast({"a": zero}, shares={"b": 1}), "no policy is named 'b'"),
        (lambda: Cast({"rule": zero}, shares={"rul": 1}), "did you mean 'rule'"),
        (lambda: Cast({"a": zero}, shares={"a": -1}), "at least 0"),
        (lambda: Cast({"a": zero}, shares={"a": float("nan")}), "at least 0"),
        (lambda: Cast({"a": zero}, shares={"a": 0}), "covers nobody"),
        (lambda: Cast({"a": zero}, assign={"b": [0]}), "no policy is named 'b'"),
        (lambda: Cast({"a": 3}), r"has no act\(observation\)"),
        (lambda: Cast({"a": Scripted}), "is the class Scripted itself"),
        (
            lambda: Cast({"a": zero}, assign={"a": [0, 1]}).bind(Population(5, "p"), Streams(0)),
            "3 of 5 agents of 'p' have no policy",
        ),
    ],
)
def test_a_cast_that_covers_nobody_or_names_nothing_is_refused(make: Any, told: str) -> None:
    with pytest.raises(CastError, match=told):
        make()


def test_a_newborn_without_shares_is_an_error() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        world.people.add(1)
        await minds.ask("wish", world.people, Number())

    with pytest.raises(CastError, match="1 newborn agents of 'people' have no policy"):
        Simulation(Scripted(2, body), Cast({"a": zero}, assign={"a": [0, 1]})).run(1)


def test_one_cast_serves_one_population() -> None:
    cast = Cast({"a": zero})
    Simulation(Scripted(2), cast)
    with pytest.raises(CastError, match="serves"):
        Simulation(Scripted(2), cast)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 254), st.integers(0, 2**32 - 1))
def test_the_compiled_split_is_the_plain_one(k: int, seed: int) -> None:
    codes = (Streams(seed).stream("codes").integers(500, 0, k)).astype(np.uint8)
    for code, places in enumerate(positions_by_code(codes, k)):
        np.testing.assert_array_equal(places, np.flatnonzero(codes == code))
