"""The conformance suite: it passes what is right, and every one of its checks can fail."""

import itertools
import os
import random
import threading
import uuid

import numpy as np
import pytest

from populace import (
    Answers,
    Cast,
    Choice,
    Habit,
    Number,
    Outcome,
    Population,
    Rule,
    Simulation,
    Text,
    Utility,
    World,
    compare_orders,
)
from populace.errors import PopulaceError
from populace.kernel.threads import chunked
from populace.testing import NonConformance, check_policy, check_world, observe
from populace.testing.watching import entropy, global_generators, writes

YES_NO = Choice(["no", "yes"])
NAMES = (
    "reproducible",
    "order-free",
    "batch-size-free",
    "thread-free",
    "no global random state",
    "no write outside the run directory",
    "goes on from a checkpoint",
)


class Town(World):
    """Births, deaths, memory, two asks, turns and news: everything that could go wrong."""

    def __init__(self, spoil=None):
        self.people = Population(30, age=np.int16, wealth=np.float64)
        self.spoil = spoil
        self.stock = 50.0

    async def step(self, minds):
        people = self.people
        people.age += 1
        part = people.everyone
        part["wealth"] = part["wealth"] + minds.stream("luck").normal(part)
        gone = minds.stream("death").bernoulli(people.everyone, 0.05)
        people.remove(people.everyone[gone])
        people.add(int(gone.sum()))
        self.went = await minds.ask("go", people, YES_NO, see=["age"], missing=0)
        bounds = lambda part: Number(0, self.stock)  # noqa: E731
        async for part, reply in minds.each(
            "take", people, bounds, order="random", block=3, see=["age"], missing=0
        ):
            self.stock -= reply.values.sum() / 30
            part["wealth"] = part["wealth"] + reply.values
        minds.tell("news", people, wealth=people.everyone["wealth"])
        if self.spoil is not None:
            self.spoil(self)

    def measure(self):
        return {"went": int(self.went.values.sum()), "wealth": float(self.people.wealth.sum())}


def mixed():
    return Cast(
        {
            "habit": Habit(Utility(go={"yes": {"age": 0.1}}), 0.5),
            "rule": Rule(lambda o: o.random.bernoulli(p=0.5)),
            "slow": Slow(),
        },
        shares={"habit": 2, "rule": 1, "slow": 1},
    )


class Slow:
    """Asynchronous, and remembers what it heard in a column."""

    def start(self, population, streams):
        population.add_column("slow/heard", np.float64)

    async def act(self, observation):
        return (observation.agents["slow/heard"] > 1) & observation.random.bernoulli(p=0.7)

    async def hear(self, observation):
        observation.agents["slow/heard"] = observation["wealth"]


def test_a_right_world_passes_every_check():
    report = check_world(Town, mixed, ticks=6)
    assert report.passed, str(report)
    assert tuple(check.name for check in report.checks) == NAMES
    assert report.failed == ()
    report.raise_if_failed()
    assert str(report).startswith("world Town\n  pass  reproducible")


# -- every check can fail, and only where it should -----------------------------------------------


def only(report, *names):
    assert set(report.failed) == set(names), str(report)
    with pytest.raises(NonConformance, match="checks failed"):
        report.raise_if_failed()
    assert issubclass(NonConformance, AssertionError)


def spoiled(spoil, cast=mixed):
    def world():
        return Town(spoil)

    return check_world(world, cast, ticks=3, seeds=[0])


def test_what_a_checkpoint_cannot_keep_is_found():
    report = spoiled(lambda world: setattr(world, "tool", threading.Lock()))
    only(report, "goes on from a checkpoint")
    told = report["goes on from a checkpoint"].found
    assert "world.tool: a _thread.lock cannot be kept" in told

    def forgetful():  # remembers where no checkpoint looks
        count = itertools.count()
        return Rule(lambda o: np.full(len(o), next(count) % 2))

    report = spoiled(lambda world: None, forgetful)
    assert "goes on from a checkpoint" in report.failed


def test_entropy_of_the_system_is_neither_reproducible_nor_allowed():
    def spoil(world):
        world.stock += np.random.default_rng().random()

    report = spoiled(spoil)
    assert {"reproducible", "no global random state"} <= set(report.failed)
    assert "world.stock" in report["reproducible"].found
    assert "entropy of the system at test_testing.py:" in report["no global random state"].found


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda world: np.random.rand(), "numpy's global generator"),
        (lambda world: random.random(), "module random"),
        (lambda world: world.people.wealth.__iadd__(np.random.rand()), "numpy's global"),
        (lambda world: uuid.uuid4(), "entropy of the system"),
        (lambda world: os.urandom(4), "entropy of the system"),
    ],
)
def test_global_generators_are_seen_even_where_they_change_nothing(draw, says):
    report = spoiled(draw)
    only(report, "no global random state")
    assert says in report["no global random state"].found


def test_reseeding_the_global_generator_hides_nothing():
    def spoil(world):
        np.random.seed(4)
        world.stock += np.random.rand()

    only(spoiled(spoil), "no global random state")


