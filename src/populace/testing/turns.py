"""Does the order of turns matter? A world run in every order, and what that changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from populace.kernel.errors import PopulaceError
from populace.kernel.minds import Turns
from populace.kernel.world import World
from populace.records import Run
from populace.simulation import Simulation

if TYPE_CHECKING:
    import polars

ORDERS: tuple[Turns, ...] = ("reversed", "random", "together")
_WRITTEN = "as written"

Series = dict[str, dict[int, float | None]]


@dataclass(frozen=True, kw_only=True)
class OrderComparison:
    """How a world's measures depend on the order in which agents take their turn.

    Attributes
    ----------
    took_turns : bool
        Whether the world asks in turn (`Minds.each`) at all; if not, order cannot matter.
    table : polars.DataFrame
        A row a measure and order: measure, order, last (its last value), difference (largest
        distance from the order as written, over the ticks), first_tick (where they first differ,
        null if nowhere).
    failed : mapping of order to str
        Orders in which the world raised an error, and what it said.
    """

    took_turns: bool
    table: polars.DataFrame
    failed: Mapping[str, str]

    @property
    def matters(self) -> bool:
        """Whether any measure differs between orders, or an order is impossible."""
        return bool(self.measures or self.failed)

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures that differ between orders."""
        differ = self.table.filter(self.table["first_tick"].is_not_null())
        return tuple(dict.fromkeys(differ["measure"].to_list()))

    def __str__(self) -> str:
        if not self.took_turns:
            return "order cannot matter: the world never asks in turn"
        lines = []
        if not self.matters:
            lines = [f"order does not matter: no measure differs in {', '.join(ORDERS)} order"]
        for measure in self.measures:
            rows = self.table.filter(self.table["measure"] == measure).iter_rows(named=True)
            told = ", ".join(f"{row['last']:g} {row['order']}" for row in rows
                             if row["last"] is not None)  # fmt: skip
            lines.append(f"order matters for {measure}: at the end {told}")
        lines += [f"{order}: {error}" for order, error in self.failed.items()]
        return "\n".join(lines)


def compare_orders(
    make_world: Callable[[], World],
    make_cast: Callable[[], Any] | None = None,
    ticks: int = 20,
    seed: int = 0,
) -> OrderComparison:
    """Run a world with its turns as written, reversed, random and together, and compare.

    All runs share every draw (common random numbers), so any difference comes from the order.
    "Together" asks everybody at once on one snapshot: what simultaneous decisions would give.

    Parameters
    ----------
    make_world : function
        Returns a new world.
    make_cast : function, optional
        Returns a new cast; by default the world's own minds act.
    ticks, seed : int

    Returns
    -------
    OrderComparison

    Raises
    ------
    PopulaceError
        If the world fails in the order as written.
    """
    import polars

    def run(turns: Turns | None) -> tuple[Series, bool]:
        cast = None if make_cast is None else make_cast()
        simulation = Simulation(make_world(), cast, seed=seed, turns=turns)
        return _series(simulation.run(ticks)), simulation.took_turns

    base, took_turns = run(None)
    rows = [_row(measure, _WRITTEN, series, series) for measure, series in base.items()]
    failed: dict[str, str] = {}
    for turns in ORDERS if took_turns else ():
        try:
            found, _ = run(turns)
        except PopulaceError as error:
            failed[turns] = str(error)
            continue
        rows += [
            _row(measure, turns, found.get(measure, {}), base.get(measure, {}))
            for measure in dict.fromkeys([*base, *found])
        ]
    table = polars.DataFrame(
        rows,
        schema={
            "measure": polars.String,
            "order": polars.String,
            "last": polars.Float64,
            "difference": polars.Float64,
            "first_tick": polars.Int64,
        },
        orient="row",
    ).sort("measure", maintain_order=True)
    return OrderComparison(took_turns=took_turns, table=table, failed=failed)


def _series(run: Run) -> Series:
    """Return every measure by tick, broken-down ones as ``measure[label]``."""
    series: Series = {}
    ticks = run.metrics["tick"].to_list() if "tick" in run.metrics.columns else []
    for name in run.metrics.columns:
        if name != "tick":
            series[name] = dict(zip(ticks, run.metrics[name].to_list(), strict=True))
    for tick, measure, _axis, label, value in run.by.iter_rows():
        series.setdefault(f"{measure}[{label}]", {})[tick] = value
    return series


def _row(
    measure: str, order: str, series: dict[int, float | None], base: dict[int, float | None]
) -> tuple[str, str, float | None, float | None, int | None]:
    first, largest = None, 0.0
    for tick in sorted(series.keys() | base.keys()):
        one, other = series.get(tick), base.get(tick)
        if one != other:
            first = tick if first is None else first
            if one is not None and other is not None:
                largest = max(largest, abs(one - other))
    last = series[max(series)] if series else None
    return measure, order, None if last is None else float(last), largest, first
