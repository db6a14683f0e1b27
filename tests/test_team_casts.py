"""Teams in cast files."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from populace.cli import main
from populace.cli.casting import read_cast
from populace.errors import CastError, ParameterError, PopulaceError
from populace.simulation import Simulation
from populace.worlds.contagion import Contagion

TEAM = """
from populace.language import Scripted


def says(word="no"):
    return Scripted(lambda request: f"Answer: {word}", name=word)


async def most(members, question, least=2):
    said = await members.ask()
    yes = sum(one.answer == "yes" for one in said)
    return "yes" if yes >= least else "no"
"""
CAST = """
[shares]
panel = 1
[policies.panel]
use = "team"
structure = "team.py:most"
members = [
  {model = "team.py:says", options = {word = "yes"}},
  {model = "team.py:says", options = {word = "no"}},
  "wary",
]
least = 2
budget = {calls = 5}
[policies.wary]
use = "team.py:wary"
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("team.py").write_text(TEAM + "\n\ndef wary(o):\n    return 'yes'\n")
    Path("cast.toml").write_text(CAST)


def test_a_cast_file_defines_a_team():
    world = Contagion(people=50, seeds=0.1)
    run = Simulation(world, read_cast("cast.toml", world), seed=1).run(2)
    assert run.metrics["protecting"].drop_nulls().to_list() == [1.0] * 2
    assert set(run.transcript["policy"]) == {"panel"}
    assert set(run.transcript["member"].drop_nulls()) == {"yes", "no", "functionpolicy"}
    told = run.manifest["cast"]["people"]["policies"]["panel"]["parameters"]
    assert told["settings"] == {"least": 2}
    assert told["budget"] == {"calls": 5}


def test_members_may_have_names_and_a_fallback_may_be_named():
    text = CAST.replace("members = [", "fallback = 'default_rule'\nmembers = [")
    world = Contagion(people=50)
    offered = next(iter(world.policies()))
    Path("cast.toml").write_text(
        text.replace("default_rule", offered)
        .replace("members = [", "seats = [")
        .split("seats = [")[0]
        + f'[policies.panel.members]\nann = "{offered}"\nbob = {{model = "team.py:says"}}\n'
    )
    cast = read_cast("cast.toml", world)
    team = cast.policies["panel"].policy
    assert team.names == ("ann", "bob")


WRONG = {
    "structure": (CAST.replace('structure = "team.py:most"', ""), "expected structure"),
    "setting": (CAST.replace("least = 2", "leest = 2"), "did you mean 'least'"),
    "members": (CAST.split("members")[0], "expected members"),
    "itself": (CAST.replace('"wary",', '"panel",'), "cannot be a member of itself"),
    "nobody": (CAST.replace('"wary",', '"weary",'), "no such model"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_team_is_told(name):
    text, told = WRONG[name]
    Path("cast.toml").write_text(text)
    with pytest.raises(PopulaceError, match=told) as error:
        read_cast("cast.toml", Contagion(people=5))
    assert isinstance(error.value, (ParameterError, CastError)) or name == "nobody"


def test_a_teams_cost_is_not_guessed():
    text = CliRunner().invoke(
        main,
        [
            "estimate",
            "populace.worlds.contagion:Contagion",
            "--set",
            "people=20",
            "--cast",
            "cast.toml",
        ],
    )
    assert text.exit_code != 0
    assert "a team decides in this cast" in text.output
