"""The exchange: a world asks, policies act, in batches; nothing is invented."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import (
    Answers,
    Cast,
    Choice,
    Fallback,
    Minds,
    Number,
    Observation,
    Outcome,
    Pick,
    Population,
    Rule,
    Simulation,
    Text,
    World,
)
from populace.errors import (
    AnswerError,
    CastError,
    MissingDecision,
    PolicyError,
    PopulationError,
    WorldError,
)
from tests.worlds import Scripted

YES_NO = Choice(["no", "yes"])


def play(
    body: Any, cast: Any, n: int = 6, ticks: int = 1, seed: int = 0, **columns: Any
) -> Scripted:
    world = Scripted(n, body, **columns)
    Simulation(world, cast, seed=seed).run(ticks)
    return world


def test_answers_align_with_the_agents_whoever_decides() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        part = world.people[[5, 0, 3, 2]]
        world.log.append(await minds.ask("wish", part, Number(), see=["x"], plus=[1, 2, 3, 4]))

    cast = Cast(
        {"ten": lambda o: o["x"] * 10 + o["plus"], "neg": lambda o: -o["x"] - o["plus"]},
        assign={"ten": [0, 1, 2, 3], "neg": [4, 5]},
    )
    (answers,) = play(body, cast).log
    assert answers.values.tolist() == [-6.0, 2.0, 33.0, 24.0]
    assert answers.policy.tolist() == [1, 0, 0, 0]
    assert answers.agents.ids.tolist() == [5, 0, 3, 2]


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_split_into_policies_gives_what_one_policy_gives(data: st.DataObject) -> None:
    """Row-wise policies: who is grouped with whom cannot matter, draws included."""
    n = data.draw(st.integers(1, 40))
    codes = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))

    def decide(o: Observation) -> Any:
        return o["x"] + o.random.uniform() + o["shift"] + o.random.integers(low=0, high=5)

    async def body(world: Scripted, minds: Minds) -> None:
        part = world.people[mask]
        shift = np.arange(len(part)) * 0.5
        world.log.append(await minds.ask("wish", part, Number(), see=["x"], shift=shift))

    one = play(body, Cast({"all": decide}), n)
    groups = {name: np.flatnonzero(codes == k) for k, name in enumerate("abc")}
    many = play(body, Cast(dict.fromkeys("abc", decide), assign=groups), n)
    np.testing.assert_array_equal(one.log[0].values, many.log[0].values)


def test_sync_and_async_groups_run_at_once_and_commit_in_order() -> None:
    """Each asynchronous policy waits for the other: only concurrent groups can finish."""
    met = {"left": asyncio.Event(), "right": asyncio.Event()}
    begun: list[str] = []

    class Meets:
        def __init__(self, me: str, other: str) -> None:
            self.me, self.other = me, other

        async def act(self, o: Observation) -> Any:
            begun.append(self.me)
            met[self.me].set()
            await met[self.other].wait()
            return o["x"]

    async def body(world: Scripted, minds: Minds) -> None:
        world.log.append(await minds.ask("wish", world.people, Number(), see=["x"]))

    cast = Cast(
        {
            "left": Meets("left", "right"),
            "plain": lambda o: -o["x"],
            "right": Meets("right", "left"),
        },
        assign={"left": [0, 3], "plain": [1, 4], "right": [2, 5]},
    )
    assert play(body, cast).log[0].values.tolist() == [0, -1, 2, 3, -4, 5]
    assert begun == ["left", "right"]


def test_a_plain_function_may_return_an_awaitable() -> None:
    async def later(o: Observation) -> Any:
        return o["x"]

    async def body(world: Scripted, minds: Minds) -> None:
        world.log.append(await minds.ask("wish", world.people, Number(), see=["x"]))

    assert play(body, Cast({"later": later})).log[0].values.tolist() == list(range(6))
    assert play(body, Rule(wish=later)).log[0].values.tolist() == list(range(6))


def test_it_runs_inside_a_running_event_loop() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        await asyncio.sleep(0)
        world.log.append(await minds.ask("wish", world.people, Number(), see=["x"]))

    async def notebook() -> tuple[Scripted, Scripted]:
        inside, awaited = Scripted(6, body), Scripted(6, body)
        Simulation(inside, lambda o: o["x"]).run(1)
        await Simulation(awaited, lambda o: o["x"]).run_async(1)
        return inside, awaited

    for world in asyncio.run(notebook()):
        assert world.log[0].values.tolist() == list(range(6))


def test_an_observation_is_lazy_read_only_and_shows_no_more_than_the_world_does() -> None:
    seen: list[Observation] = []

    async def body(world: Scripted, minds: Minds) -> None:
        await minds.ask("wish", world.people, Number(), see=["x"], stock=3.5, prices=(1, 2))

    def look(o: Observation) -> Any:
        seen.append(o)
        assert o.columns == ("x", "stock", "prices")
        assert "x" in o
        assert "y" not in o
        assert (o["stock"], o["prices"], len(o), o.kind, o.tick) == (3.5, (1, 2), 6, "wish", 0)
        with pytest.raises(ValueError, match="read-only"):
            o["x"][0] = 99
        part = o.part(o["x"] > 3)
        assert part["x"].tolist() == [4, 5]
        assert part.part(np.array([1]))["x"].tolist() == [5]
        assert part.ids.tolist() == [4, 5]
        return o["x"]

    play(body, look, 6, x=np.arange(6), y=np.arange(6))
    with pytest.raises(PolicyError, match="does not show 'y'"):
        play(body, lambda o: o["y"], 6, x=np.arange(6), y=np.arange(6))


def test_asks_of_one_kind_in_one_tick_draw_anew_and_kinds_share_nothing() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        for kind in ("a", "a", "b"):
            world.log.append((await minds.ask(kind, world.people, Number())).values)

    first, again, other = play(body, lambda o: o.random.uniform()).log
    assert len({*first.tolist(), *again.tolist(), *other.tolist()}) == 18


def test_swapping_one_policy_leaves_every_other_draw_as_it_was() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        world.log.append((await minds.ask("wish", world.people, Number())).values)
        world.log.append(minds.stream("luck").uniform(world.people))

    def draw(o: Observation) -> Any:
        return o.random.uniform()

    def twice(o: Observation) -> Any:
        return o.random.uniform() + o.random.uniform()

    halves = {"own": [0, 1, 2], "other": [3, 4, 5]}
    base = play(body, Cast({"own": draw, "other": draw}, assign=halves), ticks=3)
    swap = play(body, Cast({"own": draw, "other": twice}, assign=halves), ticks=3)
    for before, after in zip(base.log, swap.log, strict=True):
        np.testing.assert_array_equal(before[:3], after[:3])
    for before, after in zip(base.log[1::2], swap.log[1::2], strict=True):
        np.testing.assert_array_equal(before, after)


def test_no_decision_is_an_error_unless_the_world_says_what_it_means() -> None:
    space = Number(0, 10)

    def partly(o: Observation) -> Answers:
        return Answers([1, 99, 3, 4, np.nan, 6], [0, 0, 1, 3, 0, 0])

    async def strict(world: Scripted, minds: Minds) -> None:
        await minds.ask("wish", world.people, space)

    with pytest.raises(MissingDecision, match=r"4 of 6 agents .*1 abstained, 2 invalid, 1 timeout"):
        play(strict, partly)
    with pytest.raises(MissingDecision, match=r"agent 1 cast as 'partly' \(answered 99\)"):
        play(strict, partly)

    async def lenient(world: Scripted, minds: Minds) -> None:
        world.log.append(await minds.ask("wish", world.people, space, missing=-1))

    (answers,) = play(lenient, partly).log
    assert answers.values.tolist() == [1, -1, -1, -1, -1, 6]
    assert [Outcome(o).label for o in answers.outcome] == [
        "acted",
        "invalid",
        "abstained",
        "timeout",
        "invalid",
        "acted",
    ]
    assert answers.acted.tolist() == [True, False, False, False, False, True]


def test_outcomes_are_counted_a_tick_kind_and_policy() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        await minds.ask("wish", world.people, Number(0, 3), see=["x"], missing=0)
        await minds.ask("speak", world.people[:2], Text(5), missing="")
        await minds.ask("wish", world.people[world.people.x > 4], Number(0, 9), see=["x"])

    cast = Cast(
        {"echo": Rule(wish=lambda o: o["x"]), "mute": Fallback(lambda o: np.nan, to=lambda o: 1.0)},
        assign={"echo": [0, 1, 4, 5], "mute": [2, 3]},
    )
    world = Scripted(6, body)
    asks = Simulation(world, cast).run(2).asks.drop("seconds")
    first = {
        (r["kind"], r["policy"]): {k: v for k, v in r.items() if isinstance(v, int) and v}
        for r in asks.filter(tick=1).to_dicts()
    }
    assert first == {
        ("wish", "echo"): {"tick": 1, "agents": 5, "acted": 3, "invalid": 2},
        ("wish", "mute"): {"tick": 1, "agents": 2, "fallback": 2},
        ("speak", "echo"): {"tick": 1, "agents": 2, "abstained": 2},
    }


@pytest.mark.parametrize(
    ("policy", "error", "told"),
    [
        (lambda o: [1, 2], AnswerError, r"policy 'policy', 'wish' at tick 0: expected 6 answers"),
        (lambda o: None, AnswerError, "got None"),
        (lambda o: 1 / 0, PolicyError, r"policy 'policy' answering 'wish' at tick 0: ZeroDivision"),
        (lambda o: ["x"] * 6, AnswerError, "expected numbers"),
        (lambda o: np.full(6, np.nan), MissingDecision, r"6 of 6 agents.*answered nan"),
        (lambda o: 11, MissingDecision, r"answered 11\); expected a number in \[0, 10\]"),
    ],
)
def test_a_bad_policy_is_named(policy: Any, error: type[Exception], told: str) -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        await minds.ask("wish", world.people, Number(0, 10), see=["x"])

    with pytest.raises(error, match=told):
        play(body, policy)


def test_an_async_policy_that_raises_is_named_and_the_others_are_cancelled() -> None:
    cancelled = []

    class Waits:
        async def act(self, o: Observation) -> Any:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

    class Fails:
        async def act(self, o: Observation) -> Any:
            raise KeyError("no key")

    async def body(world: Scripted, minds: Minds) -> None:
        await minds.ask("wish", world.people, Number())

    cast = Cast(
        {"waits": Waits(), "fails": Fails()}, assign={"waits": [0, 1, 2], "fails": [3, 4, 5]}
    )
    with pytest.raises(PolicyError, match="policy 'fails' answering 'wish' at tick 0: KeyError"):
        play(body, cast)
    assert cancelled == [True]


def test_a_bad_ask_is_an_error_of_the_world() -> None:
    bodies: list[tuple[Any, type[Exception], str]] = [
        (
            lambda w, m: m.ask("a", w.people, YES_NO, see=["xx"]),
            PopulationError,
            "did you mean 'x'",
        ),
        (lambda w, m: m.ask("a", w.people, YES_NO, cost=[1, 2]), PopulationError, "2 rows for 6"),
        (lambda w, m: m.ask("a", [1, 2], YES_NO), PopulationError, "part of one, got list"),
        (lambda w, m: m.ask("a", Population(3, "x"), YES_NO), CastError, "has no cast"),
        (lambda w, m: m.nothing(), WorldError, r"Scripted.step at tick 0: AttributeError"),
    ]
    for body, error, told in bodies:
        with pytest.raises(error, match=told):
            play(body, lambda o: 1)


def test_turns_see_the_state_left_by_those_before() -> None:
    """A commons of 10 where each takes half of what is left: closed form 10 (1 - 2**-k)."""

    async def body(world: Scripted, minds: Minds) -> None:
        left = lambda part: world.people.stock[0]  # noqa: E731
        async for part, answers in minds.each(
            "take", world.people, lambda part: Number(0, left(part)), stock=left
        ):
            world.people.stock -= answers.values.sum()
            world.log.append((part.ids.tolist(), left(part)))

    world = play(body, lambda o: o["stock"] / 2, 4, stock=np.full(4, 10.0), x=np.zeros(4))
    assert world.log == [([i], 10 / 2 ** (i + 1)) for i in range(4)]


def test_turns_by_blocks_and_in_seeded_random_order() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        turn = [
            part.ids.tolist()
            async for part, _ in minds.each("go", world.people, YES_NO, order="random", block=2)
        ]
        world.log.append(turn)

    runs = [play(body, lambda o: 1, 6, ticks=20, seed=seed).log for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert len({str(turn) for turn in runs[0]}) > 10, "shuffled anew each tick"
    for turn in runs[0]:
        assert [len(block) for block in turn] == [2, 2, 2]
        assert sorted(i for block in turn for i in block) == list(range(6))


def test_the_order_of_turns_does_not_change_anyones_draws() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        got = {}
        async for part, answers in minds.each("go", world.people, Number(), order="random"):
            got[int(part.ids[0])] = float(answers.values[0])
        world.log.append(got)

    worlds = {}
    for turns in ("fixed", "reversed", "random", "together"):
        world = Scripted(6, body)
        try:
            Simulation(world, lambda o: o.random.uniform(), turns=turns).run(1)  # type: ignore[arg-type]
        except ValueError:
            raise
        worlds[turns] = world.log[0]
    assert worlds["fixed"] == worlds["reversed"] == worlds["random"]
    assert worlds["together"][0] == worlds["fixed"][0]


def test_who_dies_before_a_turn_does_not_take_it() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        async for part, _ in minds.each("go", world.people, YES_NO):
            world.log.append(int(part.ids[0]))
            if part.ids[0] in (0, 3):
                world.people.remove(world.people.part(part.ids + 1))

    assert play(body, lambda o: 1).log == [0, 2, 3, 5]


def test_what_is_told_is_heard_before_the_next_ask_and_is_a_snapshot() -> None:
    class Learner:
        def __init__(self) -> None:
            self.heard: list[Any] = []

        def hear(self, o: Observation) -> None:
            self.heard.append((o.kind, o.ids.tolist(), o["reward"].tolist(), o["words"]))

        def act(self, o: Observation) -> Any:
            return len(self.heard)

    class Slow(Learner):
        async def hear(self, o: Observation) -> None:  # type: ignore[override]
            await asyncio.sleep(0)
            assert o.part(np.array([1]))["reward"].tolist() == [5.0]
            self.heard.append((o.kind, o.ids.tolist(), o["reward"].tolist(), o["words"]))

    learner, slow = Learner(), Slow()

    async def body(world: Scripted, minds: Minds) -> None:
        reward = np.arange(6.0)
        minds.tell("outcome", world.people, reward=reward, words="well done")
        reward[:] = -1
        world.log.append(await minds.ask("wish", world.people, Number()))

    cast = Cast(
        {"learner": learner, "slow": slow, "deaf": lambda o: 0},
        assign={"learner": [0, 1], "slow": [4, 5], "deaf": [2, 3]},
    )
    world = play(body, cast)
    assert learner.heard == [("outcome", [0, 1], [0.0, 1.0], "well done")]
    assert slow.heard == [("outcome", [4, 5], [4.0, 5.0], "well done")]
    assert world.log[0].values.tolist() == [1, 1, 0, 0, 1, 1]


def test_several_populations_with_a_cast_each() -> None:
    class Market(World):
        def __init__(self) -> None:
            self.buyers = Population(3, purse=np.array([1.0, 2.0, 3.0]))
            self.sellers = Population(2, "shops", price=np.array([5.0, 4.0]))
            self.log: list[Any] = []

        async def step(self, minds: Minds) -> None:
            bids = await minds.ask("bid", self.buyers, Number(), see=["purse"])
            shop = await minds.ask("choose", self.buyers, Pick(self.sellers))
            asks = await minds.ask("sell", self.sellers, Number(), see=["price"])
            self.log += [bids.values.tolist(), shop.values.tolist(), asks.values.tolist()]

    world = Market()
    casts = {
        "buyers": Rule(bid=lambda o: o["purse"], choose=lambda o: 1),
        "shops": Cast({"shop": lambda o: o["price"]}),
    }
    asks = Simulation(world, casts).run(1).asks
    assert world.log == [[1, 2, 3], [1, 1, 1], [5, 4]]
    assert asks["population"].to_list() == ["buyers", "buyers", "shops"]
    with pytest.raises(CastError, match="2 populations"):
        Simulation(Market(), lambda o: 0)
    with pytest.raises(CastError, match="'shops' has no cast"):
        Simulation(Market(), {"buyers": lambda o: 0})
    with pytest.raises(CastError, match="did you mean 'buyers'"):
        Simulation(Market(), {"buyer": lambda o: 0, "shops": lambda o: 0})


def test_asking_nobody_asks_no_policy() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        world.log.append(await minds.ask("wish", world.people[world.people.x > 99], Number()))

    (answers,) = play(body, lambda o: 1 / 0).log
    assert len(answers) == 0
    assert answers.values.shape == (0,)


def test_what_is_not_heard_when_a_run_fails_is_dropped_quietly() -> None:
    class Slow:
        async def hear(self, o: Observation) -> None:
            raise AssertionError("never awaited")

        def act(self, o: Observation) -> int:
            return 0

    async def body(world: Scripted, minds: Minds) -> None:
        minds.tell("outcome", world.people)
        raise ValueError("oh")

    with pytest.raises(WorldError, match="ValueError: oh"):  # and no warning, which is an error
        play(body, Slow())
