"""What language minds took in a run, as the report and the command line tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from populace.records import Run

if TYPE_CHECKING:
    import polars as pl

COUNTS = ("agents", "distinct", "calls", "paid", "predicted", "known", "asked", "audits")
LATEST = ("error", "low", "high", "trusted")
SHOWN, BRIEF = 40, 300  # failures on the page, and characters of each text
SIDES = ("logical", "billed")
AMOUNTS = ("calls", "tokens_in", "tokens_out", "usd", "seconds")


def spending(run: Run) -> dict[str, Any] | None:
    """Return both ledgers' sums, and rows by kind, policy and model; None if nothing was spent.

    A sum with an unknown price is None, never its known part.
    """
    table = run.spend
    if not table.height:
        return None
    rows = [
        {"kind": key[0], "policy": key[1], "model": key[2], **_sums(part)}
        for key, part in table.partition_by(
            "kind", "policy", "model", as_dict=True, maintain_order=True
        ).items()
    ]
    return {**_sums(table), "rows": rows}


def _sums(table: pl.DataFrame) -> dict[str, dict[str, Any]]:
    return {
        side: {
            name: None
            if table[f"{side}_{name}"].null_count()
            else round(table[f"{side}_{name}"].sum(), 12)
            for name in AMOUNTS
        }
        for side in SIDES
    }


def language_minds(run: Run) -> list[dict[str, Any]]:
    """Return a row a population, policy and kind whose minds report distinct prompts.

    ``agents``, ``distinct``, ``calls``, ``paid``, ``predicted``, ``known``, ``asked`` and
    ``audits`` are sums over the asks of the run; a prompt that is read in two asks counts twice.
    ``share`` is that of the agents for whom a surrogate decided; ``error``, ``low``, ``high`` and
    ``trusted`` are its latest. What a policy does not report is None. For a surrogate, which
    reports no calls, ``calls`` and ``paid`` are those of the ledger.
    """
    import polars as pl

    found = []
    groups = run.minds.partition_by(
        "population", "policy", "kind", as_dict=True, maintain_order=True
    )
    for (population, policy, kind), part in groups.items():
        values = {str(key[0]): rows["value"] for key, rows in _by_measure(part).items()}
        if "distinct" not in values:
            continue
        row: dict[str, Any] = {"population": population, "policy": policy, "kind": kind}
        row |= {n: int(values[n].sum()) if n in values else None for n in COUNTS}
        row |= {n: values[n][-1] if n in values else None for n in LATEST}
        if row["error"] is None:  # nothing was audited: the interval says nothing
            row["low"] = row["high"] = None
        row["share"] = None
        if "share" in values and row["agents"]:
            row["share"] = float((values["share"] * values["agents"]).sum() / row["agents"])
        if row["calls"] is None:
            own = run.spend.filter(pl.col("policy") == policy, pl.col("kind") == kind)
            row["paid"] = int(own["billed_calls"].sum())
            row["calls"] = row["asked"]
        found.append(row)
    return found


def _by_measure(part: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
    return part.partition_by("measure", as_dict=True, maintain_order=True)


def failures(run: Run) -> dict[str, Any]:
    """Return how many replies without a decision were kept, and the first of them in brief."""
    columns = ("tick", "kind", "policy", "outcome", "agents", "why", "reply", "prompt")
    rows = [list(row) for row in run.failures.select(columns)[:SHOWN].iter_rows()]
    for row in rows:
        why, reply, prompt = row[5:]
        row[5:] = [
            _brief(why),
            _brief(reply),
            f"…{prompt[-BRIEF:]}" if len(prompt) > BRIEF else prompt,
        ]
    return {"total": run.failures.height, "rows": rows}


def _brief(text: str) -> str:
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}…"
