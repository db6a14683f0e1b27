"""The page of a forecast: what was counted, what was known, what was foretold, and the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from populace.kernel.errors import ParameterError
from populace.kernel.measures import Calendar
from populace.reports.page import write_page

if TYPE_CHECKING:
    import polars as pl

SCRIPTS = ("draw.js", "plot.js", "parts.js", "bands.js", "forecast.js")


def write_forecast(
    out: str | Path,
    forecasts: Mapping[str, Mapping[str, ArrayLike]],
    observed: Mapping[str, ArrayLike],
    known: int,
    *,
    scores: pl.DataFrame | None = None,
    calendar: Calendar | None = None,
    title: str = "A forecast",
    doc: str = "",
    notes: Sequence[str] = (),
) -> Path:
    """Write one self-contained HTML page with a chart a measure.

    Parameters
    ----------
    out : path
        File to write.
    forecasts : mapping of measure to mapping of forecaster to samples
        Samples of shape (draws, times), aligned at their *last* time: a forecast of the days after
        `known` may stand beside a model's whole course.
    observed : mapping of measure to series of shape (times,)
        From tick 0; all of one length.
    known : int
        Times that the fit saw: the first tick that it did not see.
    scores : polars.DataFrame, optional
        Shown as it is (see `populace.studies.scores.score`).
    calendar : Calendar, optional
    title, doc, notes : str
        Heading, the line below it, and what a reader should know.

    Raises
    ------
    ParameterError
        If lengths do not fit.
    RecordError
        If the file cannot be written.
    """
    length = {len(np.asarray(values)) for values in observed.values()}
    if len(length) != 1 or not 0 < known <= (times := length.pop()):
        raise ParameterError("expected series of one length, some of it known", where="forecast")
    charts = []
    for measure, paths in forecasts.items():
        series = [_series(who, i, found, times) for i, (who, found) in enumerate(paths.items())]
        counted = np.asarray(observed[measure], np.float64)
        series[0]["real"] = [_short(value) for value in counted]
        charts.append({"title": measure[:1].upper() + measure[1:], "series": series})
    head, rows = ([], []) if scores is None else (scores.columns, scores.rows())
    data = {
        "title": title,
        "doc": doc,
        "calendar": None
        if calendar is None
        else {"start": calendar.start.isoformat(), "unit": calendar.unit},
        "events": {"marks": [[known - 1, "last day known"]], "rows": [], "total": 0},
        "ticks": list(range(times)),
        "charts": charts,
        "scores": {"head": head, "rows": [[_short(cell) for cell in row] for row in rows]},
        "notes": list(notes),
    }
    target = Path(out)
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_page(data, SCRIPTS, target)


def _series(who: str, index: int, samples: ArrayLike, times: int) -> dict[str, Any]:
    draws = np.asarray(samples, np.float64)
    if draws.ndim != 2 or draws.shape[1] > times:
        raise ParameterError(
            f"expected samples of shape (draws, at most {times}), got {draws.shape}", where=who
        )
    low, middle, high = np.quantile(draws, [0.025, 0.5, 0.975], axis=0)
    before: list[Any] = [None] * (times - draws.shape[1])
    return {
        "name": who,
        "label": who,
        "index": index,
        "values": before + [_short(value) for value in middle],
        "low": before + [_short(value) for value in low],
        "high": before + [_short(value) for value in high],
    }


def _short(value: Any) -> Any:
    """Return a number with five digits, as JSON can hold it."""
    if not isinstance(value, (float, np.floating)):
        return value
    return float(f"{value:.5g}") if np.isfinite(value) else None
