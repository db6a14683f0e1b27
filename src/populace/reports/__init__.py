"""The report of a run: one HTML file that opens anywhere, offline."""

from populace.reports.page import write_report

__all__ = ["write_report"]
