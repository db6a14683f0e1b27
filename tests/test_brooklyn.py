"""Brooklyn's epidemic and decisions: oracles, conservation, invariance, and the default minds."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

import populace.kernel.threads as threading
from populace import Cast, Population, Rule, Simulation, threads
from populace.errors import ParameterError
from populace.kernel.streams import Streams
from populace.worlds.brooklyn import Brooklyn, advice, course, disease, survey
from populace.worlds.brooklyn.advice import Measures
from populace.worlds.brooklyn.course import Law, Severity, State
from populace.worlds.brooklyn.decisions import SHARES, minds
from populace.worlds.brooklyn.epidemic import Epidemic, Exposure, Places
from populace.worlds.brooklyn.figures import CONTACTS_A_DAY, FIRST_DAY
from populace.worlds.brooklyn.survey import survey_model
from populace.worlds.brooklyn.world import SEE

OUT = Rule(stay_home=lambda o: np.zeros(len(o), np.uint8))
HOME = Rule(stay_home=lambda o: np.ones(len(o), np.uint8))


def simulation(cast=None, people=4_000, seed=3, **parameters) -> Simulation:
    world = Brooklyn(people=people, **parameters)
    return Simulation(world, cast or Cast(dict(world.policies()), shares=world.shares()), seed=seed)


# -- the course of the disease -------------------------------------------------------------------


class Draws:
    """Streams of a tick, as a world gets them from its minds."""

    def __init__(self, seed: int, tick: int) -> None:
        self.streams, self.tick = Streams(seed), tick

    def stream(self, name: str):
        return self.streams.stream(name, self.tick)


CERTAIN = Severity(  # everybody is equally susceptible, has symptoms and recovers
    susceptibility=np.ones(100),
    clinical=np.ones(100),
    home_death=np.zeros(100),
    hospital_death=np.zeros(100),
    hospital=np.zeros(100),
)


def epidemic(starts, seeds, *, seed=1, severity=CERTAIN, laws=None, age=40) -> Epidemic:
    """Return an epidemic among people of one neighbourhood who neither work nor learn."""
    n = int(starts[-1])
    people = Population(
        n,
        area=np.uint8,
        group=np.uint8,
        age=np.full(n, age, np.uint8),
        household=np.repeat(np.arange(len(starts) - 1), np.diff(starts)).astype(np.uint32),
        classroom=np.uint32,
        workplace=np.uint32,
        **dict.fromkeys(("state", "timer", "day", "plan"), np.uint8),
        **dict.fromkeys(("symptoms", "sick_at_home", "stays"), np.bool_),
    )
    places = Places(
        starts=starts.astype(np.uint32),
        classes=np.zeros(1, np.uint32),
        workplaces=np.zeros(1, np.uint32),
        phase=np.zeros(1, np.uint8),
        residents=np.array([n]),
    )
    if laws is None:
        laws = course.durations()
        # Sick long enough to shed everything, so that infectiousness sums to 1 exactly.
        laws[Law.MILD] = np.arange(1, course.LONGEST + 1) >= 50
    made = Epidemic(people=people, places=places, groups=1, laws=laws, severity=severity)
    first = np.zeros(n, np.bool_)
    first[seeds] = True
    made.seed(len(seeds), first, Streams(seed))
    return made


def outbreak(made: Epidemic, transmission: float, days: int, seed=1) -> None:
    exposure = Exposure(
        transmission=transmission,
        classes=True,
        phases=np.ones(5, np.bool_),
        public=1.0,
        distance=1.0,
        errands=1.0,
        local=1.0,
        elsewhere=0.0,
    )
    never = np.zeros(days)
    for tick in range(days):
        draws = Draws(seed, tick)
        made.progress(tick, never, never, draws)
        made.spread(tick, exposure, draws)


def test_final_size_under_homogeneous_mixing():
    """One setting, no age structure: s = s0 exp(-R0 (1 - s)) (Kermack and McKendrick 1927)."""
    n, seeds, r0 = 60_000, 300, 2.0
    made = epidemic(np.arange(n + 1), np.arange(seeds))
    outbreak(made, r0 / CONTACTS_A_DAY["community"], 400)
    s0 = left = 1 - seeds / n
    for _ in range(200):
        left = s0 * math.exp(-r0 * (1 - left))
    seen = (made.people.state == State.SUSCEPTIBLE).mean()
    assert not len(made.active)
    # Central limit of the final size with constant infectiousness (von Bahr and Martin-Loef 1980).
    sd = math.sqrt(left * (1 - left) / n) / (1 - r0 * left)
    assert abs(seen - left) < 5 * sd


def test_secondary_attack_in_pairs(monkeypatch):
    """In a home of two, the other escapes with probability exp(-transmission x contacts)."""
    pairs, transmission = 20_000, 0.2
    made = epidemic(np.arange(0, 2 * pairs + 1, 2), np.arange(0, 2 * pairs, 2))
    monkeypatch.setitem(CONTACTS_A_DAY, "community", 0.0)
    outbreak(made, transmission, 130)
    p = 1 - math.exp(-transmission * CONTACTS_A_DAY["home"])
    caught = (made.people.state[1::2] != State.SUSCEPTIBLE).mean()
    assert abs(caught - p) < 5 * math.sqrt(p * (1 - p) / pairs)


def test_larger_homes_share_the_same_contacts():
    """A member of a home of four meets each other member a third as often."""
    homes, transmission = 10_000, 0.01
    made = epidemic(np.arange(0, 4 * homes + 1, 4), np.arange(0, 4 * homes, 4))
    outbreak(made, transmission, 25)
    # To first order, with 1/4 of the borough infected on the first day.
    rate = transmission * (CONTACTS_A_DAY["home"] / 3 + CONTACTS_A_DAY["community"] / 4)
    others = made.people.state.reshape(homes, 4)[:, 1:]
    caught = (others != State.SUSCEPTIBLE).mean()
    p = 1 - math.exp(-rate)
    assert p - 5 * math.sqrt(p / (3 * homes)) < caught < p * 1.05 + 5 * math.sqrt(p / (3 * homes))


@pytest.mark.parametrize("age", [30, 60, 88])
def test_outcomes_come_with_the_published_probabilities(age):
    n = 30_000
    severity = course.severity()
    made = epidemic(
        np.arange(n + 1), np.arange(n), severity=severity, laws=course.durations(), age=age
    )
    onsets = admitted = died = 0
    for tick in range(220):
        made.progress(tick, np.zeros(220), np.zeros(220), Draws(2, tick))
        onsets += made.tally[disease.ONSET].sum()
        admitted += made.tally[disease.ADMITTED].sum()
        died += made.tally[disease.DIED].sum()
    clinical = severity.clinical[age]
    expected = {
        onsets: clinical,
        admitted: clinical * (severity.hospital[age] + severity.hospital_death[age]),
        died: clinical * (severity.home_death[age] + severity.hospital_death[age]),
    }
    for seen, p in expected.items():
        assert abs(seen / n - p) < 5 * math.sqrt(p * (1 - p) / n)
    assert not len(made.active)
    assert set(np.unique(made.people.state)) <= {State.RECOVERED, State.DEAD}


def test_durations_have_the_published_means():
    laws = course.durations()
    assert (np.diff(laws, axis=1) >= 0).all()
    assert (laws[:, -1] == 1).all()
    days = np.arange(1, course.LONGEST + 1)
    mean = (np.diff(laws, axis=1, prepend=0) * days).sum(axis=1)
    assert mean[Law.PRESYMPTOMATIC] == pytest.approx(course.SHED_BEFORE)
    mu, sigma = course.INCUBATION
    incubation = math.exp(mu + sigma**2 / 2)
    assert mean[Law.EXPOSED] + mean[Law.PRESYMPTOMATIC] == pytest.approx(incubation, abs=0.1)
    for law, (published, _) in (
        (Law.MILD, course.MILD_DAYS),
        (Law.TO_HOSPITAL, course.TO_HOSPITAL_DAYS),
        (Law.TO_DEATH_IN_HOSPITAL, course.IN_HOSPITAL_TO_DEATH_DAYS),
        (Law.TO_DEATH_AT_HOME, course.TO_DEATH_DAYS),
    ):
        assert mean[law] == pytest.approx(published, abs=0.1)  # whole days, at least one


def test_infectiousness_follows_the_published_gamma():
    daily = course.shedding()
    assert daily.sum() == pytest.approx(1)
    middle = (daily * (np.arange(len(daily)) + 0.5)).sum()
    assert middle == pytest.approx(course.SHED_SHAPE / course.SHED_RATE, abs=0.05)
    # He et al. 2020: 44 % of transmission before symptoms (their interval: 30 to 57 %).
    before = daily[:2].sum() + (course.SHED_BEFORE - 2) * daily[2]
    assert 0.30 < before < 0.57


def test_severity_is_a_probability_that_rises_with_age():
    severity = course.severity()
    parts = (severity.home_death, severity.hospital_death, severity.hospital)
    assert all((part >= 0).all() for part in parts)
    assert (sum(parts) <= 1).all()
    fatal = severity.clinical * (severity.home_death + severity.hospital_death)
    assert (np.diff(fatal) >= -1e-12).all()
    for age, published in zip(course.FATAL_AGES, course.FATAL, strict=True):
        assert fatal[age] == pytest.approx(published)


# -- measures ------------------------------------------------------------------------------------


def test_measures_follow_the_calendar_of_2020():
    spring = Measures(
        schools=advice.SCHOOLS_CLOSE,
        order=advice.STAY_AT_HOME,
        easing=advice.PHASE_ONE,
        masks=advice.MASKS,
    )
    day = dt.date(2020, 3, 1)
    assert (spring.advice(day), spring.phase(day), spring.classes(day)) == (0, 4, True)
    day = dt.date(2020, 3, 16)
    assert (spring.advice(day), spring.phase(day), spring.classes(day)) == (1, 4, False)
    day = dt.date(2020, 3, 22)
    assert (spring.advice(day), spring.phase(day), spring.ended(day)) == (2, 0, 1.0)
    phases = [spring.phase(dt.date(2020, *d)) for d in ((6, 7), (6, 8), (6, 22), (7, 6), (7, 20))]
    assert phases == [0, 1, 2, 3, 4]
    assert not spring.masked(dt.date(2020, 4, 16))
    assert spring.masked(dt.date(2020, 4, 17))
    free = Measures(schools=None, order=None, easing=None, masks=None)
    day = dt.date(2020, 5, 1)
    assert (free.advice(day), free.phase(day), free.ended(day), free.classes(day)) == (
        0,
        4,
        0,
        True,
    )
    assert not free.classes(advice.SUMMER)


def test_interpolation_is_flat_beyond_its_ends():
    values = advice.by_day((("2020-03-03", 0.2), ("2020-03-05", 0.6)), 7)
    np.testing.assert_allclose(values, [0.2, 0.2, 0.2, 0.4, 0.6, 0.6, 0.6])


# -- the world -----------------------------------------------------------------------------------


def test_people_are_conserved_and_the_dead_stay_dead():
    made = simulation(people=6_000, infected=2_000, transmission=1.0)
    dead = np.zeros(6_000, np.bool_)
    ever = np.zeros(6_000, np.bool_)
    for _ in range(60):
        run = made.run(1)
        state = made.world.people.state
        assert (state[dead] == State.DEAD).all()
        assert (state[ever] != State.SUSCEPTIBLE).all()
        dead, ever = state == State.DEAD, state != State.SUSCEPTIBLE
        states = run.by.filter(pl.col("measure") == "states")["value"]
        assert states.to_list() == np.bincount(state, minlength=len(State)).tolist()
        assert states.sum() == 6_000
        tally = made.world.epidemic.tally
        assert run.metrics["infections"][0] == tally[disease.INFECTED].sum()
        np.testing.assert_array_equal(
            np.sort(made.world.epidemic.active),
            np.flatnonzero((state >= State.EXPOSED) & (state <= State.HOSPITALISED)),
        )
    assert dead.any()
    settings = made.world.epidemic.settings
    assert settings.sum() == tally[disease.INFECTED].sum()


def test_no_transmission_no_infection():
    run = simulation(transmission=0.0, imported=0.0, infected=1_000, people=3_000).run(40)
    assert run.metrics["infections"].sum() == 0
    assert run.metrics["ever_infected"][-1] == pytest.approx(0.01)
    run = simulation(infected=0.0, imported=0.0, people=3_000).run(5)
    assert run.metrics["ever_infected"].to_list() == [0.0] * 5
    assert run.metrics["reproduction"].null_count() == 5


def test_two_runs_and_one_or_two_threads_agree_to_the_bit(monkeypatch):
    monkeypatch.setattr(threading, "SERIAL_BELOW", 64)
    runs = []
    for count in (1, 2, 2, 3):
        with threads(count):
            runs.append(simulation(people=5_000, infected=800).run(45))
    for run in runs[1:]:
        assert run.metrics.equals(runs[0].metrics)
        assert run.by.equals(runs[0].by)
    other = simulation(people=5_000, infected=800, seed=4).run(45)
    assert not other.metrics.equals(runs[0].metrics)


def test_who_decides_does_not_matter_if_the_answers_are_the_same():
    def coin(o):
        return o.random.bernoulli(p=0.5)

    one = simulation(Cast({"only": Rule(stay_home=coin)}), infected=800).run(30)
    shares = {"a": 1, "b": 2, "c": 0.5}
    cast = Cast({name: Rule(stay_home=coin) for name in shares}, shares=shares)
    many = simulation(cast, infected=800).run(30)
    assert many.metrics.equals(one.metrics)
    same = pl.col("axis") != "mind"
    assert many.by.filter(same).equals(one.by.filter(same))


def test_staying_at_home_slows_the_epidemic_and_empties_schools_and_work():
    free = {"order": None, "easing": None, "schools": None, "infected": 800, "people": 8_000}
    out = simulation(Cast({"out": OUT}), **free).run(30)
    home = simulation(Cast({"home": HOME}), **free).run(30)
    assert home.metrics["infections"].sum() < out.metrics["infections"].sum() / 2
    settings = home.by.filter(pl.col("measure") == "infections_by_setting")
    by_setting = dict(settings.group_by("label").agg(pl.col("value").sum()).iter_rows())
    assert by_setting["school"] == by_setting["work"] == 0
    assert by_setting["home"] > 0
    assert home.metrics["staying_home"].to_list() == [1.0] * 30


def test_children_follow_their_household_and_last_days_are_kept():
    rng_days = []

    def some(o):
        return o.random.bernoulli(p=0.4)

    made = simulation(Cast({"some": Rule(stay_home=some)}), infected=1_000, people=3_000)
    for tick in range(10):
        made.run(1)
        people = made.world.people
        present = (people.age >= 18) & ~np.isin(people.state, (State.HOSPITALISED, State.DEAD))
        adults = np.bincount(people.household[present], minlength=people.household.max() + 1)
        home = np.bincount(
            people.household[present & people.stays], minlength=people.household.max() + 1
        )
        child = people.age < 18
        follows = (2 * home >= adults)[people.household[child]]
        np.testing.assert_array_equal(people.stays[child], follows)
        rng_days.append(people.stays.copy())
        np.testing.assert_array_equal(people.days_home, np.sum(rng_days[-7:], axis=0))
        assert tick == len(rng_days) - 1


def test_what_adults_are_shown_is_bounded_and_the_ill_in_hospital_are_not_asked():
    seen = []

    def spy(o):
        state = o.agents["state"]
        assert not np.isin(state, (State.HOSPITALISED, State.DEAD)).any()
        assert o["age"].min() >= 18
        assert o["age"].max() <= 99
        for name in ("employed", "essential", "remote", "pressure", "symptoms", "sick_at_home"):
            assert o[name].dtype == np.bool_
        assert not (o["essential"] & o["remote"]).any()
        assert not ((o["essential"] | o["remote"] | o["pressure"]) & ~o["employed"]).any()
        assert not (o["pressure"] & o["remote"]).any()
        assert (o["symptoms"] == (state == State.SYMPTOMATIC)).all()
        assert o["days_home"].max() <= min(7, o.tick)
        assert (o["cases"] >= 0).all()
        assert (o["cases"] <= 100_000).all()
        assert (np.abs(o["trend"]) <= 4).all()
        assert o["advice"] in (0, 1, 2)
        assert o["phase"] in range(5)
        assert 0 <= o["deaths"] <= 100_000
        assert set(o.columns) == {*SEE, "advice", "phase", "deaths"}
        seen.append((o["advice"], o["phase"], o["pressure"].sum(), o["cases"].max()))
        return o.random.bernoulli(p=0.3)

    simulation(Cast({"spy": Rule(stay_home=spy)}), infected=3_000, people=3_000).run(120)
    assert {advice for advice, *_ in seen} == {0, 1, 2}
    under_order = [stake for told, _, stake, _ in seen if told == 2]
    assert max(under_order) < seen[0][2]  # only the essential still have pay at stake
    assert max(cases for *_, cases in seen) > 0


def test_news_is_of_the_last_seven_days_in_the_neighbourhood():
    told = []
    watch = Rule(stay_home=lambda o: told.append(o["cases"].copy()) or np.zeros(len(o), np.uint8))
    made = simulation(Cast({"watch": watch}), infected=5_000, people=3_000, testing=5.0)
    cases = []
    for tick in range(25):
        made.run(1)
        world = made.world
        mask = (world.people.age >= 18) & (world.people.state < State.HOSPITALISED)
        week = np.sum(cases[-7:], axis=0) if cases else np.zeros(56)
        expected = week * 100_000 / np.maximum(world.places.residents, 1)
        np.testing.assert_allclose(world.week, expected)
        area = world.people.area
        assert {*np.unique(told[tick])} <= {*np.float32(expected)}
        assert mask.sum() > 0
        assert len(area) == 3_000
        cases.append(world.epidemic.reported.sum(axis=1))
    assert np.sum(cases) > 0


def test_default_minds_are_four_kinds_and_all_take_part():
    assert set(SHARES) == set(minds()) - {"language"}
    assert sum(SHARES.values()) == pytest.approx(1)
    run = simulation(people=5_000, infected=500).run(35)
    asked = run.asks.filter(pl.col("tick") == 0)
    total = asked["agents"].sum()
    for name, agents in asked.select("policy", "agents").iter_rows():
        assert abs(agents / total - SHARES[name]) < 0.05
    assert run.asks["acted"].sum() == run.asks["agents"].sum()
    staying = run.by.filter((pl.col("measure") == "staying_home_by_mind") & (pl.col("tick") == 30))
    assert staying["value"].min() > 0.4  # under the order
    before = run.by.filter((pl.col("measure") == "staying_home_by_mind") & (pl.col("tick") == 0))
    assert before["value"].max() < 0.3


def test_survey_model_is_the_maximum_of_its_likelihood():
    x, shares, answers = survey.survey()
    model = survey_model()
    p = model.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    residual = answers * (shares - p[:, 1])
    np.testing.assert_allclose(x.T @ residual, survey.RIDGE * model.coefficients, atol=1e-8)
    assert residual.sum() == pytest.approx(0, abs=1e-8)
    gap = np.average(np.abs(p[:, 1] - shares), weights=answers)
    assert gap < 0.07  # as close as nine terms come to the 33 groups
    names = [getattr(f, "__name__", f) for f in survey.FEATURES]
    signs = dict(zip(names, model.coefficients, strict=True))
    assert signs["pressure"] < 0 < min(signs[name] for name in ("ordered", "symptoms", "remote"))


def test_reference_is_the_real_series_scaled_to_the_sample():
    real = Brooklyn(people=2_712_360).reference()
    assert real.filter(pl.col("measure") == "cases")["value"].sum() == 63_989
    half = Brooklyn(people=1_356_180).reference()
    assert half.filter(pl.col("measure") == "deaths")["value"].sum() == pytest.approx(7_279 / 2)
    assert (real["tick"].min(), real["tick"].max()) == (0, 183)


def test_measures_and_charts_fit_together():
    run = simulation(people=2_000).run(2)
    world = run.world
    known = set(run.metrics.columns) | set(run.by["measure"].unique())
    for chart in world.charts:
        assert set(chart.measures) <= known
        assert chart.kind != "map" or set(chart.tiles) == set(world.axes["area"])
    assert {"contacts.csv", "daily.csv", "neighbourhoods.csv", "survey.csv"} == set(world.data())
    assert all(len(digest) == 64 for digest in run.manifest["data"].values())
    assert world.calendar.start == FIRST_DAY == dt.date(2020, 3, 1)
    assert Brooklyn.ticks == 184


@pytest.mark.parametrize("people", [1, 2, 40, 700])
def test_tiny_samples_run(people):
    run = simulation(people=people).run(4)
    assert run.metrics.height == 4


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"people": 0}, "people"),
        ({"people": 1000.5}, "people"),
        ({"people": True}, "people"),
        ({"people": 2_712_361}, "people"),
        ({"transmission": -1.0}, "transmission"),
        ({"transmission": math.nan}, "transmission"),
        ({"errands": 1.5}, "errands"),
        ({"infected": 200_000.0}, "infected"),
        ({"easing": dt.date(2020, 3, 1)}, "comes before the order"),
        ({"peple": 10}, "people"),
    ],
)
def test_impossible_parameters_are_refused_before_any_work(given, told):
    with pytest.raises(ParameterError, match=told):
        Brooklyn(**given)


def test_the_world_conforms():
    from populace.testing import check_world

    def cast():
        return Cast(minds(), shares=SHARES)

    check_world(lambda: Brooklyn(people=800, infected=2_000), cast, ticks=25).raise_if_failed()
