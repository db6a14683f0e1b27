"""Looking ahead: equal to dynamic programming where it sees all, honest where it cannot."""

from __future__ import annotations

import asyncio
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import (
    Budget,
    Cast,
    Choice,
    Habit,
    Language,
    Number,
    Population,
    Rule,
    Simulation,
    Survey,
    Text,
    World,
)
from populace.errors import ParameterError, PolicyError
from populace.language.scripted import Scripted
from populace.policies.lookahead import Forked, LookAhead, TreeSearch
from populace.testing import check_policy, observe
from populace.testing.fingerprint import differences, of_run
from populace.worlds.commons import Commons
from populace.worlds.commons.rules import careful, random
from tests.test_imagining import COIN, WAYS, Banker, Lottery

CAREFUL, RANDOM = Rule(harvest=careful), Rule(harvest=random)
THREE = Choice(["a", "b", "c"])


class Walk(World):
    """Each agent walks over the states of a table: where an action leads, and what it pays."""

    def __init__(self, leads: Any, pays: Any, months: int = 3, agents: int = 1) -> None:
        self.leads, self.pays, self.months, self.month = leads, pays, months, 0
        self.people = Population(agents, state=np.int32, total=np.float64)

    @property
    def done(self) -> bool:
        return self.month >= self.months

    async def step(self, minds: Any) -> None:
        people = self.people
        state = people.state.copy()
        answers = await minds.ask("go", people, THREE, state=state, month=self.month)
        people.state = self.leads[state, answers.values]
        paid = self.pays[state, answers.values]
        people.total += paid
        minds.tell("paid", people, reward=paid)
        self.month += 1

    def measure(self) -> dict[str, float]:
        return {"total": float(self.people.total.sum())}


def tables(seed: int, states: int = 4) -> tuple[Any, Any, Any]:
    """Return random tables of a world, and a policy's action in each state."""
    draws = np.random.default_rng(seed)
    leads = draws.integers(0, states, (states, 3))
    return leads, draws.integers(0, 10, (states, 3)).astype(float), draws.integers(0, 3, states)


def values(leads: Any, pays: Any, months: int, policy: Any = None) -> Any:
    """Return what can be had from each state in that many months, or what a policy gets."""
    worth = np.zeros(len(leads))
    for _ in range(months):
        both = pays + worth[leads]
        worth = both.max(axis=1) if policy is None else both[np.arange(len(leads)), policy]
    return worth


