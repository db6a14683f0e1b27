"""Schelling's segregation on a torus: populace and mesa's own Schelling example.

    python benchmarks/segregation.py [--side 300] [--ticks 10] [--repeats 3]

Same grid, density and wanted share of like neighbours, unhappy agents moving to random vacant
cells. mesa moves them one after another and populace all at once, which changes the path but not
the kind of end. Both keep their measures each tick; `populace, a million` is a grid of its own.
"""

from __future__ import annotations

import argparse
from typing import Any

from _measure import by_turns_fresh, ratio, report, spread
from populace import Cast, Simulation, threads
from populace.worlds.segregation import Segregation

VACANT, TOLERANCE = 0.1, 0.4


def populace_run(side: int, ticks: int, limit: int, ends: dict[str, float], name: str) -> Any:
    def prepare() -> Any:
        world = Segregation(side=side, vacant=VACANT, tolerance=TOLERANCE)
        simulation = Simulation(world, Cast(world.policies(), world.shares()), seed=3)

        def run() -> None:
            with threads(limit):
                simulation.run(ticks)
            ends[name] = world.measure()["content"]

        return run

    return prepare


def mesa_run(side: int, ticks: int, ends: dict[str, float]) -> Any:
    from mesa.examples.basic.schelling.model import Schelling

    def prepare() -> Any:
        model = Schelling(side, side, density=1 - VACANT, homophily=TOLERANCE, seed=3)

        def run() -> None:
            for _ in range(ticks):
                model.step()
            ends["mesa"] = model.happy / len(model.agents)

        return run

    return prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=300)
    parser.add_argument("--ticks", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    args = parser.parse_args()
    ends: dict[str, float] = {}
    populace_run(20, 2, 1, {}, "")()()  # compiles
    one, many = "populace, 1 thread", "populace, a million"
    sides = {"populace": args.side, one: args.side, many: 1054, "mesa": args.side}
    seconds = by_turns_fresh(
        {
            "populace": populace_run(args.side, args.ticks, 2, ends, "populace"),
            "populace, 1 thread": populace_run(
                args.side, args.ticks, 1, ends, "populace, 1 thread"
            ),
            many: populace_run(1054, args.ticks, 2, ends, many),
            "mesa": mesa_run(args.side, args.ticks, ends),
        },
        args.repeats,
        args.clock,
    )
    agents = {name: round(side**2 * (1 - VACANT)) for name, side in sides.items()}
    report(
        "segregation",
        {
            "agents": agents,
            "ticks": args.ticks,
            "repeats": args.repeats,
            "clock": args.clock,
            "million_agent_steps_per_second": {
                name: spread([agents[name] * args.ticks / s / 1e6 for s in times])
                for name, times in seconds.items()
            },
            "ratio": {
                f"{name} / mesa": ratio(seconds[name], seconds["mesa"])
                for name in ("populace", one)
            },
            "content": {name: round(share, 4) for name, share in ends.items()},
        },
        "mesa",
    )


if __name__ == "__main__":
    main()
