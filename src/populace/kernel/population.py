"""Populations as columns: stable ids, births and deaths with a free list, capacity that grows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import PopulationError, nearest

Rows = NDArray[np.intp]
Ids = NDArray[np.uint32]

_NAME = re.compile(r"[A-Za-z][\w/.:-]*")
_MAX_IDS = 2**32 - 1


class Population:
    """Agents of one sort, stored column by column (struct of arrays).

    Every agent has a *row*, its place in the columns, and an *id*, its name for ever. A row freed
    by a death is used again by a later birth; an id never is. Random draws are keyed by id.

    Parameters
    ----------
    n : int
        Agents at the start; rows ``0..n-1``, ids ``0..n-1``.
    name : str, optional
        Name in records and casts; by default the attribute of the world that holds it.
    capacity : int, optional
        Rows to allocate at once when births are expected; grows by doubling when exceeded.
    **columns : dtype | (dtype, default) | array of shape (n, ...)
        The columns. A dtype starts at zero; an array gives its dtype and first values.

    Raises
    ------
    PopulationError
        For a negative or impossible `n`, a column name that is taken or malformed, an object dtype
        or a column of the wrong length.

    Examples
    --------
    >>> people = Population(3, age=[30, 41, 7], sick=bool)
    >>> people.sick[people.age > 40] = True
    >>> people[people.sick].ids
    array([1], dtype=uint32)
    """

    name: str
    _data: dict[str, NDArray[Any]]
    _defaults: dict[str, Any]
    _rows: int
    _room: int
    _alive: NDArray[np.bool_]
    _id: Ids
    _next_id: int
    _row_of_id: Rows | None
    _free: Rows
    _deaths: int
    _births: int
    _everyone: Part | None

    def __init__(self, n: int, name: str = "", capacity: int | None = None, **columns: Any) -> None:
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 0 <= n <= _MAX_IDS:
            raise PopulationError(
                f"expected a number of agents from 0 to {_MAX_IDS}, got {n!r}",
                where=f"Population {name!r}" if name else "Population",
            )
        n = int(n)
        room = max(n, int(capacity or 0))
        self.__dict__.update(
            name=name,
            _data={},
            _defaults={},
            _rows=n,
            _room=room,
            _alive=np.arange(room) < n,
            _id=np.arange(room, dtype=np.uint32),
            _next_id=n,
            _row_of_id=None,
            _free=np.empty(0, np.intp),
            _deaths=0,
            _births=0,
            _everyone=None,
        )
        for column, spec in columns.items():
            self.add_column(column, spec)

    # -- columns ---------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order of their declaration."""
        return tuple(self._data)

    def add_column(self, name: str, spec: Any) -> None:
        """Add a column to a living population; `spec` as in the constructor."""
        if not _NAME.fullmatch(name) or hasattr(type(self), name) or name in self.__dict__:
            raise PopulationError(
                f"{name!r} cannot name a column: it is malformed or a name of Population itself",
                where=self._label,
            )
        if name in self._data:
            raise PopulationError(f"there is a column {name!r} already", where=self._label)
        values, dtype, default = _column(spec, name, self._label)
        if dtype.hasobject and dtype.kind == "O":
            raise PopulationError(
                f"column {name!r} would hold Python objects",
                where=self._label,
                mend="use a number, a code into a table of texts, or a fixed-width string dtype",
            )
        if values is not None and len(values) != self._rows:
            raise PopulationError(
                f"column {name!r} has {len(values)} values for {self._rows} rows",
                where=self._label,
            )
        shape = (self._room, *(values.shape[1:] if values is not None else ()))
        data = np.full(shape, default, dtype) if default is not None else np.zeros(shape, dtype)
        if values is not None:
            data[: self._rows] = values
        self._data[name] = data
        self._defaults[name] = default

    def __getattr__(self, name: str) -> Any:
        data = self.__dict__.get("_data")
        if data is None or name not in data:
            columns = () if data is None else data
            raise AttributeError(f"{self._label} has no column {name!r}; {nearest(name, columns)}")
        return data[name][: self._rows]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:  # name and private state
            self.__dict__[name] = value
        elif name in self._data:
            self._data[name][: self._rows] = value
        else:
            raise PopulationError(
                f"no column {name!r} to set; {nearest(name, self._data)}",
                where=self._label,
                mend="declare it in Population(...) or with add_column",
            )

    # -- who is there ----------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._rows - len(self._free)

    def __repr__(self) -> str:
        return f"{self._label}({len(self)} living, columns: {', '.join(self.columns)})"

    @property
    def _label(self) -> str:
        return (
            f"Population {self.__dict__.get('name')!r}"
            if self.__dict__.get("name")
            else "Population"
        )

    @property
    def rows(self) -> int:
        """Rows in use, those of the dead included: the length of every column's view."""
        return int(self._rows)

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Whether each row holds a living agent, bool of shape (rows,), read-only."""
        return _frozen(self._alive[: self._rows])

    @property
    def id(self) -> Ids:
        """Id of the agent of each row, uint32 of shape (rows,), read-only."""
        return _frozen(self._id[: self._rows])

    @property
    def ids(self) -> Ids:
        """Ids of the living, in the order of their rows, uint32."""
        return self.everyone.ids

    @property
    def everyone(self) -> Part:
        """All living agents."""
        if self._everyone is None:
            whole = not len(self._free)
            rows = None if whole else np.flatnonzero(self._alive[: self._rows])
            self._everyone = Part(self, rows, ordered=True)
        return self._everyone

    def __getitem__(self, which: Any) -> Any:
        """Return a column by name, or a `Part` by mask, rows, slice or one row.

        A mask or slice selects among the living; rows must name living agents, each once.
        """
        if isinstance(which, str):
            if which not in self._data:
                raise PopulationError(
                    f"no column {which!r}; {nearest(which, self._data)}", where=self._label
                )
            return self._data[which][: self._rows]
        return self._part(which)

    def _part(self, which: Any) -> Part:
        if isinstance(which, slice):
            if which == slice(None):
                return self.everyone
            which = np.arange(self._rows)[which]
            which = which[self._alive[which]]
        index = np.atleast_1d(np.asarray(which))
        if index.dtype == np.bool_:
            if index.shape != (self._rows,):
                raise PopulationError(
                    f"expected a mask of {self._rows} rows, got shape {index.shape}",
                    where=self._label,
                )
            rows = np.flatnonzero(index & self._alive[: self._rows] if len(self._free) else index)
            return Part(self, rows, ordered=True)
        if index.size == 0:
            return Part(self, np.empty(0, np.intp), ordered=True)
        if index.dtype.kind not in "iu" or index.ndim != 1:
            raise PopulationError(
                f"expected a mask, rows or a slice, got {index.dtype} of shape {index.shape}",
                where=self._label,
            )
        rows = index.astype(np.intp)
        if rows.min() < 0 or rows.max() >= self._rows:
            raise PopulationError(
                f"rows must lie in 0..{self._rows - 1}, got {rows.min()}..{rows.max()}",
                where=self._label,
            )
        ordered = bool(np.all(rows[1:] > rows[:-1]))
        if not ordered and len(np.unique(rows)) != len(rows):
            raise PopulationError("the same agent was selected twice", where=self._label)
        if len(self._free) and not self._alive[rows].all():
            raise PopulationError(
                f"row {rows[~self._alive[rows]][0]} holds no living agent",
                where=self._label,
                mend="select with a mask, which leaves the dead out",
            )
        return Part(self, rows, ordered=ordered)

    def part(self, ids: ArrayLike) -> Part:
        """Return the living agents of these `ids`."""
        return self._part(self.row_of(ids))

    def row_of(self, ids: ArrayLike) -> Rows:
        """Return the rows of living agents by id, int64 of the shape of `ids`.

        Raises
        ------
        PopulationError
            If an id was never given, or its agent is dead.
        """
        wanted = np.atleast_1d(np.asarray(ids, dtype=np.int64))
        if self._births == 0 and not len(self._free):
            known = (wanted >= 0) & (wanted < self._rows)
            rows = wanted.astype(np.intp)
        else:
            if self._row_of_id is None:
                table = np.full(self._next_id, -1, np.intp)
                living = np.flatnonzero(self._alive[: self._rows])
                table[self._id[living]] = living
                self._row_of_id = table
            known = (wanted >= 0) & (wanted < self._next_id)
            rows = np.where(known, self._row_of_id[np.where(known, wanted, 0)], -1)
            known &= rows >= 0
        if not known.all():
            raise PopulationError(f"no living agent has id {wanted[~known][0]}", where=self._label)
        return rows

    # -- births and deaths -----------------------------------------------------------------------

    def add(self, n: int, **values: Any) -> Part:
        """Add `n` agents with fresh ids; columns not given take their default.

        Rows freed by deaths are used first (lowest row first), then new ones; arrays taken from the
        columns before may be stale after growth, so take them again.
        """
        if n < 0 or self._next_id + n > _MAX_IDS:
            raise PopulationError(f"cannot add {n} agents", where=self._label)
        for name in values:
            if name not in self._data:
                raise PopulationError(
                    f"no column {name!r}; {nearest(name, self._data)}", where=self._label
                )
        reused, self._free = self._free[:n], self._free[n:]
        fresh = n - len(reused)
        self._grow(self._rows + fresh)
        rows = np.concatenate([reused, np.arange(self._rows, self._rows + fresh, dtype=np.intp)])
        self._rows += fresh
        self._id[rows] = np.arange(self._next_id, self._next_id + n, dtype=np.uint32)
        self._next_id += n
        self._births += n
        self._alive[rows] = True
        self._changed()
        for name, data in self._data.items():
            default = self._defaults[name]
            data[rows] = values.get(
                name, 0 if default is None and data.dtype.kind in "biufc" else default
            )
        return Part(self, rows, ordered=True)

    def remove(self, who: Part | Any) -> None:
        """Remove agents (a `Part`, mask or rows); their rows become free, their ids stay theirs."""
        part = who if isinstance(who, Part) else self._part(who)
        if part.population is not self:
            raise PopulationError("these agents belong to another population", where=self._label)
        rows = part.rows
        if not self._alive[rows].all():
            raise PopulationError("an agent among these is dead already", where=self._label)
        self._alive[rows] = False
        self._free = np.sort(np.concatenate([self._free, rows]))
        self._deaths += len(rows)
        self._changed()

    def _changed(self) -> None:
        self._everyone = None
        self._row_of_id = None

    def _grow(self, rows: int) -> None:
        if rows <= self._room:
            return
        room = max(rows, 2 * self._room)
        for name, data in self._data.items():
            default = self._defaults[name]
            more = np.zeros((room, *data.shape[1:]), data.dtype)
            if default is not None:
                more[...] = default
            more[: self._rows] = data[: self._rows]
            self._data[name] = more
        self._alive = np.concatenate([self._alive, np.zeros(room - self._room, np.bool_)])
        self._id = np.concatenate([self._id, np.zeros(room - self._room, np.uint32)])
        self._room = room


class Part:
    """Some living agents of a population, in a stated order.

    ``part["catch"]`` gathers a column, ``part["catch"] = values`` writes it, ``part[mask]`` selects
    further. A part is made by indexing a `Population`.

    Attributes
    ----------
    population : Population
    rows : int64 array, the agents' rows.
    ids : uint32 array, their ids.
    """

    __slots__ = ("_deaths", "_ids", "_n", "_ordered", "_rows", "population")

    def __init__(self, population: Population, rows: Rows | None, *, ordered: bool) -> None:
        self.population = population
        self._rows = rows  # None: every row, in order
        self._ordered = ordered
        self._ids: Ids | None = None
        self._deaths: int = population._deaths
        self._n = population.rows if rows is None else len(rows)

    @property
    def rows(self) -> Rows:
        if self._rows is None:
            self._rows = np.arange(self._n, dtype=np.intp)
            self._rows.flags.writeable = False
        return self._rows

    @property
    def whole(self) -> bool:
        """Whether this is every row of a population without free rows: no gathering is needed."""
        return self is self.population._everyone and not len(self.population._free)

    @property
    def ids(self) -> Ids:
        if self._ids is None:
            self._ids = self.population.id if self.whole else self.population.id[self.rows]
        return self._ids

    def __len__(self) -> int:
        return self._n

    def __repr__(self) -> str:
        return f"Part({len(self)} of {self.population!r})"

    def gather(self, column: str) -> NDArray[Any]:
        """Return a column for these agents, read-only; a view where nothing must be gathered."""
        values = self.population[column]
        return _frozen(values if self.whole else values[self.rows])

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, str):
            values = self.population[which]
            return values.copy() if self.whole else values[self.rows]
        if isinstance(which, (int, np.integer)):
            which = slice(which, which + 1) if which != -1 else slice(-1, None)
        index = which if isinstance(which, slice) else np.asarray(which)
        if not isinstance(index, slice) and index.dtype == np.bool_ and len(index) != len(self):
            raise PopulationError(f"expected a mask of {len(self)} agents, got {len(index)}")
        kept = isinstance(index, slice) and (index.step or 1) > 0
        kept = kept or (not isinstance(index, slice) and index.dtype == np.bool_)
        rows = index if self._positions_are_rows(index) else self.rows[index]
        part = Part(self.population, rows, ordered=self._ordered and kept)
        part._deaths = self._deaths
        return part

    def _positions_are_rows(self, index: Any) -> TypeGuard[Rows]:
        """Whether gathering from `rows` would give `index` itself."""
        if not self.whole or isinstance(index, slice) or index.dtype != np.intp or not len(index):
            return False
        return bool(index.min() >= 0 and index.max() < self._n)

    def __setitem__(self, column: str, values: Any) -> None:
        data = self.population[column]
        if self.whole:
            data[:] = values
        else:
            data[self.rows] = values

    @property
    def living(self) -> Part:
        """These agents without those who died since the part was made."""
        if self._deaths == self.population._deaths:
            return self
        alive = self.population._alive[self.rows]
        part = self if alive.all() else self[alive]
        part._deaths = self.population._deaths
        return part


def _column(spec: Any, name: str, where: str) -> tuple[NDArray[Any] | None, np.dtype[Any], Any]:
    """Read a column's declaration: (values or None, dtype, default or None for zero)."""
    try:
        if isinstance(spec, tuple) and len(spec) == 2 and _is_dtype(spec[0]):
            dtype = np.dtype(spec[0])
            return None, dtype, np.array(spec[1], dtype)[()]
        if _is_dtype(spec):
            return None, np.dtype(spec), None
        values = np.asarray(spec)
    except (TypeError, ValueError, OverflowError) as error:
        raise PopulationError(
            f"column {name!r}: {error}", where=where, mend="give a dtype, (dtype, default) or array"
        ) from error
    if values.ndim == 0:
        raise PopulationError(
            f"column {name!r} was declared as {spec!r}",
            where=where,
            mend="give a dtype, (dtype, default) or an array with one value a row",
        )
    return values, values.dtype, None


def _is_dtype(spec: Any) -> bool:
    if isinstance(spec, (type, np.dtype)):
        return True
    return isinstance(spec, str)


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view


def find_populations(holder: Any) -> Mapping[str, Population]:
    """Return the populations among an object's attributes by name, naming those without one."""
    found: dict[str, Population] = {}
    for attribute, value in vars(holder).items():
        if isinstance(value, Population):
            value.name = value.name or attribute
            if value.name in found and found[value.name] is not value:
                raise PopulationError(f"two populations are named {value.name!r}")
            found[value.name] = value
    return found


__all__ = ["Part", "Population", "find_populations"]
