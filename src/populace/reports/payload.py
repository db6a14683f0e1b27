"""What the report shows, as plain data: worked out here, so that the page only draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from populace.kernel.answers import OUTCOMES
from populace.records import Run
from populace.reports.panel import panel_rasters
from populace.reports.spending import failures, language_minds, spending
from populace.reports.transcript import transcript

if TYPE_CHECKING:
    import polars as pl

Values = list[float | None]

MAX_TICKS = 2_000  # drawn; a longer run is drawn at every k-th tick, and the report says so
MAX_CELLS = 400_000  # broken-down values drawn
MAX_MARKS = 60  # ticks of interventions marked on the charts
MAX_EVENTS = 200  # listed
MAX_LINES = 8  # more labels than this become small multiples


def payload(run: Run) -> dict[str, Any]:
    """Return everything that the page shows of a run, as JSON can hold it."""
    manifest = run.manifest
    world = manifest["world"]
    series = _Series(run)
    charts, charted = [], set[str]()
    for chart in world.get("charts") or []:
        charts += _drawn(chart, series)
        charted.update(chart["measures"])
    others = [
        each
        for name in series.names
        if name not in charted
        for each in _drawn({"title": _words(name, {}), "measures": [name]}, series)
    ]
    return {
        "title": str(world.get("title") or world.get("name")),
        "doc": str(world.get("doc") or ""),
        "status": run.status,
        "error": manifest.get("error"),
        "stopped": str(manifest.get("stopped") or ""),
        "facts": _facts(run),
        "calendar": world.get("calendar"),
        "ticks": series.ticks,
        "stride": series.stride,
        "charts": charts or others,
        "others": others if charts else [],
        "measures": _measures(run),
        "events": _events(run),
        "casts": _casts(run),
        "outcomes": _outcomes(run.asks),
        "minds": language_minds(run),
        "spend": spending(run),
        "failures": failures(run),
        "panels": panel_rasters(run.panel, series.ticks, manifest.get("kinds") or {}),
        "transcript": transcript(run),
        "manifest": _finite(manifest),
    }


class _Series:
    """The measures of a run at the ticks that are drawn."""

    def __init__(self, run: Run) -> None:
        metrics, by = run.metrics, run.by
        cells = max(by.group_by("measure").len()["len"].to_list(), default=0)
        self.stride = max(1, math.ceil(metrics.height / MAX_TICKS), math.ceil(cells / MAX_CELLS))
        all_ticks = metrics["tick"].to_list()
        self.ticks: list[int] = all_ticks[:: self.stride]
        if all_ticks and self.ticks[-1] != all_ticks[-1]:
            self.ticks.append(all_ticks[-1])
        self._at = {tick: i for i, tick in enumerate(self.ticks)}
        self._metrics, self._by, self._reference = metrics, by, run.reference
        self._axes: Mapping[str, Sequence[str]] = run.manifest["world"].get("axes") or {}
        self._axis = dict(by.select("measure", "axis").unique(maintain_order=True).iter_rows())
        self.names = [n for n in metrics.columns if n != "tick"] + list(self._axis)

    def axis(self, measure: str) -> str | None:
        return self._axis.get(measure)

    def scalar(self, measure: str) -> Values | None:
        if measure not in self._metrics.columns or measure == "tick":
            return None
        return self._placed(self._metrics.select("tick", measure).iter_rows())

    def real(self, measure: str) -> Values | None:
        import polars as pl

        rows = self._reference.filter(pl.col("measure") == measure).select("tick", "value")
        values = self._placed(rows.iter_rows())
        return values if any(v is not None for v in values) else None

    def broken(self, measure: str) -> dict[str, Values]:
        """Return values by label, in the order of the axis."""
        import polars as pl

        rows = self._by.filter(pl.col("measure") == measure)
        found = rows.partition_by("label", as_dict=True, maintain_order=True)
        values = {
            str(key[0]): self._placed(part.select("tick", "value").iter_rows())
            for key, part in found.items()
        }
        order = {label: i for i, label in enumerate(self._axes.get(self._axis[measure], ()))}
        return dict(sorted(values.items(), key=lambda item: order.get(item[0], len(order))))

    def _placed(self, rows: Iterable[tuple[Any, ...]]) -> Values:
        values: Values = [None] * len(self.ticks)
        for tick, value in rows:
            if (i := self._at.get(tick)) is not None:
                values[i] = _short(value)
        return values


def _drawn(chart: Mapping[str, Any], series: _Series) -> list[dict[str, Any]]:
    """Return what one declared chart draws: itself, or one chart a broken-down measure."""
    labels = chart.get("labels") or {}
    base = {
        "title": chart["title"],
        "unit": chart.get("unit", ""),
        "kind": chart.get("kind", "line"),
        "note": chart.get("note", ""),
        "smooth": max(1, int(chart.get("smooth") or 1)),
    }
    drawn, lines, unknown = [], [], []
    for measure in chart["measures"]:
        if series.axis(measure) is not None:
            name = _words(measure, labels)
            several = len(chart["measures"]) > 1
            title = f"{chart['title']}: {name}" if several else chart["title"]
            broken = series.broken(measure)
            own = {
                **base,
                "title": title,
                "series": [
                    {"name": label, "label": labels.get(label, label), "values": values}
                    for label, values in broken.items()
                ],
            }
            if base["kind"] == "map":
                own["tiles"] = _tiles(chart.get("tiles") or {}, list(broken))
            elif len(broken) > MAX_LINES:
                own["kind"] = "multiples"
            drawn.append(own)
        elif (values := series.scalar(measure)) is not None:
            line = {"name": measure, "label": _words(measure, labels), "values": values}
            if (real := series.real(measure)) is not None:
                line["real"] = real
            lines.append(line)
        else:
            unknown.append(measure)
    if lines:
        kind = "line" if base["kind"] == "map" else base["kind"]
        drawn.insert(0, {**base, "kind": kind, "series": lines})
    if unknown:
        told = f"Not recorded: {', '.join(unknown)}."
        if not drawn:
            drawn.append({**base, "kind": "line", "series": []})
        drawn[0]["note"] = f"{drawn[0]['note']} {told}".strip()
    return drawn


def _tiles(tiles: Mapping[str, Sequence[int]], labels: Sequence[str]) -> list[list[int]]:
    """Return (column, row) of every label; those without a place follow below, in rows."""
    free = [label for label in labels if label not in tiles]
    wide = max([int(place[0]) for place in tiles.values()], default=-1) + 1
    wide = max(wide, math.ceil(math.sqrt(len(labels))))
    below = max([int(place[1]) for place in tiles.values()], default=-1) + 1
    placed = {label: [i % wide, below + i // wide] for i, label in enumerate(free)}
    placed |= {label: [int(v) for v in tiles[label]] for label in labels if label in tiles}
    return [placed[label] for label in labels]


def _facts(run: Run) -> list[list[str]]:
    manifest = run.manifest
    ticks, seconds = manifest["ticks"], float(manifest.get("seconds") or 0)
    asked = int(ticks["asked"])
    unit = (manifest["world"].get("calendar") or {}).get("unit", "tick")
    done = f"{run.ticks:,} {unit}{'' if run.ticks == 1 else 's'}"
    if run.ticks != asked:
        done += f" of {asked:,}"
    facts = [[name, f"{int(n):,}"] for name, n in (manifest.get("populations") or {}).items()]
    facts.append(["length", done])
    facts.append(["seed", str(manifest["seed"])])
    facts.append(["time", f"{seconds:,.1f} s"])
    return facts


def _measures(run: Run) -> list[list[Any]]:
    """Return name, last value, lowest and highest with their ticks, and the real highest."""
    import polars as pl

    rows: list[list[Any]] = []
    for name in run.metrics.columns[1:]:
        known = run.metrics.select("tick", value=pl.col(name).cast(pl.Float64)).drop_nulls()
        if not known.height:
            rows.append([name, *[None] * 7])
            continue
        real = run.reference.filter(
            pl.col("measure") == name,
            pl.col("tick").is_between(known["tick"][0], known["tick"][-1]),
        ).select("tick", "value")
        row: list[Any] = [name, _short(known["value"][-1])]
        for frame, pick in ((known, "arg_min"), (known, "arg_max"), (real, "arg_max")):
            at = getattr(frame["value"], pick)()
            row += [None, None] if at is None else [_short(frame["value"][at]), frame["tick"][at]]
        rows.append(row)
    return rows


def _events(run: Run) -> dict[str, Any]:
    """Return what interventions did: rows to read, and (tick, names) to mark on the charts."""
    rows = run.events
    marks: dict[int, list[str]] = {}
    for tick, name in rows.select("tick", "name").iter_rows():
        marks.setdefault(tick, []).append(name)
    return {
        "marks": [[tick, ", ".join(names)] for tick, names in list(marks.items())[:MAX_MARKS]],
        "rows": [list(row) for row in rows.head(MAX_EVENTS).select("tick", "name", "what").rows()],
        "total": rows.height,
    }


def _casts(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "population": population,
            "policies": [
                {
                    "name": name,
                    "class": str(policy.get("class", "")),
                    "parameters": _told(policy.get("parameters") or {}),
                    "agents": int(policy.get("agents") or 0),
                }
                for name, policy in (cast.get("policies") or {}).items()
            ],
        }
        for population, cast in (run.manifest.get("cast") or {}).items()
    ]


def _told(parameters: Mapping[str, Any]) -> str:
    """Return parameters in a line; long ones are cut, as the manifest has them whole."""
    told = [f"{name} = {value}" for name, value in parameters.items()]
    return ", ".join(each if len(each) <= 120 else each[:119] + "…" for each in told)


def _outcomes(asks: pl.DataFrame) -> dict[str, Any]:
    """Return decisions by population, kind and policy, with the outcomes that happened."""
    import polars as pl

    happened = [name for name in OUTCOMES if name == "acted" or asks[name].sum() > 0]
    totals = asks.group_by("population", "kind", "policy", maintain_order=True).agg(
        pl.col("agents", *happened, "seconds").sum()
    )
    totals = totals.sort("population", "kind", maintain_order=True)
    return {"outcomes": happened, "rows": [list(row) for row in totals.rows()]}


def _words(name: str, labels: Mapping[str, str]) -> str:
    return labels.get(name) or name.replace("_", " ")


def _short(value: float | None) -> float | int | None:
    """Return a number at six significant digits, whole ones as they are."""
    if value is None or not math.isfinite(value):
        return None
    if value == int(value) and abs(value) < 2**53:
        return int(value)
    return float(f"{value:.6g}")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
