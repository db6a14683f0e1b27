"""Interventions: what is changed from outside in mid-run, and when."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from populace.kernel.cast import Cast
from populace.kernel.errors import CastError, ParameterError, PopulationError, nearest
from populace.kernel.minds import Minds
from populace.kernel.parameters import parameters
from populace.kernel.population import Part, Population
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.simulation.conditions import Condition
from populace.simulation.timing import Schedule, Timing

Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Intervention(Timing):
    """A change from outside, made before the step of its tick.

    Parameters
    ----------
    name : str
        In events and charts; by default made of what is changed. It names the draws too.
    at, every, when, again : see `Timing`
    set : mapping of parameter to value
        Parameters of the world (`World.change`).
    cast : mapping of policy to share
        Part of the agents meant, drawn at random, that get this policy, from 0 to 1; together at
        most 1. The others keep theirs.
    columns : mapping of column to value
        Columns of the population to write, as ``people.immune`` or just ``immune``; a number,
        truth value or text for all agents meant.
    tell : mapping of kind to columns
        What the agents meant are told (`Minds.tell`); policies with ``hear`` receive it.
    where : str
        Condition on columns, such as ``"age >= 65"``: who is meant by `cast`, `columns` and `tell`.
    share : float
        Part of those who meet `where` that is meant, drawn anew each time; 1 is all.
    population : str
        Whose agents; the world's only population by default.

    Raises
    ------
    ParameterError
        If there is nothing to change, or something cannot be read.

    Examples
    --------
    >>> later = Intervention(at="2020-03-15", set={"order": "2020-03-29"})
    >>> later.name
    'order'
    """

    set: Mapping[str, Any] = field(default_factory=dict)
    cast: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    tell: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    where: str = ""
    share: float = 1.0
    population: str = ""

    def __post_init__(self) -> None:
        for name in _CHANGES:
            if not isinstance(getattr(self, name), Mapping):
                raise ParameterError(
                    f"expected {name} by name, got {getattr(self, name)!r:.80}", where=self.label
                )
        if not any(getattr(self, name) for name in _CHANGES):
            raise ParameterError(
                "there is nothing to change", where=self.label, mend=f"give {', '.join(_CHANGES)}"
            )
        if not self.name:
            made = [*self.set, *self.cast, *self.columns, *self.tell]
            object.__setattr__(self, "name", ", ".join(map(str, made)))
        super().__post_init__()
        if not _share(self.share):
            raise ParameterError(
                f"expected share from 0 to 1, got {self.share!r}", where=self.label
            )
        shares = list(self.cast.values())
        if not all(map(_share, shares)) or sum(shares) > 1 + 1e-9:
            raise ParameterError(
                f"expected shares from 0 to 1, together at most 1, got cast = {dict(self.cast)}",
                where=self.label,
            )
        for kind, columns in self.tell.items():
            if not isinstance(columns, Mapping):
                raise ParameterError(
                    f"expected tell = {{{kind}: {{column: value}}}}, got {columns!r:.80}",
                    where=self.label,
                )
        if self.where:
            Condition(self.where, self.label)

    def describe(self) -> dict[str, Any]:
        """Return time and changes as plain data, those that say something."""
        changes = {name: plain(getattr(self, name)) for name in _CHANGES if getattr(self, name)}
        who = {name: getattr(self, name) for name in ("where", "population") if getattr(self, name)}
        share = {} if self.share == 1.0 else {"share": self.share}
        return {**self.timing(), **changes, **who, **share}


_CHANGES = ("set", "cast", "columns", "tell")


def read_interventions(path: str | Path) -> list[Intervention]:
    """Read interventions from a TOML file: a table each, whose header is the name.

    ::

        [closure]
        at = 2020-03-29
        set = { order = 2020-03-29 }

        [vaccines]
        every = 7
        where = "age >= 65"
        share = 0.02
        columns = { "people.immune" = true }

    Raises
    ------
    ParameterError
        If the file cannot be read, or a table does not make an `Intervention`.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ParameterError(f"cannot be read: {error}", where=str(path)) from error
    if not tables:
        raise ParameterError("holds no intervention", where=str(path), mend="add a table [NAME]")
    known = {each.name for each in fields(Intervention)} - {"name"}
    made = []
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise ParameterError(f"expected a table [{name}], got {table!r:.60}", where=str(path))
        for key in table:
            if key not in known:
                raise ParameterError(
                    f"[{name}] knows no {key!r}; {nearest(key, known)}", where=str(path)
                )
        made.append(Intervention(name=name, **table))
    return made


