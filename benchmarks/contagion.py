"""SEIR on one fixed random graph of mean degree 10: populace, scipy, Starsim, agent-torch.

    python benchmarks/contagion.py [--agents 1000000] [--ticks 60] [--repeats 3] [--peers ...]

All engines have the same graph, the same share of infectious agents at the start (1 %), the same
chance a contact and tick, and geometric latent and infectious periods with the same means. What is
timed is the run, after everything is built and compiled. populace runs the world as a user does:
`Simulation.run`, every susceptible agent asked `protect`, measures kept. "scipy" is the plain form:
a sparse matrix-vector product and numpy draws, nobody asked. agent-torch does the same work every
tick and is slow, so it lives through fewer ticks; rates are agent-steps a second. Its runner keeps
the whole state of every substep, which is measured as it is, and once more with that dropped after
each tick.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np

from _measure import by_turns_fresh, peak_memory_mib, ratio, report, spread
from populace import Cast, Network, Simulation, Streams, threads
from populace.worlds.contagion import Contagion

TRANSMISSION, LATENT, INFECTIOUS, SEEDS, DEGREE = 0.05, 3.0, 7.0, 0.01, 10.0


def geometric_scale(mean: float) -> float:
    """Return the exponential scale whose values, rounded up, are geometric with that mean."""
    return -1.0 / math.log1p(-1.0 / mean)


def populace_run(network: Any, ticks: int, seed: int, limit: int = 2) -> tuple[Any, Any]:
    world = Contagion(
        network=network,
        disease="SEIR",
        transmission=TRANSMISSION,
        latent=LATENT,
        infectious=INFECTIOUS,
        seeds=SEEDS,
    )
    simulation = Simulation(world, Cast(world.policies(), world.shares()), seed=seed)

    def run() -> None:
        with threads(limit):
            simulation.run(ticks)

    return world, run


def scipy_run(network: Any, ticks: int, seed: int) -> Any:
    from scipy.sparse import csr_array

    n = network.n
    edges = np.ones(len(network.targets), np.float32)
    graph = csr_array((edges, network.targets.astype(np.int32), network.offsets), (n, n))
    rng = np.random.default_rng(seed)
    state = np.zeros(n, np.uint8)
    state[rng.choice(n, round(SEEDS * n), replace=False)] = 2

    def run() -> float:
        for _ in range(ticks):
            pressure = graph @ (state == 2).astype(np.float32)
            chance = 1.0 - (1.0 - TRANSMISSION) ** pressure
            caught = (state == 0) & (rng.random(n) < chance)
            leaves = rng.random(n)
            onset = (state == 1) & (leaves < 1.0 / LATENT)
            recovers = (state == 2) & (leaves < 1.0 / INFECTIOUS)
            state[caught], state[onset], state[recovers] = 1, 2, 3
        return float((state > 0).mean())

    return run


def starsim_run(edges: Any, n: int, ticks: int, seed: int) -> Any:
    import starsim as ss

    class Contacts(ss.Network):
        def init_post(self) -> None:
            super().init_post()
            self.append({"p1": edges[0], "p2": edges[1], "beta": np.ones(len(edges[0]))})

        def step(self) -> None:
            pass

    disease = ss.SEIR(
        beta=ss.probperday(TRANSMISSION),
        init_prev=ss.bernoulli(p=SEEDS),
        dur_exp=ss.expon(ss.days(geometric_scale(LATENT))),
        dur_inf=ss.expon(ss.days(INFECTIOUS)),  # from a real onset, so it needs no rounding
        p_death=ss.bernoulli(p=0),
    )
    sim = ss.Sim(
        n_agents=n,
        diseases=disease,
        networks=Contacts(),
        dt=ss.days(1),
        start=ss.days(0),
        stop=ss.days(ticks - 1),
        verbose=0,
        rand_seed=seed,
    )
    sim.init()

    def run() -> float:
        sim.run()
        assert len(sim.results.seir.n_infectious) == ticks
        return 1.0 - float(sim.results.seir.n_susceptible[-1]) / n

    return run


def agent_torch_run(edges: Any, n: int, ticks: int, keep: bool, seed: int) -> Any:
    """Built as agent-torch's own model of an epidemic: one substep of stages, one of a
    decision and transmission."""
    import torch
    from agent_torch.core import Registry, Runner
    from agent_torch.core.helpers import get_by_path
    from agent_torch.core.substep import (
        SubstepAction,
        SubstepTransition,
        SubstepTransitionMessagePassing,
    )

    torch.manual_seed(seed)
    index = torch.from_numpy(np.hstack([edges, edges[::-1]]).astype(np.int64))
    first = ((torch.rand(n, 1) < SEEDS) * 2).float()

    class Protect(SubstepAction):
        def forward(self, state: Any, observation: Any) -> Any:
            return {"protect": torch.zeros(n, 1)}

    class Transmission(SubstepTransitionMessagePassing):
        def forward(self, state: Any, action: Any = None) -> Any:
            stage = get_by_path(state, ["agents", "citizens", "stage"])
            edge_index, _ = get_by_path(
                state, ["network", "agent_agent", "contacts", "adjacency_matrix"]
            )
            count = self.propagate(edge_index, x=(stage == 2).float())
            rate = TRANSMISSION * (1.0 - 0.8 * action["citizens"]["protect"])
            caught = torch.bernoulli(1.0 - (1.0 - rate) ** count) * (stage == 0)
            return {"stage": stage + caught}

        def message(self, x_j: Any) -> Any:
            return x_j

    class Progression(SubstepTransition):
        def forward(self, state: Any, action: Any = None) -> Any:
            stage = get_by_path(state, ["agents", "citizens", "stage"])
            leaves = torch.rand(stage.shape)
            leaves = ((stage == 1) & (leaves < 1.0 / LATENT)) | (
                (stage == 2) & (leaves < 1.0 / INFECTIOUS)
            )
            return {"stage": stage + leaves}

    registry = Registry()
    registry.register(Protect, "protect", "policy")
    registry.register(Transmission, "transmission", "transition")
    registry.register(Progression, "progression", "transition")
    registry.register(lambda params: (None, (index, torch.ones(1))), "fixed", "network")
    registry.register(lambda shape, params: first.clone(), "first", "initialization")

    def function(name: str) -> dict[str, Any]:
        where = {"stage": "agents/citizens/stage"}
        given = {"arguments": None, "input_variables": where, "output_variables": ["stage"]}
        return {name: {"generator": name, **given}}

    def substep(name: str, policy: Any) -> dict[str, Any]:
        return {
            "name": name,
            "active_agents": ["citizens"],
            "observation": {"citizens": None},
            "policy": {"citizens": policy},
            "transition": function(name),
        }

    stage = {
        "name": "stage",
        "shape": [n, 1],
        "dtype": "float",
        "learnable": False,
        "initialization_function": {"generator": "first", "arguments": {}},
    }
    config = {
        "simulation_metadata": {
            "num_substeps_per_step": 2,
            "num_steps_per_episode": 1,
            "num_episodes": 1,
            "device": "cpu",
            "calibration": False,
        },
        "state": {
            "environment": None,
            "objects": None,
            "agents": {"citizens": {"number": n, "properties": {"stage": stage}}},
            "network": {"agent_agent": {"contacts": {"type": "fixed", "arguments": {}}}},
        },
        "substeps": {
            "0": substep("progression", None),
            "1": substep("transmission", function("protect")),
        },
    }
    runner = Runner(config, registry)
    runner.init()

    def run() -> float:
        for _ in range(ticks):
            runner.step(1)
            if not keep:
                runner.reset_state_before_episode()
        return float((runner.state["agents"]["citizens"]["stage"] > 0).float().mean())

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=float, default=1e6)
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--slow-ticks", type=int, default=6, help="ticks of agent-torch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", nargs="*", default=["scipy", "starsim", "agent-torch"])
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    args = parser.parse_args()
    n, ticks = int(args.agents), args.ticks

    populace_run(Network.erdos_renyi(60_000, DEGREE, Streams(1).stream("edges")), 40, 1)[1]()
    network = Network.erdos_renyi(n, DEGREE, Streams(1).stream("edges"))
    edges = network.edges().T
    attack: dict[str, float] = {}
    held: dict[str, float] = {}

    def ours(limit: int, name: str) -> Any:
        def prepare() -> Any:
            world, run = populace_run(network, ticks, 7, limit)

            def timed() -> None:
                run()
                attack[name] = world.measure()["attack_rate"]
                people = world.people
                bytes_ = network.nbytes + people.id.nbytes + people.alive.nbytes
                bytes_ += sum(people[column].nbytes for column in people.columns)
                held["bytes_per_agent"] = round(bytes_ / n, 1)

            return timed

        return prepare

    def peer(name: str, make: Any, *given: Any) -> Any:
        def prepare() -> Any:
            run = make(*given, 7)

            def timed() -> None:
                attack[name] = run()

            return timed

        return prepare

    rivals = {"populace": ours(2, "populace"), "populace, 1 thread": ours(1, "populace, 1 thread")}
    if "scipy" in args.peers:
        rivals["scipy"] = peer("scipy", scipy_run, network, ticks)
    if "starsim" in args.peers:
        rivals["starsim"] = peer("starsim", starsim_run, edges, n, ticks)
    if "agent-torch" in args.peers:
        for name, keep in [("agent-torch", True), ("agent-torch, trajectory dropped", False)]:
            rivals[name] = peer(name, agent_torch_run, edges, n, args.slow_ticks, keep)
    lived = {name: args.slow_ticks if "torch" in name else ticks for name in rivals}
    seconds = by_turns_fresh(rivals, args.repeats, args.clock)
    each = {name: [s / lived[name] for s in times] for name, times in seconds.items()}
    report(
        "contagion",
        {
            "agents": n,
            "arcs": network.arcs,
            "ticks": lived,
            "repeats": args.repeats,
            "clock": args.clock,
            "million_agent_steps_per_second": {
                name: spread([n / s / 1e6 for s in times]) for name, times in each.items()
            },
            "ratio": {
                f"{mine} / {name}": ratio(each[mine], each[name])
                for mine in ("populace", "populace, 1 thread")
                for name in each
                if not name.startswith("populace")
            },
            "attack_rate": {name: round(share, 4) for name, share in attack.items()},
            "memory_held": held,
            "peak_memory_mib": peak_memory_mib(),
        },
        "scipy",
        "starsim",
        "agent-torch",
        "torch",
    )


if __name__ == "__main__":
    main()
