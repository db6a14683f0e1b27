"""What one `minds.ask` costs: a fixed part, and a part an agent, for a vectorised rule.

    python benchmarks/ask.py [--agents 1000000] [--repeats 200]

Timed inside a world's `step`, as worlds ask: grouping by mind, the observation, the rule, the check
against the space, the outcomes and their counting, the panel. The fixed part is the cost for one
agent; the part an agent is the further cost of `--agents` of them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

from _measure import report, spread
from populace import Cast, Choice, Number, Population, Rule, Simulation, World

YES_NO, SHARE = Choice(["no", "yes"]), Number(0.0, 1.0)


class Asking(World):
    """Asks the same question again and again, and keeps how long each ask took."""

    def __init__(self, n: int, space: Any, some: bool, repeats: int) -> None:
        self.people = Population(n, level=np.linspace(0.0, 1.0, n), even=np.arange(n) % 2 == 0)
        self._space, self._some, self._repeats = space, some, repeats
        self.seconds: list[float] = []

    async def step(self, minds: Any) -> None:
        for _ in range(self._repeats):
            who = self.people[self.people.even] if self._some else self.people
            begun = time.perf_counter()
            await minds.ask("act", who, self._space, see=["level"], fact=1.0)
            self.seconds.append(time.perf_counter() - begun)


CASES: dict[str, tuple[Any, Any, bool, bool]] = {  # space, rule, a part only, two minds
    "choice, one value for all": (YES_NO, lambda o: False, False, False),
    "choice, by a column": (YES_NO, lambda o: o["level"] > 0.5, False, False),
    "number, a column as it is": (SHARE, lambda o: o["level"], False, False),
    "choice, by a column, half the people": (YES_NO, lambda o: o["level"] > 0.5, True, False),
    "choice, by a column, two minds": (YES_NO, lambda o: o["level"] > 0.5, False, True),
}


def measure(case: tuple[Any, Any, bool, bool], n: int, repeats: int) -> list[float]:
    """Return the seconds of each ask after the first."""
    space, rule, some, two = case
    world = Asking(n, space, some, repeats + 1)
    minds = {"one": Rule(act=rule)} | ({"other": Rule(act=rule)} if two and n > 1 else {})
    Simulation(world, Cast(minds, dict.fromkeys(minds, 1)), seed=1).run(1)
    return world.seconds[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=float, default=1e6)
    parser.add_argument("--repeats", type=int, default=200)
    args = parser.parse_args()
    n = int(args.agents)
    figures = {}
    for name, case in CASES.items():
        small = measure(case, 1, args.repeats)
        large = measure(case, n, max(5, args.repeats // 10))
        asked = (n + 1) // 2 if case[2] else n
        fixed = statistics.median(small)
        figures[name] = {
            "fixed_us": spread(small, 1e6),
            "ns_per_agent": spread([(s - fixed) / asked for s in large], 1e9),
        }
    report("ask", {"agents": n, "repeats": args.repeats, "target": "100 us + 5 ns", **figures})


if __name__ == "__main__":
    main()
