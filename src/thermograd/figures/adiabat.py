"""Adiabats: entropy along a curve on which it should stay, beside one on which it should not (V4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import Array, grid_axes, style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.style import label, styled
from thermograd.protocol import Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PATHS", "adiabats", "entropy_on_paths", "paths_in_plane"]

PATHS = ("#0072B2", "#D55E00", "#009E73", "#7A5195")
"""Colours of the paths, in their order; the first is the adiabat."""

_SPHERE = "#7fb2d6"
_CURVES = ("--", "-.", ":")
_STAYS, _WIDE = 1.001, 4.0

Paths = Mapping[str, Sequence[xr.Dataset]]


def adiabats(paths: Paths, *, curves: Mapping[str, Sequence[Protocol]] | None = None) -> Figure:
    """Compose the entropy along the paths (left) and the paths in the plane of hyperparameters (right).

    Parameters
    ----------
    paths
        States of a single grid point each, in order along a path, by the path's words in the key. The first
        path is the adiabat.
    curves
        Predicted curves by their words, such as that of a constant gamma.

    Returns
    -------
    Figure
        Known to nobody but the caller: no pyplot, nothing to close.

    Raises
    ------
    InputError
        No paths, one without states, states of more than one grid point, of several protocols, or without
        entropy or temperature.

    """
    with styled():
        figure = new_figure(9.2, 3.9)
        left, right = figure.subplots(1, 2)
        entropy_on_paths(paths, left, key=False)
        paths_in_plane(paths, right, curves=curves, key=False)
        entries = [
            style_entry(words, "-", colour, marker="o", markersize=4.5)
            for words, colour in zip(paths, PATHS, strict=False)
        ]
        entries.append(
            style_entry(r"$S_\mathrm{sphere}$ on the first", "-", _SPHERE, marker="s", markersize=4)
        )
        entries += [style_entry(words, line) for line, words in zip(_CURVES, curves or {}, strict=False)]
        figure.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), 4))
    return figure


def entropy_on_paths(paths: Paths, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the entropy over the measured temperature, path by path, less its mean on the first path.

    On the first path, the adiabat, the change of ``S_sphere`` from its start is drawn as well: what the
    direction gains, the radius has to give back.

    Parameters
    ----------
    paths
        As in `adiabats`.
    ax
        matplotlib axes to draw into.
    key
        Whether to put a key into the axes.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        As `adiabats`.

    References
    ----------
    IG section 4 (V4), eq. 31, 97-99.

    """
    _checked(paths)
    level = 0.0
    for i, ((words, states), colour) in enumerate(zip(paths.items(), PATHS, strict=False)):
        T, _ = _column(states, "temperature")
        S, error = _column(states, "entropy")
        if i == 0:
            # Not the first state: its error would shift every other one.
            level = float(np.nanmean(S))
            sphere, sphere_error = _column(states, "entropy_sphere")
            _draw(ax, T, sphere - sphere[0], sphere_error, "s-", _SPHERE, "entropy_sphere")
        _draw(ax, T, S - level, error, "o-", colour, words)
    ax.axhline(0.0, color="#444444", linewidth=1.0, zorder=1.5)
    logarithmic(ax, y=False)
    ax.set_title("entropy along the path")
    ax.set_xlabel(label("temperature"))
    ax.set_ylabel("entropy, less its mean\non the adiabat [nats]")
    if key:
        ax.legend(loc="best")
    return ax


def paths_in_plane(
    paths: Paths, ax: Axes, *, curves: Mapping[str, Sequence[Protocol]] | None = None, key: bool = True
) -> Axes:
    """Draw the paths in the plane of the protocol's two hyperparameters, beside predicted curves.

    Parameters
    ----------
    paths, curves
        As in `adiabats`.
    ax
        matplotlib axes to draw into.
    key
        Whether to put a key into the axes.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        As `adiabats`.

    """
    first, second = _checked(paths)
    for (words, states), colour in zip(paths.items(), PATHS, strict=False):
        x, y = ([float(state[axis].item()) for state in states] for axis in (second, first))
        (line,) = ax.plot(x, y, "o-", color=colour, markersize=4.5, label=words, zorder=3)
        line.set_gid(f"plane:{words}")
    for (words, protocols), style in zip((curves or {}).items(), _CURVES, strict=False):
        x, y = ([protocol.values[axis] for protocol in protocols] for axis in (second, first))
        (line,) = ax.plot(x, y, style, color="#444444", linewidth=1.4, label=words, zorder=2.5)
        line.set_gid(f"plane:{words}")
    # A hyperparameter that stays must look like it: a frame of a few percent would make much of rounding.
    ax.plot(
        *(
            _frame([state[axis].item() for states in paths.values() for state in states])
            for axis in (second, first)
        ),
        " ",
    )
    logarithmic(ax)
    ax.set_xlabel(label(second))
    ax.set_ylabel(label(first))
    ax.set_title("the path itself")
    if key:
        ax.legend(loc="best")
    return ax


def _checked(paths: Paths) -> tuple[str, str]:
    """The axes of the one protocol that all states are of."""
    if not paths or not all(paths.values()):
        raise InputError(f"figure: paths are {list(paths)}; expected one at least, each with states")
    names = {str(state.attrs.get("protocol")) for states in paths.values() for state in states}
    if len(names) > 1:
        raise InputError(f"figure: paths are of protocols {sorted(names)}; expected a single one")
    for words, states in paths.items():
        for state in states:
            axes = grid_axes(state)
            if any(state.sizes[axis] != 1 for axis in axes) or state.sizes.get("seed", 1) != 1:
                sizes = dict(state.sizes)
                raise InputError(
                    f"figure: a state on path {words!r} has sizes {sizes}; expected a single point"
                )
    return axes


def _frame(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis that shows these values, wide where they are one value up to rounding."""
    low, high = min(values), max(values)
    return (low, high) if high > _STAYS * low else (low / _WIDE, high * _WIDE)


def _column(states: Sequence[xr.Dataset], name: str) -> tuple[Array, Array]:
    for state in states:
        if name not in state:
            known = sorted(map(str, state))
            raise InputError(f"figure: variable {name} is missing; expected it among {known}")
    values = np.array([state[name].item() for state in states])
    unknown = xr.DataArray(np.nan)
    return values, np.array([state.get(f"{name}_se", unknown).item() for state in states])


def _draw(ax: Axes, x: Array, y: Array, error: Array, style: str, colour: str, words: str) -> None:
    bars = np.where(np.isfinite(error), error, 0.0)
    container = ax.errorbar(
        x,
        y,
        yerr=bars if bars.any() else None,
        fmt=style,
        color=colour,
        markersize=4.5,
        elinewidth=1.0,
        zorder=3,
    )
    container.set_label(words.replace("entropy_sphere", r"$S_\mathrm{sphere}$ on the first"))
    container.lines[0].set_gid(f"path:{words}")
