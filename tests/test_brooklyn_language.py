"""Brooklyn's language mind, held to facts with a model whose probabilities are known."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import subprocess
import sys

import numpy as np
import pytest

from populace import Cast, Population, Simulation
from populace.cli.casting import read_cast
from populace.errors import PopulaceError, PromptError
from populace.kernel.answers import Outcome
from populace.language.errors import ModelRefused
from populace.language.policy import Language
from populace.language.prompts import Prompts
from populace.testing import observe
from populace.worlds.brooklyn import Brooklyn
from populace.worlds.brooklyn.decisions import SHARES
from populace.worlds.brooklyn.speaking import KIND, PROMPTS, Speaking
from populace.worlds.brooklyn.survey import situations
from populace.worlds.brooklyn.world import OPTIONS, SEE
from tests.analytic import Analytic

SHARED = ("advice", "phase", "deaths")
VALUES = {  # every word of every column: the ends of each range and both sides of each bound
    "advice": [0, 1, 2],
    "cases": [0.0, 9.99, 10.0, 99.9, 100.0, 5000.0],
    "age": [18, 44, 45, 64, 65, 99],
    "pressure": [False, True],
    "remote": [False, True],
    "symptoms": [False, True],
    "sick_at_home": [False, True],
}
DISTINCT = 3 * 3 * 3 * 3 * 2 * 2  # pay at stake and work at home exclude each other


def chances(messages, options):
    """Return weights that are a function of the agent's line alone: its length and words."""
    line = messages[-1].content.rsplit("\n\n", 1)[-1]
    yes = 0.05 + 0.9 * (sum(map(ord, line)) % 97) / 97
    return [yes if option.strip() == "yes" else 1 - yes for option in options]


def grid():
    cells = [c for c in itertools.product(*VALUES.values()) if not (c[3] and c[4])]
    return {name: np.array([c[i] for c in cells]) for i, name in enumerate(VALUES)}


def asked(shown, kind=KIND):
    n = len(shown["age"])
    columns = {name: values for name, values in shown.items() if name != "advice"}
    return observe(kind, n, OPTIONS, advice=shown["advice"], **columns)


def run(coroutine):
    return asyncio.run(coroutine)


# -- the prompt ----------------------------------------------------------------------------------


def test_prompt_reads_what_the_world_shows_and_nothing_else():
    prompts = Prompts.load(PROMPTS)
    prompts.validate(KIND, [*SEE, *SHARED], OPTIONS)
    for name in prompts.kind(KIND).own:
        with pytest.raises(PromptError, match=name):
            prompts.validate(KIND, [n for n in (*SEE, *SHARED) if n != name], OPTIONS)


def test_bins_bound_the_distinct_prompts():
    prompts, shown = Prompts.load(PROMPTS), grid()
    observation = asked(shown)
    found = prompts.distinct(observation)
    assert len(found) == DISTINCT
    rendered = prompts.render(observation, found)
    assert len(set(rendered.texts)) == DISTINCT
    shared = {
        rendered.messages(i)[0].content.removesuffix(text) for i, text in enumerate(rendered.texts)
    }
    assert shared == {rendered.shared[0].content}  # it stands first, the same for all
    first_day = (shown["advice"] == 0) & (shown["cases"] == 0)
    first = {name: values[first_day] for name, values in shown.items()}
    assert len(prompts.distinct(asked(first))) == DISTINCT // 9 <= 60


def test_examples_balance_answers_and_tell_all_columns_apart():
    prompt = Prompts.load(PROMPTS).kind(KIND)
    answers = [example["answer"] for example in prompt.examples]
    assert abs(answers.count("stay_home") - answers.count("go_out")) <= 1
    columns = np.array([[float(e[name]) for name in prompt.own] for e in prompt.examples])
    assert np.linalg.matrix_rank(np.column_stack((np.ones(len(columns)), columns))) == 8


# -- calibration ---------------------------------------------------------------------------------


def test_calibration_is_the_maximum_likelihood_fit_to_the_survey():
    mind = Speaking(Analytic(chances))
    run(mind.act(asked(grid())))
    shown, shares, answers = situations()
    n = len(shares)
    survey = asked({name: shown[name] for name in VALUES})
    raw = run(Language(Analytic(chances), PROMPTS).probabilities(survey))
    told = run(mind.language.probabilities(survey))
    p, q = raw.table[raw.distinct.index, 1], told.table[told.distinct.index, 1]
    logit = np.log(p / (1 - p))
    # first-order conditions of the likelihood in level and slope; the ridge is 1e-6
    assert len(raw.distinct) == n
    assert abs((answers * (q - shares)).sum() / answers.sum()) < 1e-5
    assert abs((answers * (q - shares) * logit).sum() / answers.sum()) < 1e-5
    assert mind.describe()["calibration"] == mind.language.calibration[KIND]


def test_without_calibration_the_model_is_taken_at_its_word():
    mind = Speaking(Analytic(chances), calibration="none")
    observation = asked(grid())
    run(mind.act(observation))
    found = run(mind.language.probabilities(observation))
    prompts = mind.language.prompts.render(observation)
    expected = [chances(prompts.messages(i), ["no", "yes"])[1] for i in range(len(prompts))]
    np.testing.assert_allclose(found.table[:, 1], expected, rtol=1e-12)
    assert len(mind.report()) == 2


