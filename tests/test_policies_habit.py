"""Habit: its law, its memory, and what it refuses."""

import asyncio
import inspect

import numpy as np
import pytest

from populace import (
    Answers,
    Cast,
    Choice,
    Fallback,
    Habit,
    Number,
    Outcome,
    Population,
    Rule,
    Simulation,
    Text,
    Utility,
    World,
)
from populace.errors import ParameterError, PolicyError
from populace.testing import observe

YES_NO = Choice(["no", "yes"])


def ask(policy, agents, tick, space=YES_NO, kind="go", **columns):
    """Ask once: values and outcomes."""
    raw = policy.act(observe(kind, agents, space, tick=tick, **columns))
    if inspect.isawaitable(raw):
        raw = asyncio.run(_await(raw))
    if isinstance(raw, Answers):
        return np.array(raw.values), np.broadcast_to(raw.outcome, len(agents))
    return np.array(raw), np.zeros(len(agents), np.uint8)


async def _await(raw):
    return await raw


def people(n):
    return Population(n, name="people")


def test_first_decision_is_the_inner_policys_then_inertia_decides():
    """Under an inner policy that has changed, still-first after t asks is binomial(n, q^t)."""
    n, q = 100_000, 0.7
    crowd, policy = people(n), Habit(Rule(go=lambda o: o["now"]), inertia=q)
    assert not ask(policy, crowd, 0, now=False)[0].any()
    for t in (1, 2, 3, 4):
        values, _ = ask(policy, crowd, t, now=True)
        p = q**t  # within 6 standard deviations: a right policy fails once in 5e8 comparisons
        assert abs((values == 0).sum() - n * p) < 6 * np.sqrt(n * p * (1 - p))


def test_inner_draws_are_independent_of_the_habits_own():
    """Those who decide afresh choose as the inner policy would, not by what made them decide."""
    n = 100_000
    crowd, policy = people(n), Habit(Utility({"yes": {"1": 0.0}}), inertia=0.5)
    for t in range(6):
        assert abs(ask(policy, crowd, t)[0].mean() - 0.5) < 6 * 0.5 / np.sqrt(n)


def test_a_habit_of_a_habit_multiplies():
    n = 100_000
    crowd, policy = people(n), Habit(Habit(Rule(lambda o: o["now"]), inertia=0.6), inertia=0.5)
    ask(policy, crowd, 0, now=False)
    values, _ = ask(policy, crowd, 1, now=True)
    p = 0.5 + 0.5 * 0.6  # repeats outside, or decides afresh and repeats inside
    assert abs((values == 0).sum() - n * p) < 6 * np.sqrt(n * p * (1 - p))
    assert Habit(Fallback(Rule(lambda o: 0), to=Habit(Rule(lambda o: 0))))._name != "habit"


@pytest.mark.parametrize(("inertia", "expected", "asked"), [(1, False, [50]), (0, True, [50, 50])])
def test_inertia_one_never_and_zero_always_decides_afresh(inertia, expected, asked):
    sizes = []
    policy = Habit(Rule(go=lambda o: sizes.append(len(o)) or o["now"]), inertia=inertia)
    crowd = people(50)
    ask(policy, crowd, 0, now=False)
    values, _ = ask(policy, crowd, 1, now=True)
    assert (values == expected).all()
    assert sizes == asked


def test_inertia_may_differ_by_agent():
    crowd = people(100)
    policy = Habit(Rule(lambda o: o["now"]), inertia=lambda o: (o.ids % 2).astype(float))
    ask(policy, crowd, 0, now=False)
    values, _ = ask(policy, crowd, 1, now=True)
    np.testing.assert_array_equal(values, crowd.ids % 2 == 0)


def test_numbers_are_kept_and_those_out_of_bounds_are_decided_afresh():
    crowd, policy = people(4), Habit(Rule(lambda o: o["wish"]), inertia=1.0)
    first, _ = ask(policy, crowd, 0, Number(0, 10), wish=np.array([0.0, 2.5, 7.0, 9.0]))
    assert first.tolist() == [0, 2.5, 7, 9]
    second, _ = ask(policy, crowd, 1, Number(0, np.array([5.0, 5.0, 7.0, 8.0])), wish=1.0)
    assert second.tolist() == [0, 2.5, 7, 1]
    whole, _ = ask(policy, crowd, 2, Number(0, 10, integer=True), wish=3)
    assert whole.tolist() == [0, 3, 7, 1]  # 2.5 is no whole number
    assert whole.dtype == np.int64


def test_only_decisions_are_remembered():
    acted, lost = Outcome.ACTED, Outcome.TIMEOUT
    replies = iter([Answers([1, 1, 7], [acted, lost, acted]), Answers([0, 0], acted)])
    crowd, policy = people(3), Habit(lambda o: next(replies), inertia=1.0)
    _, outcome = ask(policy, crowd, 0)
    assert outcome.tolist() == [acted, lost, Outcome.INVALID]
    values, outcome = ask(policy, crowd, 1)  # the first repeats, the other two are asked again
    assert values.tolist() == [1, 0, 0]
    assert outcome.tolist() == [acted, acted, acted]


