"""Exchanges: what the panel's agents saw, remembered, were asked and did."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from populace import (
    Cast,
    Choice,
    Fallback,
    Human,
    Language,
    Number,
    Population,
    Records,
    Rule,
    Simulation,
    Text,
    World,
)
from populace.errors import ParameterError
from populace.kernel.exchanges import Notes
from populace.language.embedding import Hashed
from populace.language.memory import Memory, Plan, Reflect
from populace.language.scripted import Scripted
from populace.records.tables import TABLES
from populace.simulation import focus
from populace.worlds.commons import Commons


class Village(World):
    """Shows things of every sort, asks all at once and in turn, and tells."""

    def __init__(self, people: int = 6) -> None:
        self.people = Population(people, wealth=np.arange(people, dtype=np.float32) / 2)
        self.day = 0

    async def step(self, minds: Any) -> None:
        self.day += 1
        n = len(self.people)
        paid = await minds.ask(
            "pay", self.people, Number(0, 9), see=["wealth"], day=self.day, fair=self.day % 2 == 0,
            known=np.where(np.arange(n) % 2, np.nan, 3.0), names=("a", "b"),
            pair=np.arange(2 * n).reshape(n, 2), said=[f"word {i}" for i in range(n)],
        )  # fmt: skip
        self.people.wealth += paid.values
        minds.tell("news", self.people[[1, 4]], total=float(paid.values.sum()))
        async for _ in minds.each("talk", self.people, Text(20), block=4, missing=""):
            pass

    def measure(self) -> dict[str, float]:
        return {"wealth": float(self.people.wealth.sum())}


def shown(rows: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {c["column"]: c["value"] if c["label"] is None else c["label"] for c in row}
        for row in rows["shown"].to_list()
    ]


def payer(o: Any) -> Any:
    return o["wealth"] / 4


def test_what_is_kept_is_what_the_minds_were_shown() -> None:
    seen: dict[tuple[int, int], dict[str, Any]] = {}

    def spy(o: Any) -> Any:
        for i, agent in enumerate(o.ids.tolist()):
            seen[o.tick, agent] = {
                c: o[c][i] if isinstance(o[c], np.ndarray) else o[c] for c in o.columns
            }
        return payer(o)

    rules = {"spy": Rule(pay=spy), "talker": Rule(pay=payer, talk=lambda o: "hello")}
    cast = Cast(rules, {"spy": 1, "talker": 1})
    run = Simulation(Village(), cast, seed=3).run(3)
    asked = run.exchanges.filter(kind="pay", policy="spy")
    assert asked.height == len(seen) == 9
    for (tick, agent), told in zip(asked.select("tick", "id").rows(), shown(asked), strict=True):
        expected = seen[tick, agent]
        assert list(told) == list(expected)
        assert told["wealth"] == expected["wealth"]
        assert told["day"] == expected["day"]
        assert told["fair"] == ("yes" if expected["fair"] else "no")
        assert told["known"] == (None if agent % 2 else 3.0)
        assert told["names"] == "a, b"
        assert told["pair"] == f"{2 * agent}, {2 * agent + 1}"
        assert told["said"] == f"word {agent}"
    # decisions are those of the panel, in the same words
    columns = ["tick", "id", "kind", "policy", "outcome", "value", "label"]
    done = run.exchanges.filter(act="asked").select(columns)
    assert done.equals(run.panel.select(columns))
    assert run.manifest["kinds"] == {"people": {"pay": "number", "talk": "text"}}


def test_the_order_of_a_tick_and_who_is_told_are_kept() -> None:
    run = Simulation(Village(), Rule(pay=payer), seed=1).run(1)
    order = run.exchanges.group_by("turn", "act", "kind", maintain_order=True).agg("id").rows()
    assert order == [
        (0, "asked", "pay", [0, 1, 2, 3, 4, 5]),
        (1, "told", "news", [1, 4]),
        (2, "asked", "talk", [0, 1, 2, 3]),
        (3, "asked", "talk", [4, 5]),
    ]
    told = run.exchanges.filter(act="told")
    assert told["policy"].null_count() == told["outcome"].null_count() == 2
    assert shown(told) == [{"total": pytest.approx(sum(i / 8 for i in range(6)))}] * 2


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ({}, {0, 1, 2, 3, 4, 5}),
        ({"panel": 5}, set()),
        ({"panel": 0}, set()),
        ({"exchanges": False}, set()),
        ({"panel": 5, "exchanges": True}, None),
        ({"panel": "wealth >= 2", "exchanges": True}, {4, 5}),
        ({"panel": 0, "exchanges": True}, set()),
    ],
)
def test_by_default_exchanges_are_kept_where_the_panel_is_everybody(given: Any, ids: Any) -> None:
    run = Simulation(Village(), Rule(pay=payer), records=Records(**given)).run(2)
    found = set(run.exchanges["id"])
    assert found == ids if ids is not None else len(found) == 5


def test_kinds_and_thinning_hold_for_exchanges_too() -> None:
    keep = Records(kinds=["pay"], every=2)
    run = Simulation(Village(), Rule(pay=payer), records=keep).run(4)
    assert run.exchanges.select("tick", "kind").unique().sort("tick").rows() == [
        (0, "pay"), (2, "pay"),
    ]  # fmt: skip
    with pytest.raises(ParameterError, match="expected exchanges True, False or None"):
        Records(exchanges="yes")  # type: ignore[arg-type]


def test_keeping_exchanges_changes_nothing_else() -> None:
    cast = {"rule": Rule(pay=lambda o: 9 * o.random.uniform(), talk=lambda o: "x")}
    runs = [
        Simulation(Village(), Cast(dict(cast)), seed=5, records=Records(exchanges=keep)).run(4)
        for keep in (True, False)
    ]
    for name in TABLES:
        a, b = (run._table(name).drop("seconds", strict=False) for run in runs)
        assert name == "exchanges" or a.equals(b)


def test_only_the_first_are_kept_by_default_also_when_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(focus, "FIRST_EXCHANGES", 40)  # a tick has 14
    whole = Simulation(Village(), Rule(pay=payer)).run(6)
    assert whole.exchanges["tick"].unique().sort().to_list() == [0, 1, 2]
    assert whole.manifest["exchanges"] == {"until": 2}
    for cut in (1, 2, 3, 4):
        folder = tmp_path / str(cut)
        Simulation(Village(), Rule(pay=payer)).run(cut, to=folder, checkpoint="1")
        again = Simulation.resume(folder, Village(), Rule(pay=payer)).run(6 - cut)
        assert again.exchanges.equals(whole.exchanges)
        assert again.manifest["exchanges"] == {"until": 2}
        assert again.manifest["kinds"] == whole.manifest["kinds"]
    every = Simulation(Village(), Rule(pay=payer), records=Records(exchanges=True)).run(6)
    assert every.exchanges.height == 6 * 14


# -- what minds note -------------------------------------------------------------------------------


def notes(run: Any, **where: Any) -> list[tuple[str, str]]:
    (row,) = run.exchanges.filter(**where)["notes"].to_list()
    return [(note["what"], note["text"]) for note in row]


PROMPTS = {
    "kind": {
        "pay": {"system": "Be fair.", "agent": "You have {wealth}. {persona}", "persona": ["said"]},
        "talk": {"agent": "Say something."},
    }
}


def test_prompts_and_replies_of_a_language_mind_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "tell-nobody-of-it")

    def reply(request: Any) -> str:
        pay = request.label.kind == "pay"
        return '{"answer": 4}' if pay else "tell-nobody-of-it!"

    run = Simulation(Village(), Language(Scripted(reply), PROMPTS), seed=1).run(1)
    assert notes(run, id=3, kind="pay") == [
        ("call", "pay"),
        ("system", "Be fair."),
        ("user", "You have 1.5. said: word 3"),
        ("reply", '{"answer": 4}'),
    ]
    said = notes(run, id=3, kind="talk")[-1]
    assert said[0] == "reply"
    assert "tell-nobody" not in said[1]


class Vote(World):
    def __init__(self) -> None:
        self.people = Population(4, age=np.array([20, 20, 70, 70]))

    async def step(self, minds: Any) -> None:
        await minds.ask("vote", self.people, Choice(["no", "yes"]), see=["age"])


def test_probabilities_of_a_scored_choice_are_noted() -> None:
    prompts = {"kind": {"vote": {"agent": "Aged {age}: {options}?"}}}
    model = Scripted(lambda request: [1, 3])  # weights of the options
    run = Simulation(Vote(), Language(model, prompts)).run(1)
    assert notes(run, id=2) == [
        ("call", "vote"),
        ("user", "Aged 70: no or yes?"),
        ("probabilities", "no 0.250, yes 0.750"),
    ]


def test_what_comes_to_mind_is_noted_as_it_stands_in_the_prompt() -> None:
    prompts = {
        "kind": {"pay": {"agent": "Memories:\n{memories}\nPlan: {plan}\n{wealth}"}},
        "memory": {"pay": {"text": "I paid {answer} on day {day}", "importance": 5}},
    }

    def reply(request: Any) -> str:
        return {
            "plan": "Pay less.",
            "questions": "Who pays?",
            "insights": "All pay (because of 1)",
            "pay": '{"answer": 2}',
        }[request.label.kind]

    mind = Language(
        Scripted(reply),
        prompts,
        memory=Memory(k=2, embed=Hashed(32), importance=5.0),
        reflect=Reflect(threshold=9),
        plan=Plan(),
    )
    cast = Cast(
        {"mind": mind, "rule": Rule(pay=payer)}, assign={"mind": [2], "rule": [0, 1, 3, 4, 5]}
    )
    run = Simulation(Village(), cast, seed=1).run(4)
    for tick in range(4):
        told = notes(run, id=2, kind="pay", tick=tick)
        memories = [text for what, text in told if what == "memory"]
        (plan,) = [text for what, text in told if what == "plan"]
        prompt = [text for what, text in told if what == "user"][-1]
        lines = "".join(f"- {text}\n" for text in memories)
        assert prompt.startswith(f"Memories:\n{lines}" if lines else "Memories:\n\n")
        assert f"Plan: {plan}\n" in prompt
        assert [t for what, t in told if what == "remembered"] == [f"I paid 2 on day {tick + 1}"]
        assert len(memories) == min(tick, 2) or any(what == "insight" for what, _ in told)
    assert any(what == "insight" for what, _ in notes(run, id=2, kind="pay", tick=2))


def test_what_a_person_was_asked_and_typed_is_noted() -> None:
    human = Human(script={(0, 3, "harvest"): ["lots", None]}, deadline=None)
    world = Commons()
    rest = Rule(harvest=lambda o: o["share"])
    cast = Cast({"rest": rest, "me": Fallback(human, to=rest)}, {"rest": 1}, {"me": [3]})
    run = Simulation(world, cast).run(1)
    asked, first, again, last = notes(run, id=3, kind="harvest")
    assert asked[0] == "asked"
    assert asked[1].startswith("tick 0, people 3: harvest?\n  scene: fishery\n")
    assert asked[1].endswith("a whole number in [0, 100] (blank: abstain)")
    assert (first, last) == (("reply", "lots"), ("reply", "(no reply in time)"))
    assert again == ("asked", "'lots' is not a whole number in [0, 100]")


def test_a_thought_that_outlasts_its_tick_is_not_noted() -> None:
    class Slow:
        """Thinks about the question before while it answers the present one."""

        last: Any = None

        def act(self, o: Any) -> Any:
            if o.kind != "pay":
                return ["hm"] * len(o)
            if self.last is not None:
                self.last.note(0, "thought", "too late")
            o.note(0, "thought", f"at {o.tick}")
            self.last = o
            return 1

    run = Simulation(Village(), Cast({"slow": Slow()}), seed=1).run(2)
    assert notes(run, id=0, kind="pay", tick=0) == [("thought", "at 0")]
    assert notes(run, id=0, kind="pay", tick=1) == [("thought", "at 1")]
    kept = Notes(np.array([1], np.uint32))
    kept.add(1, "a", "b")
    kept.close()
    kept.add(1, "a", "c")
    assert kept.found == {1: [("a", "b")]}


def test_nothing_is_noted_where_exchanges_are_not_kept() -> None:
    found = []

    def look(o: Any) -> Any:
        o.note(0, "a", "b")
        found.append(len(o.noted))
        return 0

    Simulation(Village(), Rule(pay=look), records=Records(exchanges=False)).run(1)
    Simulation(Village(), Rule(pay=look), records=Records(panel=[2, 3], exchanges=True)).run(1)
    assert found == [0, 2]


def test_a_survey_leaves_no_trace_among_the_exchanges() -> None:
    simulation = Simulation(Village(), Rule(pay=payer, trust=lambda o: 3), seed=1)
    simulation.survey({"trust": ("Do you trust?", Number(0, 9))})
    run = asyncio.run(simulation.run_async(1))
    assert run.exchanges.equals(Simulation(Village(), Rule(pay=payer), seed=1).run(1).exchanges)
