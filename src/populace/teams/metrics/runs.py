"""A row a policy: means over its questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from populace.teams.metrics.channels import Embedded, k_star
from populace.teams.metrics.influence import revisions

if TYPE_CHECKING:
    import polars as pl


def runs(
    said: pl.DataFrame,
    items: pl.DataFrame,
    edges: pl.DataFrame,
    vectors: Embedded,
    credit: pl.DataFrame,
) -> pl.DataFrame:
    """Return a row a policy; see ``docs/coordination.md``."""
    import polars as pl

    right = pl.col("right")
    told = items.group_by("policy", maintain_order=True).agg(
        items=pl.len(),
        accuracy=right.mean(),
        unknown=right.is_null().mean(),
        turns=pl.col("turns").mean(),
        rounds=pl.col("rounds").mean(),
        tokens=pl.col("tokens").mean(),
        messages=pl.col("messages").mean(),
        density=_ratio(pl.col("messages").sum(), pl.col("turns").sum()),
        unparsed=pl.col("unparsed").sum(),
        **{
            name: pl.col(name).mean()
            for name in ("redundancy", "k_star", "k_right", "k_wrong", "k_eff", "margin", "entropy")
        },
        propagation=(~right).filter(pl.col("first_wrong")).mean(),
        first_lost=(~right).filter(pl.col("first_right")).mean(),
        held_lost=(~right).filter(pl.col("ever_right")).mean(),
    )
    was, now = pl.col("before_right"), pl.col("right")
    flips = (
        revisions(said)
        .group_by("policy")
        .agg(
            right_to_wrong=(was & ~now).sum(),
            wrong_to_right=(~was & now).sum(),
            changed=pl.col("changed").sum(),
        )
    )
    adopted = edges.group_by("policy").agg(adopted=pl.col("share").sum())
    credited = (
        credit.group_by("policy", "talk")
        .agg(pl.col("credit").is_not_null().any())
        .group_by("policy")
        .agg(credited=pl.col("credit").mean())
    )
    frame = told
    for other in (flips, adopted, credited, _across(said, vectors)):
        frame = frame.join(other, on="policy", how="left", maintain_order="left")
    counts = ["right_to_wrong", "wrong_to_right", "changed"]
    return frame.with_columns(
        pl.col(counts).fill_null(0).cast(pl.Int64), pl.col("adopted").fill_null(0.0)
    )


def _ratio(upper: pl.Expr, lower: pl.Expr) -> pl.Expr:
    import polars as pl

    return pl.when(lower > 0).then(upper / lower)


def _across(said: pl.DataFrame, vectors: Embedded) -> pl.DataFrame:
    """Return K* over members, the outputs of each averaged over all items first (card 9.2)."""
    import polars as pl

    found = []
    groups = said.filter("output").group_by("policy", "member", maintain_order=True).agg("row")
    by_policy: dict[str, list[np.ndarray]] = {}
    for policy, _, rows in groups.iter_rows():
        if held := vectors.rows(rows):
            by_policy.setdefault(policy, []).append(vectors.mean(held))
    for policy, means in by_policy.items():
        table = np.array(means)
        table = table[np.any(table, axis=1)]
        found.append((policy, float(k_star(table @ table.T))))
    return pl.DataFrame(found, schema={"policy": pl.String, "k_members": pl.Float64}, orient="row")
