"""The isotropic noise model beside its theory: panels a to d of IG figures 1, 3 and 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from thermograd.analysis.isotropic_law import isotropic_law, noise_scale
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import (
    Array,
    Curve,
    colour_entries,
    curves,
    draw_curves,
    draw_line,
    grid_axes,
    hollow_entry,
    over_seeds,
    style_entry,
)
from thermograd.figures.style import label, thinned, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = [
    "ENERGY",
    "ENTROPY",
    "PREDICTIONS",
    "energy_and_entropy",
    "isotropic_entropy_over_first",
    "isotropic_entropy_over_second",
    "isotropic_radius",
    "kinds",
]

ENERGY, ENTROPY = "#0072B2", "#B35900"
"""Colours of the energy and of the entropy: the paper's blue and orange, dark enough to be read as text."""

PREDICTIONS: tuple[tuple[Any, str], ...] = (
    ("-.", "#CC3377"),
    (":", "#009E73"),
    ((0, (5, 1, 1, 1)), "#7A5195"),
)
"""Line style and colour of predictions that are passed in, in their order."""

_CURVES = 9  # of 17, as in the paper: more hide each other
_DENSE = 80  # points of a line of theory
_DIFFERS = 0.01  # the small-T form is drawn where it is off by more of the energy, or of the entropy's range


def energy_and_entropy(
    states: xr.Dataset, ax: Axes, *, predictions: Mapping[str, xr.Dataset] | None = None, key: bool = True
) -> Axes:
    """Draw U (left, blue) and S_sphere (right, orange) over the temperature's own axis (panel a).

    The axis is the ELR, at fixed LR the weight decay, at the middle value of the other. Points are measured,
    solid lines the exact von Mises-Fisher law, dashed lines its small-T form where that can be told from it.

    Parameters
    ----------
    states
        Stationary states of the isotropic model with ``loss`` and ``entropy_sphere``; attribute ``sigma``.
    ax
        matplotlib axes to draw into; the right axis is added to its figure.
    predictions
        More predictions by their words in the key: datasets over the grid that hold ``loss``,
        ``entropy_sphere`` or both.
    key
        Whether to put a key into the axes.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        Unknown protocol, a variable or grid axis missing, or no ``sigma`` on record.

    References
    ----------
    IG figures 1a, 3a, 4a.

    """
    first, second = grid_axes(states)
    along, other = (second, first) if first == "lr" else (first, second)
    middle = states.sizes[other] // 2
    at = float(states[other].values[middle])
    x = _between(states[along].values)
    law = _law(states, along, x, at)
    right = ax.twinx()
    right.grid(visible=False)
    drawn = []
    for side, name, colour in ((ax, "loss", ENERGY), (right, "entropy_sphere", ENTROPY)):
        curve = _one(states, name, along, other, middle, colour)
        drawn.append(curve)
        draw_curves(side, [curve], joined=False)
        draw_line(side, x, law[name], gid=f"{name}:exact", style="-", colour=colour)
        cold = law[f"{name}_small_t"]
        scale = np.abs(law[name]) if name == "loss" else np.ptp(law[name]) + np.zeros_like(x)
        visible = np.where(np.abs(cold - law[name]) > _DIFFERS * scale, cold, np.nan)
        if np.isfinite(visible).any():
            draw_line(side, x, visible, gid=f"{name}:small-t", style="--", colour=colour)
        for (style, _), (words, predicted) in zip(PREDICTIONS, (predictions or {}).items(), strict=False):
            if name in predicted:
                row = predicted[name].isel({other: middle}).transpose(along).values.astype(float)
                draw_line(side, curve.x, row, gid=f"{name}:{words}", style=style, colour=colour)
        side.tick_params(axis="y", colors=colour)
        side.set_ylabel(r"$U$" if name == "loss" else r"$S_\mathrm{sphere}$ [nats]", color=colour)
    logarithmic(ax, y=False)
    ax.set_xlabel(label(along))
    where = label(other).removesuffix(" [weights]")
    ax.set_title(rf"$U$ and $S_\mathrm{{sphere}}$ at {where} = {value_text(at)}")
    if key:
        ax.legend(handles=[*kinds(ax, predictions), *hollow_entry(drawn)], loc="upper left", handlelength=2.2)
    return ax


