"""The stand-in for a model: when it may answer, how far off it is, and when it steps back."""

import asyncio
from hashlib import sha256

import numpy as np
import pytest

from populace import Choice, Language, Number, Outcome, Surrogate
from populace.errors import ParameterError
from populace.language.calibrate import softmax
from populace.language.errors import ModelTimeout
from populace.language.regression import interval, multinomial, student
from populace.testing import observe
from tests.analytic import Analytic, numbers

YES_NO = Choice(["no", "yes"])
PROMPTS = {
    "kind": {"go": {"shared": "{cases} cases.", "agent": "{age}, {job}."}},
    "wording": {"job": {"words": ["none", "baker", "cook"]}, "age": {"round": 1}},
}
CASES = (0, 90, 40, 10, 70, 30)  # from the third tick on within what was seen
JOBS = {"none": 0.0, "baker": 0.8, "cook": -0.5}


def logit(cases, age, job, shift=0.0):
    return shift + 0.05 * (age - 50) + 0.01 * (cases - 50) - 0.0004 * (age - 50) ** 2 + JOBS[job]


class Smooth(Analytic):
    """A logistic surface, or (jagged) a chance that is a hash of the prompt."""

    def __init__(self, *, exact=False, jagged=False, **able):
        super().__init__(self.chances, exact=exact, **able)
        self.shift, self.jagged, self.late = 0.0, jagged, False

    def chances(self, messages, choices):
        if self.late:
            return ModelTimeout("late")
        text = messages[0].content + messages[-1].content
        if self.jagged:
            p = int(sha256(text.encode()).hexdigest()[:8], 16) / 2**32
            return [1 - p, p]
        age, job = messages[-1].content.rstrip(".").split(", ")
        return [1, np.exp(logit(numbers(messages[0].content)[0], float(age), job, self.shift))]


def ask(policy, tick, seed=0, n=3000, low=20, high=80, cases=None):
    stream = np.random.default_rng([seed, tick])
    o = observe(
        "go",
        n,
        YES_NO,
        seed=seed,
        tick=tick,
        age=stream.integers(low, high + 1, n).astype(np.uint8),
        job=stream.integers(0, 3, n).astype(np.uint8),
        cases=CASES[tick % 6] if cases is None else cases,
    )
    return o, asyncio.run(policy.act(o))


def run(policy, ticks, **how):
    """Ask for some ticks; return the reports, and the true chances with the choices."""
    for tick in range(ticks):
        ask(policy, tick, **how)
    return policy.report()


def test_a_smooth_model_is_foretold_within_the_bound_and_saves_calls():
    model = Smooth()
    policy = Surrogate(Language(model, PROMPTS), bound=0.02, audit=0.05)
    reports = run(policy, 12)
    assert [r.asked for r in reports[:2]] == [61 * 3] * 2  # 90 cases are unlike 0
    assert reports[1].trusted
    last = reports[-1]
    assert last.predicted > 0.9 * last.distinct
    assert last.share > 0.9
    assert last.audits >= 1
    assert last.asked + last.predicted + last.known == last.distinct
    assert last.error < 0.02
    assert model.calls == sum(r.asked for r in reports)
    assert model.calls < 0.25 * sum(r.distinct for r in reports)


def test_the_audited_error_is_the_true_error():
    """The audit estimates the agents' mean distance; here the truth is known for every agent."""
    policy = Surrogate(Language(Smooth(), PROMPTS), bound=0.05, audit=0.3)
    run(policy, 6)
    memory = policy._kinds["go"]
    o, _ = ask(policy, 6)
    cells = [
        {"cases": float(o["cases"]), "age": float(a), "job": ["none", "baker", "cook"][j]}
        for a, j in zip(o["age"], o["job"], strict=True)
    ]
    truth = 1 / (1 + np.exp([-logit(c["cases"], c["age"], c["job"]) for c in cells]))
    off = np.abs(memory.fitted.predict(cells)[:, 1] - truth).mean()
    report = policy.report()[-1]
    assert report.low <= report.error <= report.high
    assert report.low - 0.002 <= off <= report.high + 0.002  # the fit moved a little meanwhile


def test_what_cannot_be_foretold_is_left_to_the_model():
    model = Smooth(jagged=True)
    policy = Surrogate(Language(model, PROMPTS), bound=0.03)
    reports = run(policy, 5)
    assert not any(r.trusted or r.predicted for r in reports)
    assert reports[-1].expected > 0.2  # two uniform chances differ by a third on average
    assert model.calls == sum(r.distinct for r in reports)


def test_it_steps_back_when_the_model_drifts_and_learns_anew():
    model = Smooth()
    policy = Surrogate(Language(model, PROMPTS), bound=0.03, audit=0.05)
    before = run(policy, 12)
    assert before[-1].trusted
    model.shift = 1.5
    after = []
    for tick in range(12, 24):
        ask(policy, tick)
        after += policy.report()
    stepped = [r.trusted for r in after].index(False)
    assert stepped <= 2
    assert after[stepped].error > 0.03
    assert after[stepped + 1].asked == after[stepped + 1].distinct
    assert after[-1].trusted
    assert after[-1].error < 0.03


