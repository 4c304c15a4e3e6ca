"""The stationary radius, or on a fixed sphere the effective weight decay, beside the theory's predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from thermograd.analysis.radius import radius as radius_check
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import (
    curves,
    draw_curves,
    draw_key,
    draw_line,
    grid_axes,
    hollow_entry,
    style_entry,
)
from thermograd.figures.style import FORMULAS, TITLES, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["stationary_radius"]


def stationary_radius(states: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the measured norm and its three predictions over the first hyperparameter (IG figures 2c and 12).

    On a fixed sphere the norm is given and the effective weight decay takes its place. Points are measured;
    lines are predicted from the gradient noise measured in the same states: SDE solid, discrete dashed,
    finite-step dotted. A line breaks where its state is not in equilibrium or has no stationary radius.

    Parameters
    ----------
    states
        Stationary states of one protocol, with ``norm`` or ``effective_wd``; without ``tr_sigma`` and
        ``grad_sq`` there are no lines.
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
    first, second = grid_axes(states)
    name = "effective_wd" if second == "radius" else "norm"
    drawn = curves(states, name, first)
    draw_curves(ax, drawn, joined=False)
    predicted = _predicted(states)
    if predicted is not None:
        for version, formula in FORMULAS.items():
            values = predicted.sel(version=version).transpose(second, first).values
            for i, curve in enumerate(drawn):
                gid = f"{curve.gid}:{version}"
                draw_line(ax, curve.x, values[i], gid=gid, style=formula.line, colour=curve.colour)
    logarithmic(ax)
    ax.set_title(TITLES[name])
    ax.set_xlabel(label(first))
    ax.set_ylabel(label(name))
    if key:
        lines = [] if predicted is None else list(FORMULAS.values())
        kinds = [style_entry(formula.text, formula.line) for formula in lines]
        draw_key(ax, states, second, [*kinds, *hollow_entry(drawn)])
    return ax


def _predicted(states: xr.Dataset) -> xr.DataArray | None:
    """The predictions by ``version``, NaN out of equilibrium, averaged over seeds; None if there are none."""
    try:
        predicted = radius_check(states).points["predicted"]
    except InputError:
        return (
            None  # no gradient noise on record or no equilibrium: the measured points can still be looked at
        )
    return predicted.mean("seed") if "seed" in predicted.dims else predicted
