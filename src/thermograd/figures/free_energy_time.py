"""Runs over time: energy, entropy, the temperature along the way, gradient norms and their ratio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.decay import DecayRun
from thermograd.analysis.gradients import GRADIENT_VARIABLES, GradientNorms, gradient_norms
from thermograd.analysis.parameterisation import run_ends
from thermograd.analysis.runs import Run, runs
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import Array, draw_line, style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.smoothing import smooth_in_log
from thermograd.figures.style import GREY, colours, label, styled, thinned, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "entropy_over_time",
    "full_norm_over_time",
    "gradients_over_time",
    "loss_over_time",
    "snr_over_time",
    "stochastic_norm_over_time",
    "temperature_over_time",
]

_CURVES = 14
_SIGMA = 0.2


def loss_over_time(trace: xr.Dataset, ax: Axes, *, uniform: float | None = None, key: bool = True) -> Axes:
    """Draw U over the iterations, a curve for each ELR (FE figures 1 and 8).

    Parameters
    ----------
    trace
        Runs; of more than 14, evenly spread ones are drawn.
    ax
        matplotlib axes to draw into.
    uniform
        Mean loss at random directions, as a dashed line.
    key
        Whether to put the key of ELRs beside the axes.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        A variable missing.

    """
    _series(trace, ax, "loss", uniform, key)
    logarithmic(ax)
    ax.set_title("training loss")
    ax.set_ylabel(label("loss"))
    return ax


def entropy_over_time(
    trace: xr.Dataset,
    ax: Axes,
    *,
    uniform: float | None = None,
    observable: str = "entropy_sphere",
    key: bool = True,
) -> Axes:
    """Draw S over the iterations, a curve for each ELR (FE figures 1 and 8).

    Parameters
    ----------
    trace, ax, key
        As in `loss_over_time`.
    uniform
        Entropy that the same estimator gives for random directions, as a dashed line.
    observable
        Variable with the entropy.

    """
    _series(trace, ax, observable, uniform, key)
    logarithmic(ax, y=False)
    ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4), useMathText=True)
    ax.set_title("entropy")
    ax.set_ylabel(label("entropy"))
    return ax


def temperature_over_time(decays: Sequence[DecayRun], ax: Axes, *, key: bool = True) -> Axes:
    """Draw ``T = dU/dS`` along the way of runs that keep converging, with its power law (FE figures 3, 11).

    The shade is one standard error; where T is not above 0 the line is broken.

    Parameters
    ----------
    decays
        From :func:`thermograd.analysis.decay.temperature_decay`.
    ax
        matplotlib axes to draw into.
    key
        Whether to put a key into the axes.

    Raises
    ------
    InputError
        No runs.

    """
    if not decays:
        raise InputError("figure: there are no runs; expected the results of temperature_decay")
    shades = colours("elr", len(decays))
    entries = []
    for run, colour in zip(decays, shades, strict=True):
        t, T = run.points["step"].values, run.points["temperature"].values
        se = np.nan_to_num(run.points["temperature_se"].values)
        with np.errstate(invalid="ignore"):
            shown = np.where(T > 0, T, np.nan)
            low = np.where(
                T - se > 0.3 * T, T - se, 0.3 * T
            )  # to zero a logarithmic axis would show anything
        ax.fill_between(t, low, T + se, where=T > 0, color=colour, alpha=0.2, linewidth=0, zorder=2)
        draw_line(ax, t, shown, gid=f"temperature:elr={_rate(run.at)}", style="-", colour=colour)
        text = _rate(run.at)
        if run.law is not None:
            ends = np.array([run.law.low, run.law.high])
            draw_line(
                ax, ends, run.law.at(ends)[0], gid=f"law:elr={_rate(run.at)}", style="--", colour="black"
            )
            text += f":  $t^{{{run.law.exponent:.2f}}}$"
        entries.append(style_entry(text, "-", colour))
    logarithmic(ax)
    ax.set_title("temperature along the way")
    ax.set_xlabel(label("step"))
    ax.set_ylabel("$T = dU/dS$ [loss / nat]")
    if key:
        ax.legend(handles=entries, title=label("elr"), loc="best")
    return ax


def gradients_over_time(trace: xr.Dataset) -> Figure:
    """Compose FE figure 6: norm of the full gradient, mean norm of stochastic gradients, SNR.

    Parameters
    ----------
    trace
        Runs with both norms.

    """
    with styled():
        figure = new_figure(13.0, 3.7)
        left, centre, right = figure.subplots(1, 3)
        full_norm_over_time(trace, left, key=False)
        stochastic_norm_over_time(trace, centre, key=False)
        snr_over_time(trace, right)
    return figure


def full_norm_over_time(trace: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the norm of the full gradient over the iterations (FE figures 6, 16 and 17).

    Pale lines are the log points, full ones their Gaussian average of width 0.2 in ln t, dashed ones the
    level of runs whose gradients have settled.

    Parameters
    ----------
    trace, ax, key
        As in `loss_over_time`.

    """
    _gradient(trace, ax, "full", lambda norms: norms.full, key)
    ax.set_title("full gradient")
    ax.set_ylabel(r"$|E\,g|$")
    return ax


