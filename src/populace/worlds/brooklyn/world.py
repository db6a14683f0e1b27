"""The world: a day of Brooklyn, from the morning's news to the night's infections."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from populace.kernel.cast import COLUMN
from populace.kernel.errors import ParameterError
from populace.kernel.measures import By, Calendar
from populace.kernel.parameters import Parameter
from populace.kernel.population import Population
from populace.kernel.spaces import Choice
from populace.kernel.threads import chunked
from populace.kernel.world import World
from populace.worlds.brooklyn import advice, disease
from populace.worlds.brooklyn.advice import Measures, by_day
from populace.worlds.brooklyn.contacts import ESSENTIAL, NO_WORK, REMOTE, TEACHING
from populace.worlds.brooklyn.course import State
from populace.worlds.brooklyn.epidemic import Epidemic, Exposure, Places
from populace.worlds.brooklyn.figures import FIRST_DAY, GROUPS, daily, digests, neighbourhoods
from populace.worlds.brooklyn.people import ADULT, CENSUS, People, synthesise
from populace.worlds.brooklyn.views import axes, charts

if TYPE_CHECKING:
    import polars

    from populace.kernel.minds import Minds
    from populace.kernel.policy import Policy
    from populace.kernel.streams import Streams

#: What an adult is shown, beside the scalars ``advice``, ``phase`` and ``deaths``.
SEE: Final = (
    "age", "employed", "essential", "remote", "pressure", "symptoms", "sick_at_home", "cases",
    "trend", "days_home",
)  # fmt: skip
OPTIONS: Final = Choice(("go_out", "stay_home"))
WEEK: Final = 7
TREND: Final = 4.0  # doublings a week, the largest that is told

Date = dt.date | None


class Brooklyn(World):
    """Brooklyn in 2020: each day every adult stays at home or goes out, and an epidemic spreads.

    Tick 0 is Sunday 1 March 2020. A day runs: infections move on and cases are reported; every
    adult who is neither dead nor in hospital is asked ``stay_home`` (`go_out`, `stay_home`) on what
    is known by last night; children follow their household; people meet, and some are infected.
    No decision means going out, as before the epidemic.

    Staying at home ends contacts at work and school and leaves `errands` of those in the community;
    contacts at home go on. Whoever goes out finds closed what measures closed.

    What adults are shown: their ``age``; whether they are ``employed``, ``essential`` (on site,
    never closed), ``remote`` (able to work from home), and whether pay is at stake today
    (``pressure``: a job on site that is open); own ``symptoms``; somebody else with symptoms at
    home (``sick_at_home``); reported ``cases`` of the last seven days a 100,000 people of the
    neighbourhood and their ``trend`` (doublings a week, -4 to 4); ``days_home`` of the last seven;
    and for all alike ``advice`` (0 none, 1 keep your distance, 2 stay-at-home order), ``phase`` of
    reopening (0 to 4) and ``deaths`` of the last seven days a 100,000 people of the borough.

    Sources, equations and how the defaults were chosen: ``docs/brooklyn.md``.
    """

    ticks: ClassVar[int] = 184  # to 31 August 2020
    calendar = Calendar(FIRST_DAY, "day")

    def __init__(
        self,
        people: Annotated[
            int,
            Parameter(
                "people to simulate: the census, or a sample",
                unit="people",
                fixed="they are made at the start",
            ),
        ] = CENSUS,
        transmission: Annotated[
            float,
            Parameter("chance of infection by one contact, summed over the disease", low=0),
        ] = 0.72,
        infected: Annotated[
            float,
            Parameter(
                "infected by 1 March",
                unit="per 100,000",
                low=0,
                high=100_000,
                fixed="they are drawn at the start",
            ),
        ] = 130.0,
        imported: Annotated[
            float, Parameter("infected elsewhere", unit="per 100,000 a day", low=0)
        ] = 0.5,
        schools: Annotated[Date, Parameter("day that schools close, or none")] = (
            advice.SCHOOLS_CLOSE
        ),
        order: Annotated[Date, Parameter("day of the stay-at-home order, or none")] = (
            advice.STAY_AT_HOME
        ),
        easing: Annotated[
            Date, Parameter("day of phase 1 of its easing, or none; a phase each 14 days")
        ] = advice.PHASE_ONE,
        masks: Annotated[Date, Parameter("day from which faces are covered, or none")] = (
            advice.MASKS
        ),
        mask_effect: Annotated[
            float, Parameter("transmission in public that masks prevent", low=0, high=1)
        ] = 0.2,
        closed: Annotated[
            float,
            Parameter(
                "contacts in the community and at open workplaces that the order ends",
                low=0,
                high=1,
            ),
        ] = 0.4,
        errands: Annotated[
            float, Parameter("community contacts left to who stays at home", low=0, high=1)
        ] = 0.3,
        local: Annotated[
            float, Parameter("community contacts in one's neighbourhood", low=0, high=1)
        ] = 0.5,
        testing: Annotated[float, Parameter("mild cases tested, relative to 2020", low=0)] = 1.0,
        testing_known: Annotated[
            Date,
            Parameter(
                "day from which testing stays as it was, as a forecast must hold it, or none"
            ),
        ] = None,
    ) -> None:
        whole = isinstance(people, (int, np.integer)) and not isinstance(people, bool)
        if not whole or not 1 <= people <= CENSUS:
            raise ParameterError(
                f"expected 1 to {CENSUS:,} people, got {people!r}",
                where="Brooklyn",
                mend=f"leave people out to simulate all {CENSUS:,}",
            )
        self.axes, self.charts = axes(), charts()
        self.size = int(people)
        self.transmission, self.infected, self.imported = transmission, infected, imported
        self.schools, self.order, self.easing, self.masks = schools, order, easing, masks
        self.mask_effect, self.closed, self.errands, self.local = (
            mask_effect, closed, errands, local,
        )  # fmt: skip
        self.testing, self.testing_known = testing, testing_known
        self.changed(frozenset())
        self._phase = -1

    def changed(self, names: frozenset[str]) -> None:
        """Draw up the calendar of measures and the chances of a test from the parameters."""
        if self.order is not None and self.easing is not None and self.easing < self.order:
            raise ParameterError(
                f"easing on {self.easing} comes before the order on {self.order}",
                where="Brooklyn",
                mend="give easing=none, or a later day",
            )
        self.measures = Measures(
            schools=self.schools, order=self.order, easing=self.easing, masks=self.masks
        )
        # The chance of a test is known for the days with public figures, and then stays.
        until = self.testing_known
        self._mild = by_day(advice.MILD_TESTED, self.ticks, until)
        self._mild = np.minimum(1.0, self.testing * self._mild)
        self._severe = by_day(advice.ADMITTED_TESTED, self.ticks, until)

    def start(self, streams: Streams) -> None:
        """Synthesise the people and infect the first of them."""
        made = synthesise(self.size, streams)
        self.people = _population(made)
        people = self.people
        self._areas = np.searchsorted(made.area, np.arange(len(neighbourhoods().names) + 1))
        self.places = Places(
            starts=made.starts,
            classes=made.schools.size,
            workplaces=made.jobs.size,
            phase=made.jobs.phase,
            residents=np.diff(self._areas),
        )
        self.epidemic = Epidemic(people=people, places=self.places, groups=len(GROUPS))
        adult = people.age >= ADULT
        seeds = self.infected * self.size / 100_000
        self.epidemic.seed(min(round(seeds), int(adult.sum())), adult, streams)
        self._adult = adult
        self._cases = np.zeros((2 * WEEK, len(self.places.residents)))  # by day, round and round
        self._deaths = np.zeros(WEEK)
        self.week = np.zeros(len(self.places.residents))
        self._staying: dict[str, float | By | None] = {"staying_home": None}

    async def step(self, minds: Minds) -> None:
        """Live one day."""
        tick = minds.tick
        today = FIRST_DAY + dt.timedelta(days=tick)
        people, epidemic = self.people, self.epidemic
        epidemic.progress(tick, self._mild, self._severe, minds)
        phase = self.measures.phase(today)
        self._tell(tick, phase)

        adults = people[
            self._adult & (people.state != State.HOSPITALISED) & (people.state != State.DEAD)
        ]
        answers = await minds.ask(
            "stay_home",
            adults,
            OPTIONS,
            see=SEE,
            missing="go_out",
            advice=self.measures.advice(today),
            phase=phase,
            deaths=float(self._deaths.sum() * 100_000 / self.size),
        )
        adults["stays"] = answers.values.view(np.bool_)
        self._staying = _staying(people, answers.policies)
        places = self.places
        chunked(
            disease.follow, len(places.starts) - 1, places.starts, people.age, people.state,
            people.stays, people.recent, people.days_home,
        )  # fmt: skip

        epidemic.spread(tick, self._exposure(today, phase), minds)
        self._cases[tick % len(self._cases)] = epidemic.reported.sum(axis=1)
        self._deaths[tick % WEEK] = epidemic.tally[disease.DIED].sum()

    def _exposure(self, today: dt.date, phase: int) -> Exposure:
        measures = self.measures
        return Exposure(
            transmission=self.transmission,
            classes=measures.classes(today),
            phases=np.arange(advice.PHASES + 1) <= phase,
            public=1 - self.mask_effect * measures.masked(today),
            distance=1 - self.closed * measures.ended(today),
            errands=self.errands,
            local=self.local,
            elsewhere=self.imported / 100_000,
        )

    def _tell(self, tick: int, phase: int) -> None:
        """Write the morning's news into the columns: cases by neighbourhood, work that is open."""
        people, places = self.people, self.places
        ago = (tick - 1 - np.arange(len(self._cases))) % len(self._cases)  # newest first
        per = 100_000 / np.maximum(places.residents, 1)
        week = self._cases[ago[:WEEK]].sum(axis=0) * per
        before = self._cases[ago[WEEK:]].sum(axis=0) * per
        trend = np.clip(np.log2((week + 1) / (before + 1)), -TREND, TREND)
        for area, start in enumerate(self._areas[:-1]):
            part = slice(start, self._areas[area + 1])
            people.cases[part] = week[area]
            people.trend[part] = trend[area]
        self.week = week
        if phase != self._phase:
            self._phase = phase
            open_today = places.phase[people.workplace] <= phase
            people.pressure[:] = people.employed & ~people.remote & open_today

    # -- what is measured ------------------------------------------------------------------------

    def measure(self) -> Mapping[str, float | By | None]:
        """Return the day's counts, shares and reproduction number."""
        epidemic = self.epidemic
        tally, reported = epidemic.tally, epidemic.reported
        states = epidemic.states()
        rate = epidemic.reproduction
        result: dict[str, float | By | None] = {
            "infections": int(tally[disease.INFECTED].sum()),
            "cases": int(reported.sum()),
            "hospitalised": int(tally[disease.ADMITTED].sum()),
            "deaths": int(tally[disease.DIED].sum()),
            "ever_infected": float(1 - states[State.SUSCEPTIBLE] / self.size),
            "reproduction": None if np.isnan(rate) else rate,
            "states": By("state", states),
            "infections_by_setting": By("setting", epidemic.settings),
            "weekly_cases": By("area", self.week),
        }
        for name, counts in (
            ("infections", tally[disease.INFECTED]),
            ("cases", reported),
            ("deaths", tally[disease.DIED]),
        ):
            result[f"{name}_by_age"] = By("age", counts.sum(axis=0))
            result[f"{name}_by_area"] = By("area", counts.sum(axis=1))
        return {**result, **self._staying}

    def reference(self) -> polars.DataFrame | None:
        """Return Brooklyn's real counts a day, scaled to the size of the sample."""
        import polars as pl

        real = daily()
        scale = self.size / CENSUS
        return pl.concat(
            pl.DataFrame(
                {
                    "tick": np.arange(len(values)),
                    "measure": [name] * len(values),
                    "value": values * scale,
                }
            )
            for name, values in real.items()
        )

    def data(self) -> Mapping[str, str]:
        """Return the SHA-256 of the tables of figures."""
        return digests()

    def policies(self) -> Mapping[str, Policy]:
        """Return the minds of `decisions`: rule, habit, utility, learned and language."""
        from populace.worlds.brooklyn.decisions import minds

        return minds()

    def shares(self) -> Mapping[str, float]:
        """Return the default cast."""
        from populace.worlds.brooklyn.decisions import SHARES

        return SHARES


