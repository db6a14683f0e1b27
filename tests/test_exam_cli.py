"""``populace compare STUDY.toml`` of teams at an exam."""

import json

import pytest
from click.testing import CliRunner

from populace.cli import main

MODELS = """
from populace.language.scripted import Scripted

def adds(right):
    def script(request):
        a, b = map(int, request.messages[0].content.split("What is ")[1].split("?")[0].split("+"))
        return f"Answer: {a + b if request.sample % 3 < right else a + b + 1}"
    return Scripted(script, f"adds{right}")

strong, weak = adds(2), adds(1)
"""
STUDY = """
world = "exam"
title = "Sums"
seed = 3

[exam]
source = "sums.jsonl"
pilot = 8

[budget]
tokens = [80, 160]

[team]
max_tokens = 6

[models.strong]
model = "models.py:strong"

[models.weak]
model = "models.py:weak"

[arms.alone]
members = ["weak"]

[arms.vote]
structure = "populace.teams.structures.voting:vote"
members = ["strong", "weak", "strong"]

[arms.online]
structure = "populace.teams.structures.consistency:self_consistency"
members = ["weak"]
k = "online"
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "models.py").write_text(MODELS)
    lines = [
        {"item": f"{a}+{b}", "question": f"What is {a}+{b}?", "gold": a + b, "form": "number",
         "family": f"tens {a}"}
        for a in range(6) for b in range(6)
    ]  # fmt: skip
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_a_study_in_a_file_is_run_told_and_written(study):
    done = run(study / "study.toml", "--to", study / "out")
    assert done.exit_code == 0, done.output
    assert "self-consistency of strong" in done.output
    assert "oracle at 160 tokens" in done.output
    assert (study / "out" / "report.html").exists()


def test_the_same_as_json_and_replayed_strictly(study):
    first = run(study / "study.toml", "--to", study / "out", "--json")
    told = json.loads(first.stdout)
    assert told["against"] == "self-consistency of strong"
    assert {row["arm"] for row in told["table"]} == {"alone", "vote", "online"}
    answers = study / "out" / "answers.sqlite"
    again = run(
        study / "study.toml", "--to", study / "again", "--answers", answers, "--mode", "strict",
        "--quiet",
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    for name in ("items", "transcript", "table", "arms", "oracle", "dropped"):
        files = [study / folder / f"{name}.parquet" for folder in ("out", "again")]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('members = ["weak"]', 'members = ["waek"]', "did you mean 'weak'"),
        ("tokens = [80, 160]", "token = 80", "did you mean 'tokens'"),
        ("pilot = 8", "pilots = 8", "did you mean 'pilot'"),
        ("pilot = 8", "size = 8", "size is of reasoning-gym"),
        ("seed = 3", 'seed = "3"', "whole number"),
        ("voting:vote", "voting:vot", "did you mean 'vote'"),
        ('k = "online"', "kk = 3", "kk"),
        ("max_tokens = 6", "max_token = 6", "max_token"),
        ('"models.py:weak"', '"models.py:week"', "did you mean 'weak'"),
        ('source = "sums.jsonl"', 'source = "sum.jsonl"', "source"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_any_call(study, before, after, says):
    assert before in STUDY
    (study / "study.toml").write_text(STUDY.replace(before, after))
    done = run(study / "study.toml", "--to", study / "out")
    assert done.exit_code != 0
    line = done.stderr.strip()
    assert line.startswith("Error: ")
    assert "\n" not in line
    assert says in line
    assert not (study / "out").exists()


def test_options_that_a_file_says_are_refused(study):
    done = run(study / "study.toml", "--seeds", 3)
    assert "--seeds has no place here" in done.stderr
