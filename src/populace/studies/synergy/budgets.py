"""A budget for one question: one strong agent, or a tree of weaker ones that talk?

Agents are better for more compute, mu(x) = min(ceiling, scale x^beta) (the paper's scaling
exponent). A tree of N = b^L leaves of x tokens each pays for its leaves and its messages: each of m
tokens, written by one and read by another, on each of b (N - 1) / (b - 1) edges:

    B = N x + 2 m b (N - 1) / (b - 1).

A context window of W tokens holds b <= W / m messages. Per leaf a deep tree spends x + c_0,
c_0 = 2 m b / (b - 1), and has bias (B / (x + c_0))^s x^beta times a constant: greatest at
x* = c_0 beta / (s - beta) if s > beta, and otherwise at one agent (the paper's theorem 9).

Ours are `threshold`, and `plan`, which needs no asymptotics: it holds every tree that the window
and the budget allow against the single agent, by the exact recursion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from populace.kernel.errors import ParameterError
from populace.studies.synergy.trees import amplification, exponent, tree_bias

Regime = Literal["synergy", "saturation", "collapse"]


@dataclass(frozen=True)
class Agent:
    """How right an agent is for what it costs.

    Attributes
    ----------
    beta : float
        Exponent, above 0.
    scale : float
        Bias at one token.
    ceiling : float
        Most bias that compute can buy, up to 1.
    least : float
        Fewest tokens with which it can answer at all; of fewer its bias is 0.
    """

    beta: float
    scale: float
    ceiling: float = 1.0
    least: float = 1.0

    def __post_init__(self) -> None:
        if not (self.beta > 0 and self.scale > 0 and 0 < self.ceiling <= 1 and self.least > 0):
            raise ParameterError(
                f"expected beta, scale and least above 0 and a ceiling in (0, 1], got {self}",
                where="Agent",
            )

    def bias(self, tokens: float) -> float:
        """Return 2 P(right) - 1 for so many tokens."""
        return min(self.ceiling, self.scale * tokens**self.beta) if tokens >= self.least else 0.0


@dataclass(frozen=True)
class Organisation:
    """A tree of `depth` levels: `fan_in` messages of `message` tokens a node, `leaf` tokens a leaf.

    Depth 0 is a single agent.
    """

    fan_in: int
    depth: int
    leaf: float
    message: float = 0.0

    @property
    def leaves(self) -> int:
        """Number of leaves, b^L."""
        return int(self.fan_in**self.depth)

    @property
    def messages(self) -> int:
        """Number of messages, b (b^L - 1) / (b - 1)."""
        return sum(self.fan_in**level for level in range(1, self.depth + 1))

    @property
    def cost(self) -> float:
        """Tokens a question: leaves, and messages written and read."""
        return self.leaves * self.leaf + 2 * self.message * self.messages

    def bias(self, agent: Agent, rho: float, fidelity: float) -> float:
        """Return the root's bias."""
        if self.depth == 0:
            return agent.bias(self.leaf)
        return float(tree_bias(agent.bias(self.leaf), self.fan_in, self.depth, rho, fidelity))


@dataclass(frozen=True)
class Plan:
    """What the theory says of a budget.

    Attributes
    ----------
    best : Organisation
        Of greatest bias; of equal ones the smaller.
    bias, single : float
        Of `best`, and of the single agent of the same budget.
    alpha : float
        Greatest alpha_rho of a fan-in that the window allows; NaN if it allows none of 3 or more.
    regime : str
        ``synergy``: a team is best. ``collapse``: alpha <= 1, no tree amplifies weak signal.
        ``saturation``: trees amplify, and still the single agent is as good.
    """

    best: Organisation
    bias: float
    single: float
    alpha: float
    regime: Regime


def plan(
    budget: float,
    agent: Agent,
    *,
    rho: float,
    fidelity: float,
    message: float = 0.0,
    window: float = math.inf,
    largest: int = 99,
) -> Plan:
    """Return the best tree for a budget, the single agent among them.

    Parameters
    ----------
    budget : float
        Tokens a question.
    agent : Agent
    rho, fidelity, message, window : float
        See the module; a window of fewer than three messages allows no team.
    largest : int
        Greatest fan-in to consider, where the window allows more.

    Raises
    ------
    ParameterError
        For a budget that is not above 0, or a negative message or window.
    """
    if not (budget > 0 and message >= 0 and window >= 0):
        raise ParameterError(
            f"expected a budget above 0, message and window of 0 or more, got {budget}, {message}, "
            f"{window}",
            where="plan",
        )
    widest = largest if message == 0 else min(largest, math.floor(window / message))
    best = Organisation(1, 0, budget)
    single = bias = best.bias(agent, rho, fidelity)
    alpha = math.nan
    for fan_in in range(3, widest + 1, 2):
        found = float(amplification(fan_in, rho, fidelity))
        alpha = found if math.isnan(alpha) else max(alpha, found)
        depth = 1
        while (tree := _spread(budget, fan_in, depth, message, agent.least)) is not None:
            got = tree.bias(agent, rho, fidelity)
            if got > bias:
                best, bias = tree, got
            depth += 1
    regime: Regime = "synergy" if best.depth else "saturation" if alpha > 1 else "collapse"
    return Plan(best, bias, single, alpha, regime)


def _spread(
    budget: float, fan_in: int, depth: int, message: float, least: float
) -> Organisation | None:
    """Return a tree that spends all of a budget; None if its leaves would have too little."""
    bare = Organisation(fan_in, depth, 0.0, message)
    leaf = (budget - bare.cost) / bare.leaves
    return Organisation(fan_in, depth, leaf, message) if leaf >= least else None


def best_leaf(fan_in: int, *, beta: float, rho: float, fidelity: float, message: float) -> float:
    """Return x* = c_0 beta / (s - beta), the tokens of a leaf of a deep tree; inf if s <= beta."""
    s = float(exponent(fan_in, rho, fidelity))
    if s <= beta:
        return math.inf
    return 2 * message * fan_in / (fan_in - 1) * beta / (s - beta)


def threshold(
    fan_in: int, depth: int, *, beta: float, rho: float, fidelity: float, message: float
) -> float:
    """Return the budget from which a tree beats the single agent, where both have weak signal.

    Notes
    -----
    Below all ceilings the tree has bias alpha^L c x^beta and the single agent c B^beta, so that the
    tree wins when B / x < alpha^(L / beta). With B = b^L x + M, M the messages' tokens, that is
    x > M / (alpha^(L / beta) - b^L), and B accordingly. There is none unless alpha > b^beta, which
    is s > beta. Without messages the budget does not matter and the threshold is 0.
    """
    gain = float(amplification(fan_in, rho, fidelity)) ** (depth / beta)
    tree = Organisation(fan_in, depth, 0.0, message)
    if gain <= tree.leaves:
        return math.inf
    return float(gain * tree.cost / (gain - tree.leaves))
