"""What checkpoints cost: share of a run at the default interval, seconds each, bytes, and going on.

    python benchmarks/checkpoints.py --people 2712360 --days 184

Brooklyn with its default cast. The run writes its records and, as often as `Checkpoints` has it,
checkpoints; their share is what they took (seconds that the run waited for capturing, hashing and
writing, and processor seconds of the thread that forces files to disk) over the seconds of the run.
Then single checkpoints are timed: a first one, which writes everything, and later ones, which write
what has changed; "behind" is what happens while the run goes on. At last a run is resumed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from _measure import peak_memory_mib, report, spread
from populace import Simulation
from populace.records.cadence import Checkpoints
from populace.records.checkpoints import Vault, tick_name
from populace.simulation.keeping import snapshot
from populace.worlds.brooklyn import Brooklyn


def seconds(call: Any) -> tuple[float, Any]:
    begun = time.perf_counter()
    found = call()
    return time.perf_counter() - begun, found


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def whole_run(people: int, days: int, folder: Path) -> dict[str, Any]:
    """Return what checkpoints took of a run at the default interval."""
    simulation = Simulation(Brooklyn(people=people), seed=1)
    ticks = []

    def watch(done: int, _: int) -> None:
        ticks.append(time.perf_counter())

    taken, run = seconds(lambda: simulation.run(days, folder / "run", watch))
    spent = run.manifest["checkpoints"]["seconds"]
    return {
        "run_seconds": round(taken, 2),
        "checkpoint_seconds": spent,
        "share": round(spent / taken, 4),
        "last_checkpoint": run.manifest["checkpoints"]["last"],
        "megabytes_kept": round(size(folder / "run" / "checkpoints") / 1e6, 1),
        "slowest_tick_seconds": round(max(b - a for a, b in pairwise(ticks)), 2),
    }


def single(people: int, folder: Path, repeats: int) -> dict[str, Any]:
    """Return the cost of one checkpoint, a day apart each."""
    built, simulation = seconds(lambda: Simulation(Brooklyn(people=people), seed=1))
    simulation.run(40)
    vault = Vault(folder / "single", Checkpoints())
    captured, wrote, behind, changed = [], [], [], []
    first = forced = 0.0
    everything = 0
    for i in range(repeats + 1):
        taken, state = seconds(lambda: snapshot(simulation))
        tick = simulation.tick
        took, _ = seconds(partial(vault.write, tick_name(tick), tick, state, {}))
        waited, _ = seconds(vault.finish)
        if i == 0:
            first, forced, everything = took, waited, vault.written
        else:
            captured.append(taken)
            wrote.append(took)
            behind.append(waited)
            changed.append(float(vault.written))
        simulation.run(1)
    loaded, _ = seconds(vault.latest)
    return {
        "start_seconds": round(built, 2),
        "first_seconds": round(first, 3),
        "first_behind_seconds": round(forced, 3),
        "first_megabytes": round(everything / 1e6, 1),
        "capture_seconds": spread(captured),
        "later_seconds": spread(wrote),
        "later_behind_seconds": spread(behind),
        "later_megabytes": spread(changed, 1e-6),
        "load_seconds": round(loaded, 3),
    }


def resumed(people: int, folder: Path) -> dict[str, Any]:
    """Return how long it takes until a run that was broken off goes on, its start included."""
    simulation = Simulation(Brooklyn(people=people), seed=1)
    simulation.run(10, folder / "resumed", checkpoint="5")
    del simulation
    taken, again = seconds(lambda: Simulation.resume(folder / "resumed"))
    return {"resume_seconds": round(taken, 2), "resumed_at": again.tick}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--people", type=int, default=2_712_360)
    parser.add_argument("--days", type=int, default=184)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--to", type=Path, help="where to write; by default a temporary folder")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.to))
    try:
        Simulation(Brooklyn(people=5_000), seed=1).run(5, folder / "warm")  # compile
        figures = {
            "people": given.people,
            "days": given.days,
            **whole_run(given.people, given.days, folder),
            **single(given.people, folder, given.repeats),
            **resumed(given.people, folder),
            "peak_mib": peak_memory_mib(),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name, value in figures.items():
        print(f"{name}: {value}")
    report("checkpoints", figures, "polars")


if __name__ == "__main__":
    main()
