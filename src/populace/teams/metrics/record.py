"""A transcript made ready: conversations apart, every answer marked right, wrong or unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.kernel.errors import RecordError

if TYPE_CHECKING:
    import polars as pl

VERDICT = "verdict"
_NEEDED = (
    *("tick", "population", "agent", "policy", "round", "turn", "member", "prompt"),
    *("sees", "text", "answer", "outcome", "confidence", "tokens_in", "tokens_out", "votes"),
)
_DECIDED = ("acted", "fallback")


def graded(transcript: pl.DataFrame, results: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the transcript with conversations numbered and answers marked.

    Returns
    -------
    polars.DataFrame
        The transcript's columns, and: ``talk``, number of the conversation (all that one team said
        about one question); ``item``, its name (by default the agent's number); ``spoke``, false
        for the verdict's row; ``answering``, whether the row answers the question itself (a judge's
        pick or a summary does not; null in the record counts as true); ``voted``, whether there
        is an answer that counts; ``right``, true, false or null where it is not known; ``tokens``.

    Notes
    -----
    What is right: the column ``correct`` of the transcript, if it has one. Else of the team whose
    verdict the exam scored, an answer equal to the verdict is as right as that; any other is right
    if it equals the column ``gold`` of `results`, if that is there; else it is wrong if the verdict
    was right, and unknown if it was not. So forms in which different texts are the same answer
    are safe within a conversation, where the record writes them alike.

    Raises
    ------
    RecordError
        If a column is missing.
    """
    import polars as pl

    _require(transcript, _NEEDED, "transcript")
    key = ["tick", "population", "agent", "policy"]
    verdict = pl.col("member").is_null() & (pl.col("prompt") == VERDICT)
    said = (
        transcript.with_row_index("row")
        .with_columns(
            spoke=~verdict,
            part=(verdict.cum_sum() - verdict.cast(pl.Int64)).over(key),
            answering=(
                pl.col("answering").fill_null(True)
                if "answering" in transcript.columns
                else pl.lit(True)
            )
            & ~verdict,
            voted=pl.col("answer").is_not_null() & pl.col("outcome").is_in(_DECIDED),
            tokens=pl.col("tokens_in") + pl.col("tokens_out"),
        )
        # numbered by first appearance, so that conversations stay in the order of the record
        .with_columns(talk=pl.col("row").min().over([*key, "part"]).rank("dense").cast(pl.Int64))
        .drop("part")
    )
    marks = _marks(results)
    if marks is None:
        said = said.with_columns(item=pl.col("agent").cast(pl.String), attempt=pl.lit(0, pl.Int64))
        marked = pl.lit(None, pl.Boolean)
    else:
        said = said.join(marks, on="agent", how="left", maintain_order="left")
        scored = pl.col("exam_policy").is_null() | (pl.col("policy") == pl.col("exam_policy"))
        ends = pl.when(~pl.col("spoke")).then(pl.col("answer")).drop_nulls().first().over("talk")
        passed = pl.col("exam_correct") & scored
        # ``scored`` alone says whether the exam's mark is this conversation's
        marked = (
            pl.when(~pl.col("spoke") & scored)
            .then(passed)
            .when(pl.col("answer").is_null())
            .then(None)
            .when(scored & (pl.col("answer") == ends))
            .then(passed)
            .when(pl.col("gold").is_not_null())
            .then(pl.col("answer") == pl.col("gold"))
            .when(scored & passed)
            .then(pl.lit(False))
            .otherwise(None)
        )
    if "correct" in transcript.columns:
        marked = pl.col("correct").cast(pl.Boolean)
    said = said.with_columns(right=marked)
    return said.drop("exam_policy", "exam_correct", "gold", strict=False)


def _marks(results: pl.DataFrame | None) -> pl.DataFrame | None:
    """Return item, attempt, mark and gold answer of every agent."""
    import polars as pl

    if results is None:
        return None
    _require(results, ("item", "correct"), "results")
    if "agent" not in results.columns:  # the exam's frame has a row an agent, in their order
        results = results.with_row_index("agent")
    none = {"policy": pl.String, "gold": pl.String, "attempt": pl.Int64}
    return results.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in none.items() if name not in results.columns
    ).select(
        pl.col("agent").cast(pl.Int64),
        pl.col("item").cast(pl.String),
        pl.col("attempt").cast(pl.Int64).fill_null(0),
        exam_policy=pl.col("policy"),
        exam_correct=pl.col("correct").cast(pl.Boolean),
        gold=pl.col("gold").cast(pl.String),
    )


def _require(frame: pl.DataFrame, names: tuple[str, ...], what: str) -> None:
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise RecordError(
            f"expected the columns of {what}, {absent} are not there",
            where="metrics",
            mend="give a run's table `transcript`, and `results()` of its exam",
        )
