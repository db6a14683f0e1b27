"""Action spaces: what an answer may be, and the check that it is.

Every space checks a whole group's answers at once. A wrong *value* is never an exception but marks
that agent's answer invalid; a wrong *shape or type* is an `AnswerError`, since it is a bug.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.columns import column
from populace.kernel.errors import AnswerError, SpaceError, nearest
from populace.kernel.population import Part, Population

Bool = NDArray[np.bool_]
Checked = tuple[Any, Bool | None]  # values, and which are valid (None: all of them)


class Space:
    """Base of the action spaces."""

    def check(self, raw: Any, n: int, where: str = "") -> Checked:
        """Return `raw` as `n` values of the space, and which are valid (None: all)."""
        raise SpaceError(f"{type(self).__name__} does not say how to check an answer")

    def empty(self, n: int) -> Any:
        """Return room for `n` values."""
        return np.full(n, None, dtype=object)

    def default(self, missing: Any, n: int, where: str = "") -> Any:
        """Return the world's ``missing=`` value as `n` values of the space.

        Raises
        ------
        SpaceError
            If it is not a value that the space can hold.
        """
        try:
            values, valid = self.check(missing, n, where)
        except AnswerError as error:
            raise SpaceError(f"missing={missing!r}: {error.what}", where=where) from error
        if valid is not None and not valid.all():
            raise SpaceError(f"missing={missing!r} is not {self.describe()}", where=where)
        return values

    def put(self, values: Any, index: Any, new: Any) -> None:
        """Write `new` into `values` at `index`."""
        values[index] = new

    def take(self, values: Any, index: Any) -> Any:
        """Return the values at `index`."""
        return values[index]

    def part(self, index: Any) -> Space:
        """Return the space of some of the agents: bounds given per agent are selected."""
        return self

    def label(self, values: Any) -> NDArray[Any]:
        """Return the values in words, one string an agent."""
        return np.array([None if v is None else str(v) for v in values], dtype=object)

    def chose(self, values: Any, option: str) -> Bool:
        """Return whether each value is that option."""
        raise SpaceError(f"{self.describe()} has no options", mend="use chose() on a Choice")

    def record(self, values: Any) -> tuple[list[float | None], list[str | None]]:
        """Return values for the records, as numbers and as words (None where there is neither)."""
        return [None] * len(values), list(self.label(values))

    def describe(self) -> str:
        """Say in a few words what an answer may be."""
        return type(self).__name__


class Choice(Space):
    """One of a few named options; values are their indices, uint8 (uint16 from 257 options).

    A policy may answer with indices (bool or integer) or with the options' names.

    Raises
    ------
    SpaceError
        If there is no option, or two are the same.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self.options = tuple(options)
        if isinstance(options, str) or not all(isinstance(o, str) for o in self.options):
            raise SpaceError(
                f"expected a sequence of option names, got {options!r}", where="Choice"
            )
        if not self.options or len(set(self.options)) != len(self.options):
            raise SpaceError(f"options must be distinct, at least one: {options!r}", where="Choice")
        self.dtype = np.dtype(np.uint8 if len(self.options) <= 256 else np.uint16)

    def check(self, raw: Any, n: int, where: str = "") -> Checked:
        given = _aligned(raw, n, where, self)
        if given.dtype == self.dtype or given.dtype == np.bool_ or given.dtype.kind in "iu":
            k = len(self.options)
            if given.dtype == np.bool_:
                bad = k < 2 and n > 0 and bool(given.any())
            else:
                bad = n > 0 and (int(given.max()) >= k or int(given.min()) < 0)
            valid = (given.astype(np.int64) >= 0) & (given < k) if bad else None
            if valid is not None:
                given = np.where(valid, given, 0)
            return given.astype(self.dtype, copy=False), valid
        if given.dtype.kind == "f":
            whole = np.isfinite(given) & (given == np.floor(given))
            valid = whole & (given >= 0) & (given < len(self.options))
            return np.where(valid, given, 0).astype(self.dtype), valid
        if given.dtype.kind in "OUT":
            return self._from_names(given)
        raise AnswerError(
            f"expected option indices or names for {self.describe()}, got {given.dtype}",
            where=where,
        )

    def _from_names(self, given: NDArray[Any]) -> Checked:
        codes = {option: code for code, option in enumerate(self.options)}
        found = [codes.get(v, -1) if isinstance(v, str) else _index(v, len(codes)) for v in given]
        values = np.array(found, dtype=np.int64)
        valid = values >= 0
        return np.where(valid, values, 0).astype(self.dtype), valid

    def empty(self, n: int) -> NDArray[Any]:
        return np.zeros(n, self.dtype)

    def label(self, values: Any) -> NDArray[Any]:
        return np.asarray(np.array(self.options, dtype=object)[values])

    def chose(self, values: Any, option: str) -> Bool:
        if option not in self.options:
            raise SpaceError(f"no option {option!r}; {nearest(option, self.options)}")
        return np.asarray(values == self.options.index(option))

    def record(self, values: Any) -> tuple[list[float | None], list[str | None]]:
        return [float(v) for v in values], list(self.label(values))

    def describe(self) -> str:
        return f"one of {', '.join(self.options)}"


