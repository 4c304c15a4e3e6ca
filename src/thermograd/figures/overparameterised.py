"""Over-parameterised training over time: loss, norm and both parts of the gradient (IG figure 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.regimes import Regimes
from thermograd.analysis.runs import Run, runs
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import Array, draw_line, style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.smoothing import smooth_in_log
from thermograd.figures.style import colours, label, styled, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["gradients_and_norm_over_time", "series_over_time"]

_SIGMA = 0.1  # of the kernel in log t, that of FE's toy curves: a fall by a power law is hardly bent
_PANELS = {
    "loss": ("training loss", r"$L$"),
    "growth": ("norm less its start", r"$r - r_0$ [weights]"),
    "tr_sigma": ("gradient noise", r"$\mathrm{Tr}\,\Sigma$"),
    "grad_sq": ("full gradient", r"$|\nabla L|^2$"),
}


def gradients_and_norm_over_time(
    trace: xr.Dataset, found: Regimes | None = None, *, start: float = 1.0
) -> Figure:
    """Compose IG figure 13: loss, norm less its start, noise and squared full gradient, a curve for each ELR.

    Parameters
    ----------
    trace
        Runs at fixed ELR (or LR), with ``grad_sq`` and ``batch_grad_sq`` or ``tr_sigma``.
    found
        Their regimes, to be named in the key.
    start
        Norm at the start.

    Returns
    -------
    Figure
        Known to nobody but the caller: no pyplot, nothing to close.

    Raises
    ------
    InputError
        A variable missing, or no run with two log points.

    """
    shown = _shown(trace)
    with styled():
        figure = new_figure(9.6, 6.6)
        for letter, (name, ax) in zip(
            "abcd", zip(_PANELS, figure.subplots(2, 2).flat, strict=True), strict=True
        ):
            series_over_time(trace, ax, name, start=start)
            ax.set_title(f"{letter}  {_PANELS[name][0]}")
        words = {} if found is None else _words(found)
        entries = [
            style_entry(", ".join(filter(None, (_rate(run), words.get(_key(run), "")))), "-", colour)
            for run, colour in shown
        ]
        axis = "elr" if "elr" in shown[0][0].at else "lr"
        figure.legend(handles=entries, title=label(axis), loc="outside lower center", ncols=4)
    return figure


def series_over_time(trace: xr.Dataset, ax: Axes, name: str, *, start: float = 1.0) -> Axes:
    """Draw one quantity over the iterations, a curve for each run.

    Parameters
    ----------
    trace
        Runs.
    ax
        matplotlib axes to draw into.
    name
        ``"loss"``, ``"growth"`` (the norm less its start), ``"tr_sigma"`` or ``"grad_sq"``.
    start
        Norm at the start.

    Returns
    -------
    Axes
        The axes that were passed in; what is not above 0 leaves a gap.

    Raises
    ------
    InputError
        Another name, a variable missing, or no run with two log points.

    """
    if name not in _PANELS:
        raise InputError(f"figure: quantity is {name!r}; expected one of {', '.join(_PANELS)}")
    for run, colour in _shown(trace):
        values = _values(run, name, start)
        gid = f"{name}:{_rate(run)}"
        if name == "grad_sq":
            # Unbiased, and so below 0 at times: smoothed as it is, and what was measured shown pale.
            (raw,) = ax.plot(run.step, np.where(values > 0, values, np.nan), ".", color=colour, alpha=0.25)
            raw.set(markersize=3, zorder=2, gid=f"{gid}:raw")
            values = smooth_in_log(run.step, values, _SIGMA)
        draw_line(ax, run.step, np.where(values > 0, values, np.nan), gid=gid, style="-", colour=colour)
    logarithmic(ax)
    ax.set_xlabel(label("step"))
    ax.set_ylabel(_PANELS[name][1])
    return ax


def _shown(trace: xr.Dataset) -> list[tuple[Run, str]]:
    needs = ["loss", "norm", "grad_sq", "tr_sigma"]
    found = [run for run in runs(trace, needs, owner="figure") if len(run.step) > 1]
    if not found:
        raise InputError("figure: no run has two log points; expected one at least")
    return list(zip(found, colours("elr", len(found)), strict=True))


def _values(run: Run, name: str, start: float) -> Array:
    return run.series["norm"] - start if name == "growth" else run.series[name]


def _rate(run: Run) -> str:
    return value_text(run.at["elr"] if "elr" in run.at else run.at["lr"])


def _key(run: Run) -> tuple[float, ...]:
    return tuple(run.at.values())


def _words(found: Regimes) -> dict[tuple[float, ...], str]:
    words = found.points["regime"]
    return {
        tuple(float(words[d].values[i]) for d, i in zip(words.dims, place, strict=True)): str(
            words.values[place]
        )
        for place in np.ndindex(words.shape)
    }
