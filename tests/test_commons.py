"""The commons: thresholds and optima against exhaustive search, rules against closed forms."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Cast, Rule, Simulation, Team
from populace.errors import CastError, ParameterError
from populace.kernel.streams import Streams
from populace.language import Scripted
from populace.language.embedding import Hashed
from populace.language.memory import Memory
from populace.language.policy import Language
from populace.records.checkpoints import Checkpoints
from populace.teams.structures.debate import debate
from populace.testing import check_world
from populace.worlds.commons import PROMPTS, REMEMBERING, Commons
from populace.worlds.commons.resource import Resource, ration
from populace.worlds.commons.rules import Proportional, careful
from populace.worlds.commons.scores import equality
from populace.worlds.seats import by_seat

GOOD, BAD = Resource(), Resource(bad=True)


def played(mind: Any, months: int = 12, seed: int = 1, **parameters: Any) -> Commons:
    world = Commons(**parameters)
    mind = world.policies()[mind] if isinstance(mind, str) else mind
    Simulation(world, mind, seed=seed).run(months)
    return world


# -- thresholds and optima ---------------------------------------------------------------------


@pytest.mark.parametrize("resource", [GOOD, Resource(90, 3.0), Resource(100, 1.25)])
def test_the_threshold_is_the_largest_harvest_that_grows_back(resource: Resource) -> None:
    for stock in range(int(resource.capacity) + 1):
        grows = [x for x in range(stock + 1) if resource.growth * (stock - x) >= stock - 1e-9]
        assert math.floor(resource.sustainable(stock) + 1e-9) == max(grows)


def test_the_threshold_of_a_bad_is_the_least_that_keeps_it_from_growing_and_the_house() -> None:
    for stock in range(101):
        enough = [x for x in range(stock + 1) if stock - x + 50 <= stock and stock - x <= 45]
        assert BAD.sustainable(stock) == (min(enough) if enough else stock)


@pytest.mark.parametrize("resource", [GOOD, Resource(60, 3.0, 4.0)])
def test_the_optimum_is_what_exhaustive_search_finds(resource: Resource) -> None:
    """Dynamic programming over whole stocks; a harvest that leaves too little ends the game."""

    @cache
    def best(stock: int, months: int) -> int:
        if months == 0:
            return 0
        totals = []
        for left in range(stock + 1):
            lives = left >= resource.collapse
            more = best(int(resource.grown(left)), months - 1) if lives else 0
            totals.append(stock - left + more)
        return max(totals)

    for months in range(1, 13):
        assert best(int(resource.capacity), months) == pytest.approx(resource.optimum(months))


def test_the_least_effort_that_keeps_the_house_is_what_exhaustive_search_finds() -> None:
    @cache
    def least(stock: int, months: int) -> float:
        if months == 0:
            return 0
        kept = range(min(stock, 45) + 1)
        return min(stock - left + least(int(BAD.grown(left)), months - 1) for left in kept)

    for months in range(1, 13):
        assert least(100, months) == BAD.optimum(months) == BAD.sustained(months)


@pytest.mark.parametrize("scene", ["fishery", "pasture", "pollution"])
def test_sustainable_shares_last_for_ever_and_earn_the_sustained_total(scene: Any) -> None:
    for mind, total in (("careful", 600), ("follower", 600), ("planner", 650)):
        found = played(mind, scene=scene, games=2).results()
        assert found["gain"].tolist() == [total, total]  # T f(0), and (T - 1) f(0) + K
        assert found["lasted"].tolist() == [12, 12]
        assert found["efficiency"].tolist() == [1, 1]
        assert found["equality"].tolist() == [1, 1]
        assert found["overuse"].tolist() == [0 if total == 600 else 1 / 12] * 2


def test_the_three_goods_are_one_game_told_thrice() -> None:
    goods = ("fishery", "pasture", "pollution")
    runs = [played("random", scene=scene, games=9).people.gain for scene in goods]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


def test_a_house_is_kept_by_the_share_and_lost_by_idleness() -> None:
    kept = played("careful", scene="house").results()
    assert (kept["gain"], kept["efficiency"], kept["overuse"]) == (605, 1, 0)
    lost = played("greedy", scene="house").results()
    assert (lost["lasted"], lost["gain"], lost["efficiency"], lost["overuse"]) == (1, 0, 0, 1)
    # what the study tells its agents, ten each, is too little for its own limit in a full house
    assert played(Rule(harvest=lambda o: 10), scene="house").results()["lasted"] == 1


def test_greed_ends_in_the_first_month() -> None:
    assert GOOD.collapse_month(1.0) == 1
    world = played("greedy", games=50)
    assert set(world.results()["lasted"].tolist()) == {1}
    assert set(world.results()["gain"].tolist()) == {100}


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 1.0), st.sampled_from([1.5, 2.0, 3.0]))
def test_a_fixed_portion_collapses_in_the_month_of_the_closed_form(
    portion: float, growth: float
) -> None:
    resource = Resource(growth=growth)
    month = resource.collapse_month(portion)
    left = 100.0  # not where rounding decides
    for _ in range(30):
        left = min(100.0, left) * (1 - portion)
        if abs(left - 5) < 1e-6:
            return
        left *= growth
    world = Commons(months=30, growth=growth, whole=False)
    Simulation(world, Proportional(portion), seed=1).run(30)
    assert world.lasted[0] == min(month, 30)
    assert world.playing[0] == (month > 30)


# -- mixed casts -------------------------------------------------------------------------------


def test_the_stock_of_a_mixed_cast_is_the_mean_fields() -> None:
    """Linear shares: h' = min(K, 2 h (1 - mean portion)), game by game, and on average at first."""
    portions = {"low": 0.3, "high": 0.9}
    world = Commons(games=400, whole=False, months=6)
    cast = Cast({n: Proportional(p) for n, p in portions.items()}, shares={"low": 2, "high": 1})
    simulation = Simulation(world, cast, seed=3)
    each = np.array(list(portions.values()))[cast.codes].reshape(400, 5).mean(axis=1)
    assert 0.49 < each.mean() < 0.51  # 0.5 of all agents: shares are exact to one agent
    stock, alive = np.full(400, 100.0), np.ones(400, bool)
    for month in range(6):
        simulation.run(1)
        left = stock * (1 - each)
        if month == 0:
            assert world.people.harvest.sum() == pytest.approx(400 * 100 * each.mean())
        alive &= left >= 5
        stock = np.where(alive, np.minimum(100, 2 * left), left)
        np.testing.assert_array_equal(world.playing, alive)
        np.testing.assert_allclose(world.stock[alive], stock[alive], rtol=1e-9)


