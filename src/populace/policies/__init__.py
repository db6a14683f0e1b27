"""Ready-made minds."""

from populace.policies.fallback import Fallback
from populace.policies.rule import Rule

__all__ = ["Fallback", "Rule"]
