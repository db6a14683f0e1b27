"""Structures, each on a script whose outcome is worked out by hand."""

import importlib
import inspect
import itertools
import json
import math
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.kernel.answers import Outcome
from populace.kernel.errors import ParameterError
from populace.kernel.streams import Streams
from populace.teams.structures.best import best_of_n
from populace.teams.structures.cascade import cascade, router
from populace.teams.structures.consistency import allotment, self_consistency
from populace.teams.structures.debate import debate
from populace.teams.structures.diverse import diverse_debate, spread
from populace.teams.structures.judged import judged_debate
from populace.teams.structures.single import reflect, single
from populace.teams.structures.voting import confidence_vote, vote
from populace.teams.topology import neighbours
from tests.speakers import play
from tests.test_team_votes import round_of

WORDS = "I am not sure."  # no answer can be read from it


def sure(answer, confidence):
    return f"Because.\nConfidence: {confidence}\nAnswer: {answer}"


def rounds(*lines):
    """A script from one line a round, a letter a member; ``-`` is no answer, ``!`` no reply."""
    said = {"-": WORDS, "!": Outcome.FAILED}
    return {
        (i, r): said.get(letter, letter)
        for r, line in enumerate(lines)
        for i, letter in enumerate(line)
    }


# -- single, reflect -------------------------------------------------------------------------------


def test_single_asks_one_member_once():
    played = play(single, rounds("AB"), 2, member="m1")
    assert (played.verdict.answer, played.asked) == ("B", [[1]])
    nothing = play(single, rounds("-"), 1).verdict
    assert (nothing.answer, nothing.outcome) == (None, Outcome.INVALID)
    with pytest.raises(ParameterError, match="did you mean 'm1'"):
        play(single, {}, 2, member="m11")


def test_reflect_takes_the_last_word_in_one_conversation():
    played = play(reflect, rounds("A", "B", "C"), 1, times=2)
    assert (played.verdict.answer, played.prompts) == ("C", ["answer", "recheck", "recheck"])


def test_reflect_out_of_budget_keeps_what_was_said():
    verdict = play(reflect, rounds("A", "B"), 1, times=2, calls=2).verdict
    assert (verdict.answer, verdict.reason) == ("B", "budget")


# -- self-consistency ------------------------------------------------------------------------------


def samples(letters):
    """A script of one member's samples."""
    said = {"-": WORDS}
    return lambda member, r, sample, *_: said.get(letters[sample], letters[sample])


def test_all_samples_vote_without_a_stop():
    # ABBA-B: A 2, B 3, one unparsed; margin 1 / 5
    played = play(self_consistency, samples("ABBA-B"), 1, k=6, stop=False)
    verdict = played.verdict
    assert (verdict.answer, verdict.votes, verdict.unparsed) == ("B", {"A": 2, "B": 3}, 1)
    assert (verdict.reason, played.asked) == ("done", [[0] * 6])
    assert verdict.margin == pytest.approx(1 / 5)


def test_it_stops_when_the_leader_cannot_be_caught():
    # k = 7. Before 4 votes nobody can be out of reach: ask 4 (A A B A): lead 2, 3 remain, since
    # 2 > 3 fails. One more to A would make it 3 > 2: ask 1 (A): stop, with 2 samples saved.
    played = play(self_consistency, samples("AABAABB"), 1, k=7)
    assert (played.verdict.answer, played.verdict.reason) == ("A", "uncatchable")
    assert [len(ask) for ask in played.asked] == [4, 1]


def test_a_lead_that_equals_what_remains_can_be_caught():
    # k = 4: ask 3 (A A B): lead 1, 1 remains: 1 > 1 fails. The fourth, B, makes a tie.
    played = play(self_consistency, samples("AABB"), 1, k=4)
    assert (played.calls, played.verdict.tie, played.verdict.reason) == (4, True, "done")


