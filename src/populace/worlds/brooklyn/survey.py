"""A small learned model of staying at home: a logit fitted to a table of answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from populace.kernel.jit import jit
from populace.kernel.observation import Observation
from populace.worlds.brooklyn.figures import table

Floats = NDArray[np.float64]

RIDGE: Final = 1.0  # prior precision of a coefficient, in answers: keeps rare rows from extremes
SENIOR: Final = 65

Shown = Mapping[str, Any] | Observation


def advised(shown: Shown) -> Any:
    """Whether anything is advised or ordered."""
    return np.asarray(shown["advice"]) >= 1


def ordered(shown: Shown) -> Any:
    """Whether the stay-at-home order is in force."""
    return np.asarray(shown["advice"]) == 2


def log_cases(shown: Shown) -> Any:
    """Logarithm of one more than the neighbourhood's weekly cases per 100,000."""
    return np.log1p(shown["cases"])


def log_deaths(shown: Shown) -> Any:
    """Logarithm of one more than the borough's weekly deaths per 100,000."""
    return np.log1p(shown["deaths"])


def senior(shown: Shown) -> Any:
    """Whether 65 or older."""
    return shown["age"] >= SENIOR


#: What the model is fitted to and sees: columns by name, and functions of what is shown.
FEATURES: Final[tuple[str | Callable[[Any], Any], ...]] = (
    advised, ordered, log_cases, log_deaths, senior, "pressure", "remote", "symptoms",
    "sick_at_home",
)  # fmt: skip


class Logit:
    """Binary logit with ``predict_proba``, fitted to shares of groups of answers.

    Maximises the binomial log-likelihood minus ``RIDGE / 2`` times the squared coefficients (not
    the intercept) by Newton's method, which is concave and so has one answer.

    Parameters
    ----------
    features : float64 array (groups, terms)
    shares, answers : float64 arrays (groups,)
        Share of each group that answered yes, and how many answered.
    """

    def __init__(self, features: Floats, shares: Floats, answers: Floats) -> None:
        x = np.column_stack((np.ones(len(features)), features))
        penalty = np.diag(np.r_[0.0, np.full(features.shape[1], RIDGE)])
        beta = np.zeros(x.shape[1])
        for _ in range(50):
            p = 1 / (1 + np.exp(-x @ beta))
            slope = x.T @ (answers * (shares - p)) - penalty @ beta
            curve = (x.T * (answers * p * (1 - p))) @ x + penalty
            step = np.linalg.solve(curve, slope)
            beta += step
            if np.abs(step).max() < 1e-12:
                break
        self.intercept = float(beta[0])
        self.coefficients = beta[1:]
        self.classes_ = np.array(["go_out", "stay_home"])
        self.n_features_in_ = features.shape[1]

    def predict_proba(self, features: Floats) -> Floats:
        """Return the probability of each class, (n, 2)."""
        found: Floats = _chances(np.ascontiguousarray(features), self.intercept, self.coefficients)
        return found


@jit
def _chances(features: Any, intercept: Any, coefficients: Any) -> Any:
    """Return both classes' probabilities; a row's sum runs in one order whatever the batch."""
    chances = np.empty((len(features), 2))
    for i in range(len(features)):
        worth = intercept
        for j in range(len(coefficients)):
            worth += coefficients[j] * features[i, j]
        chances[i, 1] = 1.0 / (1.0 + math.exp(-worth))
        chances[i, 0] = 1.0 - chances[i, 1]
    return chances


def situations() -> tuple[dict[str, Floats], Floats, Floats]:
    """Return what each group of `data/survey.csv` was shown, its share that stays, its answers.

    The survey is made up: see the docs.
    """
    rows = table("survey.csv")
    shown = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    return shown, shown.pop("stays"), shown.pop("answers")


def survey() -> tuple[Floats, Floats, Floats]:
    """Return features, shares and answers of the survey."""
    shown, shares, answers = situations()
    columns = [shown[f] if isinstance(f, str) else f(shown) for f in FEATURES]
    return np.column_stack(columns).astype(np.float64), shares, answers


def survey_model() -> Logit:
    """Fit the model to the survey; the fit is exact, so it is made anew each time."""
    return Logit(*survey())
