"""The exam: what is asked and shown, how it is marked and counted, and where items come from."""

from __future__ import annotations

import gzip
import json
import math
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from populace import Answers, Outcome, Rule, Simulation
from populace.errors import ParameterError, RecordError, WorldError
from populace.kernel.overlay import overlay
from populace.kernel.state import capture
from populace.language.policy import Language
from populace.language.recorded import Recorded as RecordedModel
from populace.language.recorded_import import import_jsonl, import_mmlu_pro
from populace.language.scripted import Scripted
from populace.language.worker import WorkerFailed
from populace.teams.team import Team
from populace.worlds.exam import JSONL, PROMPTS, Exam, Item, ReasoningGym, Recorded
from populace.worlds.exam.gym import _worker
from populace.worlds.exam.item import half
from populace.worlds.exam.world import Paper


class Listed:
    """Items at hand."""

    def __init__(self, *items):
        self.listed = items

    def items(self):
        return self.listed


def sums(n=10):
    return Listed(
        *(
            Item(f"sum{i}", f"What is {i} + {i}?", "number", str(2 * i), f"f{i % 3}", "sums")
            for i in range(n)
        )
    )


def letters(n):
    return Listed(*(Item(str(i), "Which?", "letter", "ABCDEFGHIJ"[i % 10]) for i in range(n)))


def say(words, outcome=None):
    """A rule that says the same to all, or a word by item."""

    def answer(o):
        said = [words(name) if callable(words) else words for name in o["item"]]
        return Answers(np.array(said, dtype=object), outcome)

    return Rule(answer=answer)


def held(source, policy, ticks=100, seed=0, **parameters):
    exam = Exam(source, **parameters)
    run = Simulation(exam, policy, seed=seed).run(ticks)
    return exam, run, run.metrics.rows(named=True)[-1]


# -- marking -----------------------------------------------------------------------------------


def test_right_wrong_unparsed_abstained_and_failed_are_counted_apart():
    replies = {"sum0": "Answer: 0", "sum1": "It is 3.", "sum2": "I do not know"}

    def answer(o):
        words = [replies.get(name) for name in o["item"]]
        outcome = [
            Outcome.ACTED
            if name in replies
            else Outcome.ABSTAINED
            if name == "sum3"
            else Outcome.TIMEOUT
            for name in o["item"]
        ]
        return Answers(np.array(words, dtype=object), outcome)

    exam, _, last = held(sums(5), Rule(answer=answer))
    assert last["accuracy"] == 1 / 5
    assert last["answered"] == 2 / 5
    assert last["score"] == 1 / 5
    assert (last["unparsed"], last["abstained"], last["failed"], last["ungraded"]) == (1, 1, 1, 0)
    table = exam.results()
    assert table["outcome"].to_list() == ["acted", "acted", "unparsed", "abstained", "timeout"]
    assert table["answer"].to_list() == ["0", "3", None, None, None]
    assert table["score"].to_list() == [1.0, 0.0, None, None, None]
    assert table["correct"].to_list() == [True, False, False, False, False]


def test_accuracy_is_broken_down_by_family_and_category():
    _, run, _ = held(sums(6), say(lambda name: "0"))  # right for sum0 alone, of family f0
    by = {(m, label): v for m, label, v in run.by.select("measure", "label", "value").iter_rows()}
    assert by["accuracy_by_family", "f0"] == 1 / 2
    assert by["accuracy_by_family", "f1"] == by["accuracy_by_family", "f2"] == 0
    assert by["accuracy_by_category", "sums"] == 1 / 6


def test_a_score_below_the_threshold_is_credit_but_not_correct():
    half_right = Listed(Item("a", "?", "text", verify=lambda answer: 0.5))
    _, _, last = held(half_right, say("x"))
    assert (last["score"], last["accuracy"], last["answered"]) == (0.5, 0, 1)
    _, _, last = held(half_right, say("x"), threshold=0.5)
    assert last["accuracy"] == 1


def test_a_verifier_that_does_not_end_leaves_the_answer_ungraded():
    def hang(answer):
        raise WorkerFailed("too long")

    exam, _, last = held(Listed(Item("a", "?", "text", verify=hang)), say("x"))
    assert (last["ungraded"], last["answered"], last["accuracy"]) == (1, 0, 0)
    assert exam.results()["outcome"].to_list() == ["ungraded"]


