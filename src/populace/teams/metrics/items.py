"""A row a question: what it took, how the vote stood, and what was lost on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from populace.teams.interface import Verdict
from populace.teams.metrics.ballots import tally
from populace.teams.metrics.channels import Embedded, effective, k_star, redundancy
from populace.teams.votes import leaders

if TYPE_CHECKING:
    import polars as pl

_SPREAD = ("redundancy", "k_star", "k_right", "k_wrong", "k_eff")


def items(said: pl.DataFrame, vectors: Embedded) -> pl.DataFrame:
    """Return a row a conversation; see ``docs/coordination.md``."""
    import polars as pl

    spoke = pl.col("spoke")
    base = (
        said.group_by("talk", "policy", "tick", "agent", "item", "attempt", maintain_order=True)
        .agg(
            right=pl.col("right").filter(~spoke).last(),
            answer=pl.col("answer").filter(~spoke).last(),
            reason=_reason(said),
            turns=spoke.sum(),
            rounds=pl.col("round").filter(spoke).n_unique(),
            tokens=pl.col("tokens").filter(spoke).sum(),
            messages=pl.col("sees").list.len().filter(spoke).sum(),
            unparsed=(~pl.col("voted")).filter("answering").sum(),
            ever_right=pl.col("right").filter("answering", "voted").max(),
        )
        .cast({"turns": pl.Int64, "rounds": pl.Int64, "messages": pl.Int64, "unparsed": pl.Int64})
    )
    columns: dict[str, list[Any]] = {
        name: [] for name in ("margin", "entropy", "first_right", "first_wrong", *_SPREAD)
    }
    names = ["row", "spoke", "answering", "voted", "round", "answer", "right", "output", "votes"]
    for talk in said.select("talk", *names).partition_by("talk", maintain_order=True):
        found = _one(talk.rows(named=True), vectors)
        for name, held in columns.items():
            held.append(found[name])
    kinds = {name: pl.Boolean if name.startswith("first") else pl.Float64 for name in columns}
    return pl.concat([base, pl.DataFrame(columns, schema=kinds)], how="horizontal")


def _reason(said: pl.DataFrame) -> pl.Expr:
    import polars as pl

    if "reason" not in said.columns:
        return pl.lit(None, pl.String).first()
    return pl.col("reason").filter(~pl.col("spoke")).last()


def _one(rows: list[dict[str, Any]], vectors: Embedded) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(("margin", "entropy", *_SPREAD))
    votes = next((tally(row["votes"]) for row in rows if not row["spoke"]), {})
    if votes:
        verdict = Verdict(None, votes=votes)
        found |= {"margin": verdict.margin, "entropy": verdict.entropy}
    found |= _first([row for row in rows if row["answering"]])
    outputs = [row for row in rows if row["output"]]
    marks = {row["row"]: row["right"] for row in outputs}
    with_vector = vectors.rows(list(marks))
    if with_vector:
        gram = vectors.gram(with_vector)
        right = [marks[row] for row in with_vector]
        found["k_star"] = float(k_star(gram))
        if len(with_vector) > 1:
            found["redundancy"] = float(redundancy(gram))
        if any(mark is not None for mark in right):
            parts = effective(gram, right, vectors.alpha)
            found |= dict(zip(("k_right", "k_wrong", "k_eff"), parts, strict=True))
    return found


def _first(answering: list[dict[str, Any]]) -> dict[str, Any]:
    """Return whether the first answers had a right plurality (no tie), and a wrong one in them."""
    voted = [row for row in answering if row["voted"]]
    if not voted:
        return {"first_right": None, "first_wrong": None}
    first = min(row["round"] for row in voted)
    rows = [row for row in voted if row["round"] == first]
    votes: dict[Any, float] = {}
    for row in rows:
        votes[row["answer"]] = votes.get(row["answer"], 0.0) + 1.0
    marks = {row["answer"]: row["right"] for row in rows}
    best = leaders(votes)
    known = [marks[answer] for answer in best]
    first_right: bool | None = len(best) == 1 and known[0]
    if None in known:
        first_right = False if len(best) > 1 else None
    wrong = (
        None
        if None in marks.values() and False not in marks.values()
        else (False in marks.values())
    )
    return {"first_right": first_right, "first_wrong": wrong}