@given(st.text("ABC-", min_size=1, max_size=15), st.integers(0, 3))
@settings(deadline=None, max_examples=150)
def test_the_stop_changes_no_answer_and_wastes_no_sample(letters, agent):
    k = len(letters)
    whole = play(self_consistency, samples(letters), 1, k=k, stop=False, agent=agent).verdict
    played = play(self_consistency, samples(letters), 1, k=k, agent=agent)
    assert played.verdict.answer == whole.answer
    assert played.verdict.tie == whole.tie
    # the rule applied one by one ends after just as many samples
    for n in range(k + 1):
        counts = sorted((letters[:n].count(c) for c in "ABC"), reverse=True)
        if counts[0] - counts[1] > k - n or n == k:
            assert played.calls == n
            break


@given(
    st.lists(st.tuples(st.sampled_from("ABC-"), st.sampled_from([-1, 0, 1, 2, 5])), min_size=1),
    st.integers(0, 3),
)
@settings(deadline=None, max_examples=100)
def test_the_stop_changes_no_weighted_answer(ballots, agent):
    letters, weights = [letter for letter, _ in ballots], [weight for _, weight in ballots]
    script = {
        (i, r): WORDS if c == "-" else c for i, c in enumerate(letters) for r in range(len(letters))
    }
    given = {"k": len(letters), "weights": weights, "agent": agent}
    whole = play(self_consistency, script, len(letters), stop=False, **given).verdict
    stopped = play(self_consistency, script, len(letters), **given).verdict
    assert (stopped.answer, stopped.tie) == (whole.answer, whole.tie)


def test_weighted_samples_stop_by_weight():
    # weights 3, 1, 1, 1: B alone at 3 could still be met by three As, a tie; one more B settles it
    played = play(self_consistency, rounds("B---", "-B--"), 4, k=4, weights=[3, 1, 1, 1])
    assert (played.asked, played.verdict.votes) == ([[0, 1]], {"B": 3})


def test_samples_are_dealt_round_robin_or_by_shares():
    played = play(self_consistency, samples("AAAAAA"), 3, k=5, stop=False)
    assert played.asked == [[0, 1, 2, 0, 1]]
    assert played.samples == [[0, 0, 0, 1, 1]]  # each member's own sample numbers
    by_share = play(self_consistency, samples("AAAAAA"), 3, k=5, stop=False, allot=[1, 0, 3])
    assert sorted(by_share.asked[0]) == [0, 2, 2, 2, 2]
    with pytest.raises(ParameterError, match="2 shares"):
        play(self_consistency, {}, 2, allot=[1.0])


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(any),
    st.integers(1, 60),
)
def test_no_member_is_ever_above_its_upper_quota(shares, turns):
    dealt = [member for member, _ in itertools.islice(allotment(len(shares), shares), turns)]
    for i, share in enumerate(shares):
        assert dealt.count(i) <= math.ceil(share * turns / sum(shares) - 1e-9)
    assert len(dealt) == turns


def test_the_online_form_samples_until_the_budget_is_exhausted():
    played = play(self_consistency, samples("ABBAB"), 1, k=None, calls=5)
    assert (played.verdict.answer, played.verdict.reason) == ("B", "budget")
    assert played.calls == 5
    with pytest.raises(ParameterError, match="budget an item"):
        play(self_consistency, samples("A"), 1, k=None)


def test_a_budget_below_k_takes_all_that_fits():
    # k = 9 asks 5 at once, of which 3 fit: 5 and 2 are refused or taken by halves: 2, then 1
    played = play(self_consistency, samples("ABBAAAAAA"), 1, k=9, calls=3)
    assert (played.verdict.votes, played.verdict.reason) == ({"A": 1, "B": 2}, "budget")
    assert played.calls == 3


# -- votes over members ----------------------------------------------------------------------------


def test_a_vote_of_members_with_and_without_weights():
    # A against B, B: the many win; with weights 3 to 1 + 1 the one does
    assert play(vote, rounds("ABB")).verdict.answer == "B"
    heavy = play(vote, rounds("ABB"), weights={"m0": 3, "m1": 1, "m2": 1}).verdict
    assert (heavy.answer, heavy.votes) == ("A", {"A": 3, "B": 2})
    assert play(vote, rounds("ABB"), weights=[3, 1, 1]).verdict.votes == heavy.votes
    with pytest.raises(ParameterError, match="every member"):
        play(vote, {}, weights={"m0": 3})
    with pytest.raises(ParameterError, match="3 weights"):
        play(vote, {}, weights=[1, 2])


