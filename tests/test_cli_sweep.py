"""`populace sweep`: designs from options, one line for what is wrong, and going on."""

import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from populace.cli import main
from populace.studies import read_sweep
from tests.test_study_tasks import env

WORLD = """
from typing import Annotated, Literal
from populace import Choice, Parameter, Population, Rule, World

class Coins(World):
    ticks = 2
    def __init__(self,
                 people: Annotated[int, Parameter("agents", low=1)] = 8,
                 bias: Annotated[float, Parameter("chance", "share", 0, 1)] = 0.5,
                 side: Annotated[Literal["up", "down"], Parameter("which counts")] = "up",
                 fail: Annotated[bool, Parameter("whether it breaks")] = False):
        self.people, self.bias, self.side, self.fail = Population(people), bias, side, fail
    async def step(self, minds):
        if self.fail:
            raise ValueError("broken")
        toss = await minds.ask("toss", self.people, Choice(["down", "up"]), bias=self.bias)
        self.heads = toss.chose(self.side)
    def measure(self):
        return {"heads": int(self.heads.sum())}
    def policies(self):
        return {"fair": Rule(toss=lambda o: o.random.bernoulli(p=o["bias"])),
                "sure": Rule(toss=lambda o: True)}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "coins.py").write_text(WORLD)
    return tmp_path


def ask(*arguments):
    return CliRunner().invoke(main, ["sweep", "coins.py", *arguments])


def test_a_grid_by_seeds_is_a_table_and_a_directory(place):
    done = ask("--grid", "bias=0,1", "--grid", "side=up,down", "--seeds", "3", "--to", "out")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["bias", "side", "runs", "failed", "heads"]
    expected = ["0 up 3 0 0 ± 0", "0 down 3 0 8 ± 0", "1 up 3 0 8 ± 0", "1 down 3 0 0 ± 0"]
    assert [" ".join(line.split()) for line in lines[1:5]] == expected
    table = read_sweep("out").table
    assert table.height == 12
    assert table["heads"].to_list() == [0] * 3 + [8] * 6 + [0] * 3


def test_processes_read_the_world_from_its_file(place):
    here = ask("--grid", "bias=0.3,0.6", "--backend", "serial", "--to", "a", "--json")
    there = ask("--grid", "bias=0.3,0.6", "--workers", "1", "--to", "b", "--json")
    rows = [json.loads(done.stdout)["runs"] for done in (here, there)]
    for row in rows[0] + rows[1]:
        assert row.pop("seconds") > 0
        assert row["status"] == "finished"
    assert rows[0] == rows[1]


def test_ranges_are_sampled_within_the_grid(place):
    options = ["--range", "people=1:4", "--range", "bias=0.1:1:log", "--grid", "side=up,down"]
    assert ask(*options, "--sobol", "4", "--backend", "serial", "-q", "--to", "s").exit_code == 0
    table = read_sweep("s").table
    assert sorted(table["people"]) == sorted([1, 2, 3, 4] * 2)
    assert table["side"].to_list() == ["up"] * 4 + ["down"] * 4
    assert table["bias"].is_between(0.1, 1).all()
    assert table["bias"].to_list()[:4] == table["bias"].to_list()[4:]


def test_settings_and_cast_hold_for_every_run(place):
    done = ask("--set", "people=20", "--set", "bias=0", "--cast", "sure", "--backend", "serial")
    assert done.exit_code == 0
    (folder,) = (place / "runs").iterdir()
    assert read_sweep(folder).table["heads"].to_list() == [20]


def test_the_same_command_goes_on_and_another_has_another_place(place):
    first = ask("--grid", "bias=0.2,0.4", "--backend", "serial")
    (folder,) = (place / "runs").iterdir()
    (folder / "runs" / "000001.json").unlink()
    kept = (folder / "runs" / "000000.json").read_bytes()
    again = ask("--grid", "bias=0.2,0.4", "--backend", "serial")
    assert again.stdout == first.stdout
    assert (folder / "runs" / "000000.json").read_bytes() == kept
    ask("--grid", "bias=0.2,0.5", "--backend", "serial")
    assert len(list((place / "runs").iterdir())) == 2


def test_failed_runs_are_rows_and_an_exit_status(place):
    done = ask("--grid", "fail=no,yes", "--backend", "serial", "--to", "out")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: 1 of 2 runs failed: WorldError: ")
    assert "broken" in done.stderr
    assert read_sweep("out").table["status"].to_list() == ["finished", "failed"]
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:3]] == [
        ["False", "1", "0"],
        ["True", "1", "1"],
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--grid", "bia=1"], "did you mean 'bias'"),
        (["--grid", "bias"], "expected --grid NAME=A,B,..."),
        (["--grid", "bias=0.5,2"], "expected bias 0 to 1 share, got 2"),
        (["--grid", "bias=x"], "expected bias as float, got 'x'"),
        (["--grid", "bias=1", "--grid", "bias=2"], "bias is varied twice"),
        (["--grid", "bias=1", "--set", "bias=0"], "both set and varied"),
        (["--range", "bias=0:1"], "one of --lhs N and --sobol N"),
        (["--lhs", "4"], "one of --lhs N and --sobol N"),
        (["--range", "bias=0:1", "--lhs", "4", "--sobol", "4"], "one of --lhs N and --sobol N"),
        (["--range", "bias=0:1", "--sobol", "5"], "take 4 or 8"),
        (["--range", "bias=1:0", "--lhs", "5"], "expected low < high"),
        (["--range", "bias=0:1:sqrt", "--lhs", "5"], "expected LOW:HIGH"),
        (["--range", "side=up:down", "--lhs", "5"], "list its values: --grid"),
        (["--set", "people=0"], "expected people >= 1"),
        (["--seeds", "x"], "expected a number of seeds"),
        (["--seeds", "1,1"], "distinct"),
        (["--cast", "fare"], "did you mean 'fair'"),
    ],
)
def test_one_line_says_what_is_wrong(place, options, told):
    done = ask(*options)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert told in done.stderr
    assert not (place / "runs").exists()


def test_another_sweep_in_the_directory(place):
    ask("--to", "out", "--backend", "serial")
    done = ask("--to", "out", "--backend", "serial", "--seeds", "2")
    assert done.exit_code == 1
    assert "holds another study: seeds was [0], now [0, 1]" in done.stderr


def test_ctrl_c_says_how_to_go_on(place):
    """A world that interrupts its own command in the second of three runs."""
    text = WORLD.replace(
        'raise ValueError("broken")',
        "import os, signal; self.fail = False; os.kill(os.getpid(), signal.SIGINT)",
    )
    (place / "coins.py").write_text(text)
    command = [sys.executable, "-m", "populace", "sweep", "coins.py", "--backend", "serial"]
    command += ["--grid", "fail=no,yes,no", "--to", "out"]
    done = subprocess.run(command, env=env(), capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == "Interrupted after 1 of 3 runs; the same command goes on (out)\n"
    assert read_sweep("out").table["status"].to_list() == ["finished", "missing", "missing"]
