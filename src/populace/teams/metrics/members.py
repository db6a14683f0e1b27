"""A row a member: what it said, how right it was, what its vote and its words were worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.teams.metrics.channels import Embedded, leave_one_out

if TYPE_CHECKING:
    import polars as pl


def members(
    said: pl.DataFrame, vectors: Embedded, credit: pl.DataFrame, adopted: pl.DataFrame
) -> pl.DataFrame:
    """Return a row a policy and member; see ``docs/coordination.md``."""
    import polars as pl

    own = ["policy", "member"]
    answering = said.filter("answering")
    marked = pl.col("voted") & pl.col("right").fill_null(False)
    known = pl.col("right").is_not_null().any()
    ends = (
        answering.group_by("talk", *own, maintain_order=True)
        .agg(
            first=pl.when(known).then(marked.first()),
            last=pl.when(known).then(marked.last()),
        )
        .group_by(own)
        .agg(accuracy_first=pl.col("first").mean(), accuracy_last=pl.col("last").mean())
    )
    told = (
        said.filter("spoke")
        .group_by(own, maintain_order=True)
        .agg(
            items=pl.col("talk").n_unique(),
            turns=pl.len(),
            tokens=pl.col("tokens").sum(),
            answered=pl.col("voted").filter("answering").mean(),
        )
    )
    worth = credit.group_by(own).agg(
        credit=pl.col("credit").mean(), credited=pl.col("credit").count()
    )
    persuaded = adopted.group_by("policy", member="source").agg(persuaded=pl.col("share").sum())
    persuasion = adopted.group_by("policy", member="target").agg(followed=pl.col("share").sum())
    frame = told
    for other in (ends, worth, persuaded, persuasion, _novelty(said, vectors)):
        frame = frame.join(other, on=own, how="left", maintain_order="left")
    return frame.with_columns(pl.col("persuaded", "followed").fill_null(0.0))


def _novelty(said: pl.DataFrame, vectors: Embedded) -> pl.DataFrame:
    """Return each member's mean of K* - K* without an output, where an item has two or more."""
    import polars as pl

    kinds = {"policy": pl.String, "member": pl.String, "delta_k": pl.Float64}
    found = []
    outputs = said.filter("output").select("talk", "policy", "member", "row")
    groups = outputs.group_by("talk", "policy", maintain_order=True).agg("member", "row")
    for _, policy, names, rows in groups.iter_rows():
        who = dict(zip(rows, names, strict=True))
        held = vectors.rows(rows)
        if len(held) > 1:
            each = leave_one_out(vectors.gram(held))
            found += [(policy, who[row], float(d)) for row, d in zip(held, each, strict=True)]
    frame = pl.DataFrame(found, schema=kinds, orient="row")
    return frame.group_by("policy", "member").agg(pl.col("delta_k").mean())
