"""Teams: a structure over members, as one policy."""

from populace import (
    Simulation,
    Team,
)
from populace.language.scripted import Scripted
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
