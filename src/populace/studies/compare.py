"""Arms of a comparison run on the same seeds, and their paired differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from populace.kernel.errors import BudgetError, ParameterError, WorldError, nearest
from populace.kernel.world import World
from populace.records import Run
from populace.simulation import Simulation
from populace.studies.arms import Arm, Arms, spends
from populace.studies.comparison import Comparison
from populace.studies.contrasts import Family, check_analysis
from populace.studies.outcomes import check_measures, of_sweep, split
from populace.studies.purse import Purse
from populace.studies.statistics import detectable, half_width
from populace.studies.sweep import last, seed_list, sweep
from populace.studies.tasks import Backend, Progress

Precision = float | Mapping[str, float]


def compare(
    world: str | type[World] | Callable[..., World],
    arms: Iterable[Arm] | Mapping[str, Mapping[str, Any]],
    seeds: int | Iterable[int] = 10,
    *,
    ticks: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    cast: Any = None,
    interventions: Any = (),
    resources: Callable[[], Mapping[str, Any]] | None = None,
    measures: Sequence[str] | None = None,
    baseline: str | None = None,
    precision: Precision = 0.05,
    family: Family = "all",
    level: float = 0.95,
    resamples: int = 10_000,
    workers: int | None = None,
    backend: Backend = "processes",
    to: str | Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run every arm with every seed and compare the arms, paired by seed.

    Arms of one seed share their random draws (see `populace.studies.arms`). A seed with which one
    arm failed, or was stopped by its budget, is dropped from all, and counted; where the comparison
    goes on, it is tried again.

    Parameters
    ----------
    world : str, World class or callable
        A registered world, or what makes one from parameters.
    arms : sequence of Arm, or mapping of name to parameters
        Two or more.
    seeds : int or iterable of int
        So many seeds from 0 on, or these.
    ticks : int, optional
        By default the world's own.
    parameters, cast, interventions
        What all arms share (see `Arm`).
    resources : callable, optional
        Called once for each run that spends (whose cast has a model), where the run is; returns
        what `Simulation` takes beside: ``answers``, ``budget`` (of that run), ``prices``. With a
        `Purse`, whose budget is that of all runs together, they are made one after the other in
        this process.
    measures : sequence of str, optional
        ``name`` (the last value), or ``name:how`` with how one of last, sum, mean, max, min, argmax
        and argmin (the tick of the highest and lowest value). By default the last value of each.
    baseline : str, optional
        The arm that the others are compared with; by default the first.
    precision : float, or mapping of measure to float
        Half-width of the interval for which `Comparison.table` tells the seeds needed: a share of
        the baseline's mean, or amounts in the measures' own units.
    family : "all" or "arms"
        Over which tests p is adjusted (Holm): all arms and measures of the table, or the arms of
        each measure by itself.
    level : float
        Of the intervals.
    resamples : int
        Of the bootstrap and of the permutation test where it is not exact.
    workers, backend, to, progress
        See `populace.studies.sweep`. With ``to``, a comparison that was stopped goes on, and
        `Comparison.write` writes there by default.

    Returns
    -------
    Comparison

    Raises
    ------
    ParameterError, CastError
        Before any run: for arms that cannot be made, or measures that the world does not have.
    StudyError
        If no seed is left that ran in every arm.

    Examples
    --------
    >>> from populace.studies import Arm, compare
    >>> arms = [Arm("rich", {"money": 200}), Arm("poor", {"money": 100})]
    >>> found = compare("wealth", arms, seeds=2, ticks=3, parameters={"people": 50},
    ...                 backend="serial")
    >>> found.table.select("measure", "arm", "n").rows()[0]
    ('money', 'poor', 2)
    """
    check_analysis(precision, family, level, resamples)
    common = Arm("common", parameters or {}, cast, interventions)
    made = [arm.on(common) for arm in as_arms(arms)]
    check_arms([arm.name for arm in made], baseline)
    numbers, factory = seed_list(seeds), Arms(world, made, resources)
    length, told = check(factory, numbers[0], ticks, measures)
    purse = resources if isinstance(resources, Purse) else None
    swept = sweep(
        factory,
        [{"arm": arm.name} for arm in made],
        numbers,
        ticks=length,
        workers=workers,
        backend="serial" if purse else backend,
        to=to,
        summary=complete,
        progress=progress,
        by_seed=True,
    )
    return Comparison.of(
        of_sweep(swept, [arm.name for arm in made]),
        measures=measures,
        baseline=baseline,
        precision=precision,
        family=family,
        level=level,
        resamples=resamples,
        about={
            **told,
            "arms": [arm.describe() for arm in made],
            "ticks": length,
            "stopped": "a budget is spent" if purse and purse.spent else "",
        },
        path=None if to is None else Path(to),
    )


