"""Ready-made minds."""

from populace.policies.fallback import Fallback
from populace.policies.habit import Habit
from populace.policies.rule import Rule
from populace.policies.utility import Utility

__all__ = ["Fallback", "Habit", "Rule", "Utility"]
