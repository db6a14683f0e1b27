"""Minds of three lines each, who harvest a commons."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from populace.kernel.answers import Answers, Outcome
from populace.kernel.columns import column
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.policies import Rule


def greedy(o: Observation) -> Any:
    """Take all there is of a good, and nothing of a bad."""
    return o["stock"] if o["good"] else 0 * o["stock"]


def careful(o: Observation) -> Any:
    """Take one's sustainable share."""
    return o["share"]


def loyal(o: Observation) -> Any:
    """Take what was agreed on, and without an agreement the sustainable share."""
    return np.where(np.isnan(o["agreed"]), careful(o), np.minimum(o["agreed"], o["stock"]))


def planner(o: Observation) -> Any:
    """Take the sustainable share, and in the last month an equal part of all there is."""
    last = o["months"] == o["month"] and o["good"]
    return _units(o, o["stock"] / o["members"]) if last else o["share"]


def village(o: Observation) -> Any:
    """Be careful if one was there from the beginning, greedy if one came later."""
    return np.where(o["newcomer"], greedy(o), careful(o))


def follower(o: Observation) -> Any:
    """Take the share of the stock that the others took last month; be careful at first.

    Tit for tat with amounts: the others' mean harvest over the stock they took it from.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        portion = o["others"] / o["before"]
    wanted = np.where(np.isfinite(portion), portion * o["stock"], o["share"])
    return _units(o, np.minimum(wanted, o["stock"]))


def random(o: Observation) -> Any:
    """Take a uniform part of twice an equal share of half the stock: half of it on average."""
    wanted = o.random.uniform() * o["stock"] / o["members"]
    return _units(o, wanted)


def propose(o: Observation) -> Any:
    """Say what one takes next, the sustainable share."""
    shares = [f"{share:g}" for share in np.broadcast_to(o["next_share"], len(o))]
    return column([f"I propose {share} each next month; I will keep to it." for share in shares])


class Proportional(Parametric):
    """Takes an equal part of a fixed portion of the stock, whatever the others do.

    Parameters
    ----------
    portion : float
        Of the stock that the group takes if all are alike; a half is sustainable where what is
        left doubles.
    """

    def __init__(
        self,
        portion: Annotated[float, Parameter("of the stock, if all are alike", "share", 0, 1)] = 0.6,
    ) -> None:
        self.portion = portion

    def act(self, observation: Observation) -> Any:
        if observation.kind != "harvest":
            return Answers(None, Outcome.ABSTAINED)
        wanted = self.portion * observation["stock"] / observation["members"]
        return _units(observation, wanted)


def minds() -> dict[str, Any]:
    """Return the rule minds by name."""
    return {
        "careful": Rule(harvest=careful, speak=propose),
        "loyal": Rule(harvest=loyal),
        "greedy": Rule(harvest=greedy),
        "proportional": Proportional(),
        "follower": Rule(harvest=follower),
        "random": Rule(harvest=random),
        "planner": Rule(harvest=planner, speak=propose),
        "village": Rule(harvest=village),
    }


def _units(o: Observation, wanted: Any) -> Any:
    return np.floor(wanted + 1e-9) if o["whole"] else wanted
