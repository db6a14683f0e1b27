"""The statistics of an exam comparison, from a row an item, arm and budget.

An item that one arm could not run is left out of all arms at that budget. Differences are paired
by item; intervals and permutation tests take families as clusters; right and wrong are compared by
McNemar's exact test; p-values are adjusted by Holm's method. Ends of intervals are cut at what a
share (0 to 1) or a difference of shares (-1 to 1) can be, which costs no coverage.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from populace.kernel.errors import StudyError
from populace.kernel.spend import MEASURES
from populace.studies.matching import Limits
from populace.studies.statistics import clustered_bootstrap, holm, mcnemar, paired

if TYPE_CHECKING:
    import polars as pl


def kept(items: pl.DataFrame, level: int, arms: Sequence[str]) -> list[str]:
    """Return the items that every arm ran at a budget, in order.

    Raises
    ------
    StudyError
        If there is none.
    """
    import polars as pl

    own = items.filter((pl.col("level") == level) & pl.col("arm").is_in(list(arms)))
    whole = own.group_by("item", maintain_order=True).agg((pl.col("status") == "ran").all())
    found = whole.filter("status")["item"].to_list()
    if not found:
        why = own.filter(pl.col("status") != "ran")["status", "arm"].row(0)
        raise StudyError(
            f"no item was run by every arm; arm {why[1]!r}: {why[0]}",
            where="compare",
            mend="raise the budget, lower max_tokens, or leave the arm out",
        )
    return list(found)


def dropped(items: pl.DataFrame) -> pl.DataFrame:
    """Return how many items each arm could not run, by budget and reason."""
    import polars as pl

    return (
        items.filter(pl.col("status") != "ran")
        .group_by("level", "arm", "status", maintain_order=True)
        .agg(items=pl.len().cast(pl.Int64))
    )


class Tables:
    """What the comparison says.

    Parameters
    ----------
    items : polars.DataFrame
        As `populace.studies.sitting.Sat.items`, with ``level`` and ``arm``.
    arms : sequence of str
    limits : sequence of mapping
        The budget of each level.
    clusters : "family" or "item"
    """

    def __init__(
        self,
        items: pl.DataFrame,
        arms: Sequence[str],
        limits: Sequence[Limits],
        *,
        clusters: str = "family",
        seed: int = 0,
        level: float = 0.95,
        resamples: int = 10_000,
    ) -> None:
        import polars as pl

        self.arms, self.limits, self.seed = list(arms), list(limits), seed
        self.confidence, self.resamples = level, resamples
        self._by: dict[tuple[int, str], pl.DataFrame] = {}
        self._clusters: dict[int, list[Any] | None] = {}
        for i in range(len(limits)):
            common = kept(items, i, arms)
            for arm in arms:
                rows = items.filter((pl.col("level") == i) & (pl.col("arm") == arm))
                self._by[i, arm] = rows.filter(pl.col("item").is_in(common))
            families = self._by[i, arms[0]]["family"].to_list()
            by_family = clusters == "family" and len(set(families)) > 1
            self._clusters[i] = families if by_family else None

    def of(self, level: int, arm: str) -> pl.DataFrame:
        """Return the rows of an arm at a budget: items that every arm ran, in one order."""
        return self._by[level, arm]

    def arm_table(self) -> pl.DataFrame:
        """Return a row an arm and budget: how right it was, and what it spent."""
        import polars as pl

        rows = []
        for (i, arm), own in self._by.items():
            right = self._mean(own["correct"].cast(pl.Float64), i)
            score = self._mean(own["score"].fill_null(0.0), i)
            row: dict[str, Any] = {
                "level": i, "arm": arm, "n": own.height, "clusters": right.clusters,
                "accuracy": right.mean, "low": max(right.low, 0.0), "high": min(right.high, 1.0),
                "score": score.mean,
                "answered": float(own["answer"].is_not_null().mean()),  # type: ignore[arg-type]
                "reached": float(own["reached"].mean()),  # type: ignore[arg-type]
                "cut": float((own["reason"] == "budget").mean()),  # type: ignore[arg-type]
            }  # fmt: skip
            for measure in MEASURES:
                known = own[measure].null_count() == 0
                spent = self._mean(own[measure].cast(pl.Float64), i) if known else None
                row[measure] = None if spent is None else spent.mean
                row[f"{measure}_low"] = None if spent is None else spent.low
                row[f"{measure}_high"] = None if spent is None else spent.high
                limit = self.limits[i].get(measure)
                row[f"{measure}_unspent"] = (
                    None if limit is None or spent is None else 1 - spent.mean / limit
                )
            rows.append(row)
        return pl.DataFrame(rows, infer_schema_length=None).with_columns(
            pl.selectors.float().fill_nan(None)
        )

    def differences(self, baseline: str, family: str = "all", pairs: bool = False) -> pl.DataFrame:
        """Return a row an arm and budget, against the baseline (or all pairs of arms).

        Holm's adjustment is over all rows, or over the arms at each budget (`family` ``arms``).
        """
        import polars as pl

        rows = []
        for i in range(len(self.limits)):
            others = [(arm, baseline) for arm in self.arms if arm != baseline]
            if pairs:
                others += list(itertools.combinations([a for a in self.arms if a != baseline], 2))
            rows += [self._pair(i, a, b) for a, b in others]
        table = pl.DataFrame(rows, infer_schema_length=None)
        groups = [range(len(rows))]
        if family == "arms":
            groups = [
                [r for r, row in enumerate(rows) if row["level"] == i]  # type: ignore[misc]
                for i in range(len(self.limits))
            ]
        for name in ("mcnemar", "p"):
            adjusted = [0.0] * len(rows)
            for group in groups:
                values = holm([rows[r][name] for r in group]).tolist()
                for r, value in zip(group, values, strict=True):
                    adjusted[r] = value
            table = table.with_columns(pl.Series(f"{name}_holm", adjusted))
        return table.with_columns(pl.selectors.float().fill_nan(None))

    def oracle(self) -> pl.DataFrame:
        """Return a row a budget: share of the items that some arm solved, or some answer did."""
        import polars as pl

        rows = []
        for i in range(len(self.limits)):
            owns = [self._by[i, arm] for arm in self.arms]
            solved = pl.DataFrame({str(k): own["correct"] for k, own in enumerate(owns)})
            met = pl.DataFrame({str(k): own["reached"] for k, own in enumerate(owns)})
            some, any_said = solved.max_horizontal(), met.max_horizontal()
            arms = self._mean(some.cast(pl.Float64), i)
            members = self._mean((some | any_said).cast(pl.Float64), i)
            rows.append(
                {
                    "level": i, "n": owns[0].height,
                    "arms": arms.mean, "arms_low": arms.low, "arms_high": arms.high,
                    "answers": members.mean, "answers_low": members.low,
                    "answers_high": members.high,
                }
            )  # fmt: skip
        return pl.DataFrame(rows).with_columns(pl.selectors.float().fill_nan(None))

    def _mean(self, values: pl.Series, level: int) -> Any:
        return clustered_bootstrap(
            values.to_numpy(), self._clusters[level],
            seed=self.seed, level=self.confidence, resamples=self.resamples,
        )  # fmt: skip

    def _pair(self, level: int, arm: str, against: str) -> dict[str, Any]:
        a, b = self._by[level, arm], self._by[level, against]
        gained = int((a["correct"] & ~b["correct"]).sum())
        lost = int((b["correct"] & ~a["correct"]).sum())
        found = paired(
            a["score"].fill_null(0.0).to_numpy(), b["score"].fill_null(0.0).to_numpy(),
            self._clusters[level], seed=self.seed, level=self.confidence,
            resamples=self.resamples,
        )  # fmt: skip
        right = paired(
            a["correct"].to_numpy().astype(float), b["correct"].to_numpy().astype(float),
            self._clusters[level], seed=self.seed, level=self.confidence,
            resamples=self.resamples,
        )  # fmt: skip
        told: Mapping[str, Any] = {
            "level": level, "arm": arm, "against": against, "n": a.height,
            "clusters": right.clusters,
            "accuracy": float(a["correct"].mean()), "other": float(b["correct"].mean()),  # type: ignore[arg-type]
            "difference": right.mean, "low": max(right.low, -1.0), "high": min(right.high, 1.0),
            "method": right.method, "gained": gained, "lost": lost,
            "mcnemar": mcnemar(gained, lost), "p": right.p,
            "score_difference": found.mean, "score_low": found.low, "score_high": found.high,
        }  # fmt: skip
        return dict(told)


def discordant(items: pl.DataFrame, level: int, arm: str, baseline: str) -> tuple[int, int]:
    """Return on how many items two arms disagree, and how many both ran."""
    import polars as pl

    own = items.filter((pl.col("level") == level) & (pl.col("status") == "ran"))
    a = own.filter(pl.col("arm") == arm).select("item", "correct")
    b = own.filter(pl.col("arm") == baseline).select("item", other="correct")
    both = a.join(b, on="item", how="inner")
    return int((both["correct"] != both["other"]).sum()), both.height
