"""The minds that Brooklyn offers: rule, habit, utility and learned, its default cast; language.

Each answers ``stay_home`` from what the world shows: see `world.SEE`. Docs tell the motives of the
numbers, `docs/brooklyn.md`; they belong to the defaults that were chosen to fit the first wave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from populace.kernel.observation import Observation
from populace.kernel.policy import Policy
from populace.policies import Habit, Learned, Rule, Utility
from populace.worlds.brooklyn.speaking import Speaking
from populace.worlds.brooklyn.survey import (
    FEATURES,
    advised,
    log_cases,
    log_deaths,
    ordered,
    senior,
    survey_model,
)

# Rule: weekly cases per 100,000 in the neighbourhood from which people stay at home, and how often
# those who stay go out for what they need: one day in so many, each on a day of their own.
ALARM: Final = 30.0
ALARM_SENIOR: Final = 15.0
SHOPPING: Final = 4

INERTIA: Final = 0.8  # of the habit: five days on average before thinking again


#: Utility of staying at home over going out, in logits.
UTILITY: Final[dict[str, float | tuple[float, Callable[[Observation], Any]]]] = {
    "1": -1.6,
    "advised": (1.0, advised),
    "ordered": (0.6, ordered),
    "log cases": (0.35, log_cases),
    "trend": 0.2,
    "log deaths": (0.1, log_deaths),
    "senior": (0.6, senior),
    "remote": 0.8,
    "pressure": -3.0,
    "symptoms": 2.2,
    "sick_at_home": 1.2,
    "days_home": -0.12,
}

SHARES: Final = {"rule": 0.25, "habit": 0.25, "utility": 0.30, "learned": 0.20}


def cautious(o: Observation) -> NDArray[np.bool_]:
    """Follow advice and alarm, unless pay is at stake; stay when ill or somebody at home is.

    Who can work from home does so from the first advice on; under the order everybody stays. Those
    who stay go out once in `SHOPPING` days.
    """
    stay = o["cases"] >= np.where(senior(o), np.float32(ALARM_SENIOR), np.float32(ALARM))
    if advised(o):
        stay |= o["remote"]
    if ordered(o):
        stay = np.ones(len(o), np.bool_)
    stay &= ~o["pressure"] & ((o.ids + np.uint32(o.tick % SHOPPING)) % np.uint32(SHOPPING) != 0)
    return np.asarray(stay | o["symptoms"] | o["sick_at_home"])


def minds() -> dict[str, Policy]:
    """Return a fresh one of each mind."""
    return {
        "rule": Rule(stay_home=cautious),
        "habit": Habit(Rule(stay_home=cautious), inertia=INERTIA),
        "utility": Utility(stay_home={"stay_home": UTILITY}),
        "learned": Learned(survey_model(), FEATURES, batch=16_384),
        "language": Speaking(),
    }
