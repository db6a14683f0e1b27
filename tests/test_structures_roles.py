"""Structures of roles: a procedure of documents, CodeCoR."""

import json

import pytest

from populace.kernel.answers import Outcome
from populace.kernel.errors import ParameterError
from populace.kernel.spaces import Text
from populace.teams.structures.codecor import asserts, codecor
from populace.teams.structures.sop import COMPANY, Role, sop
from tests.speakers import play


def paper(**fields):
    return json.dumps(fields)


# -- a procedure of documents ----------------------------------------------------------------------

STEPS = (
    Role(name="analyst", does="Analyse.", document={"goals": Text(100)}),
    Role(name="maker", does="Make.", document={"work": Text(100)}, answers=True),
    Role(name="tester", does="Test.", document={"review": Text(100)}, reads=("maker",)),
)


def test_a_procedure_by_hand():
    script = {(0, 0): paper(goals="be right"), (1, 1): paper(work="done", answer="A")}
    script |= {(2, 2): paper(review="mended", answer="B")}
    played = play(sop, script, roles=STEPS)
    assert (played.verdict.answer, played.verdict.reason) == ("B", "done")
    assert (played.saw(1, 1), played.saw(2, 2)) == ([0], [1])  # the tester subscribes to one
    assert "Document of the analyst:" in played.read(1, 1)
    assert "be right" not in played.read(2, 2)
    # what two calls bought is the maker's answer
    short = play(sop, script, roles=STEPS, calls=2).verdict
    assert (short.answer, short.reason) == ("A", "budget")
    assert play(sop, script, roles=STEPS, calls=1).verdict.outcome == Outcome.OVER_BUDGET


def test_a_document_that_cannot_be_read_is_asked_again_and_then_ends_it():
    script = {(0, 0): "goals: be right", (0, 1): paper(goals="be right")}
    script |= {(1, 2): paper(work="done", answer="A"), (2, 3): paper(review="", answer="A")}
    played = play(sop, script, roles=STEPS)
    assert played.prompts == ["document", "again", "document", "document"]
    assert played.verdict.answer == "A"
    lost = play(sop, script | {(0, 1): paper(aims="be right")}, roles=STEPS)
    assert (lost.verdict.answer, lost.verdict.outcome) == (None, Outcome.INVALID)
    assert (lost.verdict.reason, lost.calls) == ("analyst", 2)


def test_one_member_may_play_all_roles_in_one_conversation():
    script = {(0, 0): paper(goals="be right"), (0, 1): paper(work="done", answer="A")}
    script |= {(0, 2): paper(review="fine", answer="A")}
    played = play(sop, script, 1, roles=STEPS)
    assert "be right" in played.sent(0, 1)[1][1]
    assert played.verdict.answer == "A"


def test_the_company_of_the_paper_answers_in_words():
    def script(member, r, sample, text):
        return paper(**dict.fromkeys(COMPANY[r].document, "x"), **(
            {"answer": f"program {r}"} if r > 2 else {}))  # fmt: skip

    played = play(sop, script, 5, space=Text(100))
    assert (played.verdict.answer, played.verdict.text) == ("program 4", "program 4")
    assert [played.saw(i, i) for i in range(5)] == [[], [0], [0, 1], [0, 1, 2], [0, 3]]


def test_procedures_that_cannot_be():
    one = STEPS[0]
    for roles, why in [
        ((one, one), "different names"),
        ((Role(name="a", does="", reads=("b",)),), "none of those before"),
        ((Role(name="a", does=""), one), "a field"),
        ((Role(name="a", does="", document={"answer": Text(9)}),), "answers=True"),
    ]:
        with pytest.raises(ParameterError, match=why):
            play(sop, {}, roles=roles)


# -- CodeCoR ---------------------------------------------------------------------------------------

