"""A world run over many parameters and seeds: one row a run."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.kernel.errors import ParameterError, nearest
from populace.kernel.parameters import parameters
from populace.kernel.world import World
from populace.simulation import Simulation
from populace.simulation.manifest import plain
from populace.studies.folder import StudyFolder, described
from populace.studies.tasks import Backend, Progress, Result, read, run_all

if TYPE_CHECKING:
    import polars as pl

    from populace.records import Run

Summary = Callable[["Run"], Mapping[str, Any]]

_FIRST = ("sample", "seed")
_LAST = ("status", "error", "seconds")


class Sweep:
    """What came of a sweep.

    Parameters
    ----------
    samples : sequence of mapping
        Parameters of each sample, as plain data.
    seeds : sequence of int
    results : sequence of Result or None
        One a run, seeds within samples; None for a run that is missing.
    path : Path, optional
        The directory that keeps it.

    Attributes
    ----------
    table : polars.DataFrame
        A row a run: sample (its number), seed, the parameters, status ("finished", "stopped",
        "failed" or "missing"), error, seconds, then a column for each summary. A summary whose name
        is taken is called ``summary_NAME``.
    series : polars.DataFrame
        A row a run, measure and tick: sample, seed, tick, measure, value. Empty if the sweep kept
        none.
    """

    def __init__(
        self,
        samples: Sequence[Mapping[str, Any]],
        seeds: Sequence[int],
        results: Sequence[Result | None],
        path: Path | None = None,
    ) -> None:
        self.samples, self.seeds, self.path = list(samples), list(seeds), path
        self.results = list(results)
        self.parameters = list(dict.fromkeys(name for sample in samples for name in sample))
        self._keys = [(i, seed) for i in range(len(self.samples)) for seed in self.seeds]

    @property
    def measures(self) -> list[str]:
        """Names of the summaries, as columns of `table`."""
        return list(self._summaries)

    @cached_property
    def _summaries(self) -> dict[str, str]:
        """Column and own name of every summary, in the order in which runs bring them."""
        taken = {*_FIRST, *self.parameters, *_LAST}
        names = dict.fromkeys(n for r in self.results if r and r.ok for n in r.value["summary"])
        return {f"summary_{name}" if name in taken else name: name for name in names}

    @cached_property
    def table(self) -> pl.DataFrame:
        import polars as pl

        results = self.results
        columns: dict[str, list[Any]] = {
            "sample": [i for i, _ in self._keys],
            "seed": [seed for _, seed in self._keys],
        }
        for name in self.parameters:
            columns[name] = [self.samples[i].get(name) for i, _ in self._keys]
        columns["status"] = [_status(r) for r in results]
        columns["error"] = [r.error if r else None for r in results]
        columns["seconds"] = [r.seconds if r else None for r in results]
        for column, name in self._summaries.items():
            columns[column] = [
                r.value["summary"].get(name) if r and r.ok else None for r in results
            ]
        types: dict[str, Any] = {
            "sample": pl.Int64,
            "seed": pl.UInt64,
            "status": pl.String,
            "error": pl.String,
            "seconds": pl.Float64,
        }
        made = [_column(name, values, types.get(name)) for name, values in columns.items()]
        return pl.DataFrame(made)

    @cached_property
    def series(self) -> pl.DataFrame:
        import polars as pl

        types: dict[str, Any] = {"sample": pl.Int64, "seed": pl.UInt64, "tick": pl.Int64}
        types |= {"measure": pl.String, "value": pl.Float64}
        frames = [pl.DataFrame(schema=types)]
        for (i, seed), result in zip(self._keys, self.results, strict=True):
            if result is None or not result.ok:
                continue
            for name, values in result.value["series"].items():
                ticks = result.value["ticks"]
                n = len(ticks)
                columns = [[i] * n, [seed] * n, ticks, [name] * n, values]
                data = dict(zip(types, columns, strict=True))
                frames.append(pl.DataFrame(data, schema=types, strict=False))
        return pl.concat(frames)

    def over_seeds(self) -> pl.DataFrame:
        """Return a row a sample: runs and failed, the parameters, then of every numeric summary the
        mean over the seeds and, as ``NAME_sd``, the standard deviation (with n - 1)."""
        import polars as pl

        table = self.table
        number = [name for name in self.measures if table[name].dtype.is_numeric()]
        each = [pl.col(name).mean().alias(name) for name in number]
        sds = [pl.col(name).std().alias(f"{name}_sd") for name in number]
        return table.group_by("sample", maintain_order=True).agg(
            *[pl.col(name).first() for name in self.parameters],
            pl.len().alias("runs"),
            (pl.col("status") == "failed").sum().alias("failed"),
            *[both for pair in zip(each, sds, strict=True) for both in pair],
        )

    def __repr__(self) -> str:
        counts = self.table["status"].value_counts(sort=True).rows()
        told = ", ".join(f"{n:,} {status}" for status, n in sorted(counts))
        n, k = len(self.samples), len(self.seeds)
        size = f"{n:,} sample{'s' * (n != 1)} x {k:,} seed{'s' * (k != 1)}"
        return f"Sweep({size}: {told})"


def sweep(
    factory: str | type[World] | Callable[..., Any],
    samples: Iterable[Mapping[str, Any]],
    seeds: int | Iterable[int] = 1,
    *,
    ticks: int | None = None,
    cast: Any = None,
    workers: int | None = None,
    backend: Backend = "processes",
    to: str | Path | None = None,
    summary: Summary | None = None,
    series: bool | Sequence[str] = True,
    progress: Progress | None = None,
    by_seed: bool = False,
) -> Sweep:
    """Run a world with every sample of parameters and every seed.

    Parameters
    ----------
    factory : str, World class or callable
        A registered world; or a function that is called with a sample's parameters and returns a
        world, a pair (world, cast), or a mapping of arguments of `Simulation` with "world" among
        them. It is called once a run, where the run is.
    samples : iterable of mapping
        Parameters by name, as `grid`, `latin_hypercube` and `sobol` make them.
    seeds : int or iterable of int
        So many seeds from 0 on, or these. Every sample is run with every seed, so that samples
        share their random draws.
    ticks : int, optional
        By default the world's own.
    cast : Cast, policy or mapping, optional
        As `Simulation` takes it; every run has a copy. What cannot be copied (an open model) is for
        the factory to make.
    workers, backend, to, progress
        See `run_all`. With ``to``, each finished run is a file of that directory, and a sweep that
        was stopped goes on where it was; `read_sweep` reads it.
    summary : callable, optional
        Function of a `Run` (in memory; its ``world`` is there too) that returns plain data by name.
        By default the last value of every measure. A run of which it raises has failed.
    series : bool or sequence of str
        Whether to keep the measures of every tick, or of which measures.
    by_seed : bool
        Make the runs of the first seed first, then those of the second, so that a sweep that is
        stopped has every sample with the same seeds.

    Returns
    -------
    Sweep

    Raises
    ------
    ParameterError
        For samples that the factory does not take, or seeds that are not distinct.
    RegistryError
        If no world of that name is installed.
    RecordError, StudyError
        See `run_all`.

    Examples
    --------
    >>> from populace.studies import grid, sweep
    >>> found = sweep("wealth", grid(people=[50, 100]), seeds=2, ticks=3, backend="serial")
    >>> found
    Sweep(2 samples x 2 seeds: 4 finished)
    >>> found.table.select("sample", "seed", "people").rows()
    [(0, 0, 50), (0, 1, 50), (1, 0, 100), (1, 1, 100)]
    """
    made = [dict(sample) for sample in samples]
    numbers = seed_list(seeds)
    if isinstance(factory, str):
        from populace.kernel.registry import load

        load("world", factory)
    check_samples(factory, made)
    if ticks is not None and (isinstance(ticks, bool) or not isinstance(ticks, int) or ticks < 0):
        raise ParameterError(f"expected 0 or more ticks, got {ticks!r}", where="sweep")
    kept = series if isinstance(series, bool) else tuple(series)
    work = OneRun(factory, ticks, cast, summary, kept)
    tasks = [
        {"sample": i, "seed": seed, "parameters": sample}
        for i, sample in enumerate(made)
        for seed in numbers
    ]
    told = [plain(sample) for sample in made]
    identity = {**work.describe(), "seeds": numbers, "samples": told}
    n, k = len(numbers), len(made)
    order = [i * n + j for j in range(n) for i in range(k)] if by_seed else None
    results = run_all(
        tasks,
        work,
        workers=workers,
        backend=backend,
        to=to,
        identity=identity,
        progress=progress,
        order=order,
    )
    return Sweep(told, numbers, results, None if to is None else Path(to))


def read_sweep(path: str | Path) -> Sweep:
    """Return the sweep in a directory, whether finished or not: what is not there is "missing".

    Raises
    ------
    RecordError
        If there is none, or a file of it cannot be read.
    """
    folder = StudyFolder.read(path)
    if "samples" not in folder.identity:
        from populace.kernel.errors import RecordError

        raise RecordError("holds a study that is no sweep", where=str(path))
    found: list[Result | None] = [None] * folder.size
    for n, text in folder.results():
        found[n] = read(n, text)
    return Sweep(folder.identity["samples"], folder.identity["seeds"], found, Path(path))


@dataclass(frozen=True)
class OneRun:
    """The work of a sweep: one run, and of it what the sweep keeps."""

    factory: Any
    ticks: int | None
    cast: Any
    summary: Summary | None
    series: bool | tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Return what tells this work from another, as plain data."""
        return {
            "factory": described(self.factory),
            "ticks": self.ticks,
            "cast": described(self.cast),
            "summary": described(self.summary),
            "series": self.series,
        }

    def __call__(self, task: Mapping[str, Any]) -> dict[str, Any]:
        arguments = self._made(task["parameters"])
        world = arguments.pop("world")
        simulation = Simulation(world, seed=task["seed"], **{"panel": 0, **arguments})
        run = simulation.run(int(world.ticks) if self.ticks is None else self.ticks)
        metrics = run.metrics
        names = [name for name in metrics.columns if name != "tick"]
        if not isinstance(self.series, bool):
            _check_names(self.series, names)
        kept = names if self.series is True else [n for n in names if n in (self.series or ())]
        return {
            "run": run.status,
            "summary": dict((self.summary or last)(run)),
            "ticks": metrics["tick"].to_list() if kept else [],
            "series": {name: metrics[name].to_list() for name in kept},
        }

    def _made(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments of `Simulation`, the world among them."""
        factory = self.factory
        if isinstance(factory, str):
            from populace.kernel.registry import load

            factory = load("world", factory)
        made = factory(**copy.deepcopy(dict(sample)))
        if isinstance(made, Mapping):
            arguments = dict(made)
        elif isinstance(made, tuple) and len(made) == 2:
            arguments = {"world": made[0], "cast": made[1]}
        else:
            arguments = {"world": made}
        if "world" not in arguments or "seed" in arguments:
            raise ParameterError(
                "expected a world, (world, cast) or {'world': ..., ...} without 'seed', "
                f"got {made!r:.80}",
                where="factory",
            )
        if self.cast is not None:
            if arguments.get("cast") is not None:
                raise ParameterError("expected one cast, got cast= and the factory's", where="cast")
            arguments["cast"] = copy.deepcopy(self.cast)
        return arguments


def last(run: Run) -> dict[str, Any]:
    """Return the last value of every measure."""
    metrics = run.metrics
    return {name: metrics[name][-1] for name in metrics.columns[1:]} if metrics.height else {}


def seed_list(seeds: int | Iterable[int]) -> list[int]:
    """Return seeds as a list: 0 to n - 1 for a number n.

    Raises
    ------
    ParameterError
        Unless they are distinct whole numbers from 0 to 2**64 - 1, at least one.
    """
    if isinstance(seeds, int) and not isinstance(seeds, bool) and seeds >= 1:
        return list(range(seeds))
    found = [] if isinstance(seeds, (int, str)) else list(seeds)
    right = all(not isinstance(s, bool) and hasattr(s, "__index__") for s in found)
    numbers = [int(s) for s in found] if right else []
    if not numbers or len(set(numbers)) < len(numbers) or not all(0 <= s < 2**64 for s in numbers):
        raise ParameterError(
            f"expected a number of seeds, or distinct ones from 0 to 2**64 - 1, got {seeds!r:.60}",
            where="seeds",
        )
    return numbers


def check_samples(factory: Any, samples: Sequence[Mapping[str, Any]]) -> None:
    """Raise ParameterError unless the factory takes every sample."""
    if not samples:
        raise ParameterError("expected samples, got none", where="sweep", mend="give [{}] for one")
    taken = {*_FIRST, *_LAST}
    if isinstance(factory, str):
        from populace.kernel.registry import load

        factory = load("world", factory)
    if not callable(factory):
        raise ParameterError(
            f"expected a world's name, a World class or a function, got {factory!r:.60}",
            where="sweep",
        )
    known = parameters(factory)
    name = getattr(factory, "__name__", type(factory).__name__)
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # built in
        return
    for sample in samples:
        for key, value in sample.items():
            if key in taken:
                raise ParameterError(
                    f"a parameter cannot be called {key!r}: a column of the table is",
                    where="sweep",
                    mend="seeds are given by seeds=" if key == "seed" else "rename it",
                )
            if key in known:
                known[key].check(value, name)
        try:
            signature.bind(**sample)
        except TypeError as error:
            stray = [key for key in sample if key not in known]
            hint = nearest(stray[0], known) if stray else ""
            raise ParameterError(str(error), where=name, mend=hint) from None


def _check_names(names: Iterable[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ParameterError(f"no measure {name!r}; {nearest(name, known)}", where="series")


def _status(result: Result | None) -> str:
    if result is None:
        return "missing"
    return str(result.value["run"]) if result.ok else "failed"


def _column(name: str, values: list[Any], dtype: Any) -> pl.Series:
    """Return a column: numbers, truth values or texts; anything mixed as texts."""
    import polars as pl

    if dtype is not None:
        return pl.Series(name, values, dtype=dtype)
    sorts = {type(value) for value in values if value is not None}
    if sorts <= {int, float} and sorts:
        whole = sorts == {int} and all(v is None or -(2**63) <= v < 2**63 for v in values)
        return pl.Series(name, values, dtype=pl.Int64 if whole else pl.Float64, strict=False)
    if sorts == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    texts = [v if v is None or isinstance(v, str) else str(v) for v in values]
    return pl.Series(name, texts, dtype=pl.String if sorts else pl.Null)
