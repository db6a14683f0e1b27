"""Studies: sweeps, paired comparisons, calibration, scores and sensitivity."""

# Not on demand, as elsewhere: the function `sweep` must stand before the module of its name.
from populace.studies.arms import Arm
from populace.studies.calibrate import Calibration, calibrate
from populace.studies.compare import compare
from populace.studies.comparison import Comparison, read_comparison
from populace.studies.design import Range, grid, latin_hypercube, sobol
from populace.studies.sensitivity import Sensitivity, sobol_indices
from populace.studies.sweep import Sweep, read_sweep, sweep
from populace.studies.tasks import Result, run_all

__all__ = [
    "Arm",
    "Calibration",
    "Comparison",
    "Range",
    "Result",
    "Sensitivity",
    "Sweep",
    "calibrate",
    "compare",
    "grid",
    "latin_hypercube",
    "read_comparison",
    "read_sweep",
    "run_all",
    "sobol",
    "sobol_indices",
    "sweep",
]
