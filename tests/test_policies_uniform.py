"""The null model: every answer that is allowed is as likely as any other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from populace import Choice, Number, Pick, Record, Text
from populace.kernel.answers import Outcome
from populace.policies import Uniform
from populace.testing import observe

N = 20_000


def answered(space, n=N):
    return Uniform().act(observe("any", n, space, seed=5))


def even(counts):
    """Not rejected at one in a million by the chi-squared test of equal chances."""
    return stats.chisquare(counts).pvalue > 1e-6


def test_options_are_equally_likely():
    assert even(np.bincount(answered(Choice(["a", "b", "c"])), minlength=3))


def test_whole_numbers_are_equally_likely_within_bounds_of_each_agent():
    low = np.where(np.arange(N) % 2, 0.0, 2.5)
    high = np.where(np.arange(N) % 2, 4.0, 7.9)
    found = answered(Number(low, high, integer=True))
    assert even(np.bincount(found[1::2].astype(int), minlength=5))
    assert set(np.unique(found[::2])) == {3, 4, 5, 6, 7}
    assert even(np.bincount(found[::2].astype(int))[3:])


def test_numbers_are_uniform_between_their_bounds():
    assert stats.kstest(answered(Number(-2, 6)), stats.uniform(-2, 8).cdf).pvalue > 1e-6


def test_fields_of_a_record_are_independent():
    found = answered(Record(act=Choice(["buy", "sell"]), price=Number(1, 10, integer=True)))
    table = np.zeros((2, 10))
    np.add.at(table, (found["act"], found["price"].astype(int) - 1), 1)
    assert even(table.ravel())


@pytest.mark.parametrize("space", [Text(), Pick(np.arange(5)), Number(), Record(a=Number(0))])
def test_it_abstains_where_there_is_no_uniform_answer(space):
    assert answered(space, 3).outcome == Outcome.ABSTAINED


def test_an_agent_draws_the_same_whoever_is_asked_beside_it():
    space = Number(0, 100)
    np.testing.assert_array_equal(answered(space, 50), answered(space, 100)[:50])