class Number(Space):
    """A number between bounds (both allowed); values float64, or int64 with ``integer=True``.

    Parameters
    ----------
    low, high : float or array of shape (n,)
        Bounds, one for all or one an agent.
    integer : bool
        Only whole numbers are valid.

    Raises
    ------
    SpaceError
        If a bound is NaN or a lower bound exceeds its upper bound.
    """

    def __init__(
        self, low: ArrayLike = -np.inf, high: ArrayLike = np.inf, *, integer: bool = False
    ) -> None:
        self.low, self.high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        self.integer = integer
        if not np.all(self.low <= self.high):  # false for NaN too
            raise SpaceError(
                f"expected low <= high, got {self.describe()}",
                where="Number",
                mend="check the bounds, which may be arrays with one value an agent",
            )

    def check(self, raw: Any, n: int, where: str = "") -> Checked:
        given = _aligned(raw, n, where, self)
        if given.dtype.kind == "O":
            given = np.array([_number(v) for v in given], dtype=np.float64)
        if given.dtype.kind not in "biuf":
            raise AnswerError(
                f"expected numbers for {self.describe()}, got {given.dtype}", where=where
            )
        for bound in (self.low, self.high):
            if bound.ndim and bound.shape != (n,):
                raise AnswerError(f"bounds have shape {bound.shape} for {n} agents", where=where)
        values = given.astype(np.float64, copy=False)
        valid = (values >= self.low) & (values <= self.high) & np.isfinite(values)
        if self.integer:
            valid &= values == np.floor(values)
            values = np.where(valid, values, 0).astype(np.int64)
        return values, None if valid.all() else valid

    def empty(self, n: int) -> NDArray[Any]:
        return np.zeros(n, np.int64 if self.integer else np.float64)

    def default(self, missing: Any, n: int, where: str = "") -> Any:
        try:  # a value outside the bounds may well say "none": NaN, -1
            return np.broadcast_to(np.asarray(missing).astype(self.empty(0).dtype), (n,)).copy()
        except (TypeError, ValueError) as error:
            raise SpaceError(f"missing={missing!r} is not a number", where=where) from error

    def part(self, index: Any) -> Number:
        if not (self.low.ndim or self.high.ndim):
            return self
        low = self.low[index] if self.low.ndim else self.low
        high = self.high[index] if self.high.ndim else self.high
        return Number(low, high, integer=self.integer)

    def record(self, values: Any) -> tuple[list[float | None], list[str | None]]:
        return [float(v) for v in values], [None] * len(values)

    def describe(self) -> str:
        kind = "a whole number" if self.integer else "a number"
        low = f"{self.low.min():g}" if self.low.size else "?"
        high = f"{self.high.max():g}" if self.high.size else "?"
        return f"{kind} in [{low}, {high}]"


class Text(Space):
    """A text of at most `limit` characters; values object array of str."""

    def __init__(self, limit: int = 1000) -> None:
        if limit < 1:
            raise SpaceError(f"expected a limit of at least 1 character, got {limit}", where="Text")
        self.limit = limit

    def check(self, raw: Any, n: int, where: str = "") -> Checked:
        given = _aligned(raw, n, where, self).astype(object)
        fits = [isinstance(v, str) and len(v) <= self.limit for v in given]
        valid = np.array(fits, dtype=np.bool_)
        return given, None if valid.all() else valid

    def default(self, missing: Any, n: int, where: str = "") -> Any:
        return np.full(n, None, object) if missing is None else super().default(missing, n, where)

    def describe(self) -> str:
        return f"a text of at most {self.limit} characters"


