"""Who voted for what, read back from the record; and what each member's vote was worth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import fsum, isclose
from typing import TYPE_CHECKING, Any

from populace.kernel.answers import Outcome
from populace.teams.interface import Said
from populace.teams.transcript import in_words
from populace.teams.votes import leaders, plurality, surest

if TYPE_CHECKING:
    import polars as pl

Row = Mapping[str, Any]
_CLOSE = 1e-9


def ballots(said: pl.DataFrame) -> pl.DataFrame:
    """Return the graded record with ``output`` and ``weight``.

    ``weight`` is that of the vote a row cast: found where the votes on record are those of the
    last round, or of all rounds, each counting 1 or its stated confidence; null elsewhere, as with
    weights that are not on record, a judge's pick or a route. ``output`` marks what a team
    brought forth: the ballots, or each member's last answer where there are none. ``tally`` is the
    vote on record, [answer, weight] each, in the verdict's row.
    """
    import polars as pl

    weights: list[float | None] = [None] * len(said)
    outputs = [False] * len(said)
    columns = ["row", "round", "spoke", "answering", "voted", "member", "answer", "confidence"]
    for talk in said.select("talk", *columns, "votes").partition_by("talk", maintain_order=True):
        rows = talk.rows(named=True)
        spoke = [row for row in rows if row["answering"]]
        recorded = next((row["votes"] for row in rows if not row["spoke"] and row["votes"]), None)
        cast = _cast([row for row in spoke if row["voted"]], recorded)
        for row, weight in cast:
            weights[row["row"]] = weight
        last = {row["member"]: row for row in spoke}
        for row in [row for row, _ in cast] or last.values():
            outputs[row["row"]] = True
    return said.with_columns(
        weight=pl.Series(weights, dtype=pl.Float64), output=pl.Series(outputs, dtype=pl.Boolean)
    )


def tally(votes: str | None) -> dict[str, float]:
    """Return the votes of a verdict's row by answer in words."""
    if not votes:
        return {}
    return {str(in_words(answer)): float(weight) for answer, weight in json.loads(votes)}


def _cast(voted: Sequence[Row], recorded: str | None) -> list[tuple[Row, float]]:
    """Return the ballots whose count is the vote on record; none if none is."""
    want = tally(recorded)
    if not voted or not want:
        return []
    last = max(row["round"] for row in voted)
    for rows in ([row for row in voted if row["round"] == last], voted):
        for weigh in (_one, _sure):
            given = [(row, weigh(row)) for row in rows]
            if _same(_count(given), want):
                return given
    return []


def _one(row: Row) -> float:
    return 1.0


def _sure(row: Row) -> float:
    return float(row["confidence"] or 0.0)


def _count(cast: Sequence[tuple[Row, float]]) -> dict[str, float]:
    by: dict[str, list[float]] = {}
    for row, weight in cast:
        by.setdefault(row["answer"], []).append(weight)
    return {answer: fsum(weights) for answer, weights in by.items()}


def _same(count: Mapping[str, float], want: Mapping[str, float]) -> bool:
    return count.keys() == want.keys() and all(
        isclose(count[a], want[a], rel_tol=_CLOSE, abs_tol=_CLOSE) for a in want
    )


def credits(said: pl.DataFrame) -> pl.DataFrame:
    """Return what the vote of each member was worth on each question, from the record.

    The final vote is held again without the member, with ties as `plurality` has them, the draw
    among equals replaced by its mean; what the others said is kept, so this is the worth of the
    vote and not of having spoken. Exact for votes that the record determines (see `ballots`), and
    not defined for the others: verdicts of judges, verifiers, managers, routers, relays, and votes
    by weights that are not on record.

    Returns
    -------
    polars.DataFrame
        Columns talk, policy, member, credit: probability of a right verdict with the vote, less
        that without it; null where it is not defined or where a winner's mark is not known.
    """
    import polars as pl

    found = []
    names = ["talk", "policy", "member", "answer", "confidence", "right", "weight", "voted"]
    for talk in said.filter("spoke").select(names).partition_by("talk", maintain_order=True):
        rows = talk.rows(named=True)
        marks = {row["answer"]: row["right"] for row in rows if row["voted"]}
        cast = [row for row in rows if row["weight"] is not None]
        for member in dict.fromkeys(talk["member"]):
            credit = None
            if cast:
                full = _worth(cast, marks)
                rest = _worth([row for row in cast if row["member"] != member], marks)
                credit = None if full is None or rest is None else full - rest
            found.append((rows[0]["talk"], rows[0]["policy"], member, credit))
    kinds = {"talk": pl.Int64, "policy": pl.String, "member": pl.String, "credit": pl.Float64}
    return pl.DataFrame(found, schema=kinds, orient="row")


def _worth(cast: Sequence[Row], marks: Mapping[str, bool | None]) -> float | None:
    """Return the probability that a vote ends right; None where a winner's mark is unknown."""
    if not cast:
        return 0.0  # no verdict is no right one
    said = [
        Said(0, 0, "", row["answer"], Outcome.ACTED, confidence=row["confidence"]) for row in cast
    ]
    votes = plurality(said, weights=[row["weight"] for row in cast]).votes
    best = leaders(votes)
    if len(best) > 1:
        voters = {a: [(s, 1.0) for s in said if s.answer == a] for a in best}
        best = surest(best, voters)
    right = [marks[answer] for answer in best]
    if any(mark is None for mark in right):
        return None
    return sum(map(bool, right)) / len(right)
