"""DeGroot and Hegselmann-Krause on one random graph of mean degree 10: populace and plain scipy.

    python benchmarks/opinion.py [--agents 1000000] [--ticks 10] [--repeats 7]

populace runs the world as a user does: `Simulation.run`, everybody asked `revise`, answers checked,
measures kept each tick. The scipy form does the arithmetic alone: for DeGroot the sparse product
``W @ x``, for bounded confidence the comparison of both ends of every arc and two sparse products.
"kernel" is the arithmetic alone here.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from _measure import by_turns_fresh, peak_memory_mib, ratio, report, spread
from populace import Cast, Network, Simulation, Streams, threads
from populace.worlds.opinion import Opinion
from populace.worlds.opinion.kernels import average, average_near

OWN, CONFIDENCE, DEGREE = 0.5, 0.2, 10.0


def world(network: Network, model: str, ticks: int, limit: int) -> Any:
    own = Opinion(network=network, model=model, own=OWN, confidence=CONFIDENCE)
    simulation = Simulation(own, Cast(own.policies(), own.shares()), seed=3)

    def run() -> Any:
        with threads(limit):
            simulation.run(ticks)
        return own.people.opinion

    return run


def kernel(network: Network, model: str, ticks: int) -> Any:
    x = Streams(3).named("start").stream("opinion").uniform(network.n)

    def run() -> Any:
        now, then = x, np.empty_like(x)
        with threads(1):
            for _ in range(ticks):
                if model == "degroot":
                    average(network, now, OWN, then)
                else:
                    average_near(network, now, CONFIDENCE, then)
                now, then = then, now
        return now

    return run


def scipy_form(network: Network, model: str, ticks: int) -> Any:
    from scipy.sparse import csr_array, diags_array

    n = network.n
    start = Streams(3).named("start").stream("opinion").uniform(n)
    columns, offsets = network.targets.astype(np.int32), network.offsets.astype(np.int32)
    graph = csr_array((np.ones(network.arcs), columns, offsets), (n, n))
    if model == "degroot":
        degree = network.degree
        share = np.where(degree > 0, (1 - OWN) / np.maximum(degree, 1), 0.0)
        own = np.where(degree > 0, OWN, 1.0)
        matrix = csr_array(diags_array(share) @ graph + diags_array(own))

        def degroot() -> Any:
            x = start
            for _ in range(ticks):
                x = matrix @ x
            return x

        return degroot
    rows = network.sources().astype(np.int32)
    ones = np.ones(n)

    def bounded() -> Any:
        x = start
        for _ in range(ticks):
            graph.data = (np.abs(x[rows] - x[columns]) <= CONFIDENCE).astype(np.float64)
            x = (x + graph @ x) / (1.0 + graph @ ones)
        return x

    return bounded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=float, default=1e6)
    parser.add_argument("--ticks", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    args = parser.parse_args()
    n, ticks = int(args.agents), args.ticks
    network = Network.erdos_renyi(n, DEGREE, Streams(1).stream("edges"))
    small = Network.erdos_renyi(1000, DEGREE, Streams(1).stream("edges"))
    figures: dict[str, Any] = {}
    for model in ("degroot", "hegselmann-krause"):
        world(small, model, 3, 1)()  # compiles
        kernel(small, model, 3)()
        ends: dict[str, Any] = {}

        def kept(name: str, make: Any, *given: Any, ends: dict[str, Any] = ends) -> Any:
            def prepare() -> Any:
                run = make(*given)

                def timed() -> None:
                    ends[name] = run()

                return timed

            return prepare

        seconds = by_turns_fresh(
            {
                "populace": kept("populace", world, network, model, ticks, 2),
                "populace, 1 thread": kept("1", world, network, model, ticks, 1),
                "kernel, 1 thread": kept("kernel", kernel, network, model, ticks),
                "scipy": kept("scipy", scipy_form, network, model, ticks),
            },
            args.repeats,
            args.clock,
        )
        figures[model] = {
            "million_agent_steps_per_second": {
                name: spread([n * ticks / s / 1e6 for s in times])
                for name, times in seconds.items()
            },
            "ratio": {
                f"{name} / scipy": ratio(times, seconds["scipy"])
                for name, times in seconds.items()
                if name != "scipy"
            },
            "largest_difference": float(
                max(np.abs(x - ends["scipy"]).max() for x in ends.values())
            ),
        }
    report(
        "opinion",
        {
            "agents": n,
            "arcs": network.arcs,
            "ticks": ticks,
            "repeats": args.repeats,
            "clock": args.clock,
            **figures,
            "peak_memory_mib": peak_memory_mib(),
        },
        "scipy",
    )


if __name__ == "__main__":
    main()
