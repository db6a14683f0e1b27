"""What runs of several arms came to: one value a measure and run, and series over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, nearest
from populace.studies.sweep import Sweep

Floats = NDArray[np.float64]
Series = Mapping[str, Floats]  # by measure, of shape (ticks,); NaN where not known

HOWS: dict[str, Callable[[Floats, NDArray[np.int64]], float]] = {
    "last": lambda values, ticks: float(values[-1]),
    "sum": lambda values, ticks: float(np.nansum(values)),
    "mean": lambda values, ticks: float(np.nanmean(values)),
    "max": lambda values, ticks: float(np.nanmax(values)),
    "min": lambda values, ticks: float(np.nanmin(values)),
    "argmax": lambda values, ticks: float(ticks[np.nanargmax(values)]),
    "argmin": lambda values, ticks: float(ticks[np.nanargmin(values)]),
}


def split(measure: str) -> tuple[str, str]:
    """Return name and how of a measure as ``name:how``; the last value without one.

    >>> split("deaths:max"), split("deaths")
    (('deaths', 'max'), ('deaths', 'last'))
    """
    name, colon, how = measure.rpartition(":")
    if not colon:
        return measure, "last"
    if how not in HOWS:
        raise ParameterError(
            f"expected measure:{' or measure:'.join(HOWS)}, got {measure!r}", where="measures"
        )
    return name, how


EMPTY = "the world was done before its first tick: it measured nothing"


@dataclass(frozen=True)
class Outcome:
    """One finished run: its measures over time, or only what is left of them at the end."""

    ticks: NDArray[np.int64]
    series: Series
    last: Mapping[str, float] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys([*self.series, *self.last]))

    def value(self, measure: str) -> float:
        """Return the value of ``name:how``; NaN if it is not known."""
        name, how = split(measure)
        if name in self.series:
            values = self.series[name]
            if not len(values) or np.isnan(values).all():
                return math.nan
            return HOWS[how](values, self.ticks)
        return float(self.last.get(name, math.nan)) if how == "last" else math.nan


@dataclass
class Outcomes:
    """Runs by arm and seed, with those that failed.

    Attributes
    ----------
    runs : dict of arm to dict of seed to Outcome
    failed : list of {"arm", "seed", "error"}
    """

    runs: dict[str, dict[int, Outcome]] = field(default_factory=dict)
    failed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def arms(self) -> list[str]:
        return list(self.runs)

    @property
    def seeds(self) -> list[int]:
        """Seeds whose runs finished in every arm, sorted."""
        each = [set(own) for own in self.runs.values()]
        return sorted(set.intersection(*each)) if each else []

    @property
    def all_seeds(self) -> list[int]:
        failed = {row["seed"] for row in self.failed}
        return sorted(failed.union(*(own for own in self.runs.values())))

    def names(self) -> list[str]:
        """Return the measures that every run has, in the order of the first."""
        runs = [run for own in self.runs.values() for run in own.values()]
        known = [set(run.names) for run in runs]
        return [name for name in runs[0].names if all(name in own for own in known)] if runs else []

    def measures(self, asked: Sequence[str] | None) -> list[str]:
        """Return the measures asked, checked; by default the last value of every one.

        Raises
        ------
        ParameterError
            If one is not there in every run.
        """
        known = self.names()
        if asked is None:
            return known
        check_measures(asked, known)
        return list(dict.fromkeys(asked))

    def values(self, measure: str, seeds: Sequence[int]) -> Floats:
        """Return values of shape (arms, seeds)."""
        return np.array(
            [[own[seed].value(measure) for seed in seeds] for own in self.runs.values()]
        )

    def series(self, name: str, seeds: Sequence[int]) -> tuple[NDArray[np.int64], Floats]:
        """Return ticks, and values of shape (arms, seeds, ticks), NaN where a run has none.

        A world that was done before the others keeps its last values: nothing more happens in it.
        """
        runs = [own[seed] for own in self.runs.values() for seed in seeds]
        runs = [run for run in runs if name in run.series]
        ticks = np.unique(np.concatenate([run.ticks for run in runs] or [np.zeros(0, np.int64)]))
        found = np.full((len(self.runs), len(seeds), len(ticks)), np.nan)
        for i, own in enumerate(self.runs.values()):
            for j, seed in enumerate(seeds):
                run = own[seed]
                if name in run.series and len(run.ticks):
                    found[i, j, np.searchsorted(ticks, run.ticks)] = run.series[name]
                    found[i, j, ticks > run.ticks[-1]] = run.series[name][-1]
        return ticks, found

    def add(self, arm: str, seed: int, outcome: Outcome | None, error: str | None = None) -> None:
        own = self.runs.setdefault(arm, {})
        if outcome is None:
            self.failed.append({"arm": arm, "seed": int(seed), "error": error or "failed"})
        else:
            own[int(seed)] = outcome


def check_measures(asked: Iterable[str], known: Sequence[str]) -> None:
    """Raise ParameterError unless every ``name:how`` has a known name."""
    for measure in asked:
        name, _ = split(measure)
        if name not in known:
            raise ParameterError(f"no measure {name!r}; {nearest(name, known)}", where="measures")


def of_sweep(sweep: Sweep, arms: Sequence[str], into: Outcomes | None = None) -> Outcomes:
    """Return the runs of a sweep, its samples under the names of arms, in order.

    A run that was stopped (its budget spent) did not run its course, and counts as failed.
    """
    found = Outcomes() if into is None else into
    keys = [(arm, seed) for arm in arms for seed in sweep.seeds]
    for (arm, seed), result in zip(keys, sweep.results, strict=True):
        if result is None:
            found.add(arm, seed, None, "it was not run")
        elif not result.ok:
            found.add(arm, seed, None, result.error)
        elif (status := result.value["run"]) != "finished":
            found.add(arm, seed, None, f"the run is {status}")
        else:
            series = {name: as_floats(v) for name, v in result.value["series"].items()}
            last = {n: number(v) for n, v in result.value["summary"].items() if n not in series}
            ticks = np.array(result.value["ticks"], np.int64)
            kept = {name: value for name, value in last.items() if value is not None}
            outcome = Outcome(ticks, series, kept)
            found.add(arm, seed, outcome if outcome.names else None, EMPTY)
    return found


def as_floats(values: Sequence[Any]) -> Floats:
    """Return measures as numbers, NaN for none; all NaN if they are no numbers."""
    return np.array([math.nan if (v := number(x)) is None else v for x in values], float)


def number(value: Any) -> float | None:
    """Return a measure's value as a float; None for what is no finite number."""
    if isinstance(value, (bool, int, float)) and math.isfinite(value):
        return float(value)
    return None
