"""Figures of the toy sphere's runs: what they measure over the iterations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.smoothing import smooth_in_log
from thermograd.figures.style import label, styled, thinned, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "toy_batch_grad_norm",
    "toy_curves",
    "toy_full_grad_norm",
    "toy_loss",
    "toy_rates",
    "toy_snr",
]

Array = NDArray[np.float64]
_CURVES = 8  # more cannot be told apart


def toy_loss(trace: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the full loss above its minimum over the iterations, a curve for each LR (FE figure 5).

    Parameters
    ----------
    trace
        Trace of the toy sphere, at most 8 runs: `toy_rates` picks them.
    ax
        matplotlib axes to draw into.
    key
        Whether to put the key of learning rates beside the axes.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        A trace of something else, or of too many runs.

    """
    least = float(trace.attrs.get("minimum_loss", 0.0))
    _draw(trace, ax, lambda run: run["loss"].values - least, "loss", key)
    # Within rounding of the minimum the difference has no digits left.
    lowest = max(4e-17, 16 * np.finfo(float).eps * least)
    ax.set_ylim(bottom=max(lowest, ax.get_ylim()[0]))
    ax.set_title("full loss above its minimum")
    ax.set_ylabel(r"$L - \min L$")
    return ax


def toy_snr(trace: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the signal-to-noise ratio of the gradient against the iterations (FE figure 5).

    Parameters
    ----------
    trace, ax, key
        As in `toy_loss`.

    """
    _draw(
        trace, ax, lambda run: np.sqrt(run["grad_sq"].values / run["tr_sigma"].values), "snr", key, log=False
    )
    # A single step onto a place where the gradients agree would flatten everything else.
    ax.set_ylim(0.0, _ceiling(ax))
    ax.set_title("signal-to-noise ratio")
    ax.set_ylabel("SNR")
    return ax


def toy_full_grad_norm(trace: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the norm of the full gradient against the iterations (FE figure 5).

    Parameters
    ----------
    trace, ax, key
        As in `toy_loss`.

    """
    _draw(trace, ax, lambda run: run["full_grad_norm"].values, "full_grad_norm", key)
    ax.set_title("full gradient")
    ax.set_ylabel(r"$|\nabla L|$")
    return ax


def toy_batch_grad_norm(trace: xr.Dataset, ax: Axes, *, key: bool = True) -> Axes:
    """Draw the mean norm of the stochastic gradient against the iterations (FE figure 5).

    Parameters
    ----------
    trace, ax, key
        As in `toy_loss`.

    """
    _draw(trace, ax, lambda run: run["mean_batch_grad_norm"].values, "mean_batch_grad_norm", key)
    ax.set_title("stochastic gradients")
    ax.set_ylabel(r"$E\,|g|$")
    return ax


def toy_curves(trace: xr.Dataset, title: str = "") -> Figure:
    """Compose FE figure 5 for one set of circles: loss, SNR and both gradient norms over the iterations.

    Pale lines are the log points, full ones a Gaussian average of width 0.1 in ``ln t``.

    Parameters
    ----------
    trace
        Trace of the toy sphere; of many runs up to 8 are drawn, evenly spread (see `toy_rates`).
    title
        Heading.

    """
    shown = toy_rates(trace)
    with styled():
        figure = new_figure(8.6, 5.8)
        panels = figure.subplots(2, 2, sharex=True)
        for ax, draw in zip(
            panels.flat, (toy_loss, toy_snr, toy_full_grad_norm, toy_batch_grad_norm), strict=True
        ):
            draw(shown, ax, key=False)
        for ax in panels[0]:
            ax.set_xlabel("")
        figure.legend(handles=_entries(shown), loc="outside right upper", title=label("lr"))
        if title:
            figure.suptitle(title)
    return figure


def toy_rates(trace: xr.Dataset, rates: Sequence[float] | None = None, most: int = _CURVES) -> xr.Dataset:
    """The runs of a trace to draw: those at the given learning rates, or evenly spread ones.

    Parameters
    ----------
    trace
        Trace of the toy sphere.
    rates
        Learning rates; the nearest run of each, in the logarithm, is taken.
    most
        How many to take when none are given: by default 8 from those between 1e-3 and 0.3, as FE figure 5.

    """
    _checked(trace)
    have = trace["elr"].values
    if rates is not None:
        return trace.isel(elr=sorted({int(np.argmin(np.abs(np.log(have / rate)))) for rate in rates}))
    inside = np.flatnonzero((have >= 0.999e-3) & (have <= 0.34))
    chosen = inside if len(inside) >= min(most, len(have)) else np.arange(len(have))
    return trace.isel(elr=[int(chosen[i]) for i in thinned(range(len(chosen)), most)])


def _checked(trace: xr.Dataset) -> None:
    needed = ("loss", "grad_sq", "tr_sigma", "full_grad_norm", "mean_batch_grad_norm")
    lacking = [name for name in needed if name not in trace]
    if lacking or not {"elr", "step"} <= set(trace.dims):
        raise InputError(
            f"figure: the trace lacks {lacking or 'elr or step'}; expected a trace of the toy sphere"
        )


def _shades(count: int) -> list[str]:
    """From blue for the slowest to red for the fastest, as FE has them; the yellow middle is darkened."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["turbo"](0.08 + 0.84 * i / max(count - 1, 1))) for i in range(count)]


def _entries(trace: xr.Dataset) -> list[Any]:
    rates = trace["elr"].values
    return [style_entry(value_text(e), "-", c) for e, c in zip(rates, _shades(len(rates)), strict=True)]


def _draw(trace: xr.Dataset, ax: Axes, series: Any, name: str, key: bool, *, log: bool = True) -> None:
    _checked(trace)
    count = trace.sizes["elr"]
    if count > _CURVES:
        raise InputError(f"figure: the trace has {count} runs; expected at most {_CURVES}: see toy_rates")
    for i, colour in enumerate(_shades(count)):
        run = trace.isel(elr=i)
        run = run.isel(radius=0) if "radius" in run.dims else run
        with np.errstate(divide="ignore", invalid="ignore"):
            y = np.asarray(series(run), dtype=float)
        good = np.isfinite(y) & ((y > 0) | (not log)) & (run["step"].values > 0)
        t, y = run["step"].values[good].astype(float), y[good]
        if len(t) == 0:
            continue
        gid = f"{name}:elr={value_text(run['elr'].item())}"
        (raw,) = ax.plot(t, y, color=colour, linewidth=0.6, alpha=0.25, zorder=2)
        raw.set_gid(f"{gid}:raw")
        # Of what falls by orders of magnitude the mean would be the largest value's: the logarithm is
        # smoothed, unless the curve settles, where its mean is the physics.
        falls = log and y[-1] < 1e-3 * y.max() and float(trace.attrs.get("minimum_loss", 0.0)) < 1e-12
        smooth = np.exp(smooth_in_log(t, np.log(y))) if falls else smooth_in_log(t, y)
        (line,) = ax.plot(t, smooth, color=colour, linewidth=1.5, zorder=3)
        line.set_gid(gid)
    logarithmic(ax, y=log)
    ax.set_xlabel(label("step"))
    if key:
        ax.legend(handles=_entries(trace), title=label("lr"), loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _ceiling(ax: Axes) -> float:
    smooth = [line for line in ax.lines if not str(line.get_gid()).endswith(":raw")]
    tops = [float(np.max(np.asarray(line.get_ydata(), dtype=float))) for line in smooth]
    # A curve that starts high would do the same: the second highest decides.
    return 1.1 * sorted(tops)[-2] if len(tops) > 1 else 1.1 * max(tops, default=1.0)
