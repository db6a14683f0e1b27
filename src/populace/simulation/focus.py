"""The focus of records: whose decisions are kept, what of them, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, PopulationError, nearest
from populace.kernel.exchanges import Exchange
from populace.kernel.minds import PanelRows
from populace.kernel.population import Part, Population
from populace.kernel.streams import Streams
from populace.simulation.conditions import Condition

if TYPE_CHECKING:
    import polars as pl

    from populace.records.frames import Broken

Row = TypeVar("Row", PanelRows, Exchange)
FIRST_PANEL = 100
FIRST_EXCHANGES = 20_000


@dataclass(frozen=True, kw_only=True)
class Records:
    """What a run keeps.

    Parameters
    ----------
    panel : int, ids, mask, condition, or mapping of population to one of these
        Agents whose every decision is kept: so many of each population, drawn; those of these ids;
        those of a mask over the rows; or those who meet a condition on columns, such as
        ``"age >= 65"``, at the start.
    columns : sequence of str
        Columns of the panel's agents that are kept at the end of every tick, in the table
        ``states``; of several populations those that have such a column.
    kinds : sequence of str, optional
        Kinds of decision that the panel keeps; all by default.
    measures : sequence of str, optional
        Measures that are kept; all by default.
    exchanges : bool, optional
        Keep what the panel's agents were shown, remembered, were asked and did, in the table
        ``exchanges``. By default where the panel is the whole population, the first 20,000 rows.
    every : int
        Keep measures, panel, exchanges and states at ticks 0, N, 2 N and so on. What sums are taken
        of (asks, spend) and what is rare (events, failures, surveys) is kept at every tick.

    Raises
    ------
    ParameterError
        If something is none of that.
    """

    panel: Any = FIRST_PANEL
    columns: Sequence[str] = ()
    kinds: Sequence[str] | None = None
    measures: Sequence[str] | None = None
    every: int = 1
    exchanges: bool | None = None

    def __post_init__(self) -> None:
        for name in ("columns", "kinds", "measures"):
            given = getattr(self, name)
            if isinstance(given, str):
                object.__setattr__(self, name, (given,))
            elif given is not None:
                object.__setattr__(self, name, tuple(given))
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise ParameterError(f"expected every >= 1, got {self.every!r}", where="Records")
        if self.exchanges not in (None, True, False):
            raise ParameterError(
                f"expected exchanges True, False or None, got {self.exchanges!r}", where="Records"
            )
        each = self.panel.values() if isinstance(self.panel, Mapping) else [self.panel]
        for one in each:
            number = isinstance(one, (int, np.integer))
            if isinstance(one, bool) or one is None or (number and one < 0):
                raise ParameterError(f"expected a panel of 0 or more agents, got {one!r}")
            if isinstance(one, str):
                Condition(one, "panel")

    def watched(
        self, populations: Mapping[str, Population], streams: Streams
    ) -> dict[str, NDArray[np.uint32]]:
        """Return the ids of the panel of every population, sorted.

        Raises
        ------
        ParameterError, PopulationError
            If a population, column or agent is not there.
        """
        panel = self.panel
        if isinstance(panel, Mapping):
            for name in panel:
                if name not in populations:
                    raise PopulationError(
                        f"no population {name!r}; {nearest(name, populations)}", where="panel"
                    )
        elif len(populations) > 1 and not isinstance(panel, (int, np.integer)):
            raise ParameterError(
                f"which population: {', '.join(populations)}?",
                where="panel",
                mend="give a mapping by population",
            )
        for column in self.columns:
            known = {name for people in populations.values() for name in people.columns}
            if column not in known:
                raise PopulationError(
                    f"no population has a column {column!r}; {nearest(column, known)}",
                    where="Records",
                )
        return {
            name: _ids(people, panel.get(name, 0) if isinstance(panel, Mapping) else panel, streams)
            for name, people in populations.items()
        }

    def check_measures(self, known: Iterable[str]) -> None:
        """Raise ParameterError if a measure that is to be kept is not known."""
        known = set(known)
        for name in self.measures or ():
            if name not in known:
                raise ParameterError(
                    f"the world measures no {name!r}; {nearest(name, known)}", where="Records"
                )

    def takes(self, tick: int) -> bool:
        """Whether measures, panel and states of this tick are kept."""
        return tick % self.every == 0

    def measured(
        self, metrics: Mapping[str, Any], broken: Sequence[Broken]
    ) -> tuple[dict[str, Any], list[Broken]]:
        """Return the measures that are kept: numbers, and those broken down."""
        if self.measures is None:
            return dict(metrics), list(broken)
        kept = {name: value for name, value in metrics.items() if name in self.measures}
        return kept, [row for row in broken if row[0] in self.measures]

    def seen(self, rows: Iterable[Row]) -> list[Row]:
        """Return those decisions or exchanges of the panel that are kept."""
        return [row for row in rows if self.kinds is None or row.kind in self.kinds]

    def exchanging(
        self, populations: Mapping[str, Population], panel: Mapping[str, NDArray[np.uint32]]
    ) -> set[str]:
        """Return the populations of whose panel exchanges are kept."""
        if self.exchanges is not None:
            return {name for name, ids in panel.items() if self.exchanges and len(ids)}
        return {name for name, ids in panel.items() if 0 < len(ids) == len(populations[name])}

    @property
    def most_exchanges(self) -> float:
        """Rows of the table ``exchanges`` after which no more are kept."""
        return FIRST_EXCHANGES if self.exchanges is None else np.inf

    def states(
        self, populations: Mapping[str, Population], panel: Mapping[str, NDArray[np.uint32]]
    ) -> Iterator[tuple[str, pl.DataFrame]]:
        """Return the columns of the living of every panel, a frame a population."""
        import polars as pl

        for name, people in populations.items():
            columns = [column for column in self.columns if column in people.columns]
            if columns and len(panel[name]):
                part = _living(people, panel[name])
                values = {column: part.gather(column) for column in columns}
                yield name, pl.DataFrame({"id": part.ids, **values})

    def describe(self, panel: Mapping[str, NDArray[np.uint32]]) -> dict[str, Any]:
        """Return what is kept as plain data."""
        return {
            "panel": {name: len(ids) for name, ids in panel.items()},
            "columns": list(self.columns),
            "kinds": None if self.kinds is None else list(self.kinds),
            "measures": None if self.measures is None else list(self.measures),
            "exchanges": self.exchanges,
            "every": self.every,
        }


def _ids(people: Population, given: Any, streams: Streams) -> NDArray[np.uint32]:
    if isinstance(given, (int, np.integer)):
        order = streams.stream(f"panel/{people.name}").permutation(people.ids)
        return np.sort(people.ids[order[: int(given)]])
    if isinstance(given, str):
        Condition(given).check(people, "panel")
        return np.sort(Condition(given).part(people).ids)
    which = np.asarray(given)
    part: Part = people[which] if which.dtype == np.bool_ else people.part(which)
    return np.sort(part.ids)


def _living(people: Population, ids: NDArray[np.uint32]) -> Part:
    if people._births:
        part: Part = people[np.isin(people.id, ids)]
        return part
    rows = ids.astype(np.intp)
    living: Part = people[rows[people.alive[rows]]]
    return living
