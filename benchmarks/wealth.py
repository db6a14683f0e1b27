"""Random pairs that split their money at random: populace and the same model in mesa.

    python benchmarks/wealth.py [--agents 20000] [--ticks 10] [--repeats 3]

The mesa model is written as its tutorials do: agents shuffled, paired, one method call a pair, and
the Gini coefficient collected each tick. `populace, a million` is a population of its own.
"""

from __future__ import annotations

import argparse
from typing import Any

from _measure import by_turns_fresh, ratio, report, spread
from populace import Cast, Simulation, threads
from populace.worlds.wealth import Wealth

START = 10_000


def populace_run(n: int, ticks: int, limit: int, ends: dict[str, float], name: str) -> Any:
    def prepare() -> Any:
        world = Wealth(n, money=START)
        simulation = Simulation(world, Cast(world.policies(), world.shares()), seed=3)

        def run() -> None:
            with threads(limit):
                ends[name] = simulation.run(ticks).metrics["gini"][-1]

        return run

    return prepare


def mesa_run(n: int, ticks: int, ends: dict[str, float]) -> Any:
    import mesa

    class Trader(mesa.Agent):
        def __init__(self, model: Any) -> None:
            super().__init__(model)
            self.money = START

        def trade(self, other: Any) -> None:
            pot = self.money + other.money
            self.money = self.random.randint(0, pot)
            other.money = pot - self.money

    class Market(mesa.Model):
        def __init__(self) -> None:
            super().__init__(seed=3)
            Trader.create_agents(self, n)
            self.datacollector = mesa.DataCollector(model_reporters={"gini": self.gini})

        def gini(self) -> float:
            money = sorted(self.agents.get("money"))
            ranks = sum((2 * i - n + 1) * m for i, m in enumerate(money))
            return ranks / (n * sum(money))

        def step(self) -> None:
            order = list(self.agents.shuffle())
            for one, other in zip(order[::2], order[1::2], strict=True):
                one.trade(other)
            self.datacollector.collect(self)

    def prepare() -> Any:
        model = Market()

        def run() -> None:
            for _ in range(ticks):
                model.step()
            ends["mesa"] = model.gini()

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
    populace_run(10, 2, 1, {}, "")()()  # compiles
    agents = {"populace": n, "populace, 1 thread": n, "populace, a million": 10**6, "mesa": n}
    seconds = by_turns_fresh(
        {
            "populace": populace_run(n, ticks, 2, ends, "populace"),
            "populace, 1 thread": populace_run(n, ticks, 1, ends, "populace, 1 thread"),
            "populace, a million": populace_run(10**6, ticks, 2, ends, "populace, a million"),
            "mesa": mesa_run(n, ticks, ends),
        },
        args.repeats,
        args.clock,
    )
    report(
        "wealth",
        {
            "agents": agents,
            "ticks": ticks,
            "repeats": args.repeats,
            "clock": args.clock,
            "million_agent_steps_per_second": {
                name: spread([agents[name] * ticks / s / 1e6 for s in times])
                for name, times in seconds.items()
            },
            "ratio": {
                f"{name} / mesa": ratio(seconds[name], seconds["mesa"])
                for name in ("populace", "populace, 1 thread")
            },
            "gini": {name: round(value, 4) for name, value in ends.items()},
        },
        "mesa",
    )


if __name__ == "__main__":
    main()
