"""Votes: counted by hand, against closed forms, and whatever the order."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.kernel.answers import Outcome
from populace.kernel.errors import ParameterError
from populace.kernel.streams import Streams
from populace.teams import Said
from populace.teams.votes import (
    confidence_weighted,
    lead,
    log_odds,
    plurality,
    unanimous,
    weighted,
)


def round_of(*answers, confidence=None, **more):
    """What members 0, 1, ... said; None is an unparsed answer."""
    stated = [None] * len(answers) if confidence is None else confidence
    return [
        Said(
            i,
            0,
            f"words of {i}",
            answer,
            Outcome.INVALID if answer is None else Outcome.ACTED,
            stated[i],
            **more,
        )
        for i, answer in enumerate(answers)
    ]


def draws(seed, agent=0):
    """Named streams of one agent at one tick, as a team's members have them."""
    made = {}
    streams = Streams(seed)
    return lambda name: made.setdefault(name, streams.stream(name, 0).bound([agent]))


def forbidden(name):
    raise AssertionError(f"nothing is to be drawn of {name}")


def test_a_plurality_by_hand():
    # B 3, A 2, C 1 and two unparsed. Margin (3 - 2) / 6; share 3 / 6;
    # entropy -(1/2 log2 1/2 + 1/3 log2 1/3 + 1/6 log2 1/6) = 1/2 + 0.52832 + 0.43083
    verdict = plurality(round_of("A", "B", None, "B", "C", "A", "B", None), forbidden)
    assert (verdict.answer, verdict.text, verdict.outcome) == ("B", "words of 1", Outcome.ACTED)
    assert verdict.votes == {"A": 2, "B": 3, "C": 1}
    assert (verdict.tie, verdict.unparsed, verdict.confidence) == (False, 2, 0.5)
    assert verdict.margin == pytest.approx(1 / 6)
    assert verdict.entropy == pytest.approx(1.45915, abs=1e-5)


def test_who_has_no_answer_does_not_vote_even_as_the_many():
    verdict = plurality(round_of(None, None, None, "A"))
    assert (verdict.answer, verdict.unparsed, verdict.margin) == ("A", 3, 1.0)
    assert verdict.entropy == 0.0


@pytest.mark.parametrize(
    ("outcomes", "why"),
    [
        ([Outcome.REFUSED, Outcome.REFUSED, Outcome.INVALID], Outcome.REFUSED),
        ([Outcome.ACTED], Outcome.INVALID),  # acted, and yet no answer
        ([], Outcome.ABSTAINED),
    ],
)
def test_no_vote_at_all_is_no_answer_and_says_why(outcomes, why):
    verdict = plurality([Said(i, 0, "", None, o) for i, o in enumerate(outcomes)], forbidden)
    assert (verdict.answer, verdict.outcome, verdict.votes) == (None, why, {})
    assert (verdict.margin, verdict.unparsed) == (0.0, len(outcomes))


def test_a_failed_call_does_not_vote_though_it_holds_words():
    said = [Said(0, 0, "A", "A", Outcome.FAILED), Said(1, 0, "B", "B")]
    assert plurality(said, forbidden).answer == "B"


def test_a_tie_goes_to_the_higher_mean_confidence():
    # A: mean of .9 and .2 is .55; B: mean of .6 and (nothing stated) is .6
    said = round_of("A", "B", "A", "B", confidence=[0.9, 0.6, 0.2, None])
    assert (plurality(said, forbidden).answer, plurality(said, forbidden).tie) == ("B", False)


def test_confidence_breaks_no_tie_where_a_side_states_none():
    said = round_of("A", "B", confidence=[0.9, None])
    assert plurality(said, draws(0)).tie


def test_a_tie_is_drawn_by_its_stream_and_each_side_wins_as_often():
    n = 4000
    said = round_of("A", "B", "C", "C", "B", "A", "D")
    verdicts = [plurality(said, draws(5, agent)) for agent in range(n)]
    assert all(v.tie and v.margin == 0 for v in verdicts)
    wins = [sum(v.answer == side for v in verdicts) for side in "ABCD"]
    assert wins[3] == 0
    # binomial(n, 1/3): 5.33 standard deviations, two-sided error below 1e-7
    assert all(abs(w - n / 3) < 5.33 * math.sqrt(n * 2 / 9) for w in wins[:3])
    again = [plurality(said, draws(5, agent)).answer for agent in range(n)]
    assert again == [v.answer for v in verdicts]


def test_without_a_stream_a_tie_goes_to_what_was_said_first_and_is_reported():
    verdict = plurality(round_of("B", "A"))
    assert (verdict.answer, verdict.tie) == ("B", True)


