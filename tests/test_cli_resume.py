"""``populace resume`` and ``populace fork``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from populace import Simulation
from populace.cli import main
from populace.records import read
from populace.worlds.contagion import Contagion
from tests.test_survival import assert_same

TOWN = "populace.worlds.contagion:Contagion"
SET = ["--set", "people=300", "--set", "disease=SIS", "--set", "seeds=0.1"]
WORLD = '''
"""A town with minds of its own."""

from pathlib import Path

import numpy as np

from populace import Choice, Population, Rule, World


class Town(World):
    ticks = 14

    def __init__(self, people: int = 40, pace: float = 0.5):
        self.people = Population(people, level=np.int64)
        self.pace = pace

    async def step(self, minds):
        if minds.tick == 9 and Path("fault").read_text() == "yes":
            raise ValueError("a fault")
        answers = await minds.ask("go", self.people, Choice(["no", "yes"]), pace=self.pace)
        self.people.level += answers.values

    def measure(self):
        return {"level": int(self.people.level.sum())}

    def policies(self):
        toss = Rule(go=lambda o: o.random.bernoulli(p=o["pace"]))
        return {"toss": toss, "never": Rule(go=lambda o: 0)}


class Stubborn:
    """A policy of the file's own, that remembers."""

    def __init__(self, share: float = 0.5):
        self.share, self.asked = share, 0

    def act(self, o):
        self.asked += 1
        return o.random.bernoulli(p=self.share / self.asked)
'''


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("town.py").write_text(WORLD)
    Path("fault").write_text("no")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments))

    return call


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def broken_off(cli: Any, *arguments: str) -> None:
    Path("fault").write_text("yes")
    result = cli("run", "town.py:Town", "--to", "run", "--checkpoint-every", "4", *arguments)
    assert result.exit_code == 1, result.output
    assert "a fault" in result.output
    Path("fault").write_text("no")


def test_a_run_of_a_file_and_a_cast_file_goes_on(cli: Any) -> None:
    Path("minds").mkdir()
    Path("minds/cast.toml").write_text(
        "[shares]\ntoss = 2\nstubborn = 1\n"
        '[policies.stubborn]\nuse = "town.py:Stubborn"\nshare = 0.9\n'
    )
    broken_off(cli, "--cast", "minds/cast.toml")
    Path("minds/cast.toml").unlink()  # the run keeps its own
    told = ok(cli("resume", "run", "--no-report"))
    assert "finished" in told
    Path("minds/cast.toml").write_bytes(Path("run/inputs/cast.toml").read_bytes())
    ok(cli("run", "town.py:Town", "--to", "whole", "--cast", "minds/cast.toml", "--no-report"))
    assert_same(read("run"), read("whole"))
    command = read("run").manifest["command"]
    assert command["world"] == f"{Path('town.py').resolve()}:Town"
    assert command["cast"] == {"file": "cast.toml"}
    again = cli("resume", "run")
    assert ok(again).strip() == "run has finished; --ticks N goes on to N ticks"
    ok(cli("resume", "run", "--ticks", "20", "-q"))
    ok(
        cli(
            "run",
            "town.py:Town",
            "--to",
            "longer",
            "--cast",
            "minds/cast.toml",
            "-q",
            "--ticks",
            "20",
        )
    )
    assert_same(read("run"), read("longer"))


def test_changed_inputs_and_code_are_told(cli: Any) -> None:
    Path("cast.toml").write_text("[shares]\ntoss = 2\nnever = 1\n")
    broken_off(cli, "--cast", "cast.toml")
    kept = Path("run/inputs/cast.toml")
    content = kept.read_bytes()
    kept.write_bytes(content.replace(b"2", b"3"))
    result = cli("resume", "run")
    assert result.exit_code == 2
    assert "run/inputs/cast.toml: is not what the run was made from" in result.output
    kept.unlink()
    assert "cannot be read: No such file" in cli("resume", "run").output
    kept.write_bytes(content)
    Path("town.py").write_text(WORLD + "\n# edited\n")
    told = ok(cli("resume", "run", "-q", "--no-report"))
    assert "Warning: run: it began with another version of Town's code" in " ".join(told.split())


def test_a_run_without_checkpoints_or_made_in_python_is_told_apart(cli: Any) -> None:
    ok(cli("run", TOWN, *SET, "--ticks", "4", "--to", "run", "-q", "--no-checkpoints"))
    assert not Path("run/checkpoints").exists()
    result = cli("resume", "run", "--ticks", "9")
    assert result.exit_code == 2
    assert "keeps no checkpoints" in result.output
    Simulation(Contagion(people=50), seed=1).run(3, to="python")
    result = cli("resume", "python", "--ticks", "9")
    assert result.exit_code == 2
    assert "was made in Python; go on there" in result.output
    assert "no run is here" in cli("fork", "nowhere").output
    assert cli("run", TOWN, "--checkpoint-every", "often").exit_code == 2


def test_a_branch(cli: Any) -> None:
    ok(cli("run", TOWN, *SET, "--ticks", "12", "--to", "run", "-q", "--checkpoint-every", "5"))
    ok(cli("fork", "run", "--at", "7", "--to", "same", "-q"))
    assert_same(read("same"), read("run"))
    ok(cli("fork", "run", "--at", "7", "--set", "transmission=0.4", "-q"))
    branch, run = read("run-fork"), read("run")
    same = (branch.metrics["infections"] == run.metrics["infections"]).to_list()
    assert same[:7] == [True] * 7
    assert not all(same[7:])
    assert branch.manifest["parent"]["tick"] == 7
    ok(cli("fork", "run", "--at", "7", "--cast", "watchful", "--to", "cast", "-q", "--ticks", "9"))
    asks = read("cast").asks
    assert set(asks.filter(asks["tick"] >= 7)["policy"]) == {"watchful"}
    assert set(asks.filter(asks["tick"] < 7)["policy"]) == {"careless"}
    ok(cli("resume", "cast", "--ticks", "12", "-q"))  # a branch goes on by its own cast
    assert set(read("cast").asks.filter(asks["tick"].max() == 8)["policy"]) >= {"watchful"}
    Path("more.toml").write_text("[mild]\nat = 9\nset = { transmission = 0.01 }\n")
    ok(cli("fork", "run", "--at", "8", "--intervene", "more.toml", "--to", "mild", "-q"))
    assert read("mild").events["name"].to_list() == ["mild"]
    for wrong, told in (
        (["--at", "13"], "expected a tick of the run, 0 to 12, got 13"),
        (["--at", "soon"], "expected at = a tick or a date"),
        (["--at", "2020-03-01"], "the world has no calendar"),
        (["--set", "people=9"], "people cannot change in mid-run"),
        (["--set", "people"], "expected --set name=value"),
        (["--to", "run"], "holds a run already"),
    ):
        result = cli("fork", "run", *wrong)
        assert result.exit_code == 2, result.output
        assert told in " ".join(result.output.split())


def test_json_says_how_it_ended(cli: Any) -> None:
    broken_off(cli)
    told = json.loads(ok(cli("resume", "run", "--json", "--no-report")))
    assert told["status"] == "finished"
    assert told["ticks"]["done"] == 14
