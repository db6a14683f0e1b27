"""Brooklyn's people: census margins, households, classes and workplaces."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.errors import ParameterError
from populace.kernel.streams import Streams
from populace.worlds.brooklyn.contacts import (
    CLASS_SIZE,
    LARGEST_WORKPLACE,
    NO_WORK,
    SIZE_EXPONENT,
    TEACHING,
)
from populace.worlds.brooklyn.figures import (
    GROUP_STARTS,
    GROUPS,
    contact_rows,
    daily,
    neighbourhoods,
)
from populace.worlds.brooklyn.people import CENSUS, apportion, census_sample, synthesise

DATA = Path(os.environ.get("POPULACE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="module")
def city():
    return synthesise(CENSUS, Streams(1))


def per_household(city, values, reduce=np.add):
    return reduce.reduceat(values, city.starts[:-1].astype(np.intp))


def data(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return path


def test_the_census_margins_are_reproduced_exactly(city):
    figures = neighbourhoods()
    counted = np.zeros_like(figures.people)
    np.add.at(counted, (city.area, city.sex, city.group), 1)
    assert len(city) == 2_712_360
    np.testing.assert_array_equal(counted, figures.people)


def test_our_table_states_the_census_figures():
    figures = neighbourhoods()
    groups = {"U19": 0, "20t29": 1, "30t39": 2, "40t49": 3, "50t64": 4, "65A": 5}
    counted = np.zeros_like(figures.people)
    with data("brooklyn-people.csv").open() as file:
        for row in csv.DictReader(file):
            area = figures.codes.index(row["area"])
            sex = ("female", "male").index(row["sex"])
            counted[area, sex, groups[row["age"]]] += int(row["count"])
    np.testing.assert_array_equal(counted, figures.people)


def test_our_table_states_the_public_counts():
    real = daily()
    assert {name: len(values) for name, values in real.items()} == dict.fromkeys(real, 184)
    assert real["cases"].sum() == 63_989
    assert real["deaths"].sum() == 7_279
    assert (real["cases"].argmax(), real["cases"].max()) == (29, 1_754)  # 30 March
    with data("nyc-covid-by-day.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if "2020-03-01" <= r["date"] <= "2020-08-31"]
    for name, column in (("cases", "case"), ("hospitalised", "hospitalized"), ("deaths", "death")):
        assert [int(row[f"bk_{column}_count"]) for row in rows] == real[name].tolist()


def test_every_neighbourhood_has_a_tile_of_its_own():
    figures = neighbourhoods()
    assert len(figures.names) == len(set(figures.names)) == len(set(figures.tiles.values())) == 56


def test_single_ages_lie_in_their_group_and_follow_the_state(city):
    starts = np.array(GROUP_STARTS)
    np.testing.assert_array_equal(np.searchsorted(starts, city.age, side="right") - 1, city.group)
    people = contact_rows()["people"]
    statistic = degrees = 0.0
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(GROUPS) else 100
        law = people[start:end] / people[start:end].sum()
        seen = np.bincount(city.age[city.group == index], minlength=100)[start:end]
        expected = law * seen.sum()
        statistic += ((seen - expected) ** 2 / expected).sum()
        degrees += end - start - 1
    assert abs(statistic - degrees) < 5 * math.sqrt(2 * degrees)  # chi-square, five sd


def test_households_partition_the_people(city):
    sizes = np.diff(city.starts.astype(np.int64))
    assert (sizes >= 1).all()
    assert sizes.sum() == len(city)
    np.testing.assert_array_equal(city.household, np.repeat(np.arange(len(sizes)), sizes))
    np.testing.assert_array_equal(
        per_household(city, city.area, np.maximum), per_household(city, city.area, np.minimum)
    )


def test_households_have_each_neighbourhoods_count_mean_size_and_people_alone(city):
    figures = neighbourhoods()
    sizes = np.diff(city.starts.astype(np.int64))
    area = city.area[city.starts[:-1]]
    private = ~city.quarters
    count = np.bincount(area[private], minlength=56)
    np.testing.assert_array_equal(count, figures.households)
    mean = np.bincount(area[private], sizes[private], 56) / count
    # The published mean is rounded to two decimals.
    assert np.abs(mean - figures.mean_size).max() <= 0.005
    alone = np.bincount(area[private & (sizes == 1)], minlength=56)
    # Floyd Bennett Field counts 12 households of 1.67 people, none alone: four must be.
    impossible = figures.codes.index("BK5691")
    assert alone[impossible] == 4
    others = np.arange(56) != impossible
    np.testing.assert_array_equal(alone[others], figures.alone[others])
    assert sizes.max() <= 10


def test_no_child_lives_without_an_adult_and_parents_are_of_fitting_age(city):
    adults = per_household(city, (city.age >= 18).astype(np.int64))
    sizes = np.diff(city.starts.astype(np.int64))
    assert (adults >= 1).all()
    assert (adults == sizes)[city.quarters].all()
    oldest = per_household(city, city.age.astype(np.int64), np.maximum)
    child = per_household(city, np.where(city.age < 18, city.age, 0).astype(np.int64), np.maximum)
    gap = (oldest - child)[adults < sizes]
    assert gap.min() >= 12
    assert (gap >= 16).mean() > 0.999
    assert 25 <= np.median(gap) <= 35


def test_old_people_live_alone_or_with_people_of_their_age_or_family(city):
    sizes = np.diff(city.starts.astype(np.int64))
    mine = sizes[city.household]
    old = (city.age >= 65) & ~city.quarters[city.household]
    assert 0.2 < (mine[old] == 1).mean() < 0.35  # American Community Survey: about 30 %
    pair = np.flatnonzero((sizes == 2) & ~city.quarters)
    first = city.starts[pair].astype(np.intp)
    ages = np.stack((city.age[first], city.age[first + 1])).astype(np.int64)
    couple = (ages.min(axis=0) >= 18) & (ages.max(axis=0) >= 65)
    assert np.median(np.abs(ages[0] - ages[1])[couple]) <= 5


def test_contacts_by_setting_have_the_published_sums_per_head(city):
    rows = contact_rows()
    band = np.minimum(city.age // 5, 17)
    n = np.bincount(band, minlength=18)
    for inside, setting in ((city.schools.group > 0, "school"), (city.jobs.group > 0, "work")):
        expected = np.bincount(band, rows[setting][city.age], 18) / n
        seen = np.bincount(band[inside], minlength=18) / n
        sd = np.sqrt(expected * (1 - expected) / n)
        assert (np.abs(seen - expected) <= 5 * sd + 1e-12).all()
    # The published band 15..19 is split into pupils and grown-ups; its mean is kept for the state.
    weights = rows["people"][15:20]
    assert np.average(rows["school"][15:20], weights=weights) == pytest.approx(0.881, abs=5e-4)
    assert np.average(rows["work"][15:20], weights=weights) == pytest.approx(0.103, abs=5e-4)
    # At home nobody draws: the share with company is given by the census's people living alone.
    company = (np.diff(city.starts.astype(np.int64)) > 1)[city.household]
    seen = np.bincount(band[company], minlength=18) / n
    published = np.bincount(band, rows["home"][city.age], 18) / n
    assert np.abs(seen - published).max() < 0.1
    assert abs(company.mean() - rows["home"][city.age].mean()) < 0.02


def test_who_meets_whom_by_age_at_home_is_like_the_published_matrix(city):
    published = np.loadtxt(data("contacts-new-york-household.csv"), delimiter=",")
    band = np.minimum(city.age // 5, 17)
    sizes = np.diff(city.starts.astype(np.int64))
    members = np.zeros((len(sizes), 18), np.int16)
    np.add.at(members, (city.household, band), 1)
    ours = np.zeros((18, 18))
    for one in range(18):
        mine = city.household[band == one]
        others = members[mine].astype(np.float64)
        others[:, one] -= 1
        ours[one] = (others / np.maximum(sizes[mine] - 1, 1)[:, None]).mean(axis=0)
    assert np.corrcoef(ours.ravel(), published.ravel())[0, 1] > 0.85


def test_classes_hold_pupils_of_one_age_and_staff(city):
    schools = city.schools
    pupils = (schools.group > 0) & (city.age >= 5) & (city.age < 18)
    classes = np.unique(schools.group[pupils])
    youngest = np.full(len(schools.size), 255, np.int64)
    oldest = np.zeros(len(schools.size), np.int64)
    np.minimum.at(youngest, schools.group[pupils], city.age[pupils])
    np.maximum.at(oldest, schools.group[pupils], city.age[pupils])
    mixed = (youngest != oldest)[classes]
    assert mixed.sum() <= 12  # at most where one age ends and the next begins
    pupils_a_class = np.bincount(schools.group[pupils])[classes]
    assert np.abs(pupils_a_class - CLASS_SIZE["school"]).max() <= 1
    staff = np.bincount(schools.group[schools.staff], minlength=len(schools.size))
    assert (staff[classes] >= 1).all()
    assert not ((schools.group > 0) & (city.jobs.group > 0)).any()
    assert (city.jobs.kind[schools.staff] == TEACHING).all()


def test_workplaces_have_a_heavy_tail(city):
    sizes = city.jobs.size[1:].astype(np.int64)
    assert sizes.min() >= 2
    assert sizes.max() <= LARGEST_WORKPLACE
    assert sizes.max() > LARGEST_WORKPLACE / 2
    law = np.arange(2, LARGEST_WORKPLACE + 1) ** -SIZE_EXPONENT
    law /= law.sum()
    for size in (2, 3, 10):
        p = law[size - 2]
        seen = (sizes == size).mean()
        assert abs(seen - p) < 5 * math.sqrt(p * (1 - p) / len(sizes))
    assert (city.jobs.kind[city.age < 18] == NO_WORK).all()


@pytest.mark.parametrize("people", [0, -3, CENSUS + 1])
def test_impossible_numbers_of_people_are_refused(people):
    with pytest.raises(ParameterError, match="expected 1 to 2,712,360 people"):
        census_sample(people)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, CENSUS))
def test_samples_have_the_census_proportions(people):
    counts = neighbourhoods().people
    sample = census_sample(people)
    assert sample.sum() == people
    areas = sample.sum(axis=(1, 2))
    quota = counts.sum(axis=(1, 2)) * people / CENSUS
    assert np.abs(areas - quota).max() < 1  # largest remainders keep the quota
    within = counts * (areas / counts.sum(axis=(1, 2)))[:, None, None]
    assert np.abs(sample - within).max() <= 2  # and one more where an adult replaced a child
    assert (sample[areas > 0][:, :, 1:].sum(axis=(1, 2)) >= 1).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30), st.integers(0, 10**6))
def test_apportioning_keeps_total_and_quota(counts, total):
    shares = apportion(np.array(counts), total)
    if sum(counts) == 0:
        assert shares.sum() == 0
    else:
        quota = np.array(counts) * total / sum(counts)
        assert shares.sum() == total
        assert (np.abs(shares - quota) < 1 + 1e-6).all()


@pytest.mark.parametrize("people", [1, 2, 3, 17, 60, 400, 3_000])
def test_small_samples_house_everybody_with_an_adult(people):
    city = synthesise(people, Streams(5))
    assert len(city) == people == np.diff(city.starts.astype(np.int64)).sum()
    adults = per_household(city, (city.age >= 18).astype(np.int64))
    assert (adults >= 1).all()


def test_the_seed_alone_decides():
    first, same, other = (synthesise(5_000, Streams(seed)) for seed in (4, 4, 5))
    for name in ("area", "sex", "age", "household"):
        np.testing.assert_array_equal(getattr(first, name), getattr(same, name))
    np.testing.assert_array_equal(first.jobs.group, same.jobs.group)
    np.testing.assert_array_equal(first.schools.group, same.schools.group)
    assert (first.age != other.age).any()
