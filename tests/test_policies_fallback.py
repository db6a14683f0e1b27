"""Rule and Fallback as policies: kinds, draws, memory (outcomes in a run: test_exchange)."""

import asyncio

import numpy as np
import pytest

from populace import (
    Answers,
    Choice,
    Fallback,
    Habit,
    Human,
    Outcome,
    Population,
    Rule,
    Simulation,
    Utility,
    World,
)
from populace.errors import CastError
from populace.kernel.overlay import overlay
from populace.kernel.state import capture
from populace.testing import check_policy, observe

YES_NO = Choice(["no", "yes"])


def act(policy, observation):
    return asyncio.run(policy.act(observation))


def unsure(o):
    """Abstains by its first draw."""
    return Answers(0, np.where(o.random.uniform() < 0.5, Outcome.ABSTAINED, Outcome.ACTED))


def test_draws_of_the_fallback_are_independent_of_why_it_is_needed():
    """Those who abstained drew less than 1/2; had `to` the same draw, all of them would go."""
    n = 100_000
    reply = act(Fallback(unsure, to=Utility({"yes": {"1": 0.0}})), observe("go", n, YES_NO))
    lost = reply.outcome == Outcome.FALLBACK
    assert abs(lost.sum() - n / 2) < 6 * np.sqrt(n) / 2
    went = reply.values[lost].mean()
    assert abs(went - 0.5) < 6 * 0.5 / np.sqrt(lost.sum())


def test_a_part_may_draw_independently():
    o = observe("go", 1000, YES_NO)
    rows = np.arange(0, 1000, 3)
    whole, again = o.random.uniform(), o.part(rows).random.uniform()
    np.testing.assert_array_equal(whole[rows], again)
    apart = o.part(rows, draws="apart").random.uniform()
    assert not (apart == again).any()
    np.testing.assert_array_equal(
        apart, o.part(np.arange(1000), draws="apart").random.uniform()[rows]
    )


def test_fallback_keeps_the_rule_of_rows():
    def shown(seed):
        people = Population(31, name="people", age=np.arange(31))
        return [observe("go", people, YES_NO, see=["age"], seed=seed, tick=t) for t in range(4)]

    make = lambda: Fallback(unsure, to=Habit(Rule(lambda o: o["age"] > 9), 0.5))  # noqa: E731
    report = check_policy(make, shown)
    assert report.passed, str(report)


def test_both_keep_their_memory():
    class Counter:
        def __init__(self, n):
            self.n = n

        def act(self, o):
            return 0

    old, new = Fallback(Counter(3), to=Counter(5)), Fallback(Counter(0), to=Counter(0))
    overlay({"policy": new}, capture({"policy": old}))
    assert (new.policy.n, new.to.n) == (3, 5)


def test_a_rule_answers_its_kinds_and_abstains_from_others():
    rule = Rule(go=lambda o: 1)
    assert rule.act(observe("go", 2, YES_NO)) == 1
    assert rule.act(observe("eat", 2, YES_NO)).outcome == Outcome.ABSTAINED
    every = Rule(lambda o: 0, go=lambda o: 1)
    assert (every.act(observe("eat", 2, YES_NO)), every.act(observe("go", 2, YES_NO))) == (0, 1)
    for wrong in (lambda: Rule(), lambda: Rule(go=3), lambda: Fallback(Rule, to=rule)):
        with pytest.raises(CastError):
            wrong()


def test_the_manifest_is_told_what_is_inside():
    policy = Fallback(Human(deadline=5), to=Habit(Utility({"yes": {"1": 2}}), 0.25))
    inside = Simulation(Gate(), policy).run(0).manifest["cast"]["people"]["policies"]["fallback"]
    assert inside["parameters"]["policy"] == {
        "class": "populace.policies.human.Human",
        "parameters": {"deadline": 5, "seats": 5, "scripted": False},
    }
    habit = inside["parameters"]["to"]["parameters"]
    assert habit["inertia"] == 0.25
    assert habit["policy"]["parameters"]["every kind"] == {"yes": {"1": 2.0}}


class Gate(World):
    def __init__(self):
        self.people = Population(2)

    async def step(self, minds): ...
