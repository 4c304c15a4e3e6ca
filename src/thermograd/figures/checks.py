"""How far the measured radius is from each of its predictions, step size by step size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.radius import radius as radius_check
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import grid_axes, style_entry
from thermograd.figures.style import FORMULAS, GREY, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["radius_errors"]

_DRAWN = ("equilibrium", "converging", "not-stationary")
_LINEAR_TO = 0.01  # below 1% the scale is linear, so that both signs and zero can be shown


def radius_errors(states: xr.Dataset, ax: Axes) -> Axes:
    """Draw the relative errors of the SDE, discrete and finite-step predictions over the ELR.

    The radius (or the effective weight decay on a fixed sphere) as measured over that predicted, minus 1, for
    every run of the grid; error bars are one standard error of both. The scale is linear within 1% and
    logarithmic beyond.

    Parameters
    ----------
    states
        Stationary states of one protocol, with what :func:`thermograd.analysis.radius` needs.
    ax
        matplotlib axes to draw into.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        A variable missing, or no state to draw.

    """
    grid_axes(states)
    points = radius_check(states, statuses=_DRAWN).points
    rate = states["effective_lr"]
    good = (states["status"] == "equilibrium").values.ravel()
    ax.axhline(0.0, color=GREY, linewidth=1.0, zorder=2)
    kinds = []
    for key, formula in FORMULAS.items():
        chosen = points.sel(version=key)
        x = rate.transpose(*states["status"].dims).values.ravel()
        y = chosen["relative_error"].transpose(*states["status"].dims).values.ravel()
        error = chosen["relative_error_se"].transpose(*states["status"].dims).values.ravel()
        error = np.where(good & np.isfinite(error), error, 0.0)
        container = ax.errorbar(
            x,
            np.where(good, y, np.nan),
            yerr=error if error.any() else None,
            fmt=formula.marker,
            color=formula.colour,
            markersize=4,
            elinewidth=0.8,
            capsize=0,
            zorder=3,
        )
        container.lines[0].set_gid(f"{key}:equilibrium")
        kinds.append(style_entry(formula.text, "none", formula.colour, marker=formula.marker, markersize=5))
        if np.isfinite(y[~good]).any():
            (hollow,) = ax.plot(
                x,
                np.where(good, np.nan, y),
                formula.marker,
                color=formula.colour,
                markerfacecolor="white",
                markersize=4.5,
                zorder=3.5,
            )
            hollow.set_gid(f"{key}:out-of-equilibrium")
    if np.isfinite(points["relative_error"].values[:, ~good.reshape(states["status"].shape)]).any():
        kinds.append(
            style_entry("out of equilibrium", "none", marker="o", markersize=4.5, markerfacecolor="white")
        )
    ax.set_yscale("symlog", linthresh=_LINEAR_TO, linscale=1.0)
    _percent_ticks(ax)
    logarithmic(ax, y=False)
    what = "effective weight decay" if "radius" in states.dims else "radius"
    ax.set_title(f"{what}: errors of theory")
    ax.set_xlabel(label("effective_lr"))
    ax.set_ylabel("measured / predicted − 1")
    ax.legend(
        handles=kinds, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, handletextpad=0.2
    )
    return ax


def _percent_ticks(ax: Axes) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    sizes = [0.005, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
    ax.yaxis.set_major_locator(FixedLocator([-s for s in reversed(sizes)] + [0.0, *sizes]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%".replace("-", "−")))