class Record(Space):
    """Several named fields, each a space; values are a dict of arrays, one a field.

    A policy answers a dict of arrays, or one dict an agent.
    """

    def __init__(self, **fields: Space) -> None:
        if not fields or not all(isinstance(f, Space) for f in fields.values()):
            raise SpaceError("expected name=space for every field, at least one", where="Record")
        self.fields = fields

    def check(self, raw: Any, n: int, where: str = "") -> Checked:
        valid = np.ones(n, np.bool_)
        if not isinstance(raw, Mapping):
            rows = _aligned(raw, n, where, self)
            valid &= [isinstance(r, Mapping) and set(r) == set(self.fields) for r in rows]
            raw = {
                name: column([r.get(name) if isinstance(r, Mapping) else None for r in rows])
                for name in self.fields
            }
        elif set(raw) != set(self.fields):
            raise AnswerError(
                f"expected fields {sorted(self.fields)}, got {sorted(raw)}", where=where
            )
        values = {}
        for name, space in self.fields.items():
            values[name], good = space.check(raw[name], n, f"{where}, field {name!r}")
            if good is not None:
                valid &= good
        return values, None if valid.all() else valid

    def empty(self, n: int) -> dict[str, Any]:
        return {name: space.empty(n) for name, space in self.fields.items()}

    def default(self, missing: Any, n: int, where: str = "") -> Any:
        if not isinstance(missing, Mapping) or set(missing) != set(self.fields):
            raise SpaceError(
                f"missing= must give every field of {self.describe()}, got {missing!r}", where=where
            )
        return {k: s.default(missing[k], n, where) for k, s in self.fields.items()}

    def put(self, values: Any, index: Any, new: Any) -> None:
        for name, space in self.fields.items():
            space.put(values[name], index, new[name])

    def take(self, values: Any, index: Any) -> Any:
        return {name: space.take(values[name], index) for name, space in self.fields.items()}

    def part(self, index: Any) -> Record:
        return Record(**{name: space.part(index) for name, space in self.fields.items()})

    def rows(self, values: Any) -> list[dict[str, Any]]:
        """Return one dict an agent."""
        names = list(self.fields)
        columns = (values[name] for name in names)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def label(self, values: Any) -> NDArray[Any]:
        return column([json.dumps(r, default=_plain, sort_keys=True) for r in self.rows(values)])

    def record(self, values: Any) -> tuple[list[float | None], list[str | None]]:
        labels = list(self.label(values))
        return [None] * len(labels), labels

    def describe(self) -> str:
        told = "; ".join(f"{name}: {space.describe()}" for name, space in self.fields.items())
        return f"a record ({told})"


class Pick(Space):
    """Other agents or items: `count` different ones of the candidates.

    Parameters
    ----------
    candidates : Population, Part, int, array of shape (m,) or of shape (n, m)
        Agents (answers are their ids), items ``0..m-1``, these integers, or options that differ by
        agent, padded with -1.
    count : int
        How many each agent picks. Values are int64 of shape (n,), or (n, count) from two on.

    Raises
    ------
    SpaceError
        If nobody can be picked, or `count` is below 1 or above the number of candidates.
    """

    def __init__(self, candidates: Any, count: int = 1) -> None:
        if isinstance(candidates, (int, np.integer)):
            candidates = np.arange(int(candidates))
        elif isinstance(candidates, (Population, Part)):
            candidates = candidates.ids
        self.candidates = np.asarray(candidates).astype(np.int64)
        self.count = count
        if self.candidates.ndim not in (1, 2) or not 1 <= count <= self.candidates.shape[-1]:
            raise SpaceError(
                f"cannot pick {count} of candidates of shape {self.candidates.shape}", where="Pick"
            )
        self._sorted = np.sort(self.candidates) if self.candidates.ndim == 1 else None

    def check(self, raw: Any, n: int, where: str = "") -> Checked:
        given = _aligned(raw, n, where, self, width=None if self.count == 1 else self.count)
        if given.dtype.kind == "O":
            given = np.array([_index(v, 2**62) for v in given.ravel()]).reshape(given.shape)
        if given.dtype.kind not in "iu":
            raise AnswerError(f"expected ids or items as integers, got {given.dtype}", where=where)
        values = given.astype(np.int64)
        columns = values.reshape(n, self.count)
        if self._sorted is not None:
            place = np.minimum(np.searchsorted(self._sorted, columns), len(self._sorted) - 1)
            valid = (self._sorted[place] == columns).all(axis=1)
        else:
            if len(self.candidates) != n:
                raise AnswerError(
                    f"candidates were given for {len(self.candidates)} agents, asked {n}",
                    where=where,
                )
            there = (columns[:, :, None] == self.candidates[:, None, :]).any(axis=2)
            valid = (there & (columns != -1)).all(axis=1)
        if self.count > 1:
            ordered = np.sort(columns, axis=1)
            valid &= (ordered[:, 1:] != ordered[:, :-1]).all(axis=1)
        return values, None if valid.all() else valid

    def empty(self, n: int) -> NDArray[Any]:
        return np.full(n if self.count == 1 else (n, self.count), -1, np.int64)

    def default(self, missing: Any, n: int, where: str = "") -> Any:
        return (
            self.empty(n) if np.all(np.equal(missing, -1)) else super().default(missing, n, where)
        )

    def part(self, index: Any) -> Pick:
        return self if self.candidates.ndim == 1 else Pick(self.candidates[index], self.count)

    def label(self, values: Any) -> NDArray[Any]:
        rows = np.asarray(values).reshape(len(values), self.count)
        return column([",".join(map(str, row)) for row in rows.tolist()])

    def record(self, values: Any) -> tuple[list[float | None], list[str | None]]:
        if self.count > 1:
            return super().record(values)
        return [float(v) for v in values], [None] * len(values)

    def describe(self) -> str:
        what = "one" if self.count == 1 else f"{self.count} different ones"
        return f"{what} of {self.candidates.shape[-1]} candidates"


