"""Tests of the theory on stationary states: each takes a states dataset and gives results with error bars.

Only points in equilibrium are used unless told otherwise, and every result lists what was left out and why.
"""

from thermograd.analysis.adiabat import Adiabat, AdiabatCheck, adiabat, entropy_along
from thermograd.analysis.bridge import BridgeLine, MeanRatio, bridge
from thermograd.analysis.collapse import Collapse, Spread, collapse
from thermograd.analysis.common_slope import Slope
from thermograd.analysis.decay import DecayRun, temperature_decay
from thermograd.analysis.free_energy import Bands, temperature_bands
from thermograd.analysis.free_energy_curves import free_energy_curves
from thermograd.analysis.heat import HeatCheck, HeatLine, heat_capacities
from thermograd.analysis.maxwell import MaxwellCheck, MaxwellNumber, maxwell
from thermograd.analysis.parameterisation import Parameterisation, parameterisation
from thermograd.analysis.phase import PhaseBySize, PhaseRun, phase_by_size, phase_exponents
from thermograd.analysis.points import LeftOut, Points, select
from thermograd.analysis.potentials import Beyond, PotentialCheck, potentials
from thermograd.analysis.power_law import PowerLaw, fit_power_law
from thermograd.analysis.pressure import PressureSlope, PressureSlopes, pressure_slopes
from thermograd.analysis.published import (
    PHASE_EXPONENTS,
    TABLE_4,
    TEMPERATURE_LAWS,
    PublishedExponent,
    PublishedMaxwell,
    PublishedTemperature,
)
from thermograd.analysis.quadratic import QuadraticFit, fit_quadratic
from thermograd.analysis.radius import RadiusCheck, RadiusSummary, radius
from thermograd.analysis.regimes import REGIMES, Regimes, regimes
from thermograd.analysis.slopes import SlopeCheck, SlopeLaw, log_log_slopes
from thermograd.analysis.tables import Table4Row, csv_text, markdown, table4
from thermograd.analysis.temperature_law import TemperatureLine, temperature_law

__all__ = [
    "PHASE_EXPONENTS",
    "REGIMES",
    "TABLE_4",
    "TEMPERATURE_LAWS",
    "Adiabat",
    "AdiabatCheck",
    "Bands",
    "Beyond",
    "BridgeLine",
    "Collapse",
    "DecayRun",
    "HeatCheck",
    "HeatLine",
    "LeftOut",
    "MaxwellCheck",
    "MaxwellNumber",
    "MeanRatio",
    "Parameterisation",
    "PhaseBySize",
    "PhaseRun",
    "Points",
    "PotentialCheck",
    "PowerLaw",
    "PressureSlope",
    "PressureSlopes",
    "PublishedExponent",
    "PublishedMaxwell",
    "PublishedTemperature",
    "QuadraticFit",
    "RadiusCheck",
    "RadiusSummary",
    "Regimes",
    "Slope",
    "SlopeCheck",
    "SlopeLaw",
    "Spread",
    "Table4Row",
    "TemperatureLine",
    "adiabat",
    "bridge",
    "collapse",
    "csv_text",
    "entropy_along",
    "fit_power_law",
    "fit_quadratic",
    "free_energy_curves",
    "heat_capacities",
    "log_log_slopes",
    "markdown",
    "maxwell",
    "parameterisation",
    "phase_by_size",
    "phase_exponents",
    "potentials",
    "pressure_slopes",
    "radius",
    "regimes",
    "select",
    "table4",
    "temperature_bands",
    "temperature_decay",
    "temperature_law",
]
