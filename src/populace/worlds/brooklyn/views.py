"""Axes of Brooklyn's measures, and how the report draws them."""

from __future__ import annotations

from collections.abc import Sequence

from populace.kernel.measures import Chart
from populace.worlds.brooklyn.course import State
from populace.worlds.brooklyn.disease import SETTINGS
from populace.worlds.brooklyn.figures import GROUPS, neighbourhoods


def axes() -> dict[str, Sequence[str]]:
    """Return the labels of the axes that measures are broken down along."""
    return {
        "age": GROUPS,
        "area": neighbourhoods().names,
        "state": tuple(state.name.lower() for state in State),
        "setting": SETTINGS,
    }


def charts() -> list[Chart]:
    """Return the charts of the report, in order."""
    return [
        Chart(
            "Reported cases a day",
            ["cases"],
            unit="people",
            note="Confirmed by a test, by day of the test, beside the city's count for Brooklyn.",
            smooth=7,
        ),
        Chart("Deaths a day", ["deaths"], unit="people", smooth=7),
        Chart("Hospital admissions a day", ["hospitalised"], unit="people", smooth=7),
        Chart(
            "Infections a day",
            ["infections"],
            unit="people",
            note="All infections, most of which nobody ever counted.",
        ),
        Chart(
            "Staying at home, by kind of mind",
            ["staying_home_by_mind"],
            unit="share of adults asked",
            by="mind",
        ),
        Chart(
            "Staying at home, by age",
            ["staying_home_by_age"],
            unit="share of adults asked",
            by="age",
        ),
        Chart(
            "Reproduction number",
            ["reproduction"],
            note="Instantaneous: infections today over the infectiousness present today.",
            smooth=7,
        ),
        Chart(
            "Cases in the last seven days",
            ["weekly_cases"],
            unit="per 100,000",
            kind="map",
            by="area",
            note="A tile is a neighbourhood; the grid is drawn by hand.",
            tiles=neighbourhoods().tiles,
        ),
        Chart("Cases a day, by age", ["cases_by_age"], unit="people", by="age", smooth=7),
        Chart("Deaths a day, by age", ["deaths_by_age"], unit="people", by="age", smooth=7),
        Chart(
            "Where people were infected",
            ["infections_by_setting"],
            unit="people a day",
            by="setting",
            smooth=7,
        ),
    ]
