"""An object's state as JSON and arrays, and back: what a checkpoint holds.

*Code holds structure, the state holds values.* To restore, the program first builds its objects as
it did at the start; then `populace.kernel.overlay.overlay` puts the stored values into them, in
place where they still fit. Functions, classes, modules and compiled kernels are code: they are
named, never stored, and no stored byte is ever executed.

How each thing is kept, as JSON: None, bool, int, str and finite floats as they are; what has no
identity of its own as ``{tag: value}``; what can be shared or changed as ``{"@": n}``, the n-th
node of a table, so that two references to one object stay two references to one object.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import decimal
import enum
import fractions
import functools
import math
import re
import sys
import types
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.code import code_name, is_code
from populace.kernel.errors import StateError

MEND = (
    "hold values (numbers, texts, arrays, containers, dataclasses), give its class state() and "
    "restore(), or run without checkpoints"
)
BY_TEXT: dict[str, Any] = {  # values that their text says exactly
    "path": PurePath,
    "decimal": decimal.Decimal,
    "fraction": fractions.Fraction,
    "uuid": uuid.UUID,
}
_CONTAINERS = (list, dict, set, deque, bytearray)


@dataclass(frozen=True)
class State:
    """What `capture` found.

    Attributes
    ----------
    tree : dict
        ``root`` and ``nodes``: JSON.
    arrays : dict of str to array
        By the path where each was found; the arrays themselves, not copies.
    """

    tree: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self.arrays.values())


def capture(root: Any, anchors: Mapping[str, Any] | None = None, *, lenient: bool = False) -> State:
    """Return the state of an object and of all that it holds.

    An object with methods ``state()`` and ``restore(state)`` is kept as what ``state()`` returns.
    Of a policy (anything with ``act``) without them, plain values, containers, arrays, dataclasses
    and further policies are kept; other things that it holds (clients, fitted models) are code.

    Parameters
    ----------
    root : object
        As a rule a dict of what belongs together, so that references between them are kept.
    anchors : mapping of str to object, optional
        Things that the program has at hand on both sides, kept by name only.
    lenient : bool
        Leave out what cannot be stored, as of policies.

    Raises
    ------
    StateError
        Naming the path of what can be neither stored nor taken as code.

    Notes
    -----
    Arrays that share memory go on sharing it. The order in which a set is iterated is no part of
    its state; that of a dict is.
    """
    walk = _Capture(anchors or {})
    top = walk.value(root, "", lenient)
    walk.finish()
    return State({"root": top, "nodes": walk.nodes}, walk.arrays)


class _Capture:
    def __init__(self, anchors: Mapping[str, Any]) -> None:
        self.nodes: list[Any] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        self._anchors = {id(thing): name for name, thing in anchors.items()}
        self._place: dict[int, int] = {}
        self._alive: list[Any] = []  # an id is an object's only while that lives
        self._todo: deque[tuple[int, Any, str, bool]] = deque()
        self._found: list[tuple[int, NDArray[Any], str]] = []

    def finish(self) -> None:
        """Describe every node that was met, then the arrays, of which some may share memory."""
        while self._todo:
            place, thing, path, lenient = self._todo.popleft()
            self.nodes[place] = self._node(thing, path, lenient)
        self._arrays()

    # -- values ----------------------------------------------------------------------------------

    def value(self, value: Any, path: str, lenient: bool) -> Any:
        kind = type(value)
        if value is None or kind is int or kind is str or kind is bool:
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": value.hex()}
        if id(value) in self._anchors:
            return {"anchor": self._anchors[id(value)]}
        if id(value) in self._place:
            return {"@": self._place[id(value)]}
        if (simple := _simple(value)) is not None:
            return simple
        if isinstance(value, tuple):
            items = [self.value(v, f"{path}[{i}]", lenient) for i, v in enumerate(value)]
            return {"tuple": items} | ({} if kind is tuple else {"class": code_name(kind)})
        if isinstance(value, frozenset) and kind is frozenset:
            return {"frozenset": [self.value(v, f"{path}{{}}", lenient) for v in value]}
        if isinstance(value, types.MethodType):
            return {"method": [self.value(value.__self__, path, lenient), value.__name__]}
        if isinstance(value, functools.partial):
            inner = (value.func, value.args, tuple(value.keywords.items()))
            return {"partial": [self.value(v, path, lenient) for v in inner]}
        if is_code(value):
            return {"code": code_name(value)}
        if _is_frame(value):
            self.arrays[path] = _frame_bytes(value)
            return {"frame": path, "series": kind.__name__ == "Series"}
        if not self._storable(value, path, lenient):
            return {"kept": True}
        return {"@": self._new(value, path, lenient)}

    def _new(self, thing: Any, path: str, lenient: bool) -> int:
        place = self._place[id(thing)] = len(self.nodes)
        self.nodes.append(None)
        self._alive.append(thing)
        if isinstance(thing, np.ndarray) and not _by_item(thing):
            self._found.append((place, thing, path))
        else:
            self._todo.append((place, thing, path, lenient))
        return place

    def _storable(self, thing: Any, path: str, lenient: bool) -> bool:
        """Whether a thing can be a node; of a policy, what cannot is left to the program."""
        if isinstance(thing, np.ndarray):
            exact = type(thing) in (np.ndarray, np.memmap)
            good = exact and (not thing.dtype.hasobject or _by_item(thing))
        else:
            good = isinstance(thing, _CONTAINERS) or has_state(thing) or is_policy(thing)
            good = good or (is_plain(type(thing)) and (not lenient or _followed(thing)))
        if good or lenient:
            return good
        name = code_name(type(thing)).removeprefix("builtins:").replace(":", ".")
        raise StateError(f"a {name} cannot be kept in a checkpoint", where=path, mend=MEND)

    # -- nodes -----------------------------------------------------------------------------------

    def _node(self, thing: Any, path: str, lenient: bool) -> dict[str, Any]:
        kind = type(thing)
        if isinstance(thing, np.ndarray):
            tag = "objects" if thing.dtype.kind == "O" else "strings"
            items = [self.value(v, f"{path}[{i}]", lenient) for i, v in enumerate(thing.flat)]
            return {tag: items, "shape": list(thing.shape)}
        if has_state(thing):
            lenient = lenient or is_policy(thing)
            kept = self.value(thing.state(), f"{path}.state()", lenient)
            return {"state": kept, "class": code_name(kind)}
        node: dict[str, Any] = {}
        if isinstance(thing, dict):
            node["dict"] = [
                [
                    self.value(k, f"{path} (key)", lenient),
                    self.value(v, f"{path}[{k!r}]" if path else str(k), lenient),
                ]
                for k, v in thing.items()
            ]
            if (factory := getattr(thing, "default_factory", None)) is not None:
                node["factory"] = self.value(factory, f"{path}.default_factory", lenient)
        elif isinstance(thing, (list, deque)):
            tag = "list" if isinstance(thing, list) else "deque"
            node[tag] = [self.value(v, f"{path}[{i}]", lenient) for i, v in enumerate(thing)]
            if isinstance(thing, deque):
                node["maxlen"] = thing.maxlen
        elif isinstance(thing, set):
            node["set"] = [self.value(v, f"{path}{{}}", lenient) for v in thing]
        elif isinstance(thing, bytearray):
            node["bytearray"] = base64.b64encode(thing).decode()
        else:
            node["object"] = True
        if kind not in _CONTAINERS:
            node["class"] = code_name(kind)
            lenient = lenient or is_policy(thing)
            node["attributes"] = {
                name: self.value(
                    v, f"{path}.{name}" if path else name, lenient or name == "_given_parameters"
                )
                for name, v in attributes(thing)
            }
        return node

    # -- arrays ----------------------------------------------------------------------------------

    def _arrays(self) -> None:
        """Keep arrays; of those that share memory, the memory once and each as a view of it."""
        sharing: dict[int, int] = {}
        for _, array, _ in self._found:
            sharing[id(owner(array))] = sharing.get(id(owner(array)), 0) + 1
        for place, array, path in list(self._found):
            whole = owner(array)
            alone = sharing[id(whole)] == 1 and (array is whole or _dense(array))
            if whole is array or alone or not array.size:
                self._put(place, array, path)
                continue
            if id(whole) not in self._place:
                home = self._place[id(whole)] = len(self.nodes)
                self.nodes.append(None)
                self._alive.append(whole)
                self._put(home, whole, f"{path}.base")
            self.nodes[place] = {
                "view": {"@": self._place[id(whole)]},
                "dtype": dtype_name(array.dtype),
                **layout(array, whole),
                "writeable": array.flags.writeable,
            }

    def _put(self, place: int, array: NDArray[Any], path: str) -> None:
        axes = memory_order(array)
        self.arrays[path] = array.transpose(axes)  # as it lies in memory
        self.nodes[place] = {"array": path, "axes": axes, "writeable": array.flags.writeable}


# -- what things are -------------------------------------------------------------------------------


def _simple(value: Any) -> dict[str, Any] | None:
    """Return a value without identity of its own as JSON, or None if it is something else."""
    kind = type(value)
    if isinstance(value, enum.Flag):
        return {"flag": [code_name(kind), value.value]}
    if isinstance(value, enum.Enum):
        return {"enum": [code_name(kind), value.name]}
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return {"scalar": [dtype_name(value.dtype), value.tobytes().hex()]}
    if kind is bytes:
        return {"bytes": base64.b64encode(value).decode()}
    if kind is complex:
        return {"complex": [value.real.hex(), value.imag.hex()]}
    if kind in (dt.datetime, dt.date, dt.time) and getattr(value, "tzinfo", None) is None:
        return {kind.__name__: value.isoformat()}
    if kind is dt.timedelta:
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    if kind is range:
        return {"range": [value.start, value.stop, value.step]}
    if isinstance(value, np.dtype) and not value.hasobject:
        return {"dtype": dtype_name(value)}
    if kind is re.Pattern and isinstance(value.pattern, str):
        return {"pattern": [value.pattern, value.flags]}
    for tag, cls in BY_TEXT.items():
        if isinstance(value, cls):
            return {tag: str(value)}
    return None


def has_state(thing: Any) -> bool:
    """Whether a thing's class says itself what is kept of it."""
    cls = type(thing)
    return callable(getattr(cls, "state", None)) and callable(getattr(cls, "restore", None))


