"""Tests of the theory on stationary states: each takes a states dataset and gives results with error bars.

Only points in equilibrium are used unless told otherwise, and every result lists what was left out and why.
"""

from thermograd.analysis.collapse import Collapse, Spread, collapse
from thermograd.analysis.maxwell import MaxwellCheck, MaxwellNumber, maxwell
from thermograd.analysis.points import LeftOut, Points, select
from thermograd.analysis.pressure import PressureSlope, PressureSlopes, pressure_slopes
from thermograd.analysis.published import TABLE_4, PublishedMaxwell
from thermograd.analysis.quadratic import QuadraticFit, fit_quadratic
from thermograd.analysis.radius import RadiusCheck, RadiusSummary, radius
from thermograd.analysis.tables import Table4Row, csv_text, markdown, table4

__all__ = [
    "TABLE_4",
    "Collapse",
    "LeftOut",
    "MaxwellCheck",
    "MaxwellNumber",
    "Points",
    "PressureSlope",
    "PressureSlopes",
    "PublishedMaxwell",
    "QuadraticFit",
    "RadiusCheck",
    "RadiusSummary",
    "Spread",
    "Table4Row",
    "collapse",
    "csv_text",
    "fit_quadratic",
    "markdown",
    "maxwell",
    "pressure_slopes",
    "radius",
    "select",
    "table4",
]