GOOD = "def twice(x):\n    return 2 * x"
BAD = "def twice(x):\n    return x * x"
WORSE = "def twice(x):\n    return 0"
TESTS = "```python\nassert twice(2) == 4\nassert twice(3) == 6\n```"


def by_text(program, tests):
    """A checker by table: BAD passes twice(2) alone, WORSE twice(0) alone."""
    knows = {GOOD: "0236", BAD: "02", WORSE: "0"}[program]
    return [test[len("assert twice(")] in knows for test in tests]


def coder(codes):
    """plans (m0) two; tests (m2) two, the second with a further one; then programs (m1)."""
    made = iter(codes)

    def script(member, r, sample, text):
        if "Rate the quality" in text:
            n = text.count("Version ")
            return paper(**{f"quality_{i}": 9 for i in range(1, n + 1)})
        if member == 0:
            return f"plan {sample}"
        if member == 1:
            return next(made)
        if member == 2:
            return TESTS if sample == 0 else TESTS.replace("\n```", "\nassert twice(0) == 0\n```")
        return f"advice {sample}"

    return script


def test_codecor_by_hand():
    # tests: 2, 3 (and 0, from the second version; doubles once): three. BAD passes 2 and 0, WORSE
    # 0. BAD is repaired by two pieces of advice: WORSE, then GOOD, which passes all.
    played = play(codecor, coder([WORSE, BAD, WORSE, GOOD]), 4, space=Text(500), checker=by_text)
    assert (played.verdict.answer, played.verdict.reason) == (GOOD, "passed")
    assert played.verdict.votes == {WORSE: 1, BAD: 2, GOOD: 3}
    assert played.prompts == [
        "plan", "prune", "test", "prune", "code", "code", "repair", "prune", "recode", "recode",
    ]  # fmt: skip
    assert [played.saw(1, 4), played.saw(3, 6), played.saw(1, 8)] == [[0], [1], [3]]
    assert BAD in played.read(3, 6)
    assert "assert twice(3) == 6" in played.read(3, 6)
    assert "assert twice(2) == 4" not in played.read(3, 6)


def test_codecor_prunes_doubles_low_ratings_and_what_does_not_parse():
    def script(member, r, sample, text):
        if "Rate the quality" in text:
            return paper(quality_1=3, quality_2=4)  # both below 5: the better stays
        if member == 1:
            return "def twice(x) return"
        return ["plan a", TESTS, TESTS, "advice"][[0, 1, 2, 3][member]] if sample else "plan b"

    played = play(codecor, script, 4, space=Text(500), checker=by_text)
    assert (played.verdict.answer, played.verdict.reason) == (None, "no program")
    assert "plan a" in played.read(1, played.prompts.index("code"))
    assert played.prompts.count("code") == 1
    same = play(codecor, coder([BAD] * 9), 4, space=Text(500), checker=by_text, rounds=2)
    assert (same.verdict.answer, same.verdict.reason) == (BAD, "done")


def test_codecor_out_of_budget_returns_the_best_so_far():
    # plan 2 + prune 1 + tests 2 + prune 1 + two programs: 8 calls
    played = play(codecor, coder([BAD, WORSE]), 4, space=Text(500), checker=by_text, calls=9)
    assert (played.verdict.answer, played.verdict.reason) == (BAD, "budget")


def test_codecor_in_the_sandbox():
    played = play(codecor, coder([BAD, GOOD]), 4, space=Text(500))
    assert (played.verdict.answer, played.verdict.reason) == (GOOD, "passed")
    assert played.verdict.votes == {BAD: 2, GOOD: 3}


def test_asserts_are_read_and_nothing_else():
    assert asserts("Here:\n```python\nimport os\nassert f(1) == (\n  2)\n```") == [
        "assert f(1) == 2"
    ]
    assert asserts("assert f(1) == 2\nassert f(2)") == ["assert f(1) == 2", "assert f(2)"]
    assert asserts("assert f(1) ==") == []
    assert asserts("I would test f(1).") == []
