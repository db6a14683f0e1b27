"""Structures in which members talk: group chat."""

import pytest

from populace.kernel.errors import ParameterError
from populace.kernel.streams import Streams
from populace.teams.structures.groupchat import agreed, groupchat, says
from tests.speakers import play

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
