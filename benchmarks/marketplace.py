"""The marketplace of rules: decisions a second and memory, beside a loop in plain Python.

    python benchmarks/marketplace.py [--markets 300] [--repeats 3]

A day of markets of 33 customers and 99 businesses each, with truthful businesses and customers who
wait for all and take the cheapest offer that fits; the pages of the search are found beforehand.
`populace` asks every business and customer, checks and records the answers, writes the offers in
words and scores the day; `loop` asks and pays the same, a customer after another, with dictionaries
and the same words, and must reach the same welfare. `first day` includes the search.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from _measure import by_turns_fresh, peak_memory_mib, ratio, report, spread
from populace import Simulation
from populace.worlds.marketplace import Marketplace


def simulation(markets: int) -> tuple[Marketplace, Simulation]:
    world = Marketplace(markets=markets)
    minds = world.policies()
    casts = {"customers": minds["perfect"], "businesses": minds["truthful"]}
    return world, Simulation(world, casts, seed=3, panel=0)


def populace_run(
    markets: int, searched: bool, ends: dict[str, float], asked: dict[str, int]
) -> Any:
    def prepare() -> Any:
        world, made = simulation(markets)
        if searched:
            made.run(1)

        def run() -> None:
            asks = made.run(1).asks
            if searched:
                asked["decisions"] = int(asks["agents"].sum())
                ends["populace"] = world.measure()["welfare"]

        return run

    return prepare


def loop_run(markets: int, ends: dict[str, float]) -> Any:
    """Return the same day with a dictionary a business, from the pages that populace finds."""

    def prepare() -> Any:
        world, made = simulation(markets)
        made.run(1)
        day = world.day
        shops = []
        for each in world.each:
            for name, prices, has in zip(each.names, each.prices, each.has, strict=True):
                menu = {i: p for i, p in enumerate(prices.tolist()) if p == p}
                shops.append({"name": name, "menu": menu, "has": set(np.flatnonzero(has))})
        people = []
        for each in world.each:
            for order, wants in zip(each.orders, each.wants, strict=True):
                people.append(([i for i in order.tolist() if i >= 0], set(np.flatnonzero(wants))))
        pages = day.page.tolist()
        values = world.customers.value.tolist()

        def run() -> None:
            total = 0.0
            for i, (order, wants) in enumerate(people):
                offers = []
                for row in pages[i]:
                    shop = shops[row]
                    menu = shop["menu"]
                    if not all(good in menu for good in order):
                        continue
                    price = round(sum(menu[good] for good in order), 2)
                    fits = wants <= shop["has"]
                    words = "We have all you ask for." if fits else "We do not have all of it."
                    line = f"{shop['name']}: {price:.2f} for all of it. It writes: {words}"
                    offers.append((price, fits, line))
                    text = "\n".join(f"{k}. {each[2]}" for k, each in enumerate(offers, 1))
                    assert text  # what it reads as each offer comes
                good = [price for price, fits, _ in offers if fits and price <= values[i]]
                if good:
                    total += values[i] - min(good)
            ends["loop"] = total / float(world.customers.optimum.sum())

        return run

    return prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markets", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="cpu")
    args = parser.parse_args()
    ends: dict[str, float] = {}
    asked: dict[str, int] = {}
    populace_run(2, True, {}, {})()()  # compiles
    seconds = by_turns_fresh(
        {
            "populace": populace_run(args.markets, True, ends, asked),
            "first day": populace_run(args.markets, False, ends, asked),
            "loop": loop_run(args.markets, ends),
        },
        args.repeats,
        args.clock,
    )
    assert abs(ends["populace"] - ends["loop"]) < 1e-9, ends
    report(
        "marketplace",
        {
            "customers": 33 * args.markets,
            "decisions_a_day": asked["decisions"],
            "repeats": args.repeats,
            "clock": args.clock,
            "seconds_a_day": {name: spread(times) for name, times in seconds.items()},
            "thousand_decisions_per_second": spread(
                [asked["decisions"] / s / 1e3 for s in seconds["populace"]]
            ),
            "ratio": {"populace / loop": ratio(seconds["populace"], seconds["loop"])},
            "welfare": round(ends["populace"], 4),
            "peak_memory_mib": peak_memory_mib(),
        },
    )


if __name__ == "__main__":
    main()
