"""Coordination metrics of a run, from its record alone.

Cards 9 and 18. Overhead, message density, redundancy and efficiency: Y. Kim et al., "Towards a
Science of Scaling Agent Systems" (arXiv:2512.08296). Effective channels K*: Yang et al.,
"Understanding Agent Scaling in LLM-Based Multi-Agent Systems via Diversity" (arXiv:2602.03794).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.language.embedding import Embed, sentences
from populace.teams.metrics.against import against
from populace.teams.metrics.ballots import ballots, credits
from populace.teams.metrics.channels import (
    Embedded,
    effective,
    k_star,
    leave_one_out,
    redundancy,
)
from populace.teams.metrics.influence import influence, rounds
from populace.teams.metrics.items import items
from populace.teams.metrics.members import members
from populace.teams.metrics.record import graded
from populace.teams.metrics.runs import runs

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "effective",
    "graded",
    "k_star",
    "leave_one_out",
    "metrics",
    "redundancy",
]


def metrics(
    transcript: pl.DataFrame,
    results: pl.DataFrame | None = None,
    *,
    baseline: tuple[pl.DataFrame, pl.DataFrame | None] | None = None,
    embed: Embed | None = sentences,
    alpha: float = 0.5,
) -> dict[str, pl.DataFrame]:
    """Return what a record says about how a team worked.

    Parameters
    ----------
    transcript : polars.DataFrame
        The table ``transcript`` of a run, in its order. A Boolean column ``correct``, if there is
        one, says of every row whether its answer is right; otherwise see `graded`.
    results : polars.DataFrame, optional
        ``results()`` of the exam; a row an agent. Without it nothing is known to be right.
    baseline : (transcript, results), optional
        Of the single agent (card 18: SAS) on the same items. What compares with it is null without.
    embed : callable, or None
        Texts to vectors, array of shape (n, d). By default the universal sentence encoder, loaded
        at the first call; None leaves redundancy and K* null. Each different text is embedded once.
    alpha : float
        Weight of the wrong channels in K*_eff (0.5 in the released code of card 9).

    Returns
    -------
    dict of polars.DataFrame
        ``run``: a row a policy; means over its items. ``item``: a row a question. ``round``: a row
        a policy and round. ``edge``: a row a policy, source and target. ``member``: a row a policy
        and member. Columns are described in ``docs/coordination.md``; shares and accuracies are
        from 0 to 1, null where nothing is known.

    Raises
    ------
    RecordError
        If a frame lacks a column.
    ParameterError
        If the default embedder is not installed, or vectors are not as many as texts or not finite.
    """
    import polars as pl
    import polars.selectors as cs

    said = ballots(graded(transcript, results))
    vectors = Embedded(said, embed, alpha)
    by_item = items(said, vectors)
    edges, adopted = influence(said)
    credit = credits(said)
    run = runs(said, by_item, edges, vectors, credit)
    if baseline is not None:
        single = ballots(graded(*baseline))
        run = against(run, by_item, items(single, Embedded(single, None, alpha)))
    found = {
        "run": run,
        "item": by_item,
        "round": rounds(said, vectors),
        "edge": edges,
        "member": members(said, vectors, credit, adopted),
    }
    counts = cs.unsigned_integer()
    return {name: frame.with_columns(counts.cast(pl.Int64)) for name, frame in found.items()}