def walked(mind: Any, leads: Any, pays: Any, months: int, **settings: Any) -> float:
    world = Walk(leads, pays, months, **settings)
    Simulation(world, mind, seed=1).run(months)
    return float(world.people.total.sum())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_a_tree_searched_to_its_end_is_dynamic_programming(seed: int, months: int) -> None:
    leads, pays, actions = tables(seed)
    policy = Rule(go=lambda o: actions[o["state"]])
    for score in ("reward", "total"):
        mind = TreeSearch(policy, depth=months, breadth=3, score=score, calls=None)
        assert walked(mind, leads, pays, months) == values(leads, pays, months)[0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_one_decision_looked_ahead_at_is_the_rollout_policy(seed: int, months: int) -> None:
    leads, pays, actions = tables(seed)
    policy = Rule(go=lambda o: actions[o["state"]])
    mind = LookAhead(policy, depth=months, breadth=3)
    state = total = 0
    for left in range(months - 1, -1, -1):  # by hand: the first best of r(s, a) + V(s'), own first
        worth = pays[state] + values(leads, pays, left, actions)[leads[state]]
        own = actions[state]
        order = [own, *(a for a in range(3) if a != own)]
        action = max(order, key=lambda a: worth[a])
        total, state = total + pays[state, action], leads[state, action]
    assert walked(mind, leads, pays, months) == total
    assert total >= values(leads, pays, months, actions)[0]


def test_agents_of_one_world_each_look_ahead_for_themselves() -> None:
    leads, pays, actions = tables(3)
    policy = Rule(go=lambda o: actions[o["state"]])
    alone = walked(LookAhead(policy, depth=4, breadth=3), leads, pays, 4)
    assert walked(LookAhead(policy, depth=4, breadth=3), leads, pays, 4, agents=5) == 5 * alone


@pytest.mark.parametrize(("capacity", "months"), [(100, 12), (20, 5)])
def test_one_fisher_takes_the_optimum_of_the_commons(capacity: int, months: int) -> None:
    """(T - 1) f(0) + K, f(0) = K / 2: sustain to the last month, then take all."""
    world = Commons(fishers=1, months=months, capacity=capacity)
    mind = LookAhead(CAREFUL, depth=months, breadth=11 if capacity > 20 else 21, propose="grid")
    Simulation(world, mind, seed=1).run(months)
    assert world.people.gain.sum() == (months - 1) * capacity / 2 + capacity


def test_a_tree_finds_the_optimum_of_the_commons_from_a_random_fisher() -> None:
    world = Commons(fishers=1, months=3, capacity=4, collapse=0)
    mind = TreeSearch(RANDOM, depth=3, breadth=5, score="gain", calls=None)
    Simulation(world, mind, seed=1).run(3)
    assert world.people.gain.sum() == 2 * 2 + 4


def test_a_limit_of_calls_is_kept_and_more_calls_do_no_worse() -> None:
    leads, pays, actions = tables(11, states=6)
    policy = Rule(go=lambda o: actions[o["state"]])
    best = values(leads, pays, 4)[0]
    for calls in (1, 3, 12, None):
        mind = TreeSearch(policy, depth=4, breadth=3, calls=calls)
        world = Walk(leads, pays, 4)
        run = Simulation(world, mind, seed=1).run(4)
        futures = run.minds.filter(run.minds["measure"] == "futures")["value"].to_list()
        if calls is None:
            assert world.people.total[0] == best
            assert futures == [3 + 9 + 27 + 81, 3 + 9 + 27, 3 + 9, 3]
        else:
            assert max(futures) <= calls


# -- what stays as it is ---------------------------------------------------------------------------


def note(o: Any) -> Any:
    return np.array([f"{i}: {u:.3f}" for i, u in zip(o.ids, o.random.uniform(), strict=True)])


def made(mind: Any) -> Any:
    world = Commons(games=2, fishers=3, discussion="turns", reflection=True)
    minds = {"careful": CAREFUL, "other": Rule(harvest=random, reflect=note), "mind": mind}
    return Simulation(world, Cast(minds, dict.fromkeys(minds, 1)), seed=4, panel=10).run(5)


@pytest.mark.parametrize(
    "mind",
    [
        LookAhead(RANDOM, depth=0),
        LookAhead(RANDOM, depth=2, breadth=1),
        LookAhead(RANDOM, depth=2, kinds=["speak"]),
        LookAhead(RANDOM, depth=2, breadth=4, score=lambda future: 0.0),
        TreeSearch(RANDOM, depth=2, breadth=2, calls=5, score=lambda future: 0.0),
    ],
    ids=["no depth", "one proposal", "another kind", "all alike", "a tree, all alike"],
)
def test_who_finds_nothing_better_does_as_its_policy(mind: Any) -> None:
    assert differences(of_run(made(RANDOM)), of_run(made(mind))) == []


def test_it_keeps_the_rules_of_the_kernel() -> None:
    report = check_policy(
        lambda: LookAhead(Habit(RANDOM, inertia=0.5), Forked(futures=2), depth=2, breadth=3),
        world=lambda: Commons(games=2, fishers=2),
        ticks=3,
        seeds=(0,),
    )
    assert report.passed, report


def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path: Any) -> None:
    mind = LookAhead(RANDOM, depth=3, breadth=4, score="gain")
    whole = Simulation(Commons(), mind, seed=4, panel=5).run(6)
    first = LookAhead(RANDOM, depth=3, breadth=4, score="gain")
    Simulation(Commons(), first, seed=4, panel=5).run(3, tmp_path / "run", checkpoint="1")
    again = LookAhead(RANDOM, depth=3, breadth=4, score="gain")
    run = Simulation.resume(tmp_path / "run", Commons(), again).run(3)
    assert differences(of_run(whole), of_run(run)) == []


# -- chance ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", WAYS)
def test_nobody_guesses_better_than_by_chance_unless_clairvoyant(how: str) -> None:
    n = 60
    shares = {}
    for clairvoyant in (False, True):
        world = Lottery(how, n)
        mind = LookAhead(Rule(guess=lambda o: 0), Forked(clairvoyant=clairvoyant), score="won")
        Simulation(world, {"people": mind, "bank": Banker()}, seed=2).run(3)
        shares[clairvoyant] = world.people.won.sum() / (3 * n)
    assert shares[True] == 1
    assert abs(shares[False] - 0.5) < 6 * 0.5 / np.sqrt(3 * n)


class Stocks(World):
    """A sure gain of 1/2 against one of 1 with probability p."""

    def __init__(self, p: float, n: int) -> None:
        self.p, self.people = p, Population(n, alone=np.arange(n), risky=np.bool_)

    async def step(self, minds: Any) -> None:
        bought = await minds.ask("buy", self.people, Choice(["safe", "risky"]))
        self.people.risky = bought.values == 1
        gain = minds.stream("gain").bernoulli(self.people, self.p)
        minds.tell("paid", self.people, reward=np.where(self.people.risky, gain, 0.5))


