"""Language minds: every space, calibration and orders in closed form, failures as outcomes."""

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from populace import (
    Call,
    Cast,
    Choice,
    Fallback,
    Fitted,
    Language,
    Number,
    Outcome,
    Pick,
    Population,
    Record,
    Simulation,
    Text,
    ToolCall,
    World,
    check_prompt,
)
from populace.cli import prompting
from populace.cli.commands import main
from populace.errors import BudgetError, ParameterError, PolicyError, PromptError
from populace.kernel.budget import Budget
from populace.kernel.ledger import Ledger
from populace.kernel.prices import Price, Prices
from populace.kernel.resources import Resources
from populace.language.calibrate import BLANKS
from populace.language.errors import (
    BadReply,
    CapabilityError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)
from populace.records.answers import AnswerStore
from populace.testing import check_policy, observe
from tests.analytic import Analytic, numbers

ABC = Choice(["a", "b", "c"])
PLAIN = {"kind": {"go": {"agent": "Agent {x}"}}}
LISTED = {"kind": {"go": {"shared": "One of {options}?", "agent": "Agent {x}"}}}


def answer(policy, observation):
    return asyncio.run(policy.act(observation))


def table(policy, observation):
    found = asyncio.run(policy.probabilities(observation))
    return found.table[found.distinct.index]


def go(n=6, space=ABC, **columns):
    return observe("go", n, space, **({"x": np.arange(n)} | columns))


# -- scored choices --------------------------------------------------------------------------------


def test_probabilities_are_the_models():
    model = Analytic(lambda m, c: [1, 1 + numbers(m[-1].content)[0], 2])
    x = np.arange(6)
    expected = np.stack([np.ones(6), 1 + x, np.full(6, 2.0)], axis=1)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(table(Language(model, PLAIN), go()), expected, rtol=1e-12)


@pytest.mark.parametrize("temperature", [0, 0.5, 2])
def test_temperature_is_a_power_of_the_probabilities(temperature):
    w = np.array([0.2, 0.5, 0.3])
    p = table(Language(Analytic(lambda m, c: w), PLAIN, temperature=temperature), go(1))[0]
    power = (w == 0.5).astype(float) if temperature == 0 else w ** (1 / temperature)
    np.testing.assert_allclose(p, power / power.sum(), rtol=1e-12)


def test_every_option_in_every_place_cancels_the_places():
    """A model that likes what is listed first: over all orders, equal options are equal."""

    def first_is_best(messages, choices):
        listed = messages[0].content
        ranks = np.argsort(np.argsort([listed.index(c) for c in choices]))
        return np.array([0.7, 0.2, 0.1])[ranks]

    options = Choice(["alpha", "beta", "gamma"])
    model = Analytic(first_is_best)
    p = table(Language(model, LISTED), go(2, options))
    np.testing.assert_allclose(p, [[0.7, 0.2, 0.1]] * 2)
    model = Analytic(first_is_best)
    p = table(Language(model, LISTED, orders="all"), go(2, options))
    np.testing.assert_allclose(p, 1 / 3)
    assert model.calls == 2 * 3
    p = table(Language(model, LISTED, orders=2), go(2, options))
    np.testing.assert_allclose(p[0], np.array([0.7 + 0.1, 0.2 + 0.7, 0.1 + 0.2]) / 2)


def test_content_free_calibration_takes_the_prior_away():
    """Zhao et al. 2021: if p_j is prior_j * evidence_j, what is left is the evidence."""
    prior, evidence = np.array([6.0, 1.0, 3.0]), np.array([1.0, 2.0, 3.0])

    def weights(messages, choices):
        known = numbers(messages[-1].content)
        return prior * evidence if known else prior

    model = Analytic(weights)
    p = table(Language(model, PLAIN, calibration="content-free"), go(4))
    np.testing.assert_allclose(p, [evidence / evidence.sum()] * 4)
    assert model.calls == 4 + len(BLANKS)
    said = [r.messages[-1].content for r in model.scored[-3:]]
    assert said == ["Agent N/A", "Agent [MASK]", "Agent "]


