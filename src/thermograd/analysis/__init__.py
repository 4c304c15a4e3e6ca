"""Tests of the theory on stationary states: each takes a states dataset and gives results with error bars.

Only points in equilibrium are used unless told otherwise, and every result lists what was left out and why.
"""

from thermograd.analysis.adiabat import Adiabat, AdiabatCheck, adiabat, entropy_along
from thermograd.analysis.collapse import Collapse, Spread, collapse
from thermograd.analysis.common_slope import Slope
from thermograd.analysis.heat import HeatCheck, HeatLine, heat_capacities
from thermograd.analysis.maxwell import MaxwellCheck, MaxwellNumber, maxwell
from thermograd.analysis.points import LeftOut, Points, select
from thermograd.analysis.potentials import Beyond, PotentialCheck, potentials
from thermograd.analysis.pressure import PressureSlope, PressureSlopes, pressure_slopes
from thermograd.analysis.published import TABLE_4, PublishedMaxwell
from thermograd.analysis.quadratic import QuadraticFit, fit_quadratic
from thermograd.analysis.radius import RadiusCheck, RadiusSummary, radius
from thermograd.analysis.slopes import SlopeCheck, SlopeLaw, log_log_slopes
from thermograd.analysis.tables import Table4Row, csv_text, markdown, table4

__all__ = [
    "TABLE_4",
    "Adiabat",
    "AdiabatCheck",
    "Beyond",
    "Collapse",
    "HeatCheck",
    "HeatLine",
    "LeftOut",
    "MaxwellCheck",
    "MaxwellNumber",
    "Points",
    "PotentialCheck",
    "PressureSlope",
    "PressureSlopes",
    "PublishedMaxwell",
    "QuadraticFit",
    "RadiusCheck",
    "RadiusSummary",
    "Slope",
    "SlopeCheck",
    "SlopeLaw",
    "Spread",
    "Table4Row",
    "adiabat",
    "collapse",
    "csv_text",
    "entropy_along",
    "fit_quadratic",
    "heat_capacities",
    "log_log_slopes",
    "markdown",
    "maxwell",
    "potentials",
    "pressure_slopes",
    "radius",
    "select",
    "table4",
]
