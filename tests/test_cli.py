"""The command line: what it writes and prints, and how it fails."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from populace import Cast, Fallback, Human, Rule
from populace.cli import main
from populace.cli.progress import Watch
from populace.cli.running import bar
from populace.records import read

PACKAGE = Path(__file__).with_name("lakeworlds.py").read_text(encoding="utf-8")
ENTRY_POINTS = """[populace.worlds]
lake = lakeworlds:Lake
market = lakeworlds:Market
gone = lakeworlds:Gone

[populace.policies]
fixed = lakeworlds:Fixed
nothing = lakeworlds:nothing
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install (by hand) a package that registers two worlds and two policies."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "lakeworlds.py").write_text(PACKAGE)
    info = folder / "lakeworlds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lakeworlds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture
def cli(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments))

    return call


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


# -- running -------------------------------------------------------------------------------------


def test_run_writes_records_and_a_report_and_says_so(cli: Any) -> None:
    said = ok(cli("run", "lake", "--set", "fishers=9", "--seed", "3"))
    run = read("runs/lake-3")
    assert run.status == "finished"
    assert run.manifest["world"]["parameters"]["fishers"] == 9
    assert run.manifest["seed"] == 3
    assert run.ticks == 12  # the world's own length
    assert run.manifest["cast"]["people"]["policies"]["tenth"]["agents"] == 6
    assert "<!doctype html>" in Path("runs/lake-3/report.html").read_text()
    assert "12 of 12 ticks, 2020-01 to 2020-12" in said
    assert "runs/lake-3/report.html" in said
    ok(cli("run", "lake", "--seed", "3"))
    ok(cli("run", "lake", "--seed", "3", "--no-report"))
    assert sorted(os.listdir("runs")) == ["lake-3", "lake-3-2", "lake-3-3"]
    assert not Path("runs/lake-3-3/report.html").exists()


def test_json_is_one_document_that_agrees_with_the_tables(cli: Any) -> None:
    options = ["--cast", "one=1,tenth=1", "--ticks", "5", "--panel", "2", "--to", "d"]
    told = json.loads(ok(cli("run", "lake", *options, "--json")))
    run = read("d")
    assert told["report"] == "d/report.html"
    assert told["measures"]["stock"]["last"] == run.metrics["stock"][-1]
    assert told["measures"]["stock"]["high"] == run.metrics["stock"].max()
    assert [(d["kind"], d["policy"], d["agents"], d["acted"]) for d in told["decisions"]] == [
        (kind, policy, 15, 15) for kind in ("harvest", "mood") for policy in ("one", "tenth")
    ]
    assert run.panel["id"].n_unique() == 2
    del told["report"]
    assert json.loads(ok(cli("show", "d", "--json"))) == told


def test_same_arguments_same_tables(cli: Any) -> None:
    for folder in ("a", "b"):
        ok(cli("run", "lake", "--seed", "5", "--to", folder, "--quiet"))
    ok(cli("run", "lake", "--seed", "6", "--to", "c", "--quiet"))
    assert read("a").panel.equals(read("b").panel)
    assert not read("a").panel.equals(read("c").panel)


def test_quiet_prints_nothing(cli: Any) -> None:
    assert ok(cli("run", "lake", "--quiet")) == ""


@pytest.mark.parametrize("world", ["lakeworlds:Lake", "{site}/lakeworlds.py:Lake"])
def test_worlds_need_no_registration(cli: Any, package: Path, world: str) -> None:
    ok(cli("run", world.format(site=package), "--ticks", "2"))
    assert read("runs/lake-0").ticks == 2


