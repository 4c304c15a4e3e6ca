"""What is left of the isotropic model when its exact law is taken off: the size of the step, seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.isotropic_law import law_on_grid
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import Array, draw_line, grid_axes, over_seeds, style_entry
from thermograd.figures.isotropic import ENERGY, ENTROPY, PREDICTIONS
from thermograd.figures.output import new_figure
from thermograd.figures.style import GREY, label, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["energy_residual", "entropy_residual", "isotropic_residuals", "radius_residual"]

Predictions = Mapping[str, xr.Dataset]
_RADIUS = "#00795A"


def isotropic_residuals(states: xr.Dataset, *, predictions: Predictions | None = None) -> Figure:
    """Compose the residuals of energy, radius (or effective decay) and entropy over the ELR.

    Parameters
    ----------
    states
        Stationary states of the isotropic model; attribute ``sigma``.
    predictions
        Predictions by their words in the key: datasets over the grid with any of ``loss``, ``norm``,
        ``effective_wd``, ``entropy_sphere``.

    Returns
    -------
    Figure
        Known to nobody but the caller: no pyplot, nothing to close.

    Raises
    ------
    InputError
        Unknown protocol, a variable or grid axis missing, or no ``sigma`` on record.

    """
    with styled():
        figure = new_figure(10.2, 3.9)
        axes = figure.subplots(1, 3)
        for ax, draw in zip(axes, (energy_residual, radius_residual, entropy_residual), strict=True):
            draw(states, ax, predictions=predictions, key=False)
        entries = [
            style_entry("mean of one ELR", "none", marker="o", markersize=4.5),
            style_entry("one state", "none", "#bbbbbb", marker="o", markersize=3),
            style_entry("theory", "-", linewidth=1.0),
        ]
        styles = zip(PREDICTIONS, predictions or {}, strict=False)
        entries += [style_entry(words, style, colour) for (style, colour), words in styles]
        figure.legend(handles=entries, loc="outside lower center", ncols=len(entries), columnspacing=1.4)
    return figure


def energy_residual(
    states: xr.Dataset, ax: Axes, *, predictions: Predictions | None = None, key: bool = True
) -> Axes:
    """Draw ``U / U_exact - 1`` over the ELR, U_exact the von Mises-Fisher law at the hyperparameters' T.

    Pale points are states, full ones the means of all states of one ELR; error bars are one standard error.

    Parameters
    ----------
    states
        Stationary states of the isotropic model with ``loss``; attribute ``sigma``.
    ax
        matplotlib axes to draw into.
    predictions
        Predictions by their words in the key: datasets over the grid that hold ``loss``.
    key
        Whether to put a key into the axes where there are predictions.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        Unknown protocol, a variable or grid axis missing, or no ``sigma`` on record.

    """
    return _relative(states, ax, "loss", "loss", ENERGY, predictions, key)


def radius_residual(
    states: xr.Dataset, ax: Axes, *, predictions: Predictions | None = None, key: bool = True
) -> Axes:
    """Draw the radius over its finite-step prediction, minus 1; on a fixed sphere the effective decay.

    The prediction takes the noise from ``sigma`` and the gradient from the exact law: nothing measured.

    Parameters
    ----------
    states
        Stationary states of the isotropic model with ``norm`` or ``effective_wd``; attribute ``sigma``.
    ax
        matplotlib axes to draw into.
    predictions
        Predictions by their words in the key: datasets over the grid with the same variable.
    key
        Whether to put a key into the axes where there are predictions.

    Returns
    -------
    Axes
        The axes that were passed in; raises as `energy_residual`.

    """
    name = "effective_wd" if "radius" in grid_axes(states) else "norm"
    return _relative(states, ax, name, f"{name}_finite_step", _RADIUS, predictions, key)


def entropy_residual(
    states: xr.Dataset, ax: Axes, *, predictions: Predictions | None = None, key: bool = True
) -> Axes:
    """Draw ``S_sphere`` minus that of the exact law over the ELR, in nats: mostly the bias of the estimate.

    Parameters
    ----------
    states
        Stationary states of the isotropic model with ``entropy_sphere``; attribute ``sigma``.
    ax
        matplotlib axes to draw into.
    predictions
        Predictions by their words in the key: datasets over the grid that hold ``entropy_sphere``.
    key
        Whether to put a key into the axes where there are predictions.

    Returns
    -------
    Axes
        The axes that were passed in; raises as `energy_residual`.

    """
    law = law_on_grid(states)
    exact = law["entropy_sphere"]
    value, error, good = _measured(states, "entropy_sphere")
    _draw(ax, law, value - exact, error, good, "entropy_sphere", ENTROPY)
    lines = {w: p["entropy_sphere"] - exact for w, p in (predictions or {}).items() if "entropy_sphere" in p}
    _predicted(ax, law, lines, list(predictions or {}), "entropy_sphere", key)
    ax.set_title("entropy")
    ax.set_ylabel(r"$S_\mathrm{sphere} - S_\mathrm{exact}$ [nats]")
    return ax


def _relative(
    states: xr.Dataset,
    ax: Axes,
    name: str,
    reference: str,
    colour: str,
    predictions: Predictions | None,
    key: bool,
) -> Axes:
    from matplotlib.ticker import FuncFormatter

    law = law_on_grid(states)
    value, error, good = _measured(states, name)
    unit = law[reference]
    _draw(ax, law, value / unit - 1, error / unit, good, name, colour)
    lines = {words: p[name] / unit - 1 for words, p in (predictions or {}).items() if name in p}
    _predicted(ax, law, lines, list(predictions or {}), name, key)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.3g}%".replace("-", "−")))
    title, symbol = {
        "loss": ("energy", r"$U / U_\mathrm{exact} - 1$"),
        "norm": ("radius", r"$r^* / r_\mathrm{finite\,step} - 1$"),
        "effective_wd": ("effective decay", r"$\lambda_\mathrm{eff} / \lambda_\mathrm{finite\,step} - 1$"),
    }[name]
    ax.set_title(title)
    ax.set_ylabel(symbol)
    return ax


def _measured(states: xr.Dataset, name: str) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    axes = grid_axes(states)
    if name not in states:
        raise InputError(f"figure: variable {name} is missing; expected it among {sorted(map(str, states))}")
    value, error, good = (array.transpose(*axes) for array in over_seeds(states, name))
    return value, error, good & value.notnull()


def _draw(
    ax: Axes,
    law: xr.Dataset,
    residual: xr.DataArray,
    error: xr.DataArray,
    good: xr.DataArray,
    name: str,
    colour: str,
) -> None:
    """States in equilibrium as pale points, and the mean of all those of one ELR with its error bar."""
    rate = law["effective_lr"].values
    used = good.transpose(*law["effective_lr"].dims).values
    y, sd = (array.transpose(*law["effective_lr"].dims).values for array in (residual, error))
    (each,) = ax.plot(rate[used], y[used], "o", color="#bbbbbb", markersize=2.5, zorder=2)
    each.set_gid(f"{name}:states")
    x, mean, se = _by_rate(rate[used], y[used], sd[used])
    drawn = np.where(np.isfinite(se), se, 0.0)
    container = ax.errorbar(
        x, mean, yerr=drawn, fmt="o", color=colour, markersize=4.5, elinewidth=1.2, zorder=4
    )
    container.lines[0].set_gid(f"{name}:means")
    ax.axhline(0.0, color=GREY, linewidth=1.0, zorder=1.5)
    logarithmic(ax, y=False)
    if mean.size:
        # Set by the means: single states at small steps scatter so far that nothing else could be seen.
        reach = 1.3 * float(np.max(np.abs(mean) + drawn))
        ax.set_ylim(-reach or -1.0, reach or 1.0)
    ax.set_xlabel(label("effective_lr"))


def _predicted(
    ax: Axes, law: xr.Dataset, lines: Mapping[str, xr.DataArray], order: list[str], name: str, key: bool
) -> None:
    entries = []
    low, high = ax.get_ylim()
    for words, residual in lines.items():
        style, colour = PREDICTIONS[order.index(words) % len(PREDICTIONS)]
        y = residual.transpose(*law["effective_lr"].dims).values.astype(float)
        finite = np.isfinite(y)
        x, mean, _ = _by_rate(law["effective_lr"].values[finite], y[finite], np.zeros(int(finite.sum())))
        draw_line(ax, x, mean, gid=f"{name}:{words}", style=style, colour=colour)
        entries.append(style_entry(words, style, colour))
        if mean.size:
            low, high = min(low, 1.1 * float(mean.min())), max(high, 1.1 * float(mean.max()))
    ax.set_ylim(low, high)
    if key and entries:
        ax.legend(handles=entries, loc="best")


def _by_rate(rate: Array, y: Array, sd: Array) -> tuple[Array, Array, Array]:
    """Plain means over equal rates: weights from estimated errors would favour chance underestimates."""
    # lr * wd of a log-spaced grid repeats only up to rounding
    _, first, group = np.unique(np.log(rate).round(9), return_index=True, return_inverse=True)
    count = np.bincount(group)
    mean = np.bincount(group, weights=y) / np.maximum(count, 1)
    se = np.sqrt(np.bincount(group, weights=sd**2)) / np.maximum(count, 1)
    return rate[first], mean, se
