"""Parameters of a world from data: a point by Optuna, a posterior by ABC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError, StudyError, nearest
from populace.kernel.streams import Streams
from populace.studies import losses
from populace.studies.abc_smc import Posterior, abc_smc
from populace.studies.design import Options, Range, as_axis
from populace.studies.scores import weighted_interval_score
from populace.studies.sweep import OneRun
from populace.studies.tasks import Backend, Progress, run_all

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]
Loss = Callable[[Floats, Floats], float]
Method = Literal["optuna", "abc"]

_BATCH = 8  # trials proposed together, whatever the number of workers: it is part of the result


def negative_binomial(observed: Floats, simulated: Floats) -> float:
    """Negative log-likelihood about the mean of the runs, dispersion by maximum likelihood."""
    mean = simulated.mean(axis=0)
    return losses.negative_binomial(observed, mean, losses.dispersion(observed, mean))


def interval_score(observed: Floats, simulated: Floats) -> float:
    """Mean weighted interval score of the runs as a forecast; give it several seeds."""
    return float(weighted_interval_score(observed, simulated).mean())


LOSSES: Mapping[str, Loss] = {
    "negative_binomial": negative_binomial,
    "poisson": lambda y, runs: losses.poisson(y, runs.mean(axis=0)),
    "squared_log": lambda y, runs: losses.squared_log(y, runs.mean(axis=0)),
    "squared": lambda y, runs: losses.squared(y, runs.mean(axis=0)),
    "wis": interval_score,
}


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Attributes
    ----------
    best : dict of str to value
        Optuna: the trial of least loss. ABC: the medians.
    trials : polars.DataFrame
        A row a parameter set tried: trial, the parameters, error (empty unless it failed), and
        loss (Optuna) or generation (ABC).
    posterior : Posterior or None
        Of ABC.
    """

    best: dict[str, Any]
    trials: polars.DataFrame
    posterior: Posterior | None
    runner: Runner

    def predict(
        self,
        draws: int = 100,
        *,
        ticks: int | None = None,
        seed: int = 0,
        workers: int | None = None,
        to: str | Path | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Floats]:
        """Run the world with draws from the posterior (or with `best`), each with its own seed.

        Parameters
        ----------
        draws : int
            Runs.
        ticks : int, optional
            By default as many as the calibration ran; more to forecast.
        seed : int
            Of the draws; the runs' seeds differ from those of the calibration.

        Returns
        -------
        mapping of measure to float64 array of shape (draws, ticks)

        Raises
        ------
        StudyError
            If a run fails.
        """
        samples = [self.best] * draws if self.posterior is None else self._drawn(draws, seed)
        seeds = _seeds(seed, "predict", 0, draws)
        runner = self.runner.changed(ticks=ticks, workers=workers, to=to, progress=progress)
        found = runner.run(samples, seeds, "predict")
        if lost := [error for error in found.errors if error]:
            raise StudyError(f"{len(lost)} of {draws} runs failed: {lost[0]}", where="predict")
        return found.series

    def _drawn(self, draws: int, seed: int) -> list[dict[str, Any]]:
        assert self.posterior is not None
        return [self.runner.typed(sample) for sample in self.posterior.draw(draws, seed)]


