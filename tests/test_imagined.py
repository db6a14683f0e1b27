"""A language model as the model of the world: one that tells the truth is as good as the world."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from populace import Budget, Number, Population, Rule, Simulation, World
from populace.errors import ParameterError, PromptError
from populace.language.errors import ModelTimeout
from populace.language.scripted import Scripted
from populace.policies.lookahead import Forked, Imagined, LookAhead, TreeSearch
from populace.testing.fingerprint import differences, of_run
from tests.test_lookahead import Walk, tables


def told(request: Any) -> str:
    return "\n".join(message.content for message in request.messages)


def last(pattern: str, text: str, default: float) -> float:
    found = re.findall(pattern, text)
    return float(found[-1]) if found else default


class Truth:
    """Says what the tables of a walk say, and judges by the total."""

    def __init__(self, leads: Any, pays: Any, actions: Any) -> None:
        self.leads, self.pays, self.actions = leads, pays, actions

    def __call__(self, request: Any) -> Any:
        text = told(request)
        state = int(last(r"now in (\d+)", text, last(r"state: (\d+)", text, 0)))
        total = last(r"earned ([\d.]+) in all", text, 0)
        if request.label.kind == "judge":
            return {"the goal is reached": total, "off the way to the goal": 100 - total}
        if request.label.kind == "next":
            return "abc"[self.actions[state]]
        action = "abc".index(re.findall(r"They answer: (\w)", text)[-1])
        total += self.pays[state, action]
        return f"They are now in {self.leads[state, action]}, and have earned {total} in all."


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("depth", [1, 3])
def test_a_model_that_tells_the_truth_chooses_as_the_fork_does(seed: int, depth: int) -> None:
    leads, pays, actions = tables(seed)
    policy = Rule(go=lambda o: actions[o["state"]])
    runs = []
    for model in (Forked(), Imagined(Scripted(Truth(leads, pays, actions)), "Earn much.")):
        world = Walk(leads, pays, 9)  # long enough for every look ahead in five months
        runs.append(of_run(Simulation(world, LookAhead(policy, model, depth, 3), seed=1).run(5)))
    assert differences(*runs) == []


class Pond(World):
    """Agents take from a pond of their own, of which they are shown the size."""

    def __init__(self, n: int = 3) -> None:
        self.people = Population(n, got=np.float64)

    async def step(self, minds: Any) -> None:
        size = np.array([2.0, 4.0, np.nan])[self.people.ids % 3]
        answers = await minds.ask("take", self.people, Number(0, 4), size=size, good=True, why="")
        self.people.got = answers.values


def judged(weights: dict[str, dict[str, float]], **settings: Any) -> Any:
    """Return a look-ahead whose model finds the action's number in what it said before."""

    def script(request: Any) -> Any:
        if request.label.kind == "judge":
            return weights[re.findall(r"took (\d)", told(request))[-1]]
        return "they took " + re.findall(r"They answer: (\d)", told(request))[-1]

    model = Scripted(script)
    mind = LookAhead(
        Rule(take=lambda o: 1.0),
        Imagined(model, "Take well.", decisions={"take": "How much do you take?"}),
        breadth=3,
        propose="grid",
        **settings,
    )
    return mind, model


REACHED, ON, OFF = "the goal is reached", "on the way to the goal", "off the way to the goal"


def test_a_judgement_is_its_mean_of_1_and_a_half_and_0() -> None:
    """0: 0.4; 1: 0.45 + 0.1 / 2 = 0.5, the policy's own; 2: 0.6 / 2 + 0.21; 4: half."""
    weights = {
        "0": {REACHED: 0.4, OFF: 0.6},
        "1": {REACHED: 0.45, ON: 0.1, OFF: 0.45},
        "2": {REACHED: 0.21, ON: 0.6, OFF: 0.19},
        "4": {ON: 1.0},
    }
    mind, model = judged(weights)
    world = Pond()
    run = Simulation(world, mind, seed=1).run(1)
    assert world.people.got.tolist() == [2, 2, 2]
    first = told(model.asked[0])
    assert "How much do you take?" in first
    assert "good: yes" in first
    assert "why" not in first
    assert sum("size: " in told(r) for r in model.asked) == 2 * len(model.asked) / 3
    weights["4"] = {REACHED: 0.03, ON: 0.97}
    mind, _ = judged(weights)
    Simulation(world := Pond(), mind, seed=1).run(1)
    assert world.people.got.tolist() == [4, 4, 4]
    counts = run.minds.filter(run.minds["kind"] == "take")
    counted = dict(zip(counts["measure"], counts["value"], strict=True))
    assert counted["candidates"] == counted["imagined_texts"] == counted["judgements"] == 3 * 4
    assert counted["changed"] == 3


def test_what_cannot_be_imagined_is_not_chosen_and_counted() -> None:
    def script(request: Any) -> Any:
        return ModelTimeout("late") if "They answer: 4" in told(request) else "they took 1"

    def both(request: Any) -> Any:
        if request.label.kind == "judge":
            return {REACHED: 1.0}
        return script(request)

    mind = LookAhead(
        Rule(take=lambda o: 4.0), Imagined(Scripted(both), "Take."), breadth=3, propose="grid"
    )
    world = Pond()
    run = Simulation(world, mind, seed=1).run(1)
    assert world.people.got.tolist() == [0, 0, 0]  # the first that could be imagined
    counts = run.minds.filter(run.minds["measure"] == "unscored")
    assert counts["value"].sum() == 3


def test_imagination_is_paid_for_under_its_own_name() -> None:
    weights = {n: {ON: 1.0} for n in "0124"}
    mind, model = judged(weights)
    run = Simulation(Pond(), mind, seed=1, budget=Budget(calls=500)).run(2)
    spent = run.spend
    assert set(spent["policy"]) == {"lookahead (imagined)"}
    assert spent["logical_calls"].sum() == 2 * 3 * 4 * 2  # two calls for each of four candidates
    assert spent["billed_calls"].sum() <= len(model.asked)


def test_settings_are_checked() -> None:
    model = Scripted(lambda request: "x")
    with pytest.raises(ParameterError, match="goal in words"):
        Imagined(model, " ")
    with pytest.raises(ParameterError, match="not by a score"):
        LookAhead(Rule(go=lambda o: 0), Imagined(model, "Win."), score="gain")
    with pytest.raises(ParameterError, match="expected the model Forked"):
        TreeSearch(Rule(go=lambda o: 0), Imagined(model, "Win."))
    with pytest.raises(PromptError, match="judge"):
        Imagined(model, "Win.", {"kind": {"describe": {"agent": "x"}, "next": {"agent": "x"}}})
