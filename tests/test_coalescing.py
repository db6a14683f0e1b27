"""Coalesced calls against a call for each agent: the same bits where scores are exact, else the
same law; and tests of that law that can fail."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Answers, Choice, Language, Number
from populace.errors import ParameterError
from populace.language.coalesce import samples_for
from populace.testing import observe
from tests.analytic import Analytic, numbers

YES_NO = Choice(["no", "yes"])
PROMPTS = {"kind": {"go": {"shared": "A town.", "agent": "Group {group}."}}}


def chance(group):
    """The model's probability of yes for a group: spread over (0.1, 0.9), no two alike."""
    return 0.1 + 0.8 * ((group * 0.6180339887498949) % 1.0)


def weights(messages, choices):
    p = chance(numbers(messages[-1].content)[0])
    return [1 - p, p]


def answer(policy, observation):
    return asyncio.run(policy.act(observation))


def groups(count, size, seed=0, tick=0):
    group = np.repeat(np.arange(count), size)
    return observe("go", count * size, YES_NO, seed=seed, tick=tick, group=group)


# -- the statistics, with their error rates --------------------------------------------------------

# For G independent groups of n agents with known p_g, let z_g = (X_g - n p_g)/sqrt(n p_g q_g).
# The dispersion D = sum z_g^2 has mean G and variance 2G + sum (1 - 6 p q)/(n p q) exactly, if
# every agent draws on its own. At 5 standard deviations a right policy fails one run in 1.7 million
# (normal limit, G >= 400).
SDS = 5.0


def dispersion(values, count, size, spread=1.0):
    """Return (D/spread - G) in standard deviations; `spread` is the variance's factor."""
    p = chance(np.arange(count))
    x = values.reshape(count, size).sum(axis=1)
    d = ((x - size * p) ** 2 / (size * p * (1 - p))).sum() / spread
    excess = ((1 - 6 * p * (1 - p)) / (size * p * (1 - p))).sum()
    return (d - count) / np.sqrt(2 * count + excess)


def bias(values, count, size, spread=1.0):
    """Return the total of all groups against its expectation, in standard deviations."""
    p = chance(np.arange(count))
    return (values.sum() - size * p.sum()) / np.sqrt(spread * size * (p * (1 - p)).sum())


# -- scores ----------------------------------------------------------------------------------------


def test_coalesced_equals_a_call_for_each_agent_bit_for_bit():
    o = groups(count=12, size=7, seed=5)
    model = Analytic(weights)
    together = answer(Language(model, PROMPTS), o)
    assert model.calls == 12
    each = Analytic(weights)
    policy = Language(each, PROMPTS)
    alone = [answer(policy, o.part(np.array([i]))).values[0] for i in range(len(o))]
    assert each.calls == len(o)
    np.testing.assert_array_equal(together.values, alone)
    assert not together.outcome.any()