def test_a_file_with_one_world_is_enough(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("from lakeworlds import Lake\nclass Own(Lake): pass\n")
    ok(cli("run", "own.py", "--ticks", "2"))
    assert read("runs/own-0").manifest["world"]["class"] == "own.Own"


# -- casts ---------------------------------------------------------------------------------------


def test_cast_file_defines_policies(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "cast.toml").write_text(
        """
        [shares]
        one = 2
        greedy = 1
        idle = 3
        later = 6
        [policies.greedy]
        use = "tenth"
        share = 0.5
        [policies.idle]
        use = "nothing"
        [policies.later]
        use = "lakeworlds:Fixed"
        since = "2021-02-03"
        """
    )
    ok(cli("run", "lake", "--set", "fishers=12", "--ticks", "1", "--cast", "cast.toml"))
    run = read("runs/lake-0")
    cast = run.manifest["cast"]["people"]["policies"]
    assert {name: p["agents"] for name, p in cast.items()} == {
        "one": 2, "greedy": 1, "idle": 3, "later": 6,
    }  # fmt: skip
    assert cast["greedy"]["parameters"]["share"] == 0.5
    assert cast["later"]["parameters"] == {"share": 0.1, "since": "2021-02-03"}
    harvest = run.panel.filter(kind="harvest")
    fished = dict(harvest.select("policy", "value").unique().iter_rows())
    assert fished == {"one": 1.0, "greedy": 100 * 0.5 / 12, "idle": 0.0, "later": 100 * 0.1 / 12}


def test_cast_file_casts_several_populations(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "cast.toml").write_text(
        "[populations.buyers]\nfive = 1\ntwo = 1\n[populations.sellers]\ntwo = 1\n"
    )
    ok(cli("run", "market", "--ticks", "1", "--cast", "cast.toml"))
    asks = read("runs/market-0").asks
    assert asks.select("population", "policy", "agents").rows() == [
        ("buyers", "five", 2), ("buyers", "two", 2), ("sellers", "two", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("world", "cast", "who"),
    [
        ("lakeworlds:Bazaar", "", "buyers five 4, sellers three 2"),
        ("lakeworlds:Bazaar", "buyers.two=1", "buyers two 4, sellers three 2"),
        ("lakeworlds:Bazaar", "five=1,buyers.two=1,sellers.two=1,three=1",
         "buyers five 2, buyers two 2, sellers three 1, sellers two 1"),
        ("lakeworlds:Bazaar", "sellers.default=1,sellers.two=1",
         "buyers five 4, sellers three 1, sellers two 1"),
        ("market", "buyers.five=1,sellers.two=1", "buyers five 4, sellers two 2"),
    ],
)  # fmt: skip
def test_names_say_of_which_population(cli: Any, world: str, cast: str, who: str) -> None:
    ok(cli("run", world, "--ticks", "1", "--to", "out", *(["--cast", cast] if cast else [])))
    asks = read("out").asks.sort("population", "policy")
    told = asks.select("population", "policy", "agents").iter_rows()
    assert ", ".join(" ".join(map(str, row)) for row in told) == who


def test_a_population_that_a_cast_file_leaves_out_keeps_its_own(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "cast.toml").write_text("[populations.sellers]\ntwo = 1\n")
    ok(cli("run", "lakeworlds:Bazaar", "--ticks", "1", "--to", "out", "--cast", "cast.toml"))
    asks = read("out").asks
    assert asks["policy"].to_list() == ["five", "two"]


# -- failing -------------------------------------------------------------------------------------

USAGE = {
    "lakes": r"no world 'lakes'; did you mean 'lake'\?",
    "gone": "cannot be imported",
    "no.such:World": "no.such: cannot be imported: ModuleNotFoundError",
    "lakeworlds:Lak": r"there is no 'Lak'; did you mean 'Lake'\?",
    "none.py": "none.py: there is no such file",
    "lakeworlds:nothing": "expected a World class, got <function nothing",
    "lake --set fisher=3": r"no parameter 'fisher'; did you mean 'fishers'\?",
    "lake --set fishers": "expected --set name=value, got 'fishers'",
    "lake --set fishers=many": "expected fishers as int, got 'many'",
    "lake --set fishers=-4": "expected fishers >= 1 people, got -4",
    "lake --set capacity=nan": "expected capacity 0 to 1e",
    "lake --cast one=half": "expected name=share.*for instance --cast rule=2,habit=1",
    "lake --cast one=-1": "expected a share of at least 0 for 'one', got -1",
    "lake --cast one=0": "the cast covers nobody",
    "lake --cast one=inf": "expected a share",
    "lake --cast ones=1": r"no policy is named 'ones'; did you mean 'one'\?",
    "lake --cast fixed=1,fixed=2": "each name once",
    "lake --cast ''": "expected name=share",
    "lake --cast no.toml": "no.toml: cannot be read",
    "market --cast five=1": "the world has 2 populations: buyers, sellers",
    "lakeworlds:Bazaar --cast two=1,five=1": r"of which population is 'two'.*buyers\.two=1",
    "lakeworlds:Bazaar --cast buyers.three=1": "no policy is named 'three'",
    "lake --ticks -3": "-3 is not in the range",
    "lake --seed 18446744073709551616": "is not in the range",
    "lake --seed -1": "is not in the range",
    "lake --to full": "full: is not empty",
    "lake --bogus": "No such option '--bogus'",
}


@pytest.mark.parametrize("arguments", USAGE)
def test_bad_input_is_told_in_one_line_before_work_is_done(
    cli: Any, tmp_path: Path, arguments: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    result = cli("run", *[a.strip("'") for a in arguments.split(" ")])
    assert result.exit_code == 2
    told_in_one_line(result, USAGE[arguments])
    assert not (tmp_path / "runs").exists()
    assert os.listdir(tmp_path / "full") == ["thesis.txt"]


CASTS = {
    "[shares": "cannot be read: Expected",
    "shares = 3": "expected sections",
    "[share]\none = 1": "expected sections shares, populations, policies, seats, got 'share'",
    "[policies.a]\nuse='one'\n[policies.b]\nuse='one'": r"no section \[shares\]: nobody is cast",
    "[shares]": "got none",
    "[shares]\none = true": "expected a share as a number, got True",
    "[shares]\none = 'all'": "expected a share of at least 0 for 'one', got 'all'",
    "[shares]\na = 1\n[policies]\na = 'one'": r"expected a section \[policies.a\]",
    "[shares]\na = 1\n[policies.a]\nuse = 3": "expected use = a name",
    "[shares]\na = 1\n[policies.a]\nuse = 'tent'": "did you mean 'tenth'",
    "[shares]\na = 1\n[policies.a]\nuse = 'tenth'\nshar = 1": "did you mean 'share'",
    "[shares]\na = 1\n[policies.a]\nuse = 'tenth'\nshare = 7": "share 0 to 1 1, got 7",
    "[shares]\na = 1\n[policies.a]\nuse = 'tenth'\nsince = 'now'": "expected since as date",
    "[shares]\na = 1\n[policies.a]\nuse = 'one'\nshare = 1": "takes no parameters",
    "[shares]\na = 1\n[policies.a]\nuse = 'nothing'\nshare = 1": "takes no parameters",
    "[shares]\na = 1\n[policies.a]\nuse = 'no.such:Thing'": "cannot be imported",
    "[populations.fish]\none = 1": "no population 'fish'",
    "[populations.people]\none = 1\n[shares]\none = 1": "got both",
}


@pytest.mark.parametrize("content", CASTS)
def test_bad_cast_files_are_told_in_one_line(cli: Any, tmp_path: Path, content: str) -> None:
    (tmp_path / "cast.toml").write_text(content)
    result = cli("run", "lake", "--cast", "cast.toml")
    assert result.exit_code == 2
    told_in_one_line(result, CASTS[content])
    assert not (tmp_path / "runs").exists()


RUNNING = {
    "step": ("WorldError", r"Lake.step at tick 2: ValueError: two lines \(lakeworlds.py:\d+\)"),
    "text": ("WorldError", "measure 'stock': expected a finite number, got 'much'"),
    "infinite": ("WorldError", "measure 'stock': expected a finite number, got inf"),
    "length": (
        "AnswerError",
        r"policy 'one', 'harvest' at tick 2: expected 2 answers .*got shape \(99,\)",
    ),
    "nan": ("MissingDecision", "2 of 5 agents gave no valid decision.*answered nan"),
    "outside": ("MissingDecision", r"answered 1000000000.0.*expected a number in \[0, "),
    "policy": ("PolicyError", "policy 'one' answering 'harvest' at tick 2: ZeroDivisionError"),
}


@pytest.mark.parametrize("fault", RUNNING)
def test_a_failed_run_says_why_and_keeps_what_it_had(cli: Any, fault: str) -> None:
    kind, message = RUNNING[fault]
    result = cli("run", "lake", "--set", f"fault={fault}", "--set", "fishers=5", "--to", "d")
    assert result.exit_code == 1
    told_in_one_line(result, message)
    run = read("d")
    assert run.status == "failed"
    assert run.manifest["error"]["type"] == kind
    assert run.ticks == run.metrics.height == 2
    assert Path("d/report.html").exists()
    said = ok(cli("show", "d"))
    assert "failed" in said
    assert kind in said


def told_in_one_line(result: Result, message: str) -> None:
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert re.search(message, lines[0]), lines[0]


@pytest.mark.parametrize("fault", ["init", "start"])
def test_a_world_that_cannot_be_built_fails_without_a_run(cli: Any, fault: str) -> None:
    result = cli("run", "lake", "--set", f"fault={fault}")
    assert result.exit_code == 1
    told_in_one_line(result, "KeyError|Lake.start: RuntimeError: dry")
    assert not Path("runs").exists()


def test_json_and_debug_tell_more_of_an_error(cli: Any) -> None:
    result = cli("run", "lake", "--set", "fishers=-4", "--json")
    error = json.loads(result.stdout)["error"]
    assert (error["type"], error["where"]) == ("ParameterError", "lake")
    assert error["what"] == "expected fishers >= 1 people, got -4"
    debugged = cli("run", "lake", "--set", "fault=step", "--debug").stderr
    assert "Traceback" in debugged
    assert 'raise ValueError("two' in debugged


# -- interrupting --------------------------------------------------------------------------------


def started(package: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a run of a billion ticks, and return once it says that it is ready."""
    source = Path(__file__).parents[1] / "src"
    environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{package}"}
    command = [sys.executable, "-m", "populace", "run", "lake", "--ticks", "1000000000"]
    process = subprocess.Popen(
        [*command, "--to", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_readable_run(package: Path, tmp_path: Path, sent: signal.Signals) -> None:
    process = started(package, tmp_path / "d", "--set", "fault=ready", "--set", "at=7")
    process.send_signal(sent)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    run = read(tmp_path / "d")
    assert run.status == "interrupted"
    assert run.ticks >= 7
    assert run.metrics["tick"].to_list() == list(range(run.ticks))
    assert errors.splitlines() == [
        f"Interrupted after {run.ticks:,} ticks; they are in {tmp_path / 'd'}",
        f"Go on with: populace resume {tmp_path / 'd'}",
    ]
    assert (tmp_path / "d" / "report.html").exists()


def test_a_killed_run_is_shown_as_unfinished(cli: Any, package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    process = started(package, folder, "--set", f"fault=flushed:{folder}")
    process.kill()
    process.communicate(timeout=120)
    said = ok(cli("show", str(folder)))
    assert "running (still running, or its process died)" in said
    run = read(folder)
    assert run.ticks > 0
    assert run.metrics["tick"].to_list() == list(range(run.ticks))
    ok(cli("report", str(folder)))


# -- listing, showing, reporting -----------------------------------------------------------------


def test_list_describes_worlds_and_policies(cli: Any) -> None:
    found = json.loads(ok(cli("list", "--json")))
    lake = next(w for w in found["worlds"] if w["name"] == "lake")
    assert lake["doc"] == "Fishers share a lake."
    assert lake["cast"] == {"one": 1, "tenth": 2}
    assert lake["ticks"] == 12
    assert lake["parameters"][0] == {
        "name": "fishers", "doc": "who fish", "type": "int", "unit": "people", "range": ">= 1",
        "required": False, "fixed": "", "default": 6,
    }  # fmt: skip
    assert "cannot be imported" in next(w for w in found["worlds"] if w["name"] == "gone")["error"]
    fixed = next(p for p in found["policies"] if p["name"] == "fixed")
    assert fixed["parameters"][1]["default"] == "2020-01-01"
    said = ok(cli("list", "worlds"))
    for words in ("lake", "fishers", "most fish", "100.0", "0 to 1e+06", "one=1, tenth=2"):
        assert words in said
    assert "fixed" not in said
    assert "share" in ok(cli("list", "fixed"))
    result = cli("list", "lakes")
    assert result.exit_code == 2
    told_in_one_line(result, "nothing is named 'lakes'; did you mean 'lake'")


def test_show_and_report_refuse_what_is_no_run(cli: Any, tmp_path: Path) -> None:
    for command in ("show", "report"):
        result = cli(command, str(tmp_path))
        assert result.exit_code == 2
        told_in_one_line(result, "no run is here")


def test_report_goes_where_told(cli: Any) -> None:
    ok(cli("run", "lake", "--no-report", "--quiet"))
    assert ok(cli("report", "runs/lake-0")).strip() == "runs/lake-0/report.html"
    assert ok(cli("report", "runs/lake-0", "--out", "a.html")).strip() == "a.html"
    assert Path("a.html").read_bytes() == Path("runs/lake-0/report.html").read_bytes()


def test_help_and_version(cli: Any) -> None:
    from populace import __version__

    assert ok(cli("--version")) == f"populace, version {__version__}\n"
    for command in ([], ["run"], ["resume"], ["fork"], ["list"], ["show"], ["report"]):
        assert "Example:  populace" in ok(cli(*command, "--help"))


def test_the_page_on_the_command_line_is_true(cli: Any, tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "cli.md").read_text(encoding="utf-8")
    commands = [
        ["run"],
        ["resume"],
        ["fork"],
        ["sweep"],
        ["compare"],
        ["estimate"],
        ["prompt", "check"],
    ]
    commands += [["model", name] for name in ("get", "list", "check")]
    commands += [["answers", name] for name in ("stats", "export", "import", "prune")]
    known = {
        option
        for command in commands
        for option in re.findall(r"--[a-z][a-z-]*", ok(cli(*command, "--help")))
    }
    assert set(re.findall(r"--[a-z][a-z-]*", page)) == known - {"--help"}
    toml = re.search(r"```toml\n(.*?)```", page, re.S)
    assert toml is not None
    (tmp_path / "cast.toml").write_text(toml[1])
    world = ["populace.worlds.contagion:Contagion", "--set", "people=400", "--set", "disease=SIR"]
    ok(cli("run", *world, "--ticks", "2", "--cast", "cast.toml", "--to", "a"))
    ok(cli("run", *world, "--ticks", "2", "--cast", "careless=3,watchful=1", "--to", "b"))
    agents = [
        [p["agents"] for p in read(to).manifest["cast"]["people"]["policies"].values()]
        for to in "ab"
    ]
    assert agents == [[300, 100], [300, 100]]


def test_the_command_line_starts_light() -> None:
    check = (
        "import sys, populace.cli; print({'polars', 'numba', 'rich', 'numpy'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run([sys.executable, "-c", check], env=environment, capture_output=True)
    assert done.stdout.decode().strip() == "set()"


# -- progress ------------------------------------------------------------------------------------


def test_bar_shows_rate_date_and_time_left() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    watch = Watch(console, "lake", bar=True, silent=False)
    with watch.running(10, 0, {"start": "2020-03-01", "unit": "day"}) as step:
        for done in range(1, 11):
            step(done, 10)
    shown = screen.getvalue()
    for words in ("lake", "10/10", "100%", "2020-03-10", "ticks/s", "left"):
        assert words in shown


def test_no_bar_is_drawn_over_a_person_at_the_terminal() -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True)
    person = Fallback(Human(), to=Rule(lambda o: 0))
    person.itself = person  # type: ignore[attr-defined]
    assert not bar(terminal, False, Cast({"me": person}), None)  # type: ignore[arg-type]
    assert bar(terminal, False, Cast({"rule": Rule(lambda o: 0)}), None)  # type: ignore[arg-type]
    assert not bar(Console(file=io.StringIO()), False, Cast({"r": lambda o: 0}), None)  # type: ignore[arg-type]


def test_lines_come_sparsely_without_a_terminal() -> None:
    screen, now = io.StringIO(), [0.0]
    watch = Watch(Console(file=screen, width=40), "lake", False, False, lambda: now[0])
    with watch.running(100, 0, None) as step:
        for done in range(1, 101):
            now[0] += 0.25
            step(done, 100)
    assert screen.getvalue().splitlines() == [
        "lake: 40 of 100 ticks, 4.0 ticks/s, 15 s left",
        "lake: 80 of 100 ticks, 4.0 ticks/s, 5 s left",
    ]
    screen.truncate(0)
    with Watch(Console(file=screen), "lake", False, True).running(2, 0, None) as step:
        step(1, 2)
    assert screen.getvalue() == ""
