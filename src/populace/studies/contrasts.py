"""The tables of a comparison: outcomes by arm and seed in, paired differences out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError
from populace.studies.outcomes import Outcomes
from populace.studies.statistics import bands, clustered_bootstrap, holm, paired, seeds_needed

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
Family = Literal["all", "arms"]

SPREAD = (0.1, 0.9)  # quantiles of the runs, drawn around an arm's mean
_COLUMNS = {  # numbers, unless said otherwise as name:type
    "table": "measure:text arm:text n:int baseline_mean mean difference low high method:text "
    "t_low t_high t_holds:bool sd effect p exact:bool p_holm correlation variance_ratio wanted "
    "seeds_needed:int",
    "arms": "measure:text arm:text n:int mean low high sd",
    "runs": "measure:text arm:text seed:seed value difference",
    "series": "measure:text arm:text tick:int n:int mean spread_low spread_high difference low "
    "high",
}


def check_analysis(
    precision: Any = 0.05, family: Any = "all", level: Any = 0.95, resamples: Any = 10_000
) -> None:
    """Raise ParameterError for what cannot be worked out, before any run is made."""
    if family not in ("all", "arms"):
        raise ParameterError(f"expected family all or arms, got {family!r}", where="compare")
    if not _number(level) or not 0 < level < 1:
        raise ParameterError(f"expected a level between 0 and 1, got {level!r}", where="compare")
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 1:
        raise ParameterError(f"expected 1 resample or more, got {resamples!r}", where="compare")
    wanted = list(precision.values()) if isinstance(precision, Mapping) else [precision]
    if not all(_number(each) and 0 < each < math.inf for each in wanted):
        raise ParameterError(
            f"expected a precision above 0, or amounts by measure, got {precision!r:.80}",
            where="compare",
        )


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def schema(table: str) -> dict[str, Any]:
    """Return the column types of a table, by name."""
    import polars as pl

    known = {"text": pl.String, "int": pl.Int64, "seed": pl.UInt64, "bool": pl.Boolean}
    parts = (each.partition(":") for each in _COLUMNS[table].split())
    return {name: known.get(sort, pl.Float64) for name, _, sort in parts}


def _frame(table: str, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    import polars as pl

    types = schema(table)
    frame = pl.DataFrame([{n: row.get(n) for n in types} for row in rows], schema=types)
    return frame.with_columns(pl.selectors.float().fill_nan(None))


def _stacked(table: str, parts: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """Return a table from parts whose columns are texts and numbers, or arrays of one length."""
    import polars as pl

    types = schema(table)
    frames = [pl.DataFrame(schema=types)]
    for part in parts:
        n = max(len(each) for each in part if isinstance(each, np.ndarray))
        columns = [each if isinstance(each, np.ndarray) else [each] * n for each in part]
        frames.append(pl.DataFrame(dict(zip(types, columns, strict=True)), schema=types))
    return pl.concat(frames).with_columns(pl.selectors.float().fill_nan(None))


class Contrasts:
    """Arms against a baseline, over the seeds that every arm ran."""

    def __init__(
        self, outcomes: Outcomes, baseline: str, seeds: list[int], level: float, resamples: int
    ) -> None:
        self.outcomes, self.baseline, self.seeds = outcomes, baseline, seeds
        self.level, self.resamples = level, resamples
        self.base = outcomes.arms.index(baseline)
        self.others = [i for i in range(len(outcomes.arms)) if i != self.base]

    def _pairs(self, measure: str) -> tuple[list[int], Floats]:
        """Return the seeds at which every arm has a value, and the values (arms, seeds)."""
        values = self.outcomes.values(measure, self.seeds)
        known = np.asarray(~np.isnan(values).any(axis=0))
        kept = [seed for seed, each in zip(self.seeds, known.tolist(), strict=True) if each]
        return kept, values[:, known]

    def table(
        self, measures: Sequence[str], precision: float | Mapping[str, float], family: Family
    ) -> pl.DataFrame:
        rows: list[dict[str, Any]] = []
        for measure in measures:
            _, values = self._pairs(measure)
            for i in self.others:
                rows.append({"measure": measure, "arm": self.outcomes.arms[i]})
                rows[-1] |= self._row(measure, values[i], values[self.base], precision)
        for tests in self._families(rows, family):
            p = [math.nan if row["p"] is None else row["p"] for row in tests]
            for row, adjusted in zip(tests, holm(p), strict=True):
                row["p_holm"] = float(adjusted)
        return _frame("table", rows)

    def _families(self, rows: list[dict[str, Any]], family: Family) -> list[list[dict[str, Any]]]:
        if family == "all":
            return [rows]
        names = dict.fromkeys(row["measure"] for row in rows)
        return [[row for row in rows if row["measure"] == name] for name in names]

    def _row(
        self, measure: str, own: Floats, base: Floats, precision: float | Mapping[str, float]
    ) -> dict[str, Any]:
        if not len(own):
            return {"n": 0, "p": None}
        found = paired(own, base, level=self.level, resamples=self.resamples)
        told = dict(vars(found))
        told |= {"difference": found.mean, "mean": own.mean(), "baseline_mean": base.mean()}
        if len(own) < 2 or not (own != base).any():
            # one pair tests nothing; nor do equal runs, whose p is 1 under every flip of signs, so
            # that they need no place in the family (Tarone, Biometrics 46, 1990)
            told["p"] = None
        if isinstance(precision, Mapping):
            wanted = float(precision.get(measure, math.nan))
        else:
            wanted = precision * abs(float(base.mean()))
        if wanted > 0 and found.sd / wanted < 1e6:  # NaN fails too
            told |= {"wanted": wanted, "seeds_needed": seeds_needed(found.sd, wanted, self.level)}
        return told

    def arms(self, measures: Sequence[str]) -> pl.DataFrame:
        rows = []
        for measure in measures:
            _, values = self._pairs(measure)
            for arm, own in zip(self.outcomes.arms, values, strict=True):
                row: dict[str, Any] = {"measure": measure, "arm": arm, "n": len(own)}
                if len(own):
                    mean = clustered_bootstrap(own, level=self.level, resamples=self.resamples)
                    row |= {name: getattr(mean, name) for name in ("mean", "low", "high", "sd")}
                rows.append(row)
        return _frame("arms", rows)

    def runs(self, measures: Sequence[str]) -> pl.DataFrame:
        parts = []
        for measure in measures:
            seeds, values = self._pairs(measure)
            for arm, own in zip(self.outcomes.arms, values, strict=True):
                seed = np.array(seeds, np.uint64)
                parts.append([measure, arm, seed, own, own - values[self.base]])
        return _stacked("runs", parts)

    def series(self, names: Sequence[str]) -> pl.DataFrame:
        parts, n = [], len(self.seeds)
        for name in names:
            ticks, values = self.outcomes.series(name, self.seeds)
            known = ~np.isnan(values).any(axis=(0, 1))  # at these ticks every run goes on
            ticks, values = ticks[known], values[:, :, known]
            if not len(ticks):
                continue
            for arm, own in zip(self.outcomes.arms, values, strict=True):
                apart = bands(own - values[self.base], level=self.level)
                spread = np.quantile(own, SPREAD, axis=0)
                parts.append([name, arm, ticks, n, own.mean(axis=0), *spread, *apart])
        return _stacked("series", parts)
