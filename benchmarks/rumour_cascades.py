"""How deep are cascades of the size of real ones? The rumour on networks beside 198 of Twitter.

    python benchmarks/rumour_cascades.py [--agents 300000] [--runs 6]

The real ones are rumours of 2015 and 2016 with users reached and steps from the first
(twitter-topics.csv, a set of cascades that were large; POPULACE_DATA says where it lies). Beside
them stand cascades of the independent cascade model that are as large, from the least to the most
users of a real one, on networks whose degrees differ little or much. `chance` is that
a neighbour is convinced.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _measure import report
from populace import Network, Simulation, Streams
from populace.worlds.rumour import Rumour

DATA = Path(os.environ.get("POPULACE_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
SEEDS = 3000


def power_law(n: int, exponent: float) -> Network:
    """Return a configuration network with P(degree >= k) = (2 / k)^(exponent - 1), k <= n / 10."""
    u = Streams(3).stream("degrees").uniform(n)
    degrees = np.minimum(2 * (1 - u) ** (-1 / (exponent - 1)), n // 10).astype(np.int64)
    degrees[0] += degrees.sum() % 2
    return Network.configuration(degrees, Streams(2).stream("edges"))


def cascades(network: Network, chance: float, runs: int) -> tuple[Any, Any]:
    sizes, depths = [], []
    for seed in range(runs):
        world = Rumour(
            network=network,
            manipulated=SEEDS,
            guardians=0.0,
            attack=1,
            rounds=500,
            later=0,
            transmission=chance,
            retention=1.0,
        )
        Simulation(world, world.policies()["gullible"], seed=seed).run(500)
        found = world.cascades()
        sizes.append(found["size"])
        depths.append(found["depth"])
    return np.concatenate(sizes), np.concatenate(depths)


def told(sizes: Any, depths: Any) -> dict[str, float]:
    if not len(sizes):
        return {"cascades": 0}
    return {
        "cascades": len(sizes),
        "median_size": float(np.median(sizes)),
        "mean_depth": round(float(depths.mean()), 2),
        "depth_10": float(np.percentile(depths, 10)),
        "depth_90": float(np.percentile(depths, 90)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=6)
    args = parser.parse_args()
    path = DATA / "twitter-topics.csv"
    if not path.exists():
        raise SystemExit(f"rumour_cascades: no {path}; POPULACE_DATA says where the data lies")
    real = pl.read_csv(path).select("num_users", "max_depth").to_numpy()
    low, high = real[:, 0].min(), real[:, 0].max()
    random = Network.erdos_renyi(args.agents, 10, Streams(2).stream("edges"))
    preferential = Network.barabasi_albert(args.agents, 5, Streams(2).stream("edges"))
    wide, wider = power_law(args.agents, 2.5), power_law(args.agents, 2.2)
    rivals = {
        "Erdős–Rényi, chance 0.095": (random, 0.095),
        "Barabási–Albert, chance 0.06": (preferential, 0.06),
        "power law 2.5, chance 0.06": (wide, 0.06),
        "power law 2.2, chance 0.01": (wider, 0.01),
        "power law 2.2, chance 0.06": (wider, 0.06),
    }
    found = {"real": told(real[:, 0], real[:, 1])}
    for name, (network, chance) in rivals.items():
        sizes, depths = cascades(network, chance, args.runs)
        alike = (sizes >= low) & (sizes <= high)
        degree = round(network.arcs / network.n, 1)
        found[name] = {"mean_degree": degree, **told(sizes[alike], depths[alike])}
    figures = {"agents": args.agents, "seeds": SEEDS * args.runs, "sizes": [int(low), int(high)]}
    report("rumour_cascades", {**figures, "found": found})


if __name__ == "__main__":
    main()
