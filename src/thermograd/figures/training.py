"""Figures of a single run: its loss, and its norm beside the prediction of how the norm relaxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import brentq

from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import grid_axes, style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.style import label, styled, value_text
from thermograd.theory.radius import effective_wd_sphere
from thermograd.theory.relaxation import radius_at_elr, radius_at_lr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["predicted_norm", "training", "training_loss", "training_norm"]

Array = NDArray[np.float64]
_MEASURED, _PREDICTED = "#0072B2", "#D55E00"
_PER_INTERVAL = 16  # points of the predicted curve averaged over each log interval


def training(trace: xr.Dataset) -> Figure:
    """Compose the figure of one run: loss on the left, norm (or effective weight decay) on the right.

    Parameters
    ----------
    trace
        Trace of a single run: every grid axis of length 1 or selected away.

    Raises
    ------
    InputError
        More than one run, an unknown protocol, or a variable missing.

    """
    with styled():
        figure = new_figure(9.0, 3.6)
        left, right = figure.subplots(1, 2)
        training_loss(trace, left)
        training_norm(trace, right)
        run = _single(trace)
        values = [(label(axis).removesuffix(" [weights]"), float(run[axis])) for axis in _axes(trace)]
        figure.suptitle(", ".join(f"{name} = {value_text(value)}" for name, value in values), fontsize=11)
    return figure


def training_loss(trace: xr.Dataset, ax: Axes) -> Axes:
    """Draw the training loss of one run, the mean of each log interval, over the iterations.

    Parameters
    ----------
    trace
        Trace of a single run.
    ax
        matplotlib axes to draw into.

    """
    run = _single(trace)
    _draw(ax, run, "loss")
    logarithmic(ax)
    ax.set_title("training loss")
    return ax


def training_norm(trace: xr.Dataset, ax: Axes) -> Axes:
    """Draw the norm of one run and its predicted relaxation; on a fixed sphere the effective weight decay.

    The prediction starts at the first free log point and takes the gradient's mean square as measured in each
    interval; see `predicted_norm`.

    Parameters
    ----------
    trace
        Trace of a single run.
    ax
        matplotlib axes to draw into.

    """
    run = _single(trace)
    sphere = run.attrs["protocol"] == "FixedSphere"
    name = "effective_wd" if sphere else "norm"
    _draw(ax, run, name)
    step = run["step"].values.astype(float)
    if sphere:
        # With all of E|g|^2 as noise the finite-step law is the one that Pythagoras gives.
        predicted = effective_wd_sphere(float(run["elr"]), float(run["radius"]), run["batch_grad_sq"].values)
        values = predicted.finite_step
    else:
        values = predicted_norm(trace)
    (line,) = ax.plot(step, values, "--", color=_PREDICTED, linewidth=1.4, zorder=3.5)
    line.set_gid(f"{name}:predicted")
    logarithmic(ax)
    ax.set_title("effective weight decay" if sphere else "norm of the weights")
    ax.set_ylabel(label("effective_wd") if sphere else "$|w|$ [weights]")
    entries = [
        style_entry("measured", "-", _MEASURED, marker="o", markersize=3),
        style_entry("finite-step theory" if sphere else "theory", "--", _PREDICTED),
    ]
    ax.legend(handles=entries, loc="best")
    return ax


def predicted_norm(trace: xr.Dataset) -> Array:
    """The norm that the radius equation predicts for each log interval, given the gradient's mean square.

    The closed-form solutions (IG eq. 11 and 18, with ``E|g|^2`` of the interval in place of ``tr_sigma``, IG
    appendix G) are chained from log point to log point and averaged over each interval, as the norm is.

    Parameters
    ----------
    trace
        Trace of a single run at fixed ELR or LR, with ``norm`` and ``batch_grad_sq``.

    Returns
    -------
    numpy.ndarray
        Shape ``(steps,)``. NaN from the first interval without a measurement.

    Examples
    --------
    A norm that is stationary stays where it is:

    >>> from thermograd.protocol import FixedLR
    >>> from thermograd.states import new_trace
    >>> at_rest = {"loss": [1.0] * 3, "norm": [2.0] * 3, "batch_grad_sq": [16.0] * 3}
    >>> trace = new_trace(FixedLR(lr=0.1, wd=0.05), [100, 200, 400], at_rest, dim=10)
    >>> predicted_norm(trace).round(12)
    array([2., 2., 2.])

    """
    run = _single(trace)
    step = run["step"].values.astype(float)
    norm, square = _column(run, "norm"), _column(run, "batch_grad_sq")
    predicted = np.full(len(step), np.nan)
    measured = np.flatnonzero(np.isfinite(norm))
    if len(measured) == 0:
        return predicted
    start = int(measured[0])
    spans = np.diff(step, prepend=0.0)
    radius = _first_radius(run, spans[start], square[start], norm[start])
    for k in range(start, len(step)):
        predicted[k] = _interval_mean(run, spans[k], square[k], radius)
        radius = float(_advance(run, spans[k], square[k], radius))
    return predicted


def _first_radius(run: xr.Dataset, span: float, square: float, mean: float) -> float:
    """The norm at the start of the first interval that gives the mean norm measured over it."""
    if not np.isfinite(square):
        return float("nan")
    lowest, highest = 1e-6 * mean, 1e6 * mean

    def excess(radius: float) -> float:
        return _interval_mean(run, span, square, radius) - mean

    # Unreachable means: noise that forgets any start within the interval, or decay that overtakes any.
    if excess(lowest) >= 0:
        return lowest
    return highest if excess(highest) <= 0 else float(brentq(excess, lowest, highest))


def _interval_mean(run: xr.Dataset, span: float, square: float, radius: float) -> float:
    times = (np.arange(_PER_INTERVAL) + 0.5) / _PER_INTERVAL * span
    return float(np.mean(_advance(run, times, square, radius)))


def _advance(run: xr.Dataset, steps: float | Array, square: float, radius: float | Array) -> Array:
    wd = float(run["wd"])
    if run.attrs["protocol"] == "FixedLR":
        return radius_at_lr(steps, float(run["lr"]), wd, square, radius)
    return radius_at_elr(steps, float(run["elr"]), wd, square, radius)


def _axes(trace: xr.Dataset) -> tuple[str, str]:
    return grid_axes(trace.expand_dims([a for a in trace.coords if a not in trace.dims]))


def _single(trace: xr.Dataset) -> xr.Dataset:
    for axis in set(trace.dims) - {"step"}:
        if trace.sizes[axis] != 1:
            expected = "a single run: select one value of it"
            raise InputError(f"figure: {axis} has {trace.sizes[axis]} values; expected {expected}")
    _axes(trace)
    if "step" not in trace.dims:
        raise InputError(f"figure: the trace has dimensions {list(trace.dims)}; expected step among them")
    return trace.squeeze([axis for axis in trace.dims if axis != "step"])


def _column(run: xr.Dataset, name: str) -> Array:
    if name not in run:
        raise InputError(
            f"figure: the trace has no variable {name}; expected it among {sorted(map(str, run))}"
        )
    return np.asarray(run[name].values, dtype=np.float64)


def _draw(ax: Axes, run: xr.Dataset, name: str) -> None:
    (line,) = ax.plot(
        run["step"].values, _column(run, name), "o-", color=_MEASURED, markersize=2.5, linewidth=1.0, zorder=3
    )
    line.set_gid(f"{name}:measured")
    ax.set_xlabel(label("step"))
    ax.set_ylabel(label(name) if name in ("loss", "effective_wd") else name)
