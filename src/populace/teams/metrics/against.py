"""Card 18: a team against the single agent (SAS) on the same questions.

The paper's error amplification "A_e" cannot be the ratio of the error rates that it reports (.63 /
.534 = 1.18, where it prints 17.2), and its code does not compute it. There are three measures
here instead, each by its own name, and none is called A_e.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.kernel.errors import RecordError

if TYPE_CHECKING:
    import polars as pl


def against(run: pl.DataFrame, items: pl.DataFrame, single: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `run` with what compares them with the single agent.

    Parameters
    ----------
    run, items : polars.DataFrame
        Of the team, as `runs` and `items` return them.
    single : polars.DataFrame
        Of the single agent, as `items` returns it; one policy.

    Returns
    -------
    polars.DataFrame
        With ``overhead_turns`` and ``overhead_tokens``, O% = 100 (T - T_SAS) / T_SAS;
        ``efficiency_turns`` and ``efficiency_tokens``, E_c = S / (T / T_SAS); ``shared``, how many
        items both have a mark for, on which alone these are: ``error_ratio``, of the error rates;
        ``propagation_ratio``, of P(verdict wrong | an answer of the first round is wrong);
        ``solved_lost``, the share of what the single agent solves that the team does not, and
        ``missed_won``, the reverse. Null where a rate to divide by is 0 or unknown.

    Raises
    ------
    RecordError
        If `single` is of several policies, or shares no item with the team.
    """
    import polars as pl

    if single["policy"].n_unique() != 1:
        raise RecordError(
            f"expected one policy as baseline, got {single['policy'].unique().sort().to_list()}",
            where="metrics",
            mend="give the transcript of the single agent alone",
        )
    key = ["item", "attempt"]
    marks = single.select(*key, sas="right", sas_first="first_wrong")
    both = items.join(marks, on=key, how="inner").filter(
        pl.col("right").is_not_null(), pl.col("sas").is_not_null()
    )
    if items["item"].is_in(single["item"].unique().to_list()).sum() == 0:
        raise RecordError("the baseline shares no item with the team", where="metrics")
    wrong, alone = (~pl.col("right")).mean(), (~pl.col("sas")).mean()
    passed_on = (~pl.col("right")).filter("first_wrong").mean()
    passed_alone = (~pl.col("sas")).filter("sas_first").mean()
    marked = both.group_by("policy").agg(
        shared=pl.len(),
        error_ratio=_over(wrong, alone),
        propagation_ratio=_over(passed_on, passed_alone),
        solved_lost=(~pl.col("right")).filter("sas").mean(),
        missed_won=pl.col("right").filter(~pl.col("sas")).mean(),
    )
    columns = []
    for measure in ("turns", "tokens"):
        cost = pl.col(measure) / pl.lit(single[measure].mean(), pl.Float64)
        good = cost.is_finite()
        columns.append(pl.when(good).then(100 * (cost - 1)).alias(f"overhead_{measure}"))
        columns.append(
            pl.when(good & (cost > 0))
            .then(pl.col("accuracy") / cost)
            .alias(f"efficiency_{measure}")
        )
    return run.with_columns(columns).join(marked, on="policy", how="left", maintain_order="left")


def _over(upper: pl.Expr, lower: pl.Expr) -> pl.Expr:
    import polars as pl

    return pl.when(lower > 0).then(upper / lower)
