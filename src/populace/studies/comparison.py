"""What a comparison found: tables, and the files that keep them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.kernel.errors import ParameterError, RecordError, StudyError, nearest
from populace.simulation.manifest import versions
from populace.studies import shelf
from populace.studies.contrasts import Contrasts, Family, check_analysis
from populace.studies.outcomes import Outcomes, split
from populace.studies.statistics import seeds_needed

if TYPE_CHECKING:
    import polars as pl

FORMAT = "populace comparison 1"
TABLES = ("table", "arms", "runs", "series")


class Comparison:
    """Arms against a baseline.

    Parameters
    ----------
    tables : mapping of str to polars.DataFrame
        As the attributes of these names.
    manifest : mapping
        What was compared and how: arms, baseline, seeds, dropped seeds, level, family, world.
    path : Path, optional

    Attributes
    ----------
    table : polars.DataFrame
        A row a measure and arm (but the baseline): measure, arm, n (pairs), baseline_mean, mean,
        difference (arm less baseline) with low, high and the method of that interval, t_low, t_high
        and t_holds, sd, effect (Cohen's d_z), p (sign-flip permutation) and whether exact, p_holm,
        correlation, variance_ratio, wanted (a half-width) and seeds_needed for it. See
        `populace.studies.statistics.Difference`. What is not defined is null.
    arms : polars.DataFrame
        A row a measure and arm: measure, arm, n, mean, low, high, sd.
    runs : polars.DataFrame
        A row a measure, arm and seed: measure, arm, seed, value, and difference from the baseline.
    series : polars.DataFrame
        A row a name, arm and tick: measure, arm, tick, n, mean over the runs, their spread from
        spread_low to spread_high (the middle 80 %), and the mean difference with low and high (at
        each tick by itself).
    """

    def __init__(
        self,
        tables: Mapping[str, pl.DataFrame],
        manifest: Mapping[str, Any],
        path: Path | None = None,
    ) -> None:
        self.table, self.arms, self.runs, self.series = (tables[name] for name in TABLES)
        self.manifest, self.path = dict(manifest), path

    @classmethod
    def of(
        cls,
        outcomes: Outcomes,
        *,
        measures: Sequence[str] | None = None,
        baseline: str | None = None,
        precision: float | Mapping[str, float] = 0.05,
        family: Family = "all",
        level: float = 0.95,
        resamples: int = 10_000,
        about: Mapping[str, Any] | None = None,
        path: Path | None = None,
    ) -> Comparison:
        """Compare runs that are there. Parameters as those of `compare`.

        Raises
        ------
        ParameterError
            For a measure or baseline that is not there, an impossible level or family.
        StudyError
            If no seed ran in every arm.
        """
        check_analysis(precision, family, level, resamples)
        first = outcomes.arms[0] if baseline is None else baseline
        if first not in outcomes.arms:
            raise ParameterError(f"no arm {first!r}; {nearest(first, outcomes.arms)}")
        seeds = outcomes.seeds
        if not seeds:
            raise _nothing_left(outcomes)
        asked = outcomes.measures(measures)
        if not asked:
            raise StudyError("the runs have no measure in common", where="compare")
        work = Contrasts(outcomes, first, seeds, level, resamples)
        tables = {
            "table": work.table(asked, precision, family),
            "arms": work.arms(asked),
            "runs": work.runs(asked),
            "series": work.series(list(dict.fromkeys(split(each)[0] for each in asked))),
        }
        manifest = {
            "format": FORMAT,
            "names": outcomes.arms,
            "baseline": first,
            "measures": asked,
            "seeds": seeds,
            "dropped": [seed for seed in outcomes.all_seeds if seed not in set(seeds)],
            "failed": outcomes.failed,
            "level": level,
            "resamples": resamples,
            "family": family,
            "versions": versions(),
            **(about or {}),
        }
        return cls(tables, manifest, path)

    @property
    def baseline(self) -> str:
        return str(self.manifest["baseline"])

    @property
    def seeds(self) -> list[int]:
        """The seeds that every arm ran."""
        return list(self.manifest["seeds"])

    @property
    def dropped(self) -> list[int]:
        """The seeds that some arm did not run to its end."""
        return list(self.manifest["dropped"])

    @cached_property
    def saved(self) -> float:
        """Median variance ratio of the table: what pairing left of the variance; NaN if unknown."""
        middle = self.table["variance_ratio"].median()
        return math.nan if middle is None else float(middle)  # type: ignore[arg-type]

    def seeds_needed(self, measure: str, half_width: float) -> dict[str, int]:
        """Return, by arm, the seeds for an interval of `half_width` at the sd found."""
        import polars as pl

        rows = self.table.filter(pl.col("measure") == measure)
        if not rows.height:
            known = self.manifest["measures"]
            raise ParameterError(f"no measure {measure!r}; {nearest(measure, known)}")
        level = self.manifest["level"]
        return {
            arm: seeds_needed(sd, half_width, level)
            for arm, sd in rows.select("arm", "sd").iter_rows()
            if sd is not None
        }

    def write(self, path: str | Path | None = None) -> Path:
        """Write manifest.json and the tables as Parquet files; return the directory.

        `populace.reports.write_comparison` makes the page from them.

        Raises
        ------
        RecordError
            If the disk refuses, or no directory was named here or as ``to``.
        """
        folder = self.path if path is None else Path(path)
        if folder is None:
            raise RecordError("there is no directory to write to", mend="name one")
        self.path = shelf.put(folder, {name: getattr(self, name) for name in TABLES}, self.manifest)
        return self.path

    def __repr__(self) -> str:
        others = [name for name in self.manifest["names"] if name != self.baseline]
        told = f"{', '.join(others)} against {self.baseline}"
        return f"Comparison({told}: {len(self.seeds)} seeds, {self.table.height} differences)"


def is_comparison(path: str | Path) -> bool:
    """Whether a directory holds a written comparison."""
    return shelf.manifest_of(path, FORMAT) is not None


def read_comparison(path: str | Path) -> Comparison:
    """Return the comparison that `Comparison.write` left in a directory.

    Raises
    ------
    RecordError
        If there is none, or a file of it cannot be read.
    """
    manifest = shelf.manifest_of(path, FORMAT)
    if manifest is None:
        raise RecordError(
            "no comparison is here", where=str(path), mend="name what 'populace compare' wrote"
        )
    return Comparison(shelf.take(path, TABLES), manifest, Path(path))


def _nothing_left(outcomes: Outcomes) -> StudyError:
    what = "no seed ran in every arm"
    if outcomes.failed:
        row = outcomes.failed[0]
        what += f"; arm {row['arm']!r} failed with seed {row['seed']}: {row['error']}"
    return StudyError(what, where="compare")