@pytest.mark.parametrize("k", [2, 4])
def test_fitted_finds_the_slope_and_levels_that_made_the_data(k):
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(k), 300)
    truth = Fitted(0.4, (0.0, 0.7, -1.1, 0.3)[:k])
    found = Fitted.fit(p, truth.apply(p))
    assert found.slope == pytest.approx(truth.slope, abs=1e-4)  # the ridge of 1e-6 moves it less
    np.testing.assert_allclose(found.level, truth.level, atol=1e-4)
    if k == 2:  # logit p' = slope logit p + level
        logit = np.log(p[:, 1] / p[:, 0])
        np.testing.assert_allclose(
            Fitted(0.4, 0.7).apply(p)[:, 1], 1 / (1 + np.exp(-0.4 * logit - 0.7))
        )


def test_a_policy_is_fitted_to_decisions():
    n = 4000
    model = Analytic(lambda m, c: [1, np.exp(numbers(m[-1].content)[0] - 2)])
    policy = Language(model, PLAIN)
    o = observe("go", n, Choice(["no", "yes"]), x=np.arange(n) % 5)
    decided = (np.arange(n) % 5 >= 2).astype(int)
    decided[::7] = 1 - decided[::7]
    fitted = asyncio.run(policy.fit(o, decided))
    p = table(policy, o)[:, 1]
    # a maximum of the likelihood has no residual in the level, nor along the logit
    assert (p - decided).mean() == pytest.approx(0, abs=1e-5)
    assert ((p - decided) * (o["x"] - 2)).mean() == pytest.approx(0, abs=1e-4)
    assert fitted == policy.calibration["go"]


def test_labels_and_targets_are_checked():
    p = np.full((3, 2), 0.5)
    for bad in ([0, 1], [0, 1, 2], np.zeros((3, 2)), np.ones((3, 3))):
        with pytest.raises(ParameterError):
            Fitted.fit(p, np.array(bad))
    with pytest.raises(ParameterError, match="levels"):
        Fitted(1, (0, 1, 2)).apply(p)
    with pytest.raises(ParameterError, match="finite"):
        Fitted(np.nan)


# -- other spaces ----------------------------------------------------------------------------------

REPLIES = [
    (Number(0, 9), {"answer": 4.5}, 4.5),
    (Number(0, 9, integer=True), {"answer": 4}, 4),
    (Text(9), "I agree.", "I agree."),
    (Pick(5), {"answer": 3}, 3),
    (Pick(5, count=2), {"answer": [3, 1]}, [3, 1]),
    (Record(a=Number(0, 1), b=ABC), {"a": 0.5, "b": "c"}, None),
    (
        Call({"say": Record(text=Text(9))}),
        {"answer": {"name": "say", "arguments": {"text": "hi"}}},
        ToolCall("say", {"text": "hi"}),
    ),
]


