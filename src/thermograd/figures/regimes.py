"""The three regimes over the learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.regimes import REGIMES, Regimes
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import draw_line, style_entry
from thermograd.figures.style import GREY, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["regime_map"]

_LOOKS = {
    "convergence": ("#0072B2", "o"),
    "equilibrium": ("#009E73", "s"),
    "divergence": ("#D55E00", "^"),
    "unsettled": ("#8C6D00", "D"),
    "unknown": (GREY, "x"),
}


def regime_map(found: Regimes, states: xr.Dataset, ax: Axes, *, random_loss: float | None = None) -> Axes:
    """Draw the loss over the learning rate, each run marked with its regime.

    Parameters
    ----------
    found
        From :func:`thermograd.analysis.regimes.regimes`.
    states
        The states it was found from.
    ax
        matplotlib axes to draw into.
    random_loss
        Mean loss at random directions, as a dashed line.

    Returns
    -------
    Axes
        The axes that were passed in. Runs without a loss stand at the lower edge.

    Raises
    ------
    InputError
        States of another grid.

    References
    ----------
    Kodryan et al. (2022), figure 1; FE section 4.

    """
    words = found.points["regime"]
    axis = str(words.dims[0])
    if any(states.sizes.get(str(name)) != size for name, size in words.sizes.items()):
        raise InputError(
            "figure: the states have another grid than the regimes; expected those they came from"
        )
    loss = states["loss"].transpose(*words.dims)
    x = xr.broadcast(words[axis].astype(float), words)[0].transpose(*words.dims).values.ravel()
    y, word = loss.values.ravel(), words.values.ravel()
    order = np.argsort(x, kind="stable")
    if words.size == words.sizes[axis]:
        draw_line(ax, x[order], y[order], gid="loss", style="-", colour="#bbbbbb")
    entries = []
    for name in REGIMES:
        here = word == name
        if not here.any():
            continue
        colour, marker = _LOOKS[name]
        seen = here & np.isfinite(y)
        (marks,) = ax.plot(x[seen], y[seen], marker, color=colour, markersize=6, zorder=3)
        marks.set_gid(name)
        lost = here & ~np.isfinite(y)
        if lost.any():
            ax.plot(
                x[lost],
                np.zeros(lost.sum()),
                marker,
                color=colour,
                transform=ax.get_xaxis_transform(),
                clip_on=False,
            )
        entries.append(style_entry(name, "none", colour, marker=marker))
    if random_loss is not None:
        span = np.array([x.min(), x.max()])
        draw_line(ax, span, np.full(2, random_loss), gid="random", style="--", colour=GREY)
        entries.append(style_entry("random direction", "--"))
    logarithmic(ax)
    ax.set_title("regimes")
    ax.set_xlabel(label(axis))
    ax.set_ylabel(label("loss"))
    ax.legend(handles=entries, loc="best")
    return ax
