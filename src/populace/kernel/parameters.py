"""Parameters of worlds and policies: declared by annotation, checked when made, parsed from text.

A parameter is a keyword of ``__init__`` annotated ``Annotated[type, Parameter("what it is")]``.
"""

from __future__ import annotations

import datetime as dt
import enum
import inspect
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin, get_type_hints

import numpy as np

from populace.kernel.errors import ParameterError, nearest

_REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Parameter:
    """What a parameter is: one line, its unit and the range it may take (bounds allowed).

    `fixed` says why it cannot change in mid-run (see `populace.World.change`), if it cannot.

    Examples
    --------
    >>> from typing import Annotated
    >>> Rate = Annotated[float, Parameter("transmission rate", unit="1/day", low=0)]
    """

    doc: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    fixed: str = ""


@dataclass(frozen=True)
class ParameterInfo:
    """One declared parameter of a class; `default` is ``inspect.Parameter.empty`` if required."""

    name: str
    type: Any
    default: Any
    doc: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    fixed: str = ""

    @property
    def required(self) -> bool:
        return self.default is _REQUIRED

    @property
    def type_name(self) -> str:
        """The type in words, for instance ``float`` or ``date or none``."""
        return _name(self.type)

    @property
    def range(self) -> str:
        """The allowed range in words, empty when everything of the type is allowed."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        if self.low is not None:
            return f">= {self.low:g}"
        return f"<= {self.high:g}" if self.high is not None else ""

    def check(self, value: Any, where: str) -> None:
        """Raise ParameterError unless a number lies in its range and a word is a known one."""
        if isinstance(value, str):
            words = _words(self.type)
            if words and value not in words:
                hint = nearest(value, words)
                raise ParameterError(f"unknown {self.name} {value!r}; {hint}", where=where)
            return
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if not low <= value <= high:  # NaN fails too
            unit = f" {self.unit}" if self.unit else ""
            expected = self.range or "a number"
            raise ParameterError(f"expected {self.name} {expected}{unit}, got {value}", where=where)

    def read(self, value: Any, where: str) -> Any:
        """Return a value as this parameter takes it, checked; text is parsed unless it is taken.

        Raises
        ------
        ParameterError
            For a value of another type or outside the range.
        """
        if isinstance(value, str) and not fits(value, self.type):
            return self.parse(value, where)
        if not fits(value, self.type):
            raise ParameterError(
                f"expected {self.name} as {self.type_name}, got {value!r:.80}", where=where
            )
        self.check(value, where)
        return value

    def parse(self, text: str, where: str) -> Any:
        """Read a value of this parameter from text, as the command line gives it."""
        try:
            value = _parse(text, self.type)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"expected {self.name} as {self.type_name}, got {text!r}", where=where
            ) from error
        self.check(value, where)
        return value


def parameters(cls: Any) -> dict[str, ParameterInfo]:
    """Return the declared parameters of a class (or factory function) by name."""
    init: Any = getattr(cls, "__init__") if isinstance(cls, type) else cls  # noqa: B009
    if init is object.__init__:
        return {}
    try:
        hints = get_type_hints(init, include_extras=True)
    except (NameError, TypeError):  # annotations that cannot be resolved say nothing of ranges
        hints = {}
    found = {}
    for name, parameter in inspect.signature(init).parameters.items():
        if name == "self" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        hint = hints.get(name, Any)
        note = Parameter("")
        if get_origin(hint) is Annotated:
            hint, *notes = get_args(hint)
            note = next((n for n in notes if isinstance(n, Parameter)), note)
        if hint is Any and parameter.default not in (_REQUIRED, None):
            hint = type(parameter.default)
        found[name] = ParameterInfo(
            name, hint, parameter.default, note.doc, note.unit, note.low, note.high, note.fixed
        )
    return found


def parse(cls: Any, texts: Mapping[str, str], where: str) -> dict[str, Any]:
    """Read keyword arguments of `cls` from ``{name: text}``.

    Raises
    ------
    ParameterError
        For an unknown name (with the nearest known one), a text of the wrong type, a value outside
        its range.
    """
    known = parameters(cls)
    for name in texts:
        if name not in known:
            raise ParameterError(
                f"there is no parameter {name!r}; {nearest(name, known)}", where=where
            )
    return {name: known[name].parse(text, where) for name, text in texts.items()}


class Parametric:
    """Base that checks and remembers the arguments a world or policy was made with."""

    _given_parameters: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        if cls.__init__ is object.__init__:
            self._given_parameters = {}
            return self
        try:
            bound = inspect.signature(cls.__init__).bind(self, *args, **kwargs)
        except TypeError as error:
            known = parameters(cls)
            stray = [name for name in kwargs if name not in known]
            hint = f"; {nearest(stray[0], known)}" if stray and known else ""
            raise ParameterError(f"{error}{hint}", where=cls.__name__) from error
        bound.apply_defaults()
        given = dict(list(bound.arguments.items())[1:])
        for info in parameters(cls).values():
            if info.name in given:
                info.check(given[info.name], cls.__name__)
        self._given_parameters = given
        return self


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a parameter's type; true for types that say nothing of values.

    >>> fits(3, float), fits(True, int), fits("2020-03-22", dt.date)
    (True, False, False)
    """
    if get_origin(hint) in (Union, types.UnionType):
        return any(fits(value, option) for option in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is type(None) or hint is None:
        return value is None
    if isinstance(value, np.generic):
        value = value.item()
    if hint in (int, float):
        number = (int, float) if hint is float else int
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else True


def _words(hint: Any) -> set[str]:
    """Return the words that a type allows; none if it allows any text, or takes no text."""
    if get_origin(hint) is Literal:
        return {value for value in get_args(hint) if isinstance(value, str)}
    if get_origin(hint) in (Union, types.UnionType):
        options = get_args(hint)
        free = any(option in (str, Any) for option in options)
        return set() if free else set().union(*map(_words, options))
    return set()


def _name(hint: Any) -> str:
    if hint is type(None):
        return "none"
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_name(h) for h in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(str(v) for v in get_args(hint))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return " or ".join(str(v.value) for v in hint)
    return getattr(hint, "__name__", str(hint))


def _parse(text: str, hint: Any) -> Any:
    text = text.strip()
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        for option in get_args(hint):
            try:
                return _parse(text, option)
            except (TypeError, ValueError):
                continue
        raise ValueError(text)
    if origin is Literal:
        for option in get_args(hint):
            if str(option) == text:
                return option
        raise ValueError(text)
    if hint is type(None):
        if text.lower() in ("none", "null", ""):
            return None
        raise ValueError(text)
    if hint is bool:
        known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() in known:
            return known[text.lower()]
        raise ValueError(text)
    if hint is int:
        number = float(text.replace("_", ""))
        if not number.is_integer():
            raise ValueError(text)
        return (
            int(text.replace("_", ""))
            if "e" not in text.lower() and "." not in text
            else int(number)
        )
    if hint is float:
        return float(text.replace("_", ""))
    if hint is dt.date:
        return dt.date.fromisoformat(text)
    if hint in (str, Any):
        return text
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(text)
    raise TypeError(f"a {_name(hint)} cannot be given as text")