@pytest.mark.parametrize(("space", "reply", "value"), REPLIES, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("schema", [True, False])
def test_every_space_is_answered(space, reply, value, schema):
    text = reply if isinstance(reply, str) else json.dumps(reply)
    model = Analytic(score=False, schema=schema, reply=lambda r: text)
    given = answer(Language(model, PLAIN), go(3, space))
    assert not given.outcome.any()
    assert model.calls == 3
    constrained = schema and not isinstance(space, Text)
    assert all((r.schema is not None) == constrained for r in model.generated)
    if isinstance(space, Record):
        assert given.values["a"].tolist() == [0.5] * 3
        assert given.values["b"].tolist() == [2] * 3
    else:
        assert (
            list(map(str, given.values))
            == [str(np.array(value) if isinstance(value, list) else value)] * 3
        )


def test_choices_in_words_where_there_is_no_schema():
    said = ["stay in.", "Go Out", "perhaps"]
    model = Analytic(
        score=False, schema=False, reply=lambda r: said[int(numbers(r.messages[-1].content)[0])]
    )
    prompts = {"kind": {"go": {"agent": "{x}", "options": {"in": "stay in", "out": "go out"}}}}
    given = answer(Language(model, prompts), go(3, Choice(["in", "out"])))
    assert given.values[:2].tolist() == [0, 1]
    assert given.outcome.tolist() == [Outcome.ACTED, Outcome.ACTED, Outcome.INVALID]


def test_frequencies_stand_in_for_scores():
    model = Analytic(lambda m, c: [0.25, 0.75], score=False)
    p = table(Language(model, PLAIN, draws=2000), go(1, Choice(["no", "yes"])))
    assert abs(p[0, 1] - 0.75) < 5 * np.sqrt(0.75 * 0.25 / 2000)
    assert model.calls == 2000


# -- failures are outcomes -------------------------------------------------------------------------

ERRORS = [
    (ModelTimeout("late"), Outcome.TIMEOUT),
    (ModelRefused("no", raw="I cannot"), Outcome.REFUSED),
    (ModelUnavailable("gone"), Outcome.FAILED),
    (BadReply("garbage", raw="%%"), Outcome.FAILED),
]


@pytest.mark.parametrize(("error", "outcome"), ERRORS, ids=lambda v: str(v)[:8])
@pytest.mark.parametrize("score", [True, False])
def test_an_error_of_one_prompt_is_its_agents_outcome(error, outcome, score):
    def weights(messages, choices):
        return error if "Agent 1" in messages[-1].content else [1, 1, 1]

    def reply(request):
        failed = weights(request.messages, ())
        return failed if isinstance(failed, Exception) else '{"answer": "b"}'

    model = Analytic(weights, score=score, reply=reply)
    policy = Language(model, PLAIN)
    given = answer(policy, go(4, x=np.array([0, 1, 1, 2])))
    assert given.outcome.tolist() == [0, outcome, outcome, 0]
    assert {(f.outcome, f.reply, f.tick) for f in policy.failures} == {
        (outcome.label, error.raw, 0)
    }
    assert sum(f.agents for f in policy.failures) == 2


def test_an_invalid_reply_is_kept_for_reading():
    model = Analytic(score=False, reply=lambda r: '{"answer": 11}')
    policy = Language(model, PLAIN)
    assert (answer(policy, go(2, Number(0, 10))).outcome == Outcome.INVALID).all()
    failure = policy.failures[0]
    assert failure.reply == '{"answer": 11}'
    assert "a number in [0, 10]" in failure.why
    assert failure.prompt[-1].content == "Agent 0"


def test_a_lost_content_free_input_leaves_all_undecided():
    def weights(messages, choices):
        return [1, 1, 1] if numbers(messages[-1].content) else ModelTimeout("late")

    policy = Language(Analytic(weights), PLAIN, calibration="content-free")
    assert (answer(policy, go(3)).outcome == Outcome.TIMEOUT).all()


def test_a_call_that_is_wrong_for_everyone_is_an_error():
    def raising(requests, choices):
        raise CapabilityError("this model does not score")

    model = Analytic(lambda m, c: [1, 1, 1])
    model.score = raising
    with pytest.raises(CapabilityError):
        answer(Language(model, PLAIN), go(1))


def test_deadlines_cancel():
    class Slow(Analytic):
        cancelled = 0

        async def score(self, requests, choices):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise

    model = Slow()
    policy = Language(model, PLAIN, timeout=1e-3)
    assert (answer(policy, go(3)).outcome == Outcome.TIMEOUT).all()
    assert model.cancelled == 3


def test_prompts_are_checked_before_the_first_call():
    model = Analytic(lambda m, c: [1, 1, 1])
    with pytest.raises(PromptError, match=r"does not show \{x\}"):
        answer(Language(model, PLAIN), observe("go", 2, ABC, y=1))
    with pytest.raises(PromptError, match="does not list the options"):
        answer(Language(model, PLAIN, orders="all"), go())
    unscored = Analytic(score=False)
    with pytest.raises(PromptError, match="calibration needs scores"):
        answer(Language(unscored, PLAIN, calibration="content-free"), go())
    shared = {"kind": {"go": {"shared": "{y}", "agent": "And you?"}}}
    with pytest.raises(PromptError, match="without columns of agents"):
        answer(Language(model, shared, calibration="content-free"), go(y=1))
    assert model.calls == unscored.calls == 0


def test_kinds_without_a_prompt_abstain():
    policy = Language(Analytic(), PLAIN)
    assert answer(policy, observe("eat", 2, ABC)).outcome == Outcome.ABSTAINED


@pytest.mark.parametrize(
    "settings",
    [{"orders": 0}, {"orders": "some"}, {"draws": 0}, {"precision": 0}, {"temperature": -1},
     {"timeout": 0}, {"calibration": "platt"}, {"calibration": {"gone": None}}],
)  # fmt: skip
def test_bad_settings(settings):
    with pytest.raises(ParameterError, match=r"expected|unknown"):
        Language(Analytic(), PLAIN, **settings)


# -- paid once, never over -------------------------------------------------------------------------


def test_the_ledger_counts_every_agent_and_bills_every_prompt_once():
    model = Analytic(lambda m, c: [1, 1, 1])
    resources = Resources(answers=AnswerStore(None), prices=Prices({"analytic": Price(1e6, 0)}))
    policy = Language(model, PLAIN, name="minds")
    policy.equip(resources)
    x = np.array([0, 0, 0, 1, 1])
    answer(policy, go(5, x=x))
    logical, billed = resources.ledger.totals()
    assert (logical.calls, logical.tokens_in, logical.usd) == (5, 10, 10.0)
    assert (billed.calls, billed.tokens_in, billed.usd) == (2, 4, 4.0)
    answer(policy, go(5, x=x))
    assert model.calls == 2
    assert resources.ledger.totals().billed == billed
    assert resources.ledger.totals().logical.calls == 10
    assert [a.paid for a in policy.report()] == [2, 0]
    assert resources.budget.spent.calls == 2


def test_stored_answers_give_the_same_decisions():
    for score in (True, False):
        store = AnswerStore(None)
        first = Language(Analytic(lambda m, c: [1, 2, 1], score=score), PLAIN)
        first.equip(Resources(answers=store))
        replay = Language(Analytic(lambda m, c: 1 / 0, score=score), PLAIN)
        replay.equip(Resources(answers=store))
        np.testing.assert_array_equal(answer(first, go(50)).values, answer(replay, go(50)).values)


def test_a_refusal_is_stored_and_not_bought_twice():
    refusing = Analytic(lambda m, c: ModelRefused("no", raw="I cannot", tokens_in=2))
    resources = Resources(answers=AnswerStore(None))
    policy = Language(refusing, PLAIN)
    policy.equip(resources)
    for _ in range(2):
        assert (answer(policy, go(2)).outcome == Outcome.REFUSED).all()
    assert refusing.calls == 2
    assert policy.failures[-1].reply == "I cannot"


def test_the_end_of_the_budget_is_an_outcome_and_is_never_passed():
    model = Analytic(lambda m, c: [1, 1, 1])
    policy = Language(model, PLAIN)
    budget = Budget(calls=3)
    policy.equip(Resources(budget=budget))
    given = answer(policy, go(5))
    assert given.outcome.tolist() == [0, 0, 0] + [Outcome.OVER_BUDGET] * 2
    assert model.calls == budget.spent.calls == 3
    tokens = Language(model, PLAIN)
    tokens.equip(Resources(budget=Budget(tokens=12)))  # 2 a prompt and 3 choices: 5 a call
    assert (answer(tokens, go(5)).outcome == Outcome.OVER_BUDGET).sum() >= 1


def test_a_missing_price_is_an_error_before_the_first_call():
    model = Analytic(lambda m, c: [1, 1, 1])
    with pytest.raises(BudgetError, match="no price for 'analytic'"):
        Language(model, PLAIN).equip(Resources(budget=Budget(usd=1)))


def test_an_unbounded_reservation_is_an_error():
    policy = Language(Analytic(lambda m, c: [1, 1, 1]), PLAIN)
    policy.equip(Resources(budget=Budget(seconds=5)))
    with pytest.raises(BudgetError, match="upper bound"):
        answer(policy, go(1))


@pytest.mark.parametrize("score", [True, False])
def test_an_estimate_is_what_is_then_asked(score):
    model = Analytic(lambda m, c: [1, 2, 3], score=score)
    settings = {"orders": "all", "draws": 3} | ({"calibration": "content-free"} if score else {})
    policy = Language(model, LISTED, **settings)
    o = go(10, x=np.array([0] * 8 + [1] * 2))
    expected = policy.estimate(o)
    assert model.calls == 0
    answer(policy, o)
    (asked,) = policy.report()
    assert (expected.agents, expected.distinct, expected.calls, expected.tokens_in) == (
        asked.agents,
        asked.distinct,
        asked.calls,
        asked.tokens_in,
    )
    assert model.calls == asked.calls
    assert expected.tokens_out >= asked.tokens_out


def test_a_model_may_be_named(monkeypatch):
    from populace.language import opening

    model = Analytic(lambda m, c: [0, 1, 0])
    monkeypatch.setattr(opening, "open_model", {"mine": model}.__getitem__)
    assert answer(Language("mine", PLAIN), go(3)).values.tolist() == [1, 1, 1]


def test_language_minds_keep_the_rules_of_the_kernel():
    def policy():
        return Language(Analytic(lambda m, c: [1, numbers(m[-1].content)[0] + 1, 1]), PLAIN)

    report = check_policy(policy, lambda seed: [go(30, seed=seed), go(8, seed=seed, tick=1)])
    report.raise_if_failed()


# -- in a world ------------------------------------------------------------------------------------


class Town(World):
    def __init__(self, n=60):
        self.people = Population(n, age=np.arange(n, dtype=np.uint8))
        self.home = np.zeros(n, bool)

    async def step(self, minds):
        asked = await minds.ask(
            "go", self.people, Choice(["out", "home"]), see=["age"], missing="out", x=1
        )
        self.home = asked.chose("home")

    def measure(self):
        return {"home": int(self.home.sum())}


def test_language_minds_run_beside_others_and_fall_back_by_name():
    prompts = {"kind": {"go": {"agent": "Aged {age}"}}, "wording": {"age": {"round": 20}}}

    def weights(messages, choices):
        age = numbers(messages[-1].content)[0]
        return ModelTimeout("late") if age == 20 else [0, 1]

    model = Language(Analytic(weights), prompts)
    cast = Cast(
        {"model": Fallback(model, to=lambda o: 0), "rule": lambda o: 0},
        assign={"model": np.arange(60) < 40, "rule": np.arange(60) >= 40},
    )
    run = Simulation(Town(), cast, seed=3).run(ticks=2)
    late = int((np.rint(np.arange(40) / 20) == 1).sum())
    assert run.metrics["home"].to_list() == [40 - late] * 2
    asks = run.asks.filter(policy="model")
    assert asks["fallback"].to_list() == [late] * 2
    assert asks["acted"].to_list() == [40 - late] * 2
    assert "refused" in run.asks.columns


def test_the_manifest_names_model_and_prompts():
    policy = Language(Analytic(lambda m, c: [1, 1]), {"kind": {"go": {"agent": "{age}"}}})
    run = Simulation(Town(3), policy, seed=1).run(ticks=1)
    ((said,),) = (c["policies"].values() for c in run.manifest["cast"].values())
    assert said["parameters"]["prompts"] == {"sha256": policy.prompts.digest}
    assert said["parameters"]["model"]["model"] == "analytic"


# -- prompt check ----------------------------------------------------------------------------------


def test_the_check_says_which_way_each_column_moves_the_choice():
    prompts = {
        "kind": {
            "go": {
                "shared": "{cases} cases",
                "agent": "{age}, {colour}",
                "options": {"no": "n", "yes": "y"},
            }
        },
        "wording": {"colour": {"words": ["red", "blue"]}},
    }

    def weights(messages, choices):
        cases, age = numbers(messages[0].content)[0], numbers(messages[-1].content)[0]
        return [1, np.exp(0.03 * age - 0.01 * cases)]

    grid = {"age": [20, 40, 60], "cases": [0, 100], "colour": [0, 1]}
    check = asyncio.run(check_prompt(prompts, "go", Analytic(weights), grid))
    age, cases, colour = check.effects
    assert (age.column, age.option, age.rising) == ("age", "yes", 1.0)
    logit = lambda a, c: 1 / (1 + np.exp(-0.03 * a + 0.01 * c))  # noqa: E731
    expected = [logit(60, c) - logit(20, c) for c in (0, 100)]
    assert age.change == pytest.approx(np.mean(expected))
    assert (age.least, age.most) == pytest.approx((min(expected), max(expected)))
    assert cases.change < 0
    assert cases.rising == 0
    assert colour.change == 0
    assert check.distinct == 12
    assert check.table.columns == ["age", "cases", "colour", "P(no)", "P(yes)"]
    np.testing.assert_allclose(
        check.table["P(yes)"],
        [logit(a, c) for a, c in check.table.select("age", "cases").iter_rows()],
    )
    assert "age from 20 to 60 raises P(yes)" in str(check)


def test_the_check_names_what_is_missing():
    model = Analytic(lambda m, c: ModelTimeout("late"))
    with pytest.raises(PromptError, match="no options are known"):
        asyncio.run(check_prompt(PLAIN, "go", model, {"x": [1]}))
    with pytest.raises(PromptError, match=r"not show \{x\}"):
        asyncio.run(check_prompt(PLAIN, "go", model, {"y": [1]}, ABC))
    with pytest.raises(PolicyError, match="late"):
        asyncio.run(check_prompt(PLAIN, "go", model, {"x": [1]}, ABC))


GRID = """
[kind.go]
agent = "{age} years, {job}"
options = {no = "n", yes = "y"}
"""


def test_prompt_check_on_the_command_line(tmp_path, monkeypatch):
    model = Analytic(lambda m, c: [1, numbers(m[-1].content)[0]])
    monkeypatch.setattr(prompting, "open_named", lambda name, progress: {"mine": model}[name])
    file = tmp_path / "go.toml"
    file.write_text(GRID)

    def check(*arguments):
        given = ["prompt", "check", str(file), "--model", "mine", *arguments]
        return CliRunner().invoke(main, given)

    result = check("--grid", "age=1,2,3", "--grid", "job=cook,baker")
    assert result.exit_code == 0, result.output
    assert "age from 1 to 3 raises P(yes) by 0.250 (+0.250 to +0.250); rank +1.00" in result.output
    assert "job from cook to baker does not move P(yes)" in result.output
    found = json.loads(check("--grid", "age=1,3", "--grid", "job=cook", "--json").stdout)
    assert [found["cells"][1][name] for name in ("age", "job")] == [3, "cook"]
    assert found["cells"][1]["P(yes)"] == pytest.approx(0.75)
    assert found["distinct"] == 2
    for arguments, says in (
        (["--grid", "aeg=1"], "no column 'aeg'; did you mean 'age'?"),
        (["--grid", "age=1"], "no values are known for job"),
        (["--grid", "age"], "expected --set column=value"),
        (["--kind", "gone"], "no prompt for the kind 'gone'"),
    ):
        failed = check(*arguments)
        assert failed.exit_code == 2
        assert says in failed.stderr


def test_memories_and_plan_are_known_to_the_prompt_check(tmp_path, monkeypatch):
    """A mind without memories is the default; what it remembers can be varied as any column."""
    model = Analytic(lambda m, c: [1, 3 if "ill" in m[-1].content else 1])
    monkeypatch.setattr(prompting, "open_named", lambda name, progress: model)
    file = tmp_path / "go.toml"
    file.write_text(
        '[kind.go]\nagent = "{memories} {plan} {age}"\noptions = {no = "n", yes = "y"}\n'
        '[memory.news]\ntext = "News: {words}"\n'
    )
    given = ["prompt", "check", str(file), "--model", "mine", "--grid", "age=1,2"]
    plain = CliRunner().invoke(main, given)
    assert plain.exit_code == 0, plain.output
    assert "P(yes): mean 0.500" in plain.output
    varied = CliRunner().invoke(main, [*given, "--grid", "memories=- I was well,- I was ill"])
    assert "memories from - I was well to - I was ill raises P(yes) by 0.250" in varied.output


def test_memories_in_the_prompts_of_a_mind_without_a_memory_are_told():
    prompts = {"kind": {"go": {"agent": "{memories} Go?"}}}
    with pytest.raises(PromptError, match=r"\{memories\} is filled in by a memory.*has none"):
        answer(Language(Analytic(), prompts), go())


def test_a_model_that_knows_its_own_time_is_not_billed_for_waiting():
    class Timed(Analytic):
        async def score(self, requests, choices):
            found = await super().score(requests, choices)
            return [replace(scores, seconds=0.25) for scores in found]

    policy, ledger = Language(Timed(lambda m, c: [1, 1, 1]), PLAIN), Ledger()
    policy.equip(Resources(ledger=ledger))
    answer(policy, go())
    billed = ledger.totals().billed
    assert (billed.calls, billed.seconds) == (6, 1.5)