def test_random_harvests_have_the_mean_and_spread_of_their_law() -> None:
    world = played("random", months=1, games=4000, whole=False)
    took, n = world.people.harvest, 20_000  # uniform on [0, 20): mean 10, variance 400 / 12
    assert abs(took.mean() - 10) < 5 * math.sqrt(400 / 12 / n)
    assert abs(took.var() - 400 / 12) < 5 * math.sqrt((400**2 / 80 - (400 / 12) ** 2) / n)


def test_a_follower_takes_the_others_share_of_the_stock() -> None:
    world = Commons()
    minds = {**world.policies(), "taker": Proportional(0.9)}
    cast = by_seat(minds, {"follower": 4, "taker": 1}, world.people)
    simulation = Simulation(world, cast, seed=1)
    simulation.run(1)
    assert world.people.harvest.tolist() == [10, 10, 10, 10, 18]
    simulation.run(1)  # 84 tons; the others took (3 * 10 + 18) / 4 of 100: a follower takes 10.08
    assert world.people.harvest.tolist() == [10, 10, 10, 10, 15]
    with pytest.raises(CastError, match="5 seats"):
        by_seat(minds, {"follower": 3}, world.people)


def test_a_greedy_newcomer_ends_a_commons_that_lasted() -> None:
    world = played("village", games=3, newcomer=4)
    assert world.shares() == {"village": 1.0}
    found = world.results()
    assert found["lasted"].tolist() == [4, 4, 4]
    # four take 12 of 100 for three months; then five share the lake as 10, 10, 10, 10 and the rest
    assert (world.people.gain[:4] == 46).all()
    assert world.people.gain[4] == 60
    assert found["overuse"].tolist() == [1 / 17] * 3  # of 4 + 4 + 4 + 5 harvests
    assert played("village", newcomer=13).results()["gain"] == 12 * 48
    with pytest.raises(ParameterError, match="newcomer"):
        Commons(fishers=1, newcomer=2)


# -- conservation, rationing, scores -----------------------------------------------------------


def test_units_are_conserved_month_by_month() -> None:
    for parameters in ({}, {"allocation": "proportional"}, {"whole": False}, {"scene": "house"}):
        world = Commons(games=60, **parameters)
        wild = Rule(harvest=lambda o: np.floor(o.random.uniform() ** 4 * o["stock"]))
        simulation, taken = Simulation(world, wild, seed=4), np.zeros(300)
        while not world.done:
            before, playing = world.stock.copy(), world.playing.copy()
            simulation.run(1)
            took = world.people.harvest.reshape(60, 5).sum(axis=1)
            assert (took[~playing] == 0).all()
            left = before - took
            assert (left >= -1e-9).all()
            on = world.playing
            np.testing.assert_allclose(world.stock[on], world.resource.grown(left)[on])
            np.testing.assert_array_equal(on, playing & ~world.resource.collapsed(left))
            taken += world.people.harvest
        np.testing.assert_allclose(world.people.gain, taken)


