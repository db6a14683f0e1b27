"""Surveys leave no trace, whoever is asked; interviews remember; models cost the survey only."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from populace import (
    Budget,
    Cast,
    Choice,
    Fallback,
    Habit,
    Language,
    Number,
    Population,
    Record,
    Rule,
    Simulation,
    Surrogate,
    Survey,
    Text,
    World,
)
from populace.errors import ParameterError, PopulationError, PromptError
from populace.language.scripted import Scripted
from populace.simulation.inquiry import Responses
from populace.simulation.twins import shadow, twin
from tests.towns import Town, Toy

YES_NO = Choice(["no", "yes"])
PROMPTS = {
    "kind": {
        "vote": {"agent": "You are {age} years old.", "system": "Stakes: {stakes}, ayes {ayes}."},
        "trust": {"agent": "You are {age} years old. {question}"},
        "any": {"agent": "You are {age} years old. {question}"},
    }
}
TRUST = {"trust": ("Do you trust the news?", YES_NO)}


class Rememberer:
    """Remembers in every way there is: attributes, containers, columns, what it hears."""

    def __init__(self) -> None:
        self.asked: dict[str, list[int]] = {}
        self.inner = {"nested": [np.zeros(3), {"n": 0}]}
        self.rng = np.random.default_rng(1)

    def start(self, population: Population, streams: Any) -> None:
        self.people = population
        population.add_column("mine", np.int32)

    def act(self, o: Any) -> Any:
        self.asked.setdefault(o.kind, []).append(len(o))
        self.inner["nested"][0] += 1
        self.inner["nested"][1]["n"] += 1
        o.agents["mine"] = o.agents["mine"] + 1
        self.people.mine[0] += 1
        if f"memory.{o.kind}" not in self.people.columns:
            self.people.add_column(f"memory.{o.kind}", np.uint8)
        n = self.inner["nested"][1]["n"]
        return (o.random.uniform() + self.rng.random() + n / 7) % 1 < 0.5


def yes_with_age(o: Any) -> Any:
    return o["age"] > 40


def language(**settings: Any) -> Language:
    return Language(Toy(score=settings.pop("score", True)), PROMPTS, **settings)


MINDS: Mapping[str, Any] = {
    "habit": lambda: Habit(Rule(vote=yes_with_age, trust=yes_with_age), inertia=0.7),
    "fallback": lambda: Fallback(Language(Toy(refuse_from=50), PROMPTS), to=Rule(yes_with_age)),
    "surrogate": lambda: Surrogate(language(), min_train=12, audit=0.2, bound=0.2),
    "language": lambda: language(),
    "samples": lambda: language(score=False),
    "rememberer": Rememberer,
    "habit of a model": lambda: Habit(language(), inertia=0.5),
}


def simulation(mind: str, **given: Any) -> Simulation:
    cast = Cast({"mind": MINDS[mind](), "old": Rule(vote=yes_with_age)}, {"mind": 3, "old": 1})
    return Simulation(Town(people=120), cast, seed=5, **given)


def fingerprint(found: Simulation, run: Any) -> dict[str, Any]:
    """All that a run leaves: tables, columns, what policies keep, ledgers."""
    cast = found.casts["people"]
    ledger = found.resources.ledger.table()
    for row in ledger:
        row["logical_seconds"] = row["billed_seconds"] = 0
    tables = {name: getattr(run, name) for name in ("metrics", "by", "panel", "minds", "failures")}
    return {
        "tables": {name: frame.rows() for name, frame in tables.items()},
        "asks": run.asks.drop("seconds").rows(),
        "columns": {n: found.world.people[n].tolist() for n in found.world.people.columns},
        "state": {
            name: json.dumps(policy.state()) if hasattr(policy, "state") else None
            for name, policy in cast.policies.items()
        },
        "memory": memory_of(cast.policies["mind"]),
        "ledger": ledger,
        "spent": found.resources.budget.spent.tokens,
        "outcomes": run.manifest["outcomes"],
    }


def memory_of(policy: Any) -> Any:
    if isinstance(policy, Rememberer):
        state = policy.rng.bit_generator.state["state"]
        return policy.asked, policy.inner["nested"][0].tolist(), policy.inner["nested"][1], state
    inside = [getattr(policy, name, None) for name in ("policy", "of", "to")]
    return [memory_of(each) for each in inside if each is not None], sorted(
        (name, repr(value)) for name, value in vars(policy).items() if name.startswith("_opt")
    )


@pytest.mark.parametrize("mind", MINDS)
def test_a_run_with_surveys_is_the_run_without(mind: str) -> None:
    plain = simulation(mind)
    expected = fingerprint(plain, plain.run(6))

    asked = simulation(mind)
    before = asked.survey(TRUST, who=40, see=["age"])
    asked.run(3)
    asked.survey(TRUST, see=["age"])  # everybody, in the middle
    everyday = {"vote": ("As usual: yes or no?", YES_NO)}  # the world's own kind too
    asked.survey(everyday, who=30, see=["age"], columns={"stakes": 1, "ayes": 3})
    again = simulation(mind)
    again.survey(TRUST, who=40, see=["age"])
    whole = again.run(6)
    again.survey(TRUST, see=["age"])
    assert fingerprint(again, whole) == expected
    rest = asked.run(3)
    found = fingerprint(asked, rest)
    for name in ("columns", "state", "memory", "ledger", "spent"):
        assert found[name] == expected[name], name
    assert before.answers.height == 40


@pytest.mark.parametrize("mind", MINDS)
def test_a_survey_in_the_run_leaves_no_trace_either(mind: str) -> None:
    plain = simulation(mind)
    expected = fingerprint(plain, plain.run(6))
    survey = Survey("trust", every=2, questions=TRUST, who=25, see=["age"])
    asked = simulation(mind, surveys=survey)
    run = asked.run(6)
    assert fingerprint(asked, run) == expected
    assert run.surveys["tick"].unique().sort().to_list() == [0, 2, 4]
    assert run.surveys.height == 75
    ages = run.states.filter(pl.col("column") == "age")
    joined = run.surveys.join(ages, on=["tick", "population", "id"], how="inner")
    assert (joined["value_right"] == joined["id"] % 60 + 20).all()
    told = run.manifest["surveys"][0]
    assert told["done"] == 3
    called = "habit" != mind != "rememberer"
    assert (sum(row["logical_calls"] for row in told["spend"]) > 0) == called


def test_answers_are_those_of_the_minds_and_counted_by_kind() -> None:
    found = simulation("language").survey(TRUST, see=["age"])
    assert isinstance(found, Responses)
    frame = found.answers
    assert frame.columns == ["id", "age", "policy", "question", "outcome", "value", "label"]
    old = frame.filter(pl.col("policy") == "old")
    assert set(old["outcome"]) == {"abstained"}
    assert old["value"].null_count() == old["label"].null_count() == old.height == 30
    mind = frame.filter(pl.col("policy") == "mind")
    assert set(mind["outcome"]) == {"acted"}
    # each says yes with probability p(age), so the sum has that mean and variance: 4.5 deviations
    p = 1 / (1 + np.exp(-0.05 * (mind["age"].to_numpy() - 45)))
    assert abs(mind["value"].sum() - p.sum()) < 4.5 * np.sqrt((p * (1 - p)).sum())
    assert found.counts.select("policy", "outcome", "agents").rows() == [
        ("mind", "acted", 90),
        ("old", "abstained", 30),
    ]
    assert found.spent.logical.calls == 90
    assert found.spend[0]["kind"] == "trust"


def test_the_same_survey_again_has_the_same_answers_and_another_name_others() -> None:
    town = simulation("language")
    first, again = (town.survey(TRUST, who=60, see=["age"]) for _ in range(2))
    assert_frame_equal(first.answers, again.answers)
    other = town.survey(TRUST, who=60, see=["age"], name="other")
    assert not other.answers["id"].equals(first.answers["id"])


def test_questions_do_not_hear_of_each_other_unless_in_an_interview() -> None:
    two = {**TRUST, "hope": ("Do you hope?", YES_NO)}
    town = simulation("rememberer")
    alone, both, turned = (
        town.survey(q, name="same").answers.filter(pl.col("question") == "trust")
        for q in (TRUST, two, dict(reversed(two.items())))
    )
    assert_frame_equal(alone, both)
    assert_frame_equal(alone, turned)
    told = town.survey(dict(reversed(two.items())), name="same", follow=True).answers
    assert not told.filter(pl.col("question") == "trust")["value"].equals(alone["value"])


def test_an_interview_shows_each_agent_its_own_earlier_answers() -> None:
    heard: list[Any] = []

    def second(o: Any) -> Any:
        heard.append((list(o["interview"]), list(o["answer_age"]), o["question"]))
        return [f"because {x}" for x in o["answer_age"]]

    cast = Cast(
        {"says": Rule(age=lambda o: o["age"], why=second), "silent": Rule(vote=yes_with_age)},
        {"says": 1, "silent": 1},
    )
    town = Simulation(Town(people=6), cast, seed=1)
    questions = {"age": ("How old are you?", Number(0, 120)), "why": ("Why?", Text(80))}
    answers = town.survey(questions, follow=True, see=["age"]).answers
    who = answers.filter((pl.col("policy") == "says") & (pl.col("question") == "why"))
    assert who["label"].to_list() == [f"because {20 + i}" for i in who["id"]]
    (interviews, ages, question) = heard[0]
    assert (ages[0], question) == (str(20 + who["id"][0]), "Why?")
    assert interviews[0] == f"Q: How old are you?\nA: {ages[0]}\n"


def test_one_prompt_serves_any_question_of_any_space() -> None:
    model = Scripted(lambda request: "7" if "0 to 10" in str(request) else "calm")
    mind = Language(model, {"kind": {"any": {"agent": "{age}: {question}"}}})
    town = Simulation(Town(people=8), mind, seed=1)
    questions = {
        "trust": ("Trust, from 0 to 10?", Number(0, 10)),
        "mood": ("Your mood?", Text(20)),
    }
    found = town.survey(questions, kind="any", see=["age"]).answers
    assert found.filter(pl.col("question") == "trust")["value"].to_list() == [7.0] * 8
    assert found.filter(pl.col("question") == "mood")["label"].to_list() == ["calm"] * 8


def test_a_record_is_one_answer() -> None:
    space = Record(trust=Number(0, 1), why=Text(10))
    rule = Rule(both=lambda o: {"trust": o["age"] / 100, "why": "so"}, vote=yes_with_age)
    found = Simulation(Town(people=3), rule).survey({"both": ("?", space)}, see=["age"]).answers
    assert found["outcome"].to_list() == ["acted"] * 3
    assert json.loads(found["label"][0].replace("'", '"')) == {"trust": 0.2, "why": "so"}


def test_a_policy_that_raises_fails_alone_and_says_why() -> None:
    def broken(o: Any) -> Any:
        return o["stock"] / 2 if o.kind == "trust" else 0

    cast = Cast({"broken": broken, "fine": Rule(trust=yes_with_age, vote=yes_with_age)},
                {"broken": 1, "fine": 1})  # fmt: skip
    found = Simulation(Town(people=10), cast, seed=1).survey(TRUST, see=["age"])
    assert dict(found.answers.group_by("policy", "outcome").len().select("policy", "len").rows())
    assert found.failures[0]["policy"] == "broken"
    assert "does not show 'stock'" in found.failures[0]["why"]
    assert set(found.answers.filter(pl.col("policy") == "fine")["outcome"]) == {"acted"}


def test_the_budget_is_the_surveys_own() -> None:
    town = simulation("language", budget=Budget(calls=10_000))
    with pytest.raises(ParameterError, match="the run has a budget"):
        town.survey(TRUST, see=["age"])
    found = town.survey(TRUST, see=["age"], budget=Budget(calls=5, at_end="missing"))
    assert found.spent.billed.calls == 5
    outcomes = set(found.answers["outcome"])
    assert "over_budget" in outcomes
    assert town.resources.budget.spent.calls == 0


def test_who_is_asked() -> None:
    town = simulation("habit")
    people = town.world.people
    for who, ids in (
        ("age >= 70", [i for i in range(120) if i % 60 + 20 >= 70]),
        (people[people.age == 30], [10, 70]),
        (people.age == 31, [11, 71]),
        ([3, 1], [3, 1]),
    ):
        assert town.survey(TRUST, who=who, see=["age"]).answers["id"].to_list() == ids
    shown: list[Any] = []
    look = Simulation(Town(people=4), Rule(trust=lambda o: shown.append(o["x"]) or 0))
    look.survey(TRUST, who=[2, 0], columns={"x": np.array([5, 6, 7, 8])})
    assert shown[0].tolist() == [7, 5]


@pytest.mark.parametrize(
    ("error", "says", "given"),
    [
        (ParameterError, "cannot draw 500 of 120", {"who": 500}),
        (ParameterError, "1 or more", {"who": 0}),
        (ParameterError, "expected comparisons", {"who": "old"}),
        (PopulationError, "did you mean 'age'", {"who": "agee > 3"}),
        (PopulationError, "did you mean 'age'", {"see": ["ages"]}),
        (PopulationError, "no population 'cats'", {"population": "cats"}),
        (ParameterError, "own column", {"columns": {"policy": 1}}),
        (ParameterError, "own column", {"columns": {"question": 1}}),
        (PopulationError, "3 values for 120 rows", {"columns": {"x": [1, 2, 3]}}),
        (ParameterError, "questions by name", {"questions": {}}),
        (ParameterError, "expected \\(text, space\\)", {"questions": {"a": "why?"}}),
    ],
)
def test_impossible_surveys(error: type[Exception], says: str, given: dict[str, Any]) -> None:
    town = simulation("habit")
    with pytest.raises(error, match=says):
        town.survey(**{"questions": TRUST, **given})


def test_a_prompt_that_does_not_fit_is_told_before_any_call() -> None:
    town = simulation("language")
    with pytest.raises(PromptError, match="age"):
        town.survey(TRUST)  # the prompt names a column that is not shown


def test_inside_a_running_loop_nothing_changes() -> None:
    town = simulation("habit")

    async def both() -> tuple[Responses, Responses]:
        return await town.survey_async(TRUST, see=["age"]), town.survey(TRUST, see=["age"])

    first, second = asyncio.run(both())
    assert_frame_equal(first.answers, second.answers)


def test_a_twin_keeps_what_was_shared_shared() -> None:
    class Holder:
        pass

    one, box = Holder(), [1]
    one.a, one.b, one.me = box, {"box": box}, one  # type: ignore[attr-defined]
    one.method = box.append  # type: ignore[attr-defined]
    other = twin(one, {})
    assert other.me is other
    assert other.a is other.b["box"] is not box
    other.a.append(2)
    assert box == [1]
    people = Population(3, x=np.arange(3))
    ghost = shadow(people)
    ghost.x[1] = 9
    ghost.add_column("y", np.int8)
    assert people.x.tolist() == [0, 1, 2]
    assert people.columns == ("x",)
    assert copy.copy(ghost)["x"].tolist() == [0, 9, 2]


class Two(World):
    def __init__(self) -> None:
        self.cats, self.dogs = Population(2), Population(3)

    async def step(self, minds: Any) -> None:
        await minds.ask("eat", self.cats, YES_NO)


def test_of_several_populations_one_is_named() -> None:
    world = Simulation(Two(), {"cats": Rule(lambda o: 1), "dogs": Rule(lambda o: 0)})
    with pytest.raises(PopulationError, match="which population: cats, dogs"):
        world.survey(TRUST)
    assert world.survey(TRUST, population="dogs").answers["value"].to_list() == [0.0] * 3
    assert world.survey(TRUST, who=world.world.cats.everyone).answers.height == 2
