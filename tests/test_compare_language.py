"""Language arms of a comparison: paid once, within one budget, killed and gone on, replayed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from populace import AnswerStore, Budget, Prices
from populace.cli import main
from populace.errors import BudgetError
from populace.kernel.prices import Price
from populace.records import read
from populace.studies.purse import Purse

TOWN = Path(__file__).with_name("towns.py").read_text(encoding="utf-8")
OWN = """
import os
from pathlib import Path

from populace.language.policy import Language
from town import Town, Toy

PROMPTS = {"kind": {"vote": {
    "agent": "You are {age} years old, {stakes} is at stake. Do you agree? {options}",
    "options": {"no": "No", "yes": "Yes"},
}}, "wording": {"age": {"round": 20}}}


class Logged(Toy):
    '''Keeps a line a call; its process dies in the call after so many lines.'''

    def __init__(self):
        super().__init__(score=False)

    async def generate(self, requests):
        if os.environ.get("POPULACE_TEST_OFFLINE"):
            raise AssertionError("called")
        with open("calls.log", "a+") as log:
            for _ in requests:
                log.seek(0)
                if len(log.readlines()) == int(os.environ.get("POPULACE_TEST_DIES", -1)):
                    log.flush()
                    os._exit(9)
                log.write("call\\n")
                log.flush()
        return await super().generate(requests)


class Own(Town):
    ticks = 2

    def policies(self):
        return {**super().policies(), "language": Language(Logged(), PROMPTS, draws=2)}

    def shares(self):
        return {"rule": 1}
"""
COMMAND = ("compare", "own.py:Own", "--set", "people=40", "--swap", "model=rule", "--seeds", "3")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("town", "own"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    Path("town.py").write_text(TOWN)
    Path("own.py").write_text(OWN)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments))

    return call


def compared(cli: Any, *more: str, status: int = 0) -> Any:
    found = cli(*COMMAND, "--workers", "1", "--no-report", "--json", *more)
    assert found.exit_code == status, found.output
    return json.loads(found.stdout) if status == 0 else found


def paid() -> int:
    log = Path("calls.log")
    return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def whole(cli: Any) -> tuple[Any, int]:
    """What the comparison gives where nothing stops it, and its number of calls."""
    table = compared(cli, "--to", "whole", "--budget", "calls=1000000")["table"]
    calls = paid()
    Path("calls.log").unlink()
    return table, calls


# -- another word for the language mind ----------------------------------------------------------


def test_model_is_another_word_for_the_worlds_language_mind(cli: Any) -> None:
    for word in ("model", "language"):
        cast = f"rule=1,{word}=3"
        found = cli("run", "own.py:Own", "--cast", cast, "--to", word, "--no-report", "-q")
        assert found.exit_code == 0, found.output
    assert read("model").metrics.equals(read("language").metrics)
    assert read("model").manifest["cast"]["people"]["shares"] == {"rule": 0.25, "model": 0.75}
    found = cli("run", "wealth", "--cast", "model=1")
    assert found.exit_code == 2
    assert "no policy is named 'model'" in found.output


def test_a_group_that_the_worlds_own_cast_lacks_is_everybody(cli: Any, whole: Any) -> None:
    given = compared(cli, "--cast", "model=1", "--to", "given")["table"]
    assert whole[0] == given
    found = cli(*COMMAND, "--no-report", "--to", "told")
    assert "base is --cast model=1" in found.stderr
    for swap, hint in (("modal=rule", "no group 'modal'"), ("model=rul", "no mind is named")):
        found = cli("compare", "own.py:Own", "--swap", swap, "--seeds", "2")
        assert found.exit_code == 2
        assert hint in found.stderr


# -- paid once -----------------------------------------------------------------------------------


def test_answers_are_kept_with_the_comparison(cli: Any, whole: Any) -> None:
    table, calls = whole
    assert compared(cli, "--to", "d")["table"] == table
    assert paid() == calls == AnswerStore("d/answers.sqlite", "strict").stats().answers
    assert compared(cli, "--to", "d")["table"] == table
    assert paid() == calls


def test_killed_in_a_call_it_goes_on_without_paying_twice(cli: Any, whole: Any) -> None:
    table, calls = whole
    dies = calls // 2
    command = [sys.executable, "-m", "populace", *COMMAND, "--to", "d", "-q"]
    limit = ["--budget", f"calls={calls}"]
    environment = {**os.environ, "POPULACE_TEST_DIES": str(dies)}
    died = subprocess.run([*command, *limit], env=environment, check=False)
    assert died.returncode == 9
    assert paid() == dies
    # what was bought before the kill counts: exactly the rest is left of the budget
    found = compared(cli, "--to", "d", "--budget", f"calls={calls - 1}", status=3)
    assert "the same command goes on" in found.stderr
    assert paid() == calls - 1
    assert compared(cli, "--to", "d", *limit)["table"] == table
    assert paid() == calls


def test_one_budget_holds_for_the_whole_comparison(cli: Any, whole: Any) -> None:
    table, calls = whole
    some = 2 * calls // 3 + 1  # two of three seeds, and a little
    stopped = json.loads(compared(cli, "--to", "d", "--budget", f"calls={some}", status=3).stdout)
    assert (stopped["seeds"], stopped["dropped"]) == ([0, 1], [2])
    assert stopped["stopped"] == "a budget is spent"
    assert [row["arm"] for row in stopped["failed"]] == ["base"]
    assert "a budget is spent" in stopped["failed"][0]["error"]
    assert paid() == some
    compared(cli, "--to", "d", "--budget", f"calls={some}", status=3)
    assert paid() == some
    assert compared(cli, "--to", "d", "--budget", f"calls={calls}")["table"] == table
    assert paid() == calls
    none = compared(cli, "--to", "e", "--budget", "calls=1", status=3)
    assert "no seed ran in every arm" in none.stderr


def test_what_others_bought_in_the_same_file_does_not_count(cli: Any, whole: Any) -> None:
    table, calls = whole
    compared(cli, "--seeds", "1", "--to", "one", "--answers", "shared.sqlite")
    first = paid()
    rest = ("--answers", "shared.sqlite", "--budget", f"calls={calls - first}")
    assert compared(cli, "--to", "d", *rest)["table"] == table
    assert paid() == calls
    (Path("d") / "runs" / "000001.json").unlink()
    assert compared(cli, "--to", "d", *rest)["table"] == table


def test_answers_that_are_supplied_replay_strictly(
    cli: Any, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, _ = whole
    monkeypatch.setenv("POPULACE_TEST_OFFLINE", "1")
    strict = ("--answers", "whole/answers.sqlite", "--mode", "strict")
    assert compared(cli, "--to", "d", *strict)["table"] == table
    assert paid() == 0
    missing = compared(cli, "--to", "e", "--answers", "no.sqlite", "--mode", "strict", status=2)
    assert "no answers are here" in missing.stderr
    assert not Path("e").exists()
    more = cli(*COMMAND[:-1], "4", "--workers", "1", "--to", "f", "--no-report", *strict)
    assert more.exit_code == 0
    assert "1 of 4 seeds dropped" in more.stdout
    assert "no answer of toy" in " ".join(more.stdout.split())


HOSTED = """
class Hosted(Logged):
    def __init__(self):
        super().__init__()
        self.identity = Identity("https://models.example/v1", "small", "")
        self.capabilities = Capabilities(schema=True, seed=True)
