"""The panels of a hyperparameter grid that draw one measured quantity: gradient noise, loss, temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import curves, draw_curves, draw_key, grid_axes, hollow_entry
from thermograd.figures.style import TITLES, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["loss", "sigma2", "temperature"]


def sigma2(states: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the gradient noise per direction over what it depends on: the ELR, or LR times WD at fixed LR.

    Curves of all radii or decays falling onto one is the collapse of IG figure 2a.

    Parameters
    ----------
    states
        Stationary states of one protocol, with ``sigma2``.
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
    first = grid_axes(states)[0]
    if first == "lr":
        _measured(states, ax, "sigma2", states["lr"] * states["wd"], "lr_wd", key)
    else:
        _measured(states, ax, "sigma2", None, first, key)
    return ax


def loss(states: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the mean training loss, the internal energy, over the first hyperparameter (IG figure 2b).

    Parameters
    ----------
    states
        Stationary states of one protocol, with ``loss``.
    ax
        matplotlib axes to draw into.
    key
        Whether to put the key of colours and lines beside the axes.

    """
    _measured(states, ax, "loss", None, grid_axes(states)[0], key)
    return ax


def temperature(states: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the temperature, measured from the gradient noise, over the first hyperparameter (IG figure 2d).

    Parameters
    ----------
    states
        Stationary states of one protocol, with ``temperature``.
    ax
        matplotlib axes to draw into.
    key
        Whether to put the key of colours and lines beside the axes.

    """
    _measured(states, ax, "temperature", None, grid_axes(states)[0], key)
    return ax


def _measured(
    states: xr.Dataset, ax: Axes, name: str, x: xr.DataArray | None, x_label: str, key: bool
) -> None:
    first, second = grid_axes(states)
    drawn = curves(states, name, first, x)
    draw_curves(ax, drawn)
    logarithmic(ax)
    ax.set_title(TITLES[name])
    ax.set_xlabel(label(x_label))
    ax.set_ylabel(label(name))
    if key:
        draw_key(ax, states, second, hollow_entry(drawn))
