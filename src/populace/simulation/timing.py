"""When something from outside happens: at a tick or date, every so often, or on a condition."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from populace.kernel.errors import ParameterError, nearest
from populace.kernel.measures import By, Calendar
from populace.kernel.world import World
from populace.simulation.conditions import Condition


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When: exactly one of `at`, `every` and `when`.

    Parameters
    ----------
    at : int, date or ISO date
        Once, at a tick, or at the tick that holds a date by the world's calendar.
    every : int or (int, int)
        Every N ticks from tick 0, or from a first one: ``(7, 3)`` is ticks 3, 10, 17 and so on.
    when : str
        Once, at the first tick whose predecessor's measures meet a `Condition`: ``"cases > 100"``.
    again : bool
        With `when`: at every tick at which it holds.

    Raises
    ------
    ParameterError
        If none or several are given, or one cannot be read.
    """

    name: str = field(default="", kw_only=False)
    at: int | str | dt.date | None = None
    every: int | Sequence[int] | None = None
    when: str | None = None
    again: bool = False

    def __post_init__(self) -> None:
        where = self.label
        given = [n for n in ("at", "every", "when") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ParameterError(
                f"expected one of at, every and when, got {' and '.join(given) or 'none'}",
                where=where,
            )
        if self.again and self.when is None:
            raise ParameterError("again goes with when only", where=where)
        if isinstance(self.at, str):
            try:
                object.__setattr__(self, "at", dt.date.fromisoformat(self.at))
            except ValueError:
                raise ParameterError(
                    f"expected at = a tick or a date such as 2020-03-29, got {self.at!r}",
                    where=where,
                ) from None
        elif isinstance(self.at, dt.datetime):
            object.__setattr__(self, "at", self.at.date())
        elif self.at is not None and not isinstance(self.at, dt.date) and not _whole(self.at, 0):
            raise ParameterError(f"expected at >= 0 or a date, got {self.at!r}", where=where)
        if self.every is not None:
            pair = [self.every, 0] if isinstance(self.every, int) else list(self.every)
            if len(pair) != 2 or not _whole(pair[0], 1) or not _whole(pair[1], 0):
                raise ParameterError(
                    f"expected every = ticks, or [ticks, first], got {self.every!r}", where=where
                )
            object.__setattr__(self, "every", tuple(pair))
        if self.when is not None:
            Condition(self.when, where)

    @property
    def label(self) -> str:
        """What an error message calls it."""
        return f"{type(self).__name__.lower()} {self.name!r}"

    def tick(self, calendar: Calendar | None) -> int | None:
        """Return the tick of `at`; None without one.

        Raises
        ------
        ParameterError
            For a date without a calendar, or before its start.
        """
        if self.at is None or isinstance(self.at, int):
            return self.at
        assert isinstance(self.at, dt.date)
        if calendar is None:
            raise ParameterError(
                f"the world has no calendar for {self.at}", where=self.label, mend="give a tick"
            )
        tick = tick_of(self.at, calendar)
        if tick < 0:
            raise ParameterError(
                f"{self.at} lies before the first day, {calendar.start}", where=self.label
            )
        return tick

    def timing(self) -> dict[str, Any]:
        """Return name and time as plain data."""
        at = self.at.isoformat() if isinstance(self.at, dt.date) else self.at
        every = None if self.every is None else list(self.every)  # type: ignore[arg-type]
        told = {"at": at, "every": every, "when": self.when}
        told = {name: value for name, value in told.items() if value is not None}
        return {"name": self.name, **told, **({"again": True} if self.again else {})}


def tick_of(date: dt.date, calendar: Calendar) -> int:
    """Return the tick that holds a date; negative before the calendar's start.

    >>> tick_of(dt.date(2020, 3, 29), Calendar(dt.date(2020, 3, 1), "week"))
    4
    """
    start = calendar.start
    if calendar.unit in ("day", "week"):
        return (date - start).days // (7 if calendar.unit == "week" else 1)
    months = (date.year - start.year) * 12 + date.month - start.month
    return months if calendar.unit == "month" else date.year - start.year


def measurable(world: World) -> dict[str, bool] | None:
    """Return the measures known before a tick, and whether each is broken down.

    None if the world has nothing to measure yet. What its charts show counts as known.
    """
    try:
        measures = world.measure()
    except Exception:  # state that only a step makes
        return None
    charted = {name: False for chart in world.charts for name in chart.measures}
    return charted | {name: isinstance(value, By) for name, value in measures.items()}


class Schedule:
    """What is due at which tick, and what has been; its progress is state.

    Parameters
    ----------
    items : iterable of Timing
        Each with a name of its own.
    world : World
        Gives the calendar and, where a `when` needs them, the names of its measures.

    Raises
    ------
    ParameterError
        If two share a name, a date lies outside the calendar, or a measure is not known.
    """

    def __init__(self, items: Iterable[Timing], world: World) -> None:
        self._items: dict[str, Timing] = {}
        for item in items:
            if item.name in self._items:
                raise ParameterError(f"two are named {item.name!r}", where=item.label)
            self._items[item.name] = item
        self._at = {name: item.tick(world.calendar) for name, item in self._items.items()}
        self._when = {
            name: Condition(item.when)
            for name, item in self._items.items()
            if item.when is not None
        }
        self._last: dict[str, float | None] = {}
        self._fired: dict[str, tuple[int, int]] = {}  # how often, and when last
        self._checked = not self._when
        if self._when and (known := measurable(world)) is not None:
            self._check(name for name, broken in known.items() if not broken)

    def _check(self, known: Iterable[str]) -> None:
        known = set(known)
        for name, condition in self._when.items():
            for measure in condition.names:
                if measure not in known:
                    raise ParameterError(
                        f"the world measures no number {measure!r}; {nearest(measure, known)}",
                        where=self._items[name].label,
                    )
        self._checked = True

    def begin(self, tick: int) -> None:
        """Check that nothing is due at a tick that has passed (called when a run begins).

        Raises
        ------
        ParameterError
        """
        for name, at in self._at.items():
            if at is not None and at < tick and name not in self._fired:
                raise ParameterError(
                    f"tick {at} has passed: the run goes on at tick {tick}",
                    where=self._items[name].label,
                )

    def check_length(self, end: int) -> None:
        """Raise ParameterError if something is due only after a run's last tick, ``end - 1``."""
        for name, at in self._at.items():
            if at is not None and at >= end:
                raise ParameterError(
                    f"it is due at tick {at}, and the run ends before tick {end}",
                    where=self._items[name].label,
                )

    def measured(self, metrics: Mapping[str, Any]) -> None:
        """Take in the measures of the tick that has just ended."""
        if self._when:
            if not self._checked:
                self._check(metrics)
            names = {name for condition in self._when.values() for name in condition.names}
            self._last = {name: _number(metrics.get(name)) for name in names}

    def due(self, tick: int) -> list[str]:
        """Return the names of what is due at this tick, in order; they count as done then."""
        found = [name for name in self._items if self._is_due(name, tick)]
        for name in found:
            self._fired[name] = (self._fired.get(name, (0, 0))[0] + 1, tick)
        return found

    def _is_due(self, name: str, tick: int) -> bool:
        item = self._items[name]
        if item.every is not None:
            step, first = item.every  # type: ignore[misc]
            return bool(tick >= first and (tick - first) % step == 0)
        if item.when is not None:
            again = item.again or name not in self._fired
            return again and bool(self._last) and self._when[name].holds(self._last)
        return tick == self._at[name]

    def fired(self) -> dict[str, int]:
        """Return how often each has been due so far."""
        return {name: self._fired.get(name, (0, 0))[0] for name in self._items}

    def state(self) -> dict[str, Any]:
        """Return what has been due, and the last measures, as JSON can hold it."""
        fired = {name: list(pair) for name, pair in self._fired.items()}
        return {"fired": fired, "last": dict(self._last)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; names that are no longer there are left out."""
        self._fired = {
            name: (int(times), int(tick))
            for name, (times, tick) in state["fired"].items()
            if name in self._items
        }
        self._last = dict(state["last"])


def _whole(value: Any, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