def test_fallback_decisions_are_remembered_and_say_so_once():
    silent = lambda o: Answers(None, Outcome.ABSTAINED)  # noqa: E731
    crowd, policy = people(2), Habit(Fallback(silent, to=Rule(lambda o: 1)), inertia=1.0)
    values, outcome = ask(policy, crowd, 0)
    assert (values.tolist(), outcome.tolist()) == ([1, 1], [Outcome.FALLBACK] * 2)
    values, outcome = ask(policy, crowd, 1)
    assert (values.tolist(), outcome.tolist()) == ([1, 1], [Outcome.ACTED] * 2)


def test_newborns_have_no_habit_even_in_the_row_of_a_dead():
    crowd, policy = people(3), Habit(Rule(lambda o: o["now"]), inertia=1.0)
    ask(policy, crowd, 0, now=True)
    crowd.remove(crowd[1])
    born = crowd.add(2)
    assert born.rows.tolist() == [1, 3]  # one in the freed row, one in a new row
    values, _ = ask(policy, crowd, 1, now=False)
    np.testing.assert_array_equal(values, crowd.ids < 3)


def test_kinds_are_apart():
    crowd, policy = people(2), Habit(Rule(lambda o: o["now"]), inertia=1.0)
    ask(policy, crowd, 0, kind="go out", now=True)
    assert not ask(policy, crowd, 0, kind="go.out", now=False)[0].any()
    assert ask(policy, crowd, 1, kind="go out", now=False)[0].all()
    three = Choice(["a", "b", "c"])
    assert ask(policy, crowd, 1, three, kind="pick", now=2)[0].tolist() == [2, 2]


def test_answers_do_not_depend_on_order_or_batch():
    def run(parts):
        crowd, policy = people(60), Habit(Utility({"yes": {"1": 0.3}}), inertia=0.5)
        answers = np.zeros((4, 60), int)
        for t in range(4):
            for rows in parts:
                answers[t, rows] = ask(policy, crowd[rows], t)[0]
        return answers

    whole = run([np.arange(60)])
    np.testing.assert_array_equal(whole, run([np.arange(30), np.arange(30, 60)]))
    np.testing.assert_array_equal(whole, run([np.arange(60)[::-1]]))
    np.testing.assert_array_equal(whole, run([[i] for i in range(60)]))


class Street(World):
    """Asks everybody to go or not; a birth and a death a tick."""

    def __init__(self):
        self.people = Population(40)

    async def step(self, minds):
        self.people.remove(self.people.part([minds.tick]))
        self.people.add(1)
        self.went = (await minds.ask("go", self.people, YES_NO)).chose("yes")

    def measure(self):
        return {"went": int(self.went.sum())}


def test_in_a_world_with_births_an_async_inner_policy_and_a_new_cast():
    class Slow:
        async def act(self, observation):
            return observation.random.bernoulli(p=0.5)

    def run(inner):
        world = Street()
        cast = Cast({"habit": Habit(inner, 0.9), "rule": Rule(lambda o: 0)}, {"habit": 1})
        simulation = Simulation(world, cast, seed=2)
        before = simulation.run(10).metrics["went"].to_list()
        cast.assign("rule", world.people.everyone[:5])
        return before, simulation.run(3).metrics["went"].to_list()

    assert run(Slow()) == run(Rule(lambda o: o.random.bernoulli(p=0.5)))


def test_inner_policy_is_started_and_hears():
    seen = []

    class Inner:
        def act(self, o):
            return 0

        def hear(self, o):
            seen.append(o.kind)

        def start(self, population, streams):
            seen.append("start")

    policy = Habit(Inner())
    policy.start(None, None)
    policy.hear(observe("news", 2, Text()))
    assert seen == ["start", "news"]
    bare = Habit(Rule(lambda o: 0))
    bare.start(None, None)
    assert bare.hear(observe("news", 2, Text())) is None


def test_what_habit_refuses():
    crowd = people(2)
    with pytest.raises(ParameterError, match="inertia 0 to 1"):
        Habit(Rule(lambda o: 0), inertia=1.2)
    with pytest.raises(PolicyError, match="expected a Choice or a Number to repeat, got Text"):
        ask(Habit(Rule(lambda o: "hi")), crowd, 0, Text())
    with pytest.raises(PolicyError, match=r"expected an inertia in \[0, 1\]"):
        ask(Habit(Rule(lambda o: 0), inertia=lambda o: 2.0), crowd, 0)
    policy = Habit(Rule(lambda o: 0))
    ask(policy, crowd, 0)
    with pytest.raises(PolicyError, match="options were no, yes and now are yes, no"):
        ask(policy, crowd, 1, Choice(["yes", "no"]))
    with pytest.raises(PolicyError, match="another action space before"):
        ask(policy, crowd, 1, Number())


def test_one_habit_may_serve_two_populations():
    policy = Habit(Rule(lambda o: o["now"]), inertia=1.0)
    some, others = Population(2, name="some"), Population(2, name="others")
    ask(policy, some, 0, now=1)
    ask(policy, others, 0, Choice(["a", "b", "c"]), now=2)
    assert ask(policy, some, 1, now=0)[0].tolist() == [1, 1]
    assert ask(policy, others, 1, Choice(["a", "b", "c"]), now=0)[0].tolist() == [2, 2]
