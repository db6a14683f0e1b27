"""The epidemic of one run: its arrays, and a day of it as a few kernel calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.threads import chunked
from populace.worlds.brooklyn import disease
from populace.worlds.brooklyn.course import (
    ASYMPTOMATIC_INFECTIOUSNESS,
    RING,
    Law,
    Severity,
    State,
    durations,
    severity,
    shedding,
)
from populace.worlds.brooklyn.figures import CONTACTS_A_DAY

if TYPE_CHECKING:
    from populace.kernel.minds import Minds
    from populace.kernel.population import Population
    from populace.kernel.streams import Streams

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Groups that people meet in: sizes and first members, as of `people.People`."""

    starts: NDArray[np.uint32]
    classes: NDArray[np.uint32]
    workplaces: NDArray[np.uint32]
    phase: NDArray[np.uint8]
    residents: Counts


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How the day's measures change contacts.

    Attributes
    ----------
    transmission : expected infections by a contact with one person over the whole disease.
    classes, phases : whether classes, and workplaces by phase 0 to 4, are open.
    public : factor on transmission at work and in the community (masks).
    distance : share of contacts at open workplaces and in the community that is left.
    errands : activity in the community of who stays at home, relative to going out.
    local : share of community contacts within one's own neighbourhood.
    elsewhere : chance a day to be infected outside Brooklyn.
    """

    transmission: float
    classes: bool
    phases: NDArray[np.bool_]
    public: float
    distance: float
    errands: float
    local: float
    elsewhere: float


def _shared(present: Counts, size: NDArray[np.uint32], factor: float) -> Floats:
    """Return the hazard in each group: infectiousness present a head of the other members."""
    others = np.maximum(size.astype(np.float64) - 1, 1)
    return np.asarray(present * (factor / disease.UNIT) / others)


@dataclass(kw_only=True)
class Epidemic:
    """Who is infected and what happens to them; people's columns are written in place.

    Attributes
    ----------
    tally : int64 array (events, areas, groups)
        Today's infections, onsets, admissions, deaths and recoveries.
    reported : int64 array (areas, groups)
        Cases reported today.
    settings : int64 array (settings,)
        Today's infections by where they happened.
    reproduction : float
        Instantaneous reproduction number (Fraser 2007, PLOS ONE 2:e758): today's infections in
        Brooklyn over the infectiousness present today, where that of each infected person sums to 1
        over the disease. NaN when nobody is infectious.
    """

    people: Population
    places: Places
    groups: int
    laws: Floats = field(default_factory=durations)
    severity: Severity = field(default_factory=severity)
    asymptomatic: float = ASYMPTOMATIC_INFECTIOUSNESS

    def __post_init__(self) -> None:
        areas = len(self.places.residents)
        self.active = np.empty(0, np.uint32)
        self.ring: Counts = np.zeros((RING, areas, self.groups), np.int64)
        self.tally: Counts = np.zeros((disease.TALLIES, areas, self.groups), np.int64)
        self.reported: Counts = np.zeros((areas, self.groups), np.int64)
        self.settings: Counts = np.zeros(len(disease.SETTINGS), np.int64)
        self._removed = np.zeros(2, np.int64)  # recovered and dead so far
        self.reproduction = float("nan")
        profile = np.rint(shedding() * disease.UNIT)
        self._profile = profile.astype(np.int64)
        self._quiet = np.rint(profile * self.asymptomatic).astype(np.int64)
        self._at_home: Counts = np.zeros(len(self.places.starts) - 1, np.int64)
        self._in_class: Counts = np.zeros(len(self.places.classes), np.int64)
        self._at_work: Counts = np.zeros(len(self.places.workplaces), np.int64)

    def seed(self, count: int, among: NDArray[np.bool_], streams: Streams) -> None:
        """Expose `count` people drawn from those marked in `among`, on the eve of the run."""
        people = self.people
        rows = np.flatnonzero(among)
        draw = streams.stream("seeds")
        order = np.argsort(draw.uniform(people.id[rows]), kind="stable")
        rows = np.sort(rows[order[:count]])
        law = self.laws[Law.EXPOSED]
        wait = 1 + np.searchsorted(law, draw.uniform(people.id[rows]), side="right")
        people.state[rows] = State.EXPOSED
        people.timer[rows] = wait
        self.active = rows.astype(np.uint32)

    def progress(self, tick: int, mild: Floats, severe: Floats, minds: Minds) -> None:
        """Move every infection on by a day, report the day's cases, mark homes with sick people."""
        people, severity = self.people, self.severity
        self.tally[:] = 0
        course = minds.stream("course")
        keys = np.array([course.key2() for _ in range(4)], np.uint32)
        kept = disease.progress(
            self.active, people.state, people.timer, people.day, people.plan, people.symptoms,
            people.age, people.area, people.group, tick, keys, self.laws, severity.clinical,
            severity.home_death, severity.hospital_death, severity.hospital, mild, severe,
            self.ring, self.tally,
        )  # fmt: skip
        self.active = self.active[:kept]
        self._removed += self.tally[[disease.RECOVERED, disease.DIED]].sum(axis=(1, 2))
        today = self.ring[tick % RING]
        self.reported = today.copy()
        today[:] = 0
        people.sick_at_home[:] = False
        disease.mark_sick(
            self.active, people.state, people.household, self.places.starts, people.sick_at_home
        )

    def states(self) -> Counts:
        """Return how many people are in each `State`, int64 (states,), from the active ones."""
        counts = np.bincount(self.people.state[self.active], minlength=len(State))
        counts[[State.RECOVERED, State.DEAD]] = self._removed
        counts[State.SUSCEPTIBLE] = len(self.people) - counts.sum()
        return counts.astype(np.int64)

    def spread(self, tick: int, exposure: Exposure, minds: Minds) -> None:
        """Infect the susceptible by whom they meet today."""
        people, places, x = self.people, self.places, exposure
        around: Counts = np.zeros(len(places.residents), np.int64)
        self._in_class[:] = 0
        self._at_work[:] = 0
        pressure = disease.shed(
            self.active, people.state, people.day, people.stays, people.area, people.household,
            people.classroom, people.workplace, places.phase, x.classes, x.phases, self._profile,
            self._quiet, round(x.errands * disease.ACTIVITY), self._at_home, self._in_class,
            self._at_work, around,
        )  # fmt: skip
        rate = {setting: x.transmission * contacts for setting, contacts in CONTACTS_A_DAY.items()}
        in_class = _shared(self._in_class, places.classes, rate["school"])
        at_work = _shared(self._at_work, places.workplaces, rate["work"] * x.public * x.distance)
        near = around / np.maximum(places.residents, 1)
        far = around.sum() / places.residents.sum()
        public = rate["community"] * x.public * x.distance / disease.UNIT
        community = public * (x.local * near + (1 - x.local) * far)

        draws = minds.stream("infection")
        n = len(people)
        new, source = np.empty(n, np.uint32), np.empty(n, np.uint8)  # only what is found is touched
        found: list[Any] = chunked(
            disease.infect, n, people.state, people.timer, people.age, people.area,
            people.household, places.starts, people.classroom, people.workplace, people.stays,
            self.severity.susceptibility, self._at_home, rate["home"] / disease.UNIT, x.classes,
            in_class, at_work, community, x.errands, x.elsewhere, tick, draws.key2(), draws.key2(),
            draws.key2(), self.laws[Law.EXPOSED], new, source,
        )  # fmt: skip
        disease.clear_homes(self.active, people.household, self._at_home)
        rows = np.concatenate([new[start : start + count] for start, count in found])
        source = np.concatenate([source[start : start + count] for start, count in found])
        self.active = np.concatenate((self.active, rows))
        self.settings = np.bincount(source, minlength=len(disease.SETTINGS)).astype(np.int64)
        np.add.at(self.tally[disease.INFECTED], (people.area[rows], people.group[rows]), 1)
        caught = int(self.settings[:-1].sum())
        self.reproduction = caught * disease.UNIT / pressure if pressure else float("nan")
