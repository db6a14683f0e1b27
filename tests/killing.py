"""Runs that kill themselves: a server that forks one process a run, each ended by SIGKILL.

    python -m tests.killing

Every line of stdin is a task; each is carried out in a process of its own, and the line that comes
back says how that ended. A task runs a world in a directory, or goes on with the run that is there.
It counts what it does to the disk, and ticks; at the count that the task names, it kills itself: a
real SIGKILL, with the file that was being written cut in half.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from populace import Cast, Simulation, threads
from populace.kernel.state import State
from populace.records.cadence import Checkpoints
from populace.simulation.keeping import snapshot
from populace.worlds.brooklyn import Brooklyn
from populace.worlds.contagion import Contagion
from populace.worlds.opinion import Opinion
from populace.worlds.segregation import Segregation
from populace.worlds.wealth import Wealth
from tests.survivors import Village, village_cast

WORLDS: dict[str, Any] = {
    "village": lambda: (Village(), village_cast()),
    "contagion": lambda: (Contagion(people=400, disease="SIS", seeds=0.05, direction="push"), None),
    "segregation": lambda: (Segregation(side=24), None),
    "wealth": lambda: (Wealth(people=300), None),
    "opinion": lambda: (Opinion(people=150, model="deffuant", network="erdos-renyi"), None),
    "brooklyn": lambda: (Brooklyn(people=900), None),
}
TICKS = 12


def made(name: str) -> Simulation:
    world, cast = WORLDS[name]()
    return Simulation(world, cast, seed=11, panel=7)


def went_on(name: str, folder: Path) -> Simulation:
    _, cast = WORLDS[name]()
    return Simulation.resume(folder, cast=cast if isinstance(cast, Cast) else None)


def print_of(state: State) -> str:
    """Return a digest of a state, to the bit."""
    told = hashlib.sha256(json.dumps(_unordered(state.tree), sort_keys=True).encode())
    for path, array in sorted(state.arrays.items()):
        told.update(f"{path} {array.dtype} {array.shape}".encode() + array.tobytes())
    return told.hexdigest()


def _unordered(value: Any) -> Any:
    """Sort sets, whose order is no part of a state: their items come as texts."""
    if isinstance(value, dict):
        found = {key: _unordered(item) for key, item in value.items()}
        if "set" in found:
            found["set"] = sorted(map(json.dumps, found["set"]))
        return found
    return [_unordered(item) for item in value] if isinstance(value, list) else value


class Killer:
    """Counts what happens, and kills this process at a given count."""

    def __init__(self, at: int) -> None:
        self.left = at
        for name in ("fsync", "replace", "rename", "unlink", "mkdir", "link"):
            setattr(os, name, self._counting(name, getattr(os, name)))

    def _counting(self, name: str, call: Any) -> Any:
        def counted(*args: Any, **options: Any) -> Any:
            half = (name == "fsync" and os.fstat(args[0]).st_size) or 0
            self.count(args[0] if half else None, half // 2)
            result = call(*args, **options)
            self.count()
            return result

        return counted

    def count(self, file: int | None = None, size: int = 0) -> None:
        self.left -= 1
        if self.left == 0:
            if file is not None:
                os.ftruncate(file, size)
            os.kill(os.getpid(), signal.SIGKILL)


def carry_out(task: dict[str, Any]) -> None:
    folder = Path(task["folder"])
    killer = Killer(task["kill"])
    with threads(task["threads"]):
        if (folder / "checkpoints" / "start" / "state.json").exists():
            simulation = went_on(task["world"], folder)
            ticks, to = None, None
        else:  # killed before it had begun
            if folder.exists():
                shutil.rmtree(folder)
            simulation, ticks, to = made(task["world"]), TICKS, folder
        simulation.run(
            ticks, to, lambda *_: killer.count(), Checkpoints(every_ticks=2, every_seconds=None)
        )
    killer.left = -1
    folder.with_suffix(".state").write_text(print_of(snapshot(simulation)))


def main() -> None:
    for name in ("contagion", "segregation", "wealth", "opinion"):  # load their compiled kernels
        made(name).run(2)
    for line in sys.stdin:
        task = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                carry_out(task)
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
