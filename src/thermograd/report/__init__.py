"""The report: all laws tested on measured states, as one HTML page with figures and tables beside it."""

from thermograd.report.page import write_report

__all__ = ["write_report"]