def test_failed_and_unparsed_members_do_not_vote():
    verdict = play(vote, rounds("-!-A"), 4).verdict
    assert (verdict.answer, verdict.unparsed, verdict.votes) == ("A", 3, {"A": 1})


def test_ties_are_drawn_by_their_stream_for_each_agent():
    for agent in range(20):
        verdict = play(vote, rounds("AB"), 2, agent=agent, seed=9).verdict
        stream = Streams(9).stream("exam/team/vote/tie", 0).bound([agent])
        drawn = int(stream.integers(low=0, high=2)[0])
        assert (verdict.answer, verdict.tie) == ("AB"[drawn], True)


def test_a_vote_by_stated_confidence():
    # stated: A .9 against B .3 + .4. Calibrated to c / 2 + .3: A .75, log-odds 1.0986;
    # B .45 and .5: -.2007 + 0
    script = {(0, 0): sure("A", 9), (1, 0): sure("B", 3), (2, 0): sure("B", 4)}
    assert play(confidence_vote, script).verdict.votes == pytest.approx({"A": 0.9, "B": 0.7})
    mapped = play(confidence_vote, script, calibration=lambda c: c / 2 + 0.3).verdict
    assert mapped.votes == pytest.approx({"A": np.log(3), "B": np.log(0.45 / 0.55)})
    even = dict.fromkeys(["m0", "m1", "m2"], lambda c: 0.5)
    assert play(confidence_vote, script, calibration=even).verdict.votes == {"A": 0, "B": 0}


# -- best of n -------------------------------------------------------------------------------------


def test_a_verifier_chooses_whatever_the_votes():
    def verifier(question, said):
        return {"A": 0.2, "C": 0.7}[said.answer]

    # A twice, C once, one unparsed, which is never scored
    verdict = play(best_of_n, rounds("AAC-"), 4, verifier=verifier).verdict
    assert (verdict.answer, verdict.votes, verdict.unparsed) == ("C", {"A": 0.2, "C": 0.7}, 1)


def test_candidates_that_pass_alike_are_voted_on():
    async def passes(question, said):
        return said.answer != "A"

    verdict = play(best_of_n, rounds("AABCC"), 5, verifier=passes).verdict
    assert (verdict.answer, verdict.tie) == ("C", False)
    with pytest.raises(ParameterError, match="finite"):
        play(best_of_n, rounds("A"), 1, verifier=lambda *_: float("nan"))


def judged_script(letters, pick):
    """Candidates by member; the judge, the last member, picks the one that says `pick`."""

    def script(member, r, sample, text):
        if r == 0:
            return letters[member]
        number = re.search(rf"Candidate (\d):\n{pick}$", text, re.M)[1]
        return json.dumps({"reason": "sound", "best": int(number)})

    return script


def test_a_judge_picks_one_in_a_drawn_order():
    orders = set()
    for agent in range(12):
        played = play(best_of_n, judged_script("ABC", "B"), 4, judge="m3", agent=agent)
        assert (played.verdict.answer, played.verdict.reason) == ("B", "judge")
        assert played.asked == [[0, 1, 2], [3]]
        orders.add(tuple(played.saw(3, 1)))
    assert len(orders) > 3  # of 6: no candidate owns a place


@pytest.mark.parametrize("reply", ["the second", '{"reason": "x", "best": 4}', Outcome.REFUSED])
def test_a_judge_that_names_none_leaves_no_answer(reply):
    script = {**rounds("ABC"), (3, 1): reply}
    verdict = play(best_of_n, script, 4, judge=3).verdict
    assert verdict.answer is None
    assert verdict.outcome == (reply if isinstance(reply, Outcome) else Outcome.INVALID)


