"""What the runs of the toy sphere come to: final loss and limiting SNR, learning rate by learning rate."""

from __future__ import annotations

import numpy as np
import xarray as xr

from thermograd.autocorrelation import mean_with_error
from thermograd.errors import InputError
from thermograd.states import drift

__all__ = ["limits"]

_LEAST_POINTS = 8  # of a window whose halves can be compared
_DRIFT = 0.2
_RELAXATIONS = 10  # of the loss near its minimum, where its curvature is about 1

_DESCRIBED = {
    "loss": ("full loss, mean over the window", "$L$"),
    "snr": ("signal-to-noise ratio of the gradient, mean over the window", "SNR"),
    "snr_sq": ("squared signal-to-noise ratio, mean over the window", "SNR$^2$"),
}


def limits(trace: xr.Dataset, *, fraction: float = 0.5) -> xr.Dataset:
    """Final loss and limiting SNR of every run, over the last part of its iterations.

    The SNR is averaged as the ratio that it is at each log point. (That of
    :func:`thermograd.states.stationary` is the ratio of averages: right in equilibrium, but of a run that
    converges it would see the beginning of the window alone, where the gradients are largest.)

    Parameters
    ----------
    trace
        What `simulate` returned.
    fraction
        Part of each run's iterations, counted from its end, above 0 and at most 1.

    Returns
    -------
    xarray.Dataset
        Over ``elr``: ``loss``, ``snr`` and ``snr_sq``, with ``_se`` (standard error of the mean,
        autocorrelation counted) and ``_spread`` (standard deviation over time); ``final_loss``; ``steps``,
        iterations done;
        ``converged``, whether the run ended because its loss fell below the trace's ``stop_below``;
        ``settled``, whether the loss above its minimum stays where it is over the window (differs by no more
        than 20% between its halves, or insignificantly).

    Raises
    ------
    InputError
        If the fraction is out of range, or the trace is not of the toy sphere.

    References
    ----------
    FE sections 6.1, 6.2.

    Examples
    --------
    >>> from thermograd.simulate import toy
    >>> found = limits(toy.simulate(toy.overparameterized(), 0.01, steps=5000))
    >>> bool(found.converged.item()), round(found.snr.item(), 2)
    (True, 0.58)

    """
    if not 0 < fraction <= 1:
        raise InputError(f"limits: fraction is {fraction!r}; expected above 0 and at most 1")
    for name in ("loss", "grad_sq", "tr_sigma"):
        if name not in trace or set(trace[name].dims) != {"elr", "radius", "step"}:
            raise InputError(f"limits: {name} over (elr, radius, step) is missing; expected a toy trace")
    step = trace["step"].values
    count = trace.sizes["elr"]
    found: dict[str, np.ndarray] = {"final_loss": np.empty(count), "steps": np.empty(count, dtype=np.int64)}
    for name in _DESCRIBED:
        found |= {f"{name}{end}": np.full(count, np.nan) for end in ("", "_se", "_spread")}
    settled = np.zeros(count, dtype=bool)
    least = float(trace.attrs.get("minimum_loss", 0.0))
    for i in range(count):
        run = trace.isel(elr=i, radius=0)
        loss = run["loss"].values
        logged = np.isfinite(loss)
        if not logged.any():
            raise InputError(f"limits: the run at elr {run['elr'].item():g} logged nothing; expected values")
        end = step[logged][-1]
        window = logged & (step > (1 - fraction) * end)
        with np.errstate(divide="ignore", invalid="ignore"):
            snr = np.sqrt(run["grad_sq"].values / run["tr_sigma"].values)[window]
        for name, series in (("loss", loss[window]), ("snr", snr), ("snr_sq", snr**2)):
            if np.isfinite(series).all():
                mean = mean_with_error(series)
                found[name][i], found[f"{name}_se"][i] = mean.mean, mean.se
                found[f"{name}_spread"][i] = series.std(ddof=1) if len(series) > 1 else np.nan
        if window.sum() >= _LEAST_POINTS:
            # A run that has hardly begun stays where it is, too.
            relaxed = float(run["elr"]) * end >= _RELAXATIONS
            settled[i] = relaxed and not drift(loss[window] - least).matters(_DRIFT)
        found["final_loss"][i], found["steps"][i] = loss[logged][-1], end
    limit = xr.Dataset({name: ("elr", values) for name, values in found.items()}, {"elr": trace["elr"]})
    limit["settled"] = ("elr", settled)
    limit["converged"] = limit["final_loss"] < float(trace.attrs.get("stop_below", 0.0))
    for name, (long_name, symbol) in _DESCRIBED.items():
        limit[name].attrs = {"units": "1", "long_name": long_name, "symbol": symbol}
    limit.attrs = {**trace.attrs, "window": f"last {fraction:g} of the iterations"}
    return limit