def test_influence_of_a_global_generator_is_seen_even_where_it_is_not_advanced():
    def spoil(world):
        state = np.random.get_state()
        world.stock += np.random.rand()
        np.random.set_state(state)

    report = spoiled(spoil)
    only(report, "no global random state")
    assert "world.stock" in report["no global random state"].found


def test_a_write_is_seen(tmp_path, monkeypatch):
    def to_file(path):
        return lambda world: path.write_text("x")

    report = spoiled(to_file(tmp_path / "leak.txt"))
    only(report, "no write outside the run directory")
    assert "leak.txt" in report["no write outside the run directory"].found
    only(spoiled(lambda world: os.makedirs(tmp_path / "a" / "b", exist_ok=True) or
                 (tmp_path / "a" / "b").rmdir()), "no write outside the run directory")  # fmt: skip
    monkeypatch.chdir(tmp_path)

    def by_a_library(world):  # polars writes without Python knowing
        import polars

        polars.DataFrame({"a": [1]}).write_parquet("table.parquet")

    report = spoiled(by_a_library)
    only(report, "no write outside the run directory")
    assert "table.parquet" in report["no write outside the run directory"].found


def test_reading_is_allowed(tmp_path):
    path = tmp_path / "data.txt"
    path.write_text("7")
    assert spoiled(lambda world: path.read_text()).passed


def test_a_counter_shared_by_agents_is_not_order_free():
    class Queue:
        """Gives the first asked of each tick a place: depends on the order of the rows."""

        def act(self, observation):
            if observation.kind == "take":
                return 0
            return np.arange(len(observation)) < 3

    report = spoiled(None, lambda: Queue())
    only(report, "order-free", "batch-size-free")
    assert "asks" not in report["order-free"].found.split(":")[0]


def test_policies_that_share_state_depend_on_the_order_of_groups():
    def cast():
        asked = []

        def first_comes(o):
            asked.append(o.kind)
            return 0 if o.kind == "take" else len(asked) % 2

        return Cast({"a": Rule(first_comes), "b": Rule(first_comes)}, shares={"a": 1, "b": 1})

    assert "order-free" in spoiled(None, cast).failed


def test_an_answer_that_depends_on_the_group_is_not_batch_size_free():
    def herd(o):
        return 0 if o.kind == "take" else o["age"] > o["age"].mean()

    only(spoiled(None, lambda: Rule(herd)), "batch-size-free")


def test_a_kernel_that_depends_on_its_ranges_is_not_thread_free():
    def spoil(world):
        found = chunked(lambda start, stop: stop - start, 100)
        world.stock += found[0] / 100

    only(spoiled(spoil), "thread-free")


def test_state_kept_between_worlds_is_not_reproducible():
    made = []

    def spoil(world):
        made.append(1)
        world.people.wealth += len(made)

    assert "reproducible" in spoiled(spoil).failed


def test_an_error_in_a_variant_is_a_failure_that_says_so():
    def whole(o):
        if o.kind == "go" and len(o) < 30:
            raise ValueError("too few")
        return 0

    report = spoiled(None, lambda: Rule(whole))
    only(report, "batch-size-free")
    assert "ValueError: too few" in report["batch-size-free"].found


def test_an_error_in_the_run_itself_passes_through():
    with pytest.raises(PopulaceError, match="division"):
        spoiled(lambda world: 1 / 0, lambda: Rule(lambda o: 0))


# -- policies -------------------------------------------------------------------------------------


def shown(seed):
    """Five ticks of one population."""
    people = Population(25, name="people", age=np.arange(25))
    return [
        observe("go", people, YES_NO, see=["age"], seed=seed, tick=tick, price=1.5)
        for tick in range(5)
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Utility(go={"yes": {"age": 0.2, "price": -1.0}}),
        lambda: Habit(Utility(go={"yes": {"age": 0.2, "price": -1.0}}), 0.7),
        lambda: Rule(go=lambda o: o["age"] > 5),
        lambda: Rule(other=lambda o: 1),
        lambda: lambda o: o.random.bernoulli(p=0.5),
    ],
)
def test_right_policies_pass(make):
    report = check_policy(make, shown)
    assert report.passed, str(report)
    assert [check.name for check in report.checks] == ["valid answers", *NAMES[:-1]]


def test_right_policies_pass_in_a_world():
    report = check_policy(lambda: Rule(lambda o: o.random.uniform()), world=Numbers, ticks=3)
    assert report.passed, str(report)


class Numbers(World):
    def __init__(self):
        self.people = Population(12)

    async def step(self, minds):
        await minds.ask("n", self.people, Number(0, 1), missing=-1)


class Forgetful:
    """Remembers in Python, by the order of its calls."""

    def __init__(self):
        self.calls = 0

    def act(self, observation):
        self.calls += 1
        return (observation.ids + self.calls) % 2


