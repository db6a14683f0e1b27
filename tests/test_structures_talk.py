"""Structures in which members talk: group chat, relay, global workspace."""

import numpy as np
import pytest

from populace.kernel.errors import ParameterError
from populace.kernel.streams import Streams
from populace.teams.structures.debate import debate
from populace.teams.structures.groupchat import agreed, groupchat, says
from populace.teams.structures.relay import Relay, dialogue, relay
from populace.teams.structures.voting import vote
from populace.teams.structures.workspace import diversity, workspace
from tests.speakers import play
from tests.test_team_structures import WORDS, rounds
from tests.test_team_votes import round_of

# -- group chat ------------------------------------------------------------------------------------


def lines(*letters):
    """A script by turn, whoever speaks."""
    return lambda member, r, sample, text: letters[r]


def test_a_chat_in_turns_ends_when_all_agree():
    # A B B | A ... : after turn 3 (m0 A, m1 B, m2 B) no; m0 B: all last words are B
    played = play(groupchat, lines("A", "B", "B", "B", "C"))
    assert played.asked == [[0], [1], [2], [0]]
    assert (played.verdict.answer, played.verdict.reason) == ("B", "agreed")
    assert [played.saw(i, r) for i, r in ((0, 0), (1, 1), (2, 2), (0, 3))] == [
        [],
        [0],
        [0, 1],
        [1, 2],
    ]
    assert [m[1] for m in played.sent(0, 3) if m[0] == "assistant"] == ["A"]
    assert played.prompts == ["answer", "speak", "speak", "speak"]


def test_a_chat_ends_by_turns_by_words_or_by_budget():
    played = play(groupchat, lines("A", "B", "-", "B"), turns=4)
    # last words: m0 B (its second), m1 B, m2 none
    assert (played.verdict.reason, played.verdict.votes) == ("turns", {"B": 2})
    assert played.verdict.unparsed == 1
    said = play(groupchat, lines("A", "Answer: B\nTERMINATE"), stop=[says("TERMINATE")])
    assert (said.verdict.reason, said.calls) == ("said", 2)
    two = play(groupchat, lines("A", "A"), stop=[agreed(2)]).verdict
    assert (two.answer, two.reason) == ("A", "agreed")
    short = play(groupchat, lines("A", "B", "B"), calls=2).verdict
    assert (short.reason, short.votes) == ("budget", {"A": 1, "B": 1})


def test_random_speakers_come_from_their_stream_and_never_twice_running():
    for agent in range(5):
        played = play(groupchat, lines(*"ABCABCAB"), speaker="random", turns=8, agent=agent)
        spoken = [asks[0] for asks in played.asked]
        stream = Streams(0).stream("exam/team/chat/speaker", 0).bound([agent])
        expected = []
        for _ in range(8):
            able = [i for i in range(3) if not expected or i != expected[-1]]
            expected.append(able[int(stream.integers(low=0, high=len(able))[0])])
        assert spoken == expected


def test_a_moderator_names_speakers_and_ends_the_chat():
    script = {(3, 0): "m1", (1, 1): "A", (3, 2): "m0", (0, 3): "B", (3, 4): "whoever"}
    script |= {(1, 5): "B", (3, 6): "nobody"}
    played = play(groupchat, script, 4, speaker="moderator", moderator="m3", stop=[])
    # unread, the choice falls to the next in order after m0: m1
    assert played.asked == [[3], [1], [3], [0], [3], [1], [3]]
    assert (played.verdict.answer, played.verdict.reason) == ("B", "moderator")
    assert played.saw(3, 4) == [0]
    assert "m1" not in played.read(3, 2).split("one of:")[1]  # it spoke last
    with pytest.raises(ParameterError, match="moderator"):
        play(groupchat, {}, speaker="moderator")


# -- dialogue and relay ----------------------------------------------------------------------------


def test_a_dialogue_ends_when_both_state_the_same():
    views = {"left": "only red", "right": "only blue"}
    script = lines("Red here.", "B", "A", "A")
    played = play(dialogue, script, 2, columns=views, views=["left", "right"])
    assert played.asked == [[0], [1], [0], [1]]
    assert (played.verdict.answer, played.verdict.reason) == ("A", "agreed")
    assert "only red" in played.read(0, 0)
    assert not any("only blue" in text for _, text in played.sent(0, 2))
    assert played.read(0, 2) == "B"  # the partner's words and no more
    over = play(dialogue, lines("A", "B", "A"), 2, turns=3).verdict
    assert (over.reason, over.votes) == ("turns", {"B": 1, "A": 1})
    short = play(dialogue, lines("A", "B"), 2, calls=2).verdict
    assert (short.reason, short.votes) == ("budget", {"A": 1, "B": 1})


