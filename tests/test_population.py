"""Populations: columns, ids that are never reused, births and deaths against a plain model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from populace import Population
from populace.errors import PopulationError


def test_columns_are_declared_by_dtype_default_or_array() -> None:
    people = Population(3, age=[30, 41, 7], sick=bool, wealth=(np.float32, 2.5), place=np.eye(3))
    assert people.columns == ("age", "sick", "wealth", "place")
    assert people.sick.dtype == np.bool_
    assert not people.sick.any()
    np.testing.assert_array_equal(people.wealth, np.full(3, 2.5, np.float32))
    assert people.place.shape == (3, 3)
    people.age[people.age > 40] = 0
    people.wealth += 1
    people.sick = [True, False, True]
    np.testing.assert_array_equal(people.age, [30, 0, 7])
    np.testing.assert_array_equal(people["wealth"], [3.5] * 3)
    np.testing.assert_array_equal(people[people.sick].ids, [0, 2])


def test_a_part_gathers_scatters_and_selects_further() -> None:
    people = Population(5, x=np.arange(5.0))
    part = people[[3, 1, 4]]
    np.testing.assert_array_equal(part["x"], [3, 1, 4])
    part["x"] = [30, 10, 40]
    np.testing.assert_array_equal(people.x, [0, 10, 2, 30, 40])
    np.testing.assert_array_equal(part[part["x"] > 20].ids, [3, 4])
    np.testing.assert_array_equal(part[1].ids, [1])
    np.testing.assert_array_equal(part[-1:].ids, [4])
    np.testing.assert_array_equal(people.everyone[np.array([4, -1])].rows, [4, 4])
    with pytest.raises(IndexError):
        people.everyone[np.array([0, 5])]
    gathered = people.everyone["x"]
    gathered[:] = -1
    assert people.x[0] == 0, "gathering copies"


def test_growth_keeps_values_and_newborns_take_defaults() -> None:
    people = Population(2, x=np.array([1, 2]), y=(np.int8, 7))
    born = people.add(5, x=np.arange(5) * 10)
    np.testing.assert_array_equal(people.x, [1, 2, 0, 10, 20, 30, 40])
    np.testing.assert_array_equal(people.y, np.full(7, 7))
    np.testing.assert_array_equal(born.ids, np.arange(2, 7))


def test_freed_rows_are_used_again_before_new_ones() -> None:
    people = Population(10, x=(int, 4))
    people.x[:] = 9
    people.remove([2, 7])
    born = people.add(3)
    np.testing.assert_array_equal(born.rows, [2, 7, 10])
    np.testing.assert_array_equal(born.ids, [10, 11, 12])
    np.testing.assert_array_equal(born["x"], [4, 4, 4])
    assert people.rows == 11


def test_a_part_knows_who_died_since() -> None:
    people = Population(4, x=int)
    everyone = people.everyone
    people.remove([1])
    assert len(everyone) == 4
    np.testing.assert_array_equal(everyone.living.ids, [0, 2, 3])
    assert people.everyone.living is people.everyone


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Population(-1), "number of agents"),
        (lambda: Population(2.5), "number of agents"),  # type: ignore[arg-type]
        (lambda: Population(2, ids=int), "cannot name a column"),
        (lambda: Population(2, x=[1, 2, 3]), "3 values for 2 rows"),
        (lambda: Population(2, x=object), "Python objects"),
        (lambda: Population(2, x=3.5), "declared as 3.5"),
        (lambda: Population(2, x=(np.uint8, 300)), "column 'x'"),
        (lambda: Population(2)["x"], "no column 'x'"),
        (lambda: Population(2)[[0, 0]], "selected twice"),
        (lambda: Population(2)[[2]], r"rows must lie in 0\.\.1"),
        (lambda: Population(2)[[True]], "mask of 2 rows"),
        (lambda: Population(2).part([5]), "no living agent has id 5"),
        (lambda: Population(2, age=int).add(1, agee=3), "did you mean 'age'"),
        (lambda: Population(2).remove(Population(2)[[0]]), "another population"),
        (lambda: setattr(Population(2, age=int), "agee", 3), "did you mean 'age'"),
    ],
)
def test_bad_use_is_a_typed_error(make: Any, told: str) -> None:
    with pytest.raises(PopulationError, match=told):
        make()


def test_the_dead_cannot_be_selected_or_removed_again() -> None:
    people = Population(3, x=int)
    zero, two = people[[0]], people[[2]]
    people.remove([1])
    with pytest.raises(PopulationError, match="row 1 holds no living agent"):
        people[[1]]
    people.remove(zero)
    with pytest.raises(PopulationError, match="dead already"):
        people.remove(zero)
    np.testing.assert_array_equal(two.living.ids, [2])
    np.testing.assert_array_equal(people[people.x == 0].ids, [2])  # a mask leaves the dead out
    with pytest.raises(AttributeError, match="no column 'y'"):
        _ = people.y


class AgainstAModel(RuleBasedStateMachine):
    """Births and deaths in any order agree with a dict from id to value."""

    def __init__(self) -> None:
        super().__init__()
        self.people = Population(3, value=np.array([0, 1, 2]))
        self.model = {0: 0, 1: 1, 2: 2}
        self.ever = 3

    @rule(n=st.integers(0, 6), value=st.integers(-5, 5))
    def births(self, n: int, value: int) -> None:
        born = self.people.add(n, value=value)
        assert sorted(born.ids.tolist()) == list(range(self.ever, self.ever + n))
        self.model |= dict.fromkeys(born.ids.tolist(), value)
        self.ever += n

    @rule(data=st.data())
    def deaths(self, data: st.DataObject) -> None:
        if not self.model:
            return
        ids = data.draw(st.lists(st.sampled_from(sorted(self.model)), unique=True))
        self.people.remove(self.people.part(ids))
        for one in ids:
            del self.model[one]

    @invariant()
    def same_as_the_model(self) -> None:
        people = self.people
        everyone = people.everyone
        assert len(people) == len(self.model) == len(everyone)
        assert (
            dict(zip(everyone.ids.tolist(), everyone["value"].tolist(), strict=True)) == self.model
        )
        assert people.rows <= self.ever
        ids = sorted(self.model)
        np.testing.assert_array_equal(people.part(ids).ids, ids)
        high = people[people.value > 0]
        assert sorted(high.ids.tolist()) == sorted(i for i, v in self.model.items() if v > 0)


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