def calibrate(
    factory: Any,
    targets: Mapping[str, ArrayLike] | polars.DataFrame,
    parameters: Mapping[str, Any],
    method: Method = "optuna",
    *,
    runs: int = 400,
    seeds: int = 1,
    ticks: int | None = None,
    cast: Any = None,
    loss: str | Loss = "negative_binomial",
    block: int = 7,
    statistics: Callable[[Mapping[str, Floats]], ArrayLike] | None = None,
    seed: int = 0,
    workers: int | None = None,
    backend: Backend = "processes",
    to: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Calibration:
    """Find the parameters with which a world's measures are like the data.

    Parameters
    ----------
    factory, cast
        As `populace.studies.sweep` takes them.
    targets : mapping of measure to series, or frame with columns tick, measure, value
        What was observed, from tick 0; NaN (or a tick that is not there) where nothing was. Nothing
        after `ticks` is looked at.
    parameters : mapping of name to Range or (low, high)
        What may be changed, and how far; for ABC the prior, uniform over the range.
    method : "optuna" or "abc"
        A point: the tree-structured Parzen estimator of Optuna (Akiba et al., KDD 2019). A
        posterior: `populace.studies.abc_smc`.
    runs : int
        Most runs of the world: trials times `seeds`, or simulations.
    seeds : int
        Optuna: runs a trial. The seeds are the same in every trial, so trials share their draws.
    loss : str or function of (observed, simulated)
        Optuna: name of `LOSSES`, or a function of arrays of shape (times,) and (seeds, times),
        summed over the targets. Smaller is better.
    block : int
        ABC: the statistics are logarithms of (1 + the sum) over so many ticks of each target.
    statistics : callable, optional
        ABC: function of series by measure, in place of those.
    seed : int
        Of the search and of the runs.
    workers, backend, to, progress
        See `populace.studies.run_all`; a stopped calibration goes on where it was.
    **settings
        Of `abc_smc`: particles, keep, generations, least_accepted, adjust.

    Raises
    ------
    ParameterError
        For impossible targets, parameters or settings, before any run.
    StudyError
        If a package is missing or every run fails.

    Notes
    -----
    The result is a function of the arguments, whatever the number of workers.
    """
    if method not in ("optuna", "abc"):
        raise ParameterError(f"expected method optuna or abc, got {method!r}", where="calibrate")
    if not parameters:
        raise ParameterError("expected parameters to calibrate, got none", where="calibrate")
    axes = {name: as_axis(given, name) for name, given in parameters.items()}
    for name, value in (("runs", runs), ("seeds", seeds), ("block", block)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ParameterError(f"expected {name} >= 1, got {value!r}", where="calibrate")
    data = _targets(targets, ticks)
    length = max(len(values) for values in data.values())
    runner = Runner(factory, axes, cast, length, tuple(data), workers, backend, to, progress)
    if method == "abc":
        return _posterior(runner, data, runs, block, statistics, seed, settings)
    if settings:
        raise ParameterError(f"Optuna takes no setting {next(iter(settings))!r}", where="calibrate")
    return _point(runner, data, runs, seeds, _loss(loss), seed)


# -- runs ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """Series by measure, shape (runs, ticks), NaN rows for failed runs, and their errors."""

    series: dict[str, Floats]
    errors: list[str]


@dataclass(frozen=True)
class Runner:
    """How a calibration runs the world: which measures, how long, and where."""

    factory: Any
    axes: Mapping[str, Range | Options]
    cast: Any
    ticks: int
    measures: tuple[str, ...]
    workers: int | None
    backend: Backend
    to: str | Path | None
    progress: Progress | None

    def changed(self, ticks: int | None, **changes: Any) -> Runner:
        """Return the same runner, for another length and place."""
        return replace(self, ticks=self.ticks if ticks is None else ticks, **changes)

    def typed(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """Return a sample with whole numbers where the ranges are of whole numbers."""
        return {
            name: round(value) if getattr(self.axes[name], "integer", False) else value
            for name, value in sample.items()
        }

    def run(self, samples: Sequence[Mapping[str, Any]], seeds: Sequence[int], part: str) -> Ran:
        """Run the world once a sample, each with the seed beside it."""
        work = OneRun(self.factory, self.ticks, self.cast, _nothing, self.measures)
        tasks = [
            {"sample": i, "seed": seed, "parameters": dict(sample)}
            for i, (sample, seed) in enumerate(zip(samples, seeds, strict=True))
        ]
        results = run_all(
            tasks,
            work,
            workers=self.workers,
            backend=self.backend,
            to=None if self.to is None else Path(self.to) / part,
            identity={**work.describe(), "part": part},
            progress=self.progress,
        )
        series = {name: np.full((len(tasks), self.ticks), np.nan) for name in self.measures}
        errors = []
        for i, result in enumerate(results):
            error = "" if result.ok else str(result.error)
            lived = len(result.value["ticks"]) if result.ok else 0
            if not error and (
                (lived < self.ticks and result.value["run"] != "finished") or not lived
            ):
                error = f"ended after {lived} of {self.ticks} ticks"
            errors.append(error)
            if not error:
                for name in self.measures:
                    values = np.array(result.value["series"][name], np.float64)
                    # a world that is done stays as it is
                    series[name][i] = np.pad(values, (0, self.ticks - lived), mode="edge")
        return Ran(series, errors)


def _nothing(run: Any) -> dict[str, Any]:
    return {}


def _seeds(seed: int, what: str, part: int, n: int) -> list[int]:
    """Return seeds of runs that no other part of the calibration has, but by a chance of 2**-64."""
    bits = Streams(seed).stream(f"calibrate/{what}", part).bits(np.arange(n))
    return [int(b) for b in bits]


# -- a point ---------------------------------------------------------------------------------------


def _point(
    runner: Runner, data: Mapping[str, Floats], runs: int, seeds: int, loss: Loss, seed: int
) -> Calibration:
    import polars as pl

    try:
        import optuna
    except ImportError as error:
        raise StudyError(
            "a point estimate needs optuna",
            where="calibrate",
            mend="pip install 'populace[studies]'",
        ) from error
    number = _seeds(seed, "optuna", 0, 1)[0] % 2**32
    sampler = optuna.samplers.TPESampler(seed=number, multivariate=True, constant_liar=True)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(sampler=sampler)
        space = {name: _distribution(optuna, axis) for name, axis in runner.axes.items()}
        own, rows = _seeds(seed, "runs", 0, seeds), []
        trials = max(1, runs // seeds)
        for first in range(0, trials, _BATCH):
            asked = [study.ask(space) for _ in range(min(_BATCH, trials - first))]
            samples = [{**trial.params} for trial in asked for _ in own]
            found = runner.run(samples, own * len(asked), f"trials-{first:06d}")
            for k, trial in enumerate(asked):
                mine = slice(k * seeds, (k + 1) * seeds)
                failed = next((error for error in found.errors[mine] if error), "")
                value = None if failed else _total(loss, data, found.series, mine)
                if value is None or not np.isfinite(value):
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
                else:
                    study.tell(trial, value)
                rows.append({"trial": trial.number, **trial.params, "loss": value, "error": failed})
    finally:
        optuna.logging.set_verbosity(before)
    good = [row for row in rows if row["loss"] is not None and np.isfinite(row["loss"])]
    if not good:
        raise StudyError(f"every run failed: {rows[0]['error']}", where="calibrate")
    best = min(good, key=lambda row: row["loss"])
    table = pl.DataFrame(rows, infer_schema_length=None)
    return Calibration({name: best[name] for name in runner.axes}, table, None, runner)


def _distribution(optuna: Any, axis: Range | Options) -> Any:
    if isinstance(axis, Options):
        return optuna.distributions.CategoricalDistribution(axis.values)
    if axis.integer:
        low, high = int(axis.low), int(axis.high)
        return optuna.distributions.IntDistribution(low, high, log=axis.log)
    return optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)


def _total(
    loss: Loss, data: Mapping[str, Floats], series: Mapping[str, Floats], mine: slice
) -> float:
    total = 0.0
    for name, values in data.items():
        known = np.isfinite(values)
        total += loss(values[known], series[name][mine][:, : len(values)][:, known])
    return total


def _loss(loss: str | Loss) -> Loss:
    if callable(loss):
        return loss
    if loss not in LOSSES:
        raise ParameterError(f"no loss {loss!r}; {nearest(loss, LOSSES)}", where="calibrate")
    return LOSSES[loss]


# -- a posterior -----------------------------------------------------------------------------------


def _posterior(
    runner: Runner,
    data: Mapping[str, Floats],
    runs: int,
    block: int,
    statistics: Callable[[Mapping[str, Floats]], ArrayLike] | None,
    seed: int,
    settings: Mapping[str, Any],
) -> Calibration:
    import polars as pl

    rows: list[dict[str, Any]] = []
    summarise = statistics or (lambda series: blocks(series, data, block))
    target = np.asarray(summarise(dict(data)), np.float64)
    keep = float(settings.get("keep", 0.5))
    # the first generation and four more, unless told otherwise
    particles = int(settings.get("particles", max(20, round(runs / (1 + 4 * (1 - keep))))))
    later = max(1, round(particles * (1 - keep)))
    most = 1 + max(0, runs - particles) // later

    def simulate(samples: Sequence[Mapping[str, Any]], generation: int) -> Floats:
        seeds = _seeds(seed, "abc", generation, len(samples))
        found = runner.run(samples, seeds, f"generation-{generation:03d}")
        out = np.full((len(samples), len(target)), np.nan)
        for i, (sample, error) in enumerate(zip(samples, found.errors, strict=True)):
            if not error:
                out[i] = summarise({name: values[i] for name, values in found.series.items()})
            rows.append({"trial": len(rows), "generation": generation, **sample, "error": error})
        return out

    known = {"generations": most, **settings, "particles": particles}
    try:
        posterior = abc_smc(simulate, target, runner.axes, seed=seed, **known)
    except TypeError as error:
        raise ParameterError(str(error), where="calibrate") from None
    best = runner.typed({name: posterior.quantile(name, 0.5) for name in posterior.names})
    return Calibration(best, pl.DataFrame(rows, infer_schema_length=None), posterior, runner)


def blocks(series: Mapping[str, Floats], data: Mapping[str, Floats], block: int) -> Floats:
    """Return ``log(1 + sum)`` over blocks of ticks of each target, over the observed ticks only.

    Negative sums keep their sign: ``sign(s) log(1 + |s|)``.
    """
    found = []
    for name, values in data.items():
        here = np.where(np.isfinite(values), np.asarray(series[name], float)[: len(values)], 0.0)
        sums = np.add.reduceat(here, np.arange(0, len(here), block))
        found.append(np.sign(sums) * np.log1p(np.abs(sums)))
    return np.concatenate(found)


# -- what was observed -----------------------------------------------------------------------------


def _targets(targets: Any, ticks: int | None) -> dict[str, Floats]:
    """Return series from tick 0 by measure, NaN where nothing was observed."""
    if isinstance(targets, Mapping):
        data = {name: np.asarray(values, np.float64) for name, values in targets.items()}
    else:
        data = _from_frame(targets)
    for name, values in data.items():
        if values.ndim != 1 or np.isinf(values).any():
            raise ParameterError("expected a series of finite numbers or NaN", where=name)
        data[name] = values = values[:ticks]
        if not np.isfinite(values).any():
            raise ParameterError("expected an observed value, got none", where=name)
    if not data:
        raise ParameterError("expected targets, got none", where="calibrate")
    return data


def _from_frame(frame: Any) -> dict[str, Floats]:
    try:
        ticks, names = frame["tick"].to_numpy(), frame["measure"].to_list()
        values = frame["value"].to_numpy()
    except Exception as error:
        raise ParameterError(
            "expected targets as {measure: series} or a frame with columns tick, measure, value",
            where="calibrate",
        ) from error
    data = {name: np.full(int(ticks.max()) + 1, np.nan) for name in dict.fromkeys(names)}
    for tick, name, value in zip(ticks, names, values, strict=True):
        data[name][tick] = value
    return data
