"""Fast and slow minds: limits, closed-form delays, clocks, what does not fit any more, memory."""

import asyncio
import math
from functools import partial

import numpy as np
import pytest

from populace import (
    Answers,
    Cast,
    Choice,
    Fallback,
    FastSlow,
    Language,
    Number,
    Outcome,
    Pick,
    Population,
    Rule,
    Seconds,
    Simulation,
    Surrogate,
    Team,
    Text,
    Ticks,
    Tokens,
    World,
)
from populace.cli.casting import read_cast
from populace.errors import ParameterError, PolicyError
from populace.kernel.spaces import Record
from populace.language.scripted import Scripted
from populace.teams.structures.single import single
from populace.testing import check_policy, observe
from populace.testing.fingerprint import differences, of_run
from populace.worlds.commons import Commons


class Target(World):
    """Everybody aims at a target of their own, which drifts by `speed` and walks by `sd` a tick."""

    def __init__(self, people=30, speed=0.0, sd=0.0, space=None):
        self.people = Population(people, target=np.float64, aim=np.float64)
        self.speed, self.sd, self.space = speed, sd, space or Number()
        self.aims = []

    async def step(self, minds):
        people = self.people
        found = await minds.ask("aim", people, self.space, see=["target"], time=minds.tick)
        people.aim = found.values
        self.aims = [*self.aims, people.aim - people.target]
        people.target += self.speed
        if self.sd:
            people.target += minds.stream("walk").normal(people, sd=self.sd)

    def measure(self):
        return {"aim": float(self.people.aim.mean())}


AIM = Rule(lambda o: o["target"])
NOISY = Rule(lambda o: o["target"] + o.random.normal())
LOST = Rule(lambda o: np.full(len(o), -1e6) + o.random.normal())


def errors(policy, world, ticks):
    """Return aim less target, shape (ticks, people)."""
    Simulation(world, policy, seed=2).run(ticks)
    return np.array(world.aims)


# -- facts -----------------------------------------------------------------------------------------


def test_without_delay_it_is_the_slow_mind_and_without_end_the_fast_one():
    """To the bit, draws included."""
    for clock, alone in [(Ticks(0), NOISY), (Ticks(math.inf), LOST)]:
        both = FastSlow(LOST, NOISY, clock=clock)
        mixed, pure = (Simulation(Target(sd=1), each, seed=3).run(9) for each in (both, alone))
        assert mixed.metrics.equals(pure.metrics)
        assert mixed.asks["acted"].to_list() == pure.asks["acted"].to_list()


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_a_delayed_answer_is_off_by_the_way_that_the_target_has_gone(delay):
    """Drift v: at every delay-th tick off by exactly -v d; else the fast mind's answer."""
    off = errors(FastSlow(LOST, AIM, clock=Ticks(delay)), Target(speed=0.5), 21)
    landed = np.arange(21) % delay == 0
    landed[0] = False
    assert (off[landed] == -0.5 * delay).all()
    assert (off[~landed] < -1e5).all()


@pytest.mark.parametrize("delay", [1, 4])
def test_behind_a_random_walk_the_squared_error_grows_with_the_delay(delay):
    """Mean d s^2, and the error is normal: the variance of its square is 2 (d s^2)^2."""
    n, sd, ticks = 4000, 0.7, 25
    off = errors(FastSlow(LOST, AIM, clock=Ticks(delay)), Target(n, sd=sd), ticks)[delay::delay]
    mean = delay * sd**2
    assert abs((off**2).mean() - mean) < 5 * mean * np.sqrt(2 / off.size)


def test_tokens_are_time():
    """Agent i's thoughts take i tokens, so ceil(i / 4) ticks; its first lands then."""
    n, ticks = 13, 14

    def wordy(observation):
        return Answers(observation["target"], tokens=observation.ids.astype(np.int64))

    off = errors(FastSlow(LOST, wordy, clock=Tokens(4)), Target(n, speed=1.0), ticks)
    for i in range(n):
        delay = math.ceil(i / 4)
        landed = np.flatnonzero(off[:, i] > -1e5)
        expected = np.arange(delay, ticks, delay) if delay else np.arange(ticks)
        assert landed.tolist() == expected.tolist()
        assert (off[landed, i] == -delay).all()


