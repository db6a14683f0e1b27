"""Running a world with a cast."""

from populace.simulation.interventions import Intervention, read_interventions
from populace.simulation.running import Simulation

__all__ = ["Intervention", "Simulation", "read_interventions"]