def test_a_verifier_must_return_a_score():
    broken = Listed(Item("a", "?", "text", verify=lambda answer: 2))
    with pytest.raises(WorldError, match="score from 0 to 1"):
        held(broken, say("x"))


def test_a_reply_beyond_the_limit_is_invalid():
    exam, _, last = held(sums(1), say("0" * 11), limit=10)
    assert last["failed"] == 1
    assert exam.results()["outcome"].to_list() == ["invalid"]


def test_nobody_is_shown_the_gold_answer():
    seen = []

    def answer(o):
        seen.append({name: o[name] for name in o.columns})
        return Answers(None, Outcome.ABSTAINED)

    held(sums(2), Rule(answer=answer))
    assert set(seen[0]) == {"question", "form", "instruction", "item", "family", "category"}
    assert seen[0]["form"] == "number"


# -- rules, models and teams sit it ------------------------------------------------------------


def test_the_oracle_is_right_and_the_random_rule_is_by_chance():
    exam = Exam(letters(4000))
    run = Simulation(exam, exam.policies()["oracle"], seed=1).run(1)
    assert run.metrics["accuracy"].to_list() == [1.0]
    exam = Exam(letters(4000))
    run = Simulation(exam, seed=1).run(1)  # the default cast is the random rule
    accuracy = run.metrics["accuracy"][0]
    assert abs(accuracy - 0.1) < 5 * math.sqrt(0.1 * 0.9 / 4000)  # five standard errors


def test_a_language_mind_sits_it_with_the_prompts_that_come_with_it():
    model = Scripted(lambda request: f"It is {request.label.agent} twice.\nAnswer: 6")
    exam, _, last = held(sums(5), Language(model, PROMPTS))
    assert last["accuracy"] == 1 / 5
    assert last["answered"] == 1
    asked = model.asked[0].messages[-1].content
    assert asked.startswith("What is 0 + 0?\n\nEnd your reply with")
    assert exam.results()["correct"].to_list() == [False, False, False, True, False]


def test_a_long_question_of_many_lines_is_put_whole():
    long = "\n".join(f"line {i}" for i in range(1000))
    model = Scripted(lambda request: "1")
    held(Listed(Item("a", long, "number", "1")), Language(model, PROMPTS))
    assert long in model.asked[0].messages[-1].content


async def vote(members, question):
    from populace.teams.votes import plurality

    return plurality(await members.ask())


def test_a_team_sits_it_and_votes_on_what_the_form_reads():
    replies = [lambda r: "Answer: 4.0", lambda r: "2 + 2 = 4", lambda r: "surely 5"]
    models = {f"m{i}": Scripted(reply, name=f"m{i}") for i, reply in enumerate(replies)}
    exam, _, last = held(sums(4), Team(models, vote))
    assert exam.results()["answer"].to_list() == ["4"] * 4
    assert exam.results()["correct"].to_list() == [False, False, True, False]
    assert last["unparsed"] == 0


# -- which items, when -------------------------------------------------------------------------


def test_items_are_drawn_by_the_seed_and_kept_in_order():
    def drawn(seed):
        exam, _, _ = held(sums(100), say("0"), seed=seed, items=10)
        return exam.results()["item"].to_list()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    places = [int(name[3:]) for name in drawn(1)]
    assert places == sorted(set(places))
    assert len(places) == 10


def test_the_halves_part_the_items_within_every_family_whatever_their_order():
    items = list(sums(31).items())
    fit, judge = half(items, "fit"), half(items, "judge")
    names = {i.name for i in fit} | {i.name for i in judge}
    assert names == {i.name for i in items}
    assert len(fit) + len(judge) == 31
    for family in ("f0", "f1", "f2"):
        counts = [sum(i.family == family for i in part) for part in (fit, judge)]
        assert 0 <= counts[0] - counts[1] <= 1
    assert {i.name for i in half(items[::-1], "fit")} == {i.name for i in fit}


def test_an_exam_in_blocks_ends_as_the_one_at_once():
    once, _, all_at_once = held(sums(10), say(lambda name: "4"))
    blocks, run, last = held(sums(10), say(lambda name: "4"), per_tick=3)
    assert run.metrics["asked"].to_list() == [3, 6, 9, 10]
    assert {k: v for k, v in last.items() if k != "tick"} == {
        k: v for k, v in all_at_once.items() if k != "tick"
    }
    assert blocks.results()["tick"].to_list() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert blocks.results().drop("tick").equals(once.results().drop("tick"))


