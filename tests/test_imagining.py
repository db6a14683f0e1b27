"""Imagined futures: what is foreseen with the run's own draws happens; nothing else is known."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from populace import (
    Cast,
    Choice,
    Fallback,
    Habit,
    Human,
    Network,
    Number,
    Outcome,
    Population,
    Rule,
    Simulation,
    Text,
    World,
)
from populace.errors import CastError, PolicyError, StateError, WorldError
from populace.kernel.answers import Answers
from populace.kernel.state import capture
from populace.simulation.imagining import Future, memory_of
from populace.testing.fingerprint import differences, digest
from populace.testing.fingerprint import state as state_of
from populace.worlds.commons import Commons
from populace.worlds.contagion import Contagion
from populace.worlds.dilemma import Dilemma
from populace.worlds.public_goods import PublicGoods
from populace.worlds.segregation import Segregation
from populace.worlds.wealth import Wealth

COIN = Choice(["tails", "heads"])


class Foresees:
    """Acts by a policy; at one tick it imagines what comes, as told, and keeps the futures."""

    def __init__(
        self, policy: Any, at: int = 0, depth: int = 3, seed: int | None = None, **settings: Any
    ) -> None:
        self.policy, self.at, self.depth, self.seed = policy, at, depth, seed
        self.settings = settings
        self.futures: list[Future] = []
        self.resources: Any = None

    def equip(self, resources: Any) -> None:
        self.resources = resources
        if resources.imagining is not None:
            resources.imagining.want(resources.policy)

    def start(self, population: Population, streams: Any) -> None:
        if start := getattr(self.policy, "start", None):
            start(population, streams)

    def hear(self, o: Any) -> None:
        if hear := getattr(self.policy, "hear", None):
            hear(o)

    def imagined(self) -> Any:
        return self.policy

    async def act(self, o: Any) -> Any:
        if o.tick != self.at or o.kind in [f.kind for f in self.futures]:  # type: ignore[attr-defined]
            raw = self.policy.act(o)
            return await raw if asyncio.iscoroutine(raw) else raw
        moment = self.resources.imagining.moment(o)
        raw = self.policy.act(o)
        raw = await raw if asyncio.iscoroutine(raw) else raw
        values, outcome = (raw.values, raw.outcome) if isinstance(raw, Answers) else (raw, None)
        future = await moment.future(
            o.agents,
            Once(values, outcome, self.policy),
            depth=self.depth,
            seed=o.random.seed if self.seed is None else self.seed,
            memory=memory_of(o.agents),
            **self.settings,
        )
        object.__setattr__(future, "kind", o.kind)
        self.futures.append(future)
        return raw


class Once:
    """Answers as told the first time, then as another policy."""

    def __init__(self, values: Any, outcome: Any, policy: Any) -> None:
        self.values, self.outcome, self.policy, self.asked = values, outcome, policy, False

    def act(self, o: Any) -> Any:
        if self.asked:
            return self.policy.act(o)
        self.asked = True
        return Answers(self.values, self.outcome)

    def hear(self, o: Any) -> Any:
        return getattr(self.policy, "hear", lambda o: None)(o)


def prints(world: World) -> dict[str, str]:
    """Return digests of a world's columns and attributes, the minds' column left out."""
    found = {name: digest(value) for name, value in state_of(world) if "mind" not in name}
    return {**found, "measures": str(world.measure())}


def same_world(imagined: World, real: World) -> list[str]:
    """Return which parts of two worlds' states differ."""
    return differences(prints(imagined), prints(real))


def seated(world: World, name: str, at: int, depth: int = 3, **settings: Any) -> tuple[Cast, Any]:
    """Return a cast of all minds by shares, one of them foreseeing."""
    minds = dict(world.policies())
    minds[name] = me = Foresees(minds[name], at, depth, **settings)
    return Cast(minds, {name: 1, **dict.fromkeys(OTHERS.get(type(world), ()), 1)}), me


OTHERS = {
    Commons: ("careful", "follower", "planner"),
    PublicGoods: ("conditional", "punisher", "free_rider"),
    Dilemma: ("tit_for_tat", "defect"),
}


