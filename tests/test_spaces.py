"""Action spaces: what is valid, what is invalid, and what is no answer at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from populace import (
    Answers,
    Call,
    Choice,
    Number,
    Outcome,
    Pick,
    Population,
    Record,
    Text,
    ToolCall,
)
from populace.errors import AnswerError, SpaceError
from populace.kernel.answers import settle


def checked(space: Any, raw: Any, n: int) -> tuple[Any, list[bool]]:
    values, valid = space.check(raw, n)
    return values, [True] * n if valid is None else valid.tolist()


@pytest.mark.parametrize(
    ("raw", "values", "valid"),
    [
        ([0, 1, 2], [0, 1, 2], [1, 1, 1]),
        ([0, 3, -1], [0, 0, 0], [1, 0, 0]),
        (["a", "c", "x"], [0, 2, 0], [1, 1, 0]),
        ([True, False, True], [1, 0, 1], [1, 1, 1]),
        ([0.0, 2.0, 1.5], [0, 2, 0], [1, 1, 0]),
        ([np.nan, np.inf, 1], [0, 0, 1], [0, 0, 1]),
        ("b", [1, 1, 1], [1, 1, 1]),
        (2, [2, 2, 2], [1, 1, 1]),
        (np.array(["a", None, 2], dtype=object), [0, 0, 2], [1, 0, 1]),
    ],
)
def test_choice(raw: Any, values: list[int], valid: list[int]) -> None:
    got, good = checked(Choice(["a", "b", "c"]), raw, 3)
    assert got.dtype == np.uint8
    assert got.tolist() == values
    assert good == [bool(v) for v in valid]


@given(
    hnp.arrays(np.int64, st.integers(0, 20), elements=st.integers(-300, 700)), st.integers(1, 400)
)
def test_choice_accepts_exactly_the_indices(raw: np.ndarray, k: int) -> None:
    values, valid = checked(Choice([str(i) for i in range(k)]), raw, len(raw))
    assert valid == ((raw >= 0) & (raw < k)).tolist()
    np.testing.assert_array_equal(values[np.array(valid, bool)], raw[np.array(valid, bool)])


def test_number_bounds_may_differ_by_agent_and_follow_a_part() -> None:
    space = Number(0, np.array([1.0, 2.0, 3.0]))
    assert checked(space, [1, 3, 3], 3)[1] == [True, False, True]
    assert checked(space.part(np.array([2, 0])), [3, 3], 2)[1] == [True, False]
    assert checked(Number(), [np.nan, np.inf, 1e300], 3)[1] == [False, False, True]
    values, valid = checked(Number(0, 9, integer=True), [1.0, 2.5, 9], 3)
    assert values.dtype == np.int64
    assert valid == [True, False, True]
    assert checked(Number(), np.array([1, "x", None], dtype=object), 3)[1] == [True, False, False]


def test_text_record_pick_call() -> None:
    assert checked(Text(3), ["abc", "abcd", None], 3)[1] == [True, False, False]
    offer = Record(price=Number(0, 10), word=Text(5))
    values, valid = checked(offer, {"price": [1, 11], "word": "hi"}, 2)
    assert valid == [True, False]
    assert values["word"].tolist() == ["hi", "hi"]
    rows = [{"price": 2, "word": "yes"}, {"price": 3}, "no record"]
    assert checked(offer, rows, 3)[1] == [True, False, False]
    people = Population(6)
    assert checked(Pick(people[[2, 5]]), [5, 3], 2)[1] == [True, False]
    own = Pick(np.array([[1, 2, -1], [4, 5, 6]]))
    assert checked(own, [2, 2], 2)[1] == [True, False]
    assert checked(own, [-1, 6], 2)[1] == [False, True]
    assert checked(own.part(np.array([1])), [4], 1)[1] == [True]
    assert checked(Pick(9, count=2), [[0, 8], [3, 3]], 2)[1] == [True, False]
    tools = Call({"move": Record(steps=Number(0, 3, integer=True)), "wait": Record(t=Number())})
    raw = [
        ToolCall("move", {"steps": 2}),
        {"name": "wait", "arguments": {"t": 1}},
        ("move", 1),
        None,
    ]
    values, valid = checked(tools, raw, 4)
    assert valid == [True, True, False, False]
    assert tools.label(values)[0] == 'move({"steps": 2})'


@pytest.mark.parametrize(
    ("space", "raw"),
    [
        (Choice(["a"]), [0, 0]),
        (Choice(["a"]), None),
        (Choice(["a"]), np.zeros((3, 2))),
        (Number(), ["x", "y", "z"]),
        (Number(0, np.ones(2)), [0, 0, 0]),
        (Record(a=Number()), {"b": [1, 2, 3]}),
        (Pick(3), [0.5, 1.5, 2.5]),
        (Pick(np.ones((2, 2))), [1, 1, 1]),
    ],
)
def test_a_wrong_shape_or_type_is_an_error(space: Any, raw: Any) -> None:
    with pytest.raises(AnswerError):
        settle(raw, space, 3, "policy 'x'")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Choice([]),
        lambda: Choice("ab"),
        lambda: Choice(["a", "a"]),
        lambda: Number(2, 1),
        lambda: Number(np.nan, 1),
        lambda: Text(0),
        lambda: Record(),
        lambda: Record(a=3),  # type: ignore[arg-type]
        lambda: Pick(0),
        lambda: Pick(3, count=4),
        lambda: Call({}),
        lambda: Choice(["a", "b"]).default("c", 2),
        lambda: Record(a=Number()).default({"b": 1}, 2),
    ],
)
def test_an_impossible_space_is_refused(make: Any) -> None:
    with pytest.raises(SpaceError):
        make()


def test_invalid_values_become_outcomes_and_abstentions_stay() -> None:
    raw = Answers([0, 7, 1, 9], [Outcome.ACTED, Outcome.ACTED, Outcome.ABSTAINED, Outcome.TIMEOUT])
    _, outcome = settle(raw, Choice(["a", "b"]), 4, "")
    assert outcome.tolist() == [
        Outcome.ACTED,
        Outcome.INVALID,
        Outcome.ABSTAINED,
        Outcome.TIMEOUT,
    ]
    _, outcome = settle(Answers(None, Outcome.FAILED), Number(), 2, "")
    assert outcome.tolist() == [Outcome.FAILED] * 2
    with pytest.raises(AnswerError, match="3 outcomes"):
        settle(Answers([0, 0, 0], [0, 0]), Choice(["a"]), 3, "")
    with pytest.raises(AnswerError, match=r"populace\.Outcome"):
        settle(Answers([0], [99]), Choice(["a"]), 1, "")