@pytest.mark.parametrize("futures", [1, 3, 9])
def test_the_mean_of_k_futures_errs_as_the_binomial_says(futures: int) -> None:
    p, n = 0.6, 2000
    world = Stocks(p, n)
    model = Forked(futures=futures, apart="alone")
    Simulation(world, LookAhead(Rule(buy=lambda o: 0), model), seed=3).run(1)
    law = sum(
        comb(futures, k) * p**k * (1 - p) ** (futures - k)
        for k in range(futures + 1)
        if k > futures / 2
    )
    sd = np.sqrt(law * (1 - law) / n)
    assert abs(world.people.risky.mean() - law) < 6 * sd


# -- others ----------------------------------------------------------------------------------------


def test_games_apart_may_share_a_fork() -> None:
    """Where units are rationed by proportion, no game's draws depend on another's."""
    runs, futures = [], []
    for apart in ("", "game"):
        world = Commons(games=6, fishers=3, whole=False)
        mind = LookAhead(RANDOM, Forked(apart=apart), depth=2, breadth=3, score="gain")
        run = Simulation(world, mind, seed=9, panel=20).run(3)
        runs.append(of_run(run))
        futures.append(run.minds.filter(run.minds["measure"] == "futures")["value"].sum())
    assert differences(*runs) == []
    assert futures[0] == 6 * futures[1]


class Match(World):
    """Pairs gain by doing the same."""

    def __init__(self) -> None:
        self.people, self.others = Population(4, met=np.int32), Population(4)

    async def step(self, minds: Any) -> None:
        mine = await minds.ask("do", self.people, THREE)
        yours = await minds.ask("do", self.others, THREE)
        self.people.met += mine.values == yours.values


def test_others_act_as_they_are_cast_or_as_one_imagines_them() -> None:
    first, last = Rule(do=lambda o: 0), Rule(do=lambda o: 2)
    for others, right in ((None, True), (first, False), ({"them": last}, True)):
        world = Match()
        mind = LookAhead(Rule(do=lambda o: 1), Forked(others=others), score="met")
        cast = {"people": mind, "others": Cast({"them": last})}
        Simulation(world, cast, seed=1).run(1)
        assert (world.people.met == right).all()


def test_who_would_die_is_not_scored() -> None:
    class Cliff(World):
        def __init__(self) -> None:
            self.people = Population(3, gain=np.float64)

        async def step(self, minds: Any) -> None:
            jump = await minds.ask("jump", self.people, COIN)
            jumping = jump.values == 1
            self.people.gain += 10.0 * jumping
            self.people.remove(np.flatnonzero(jumping))

    world = Cliff()
    mind = LookAhead(Rule(jump=lambda o: 0), score="gain")
    run = Simulation(world, mind, seed=1).run(1)
    assert len(world.people) == 3
    told = dict(zip(run.minds["measure"], run.minds["value"], strict=True))
    assert told["unscored"] == 3
    assert told["changed"] == 0


# -- cost ------------------------------------------------------------------------------------------


def test_what_it_took_is_counted() -> None:
    world = Commons(games=2, fishers=2, whole=False)
    mind = LookAhead(CAREFUL, Forked(futures=3), depth=4, breadth=5, propose="grid", score="gain")
    run = Simulation(world, mind, seed=1).run(1)
    told = dict(zip(run.minds["measure"], run.minds["value"], strict=True))
    n, candidates = 4, 5  # the own proposal, 25 of 100, lies on the grid
    assert told["candidates"] == n * candidates
    assert told["decisions"] == n
    assert told["futures"] == n * candidates * 3
    assert told["imagined_ticks"] <= told["futures"] * 4
    assert told["unscored"] == 0


PROMPTS = {"kind": {"harvest": {"agent": "There are {stock}."}, "speak": {"agent": "Say it."}}}


def test_imagined_minds_spend_under_a_name_of_their_own() -> None:
    answers = Scripted(lambda request: "10")
    cast = {
        "me": LookAhead(CAREFUL, depth=2, breadth=3, propose="grid", kinds=["harvest"]),
        "model": Language(answers, PROMPTS),
    }
    world = Commons(fishers=2, games=1)
    cast_ = Cast(cast, assign={"me": [0], "model": [1]})
    run = Simulation(world, cast_, seed=1, budget=Budget(calls=1000)).run(1)
    spent = {row["policy"]: row["logical_calls"] for row in run.spend.to_dicts()}
    told = dict(zip(run.minds["measure"], run.minds["value"], strict=True))
    assert spent["model"] == 1
    assert spent["me (imagined)"] == told["imagined_decisions"] - told["imagined_ticks"]


def test_a_spent_budget_ends_imagination_as_it_ends_decisions() -> None:
    answers = Scripted(lambda request: "10")
    world = Commons(fishers=2, games=1)
    cast = Cast(
        {
            "me": LookAhead(CAREFUL, depth=2, breadth=4, propose="grid"),
            "model": Language(answers, PROMPTS),
        },
        assign={"me": [0], "model": [1]},
    )
    run = Simulation(world, cast, seed=1, budget=Budget(calls=3)).run(2)
    assert run.spend["billed_calls"].sum() == 3


