"""Donors who look at images: populace and the same game agent by agent in plain Python.

    python benchmarks/donor.py [--agents 20000] [--ticks 10] [--repeats 3]

The binary game, random pairs, image scoring beside defectors. The loop shuffles a list of agents,
each an object with a rule and an image, and lets every second one decide by itself. Both end with
the same share of gifts, within chance. `populace, a million` is a population of its own.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from typing import Any

from _measure import by_turns_fresh, ratio, report, spread
from populace import Simulation
from populace.worlds.donor import Donor

SHARE = 0.7  # of discriminators


def populace_run(n: int, ticks: int, ends: dict[str, float], name: str) -> Any:
    def prepare() -> Any:
        world = Donor(
            agents=n, rounds=ticks, binary=True, pairing="random", selection="imitation",
            endowment=100, words="none", rules="image_scoring=7,keep=3", generations=1,
        )  # fmt: skip
        simulation = Simulation(world, seed=3, panel=0)

        def run() -> None:
            ends[name] = simulation.run(ticks).metrics["giving"][-1]

        return run

    return prepare


@dataclass
class Agent:
    discriminates: bool
    good: bool = True
    resources: float = 100.0

    def gives(self, other: Agent) -> bool:
        return self.discriminates and other.good


def loop_run(n: int, ticks: int, ends: dict[str, float]) -> Any:
    def prepare() -> Any:
        draws = random.Random(3)
        agents = [Agent(i < SHARE * n) for i in range(n)]

        def run() -> None:
            given = 0
            for _ in range(ticks):
                draws.shuffle(agents)
                given = 0
                for donor, recipient in zip(agents[::2], agents[1::2], strict=True):
                    donor.good = donor.gives(recipient)
                    if donor.good:
                        donor.resources -= 1
                        recipient.resources += 2
                        given += 1
            ends["loop"] = given / (n // 2)

        return run

    return prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=int, default=20_000, help="even")
    parser.add_argument("--ticks", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    args = parser.parse_args()
    n, ticks = args.agents, args.ticks
    ends: dict[str, float] = {}
    populace_run(10_000, 3, {}, "")()()  # compiles
    agents = {"populace": n, "populace, a million": 10**6, "loop": n}
    seconds = by_turns_fresh(
        {
            "populace": populace_run(n, ticks, ends, "populace"),
            "populace, a million": populace_run(10**6, ticks, ends, "populace, a million"),
            "loop": loop_run(n, ticks, ends),
        },
        args.repeats,
        args.clock,
    )
    report(
        "donor",
        {
            "agents": agents,
            "ticks": ticks,
            "repeats": args.repeats,
            "clock": args.clock,
            "million_decisions_per_second": {
                name: spread([agents[name] / 2 * ticks / s / 1e6 for s in times])
                for name, times in seconds.items()
            },
            "ratio": {"populace / loop": ratio(seconds["populace"], seconds["loop"])},
            "giving": {name: round(value, 4) for name, value in ends.items()},
        },
    )


if __name__ == "__main__":
    main()
