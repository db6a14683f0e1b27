"""Bandits: which of a few actions pays best, learnt by trying."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, PolicyError
from populace.kernel.parameters import Parameter
from populace.kernel.streams import Stream
from populace.policies.drawing import best, by_weight
from populace.policies.learner import Arms, Kinds, Learner, Reward, Told

Algorithm = Literal["epsilon-greedy", "ucb1", "thompson", "exp3"]


class Bandit(Learner):
    """Each agent finds out which of its arms pays best (Robbins 1952), in one of four ways.

    The arms of a `Choice` are its options, those of a `Number` a grid between its bounds. An arm is
    played until its reward is told; rewards told meanwhile are summed. Below, n is how often an
    agent has played, n_j how often arm j, m_j the mean reward of that arm, K the number of arms,
    and x a reward brought from [low, high] to [0, 1].

    ``epsilon-greedy``
        With chance ε any arm, else the one of largest m_j, each once first. With `step` > 0 the
        mean forgets: m ← m + step (r - m), for rewards that change (Sutton and Barto 2018,
        *Reinforcement Learning*, eqs. 2.3 and 2.5).
    ``ucb1``
        Each arm once, then the one of largest ``m_j + sqrt(2 ln n / n_j)`` of x. Expected regret at
        most ``8 sum_j ln n / Δ_j + (1 + π²/3) sum_j Δ_j`` (Auer, Cesa-Bianchi and Fischer 2002,
        Machine Learning 47, Theorem 1).
    ``thompson``
        The arm of largest draw from Beta(1 + S_j, 1 + F_j), S and F being successes and failures; a
        reward x is a success with chance x (Thompson 1933; Agrawal and Goyal 2012, COLT, Algorithm
        2). For rewards of 0 and 1 the regret attains the bound of Lai and Robbins (1985),
        ``ln n sum_j Δ_j / KL(μ_j, μ*)``, as n grows (Kaufmann, Korda and Munos 2012). Needs scipy.
    ``exp3``
        Arm j with chance ``p_j = (1 - γ) w_j / sum w + γ / K``, then
        ``w_j ← w_j exp(γ x / (p_j K))``. Whatever rewards an adversary chose beforehand, the
        expected regret against the best arm, which earns G, is at most ``(e - 1) γ G + K ln K / γ``
        (Auer, Cesa-Bianchi, Freund and Schapire 2002, SIAM J. Computing 32, Theorem 3.1).

    Parameters
    ----------
    algorithm : str
    epsilon : float
        ε, of ``epsilon-greedy``.
    step : float
        Of ``epsilon-greedy``, in [0, 1]; 0: the mean over all plays.
    gamma : float
        γ, of ``exp3``.
    low, high : float
        Range of the rewards, of all but ``epsilon-greedy``.
    arms : int or sequence of float
        Equal steps from the lowest to the highest number allowed, or values.
    reward, told : str
        Column that holds the reward, and the kind of what agents are told with it; NaN is none.
    kinds : sequence of str
        From other kinds, and spaces without arms, the policy abstains.

    Raises
    ------
    ParameterError
        For an impossible setting.
    PolicyError
        For a reward outside [low, high], a choice whose options change, or a number without bounds.

    Notes
    -----
    An agent takes 4 to 12 bytes an arm and kind, and 19 more a kind.

    Examples
    --------
    >>> from populace import Bandit
    >>> fisher = Bandit("ucb1", high=20.0, arms=5)  # rewards of 0 to 20, five shares of the stock
    """

    base = "bandit"

    def __init__(
        self,
        algorithm: Annotated[Algorithm, Parameter("how it explores")] = "epsilon-greedy",
        *,
        epsilon: Annotated[float, Parameter("chance of any arm", low=0, high=1)] = 0.1,
        step: Annotated[float, Parameter("weight of the last reward; 0: 1/n", "", 0, 1)] = 0.0,
        gamma: Annotated[float, Parameter("exploration of exp3", low=1e-6, high=1)] = 0.1,
        low: Annotated[float, Parameter("least reward")] = 0.0,
        high: Annotated[float, Parameter("largest reward")] = 1.0,
        arms: Arms = 11,
        reward: Reward = "reward",
        told: Told = "",
        kinds: Kinds = (),
    ) -> None:
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise ParameterError(f"expected low < high, got {low} and {high}", where="Bandit")
        self.algorithm, self.epsilon, self.step, self.gamma = algorithm, epsilon, step, gamma
        self.low, self.high = low, high
        self._learns(arms, reward, told, kinds)

    def tables(self, arms: int) -> Mapping[str, tuple[tuple[int, ...], Any]]:
        """Return ``count`` and ``mean`` or ``wins``; of exp3 ``weight``, its logarithm, and p_j."""
        if self.algorithm == "exp3":
            return {"weight": ((arms,), np.float64), "chance": ((), np.float64)}
        second = ("wins", np.uint32) if self.algorithm == "thompson" else ("mean", np.float64)
        return {"count": ((arms,), np.uint32), second[0]: ((arms,), second[1])}

    def _turn(
        self, columns: Mapping[str, NDArray[Any]], rows: Any, draws: Stream, seen: NDArray[Any]
    ) -> NDArray[np.int64]:
        arm, told = columns["arm"][rows].astype(np.int64), columns["told"][rows]
        won, free = np.flatnonzero(told), np.flatnonzero(told | (arm == 0))
        chance = draws.uniform(size=3)
        if len(won):
            who = rows[won]
            self._learn(columns, who, arm[won] - 1, columns["reward"][who], chance[won, 0])
            columns["reward"][who], columns["told"][who] = 0.0, False
        if len(free):
            arm[free] = 1 + self._choose(columns, rows[free], chance[free, 1:], draws.part(free))
            columns["arm"][rows[free]] = arm[free]
        return np.asarray(arm - 1)

    def _learn(
        self,
        columns: Mapping[str, NDArray[Any]],
        who: NDArray[np.intp],
        arm: NDArray[np.int64],
        reward: NDArray[np.float64],
        chance: NDArray[np.float64],
    ) -> None:
        if self.algorithm == "epsilon-greedy":
            scaled = reward
        else:
            scaled = (reward - self.low) / (self.high - self.low)
            if not ((scaled >= 0) & (scaled <= 1)).all():
                raise PolicyError(
                    f"expected rewards from {self.low:g} to {self.high:g}, got {reward.min():g} to "
                    f"{reward.max():g}",
                    where=f"Bandit, {self.algorithm}",
                    mend="say how large they may be: low=, high=",
                )
        if self.algorithm == "exp3":
            weight = columns["weight"]
            weight[who, arm] += self.gamma * scaled / (columns["chance"][who] * weight.shape[1])
            weight[who] -= weight[who].max(axis=1, keepdims=True)
            return
        columns["count"][who, arm] += 1
        if self.algorithm == "thompson":
            columns["wins"][who, arm] += chance < scaled
            return
        mean, count = columns["mean"][who, arm], columns["count"][who, arm]
        weight = 1 / count
        if self.step and self.algorithm == "epsilon-greedy":
            weight = np.where(count == 1, 1.0, self.step)
        columns["mean"][who, arm] = mean + weight * (scaled - mean)

    def _choose(
        self,
        columns: Mapping[str, NDArray[Any]],
        who: NDArray[np.intp],
        chance: NDArray[np.float64],
        draws: Stream,
    ) -> NDArray[np.intp]:
        """Return the arm that each plays next, from 0."""
        if self.algorithm == "exp3":
            weight = np.exp(columns["weight"][who])
            weight /= weight.sum(axis=1, keepdims=True)
            weight = (1 - self.gamma) * weight + self.gamma / weight.shape[1]
            arm = by_weight(weight.T.copy(), chance[:, 0])
            columns["chance"][who] = weight[np.arange(len(who)), arm]
            return arm
        count = columns["count"][who]
        if self.algorithm == "thompson":
            wins = columns["wins"][who]
            return best(_beta(1.0 + wins, 1.0 + count - wins, draws), chance[:, 1])
        worth = columns["mean"][who]
        if self.algorithm == "ucb1":
            with np.errstate(divide="ignore", invalid="ignore"):
                worth = worth + np.sqrt(2 * np.log(count.sum(axis=1, keepdims=True)) / count)
        arm = best(np.where(count == 0, np.inf, worth), chance[:, 1])
        if self.algorithm == "epsilon-greedy":
            tried = (count > 0).all(axis=1)
            k = count.shape[1]
            any_ = draws.named("explore").integers(high=k)
            arm = np.where(tried & (chance[:, 0] < self.epsilon), any_, arm)
        return arm


def _beta(a: NDArray[np.float64], b: NDArray[np.float64], draws: Stream) -> NDArray[np.float64]:
    """Return draws from Beta(a, b), by inversion."""
    try:
        from scipy.special import betaincinv
    except ImportError as error:
        raise PolicyError(
            "Thompson sampling needs scipy",
            where="Bandit",
            mend="pip install 'populace[learned]', or algorithm='ucb1'",
        ) from error
    return np.asarray(betaincinv(a, b, draws.uniform(size=a.shape[1])))