def test_it_reports_what_became_of_its_thoughts():
    run = Simulation(Target(10), FastSlow(LOST, AIM, clock=Ticks(3)), seed=1).run(8)
    told = {
        name: run.minds.filter(run.minds["measure"] == name)["value"].sum()
        for name in ("begun", "landed", "waited", "dropped", "lost")
    }
    assert told == {"begun": 30, "landed": 20, "waited": 60, "dropped": 0, "lost": 0}


# -- who thinks, about what ------------------------------------------------------------------------


def test_who_thinks_may_be_a_condition_or_a_function():
    seen = []
    slow = Rule(lambda o: seen.append((o.tick, len(o))) or o["target"])
    world = Target(10, speed=1.0)
    Simulation(world, FastSlow(LOST, slow, when="target >= 3 and time < 5", clock="ticks=1")).run(8)
    assert seen == [(3, 10), (4, 10)]
    half = FastSlow(LOST, AIM, when=lambda o: o.ids % 2 == 0, clock=Ticks(1))
    off = errors(half, Target(10), 4)
    assert (off[1:, ::2] == 0).all()
    assert (off[1:, 1::2] < -1e5).all()


def test_draws_that_pick_who_thinks_are_independent_of_what_is_thought():
    n = 40_000
    slow = Rule(lambda o: o.random.uniform())
    picky = FastSlow(
        Rule(lambda o: 9.0), slow, when=lambda o: o.random.uniform() < 0.3, clock=Ticks(0)
    )
    world = Target(n)
    Simulation(world, picky, seed=1).run(1)
    thought = world.people.aim[world.people.aim < 9]
    assert abs(len(thought) / n - 0.3) < 5 * np.sqrt(0.21 / n)
    assert abs(thought.mean() - 0.5) < 5 * np.sqrt(1 / 12 / len(thought))


def test_kinds_that_are_not_thought_about_are_the_fast_minds():
    world = Target(4)
    assert (errors(FastSlow(LOST, AIM, clock=Ticks(0), kinds=["go"]), world, 2) < -1e5).all()


def test_both_hear_and_are_started():
    heard = []

    class Listener:
        def __init__(self, name):
            self.name = name

        def start(self, population, streams):
            heard.append(f"{self.name} started")

        def hear(self, observation):
            heard.append(self.name)

        def act(self, observation):
            return 0

    class Loud(Target):
        async def step(self, minds):
            minds.tell("news", self.people, words=1)

    Simulation(Loud(2), FastSlow(Listener("a"), Listener("b"))).run(1)
    assert heard == ["a started", "b started", "a", "b"]


# -- what lands on another world -------------------------------------------------------------------


class Shifting(World):
    """The space of the ask is another one each tick."""

    def __init__(self, spaces, kind="do"):
        self.people, self.spaces, self.kind = Population(4), spaces, kind
        self.found = []

    async def step(self, minds):
        answers = await minds.ask(self.kind, self.people, self.spaces[minds.tick], missing=None)
        labels = answers.labels().tolist()
        self.found = [*self.found, [None if x is None else str(x) for x in labels]]

    def measure(self):
        return {"zero": 0}


def told(run, measure):
    found = run.minds.filter(run.minds["measure"] == measure)
    return found["value"].sum()


def test_an_answer_that_is_not_allowed_any_more_is_dropped_and_counted():
    class Wall(Target):
        async def step(self, minds):
            self.space = Number(0, np.full(len(self.people), 10.0 - 4 * minds.tick))
            await super().step(minds)

    slow, fast = Rule(lambda o: np.linspace(0, 10, len(o))), Rule(lambda o: 1.5)
    world = Wall(11)
    run = Simulation(world, FastSlow(fast, slow, clock=Ticks(1)), seed=1).run(2)
    assert world.people.aim.tolist() == [0, 1, 2, 3, 4, 5, 6, 1.5, 1.5, 1.5, 1.5]
    assert (told(run, "landed"), told(run, "dropped")) == (7, 4)


