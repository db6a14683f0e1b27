"""Money that changes hands at random: the kinetic exchange model of Drăgulescu and Yakovenko."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from populace.kernel.measures import By, Chart
from populace.kernel.minds import Minds
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Population
from populace.kernel.spaces import Number
from populace.kernel.world import World
from populace.policies import Rule
from populace.worlds.networks import MADE

SAVE = Number(0.0, 1.0)
TENTHS = [f"{10 * d}–{10 * (d + 1)} %" for d in range(10)]


class Wealth(World):
    """Agents meet in random pairs and split what they stake at random.

    Each tick all agents meet in random disjoint pairs (one stays alone if their number is odd) and
    are asked ``save``: the share of one's money, from 0 to 1, that is kept out of the trade; they
    see their ``money`` and the ``mean``. What both stake is put together and split uniformly at
    random. Money is counted in whole units and conserved exactly. Who does not decide saves
    nothing.

    The default mind saves nothing: then the stationary law of money is the Boltzmann-Gibbs law
    ``P(m) = exp(-m / T) / T``, T the mean (Drăgulescu and Yakovenko 2000, Eur. Phys. J. B 17, 723),
    whose Gini coefficient is 1/2. If all save one share s, it is the narrower law of Chakraborti
    and Chakrabarti (2000, Eur. Phys. J. B 17, 167); if they differ, mean money goes as
    ``1 / (1 - s)`` (Chatterjee, Chakrabarti and Manna 2004, Physica A 335, 155).

    Attributes
    ----------
    people : Population
        Column ``money``, int64, in units.
    """

    ticks = 40
    axes = {"tenth": TENTHS}
    charts = (
        Chart("Inequality", ["gini"], note="0: all have the same. 1/2: the exponential law."),
        Chart(
            "Who owns what",
            ["owned"],
            unit="share of all money",
            kind="bar",
            by="tenth",
            note="Agents in ten equal groups, from the poorest to the richest.",
        ),
        Chart("Money", ["median", "richest"], unit="units"),
    )

    def __init__(
        self,
        people: Annotated[int, Parameter("agents", low=2, fixed=MADE)] = 10_000,
        money: Annotated[
            int,
            Parameter("what each has at the start", "units", 1, 10**6, fixed="the start is over"),
        ] = 10_000,
    ) -> None:
        self.people = Population(people, money=np.full(people, money, np.int64))
        self._mean = float(money)

    async def step(self, minds: Minds) -> None:
        from populace.worlds.pairs import shuffled
        from populace.worlds.wealth.kernels import trade

        people = self.people
        answers = await minds.ask("save", people, SAVE, see=["money"], missing=0.0, mean=self._mean)
        order = shuffled(len(people), minds.stream("meetings"))
        trade(people.money, answers.values, order, minds.stream("split"))

    def measure(self) -> Mapping[str, float | By]:
        money = np.sort(self.people.money)
        n, owned = len(money), np.concatenate([[0], np.cumsum(money)])
        return {
            "money": int(owned[-1]),
            "gini": gini(owned),
            "median": int(money[n // 2]),
            "richest": int(money[-1]),
            "owned": By("tenth", np.diff(owned[np.arange(11) * n // 10]) / owned[-1]),
        }

    def policies(self) -> Mapping[str, Policy]:
        return {
            "spender": Rule(save=_nothing),
            "saver": Rule(save=_half),
            "prudent": Rule(save=_prudent),
        }


def gini(owned: NDArray[np.int64]) -> float:
    """Return the Gini coefficient, 0 (all equal) to 1, from running sums.

    Twice the area between the diagonal and the Lorenz curve, by the trapezoidal rule.

    Parameters
    ----------
    owned : int64 array of shape (n + 1,)
        What the k poorest own together, k from 0 to n.
    """
    n = len(owned) - 1
    area = owned.sum(dtype=np.float64) - owned[-1] / 2
    return float(1.0 - 2.0 * area / (n * float(owned[-1])))


def _nothing(o: Observation) -> object:
    """Stake everything."""
    return 0.0


def _half(o: Observation) -> object:
    """Keep half of one's money out of the trade."""
    return 0.5


def _prudent(o: Observation) -> object:
    """Keep half when poorer than the mean, else nothing."""
    return np.where(o["money"] < o["mean"], 0.5, 0.0)
