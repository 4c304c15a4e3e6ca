"""Figures: one function for each, ``(states, ax) -> ax``, and compositions of them.

matplotlib is imported when something is drawn, never before, and pyplot not at all.
"""

from thermograd.figures.checks import radius_errors
from thermograd.figures.entropy import entropy_over_first, entropy_over_second
from thermograd.figures.grid import loss, sigma2, temperature
from thermograd.figures.output import encode, save
from thermograd.figures.panels import panels
from thermograd.figures.radius import stationary_radius
from thermograd.figures.style import STYLE, styled
from thermograd.figures.training import predicted_norm, training, training_loss, training_norm

__all__ = [
    "STYLE",
    "encode",
    "entropy_over_first",
    "entropy_over_second",
    "loss",
    "panels",
    "predicted_norm",
    "radius_errors",
    "save",
    "sigma2",
    "stationary_radius",
    "styled",
    "temperature",
    "training",
    "training_loss",
    "training_norm",
]
