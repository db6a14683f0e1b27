"""Studies: sweeps, paired comparisons, calibration, scores and sensitivity."""

# Not on demand, as elsewhere: the function `sweep` must stand before the module of its name.
from populace.studies.calibrate import Calibration, calibrate
from populace.studies.design import Range, grid, latin_hypercube, sobol
from populace.studies.sensitivity import Sensitivity, sobol_indices
from populace.studies.sweep import Sweep, read_sweep, sweep
from populace.studies.tasks import Result, run_all

__all__ = [
    "Calibration",
    "Range",
    "Result",
    "Sensitivity",
    "Sweep",
    "calibrate",
    "grid",
    "latin_hypercube",
    "read_sweep",
    "run_all",
    "sobol",
    "sobol_indices",
    "sweep",
]