TABLES = st.lists(
    st.tuples(st.lists(st.integers(0, 40), min_size=4, max_size=4), st.integers(0, 90)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(TABLES, st.sampled_from(["random", "proportional"]), st.booleans())
def test_a_ration_gives_out_all_there_is_and_to_nobody_more_than_wanted(
    rows: Any, how: Any, whole: bool
) -> None:
    if how == "random" and not whole:
        return
    wanted = np.array([row for row, _ in rows], float)
    stock = np.array([amount for _, amount in rows], float)

    def rationed(n: int) -> Any:
        return ration(wanted[:n], stock[:n], how, whole, Streams(1).stream("ration"))

    got = rationed(len(rows))
    assert (got <= wanted + 1e-9).all()
    np.testing.assert_allclose(got.sum(axis=1), np.minimum(stock, wanted.sum(axis=1)))
    if whole:
        np.testing.assert_array_equal(got, np.floor(got))
    np.testing.assert_array_equal(got[:1], rationed(1))  # whatever the other games do
    if how == "proportional":
        share = wanted * (stock / np.maximum(1, wanted.sum(axis=1)))[:, None]
        assert (np.abs(got - np.minimum(wanted, share)) < (len(got[0]) if whole else 1e-6)).all()


def test_a_random_ration_is_multinomial_while_nobody_is_content() -> None:
    """Five who want all of 100 units: each gets Binomial(100, 1/5)."""
    games = 2000
    wanted = np.full((games, 5), 100.0)
    got = ration(wanted, np.full(games, 100.0), "random", True, Streams(5).stream("ration"))
    for seat in range(5):  # mean 20, variance 16, fourth central moment about 3 * 16^2
        assert abs(got[:, seat].mean() - 20) < 5 * math.sqrt(16 / games)
        assert abs(got[:, seat].var() - 16) < 5 * 16 * math.sqrt(2 / games)


def test_equality_is_one_less_gini() -> None:
    gains = np.array([[1.0, 0, 0, 0, 9], [2, 2, 2, 2, 2], [0, 0, 0, 0, 0], [3, 1, 0, 0, 0]])
    members = np.ones((4, 5), bool)
    members[0, 4], members[3, 2:] = False, False
    found = equality(gains, members)
    np.testing.assert_allclose(found[[0, 1, 3]], [1 - 3 / 4, 1, 1 - 4 / (2 * 2 * 4)])
    assert np.isnan(found[2])


# -- texts -------------------------------------------------------------------------------------


def replies(asked: dict[tuple[str, int, int], str]) -> Any:
    def reply(request: Any) -> str:
        label = request.label
        text = "\n".join(message.content for message in request.messages)
        asked[label.kind, label.agent, label.tick] = text
        if label.kind == "harvest":
            return '{"answer": 10}' if label.agent else "as many as I like"
        return f"{label.kind} of {label.agent} in {label.tick}"

    return reply


@pytest.mark.parametrize("scene", list(PROMPTS))
def test_a_language_model_harvests_talks_and_remembers(scene: Any) -> None:
    asked: dict[tuple[str, int, int], str] = {}
    world = Commons(scene, discussion="turns", reflection=True, universalisation=True, months=2)
    mind = Language(Scripted(replies(asked)), PROMPTS[scene])
    run = Simulation(world, mind, seed=1).run(2)
    outcomes = run.asks.filter(run.asks["kind"] == "harvest")
    assert outcomes["invalid"].to_list()[0] == 1  # who does not name a number takes nothing
    assert world.people.harvest[0] == 0
    first = asked["harvest", 1, 0]
    share = "11" if scene == "house" else "10"
    for words in ("Your name is Kate", "100", "This is the first month.", f" {share} ", "notes"):
        assert words in first
    assert '{"answer": NUMBER}, where NUMBER is from 0 to 100.' in first
    assert "Kate: speak of 1 in 0" in asked["speak", 2, 0]
    assert "Emma: " not in asked["speak", 2, 0]  # in turns
    assert "Luke: speak of 4 in 0" in asked["reflect", 0, 0]
    if world.month > 1:
        assert "reflect of 1 in 0" in asked["harvest", 1, 1]
        assert "reflect of 2 in 0" not in asked["harvest", 1, 1]
        assert "Kate 10" in asked["harvest", 3, 1]
    assert (world.month > 1) == (scene != "house")  # lost in the first month, with one who idles


TOOK = {
    "fishery": "In month 2 I caught 10 tons; 60 tons were left in the lake.",
    "pasture": "In month 2 10 of my sheep grazed; 60 hectares of grass were left.",
    "pollution": "In month 2 I produced 10 pallets; 60 % of the water was left clean.",
}


@pytest.mark.parametrize("scene", TOOK)
def test_a_language_model_with_a_memory_is_reminded_of_what_it_was_told(scene: Any) -> None:
    asked: dict[tuple[str, int, int], str] = {}
    world = Commons(scene, discussion="together", reflection=True, months=3)
    memory = Memory(k=5, embed=Hashed(64))
    mind = Language(Scripted(replies(asked)), REMEMBERING[scene], memory=memory)
    Simulation(world, mind, seed=1).run(3)
    last = asked["harvest", 2, 2]
    assert "I noted in month 1: reflect of 2 in 0" in last
    assert TOOK[scene] in last
    assert "it was said: Mayor: Month" in last
    assert "reflect of 1" not in last
    kinds = memory.table(world.people)["kind"].value_counts()
    assert dict(kinds.rows()) == {"observation": 3 * 3 * 5}  # harvested, heard and noted


def test_what_is_not_revealed_is_not_seen() -> None:
    seen: list[Any] = []

    def look(o: Any) -> Any:
        seen.append((o["others"].copy(), list(o["events"])))
        return careful(o)

    played(Rule(harvest=look), months=3, reveal=False)
    for others, events in seen:
        assert np.isnan(others).all()
        assert set(events) == {"This is the first month."}


class Listener:
    """Hears everything; takes its share and says so."""

    def __init__(self) -> None:
        self.heard: dict[str, list[Any]] = {}

    def act(self, observation: Any) -> Any:
        if observation.kind == "harvest":
            return observation["share"]
        return np.array([f"{observation.kind} {i}" for i in observation.ids.tolist()], object)

    def hear(self, observation: Any) -> None:
        column = {"harvested": "reward", "heard": "words", "memory": "text"}[observation.kind]
        self.heard.setdefault(observation.kind, []).append(list(observation[column]))


def test_consequences_words_and_memories_are_told() -> None:
    mind = Listener()
    played(mind, months=2, games=2, discussion="together", reflection=True)
    assert mind.heard["harvested"][0] == [10] * 10
    assert mind.heard["memory"][1] == [f"reflect {i}" for i in range(10)]
    first, other = mind.heard["heard"][0][0], mind.heard["heard"][0][9]
    assert first.splitlines()[1:] == [f"{name}: speak {i}" for i, name in enumerate(NAMES)]
    assert "speak 9" in other
    assert "speak 4" not in other


NAMES = ("John", "Kate", "Jack", "Emma", "Luke")


def test_a_run_goes_on_from_a_checkpoint_to_the_same_end(tmp_path: Any) -> None:
    def make() -> tuple[Commons, Any]:
        world = Commons(games=3, discussion="turns", reflection=True, newcomer=3)
        names = ("follower", "random")
        minds = {"listener": Listener(), **{name: world.policies()[name] for name in names}}
        return world, Cast(minds, shares=dict.fromkeys(minds, 1))

    straight, cast = make()
    Simulation(straight, cast, seed=6).run(12)
    broken, cast = make()
    every = Checkpoints(every_ticks=1)
    Simulation(broken, cast, seed=6).run(5, to=tmp_path / "run", checkpoint=every)
    world, cast = make()
    Simulation.resume(tmp_path / "run", world=world, cast=cast).run(7)
    np.testing.assert_array_equal(world.people.gain, straight.people.gain)
    assert (world.events, world.said) == (straight.events, straight.said)
    assert world.notes == straight.notes


def test_the_rules_of_the_kernel_are_kept() -> None:
    def make() -> Commons:
        return Commons(games=4, discussion="turns", reflection=True, newcomer=3)

    def cast() -> Cast:
        names = ("careful", "greedy", "follower", "random", "planner", "proportional")
        return Cast({n: make().policies()[n] for n in names}, shares=dict.fromkeys(names, 1))

    check_world(make, cast, ticks=6).raise_if_failed()


def test_a_team_takes_a_seat_by_itself() -> None:
    world = Commons(months=2)
    model = Scripted(lambda request: "Answer: 7")
    team = Team([model, model, model], debate, rounds=1)
    run = Simulation(
        world, by_seat({**world.policies(), "team": team}, {"careful": 4, "team": 1}, world.people)
    )
    assert run.run(2).status == "finished"
    assert world.people.gain.tolist() == [20, 20, 20, 20, 14]
