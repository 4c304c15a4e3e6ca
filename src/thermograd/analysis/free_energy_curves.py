"""The free energy over the learning rate at several temperatures, with the minimum of each curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from thermograd.analysis.free_energy import free_energies
from thermograd.analysis.temperature_law import TemperatureLine
from thermograd.errors import InputError

__all__ = ["free_energy_curves"]


def free_energy_curves(line: TemperatureLine, temperatures: Sequence[float] | None = None) -> xr.Dataset:
    """``F = U - T (S - S_0)`` of the states of a stretch, S measured from that of its smallest ELR.

    An entropy is known up to a constant only; the constant shifts each curve as a whole.

    Parameters
    ----------
    line
        From :func:`thermograd.analysis.temperature_law.temperature_law`.
    temperatures
        Which; None takes those of the states themselves, whose curves must be least there.

    Returns
    -------
    xarray.Dataset
        Over ``temperature`` and ``elr``: ``free_energy`` and ``free_energy_se``, in units of the loss (from
        the errors of U and S of the one state, T as given). Over ``temperature``: ``minimum``, the ELR of the
        smallest F, and ``own``, the ELR of the state that has this temperature (NaN where they were given).

    Raises
    ------
    InputError
        When there is no temperature.

    References
    ----------
    FE figures 2, 9 and 10, right.

    Examples
    --------
    >>> from thermograd.analysis.temperature_law import temperature_law
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> T = np.geomspace(1e-3, 1e-2, 6)[:, None]
    >>> grid = FixedSphere.grid(elr=2 * T.ravel(), radius=[1.0])
    >>> states = new_states(grid, {"loss": 5 * T, "entropy_sphere": 5 * np.log(T), "norm": 1 + 0 * T}, dim=11)
    >>> curves = free_energy_curves(temperature_law(states, shuffles=0)[0])
    >>> bool((curves.minimum == curves.own).all()), dict(curves.sizes)
    (True, {'temperature': 4, 'elr': 6})

    """
    points = line.points.isel(elr=np.flatnonzero(line.points["inside"].values))
    own = np.full(0 if temperatures is None else len(temperatures), np.nan)
    if temperatures is None:
        known = np.flatnonzero(np.isfinite(points["temperature"].values))
        t, own = points["temperature"].values[known], points["elr"].values[known]
    else:
        t = np.asarray(temperatures, dtype=np.float64)
    if not len(t) or not (np.isfinite(t) & (t > 0)).all():
        raise InputError(f"free energy curves: temperatures are {t.tolist()}; expected some above 0")
    U, S = points["loss"].values, points["entropy"].values - points["entropy"].values[0]
    F, least = free_energies(U, S, t)
    se = np.hypot(points["loss_se"].values[None, :], t[:, None] * points["entropy_se"].values[None, :])
    return xr.Dataset(
        {
            "free_energy": (
                ("temperature", "elr"),
                F,
                {"units": "1", "long_name": "free energy U - T (S - S_0)"},
            ),
            "free_energy_se": (("temperature", "elr"), se),
            "minimum": ("temperature", points["elr"].values[least]),
            "own": ("temperature", own),
        },
        {"temperature": t, "elr": points["elr"].values},
        line.at,
    )
