"""Running a world with a cast."""

from populace.simulation.focus import Records
from populace.simulation.interventions import Intervention, read_interventions
from populace.simulation.running import Simulation
from populace.simulation.survey import Survey

__all__ = ["Intervention", "Records", "Simulation", "Survey", "read_interventions"]
