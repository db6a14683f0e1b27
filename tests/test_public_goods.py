"""The public goods game: payoffs, fines and conditional cooperation against their closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from populace import Cast, Rule, Simulation
from populace.language import Scripted
from populace.language.policy import Language
from populace.records.checkpoints import Checkpoints
from populace.testing import check_world
from populace.worlds.public_goods import PROMPTS, PublicGoods
from populace.worlds.public_goods.facts import fixed_point, payoffs, slope
from populace.worlds.public_goods.rules import Conditional, Punisher, free_rider


def played(cast: Any, periods: int = 1, seed: int = 1, **parameters: Any) -> PublicGoods:
    world = PublicGoods(**parameters)
    mind = world.policies()[cast] if isinstance(cast, str) else cast
    Simulation(world, mind, seed=seed).run(periods)
    return world


def test_nash_and_full_contribution_pay_what_the_paper_says() -> None:
    assert set(played("free_rider").people.payoff.tolist()) == {20}
    assert set(played("altruist").people.payoff.tolist()) == {32}  # 4 * 0.4 * 20
    world = played("altruist", periods=10)
    assert set(world.people.earned.tolist()) == {320}
    assert world.measure()["full"] == 1


@settings(max_examples=30, deadline=None)
@given(
    st.integers(2, 6), st.integers(1, 5), st.floats(0, 1), st.floats(0, 4), st.floats(0, 4),
    st.booleans(), st.sampled_from(["partner", "stranger"]),
)  # fmt: skip
def test_what_is_paid_adds_up(
    size: int, groups: int, mpcr: float, cost: float, impact: float, whole: bool, matching: Any
) -> None:
    """sum pi = n y + (n a - 1) sum g - (cost + impact) sum p, for the whole and group by group."""

    def wild(o: Any) -> Any:
        draws = o.random.uniform(size=size - 1) * 10
        table = np.floor(draws) if whole else draws
        return dict(zip(o["members"], table.T, strict=True))

    def some(o: Any) -> Any:
        wanted = o.random.uniform() * 20
        return np.floor(wanted) if whole else wanted

    world = PublicGoods(
        groups, size, mpcr=mpcr, cost=cost, impact=impact, punishment=True, matching=matching,
        whole=whole,
    )  # fmt: skip
    simulation = Simulation(world, Rule(contribute=some, punish=wild), seed=2)
    for _ in range(2):
        simulation.run(1)
        people = world.people
        assert people.spent.sum() == pytest.approx(people.received.sum())
        for members in world.members:
            part = people[np.sort(members)]
            total = 20 * size + (size * mpcr - 1) * part["contribution"].sum()
            total -= cost * part["spent"].sum() + impact * part["received"].sum()
            assert part["payoff"].sum() == pytest.approx(total)
            assert part["spent"].sum() == pytest.approx(part["received"].sum())  # who pays, fines


def test_to_give_a_unit_less_always_pays_its_giver() -> None:
    """Without punishment a unit kept earns 1 - a, whatever the others do: the dilemma."""
    others = np.random.default_rng(1).integers(0, 21, (500, 3))
    rows = [payoffs(np.column_stack([np.full(500, g), others]), 20, 0.4)[:, 0] for g in (7, 6)]
    np.testing.assert_allclose(rows[1] - rows[0], 1 - 0.4)
    assert slope(0.4, 3, 0.25, 0) == -0.6


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3), st.floats(0, 0.4), st.floats(0.1, 0.9))
def test_giving_all_is_the_best_reply_where_fines_exceed_what_a_unit_costs(
    punishers: int, severity: float, mpcr: float
) -> None:
    """Twenty-one groups side by side: in each, one member tries another contribution."""
    gain = slope(mpcr, 3.0, severity, punishers)
    assume(abs(gain) > 1e-6)
    world = PublicGoods(21, mpcr=mpcr, punishment=True, whole=False, most=100)
    Simulation(world, Rule(contribute=free_rider), seed=3)  # draws the groups
    seat = np.empty(84, int)
    seat[world.members] = np.arange(4)
    group = np.empty(84, int)
    group[world.members] = np.arange(21)[:, None]
    world = PublicGoods(21, mpcr=mpcr, punishment=True, whole=False, most=100)
    minds = {
        "tries": Rule(contribute=lambda o: group[o.ids].astype(float)),
        "punisher": Punisher(severity),
        "altruist": world.policies()["altruist"],
    }
    assign = {
        "tries": seat == 0,
        "punisher": (seat > 0) & (seat <= punishers),
        "altruist": seat > punishers,
    }
    assign = {name: who for name, who in assign.items() if who.any()}
    cast = Cast({name: minds[name] for name in assign}, assign=assign)
    Simulation(world, cast, seed=3).run(1)
    paid = world.people.payoff[world.members[:, 0]]
    np.testing.assert_allclose(np.diff(paid), gain, atol=1e-9)
    assert paid.argmax() == (20 if gain > 0 else 0)


@pytest.mark.parametrize("free_riders", [0, 1, 2])
def test_conditional_cooperation_follows_its_recursion_to_the_fixed_point(free_riders: int) -> None:
    a, b, n = 3.0, 0.7, 4
    world = PublicGoods(5, n, whole=False)
    Simulation(world, Rule(contribute=free_rider), seed=1)
    riders = np.zeros(20, bool)
    riders[world.members[:, :free_riders]] = True
    world = PublicGoods(5, n, whole=False)
    minds = {"conditional": Conditional(b, a), "free_rider": Rule(contribute=free_rider)}
    assign = {"conditional": ~riders, "free_rider": riders}
    cast = Cast(minds, assign=assign if free_riders else {"conditional": ~riders})
    simulation, c = Simulation(world, cast, seed=1), 10.0
    for period in range(60):
        simulation.run(1)
        if period:
            c = min(20.0, a + b * c * (n - free_riders - 1) / (n - 1))
        np.testing.assert_allclose(world.people.contribution[~riders], c)
    assert c == pytest.approx(fixed_point(b, a, n, free_riders), abs=1e-6)


def test_strangers_meet_by_chance_and_follow_the_mean_field() -> None:
    """E[c'] = intercept + slope * c (N_c - 1)/(N - 1): a stranger's others are a random sample."""
    world = PublicGoods(1000, whole=False, matching="stranger")
    minds = {"conditional": Conditional(0.9, 1.0), "free_rider": Rule(contribute=free_rider)}
    cast = Cast(minds, shares={"conditional": 3, "free_rider": 1})
    simulation = Simulation(world, cast, seed=8)
    simulation.run(1)
    cooperate = cast.codes == 0
    assert cooperate.sum() == 3000
    for _ in range(6):
        before = world.people.contribution[cooperate]
        again = world.members.copy()
        simulation.run(1)
        now = world.people.contribution[cooperate]
        expected = 1 + 0.9 * before.mean() * 2999 / 3999
        # each conditional sees three draws out of all; three thousand of them, in 1000 groups,
        # hear each contribution three times: the spread of 1000 independent group means bounds it
        everyone = np.concatenate([before, np.zeros(1000)])
        error = 0.9 * everyone.std() / math.sqrt(1000)
        assert abs(now.mean() - expected) < 5 * error
        met = sum(len(set(old) & set(new)) > 1 for old, new in zip(again, world.members))  # noqa: B905
        assert met < 30  # same two in the same place: about 1000 * 6 * 3 / 3999, 4.5, on average


def test_partners_stay() -> None:
    world = PublicGoods(10)
    simulation = Simulation(world, Rule(contribute=free_rider), seed=1)
    simulation.run(1)
    first = world.members.copy()
    simulation.run(3)
    np.testing.assert_array_equal(world.members, first)
    assert sorted(first.ravel()) == list(range(40))


def test_punishers_turn_a_conditional_fine_into_whole_points() -> None:
    world = played(Punisher(0.25), groups=1, punishment=True)
    assert world.people.received.tolist() == [0] * 4
    minds = {"punisher": Punisher(0.25), "free_rider": Rule(contribute=free_rider)}
    cast = Cast(minds, assign={"punisher": slice(0, 3), "free_rider": [3]})
    world = played(cast, groups=1, punishment=True)
    assert world.people.received.tolist() == [0, 0, 0, 15]  # 3 * 0.25 * 20
    assert world.people.payoff.tolist() == [19, 19, 19, -1]  # 24 - 5; 20 + 24 - 45


def test_a_language_model_gives_and_fines() -> None:
    asked: list[tuple[str, int, str]] = []

    def reply(request: Any) -> str:
        text = "\n".join(message.content for message in request.messages)
        asked.append((request.label.kind, request.label.agent, text))
        if request.label.kind == "contribute":
            return '{"answer": 5}' if request.label.tick else f'{{"answer": {request.label.agent}}}'
        return '{"A": 1, "B": 0, "C": 2}' if request.label.agent else "nobody"

    world = PublicGoods(1, punishment=True, matching="stranger")
    run = Simulation(world, Language(Scripted(reply), PROMPTS, draws=100), seed=1).run(2)
    invalid = run.asks.filter(run.asks["kind"] == "punish")["invalid"].to_list()
    assert invalid[0] >= 1
    assert set(world.people.contribution.tolist()) == {5}
    first = next(text for kind, _, text in asked if kind == "contribute")
    for words in ("4 members", "20 units", "earns 0.4", "Groups are drawn anew", "may assign"):
        assert words in first
    later = [text for kind, _, text in asked if kind == "contribute" and "period 2" in text]
    assert all("Last period you gave" in text and "You earned" in text for text in later)
    fines = next(text for kind, _, text in asked if kind == "punish")
    for words in ("A gave", "C gave", "costs you 1", "takes 3", '"C"'):
        assert words in fines


def test_a_run_goes_on_from_a_checkpoint_to_the_same_end(tmp_path: Any) -> None:
    def make() -> PublicGoods:
        return PublicGoods(4, matching="stranger", punishment=True)

    straight, broken, world = make(), make(), make()
    Simulation(straight, seed=6).run(9)
    every = Checkpoints(every_ticks=1)
    Simulation(broken, seed=6).run(4, to=tmp_path / "run", checkpoint=every)
    Simulation.resume(tmp_path / "run", world=world).run(5)
    np.testing.assert_array_equal(world.people.earned, straight.people.earned)
    np.testing.assert_array_equal(world.members, straight.members)
    assert world.past == straight.past


def test_the_rules_of_the_kernel_are_kept() -> None:
    def cast() -> Cast:
        minds = {n: m for n, m in PublicGoods().policies().items() if n != "language"}
        return Cast(minds, shares=dict.fromkeys(minds, 1))

    for matching in ("partner", "stranger"):
        check_world(
            lambda m=matching: PublicGoods(4, matching=m, punishment=True),  # type: ignore[misc]
            cast,
            ticks=4,
        ).raise_if_failed()