def test_options_are_kept_by_name():
    spaces = [Choice(["left", "right"]), Choice(["right", "up", "left"]), Choice(["up"])]
    slow = Rule(lambda o: np.array(["left", "right", "left", "right"]) if o.tick == 0 else "up")
    fast = Rule(lambda o: "up" if o.tick else "left")
    world = Shifting(spaces)
    run = Simulation(world, FastSlow(fast, slow, clock=Ticks(1))).run(3)
    assert world.found == [["left"] * 4, ["left", "right", "left", "right"], ["up"] * 4]
    assert told(run, "dropped") == 0
    gone = Shifting([Choice(["left", "right"]), Choice(["up", "left"])])
    run = Simulation(gone, FastSlow(fast, slow, clock=Ticks(1))).run(2)
    assert gone.found[1] == ["left", "up", "left", "up"]
    assert told(run, "dropped") == 2


@pytest.mark.parametrize(
    ("space", "answer", "other"),
    [
        (Text(20), "wait and see", "now"),
        (Pick(9, count=2), [3, 7], [1, 2]),
        (Pick(9), 4, 5),
        (Record(price=Number(0, 10), say=Text(9)), {"price": 2.5, "say": "yes"},
         {"price": 1.0, "say": "no"}),
    ],
    ids=["text", "picks", "pick", "record"],
)  # fmt: skip
def test_any_answer_may_be_under_way(space, answer, other):
    def always(value):
        return Rule(lambda o: [value] * len(o))

    world = Shifting([space] * 5)
    simulation = Simulation(world, FastSlow(always(other), always(answer), clock=Ticks(2)))
    simulation.run(5)
    alone = {}
    for name, value in (("slow", answer), ("fast", other)):
        one = Shifting([space])
        Simulation(one, always(value)).run(1)
        alone[name] = one.found[0]
    fast, slow = alone["fast"], alone["slow"]
    assert world.found == [fast, fast, slow, fast, slow]


def test_a_thought_that_came_to_nothing_is_lost_and_the_fast_mind_acts():
    acted, failed = Outcome.ACTED, Outcome.TIMEOUT
    slow = lambda o: Answers([5.0] * 4, [acted, failed, Outcome.FALLBACK, acted])  # noqa: E731
    world = Target(4)
    run = Simulation(world, FastSlow(Rule(lambda o: 1.0), slow, clock=Ticks(1))).run(2)
    assert world.people.aim.tolist() == [5, 1, 5, 5]
    assert told(run, "lost") == 1
    assert run.asks["fallback"].to_list() == [0, 1]


def test_a_newborn_thinks_no_dead_ones_thought():
    world = Target(5, speed=1.0)
    simulation = Simulation(world, FastSlow(Rule(lambda o: -9.0), AIM, clock=Ticks(3)), seed=1)
    simulation.run(2)
    world.people.remove(world.people[2])
    world.people.add(1)
    world.aims = []
    simulation.run(2)
    assert world.people.aim.tolist() == [0, 0, -9, 0, 0]


# -- runs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [Ticks(0), Ticks(3), Tokens(2)], ids=repr)
def test_keeps_the_rules_of_the_kernel(clock):
    """Order, batches and threads change nothing, and a resumed run ends as an uninterrupted one."""

    def slow(observation):
        return Answers(observation["target"], tokens=observation.ids.astype(np.int64) % 7)

    make = partial(FastSlow, NOISY, slow, clock=clock, when=lambda o: o.random.uniform() < 0.8)
    check_policy(make, world=partial(Target, sd=1.0), ticks=9).raise_if_failed()


class Talk(Target):
    async def step(self, minds):
        said = await minds.ask("say", self.people, Text(30), see=["target"])
        self.people.aim = np.array([len(text) for text in said.values], float)
        self.people.target += 1


def test_texts_under_way_survive_a_checkpoint():
    slow = Rule(lambda o: np.array([f"{x:g} {i}" for i, x in zip(o.ids, o["target"], strict=True)]))
    make = partial(FastSlow, Rule(lambda o: ["no"] * len(o)), slow, clock=Ticks(3))
    check_policy(make, world=partial(Talk, 12), ticks=9).raise_if_failed()


