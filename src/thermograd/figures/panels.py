"""The six panels of a hyperparameter grid in one figure, as figure 2 of the ideal-gas paper has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from thermograd.figures.draw import colour_entries, grid_axes, style_entry
from thermograd.figures.entropy import entropy_over_first, entropy_over_second
from thermograd.figures.grid import loss, sigma2, temperature
from thermograd.figures.output import new_figure
from thermograd.figures.radius import stationary_radius
from thermograd.figures.style import FORMULAS, label, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["panels"]


def panels(states: xr.Dataset) -> Figure:
    """Compose the six panels of one protocol: noise, loss, radius, temperature, entropy over either axis.

    A panel whose variable was not measured stays empty and says so.

    Parameters
    ----------
    states
        Stationary states of one protocol.

    Returns
    -------
    Figure
        Known to nobody but the caller: no pyplot, nothing to close. `save` writes it.

    Raises
    ------
    InputError
        Unknown protocol, or a grid axis missing.

    """
    radius = "effective_wd" if "radius" in grid_axes(states) else "norm"
    drawers = (sigma2, loss, stationary_radius, temperature, entropy_over_first, entropy_over_second)
    needs = ("sigma2", "loss", radius, "temperature", "entropy", "entropy")
    with styled():
        figure = new_figure(11.0, 7.6)
        for letter, ax, draw, name in zip("abcdef", figure.subplots(2, 3).flat, drawers, needs, strict=True):
            if name in states:
                draw(states, ax, key=False)
            else:
                ax.set_axis_off()
                ax.text(0.5, 0.5, f"{name} was not measured", ha="center", transform=ax.transAxes)
            ax.set_title(f"{letter}  {ax.get_title()}")
        _keys(figure, states)
    return figure


def _keys(figure: Figure, states: xr.Dataset) -> None:
    """The keys of lines above all panels and of both colour scales below, where they hide no data."""
    first, second = grid_axes(states)
    for axis, corner in ((second, "left"), (first, "right")):
        placed: dict[str, Any] = {"loc": f"outside lower {corner}", "title": label(axis), "ncols": 4}
        figure.legend(handles=colour_entries(states, axis, most=8), handletextpad=0.1, **placed)
    drawn = {str(line.get_gid()).rsplit(":", 1)[-1] for ax in figure.axes for line in ax.lines}
    kinds = [style_entry(f"{f.text} (c)", f.line) for name, f in FORMULAS.items() if name in drawn]
    if "fit" in drawn:
        kinds.append(style_entry("quadratic fit (e, f)", "--"))
    if "out-of-equilibrium" in drawn:
        kinds.append(style_entry("out of equilibrium", "none", marker="o", markerfacecolor="white"))
    if kinds:
        above: dict[str, Any] = {"loc": "outside upper center", "ncols": len(kinds)}
        figure.legend(handles=kinds, handlelength=2.0, handletextpad=0.5, **above)
