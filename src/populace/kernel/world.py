"""The world: it holds the state, asks for decisions, and works out their consequences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from populace.kernel.errors import ParameterError, nearest
from populace.kernel.measures import By, Calendar, Chart
from populace.kernel.parameters import Parametric, fits, parameters

if TYPE_CHECKING:
    import polars

    from populace.kernel.minds import Minds
    from populace.kernel.policy import Policy
    from populace.kernel.streams import Streams


class World(Parametric, ABC):
    """Base of every world; a subclass needs `step` only.

    State lives in attributes: populations (their names are the attributes'), arrays, numbers. It
    changes only in `start` and `step`. Parameters are keywords of ``__init__``, annotated with
    `populace.Parameter`, so that the command line can list, parse and check them. One kept in the
    attribute of its name can be changed between two ticks (`change`), unless its annotation says
    why not (``fixed=``).

    Attributes
    ----------
    title : str
        Heading of the report; by default the name of the class.
    axes : mapping of str to sequence of str
        Labels of the axes along which measures are broken down (`By`).
    charts : sequence of Chart
        How the report draws the measures; without any, each measure is a line.
    calendar : Calendar or None
        What a tick is in the world's time.
    done : bool
        The run ends before the next tick when this is true; an attribute or a property.
    """

    title: str = ""
    axes: Mapping[str, Sequence[str]] = {}
    charts: Sequence[Chart] = ()
    calendar: Calendar | None = None
    ticks: ClassVar[int] = 100  # how long the command line runs it unless told
    done: Any = False

    def start(self, streams: Streams) -> None:
        """Build what needs random draws (populations, networks), once, before the first tick."""

    @abstractmethod
    async def step(self, minds: Minds) -> None:
        """Live through one tick: ask for decisions, work out their consequences."""

    def measure(self) -> Mapping[str, float | By | None]:
        """Return the tick's measures by name: numbers, `By`, or None where one is not defined."""
        return {}

    def policies(self) -> Mapping[str, Policy]:
        """Return the minds that this world's author offers, by name, for casts to draw on."""
        return {}

    def shares(self) -> Mapping[str, float] | Mapping[str, Mapping[str, float]]:
        """Return the default cast: shares of `policies` by name (by default the first alone).

        A world with several populations returns such shares by the name of each; a mind with share
        0 is one that could be cast there.
        """
        return dict.fromkeys(list(self.policies())[:1], 1.0)

    def reference(self) -> polars.DataFrame | None:
        """Return real series to set beside the measures: columns tick, measure, value."""
        return None

    def changed(self, names: frozenset[str]) -> None:
        """Work out anew what follows from parameters that `change` has just set.

        By default there is nothing to do. An error raised here undoes the change.
        """

    def change(self, **values: Any) -> dict[str, tuple[Any, Any]]:
        """Change parameters between two ticks: all of them, or (if one cannot be) none.

        Parameters
        ----------
        **values : new values by name; text is read as the command line would read it.

        Returns
        -------
        dict of str to (before, after)
            What changed; a parameter that had its value already did not.

        Raises
        ------
        ParameterError
            If there is no such parameter, its value is of another type or outside the range, or it
            cannot change in mid-run.

        Examples
        --------
        >>> class Lake(World):
        ...     def __init__(self, capacity: float = 100.0): self.capacity = capacity
        ...     async def step(self, minds): ...
        >>> Lake().change(capacity=50.0)
        {'capacity': (100.0, 50.0)}
        """
        values = self.changeable(**values)
        own = vars(self)
        changes = {
            name: (own[name], value)
            for name, value in values.items()
            if not _same(own[name], value)
        }
        if not changes:
            return {}
        given = self._given_parameters
        try:
            for name, (_, value) in changes.items():
                setattr(self, name, value)
            self._given_parameters = {**given, **{name: new for name, (_, new) in changes.items()}}
            self.changed(frozenset(changes))
        except BaseException:
            for name, (before, _) in changes.items():
                setattr(self, name, before)
            self._given_parameters = given
            raise
        return changes

    def changeable(self, **values: Any) -> dict[str, Any]:
        """Return what `change` would set, checked one by one, without changing anything.

        Raises
        ------
        ParameterError
            As `change`.
        """
        where, known = type(self).__name__, parameters(type(self))
        read = {}
        for name, value in values.items():
            if name not in known:
                raise ParameterError(
                    f"there is no parameter {name!r}; {nearest(name, known)}", where=where
                )
            info = known[name]
            kept = name in vars(self) and fits(vars(self)[name], info.type)
            if info.fixed or not kept:
                free = [n for n, i in known.items() if not i.fixed and n in vars(self)]
                raise ParameterError(
                    f"{name} cannot change in mid-run: "
                    + (info.fixed or f"the world keeps no attribute {name!r} that holds it"),
                    where=where,
                    mend=f"what can change: {', '.join(free) or 'nothing'}",
                )
            read[name] = info.read(value, where)
        return read

    def data(self) -> Mapping[str, str]:
        """Return sha256 of every data file that the world reads, by name, for the manifest."""
        return {}


def own_shares(world: World) -> dict[str, dict[str, float]]:
    """Return a world's default cast by population, "" for the only one: shares by name."""
    found: dict[str, dict[str, float]] = {}
    for name, given in world.shares().items():
        if isinstance(given, Mapping):
            found[name] = dict(given)
        else:
            found.setdefault("", {})[name] = given
    return found


def _same(a: Any, b: Any) -> bool:
    """Whether two values of a parameter are one and the same, arrays included."""
    if a is b:
        return True
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    return bool(a == b) if type(a) is type(b) else _number(a) and _number(b) and a == b


def _number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
