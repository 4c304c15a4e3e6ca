"""What all figures of a grid share: a curve for each value of the other axis, error bars, markers, keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.figures.style import GREY, colours, label, thinned, value_text
from thermograd.protocol import PROTOCOLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = [
    "Curve",
    "colour_entries",
    "curves",
    "draw_curves",
    "draw_key",
    "draw_line",
    "grid_axes",
    "hollow_entry",
    "over_seeds",
    "style_entry",
]


Array = NDArray[np.float64]


def grid_axes(states: xr.Dataset) -> tuple[str, str]:
    """The two hyperparameters of the dataset's protocol, by name.

    Raises
    ------
    InputError
        Unknown protocol, or a grid axis that the dataset lacks.

    """
    name = str(states.attrs.get("protocol"))
    if name not in PROTOCOLS:
        raise InputError(
            f"figure: the dataset's protocol is {name!r}; expected one of {', '.join(PROTOCOLS)}"
        )
    first, second = PROTOCOLS[name].axes
    for axis in (first, second):
        if axis not in states.dims:
            raise InputError(
                f"figure: the {name} dataset has dimensions {list(states.dims)}; expected {axis} among them"
            )
    return first, second


@dataclass(frozen=True)
class Curve:
    """One variable along one grid axis, at one value of the other.

    Attributes
    ----------
    gid
        Name given to the drawn line: ``variable:axis=value``.
    x, y, error
        Values in the dataset's own units; ``error`` is one standard error, NaN where unknown.
    equilibrium
        Which points are stationary states; the others are drawn hollow and joined to nothing.
    colour
        Hex colour.

    """

    gid: str
    x: Array
    y: Array
    error: Array
    equilibrium: NDArray[np.bool_]
    colour: str


def over_seeds(states: xr.Dataset, name: str) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Mean over seeds of one variable, its standard error, and which grid points are in equilibrium.

    Only seeds in equilibrium count, unless a grid point has none. The error is the larger of what the seeds'
    own errors say and what their scatter says: seeds that disagree more than their errors allow show it.
    """
    if name not in states:
        raise InputError(f"figure: variable {name} is missing; expected it among {sorted(map(str, states))}")
    value = states[name].astype(float)
    error = states[f"{name}_se"].astype(float) if f"{name}_se" in states else xr.full_like(value, np.nan)
    good = states["status"] == "equilibrium" if "status" in states else xr.ones_like(value, dtype=bool)
    if "seed" not in value.dims:
        return value, error, good
    some = good.any("seed")
    used = (good | ~some) & value.notnull()
    count = used.sum("seed")
    kept = value.where(used)
    own = (error.where(used).fillna(0.0) ** 2).sum("seed") ** 0.5 / count.where(count > 0)
    own = own.where(error.where(used).notnull().any("seed"))
    scatter = kept.std("seed", ddof=1).where(count > 1) / count.where(count > 1) ** 0.5
    return kept.mean("seed"), own.where(own.fillna(0.0) >= scatter.fillna(0.0), scatter), some


def curves(states: xr.Dataset, name: str, along: str, x: xr.DataArray | None = None) -> list[Curve]:
    """One curve of a variable for each value of the axis that does not run along x.

    Parameters
    ----------
    states
        Stationary states of one protocol.
    name
        Variable to draw.
    along
        Grid axis that x follows.
    x
        Values to use for x instead of that axis, with any of the grid's dimensions.

    """
    first, second = grid_axes(states)
    other = second if along == first else first
    value, error, good = over_seeds(states, name)
    places = xr.broadcast(states[along].astype(float) if x is None else x, value)[0].transpose(other, along)
    value, error, good = (array.transpose(other, along) for array in (value, error, good))
    shades = colours(other, states.sizes[other])
    return [
        Curve(
            gid=f"{name}:{other}={value_text(float(which))}",
            x=places.values[i],
            y=value.values[i],
            error=error.values[i],
            equilibrium=good.values[i] & np.isfinite(value.values[i]),
            colour=shades[i],
        )
        for i, which in enumerate(states[other].values)
    ]


def draw_curves(ax: Axes, drawn: Sequence[Curve], *, joined: bool = True) -> None:
    """Draw curves: filled markers with error bars in equilibrium, hollow markers elsewhere."""
    for curve in drawn:
        inside = np.where(curve.equilibrium, curve.y, np.nan)
        outside = np.where(curve.equilibrium, np.nan, curve.y)
        error = np.where(curve.equilibrium & np.isfinite(curve.error), curve.error, 0.0)
        container = ax.errorbar(
            curve.x,
            inside,
            yerr=error if error.any() else None,
            fmt="o-" if joined else "o",
            color=curve.colour,
            markersize=4,
            linewidth=1.1,
            elinewidth=1.0,
            capsize=0,
            zorder=3,
        )
        container.lines[0].set_gid(f"{curve.gid}:equilibrium")
        if np.isfinite(outside).any():
            (hollow,) = ax.plot(
                curve.x,
                outside,
                "o",
                color=curve.colour,
                markerfacecolor="white",
                markersize=4.5,
                markeredgewidth=1.2,
                zorder=3.5,
            )
            hollow.set_gid(f"{curve.gid}:out-of-equilibrium")


def draw_line(ax: Axes, x: Array, y: Array, *, gid: str, style: str, colour: str) -> None:
    """Draw a prediction or a fit: a line without markers, broken where it is NaN.

    A value with no finite neighbour would leave no trace of a line, so it gets a short horizontal dash.
    """
    (line,) = ax.plot(x, y, style, color=colour, linewidth=1.4, zorder=2.5)
    line.set_gid(gid)
    finite = np.isfinite(y)
    padded = np.concatenate([[False], finite, [False]])
    alone = finite & ~padded[:-2] & ~padded[2:]
    if alone.any():
        ax.plot(x[alone], y[alone], linestyle="none", marker="_", markersize=11, color=colour, zorder=2.5)


def style_entry(text: str, style: Any, colour: str = GREY, **settings: Any) -> Line2D:
    """A legend entry that says what a kind of line or marker means, in no curve's colour."""
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle=style, color=colour, label=text, **settings)


def hollow_entry(drawn: Sequence[Curve]) -> list[Line2D]:
    """The legend entry of hollow markers, where any are drawn."""
    if not any(np.isfinite(curve.y[~curve.equilibrium]).any() for curve in drawn):
        return []
    return [style_entry("out of equilibrium", "none", marker="o", markersize=4.5, markerfacecolor="white")]


def colour_entries(states: xr.Dataset, axis: str, most: int = 7) -> list[Line2D]:
    """Legend entries for the colours of an axis, thinned when it has many values."""
    from matplotlib.lines import Line2D

    values = [float(value) for value in states[axis].values]
    shades = colours(axis, len(values))
    return [
        Line2D(
            [], [], linestyle="none", marker="o", markersize=5, color=shades[i], label=value_text(values[i])
        )
        for i in thinned(values, most)
    ]


def draw_key(ax: Axes, states: xr.Dataset, axis: str, kinds: Sequence[Line2D]) -> None:
    """Put one key beside the axes, where it hides no data: colours of a grid axis, then kinds of lines."""
    ax.legend(
        handles=[*colour_entries(states, axis), *kinds],
        title=label(axis),
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
        handlelength=1.8,
        handletextpad=0.5,
    )