def test_outside_what_was_learnt_the_model_answers():
    model = Smooth()
    policy = Surrogate(Language(model, PROMPTS), bound=0.05)
    run(policy, 4, low=20, high=60, cases=50)
    before = model.calls
    ask(policy, 4, low=61, high=80, cases=50)
    (report,) = policy.report()
    assert report.predicted == 0
    assert model.calls - before == report.distinct
    ask(policy, 5, low=20, high=60, cases=60)  # nor for other cases than those seen
    assert policy.report()[0].predicted == 0


def test_exact_answers_are_remembered_and_everyone_samples():
    model = Smooth(exact=True)
    policy = Surrogate(Language(model, PROMPTS), bound=0.02)
    plain = Language(Smooth(exact=True), PROMPTS)
    for tick in (0, 0):
        _, given = ask(policy, tick, cases=10)
        _, expected = ask(plain, tick, cases=10)
        np.testing.assert_array_equal(given.values, expected.values)
    first, second = policy.report()
    assert (first.known, second.known) == (0, first.distinct)
    assert second.asked == 0


def test_foretold_answers_have_the_models_law():
    policy = Surrogate(Language(Smooth(), PROMPTS), bound=0.02, audit=0.05)
    run(policy, 6, n=3000)
    n = 60_000
    o, given = ask(policy, 6, n=n)
    assert policy.report()[-1].share > 0.9
    p = 1 / (
        1
        + np.exp(
            [
                -logit(float(o["cases"]), float(a), ["none", "baker", "cook"][j])
                for a, j in zip(o["age"], o["job"], strict=True)
            ]
        )
    )
    # the count's law has sd sqrt(sum pq); the foretold chances may be off by the bound on average
    assert abs(given.values.sum() - p.sum()) < 0.02 * n + 5 * np.sqrt((p * (1 - p)).sum())
    cell = (o["age"].astype(int) * 3 + o["job"]).astype(int)
    size, x = np.bincount(cell), np.bincount(cell, weights=given.values)
    mean, var = np.bincount(cell, weights=p), np.bincount(cell, weights=p * (1 - p))
    z2 = ((x - mean) ** 2 / np.where(size, var, 1))[size > 0]
    # 183 groups of about 330: as the chi-square test of coalescing, with room for a bias of 0.02
    assert (
        183 - 5 * np.sqrt(2 * 183) < z2.sum() < 183 * (1 + 330 * 0.02**2 / 0.1) + 5 * np.sqrt(366)
    )


def test_failures_of_the_model_are_outcomes_and_teach_nothing():
    model = Smooth()
    model.late = True
    policy = Surrogate(Language(model, PROMPTS))
    _, given = ask(policy, 0)
    assert (given.outcome == Outcome.TIMEOUT).all()
    assert policy._kinds["go"].p == []
    assert policy.failures[-1].outcome == "timeout"


def test_it_works_on_samples_too():
    policy = Surrogate(Language(Smooth(score=False), PROMPTS, draws=30), bound=0.2, audit=0.05)
    reports = run(policy, 3)
    assert reports[-1].predicted > 0.5 * reports[-1].distinct


def test_other_spaces_go_to_the_model():
    model = Analytic(score=False, reply=lambda r: '{"answer": 1}')
    policy = Surrogate(Language(model, {"kind": {"go": {"agent": "x"}}}))
    assert asyncio.run(policy.act(observe("go", 2, Number(0, 2)))).values.tolist() == [1, 1]


def test_it_goes_on_from_its_state():
    whole, half = (Surrogate(Language(Smooth(), PROMPTS), bound=0.02) for _ in range(2))
    for tick in range(4):
        ask(whole, tick)
        ask(half, tick)
    resumed = Surrogate(Language(Smooth(), PROMPTS), bound=0.02)
    resumed.restore(half.state())
    whole.report()
    for tick in range(4, 8):
        np.testing.assert_array_equal(ask(whole, tick)[1].values, ask(resumed, tick)[1].values)
    assert whole.report() == resumed.report()


@pytest.mark.parametrize("how", [{"bound": 0}, {"audit": 2}, {"min_train": 1}, {"of": None}])
def test_bad_settings(how):
    with pytest.raises(ParameterError):
        Surrogate(**{"of": Language(Analytic(), PROMPTS), **how})


def test_regression_finds_the_coefficients_that_made_the_data():
    rng = np.random.default_rng(2)
    x = np.concatenate([np.ones((400, 1)), rng.normal(size=(400, 2))], axis=1)
    truth = np.array([[0.3, -1.0, 0.5], [-0.2, 0.4, 1.2]])
    p = softmax(np.concatenate([np.zeros((400, 1)), x @ truth.T], axis=1))
    np.testing.assert_allclose(multinomial(x, p, np.ones(400), 1e-9), truth, atol=1e-5)


def test_intervals_cover_as_often_as_they_say():
    """Normal errors, 4000 intervals: 95 %, within 5 standard errors of a binomial share."""
    stats = pytest.importorskip("scipy.stats")
    for freedom, within in ((2, 0.04), (5, 0.003), (50, 1e-5)):
        assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=within)
    rng = np.random.default_rng(3)
    samples = rng.normal(0.5, 0.05, (4000, 12))
    bounds = np.array([interval(row) for row in samples.tolist()])
    share = ((bounds[:, 1] <= 0.5) & (bounds[:, 2] >= 0.5)).mean()
    assert abs(share - 0.95) < 5 * np.sqrt(0.95 * 0.05 / 4000)
    assert interval([])[1:] == interval([0.1, 0.2])[1:] == (0.0, 1.0)