def test_one_candidate_needs_no_judge_and_none_is_no_answer():
    assert play(best_of_n, rounds("A-"), 3, judge=2).verdict.answer == "A"
    nothing = play(best_of_n, rounds("--"), 3, judge=2)
    assert (nothing.verdict.answer, nothing.verdict.unparsed, nothing.calls) == (None, 2, 2)


def test_without_budget_for_the_judge_the_candidates_vote():
    verdict = play(best_of_n, rounds("ABB"), 4, judge=3, calls=3).verdict
    assert (verdict.answer, verdict.reason) == ("B", "budget")


# -- cascade and router ----------------------------------------------------------------------------


def test_a_cascade_ends_where_samples_agree():
    # m0: A B A, 2/3 < 1; m1: C C C passes; m2 is never asked
    script = {(0, 0, i): "ABA"[i] for i in range(3)} | {(1, 1): "C"}
    played = play(cascade, script)
    assert (played.verdict.answer, played.verdict.reason, played.calls) == ("C", "stage 1", 6)
    assert play(cascade, script, threshold=0.6).verdict.answer == "A"
    # an unparsed sample counts against agreement: 2 of 3
    script = {(0, 0, i): "AA-"[i].replace("-", WORDS) for i in range(3)} | {(1, 1): "B"}
    assert play(cascade, script, 2).verdict.answer == "B"


def test_a_cascade_by_confidence_ends_at_the_last_member_whatever_it_states():
    script = {(0, 0): sure("A", 7), (1, 1): sure("B", 8), (2, 2): "C"}
    assert play(cascade, script, gate="confidence", threshold=0.8).verdict.answer == "B"
    dear = play(cascade, script, gate="confidence", threshold=[0.8, 0.9])
    assert (dear.verdict.answer, dear.verdict.reason, dear.calls) == ("C", "stage 2", 3)
    unstated = {(0, 0): "A", (1, 1): "B"}
    assert play(cascade, unstated, 2, gate="confidence", threshold=0.1).verdict.answer == "B"


def test_a_cascade_by_a_scorer_of_ones_own_never_accepts_no_answer():
    script = {(0, 0): WORDS, (1, 1): "B"}
    assert play(cascade, script, 2, gate=lambda question, said: True).verdict.answer == "B"


def test_a_cascade_out_of_budget_keeps_the_cheaper_answer():
    script = {(0, 0, i): "ABA"[i] for i in range(3)}
    verdict = play(cascade, script, 2, calls=3).verdict
    assert (verdict.answer, verdict.reason) == ("A", "budget")


def test_a_router_by_category():
    routes = {"algebra": "m1", "law": 2}
    for category, who in {"algebra": 1, "law": 2, "art": 0}.items():
        columns = {"category": category}
        played = play(
            router, rounds("ABC"), columns=columns, column="category", routes=routes, default=0
        )
        assert (played.verdict.answer, played.asked) == ("ABC"[who], [[who]])
    nowhere = play(
        router, rounds("ABC"), columns={"category": "art"}, column="category", routes=routes
    )
    assert (nowhere.verdict.answer, nowhere.verdict.reason, nowhere.calls) == (None, "no route", 0)
    with pytest.raises(ParameterError, match="did you mean 'category'"):
        play(router, {}, columns={"category": "art"}, column="categories", routes=routes)


def test_a_router_by_a_member_that_names_another():
    script = {(0, 0): "m2", (2, 1): "C", (1, 1): "B"}
    played = play(router, script, by=0)
    assert (played.verdict.answer, played.verdict.reason) == ("C", "to m2")
    vague = {**script, (0, 0): "somebody"}
    assert play(router, vague, by=0, default="m1").verdict.answer == "B"
    nobody = play(router, vague, by=0).verdict
    assert (nobody.answer, nobody.outcome) == (None, Outcome.INVALID)


# -- debate ----------------------------------------------------------------------------------------


def test_a_debate_by_hand():
    # round 0: A B B; each hears the other two; round 1: B A A. The last round counts: A 2, B 1
    played = play(debate, rounds("ABB", "BAA"))
    assert (played.verdict.answer, played.verdict.votes) == ("A", {"B": 1, "A": 2})
    assert played.prompts == ["answer", "debate"]
    assert [played.saw(i, 1) for i in range(3)] == [[1, 2], [0, 2], [0, 1]]
    assert played.calls == 3 * 2


