"""Memory of agents who speak, at the scale of populations: kept, retrieved, thought over."""

from populace.language.memory.memory import Memory

__all__ = ["Memory"]
