"""The figure of the study of recorded answers, as an SVG: accuracy by tokens, and by panel size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDE, HIGH, LEFT, TOP, GAP = 310, 230, 52, 62, 46
TICKS = (50, 100, 200, 500, 1000, 2000, 5000)
COLOURS = ("#1b6ca8", "#c2571a", "#3d8b40", "#7a4fa3", "#888888")
Scale = Callable[[float], float]


class Panel:
    """One chart: axes, then what is drawn on them."""

    def __init__(
        self, column: int, row: int, x: tuple[float, float], y: tuple[float, float], log: bool
    ) -> None:
        self.left = LEFT + column * (WIDE + GAP)
        self.top = TOP + row * (HIGH + 92)
        self.x0, self.x1 = (math.log10(v) for v in x) if log else x
        self.y0, self.y1 = y
        self.log, self.parts = log, list[str]()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point."""
        x = math.log10(x) if self.log else x
        across = (x - self.x0) / (self.x1 - self.x0)
        up = (y - self.y0) / (self.y1 - self.y0)
        return self.left + across * WIDE, self.top + HIGH - up * HIGH

    def axes(self, title: str, x_name: str, x_ticks: Sequence[float]) -> None:
        """Draw the frame, ticks and words."""
        self.text(self.left, self.top - 12, title, weight="600", size=13)
        wide = self.y1 - self.y0
        step = next(step for step in (0.02, 0.05, 0.1, 0.2) if wide / step <= 8)
        for i in range(math.ceil(self.y0 / step - 1e-9), math.floor(self.y1 / step + 1e-9) + 1):
            _, py = self.at(10**self.x0 if self.log else self.x0, i * step)
            self.parts.append(
                f'<path d="M{self.left} {py:.1f}h{WIDE}" stroke="#ddd" stroke-width="1"/>'
            )
            self.text(self.left - 6, py + 4, f"{i * step:.2f}", anchor="end")
        for x in x_ticks:
            px, py = self.at(x, self.y0)
            self.parts.append(f'<path d="M{px:.1f} {py:.1f}v4" stroke="#666"/>')
            self.text(px, py + 17, f"{x:,.0f}", anchor="middle")
        self.text(self.left + WIDE / 2, self.top + HIGH + 34, x_name, anchor="middle")

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "start", size: int = 11,
        weight: str = "400", colour: str = "#333",
    ) -> None:  # fmt: skip
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}" fill="{colour}">{escape(words)}</text>'
        )

    def line(self, points: Sequence[tuple[float, float]], colour: str, dash: str = "") -> None:
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (self.at(*p) for p in points))
        self.parts.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8" '
            f'stroke-dasharray="{dash}"/>'
        )

    def dot(self, x: float, y: float, colour: str, told: str, big: bool = False) -> None:
        px, py = self.at(x, y)
        fill = colour if not big else "#fff"
        self.parts.append(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{5 if big else 3.2}" fill="{fill}" '
            f'stroke="{colour}" stroke-width="{2.4 if big else 0}">'
            f"<title>{escape(told)}</title></circle>"
        )

    def whisker(self, x: float, low: float, high: float, colour: str, width: float = 1) -> None:
        (px, a), (_, b) = self.at(x, max(low, self.y0)), self.at(x, min(high, self.y1))
        self.parts.append(
            f'<path d="M{px:.1f} {a:.1f}V{b:.1f}" stroke="{colour}" stroke-width="{width}" '
            'opacity="0.55"/>'
        )

    def band(self, points: Sequence[tuple[float, float, float]], colour: str) -> None:
        there = [self.at(x, high) for x, _, high in points]
        back = [self.at(x, low) for x, low, _ in reversed(points)]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in [*there, *back]) + "Z"
        self.parts.append(f'<path d="{path}" fill="{colour}" opacity="0.15"/>')


