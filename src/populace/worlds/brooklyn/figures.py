"""The public figures that Brooklyn is built from; `data/SOURCES.md` names the source of each."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Age groups of the census table, oldest open; `GROUP_STARTS` are their first ages.
GROUPS: Final = ("0-19", "20-29", "30-39", "40-49", "50-64", "65+")
GROUP_STARTS: Final = (0, 20, 30, 40, 50, 65)
SEXES: Final = ("female", "male")
OLDEST: Final = 99
FIRST_DAY: Final = date(2020, 3, 1)

#: Mean contacts a day of a person who takes part in a setting: Mistry et al. 2021, Nature
#: Communications 12:323, weights of the four settings fitted to contact diaries.
CONTACTS_A_DAY: Final = {"home": 4.11, "school": 11.41, "work": 8.07, "community": 2.79}


@dataclass(frozen=True, kw_only=True)
class Neighbourhoods:
    """The inhabited neighbourhoods: codes, names, census counts and households.

    Attributes
    ----------
    codes, names : tuple of str
        2020 NTA codes and names.
    tiles : dict of str to (int, int)
        Column and row of each name in the hand-drawn grid.
    people : int64 array (areas, 2, 6)
        Census counts by area, sex and age group.
    households, alone : int64 arrays (areas,)
        Households, and people who live alone.
    mean_size : float64 array (areas,)
        Mean size of a household, people.
    """

    codes: tuple[str, ...]
    names: tuple[str, ...]
    tiles: dict[str, tuple[int, int]]
    people: NDArray[np.int64]
    households: NDArray[np.int64]
    mean_size: NDArray[np.float64]
    alone: NDArray[np.int64]


def table(name: str) -> list[dict[str, str]]:
    """Return the rows of one of the tables in `data`."""
    text = resources.files("populace.worlds.brooklyn").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def digests() -> dict[str, str]:
    """Return the SHA-256 of every table in `data`, by name."""
    folder = resources.files("populace.worlds.brooklyn").joinpath("data")
    tables = sorted((f for f in folder.iterdir() if f.name.endswith(".csv")), key=lambda f: f.name)
    return {f.name: sha256(f.read_bytes()).hexdigest() for f in tables}


@cache
def neighbourhoods() -> Neighbourhoods:
    """Return the census figures of the 56 inhabited neighbourhoods, 2,712,360 people in all."""
    rows = table("neighbourhoods.csv")
    cells = [[f"{sex}{start:02d}" for start in GROUP_STARTS] for sex in "fm"]
    return Neighbourhoods(
        codes=tuple(row["code"] for row in rows),
        names=tuple(row["name"] for row in rows),
        tiles={row["name"]: (int(row["column"]), int(row["row"])) for row in rows},
        people=np.array([[[int(row[c]) for c in sex] for sex in cells] for row in rows]),
        households=np.array([int(row["households"]) for row in rows]),
        mean_size=np.array([float(row["mean_size"]) for row in rows]),
        alone=np.array([int(row["alone"]) for row in rows]),
    )


@cache
def contact_rows() -> dict[str, NDArray[np.float64]]:
    """Return, by single age 0..99, how much of each setting's contact a person has on average.

    The values are the row sums of the published per-capita matrices: the share of people of that
    age who take part in the setting (Mistry et al. 2021). Key ``people`` is the number of people
    of New York State of that age, each five-year band spread evenly and the open one, 85 and over,
    falling by 15 % a year of age (about the mortality at these ages in US life tables).
    """
    rows = table("contacts.csv")
    band = np.minimum(np.arange(OLDEST + 1) // 5, len(rows) - 1)
    result = {
        setting: np.array([float(row[setting]) for row in rows])[band] for setting in CONTACTS_A_DAY
    }
    people = np.array([float(row["people"]) for row in rows])
    counts = people[band] / 5
    old = 0.85 ** np.arange(OLDEST - 84)
    counts[85:] = people[-1] * old / old.sum()
    # The band 15..19 mixes pupils and grown-ups. With all of 15..17 in school as those of 10..14
    # are, and none at work, its means (0.881 and 0.103) leave these shares to those of 18 and 19.
    school, work = result["school"], result["work"]
    school_band, work_band = school[15], work[15]
    school[15:18], work[15:18] = school[14], 0.0
    school[18:20] = (5 * school_band - 3 * school[14]) / 2
    work[18:20] = 5 * work_band / 2
    return {"people": counts, **result}


@cache
def daily() -> dict[str, NDArray[np.int64]]:
    """Return Brooklyn's real daily counts from 1 March to 31 August 2020 (184 days)."""
    rows = table("daily.csv")
    return {
        name: np.array([int(row[name]) for row in rows])
        for name in ("cases", "hospitalised", "deaths")
    }


def by_age(starts: tuple[int, ...], values: tuple[float, ...]) -> NDArray[np.float64]:
    """Spread one value an age band over single ages 0..99; bands begin at `starts`."""
    ages = np.arange(OLDEST + 1)
    return np.array(values)[np.searchsorted(starts, ages, side="right") - 1]
