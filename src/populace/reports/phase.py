"""The phase diagram of budgeted synergy: predicted and simulated edges in one standalone SVG."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from populace.records.files import write_atomically

if TYPE_CHECKING:
    import polars as pl

Curve = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 720, 470
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 170, 52, 52
_COLORS = ("#0b66c3", "#b3560b", "#5b3fa8", "#0f7b53")
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1d2530; }
.title { font-size: 15px; font-weight: 600; } .small { font-size: 12px; fill: #4c5866; }
.grid { stroke: #e3e7ec; fill: none; } .frame { stroke: #6b7785; fill: none; }
.exact { fill: none; stroke-width: 2.2; } .weak { fill: none; stroke-width: 1.4;
stroke-dasharray: 5 4; } .bar { stroke-width: 1.4; } .team { fill: #cfe3f7; stroke: #0b66c3; }
.single { fill: #fff; stroke: #8b96a3; } .even { fill: #eef0f3; stroke: #c5ccd4; }
"""


def phase_chart(
    edges: Sequence[pl.DataFrame],
    exact: Sequence[Curve],
    weak: Sequence[Curve],
    grid: pl.DataFrame | None = None,
    *,
    title: str,
    note: str = "",
    x: tuple[float, float] = (0.6, 1.0),
    y: tuple[float, float] = (0.0, 0.8),
    sigma: float = 2.0,
) -> str:
    """Return the diagram as SVG: fidelity across, correlation of errors upwards.

    Parameters
    ----------
    edges : sequence of polars.DataFrame
        As `populace.studies.synergy.simulate_edge` returns them, one an exponent.
    exact, weak : sequences of curves, aligned with `edges`
        Points (fidelity, correlation) of the predicted edge, and of its limit for weak signal.
    grid : polars.DataFrame, optional
        As `populace.studies.synergy.regimes` returns it.
    title, note : str
    x, y : (float, float)
        Ranges.
    sigma : float
        Half the length of the bars, in standard errors; and when a point of the grid is decided.
    """
    across = _scale(x, _LEFT, _WIDTH - _RIGHT)
    up = _scale(y, _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" role="img" aria-label="{html.escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<clipPath id="in"><rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" '
        f'height="{_HEIGHT - _TOP - _BOTTOM}"/></clipPath>',
        f'<text class="title" x="{_LEFT}" y="24">{html.escape(title)}</text>',
        f'<text class="small" x="{_LEFT}" y="42">{html.escape(note)}</text>',
    ]
    for value in _ticks(*x):
        parts.append(f'<path class="grid" d="M{across(value)} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(_text(across(value), _HEIGHT - _BOTTOM + 18, f"{value:g}", "middle"))
    for value in _ticks(*y):
        parts.append(f'<path class="grid" d="M{_LEFT} {up(value)}H{_WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 8, up(value) + 4, f"{value:g}", "end"))
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, "message fidelity γ", "middle"))
    turned = f'transform="rotate(-90 18 {middle})" text-anchor="middle"'
    parts.append(f'<text x="18" y="{middle}" {turned}>correlation of errors ρ</text>')
    if grid is not None:
        for row in grid.to_dicts():
            kind = "even" if abs(row["z"]) < sigma else "team" if row["gain"] > 0 else "single"
            told = f"gain {row['gain']:+.3f} (predicted {row['predicted']:+.3f})"
            at = f'cx="{across(row["fidelity"])}" cy="{up(row["rho"])}"'
            parts.append(f'<circle class="{kind}" {at} r="5"><title>{told}</title></circle>')
    drawn = zip(edges, exact, weak, _COLORS, strict=False)
    for i, (edge, curve, limit, color) in enumerate(drawn):
        for kind, points in (("exact", curve), ("weak", limit)):
            line = "L".join(f"{across(a)} {up(b)}" for a, b in points)
            path = f'<path class="{kind}" stroke="{color}" d="M{line}" clip-path="url(#in)"/>'
            parts.append(path if points else "")
        for row in edge.to_dicts():
            x_at, y_at = across(row["fidelity"]), up(row["simulated"])
            ends = [up(row["simulated"] + s * sigma * row["se"]) for s in (-1, 1)]
            parts.append(
                f'<path class="bar" stroke="{color}" clip-path="url(#in)" '
                f'd="M{x_at} {ends[0]}V{ends[1]}"/>'
            )
            told = f"{row['simulated']:.3f} ± {row['se']:.3f}, predicted {row['predicted']:.3f}"
            circle = f'<circle cx="{x_at}" cy="{y_at}" r="4" fill="{color}">'
            parts.append(f"{circle}<title>{told}</title></circle>")
        beta = edge["beta"][0]
        parts.append(_key(_TOP + 12 + 22 * i, f"β = {beta:g}", color))
    parts += _legend(_TOP + 40 + 22 * len(edges), sigma, grid is not None)
    parts.append(
        f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" '
        f'height="{_HEIGHT - _TOP - _BOTTOM}"/></svg>'
    )
    return "\n".join(part for part in parts if part)


def write_phase(path: str | Path, chart: str) -> Path:
    """Write a diagram of `phase_chart`; raises RecordError if that cannot be done."""
    target = Path(path)
    write_atomically(target, lambda file: file.write(chart.encode()))
    return target


def _scale(values: tuple[float, float], first: float, last: float) -> Callable[[float], float]:
    low, high = values
    return lambda value: round(first + (last - first) * (value - low) / (high - low), 1)


def _ticks(low: float, high: float) -> list[float]:
    step = 0.1 if high - low < 0.9 else 0.2
    first = round(low / step)
    return [round(i * step, 10) for i in range(first, round(high / step) + 1)]


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x}" y="{y}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _key(y: float, words: str, color: str) -> str:
    x = _WIDTH - _RIGHT + 16
    line = f'<path class="exact" stroke="{color}" d="M{x} {y - 4}h24"/>'
    return (
        line
        + f'<circle cx="{x + 12}" cy="{y - 4}" r="4" fill="{color}"/>'
        + _text(x + 32, y, words)
    )


def _legend(y: float, sigma: float, grid: bool) -> list[str]:
    x = _WIDTH - _RIGHT + 16
    lines = [("exact", "predicted"), ("weak", "weak-signal limit")]
    parts = []
    for i, (kind, words) in enumerate(lines):
        parts.append(f'<path class="{kind}" stroke="#4c5866" d="M{x} {y + 20 * i - 4}h24"/>')
        parts.append(_text(x + 32, y + 20 * i, words, kind="small"))
    y += 40
    parts.append(f'<circle cx="{x + 12}" cy="{y - 4}" r="4" fill="#4c5866"/>')
    parts.append(_text(x + 32, y, f"simulated, ±{sigma:g} SE", kind="small"))
    if grid:
        for i, (kind, words) in enumerate(
            (("team", "team better"), ("single", "single better"), ("even", "too close to tell"))
        ):
            at = y + 30 + 20 * i
            parts.append(f'<circle class="{kind}" cx="{x + 12}" cy="{at - 4}" r="5"/>')
            parts.append(_text(x + 32, at, words, kind="small"))
    return parts
