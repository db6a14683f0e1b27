"""Going on with a run, and branches of it: what is kept, what is common, what is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from populace import (
    Budget,
    Cast,
    Choice,
    Human,
    Intervention,
    Language,
    Network,
    Number,
    Population,
    Rule,
    Simulation,
    Streams,
    Surrogate,
    Survey,
    World,
)
from populace.errors import (
    BudgetError,
    CheckpointError,
    ParameterError,
    RecordError,
    StateError,
)
from populace.records import read
from populace.records.cadence import Checkpoints
from populace.simulation.keeping import snapshot
from populace.worlds.contagion import Contagion
from populace.worlds.segregation import Segregation
from tests.analytic import Analytic, numbers
from tests.killing import print_of
from tests.survivors import Village, village_cast
from tests.test_survival import assert_same

ROOT = Path(__file__).parents[1]


class Stop(Exception):
    """What a test interrupts a run with."""


def until(tick: int) -> Any:
    """Return a progress function that raises when so many ticks are done."""

    def progress(done: int, _: int) -> None:
        if done == tick:
            raise Stop

    return progress


def broken_off(simulation: Simulation, ticks: int, at: int, to: Path, every: int = 2) -> None:
    with pytest.raises(Stop):
        simulation.run(ticks, to, until(at), Checkpoints(every_ticks=every, every_seconds=None))


def sis(**changed: Any) -> Contagion:
    return Contagion(**{"people": 300, "disease": "SIS", "seeds": 0.1, **changed})


# -- resume ----------------------------------------------------------------------------------------


def test_a_broken_run_goes_on_to_the_same_end(tmp_path):
    whole = Simulation(Village(), village_cast(), seed=4).run(15, to=tmp_path / "whole")
    folder = tmp_path / "run"
    broken_off(Simulation(Village(), village_cast(), seed=4), 15, 9, folder)
    assert read(folder).status == "failed"
    simulation = Simulation.resume(folder, cast=village_cast())
    assert (simulation.tick, simulation.seed) == (8, 4)
    run = simulation.run()
    assert_same(run, whole)
    assert_same(read(folder), whole)
    manifest = read(folder).manifest
    assert manifest["status"] == "finished"
    assert manifest["error"] is None
    assert [again["tick"] for again in manifest["resumed"]] == [8]
    assert manifest["ticks"] == {"first": 0, "asked": 15, "done": 15}


def test_without_a_checkpoint_it_begins_anew(tmp_path):
    whole = Simulation(sis(), seed=1).run(10)
    broken_off(Simulation(sis(), seed=1), 10, 4, tmp_path / "run", every=100)
    assert_same(Simulation.resume(tmp_path / "run").run(), whole)


def test_a_finished_run_goes_on_for_longer(tmp_path):
    whole = Simulation(sis(), seed=1).run(20)
    Simulation(sis(), seed=1).run(12, tmp_path / "run", checkpoint="5")
    simulation = Simulation.resume(tmp_path / "run")
    assert simulation.tick == 10
    assert_same(simulation.run(10), whole)
    assert read(tmp_path / "run").manifest["ticks"]["asked"] == 20


def test_a_damaged_checkpoint_is_passed_over(tmp_path):
    whole = Simulation(sis(), seed=1).run(10)
    broken_off(Simulation(sis(), seed=1), 10, 7, tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "tick-000006" / "arrays.bin").write_bytes(b"half")
    with pytest.warns(RuntimeWarning, match="tick-000006/arrays.bin.*going back to the one before"):
        simulation = Simulation.resume(tmp_path / "run")
    assert simulation.tick == 4
    assert_same(simulation.run(), whole)


def test_a_simulation_may_begin_its_records_in_mid_run_or_be_saved_by_hand(tmp_path):
    whole = Simulation(Village(), village_cast(), seed=4)
    whole.run(5)
    end = whole.run(9)
    simulation = Simulation(Village(), village_cast(), seed=4)
    simulation.run(3)
    simulation.save(tmp_path / "saved")
    simulation.run(2)
    with pytest.raises(Stop):
        simulation.run(9, tmp_path / "run", until(3))
    run = Simulation.resume(tmp_path / "run", cast=village_cast()).run()
    assert_same(run, end)
    assert run.manifest["ticks"] == {"first": 5, "asked": 9, "done": 9}
    again = Simulation.resume(tmp_path / "saved", cast=village_cast())
    assert again.tick == 3
    assert again.run(11).metrics.tail(9).equals(end.metrics)


def test_parameters_of_any_sort_are_made_again(tmp_path):
    net = Network.erdos_renyi(200, 5.0, Streams(3).stream("net"))

    def made() -> Contagion:
        return Contagion(network=net, disease="SI", seeds=0.05, transmission=0.02)

    whole = Simulation(made(), seed=2).run(9)
    broken_off(Simulation(made(), seed=2), 9, 5, tmp_path / "run")
    assert_same(Simulation.resume(tmp_path / "run").run(), whole)
    broken_off(Simulation(made(), seed=2), 9, 5, tmp_path / "given")
    assert_same(Simulation.resume(tmp_path / "given", world=made()).run(), whole)


class Ruled(World):
    """Has a function as a parameter."""

    def __init__(self, rule: Any, n: int = 5) -> None:
        self.people = Population(n, x=np.float64)
        self.rule, self.n = rule, n

    async def step(self, minds: Any) -> None:
        chosen = await minds.ask("go", self.people, Choice(["no", "yes"]))
        self.people.x[:] = self.rule(self.people.x + chosen.values)

    def measure(self) -> dict[str, float]:
        return {"x": self.people.x.sum()}


def toss(o: Any) -> Any:
    return o.random.bernoulli(p=0.5)


def test_what_cannot_be_made_again_is_asked_for(tmp_path):
    offset = 2.0
    made = lambda: Ruled(lambda x: x * 1.1 + offset)  # noqa: E731
    whole = Simulation(made(), Rule(toss), seed=2).run(9)
    broken_off(Simulation(made(), Rule(toss), seed=2), 9, 5, tmp_path / "run")
    with pytest.raises(RecordError, match=r"parameters of Ruled cannot be told.*world="):
        Simulation.resume(tmp_path / "run")
    with pytest.raises(RecordError, match=r"its cast \(rule\) was made in Python.*cast="):
        Simulation.resume(tmp_path / "run", made())
    assert_same(Simulation.resume(tmp_path / "run", made(), Rule(toss)).run(), whole)


def test_another_world_cast_or_parameter_is_refused(tmp_path):
    folder = tmp_path / "run"
    broken_off(Simulation(sis(), seed=1), 9, 5, folder)
    with pytest.raises(RecordError, match=r"expected the world .*Contagion, got .*Segregation"):
        Simulation.resume(folder, Segregation())
    with pytest.raises(RecordError, match=r"transmission was 0\.05, now it is 0\.2; .*fork"):
        Simulation.resume(folder, sis(transmission=0.2))
    other = Cast({"watchful": Rule(lambda o: 1), "new": Rule(lambda o: 1)}, shares={"new": 1})
    with pytest.raises(RecordError, match=r"cast of people was careless \(Rule\).*it is .*new"):
        Simulation.resume(folder, cast=other)
    with pytest.raises(RecordError, match="no run is here"):
        Simulation.resume(tmp_path / "nowhere")
    Simulation(sis(), seed=1).run(3, to=tmp_path / "none", checkpoint=False)
    with pytest.raises(RecordError, match="keeps no checkpoints"):
        Simulation.resume(tmp_path / "none")


def test_other_versions_of_the_code_are_told(tmp_path, monkeypatch):
    broken_off(Simulation(sis(), seed=1), 9, 5, tmp_path / "run")
    monkeypatch.setattr("populace.simulation.checkpointing.versions", lambda: {"numpy": "0.1"})
    monkeypatch.setattr("populace.simulation.checkpointing.code_digest", lambda cls: "another")
    told = r"it began with python .*another version of Contagion's code; what follows may differ"
    with pytest.warns(RuntimeWarning, match=told):
        Simulation.resume(tmp_path / "run")


def test_a_part_of_the_records_that_is_gone_is_named(tmp_path):
    broken_off(Simulation(sis(), seed=1), 9, 5, tmp_path / "run")
    part = next((tmp_path / "run" / "asks").iterdir())
    part.unlink()
    with pytest.raises(RecordError, match=rf"{part.name}: this part of a table is gone"):
        Simulation.resume(tmp_path / "run").run()


def test_two_processes_do_not_write_one_run(tmp_path):
    folder = tmp_path / "run"
    broken_off(Simulation(sis(), seed=1), 9, 5, folder)
    second = Simulation.resume(folder)

    def meddle(done: int, _: int) -> None:
        with pytest.raises(RecordError, match="a process is writing this run"):
            second.run()

    assert Simulation.resume(folder).run(progress=meddle).status == "finished"


def test_records_that_were_rewritten_later_are_taken_as_they_were(tmp_path):
    """After the checkpoint a measure turned to fractions: its earlier parts were written again."""
    broken_off(Simulation(Village(), village_cast(), seed=4), 15, 12, tmp_path / "run", every=4)
    assert read(tmp_path / "run").metrics["half"].dtype.is_float()
    whole = Simulation(Village(), village_cast(), seed=4).run(15)
    assert_same(Simulation.resume(tmp_path / "run", cast=village_cast()).run(), whole)


def test_interventions_and_surveys_are_made_again(tmp_path):
    def made() -> Simulation:
        changes = [
            Intervention("wild", at=7, set={"transmission": 0.3}),
            Intervention("often", every=3, cast={"watchful": 0.2}),
            Intervention("late", when="infections > 10", columns={"until": -1}, where="state == 2"),
        ]
        surveys = Survey(
            "mood", every=2, questions={"mood": ("How are you?", Choice(["bad", "good"]))}, who=9
        )
        return Simulation(sis(), seed=5, interventions=changes, surveys=surveys)

    whole = made().run(12)
    assert whole.events.height >= 5
    assert whole.surveys.height == 6 * 9
    for at in (5, 9):
        broken_off(made(), 12, at, tmp_path / f"run-{at}", every=4)
        run = Simulation.resume(tmp_path / f"run-{at}").run()
        assert_same(run, whole)
        assert run.surveys.equals(whole.surveys)
        assert run.manifest["interventions"] == whole.manifest["interventions"]


class Locked(World):
    def __init__(self) -> None:
        self.people = Population(3)
        self.tools = {"mutex": threading.Lock()}

    async def step(self, minds: Any) -> None: ...


def test_what_cannot_be_kept_is_an_error_before_anything_is_written(tmp_path):
    with pytest.raises(StateError, match=r"world.*tools\['mutex'\]: a .*lock cannot be kept"):
        Simulation(Locked(), Rule(toss)).run(2, to=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    Simulation(Locked(), Rule(toss)).run(2, to=tmp_path / "run", checkpoint=False)
    Simulation(Locked(), Rule(toss)).run(2)


# -- models ----------------------------------------------------------------------------------------

PROMPTS = {"kind": {"go": {"agent": "Level {level} of 9. Go?"}}}


class Levels(World):
    """Asks agents whose level drifts."""

    def __init__(self, n: int = 40) -> None:
        self.people = Population(n, level=np.int64)

    def start(self, streams: Streams) -> None:
        self.people.level[:] = streams.stream("level").integers(self.people, 0, 300)

    async def step(self, minds: Any) -> None:
        go = await minds.ask("go", self.people, Choice(["no", "yes"]), see=["level"], missing="no")
        self.people.level[:] = (self.people.level + 1 + 7 * go.values) % 300

    def measure(self) -> dict[str, float]:
        return {"level": int(self.people.level.sum())}


def yes(messages: Any, choices: Any) -> list[float]:
    level = numbers(messages[-1].content)[0]
    return [1.0, 0.2 + level / 100]


def minded(model: Analytic, surrogate: bool = False, **settings: Any) -> Cast:
    mind = Language(model, PROMPTS, **settings)
    return Cast({"model": Surrogate(mind, bound=0.1, min_train=30) if surrogate else mind})


@pytest.mark.parametrize("surrogate", [False, True])
def test_nothing_is_paid_twice(surrogate, tmp_path):
    model = Analytic(yes)
    whole = Simulation(Levels(), minded(model, surrogate), seed=3).run(10)
    folder = tmp_path / "run"
    again = Analytic(yes)
    with pytest.raises(Stop):  # the last checkpoint lies three ticks back
        Simulation(Levels(), minded(again, surrogate), seed=3).run(
            10, folder, until(7), Checkpoints(every_ticks=4, every_seconds=None)
        )
    paid = again.calls
    run = Simulation.resume(folder, cast=minded(again, surrogate)).run()
    assert_same_but_bills(run, whole)
    assert paid < again.calls == model.calls
    assert (folder / "answers.sqlite").exists()
    branch = Simulation.fork(folder, 6, parent_cast=minded(again, surrogate)).run()
    assert_same_but_bills(branch, whole)
    assert again.calls == model.calls


def assert_same_but_bills(one: Any, other: Any) -> None:
    """As `assert_same`; but what was paid before the kill is not billed again."""
    for run in (one, other):
        billed = [name for name in run.spend.columns if name.startswith("billed_")]
        run.spend = run.spend.drop(billed)
        run.minds = run.minds.filter(run.minds["measure"] != "paid")
    assert_same(one, other)


def test_answers_are_kept_where_they_were_told(tmp_path):
    model, store = Analytic(yes), tmp_path / "answers.sqlite"
    simulation = Simulation(Levels(), minded(model), seed=3, answers=store)
    broken_off(simulation, 8, 5, tmp_path / "run", every=3)
    assert not (tmp_path / "run" / "answers.sqlite").exists()
    paid = model.calls
    resumed = Simulation.resume(tmp_path / "run", cast=minded(model))
    assert resumed.resources.answers is not None
    assert resumed.resources.answers.path == store  # type: ignore[attr-defined]
    resumed.run(2)  # ticks 3 and 4, which were lived through before
    assert model.calls == paid


def test_a_run_that_spent_its_budget_goes_on_with_a_larger_one(tmp_path):
    def made(**given: Any) -> Simulation:
        return Simulation(Levels(), minded(Analytic(yes)), seed=3, **given)

    whole = made().run(10)
    stopped = made(budget=Budget(calls=200)).run(10, tmp_path / "run")
    assert stopped.status == "stopped"
    assert read(tmp_path / "run").manifest["checkpoints"]["last"] == stopped.ticks
    with pytest.raises(BudgetError, match="its budget is spent; give a larger one"):
        Simulation.resume(tmp_path / "run", cast=minded(Analytic(yes)))
    simulation = Simulation.resume(
        tmp_path / "run", cast=minded(Analytic(yes)), budget=Budget(calls=5000)
    )
    assert simulation.resources.budget.spent.calls == 200
    run = simulation.run()
    assert run.status == "finished"
    before = whole.metrics.filter(whole.metrics["tick"] < stopped.ticks - 1)
    assert run.metrics.head(before.height).equals(before)


def test_what_a_person_was_told_and_said_is_kept(tmp_path):
    class Chat(World):
        def __init__(self) -> None:
            self.people = Population(1)
            self.sum = 0.0

        async def step(self, minds: Any) -> None:
            if minds.tick % 2:
                answers = await minds.ask("say", self.people, Number(0, 99), missing=0)
                self.sum += answers.values[0]
            else:
                minds.tell("news", self.people, number=minds.tick)

        def measure(self) -> dict[str, float]:
            return {"sum": self.sum}

    asked: list[str] = []

    async def ask(prompt: str, left: float | None) -> str:
        asked.append(prompt)
        return str(len(asked))

    broken_off(Simulation(Chat(), Human(ask=ask)), 4, 4, tmp_path / "run", every=3)
    assert len(asked) == 2
    resumed = Simulation.resume(tmp_path / "run", Chat(), Human(ask=ask))
    assert resumed.tick == 3
    assert resumed.run().metrics["sum"].to_list() == [0, 1, 1, 4]
    assert "(told) news: number: 2" in asked[1]
    assert asked[1] == asked[2]


# -- branches --------------------------------------------------------------------------------------


def test_a_branch_without_a_change_is_its_parent(tmp_path):
    whole = Simulation(Village(), village_cast(), seed=4).run(14, tmp_path / "run", checkpoint="5")
    state = None
    for at in (0, 3, 5, 11, 14):
        branch = Simulation.fork(tmp_path / "run", at, parent_cast=village_cast())
        assert branch.tick == at
        run = branch.run(to=tmp_path / f"branch-{at}")
        assert_same(run, whole)
        assert_same(read(tmp_path / f"branch-{at}"), whole)
        assert run.manifest["parent"] == {"path": str(tmp_path / "run"), "tick": at}
        state = state or print_of(snapshot(branch))
        assert print_of(snapshot(branch)) == state
    in_memory = Simulation.fork(tmp_path / "run", 5, parent_cast=village_cast()).run()
    assert_same(in_memory, whole)


class Taxed(World):
    """Half of the people pay a tax that may change; nobody touches anybody else."""

    def __init__(self, tax: float = 0.1, n: int = 400) -> None:
        self.people = Population(n, money=np.float64, pays=np.arange(n) % 2 == 0)
        self.tax = tax

    def start(self, streams: Streams) -> None:
        self.people.money[:] = streams.stream("money").uniform(self.people)

    async def step(self, minds: Any) -> None:
        people = self.people
        spent = await minds.ask("spend", people, Number(0, 1), see=["money"])
        luck = minds.stream("luck").uniform(people)
        people.money[:] = people.money * (1 - 0.5 * spent.values) + luck
        people.money[people.pays] *= 1 - self.tax

    def measure(self) -> dict[str, float]:
        return {"money": self.people.money.sum()}


def spend(o: Any) -> Any:
    return o.random.uniform() * np.minimum(1, o["money"])


def thrifty(o: Any) -> Any:
    return 0.1 * o.random.uniform()


def test_a_branch_differs_from_its_tick_on_by_what_was_changed_and_by_nothing_else(tmp_path):
    rule = Cast({"spender": Rule(spend)})
    run = Simulation(Taxed(), rule, seed=8, panel=400).run(12, tmp_path / "run", checkpoint="4")
    branch = Simulation.fork(
        tmp_path / "run", 6, set={"tax": 0.5}, parent_cast=Cast({"spender": Rule(spend)})
    ).run(to=tmp_path / "branch")
    assert branch.events.rows() == [(6, "fork", "tax: 0.1 → 0.5")]
    before = run.metrics["tick"] < 6
    assert branch.metrics.filter(before).equals(run.metrics.filter(before))
    assert (branch.metrics.filter(~before)["money"] < run.metrics.filter(~before)["money"]).all()
    free = run.panel.filter(run.panel["id"] % 2 == 1)
    assert free.height == 200 * 12
    assert branch.panel.filter(branch.panel["id"] % 2 == 1).equals(free)  # common random numbers
    paying = run.panel.filter((run.panel["id"] % 2 == 0) & (run.panel["tick"] > 6))
    others = branch.panel.filter((branch.panel["id"] % 2 == 0) & (branch.panel["tick"] > 6))
    assert not others.equals(paying)
    # The same as one run in which the tax changes at that tick.
    direct = Simulation(
        Taxed(), Cast({"spender": Rule(spend)}), seed=8, panel=400,
        interventions=Intervention("fork", at=6, set={"tax": 0.5}),
    ).run(12)  # fmt: skip
    assert_same(branch, direct)


def mixed() -> Cast:
    return Cast({"spender": Rule(spend), "thrifty": Rule(thrifty)}, {"spender": 1, "thrifty": 1})


def test_a_branch_may_cast_anew(tmp_path):
    run = Simulation(Taxed(), Cast({"spender": Rule(spend)}), seed=8).run(
        8, tmp_path / "run", checkpoint="3"
    )
    cast = Cast(
        {"spender": Rule(spend), "thrifty": Rule(thrifty)}, shares={"spender": 1, "thrifty": 1}
    )
    simulation = Simulation.fork(
        tmp_path / "run", 5, cast=cast, parent_cast=Cast({"spender": Rule(spend)})
    )
    branch = simulation.run(to=tmp_path / "branch", checkpoint="2")
    asked = branch.asks.filter(branch.asks["tick"] >= 5)
    assert sorted(set(asked["policy"])) == ["spender", "thrifty"]
    assert set(asked["agents"]) == {200}
    same = branch.metrics["money"] == run.metrics["money"]
    assert same.to_list() == [True] * 5 + [False] * 3
    codes = simulation.world.people.mind  # type: ignore[attr-defined]
    both = run.panel.join(branch.panel, on=["tick", "id"])
    stayed = both.filter(np.isin(both["id"], np.flatnonzero(codes == 0)))
    assert stayed.height > 200
    assert (stayed["value"] == stayed["value_right"]).all()  # who keeps the mind, keeps the draws
    # A branch that was broken off goes on as well.
    half = Simulation.fork(
        tmp_path / "run", 5,
        cast=mixed(),
        parent_cast=Cast({"spender": Rule(spend)}),
    )  # fmt: skip
    with pytest.raises(Stop):
        half.run(None, tmp_path / "half", until(2), "2")
    again = Simulation.resume(
        tmp_path / "half",
        cast=Cast(
            {"spender": Rule(spend), "thrifty": Rule(thrifty)}, shares={"spender": 1, "thrifty": 1}
        ),
    )
    assert_same(again.run(), branch)


def test_what_a_branch_refuses(tmp_path):
    Simulation(sis(), seed=1).run(8, tmp_path / "run", checkpoint="3")
    with pytest.raises(ParameterError, match="expected a tick of the run, 0 to 8, got 9"):
        Simulation.fork(tmp_path / "run", 9)
    with pytest.raises(ParameterError, match="people cannot change in mid-run"):
        Simulation.fork(tmp_path / "run", 3, set={"people": 10})
    early = Intervention("early", at=2, set={"transmission": 0.1})
    branch = Simulation.fork(tmp_path / "run", 3, interventions=early)
    with pytest.raises(ParameterError, match="tick 2 has passed"):
        branch.run()
    assert Simulation.fork(tmp_path / "run").tick == 6


# -- how a run ends --------------------------------------------------------------------------------


class Slow:
    """Answers slowly; at one tick it calls `then` before."""

    def __init__(self, at: int = -1, then: Any = None) -> None:
        self.then = partial(_at, at, then)

    async def act(self, o: Any) -> Any:
        self.then(o.tick)
        for _ in range(5):
            await asyncio.sleep(0)
        return o.random.uniform()


def _at(at: int, then: Any, tick: int) -> None:
    if tick == at:
        then()


def cancel() -> None:
    for task in asyncio.all_tasks():
        if "run_async" in repr(task.get_coro()):
            task.cancel()


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def slow(*how: Any) -> Cast:
    return Cast({"slow": Slow(*how)})


def test_a_run_that_is_cancelled_in_mid_tick_ends_the_tick_and_can_go_on(tmp_path):
    whole = Simulation(Taxed(), slow(), seed=2).run(9)
    with pytest.raises(asyncio.CancelledError):
        Simulation(Taxed(), slow(4, cancel), seed=2).run(9, tmp_path / "run")
    run = read(tmp_path / "run")
    assert (run.status, run.ticks, run.manifest["checkpoints"]["last"]) == ("interrupted", 5, 5)
    assert_same(Simulation.resume(tmp_path / "run", cast=slow()).run(), whole)


def test_ctrl_c_writes_a_checkpoint_at_the_end_of_the_tick(tmp_path):
    whole = Simulation(Taxed(), slow(), seed=2).run(9)
    with pytest.raises(KeyboardInterrupt):
        Simulation(Taxed(), slow(3, interrupt), seed=2).run(9, tmp_path / "run")
    assert read(tmp_path / "run").manifest["checkpoints"]["last"] == 4
    assert_same(Simulation.resume(tmp_path / "run", cast=slow()).run(), whole)


def test_an_error_in_the_last_tick_after_ctrl_c_is_no_checkpoint(tmp_path):
    class Fails(Slow):
        async def act(self, o: Any) -> Any:
            await super().act(o)
            assert o.tick < 3
            return o.random.uniform()

    with pytest.raises(KeyboardInterrupt):
        Simulation(Taxed(), Cast({"slow": Fails(3, interrupt)}), seed=2).run(9, tmp_path / "r")
    run = read(tmp_path / "r")
    assert run.manifest["checkpoints"]["last"] is None
    assert run.ticks == 3


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_polite_kill_of_the_command_leaves_a_checkpoint(name, tmp_path):
    if not hasattr(signal, name):
        pytest.skip("no such signal here")
    (tmp_path / "slow.py").write_text(
        "import os, signal\n"
        "from populace import Choice, Population, Rule, World\n"
        "class Town(World):\n"
        "    ticks = 12\n"
        "    def __init__(self): self.people = Population(9)\n"
        "    async def step(self, minds):\n"
        "        if minds.tick == 6 and not os.environ.get('CALM'):\n"
        f"            os.kill(os.getpid(), signal.{name})\n"
        "        answers = await minds.ask('go', self.people, Choice(['no', 'yes']))\n"
        "        self.up = answers.chose('yes').sum()\n"
        "    def measure(self): return {'up': self.up}\n"
        "    def policies(self): return {'toss': Rule(go=lambda o: o.random.bernoulli(p=0.5))}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

    def call(*arguments: str, **changed: str) -> Any:
        code = "from populace.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *arguments, "--no-report"],
            cwd=tmp_path, env={**environment, **changed}, capture_output=True, text=True,
        )  # fmt: skip

    done = call("run", "slow.py", "--to", "a")
    assert done.returncode == 130, done.stderr
    assert "Interrupted after 7 ticks" in done.stderr
    assert "populace resume a" in done.stderr
    assert call("resume", "a", CALM="1").returncode == 0
    assert call("run", "slow.py", "--to", "b", CALM="1").returncode == 0
    assert_same(read(tmp_path / "a"), read(tmp_path / "b"))


def test_a_start_that_is_damaged_is_said(tmp_path):
    broken_off(Simulation(sis(), seed=1), 9, 5, tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "start" / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"start/state\.json: cannot be used"):
        Simulation.resume(tmp_path / "run")
