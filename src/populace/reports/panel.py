"""Decisions of the sampled agents, as rasters: a row an agent, a column a tick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

MAX_AGENTS = 120  # drawn of one population
MAX_LABELS = 8  # more different answers than this are shown as examples, as texts are
MAX_TEXTS = 12
LEVELS = 9  # shades of a numeric decision


def panel_rasters(
    panel: pl.DataFrame,
    ticks: list[int],
    forms: Mapping[str, Mapping[str, str]],
) -> list[dict[str, Any]]:
    """Return one raster (or some examples of texts) a population and kind of decision.

    `forms` says by population and kind what is free text, however few different ones there are.
    A raster's `cells` hold one text an agent with one character a drawn tick: an index into
    `labels` (or a shade from 0 to 8 between `low` and `high`), "x" for no valid decision, "." for
    not asked.
    """
    kinds = panel.partition_by("population", "kind", as_dict=True, maintain_order=True)
    return [
        _one(population, kind, rows, ticks, forms.get(population, {}).get(kind) == "text")
        for (population, kind), rows in sorted(kinds.items())
    ]


def _one(
    population: str, kind: str, rows: pl.DataFrame, ticks: list[int], text: bool
) -> dict[str, Any]:
    import polars as pl

    shown: dict[str, Any] = {"population": population, "kind": kind}
    acted = rows.filter(pl.col("outcome").is_in(["acted", "fallback"]))
    labels = acted["label"].drop_nulls().unique().sort().to_list()
    if text or len(labels) > MAX_LABELS:
        return {**shown, "texts": _examples(acted)}
    if labels:
        code = pl.col("label").replace_strict(
            labels, [str(i) for i in range(len(labels))], default="x", return_dtype=pl.String
        )
        shown["labels"] = labels
    else:
        low, high = acted["value"].min(), acted["value"].max()
        if low is None or high is None:
            low = high = 0.0
        span = float(high) - float(low)  # type: ignore[arg-type]
        shade = (pl.col("value") - low) / (span or 1.0) * LEVELS
        code = shade.floor().clip(0, LEVELS - 1).cast(pl.Int64, strict=False).cast(pl.String)
        shown |= {"low": low, "high": high}
    undecided = ~pl.col("outcome").is_in(["acted", "fallback"])
    coded = rows.with_columns(
        code=pl.when(undecided).then(pl.lit("x")).otherwise(code.fill_null("x"))
    )
    # Sorted by the policy that an agent had last; of several asks in a tick the last is drawn.
    last = coded.group_by("id").agg(pl.col("policy").last()).sort("policy", "id")[:MAX_AGENTS]
    column = {tick: i for i, tick in enumerate(ticks)}
    cells = {agent: ["."] * len(ticks) for agent in last["id"]}
    for tick, agent, mark in coded.select("tick", "id", "code").iter_rows():
        if agent in cells and tick in column:
            cells[agent][column[tick]] = mark
    shown["agents"] = [[agent, policy] for agent, policy in last.iter_rows()]
    shown["cells"] = ["".join(marks) for marks in cells.values()]
    return shown


def _examples(acted: pl.DataFrame) -> list[list[Any]]:
    """Return some decisions in words, spread over the run."""
    step = max(1, acted.height // MAX_TEXTS)
    picked = acted.gather_every(step)[:MAX_TEXTS]
    return [
        [tick, agent, policy, text if len(text) <= 400 else text[:400] + "…"]
        for tick, agent, policy, text in picked.select("tick", "id", "policy", "label").iter_rows()
    ]
