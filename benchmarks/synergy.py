"""The phase diagram of budgeted synergy, predicted and simulated, and what a synthetic ask costs.

``python benchmarks/synergy.py`` lets trees of rules work in the team runtime at the edge of synergy
and on a grid around it, and says how far simulation and theory are apart. ``--figure FILE.svg``
draws them together (``docs/synergy.svg``). ``--trials`` sets the questions a point.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from _measure import machine, versions
from populace.reports.phase import phase_chart, write_phase
from populace.studies.synergy import (
    critical_correlation,
    edge_correlation,
    majority_accuracy,
    regimes,
    simulate_edge,
    simulate_votes,
)

TREE = {"fan_in": 5, "depth": 2}
SINGLE = 0.6
BETAS = (0.05, 0.2)
FIDELITIES = (0.65, 0.72, 0.79, 0.86, 0.93, 0.995)
SHOWN = 0.2  # the exponent of the grid


def curve(beta):
    fine = np.linspace(0.5, 1, 251).tolist()
    exact = [(g, edge_correlation(SINGLE, beta=beta, fidelity=g, **TREE)) for g in fine]
    weak = [(g, float(critical_correlation(TREE["fan_in"], g, beta))) for g in fine]
    return [p for p in exact if p[1] >= 0], [p for p in weak if p[1] >= -1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure")
    chosen = parser.parse_args()
    begun = time.perf_counter()
    edges = [
        simulate_edge(
            FIDELITIES, single=SINGLE, beta=beta, trials=chosen.trials, seed=chosen.seed, **TREE
        )
        for beta in BETAS
    ]
    grid = regimes(
        np.linspace(0.64, 0.98, 7).tolist(),
        np.linspace(0.05, 0.9, 7).tolist(),
        single=SINGLE,
        beta=SHOWN,
        trials=chosen.trials // 5,
        seed=chosen.seed,
        **TREE,
    )
    seconds = time.perf_counter() - begun
    asks = 31 * (2 * chosen.trials * sum(map(len, edges)) + len(grid) * (chosen.trials // 5))
    votes = {
        model: simulate_votes(
            [0.6, 0.6, 0.6], [0.1, 0.3, 0.6], n=9, model=model, trials=chosen.trials, seed=5
        )[0]
        for model in ("shock", "beta", "factor")
    }
    found = {
        "edges": [
            {k: round(v, 4) for k, v in row.items()} for edge in edges for row in edge.to_dicts()
        ],
        "largest |z| of an edge": round(
            max(
                float(((e["simulated"] - e["predicted"] - e["bend"]) / e["se"]).abs().max())
                for e in edges
            ),
            2,
        ),
        "grid: decided points on the predicted side": "{} of {}".format(
            int(((grid["z"].abs() >= 3) & (grid["gain"] * grid["predicted"] > 0)).sum()),
            int((grid["z"].abs() >= 3).sum()),
        ),
        "votes: largest |z|": {
            model: round(float(((f["simulated"] - f["predicted"]) / f["se"]).abs().max()), 2)
            for model, f in votes.items()
        },
        "nine voters at 0.6, independent": round(majority_accuracy(0.6, 9, 0.0), 4),
        "seconds": round(seconds, 1),
        "microseconds an ask": round(seconds / asks * 1e6, 1),
    }
    print(json.dumps({"benchmark": "synergy", **found, **machine(), **versions()}, indent=1))
    if chosen.figure:
        curves = [curve(beta) for beta in BETAS]
        chart = phase_chart(
            edges,
            [exact for exact, _ in curves],
            [weak for _, weak in curves],
            grid,
            title="When 25 agents in a tree of 5 × 5 beat one of the same budget",
            note=f"Below a line the team is better. Single agent right {(1 + SINGLE) / 2:.0%} of "
            f"the time; circles: β = {SHOWN:g}.",
            y=(0.0, 1.0),
        )
        print(write_phase(chosen.figure, chart))


if __name__ == "__main__":
    main()