def test_an_exam_goes_on_from_its_stored_state_to_the_same_end():
    def simulation(n=10):
        return Simulation(Exam(sums(n), items=n - 1, per_tick=4), say(lambda name: "4"), seed=5)

    first, again, through = simulation(), simulation(), simulation()
    first.run(1)
    stored = capture(first.world)
    overlay(again.world, stored)
    assert again.world.results().equals(first.world.results())
    first.run(5)
    again.tick = 1
    again.run(5)
    through.run(5)
    assert through.world.results().equals(first.world.results())
    assert through.world.results().equals(again.world.results())
    with pytest.raises(WorldError, match="other items"):
        Paper(sums(3).items()).restore(Paper(sums(4).items()).state())


def test_unasked_items_have_no_result_and_do_not_count():
    exam, run, last = held(sums(10), say("0"), ticks=1, per_tick=4)
    assert last["accuracy"] == 1 / 4
    assert exam.results()["outcome"].to_list()[4:] == ["waiting"] * 6
    assert exam.results()["tick"].to_list()[4:] == [None] * 6
    assert run.by.filter(pl.col("axis") == "family").height == 3


def test_attempts_are_agents_of_their_own():
    counted = iter(range(100))
    exam, _, last = held(sums(2), say(lambda name: str(next(counted) % 2 * 2)), attempts=4)
    table = exam.results()
    assert table["item"].to_list() == ["sum0"] * 4 + ["sum1"] * 4
    assert table["attempt"].to_list() == [0, 1, 2, 3] * 2
    assert last["accuracy"] == 0.5


def test_the_manifest_holds_the_digest_of_the_items():
    _, one, _ = held(sums(3), say("0"))
    _, same, _ = held(sums(3), say("1"))
    _, other, _ = held(sums(4), say("0"))
    assert one.manifest["data"] == same.manifest["data"] != other.manifest["data"]


# -- sources -----------------------------------------------------------------------------------

LINES = [
    {"item": "a", "question": "Capital of France?", "options": ["Paris", "Rome"], "gold": "A"},
    {"id": 7, "prompt": "1 + 1?", "form": "number", "answer": 2, "family": "f", "category": "c"},
    {"q": 0, "text": "Colour of the sky?", "gold": "Blue", "task": "colours"},
    {
        "task_id": "HumanEval/x",
        "prompt": "from typing import List\n\ndef f(x: List[int]) -> int:\n    '''Sum.'''\n",
        "entry_point": "f",
        "test": "def check(candidate):\n    assert candidate([1, 2]) == 3\n",
        "canonical_solution": "    return sum(x)\n",
    },
    {
        "task_id": 11,
        "text": "Double a number.",
        "test_setup_code": "import math",
        "test_list": ["assert g(2) == 4", "assert g(math.inf) == math.inf"],
        "code": "def g(x): return 2 * x",
    },
]


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in LINES) + "\n\n")
    return path


def test_a_file_of_questions_and_programs(lines):
    a, seven, sky, human, mbpp = JSONL(lines).items()
    assert a.question == "Capital of France?\n\n(A) Paris\n(B) Rome"
    assert a.form.options == 2
    assert (seven.name, seven.family, seven.category, seven.gold) == ("7", "f", "c", "2")
    assert (sky.name, sky.family, sky.form.name) == ("0", "colours", "text")
    assert human.form == mbpp.form == "code"
    assert "assert g(2) == 4" in mbpp.question
    exam = Exam(str(lines))
    run = Simulation(exam, exam.policies()["oracle"]).run(1)
    assert run.metrics["accuracy"].to_list() == [1.0]


def test_programs_are_scored_by_their_tests(lines):
    *_, human, mbpp = JSONL(lines).items()
    assert human.verify("def f(x: List[int]): return sum(x)") == 1  # the prompt's imports hold
    assert human.verify("return sum(x)") == 1  # the body alone
    assert human.verify("def f(x): return 0") == 0
    assert human.verify("import sys\nsys.exit(0)") == 0
    assert mbpp.verify("def g(x): return x + 2 if x < 3 else 0") == 0.5


