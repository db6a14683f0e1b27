"""Ready-made minds."""

from populace.policies.bandit import Bandit
from populace.policies.clocks import Seconds, Ticks, Tokens
from populace.policies.fallback import Fallback
from populace.policies.fastslow import FastSlow
from populace.policies.habit import Habit
from populace.policies.human import Human
from populace.policies.imitate import Imitate
from populace.policies.learned import Learned
from populace.policies.qlearning import QLearning
from populace.policies.rule import Rule
from populace.policies.uniform import Uniform
from populace.policies.utility import Utility

__all__ = [
    "Bandit",
    "Fallback",
    "FastSlow",
    "Habit",
    "Human",
    "Imitate",
    "Learned",
    "QLearning",
    "Rule",
    "Seconds",
    "Ticks",
    "Tokens",
    "Uniform",
    "Utility",
]
