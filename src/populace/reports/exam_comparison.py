"""The page of a comparison of teams: what its tables say, as plain data that the page draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.reports.comparison import _number, _short
from populace.reports.page import write_page
from populace.studies.exam_files import ExamComparison, read_exam_comparison
from populace.teams.metrics import metrics

if TYPE_CHECKING:
    import polars as pl

SCRIPTS = ("draw.js", "plot.js", "parts.js", "frontier.js", "talk.js", "dialogue.js", "exams.js")
SHOWN = 40  # items whose conversations are on the page, those first on which the arms disagree
WORDS = 1200  # characters of a text on the page; transcript.parquet has all of it
RUN = (
    "turns", "rounds", "messages", "density", "unparsed", "margin", "changed", "right_to_wrong",
    "wrong_to_right", "first_lost", "held_lost",
)  # fmt: skip


def write_exam_comparison(path: str | Path, out: str | Path | None = None) -> Path:
    """Write the page of a comparison of teams, from its directory alone.

    Parameters
    ----------
    path : path
        What `populace.studies.exams.ExamComparison.write` wrote.
    out : path, optional
        File to write, by default ``report.html`` in that directory.

    Raises
    ------
    RecordError
        If no comparison is at `path`, or the file cannot be written.
    """
    target = Path(path) / "report.html" if out is None else Path(out)
    return write_page(exam_payload(read_exam_comparison(path)), SCRIPTS, target)


def exam_payload(comparison: ExamComparison) -> dict[str, Any]:
    """Return everything that the page shows, as JSON can hold it."""
    manifest = comparison.manifest
    names = list(manifest["names"])
    own = comparison.items.filter(comparison.items["split"] == "judge")
    measure = next(iter(manifest["budgets"][0]))
    level = len(comparison.limits) - 1
    coordination = [_coordination(comparison, i) for i in range(len(comparison.limits))]
    return {
        "title": str(manifest.get("title") or "Teams compared"),
        "doc": f"{len(names)} ways to answer, each within the same budget an item, against "
        f"{comparison.baseline}.",
        "facts": [
            ["arms", f"{len(names):,}"],
            ["items judged", f"{manifest['items_judged']:,}"],
            ["pilot", f"{manifest['items_pilot']:,}"],
            ["families", f"{own['family'].n_unique():,}"],
            ["intervals", f"{100 * manifest['level']:g} %"],
        ],
        "calendar": None,
        "ticks": [],
        "arms": names,
        "baseline": comparison.baseline,
        "limits": comparison.limits,
        "budgets": manifest["budgets"],
        "measure": measure,
        "level": manifest["level"],
        "family": manifest["family"],
        "clusters": manifest["clusters"],
        "adapts": manifest["adapts"],
        "samples": manifest["samples"],
        "singles": manifest["singles"],
        "foretold": [_plainer(row) for row in manifest["foretold"]],
        "structures": manifest["structures"],
        "points": [_short(row) for row in comparison.arms.to_dicts()],
        "rows": [_short(row) for row in comparison.table.to_dicts()],
        "oracle": [_short(row) for row in comparison.oracle.to_dicts()],
        "dropped": comparison.dropped.to_dicts(),
        "errors": manifest["errors"],
        "coordination": [each["run"] for each in coordination],
        "rounds": [each["round"] for each in coordination],
        "edges": [each["edge"] for each in coordination],
        "items": _items(comparison, own, level),
        "shown_level": level,
        "spend": manifest["spend"],
        "manifest": {k: v for k, v in manifest.items() if k != "foretold"},
    }


def _plainer(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the forecast; what the manifest holds as text (NaN, inf) is null."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            found[key] = _plainer(value)
        else:
            found[key] = None if value in ("inf", "nan") else _number(value)
    return found


def _coordination(comparison: ExamComparison, level: int) -> dict[str, list[dict[str, Any]]]:
    """Return what the transcripts at a budget say about who spoke and changed their minds."""
    import polars as pl

    said = comparison.transcript.filter(pl.col("level") == level)
    if not said.height:
        return {"run": [], "round": [], "edge": []}
    frames = metrics(said, embed=None)
    names = set(comparison.manifest["names"])
    found = {}
    for name in ("run", "round", "edge"):
        frame = frames[name].filter(pl.col("policy").is_in(list(names)))
        if name == "run":
            frame = frame.select("policy", *(c for c in RUN if c in frame.columns))
        found[name] = [_short(row) for row in frame.to_dicts()]
    return found


def _items(comparison: ExamComparison, own: pl.DataFrame, level: int) -> list[dict[str, Any]]:
    """Return the items whose conversations the page holds: first those where arms differ."""
    import polars as pl

    rows = own.filter(pl.col("level") == level)
    apart = (
        rows.group_by("item", maintain_order=True)
        .agg(share=pl.col("correct").mean())
        .with_columns(order=(pl.col("share") - 0.5).abs())
        .sort("order", maintain_order=True)
    )
    chosen = apart["item"].to_list()[:SHOWN]
    said = comparison.transcript.filter((pl.col("level") == level) & pl.col("item").is_in(chosen))
    talks: dict[str, list[dict[str, Any]]] = {}
    for row in said.iter_rows(named=True):
        talks.setdefault(row["item"], []).append(_turn(row))
    verdicts: dict[str, list[dict[str, Any]]] = {}
    about: dict[str, str] = {}
    for row in rows.filter(pl.col("item").is_in(chosen)).iter_rows(named=True):
        about[row["item"]] = row["family"]
        keys = ("arm", "answer", "correct", "score", "status", "outcome", "reason", "tokens")
        verdicts.setdefault(row["item"], []).append({k: _number(row[k]) for k in keys})
    return [
        {"item": name, "family": about[name], "verdicts": verdicts[name],
         "turns": talks.get(name, [])}
        for name in chosen
    ]  # fmt: skip


def _turn(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "arm": row["policy"], "round": row["round"], "turn": row["turn"], "member": row["member"],
        "prompt": row["prompt"], "asked": _cut(row["asked"]), "sees": list(row["sees"]),
        "text": _cut(row["text"]), "answer": _cut(row["answer"]), "outcome": row["outcome"],
        "confidence": _number(row["confidence"]), "correct": row["correct"],
        "tokens": row["tokens_in"] + row["tokens_out"], "reason": row["reason"],
    }  # fmt: skip


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= WORDS else f"{text[:WORDS]}…"
