"""What the manifest says of a run before it begins."""

from __future__ import annotations

import datetime as dt
import hashlib
import inspect
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from populace.kernel.cast import Cast
from populace.kernel.policy import Policy, describe_policy, function_name

if TYPE_CHECKING:
    from populace.simulation.running import Simulation


def manifest(simulation: Simulation, ticks: int) -> dict[str, Any]:
    """Return what will run: world, cast, seed, ticks asked, versions of code and data."""
    world, cls = simulation.world, type(simulation.world)
    calendar = world.calendar
    return {
        "world": {
            "name": cls.__name__.lower(),
            "class": f"{cls.__module__}.{cls.__qualname__}",
            "title": world.title or cls.__name__,
            "doc": (inspect.getdoc(cls) or "").split("\n\n")[0],
            "parameters": plain(simulation._parameters),
            "axes": {name: list(labels) for name, labels in world.axes.items()},
            "charts": [chart.describe() for chart in world.charts],
            "calendar": None
            if calendar is None
            else {"start": calendar.start.isoformat(), "unit": calendar.unit},
        },
        "cast": describe_casts(simulation.casts),
        "interventions": simulation.interventions.describe(),
        "surveys": simulation.surveys.describe(),
        "command": simulation.command,
        "seed": simulation.seed,
        "ticks": {"first": simulation.tick, "asked": ticks, "done": 0},
        "populations": {name: len(people) for name, people in simulation.populations.items()},
        "records": simulation.records.describe(simulation._watched),
        "versions": versions(),
        "data": dict(world.data()),
    }


def describe_casts(casts: Mapping[str, Cast]) -> dict[str, Any]:
    """Return every cast as plain data."""
    return {name: plain(cast.describe()) for name, cast in casts.items()}


def plain(value: Any) -> Any:
    """Return a parameter as JSON can hold it; an array as its shape and digest."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"shape": list(value.shape), "dtype": str(value.dtype), "sha256": digest}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (dt.date, Path)):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Policy):
        return plain(describe_policy(value))
    return function_name(value) if callable(value) else type(value).__qualname__


def versions() -> dict[str, str]:
    """Return the versions of Python, the system and the packages that results depend on."""
    return dict(_versions())


@cache  # reading packages' metadata takes as long as a short run
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": sys.platform}
    for package in ("populace", "numpy", "numba", "polars"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree
            found[package] = "not installed"
    return found