@given(order=st.permutations(range(40)), take=st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_an_answer_does_not_depend_on_who_else_is_asked(order, take):
    o = groups(count=8, size=5, seed=2)
    policy = Language(Analytic(weights), PROMPTS)
    some = np.array(order[:take])
    whole = answer(policy, o).values
    np.testing.assert_array_equal(answer(policy, o.part(some)).values, whole[some])


def test_calls_are_distinct_prompts():
    n = 5000
    sick, age = np.arange(n) % 2, np.arange(n) % 90
    prompts = {
        "kind": {"go": {"agent": "{age}; {sick} {group}"}},
        "wording": {"age": {"below": [[18, "young"], [65, "grown"]], "above": "old"}},
    }
    model = Analytic(lambda messages, choices: [1, 2])
    policy = Language(model, prompts)
    o = observe("go", n, YES_NO, age=age, sick=sick, group=7)
    answer(policy, o)
    words = np.digitize(age, [18, 65])
    assert model.calls == len(set(zip(words.tolist(), sick.tolist(), strict=True))) == 6
    (asked,) = policy.report()
    assert (asked.agents, asked.distinct, asked.calls, asked.paid) == (n, 6, 6, 6)


@pytest.mark.parametrize("size", [2, 40])
def test_scored_groups_have_the_law_of_separate_agents(size):
    count = 1000
    values = answer(Language(Analytic(weights), PROMPTS), groups(count, size, seed=1)).values
    assert abs(dispersion(values, count, size)) < SDS
    assert abs(bias(values, count, size)) < SDS


def test_three_options_follow_the_scores():
    n, w = 90_000, np.array([0.2, 0.5, 0.3])
    policy = Language(Analytic(lambda m, c: w), PROMPTS)
    o = observe("go", n, Choice(["a", "b", "c"]), seed=4, group=np.zeros(n, int))
    seen = np.bincount(answer(policy, o).values, minlength=3)
    # chi-square with 2 degrees of freedom exceeds 27.63 once in a million runs
    assert ((seen - n * w) ** 2 / (n * w)).sum() < 27.63


def test_the_variance_test_rejects_averaging_and_copying():
    """What rule 6 forbids: everyone gets the group's mean, or all of a group get one answer."""
    count, size = 1000, 40
    o = groups(count, size, seed=1)
    p = chance(np.arange(count))
    share = (np.arange(size) < np.rint(p * size)[:, None]).ravel()  # the mean, dealt out exactly
    assert abs(bias(share, count, size)) < SDS  # a test of means alone does not notice
    assert dispersion(share, count, size) < -SDS
    one = o.random.bernoulli(p=np.repeat(p, size)).reshape(count, size)[:, :1]
    copied = np.repeat(one, size, axis=1).ravel()
    assert abs(bias(copied, count, size, spread=size)) < SDS
    assert dispersion(copied, count, size) > SDS


# -- without scores --------------------------------------------------------------------------------


def test_small_groups_get_a_sample_each_with_the_law_of_separate_agents():
    count, size = 600, 4
    model = Analytic(weights, score=False)
    policy = Language(model, PROMPTS, draws=4)
    values = answer(policy, groups(count, size, seed=3)).values
    assert model.calls == count * size
    assert len({(r.messages, r.sample) for r in model.generated}) == count * size
    assert abs(dispersion(values, count, size)) < SDS
    assert abs(bias(values, count, size)) < SDS


def test_large_groups_share_samples_with_the_stated_variance():
    """Var X = n p q (1 + (n - 1)/k): never less than separate agents' n p q."""
    count, size, k = 600, 30, 5
    model = Analytic(weights, score=False)
    values = answer(Language(model, PROMPTS, draws=k), groups(count, size, seed=3)).values
    dealt = len({(r.messages, r.sample) for r in model.generated})
    assert dealt == model.calls <= count * k
    factor = 1 + (size - 1) / k
    assert abs(bias(values, count, size, spread=factor)) < SDS
    # X given the samples' mean m is binomial; E z^4 is at most 3 + 1/(k p q) <= 3 + 1/(5 * 0.09),
    # so the variance of z^2 is at most 4.3, D's standard deviation 1.5 times that of `dispersion`
    assert abs(dispersion(values, count, size, spread=factor)) < 1.5 * SDS
    assert dispersion(values, count, size) > SDS


def test_precision_bounds_the_error_of_sharing():
    assert samples_for(0.05) == 100
    assert samples_for(0.5) == 1
    for precision in (0.01, 0.033, 0.2):
        k = samples_for(precision)
        assert 0.25 / k <= precision**2 * (1 + 1e-9)
        assert k == 1 or 0.25 / (k - 1) > precision**2
    for bad in (0, 0.6, -1, float("nan")):
        with pytest.raises(ParameterError, match="precision"):
            samples_for(bad)


def test_samples_are_new_for_small_groups_and_kept_for_large_ones():
    model = Analytic(weights, score=False)
    policy = Language(model, PROMPTS, draws=4)

    def numbers_at(size, tick, seed=0):
        model.generated.clear()
        answer(policy, groups(3, size, seed, tick))
        return {(r.messages, r.seed, r.sample) for r in model.generated}

    assert not numbers_at(4, 0) & numbers_at(4, 1)  # own samples: an agent decides anew
    assert numbers_at(4, 0) == numbers_at(4, 0)
    assert len(numbers_at(100, 0)) == 12  # shared ones stand for the prompt's distribution
    assert numbers_at(100, 0) == numbers_at(100, 1)
    assert not numbers_at(100, 0) & numbers_at(100, 0, seed=1)


def test_agents_are_dealt_shared_samples_anew_every_tick():
    policy = Language(Analytic(weights, score=False), PROMPTS, draws=8)
    first, second = (answer(policy, groups(40, 50, tick=t)).values for t in (0, 1))
    assert (first != second).any()


def test_agents_with_other_bounds_do_not_share_a_call():
    high = np.array([3.0, 3.0, 5.0, 5.0, 5.0])
    model = Analytic(score=False, reply=lambda r: str(r.schema["properties"]["answer"]["maximum"]))
    policy = Language(model, {"kind": {"take": {"agent": "How much?"}}}, draws=1)
    o = observe("take", 5, Number(0, high))
    given = answer(policy, o)
    assert isinstance(given, Answers)
    assert given.values.tolist() == high.tolist()
    assert model.calls == 2
