"""The limit that a discussion agreed on: read by a rule, or by a member, told to all, enforced by
nobody."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace import Cast, Rule, Simulation
from populace.kernel.columns import column
from populace.language.embedding import Hashed
from populace.language.memory import Memory
from populace.language.policy import Language
from populace.language.scripted import Scripted
from populace.records.checkpoints import Checkpoints
from populace.worlds.commons import PROMPTS, REMEMBERING, Commons
from populace.worlds.commons.agreement import read_limit
from populace.worlds.commons.rules import careful
from populace.worlds.commons.scenes import SCENES
from populace.worlds.seats import by_seat


def speaker(number: float) -> Rule:
    """Takes its share, and names a number."""
    return Rule(harvest=careful, speak=lambda o: column([f"Let us take {number:g} each."] * len(o)))


def played(seats: dict[str, int], months: int = 4, minds: Any = None, **options: Any) -> Any:
    world = Commons(months=months, discussion="turns", **options)
    policies = {**world.policies(), **(minds or {})}
    run = Simulation(world, by_seat(policies, seats, world.people), seed=3).run(months)
    return world, run


# -- the rule that reads -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "members", "limit"),
    [
        ([("A", "10 tons each"), ("B", "Yes, 10."), ("C", "I want 30")], 3, 10),
        ([("A", "12, or rather 10"), ("B", "ten? 10!")], 2, 10),
        ([("A", "20"), ("B", "10"), ("A", "fine, 10")], 2, 10),  # the last word counts
        (
            [("A", "10"), ("A", "agreed?"), ("B", "10")],
            2,
            10,
        ),  # not without a number
        ([("A", "9.5"), ("B", "9.5")], 3, 9.5),
        ([("A", "10"), ("B", "10")], 4, math.nan),  # half is no majority
        ([("A", "10"), ("B", "11")], 2, math.nan),
        ([("A", "500 of 2024"), ("B", "500")], 2, math.nan),  # no limit that can be
        ([("A", "plan B2, 3rd of May"), ("B", "x10")], 2, math.nan),  # no numbers
        ([], 5, math.nan),
    ],
)
def test_a_limit_is_what_most_members_named_last(words: Any, members: int, limit: float) -> None:
    assert read_limit(words, members, 100) == pytest.approx(limit, nan_ok=True)


@given(named=st.lists(st.integers(0, 9), max_size=9), silent=st.integers(0, 5))
def test_it_is_the_strict_majority_and_nothing_else(named: list[int], silent: int) -> None:
    words = [(str(i), f"not more than {number}") for i, number in enumerate(named)]
    members = len(named) + silent
    most = [n for n in set(named) if 2 * named.count(n) > members]
    found = read_limit(words, members, 100)
    assert found == most[0] if most else math.isnan(found)


# -- in the world --------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", SCENES)
def test_careful_members_agree_on_their_share_and_keep_it(scene: Any) -> None:
    world, run = played({"careful": 3, "loyal": 2}, scene=scene, agreement="read", games=2)
    shares = run.metrics["limit"].to_list()
    assert shares == [float(world._share(world.stock, np.array([5, 5]))[0])] * 4
    assert run.metrics["agreed"].to_list() == [1.0] * 4
    assert run.metrics["kept"].to_list() == [None, 1.0, 1.0, 1.0]
    limit = f"{shares[0]:g}"
    assert world.said[0][-1] == f"{SCENES[scene].chair}: {SCENES[scene].agreed}".replace(
        "{limit}", limit
    )


def test_the_loyal_take_what_was_agreed_and_the_greedy_do_not() -> None:
    minds = {"modest": speaker(4)}
    world, run = played({"modest": 3, "loyal": 1, "random": 1}, 2, minds, agreement="read")
    assert run.metrics["limit"].to_list() == [4.0, 4.0]
    assert world.people.harvest[3] == 4
    # three modest members take their share of 10 all the same: one of five harvests, or two
    took = world.people.harvest <= 4
    assert world.results()["kept"][0] == took.mean()
    world, run = played({"modest": 2, "loyal": 3}, 2, minds, agreement="read")
    assert run.metrics["limit"].to_list() == [None, None]  # two of five: no agreement
    assert world.people.harvest.tolist() == [10] * 5


def test_reading_changes_nothing_but_for_those_who_heed_it() -> None:
    seats = {"careful": 2, "follower": 2, "random": 1}
    plain, _ = played(seats, games=3)
    read, _ = played(seats, games=3, agreement="read")
    np.testing.assert_array_equal(plain.people.gain, read.people.gain)
    assert plain.events == read.events
    assert "limit" not in plain.measure()


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("memory", [False, True])
def test_a_member_is_asked_and_otherwise_the_rule_reads(scene: Any, memory: bool) -> None:
    """The first seat is a model that finds 7, then nothing; nobody else is asked."""
    prompts: list[str] = []

    def reply(request: Any) -> str:
        if request.label.kind == "limit":
            prompts.append(request.messages[-1].content)
            return '{"answer": %s}' % (7 if request.label.tick == 0 else -1)
        return '{"answer": 12}' if request.label.kind == "harvest" else "Let us be wise."

    files = REMEMBERING if memory else PROMPTS
    kept = Memory(k=2, embed=Hashed(64)) if memory else None
    minds = {"model": Language(Scripted(reply), files[scene], memory=kept)}
    seats = {"model": 1, "careful": 3, "loyal": 1}
    _, run = played(seats, 2, minds, scene=scene, agreement="asked")
    assert run.metrics["limit"][0] == 7
    if run.metrics.height > 1:
        assert run.metrics["limit"][1] is None
    assert "Kate: I propose" in prompts[0]
    assert '{"answer": NUMBER}' in prompts[0]
    assert len(prompts) == run.metrics.height
    _, run = played({"careful": 4, "loyal": 1}, 2, scene=scene, agreement="asked")
    _, read = played({"careful": 4, "loyal": 1}, 2, scene=scene, agreement="read")
    assert run.metrics["limit"].to_list() == read.metrics["limit"].to_list() != [None, None]


def test_agreements_go_on_from_a_checkpoint(tmp_path: Any) -> None:
    def make() -> tuple[Commons, Cast]:
        world = Commons(games=3, discussion="turns", agreement="asked", newcomer=3)
        names = ("careful", "loyal", "random")
        return world, Cast({n: world.policies()[n] for n in names}, shares=dict.fromkeys(names, 1))

    straight, cast = make()
    Simulation(straight, cast, seed=6).run(8)
    broken, cast = make()
    every = Checkpoints(every_ticks=1)
    Simulation(broken, cast, seed=6).run(4, to=tmp_path / "run", checkpoint=every)
    world, cast = make()
    Simulation.resume(tmp_path / "run", world=world, cast=cast).run(4)
    np.testing.assert_array_equal(world.agreed, straight.agreed)
    np.testing.assert_array_equal(world.kept, straight.kept)
    np.testing.assert_array_equal(world.people.gain, straight.people.gain)