def is_policy(thing: Any) -> bool:
    return callable(getattr(type(thing), "act", None))


def _followed(thing: Any) -> bool:
    """Whether a policy's attribute is its memory rather than a tool that it uses."""
    return is_dataclass(thing) or type(thing).__module__.startswith("populace.kernel.")


def slots(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        names = base.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if name not in ("__dict__", "__weakref__"):
                mangled = name.startswith("__") and not name.endswith("__")
                yield f"_{base.__name__.lstrip('_')}{name}" if mangled else name


def is_plain(cls: type) -> bool:
    """Whether all that an instance holds stands in its ``__dict__`` and ``__slots__``."""
    size = object.__basicsize__ + 8 * (
        (cls.__dictoffset__ > 0) + (cls.__weakrefoffset__ > 0) + len(list(slots(cls)))
    )
    return bool(cls.__flags__ & (1 << 9)) and cls.__basicsize__ <= size  # 1 << 9: made by `class`


def attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a thing holds by name."""
    yield from list(getattr(thing, "__dict__", {}).items())
    for name in slots(type(thing)):
        with contextlib.suppress(AttributeError):
            yield name, object.__getattribute__(thing, name)


def _by_item(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "OT"


def _is_frame(value: Any) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(value, (polars.DataFrame, polars.Series))


def _frame_bytes(value: Any) -> NDArray[np.uint8]:
    import io

    target = io.BytesIO()
    frame = value.to_frame() if hasattr(value, "to_frame") else value
    frame.write_ipc(target)
    return np.frombuffer(target.getvalue(), np.uint8)


# -- memory ----------------------------------------------------------------------------------------


def owner(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array whose memory this one shows: itself, if it is no view."""
    while isinstance(array.base, np.ndarray) and not _by_item(array.base):
        array = array.base
    return array


def dtype_name(dtype: np.dtype[Any]) -> Any:
    """Return a dtype as JSON, for `named_dtype`."""
    return np.lib.format.dtype_to_descr(dtype)


def named_dtype(name: Any) -> np.dtype[Any]:
    """Return the dtype that `dtype_name` gave, whose tuples JSON has made lists."""
    return np.lib.format.descr_to_dtype(_fields(name))


def _fields(name: Any) -> Any:
    if isinstance(name, str):
        return name
    return [(field, _fields(of), *map(tuple, shape)) for field, of, *shape in name]


def memory_order(array: NDArray[Any]) -> list[int]:
    """Return the axes from the slowest to the fastest in memory: sums depend on their order."""
    if array.flags.c_contiguous or not array.size:
        return list(range(array.ndim))
    return sorted(range(array.ndim), key=lambda axis: (-abs(array.strides[axis]), axis))


def _dense(array: NDArray[Any]) -> bool:
    return bool(array.transpose(memory_order(array)).flags.c_contiguous)


def layout(view: NDArray[Any], whole: NDArray[Any]) -> dict[str, Any]:
    """Return where in the memory of `whole` a view lies."""
    start = view.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    return {"offset": start, "shape": list(view.shape), "strides": list(view.strides)}