def _population(made: People) -> Population:
    """Return the people as a population, with the columns that the days will write."""
    kind = made.jobs.kind
    return Population(
        len(made),
        area=made.area,
        sex=made.sex,
        age=made.age,
        group=made.group,
        household=made.household,
        classroom=made.schools.group,
        workplace=made.jobs.group,
        employed=kind != NO_WORK,
        essential=kind == ESSENTIAL,
        remote=(kind == REMOTE) | (kind == TEACHING),
        pressure=np.bool_,
        state=np.uint8,
        timer=np.uint8,
        day=np.uint8,
        plan=np.uint8,
        symptoms=np.bool_,
        sick_at_home=np.bool_,
        stays=np.bool_,
        recent=np.uint8,
        days_home=np.uint8,
        cases=np.float32,
        trend=np.float32,
    )


def _staying(people: Population, policies: tuple[str, ...]) -> dict[str, float | By | None]:
    """Return the share staying at home: of all who were asked, by age group and kind of mind."""
    parts = chunked(
        disease.staying, len(people), len(policies), len(GROUPS), people.state, people.age,
        people.group, people[COLUMN], people.stays,
    )  # fmt: skip
    counts: NDArray[np.int64] = sum(parts[1:], start=parts[0])
    by_age, by_mind = counts.sum(axis=0), counts.sum(axis=1)
    with np.errstate(invalid="ignore"):  # nobody asked: not defined
        ages, kinds = (table[:, 1] / table.sum(axis=1) for table in (by_age, by_mind))
    asked = int(by_age.sum())
    return {
        "staying_home": float(by_age[:, 1].sum() / asked) if asked else None,
        "staying_home_by_age": By("age", ages),
        "staying_home_by_mind": By("mind", dict(zip(policies, kinds.tolist(), strict=True))),
    }
