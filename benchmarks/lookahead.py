"""What imagining costs, and what it gains for its cost.

``python benchmarks/lookahead.py`` times, by turns in one run, ticks of worlds in which nobody looks
ahead, and the same ticks with one agent who tries one candidate more than its own (two futures of
one tick): a future's cost in ticks. Then it lets a rule, `LookAhead` and `TreeSearch` walk over
random tables (10 states, 3 actions, 4 decisions) with the same number of futures and with more, and
tells how much of the way from the rule to the optimum each of them goes. Costs are in CPU seconds.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from _measure import by_turns_fresh, report
from populace import (
    Cast,
    Choice,
    Forked,
    LookAhead,
    Population,
    Rule,
    Simulation,
    TreeSearch,
    World,
)
from populace.worlds.commons import Commons

WALKS, STATES, DECISIONS = 25, 10, 4
ACTIONS = Choice(["a", "b", "c"])


class Town(World):
    """People who choose to stay at home or not, ten columns each, one of whom looks ahead."""

    def __init__(self, n: int) -> None:
        columns = {f"column{i}": np.float64 for i in range(9)}
        self.people = Population(n, gain=np.float64, **columns)

    async def step(self, minds: Any) -> None:
        people = self.people
        home = await minds.ask("stay", people, Choice(["out", "home"]), see=["column1"])
        people.gain += np.where(home.values, 1.0, minds.stream("luck").uniform(people))
        people.column1 += home.values


class Walk(World):
    """An agent walks over a table of where an action leads and what it pays."""

    def __init__(self, leads: Any, pays: Any) -> None:
        self.leads, self.pays, self.left = leads, pays, DECISIONS
        self.people = Population(1, state=np.int32, gain=np.float64)

    @property
    def done(self) -> bool:
        return not self.left

    async def step(self, minds: Any) -> None:
        state, self.left = self.people.state.copy(), self.left - 1
        answers = await minds.ask("go", self.people, ACTIONS, see=["state"])
        self.people.gain += self.pays[state, answers.values]
        self.people.state = self.leads[state, answers.values]


def ticking(make: Any, policy: Any, looks: bool, ticks: int) -> Any:
    """Return a function that runs a fresh simulation for some ticks."""

    def run() -> None:
        world = make()
        people = next(p for p in vars(world).values() if isinstance(p, Population))
        ahead = LookAhead(policy, Forked(), 1, 2, score=lambda future: 0.0, propose=Other(policy))
        minds = {"rule": policy, "ahead": ahead}
        last = np.arange(len(people)) == len(people) - 1
        assign = {"rule": ~last, "ahead": last} if looks else {"rule": np.ones_like(last)}
        Simulation(world, Cast(minds, assign=assign), seed=1).run(ticks)

    return run


class Other:
    """Proposes something else than a policy does."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy

    def act(self, o: Any) -> Any:
        own = np.broadcast_to(np.asarray(self.policy.act(o)), (len(o),))
        return 1 - own if isinstance(o.space, Choice) else own / 2


def walks(mind: Any) -> tuple[float, float]:
    """Return the share of the way from rule to optimum, and the mean number of futures a run."""
    gained = possible = futures = 0.0
    for seed in range(WALKS):
        draws = np.random.default_rng(seed)
        leads, pays = draws.integers(0, STATES, (STATES, 3)), draws.random((STATES, 3)) ** 3
        rule = draws.integers(0, 3, STATES)
        best, own = np.zeros(STATES), np.zeros(STATES)
        for _ in range(DECISIONS):
            best = (pays + best[leads]).max(axis=1)
            own = (pays + own[leads])[np.arange(STATES), rule]
        policy = Rule(go=lambda o, rule=rule: rule[o["state"]])
        world = Walk(leads, pays)
        run = Simulation(world, mind(policy), seed=1).run(DECISIONS)
        gained += float(world.people.gain[0]) - own[0]
        possible += best[0] - own[0]
        futures += run.minds.filter(run.minds["measure"] == "futures")["value"].sum()
    return gained / possible, futures / WALKS


def main() -> None:
    small, half = Rule(harvest=lambda o: o["share"]), Rule(lambda o: np.zeros(len(o), np.uint8))
    cases = {
        "commons, 1 game of 5": (lambda: Commons(months=10**6, whole=False), small, 40),
        "commons, 200 games of 5": (
            lambda: Commons(games=200, months=10**6, whole=False), small, 10,
        ),
        "town of 1,000": (lambda: Town(1_000), half, 40),
        "town of 100,000": (lambda: Town(100_000), half, 10),
    }  # fmt: skip
    rows = []
    for name, (make, policy, ticks) in cases.items():
        rivals = {
            "nobody": ticking(make, policy, False, ticks),
            "one": ticking(make, policy, True, ticks),
            "start": ticking(make, policy, False, 0),
        }
        fresh = {key: (lambda run=run: run) for key, run in rivals.items()}
        seconds = by_turns_fresh(fresh, repeats=3, clock="cpu")
        tick, one, start = (float(np.median(seconds[k])) for k in ("nobody", "one", "start"))
        plain = (tick - start) / ticks
        rows.append(
            {
                "case": name,
                "tick_ms": round(1e3 * plain, 3),
                "future_in_ticks": round((one - tick) / ticks / 2 / plain, 2),
            }
        )
    gains = []
    for name, mind in {
        "LookAhead": lambda p: LookAhead(p, depth=DECISIONS, breadth=3, score="gain"),
        "TreeSearch, as many": lambda p: TreeSearch(p, None, DECISIONS, 3, "gain", calls=3),
        "TreeSearch, 4 times": lambda p: TreeSearch(p, None, DECISIONS, 3, "gain", calls=12),
        "TreeSearch, all": lambda p: TreeSearch(p, None, DECISIONS, 3, "gain", calls=None),
    }.items():
        share, futures = walks(mind)
        gains.append({"mind": name, "share": round(share, 3), "futures": round(futures, 1)})
    for row in (*rows, *gains):
        print(*(f"{k} {v}" for k, v in row.items()), sep="; ", file=sys.stderr)
    report("lookahead", {"costs": rows, "gains": gains})


if __name__ == "__main__":
    main()
