"""Reports of runs and comparisons: one HTML file each, that opens anywhere, offline."""

from populace.reports.comparison import write_comparison
from populace.reports.exam_comparison import write_exam_comparison
from populace.reports.page import write_report

__all__ = ["write_comparison", "write_exam_comparison", "write_report"]