def test_a_gzipped_file_is_the_same(lines, tmp_path):
    packed = tmp_path / "items.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    one, other = Exam(str(lines)), Exam(f"jsonl:{packed}")
    for exam in (one, other):
        Simulation(exam, say("0"))
    assert one.data() == other.data()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"question": "x"}', "gold"),
        ('{"gold": "x"}', "question"),
        ("[1]", "JSON object"),
        ("{", "no JSON"),
        ('{"question": "x", "gold": "A", "options": ["a"]}', "options"),
        ('{"question": "x", "test": "y"}', "entry_point"),
        ('{"question": "x", "test_list": []}', "test_list"),
        ("", "no items"),
    ],
)
def test_a_bad_file_names_its_line(tmp_path, line, says):
    path = tmp_path / "bad.jsonl"
    path.write_text(line)
    with pytest.raises(WorldError, match=says):
        Exam(JSONL(path))


def test_wrong_items_are_typed_errors(tmp_path):
    twice = Listed(Item("a", "?", "text", "x"), Item("a", "?", "text", "x"))
    with pytest.raises(WorldError, match="two items are named 'a'"):
        Exam(twice)
    with pytest.raises(WorldError, match="at most 10"):
        Exam(sums(10), items=11)
    with pytest.raises(WorldError, match="reads no answer in the gold"):
        Simulation(Exam(Listed(Item("a", "?", "number", "none"))), say("0"))
    with pytest.raises(ParameterError, match="did you mean 'number'"):
        Simulation(Exam(Listed(Item("a", "?", "nummber", "1"))), say("0"))
    with pytest.raises(ParameterError, match="did you mean 'reasoning-gym'"):
        Exam("reasoning_gym:leg_counting")
    with pytest.raises(WorldError, match="cannot be read"):
        Exam(f"jsonl:{tmp_path / 'absent.jsonl'}")
    with pytest.raises(RecordError):
        Exam(f"recorded:{tmp_path / 'absent.sqlite'}")


def test_items_of_a_recording_have_the_scores_of_their_source(tmp_path):
    answers, items, path = (tmp_path / n for n in ("a.jsonl", "i.jsonl", "r.sqlite"))
    about = {"family": "f", "category": "c", "question": "?"}
    items.write_text("\n".join(json.dumps({"item": n, "gold": "x y", **about}) for n in "ab"))
    given = {"model": "m", "sample": 0, "item": "a", "answer": "x  y", "score": 0.75}
    answers.write_text(json.dumps(given))
    recording = import_jsonl(answers, path, items)
    a, b = Recorded(recording).items()
    assert (a.name, a.question, a.gold, a.family, a.category) == ("a", "?", "x y", "f", "c")
    assert a.verify("x  y") == 0.75  # as recorded
    assert (a.verify("x y"), a.verify("z"), b.verify("x  y")) == (1.0, 0.0, 0.0)
    exam, _, last = held(f"recorded:{path}", say("<answer>x  y</answer>"))
    assert last["score"] == 0.75 / 2
    assert exam.results()["answer"].to_list() == ["x  y", "x  y"]


def test_recorded_models_sit_the_exam_they_sat(tmp_path):
    answers, items, path = (tmp_path / n for n in ("a.jsonl", "i.jsonl", "r.sqlite"))
    items.write_text(
        "\n".join(json.dumps({"item": n, "gold": "B", "question": f"{n}?"}) for n in "abcd")
    )
    said = {"a": "Answer: B", "b": "Answer: C", "c": "I do not know"}  # and nothing to d
    rows = [{"model": "m", "sample": 0, "item": n, "text": text} for n, text in said.items()]
    answers.write_text("\n".join(map(json.dumps, rows)))
    model = RecordedModel(import_jsonl(answers, path, items), "m")
    exam, _, last = held(f"recorded:{path}", Team([model], vote))
    assert (last["accuracy"], last["answered"]) == (1 / 4, 2 / 4)
    assert exam.results()["answer"].to_list() == ["B", "C", None, None]