class ToolCall(NamedTuple):
    """A call of a tool by name with its arguments."""

    name: str
    arguments: Mapping[str, Any]


class Call(Space):
    """A call of one of some tools; values object array of `ToolCall`.

    Parameters
    ----------
    tools : mapping of str to Record
        The tools' names and what arguments each takes.
    """

    def __init__(self, tools: Mapping[str, Record]) -> None:
        if not tools or not all(isinstance(r, Record) for r in tools.values()):
            raise SpaceError("expected a Record of arguments for every tool", where="Call")
        self.tools = dict(tools)

    def check(self, raw: Any, n: int, where: str = "") -> Checked:
        lone = isinstance(raw, (ToolCall, Mapping))
        given = column([raw] * n) if lone else _aligned(raw, n, where, self)
        values, valid = self.empty(n), np.zeros(n, np.bool_)
        for i, answer in enumerate(given):
            if isinstance(answer, Mapping) and set(answer) == {"name", "arguments"}:
                answer = ToolCall(answer["name"], answer["arguments"])
            if not (isinstance(answer, ToolCall) and answer.name in self.tools):
                continue
            checked, good = self.tools[answer.name].check(column([answer.arguments]), 1, where)
            if good is None:
                values[i] = ToolCall(answer.name, self.tools[answer.name].rows(checked)[0])
                valid[i] = True
        return values, None if valid.all() else valid

    def default(self, missing: Any, n: int, where: str = "") -> Any:
        return self.empty(n) if missing is None else super().default(missing, n, where)

    def label(self, values: Any) -> NDArray[Any]:
        return column(
            [
                None
                if v is None
                else f"{v.name}({json.dumps(v.arguments, default=_plain, sort_keys=True)})"
                for v in values
            ]
        )

    def describe(self) -> str:
        return f"a call of {', '.join(self.tools)}"


def _aligned(raw: Any, n: int, where: str, space: Space, width: int | None = None) -> NDArray[Any]:
    """Return `raw` as an array with one entry an agent; a lone value stands for everybody."""
    if raw is None:
        raise AnswerError(
            f"expected {space.describe()} for each of {n} agents, got None",
            where=where,
            mend="return values, or Answers(values, outcome) where some agents do not act",
        )
    shape = (n,) if width is None else (n, width)
    if isinstance(raw, (list, tuple)) and any(isinstance(v, (Mapping, ToolCall)) for v in raw):
        given = column(raw)
    elif isinstance(raw, Mapping):
        given = column([raw])[0:1].repeat(n)
    else:
        try:
            given = np.asarray(raw)
        except ValueError:  # ragged
            given = column(list(raw))
    if given.shape == shape:
        return given
    if given.ndim == 0 or given.shape == shape[1:]:
        return np.broadcast_to(given, shape)
    raise AnswerError(
        f"expected {n} answers (shape {shape}), got shape {given.shape}",
        where=where,
        mend="return one value for each agent of the observation, in its order",
    )


def _number(value: Any) -> float:
    if isinstance(value, (int, float, np.number)):
        return float(value)
    return np.nan


def _index(value: Any, k: int) -> int:
    good = isinstance(value, (int, np.integer, np.bool_)) and 0 <= int(value) < k
    return int(value) if good else -1


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)
