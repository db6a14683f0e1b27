"""Two-by-two games in the notation of the prisoner's dilemma, and their dynamics' fixed points."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

GameName = Literal["prisoners", "chicken", "stag", "coordination"]
COOPERATE, DEFECT = 0, 1


class Payoffs(NamedTuple):
    """What a player gets: T defecting alone, R if both cooperate, P if both defect, S betrayed."""

    temptation: float
    reward: float
    punishment: float
    sucker: float

    @property
    def table(self) -> NDArray[np.float64]:
        """Own payoff by own move (row) and the other's (column), cooperate first."""
        return np.array([[self.reward, self.sucker], [self.temptation, self.punishment]])

    @property
    def span(self) -> float:
        """The largest difference between two payoffs."""
        return max(self) - min(self)

    def advantage(self, cooperators: ArrayLike) -> NDArray[np.float64]:
        """Return f_C - f_D where a share of all cooperates and partners are random."""
        x = np.asarray(cooperators, np.float64)
        table = self.table
        first, second = table[0] - table[1]
        return np.asarray(first * x + second * (1 - x))

    def interior(self) -> float | None:
        """Return the replicator's fixed point between 0 and 1, a share of cooperators, if any.

        ``x* = (P - S) / (R - S - T + P)``, where both moves earn the same (Hofbauer and Sigmund
        1998, *Evolutionary Games and Population Dynamics*, section 10.1).
        """
        bottom = self.reward - self.sucker - self.temptation + self.punishment
        x = (self.punishment - self.sucker) / bottom if bottom else -1.0
        return x if 0 < x < 1 else None


GAMES: dict[GameName, Payoffs] = {
    "prisoners": Payoffs(5.0, 3.0, 1.0, 0.0),  # Axelrod 1980, Journal of Conflict Resolution 24
    "chicken": Payoffs(5.0, 3.0, 0.0, 1.0),  # hawks and doves
    "stag": Payoffs(3.0, 4.0, 2.0, 0.0),
    "coordination": Payoffs(0.0, 1.0, 1.0, 0.0),
}
