"""Brooklyn measured: speed and memory, the first wave over seeds, and what changes it.

    python benchmarks/brooklyn.py speed
    python benchmarks/brooklyn.py wave --seeds 10
    python benchmarks/brooklyn.py scenarios --people 500000 --seeds 10

Each prints a table and one line of JSON. `wave` and `scenarios` make the tables of
`docs/brooklyn.md`. Scenarios differ from the default by one thing and share its seeds, so that all
draws are common to both; an interval is Student's t over the paired differences.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

DAYS = 184
#: Two-sided 95 % quantiles of Student's t by degrees of freedom (Abramowitz and Stegun 26.10).
T95 = (math.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
SCENARIOS: dict[str, dict[str, Any]] = {
    "default": {},
    "without the order": {"order": None, "easing": None},
    "without order or closed schools": {"order": None, "easing": None, "schools": None},
    "order a week earlier": {"order": "2020-03-15"},
    "everybody rule": {"cast": {"rule": 1}},
    "everybody habit": {"cast": {"habit": 1}},
    "everybody utility": {"cast": {"utility": 1}},
    "everybody learned": {"cast": {"learned": 1}},
}


def simulate(people: int, seed: int, change: dict[str, Any]) -> dict[str, float]:
    """Run 184 days; return totals, per Brooklyn of full size, and the day of the peak."""
    import datetime as dt

    from populace import Cast, Simulation, threads
    from populace.worlds.brooklyn import Brooklyn

    change = dict(change)
    shares = change.pop("cast", None)
    if isinstance(change.get("order"), str):
        change["order"] = dt.date.fromisoformat(change["order"])
    with threads(1):
        world = Brooklyn(people=people, **change)
        cast = Cast(dict(world.policies()), shares=shares or dict(world.shares()))
        metrics = Simulation(world, cast, seed=seed).run(DAYS).metrics
    scale = 2_712_360 / people
    cases = metrics["cases"].to_numpy() * scale
    week = np.convolve(cases, np.ones(7) / 7, "valid")
    stay = metrics["staying_home"].to_numpy()
    return {
        "cases": float(cases.sum()),
        "deaths": metrics["deaths"].sum() * scale,
        "hospitalised": metrics["hospitalised"].sum() * scale,
        "infected": 100 * metrics["ever_infected"][-1],
        "peak": float(week.argmax() + 3),  # middle day of the highest seven; 29 is 30 March
        "peak_cases": float(week.max()),
        "staying": 100 * float(stay[22:99].mean()),
    }


def _one(job: tuple[int, int, str]) -> dict[str, float]:
    people, seed, name = job
    return simulate(people, seed, SCENARIOS[name])


def simulated(people: int, seeds: int, names: list[str], workers: int) -> dict[str, list[Any]]:
    jobs = [(people, seed, name) for name in names for seed in range(1, seeds + 1)]
    with ProcessPoolExecutor(workers) as pool:
        results = list(pool.map(_one, jobs))
    return {name: results[i * seeds : (i + 1) * seeds] for i, name in enumerate(names)}


def wave(people: int, seeds: int, workers: int) -> dict[str, Any]:
    runs = simulated(people, seeds, ["default"], workers)["default"]
    print("| measure | median | lowest | highest |\n|---|---|---|---|")
    result = {}
    for name in runs[0]:
        values = sorted(run[name] for run in runs)
        middle = statistics.median(values)
        result[name] = (middle, values[0], values[-1])
        print(f"| {name} | {middle:,.1f} | {values[0]:,.1f} | {values[-1]:,.1f} |")
    return result


def scenarios(people: int, seeds: int, workers: int) -> dict[str, Any]:
    runs = simulated(people, seeds, list(SCENARIOS), workers)
    result: dict[str, Any] = {}
    print("| scenario | cases | deaths | infected, % | staying 23 March to 7 June, % |")
    print("|---|---|---|---|---|")
    for name, mine in runs.items():
        cells = []
        for measure in ("cases", "deaths", "infected", "staying"):
            mean = statistics.fmean(run[measure] for run in mine)
            digits = 1 if measure in ("infected", "staying") else 0
            text = f"{mean:,.{digits}f}"
            entry: dict[str, float] = {"mean": mean}
            if name != "default" and seeds > 1:
                paired = zip(mine, runs["default"], strict=True)
                gaps = [run[measure] - base[measure] for run, base in paired]
                half = T95[min(seeds - 1, 10)] * statistics.stdev(gaps) / math.sqrt(seeds)
                middle = statistics.fmean(gaps)
                entry |= {"difference": middle, "half_width": half}
                text += f" ({middle:+,.{digits}f} ± {half:,.{digits}f})"
            result.setdefault(name, {})[measure] = entry
            cells.append(text)
        print(f"| {name} | {' | '.join(cells)} |")
    return result


def speed(people: int) -> dict[str, Any]:
    """Time synthesis and the 184 days after a small run has compiled everything."""
    from populace import Cast, Simulation
    from populace.worlds.brooklyn import Brooklyn

    def run(size: int) -> tuple[float, float, float, int]:
        begun = time.perf_counter()
        world = Brooklyn(people=size)
        cast = Cast(dict(world.policies()), shares=dict(world.shares()))
        simulation = Simulation(world, cast, seed=1)
        built, memory = time.perf_counter(), peak_memory()
        asks = simulation.run(DAYS).asks
        return built - begun, time.perf_counter() - built, memory, int(asks["agents"].sum())

    run(10_000)
    begun = time.process_time()
    start, days, memory, decisions = run(people)
    result = {
        "people": people,
        "start_seconds": start,
        "days_seconds": days,
        "processor_seconds": time.process_time() - begun,  # of both threads; less shaken by others
        "start_peak_mb": memory,
        "peak_mb": peak_memory(),
        "million_decisions_a_second": decisions / days / 1e6,
    }
    for name, value in result.items():
        print(f"{name}: {value:,.1f}")
    return result


def peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=["speed", "wave", "scenarios"])
    parser.add_argument("--people", type=int, default=2_712_360)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--workers", type=int, default=2, help="processes, 0.5 GB each at full size"
    )
    given = parser.parse_args()
    if given.what == "speed":
        result = speed(given.people)
    else:
        measure = wave if given.what == "wave" else scenarios
        result = measure(given.people, given.seeds, given.workers)
    from importlib.metadata import version

    about = {"python": platform.python_version(), "machine": platform.machine()}
    about |= {name: version(name) for name in ("numpy", "numba")}
    print(json.dumps({"benchmark": f"brooklyn {given.what}", **about, "result": result}))


if __name__ == "__main__":
    main()