def test_texts_are_proposed_and_the_one_with_the_best_end_is_said() -> None:
    class Persuasion(World):
        def __init__(self) -> None:
            self.people = Population(2, score=np.float64)

        async def step(self, minds: Any) -> None:
            said = await minds.ask("speak", self.people, Text(20))
            self.said = list(said.values)
            self.people.score = np.array([len(text) for text in said.values], float)

    words = ["a", "of", "the", "word", "words"]
    model = Scripted(lambda request: words[request.sample % 5])
    world = Persuasion()
    mind = LookAhead(Language(model, PROMPTS, draws=100), breadth=5, score="score")
    run = Simulation(world, mind, seed=1).run(1)
    told = dict(zip(run.minds["measure"], run.minds["value"], strict=True))
    assert told["candidates"] > 4
    assert all(len(text) >= 3 for text in world.said)


# -- errors ----------------------------------------------------------------------------------------


def test_settings_are_checked() -> None:
    with pytest.raises(ParameterError, match="clairvoyant"):
        Forked(futures=2, clairvoyant=True)
    with pytest.raises(ParameterError, match="'grid' or a policy"):
        LookAhead(CAREFUL, propose="greed")
    with pytest.raises(ParameterError, match="depth"):
        LookAhead(CAREFUL, depth=-1)


def test_a_model_may_be_settings_as_a_file_holds_them() -> None:
    assert LookAhead(CAREFUL, {"futures": 3, "apart": "game"}).model.futures == 3
    imagined = {"model": Scripted(lambda request: "x"), "goal": "Earn.", "samples": 5}
    assert LookAhead(CAREFUL, imagined).model.goal == "Earn."
    with pytest.raises(ParameterError, match="no setting 'future'; did you mean 'futures'"):
        LookAhead(CAREFUL, {"future": 3})
    with pytest.raises(ParameterError, match="futures"):
        LookAhead(CAREFUL, {"futures": 0})


@pytest.mark.parametrize(
    ("mind", "message"),
    [
        (
            LookAhead(CAREFUL, breadth=3, propose="grid", score="gian"),
            "'gian' is no column of 'people'",
        ),
        (LookAhead(CAREFUL, breadth=3, propose="grid", score=lambda f: [1, 2]), r"got \(2,\)"),
        (LookAhead(CAREFUL, Forked(apart="gme"), breadth=3, propose="grid"), "no column 'gme'"),
    ],
)
def test_what_fits_no_world_is_an_error_at_the_first_decision(mind: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Simulation(Commons(), mind).run(1)


def test_a_grid_needs_bounds() -> None:
    class Free(World):
        def __init__(self) -> None:
            self.people = Population(1)

        async def step(self, minds: Any) -> None:
            await minds.ask("pay", self.people, Number(0))

    with pytest.raises(ParameterError, match="both bounds for a grid"):
        Simulation(Free(), LookAhead(Rule(pay=lambda o: 1.0), propose="grid")).run(1)


def test_outside_of_a_simulation_there_is_nothing_to_fork() -> None:
    with pytest.raises(PolicyError, match="no world to fork"):
        asyncio.run(LookAhead(Rule(go=lambda o: 0)).act(observe("go", 2, THREE)))


def test_in_a_survey_the_policy_answers() -> None:
    leads, pays, actions = tables(3)
    policy = Rule(go=lambda o: actions[o["state"]], view=lambda o: 1)
    survey = Survey(at=1, questions={"view": ("Well?", THREE)})
    plain = Simulation(Walk(leads, pays), LookAhead(policy, depth=2, breadth=3), seed=1).run(3)
    simulation = Simulation(
        Walk(leads, pays), LookAhead(policy, depth=2, breadth=3), seed=1, surveys=survey
    )
    run = simulation.run(3)
    assert differences(of_run(plain), of_run(run)) == []
    assert run.surveys["label"].to_list() == ["b"]


def test_what_was_foreseen_stands_beside_the_decision() -> None:
    leads, pays, actions = tables(3)
    mind = LookAhead(Rule(go=lambda o: actions[o["state"]]), depth=1, breadth=3)
    run = Simulation(Walk(leads, pays), mind, seed=1).run(1)
    told = run.exchanges.filter(run.exchanges["kind"] == "go")["notes"].to_list()[0]
    order = [actions[0], *(a for a in range(3) if a != actions[0])]
    foreseen = "\n".join(f"{'abc'[a]}: {pays[0, a]:g}" for a in order)
    assert told == [{"what": "foreseen", "text": foreseen}]
