"""The double auction of zero-intelligence traders: orders a second, beside a loop in plain Python.

    python benchmarks/auction.py [--markets 1000] [--steps 100] [--repeats 3]

`populace` asks one trader of each market at a tick, checks and records the answers, clears them
and scores the day; `loop` does the same trading a market after another, with objects and lists.
`books` is the clearing alone, on orders drawn beforehand.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

import numpy as np

from _measure import by_turns_fresh, ratio, report, spread
from populace import Cast, Simulation
from populace.worlds.auction import Auction
from populace.worlds.auction.clearing import Books
from populace.worlds.auction.schedules import named

SCHEDULE = "gode-sunder-1"


def populace_run(markets: int, steps: int, mind: str, ends: dict[str, float], name: str) -> Any:
    def prepare() -> Any:
        world = Auction(SCHEDULE, markets, days=1, steps=steps)
        simulation = Simulation(world, Cast({mind: world.policies()[mind]}), seed=3, panel=0)

        def run() -> None:
            simulation.run(steps)
            ends[name] = world.measure()["efficiency"]

        return run

    return prepare


def loop_run(markets: int, steps: int, ends: dict[str, float]) -> Any:
    schedule = named(SCHEDULE)
    most = schedule.equilibrium.surplus

    def day(draw: random.Random) -> int:
        units = [list(row) for row in (*schedule.values, *schedule.costs)]
        bid = ask = None
        surplus = 0
        for _ in range(steps):
            i = draw.choice([t for t in range(12) if units[t]])
            limit = units[i][0]
            if i < 6:
                price = draw.randint(1, limit)
                if bid and price <= bid[0]:
                    continue
                if ask and price >= ask[0]:
                    surplus += limit - units[ask[1]].pop(0)
                    units[i].pop(0)
                    bid = ask = None
                else:
                    bid = (price, i)
            else:
                price = draw.randint(limit, 200)
                if ask and price >= ask[0]:
                    continue
                if bid and price <= bid[0]:
                    surplus += units[bid[1]].pop(0) - limit
                    units[i].pop(0)
                    bid = ask = None
                else:
                    ask = (price, i)
        return surplus

    def prepare() -> Any:
        draw = random.Random(3)

        def run() -> None:
            ends["loop"] = sum(day(draw) for _ in range(markets)) / markets / most

        return run

    return prepare


def books_run(markets: int, steps: int) -> Any:
    schedule = named(SCHEDULE)

    def prepare() -> Any:
        draw = np.random.default_rng(3)
        books = Books([schedule] * markets)
        market = np.tile(np.arange(markets), steps)
        trader = draw.integers(0, 12, len(market))
        price = draw.integers(1, 201, len(market))
        return lambda: books.submit(market, trader, price)

    return prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markets", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    args = parser.parse_args()
    ends: dict[str, float] = {}
    kinds = {"populace": "zi-c", "populace, zip": "zip", "populace, gd": "gd"}
    for mind in kinds.values():
        populace_run(2, 5, mind, {}, "")()()  # compiles
    books_run(2, 2)()()
    runs = {
        name: populace_run(args.markets, args.steps, mind, ends, name)
        for name, mind in kinds.items()
    }
    runs |= {
        "loop": loop_run(args.markets, args.steps, ends),
        "books": books_run(args.markets, args.steps),
    }
    seconds = by_turns_fresh(runs, args.repeats, args.clock)
    asked = args.markets * args.steps
    report(
        "auction",
        {
            "markets": args.markets,
            "steps": args.steps,
            "repeats": args.repeats,
            "clock": args.clock,
            "thousand_orders_per_second": {
                name: spread([asked / s / 1e3 for s in times]) for name, times in seconds.items()
            },
            "ratio": {"populace / loop": ratio(seconds["populace"], seconds["loop"])},
            "efficiency": {name: round(share, 4) for name, share in ends.items()},
        },
    )


if __name__ == "__main__":
    main()
