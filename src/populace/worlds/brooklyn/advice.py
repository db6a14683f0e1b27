"""What was advised, ordered and closed, by day; and how much testing there was."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from populace.worlds.brooklyn.figures import FIRST_DAY

NONE, ADVICE, ORDER = range(3)

SCHOOLS_CLOSE: Final = dt.date(2020, 3, 16)  # city schools, Mayor's announcement of 15 March
STAY_AT_HOME: Final = dt.date(2020, 3, 22)  # "New York State on PAUSE", Executive Order 202.8
PHASE_ONE: Final = dt.date(2020, 6, 8)  # New York City enters phase 1; 2 to 4: 22 June, 6, 20 July
PHASE_DAYS: Final = 14
PHASES: Final = 4
#: How much of the contacts ended by the order each phase brings back, 0 to 4. Indoor dining,
#: theatres and gatherings stayed closed beyond August: half is not back in phase 4 (assumption).
BACK: Final = (0.0, 1 / 8, 2 / 8, 3 / 8, 4 / 8)
MASKS: Final = dt.date(2020, 4, 17)  # face coverings in public, Executive Order 202.17
SUMMER: Final = dt.date(2020, 6, 27)  # holidays; nobody goes to school in what is left of the run

# Share of mild symptoms that led to a positive test, by day of the test: fitted to the counts (see
# docs/brooklyn.md). Public laboratories could test from early March, drive-through sites opened in
# mid-March, from 20 March the city asked mild cases not to seek a test, from May tests were free.
MILD_TESTED: Final = (
    ("2020-03-06", 0.0),
    ("2020-03-10", 0.02),
    ("2020-03-13", 0.12),
    ("2020-03-16", 0.30),
    ("2020-03-20", 0.30),
    ("2020-03-23", 0.13),
    ("2020-04-15", 0.16),
    ("2020-05-15", 0.50),
    ("2020-06-15", 0.60),
    ("2020-08-31", 0.60),
)
#: Share of admissions confirmed by a test.
ADMITTED_TESTED: Final = (
    ("2020-03-03", 0.1),
    ("2020-03-15", 0.9),
    ("2020-04-01", 0.95),
)


@dataclass(frozen=True, kw_only=True)
class Measures:
    """When what is in force; None for never.

    Attributes
    ----------
    schools, order, easing, masks : date or None
        Closing of schools, stay-at-home order, its phase 1 of easing (the other phases follow every
        `PHASE_DAYS`), and face coverings.
    """

    schools: dt.date | None
    order: dt.date | None
    easing: dt.date | None
    masks: dt.date | None

    def phase(self, day: dt.date) -> int:
        """Return the phase of reopening, 0 to 4; 4 when nothing was ever closed."""
        if self.order is None or day < self.order:
            return PHASES
        if self.easing is None or day < self.easing:
            return 0
        return min(PHASES, 1 + (day - self.easing).days // PHASE_DAYS)

    def advice(self, day: dt.date) -> int:
        """Return NONE, ADVICE (schools are closed: keep your distance) or ORDER (stay at home)."""
        if self.order is not None and day >= self.order:
            return ORDER if self.phase(day) == 0 else ADVICE
        return ADVICE if self.schools is not None and day >= self.schools else NONE

    def classes(self, day: dt.date) -> bool:
        """Return whether schools and colleges are open."""
        return day < (SUMMER if self.schools is None else min(SUMMER, self.schools))

    def ended(self, day: dt.date) -> float:
        """Return how much is in force of what the order ends, 0 to 1."""
        if self.order is None or day < self.order:
            return 0.0
        return 1.0 - BACK[self.phase(day)]

    def masked(self, day: dt.date) -> bool:
        """Return whether people cover their faces in public."""
        return self.masks is not None and day >= self.masks


def by_day(
    points: tuple[tuple[str, float], ...], days: int, until: dt.date | None = None
) -> NDArray[np.float64]:
    """Interpolate (ISO date, value) points over the days of a run, flat beyond the ends and from
    the day `until` on."""
    known = [(dt.date.fromisoformat(day) - FIRST_DAY).days for day, _ in points]
    ticks = np.arange(days)
    if until is not None:
        ticks = np.minimum(ticks, max(0, (until - FIRST_DAY).days))
    return np.interp(ticks, known, [value for _, value in points])
