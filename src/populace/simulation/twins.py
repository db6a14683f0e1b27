"""Twins: a cast and its population, or a world, once more, to be used without a trace in the first.

A policy may remember what it is asked: in columns, in its attributes, in those of policies inside
it. A twin has its own copy of all of that, and shares what is code or stands outside: functions,
models, the world, stored answers, budgets, and whatever cannot be copied (connections, locks,
sessions). Arrays that share memory go on sharing it; read-only ones stay shared with the first.
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
from populace.kernel.code import is_code
from populace.kernel.ledger import Ledger
from populace.kernel.population import Population
from populace.kernel.resources import Resources
from populace.kernel.state import is_policy, layout, memory_order, owner, slots
from populace.kernel.world import World

_ATOMS = (
    types.NoneType, bool, int, float, complex, str, bytes, range, type, enum.Enum, np.generic,
    np.dtype, dt.date, dt.timedelta, PurePath, functools.partial, types.FunctionType,
    types.BuiltinFunctionType, types.ModuleType,
)  # fmt: skip
_PLAIN = {types.NoneType, bool, int, float, str, bytes, types.FunctionType}  # the most frequent
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


class Imagination(dict[int, Any]):
    """A memo under which policies are stood in for by what their ``imagined()`` returns."""


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
    """Return a cast of twins of the policies, bound to another population of the same agents."""
    other = copy.copy(cast)
    other.policies = {name: twin(policy, memo) for name, policy in cast.policies.items()}
    other._streams = twin(cast._streams, memo)
    other._population, other._groups, other._later = people, None, []
    return other


def twin_world(world: World, memo: dict[int, Any]) -> Any:
    """Return a world of the same class whose state is its own, populations included.

    Parameters
    ----------
    memo : dict
        As `twin`; afterwards it holds what stands for each population.
    """
    made = memo[id(world)] = object.__new__(type(world))
    for name, inside in _attributes(world):
        object.__setattr__(made, name, twin(inside, memo))
    return made


def twin(value: Any, memo: dict[int, Any]) -> Any:
    """Return a copy that shares only what is code or stands outside.

    Parameters
    ----------
    memo : dict
        What stands for an object, by its id: given for populations, filled in for the rest, so
        that what was shared among policies stays shared among their twins.
    """
    cls: Any = type(value)
    if cls in _PLAIN:
        return value
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(memo, Imagination) and is_policy(value) and hasattr(value, "imagined"):
        made = memo[id(value)] = twin(value.imagined(), memo)
        return made
    if isinstance(value, (*_ATOMS, *_OUTSIDE)) or _external(value) or is_code(value):
        return value
    if isinstance(value, np.ndarray):
        return _array(value, memo)
    if isinstance(value, types.MethodType):
        return types.MethodType(value.__func__, twin(value.__self__, memo))
    if isinstance(value, (tuple, frozenset)):
        return _immutable(value, memo)
    container = isinstance(value, (dict, list, set, deque))
    try:
        if container:
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
    elif _own_way(cls):
        return made
    for name, inside in _attributes(value):
        object.__setattr__(made, name, twin(inside, memo))
    return made


def _array(value: np.ndarray[Any, Any], memo: dict[int, Any]) -> Any:
    """Return a copy of an array; of a view, the same view of a copy of the memory it shows."""
    whole = owner(value)
    if not value.flags.writeable and not whole.flags.writeable:
        return value
    lying = whole.transpose(memory_order(whole))
    if whole is value or value.dtype.hasobject or not lying.flags.c_contiguous:
        made = value.copy(order="K")
        if value.dtype.kind == "O":
            for at, inside in np.ndenumerate(value):
                made[at] = twin(inside, memo)
    else:
        memory: Any = twin(whole, memo)
        lies = layout(value, whole)
        made = np.ndarray(
            tuple(lies["shape"]), value.dtype, memory.transpose(memory_order(memory)),
            lies["offset"], tuple(lies["strides"]),
        )  # fmt: skip
    made.flags.writeable = value.flags.writeable
    memo[id(value)] = made
    return made


def _external(value: Any) -> bool:
    """Whether it is a language model or a store of answers, known by what they offer."""
    return (hasattr(value, "generate") and hasattr(value, "capabilities")) or hasattr(
        value, "fetch"
    )


@functools.cache
def _own_way(cls: Any) -> bool:
    """Whether a class says itself how it is copied; its attributes are then not ours to go into."""
    own = ("__reduce_ex__", "__reduce__", "__copy__")
    return any(getattr(cls, name, None) is not getattr(object, name, None) for name in own)


def _attributes(value: Any) -> list[tuple[str, Any]]:
    cls: Any = type(value)
    held = [(name, getattr(value, name)) for name in _slots(cls) if hasattr(value, name)]
    return held + list(getattr(value, "__dict__", {}).items())


@functools.cache
def _slots(cls: Any) -> tuple[str, ...]:
    return tuple(slots(cls))


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