def test_an_unparsed_answer_in_a_debate_is_heard_and_does_not_vote():
    # the released code of Du et al. scores it as right; here B wins by the one vote there is
    played = play(debate, rounds("A--", "-B-"))
    assert (played.verdict.answer, played.verdict.unparsed) == ("B", 2)
    assert WORDS in played.read(0, 1)


def test_each_debater_keeps_its_own_conversation():
    # one message a round is all that it learns of the others; whose call failed said nothing
    script = rounds("AB!", "AAA", "CCC")
    played = play(debate, script, rounds=3)
    sent = played.sent(0, 2)
    assert [role for role, _ in sent] == ["user", "assistant"] * 2 + ["user"]
    assert (sent[1][1], sent[3][1]) == ("A", "A")
    assert "m1:\nB" in sent[2][1]
    assert "m1:" not in sent[0][1]
    assert played.saw(0, 1) == [1]
    assert played.saw(0, 2) == [1, 2]


def test_the_shapes_of_a_debate():
    script = rounds(*["AAAAA"] * 2)
    ring = play(debate, script, 5, neighbours="ring")
    assert [ring.saw(i, 1) for i in range(5)] == [[1, 4], [0, 2], [1, 3], [2, 4], [0, 3]]
    star = play(debate, script, 5, neighbours="star")
    assert [star.saw(i, 1) for i in range(5)] == [[1, 2, 3, 4], [0], [0], [0], [0]]


@given(st.integers(2, 12), st.data())
def test_regular_shapes_are_regular_and_symmetric(n, data):
    k = data.draw(st.integers(1, n - 1).filter(lambda k: k % 2 == 0 or n % 2 == 0))
    near = neighbours(n, k)
    for i in range(n):
        assert len(set(near[i])) == k
        assert i not in near[i]
        assert all(i in near[j] for j in near[i])
    assert neighbours(n, n - 1) == neighbours(n, "all")


def test_shapes_that_cannot_be():
    for n, shape in [(5, 3), (4, 4), (4, 0), (4, "line")]:
        with pytest.raises(ParameterError):
            neighbours(n, shape)


def test_a_debate_stops_when_unanimous_and_silence_is_no_consent():
    # A A - is no agreement; A A A is, so the third debate round is not held
    played = play(debate, rounds("AA-", "AAA", "BBB"), rounds=4, stop=True)
    assert (played.verdict.answer, played.verdict.reason, played.calls) == ("A", "unanimous", 6)
    whole = play(debate, rounds("AAA", "BBB"), rounds=2)  # the paper's: no early stop
    assert (whole.verdict.answer, whole.verdict.reason) == ("B", "done")


def test_a_debate_out_of_budget_counts_the_last_whole_round():
    # 8 calls hold two rounds of three, and not a third
    played = play(debate, rounds("AAB", "BBA", "AAA"), rounds=3, calls=8)
    assert (played.verdict.answer, played.verdict.reason, played.calls) == ("B", "budget", 6)


def test_a_debate_alone_is_a_second_look():
    played = play(debate, rounds("A", "B"), 1)
    assert (played.verdict.answer, played.prompts) == ("B", ["answer", "recheck"])


def test_a_debate_on_summaries():
    script = rounds("ABB", "...", "CCC") | {(i, 1): f"in short {i}" for i in range(3)}
    played = play(debate, script, summarise=True)
    assert played.prompts == ["answer", "summarise", "summarised"]
    assert played.saw(0, 1) == [1, 2]
    assert "in short 2" in played.read(2, 2)
    assert "in short 1" not in played.read(2, 2)
    assert played.verdict.answer == "C"
    # with nothing left for the last round the answers stand, not the summaries
    short = play(debate, script, summarise=True, calls=6).verdict
    assert (short.answer, short.reason) == ("B", "budget")


# -- debate with a judge ---------------------------------------------------------------------------


