"""Putting a stored state back into objects that the program has built anew."""

from __future__ import annotations

import base64
import datetime as dt
import enum
import functools
import operator
import re
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.code import code_name, find_code, is_code
from populace.kernel.errors import StateError
from populace.kernel.state import (
    BY_TEXT,
    State,
    attributes,
    is_plain,
    layout,
    memory_order,
    named_dtype,
    owner,
    slots,
)

_NOTHING: Any = type("Nothing", (), {"__repr__": lambda self: "nothing"})()


def overlay(
    root: Any,
    state: State,
    anchors: Mapping[str, Any] | None = None,
    packages: Iterable[str] = (),
) -> Any:
    """Put stored values into `root` and what it holds, and return it.

    Objects stay the ones they are where their class is that of the stored ones; arrays where shape
    and dtype still fit. What came to be during the run is made anew, without calling its
    ``__init__``.

    Parameters
    ----------
    root : object
        Built as the captured one was; None to make all anew.
    state : State
    anchors : mapping of str to object, optional
        As in `capture`.
    packages : iterable of str, optional
        Packages whose code may be looked up by the names that a state holds, beside populace, those
        that objects of `root` come from, and harmless classes of numpy and the standard library.

    Raises
    ------
    StateError
        If a class or function of the stored state is not there (its code has changed, or it stood
        in a function's body), or an object that keeps its own state is missing.
    """
    return _Overlay(state, anchors or {}, packages).run(_NOTHING if root is None else root)