def test_wrong_policies_fail():
    only(check_policy(Forgetful, shown), "batch-size-free")
    only(check_policy(lambda: lambda o: o["age"] > np.median(o["age"]), shown), "batch-size-free")
    only(
        check_policy(lambda: lambda o: np.random.rand(len(o)) < 0.5, shown),
        "order-free", "batch-size-free", "no global random state",
    )  # fmt: skip
    report = check_policy(lambda: lambda o: 2, shown)
    only(report, "valid answers")
    assert "answer 0 (go): 25 outside one of no, yes" in report["valid answers"].found
    only(check_policy(lambda: lambda o: 2.0, world=Numbers, ticks=1), "valid answers")


def test_memory_is_compared_too():
    class Counter:
        def act(self, observation):
            people = observation.agents.population
            if "calls" not in people.columns:
                people.add_column("calls", np.int64)
            people.calls += 1  # of everybody, at every call: no agent's own
            return Answers(0, Outcome.ACTED)

    report = check_policy(Counter, shown)
    only(report, "batch-size-free")
    assert "people.calls" in report["batch-size-free"].found


def test_a_policy_needs_observations_or_a_world():
    for given in ({}, {"observations": shown, "world": Numbers}):
        with pytest.raises(PopulaceError, match="either observations or a world"):
            check_policy(Forgetful, **given)


# -- the watchers and the observation maker -------------------------------------------------------


def test_watchers_leave_everything_as_it_was(tmp_path):
    before = np.random.get_state()[1].tolist(), random.getstate(), os.urandom
    with global_generators(3) as used, entropy() as drawn, writes(tmp_path) as found:
        np.random.rand()
        random.random()
        os.urandom(1)
        (tmp_path / "allowed.txt").write_text("x")
    assert (np.random.get_state()[1].tolist(), random.getstate(), os.urandom) == before
    assert len(used) == 2
    assert len(drawn) == 1
    assert found == []
    with global_generators(3) as used, entropy() as drawn:
        pass
    assert used == []
    assert drawn == []


def test_an_observation_without_a_world_is_what_a_world_would_show():
    seen = {}

    class One(World):
        def __init__(self):
            self.people = Population(5, age=np.arange(5))

        async def step(self, minds):
            await minds.ask("go", self.people, YES_NO, see=["age"], price=2.0)

    def keep(o):
        seen[o.tick] = (o["age"].tolist(), o["price"], o.random.uniform().tolist(), o.ids.tolist())
        return 0

    Simulation(One(), keep, seed=8).run(3)
    people = Population(5, name="people", age=np.arange(5))
    for tick, expected in seen.items():
        keep(observe("go", people, YES_NO, see=["age"], seed=8, tick=tick, price=2.0))
        assert seen[tick] == expected
    assert len(observe("say", people[[1, 3]], Text(), words=["a", "b"])) == 2


# -- turn order -----------------------------------------------------------------------------------


class Bank(World):
    """Each in turn takes half of what is left: the classic world where order matters."""

    def __init__(self):
        self.people = Population(4, got=np.float64)
        self.stock = 16.0

    async def step(self, minds):
        self.stock = 16.0
        async for part, reply in minds.each(
            "take", self.people, Number(0, 16), stock=lambda part: self.stock
        ):
            self.stock -= reply.values.sum()
            part["got"] = reply.values

    def measure(self):
        return {"first": float(self.people.got[0]), "left": self.stock, "ticks": 1}


def half(o):
    return np.broadcast_to(o["stock"] / 2, len(o))


def test_order_matters_where_each_sees_what_the_others_left():
    found = compare_orders(Bank, lambda: Rule(take=half), ticks=3, seed=1)
    assert found.took_turns
    assert found.matters
    assert found.measures == ("first", "left")
    rows = {(m, o): (last, d, t) for m, o, last, d, t in found.table.iter_rows()}
    assert rows["first", "as written"] == (8, 0, None)
    assert rows["first", "reversed"] == (1, 7, 0)
    assert rows["left", "reversed"] == (1, 0, None)
    assert rows["left", "together"] == (16 - 4 * 8, 17, 0)
    assert "order matters for first: at the end 8 as written, 1 reversed" in str(found)
    assert not found.failed


def test_order_does_not_matter_where_nothing_is_shared():
    class Apart(Bank):
        async def step(self, minds):
            async for part, reply in minds.each("take", self.people, Number(0, 16), order="random"):
                part["got"] = reply.values

    found = compare_orders(Apart, lambda: Rule(take=lambda o: o.random.uniform()), ticks=3)
    assert found.took_turns
    assert not found.matters
    assert str(found).startswith("order does not matter: no measure differs")
    none = compare_orders(Numbers, lambda: Rule(lambda o: 0), ticks=1)
    assert not none.matters
    assert str(none) == "order cannot matter: the world never asks in turn"


def test_an_order_that_the_world_cannot_bear_is_said():
    class Strict(Bank):
        async def step(self, minds):
            await super().step(minds)
            if self.stock < 0:
                raise ValueError("overdrawn")

    found = compare_orders(Strict, lambda: Rule(take=half), ticks=2)
    assert set(found.failed) == {"together"}
    assert found.matters
    assert "overdrawn" in str(found)
