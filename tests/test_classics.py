"""The classic worlds keep the kernel's rules, and the command line can list and make them."""

from __future__ import annotations

import pytest

from populace import Cast, Simulation, World
from populace.kernel.parameters import parameters
from populace.testing import check_world
from populace.worlds.contagion import Contagion
from populace.worlds.opinion import Opinion
from populace.worlds.segregation import Segregation
from populace.worlds.wealth import Wealth

WORLDS = {
    "SEIR": lambda: Contagion(400, transmission=0.1, seeds=0.05),
    "SIS": lambda: Contagion(300, disease="SIS", network="watts-strogatz", seeds=0.1),
    "degroot": lambda: Opinion(300, model="degroot", network="barabasi-albert"),
    "hegselmann-krause": lambda: Opinion(300, model="hegselmann-krause"),
    "deffuant": lambda: Opinion(301, model="deffuant", network="erdos-renyi"),
    "segregation": lambda: Segregation(side=20),
    "wealth": lambda: Wealth(301),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_rules_of_the_kernel_are_kept(name: str) -> None:
    def mixed() -> Cast:
        minds = WORLDS[name]().policies()
        return Cast(minds, dict.fromkeys(minds, 1))

    check_world(WORLDS[name], mixed, ticks=5).raise_if_failed()


@pytest.mark.parametrize("name", WORLDS)
def test_charts_draw_what_is_measured(name: str) -> None:
    world = WORLDS[name]()
    simulation = Simulation(world, Cast(world.policies(), world.shares()), seed=1)
    simulation.run(2)
    measured = world.measure()
    assert {m for chart in world.charts for m in chart.measures} <= set(measured)
    assert all(chart.by is None or chart.by in world.axes for chart in world.charts)


@pytest.mark.parametrize("world", [Contagion, Opinion, Segregation, Wealth])
def test_every_parameter_says_what_it_is(world: type[World]) -> None:
    for parameter in parameters(world).values():
        assert parameter.doc
        assert not parameter.required