def figure(exams: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the figure: a column an exam; above the frontier, below accuracy by panel size."""
    parts: list[str] = []
    for column, (name, told) in enumerate(exams.items()):
        parts += _frontier(column, name, told)
        parts += _sizes(column, told)
    width = LEFT + len(exams) * (WIDE + GAP)
    height = TOP + 2 * (HIGH + 92) + 56
    legend = _legend(TOP + 2 * (HIGH + 92) - 24)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="system-ui, sans-serif">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n'
        + "\n".join([*parts, *legend])
        + "\n</svg>\n"
    )


def _frontier(column: int, name: str, told: Mapping[str, Any]) -> list[str]:
    rows = told["arms"]
    fair = [row for row in rows if row["arm"] != told["verifier"]]
    spent = [row["tokens"] for row in rows]
    tops = [row["answers"] for row in told["oracle"]]
    low = math.floor(min(row["accuracy"] for row in fair) * 20) / 20
    high = math.ceil(max(tops) * 20) / 20
    chart = Panel(column, 0, (min(spent) * 0.8, max(spent) * 1.25), (low, high), log=True)
    ticks = [t for t in TICKS if chart.x0 < math.log10(t) < chart.x1]
    chart.axes(name, "tokens an item, spent", ticks)
    for level, budget in enumerate(told["budgets"]):
        own = [row for row in fair if row["level"] == level]
        colour = COLOURS[level]
        best: list[tuple[float, float]] = []
        for row in sorted(own, key=lambda row: (row["tokens"], -row["accuracy"])):
            if not best or row["accuracy"] > best[-1][1]:
                best.append((row["tokens"], row["accuracy"]))
        chart.line(best, colour)
        for row in own:
            words = f"{row['arm']}, {budget:,} tokens: {row['accuracy']:.3f}, {row['tokens']:,.0f}"
            base = row["arm"] == told["baseline"]
            if base:
                chart.whisker(row["tokens"], row["low"], row["high"], colour, 2)
            chart.dot(row["tokens"], row["accuracy"], colour, words, big=base)
        upper = next(r for r in rows if r["level"] == level and r["arm"] == told["verifier"])
        px, py = chart.at(upper["tokens"], upper["accuracy"])
        chart.parts.append(
            f'<path d="M{px - 4:.1f} {py + 4:.1f}h8l-4 -8z" fill="{colour}">'
            f"<title>{escape(told['verifier'])}: {upper['accuracy']:.3f}</title></path>"
        )
        chart.line([(10**chart.x0, tops[level]), (10**chart.x1, tops[level])], colour, "2 4")
    return chart.parts


def _sizes(column: int, told: Mapping[str, Any]) -> list[str]:
    held = told["curves"]
    sizes, names = held["sizes"], ("diverse (K*), log-odds", "diverse (K*)", "best by merit")
    many = told["many"]
    values = [v for name in names for v in held[name]] + [row[0] for row in held["random"][1:]]
    values += [] if many is None else [many["high"]]
    low, high = math.floor(min(values) * 20) / 20, math.ceil(max(values) * 20) / 20
    chart = Panel(column, 1, (0.5, sizes[-1] + 0.8), (low, high), log=False)
    chart.axes("accuracy by size of panel", "votes in the panel", [1, 2, 4, 8, 12, 16])
    drawn = list(zip(sizes, held["random"], strict=True))
    chart.band([(k, max(a, low), max(b, low)) for k, (_, a, b) in drawn], COLOURS[4])
    random = [(k, mean) for k, (mean, _, _) in drawn if mean >= low]
    chart.line(random, COLOURS[4])
    for name, colour in zip(names, COLOURS, strict=False):
        chart.line(list(zip(sizes, held[name], strict=False)), colour)
    kind = held["of a kind (the best)"]
    if len(kind) > 1:
        chart.line(list(zip(sizes, kind, strict=False)), "#111")
    for k, value in zip(sizes, kind, strict=False):
        chart.dot(k, value, "#111", f"{k} of the best: {value:.3f}")
    if many is not None:
        chart.whisker(many["n"], many["low"], many["high"], "#111", 5)
    return chart.parts


def _legend(y: float) -> list[str]:
    place = Panel(0, 0, (0, 1), (0, 1), log=False)
    words = (
        "Above, accuracy: a dot is an arm at one budget (smallest blue, middle orange, largest "
        "green), its line the frontier; a ring with whisker is the baseline",
        "with its 95 % interval; a triangle the arm that may use the verifier; a dotted line the "
        "share of items for which some answer given was right.",
        "Below: black, samples of the best model alone (bar at 16: extrapolated, between two "
        "bounds); blue, diverse panel by log-odds; orange, diverse panel by",
        "plurality; green, the best models by plurality; grey, random panels (mean and 90 % band).",
    )
    for i, line in enumerate(words):
        place.text(LEFT - 36, y + 18 * i, line)
    return place.parts
