"""The temperature of the whole gradient, mean and noise together, beside that of the free energy."""

from __future__ import annotations

import numpy as np
import xarray as xr

from thermograd.analysis.bridge import BridgeLine
from thermograd.errors import InputError

__all__ = ["whole_gradient"]


def whole_gradient(states: xr.Dataset, line: BridgeLine) -> xr.Dataset:
    """``elr E|g|^2 / (2 (d - 1))`` of the states of a line, and the other temperatures over it.

    A finite step moves the weights by all of the minibatch gradient. Where its mean changes direction from
    step to step, as in chaotic equilibrium, it heats like noise; it exceeds ``elr sigma2 / 2`` by the factor
    ``1 + |E g|^2 / tr_sigma``.

    Parameters
    ----------
    states
        Those that the line comes from, with ``batch_grad_sq``.
    line
        From :func:`thermograd.analysis.bridge.bridge`.

    Returns
    -------
    xarray.Dataset
        Over ``elr``: ``temperature``; ``minimum_ratio`` and ``slope_ratio``, the temperature of free-energy
        minimisation and dU/dS over it; each with ``_se``.

    Raises
    ------
    InputError
        When ``batch_grad_sq`` was not measured.

    Examples
    --------
    >>> from thermograd.analysis.bridge import bridge
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> from thermograd.theory import vmf
    >>> elr = np.geomspace(1e-3, 1e-1, 12)[:, None]
    >>> measured = {"norm": 1 + 0 * elr, "tr_sigma": 3 + 0 * elr, "batch_grad_sq": 9 + 0 * elr}
    >>> measured |= {"loss": vmf.energy(elr / 2, 10), "entropy_sphere": vmf.entropy_sphere(elr / 2, 10)}
    >>> states = new_states(FixedSphere.grid(elr=elr.ravel(), radius=[1.0]), measured, dim=10)
    >>> (line,) = bridge(states)
    >>> round(line.slope.value, 2), round(float(whole_gradient(states, line).slope_ratio.mean()), 2)
    (3.0, 1.0)

    """
    if "batch_grad_sq" not in states:
        raise InputError("whole gradient: variable batch_grad_sq is missing from the states; expected it")
    chosen = states.sel({name: value for name, value in line.at.items() if name in states.dims})
    rows = chosen.sel(elr=line.points["elr"])
    d = int(states.attrs["dim"])
    elr, square = line.points["elr"].values, rows["batch_grad_sq"].values
    T = elr * square / (2 * (d - 1))
    relative = np.zeros_like(T)
    if "batch_grad_sq_se" in rows:
        relative = np.nan_to_num(rows["batch_grad_sq_se"].values / square)
    data = {"temperature": T, "temperature_se": T * relative}
    for name in ("minimum", "slope"):
        value, se = line.points[name].values, line.points[f"{name}_se"].values
        with np.errstate(invalid="ignore", divide="ignore"):
            data[f"{name}_ratio"] = value / T
            data[f"{name}_ratio_se"] = value / T * np.hypot(se / value, relative)
    return xr.Dataset({name: ("elr", values) for name, values in data.items()}, {"elr": elr}, line.at)