MADE = {
    "commons": (lambda: Commons(games=3, discussion="turns", reflection=True), "random"),
    "public_goods": (lambda: PublicGoods(groups=3, punishment=True), "random"),
    "dilemma": (lambda: Dilemma(30, "chicken", rounds=2, noise=0.1), "inherited"),
    "segregation": (lambda: Segregation(), None),
    "wealth": (lambda: Wealth(200), None),
    "contagion": (lambda: Contagion(), None),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("at", [0, 2])
def test_with_the_draws_of_the_run_the_future_is_what_happens(name: str, at: int) -> None:
    make, mind = MADE[name]
    world = make()
    mind = mind or next(iter(world.policies()))
    cast, me = seated(world, mind, at)
    simulation = Simulation(world, cast, seed=5)
    simulation.run(at + 3)
    assert me.futures
    assert all(f.ticks == 3 for f in me.futures) or world.done
    for future in me.futures:  # one a kind of decision of that tick
        assert same_world(future.world, world) == []


class Mixed(World):
    """Everything at once: births, deaths, turns, messages, views, streams held over an ask."""

    def __init__(self, n: int = 12) -> None:
        self.people = Population(n, x=np.arange(n, dtype=float), luck=np.float64)
        self.firms = Population(3, price=np.float64)
        self.net = Network.from_edges(np.c_[np.arange(n), (np.arange(n) + 1) % n], n)
        self.window = self.people.luck[2:5]
        self.log: list[list[Any]] = []
        self.table = {"sum": np.zeros(2)}

    def start(self, streams: Any) -> None:
        self.streams = streams.named("own")

    async def step(self, minds: Any) -> None:
        people, weather = self.people, minds.stream("weather").bound(self.people)
        first = await minds.ask("bid", self.firms, Number(0, 9), tick=minds.tick)
        self.firms.price = first.values
        self.table["sum"] += first.values.sum()
        wish = await minds.ask("toss", people, COIN, see=["x"], price=tuple(self.firms.price))
        people.x += wish.values * weather.uniform()[: len(people)]
        async for part, said in minds.each("say", people[people.x > 3], Text(20), order="random"):
            self.log.append([minds.tick, int(part.ids[0]), said.values[0]])
            self.window += 0.5
        minds.tell("luck", people, luck=people.luck, reward=people.x)
        if minds.tick % 2:
            people.remove(people[np.array([int(people.everyone.rows[0])])])
            people.add(2, x=float(self.streams.stream("born", minds.tick).uniform(1)[0]))
        again = await minds.ask("toss", people, COIN, see=["x"])
        people.x += again.values

    def measure(self) -> dict[str, float]:
        return {"x": float(self.people.x.sum()), "said": len(self.log)}


class Learner:
    """Remembers in columns, attributes and containers what it does and hears."""

    def __init__(self) -> None:
        self.heard: dict[str, list[float]] = {}

    def start(self, population: Population, streams: Any) -> None:
        self.streams = streams.named("learner")
        if "learner/n" not in population.columns:
            population.add_column("learner/n", np.int32)

    def act(self, o: Any) -> Any:
        o.agents["learner/n"] = o.agents["learner/n"] + 1
        if o.kind == "say":
            return np.array([f"the {n}th" for n in o.agents["learner/n"]], object)
        if o.kind == "bid":
            return o.random.uniform() * 9
        own = self.streams.stream("private", o.tick).uniform(o.ids)
        return (o.random.uniform() + own + o.agents["learner/n"] / 7 + len(self.heard)) % 1 < 0.5

    def hear(self, o: Any) -> None:
        self.heard.setdefault(o.kind, []).append(float(o["luck"].sum()))
        o.agents["learner/n"] = o.agents["learner/n"] + (o["luck"] > 1)


class Tosser:
    """Tosses by habit, and says who it is."""

    def __init__(self) -> None:
        self.policy = Habit(Rule(toss=lambda o: o.random.bernoulli(p=0.5)), inertia=0.5)

    def act(self, o: Any) -> Any:
        return say(o) if o.kind == "say" else self.policy.act(o)


def mixed_cast(me: Any) -> dict[str, Any]:
    minds = {
        "me": me,
        "learner": Learner(),
        "habit": Tosser(),
    }
    return {"people": Cast(minds, dict.fromkeys(minds, 1)), "firms": Learner()}


def say(o: Any) -> Any:
    return np.array([f"i am {i}" for i in o.ids], object)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_births_turns_messages_views_and_memories_are_foreseen(at: int) -> None:
    me = Foresees(Learner(), at)
    world = Mixed()
    simulation = Simulation(world, mixed_cast(me), seed=3)
    simulation.run(at + 3)
    assert {f.kind for f in me.futures} == {"toss", "say"}  # type: ignore[attr-defined]
    for future in me.futures:
        if len(future.alive) > 1:  # whoever takes a turn imagines alone, others of its mind do not
            assert same_world(future.world, world) == []
    learnt = simulation.casts["people"].policies["learner"]
    assert me.futures[0].world.log == world.log
    assert len(learnt.heard["luck"]) == at + 3


def test_a_future_shares_no_memory_with_the_run() -> None:
    me = Foresees(Learner(), 1)
    world = Mixed()
    Simulation(world, mixed_cast(me), seed=3).run(4)
    own = {name: a for name, a in capture({"w": world}).arrays.items() if a.flags.writeable}
    for future in me.futures:
        for name, array in capture({"w": future.world}).arrays.items():
            for other, real in own.items():
                assert not np.shares_memory(array, real), (name, other)


@pytest.mark.parametrize("seed", [None, 99])
def test_imagining_leaves_no_trace(seed: int | None) -> None:
    plain = Mixed()
    cast = mixed_cast(Learner())
    first = Simulation(plain, cast, seed=3)
    one = first.run(5)
    for at in range(4):
        world = Mixed()
        simulation = Simulation(world, mixed_cast(Foresees(Learner(), at, seed=seed)), seed=3)
        other = simulation.run(5)
        assert one.metrics.equals(other.metrics)
        assert one.panel.equals(other.panel)
        assert one.asks.drop("seconds").equals(other.asks.drop("seconds"))
        assert not same_world(plain, world)


# -- what may be known -----------------------------------------------------------------------------


class Lottery(World):
    """Guess what is drawn: by a stream taken before the ask, one after, one kept since the start,
    or by another mind."""

    def __init__(self, how: str = "after", n: int = 400) -> None:
        self.people, self.how = Population(n, won=np.int32), how
        self.bank = Population(n)

    def start(self, streams: Any) -> None:
        self.held = streams.named("held")

    async def step(self, minds: Any) -> None:
        people, tick = self.people, minds.tick
        before = minds.stream("before").bound(people)
        child = minds.stream("before").named("child")
        guess = await minds.ask("guess", people, COIN)
        if self.how == "after":
            drawn = minds.stream("after").bernoulli(people)
        elif self.how == "bound before":
            drawn = before.bernoulli()
        elif self.how == "child before":
            drawn = child.bernoulli(people)
        elif self.how == "held":
            drawn = self.held.stream("toss", tick).bernoulli(people)
        else:
            drawn = (await minds.ask("draw", self.bank, COIN)).values == 1
        people.won += guess.values == drawn


WAYS = ["after", "bound before", "child before", "held", "mind"]


class Banker:
    """Draws by its own streams as well as by those that it is shown."""

    def start(self, population: Population, streams: Any) -> None:
        self.streams = streams

    def act(self, o: Any) -> Any:
        return o.random.bernoulli() ^ self.streams.stream("secret", o.tick).bernoulli(o.ids)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("seed", [None, 1])
def test_draws_to_come_are_known_to_the_clairvoyant_only(how: str, seed: int | None) -> None:
    n = 400
    me = Foresees(Rule(guess=lambda o: 0), 1, 1, seed=seed)
    world = Lottery(how, n)
    simulation = Simulation(world, {"people": me, "bank": Banker()}, seed=8)
    simulation.run(1)
    before = world.people.won.copy()
    simulation.run(1)
    real = world.people.won - before
    imagined = me.futures[0].world.people.won - before
    agree = int((real == imagined).sum())
    if seed is None:
        assert agree == n
    else:  # binomial(n, 1/2): six standard deviations, one in 5e8
        assert abs(agree - n / 2) < 6 * np.sqrt(n) / 2


# -- errors ----------------------------------------------------------------------------------------


class Forgetful(World):
    """Depends on what no copy of its state knows."""

    outside = 0

    def __init__(self) -> None:
        self.people = Population(4)

    async def step(self, minds: Any) -> None:
        Forgetful.outside += 1
        some = self.people[np.arange(4) < (Forgetful.outside % 4) + 1]
        await minds.ask("first", some, COIN)
        await minds.ask("second", self.people, COIN)


def test_a_world_that_does_not_repeat_its_tick_is_an_error() -> None:
    me = Foresees(Rule(first=lambda o: 0, second=lambda o: 0), 1)
    me.futures.append(type("Done", (), {"kind": "first"})())
    with pytest.raises(WorldError, match="does not repeat itself"):
        Simulation(Forgetful(), me).run(3)


def test_a_world_that_cannot_be_copied_says_what_is_in_the_way() -> None:
    world = Lottery(n=4)
    world.file = (i for i in range(3))  # type: ignore[attr-defined]
    me = Foresees(Rule(guess=lambda o: 0), 0)
    with pytest.raises(StateError, match="generator cannot be copied, as looking ahead needs"):
        Simulation(world, {"people": me, "bank": Banker()}).run(1)


def test_who_did_not_say_so_cannot_imagine() -> None:
    class Unannounced(Foresees):
        def equip(self, resources: Any) -> None:
            self.resources = resources

    with pytest.raises(PolicyError, match="no moment to look ahead from"):
        Simulation(
            Lottery(n=4), {"people": Unannounced(Rule(guess=lambda o: 0)), "bank": Banker()}
        ).run(1)


def test_an_unknown_stand_in_is_an_error() -> None:
    me = Foresees(Rule(guess=lambda o: 0), others={"bunk": Banker()})
    with pytest.raises(CastError, match="'bunk' to stand in for; there are"):
        Simulation(Lottery(n=4), {"people": me, "bank": Banker()}).run(1)


def test_stand_ins_act_in_place_of_others() -> None:
    class Always:
        def start(self, population: Population, streams: Any) -> None:
            population.add_column("always", np.int8)

        def act(self, o: Any) -> Any:
            o.agents["always"] = 1
            return np.ones(len(o), np.uint8)

    me = Foresees(Rule(guess=lambda o: 1), 0, 2, seed=4, others={"banker": Always()})
    world = Lottery("mind", 30)
    Simulation(world, {"people": me, "bank": Banker()}).run(1)
    future = me.futures[0].world
    assert (future.people.won == 2).all()
    assert (future.bank.always == 1).all()
    assert "always" not in world.bank.columns


def test_nobody_at_the_terminal_is_asked_in_imagination() -> None:
    asked: list[str] = []

    async def answer(prompt: str, left: float | None) -> str:
        asked.append(prompt)
        return "heads"

    class Guess(Lottery):
        async def step(self, minds: Any) -> None:
            guess = await minds.ask("guess", self.people, COIN, missing=0)
            self.people.won += guess.values
            self.outcome = guess.outcome

    for person, outcome in (
        (Human(ask=answer), Outcome.ABSTAINED),
        (Fallback(Human(ask=answer), to=Rule(guess=lambda o: 1)), Outcome.FALLBACK),
    ):
        asked.clear()
        me = Foresees(Rule(guess=lambda o: 0), 0, 3, seed=2)
        world = Guess(n=3)
        cast = Cast({"me": me, "person": person}, assign={"me": [0, 1], "person": [2]})
        Simulation(world, {"people": cast, "bank": Banker()}).run(3)
        assert len(asked) == 3  # once a tick of the run, never in imagination
        assert me.futures[0].world.outcome[2] == outcome
