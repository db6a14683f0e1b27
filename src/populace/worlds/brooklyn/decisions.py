"""The minds that Brooklyn offers, and its default cast: rule, habit, utility and learned.

Each answers ``stay_home`` from what the world shows: see `world.SEE`. Docs tell the motives of the
numbers, `docs/brooklyn.md`; they belong to the defaults that were chosen to fit the first wave.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from populace.kernel.observation import Observation
from populace.kernel.policy import Policy
from populace.policies import Habit, Learned, Rule, Utility
from populace.worlds.brooklyn.survey import TERMS, survey_model, transform

SENIOR: Final = 65

# Rule: weekly cases per 100,000 in the neighbourhood from which people stay at home.
ALARM: Final = 30.0
ALARM_SENIOR: Final = 15.0
SHOPPING: Final = 6

INERTIA: Final = 0.8  # of the habit: five days on average before thinking again

# Utility of staying at home over going out, in logits.
UTILITY: Final = {
    "1": -1.6,
    "advised": 1.0,
    "ordered": 0.6,
    "log cases": 0.35,
    "trend": 0.2,
    "log deaths": 0.1,
    "senior": 0.6,
    "remote": 0.8,
    "pressure": -3.0,
    "symptoms": 2.2,
    "sick_at_home": 1.2,
    "days_home": -0.12,
}

SHARES: Final = {"rule": 0.25, "habit": 0.25, "utility": 0.30, "learned": 0.20}


def cautious(o: Observation) -> NDArray[np.bool_]:
    """Follow advice and alarm, unless pay is at stake; stay when ill or somebody at home is.

    Who can work from home does so from the first advice on; under the order all stay, but go out
    after `SHOPPING` days at home.
    """
    afraid = o["cases"] >= np.where(o["age"] >= SENIOR, ALARM_SENIOR, ALARM)
    if o["advice"] >= 1:
        afraid |= o["remote"]
    if o["advice"] == 2:
        afraid = np.ones(len(o), np.bool_)
    afraid &= ~o["pressure"] & (o["days_home"] < SHOPPING)
    return np.asarray(o["symptoms"] | o["sick_at_home"] | afraid)


def _utility() -> Utility:
    shown = {
        "advised": lambda o: o["advice"] >= 1,
        "ordered": lambda o: o["advice"] == 2,
        "log cases": lambda o: np.log1p(o["cases"]),
        "log deaths": lambda o: np.log1p(o["deaths"]),
        "senior": lambda o: o["age"] >= SENIOR,
    }
    terms = {
        name: (coefficient, shown[name]) if name in shown else coefficient
        for name, coefficient in UTILITY.items()
    }
    return Utility(stay_home={"stay_home": terms})


def minds() -> dict[str, Policy]:
    """Return a fresh one of each mind."""
    return {
        "rule": Rule(stay_home=cautious),
        "habit": Habit(Rule(stay_home=cautious), inertia=INERTIA),
        "utility": _utility(),
        "learned": Learned(
            survey_model(), [partial(transform, term) for term in TERMS], batch=16_384
        ),
    }
