"""Ready-made minds."""

from populace.policies.fallback import Fallback
from populace.policies.habit import Habit
from populace.policies.human import Human
from populace.policies.learned import Learned
from populace.policies.rule import Rule
from populace.policies.utility import Utility

__all__ = ["Fallback", "Habit", "Human", "Learned", "Rule", "Utility"]
