"""The real gas: compressibility of the states over temperature, measured and predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.compressibility import CompressibilityCheck, compressibility
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import colour_entries, curves, draw_curves, draw_line, grid_axes, style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.style import FORMULAS, label, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compressibility_over_temperature", "real_gas"]

_TITLES = {"FixedSphere": "fixed sphere", "FixedELR": "fixed ELR", "FixedLR": "fixed LR"}
_LINES = ("discrete", "finite_step")


def real_gas(states_by_protocol: Mapping[str, xr.Dataset]) -> Figure:
    """Compose Z over T of all protocols, a panel each.

    Parameters
    ----------
    states_by_protocol
        Stationary states by protocol name; those without a compressibility in equilibrium are left out.

    Returns
    -------
    Figure
        Known to nobody but the caller: no pyplot, nothing to close.

    Raises
    ------
    InputError
        If no protocol has a state with a compressibility.

    """
    usable = {}
    for name, states in states_by_protocol.items():
        try:
            usable[name] = compressibility(states)
        except InputError:
            continue
    if not usable:
        raise InputError("figure: no states with a compressibility in equilibrium; expected one at least")
    with styled():
        figure = new_figure(4.1 * len(usable) + 0.4, 4.4)
        panels = np.atleast_1d(figure.subplots(1, len(usable)))
        for ax, (name, check) in zip(panels, usable.items(), strict=True):
            compressibility_over_temperature(states_by_protocol[name], ax, check=check)
            ax.set_title(_TITLES[name])
        kinds = [style_entry(FORMULAS[name].text, FORMULAS[name].line) for name in _LINES]
        kinds += [
            style_entry("ideal gas, Z = 1", "-", "#999999"),
            style_entry("measured", "none", marker="o"),
        ]
        figure.legend(handles=kinds, loc="outside upper center", ncols=len(kinds))
    return figure


def compressibility_over_temperature(
    states: xr.Dataset, ax: Axes, *, check: CompressibilityCheck | None = None
) -> Axes:
    """Draw ``Z = p V / (R T)`` over T: points measured, lines predicted from the same states' gradients.

    Parameters
    ----------
    states
        Stationary states of one protocol; over seeds the mean is drawn.
    ax
        matplotlib axes to draw into.
    check
        Their compressibility, if it is known already.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        As :func:`thermograd.analysis.compressibility.compressibility`.

    """
    first, second = grid_axes(states)
    points = (compressibility(states) if check is None else check).points
    points = points.mean("seed") if "seed" in points.dims else points
    drawn = curves(states, "compressibility", first, _mean(states, "temperature"))
    draw_curves(ax, drawn, joined=False)
    predicted = points["predicted"].transpose("version", second, first)
    temperature = points["temperature"].transpose(second, first).values
    for version in _LINES:
        for i, curve in enumerate(drawn):
            order = np.argsort(temperature[i])  # T need not rise with the learning rate
            draw_line(
                ax,
                temperature[i][order],
                predicted.sel(version=version).values[i][order],
                gid=f"{curve.gid}:{version}",
                style=FORMULAS[version].line,
                colour=curve.colour,
            )
    ax.axhline(1.0, color="#999999", linewidth=1.2, zorder=1.5)
    logarithmic(ax, y=False)
    ax.set_xlabel(label("temperature"))
    ax.set_ylabel("$Z = pV / RT$")
    ax.legend(handles=colour_entries(states, second, most=5), title=label(second), loc="best", fontsize=9)
    return ax


def _mean(states: xr.Dataset, name: str) -> xr.DataArray:
    values = states[name].where(states["status"] == "equilibrium", states[name])
    return values.mean("seed") if "seed" in values.dims else values
