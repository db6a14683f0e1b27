"""Schelling's world: neighbours by an independent count, absorbing states, published likeness."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from populace import Cast, Rule, Simulation
from populace.errors import ParameterError
from populace.worlds.segregation import Segregation, likeness


def simulate(world: Segregation, seed: int = 1, cast: object = None, ticks: int = 100):
    cast = Cast(world.policies(), world.shares()) if cast is None else cast
    return Simulation(world, cast, seed=seed).run(ticks)


def check(world: Segregation) -> None:
    """Every agent has a cell of its own, and the grid says who lives where."""
    people = world.people
    assert len(np.unique(people.cell)) == len(people)
    np.testing.assert_array_equal(world.cells[people.cell], people.group)
    assert np.count_nonzero(world.cells) == len(people)


def test_likeness_is_counted_as_by_hand() -> None:
    world = Segregation(side=17, vacant=0.5)
    simulate(world, ticks=2)
    cells = world.cells.reshape(17, 17)
    share = likeness(world.grid, world.cells).reshape(17, 17)
    for y, x in np.argwhere(cells):
        around = [
            cells[(y + dy) % 17, (x + dx) % 17]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if dy or dx
        ]
        lived = [c for c in around if c]
        like = sum(c == cells[y, x] for c in lived) / len(lived) if lived else 1.0
        assert share[y, x] == np.float32(like)


def test_agents_are_conserved_whatever_they_decide() -> None:
    for vacant in (0.05, 0.4):
        world = Segregation(side=30, vacant=vacant, first=0.3)
        groups = np.bincount(world.people.group)
        simulation = Simulation(world, Rule(move=lambda o: o.random.bernoulli(p=0.7)), seed=2)
        for _ in range(15):
            before = world.people.cell.copy()
            simulation.run(1)
            check(world)
            np.testing.assert_array_equal(np.bincount(world.people.group), groups)
            assert np.count_nonzero(before != world.people.cell) == world.moves
    with pytest.raises(ParameterError):
        Segregation(vacant=1.0)


def test_a_full_grid_leaves_nowhere_to_go() -> None:
    world = Segregation(side=12, vacant=0.0)
    run = simulate(world, cast=Rule(move=lambda o: True), ticks=3)
    assert run.metrics["moves"].sum() == 0


def test_random_placement_is_unlike_its_own() -> None:
    """At the start the mean likeness is (n1 (n1 - 1) + n2 (n2 - 1)) / (n (n - 1)), about 1/2."""
    means = []
    for seed in range(20):
        world = Segregation(side=60, first=0.35)
        Simulation(world, Rule(move=lambda o: False), seed=seed)
        means.append(world.measure()["similarity"])
    n = len(world.people)
    a, b = np.bincount(world.people.group)[1:]
    expected = (a * (a - 1) + b * (b - 1)) / (n * (n - 1))
    error = stats.t.ppf(1 - 5e-7, 19) * np.std(means, ddof=1) / math.sqrt(20)
    assert abs(np.mean(means) - expected) < error < 0.02


def test_mild_wishes_segregate() -> None:
    """Wanting 30 % like neighbours ends at about 70 % of them; wanting 50 %, well above 80 %.

    The first figure is that of Wilensky's NetLogo Segregation model (1997), Info tab; both are
    Schelling's (1971) point. Likeness rises, and all end content.
    """
    for tolerance, low, high in [(0.3, 0.68, 0.78), (0.5, 0.80, 0.95)]:
        world = Segregation(side=80, tolerance=tolerance, vacant=0.1)
        run = simulate(world, ticks=300)
        similarity = run.metrics["similarity"]
        assert run.metrics["content"][-1] == 1.0
        assert low < similarity[-1] < high
        assert similarity[0] < similarity[-1]


def test_a_content_state_is_absorbing() -> None:
    world = Segregation(side=40, tolerance=0.3)
    simulation = Simulation(world, Cast(world.policies(), world.shares()), seed=5)
    simulation.run(200)
    assert world.measure()["content"] == 1.0
    before = world.people.cell.copy()
    run = simulation.run(20)
    np.testing.assert_array_equal(world.people.cell, before)
    assert run.metrics["moves"].sum() == 0


def test_minds_that_want_a_mix_keep_one() -> None:
    apart, mixed = Segregation(side=50), Segregation(side=50)
    a = simulate(apart, 3, apart.policies()["schelling"], 60)
    b = simulate(mixed, 3, mixed.policies()["mixing"], 60)
    assert b.metrics["similarity"][-1] < a.metrics["similarity"][-1]
    check(mixed)


def test_the_map_adds_up() -> None:
    world = Segregation(side=37, vacant=0.2, first=0.4)
    run = simulate(world, ticks=3)
    shares = run.by.filter(run.by["tick"] == 2)["value"].to_numpy()
    edges = np.append(np.arange(10) * 37 // 10, 37)
    cells = world.cells.reshape(37, 37)
    for block, share in enumerate(shares):
        (y, x) = divmod(block, 10)
        part = cells[edges[y] : edges[y + 1], edges[x] : edges[x + 1]]
        assert share == (part == 1).sum() / (part > 0).sum()