def test_a_survey_that_is_not_answered_leaves_everybody_undecided():
    refusing = Analytic(lambda messages, options: ModelRefused("no"))
    answers = run(Speaking(refusing).act(asked(grid())))
    assert answers.values is None
    assert answers.outcome == Outcome.REFUSED


# -- deciding ------------------------------------------------------------------------------------


def test_coalesced_answers_equal_those_of_agents_asked_one_by_one():
    mind, shown = Speaking(Analytic(chances)), grid()
    together = run(mind.act(asked(shown)))
    n = len(shown["age"])
    people = Population(n, name="people", **{k: v for k, v in shown.items() if k != "advice"})
    alone = []
    for i in range(0, n, 37):
        one = observe(
            KIND, people[np.array([i])], OPTIONS,
            see=[name for name in VALUES if name != "advice"], advice=int(shown["advice"][i]),
        )  # fmt: skip
        alone.append(int(run(mind.act(one)).values[0]))
    assert alone == np.asarray(together.values)[::37].tolist()


def test_shares_of_large_groups_follow_the_models_law():
    shown = grid()
    few = np.flatnonzero((shown["cases"] == 0) & (shown["age"] == 18) & (shown["advice"] == 0))
    each = 4_000
    big = {name: np.repeat(values[few], each) for name, values in shown.items()}
    mind = Speaking(Analytic(chances))
    observation = asked(big)
    stays = np.asarray(run(mind.act(observation)).values).reshape(len(few), each).sum(axis=1)
    found = run(mind.language.probabilities(observation))
    p = found.table[found.distinct.index, 1].reshape(len(few), each)[:, 0]
    chi2 = ((stays - each * p) ** 2 / (each * p * (1 - p))).sum()
    k = len(few)  # mean k, variance 2 k: five standard deviations either way
    assert abs(chi2 - k) < 5 * np.sqrt(2 * k)


def test_a_whole_run_asks_each_distinct_prompt_once():
    model = Analytic(chances)
    world = Brooklyn(people=2_000)
    cast = Cast({"language": Speaking(model)})
    record = Simulation(world, cast, seed=2).run(60)
    asked_once = [request.messages[-1].content for request in model.scored]
    assert len(asked_once) == len(set(asked_once)) <= DISTINCT
    minds = record.minds
    deciding = minds.filter(minds["kind"] == KIND)
    total = {
        name: deciding.filter(deciding["measure"] == name)["value"].to_list()
        for name in ("agents", "distinct", "paid")
    }
    fit = minds.filter((minds["kind"] == "calibration") & (minds["measure"] == "paid"))
    assert sum(total["paid"]) + fit["value"].sum() == len(asked_once)
    assert total["distinct"][0] <= 36
    assert sum(total["agents"]) == record.asks["agents"].sum()
    assert record.asks["acted"].sum() == record.asks["agents"].sum()
    assert record.metrics["staying_home"].null_count() == 0
    told = record.manifest["cast"]["people"]["policies"]["language"]["parameters"]
    assert told["model"] == {"endpoint": "memory", "model": "analytic", "fingerprint": "1"}
    assert told["prompts"] == {"sha256": Prompts.load(PROMPTS).digest}
    assert set(told["calibration"]) == {"slope", "level"}


# -- casting -------------------------------------------------------------------------------------


def test_it_is_offered_but_not_cast_by_default_and_then_imports_nothing():
    assert "language" in Brooklyn(people=100).policies()
    assert "language" not in SHARES
    code = (
        "import sys; from populace import Simulation;"
        "from populace.worlds.brooklyn import Brooklyn;"
        "Simulation(Brooklyn(people=300), seed=1).run(2);"
        "print([m for m in ('xllamacpp', 'gguf', 'openai', 'populace.language.policy',"
        " 'populace.language.embedded') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["xllamacpp", "gguf"])
def test_a_missing_extra_is_told_before_the_first_tick(monkeypatch, package):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "populace.worlds.speaking.find_spec",
        lambda name: None if name == package else real("json"),
    )
    world = Brooklyn(people=300)
    cast = Cast(dict(world.policies()), shares={**SHARES, "language": 0.1})
    with pytest.raises(PopulaceError) as told:
        Simulation(world, cast, seed=1)
    assert package in str(told.value)
    assert "populace[embedded]" in told.value.mend
    assert "populace model get" in told.value.mend


def test_default_in_shares_stands_for_the_worlds_own_cast():
    world = Brooklyn(people=300)
    cast = read_cast("default=4,language=1", world)
    share = dict(zip(cast.names, cast.shares.tolist(), strict=True))
    assert share["language"] == pytest.approx(0.2)
    for name, own in SHARES.items():
        assert share[name] == pytest.approx(0.8 * own)
    again = read_cast("default,rule=1", world)
    share = dict(zip(again.names, again.shares.tolist(), strict=True))
    assert share["rule"] == pytest.approx((SHARES["rule"] + 1) / 2)


def test_a_cast_file_changes_model_and_calibration_and_opens_nothing(tmp_path):
    path = tmp_path / "cast.toml"
    path.write_text(
        '[shares]\ndefault = 4\nlanguage = 1\n[policies.language]\nmodel = "none.gguf"\n'
        'calibration = "none"\n'
    )
    mind = read_cast(str(path), Brooklyn(people=300)).policies["language"]
    assert isinstance(mind, Speaking)
    assert mind.describe() == {"model": "none.gguf", "calibration": "none"}
    assert mind.report() == mind.failed() == []
