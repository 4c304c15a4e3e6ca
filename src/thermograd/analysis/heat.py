"""Heat capacities and the adiabatic exponent of measured states: how their loss rises with temperature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.energy_fit import EnergyFit, fit_energy, known, local_slope
from thermograd.analysis.points import LeftOut, Points, select
from thermograd.errors import InputError
from thermograd.theory.gas import gas_constant

__all__ = ["HeatCheck", "HeatLine", "heat_capacities"]

Array = NDArray[np.float64]
_WINDOW = 5  # neighbouring temperatures of a local slope: a cubic and one degree of freedom
_NEAR_MIDDLE = 7  # states of one pressure about the middle
_LEAST = 3
_REJECT = 0.05  # chance at which a good fit is taken for a bad one, and the hottest temperature dropped


@dataclass(frozen=True)
class HeatLine:
    """Heat capacities at one pressure: the states of one weight decay.

    Attributes
    ----------
    wd
        The pressure.
    temperature
        Geometric mean of the states' temperatures, where the slopes are taken.
    c_p, c_p_se
        ``dH/dT`` of the enthalpy ``H = U + p V``, measured.
    c_v, c_v_se
        ``dU/dT`` of the same states.
    difference, difference_se
        ``C_p - C_V``, the slope of the straight line of ``p V`` over T.
    ratio, ratio_se
        ``difference / R``: 1 by Mayer's relation.
    n
        Number of states.

    """

    wd: float
    temperature: float
    c_p: float
    c_p_se: float
    c_v: float
    c_v_se: float
    difference: float
    difference_se: float
    ratio: float
    ratio_se: float
    n: int


@dataclass(frozen=True)
class HeatCheck:
    """Heat capacities of the states, over temperature and when cold.

    Attributes
    ----------
    points
        Over ``level``, the ELR or (fixed LR) the product ``lr * wd``, on which T depends alone:
        ``temperature``, ``energy`` and, from local fits, ``c_v``, ``c_p = c_v + R``, ``gamma = c_p / c_v``,
        each with ``_se``; ``n`` states a level.
    fit
        One curve through the levels up to its `hottest`.
    c_v, c_v_se, gamma, gamma_se
        When cold: the slope of `fit` at T = 0, and ``1 + R / c_v``; ``(d-1)/2`` and 2 for any loss with a
        quadratic minimum.
    gas_constant
        ``R = (d-1)/2``.
    joule_chi_squared, joule_freedom
        Of the energies within levels: about one another if U depends on T alone, as for an ideal gas;
        NaN where errors are not known.
    lines
        C_p measured at fixed pressure, at each weight decay with 3 temperatures; none on the fixed sphere.
    mayer, mayer_se
        Mean of ``(C_p - C_V) / R`` over the lines, weighted by their errors; NaN without lines.
    left_out
        Points not used.

    """

    points: xr.Dataset
    fit: EnergyFit
    c_v: float
    c_v_se: float
    gamma: float
    gamma_se: float
    gas_constant: float
    joule_chi_squared: float
    joule_freedom: int
    lines: tuple[HeatLine, ...]
    mayer: float
    mayer_se: float
    left_out: tuple[LeftOut, ...]


def heat_capacities(
    states: xr.Dataset, *, statuses: Sequence[str] = ("equilibrium",), below: float = math.inf
) -> HeatCheck:
    """Heat capacities ``C_V = dU/dT``, ``C_p = C_V + R`` and ``gamma = C_p / C_V`` of measured states.

    States of one ELR, or of one product ``lr * wd`` at fixed LR, have one temperature; their energies are
    averaged with weights ``1 / se**2``. What is fitted, weighted in the same way, with the error of T
    carried over by the slope:

    - for the slope at each temperature, a cubic of log U over log T through the 5 nearest levels
      (:func:`thermograd.analysis.energy_fit.local_slope`);
    - for the cold limit, ``b0 + b1 T + b2 T^2`` through as many of the coldest levels as it describes: the
      hottest is dropped while the chi-squared would be exceeded with a chance below 0.05, down to 5 levels;
    - at each weight decay, the same cubic through the enthalpy ``H = U + p V`` of the 7 states nearest to
      the middle, V from the measured norm; and a straight line ``p V`` over T through all.

    Parameters
    ----------
    states
        Stationary states with ``loss`` and ``temperature``; with ``volume`` C_p is measured as well.
    statuses
        Statuses of points to use.
    below
        Largest temperature that the cold limit is taken from.

    Raises
    ------
    InputError
        When something was not measured, or fewer than 3 temperatures can be used.

    References
    ----------
    IG section 4 (V4) and appendix D.4, eq. 97.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> from thermograd.states import new_states
    >>> product = np.outer([0.1, 0.2, 0.4], [0.1, 0.2, 0.4])
    >>> T = np.sqrt(product * 4 / 20)
    >>> norm = (np.outer([0.1, 0.2, 0.4], 1 / np.array([0.1, 0.2, 0.4])) * 20) ** 0.25
    >>> states = new_states(
    ...     FixedLR.grid(lr=[0.1, 0.2, 0.4], wd=[0.1, 0.2, 0.4]),
    ...     {"loss": 5 * T, "norm": norm, "tr_sigma": 40 + 0 * T},
    ...     dim=11,
    ... )
    >>> check = heat_capacities(states)
    >>> print(f"{check.c_v:.3f} {check.gamma:.3f} {check.lines[0].c_p:.3f} {check.mayer:.3f}")
    5.000 2.000 10.000 1.000

    """
    with_volume = states.attrs.get("protocol") != "FixedSphere" and "volume" in states
    needs = ["loss", "temperature", *(["volume", "pressure"] if with_volume else [])]
    points = select(states, needs, statuses)
    variable = points.axes["lr"] * points.axes["wd"] if points.protocol == "FixedLR" else points.axes["elr"]
    # lr * wd of a log-spaced grid repeats up to rounding
    _, level = np.unique(np.log(variable).round(9), return_inverse=True)
    count = int(level.max(initial=-1)) + 1
    if count < _LEAST:
        raise InputError(
            f"heat capacities: {count} temperatures in {len(points)} usable points "
            f"({len(points.left_out)} left out); expected at least {_LEAST}"
        )
    T, T_se, _, _ = _level_means(level, points.values["temperature"], points.errors["temperature"])
    U, U_se, chi_squared, freedom = _level_means(level, points.values["loss"], points.errors["loss"])
    order = np.argsort(T)
    T, T_se, U, U_se = T[order], T_se[order], U[order], U_se[order]
    R = float(gas_constant(points.dim))
    c_v, c_v_se = np.empty(count), np.empty(count)
    for i in range(count):
        near = np.argsort(np.abs(np.log(T / T[i])), kind="stable")[:_WINDOW]
        c_v[i], c_v_se[i] = local_slope(T[near], T_se[near], U[near], U_se[near], float(T[i]))
    cold = below >= T
    if cold.sum() < _LEAST:
        raise InputError(f"heat capacities: below is {below:g}, {cold.sum()} temperatures; expected {_LEAST}")
    fit = _coldest(T[cold], T_se[cold], U[cold], U_se[cold])
    limit, limit_se = (float(x) for x in fit.slope(0.0))
    lines = tuple(_lines(points, R)) if with_volume else ()
    mayer, mayer_se = _mean([line.ratio for line in lines], [line.ratio_se for line in lines])
    values = {"temperature": T, "energy": U, "c_v": c_v, "c_p": c_v + R, "gamma": 1 + R / c_v}
    errors = {"temperature": T_se, "energy": U_se, "c_v": c_v_se, "c_p": c_v_se, "gamma": R * c_v_se / c_v**2}
    data = values | {f"{name}_se": error for name, error in errors.items()} | {"n": np.bincount(level)[order]}
    first = np.array([variable[level == k][0] for k in range(count)])[order]
    return HeatCheck(
        points=xr.Dataset({name: ("level", array) for name, array in data.items()}, {"level": first}),
        fit=fit,
        c_v=limit,
        c_v_se=limit_se,
        gamma=1 + R / limit,
        gamma_se=R * limit_se / limit**2,
        gas_constant=R,
        joule_chi_squared=chi_squared,
        joule_freedom=freedom,
        lines=lines,
        mayer=mayer,
        mayer_se=mayer_se,
        left_out=points.left_out,
    )


def _mean(values: Sequence[float] | Array, errors: Sequence[float] | Array) -> tuple[float, float]:
    """Mean weighted by known errors; a plain one, with the error from the scatter, otherwise."""
    y, se = np.asarray(values, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if not len(y):
        return math.nan, math.nan
    if known(se):
        weight = 1 / se**2
        return float(np.average(y, weights=weight)), float(1 / np.sqrt(weight.sum()))
    return float(y.mean()), float(y.std(ddof=1) / math.sqrt(len(y))) if len(y) > 1 else math.nan


def _level_means(level: NDArray[np.int64], y: Array, se: Array) -> tuple[Array, Array, float, int]:
    groups = [level == k for k in range(int(level.max()) + 1)]
    found = np.array([_mean(y[group], se[group]) for group in groups])
    freedom = len(y) - len(groups)
    chi_squared = float((((y - found[level, 0]) / se) ** 2).sum()) if known(se) else math.nan
    return found[:, 0], found[:, 1], chi_squared, freedom


def _coldest(T: Array, T_se: Array, U: Array, U_se: Array) -> EnergyFit:
    for n in range(len(T), 0, -1):
        fit = fit_energy(T[:n], T_se[:n], U[:n], U_se[:n])
        if n <= _WINDOW or not fit.p_value < _REJECT:
            break
    return fit


def _lines(points: Points, R: float) -> list[HeatLine]:
    found = []
    for wd in np.unique(points.axes["wd"]):
        here = points.axes["wd"] == wd
        T, T_se = points.values["temperature"][here], points.errors["temperature"][here]
        if len(np.unique(T)) < _LEAST:
            continue
        U, U_se = points.values["loss"][here], points.errors["loss"][here]
        pV, pV_se = wd * points.values["volume"][here], wd * points.errors["volume"][here]
        middle = float(np.exp(np.log(T).mean()))
        near = np.argsort(np.abs(np.log(T / middle)), kind="stable")[:_NEAR_MIDDLE]
        t, t_se, u, u_se = T[near], T_se[near], U[near], U_se[near]
        c_p, c_p_se = local_slope(t, t_se, u + pV[near], np.hypot(u_se, pV_se[near]), middle)
        c_v, c_v_se = local_slope(t, t_se, u, u_se, middle)
        gain, gain_se = (float(x) for x in fit_energy(T, T_se, pV, pV_se, degree=1).slope(middle))
        line = HeatLine(
            float(wd), middle, c_p, c_p_se, c_v, c_v_se, gain, gain_se, gain / R, gain_se / R, int(here.sum())
        )
        found.append(line)
    return found
