"""A claim that floods a network: populace, and the same cascade in plain numpy and in ndlib.

    python benchmarks/rumour.py [--agents 1000000] [--degree 10] [--repeats 3] [--clock cpu]

All run the independent cascade on one Erdős–Rényi network until it dies out: every agent who comes
to believe the claim tells each neighbour once, heard with one chance. populace runs it as any user
does: each round everybody who has heard of it is asked what to say, those who were told something
what they believe, and measures are kept. `numpy` follows the newly convinced and does nothing else.
ndlib, if it is installed, runs on the `small` network, since its agents are Python objects.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from _measure import by_turns_fresh, peak_memory_mib, ratio, report, spread
from populace import Network, Simulation, Streams, threads
from populace.worlds.rumour import Rumour

CHANCE, SEEDS = 0.25, 5
Prepare = Callable[[], Callable[[], Any]]


def populace_run(network: Network, mind: str, limit: int, ends: dict[str, Any]) -> Prepare:
    most = 60 if mind == "gullible" else 20

    def prepare() -> Callable[[], Any]:
        world = Rumour(
            network=network, manipulated=SEEDS, guardians=0.0, attack=1, rounds=most, later=0,
            transmission=CHANCE, retention=1.0,
        )  # fmt: skip
        simulation = Simulation(world, world.policies()[mind], seed=3)

        def run() -> None:
            with threads(limit):
                run = simulation.run(most)
            ends[mind] = {
                "rounds": len(run.metrics),
                "reach": round(run.metrics["reach"][-1], 4),
                "messages": int(run.metrics["arrived"].sum()),
                "bytes_an_agent": held(world) / len(world.people),
            }

        return run

    return prepare


def held(world: Rumour) -> int:
    people = world.people
    columns = sum(people[name].nbytes for name in people.columns)
    return columns + people.id.nbytes + people.alive.nbytes + world.network.nbytes


def numpy_run(network: Network, ends: dict[str, Any]) -> Prepare:
    offsets, targets = network.offsets.astype(np.int64), network.targets

    def prepare() -> Callable[[], Any]:
        rng = np.random.default_rng(3)

        def run() -> None:
            believes = np.zeros(network.n, bool)
            new = rng.permutation(network.n)[:SEEDS]
            believes[new] = True
            rounds = 0
            while len(new):
                count = offsets[new + 1] - offsets[new]
                arc = np.repeat(offsets[new] - np.cumsum(count) + count, count)
                arc += np.arange(len(arc))
                told = targets[arc[rng.random(len(arc)) < CHANCE]]
                new = np.unique(told[~believes[told]]).astype(np.int64)
                believes[new] = True
                rounds += 1
            ends["numpy"] = {"rounds": rounds, "reach": round(float(believes.mean()), 4)}

        return run

    return prepare


def ndlib_run(network: Network, ends: dict[str, Any]) -> Prepare:
    import networkx as nx
    from ndlib.models import ModelConfig
    from ndlib.models.epidemics import IndependentCascadesModel

    graph = nx.Graph()
    graph.add_nodes_from(range(network.n))
    graph.add_edges_from(network.edges().tolist())
    config = ModelConfig.Configuration()
    config.add_model_initial_configuration("Infected", list(range(SEEDS)))
    for edge in graph.edges():
        config.add_edge_configuration("threshold", edge, CHANCE)

    def prepare() -> Callable[[], Any]:
        model = IndependentCascadesModel(graph)
        model.set_initial_status(config)

        def run() -> None:
            state, rounds = model.iteration(), 1
            while state["node_count"][1]:
                state, rounds = model.iteration(), rounds + 1
            ends["ndlib"] = {
                "rounds": rounds,
                "reach": round(1 - state["node_count"][0] / network.n, 4),
            }

        return run

    return prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=20_000)
    parser.add_argument("--degree", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    args = parser.parse_args()
    network = Network.erdos_renyi(args.agents, args.degree, Streams(1).stream("edges"))
    ends: dict[str, Any] = {}
    populace_run(Network.ring(20), "gullible", 1, {})()()  # compiles
    rivals = {
        "populace": populace_run(network, "gullible", 2, ends),
        "populace, 1 thread": populace_run(network, "gullible", 1, ends),
        "populace, all speak in every round": populace_run(network, "chatty", 2, ends),
        "numpy": numpy_run(network, ends),
    }
    seconds = by_turns_fresh(rivals, args.repeats, args.clock)
    millions = {
        name: args.agents * ends[mind]["rounds"] / 1e6
        for name, mind in (
            ("populace", "gullible"),
            ("populace, all speak in every round", "chatty"),
        )
    }
    figures: dict[str, Any] = {
        "agents": args.agents,
        "degree": args.degree,
        "repeats": args.repeats,
        "clock": args.clock,
        "seconds": {name: spread(times) for name, times in seconds.items()},
        "ratio": {
            f"{name} / numpy": ratio(seconds[name], seconds["numpy"])
            for name in ("populace", "populace, 1 thread")
        },
        "million_agent_rounds_per_second": {
            name: spread([amount / s for s in seconds[name]]) for name, amount in millions.items()
        },
        "peak_memory_mib": peak_memory_mib(),
    }
    if find_spec("ndlib"):
        small = Network.erdos_renyi(args.small, args.degree, Streams(1).stream("edges"))
        ends_small: dict[str, Any] = {}
        rivals = {
            "populace": populace_run(small, "gullible", 1, ends_small),
            "ndlib": ndlib_run(small, ends_small),
        }
        seconds = by_turns_fresh(rivals, args.repeats, args.clock)
        figures["small"] = {
            "agents": args.small,
            "seconds": {name: spread(times) for name, times in seconds.items()},
            "ratio": {"populace / ndlib": ratio(seconds["populace"], seconds["ndlib"])},
            "ends": ends_small,
        }
    report("rumour", {**figures, "ends": ends}, "ndlib")


if __name__ == "__main__":
    main()
