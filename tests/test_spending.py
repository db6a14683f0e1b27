"""A run with minds that spend: equipped by name, booked by tick, stopped at a tick's end."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest

from populace import Answers, Budget, Cast, Choice, Fallback, Habit, Minds, Outcome, Simulation
from populace.errors import BudgetError, WorldError
from populace.kernel.resources import Resources
from populace.kernel.spend import Spend
from tests.worlds import Scripted


@dataclass
class Told:
    kind: str
    prompts: int
    note: str = "no number"


class Spender:
    """Pays 10 tokens a group; over budget it says so."""

    def __init__(self) -> None:
        self.resources: Resources | None = None
        self.told: list[Told] = []
        self.closed = 0

    def equip(self, resources: Resources) -> None:
        self.resources = resources

    async def close(self) -> None:
        self.closed += 1

    def report(self) -> list[Told]:
        told, self.told = self.told, []
        return told

    def act(self, o: Any) -> Any:
        own = self.resources
        assert own is not None
        try:
            with own.budget.reserve(tokens=10) as hold:
                cost = Spend(calls=1, tokens_in=8, tokens_out=2)
                hold.settle(cost)
        except BudgetError:
            return Answers(None, Outcome.OVER_BUDGET)
        own.ledger.add(o.kind, own.policy, "toy", cost, cost)
        self.told.append(Told(o.kind, len(o)))
        return 1


async def vote(world: Scripted, minds: Minds) -> None:
    await minds.ask("vote", world.people, Choice(["no", "yes"]), missing="no")


def simulation(policy: Any, **resources: Any) -> Simulation:
    return Simulation(Scripted(6, vote), Cast({"payer": policy}), **resources)


@pytest.mark.parametrize("wrap", [lambda p: p, lambda p: Fallback(p, to=lambda o: 0)])
def test_what_is_spent_is_booked_by_tick_kind_policy_and_model(wrap: Any) -> None:
    run = simulation(wrap(Spender())).run(3)
    assert run.spend.select("tick", "kind", "policy", "model", "logical_calls").rows() == [
        (tick, "vote", "payer", "toy", 1) for tick in range(3)
    ]
    assert run.spend["billed_tokens_in"].sum() == 24
    assert run.manifest["spend"]["billed"]["tokens_out"] == 6
    assert run.minds.rows() == [(t, "people", "payer", "vote", "prompts", 6.0) for t in range(3)]
    assert run.manifest["status"] == "finished"


def test_habit_equips_and_reports_for_the_mind_inside() -> None:
    run = simulation(Habit(Spender(), inertia=1.0)).run(3)
    assert run.spend.height == run.minds.height == 1, "it thinks once"


def test_a_spent_budget_stops_the_run_at_the_tick_s_end() -> None:
    run = simulation(Spender(), budget=Budget(tokens=25)).run(10)
    assert run.manifest["status"] == "stopped"
    assert run.manifest["stopped"] == "a budget is spent"
    assert run.metrics.height == 3, "two paid ticks, and the one that was refused"
    assert run.asks["over_budget"].to_list() == [0, 0, 6]
    assert run.manifest["spend"]["billed"]["tokens_in"] == 16


def test_a_budget_that_ends_in_missing_decisions_goes_on() -> None:
    run = simulation(Spender(), budget=Budget(tokens=25, at_end="missing")).run(5)
    assert run.manifest["status"] == "finished"
    assert run.asks["over_budget"].to_list() == [0, 0, 6, 6, 6]


def test_too_many_failures_stop_the_run_with_what_it_has() -> None:
    def fails(o: Any) -> Answers:
        bad = [Outcome.REFUSED] * 2 if o.tick == 2 else [Outcome.ACTED] * 2
        return Answers([0] * 6, [*bad, *[Outcome.ACTED] * 4])

    run = simulation(fails, abort_failures=0.1).run(10)
    assert run.manifest["status"] == "stopped"
    assert "11.1% of the decisions failed" in run.manifest["stopped"]
    assert run.metrics.height == 3
    assert simulation(fails, abort_failures=0.12).run(10).manifest["status"] == "finished"


@pytest.mark.parametrize("fails", [False, True])
def test_minds_are_closed_when_a_run_ends_however_it_ends(fails: bool) -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        await vote(world, minds)
        if fails:
            raise ValueError("oh")

    spender = Spender()
    wrapped = Habit(Fallback(spender, to=lambda o: 0), inertia=0.5)
    own = Simulation(Scripted(6, body), Cast({"payer": wrapped}))
    with contextlib.suppress(WorldError):
        own.run(2)
    assert spender.closed == 1
