"""The stationary radius, or on a fixed sphere the effective weight decay, beside the theory's predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import (
    curves,
    draw_curves,
    draw_legends,
    draw_line,
    grid_axes,
    hollow_entry,
    over_seeds,
    style_entry,
)
from thermograd.figures.style import FORMULAS, TITLES, label
from thermograd.theory.radius import (
    Versions,
    effective_wd_sphere,
    stationary_radius_elr,
    stationary_radius_lr,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["stationary_radius"]

_LAWS: dict[tuple[str, str], Callable[..., Versions]] = {
    ("elr", "radius"): effective_wd_sphere,
    ("elr", "wd"): stationary_radius_elr,
    ("lr", "wd"): stationary_radius_lr,
}


def stationary_radius(states: xr.Dataset, ax: Axes, *, colour_key: bool = True) -> Axes:
    """Draw the measured norm and its three predictions over the first hyperparameter (IG figures 2c and 12).

    On a fixed sphere the norm is given and the effective weight decay takes its place. Points are measured;
    lines are predicted from the gradient noise measured in the same states: SDE solid, discrete dashed,
    finite-step dotted. A line breaks where its state is not in equilibrium or has no stationary radius.

    Parameters
    ----------
    states
        Stationary states of one protocol, with ``norm`` or ``effective_wd``, and ``tr_sigma``; without
        ``grad_sq`` only the SDE's line is drawn.
    ax
        matplotlib axes to draw into.
    colour_key
        Whether to put the key of colours beside the axes.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        Unknown protocol, or a variable or grid axis missing.

    """
    first, second = grid_axes(states)
    name = "effective_wd" if second == "radius" else "norm"
    drawn = curves(states, name, first)
    draw_curves(ax, drawn, joined=False)
    lines = _predicted(states)
    for key, predicted in lines.items():
        values = predicted.transpose(second, first).values
        for i, curve in enumerate(drawn):
            y = np.where(curve.equilibrium, values[i], np.nan)
            draw_line(ax, curve.x, y, gid=f"{curve.gid}:{key}", style=FORMULAS[key].line, colour=curve.colour)
    logarithmic(ax)
    ax.set_title(TITLES[name])
    ax.set_xlabel(label(first))
    ax.set_ylabel(label(name))
    kinds = [style_entry(FORMULAS[key].text, FORMULAS[key].line) for key in lines]
    draw_legends(ax, states, second, kinds, hollow_entry(drawn), colour_key=colour_key)
    return ax


def _predicted(states: xr.Dataset) -> dict[str, xr.DataArray]:
    """The predictions by version, each with the dimensions of the grid."""
    noise = over_seeds(states, "tr_sigma")[0]
    both = "grad_sq" in states
    # An unbiased estimate of a square near 0 may be negative; the mean square m that it completes is not.
    square = over_seeds(states, "grad_sq")[0] if both else xr.zeros_like(noise)
    axes = {axis: xr.broadcast(states[axis], noise)[0] for axis in grid_axes(states)}
    arrays = xr.broadcast(*axes.values(), noise, square)
    a, b, tr_sigma, grad_sq = (array.transpose(*noise.dims).values for array in arrays)
    with np.errstate(invalid="ignore"):
        versions = _LAWS[grid_axes(states)](a, b, tr_sigma, grad_sq)
    found = versions._asdict() if both else {"sde": versions.sde}
    return {key: xr.DataArray(values, dims=noise.dims) for key, values in found.items()}
