"""The page of a comparison: what its tables say, as plain data that the page only draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.reports.page import write_page
from populace.studies.comparison import Comparison, read_comparison
from populace.studies.outcomes import split

if TYPE_CHECKING:
    import polars as pl

SCRIPTS = ("draw.js", "plot.js", "parts.js", "bands.js", "comparison.js")

MAX_TICKS = 600  # drawn; a longer series is drawn at every k-th tick, and the page says so
HOWS = {
    "last": "at the end",
    "sum": "in sum",
    "mean": "on average",
    "max": "at its highest",
    "min": "at its lowest",
    "argmax": "when highest",
    "argmin": "when lowest",
}


def write_comparison(path: str | Path, out: str | Path | None = None) -> Path:
    """Write the page of a comparison, from its directory alone.

    Parameters
    ----------
    path : path
        What `populace.studies.Comparison.write` wrote.
    out : path, optional
        File to write, by default ``report.html`` in that directory.

    Raises
    ------
    RecordError
        If no comparison is at `path`, or the file cannot be written.
    """
    target = Path(path) / "report.html" if out is None else Path(out)
    return write_page(comparison_payload(read_comparison(path)), SCRIPTS, target)


def comparison_payload(comparison: Comparison) -> dict[str, Any]:
    """Return everything that the page shows, as JSON can hold it."""
    manifest = comparison.manifest
    names, base = list(manifest["names"]), comparison.baseline
    others = [name for name in names if name != base]
    n, dropped = len(comparison.seeds), comparison.dropped
    ticks, stride = _ticks(comparison.series)
    labels = _labels(manifest)
    title = str(manifest.get("title") or manifest.get("world") or "A comparison")
    return {
        "title": title,
        "doc": f"{_listed([f'“{name}”' for name in others])} against “{base}”, "
        "run on the same seeds and the same draws.",
        "facts": [
            ["arms", f"{len(names):,}"],
            ["seeds", f"{n:,}"],
            ["runs compared", f"{n * len(names):,}"],
            ["intervals", f"{100 * manifest['level']:g} %"],
            *([] if math.isnan(comparison.saved) else [["variance left by pairing",
                                                        f"{100 * comparison.saved:.0f} %"]]),
        ],
        "calendar": manifest.get("calendar"),
        "events": {"marks": [], "rows": [], "total": 0},
        "ticks": ticks,
        "stride": stride,
        "arms": names,
        "baseline": base,
        "level": manifest["level"],
        "family": manifest["family"],
        "tests": comparison.table["p"].drop_nulls().len(),
        "saved": None if math.isnan(comparison.saved) else comparison.saved,
        "dropped": {"seeds": dropped, "of": n + len(dropped), "failed": manifest["failed"][:20]},
        "rows": [_short(row) for row in comparison.table.to_dicts()],
        "measures": [_measure(each, comparison, labels, ticks) for each in manifest["measures"]],
        "series": [_series(each, comparison, labels, ticks) for each in _names(comparison)],
        "manifest": manifest,
    }  # fmt: skip


def _names(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys(split(each)[0] for each in comparison.manifest["measures"]))


def _labels(manifest: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return label and unit of measures, as the world's charts have them."""
    found: dict[str, tuple[str, str]] = {}
    for chart in manifest.get("charts") or []:
        for measure in chart["measures"]:
            label = (chart.get("labels") or {}).get(measure) or measure.replace("_", " ")
            found.setdefault(measure, (label, chart.get("unit") or ""))
    return found


def _measure(
    measure: str, comparison: Comparison, labels: Mapping[str, tuple[str, str]], ticks: list[int]
) -> dict[str, Any]:
    """Return what sets the arms apart in one measure: differences, and each seed's own."""
    import polars as pl

    name, how = split(measure)
    label, unit = labels.get(name, (name.replace("_", " "), ""))
    rows = comparison.table.filter(pl.col("measure") == measure)
    runs = comparison.runs.filter(pl.col("measure") == measure)
    arms = []
    for row in rows.to_dicts():
        own = runs.filter(pl.col("arm") == row["arm"])
        pairs = own.select("seed", "difference").rows()
        told = {key: row[key] for key in ("arm", "n", "difference", "low", "high", "effect")}
        arms.append({**_short(told), "pairs": [[str(s), _number(d)] for s, d in pairs]})
    return {
        "name": measure,
        "label": label if how == "last" and len(ticks) < 2 else f"{label}, {HOWS[how]}",
        "unit": unit if how not in ("argmax", "argmin") else _time_unit(comparison.manifest),
        "arms": arms,
    }


def _time_unit(manifest: Mapping[str, Any]) -> str:
    return f"{(manifest.get('calendar') or {}).get('unit', 'tick')}s"


def _series(
    name: str, comparison: Comparison, labels: Mapping[str, tuple[str, str]], ticks: list[int]
) -> dict[str, Any]:
    """Return the arms over time, and their differences from the baseline."""
    import polars as pl

    own = comparison.series.filter(pl.col("measure") == name)
    label, unit = labels.get(name, (name.replace("_", " "), ""))
    arms, differences = [], []
    for i, arm in enumerate(comparison.manifest["names"]):
        rows = own.filter(pl.col("arm") == arm)
        if not rows.height:
            continue
        place = {tick: k for k, tick in enumerate(rows["tick"].to_list())}
        at = [place.get(tick) for tick in ticks]
        column = {key: [_number(v) for v in rows[key].to_list()] for key in rows.columns[4:]}
        line = {
            key: [None if k is None else values[k] for k in at] for key, values in column.items()
        }
        shown = {"name": arm, "label": arm, "index": i}
        arms.append(
            {**shown, "values": line["mean"], "low": line["spread_low"],
             "high": line["spread_high"]}
        )  # fmt: skip
        if arm != comparison.baseline:
            differences.append(
                {**shown, "values": line["difference"], "low": line["low"], "high": line["high"]}
            )
    return {"name": name, "label": label, "unit": unit, "arms": arms, "differences": differences}


def _ticks(series: pl.DataFrame) -> tuple[list[int], int]:
    ticks = series["tick"].unique().sort().to_list()
    stride = max(1, math.ceil(len(ticks) / MAX_TICKS))
    drawn = ticks[::stride]
    if ticks and drawn[-1] != ticks[-1]:
        drawn.append(ticks[-1])
    return drawn, stride


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(value: Any) -> Any:
    """Return a number with six digits, as JSON can hold it."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else float(f"{value:.6g}")


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) for name, value in row.items()}
