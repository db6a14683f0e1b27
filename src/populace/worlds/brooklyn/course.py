"""The course of the disease: how long its states last and how severe it is, by age.

Every number is a published estimate, named where it stands. Durations are laws over whole days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from populace.worlds.brooklyn.figures import OLDEST, by_age

Floats = NDArray[np.float64]


class State(IntEnum):
    """Compartments; everybody is in exactly one."""

    SUSCEPTIBLE = 0
    EXPOSED = 1
    PRESYMPTOMATIC = 2
    ASYMPTOMATIC = 3
    SYMPTOMATIC = 4
    HOSPITALISED = 5
    RECOVERED = 6
    DEAD = 7


class Plan(IntEnum):
    """What follows from symptoms, drawn at their onset."""

    RECOVER = 0
    HOSPITAL = 1  # and recover there
    DIE_IN_HOSPITAL = 2
    DIE_AT_HOME = 3


class Law(IntEnum):
    """Rows of `durations`."""

    EXPOSED = 0
    PRESYMPTOMATIC = 1
    ASYMPTOMATIC = 2
    MILD = 3
    TO_HOSPITAL = 4
    TO_DEATH_AT_HOME = 5
    IN_HOSPITAL = 6
    TO_DEATH_IN_HOSPITAL = 7
    TO_TEST = 8


LONGEST: Final = 64  # days; laws are cut there
RING: Final = LONGEST  # days ahead that a test may lie

# He et al. 2020, Temporal dynamics in viral shedding and transmissibility of COVID-19, Nature
# Medicine 26:672: infectiousness begins 2.3 days before symptoms and follows a gamma law.
SHED_BEFORE: Final = 2.307
SHED_SHAPE: Final = 2.1157
SHED_RATE: Final = 0.6899
# Lauer et al. 2020, The incubation period of COVID-19, Annals of Internal Medicine 172:577:
# lognormal, parameters of log days.
INCUBATION: Final = (1.621, 0.418)
# Kerr et al. 2021, Covasim, PLOS Computational Biology 17:e1009149, table 1 (which gathers Woelfel,
# Wang, Verity and others): mean and standard deviation of lognormal durations, days.
ASYMPTOMATIC_DAYS: Final = (8.0, 2.0)
MILD_DAYS: Final = (8.0, 2.0)
TO_HOSPITAL_DAYS: Final = (6.6, 4.9)
IN_HOSPITAL_DAYS: Final = (18.1, 6.3)
# Linton et al. 2020, Incubation period and other epidemiological characteristics of 2019 novel
# coronavirus infections with right truncation, Journal of Clinical Medicine 9:538: onset to death
# 15.0 days (sd 6.9), admission to death 8.8 days; the sd of the latter is set to 6.
TO_DEATH_DAYS: Final = (15.0, 6.9)
IN_HOSPITAL_TO_DEATH_DAYS: Final = (8.8, 6.0)
# Onset of symptoms to test of those not admitted: an assumption. Test results were dated by
# specimen; people were told to call a doctor and wait.
TO_TEST_DAYS: Final = (5.0, 3.0)

# Davies et al. 2020, Age-dependent effects in the transmission and control of COVID-19 epidemics,
# Nature Medicine 26:1205: susceptibility and clinical fraction by ten-year band, and the relative
# infectiousness of those without symptoms.
TEN_YEARS: Final = (0, 10, 20, 30, 40, 50, 60, 70)
SUSCEPTIBILITY: Final = (0.40, 0.38, 0.79, 0.86, 0.80, 0.82, 0.88, 0.74)
CLINICAL: Final = (0.29, 0.21, 0.27, 0.33, 0.40, 0.49, 0.63, 0.69)
ASYMPTOMATIC_INFECTIOUSNESS: Final = 0.5
# Salje et al. 2020, Estimating the burden of SARS-CoV-2 in France, Science 369:208 (age table of
# the April report, rounded): share of infections admitted to hospital, at the middle of each band.
HOSPITAL_AGES: Final = (10, 25, 35, 45, 55, 65, 75, 85)
HOSPITAL: Final = (0.001, 0.005, 0.011, 0.014, 0.029, 0.058, 0.093, 0.262)
# Yang et al. 2021, Estimating the infection-fatality risk of SARS-CoV-2 in New York City during
# the spring 2020 pandemic wave, Lancet Infectious Diseases 21:203: share of infections that end in
# a confirmed or probable death, for <25, 25-44, 45-64, 65-74 and 75+, set at mid-ages.
FATAL_AGES: Final = (12, 35, 55, 70, 82)
FATAL: Final = (0.0000972, 0.00116, 0.00939, 0.0487, 0.142)
FATAL_FROM: Final = 85  # held constant from this age
# Deaths that happen outside hospital: an assumption; the city counted about a fifth of its COVID-19
# deaths as probable, most of them people who died at home or in nursing homes without a test.
AT_HOME: Final = 0.2


def lognormal_law(mu: float, sigma: float, shift: float = 0.0) -> Floats:
    """Return the distribution of ``max(1, round(X - shift))`` days, X lognormal(mu, sigma).

    Returns
    -------
    float64 array (LONGEST,)
        Entry d is P(days <= d + 1); the last is 1.
    """
    days = np.arange(1, LONGEST + 1) + 0.5 + shift
    law = np.array([0.5 * math.erfc(-(math.log(d) - mu) / (sigma * math.sqrt(2))) for d in days])
    law[-1] = 1.0
    return law


def mean_law(mean: float, sd: float) -> Floats:
    """Return `lognormal_law` of this mean and standard deviation, days."""
    variance = math.log(1 + (sd / mean) ** 2)
    return lognormal_law(math.log(mean) - variance / 2, math.sqrt(variance))


def durations() -> Floats:
    """Return the laws of all durations, float64 (laws, LONGEST), one row a `Law`."""
    laws = np.ones((len(Law), LONGEST))
    laws[Law.EXPOSED] = lognormal_law(*INCUBATION, shift=SHED_BEFORE)
    short = int(SHED_BEFORE)  # two days, or three with the chance that keeps the mean
    laws[Law.PRESYMPTOMATIC] = np.arange(1, LONGEST + 1) > short
    laws[Law.PRESYMPTOMATIC, short - 1] = 1 - (SHED_BEFORE - short)
    for law, days in (
        (Law.ASYMPTOMATIC, ASYMPTOMATIC_DAYS),
        (Law.MILD, MILD_DAYS),
        (Law.TO_HOSPITAL, TO_HOSPITAL_DAYS),
        (Law.TO_DEATH_AT_HOME, TO_DEATH_DAYS),
        (Law.IN_HOSPITAL, IN_HOSPITAL_DAYS),
        (Law.TO_DEATH_IN_HOSPITAL, IN_HOSPITAL_TO_DEATH_DAYS),
        (Law.TO_TEST, TO_TEST_DAYS),
    ):
        laws[law] = mean_law(*days)
    return laws


def shedding() -> Floats:
    """Return the share of infectiousness on each day since it began: (LONGEST,), sum 1."""
    steps = 400
    t = (np.arange(LONGEST * steps) + 0.5) / steps
    density = t ** (SHED_SHAPE - 1) * np.exp(-SHED_RATE * t)
    daily = density.reshape(LONGEST, steps).sum(axis=1)
    return np.asarray(daily / daily.sum())


@dataclass(frozen=True, kw_only=True)
class Severity:
    """Probabilities by single age 0..99, float64 arrays (100,).

    Attributes
    ----------
    susceptibility : relative to full susceptibility, a contact with the same infectious person.
    clinical : of symptoms, given infection.
    home_death, hospital_death, hospital : of `Plan`, given symptoms; they sum to at most 1.
    """

    susceptibility: Floats
    clinical: Floats
    home_death: Floats
    hospital_death: Floats
    hospital: Floats


def severity() -> Severity:
    """Return severity by age, interpolated on the log scale between the published bands."""
    ages = np.arange(OLDEST + 1)
    clinical = by_age(TEN_YEARS, CLINICAL)
    admitted = np.exp(np.interp(ages, HOSPITAL_AGES, np.log(HOSPITAL)))
    slope = (math.log(FATAL[-1]) - math.log(FATAL[-2])) / (FATAL_AGES[-1] - FATAL_AGES[-2])
    oldest = FATAL[-1] * math.exp(slope * (FATAL_FROM - FATAL_AGES[-1]))
    fatal = np.exp(np.interp(ages, (*FATAL_AGES, FATAL_FROM), np.log((*FATAL, oldest))))
    dead = fatal * (1 - AT_HOME)
    return Severity(
        susceptibility=by_age(TEN_YEARS, SUSCEPTIBILITY),
        clinical=clinical,
        home_death=fatal * AT_HOME / clinical,
        hospital_death=dead / clinical,
        hospital=(admitted - dead) / clinical,
    )