@given(
    st.lists(st.sampled_from(["A", "B", "C", None]), max_size=12),
    st.data(),
)
def test_the_order_of_the_ballots_changes_no_count(answers, data):
    order = data.draw(st.permutations(range(len(answers))))
    weights = data.draw(st.lists(st.floats(-3, 3), min_size=len(answers), max_size=len(answers)))
    one = plurality(round_of(*answers), weights=weights)
    other = plurality(round_of(*[answers[i] for i in order]), weights=[weights[i] for i in order])
    assert one.votes == other.votes
    assert 0 <= one.margin <= 1 + 1e-12
    assert 0 <= one.entropy <= math.log2(3) + 1e-12
    if not one.tie:
        assert one.answer == other.answer


def test_weights_by_member_by_hand():
    # A: 0.4 + 0.5 = 0.9 against B: 1.0
    verdict = weighted(round_of("A", "B", "A"), [0.4, 1.0, 0.5])
    assert (verdict.answer, verdict.votes) == ("B", {"A": 0.9, "B": 1.0})
    assert verdict.confidence == pytest.approx(1 / 1.9)
    assert weighted(round_of("A", "B", "A"), {0: 0.4, 1: 0.8, 2: 0.5}).answer == "A"
    with pytest.raises(ParameterError, match="member 2 has no weight"):
        weighted(round_of("A", "B", "A"), [0.4, 1.0])
    with pytest.raises(ParameterError, match="2 finite weights"):
        plurality(round_of("A", "B"), weights=[1.0, math.nan])


def test_equal_sums_of_floats_are_a_tie():
    said = round_of("A", "A", "B")  # 0.1 + 0.2 != 0.3 in floats
    assert plurality(said, weights=[0.1, 0.2, 0.3]).tie


def test_a_negative_weight_speaks_against_its_answer():
    verdict = plurality(round_of("A", "B", "A"), weights=[-1.0, 0.5, 1.0])
    assert (verdict.answer, verdict.votes) == ("B", {"A": 0.0, "B": 0.5})


def test_log_odds_by_hand():
    # 9 right of 10, smoothed: 10 / 12, odds 5; 0 of 0: even; 10 of 10: 11 / 12, odds 11
    weights = log_odds([0.9, 0.0, 1.0], [10, 0, 10])
    np.testing.assert_allclose(np.exp(weights), [5, 1, 11])
    # five options: at chance, 1/5, an answer says nothing
    np.testing.assert_allclose(log_odds(0.2, options=5), 0, atol=1e-12)
    assert np.isfinite(log_odds([0, 1])).all()
    for bad in [{"p": 1.2}, {"p": 0.5, "n": -1}, {"p": 0.5, "options": 1}]:
        with pytest.raises(ParameterError):
            log_odds(**bad)


@given(st.lists(st.floats(0.05, 0.95), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_log_odds_weights_are_bayes_rule(p):
    # between two equally likely options, the vote by log-odds has the greater posterior
    # (Nitzan and Paroush 1982): checked against the product of likelihoods for every ballot
    for answers in itertools.product("AB", repeat=len(p)):
        verdict = weighted(round_of(*answers), log_odds(p))
        likely = {
            truth: math.prod(q if a == truth else 1 - q for a, q in zip(answers, p, strict=True))
            for truth in "AB"
        }
        other = "B" if verdict.answer == "A" else "A"
        if other in answers:
            assert likely[verdict.answer] >= likely[other] * (1 - 1e-6)


def test_confidence_as_stated_and_as_calibrated():
    # stated: A .9 against B .5 + .3 = .8. Calibrated by c -> c / 2 + .25: .7, .5, .4:
    # log-odds A .847 against B 0 - .405
    said = round_of("A", "B", "B", "B", confidence=[0.9, 0.5, 0.3, None])
    verdict = confidence_weighted(said)
    assert (verdict.answer, verdict.votes) == ("A", {"A": 0.9, "B": 0.8})
    calibrated = confidence_weighted(said, calibration=lambda c: c / 2 + 0.25)
    assert calibrated.votes == pytest.approx({"A": math.log(7 / 3), "B": math.log(2 / 3)})
    by_member = dict.fromkeys(range(4), lambda c: 0.5)
    assert confidence_weighted(said, calibration=by_member).votes == {"A": 0.0, "B": 0.0}
    with pytest.raises(ParameterError, match="member 2"):
        confidence_weighted(said, calibration={0: float, 1: float})


def test_lead_and_unanimity():
    assert lead({"A": 2, "B": 1}) == 1
    assert lead({"A": 2}) == 2  # over an answer that nobody has given yet
    assert lead({}) == lead({"A": -1.0}) == 0
    assert unanimous(round_of("A", "A"))
    assert not unanimous(round_of("A", None))  # silence is no consent
    assert not unanimous(round_of("A", "B"))
