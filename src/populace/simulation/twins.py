"""Twins: a cast and its population once more, to be asked without a trace in the first.

A policy may remember what it is asked: in columns, in its attributes, in those of policies inside
it. A twin has its own copy of all of that, and shares what is code or stands outside: functions,
models, the world, stored answers, budgets, and whatever cannot be copied (connections, locks,
sessions).
"""

from __future__ import annotations

import copy
import datetime as dt
import enum
import functools
import types
from collections import deque
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from populace.kernel.budget import Budget
from populace.kernel.cast import Cast
from populace.kernel.ledger import Ledger
from populace.kernel.population import Population
from populace.kernel.resources import Resources
from populace.kernel.world import World

_ATOMS = (
    types.NoneType, bool, int, float, complex, str, bytes, range, type, enum.Enum, np.generic,
    np.dtype, dt.date, dt.timedelta, PurePath, functools.partial, types.FunctionType,
    types.BuiltinFunctionType, types.ModuleType,
)  # fmt: skip
_OUTSIDE = (World, Resources, Budget, Ledger)


class _Columns(dict[str, Any]):
    """Columns that are copied when they are first touched: a survey of few touches few."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        super().__init__(columns)
        self._shared = set(columns)

    def __getitem__(self, name: str) -> Any:
        if name in self._shared:
            self._shared.discard(name)
            super().__setitem__(name, super().__getitem__(name).copy())
        return super().__getitem__(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._shared.discard(name)
        super().__setitem__(name, value)

    def items(self) -> Any:
        return [(name, self[name]) for name in self]

    def values(self) -> Any:
        return [self[name] for name in self]


def shadow(people: Population) -> Population:
    """Return a population of the same agents whose columns are its own."""
    other = Population.__new__(Population)
    other.__dict__.update(people.__dict__)
    other.__dict__.update(
        _data=_Columns(people._data),
        _defaults=dict(people._defaults),
        _alive=people._alive.copy(),
        _id=people._id.copy(),
        _everyone=None,
    )
    return other


def twin_cast(cast: Cast, people: Population, memo: dict[int, Any]) -> Cast:
    """Return a cast of twins of the policies, bound to the shadow of its population."""
    other = copy.copy(cast)
    other.policies = {name: twin(policy, memo) for name, policy in cast.policies.items()}
    other._population, other._groups, other._later = people, None, []
    return other


def twin(value: Any, memo: dict[int, Any]) -> Any:
    """Return a copy that shares only what is code or stands outside.

    Parameters
    ----------
    memo : dict
        What stands for an object, by its id: given for populations, filled in for the rest, so
        that what was shared among policies stays shared among their twins.
    """
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, (*_ATOMS, *_OUTSIDE)) or _external(value):
        return value
    if isinstance(value, types.MethodType):
        return types.MethodType(value.__func__, twin(value.__self__, memo))
    if isinstance(value, (tuple, frozenset)):
        return _immutable(value, memo)
    cls = type(value)
    container = isinstance(value, (dict, list, set, deque))
    try:
        if container or isinstance(value, np.ndarray):
            made = copy.copy(value)
        elif _own_way(cls):
            made = copy.deepcopy(value)  # a generator of numpy, say
        else:
            made = object.__new__(cls)  # not by its constructor, which may want arguments
    except Exception:  # a lock, a connection, a session: there is one of it
        return value
    memo[id(value)] = made
    if container:
        _refill(value, made, memo)
    elif isinstance(value, np.ndarray) or _own_way(cls):
        return made
    for name, inside in _attributes(value):
        object.__setattr__(made, name, twin(inside, memo))
    return made


def _external(value: Any) -> bool:
    """Whether it is a language model or a store of answers, known by what they offer."""
    return (hasattr(value, "generate") and hasattr(value, "capabilities")) or hasattr(
        value, "fetch"
    )


def _own_way(cls: type) -> bool:
    """Whether a class says itself how it is copied; its attributes are then not ours to go into."""
    own = ("__reduce_ex__", "__reduce__", "__copy__")
    return any(getattr(cls, name, None) is not getattr(object, name, None) for name in own)


def _attributes(value: Any) -> list[tuple[str, Any]]:
    slots = [
        name
        for cls in type(value).__mro__
        for name in _listed(cls.__dict__.get("__slots__", ()))
        if name not in ("__dict__", "__weakref__") and hasattr(value, name)
    ]
    return [(name, getattr(value, name)) for name in slots] + list(
        getattr(value, "__dict__", {}).items()
    )


def _listed(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _immutable(value: Any, memo: dict[int, Any]) -> Any:
    inside = [twin(each, memo) for each in value]
    if all(a is b for a, b in zip(inside, value, strict=True)):
        return value
    named = hasattr(value, "_fields")
    return type(value)(*inside) if named else type(value)(inside)


def _refill(value: Any, made: Any, memo: dict[int, Any]) -> None:
    """Put twins into a shallow copy of a container."""
    if isinstance(value, dict):
        for key, inside in value.items():
            made[key] = twin(inside, memo)
    elif isinstance(value, set):
        inside = [twin(each, memo) for each in value]
        made.clear()
        made.update(inside)
    else:
        for i, each in enumerate(value):
            made[i] = twin(each, memo)