def view(preference, answer="A", side="neither"):
    return json.dumps({"preference": preference, "side": side, "reason": "so", "answer": answer})


def test_a_moderator_ends_the_debate():
    # asks: 0 affirmative, 1 negative, 2 moderator: no; 3, 4 rebuttals; 5 moderator: yes, B
    script = {(0, 0): "A", (1, 1): "B", (2, 2): view("no"), (0, 3): "A", (1, 4): "B"}
    script[2, 5] = view("yes", "B", "negative")
    played = play(judged_debate, script)
    assert (played.verdict.answer, played.verdict.reason) == ("B", "moderator")
    assert played.prompts == [
        "affirmative_may", "negative_may", "moderate", "rebut", "rebut", "moderate",
    ]  # fmt: skip
    assert (played.saw(1, 1), played.saw(2, 2), played.saw(0, 3)) == ([0], [0, 1], [1])


def undecided():
    script = {(0, 3 * r): "A" for r in range(3)} | {(1, 3 * r + 1): "B" for r in range(3)}
    script |= {(2, 3 * r + 2): view("no", "A") for r in range(3)}
    return script | {(2, 9): "A, since ...; B, since ...", (2, 10): "B"}


def test_the_judge_reads_the_whole_debate():
    # three rounds without a preference. The released code shows the judge the two openings; the
    # paper gives it the debate: six statements
    played = play(judged_debate, undecided(), disagree="must")
    assert (played.verdict.answer, played.verdict.reason) == ("B", "judge")
    assert played.prompts[0] == "affirmative_must"
    assert played.prompts[-2:] == ["candidates", "judge"]
    assert played.saw(2, 9) == [0, 1] * 3
    assert played.calls == 3 * 3 + 2


def test_a_moderator_that_cannot_be_read_prefers_nobody():
    # code of the release evaluates the reply as Python; here it must be the document asked for
    script = undecided() | {(2, 2): "{'preference': 'yes'}", (2, 5): "Yes! A."}
    script[2, 8] = view("yes", "A", "affirmative")
    assert play(judged_debate, script).verdict.answer == "A"


def test_an_unreadable_judge_is_no_answer():
    verdict = play(judged_debate, undecided() | {(2, 10): WORDS}).verdict
    assert (verdict.answer, verdict.outcome) == (None, Outcome.INVALID)


def test_without_budget_both_sides_last_words_vote():
    # 5 calls: a round of three, and two rebuttals: A and then B, B
    script = undecided() | {(0, 3): "B"}
    verdict = play(judged_debate, script, calls=5).verdict
    assert (verdict.answer, verdict.votes, verdict.reason) == ("B", {"B": 2}, "budget")
    with pytest.raises(ParameterError, match="two sides"):
        play(judged_debate, {}, moderator=0)


# -- diverse first answers, calibrated confidence --------------------------------------------------


def test_farthest_points_by_hand():
    # on a line of angles 0, 10, 90, 50, 100 degrees: the pair 0-100 first; then 50, whose nearest
    # is 50 away; then 10 and 90 are both 10 from theirs: the first
    angles = np.radians([0, 10, 90, 50, 100])
    said = round_of(*"AAAAA")

    def embed(texts):
        assert texts == [one.text for one in said]
        return np.stack([np.cos(angles), np.sin(angles)], axis=1) * 3

    assert spread(said, 4, embed, answers_first=False) == [0, 4, 3, 1]
    # answers first: B at 1 and C at 3 come in though they lie near the others
    said = round_of(*"ABACA")
    assert set(spread(said, 3, embed)) == {1, 3, 4}
    # and without an embedder: one of each answer, then the first left
    assert spread(said, 4) == [0, 1, 3, 2]


def test_unparsed_candidates_only_fill_up():
    assert spread(round_of(None, "A", "A", "B", None), 3) == [1, 2, 3]
    assert spread(round_of(None, "A", None, "B", None), 4) == [1, 3, 0, 2]
    with pytest.raises(ParameterError, match="some length"):
        spread(round_of("A", "B", "C"), 2, lambda texts: np.zeros((3, 2)))


