"""Which state minimises the Helmholtz or Gibbs energy: panel e of IG figures 1, 3 and 4 (V2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from thermograd.analysis.potentials import PotentialCheck
from thermograd.errors import InputError
from thermograd.figures.draw import Array, style_entry
from thermograd.figures.style import label, thinned, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

__all__ = ["excess_map", "excess_scale", "minima", "minima_entries", "star_columns"]

_OWN, _EMPTY = "#E3242B", "#b8b8b8"
_DECADES = 5.0  # of colour: whatever lies closer to the minimum than this is told by no colour
_SQUARE, _CIRCLE = 6.0, 4.0


def excess_scale(excess: xr.DataArray) -> LogNorm:
    """The logarithmic colour scale of all panels of one check.

    It ends at the largest excess and begins at the smallest that is not zero, or five decades below. The
    minimum itself, at zero, takes the darkest colour: a logarithm has no other place for it.

    Parameters
    ----------
    excess
        ``PotentialCheck.excess``.

    Raises
    ------
    InputError
        When no excess is above zero: there is nothing to compare.

    """
    from matplotlib.colors import LogNorm

    values = excess.values[np.isfinite(excess.values)]
    positive = values[values > 0]
    if positive.size == 0:
        raise InputError(
            f"figure: none of the {excess.size} potential differences is above 0; expected two states or more"
        )
    high = float(positive.max())
    low = max(float(positive.min()), high * 10**-_DECADES)
    return LogNorm(low, high if high > low else 10 * low)


def excess_map(check: PotentialCheck, ax: Axes, star: tuple[int, int], norm: LogNorm | None = None) -> Axes:
    """Draw ``G - min G`` over all states at the temperature and pressure of one of them.

    The axes are those of the reference: the learning rate downwards, the decay to the right, so that a
    state's panel and its place in the panel match. White square: the minimising state. Red circle: the state
    whose temperature and pressure are used. Grey: states left out.

    Parameters
    ----------
    check
        From :func:`thermograd.analysis.potentials`, with ``potential`` ``"G"``.
    ax
        matplotlib axes to draw into.
    star
        Positions of that state on both axes of the grid.
    norm
        Colour scale; default: `excess_scale` of the whole check.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        A check of the other potential, or one without any difference.

    """
    excess = _of(check, "G")
    first_star, second_star, first, second = (str(name) for name in excess.dims)
    panel = excess.isel({first_star: star[0], second_star: star[1]})
    rows, columns = excess[first].values.astype(float), excess[second].values.astype(float)
    values = panel.transpose(first, second).values
    _draw(ax, columns, rows, values, norm or excess_scale(excess))
    if np.isfinite(values).any():
        row, column = np.unravel_index(int(np.nanargmin(values)), values.shape)
        _marks(ax, [columns[column]], [rows[row]], [columns[star[1]]], [rows[star[0]]])
    return ax


def star_columns(check: PotentialCheck, ax: Axes, radius: int, norm: LogNorm | None = None) -> Axes:
    """Draw ``F - min F`` on one sphere: each column is one temperature, each row one state.

    White squares: the minimising state of each column. Red circles: the state at its own temperature, the
    diagonal. Grey: states left out.

    Parameters
    ----------
    check
        From :func:`thermograd.analysis.potentials`, with ``potential`` ``"F"``.
    ax
        matplotlib axes to draw into.
    radius
        Position on the axis of radii.
    norm
        Colour scale; default: `excess_scale` of the whole check.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        A check of the other potential, or one without any difference.

    """
    excess = _of(check, "F")
    which, star, own = (str(name) for name in excess.dims)
    values = excess.isel({which: radius}).transpose(own, star).values
    rates = excess[own].values.astype(float)
    _draw(ax, rates, rates, values, norm or excess_scale(excess))
    known = np.flatnonzero(np.isfinite(values).any(axis=0))
    lowest = [int(np.nanargmin(values[:, column])) for column in known]
    _marks(ax, rates[known], rates[lowest], rates[known], rates[known], small=True)
    text = f"$r$ = {value_text(float(excess[which].values[radius]))}"
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "boxstyle": "round,pad=0.2"}
    ax.text(0.05, 0.06, text, transform=ax.transAxes, fontsize=9, bbox=box, zorder=5)
    return ax


def minima(check: PotentialCheck, figure: Figure | SubFigure, *, letter: str = "") -> list[Axes]:
    """Fill a figure with the maps of one check: 3 x 3 states for G, four radii for F, one colour scale.

    The title says for what share of all states, not only of those shown, the minimum lies within one grid
    step of the state itself.

    Parameters
    ----------
    check
        From :func:`thermograd.analysis.potentials`.
    figure
        An empty figure or subfigure.
    letter
        Put before the title.

    Returns
    -------
    list of Axes
        The panels, row by row.

    Raises
    ------
    InputError
        When the check holds no difference.

    References
    ----------
    IG figures 1e, 3e, 4e.

    """
    from matplotlib.cm import ScalarMappable

    excess = check.excess.squeeze("seed", drop=True) if check.excess.sizes.get("seed") == 1 else check.excess
    norm = excess_scale(excess)
    if check.potential == "F":
        names = [str(name) for name in excess.dims if name != "seed"]
        chosen = thinned(range(excess.sizes[names[0]]), 4)
        side = 2 if len(chosen) > 1 else 1
        panels = figure.subplots(math.ceil(len(chosen) / side), side, sharex=True, sharey=True, squeeze=False)
        for ax, radius in zip(panels.flat, chosen, strict=False):
            star_columns(check, ax, radius, norm)
        below, beside = r"ELR that sets $T^*$", "ELR of the state"
    else:
        stars = [_spread(excess.sizes[name]) for name in list(excess.dims)[:2]]
        panels = figure.subplots(len(stars[0]), len(stars[1]), sharex=True, sharey=True, squeeze=False)
        for ax, (i, j) in zip(panels.flat, ((i, j) for i in stars[0] for j in stars[1]), strict=True):
            excess_map(check, ax, (i, j), norm)
        first, second = (str(name).removesuffix("_star") for name in list(excess.dims)[:2])
        below, beside = label(second), label(first)
    axes = list(panels.flat)
    for ax in axes:
        ax.label_outer()
    # Labels of the whole figure would lie under a key outside the panels: the middle panel carries them.
    for ax in _carriers(list(panels[-1])):
        ax.set_xlabel(below)
    for ax in _carriers(list(panels[:, 0])):
        ax.set_ylabel(beside)
    scale = ScalarMappable(norm, "viridis")
    figure.colorbar(scale, ax=axes, location="bottom", fraction=0.04, pad=0.02, aspect=40, extend="min")
    share = f"{100 * check.within_one:.0f}% of minima within one step"
    name = f"${check.potential} - \\min {check.potential}$"
    figure.suptitle(f"{letter}{'  ' if letter else ''}{name}: {share}", fontsize=12)
    return axes


def minima_entries() -> list[Line2D]:
    """Key entries for the square and the circle."""
    square: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": "#666666"}
    return [
        style_entry("minimum", "none", marker="s", markersize=_SQUARE, **square),
        style_entry("the state itself", "none", _OWN, marker="o", markersize=_CIRCLE),
    ]


def _of(check: PotentialCheck, potential: str) -> xr.DataArray:
    if check.potential != potential:
        raise InputError(f"figure: the check is of potential {check.potential!r}; expected {potential!r}")
    excess = check.excess
    if "seed" in excess.dims:
        excess = excess.isel(
            seed=0, drop=True
        )  # a map shows one run of each state; the share counts them all
    return excess


def _carriers(row: list[Axes]) -> list[Axes]:
    """The middle panel of a row, or all of a row that has none."""
    return [row[len(row) // 2]] if len(row) % 2 else row


def _spread(count: int) -> list[int]:
    """First, middle and last of the stars shown: an eighth of the axis from its ends, as in the paper."""
    return sorted({count // 8, count // 2, count - 1 - count // 8})


def _draw(ax: Axes, x: Array, y: Array, values: Array, norm: LogNorm) -> None:
    from matplotlib import colormaps
    from matplotlib.ticker import FixedLocator, NullLocator

    shown = np.ma.masked_invalid(np.maximum(values, norm.vmin or 0.0))
    colours = colormaps["viridis"].with_extremes(bad=_EMPTY)
    mesh = ax.pcolormesh(_edges(x), _edges(y), shown, norm=norm, cmap=colours, rasterized=True)
    mesh.set_gid("excess")
    ax.grid(visible=False)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(
        _edges(y)[-1], _edges(y)[0]
    )  # not invert_yaxis: panels that share the axis would turn it again
    for axis, centres in ((ax.xaxis, x), (ax.yaxis, y)):
        axis.set_major_locator(FixedLocator(_ends(centres)))
        axis.set_minor_locator(NullLocator())


def _marks(
    ax: Axes,
    x: Sequence[float] | Array,
    y: Sequence[float] | Array,
    own_x: Sequence[float] | Array,
    own_y: Sequence[float] | Array,
    *,
    small: bool = False,
) -> None:
    square_size, circle_size = (5.0, 2.4) if small else (_SQUARE, _CIRCLE)
    square: dict[str, Any] = {"color": "white", "markersize": square_size, "markeredgecolor": "#333333"}
    square |= {"markeredgewidth": 0.5, "zorder": 3}
    (lowest,) = ax.plot(x, y, "s", linestyle="none", **square)
    (own,) = ax.plot(own_x, own_y, "o", linestyle="none", color=_OWN, markersize=circle_size, zorder=4)
    lowest.set_gid("minimum")
    own.set_gid("own")


def _ends(centres: Array) -> list[float]:
    """The outermost powers of ten on an axis: in a panel this small, more labels run into each other."""
    low, high = math.ceil(math.log10(centres[0]) - 1e-9), math.floor(math.log10(centres[-1]) + 1e-9)
    if low > high:
        return [float(centres[0])]
    return [10.0**power for power in sorted({low, high})]


def _edges(centres: Array) -> Array:
    """Borders of cells around logarithmically placed centres."""
    logs = np.log(centres)
    between = (logs[1:] + logs[:-1]) / 2
    half = (between[0] - logs[0], logs[-1] - between[-1]) if logs.size > 1 else (0.5, 0.5)
    return np.asarray(np.exp(np.concatenate([[logs[0] - half[0]], between, [logs[-1] + half[1]]])))
