"""Figures of where the toy sphere's runs end: loss and SNR against the learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.style import GREY, label, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["toy_final_loss", "toy_limiting_snr", "toy_limits"]

Array = NDArray[np.float64]
_MEASURED, _LAW = "#0072B2", "#D55E00"


def toy_final_loss(limits: xr.Dataset, ax: Axes) -> Axes:
    """Draw where the loss ends against the learning rate; bars are its spread over time.

    Runs that are not settled are drawn at their last loss: hollow circles converged and were stopped there,
    hollow squares were still on the way.

    Parameters
    ----------
    limits
        What ``thermograd.simulate.toy.limits`` returned.
    ax
        matplotlib axes to draw into.

    """
    _checked(limits)
    rate, converged, settled = (limits[name].values for name in ("elr", "converged", "settled"))
    mean, spread = limits["loss"].values, limits["loss_spread"].values
    handles = []
    for kind, chosen, marker in (("converged", converged, "o"), ("on the way", ~converged & ~settled, "s")):
        if chosen.any():
            (line,) = ax.plot(rate[chosen], limits["final_loss"].values[chosen], marker, color=_MEASURED)
            line.set(markerfacecolor="white", markersize=3.5, gid=f"loss:{kind}", zorder=3.5)
            handles.append(style_entry(kind, "none", _MEASURED, marker=marker, markerfacecolor="white"))
    still = settled & ~converged
    if still.any():
        # A bar may not reach below zero: on a logarithmic axis it would have no end.
        bars = np.nan_to_num(np.stack([np.minimum(spread, 0.999 * mean), spread])[:, still])
        drawn = ax.errorbar(
            rate[still],
            mean[still],
            yerr=bars,
            fmt="o",
            color=_MEASURED,
            markersize=3.5,
            elinewidth=0.8,
            zorder=3,
        )
        drawn.lines[0].set_gid("loss:settled")
        handles.append(style_entry("settled, spread in time", "none", _MEASURED, marker="o", markersize=3.5))
    least = float(limits.attrs.get("minimum_loss", 0.0))
    if least > 1e-12:
        ax.axhline(least, color=GREY, linewidth=1.0, linestyle="--").set_gid("loss:minimum")
        handles.append(style_entry("minimum", "--"))
    logarithmic(ax)
    ax.set_title("final loss")
    ax.set_xlabel(label("lr"))
    ax.set_ylabel("full loss $L$")
    ax.legend(handles=handles, loc="best")
    return ax


def toy_limiting_snr(limits: xr.Dataset, ax: Axes, *, law: Array | None = None, law_text: str = "") -> Axes:
    """Draw the SNR at the end of each run against the learning rate; bars are one standard error.

    Parameters
    ----------
    limits
        What ``thermograd.simulate.toy.limits`` returned.
    ax
        matplotlib axes to draw into.
    law
        What theory expects at each learning rate, NaN where it says nothing.
    law_text
        What to call it.

    """
    _checked(limits)
    rate = limits["elr"].values
    ready = limits["settled"].values | limits["converged"].values
    snr, error = limits["snr"].values, np.nan_to_num(limits["snr_se"].values)
    handles = []
    for kind, chosen, face in (("measured", ready, _MEASURED), ("on the way", ~ready, "white")):
        if chosen.any():
            bars = ax.errorbar(
                rate[chosen],
                snr[chosen],
                yerr=error[chosen],
                fmt="o" if kind == "measured" else "s",
                color=_MEASURED,
                markerfacecolor=face,
                markersize=3.5,
                elinewidth=0.8,
                zorder=3,
            )
            line = bars.lines[0]
            line.set_gid(f"snr:{kind}")
            entry: dict[str, Any] = {"marker": line.get_marker(), "markersize": 3.5, "markerfacecolor": face}
            handles.append(style_entry(kind, "none", _MEASURED, **entry))
    if law is not None:
        (line,) = ax.plot(rate, law, "--", color=_LAW, zorder=3.5)
        line.set_gid("snr:law")
        handles.append(style_entry(law_text or "theory", "--", _LAW))
    logarithmic(ax, y=False)
    ax.set_ylim(bottom=0.0)
    ax.set_title("limiting SNR")
    ax.set_xlabel(label("lr"))
    ax.set_ylabel("SNR")
    ax.legend(handles=handles, loc="best")
    return ax


def toy_limits(
    limits: xr.Dataset, *, law: Array | None = None, law_text: str = "", title: str = ""
) -> Figure:
    """Compose final loss and limiting SNR against the learning rate for one set of circles.

    Parameters
    ----------
    limits, law, law_text
        As in `toy_limiting_snr`.
    title
        Heading.

    """
    with styled():
        figure = new_figure(8.6, 3.6)
        left, right = figure.subplots(1, 2)
        toy_final_loss(limits, left)
        toy_limiting_snr(limits, right, law=law, law_text=law_text)
        if title:
            figure.suptitle(title)
    return figure


def _checked(limits: xr.Dataset) -> None:
    needed = ("loss", "loss_spread", "final_loss", "snr", "snr_se", "converged", "settled")
    lacking = [name for name in needed if name not in limits]
    if lacking or "elr" not in limits.dims:
        raise InputError(f"figure: {lacking or 'elr'} is missing; expected what simulate.toy.limits returns")
