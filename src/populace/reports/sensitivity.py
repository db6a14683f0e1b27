"""The chart of Sobol indices: one HTML file that loads nothing and needs no script."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from populace.records.files import write_atomically
from populace.studies.sensitivity import Sensitivity

_STYLE = """
.bars { fill: var(--s0); opacity: 1; }
.bars.total { fill: var(--s0); opacity: 0.3; }
.whisker { stroke: var(--ink); stroke-width: 1.2; }
text.name { fill: var(--ink); font-size: 13px; }
.key { margin-left: 0; font-size: 13px; }
.key i { display: inline-block; width: 22px; height: 8px; margin-right: 6px; }
.key i { background: var(--s0); }
.key i.total { opacity: 0.3; }
.key span { margin-right: 20px; }
"""
_LEFT, _WIDTH, _ROW, _BAR, _RIGHT = 130, 520, 44, 11, 12
_INDICES = ("S1", "ST")


def write_sensitivity(found: Sensitivity, path: str | Path, title: str = "Sensitivity") -> Path:
    """Write the chart of Sobol indices, with their table.

    Parameters
    ----------
    found : Sensitivity
        As `populace.studies.sobol_indices` returns it.
    path : path
        HTML file to write.
    title : str

    Returns
    -------
    Path

    Raises
    ------
    RecordError
        If the file cannot be written.
    """
    target = Path(path)
    page = "\n".join(_page(found, title)).encode("utf-8", "replace")
    write_atomically(target, lambda file: file.write(page))
    return target


def _page(found: Sensitivity, title: str) -> Iterator[str]:
    css = (files("populace.reports") / "page" / "report.css").read_text(encoding="utf-8")
    style = css + _STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    sweep = found.sweep
    runs = len(sweep.samples) * len(sweep.seeds)
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield '<head><meta charset="utf-8">'
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>{html.escape(title)} · populace</title><style>{style}</style></head>"
    yield f"<body><header><h1>{html.escape(title)}</h1>"
    yield '<p class="doc">How much of the variance of a measure each parameter accounts for, while'
    yield " all of them vary over their ranges: alone (first-order Sobol index), and with all that"
    yield f" it does together with others (total index). Lines: {found.level:.0%} intervals.</p>"
    facts = {"samples": len(sweep.samples), "seeds": len(sweep.seeds), "runs": runs}
    told = "".join(f"<div><dt>{name}</dt><dd>{n:,}</dd></div>" for name, n in facts.items())
    yield f'<dl id="facts">{told}</dl></header>'
    yield '<main><p class="legend key"><span><i></i>alone (S1)</span>'
    yield '<span><i class="total"></i>in all (ST)</span></p><div class="charts">'
    for row in found.measures.to_dicts():
        name = row["measure"]
        yield f'<figure><figcaption><span class="title">{html.escape(name)}</span></figcaption>'
        yield f'<p class="note">{html.escape(_spread(row))}</p>'
        yield chart(found.indices.filter(measure=name).to_dicts(), found.level)
        yield "</figure>"
    yield "</div>"
    yield from _table(found)
    yield "</main><footer></footer></body></html>"


def _spread(row: Mapping[str, Any]) -> str:
    text = f"Mean {row['mean']:,.4g}, standard deviation over the samples {row['sd']:,.3g}."
    if row["noise"] is None:
        return f"{text} One seed: chance is not told from effect."
    noise = row["noise"]
    return (
        f"{text} Of its square, chance is at most {'< 0.1 %' if noise < 1e-3 else f'{noise:.1%}'}."
    )


def chart(rows: Sequence[Mapping[str, Any]], level: float) -> str:
    """Return the bars of one measure as SVG, largest total index first.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of `Sensitivity.indices` of one measure.
    level : float
        Of the intervals.
    """
    rows = sorted(rows, key=lambda row: -row["ST"])
    top = max(1.0, *(row["ST_high"] for row in rows), *(row["S1_high"] for row in rows))
    low = min(0.0, *(row["S1_low"] for row in rows), *(row["ST_low"] for row in rows))
    inner = _WIDTH - _LEFT - _RIGHT

    def x(value: float) -> float:
        return round(_LEFT + inner * float((value - low) / (top - low)), 1)

    height = _ROW * len(rows) + 24
    told = "; ".join(f"{r['parameter']}: S1 {r['S1']:.2f}, ST {r['ST']:.2f}" for r in rows)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%" role="img" '
        f'aria-label="{html.escape(told)}">'
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        kind = "axis" if tick == 0 else "grid"
        parts.append(f'<path class="{kind}" d="M{x(tick)} 0V{height - 20}"/>')
        parts.append(f'<text x="{x(tick)}" y="{height - 5}" text-anchor="middle">{tick:g}</text>')
    for i, row in enumerate(rows):
        y = _ROW * i + 8
        name = str(row["parameter"])
        short = name if len(name) <= 18 else f"{name[:17]}…"
        parts.append(
            f'<text class="name" x="{_LEFT - 10}" y="{y + _BAR + 6}" text-anchor="end">'
            f"{html.escape(short)}<title>{html.escape(name)}</title></text>"
        )
        for j, index in enumerate(_INDICES):
            at, middle = y + j * (_BAR + 3), y + j * (_BAR + 3) + _BAR / 2
            ends = sorted((x(0), x(row[index])))
            span = f"{row[f'{index}_low']:.3f} to {row[f'{index}_high']:.3f}"
            parts.append(
                f'<rect class="bars{" total" if j else ""}" x="{ends[0]}" y="{at}" '
                f'width="{ends[1] - ends[0]:.1f}" height="{_BAR}" rx="1.5"><title>'
                f"{html.escape(name)} {index} {row[index]:.3f} ({level:.0%}: {span})</title></rect>"
            )
            line = f"M{x(row[f'{index}_low'])} {middle}H{x(row[f'{index}_high'])}"
            parts.append(f'<path class="whisker" d="{line}"/>')
    return "".join([*parts, "</svg>"])


def _table(found: Sensitivity) -> Iterator[str]:
    level = f"{found.level:.0%}"
    heads = ["Measure", "Parameter", "S1", level, "ST", level]
    cells = "".join(f'<th{_kind(i)} scope="col">{h}</th>' for i, h in enumerate(heads))
    yield f'<h2>Indices</h2><div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>'
    for row in found.indices.to_dicts():
        texts = [row["measure"], row["parameter"]]
        for index in _INDICES:
            span = f"{row[f'{index}_low']:.3f} to {row[f'{index}_high']:.3f}"
            texts += [f"{row[index]:.3f}", span]
        cells = "".join(f"<td{_kind(i)}>{html.escape(t)}</td>" for i, t in enumerate(texts))
        yield f"<tr>{cells}</tr>"
    yield "</tbody></table></div>"
    if found.skipped:
        told = "; ".join(f"{name} {why}" for name, why in found.skipped.items())
        yield f'<p class="note">Without indices: {html.escape(told)}.</p>'


def _kind(column: int) -> str:
    return ' class="num"' if column >= 2 else ""
