"""Energy and entropy over the iterations beside each other: FE figures 1 and 8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from thermograd.figures.free_energy_time import entropy_over_time, loss_over_time
from thermograd.figures.output import new_figure
from thermograd.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["energy_and_entropy_over_time"]


def energy_and_entropy_over_time(
    trace: xr.Dataset, *, uniform_loss: float | None = None, uniform_entropy: float | None = None
) -> Figure:
    """Compose U (left) and S (right) over the iterations, a curve for each learning rate.

    Parameters
    ----------
    trace
        Runs of one seed.
    uniform_loss, uniform_entropy
        What the uniform law on the sphere would give, as dashed lines.

    References
    ----------
    FE figures 1 and 8.

    """
    with styled():
        figure = new_figure(11.0, 3.9)
        left, right = figure.subplots(1, 2)
        loss_over_time(trace, left, uniform=uniform_loss, key=False)
        entropy_over_time(trace, right, uniform=uniform_entropy)
    return figure