def test_recorded_answers_of_a_real_model_have_the_accuracy_of_their_scores(tmp_path):
    data = Path(os.environ.get("POPULACE_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (data / "mmlu-pro-answers.jsonl.gz").exists():
        pytest.skip(f"needs {data}")
    with gzip.open(data / "mmlu-pro-answers.jsonl.gz", "rt") as lines:
        first = next(lines)
    answers, items = tmp_path / "answers.jsonl", data / "mmlu-pro-gold.jsonl.gz"
    answers.write_text(first)
    recording = import_mmlu_pro(answers, tmp_path / "r.sqlite", items)
    (name,) = recording.models
    exam, _, last = held(Recorded(recording), Team([RecordedModel(recording, name)], vote))
    table = recording.table(name)
    assert last["asked"] == 12_032
    assert last["accuracy"] * 12_032 == pytest.approx((table["score"] == 1).sum())
    read = exam.results().drop_nulls("answer")
    assert read.height == table["answer"].drop_nulls().len()
    both = read.join(table, on="item", suffix="_recorded")
    assert (both["answer"] == both["answer_recorded"]).all()


# -- reasoning-gym -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gym():
    pytest.importorskip("reasoning_gym", reason="needs the extra exams")
    return ReasoningGym


def test_puzzles_are_the_same_for_a_seed_and_others_for_another(gym):
    one = gym(["leg_counting", "gsm_symbolic"], 5, 3).items()
    assert one == gym(["leg_counting", "gsm_symbolic"], 5, 3).items()
    assert one != gym(["leg_counting", "gsm_symbolic"], 5, 4).items()
    assert [i.family for i in one] == ["leg_counting"] * 5 + ["gsm_symbolic"] * 5
    assert len({i.name for i in one}) == 10


def test_making_and_scoring_leaves_the_global_random_states_alone(gym):
    import random

    random.seed(1)
    np.random.seed(1)  # the very state that a generator of reasoning-gym seeds
    before = random.getstate(), np.random.get_state()[1].tolist()
    (item,) = gym(["pool_matrix"], 1).items()
    assert item.verify(item.gold) == 1
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_its_own_verifiers_give_partial_credit_and_survive_nonsense(gym):
    for task in ("countdown", "simple_integration", "pool_matrix", "leg_counting"):
        (item,) = gym([task], 1).items()
        assert item.verify(item.gold) == 1
        for nonsense in ("", "no", "1/0", "(" * 500):
            assert 0 <= item.verify(nonsense) < 0.99


def test_what_a_verifier_evaluates_cannot_leave_its_process(gym, tmp_path, monkeypatch):
    mark = tmp_path / "mark"
    (item,) = gym(["simple_integration"], 1).items()  # its verifier evaluates answers, by sympy
    for act in (f"open({str(mark)!r}, 'w')", f"__import__('os').mkdir({str(mark)!r})"):
        assert item.verify(act) < 0.99
    assert item.verify(f"__import__('os').system('touch {mark}')") < 0.99
    assert not mark.exists()
    (item,) = gym(["countdown"], 1).items()
    monkeypatch.setattr(_worker(), "seconds", 0.5)
    with pytest.raises(WorkerFailed, match=r"0\.5 s of work"):
        item.verify("9**9**9")
    monkeypatch.undo()
    assert item.verify(item.gold) == 1


def test_the_oracle_passes_reasoning_gym_from_its_name(gym):
    exam = Exam("reasoning-gym:leg_counting, spell_backward", size=3)
    run = Simulation(exam, exam.policies()["oracle"]).run(5)
    assert run.metrics["accuracy"].to_list() == [1.0]
    assert exam.results()["category"].unique().sort().to_list() == ["algorithmic", "arithmetic"]


def test_a_task_can_be_configured(gym):
    config = {"spell_backward": {"min_word_len": 3, "max_word_len": 3}}
    for item in gym(["spell_backward"], 5, 0, config).items():
        assert len(item.gold) == 3


def test_closed_answers_are_named_to_whoever_answers_and_scored_by_the_task(gym):
    source = gym(["syllogism", "leg_counting"], 3, 0, choices={"syllogism": ["Yes", "No"]})
    exam = Exam(source)
    run = Simulation(exam, exam.policies()["oracle"]).run(1)
    assert run.metrics["accuracy"].to_list() == [1.0]
    assert [
        item.form if isinstance(item.form, str) else item.form.name for item in source.items()
    ] == ["choice: Yes | No"] * 3 + ["verbatim"] * 3
    with pytest.raises(ParameterError, match="did you mean 'syllogism'"):
        gym(["syllogism"], 1, 0, choices={"sylogism": ["Yes", "No"]})


def test_a_wrong_task_is_a_clear_error(gym):
    with pytest.raises(ParameterError, match="did you mean 'leg_counting'"):
        gym(["leg_countin"])
    with pytest.raises(ParameterError, match=r"'leg_counting'.*cannot be built"):
        gym(["leg_counting"], 1, 0, {"leg_counting": {"colour": 1}}).items()
    with pytest.raises(ParameterError, match=r"'composite'.*cannot be built"):
        gym(["composite"]).items()
    with pytest.raises(ParameterError, match="size"):
        gym(["leg_counting"], 0)
    with pytest.raises(ParameterError, match="each once"):
        gym(["leg_counting", "leg_counting"])
