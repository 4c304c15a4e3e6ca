"""Logarithmic axes whose ticks can be read at any span, from a tenth of a decade to ten decades."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from thermograd.figures.style import value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = ["logarithmic"]


def logarithmic(ax: Axes, *, x: bool = True, y: bool = True) -> None:
    """Make axes logarithmic and choose ticks by the span that is shown: call it after drawing.

    An axis without a positive value to show stays linear: a logarithm of nothing has no limits.
    """
    for wanted, which in ((x, "x"), (y, "y")):
        if wanted and _has_positive(ax, which):
            (ax.set_xscale if which == "x" else ax.set_yscale)("log", nonpositive="clip")
            ax.autoscale_view()
            low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
            _ticks(ax.xaxis if which == "x" else ax.yaxis, math.log10(high / low))


def _has_positive(ax: Axes, which: str) -> bool:
    data = (line.get_xdata() if which == "x" else line.get_ydata() for line in ax.lines)
    return any(bool((np.asarray(values, dtype=float) > 0).any()) for values in data)


def _ticks(axis: Axis, decades: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if decades < 1.6:
        # Powers of ten alone would leave one tick or none here.
        axis.set_major_locator(MaxNLocator(4) if decades < 0.5 else LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: value_text(value)))
    else:
        axis.set_major_locator(LogLocator(numticks=6))
    axis.set_minor_formatter(NullFormatter())