def isotropic_radius(states: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the radius over the decay, on a fixed sphere the effective decay over the radius (panel b).

    One curve for each learning rate, thinned to nine; points are measured, lines the SDE's law.

    Parameters
    ----------
    states
        Stationary states of the isotropic model with ``norm`` or ``effective_wd``; attribute ``sigma``.
    ax
        matplotlib axes to draw into.
    key
        Whether to put the key of colours beside the axes.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        Unknown protocol, a variable or grid axis missing, or no ``sigma`` on record.

    References
    ----------
    IG figures 1b, 3b, 4b; eq. 63, 72, 84.

    """
    first, second = grid_axes(states)
    name = "effective_wd" if second == "radius" else "norm"
    _family(states, ax, name, second, first, key)
    logarithmic(ax)
    what = r"$\lambda_\mathrm{eff}$" if name == "effective_wd" else "radius $r^*$"
    ax.set_title(f"{what} over {label(second).removesuffix(' [weights]')}")
    ax.set_ylabel(label(name))
    return ax


def isotropic_entropy_over_second(states: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the entropy over the decay or the radius, one curve for each learning rate (panel c).

    Parameters
    ----------
    states
        Stationary states of the isotropic model with ``entropy``; attribute ``sigma``.
    ax
        matplotlib axes to draw into.
    key
        Whether to put the key of colours beside the axes.

    Returns
    -------
    Axes
        The axes that were passed in; raises as `isotropic_radius`.

    """
    first, second = grid_axes(states)
    return _entropy(states, ax, second, first, key)


def isotropic_entropy_over_first(states: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the entropy over the learning rate, one curve for each decay or radius (panel d).

    Parameters
    ----------
    states
        Stationary states of the isotropic model with ``entropy``; attribute ``sigma``.
    ax
        matplotlib axes to draw into.
    key
        Whether to put the key of colours beside the axes.

    Returns
    -------
    Axes
        The axes that were passed in; raises as `isotropic_radius`.

    """
    first, second = grid_axes(states)
    return _entropy(states, ax, first, second, key)


def kinds(ax: Axes, predictions: Mapping[str, xr.Dataset] | None = None) -> list[Line2D]:
    """Key entries for the kinds of lines and markers of these panels, in no curve's colour.

    Parameters
    ----------
    ax
        The drawn panel a: the small-T form gets an entry where it is drawn.
    predictions
        As in `energy_and_entropy`.

    """
    entries = [style_entry("measured", "none", marker="o", markersize=4.5), style_entry("theory", "-")]
    drawn = {str(line.get_gid()) for each in ax.figure.axes for line in each.lines}
    if drawn & {"loss:small-t", "entropy_sphere:small-t"}:
        entries.append(style_entry("small-T form", "--"))
    styles = zip(PREDICTIONS, predictions or {}, strict=False)
    return [*entries, *(style_entry(words, style) for (style, _), words in styles)]


def _entropy(states: xr.Dataset, ax: Axes, along: str, other: str, key: bool) -> Axes:
    _family(states, ax, "entropy", along, other, key)
    logarithmic(ax, y=False)
    ax.set_title(f"entropy $S$ over {label(along).removesuffix(' [weights]')}")
    ax.set_ylabel(label("entropy"))
    return ax


def _family(states: xr.Dataset, ax: Axes, name: str, along: str, other: str, key: bool) -> None:
    """Measured points and the line of theory, for some values of the other axis."""
    chosen = thinned(range(states.sizes[other]), _CURVES)
    every = curves(states, name, along)
    drawn = [every[i] for i in chosen]
    draw_curves(ax, drawn, joined=False)
    x = _between(states[along].values)
    for i, curve in zip(chosen, drawn, strict=True):
        values = _law(states, along, x, float(states[other].values[i]))[name]
        draw_line(ax, x, values, gid=f"{curve.gid}:exact", style="-", colour=curve.colour)
    ax.set_xlabel(label(along))
    if key:
        entries = [*colour_entries(states, other, most=_CURVES), *kinds(ax)[:2], *hollow_entry(drawn)]
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
        ax.legend(handles=entries, title=label(other), handlelength=1.8, handletextpad=0.5, **place)


def _between(values: Array) -> Array:
    """A fine grid over an axis, logarithmic as the grids are."""
    low, high = float(values[0]), float(values[-1])
    return np.geomspace(low, high, _DENSE) if high > low else np.array([low])


def _law(states: xr.Dataset, along: str, x: Array, at: float) -> dict[str, Array]:
    """Theory along one axis with the other one held."""
    first, second = grid_axes(states)
    values = {along: x, (second if along == first else first): np.full_like(x, at)}
    protocol, dim = str(states.attrs["protocol"]), int(states.attrs["dim"])
    return isotropic_law(protocol, values[first], values[second], dim=dim, sigma=noise_scale(states))


def _one(states: xr.Dataset, name: str, along: str, other: str, which: int, colour: str) -> Curve:
    """One curve of a variable at the value with this position on the other axis."""
    if name not in states:
        raise InputError(f"figure: variable {name} is missing; expected it among {sorted(map(str, states))}")
    value, error, good = (array.isel({other: which}).transpose(along) for array in over_seeds(states, name))
    finite = np.isfinite(value.values)
    x = states[along].values.astype(float)
    return Curve(name, x, value.values, error.values, good.values & finite, colour)
