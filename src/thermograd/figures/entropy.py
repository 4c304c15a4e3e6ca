"""The entropy over each hyperparameter, with the quadratic surface behind the Maxwell relations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.maxwell import maxwell
from thermograd.analysis.quadratic import QuadraticFit
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import (
    Array,
    curves,
    draw_curves,
    draw_key,
    draw_line,
    grid_axes,
    hollow_entry,
    style_entry,
)
from thermograd.figures.style import TITLES, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["entropy_over_first", "entropy_over_second"]


def entropy_over_first(states: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the entropy over the learning rate (or ELR), one curve for each decay or radius (IG figure 2e).

    The dashed lines are the least-squares quadratic surface in the logarithms of both hyperparameters
    (IG appendix F), fitted to the states in equilibrium. Where these are too few for it there are no lines.

    Parameters
    ----------
    states
        Stationary states of one protocol, with ``entropy``.
    ax
        matplotlib axes to draw into.
    key
        Whether to put the key of colours and lines beside the axes.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        Unknown protocol, or a variable or grid axis missing.

    """
    return _entropy(states, ax, 0, key)


def entropy_over_second(states: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the entropy over the weight decay or radius, one curve for each learning rate (IG figure 2f).

    Parameters
    ----------
    states
        Stationary states of one protocol, with ``entropy``.
    ax
        matplotlib axes to draw into.
    key
        Whether to put the key of colours and lines beside the axes.

    Returns
    -------
    Axes
        The axes that were passed in; see `entropy_over_first` for what is drawn and raised.

    """
    return _entropy(states, ax, 1, key)


def _entropy(states: xr.Dataset, ax: Axes, along: int, key: bool) -> Axes:
    axes = grid_axes(states)
    along_axis, other = axes[along], axes[1 - along]
    drawn = curves(states, "entropy", along_axis)
    draw_curves(ax, drawn)
    fit = _surface(states)
    if fit is not None:
        for curve, value in zip(drawn, states[other].values.astype(float), strict=True):
            fixed = np.full_like(curve.x, value)
            x, y = (curve.x, fixed) if along == 0 else (fixed, curve.x)
            # Between the points it was fitted to, and not beyond.
            inside = np.flatnonzero(curve.equilibrium)
            values = np.full_like(curve.x, np.nan)
            if inside.size:
                span = slice(inside[0], inside[-1] + 1)
                values[span] = _height(fit, np.log(x[span]), np.log(y[span]))
            draw_line(ax, curve.x, values, gid=f"{curve.gid}:fit", style="--", colour=curve.colour)
    logarithmic(ax, y=False)
    ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4), useMathText=True)
    ax.set_title(TITLES["entropy"])
    ax.set_xlabel(label(along_axis))
    ax.set_ylabel(label("entropy"))
    if key:
        kinds = [] if fit is None else [style_entry("quadratic fit", "--")]
        draw_key(ax, states, other, [*kinds, *hollow_entry(drawn)])
    return ax


def _surface(states: xr.Dataset) -> QuadraticFit | None:
    try:
        return maxwell(states).fit
    except InputError:
        return None  # too few states in equilibrium: the points can still be looked at


def _height(fit: QuadraticFit, x: Array, y: Array) -> Array:
    a = fit.coefficients
    return np.asarray(a[0] + a[1] * x + a[2] * y + a[3] * x**2 + a[4] * y**2 + a[5] * x * y)
