"""The temperature over the plane of both hyperparameters, as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import grid_axes, over_seeds
from thermograd.figures.style import label, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["temperature_map"]


def temperature_map(states: xr.Dataset, ax: Axes) -> Axes:
    """Draw T over the plane: colours and contours measured, crosses where a run is out of equilibrium.

    At fixed ELR and on spheres T depends on the ELR alone, so that contours run along the other axis; at
    fixed LR they fall as ``lr * wd = const``.

    Parameters
    ----------
    states
        Stationary states of one protocol, with ``temperature``.
    ax
        matplotlib axes to draw into; its figure gets a colour bar.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        Unknown protocol, a variable or grid axis missing, or no temperature above 0.

    References
    ----------
    IG figures 2, 5-10, temperature panels.

    """
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import MaxNLocator

    first, second = grid_axes(states)
    value, _, good = over_seeds(states, "temperature")
    T = value.transpose(second, first).values
    inside = good.transpose(second, first).values & np.isfinite(T) & (T > 0)
    if not inside.any():
        raise InputError("figure: no state in equilibrium has a temperature above 0; expected one at least")
    x, y = states[first].values, states[second].values
    norm = LogNorm(T[inside].min(), max(T[inside].max(), T[inside].min() * 1.01))
    held = np.where(inside, T, np.nan)
    mesh = ax.pcolormesh(_edges(x), _edges(y), held, norm=norm, cmap="inferno", shading="flat", zorder=1)
    mesh.set_gid("temperature-map")
    if min(T.shape) > 1 and inside.all() and T.max() > 1.05 * T.min():
        levels = np.geomspace(T.min(), T.max(), 8)[1:-1]
        ax.contour(x, y, T, levels=levels, colors="white", linewidths=0.9, zorder=2)
    at_y, at_x = np.nonzero(inside)
    ax.plot(x[at_x], y[at_y], ".", color="white", markersize=2.5, zorder=2.5)
    out = np.argwhere(~inside)
    if len(out):
        (marks,) = ax.plot(x[out[:, 1]], y[out[:, 0]], "x", color="#444444", markersize=7, zorder=3)
        marks.set_gid("temperature-map:out-of-equilibrium")
    logarithmic(ax)
    ax.grid(visible=False)
    ax.set_title("temperature map")
    ax.set_xlabel(label(first))
    ax.set_ylabel(label(second))
    bar = ax.figure.colorbar(mesh, ax=ax, ticks=MaxNLocator(5), format=lambda v, _: value_text(v))
    bar.minorticks_off()
    bar.set_label(label("temperature"))
    return ax


def _edges(values: np.ndarray) -> np.ndarray:
    """Ends of cells about log-spaced values; a value that is alone gets half a decade."""
    z = np.log(values)
    if len(z) == 1:
        return np.asarray(np.exp([z[0] - 0.6, z[0] + 0.6]))
    middle = (z[1:] + z[:-1]) / 2
    return np.asarray(np.exp(np.concatenate([[2 * z[0] - middle[0]], middle, [2 * z[-1] - middle[-1]]])))
