"""Studies: sweeps, paired comparisons, calibration, scores and sensitivity."""
