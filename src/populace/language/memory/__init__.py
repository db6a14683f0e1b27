"""Memory of agents who speak, at the scale of populations: kept, retrieved, thought over."""

from populace.language.memory.memory import Memory
from populace.language.memory.plan import Plan
from populace.language.memory.reflect import Reflect

__all__ = ["Memory", "Plan", "Reflect"]
