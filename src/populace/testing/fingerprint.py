"""A run as digests by name, so that two can be compared to the bit and their differences named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from populace.kernel.population import Population
from populace.records import Run

Prints = dict[str, bytes]

_DEEP = 8  # attributes of attributes that are followed


def digest(value: Any) -> bytes:
    """Return a digest of an array or plain value, to the bit."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        told = f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    elif isinstance(value, np.ndarray):
        told = repr(value.tolist()).encode()
    else:
        told = repr(value).encode()
    return hashlib.blake2b(told, digest_size=16).digest()


def of_run(run: Run) -> Prints:
    """Return digests of every table, column by column, and of the world's final state."""
    prints: Prints = {}
    for name in ("metrics", "by", "asks", "panel"):
        table = getattr(run, name)
        if name == "asks":  # its rows come in the order in which policies were asked
            table = table.sort("tick", "population", "kind", "policy")
        for column in table.columns:
            if (name, column) != ("asks", "seconds"):
                prints[f"{name}.{column}"] = digest(table[column].to_list())
    prints.update((f"world.{name}", digest(value)) for name, value in state(run.world))
    return prints


def state(holder: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arrays and plain values that an object holds, at any depth, by name."""
    yield from _walk(vars(holder), "", set(), 0)


def _walk(value: Any, name: str, seen: set[int], depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (np.ndarray, np.generic, int, float, str, bytes, type(None))):
        yield name, value
        return
    if id(value) in seen or depth > _DEEP:
        return
    if not isinstance(value, (tuple, frozenset)):  # two equal ones are as good as one twice
        seen.add(id(value))
    if isinstance(value, Population):
        yield f"{name}.id", value.id[value.alive]
        for column in value.columns:
            yield f"{name}.{column}", value[column][value.alive]
        return
    if isinstance(value, (set, frozenset)):
        value = sorted(map(repr, value))
    if isinstance(value, Mapping):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, (list, tuple)):
        items = [(str(i), item) for i, item in enumerate(value)]
    elif callable(value):
        return
    else:
        names = [n for cls in type(value).__mro__ for n in getattr(cls, "__slots__", ())]
        held = {
            n: getattr(value, n) for n in names if n.startswith("_") is False and hasattr(value, n)
        }
        items = list((held | getattr(value, "__dict__", {})).items())
    for key, item in items:
        yield from _walk(item, f"{name}.{key}" if name else key, seen, depth + 1)


def differences(one: Prints, other: Prints) -> list[str]:
    """Return the names whose digests differ."""
    return [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
