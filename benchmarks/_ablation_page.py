"""Tables and figure of docs/does-the-model-matter.md, from comparisons of a model with rules."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from populace import AnswerStore
from populace.studies import Comparison

PAGE, FIGURE = "does-the-model-matter.md", "does-the-model-matter.svg"
BARE = "# Does the model matter?\n\n![figure]({figure})\n\n<!-- summary -->\n<!-- /summary -->\n\n"
BARE += "<!-- cost -->\n<!-- /cost -->\n\n{marks}"
WIDE, ROW, LEFT, TOP, GAP, COLUMNS = 270, 22, 92, 44, 40, 2
MODEL_COLOUR, APART, ALIKE = "#1b6ca8", "#c2571a", "#777"
Found = Mapping[str, tuple[Any, Comparison]]


def remake(found: Found, store: AnswerStore, folder: Path) -> None:
    """Write the figure, and new tables between the marks ``<!-- NAME -->`` of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FIGURE).write_text(figure(found), encoding="utf-8")
    path = folder / PAGE
    marks = "".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in found)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    text = text or BARE.format(figure=FIGURE, marks=marks)
    blocks = {name: table(study, own) for name, (study, own) in found.items()}
    blocks |= {"summary": summary(found), "cost": cost(store)}
    for name, block in blocks.items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        text = mark.sub(lambda m, block=block: f"{m[1]}\n{block}\n\n{m[2]}", text)
    path.write_text(text, encoding="utf-8")


def lines(found: Comparison) -> list[str]:
    """Return a comparison in lines, for a terminal."""
    told = []
    for row in found.table.to_dicts():
        own, base, gap = _n(row["mean"]), _n(row["baseline_mean"]), _n(row["difference"], True)
        told.append(
            f"  {row['measure']:20} {row['arm']:12} {own:>6} against {base}: {gap} "
            f"({_n(row['low'])} to {_n(row['high'])})"
        )
    return told


