"""Minds that give to a public good, and fine those who do not."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from populace.kernel.answers import Answers, Outcome
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.policies import Rule

Severity = Annotated[float, Parameter("points for each unit given less than oneself", low=0)]


def free_rider(o: Observation) -> Any:
    """Give nothing: what is best for oneself, whatever the others do."""
    return np.zeros(len(o))


def altruist(o: Observation) -> Any:
    """Give everything: what is best for the group."""
    return np.full(len(o), float(o["endowment"]))


def random(o: Observation) -> Any:
    """Give a uniform part of the endowment."""
    return _units(o, o.random.uniform() * (o["endowment"] + float(o["whole"])))


class Conditional(Parametric):
    """Gives what the others gave last time, more or less (conditional cooperation).

    ``g = intercept + slope * (mean of the others' last contributions)``, within the endowment. On
    average the subjects of Fischbacher, Gächter and Fehr (2001, Economics Letters 71) give less
    than the others, a slope below 1, so that contributions decay to the fixed point of
    `populace.worlds.public_goods.facts.fixed_point`.

    Parameters
    ----------
    slope : float
    intercept : float, in units
    first : float
        Share of the endowment given in the first period.
    """

    def __init__(
        self,
        slope: Annotated[float, Parameter("of the others' mean", low=0)] = 0.8,
        intercept: Annotated[float, Parameter("given in any case", "units")] = 0.0,
        first: Annotated[float, Parameter("given at first", "share", 0, 1)] = 0.5,
    ) -> None:
        self.slope, self.intercept, self.first = slope, intercept, first

    def act(self, observation: Observation) -> Any:
        if observation.kind != "contribute":
            return Answers(None, Outcome.ABSTAINED)
        others, most = observation["others"], float(observation["endowment"])
        wanted = self.intercept + self.slope * others
        wanted = np.where(np.isnan(others), self.first * most, wanted)
        return _units(observation, np.clip(wanted, 0, most))


class Punisher(Parametric):
    """Gives everything, and fines everybody who gave less, in proportion to how much less.

    Parameters
    ----------
    severity : float
        Points assigned for each unit that the other gave less than oneself.
    """

    def __init__(self, severity: Severity = 0.25) -> None:
        self.severity = severity

    def act(self, observation: Observation) -> Any:
        if observation.kind == "contribute":
            return altruist(observation)
        if observation.kind != "punish":
            return Answers(None, Outcome.ABSTAINED)
        less = np.maximum(0.0, observation["own"][:, None] - observation["gave"])
        points = np.minimum(_units(observation, self.severity * less), observation["most"])
        return dict(zip(observation["members"], points.T, strict=True))


def minds() -> dict[str, Any]:
    """Return the rule minds by name."""
    return {
        "conditional": Conditional(),
        "free_rider": Rule(contribute=free_rider),
        "altruist": Rule(contribute=altruist),
        "punisher": Punisher(),
        "random": Rule(contribute=random),
    }


def _units(o: Observation, wanted: Any) -> Any:
    return np.floor(wanted + 1e-9) if o["whole"] else wanted
