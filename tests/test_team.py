"""Teams: a structure over members, as one policy."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from populace import (
    Answers,
    Choice,
    Fallback,
    Number,
    Outcome,
    Pick,
    Record,
    Rule,
    Simulation,
    Team,
    Text,
)
from populace.errors import (
    CastError,
    MissingDecision,
    ParameterError,
    PopulaceError,
    PromptError,
    RegistryError,
)
from populace.language.scripted import Scripted
from populace.teams import Said, Verdict
from tests.teamwork import WORDING, Sums, adds, debate


def models(*by):
    return {f"m{k}": Scripted(adds(each, f"m{k}"), name=f"m{k}") for k, each in enumerate(by)}


def test_a_debate_is_the_plurality_of_its_last_round():
    team = Team(models(1, 1, 2), debate, wording=WORDING)
    run = Simulation(Sums(), team).run(1)
    assert run.metrics["right"].to_list() == [4]


def test_each_member_keeps_its_own_conversation_and_sees_the_others_only_as_peers():
    made = models(1, 1, 2)
    run = Simulation(Sums(1), Team(made, debate, wording=WORDING, rounds=2)).run(1)
    assert run.metrics["right"].to_list() == [1]
    first, second = made["m1"].asked
    assert [m.role for m in first.messages] == ["user"]
    assert [m.role for m in second.messages] == ["user", "assistant", "user"]
    assert second.messages[1].content == "I, m1, add.\nAnswer: 1"
    last = second.messages[2].content
    assert last.startswith(
        "m0 says: I, m0, add.\nAnswer: 1\n\nm2 says: I, m2, add.\nAnswer: 2\n\nAnswer again."
    )
    assert "m1 says" not in last


def test_the_transcript_has_a_row_an_answer_and_one_a_verdict():
    run = Simulation(Sums(2), Team(models(1, 1, 2), debate, wording=WORDING, rounds=2)).run(1)
    table = run.transcript
    assert len(table) == 2 * (2 * 3 + 1)
    assert table.columns[:8] == [
        "tick", "population", "agent", "policy", "round", "turn", "member", "prompt",
    ]  # fmt: skip
    one = table.row(4, named=True)
    assert one["member"] == "m1"
    assert one["prompt"] == "debate"
    assert one["sees"] == ["m0", "m2"]
    assert one["answer"] == "1"
    assert one["tokens_out"] == 4
    verdict = table.row(6, named=True)
    assert (verdict["prompt"], verdict["member"], verdict["answer"]) == ("verdict", None, "1")
    assert verdict["votes"] == "[[1, 2.0], [2, 1.0]]"
    kept = Simulation(Sums(5), Team(models(1), debate, wording=WORDING, transcripts=2)).run(1)
    assert kept.transcript["agent"].unique().sort().to_list() == [0, 1]


def test_what_does_not_parse_is_said_but_does_not_vote_and_is_counted():
    babbles = Scripted(lambda request: "I cannot tell.", name="babbles")
    team = Team(
        {**models(1, 2, 2), "b": babbles, "c": babbles, "d": babbles}, debate, wording=WORDING
    )
    run = Simulation(Sums(1), team).run(1)
    assert run.world.answers.values.tolist() == [2]
    assert run.transcript.filter(run.transcript["outcome"] == "invalid").height == 3 * 3
    minds = dict(run.minds.select("measure", "value").iter_rows())
    assert minds["unparsed"] == 9
    assert run.failures.height == 9


def test_without_any_vote_there_is_no_decision():
    run = Simulation(Sums(2), Team([Scripted(lambda r: "Hm.")], debate, wording=WORDING)).run(1)
    assert run.asks["invalid"].to_list() == [2]
    assert run.world.answers.values.tolist() == [-1, -1]


# -- members of every kind ----------------------------------------------------------------------


def test_policies_are_asked_in_one_batch_with_the_worlds_columns_and_what_the_others_said():
    seen = []

    def rule(o):
        seen.append((len(o), o.kind, o["prompt"], o["peers"].tolist()[0], o["round"]))
        return o["number"] + 1

    team = Team({"rule": Rule(answer=rule), **models(2)}, debate, wording=WORDING, rounds=2)
    run = Simulation(Sums(6), team).run(1)
    assert seen == [
        (6, "answer", "answer", "", 0),
        (6, "answer", "debate", "m0 says: I, m0, add.\nAnswer: 2", 1),
    ]
    said = run.transcript.filter(run.transcript["member"] == "rule")
    assert said["answer"].to_list() == [str(i + 1) for i in range(6) for _ in range(2)]


def test_a_rules_draws_are_the_agents_own_new_in_every_round_and_the_same_beside_others():
    def rounds_of(team):
        run = Simulation(Sums(50), team, seed=4).run(1)
        own = run.transcript.filter(run.transcript["member"] == "rule")
        return [own.filter(own["round"] == r)["answer"].cast(int).to_numpy() for r in range(2)]

    def rule():
        return Rule(lambda o: o.random.integers(low=0, high=1000))

    one = rounds_of(Team({"rule": rule()}, debate, wording=WORDING, rounds=2))
    two = rounds_of(Team({**models(1), "rule": rule()}, debate, wording=WORDING, rounds=2))
    assert (one[0] == two[0]).all()
    assert (one[1] == two[1]).all()
    # equal by chance: 50 pairs of independent draws from 1,000; more than 5 has odds below 1e-9
    assert (one[0] == one[1]).sum() <= 5


def test_members_with_one_model_answer_by_different_samples_and_agents_by_different_seeds():
    model = Scripted(adds(), name="one")
    Simulation(Sums(2), Team([model] * 3, debate, wording=WORDING, rounds=1), seed=9).run(1)
    keys = [(r.label.agent, r.sample) for r in model.asked]
    assert sorted(keys) == [(agent, sample) for agent in range(2) for sample in range(3)]
    seeds = {r.label.agent: r.seed for r in model.asked}
    assert len(set(seeds.values())) == 2


def test_a_team_is_a_member_like_any_other():
    inner = Team(models(1, 1, 2), debate, wording=WORDING, rounds=2)
    outer = Team({"inner": inner, **models(1, 2)}, debate, wording=WORDING, rounds=2)
    run = Simulation(Sums(3), outer).run(1)
    assert run.metrics["right"].to_list() == [3]
    names = set(run.transcript["policy"])
    assert names == {"team", "team/inner"}
    asked = inner.seats[0].model.asked
    assert "m1 says: I, m1, add." in asked[-1].messages[0].content  # what the outer members said
    calls = run.spend.group_by("policy").agg(pl.col("logical_calls").sum())
    assert calls.sort("policy")["logical_calls"].to_list() == [3 * 4, 3 * 12]


def test_a_team_can_be_a_fallback_and_have_one():
    silent = Team([Scripted(lambda r: "?")], debate, wording=WORDING)
    team = Team(models(1), debate, wording=WORDING)
    run = Simulation(Sums(2), Fallback(silent, to=team)).run(1)
    assert run.asks["fallback"].to_list() == [2]
    assert run.metrics["right"].to_list() == [2]
    assert len(run.transcript) == 2 * 2 * 4
    silence = Fallback(lambda o: Answers(None, Outcome.ABSTAINED), to=lambda o: o["number"] + 1)
    helped = Team([silence], debate, wording=WORDING)
    assert Simulation(Sums(2), helped).run(1).metrics["right"].to_list() == [2]


# -- replies ------------------------------------------------------------------------------------


async def judged(members, question):
    (said,) = await members.ask(
        "judge",
        to=0,
        space=Record(answer=question.space, confidence=Number(0, 10), why=Text(50)),
    )
    judged.said = said
    return said


@pytest.mark.parametrize("schema", [True, False])
def test_a_typed_reply_is_held_to_a_schema_where_the_model_can_be_and_read_strictly(schema):
    model = Scripted(lambda r: '{"answer": 1, "confidence": 8, "why": "so"}')
    model.capabilities = replace(model.capabilities, schema=schema)
    run = Simulation(Sums(1), Team([model], judged, wording=WORDING)).run(1)
    assert run.metrics["right"].to_list() == [1]
    assert judged.said.fields == {"answer": 1, "confidence": 8.0, "why": "so"}
    assert judged.said.confidence == 0.8
    (request,) = model.asked
    assert (request.schema is not None) == schema
    assert '"maxLength": 50' in request.messages[0].content


@pytest.mark.parametrize(
    "reply",
    ['{"answer": 1, "confidence": 11, "why": ""}', '{"answer": 1}', "Answer: 1", "[1]", ""],
)
def test_a_typed_reply_that_is_not_one_is_no_answer(reply):
    model = Scripted(lambda r: reply)
    run = Simulation(Sums(1), Team([model], judged, wording=WORDING)).run(1)
    assert run.asks["invalid"].to_list() == [1]
    assert judged.said.text == reply
    assert judged.said.fields == {}


def test_a_prompt_says_which_fields_a_reply_has():
    wording = {
        "prompt": {
            "answer": {"text": "{question} {instruction}", "fields": {"confidence": [0, 10]}}
        }
    }

    async def once(members, question):
        (said,) = await members.ask()
        return Verdict(said.answer, confidence=said.confidence)

    def run(reply):
        model = Scripted(lambda r: reply)
        done = Simulation(Sums(1), Team([model], once, wording=wording)).run(1)
        return done.transcript["confidence"].to_list()[0]

    assert run("Confidence: 7\nAnswer: 1") == 0.7
    assert run("<confidence>10</confidence> Answer: 1") == 1.0
    assert run("Confidence: 12\nAnswer: 1") is None
    assert run("Answer: 1") is None


SPACES = {
    "a choice": (Choice(["no", "yes"]), "I think so.\nAnswer: **Yes**.", 1),
    "another choice": (Choice(["no", "yes"]), '{"answer": "no"}', 0),
    "a number": (Number(0, 5), "The answer is 3.5", 3.5),
    "a whole number": (Number(0, 5000, integer=True), "answer: 1,250", 1250),
    "an id": (Pick(3), '{"answer": 2}', 2),
    "a text": (Text(20), "Hello there.", "Hello there."),
}


@pytest.mark.parametrize("name", SPACES)
def test_a_team_answers_every_space(name):
    space, reply, value = SPACES[name]

    class Ask(Sums):
        async def step(self, minds):
            self.answers = await minds.ask("speak", self.items, space, number=1)

        def measure(self):
            return {}

    run = Simulation(Ask(1), Team([Scripted(lambda r: reply)], debate, wording=WORDING)).run(1)
    assert run.world.answers.values.tolist() == [value]
    wrong = Team([Scripted(lambda r: "Answer: 77")], debate, wording=WORDING)
    if not isinstance(space, Text) and name != "a whole number":
        with pytest.raises(MissingDecision):
            Simulation(Ask(1), wrong).run(1)


def test_a_record_and_a_call_are_answered_too():
    space = Record(yes=Choice(["no", "yes"]), how=Number(0, 1))

    class Ask(Sums):
        async def step(self, minds):
            self.answers = await minds.ask("speak", self.items, space)

        def measure(self):
            return {}

    model = Scripted(lambda r: '{"yes": "yes", "how": 0.5}')
    run = Simulation(Ask(2), Team([model], debate, wording=WORDING)).run(1)
    assert run.world.answers.values["yes"].tolist() == [1, 1]
    assert run.world.answers.values["how"].tolist() == [0.5, 0.5]


def test_without_a_question_the_columns_are_the_question_and_prompts_may_word_them():
    class Ask(Sums):
        async def step(self, minds):
            await minds.ask("stay", self.items, space, cases=3, age=self.items.ids, last=np.nan)

        def measure(self):
            return {}

    space = Choice(["in", "out"])
    model = Scripted(lambda r: "Answer: in")
    Simulation(Ask(2), Team([model], debate, wording=WORDING, rounds=1)).run(1)
    assert model.asked[1].messages[0].content == (
        "The decision is: stay.\ncases: 3\nage: 1\nlast: unknown\n\n"
        "End with a line that says 'Answer: ' and one of: in, out."
    )
    prompts = {"kind": {"stay": {"shared": "There are {cases} cases.", "agent": "You are {age}."}}}
    model = Scripted(lambda r: "Answer: in")
    Simulation(Ask(2), Team([model], debate, wording=WORDING, prompts=prompts, rounds=1)).run(1)
    assert model.asked[1].messages[0].content.startswith("There are 3 cases.\n\nYou are 1.\n\nEnd")


# -- what structures return ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "values", "outcome"),
    [
        (Verdict(1), [1], "acted"),
        (Said(0, 0, "one", 1), [1], "acted"),
        (1, [1], "acted"),
        (np.int64(1), [1], "acted"),
        (None, [-1], "abstained"),
        (Verdict(None, Outcome.REFUSED), [-1], "refused"),
        (Verdict(-4), [-1], "invalid"),
    ],
)
def test_a_structure_returns_a_verdict_an_answer_or_nothing(result, values, outcome):
    async def just(members, question):
        return result

    run = Simulation(Sums(1), Team(models(1), just)).run(1)
    assert run.world.answers.values.tolist() == values
    assert run.asks[outcome].to_list() == [1]


def test_a_text_is_in_the_words_of_the_last_member_whose_answer_it_is():
    class Ask(Sums):
        async def step(self, minds):
            self.answers = await minds.ask("say", self.items, Text(99), form="number", question="?")

        def measure(self):
            return {}

    async def first(members, question):
        said = await members.ask()
        return said[0].answer

    model = Scripted(lambda r: "I make it 12.\nAnswer: 12")
    run = Simulation(Ask(1), Team([model], first)).run(1)
    assert run.world.answers.values.tolist() == ["I make it 12.\nAnswer: 12"]
    assert run.transcript["answer"].to_list() == ["12", "12"]


# -- errors -------------------------------------------------------------------------------------


def test_mistakes_are_told_before_anybody_is_asked():
    with pytest.raises(ParameterError, match="did you mean 'rounds'"):
        Team(models(1), debate, round=3)
    with pytest.raises(ParameterError, match="one member or more"):
        Team([], debate)
    with pytest.raises(CastError, match="no act"):
        Team([3], debate)
    with pytest.raises(ParameterError, match="no limit 'token'"):
        Team(models(1), debate, budget={"token": 3})
    with pytest.raises(PromptError, match="no setting 'txt'"):
        Team(models(1), debate, wording={"prompt": {"answer": {"text": "", "txt": ""}}})
    with pytest.raises(RegistryError, match="no structure 'debat'"):
        Team(models(1), "debat")


def failing(structure, **settings):
    with pytest.raises(PopulaceError) as error:
        Simulation(Sums(1), Team(models(1, 1), structure, **settings)).run(1)
    return str(error.value)


def test_mistakes_of_a_structure_name_what_is_wrong():
    async def unknown(members, question):
        await members.ask("answr")

    async def stray(members, question):
        await members.ask(to=5)

    async def deaf(members, question):
        await members.ask(sees=await members.ask())

    async def column(members, question):
        await members.ask("c")

    async def nonsense(members, question):
        return [1]

    async def raises(members, question):
        raise ZeroDivisionError("oh")

    assert "did you mean 'answer'?" in failing(unknown)
    assert "members of 0..1" in failing(stray)
    assert "does not name {peers}" in failing(deaf)
    wording = {"prompt": {"c": {"text": "{questio}"}}}
    assert "did you mean 'question'?" in failing(column, wording=wording)
    assert "expected a Verdict" in failing(nonsense)
    assert "ZeroDivisionError: oh" in failing(raises)


def test_the_manifest_says_who_is_in_the_team_and_by_which_prompts():
    team = Team({**models(1), "r": Rule(lambda o: 1)}, debate, wording=WORDING, rounds=2)
    told = Simulation(Sums(1), team).run(1).manifest["cast"]["items"]["policies"]["team"]
    told = told["parameters"]
    assert told["structure"] == "debate"
    assert told["settings"] == {"rounds": 2}
    assert told["members"]["m0"]["model"] == "m0"
    other = Team(models(1), debate, wording={"prompt": {"debate": {"text": "{peers}"}}})
    assert told["wording"] != other.describe()["wording"]