def stochastic_norm_over_time(trace: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the mean norm of the stochastic gradients over the iterations; see `full_norm_over_time`."""
    _gradient(trace, ax, "stochastic", lambda norms: norms.stochastic, key)
    ax.set_title("stochastic gradients")
    ax.set_ylabel(r"$E\,|g|$")
    return ax


def snr_over_time(trace: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the signal-to-noise ratio over the iterations; see `full_norm_over_time`."""
    _gradient(trace, ax, "snr", lambda norms: norms.snr, key)
    ax.set_title("signal-to-noise ratio")
    ax.set_ylabel("SNR")
    return ax


def _series(trace: xr.Dataset, ax: Axes, name: str, uniform: float | None, key: bool) -> None:
    shown = _picked(list(runs(trace, [name], owner="figure")))
    for run, colour in shown:
        draw_line(ax, run.step, run.series[name], gid=f"{name}:elr={_rate(run.at)}", style="-", colour=colour)
    if uniform is not None:
        span = np.array([min(run.step[0] for run, _ in shown), max(run.step[-1] for run, _ in shown)])
        draw_line(ax, span, np.full(2, uniform), gid=f"{name}:uniform", style="--", colour=GREY)
    ax.set_xlabel(label("step"))
    if key:
        _key(ax, shown)


def _gradient(
    trace: xr.Dataset, ax: Axes, name: str, curve: Callable[[GradientNorms], Array], key: bool
) -> None:
    found = list(runs(trace, ["loss"], owner="figure", optional=GRADIENT_VARIABLES))
    settled = {tuple(end.at.values()) for end in run_ends(trace) if end.word == "under"}
    shown = _picked(found)
    for run, colour in shown:
        values = curve(gradient_norms(run, owner="figure"))
        good = values > 0  # NaN is not
        t, y = run.step[good], values[good]
        if len(t) < 2:
            continue
        gid = f"{name}:elr={_rate(run.at)}"
        (raw,) = ax.plot(t, y, color=colour, linewidth=0.6, alpha=0.3, zorder=2)
        raw.set_gid(f"{gid}:raw")
        smooth = np.exp(smooth_in_log(t, np.log(y), _SIGMA))
        draw_line(ax, t, smooth, gid=gid, style="-", colour=colour)
        if tuple(run.at.values()) in settled:
            level = float(np.exp(np.mean(np.log(y[t >= t[-1] / 10]))))
            draw_line(ax, t[[0, -1]], np.full(2, level), gid=f"{gid}:level", style="--", colour=colour)
    logarithmic(ax)
    ax.set_xlabel(label("step"))
    if key:
        _key(ax, shown)


def _picked(found: Sequence[Run]) -> list[tuple[Run, str]]:
    usable = [run for run in found if len(run.step) > 1]
    if not usable:
        raise InputError("figure: no run has two log points; expected one at least")
    few = [usable[i] for i in thinned(range(len(usable)), _CURVES)]
    return list(zip(few, colours("elr", len(few)), strict=True))


def _rate(at: dict[str, float]) -> str:
    return value_text(at["elr"] if "elr" in at else at["lr"])


def _key(ax: Axes, shown: Sequence[tuple[Run, str]]) -> None:
    axis = "elr" if "elr" in shown[0][0].at else "lr"
    entries = [style_entry(_rate(run.at), "-", colour) for run, colour in shown]
    ax.legend(handles=entries, title=label(axis), loc="upper left", bbox_to_anchor=(1.01, 1.0))