def test_real_time_is_recorded_and_a_run_repeated_from_it(tmp_path, monkeypatch):
    """A clock that runs unevenly, then none at all: the same run."""
    times = iter(np.cumsum(np.arange(400) % 7 / 10).tolist())
    monkeypatch.setattr("populace.policies.fastslow.time.perf_counter", lambda: next(times))
    first = Simulation(
        Target(6, speed=1.0), {"people": FastSlow(NOISY, AIM, clock=Seconds(0.2))}, seed=4
    ).run(20, to=tmp_path / "run")
    took = first.minds.filter(first.minds["measure"] == "took")["value"].to_list()
    assert len(set(took)) > 2
    assert not first.manifest["cast"]["people"]["policies"]["fastslow"]["parameters"][
        "reproducible"
    ]
    monkeypatch.setattr("populace.policies.fastslow.time.perf_counter", lambda: 0.0)
    clock = {"seconds": 0.2, "of": str(tmp_path / "run")}
    again = Simulation(Target(6, speed=1.0), FastSlow(NOISY, AIM, clock=clock), seed=4)
    assert again.run(20).metrics.equals(first.metrics)
    other = Simulation(Target(6, speed=1.0), FastSlow(NOISY, AIM, clock=clock), seed=4)
    with pytest.raises(PolicyError, match="no thought number 0 of 'aim' at tick"):
        other.run(25)


def test_two_of_a_sort_in_one_run_are_told_apart_by_name(tmp_path):
    both = {"a": FastSlow(LOST, AIM, clock=Seconds(9)), "b": FastSlow(LOST, AIM, clock=Seconds(9))}
    cast = Cast(both, shares={"a": 1, "b": 1})
    first = Simulation(Target(6, speed=1.0), cast, seed=4).run(6, to=tmp_path / "run")
    with pytest.raises(ParameterError, match="has thoughts of a, b; name one: policy="):
        Seconds(9, of=tmp_path / "run")
    with pytest.raises(ParameterError, match="no thoughts of c; it has those of a, b"):
        Seconds(9, of=tmp_path / "run", policy="c")
    again = {
        n: FastSlow(LOST, AIM, clock=Seconds(9, tmp_path / "run", policy=n)) for n in ("a", "b")
    }
    second = Simulation(
        Target(6, speed=1.0), Cast(again, shares={"a": 1, "b": 1}), seed=4
    ).run(6)  # fmt: skip
    assert not [name for name in differences(of_run(first), of_run(second)) if "metrics" in name]


def test_a_cast_file_names_both_minds(tmp_path):
    file = tmp_path / "cast.toml"
    file.write_text(
        '[policies.fisher]\nuse = "populace.policies:FastSlow"\nfast = "greedy"\nslow = "careful"\n'
        'when = "stock > 50"\nclock = { ticks = 0 }\n'
    )
    world = Commons()
    run = Simulation(world, read_cast(str(file), world), seed=1).run(6)
    alone = Simulation(Commons(), Commons().policies()["careful"], seed=1).run(6)
    assert run.metrics.equals(alone.metrics)
    file.write_text('[policies.fisher]\nuse = "populace.policies:FastSlow"\nfast = "greedy"\n')
    with pytest.raises(ParameterError, match="missing a required argument: 'slow'"):
        read_cast(str(file), world)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"clock": "hours=3"}, r"expected ticks=3, tokens=500 or seconds=0.5, got \{'hours': 3.0"),
        ({"clock": "ticks=x"}, "expected a whole number of ticks from 0 on, or infinity, got 'x'"),
        ({"clock": {"ticks": 3, "of": "run"}}, "expected ticks=3, tokens"),
        ({"clock": {"ticks": 3, "tokens": 3}}, "expected ticks=3, tokens"),
        ({"clock": 3}, "expected a clock, got 3; clock="),
        ({"when": "now"}, "FastSlow, when: expected comparisons"),
        ({"when": 3}, "expected 'idle', a condition or a function"),
    ],
)
def test_impossible_settings(given, told):
    with pytest.raises(ParameterError, match=told):
        FastSlow(AIM, AIM, **given)