def table(study: Any, found: Comparison) -> str:
    """Return a Markdown table: a row an arm, for each measure its mean and the difference."""
    names = found.manifest["measures"]
    rows = {(row["measure"], row["arm"]): row for row in found.table.to_dicts()}
    head = [f"{study.title} ({len(found.seeds)} seeds)", *map(_words, names)]
    own = [_n(rows[name, study.names[0]]["baseline_mean"]) for name in names]
    body = [["**model**", *(f"**{each}**" for each in own)]]
    for arm in study.names:
        body.append([arm, *(_cell(rows[name, arm]) for name in names)])
    text = [head, ["---", *["--:"] * len(names)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in text)


def summary(found: Found) -> str:
    """Return a Markdown table: of each study's first measure, the nearest rule, and chance.

    The nearest rule is the one with the least difference from the model; `apart` counts the rules
    whose interval leaves 0 out.
    """
    head = ["study", "measure", "model", "nearest rule", "`uniform`", "rules apart"]
    text = [head, ["---", "---", *["--:"] * 4]]
    for study, own in found.values():
        measure = own.manifest["measures"][0]
        rows = {
            row["arm"]: row
            for row in own.table.to_dicts()
            if row["measure"] == measure and row["arm"] in study.rules
        }
        near = min(rows.values(), key=lambda row: abs(row["difference"]))
        apart = [name for name, row in rows.items() if not row["low"] <= 0 <= row["high"]]
        text.append(
            [
                study.title,
                _words(measure),
                _n(near["baseline_mean"]),
                f"`{near['arm']}` {_cell(near)}",
                _cell(rows["uniform"]),
                f"{len(apart)} of {len(rows)}",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in text)


def _cell(row: Mapping[str, Any]) -> str:
    if row["difference"] is None:
        return "–"
    star = r"\*" if (row["p_holm"] or 1.0) < 0.05 else ""
    if row["sd"] == 0:  # the same difference with every seed: there is nothing to resample
        return f"{_n(row['mean'])}: {_n(row['difference'], True)}{star}"
    interval = f"{_n(row['low'], True)} to {_n(row['high'], True)}"
    return f"{_n(row['mean'])}: {_n(row['difference'], True)} ({interval}){star}"


def cost(store: AnswerStore) -> str:
    """Return what the answers on file took, by model."""
    told = [
        f"{model}: {spend.calls:,} answers, {spend.tokens_in:,} tokens read and "
        f"{spend.tokens_out:,} written, {spend.seconds / 60:.0f} minutes of the model's time."
        for model, spend in store.totals().items()
    ]
    return "\n".join(told)


def _words(measure: str) -> str:
    return measure.partition(":")[0].replace("_", " ")


def _n(value: float | None, sign: bool = False) -> str:
    if value is None or math.isnan(value):
        return "–"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    value = round(value, digits) + 0.0  # no minus before a zero
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", "−")


# -- the figure ----------------------------------------------------------------------------------


def figure(found: Found) -> str:
    """Return the figure as SVG: for each study its first measure, an arm a row.

    The line is the model's mean. A whisker is the interval of the paired difference, drawn from
    that line: where it crosses the line, no difference is shown.
    """
    parts, heights = list[str](), list[float]()
    panels = [_panel(study, own) for study, own in found.values()]
    for i in range(0, len(panels), COLUMNS):
        heights.append(max(height for _, height in panels[i : i + COLUMNS]))
    for i, (drawn, _) in enumerate(panels):
        x, y = (i % COLUMNS) * (LEFT + WIDE + GAP), sum(heights[: i // COLUMNS])
        parts.append(f'<g transform="translate({x:.0f} {y:.0f})">{drawn}</g>')
    width, height = COLUMNS * (LEFT + WIDE + GAP), sum(heights)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" '
        f'font-family="system-ui, sans-serif" role="img" aria-label="Rules in a model\'s place">'
        f'<rect width="{width}" height="{height:.0f}" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(study: Any, found: Comparison) -> tuple[str, float]:
    measure = found.manifest["measures"][0]
    rows = [row for row in found.table.to_dicts() if row["measure"] == measure]
    base = rows[0]["baseline_mean"]
    spans = [(base + (r["low"] or 0.0), base + (r["high"] or 0.0)) for r in rows]
    low = min(0.0, *(a for a, _ in spans))
    high = max(base, *(b for _, b in spans), *(r["mean"] for r in rows)) * 1.04 or 1.0

    def across(value: float) -> float:
        return LEFT + (value - low) / (high - low) * WIDE

    bottom = TOP + ROW * len(rows) + 8
    drawn = [
        _text(12, 18, study.title, "600", 13),
        _text(LEFT + WIDE / 2, bottom + 30, _words(measure), anchor="middle"),
    ]
    for tick in _ticks(low, high):
        x = across(tick)
        drawn.append(f'<path d="M{x:.1f} {TOP - 8}V{bottom}" stroke="#e4e4e4"/>')
        drawn.append(_text(x, bottom + 14, f"{tick:g}", anchor="middle"))
    drawn.append(
        f'<path d="M{across(base):.1f} {TOP - 8}V{bottom}" stroke="{MODEL_COLOUR}" '
        'stroke-width="2"/>'
    )
    drawn.append(
        _text(across(base), TOP - 12, "model", "600", colour=MODEL_COLOUR, anchor="middle")
    )
    for i, (row, (a, b)) in enumerate(zip(rows, spans, strict=True)):
        y = TOP + ROW * i + 10
        colour = ALIKE if a <= base <= b else APART
        told = (
            f"{row['arm']}: {_n(row['difference'], True)} ({_n(row['low'])} to {_n(row['high'])})"
        )
        drawn.append(_text(LEFT - 8, y + 4, row["arm"], anchor="end"))
        drawn.append(
            f'<path d="M{across(a):.1f} {y}H{across(b):.1f}" stroke="{colour}" stroke-width="2"/>'
            f'<circle cx="{across(row["mean"]):.1f}" cy="{y}" r="4" fill="{colour}">'
            f"<title>{escape(told)}</title></circle>"
        )
    return "".join(drawn), bottom + 52


def _ticks(low: float, high: float) -> Sequence[float]:
    step = 10 ** math.floor(math.log10(high - low))
    step = next(
        step * part for part in (0.1, 0.2, 0.5, 1, 2, 5) if (high - low) / (step * part) <= 6
    )
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _text(
    x: float, y: float, words: str, weight: str = "400", size: int = 11, *, anchor: str = "start",
    colour: str = "#333",
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}" fill="{colour}">{escape(words)}</text>'
    )