"""
CAST = """
[shares]
model = 1
[policies.model]
use = "language"
model = "{model}"
prompts = "prompts.toml"
draws = 2
"""


def test_a_recorded_run_of_a_hosted_model_is_compared_without_it(cli: Any) -> None:
    pytest.importorskip("openai")
    head = "from populace.language.model import Capabilities, Identity\n"
    Path("own.py").write_text(head + OWN + HOSTED)
    Path("prompts.toml").write_text(
        "[kind.vote]\nagent = 'You are {age} years old. Do you agree? {options}'\n"
        "options = {no = 'No', yes = 'Yes'}\n[wording.age]\nround = 20\n"
    )
    Path("cast.toml").write_text(CAST.format(model="own.py:Hosted"))
    kept = ("--cast", "cast.toml", "--answers", "hosted.sqlite")
    table = compared(cli, *kept, "--to", "bought")["table"]
    calls = paid()
    assert calls > 0
    Path("cast.toml").write_text(CAST.format(model="openai:small@https://models.example/v1"))
    found = compared(cli, *kept, "--mode", "strict", "--to", "replayed")
    assert found["table"] == table
    assert paid() == calls
    assert found["dropped"] == []


# -- the purse by itself -------------------------------------------------------------------------


def test_a_purse_counts_money_that_was_spent_before(tmp_path: Path) -> None:
    prices = Prices({"toy": Price(tokens_in=1.0, tokens_out=10.0)})
    file = tmp_path / "answers.sqlite"
    with AnswerStore(file) as store:
        insert = "INSERT INTO answers VALUES (?, '{}', ?, 'memory', 'toy', 'generate', 'now')"
        for key in ("a", "b"):
            answer = {"tokens_in": 300_000, "tokens_out": 20_000, "seconds": 1.5}
            store._base.execute(insert, (key, json.dumps(answer)))
        store._base.commit()
    budget = Budget(usd=1.5, calls=10)
    purse = Purse(budget, file, prices=prices, to=tmp_path)
    assert purse()["budget"] is budget
    assert budget.spent.usd == pytest.approx(2 * (0.3 + 0.2))
    assert (budget.spent.calls, budget.spent.seconds, budget.left.calls) == (2, 3.0, 8)
    with pytest.raises(BudgetError):
        budget.reserve(calls=1, usd=0.6)
    assert purse.spent
    with pytest.raises(BudgetError, match="the comparison is spent"):
        purse()
    purse.close()
