"""Panels a to e of one protocol of the isotropic model in one figure, as IG figures 1, 3 and 4 have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

from thermograd.analysis.potentials import PotentialCheck, potentials
from thermograd.errors import InputError
from thermograd.figures.draw import colour_entries, grid_axes, style_entry
from thermograd.figures.isotropic import (
    energy_and_entropy,
    isotropic_entropy_over_first,
    isotropic_entropy_over_second,
    isotropic_radius,
    kinds,
)
from thermograd.figures.output import new_figure
from thermograd.figures.potentials import minima, minima_entries
from thermograd.figures.style import label, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

__all__ = ["isotropic_panels"]

_KEYS = 4  # entries in a row above panels a to d


def isotropic_panels(
    states: xr.Dataset,
    *,
    check: PotentialCheck | None = None,
    predictions: Mapping[str, xr.Dataset] | None = None,
) -> Figure:
    """Compose energy and entropy (a), radius (b), entropy over either axis (c, d) and the potentials (e).

    A panel whose variable was not measured, or whose analysis cannot be made, says so instead.

    Parameters
    ----------
    states
        Stationary states of the isotropic model, one protocol; attribute ``sigma``.
    check
        From :func:`thermograd.analysis.potentials`; made here if it is not given.
    predictions
        More lines for panel a, see `energy_and_entropy`.

    Returns
    -------
    Figure
        Known to nobody but the caller: no pyplot, nothing to close. `save` writes it.

    Raises
    ------
    InputError
        Unknown protocol, a grid axis missing, or no ``sigma`` on record.

    """
    radius = "effective_wd" if "radius" in grid_axes(states) else "norm"
    with styled():
        figure = new_figure(10.2, 6.6)
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.0, 0.09)).flat
        left, right = above.subfigures(1, 2, squeeze=False, width_ratios=(1.32, 1.0)).flat
        axes = left.subplots(2, 2)
        drawers: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
            (
                "a",
                lambda ax: energy_and_entropy(states, ax, predictions=predictions, key=False),
                ("loss", "entropy_sphere"),
            ),
            ("b", lambda ax: isotropic_radius(states, ax, key=False), (radius,)),
            ("c", lambda ax: isotropic_entropy_over_second(states, ax, key=False), ("entropy",)),
            ("d", lambda ax: isotropic_entropy_over_first(states, ax, key=False), ("entropy",)),
        )
        for ax, (letter, draw, needs) in zip(axes.flat, drawers, strict=True):
            missing = [name for name in needs if name not in states]
            if missing:
                _empty(ax, f"{' and '.join(missing)} not measured")
            else:
                draw(ax)
            ax.set_title(f"{letter}  {ax.get_title()}")
        _potentials(states, check, right)
        _keys(left, below, states, predictions)
    return figure


def _potentials(states: xr.Dataset, check: PotentialCheck | None, figure: SubFigure) -> None:
    try:
        minima(check or potentials(states), figure, letter="e")
    except InputError as error:
        import textwrap

        _empty(figure.subplots(), "\n".join(textwrap.wrap(str(error), 40)))
        figure.suptitle("e", fontsize=12)


def _empty(ax: Any, words: str) -> None:
    ax.set_axis_off()
    ax.text(0.5, 0.5, words, ha="center", va="center", transform=ax.transAxes)


def _keys(
    left: SubFigure, below: SubFigure, states: xr.Dataset, predictions: Mapping[str, xr.Dataset] | None
) -> None:
    """Keys around the panels, where they hide no data: lines above them, colours and squares below."""
    first, second = grid_axes(states)
    placed: dict[str, Any] = {"handletextpad": 0.0, "columnspacing": 0.5, "borderaxespad": 0.2}
    for axis, left_end, panels in ((first, 0.0, "b, c"), (second, 0.37, "d")):
        title = f"{label(axis).removesuffix(' [weights]')} ({panels})"
        entries, corner = colour_entries(states, axis, most=5), (left_end, 0.5)
        below.legend(
            handles=entries, loc="center left", bbox_to_anchor=corner, title=title, ncols=5, **placed
        )
    below.legend(handles=minima_entries(), loc="center right", title="potential (e)", ncols=2, **placed)
    lines = kinds(left.axes[0], predictions)
    drawn = {str(line.get_gid()).rsplit(":", 1)[-1] for ax in left.axes for line in ax.lines}
    if "out-of-equilibrium" in drawn:
        lines.append(style_entry("out of equilibrium", "none", marker="o", markerfacecolor="white"))
    # More than fit above the panels beside (e) go into a second row.
    above: dict[str, Any] = {
        "loc": "outside upper center",
        "ncols": math.ceil(len(lines) / -(-len(lines) // _KEYS)),
    }
    left.legend(handles=lines, handlelength=2.0, handletextpad=0.4, columnspacing=1.2, **above)
