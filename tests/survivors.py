"""A world and minds whose state is of every sort, for runs that are killed and go on."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from populace import By, Cast, Choice, Fallback, Habit, Number, Population, Rule, World
from populace.kernel.observation import Observation
from populace.kernel.streams import Streams

STAY = Choice(["no", "yes"])


@dataclass
class Firm:
    name: str
    stock: float
    orders: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=4))


@dataclass(frozen=True)
class Deal:
    tick: int
    amount: float


class Village(World):
    """People are born, trade, leave and die; firms are founded during the run."""

    axes = {"side": ["east", "west"]}

    def __init__(self, people: int = 60, birth: float = 0.08) -> None:
        self.people = Population(people, wealth=np.float64, side=np.uint8, age=(np.int16, 20))
        self.birth = birth
        self.firms: list[Firm] = []
        self.deals: set[tuple[int, float]] = set()
        self.deal: Deal | None = None
        self.diary: deque[Any] = deque(maxlen=5)
        self.plans: list[tuple[int, Any]] = []
        self.left: Counter[str] = Counter()
        self.today = dt.date(2020, 1, 1)
        self.pair: tuple[Firm, ...] = ()
        self.favourite: Any = None
        self.moved = 0

    def start(self, streams: Streams) -> None:
        people = self.people
        people.wealth[:] = streams.stream("wealth").exponential(people, 10.0)
        people.side[:] = streams.stream("side").integers(people, 0, 2)
        self.luck = streams.stream("luck")  # goes on over all ticks
        self.table = np.zeros((4, 3))
        self.row = self.table[1]

    async def step(self, minds: Any) -> None:
        people, tick = self.people, minds.tick
        self.today += dt.timedelta(days=1)
        for _, plan in [entry for entry in self.plans if entry[0] == tick]:
            plan(tick)
        self.plans = [entry for entry in self.plans if entry[0] > tick]
        answers = await minds.ask("stay", people, STAY, see=["wealth", "age"], missing="yes")
        leaving = people[people.alive & (~_spread(answers.chose("yes"), people))]
        gone = leaving[minds.stream("leave").bernoulli(leaving, 0.3)]
        self.left["left"] += len(gone)
        people.remove(gone)
        old = people[people.alive & (people.age > 45)]
        dying = old[minds.stream("death").bernoulli(old, 0.2)]
        self.left[f"died at {tick % 3}"] += len(dying)
        people.remove(dying)
        mothers = minds.stream("birth").bernoulli(people.everyone, self.birth)
        people.add(int(mothers.sum()), wealth=1.0, side=tick % 2, age=18)
        paid = await minds.ask("pay", people, Number(0, 5), see=["wealth"], missing=0.0)
        people.everyone["wealth"] = people.everyone["wealth"] * 1.01 - 0.1 * paid.values
        people.everyone["age"] = people.everyone["age"] + 1
        minds.tell("paid", people, amount=paid.values)
        self._business(tick, float(paid.values.sum()))
        if tick % 5 == 4:
            self.diary.append({"tick": tick, "share": self.luck.uniform(1)[0]})
        self.row[tick % 3] += len(people)
        if tick == 6:
            people.add_column("vote", (np.int8, -1))
            self.favourite = people[people.alive & (people.side == 1)]
        if self.favourite is not None:
            self.favourite.living["vote"] = tick % 7
        self.frame = pl.DataFrame(
            {"tick": [tick], "mean": [float(people.everyone["wealth"].mean())]}
        )

    def _business(self, tick: int, amount: float) -> None:
        if tick % 4 == 1:
            self.firms.append(Firm(f"firm {tick}", amount))
            self.pair = (self.firms[0], self.firms[-1])
            self.plans.append((tick + 3, self.celebrate))
            self.plans.append((tick + 2, partial(self.mourn, weight=2)))
        for firm in self.firms:
            firm.orders.append((tick, amount / len(self.firms)))
            firm.stock += firm.orders[0][1]
        if self.pair:
            self.pair[0].stock -= 1.0
        self.deals.add((tick, amount))
        self.deal = Deal(tick, amount)

    def celebrate(self, tick: int) -> None:
        self.moved += tick

    def mourn(self, tick: int, weight: int) -> None:
        self.moved -= weight * tick

    def measure(self) -> dict[str, Any]:
        people = self.people.everyone
        found: dict[str, Any] = {
            "people": len(people),
            "wealth": people["wealth"].sum(),
            "stock": sum(firm.stock for firm in self.firms),
            "left": sum(self.left.values()),
            "moved": self.moved,
            "deals": len(self.deals),
            "table": float(self.table.sum()),
            "side": By("side", np.bincount(people["side"], minlength=2)),
        }
        if (
            len(self.diary) > 1
        ):  # a measure that appears in mid-run, and one that turns to fractions
            found["luck"] = self.diary[-1]["share"]
        days = (self.today - dt.date(2020, 1, 1)).days
        found["half"] = days // 2 if days < 10 or days % 2 == 0 else days / 2
        return found


def _spread(chosen: Any, people: Population) -> Any:
    found = np.ones(people.rows, np.bool_)
    found[people.everyone.rows] = chosen
    return found


class Grudge:
    """Remembers by id what it heard, outside of columns; answers asynchronously."""

    def __init__(self) -> None:
        self.heard: dict[int, float] = {}
        self.asked = 0

    async def act(self, o: Observation) -> Any:
        await asyncio.sleep(0)
        self.asked += len(o)
        if isinstance(o.space, Choice):
            return o.random.bernoulli(p=0.8)
        return np.array([min(5.0, self.heard.get(int(i), 1.0) * 1.1) for i in o.ids])

    async def hear(self, o: Observation) -> None:
        await asyncio.sleep(0)
        for i, amount in zip(o.ids.tolist(), o["amount"].tolist(), strict=True):
            self.heard[i] = amount

    def report(self) -> list[dict[str, Any]]:
        return [{"kind": "stay", "asked": self.asked}]


class Shy:
    """Decides for some only."""

    def act(self, o: Observation) -> Any:
        from populace import Answers

        outcome = np.where(o.random.bernoulli(p=0.5), 0, 1).astype(np.uint8)
        return Answers(o.space.empty(len(o)), outcome)


def fresh(o: Observation) -> Any:
    if isinstance(o.space, Choice):
        return o.random.bernoulli(p=0.6)
    return o.random.uniform(low=0.0, high=2.0)


def village_cast() -> Cast:
    return Cast(
        {
            "habit": Habit(Rule(fresh), inertia=0.7),
            "grudge": Grudge(),
            "shy": Fallback(Shy(), to=Habit(Grudge(), inertia=0.4)),
        },
        shares={"habit": 1, "grudge": 1, "shy": 1},
    )
