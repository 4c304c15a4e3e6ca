"""The phase diagram of the gradients, and the exponent over the size of the data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from thermograd.analysis.phase import PhaseBySize, PhaseRun
from thermograd.analysis.published import PublishedExponent
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import draw_line, style_entry
from thermograd.figures.style import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["phase_diagram", "phase_exponent_by_size"]

_COLOURS = ("#CC79A7", "#0072B2", "#009E73", "#D55E00", "#7A5195", "#8C6D00")


def phase_diagram(runs: Mapping[str, PhaseRun], ax: Axes, *, whole: bool = True) -> Axes:
    """Draw the mean norm of stochastic gradients over that of the full one, with the power laws.

    Parameters
    ----------
    runs
        From :func:`thermograd.analysis.phase.phase_exponents`, by label, such as the size of the data set.
    ax
        matplotlib axes to draw into.
    whole
        Whether to show, pale, the log points that are not part of the fit.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        No runs.

    References
    ----------
    FE figures 7 and 15.

    """
    if not runs:
        raise InputError("figure: there are no runs; expected results of phase_exponents by label")
    entries = []
    for i, (text, run) in enumerate(runs.items()):
        colour = _COLOURS[i % len(_COLOURS)]
        x, y, fitted = (run.points[name].values for name in ("full", "stochastic", "stretch"))
        if whole:
            ax.plot(x[~fitted], y[~fitted], "o", color=colour, markersize=2.5, alpha=0.25, zorder=2)
        (dots,) = ax.plot(x[fitted], y[fitted], "o", color=colour, markersize=4, zorder=3)
        dots.set_gid(f"{text}:fitted")
        if np.isfinite(run.exponent):
            ends = np.array([x[fitted].min() / 1.5, x[fitted].max() * 1.5])
            law = run.coefficient * ends**run.exponent
            draw_line(ax, ends, law, gid=f"{text}:law", style="--", colour=colour)
            text = f"{text}: {run.coefficient:.2g} $|Eg|^{{{run.exponent:.2f} \\pm {run.exponent_se:.1g}}}$"
        else:
            text = f"{text}: settles"
        entries.append(style_entry(text, "--", colour, marker="o", markersize=4))
    logarithmic(ax)
    ax.set_title("phase diagram of the gradients")
    ax.set_xlabel(r"full gradient $|E\,g|$")
    ax.set_ylabel(r"stochastic gradients $E\,|g|$")
    ax.legend(handles=entries, loc="upper left", fontsize=8)
    return ax


def phase_exponent_by_size(
    found: PhaseBySize, ax: Axes, *, published: Sequence[PublishedExponent] = ()
) -> Axes:
    """Draw the exponent over the number of training examples, with published ones beside it.

    Parameters
    ----------
    found
        From :func:`thermograd.analysis.phase.phase_by_size`.
    ax
        matplotlib axes to draw into.
    published
        Exponents of the paper.

    Returns
    -------
    Axes
        The axes that were passed in; the line at 1 is that of an optimum that all examples share.

    """
    points = found.points
    container = ax.errorbar(
        points["size"].values,
        points["exponent"].values,
        yerr=np.nan_to_num(points["exponent_se"].values),
        fmt="o-",
        color=_COLOURS[1],
        zorder=3,
    )
    container.lines[0].set_gid("exponent")
    entries = [style_entry("measured", "-", _COLOURS[1], marker="o")]
    for marker, network in zip("sD^v", dict.fromkeys(p.network for p in published), strict=False):
        chosen = [p for p in published if p.network == network]
        (line,) = ax.plot(
            [p.size for p in chosen],
            [p.exponent for p in chosen],
            f"{marker}:",
            color=GREY,
            markerfacecolor="white",
            zorder=2.5,
        )
        line.set_gid(f"published:{network}")
        entries.append(
            style_entry(f"{network} ({chosen[0].source})", ":", marker=marker, markerfacecolor="white")
        )
    ax.axhline(1.0, color=GREY, linewidth=0.8, linestyle="--")
    logarithmic(ax, y=False)
    ax.set_title("phase exponent")
    ax.set_xlabel("training examples")
    ax.set_ylabel(r"$a$ of $E|g| \sim |E\,g|^a$")
    ax.legend(handles=entries, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return ax