@pytest.mark.parametrize(
    "make", [lambda: Ticks(-1), lambda: Ticks(0.5), lambda: Tokens(0), lambda: Seconds(-1)]
)
def test_impossible_clocks(make):
    with pytest.raises(ParameterError, match=r"from 0 on|above 0"):
        make()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"when": "stock > 3"}, "agents do not see 'stock'"),
        ({"when": lambda o: o["target"]}, "expected a bool, or 30, got float64"),
        ({"clock": Tokens(3)}, "does not say how many tokens"),
    ],
)
def test_what_does_not_fit_says_so(given, told):
    with pytest.raises(PolicyError, match=told):
        Simulation(Target(), FastSlow(LOST, AIM, **given)).run(1)


# -- what a decision takes of a model --------------------------------------------------------------


def scripted(**more):
    """Return a language mind whose agent x reads 3 words and writes x + 1."""
    script = {"say": lambda request: " ".join(["word"] * (1 + request.label.agent))}
    script |= {"go": {"yes": 1, "no": 3}}
    prompts = {"kind": {"say": {"agent": "You are {x}"}, "go": {"agent": "Go on {x} {options}"}}}
    return Language(Scripted(script), prompts, **more)


def shown(kind, space, n=4):
    return observe(kind, n, space, x=np.arange(n) if kind == "say" else np.arange(n) // 2)


def test_a_language_mind_says_what_each_decision_took():
    """Of a reply what was read and written; of scored options the prompt, in every order."""
    mind = scripted()
    said = asyncio.run(mind.act(shown("say", Text(99))))
    assert said.tokens.tolist() == [3 + 1 + x for x in range(4)]
    (asked,) = mind.report()
    assert said.tokens.sum() == asked.tokens_in + asked.tokens_out
    for mind in (scripted(orders=2), Surrogate(scripted(orders=2))):
        chosen = asyncio.run(mind.act(shown("go", Choice(["yes", "no"]))))
        one, two = chosen.tokens[:2].tolist()
        assert one == two > 2 * 4 - 1  # two agents share a prompt of four words: both took it
    spend = scripted(orders=2)
    chosen = asyncio.run(spend.act(shown("go", Choice(["yes", "no"]))))
    (asked,) = spend.report()
    assert chosen.tokens[::2].sum() == asked.tokens_in + asked.tokens_out
    none = asyncio.run(spend.act(shown("other", Text(9))))
    assert none.tokens.tolist() == [0] * 4


def test_what_wraps_a_language_mind_passes_it_on():
    silent = Language(Scripted({}), {"kind": {"go": {"agent": "x"}}})
    both = Fallback(silent, to=scripted())
    assert asyncio.run(both.act(shown("say", Text(99)))).tokens.tolist() == [4, 5, 6, 7]
    team = Team([Scripted(lambda request: "a b c")], single)
    found = asyncio.run(team.act(shown("say", Text(99), 2)))
    (counts,) = team.report()
    assert found.tokens.sum() == counts["tokens_in"] + counts["tokens_out"] > 0


def test_the_tokens_of_a_language_mind_are_the_ticks_of_its_thoughts():
    """Agent x reads 3 words and writes x + 1: at 2 a tick its answer lands after 2 + x / 2."""

    class Diary(World):
        def __init__(self):
            self.people, self.log = Population(4), []

        async def step(self, minds):
            said = await minds.ask("say", self.people, Text(99), x=np.arange(4))
            self.log = [*self.log, [text != "-" for text in said.values]]

        def measure(self):
            return {"none": 0}

    world = Diary()
    mind = FastSlow(Rule(lambda o: ["-"] * len(o)), scripted(), clock=Tokens(2))
    Simulation(world, mind).run(9)
    first = np.argmax(np.array(world.log), axis=0)
    assert first.tolist() == [math.ceil((4 + x) / 2) for x in range(4)]
