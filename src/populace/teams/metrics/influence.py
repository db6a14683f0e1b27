"""Who changed whose mind: revisions by round, and adoptions along every edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.teams.metrics.channels import Embedded, k_star, redundancy

if TYPE_CHECKING:
    import polars as pl


def positions(said: pl.DataFrame) -> pl.DataFrame:
    """Return each member's last answer in every round in which it gave one."""
    import polars as pl

    return (
        said.filter("answering", "voted")
        .group_by("talk", "member", "round", maintain_order=True)
        .agg(pl.col("policy", "row", "prompt", "answer", "right", "sees").last())
        .sort("talk", "round", "row")
    )


def revisions(said: pl.DataFrame) -> pl.DataFrame:
    """Return every answer given after an earlier one, with ``before`` and ``before_right``.

    The same prompt again without anything new to see (self-consistency) is another sample and
    revises nothing.
    """
    import polars as pl

    own = ["talk", "member"]
    return (
        positions(said)
        .with_columns(
            before=pl.col("answer").shift(1).over(own, order_by="round"),
            before_right=pl.col("right").shift(1).over(own, order_by="round"),
            before_prompt=pl.col("prompt").shift(1).over(own, order_by="round"),
        )
        .filter(
            pl.col("before").is_not_null(),
            (pl.col("sees").list.len() > 0) | (pl.col("prompt") != pl.col("before_prompt")),
        )
        .with_columns(changed=pl.col("answer") != pl.col("before"))
    )


def rounds(said: pl.DataFrame, vectors: Embedded) -> pl.DataFrame:
    """Return a row a policy and round; see ``docs/coordination.md``."""
    import polars as pl

    spoke = said.filter("spoke")
    told = spoke.group_by("policy", "round").agg(
        items=pl.col("talk").n_unique(),
        turns=pl.len(),
        tokens=pl.col("tokens").sum(),
        messages=pl.col("sees").list.len().sum(),
        answered=pl.col("voted").filter("answering").mean(),
        accuracy=_accuracy(),
        unknown=(pl.col("voted") & pl.col("right").is_null()).filter("answering").mean(),
    )
    was, now = pl.col("before_right"), pl.col("right")
    flips = (
        revisions(said)
        .group_by("policy", "round")
        .agg(
            revised=pl.len(),
            changed=pl.col("changed").sum(),
            right_to_wrong=(was & ~now).sum(),
            wrong_to_right=(~was & now).sum(),
            wrong_to_wrong=(~was & ~now & pl.col("changed")).sum(),
        )
    )
    return (
        told.join(flips, on=["policy", "round"], how="left")
        .with_columns(pl.col(flips.columns[2:]).fill_null(0).cast(pl.Int64))
        .join(_spread(said, vectors), on=["policy", "round"], how="left")
        .sort("policy", "round")
    )


def _accuracy() -> pl.Expr:
    """Share of right answers among what could have been one; null where nothing is known."""
    import polars as pl

    known = pl.col("right").is_not_null().filter(pl.col("answering")).any()
    share = (pl.col("voted") & pl.col("right").fill_null(False)).filter("answering").mean()
    return pl.when(known).then(share)


def _spread(said: pl.DataFrame, vectors: Embedded) -> pl.DataFrame:
    """Return the mean over items of K* and redundancy by round, where two or more answered."""
    import polars as pl

    kinds = {"policy": pl.String, "round": pl.Int64, "k_star": pl.Float64, "redundancy": pl.Float64}
    found = []
    groups = said.filter("answering").group_by("policy", "round", "talk", maintain_order=True)
    for policy, number, rows in groups.agg("row").select("policy", "round", "row").iter_rows():
        if len(rows := vectors.rows(rows)) > 1:
            gram = vectors.gram(rows)
            found.append((policy, number, float(k_star(gram)), float(redundancy(gram))))
    frame = pl.DataFrame(found, schema=kinds, orient="row")
    return frame.group_by("policy", "round").agg(pl.all().mean())


def influence(said: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a row an edge, and every adoption.

    A message goes from `source` to `target` where a row of the target's sees the source. It
    changed the target's mind where the target held another answer before, the source held the one
    that the target gives now, and the target saw it: the source's last answer of an earlier round
    counts as what was seen. An adoption from several that held the answer is each one's, and
    divided equally in ``share``.
    """
    import polars as pl

    held = positions(said).select("talk", "member", "round", "answer", "right")
    seen = (
        said.filter("spoke")
        .select(
            *("talk", "policy", "row", "round", "member", "sees", "answer", "right"),
            answers=pl.col("answering") & pl.col("voted"),
        )
        .explode("sees", empty_as_null=True)
        .drop_nulls("sees")
        .rename({"sees": "source", "member": "target"})
        .sort("round", maintain_order=True)
    )
    held = held.sort("round", maintain_order=True)
    for who, name in (("source", "held"), ("target", "before")):
        seen = seen.join_asof(
            held.rename({"member": who, "answer": name, "right": f"{name}_right"}),
            on="round",
            by=["talk", who],
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
    differs = pl.col("answers") & (pl.col("held") != pl.col("before"))
    seen = seen.with_columns(differs=differs.fill_null(False)).with_columns(
        adopted=pl.col("differs") & (pl.col("answer") == pl.col("held"))
    )
    seen = seen.with_columns(
        share=pl.col("adopted") / pl.col("adopted").sum().over("row"),
    ).with_columns(pl.col("share").fill_nan(0.0))
    edges = (
        seen.group_by("policy", "source", "target")
        .agg(
            messages=pl.len(),
            items=pl.col("talk").n_unique(),
            differed=pl.col("differs").sum(),
            adopted=pl.col("adopted").sum(),
            share=pl.col("share").sum(),
            to_right=(pl.col("adopted") & ~pl.col("before_right") & pl.col("right")).sum(),
            to_wrong=(pl.col("adopted") & pl.col("before_right") & ~pl.col("right")).sum(),
        )
        .sort("policy", "source", "target")
    )
    adopted = seen.filter("adopted").select(
        "talk", "policy", "round", "source", "target", "before", "answer", "share"
    )
    return edges, adopted