def test_a_diverse_debate_by_hand():
    # pool of 5 from two members: m0 gives A, A, B (samples 0, 1, 2), m1 gives A, A.
    # Most different: the first A and B; m0 starts from A (its own), m1 from B (adopted from m0).
    # Round 1: m0 hears B, m1 hears A; they say B and B.
    script = {(0, 0, 0): sure("A", 6), (0, 0, 1): sure("A", 5), (0, 0, 2): sure("B", 9)}
    script |= {(1, 0, 0): sure("A", 2), (1, 0, 1): sure("A", 3)}
    script |= {(0, 1): sure("B", 7), (1, 1): sure("B", 8)}
    played = play(diverse_debate, script, 2, pool=5, rounds=2)
    assert played.asked == [[0, 1, 0, 1, 0], [0, 1]]
    assert (played.saw(0, 1), played.saw(1, 1)) == ([1], [0])
    assert sure("A", 6) in played.read(0, 1)  # its own, as it goes on
    assert sure("B", 9) in played.read(0, 1)  # heard
    assert (played.verdict.answer, played.verdict.votes) == ("B", {"B": 2})


def test_calibrated_debaters_that_are_surer_than_the_mean_keep_their_answer():
    # mapped by c: .9, .4, .5, mean .6: m0 is not asked again; m1 and m2 are, and come to .7, .3.
    # Mean then .633: m0 (.9) and m1 (.7) stay, m2 says A at .5.
    # Log-odds: A (m0 .9) 2.197 + A (m2 .5) 0; B (m1 .7) .847
    script = {(0, 0): sure("A", 9), (1, 0): sure("B", 4), (2, 0): sure("C", 5)}
    script |= {(1, 1): sure("B", 7), (2, 1): sure("C", 3), (2, 2): sure("A", 5)}
    played = play(diverse_debate, script, pool=3, rounds=3, calibration=lambda c: c)
    assert played.asked == [[0, 1, 2], [1, 2], [2]]
    assert played.verdict.votes == pytest.approx({"A": np.log(9), "B": np.log(7 / 3)})
    # without calibration all revise, and confidence only breaks ties: the paper's release
    every = script | {(0, 1): sure("B", 1), (0, 2): sure("B", 1), (1, 2): sure("B", 1)}
    plain = play(diverse_debate, every, pool=3, rounds=3)
    assert plain.asked == [[0, 1, 2]] * 3
    assert plain.verdict.votes == {"B": 2, "A": 1}


def test_a_diverse_debate_out_of_budget_counts_those_who_stand():
    script = {(0, 0): sure("A", 9), (1, 0): sure("A", 4), (2, 0): sure("B", 5)}
    script |= {(1, 1): sure("B", 7), (2, 1): sure("B", 3)}
    # after round 1: m0 A .9, which was not asked, and B .7, B .3; the third round does not fit
    played = play(diverse_debate, script, pool=3, rounds=3, calibration=lambda c: c, calls=5)
    assert (played.verdict.reason, played.calls) == ("budget", 5)
    expected = {"A": np.log(9), "B": np.log(7 / 3) + np.log(3 / 7)}
    assert played.verdict.votes == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ParameterError, match="pool of 3"):
        play(diverse_debate, {}, pool=2)


# -- the page and the registry ---------------------------------------------------------------------

ROOT = Path(__file__).parents[1]


def test_the_page_lists_every_structure_with_its_settings():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    registered = project["entry-points"]["populace.structures"]
    page = (ROOT / "docs" / "structures.md").read_text(encoding="utf-8")
    table = {
        cells[1].strip(" `"): cells[3]
        for line in page.splitlines()
        if line.startswith("| `") and len(cells := line.split("|")) == 6
    }
    assert set(table) == set(registered)
    for name, where in registered.items():
        module, _, function = where.partition(":")
        found = getattr(importlib.import_module(module), function)
        assert inspect.iscoroutinefunction(found)
        takes = set(list(inspect.signature(found).parameters)[2:])
        assert set(re.findall(r"`(\w+)`", table[name])) <= takes
