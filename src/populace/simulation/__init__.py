"""Running a world with a cast."""

from populace.simulation.running import Simulation

__all__ = ["Simulation"]