def gathered(given: Any) -> list[Intervention]:
    """Return interventions from one, a path, or a sequence of these.

    Raises
    ------
    ParameterError
    """
    if given is None:
        return []
    if isinstance(given, (str, Path)):
        return read_interventions(given)
    if isinstance(given, Intervention):
        return [given]
    if not isinstance(given, Iterable):
        raise ParameterError(f"expected interventions or a path, got {given!r:.80}")
    return [one for each in given for one in gathered(each)]


class Interventions:
    """The interventions of one simulation, checked against its world and casts.

    Parameters
    ----------
    items : sequence of Intervention
    world, populations, casts : of the simulation, after the world's start
    seed : int

    Raises
    ------
    ParameterError, CastError, PopulationError
        If one names what is not there, or asks for what cannot be.
    """

    def __init__(
        self,
        items: Sequence[Intervention],
        world: World,
        populations: Mapping[str, Population],
        casts: Mapping[str, Cast],
        seed: int,
    ) -> None:
        self._world, self._populations, self._casts = world, populations, casts
        self._items = {item.name: item for item in items}
        self._streams = Streams(seed).named("intervention")
        self.schedule = Schedule(items, world)
        for item in items:
            self._check(item)
        self._check_together(items)

    def __len__(self) -> int:
        return len(self._items)

    def describe(self) -> list[dict[str, Any]]:
        """Return every intervention as plain data, and how often it has been due."""
        fired = self.schedule.fired()
        return [{**item.describe(), "done": fired[name]} for name, item in self._items.items()]

    def apply(self, minds: Minds) -> list[Event]:
        """Carry out what is due at this tick; return what happened, as rows of ``events``."""
        events = []
        for name in self.schedule.due(minds.tick):
            told = "; ".join(self._carry_out(self._items[name], minds))
            events.append({"tick": minds.tick, "name": name, "what": told})
        return events

    def state(self) -> dict[str, Any]:
        """Return the progress, as JSON can hold it."""
        return self.schedule.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.schedule.restore(state)

    # -- before the run --------------------------------------------------------------------------

    def _check(self, item: Intervention) -> None:
        try:
            self._world.changeable(**item.set)
        except ParameterError as error:
            raise ParameterError(error.what, where=item.label, mend=error.mend) from None
        if not (item.cast or item.columns or item.tell):
            for name in ("where", "population"):
                if getattr(item, name):
                    raise ParameterError(f"{name} says nothing of parameters", where=item.label)
            return
        people = self._people(item)
        if item.where:
            Condition(item.where).check(people, item.label)
        policies = self._casts[people.name].names
        for policy in item.cast:
            if policy not in policies:
                raise CastError(
                    f"no policy is named {policy!r}; {nearest(policy, policies)}", where=item.label
                )
        for name, value in item.columns.items():
            column = people[self._column(item, name, people)]
            if not _holds(column.dtype, value):
                raise PopulationError(
                    f"column {name!r} ({column.dtype}) cannot hold {value!r:.60}", where=item.label
                )

    def _check_together(self, items: Sequence[Intervention]) -> None:
        """Check the parameters as they will be at each date, as the world's constructor does."""
        cls, given = type(self._world), dict(self._world._given_parameters)
        if not set(given) <= set(parameters(cls)):
            return
        dated = [(item.tick(self._world.calendar), item) for item in items if item.at is not None]
        for _, item in sorted(dated, key=lambda pair: pair[0] or 0):
            if not item.set:
                continue
            given |= self._world.changeable(**item.set)
            try:
                cls(**given)
            except ParameterError as error:
                raise ParameterError(str(error), where=item.label) from error

    def _people(self, item: Intervention) -> Population:
        heads = {name.split(".", 1)[0] for name in item.columns if "." in name}
        named = {item.population} if item.population else heads & set(self._populations)
        if len(named) == 1:
            name = named.pop()
            if name not in self._populations:
                raise PopulationError(
                    f"no population {name!r}; {nearest(name, self._populations)}", where=item.label
                )
            return self._populations[name]
        if len(self._populations) == 1:
            return next(iter(self._populations.values()))
        raise PopulationError(
            f"which population: {', '.join(self._populations)}?",
            where=item.label,
            mend="give population=, one to an intervention",
        )

    @staticmethod
    def _column(item: Intervention, name: str, people: Population) -> str:
        own = name.removeprefix(f"{people.name}.")
        if own not in people.columns:
            raise PopulationError(
                f"{people.name!r} has no column {own!r}; {nearest(own, people.columns)}",
                where=item.label,
            )
        return own

    # -- in the run ------------------------------------------------------------------------------

    def _carry_out(self, item: Intervention, minds: Minds) -> Iterable[str]:
        asked = self._world.changeable(**item.set)
        changed = self._world.change(**asked)
        for name, value in asked.items():
            if name in changed:
                yield f"{name}: {_told(changed[name][0])} → {_told(value)}"
            else:
                yield f"{name} is {_told(value)} already"
        if not (item.cast or item.columns or item.tell):
            return
        people = self._people(item)
        part = Condition(item.where).part(people) if item.where else people.everyone
        part = self._some(part, item.share, f"{item.name}/who", minds.tick)
        if item.cast:
            yield from self._recast(item, people, part, minds.tick)
        for name, value in item.columns.items():
            part[self._column(item, name, people)] = value
            yield f"{name} = {value} for {len(part):,} agents"
        for kind, columns in item.tell.items():
            heard = minds.deliver(kind, part, columns, f"intervention/{item.name}")
            yield f"{kind} told to {len(part):,} agents, of whom {heard:,} can hear"

    def _some(self, part: Part, share: float, name: str, tick: int) -> Part:
        """Draw a share of a part, exact to one agent; the same agents come first for any share."""
        if share == 1.0:
            return part
        order = self._streams.stream(name, tick).permutation(part.ids)
        chosen: Part = part[np.sort(order[: round(share * len(part))])]
        return chosen

    def _recast(
        self, item: Intervention, people: Population, part: Part, tick: int
    ) -> Iterable[str]:
        stream = self._streams.stream(f"{item.name}/cast", tick)
        order = stream.permutation(part.ids)
        ends = np.rint(np.cumsum(list(item.cast.values())) * len(part)).astype(np.int64)
        start = 0
        for policy, end in zip(item.cast, ends.tolist(), strict=True):
            chosen = part[np.sort(order[start:end])]
            self._casts[people.name].assign(policy, chosen)
            yield f"{policy} decides for {len(chosen):,} of {len(part):,} agents"
            start = end


def _share(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value <= 1


def _holds(dtype: np.dtype[Any], value: Any) -> bool:
    """Whether a column of this type holds a value as it is (a float may be rounded)."""
    if isinstance(value, str) != (dtype.kind in "US") or not isinstance(
        value, (bool, int, float, str)
    ):
        return False
    try:
        kept = np.asarray(value).astype(dtype)
    except (OverflowError, ValueError):
        return False
    return dtype.kind == "f" or bool(kept == value)


def plain(value: Any) -> Any:
    """Return a value of an intervention as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _told(value: Any) -> str:
    return "none" if value is None else str(plain(value))
