"""A language model among equal offers: which one it takes, and whether manipulation wins.

    python benchmarks/marketplace_language.py [--model embedded] [--customers 40] [--answers FILE]

Each customer has three offers of the same goods, amenities and price, all at once in random order;
one of the three businesses adds the words of a tactic (``prompts/tactics.toml``), or none
("control"). Chance alone gives each offer a third. Only decisions are the model's: customers search
and write in the words of their need. 95 % intervals are Wilson's (1927).
"""

from __future__ import annotations

import argparse
import json
import math
import tomllib
from typing import Any

import numpy as np

from populace import Cast, Simulation
from populace.language import open_model
from populace.language.policy import Language
from populace.worlds.marketplace import PROMPTS, Marketplace
from populace.worlds.marketplace.rules import Seller, tactics

WORDED = ("offers", "need", "value")


def deciding() -> dict[str, Any]:
    """Return the world's prompts with the kind ``decide`` alone."""
    read = tomllib.loads(PROMPTS.read_text(encoding="utf-8"))
    wording = {name: read["wording"][name] for name in WORDED}
    return {"kind": {"decide": read["kind"]["decide"]}, "wording": wording}


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's interval of a share."""
    if n == 0:
        return 0.0, 1.0
    p, center = k / n, (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(n * p * (1 - p) + z * z / 4)
    return center - half, center + half


def arm(tactic: str, mind: Any, customers: int, seed: int, answers: str | None) -> dict[str, Any]:
    """Return what customers took, among 0 (nothing), the offers by order, and the tactic's."""
    world = Marketplace(
        markets=customers,
        customers=1,
        lacking=0,
        spread=0.0,
        search="optimal",
        considered=3,
        arrivals=0,
    )
    sellers = Cast(
        {"truthful": Seller(), "manipulating": Seller(tactic)},
        assign={"truthful": slice(None), "manipulating": np.arange(0, 3 * customers, 3)},
    )
    casts = {"customers": mind, "businesses": sellers}
    run = Simulation(world, casts, seed=seed, panel=0, answers=answers).run(1)
    day = world.day
    assert day is not None
    rows = np.flatnonzero(day.chosen >= 0)
    won = int((day.page[rows, day.chosen[rows]] % 3 == 0).sum())
    asks = run.asks.filter(run.asks["kind"] == "decide")
    return {
        "asked": customers,
        "invalid": int(asks["invalid"].sum()),
        "paid": len(rows),
        "by_order": np.bincount(day.rank[rows], minlength=4)[1:].tolist(),
        "won": won,
        "interval": [round(x, 3) for x in wilson(won, len(rows))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--customers", type=int, default=40)
    parser.add_argument("--answers", default=None)
    given = parser.parse_args()
    model = open_model(given.model)
    found = {}
    for seed, tactic in enumerate(("", *tactics())):  # of its own: the arms are independent
        mind = Language(model, deciding())
        found[tactic or "control"] = arm(tactic, mind, given.customers, seed, given.answers)
        name, got = tactic or "control", found[tactic or "control"]
        share = got["won"] / max(1, got["paid"])
        print(
            f"{name:16} paid {got['paid']} of {got['asked']} ({got['invalid']} invalid); by order "
            f"{got['by_order']}; the manipulating one {share:.2f} {got['interval']}"
        )
    orders = np.sum([got["by_order"] for got in found.values()], axis=0)
    first = [round(x, 3) for x in wilson(int(orders[0]), int(orders.sum()))]
    print(f"first offer: {orders[0] / max(1, orders.sum()):.2f} {first} of {orders.sum()} payments")
    print(json.dumps({"model": given.model, "arms": found}))


if __name__ == "__main__":
    main()
