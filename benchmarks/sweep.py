"""What a second worker brings to a sweep of Brooklyn.

    python benchmarks/sweep.py --people 200000 --runs 16 --repeats 3

The same sweep by turns on one worker and on as many as there are cores. Two ratios are printed.
`wall` is the time passed, start of the processes included: what one gets where nothing else runs.
`processor` divides the processor time of the one worker by that of the busiest of the several,
each with all its start and warming up: what one would get where every worker has a core to itself.
It holds the cost of sharing memory and caches, and of starting several processes, but not that of
other programs that take the cores meanwhile; `cores` says how many the machine really gave.
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from typing import Any

from _measure import report, spread
from populace import Simulation
from populace.studies import run_all
from populace.studies.tasks import cores


def one(seed: int, people: int, ticks: int) -> dict[str, float]:
    """Run Brooklyn; return who ran it and how much processor time that process has used so far."""
    before, begun = time.process_time(), time.perf_counter()
    from populace.worlds.brooklyn import Brooklyn

    metrics = Simulation(Brooklyn(people=people), seed=seed, panel=0).run(ticks).metrics
    return {
        "worker": os.getpid(),
        "before": before,
        "processor": time.process_time(),
        "own": time.process_time() - before,
        "wall": time.perf_counter() - begun,
        "infected": float(metrics["ever_infected"][-1]),
    }


def measured(workers: int, people: int, ticks: int, runs: int) -> dict[str, Any]:
    begun = time.perf_counter()
    work = partial(one, people=people, ticks=ticks)
    found = [result.value for result in run_all(list(range(runs)), work, workers=workers)]
    wall = time.perf_counter() - begun
    used: dict[int, float] = {}
    for value in found:
        used[value["worker"]] = max(used.get(value["worker"], 0.0), value["processor"])
    warm = [
        value["own"] for value in found if value["before"] > min(v["before"] for v in found) + 1
    ]
    return {
        "wall": wall,
        "processor": max(used.values()),
        "cores": sum(used.values()) / wall,
        "start": min(value["before"] for value in found),
        "run": sum(warm) / len(warm) if warm else float("nan"),
        "infected": [value["infected"] for value in found],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--people", type=int, default=200_000)
    parser.add_argument("--ticks", type=int, default=184)
    parser.add_argument("--runs", type=int, default=16, help="runs of the sweep")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=cores())
    given = parser.parse_args()
    size = (given.people, given.ticks)
    measured(1, *size, 1)  # fills numba's cache on disk, once for all
    rounds: dict[int, list[dict[str, Any]]] = {1: [], given.workers: []}
    for _ in range(given.repeats):
        for workers, found in rounds.items():
            found.append(measured(workers, *size, given.runs))
    alone, together = rounds[1], rounds[given.workers]
    same = len({tuple(found["infected"]) for found in alone + together}) == 1
    if not same:
        raise SystemExit("the sweeps differ")
    figures: dict[str, Any] = vars(given) | {"same_results": same}
    for name in ("wall", "processor"):
        ratios = [a[name] / b[name] for a, b in zip(alone, together, strict=True)]
        figures[f"speedup_{name}"] = spread(ratios, digits=3)
        print(f"{given.workers} workers, {name}: {figures[f'speedup_{name}']['median']:.2f} x")
    for workers, found in rounds.items():
        for name in ("wall", "processor", "cores", "start", "run"):
            figures[f"{name}_{workers}"] = spread([each[name] for each in found], digits=3)
            print(f"{workers} workers, {name}: {figures[f'{name}_{workers}']}")
    report("sweep", figures)


if __name__ == "__main__":
    main()
