"""How every benchmark here measures: rivals by turns in one run, medians and ranges, one JSON line.

Absolute times on a shared machine are noise; the ratio of two things measured by turns is not.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import populace


def machine() -> dict[str, Any]:
    """Return the processor's name, the cores of this process, memory (GiB) and the system."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        memory = None
    return {"cpu": cpu, "cores": cores, "memory_gib": memory, "system": platform.platform()}


def versions(*packages: str) -> dict[str, str | None]:
    """Return the versions of Python, populace, numpy, numba and `packages`; None if absent."""
    found: dict[str, str | None] = {
        "python": platform.python_version(),
        "populace": populace.__version__,  # also right where the source tree is run uninstalled
    }
    for name in ("numpy", "numba", *packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def by_turns(
    rivals: Mapping[str, Callable[[], Any]], repeats: int = 7, warm: int = 1
) -> dict[str, list[float]]:
    """Time every rival `repeats` times, one after the other in each round.

    Parameters
    ----------
    rivals : mapping of name to function without arguments
        Called `warm` times first, untimed (compilation, page faults, caches).

    Returns
    -------
    dict of name to list of seconds
    """
    for _ in range(warm):
        for call in rivals.values():
            call()
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(repeats):
        for name, call in rivals.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def by_turns_fresh(
    rivals: Mapping[str, Callable[[], Callable[[], Any]]], repeats: int = 3, clock: str = "wall"
) -> dict[str, list[float]]:
    """Time every rival as `by_turns` does, each time on a fresh run.

    Parameters
    ----------
    rivals : mapping of name to function without arguments
        It prepares a run, untimed, and returns the function to time. Compile beforehand.
    clock : "wall" or "cpu"
        CPU seconds of all threads say more than the time passed where other work is running.
    """
    now = time.process_time if clock == "cpu" else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(repeats):
        for name, prepare in rivals.items():
            call = prepare()
            start = now()
            call()
            seconds[name].append(now() - start)
            del call
    return seconds


def spread(values: list[float], scale: float = 1.0, digits: int = 4) -> dict[str, float]:
    """Return median, lowest and highest of `values`, times `scale`, to `digits` significant."""
    three = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return {name: float(f"{value * scale:.{digits}g}") for name, value in three.items()}


def ratio(ours: list[float], theirs: list[float]) -> dict[str, float]:
    """Return how many times faster `ours` is: median and range of the ratios of paired rounds."""
    return spread([b / a for a, b in zip(ours, theirs, strict=True)], digits=3)


def peak_memory_mib() -> float | None:
    """Return the largest resident memory of this process so far, in MiB."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if platform.system() == "Darwin" else 2**10), 1)


def report(benchmark: str, figures: Mapping[str, Any], *packages: str) -> None:
    """Print the one JSON line of a benchmark, with the machine and the versions used."""
    line = {
        "benchmark": benchmark,
        "machine": machine(),
        "versions": versions(*packages),
        **figures,
    }
    print(json.dumps(line))