def complete(run: Run) -> dict[str, Any]:
    """Return the last value of every measure of a run that was not stopped.

    Raises
    ------
    BudgetError
        For one that was: it has failed, and is made again when the comparison goes on.
    """
    if run.status == "stopped":
        raise BudgetError(f"the run is stopped: {run.manifest.get('stopped')}")
    return last(run)


def as_arms(arms: Iterable[Arm] | Mapping[str, Mapping[str, Any]]) -> list[Arm]:
    if isinstance(arms, Mapping):
        return [Arm(name, given) for name, given in arms.items()]
    found = list(arms)
    for arm in found:
        if not isinstance(arm, Arm):
            raise ParameterError(f"expected an Arm, got {arm!r:.60}", where="compare")
    return found


def check_arms(names: Sequence[str], baseline: str | None) -> None:
    """Raise ParameterError unless there are two arms or more, each name once."""
    if len(names) < 2:
        raise ParameterError(
            f"expected two arms or more, got {', '.join(names) or 'none'}", where="compare"
        )
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ParameterError(f"two arms are called {twice[0]!r}", where="compare")
    if baseline is not None and baseline not in names:
        raise ParameterError(
            f"no arm {baseline!r} to be the baseline; {nearest(baseline, names)}", where="compare"
        )


def check(
    factory: Arms, seed: int, ticks: int | None, measures: Sequence[str] | None
) -> tuple[int, dict[str, Any]]:
    """Make every arm once, so that what is wrong is said before any run.

    A cast that spends (on a model) is made and not started. Where measures are named, one tick of
    the first arm without such a cast, and the world's charts, tell whether they are there.

    Returns
    -------
    ticks, and what the report says of the world
    """
    for measure in measures or ():
        split(measure)
    length, told, known = ticks, dict[str, Any](), None
    for arm in factory.arms:
        made = factory.made(arm)
        world = made["world"]
        if length is None:
            length = int(world.ticks)
        elif ticks is None and int(world.ticks) != length:
            raise ParameterError(
                f"{arm.label} lasts {int(world.ticks)} ticks, the others {length}",
                where="compare",
                mend="give ticks=",
            )
        told = told or about(world)
        if spends(made["cast"], world):
            continue
        try:
            simulation = Simulation(seed=seed, panel=0, **made)
        except WorldError:  # its code failed, not its input: a failed run, if it fails again
            continue
        simulation.interventions.schedule.check_length(length)
        if measures and known is None:
            known = simulation.run(1).metrics.columns[1:] or None
            later = [name for chart in world.charts for name in chart.measures]
            # none: done before it began
            check_measures(measures if known else (), [*(known or ()), *later])
    assert length is not None
    return length, told


def about(world: World) -> dict[str, Any]:
    """Return what a report says of a world: name, title, calendar, charts."""
    calendar = world.calendar
    return {
        "world": type(world).__name__.lower(),
        "title": world.title or type(world).__name__,
        "charts": [chart.describe() for chart in world.charts],
        "calendar": None
        if calendar is None
        else {"start": calendar.start.isoformat(), "unit": calendar.unit},
    }


def foresight(seeds: int, level: float = 0.95, power: float = 0.8) -> dict[str, float]:
    """Return what can be expected of so many seeds, in standard deviations of the differences.

    Returns
    -------
    dict
        ``half_width`` of the interval; ``detectable``, the least true difference that a test at
        ``1 - level`` finds with probability `power`; ``least_p``, the least p of the permutation
        test. NaN with one seed.
    """
    if seeds < 2:
        return {"half_width": math.nan, "detectable": math.nan, "least_p": 1.0}
    return {
        "half_width": half_width(1.0, seeds, level),
        "detectable": detectable(seeds, sd=1.0, alpha=1 - level, power=power),
        "least_p": max(2.0 ** (1 - seeds), 0.0),
    }