def test_a_relay_goes_on_with_the_others_conversation():
    # strong m0 and partner m2 for k = 2 turns, then weak m1 in place of m0
    script = lines("I think A", "Hm", "C", "C")
    played = play(relay, script, k=2)
    assert played.asked == [[0], [2], [1], [2]]
    assert played.sent(1, 2)[:2] == [("user", played.read(0, 0)), ("assistant", "I think A")]
    assert played.read(1, 2) == "Hm"
    assert [played.saw(2, 1), played.saw(1, 2), played.saw(2, 3)] == [[0], [2], [1]]
    assert (played.verdict.answer, played.verdict.reason) == ("C", "agreed")
    # a strong recovery: the weak one begins; side 1: the partner speaks first
    back = play(relay, script, k=2, prefix=1, suffix=0)
    assert back.asked == [[1], [2], [0], [2]]
    second = play(relay, script, k=2, side=1)
    assert second.asked == [[2], [0], [2], [1]]
    with pytest.raises(ParameterError, match="partner"):
        play(relay, script, partner=0)


def test_arms_of_a_relay_share_the_prefix_to_the_letter():
    # the same requests, sample and seed and all: an answer store pays them once
    def requests(**arm):
        played = play(relay, lines("a", "b", "c", "d", "e", "f"), turns=6, **arm)
        return [asks[0].request for asks in played.rounds]

    whole = requests(k=6)  # the homogeneous pair: no change
    for k in (0, 2, 4):
        changed = requests(k=k)
        assert changed[:k] == whole[:k]
        assert k == 0 or changed[k].messages == whole[k].messages
    assert requests(k=4, suffix=0) == whole


def test_a_relay_of_any_structure_of_two():
    # a debate of m0 and m2 for its first round (two turns), of m1 and m2 for the others
    played = play(Relay(debate, k=2), rounds("A-B", "-AA", "-CB"), rounds=3)
    assert played.asked == [[0, 2], [1, 2], [1, 2]]
    assert played.prompts == ["answer", "debate", "debate"]
    assert played.saw(1, 1) == [2]
    assert played.saw(2, 1) == [0]
    assert "m0:\nA" in played.read(2, 1)
    assert [t for role, t in played.sent(1, 2) if role == "assistant"] == ["A", "A"]
    assert played.verdict.votes == {"C": 1, "B": 1}
    late = play(Relay(vote, k=9, side=1), rounds("A-B"))
    assert late.asked == [[2, 0]]
    assert late.verdict.votes == {"B": 1, "A": 1}


# -- global workspace ------------------------------------------------------------------------------


def felt(answer, salience):
    return f"A thought.\nSalience: {salience}\nAnswer: {answer}"


def test_diversity_by_hand():
    # A B B: -(1/3 ln 1/3 + 2/3 ln 2/3) / ln 3 = .5794; two orthogonal and equal: ln 2 / ln 2
    assert diversity(round_of(*"ABC")) == pytest.approx(1)
    assert diversity(round_of(*"ABB")) == pytest.approx(0.5793801642856950)
    assert diversity(round_of(*"AAA")) == 0
    assert diversity(round_of(*"A")) == 0
    assert diversity(round_of(*"AB"), lambda texts: np.eye(2)) == pytest.approx(1)
    assert diversity(round_of(*"AB"), lambda texts: np.ones((2, 2))) == pytest.approx(0, abs=1e-9)


def test_a_workspace_by_hand():
    # cycle 1 (cool .5): A 3, B 9, B 2: m1 is broadcast; diversity .5794, T = .5 + .4206 = .9206.
    # cycle 2: all B: diversity 0, T = 1.5. cycle 3, hot: all B still: settled.
    script = {(0, 0): felt("A", 3), (1, 0): felt("B", 9), (2, 0): felt("B", 2)}
    script |= {(i, r): felt("B", 5 + i) for i in range(3) for r in (1, 2)}
    played = play(workspace, script, cycles=9)
    assert [asks[0].request.temperature for asks in played.rounds] == pytest.approx(
        [0.5, 1.5 - 0.5793801642856950, 1.5]
    )
    assert played.prompts == ["propose", "respond", "respond"]
    assert [played.saw(i, 1) for i in range(3)] == [[1], [], [1]]
    assert (played.verdict.answer, played.verdict.reason) == ("B", "settled")
    assert played.verdict.votes == {"B": 7}


def test_an_attending_member_gives_the_salience():
    view = '{"salience_1": 1, "salience_2": 8, "salience_3": 4}'
    script = {(0, 0): felt("A", 9), (1, 0): felt("B", 0), (2, 0): felt("C", 0), (3, 1): view}
    played = play(workspace, script, 4, cycles=1, attention="m3")
    assert (played.verdict.answer, played.verdict.votes) == ("B", {"B": 8, "C": 4, "A": 1})
    assert played.saw(3, 1) == [0, 1, 2]
    vague = play(workspace, script | {(3, 1): "the second"}, 4, cycles=1, attention="m3")
    assert vague.verdict.answer == "A"  # what they state themselves


def test_what_is_salient_and_no_answer_is_broadcast_but_decides_nothing():
    script = {(0, 0): WORDS + "\nSalience: 10", (1, 0): felt("B", 1), (2, 0): felt("C", 0)}
    played = play(workspace, script | {(i, 1): felt("C", 1) for i in range(3)}, cycles=2, calls=5)
    assert (played.verdict.answer, played.verdict.reason) == ("B", "budget")
    assert played.verdict.unparsed == 1
    again = play(workspace, script | {(i, 1): felt("C", 1) for i in range(3)}, cycles=2)
    assert again.saw(1, 1) == [0]
    assert (again.verdict.answer, again.verdict.reason) == ("C", "done")
