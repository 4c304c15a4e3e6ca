"""The temperature of free-energy minimisation beside that of the gradient noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thermograd.analysis.bridge import BridgeLine
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import draw_line, style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.style import GREY, label, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bridge", "bridge_ratio", "bridge_temperatures"]

_NOISE, _MINIMUM, _SLOPE = "#D55E00", "#009E73", "#0072B2"
_ASIDE = 1.03  # two ratios of one ELR are drawn beside each other


def bridge(line: BridgeLine) -> Figure:
    """Compose the temperatures (left) and their ratios (right).

    Parameters
    ----------
    line
        From :func:`thermograd.analysis.bridge.bridge`.

    """
    with styled():
        figure = new_figure(11.0, 3.9)
        left, right = figure.subplots(1, 2)
        bridge_temperatures(line, left)
        bridge_ratio(line, right)
    return figure


def bridge_temperatures(line: BridgeLine, ax: Axes) -> Axes:
    """Draw the three temperatures over the ELR, with the band of free-energy minimisation.

    Parameters
    ----------
    line
        From :func:`thermograd.analysis.bridge.bridge`.
    ax
        matplotlib axes to draw into.

    Returns
    -------
    Axes
        The axes that were passed in.

    """
    points = line.points
    x, low, high = points["elr"].values, points["lower"].values, points["upper"].values
    both = (low > 0) & np.isfinite(high) & (low <= high)
    ax.fill_between(x, low, high, where=both, color=_MINIMUM, alpha=0.18, linewidth=0, zorder=2)
    looks = (
        ("minimum", _MINIMUM, "o", "free energy is least"),
        ("slope", _SLOPE, "^", "$dU/dS$"),
        ("noise", _NOISE, "s", r"$\eta_\mathrm{eff}\,\sigma^2/2$"),
    )
    entries = []
    for name, colour, marker, text in looks:
        y, se = points[name].values, np.nan_to_num(points[f"{name}_se"].values)
        drawn = ax.errorbar(
            x, y, yerr=se, fmt=f"{marker}-", color=colour, markersize=4, linewidth=1.1, zorder=3
        )
        drawn.lines[0].set_gid(name)
        entries.append(style_entry(text, "-", colour, marker=marker, markersize=4))
    logarithmic(ax)
    ax.set_title("temperatures")
    ax.set_xlabel(label("elr"))
    ax.set_ylabel(label("temperature"))
    ax.legend(handles=entries, loc="best")
    return ax


def bridge_ratio(line: BridgeLine, ax: Axes) -> Axes:
    """Draw the temperatures over that of the noise; lines are the weighted means, with one standard error.

    Parameters
    ----------
    line
        From :func:`thermograd.analysis.bridge.bridge`.
    ax
        matplotlib axes to draw into.

    Returns
    -------
    Axes
        The axes that were passed in.

    """
    points = line.points
    x = points["elr"].values
    entries = []
    for name, mean, colour, marker, text, side in (
        ("minimum", line.minimum, _MINIMUM, "o", "free energy", 1 / _ASIDE),
        ("slope", line.slope, _SLOPE, "^", "$dU/dS$", _ASIDE),
    ):
        y, se = points[f"{name}_ratio"].values, np.nan_to_num(points[f"{name}_ratio_se"].values)
        drawn = ax.errorbar(x * side, y, yerr=se, fmt=marker, color=colour, markersize=4, zorder=3)
        drawn.lines[0].set_gid(f"{name}_ratio")
        if mean is not None:
            span = x[[0, -1]]
            ax.fill_between(
                span, mean.value - mean.se, mean.value + mean.se, color=colour, alpha=0.15, linewidth=0
            )
            draw_line(ax, span, np.full(2, mean.value), gid=f"{name}_mean", style="-", colour=colour)
            text += f": {mean.value:.3g} $\\pm$ {mean.se:.1g}"
        entries.append(style_entry(text, "-", colour, marker=marker, markersize=4))
    ax.axhline(1.0, color=GREY, linewidth=1.0, linestyle="--")
    logarithmic(ax, y=False)
    ax.set_title("over the noise temperature")
    ax.set_xlabel(label("elr"))
    ax.set_ylabel(r"$T / (\eta_\mathrm{eff}\,\sigma^2/2)$")
    ax.legend(handles=entries, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax
