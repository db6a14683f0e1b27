"""Which parameters move a measure: Sobol indices from a sweep.

The variance of a measure over independent, uniform parameters is split (Sobol 2001, *Math. Comput.
Simul.* 55:271-280). The first-order index S1 of a parameter is the share that goes when it is
fixed, ``V[E[y | x_i]] / V[y]``; the total index ST is the share that stays when all others are
fixed, ``E[V[y | x_~i]] / V[y]``. Where S1 sum to nearly 1 the parameters act one by one; where ST
is above S1 they act together.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, StudyError, nearest
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.studies.design import as_axis, check_power_of_two, generator
from populace.studies.sweep import Summary, Sweep, sweep
from populace.studies.tasks import Backend, Progress

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Sensitivity:
    """Sobol indices of measures.

    Attributes
    ----------
    indices : polars.DataFrame
        A row a measure and parameter: measure, parameter, S1, S1_low, S1_high, ST, ST_low, ST_high.
        An estimate may lie a little outside 0 to 1.
    measures : polars.DataFrame
        A row a measure: measure, mean and sd over the samples (each the mean over its seeds), and
        noise: the share of their variance that is chance, by the variance between seeds. The seeds
        are common to all samples, so that the true share is at most this. Null with one seed.
    skipped : mapping of str to str
        Measures without indices, and why.
    level : float
        Of the intervals: normal, with the bootstrap's standard deviation.
    sweep : Sweep
    """

    indices: pl.DataFrame
    measures: pl.DataFrame
    skipped: Mapping[str, str]
    level: float
    sweep: Sweep


def sobol_indices(
    factory: str | type[World] | Callable[..., Any],
    parameters: Mapping[str, Any],
    n: int = 256,
    measures: Sequence[str] | None = None,
    seed: int = 0,
    *,
    seeds: int | Iterable[int] = 2,
    ticks: int | None = None,
    cast: Any = None,
    summary: Summary | None = None,
    workers: int | None = None,
    backend: Backend = "processes",
    to: str | Path | None = None,
    progress: Progress | None = None,
    level: float = 0.95,
    resamples: int = 1000,
) -> Sensitivity:
    """Estimate first-order and total Sobol indices from ``n * (parameters + 2) * seeds`` runs.

    Sample and estimators are SALib's: Saltelli et al. 2010, *Comput. Phys. Commun.* 181:259-270.

    Parameters
    ----------
    factory, seeds, ticks, cast, summary, workers, backend, to, progress
        See `sweep`. A measure of a sample is its mean over the seeds.
    parameters : mapping of str to Range, (low, high) or list of options
        What varies, each independently and uniformly over its range (its logarithm if so declared).
    n : int
        Base samples, a power of two. The error of an index falls about as ``1 / sqrt(n)``.
    measures : sequence of str, optional
        Summaries to explain; by default all that are numbers and vary.
    seed : int
        Of the sample and of the bootstrap.
    level : float
        Of the intervals, in (0, 1).
    resamples : int
        Of the bootstrap.

    Returns
    -------
    Sensitivity

    Raises
    ------
    ParameterError
        For impossible ranges, n or level, or an unknown measure.
    StudyError
        If a run failed (the indices need every one), a wanted measure is missing or does not vary,
        or SALib is not installed.
    """
    axes = {name: as_axis(value, name) for name, value in parameters.items()}
    if len(axes) < 2:
        raise ParameterError("expected 2 parameters or more", where="sobol_indices")
    check_power_of_two(n, "sobol_indices")
    if not 0 < level < 1:
        raise ParameterError(f"expected a level in (0, 1), got {level!r}", where="sobol_indices")
    sampler, analyser = _salib()
    problem = {"num_vars": len(axes), "names": list(axes), "bounds": [[0.0, 1.0]] * len(axes)}
    rng = generator(seed, "design/saltelli")
    with _quietly():
        places = sampler.sample(problem, n, calc_second_order=False, seed=rng)
    columns = [axis.at(u) for axis, u in zip(axes.values(), places.T, strict=True)]
    samples = [dict(zip(axes, row, strict=True)) for row in zip(*columns, strict=True)]
    found = sweep(
        factory,
        samples,
        seeds,
        ticks=ticks,
        cast=cast,
        workers=workers,
        backend=backend,
        to=to,
        summary=summary,
        series=False,
        progress=progress,
    )
    outputs, skipped = _outputs(found, measures)
    bits = int(Streams(seed).stream("bootstrap/saltelli").bits([0])[0]) | 1  # SALib: 0 is no seed
    indices: list[dict[str, Any]] = []
    spreads: list[dict[str, Any]] = []
    for measure, values in outputs.items():
        mean = values.mean(axis=1)
        with _quietly():
            told = analyser.analyze(
                problem,
                mean,
                calc_second_order=False,
                num_resamples=resamples,
                conf_level=level,
                seed=bits,
            )
        for i, name in enumerate(axes):
            row: dict[str, Any] = {"measure": measure, "parameter": name}
            for index in ("S1", "ST"):
                value, half = float(told[index][i]), float(told[f"{index}_conf"][i])
                row |= {index: value, f"{index}_low": value - half, f"{index}_high": value + half}
            indices.append(row)
        spreads.append({"measure": measure, "mean": float(mean.mean()), **_spread(values)})
    import polars as pl

    types = {"measure": pl.String, "mean": pl.Float64, "sd": pl.Float64, "noise": pl.Float64}
    return Sensitivity(
        pl.DataFrame(indices), pl.DataFrame(spreads, schema=types), skipped, level, found
    )


def _spread(values: NDArray[np.float64]) -> dict[str, float | None]:
    """Return sd over samples, and the share of it that is chance, of values (samples, seeds)."""
    k = values.shape[1]
    variance = float(values.mean(axis=1).var(ddof=1))
    noise = float(values.var(axis=1, ddof=1).mean()) / k / variance if k > 1 else None
    return {"sd": variance**0.5, "noise": noise}


def _outputs(
    found: Sweep, wanted: Sequence[str] | None
) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    """Return measures as arrays (samples, seeds), and why others are left out."""
    table = found.table
    failed = table.filter(table["status"] == "failed")
    if failed.height:
        raise StudyError(
            f"{failed.height:,} of {table.height:,} runs failed: {failed['error'][0]}",
            where="sobol_indices",
            mend="narrow the ranges: the indices need every run",
        )
    for name in wanted or ():
        if name not in found.measures:
            hint = nearest(name, found.measures)
            raise ParameterError(f"no measure {name!r}; {hint}", where="sobol_indices")
    import polars as pl

    outputs: dict[str, NDArray[np.float64]] = {}
    skipped: dict[str, str] = {}
    for name in found.measures if wanted is None else wanted:
        column = table[name]
        if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            skipped[name] = "is no number"
            continue
        values = column.cast(float).to_numpy().reshape(len(found.samples), len(found.seeds))
        bad = int((~np.isfinite(values)).sum())
        if bad:
            skipped[name] = f"is not defined in {bad:,} of {values.size:,} runs"
        elif np.ptp(values.mean(axis=1)) == 0:
            skipped[name] = "does not vary"
        else:
            outputs[name] = values
    unusable = [name for name in wanted or () if name in skipped]
    if unusable or not outputs:
        name = unusable[0] if unusable else next(iter(skipped), "")
        what = f"measure {name!r} {skipped[name]}" if name else "there is no measure"
        raise StudyError(what, where="sobol_indices", mend="choose another, or give summary=")
    return outputs, skipped


class _quietly(warnings.catch_warnings):
    """Keep a library's warnings of its own making from the user, who can do nothing about them."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.simplefilter("ignore")
        return entered


def _salib() -> tuple[Any, Any]:
    try:
        with _quietly():
            from SALib.analyze import sobol as analyser
            from SALib.sample import sobol as sampler
    except ImportError as error:
        raise StudyError(
            "Sobol indices need SALib",
            where="sobol_indices",
            mend="pip install 'populace[studies]'",
        ) from error
    return sampler, analyser