class _Overlay:
    def __init__(self, state: State, anchors: Mapping[str, Any], packages: Iterable[str]) -> None:
        self._top, self._nodes = state.tree["root"], state.tree["nodes"]
        self._arrays, self._anchors = state.arrays, anchors
        self._made: list[Any] = [_NOTHING] * len(self._nodes)
        self._reused = [False] * len(self._nodes)
        self._filled = [False] * len(self._nodes)
        self._taken: set[int] = set()
        self._states: dict[int, Any] = {}
        self._packages = {"populace", *packages}
        self._todo: deque[int] = deque()

    def run(self, root: Any) -> Any:
        self._bind(self._top, root)
        while self._todo:
            place = self._todo.popleft()
            self._bind_children(place)
        own = [i for i, node in enumerate(self._nodes) if "state" in node]
        for place, made in enumerate(self._made):
            if made is not _NOTHING and place not in self._states:
                self._fill(place)
        for place in reversed(own):
            if self._made[place] is not _NOTHING:
                kept = self._value(self._nodes[place]["state"], self._states.get(place, _NOTHING))
                self._made[place].restore(kept)
        return self._value(self._top, root)

    # -- which object each node becomes ----------------------------------------------------------

    def _bind(self, value: Any, fresh: Any) -> None:
        """Choose the objects of a value, the fresh ones in the same places where they fit."""
        if not isinstance(value, dict):
            return
        if "@" in value:
            if self._made[value["@"]] is _NOTHING:
                self._choose(value["@"], fresh)
        elif "tuple" in value:
            held = fresh if isinstance(fresh, tuple) else ()
            for i, item in enumerate(value["tuple"]):
                self._bind(item, held[i] if i < len(held) else _NOTHING)
        elif "frozenset" in value:
            for item in value["frozenset"]:
                self._bind(item, _NOTHING)
        elif "method" in value:
            self._bind(value["method"][0], getattr(fresh, "__self__", _NOTHING))
        elif "partial" in value:
            for item in value["partial"]:
                self._bind(item, _NOTHING)

    def _choose(self, place: int, fresh: Any) -> None:
        node = self._nodes[place]
        if fresh is not _NOTHING and not is_code(fresh):
            self._packages.add(type(fresh).__module__.split(".")[0])
        if "view" in node:
            whole = owner(fresh) if isinstance(fresh, np.ndarray) else _NOTHING
            self._bind(node["view"], whole)
            self._made[place] = self._view(node, self._made[node["view"]["@"]], fresh)
            return
        fits = fresh is not _NOTHING and id(fresh) not in self._taken and self._fits(node, fresh)
        self._made[place] = fresh if fits else self._allocate(node)
        self._reused[place] = fits
        if fits:
            self._taken.add(id(fresh))
        self._todo.append(place)

    def _fits(self, node: dict[str, Any], fresh: Any) -> bool:
        """Whether a fresh object can take the values of a node."""
        if "array" in node:
            if not isinstance(fresh, np.ndarray) or memory_order(fresh) != node["axes"]:
                return False
            lying = fresh.transpose(node["axes"])
            stored = self._arrays[node["array"]]
            if lying.dtype != stored.dtype or lying.shape != stored.shape:
                return False
            same = fresh.flags.writeable == node["writeable"] and lying.flags.c_contiguous
            return same and (fresh.flags.writeable or _equal(lying, stored))
        if "objects" in node or "strings" in node:
            return False
        for tag, cls in _KINDS.items():
            if tag in node and not isinstance(fresh, cls):
                return False
        if "deque" in node and fresh.maxlen != node["maxlen"]:
            return False
        name = node.get("class")
        return type(fresh) in _KINDS.values() if name is None else code_name(type(fresh)) == name

    def _allocate(self, node: dict[str, Any]) -> Any:
        if "array" in node:
            stored = np.array(self._arrays[node["array"]])  # a copy: the stored one may be shared
            array = stored.transpose(np.argsort(node["axes"]))
            array.flags.writeable = node["writeable"]
            return array
        if "objects" in node or "strings" in node:
            dtype: Any = object if "objects" in node else np.dtypes.StringDType()
            return np.empty(node["shape"], dtype)
        if "state" in node:
            raise StateError(
                f"a {node['class']} keeps its own state, and is not there to take it",
                mend="make it where the world or cast is made, not during the run",
            )
        base = next((cls for tag, cls in _KINDS.items() if tag in node), object)
        cls = self._code(node["class"]) if "class" in node else base
        if not (isinstance(cls, type) and issubclass(cls, base)):
            raise StateError(f"expected a class of {base.__name__}, got {node['class']}")
        if base is object and not is_plain(cls):
            raise StateError(f"a {node['class']} cannot be made anew")
        made = _builtin(cls, "__new__")(cls)
        if "deque" in node:
            deque.__init__(made, (), node["maxlen"])
        return made

    def _view(self, node: dict[str, Any], whole: NDArray[Any], fresh: Any) -> NDArray[Any]:
        dtype = named_dtype(node["dtype"])
        if isinstance(fresh, np.ndarray) and owner(fresh) is whole and fresh.dtype == dtype:
            lies = layout(fresh, whole)
            if all(node[name] == value for name, value in lies.items()):
                return fresh
        memory = whole.transpose(memory_order(whole))
        strides, offset = tuple(node["strides"]), node["offset"]
        view: NDArray[Any] = np.ndarray(tuple(node["shape"]), dtype, memory, offset, strides)
        view.flags.writeable = node["writeable"]
        return view

    def _bind_children(self, place: int) -> None:
        node, made = self._nodes[place], self._made[place]
        fresh = made if self._reused[place] else _NOTHING
        if "state" in node:
            self._states[place] = made.state()
            self._bind(node["state"], self._states[place])
        for value, old in self._children(node, fresh):
            self._bind(value, old)

    def _children(self, node: dict[str, Any], fresh: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the values in a node, each with what the fresh object has in its place."""
        bare = fresh is _NOTHING
        if "dict" in node:
            for key, value in node["dict"]:
                yield key, _NOTHING
                yield value, _NOTHING if bare else self._item(fresh, key)
            yield node.get("factory"), _NOTHING
        for tag in ("list", "deque"):
            for i, value in enumerate(node.get(tag, ())):
                yield value, fresh[i] if not bare and i < len(fresh) else _NOTHING
        for tag in ("set", "objects", "strings"):
            for value in node.get(tag, ()):
                yield value, _NOTHING
        held = {} if bare or not node.get("attributes") else dict(attributes(fresh))
        for name, value in node.get("attributes", {}).items():
            yield value, held.get(name, _NOTHING)

    def _item(self, fresh: dict[Any, Any], key: Any) -> Any:
        """Return what a fresh dict has under a stored key, if that is a plain value."""
        if _mentions(key):
            return _NOTHING
        return dict.get(fresh, self._value(key, _NOTHING), _NOTHING)

    # -- what the objects hold -------------------------------------------------------------------

    def _fill(self, place: int) -> None:
        if self._filled[place]:
            return
        self._filled[place] = True
        node, made = self._nodes[place], self._made[place]
        bare = not self._reused[place]
        if "array" in node:
            stored = self._arrays[node["array"]]
            if not bare and not _equal(lying := made.transpose(node["axes"]), stored):
                lying[...] = stored
            return
        if "objects" in node or "strings" in node:
            values = node["objects"] if "objects" in node else node["strings"]
            for i, value in enumerate(values):
                made.flat[i] = self._value(value, _NOTHING)
            return
        if "dict" in node:
            self._fill_dict(node, made, bare)
        elif "list" in node or "deque" in node:
            values = node["list"] if "list" in node else node["deque"]
            old = [] if bare else list(made)
            new = [
                self._value(v, old[i] if i < len(old) else _NOTHING) for i, v in enumerate(values)
            ]
            if len(new) != len(old) or any(a is not b for a, b in zip(new, old, strict=True)):
                made.clear()
                made.extend(new)
        elif "set" in node:
            new = [self._hashed(value) for value in node["set"]]
            if set(new) != made:
                set.clear(made)
                set.update(made, new)
        elif "bytearray" in node:
            made[:] = base64.b64decode(node["bytearray"])
        if "attributes" in node:
            self._fill_attributes(node["attributes"], made)

    def _fill_dict(self, node: dict[str, Any], made: dict[Any, Any], bare: bool) -> None:
        new = []
        for key, value in node["dict"]:
            fresh = _NOTHING if bare else self._item(made, key)
            if _is_kept(value):
                if fresh is not _NOTHING:
                    new.append((self._hashed(key), fresh))
                continue
            new.append((self._hashed(key), self._value(value, fresh)))
        if "factory" in node:
            made.default_factory = self._value(node["factory"], made.default_factory)  # type: ignore[attr-defined]
        old = list(dict.items(made))
        if len(new) != len(old) or any(
            a != b or v is not w for (a, v), (b, w) in zip(new, old, strict=True)
        ):
            put = _builtin(type(made), "__setitem__")  # no method of a subclass, which may count
            _builtin(type(made), "clear")(made)
            for key, value in new:
                put(made, key, value)

    def _fill_attributes(self, stored: dict[str, Any], made: Any) -> None:
        held, own = dict(attributes(made)), getattr(made, "__dict__", None)
        slotted = set(slots(type(made)))
        for name in held.keys() - stored.keys():
            if own is not None and name in own:
                del own[name]
            else:
                object.__delattr__(made, name)
        for name, value in stored.items():
            old = held.get(name, _NOTHING)
            if _is_kept(value):
                continue
            new = self._value(value, old)
            if new is old:
                continue
            if name in slotted:
                object.__setattr__(made, name, new)
            elif own is not None:
                own[name] = new
            else:
                raise StateError(f"a {code_name(type(made))} has no attribute {name!r} any more")
        if own is not None:  # in the order of the stored one: what depends on it stays the same
            for name in [name for name in stored if name in own]:
                own[name] = own.pop(name)

    def _hashed(self, value: Any) -> Any:
        """Return a key: what it is made of must be complete before it is hashed."""
        for place in _mentions(value):
            self._fill(place)
        return self._value(value, _NOTHING)

    def _value(self, value: Any, fresh: Any) -> Any:
        if not isinstance(value, dict):
            same = type(fresh) is type(value) and type(value) is not float and fresh == value
            return fresh if same else value
        (tag, held), *_ = value.items()
        if tag == "@":
            return self._made[held]
        if tag == "tuple":
            old = fresh if isinstance(fresh, tuple) else ()
            items = [
                self._value(v, old[i] if i < len(old) else _NOTHING) for i, v in enumerate(held)
            ]
            same = "class" not in value
            new = tuple(items) if same else tuple.__new__(self._code(value["class"]), items)
            unchanged = type(fresh) is type(new) and len(old) == len(items)
            return fresh if unchanged and all(map(operator.is_, old, items)) else new
        if tag == "frozenset":
            return frozenset(self._hashed(v) for v in held)
        if tag == "anchor":
            return self._anchors[held]
        if tag == "code":
            return fresh if is_code(fresh) and code_name(fresh) == held else self._code(held)
        if tag == "method":
            return self._method(held)
        if tag == "partial":
            function, args, keywords = (self._value(v, _NOTHING) for v in held)
            return functools.partial(function, *args, **dict(keywords))
        if tag == "frame":
            return _frame(self._arrays[held], value["series"])
        if tag == "kept":
            if fresh is _NOTHING:
                raise StateError("something that a policy holds is not there to be kept")
            return fresh
        if tag in ("enum", "flag"):
            return self._member(tag, *held)
        return _simple(tag, held)

    def _member(self, tag: str, name: str, member: Any) -> Any:
        top, _, _ = name.partition(":")[0].partition(".")
        loaded = name.partition(":")[0] in sys.modules  # looking up a member runs nothing
        cls = find_code(name, {*self._packages, top} if loaded else self._packages)
        try:
            if isinstance(cls, type) and issubclass(cls, enum.Enum):
                return cls[member] if tag == "enum" else cls(member)
        except (KeyError, ValueError):
            pass
        raise StateError(f"{name} has no member {member!r} any more")

    def _method(self, held: list[Any]) -> Any:
        thing, name = self._value(held[0], _NOTHING), held[1]
        found = getattr(type(thing), name, None)
        if name.startswith("__") or not isinstance(found, types.FunctionType):
            raise StateError(f"{code_name(type(thing))} has no method {name!r} any more")
        return types.MethodType(found, thing)

    def _code(self, name: str) -> Any:
        return find_code(name, self._packages)


_KINDS = {"dict": dict, "list": list, "deque": deque, "set": set, "bytearray": bytearray}


def _builtin(cls: type, name: str) -> Any:
    """Return a method as the nearest class has it that is not written in Python."""
    methods = (base.__dict__.get(name) for base in cls.__mro__)
    return next(m for m in methods if m is not None and not isinstance(m, _IN_PYTHON))


_IN_PYTHON = (types.FunctionType, staticmethod, classmethod)


def _is_kept(value: Any) -> bool:
    return isinstance(value, dict) and "kept" in value


def _mentions(value: Any) -> list[int]:
    """Return the nodes that a value without identity is made of."""
    if not isinstance(value, dict):
        return []
    if "@" in value:
        return [value["@"]]
    parts: list[Any] = value.get("tuple") or value.get("frozenset") or []
    return [place for part in parts for place in _mentions(part)]


def _simple(tag: str, held: Any) -> Any:
    if tag == "float":
        return float.fromhex(held)
    if tag == "scalar":
        dtype = named_dtype(held[0])
        return np.frombuffer(bytes.fromhex(held[1]), dtype)[0] if held[1] else np.zeros(1, dtype)[0]
    if tag == "bytes":
        return base64.b64decode(held)
    if tag == "complex":
        return complex(*map(float.fromhex, held))
    if tag in ("datetime", "date", "time"):
        return getattr(dt, tag).fromisoformat(held)
    if tag == "timedelta":
        return dt.timedelta(*held)
    if tag == "range":
        return range(*held)
    if tag == "dtype":
        return named_dtype(held)
    if tag == "pattern":
        return re.compile(*held)
    if tag in BY_TEXT:
        return Path(held) if tag == "path" else BY_TEXT[tag](held)
    raise StateError(f"a stored value of an unknown sort, {tag!r}")


def _equal(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two arrays of one dtype and shape hold the same bytes."""
    return bool(np.array_equal(_bytes(a), _bytes(b)))


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _frame(stored: NDArray[np.uint8], series: bool) -> Any:
    import io

    import polars as pl

    frame = pl.read_ipc(io.BytesIO(stored.tobytes()))
    return frame.to_series() if series else frame
