"""What a world measures, and how it wants that drawn: plain data, kept in the run's manifest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from populace.kernel.errors import WorldError, nearest


@dataclass(frozen=True)
class By:
    """A measure broken down along an axis: one number a label.

    Parameters
    ----------
    axis : str
        Name of the axis; its labels stand in ``World.axes[axis]``, unless `values` is a mapping.
    values : array of shape (labels,) or mapping of label to number
        NaN says "not defined" and is left out of the records.

    Examples
    --------
    >>> By("age", {"young": 3, "old": 1}).pairs({})
    (['young', 'old'], [3.0, 1.0])
    """

    axis: str
    values: ArrayLike | Mapping[str, float]

    def pairs(self, axes: Mapping[str, Sequence[str]]) -> tuple[list[str], list[float]]:
        """Return labels and values, those that are not defined left out."""
        if isinstance(self.values, Mapping):
            labels = [str(label) for label in self.values]
            values = np.array(list(self.values.values()), dtype=np.float64)
        else:
            if self.axis not in axes:
                raise WorldError(
                    f"no axis {self.axis!r}; {nearest(self.axis, axes)}",
                    mend="declare its labels in World.axes, or give a mapping of label to value",
                )
            labels = list(axes[self.axis])
            values = np.asarray(self.values, dtype=np.float64)
            if values.shape != (len(labels),):
                raise WorldError(
                    f"axis {self.axis!r} has {len(labels)} labels, got shape {values.shape}"
                )
        if not np.isnan(values).any():
            return labels, values.tolist()
        kept = np.flatnonzero(~np.isnan(values))
        return [labels[i] for i in kept], values[kept].tolist()


@dataclass(frozen=True)
class Calendar:
    """What a tick is in the world's time: tick 0 is `start`, each tick one `unit`."""

    start: dt.date
    unit: Literal["day", "week", "month", "year"] = "day"


@dataclass(frozen=True)
class Chart:
    """One chart of the report.

    Parameters
    ----------
    title : str
    measures : sequence of str
        Names from `World.measure`; those with a real series are drawn beside it.
    unit : str
    kind : "line", "bar" or "map"
        A map draws one measure by area over time, on `tiles`.
    by : str, optional
        Axis whose labels become the lines (or areas) of a broken-down measure.
    note : str
        One sentence under the title.
    labels : mapping of str to str
        Measure or label names in words.
    tiles : mapping of str to (column, row)
        Where each label of the map's axis is drawn.
    smooth : int
        Ticks of the trailing mean drawn over noisy series; 1 draws them as they are.
    """

    title: str
    measures: Sequence[str]
    unit: str = ""
    kind: Literal["line", "bar", "map"] = "line"
    by: str | None = None
    note: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tiles: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    smooth: int = 1

    def describe(self) -> dict[str, Any]:
        """Return the chart as plain data for the manifest."""
        return {
            "title": self.title,
            "measures": list(self.measures),
            "unit": self.unit,
            "kind": self.kind,
            "by": self.by,
            "note": self.note,
            "labels": dict(self.labels),
            "tiles": {label: list(place) for label, place in self.tiles.items()},
            "smooth": self.smooth,
        }
