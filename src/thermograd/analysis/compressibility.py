"""The real gas: the compressibility Z = p V / (R T) of measured states, and what their gradients predict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.points import LeftOut, Points, select
from thermograd.analysis.radius import radius
from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS
from thermograd.theory import gas
from thermograd.theory.radius import (
    Versions,
    effective_wd_sphere,
    stationary_radius_elr,
    stationary_radius_lr,
)

__all__ = ["CompressibilityCheck", "CompressibilityLine", "compressibility", "level_variable"]

Array = NDArray[np.float64]
_LEAST = 6  # of four coefficients, with a scatter to tell their errors

_LAWS: dict[str, Callable[..., Versions]] = {
    "FixedSphere": effective_wd_sphere,
    "FixedELR": stationary_radius_elr,
    "FixedLR": stationary_radius_lr,
}


@dataclass(frozen=True)
class CompressibilityLine:
    """How well one version of the state equation does over all points.

    Attributes
    ----------
    version
        ``sde`` (Z = 1, the ideal gas), ``discrete`` or ``finite_step``.
    n
        Number of points with a prediction.
    median, worst
        Of ``|measured / predicted - 1|``.
    error
        Standard error of ``measured / predicted`` at a typical point, in which that of T cancels; NaN where
        not known.

    """

    version: str
    n: int
    median: float
    worst: float
    error: float


@dataclass(frozen=True)
class CompressibilityCheck:
    """Z of every state, measured and predicted, and whether it depends on the pressure.

    Attributes
    ----------
    points
        Over the grid: ``temperature``, ``pressure``, ``measured``, and by ``version`` ``predicted``, each
        with ``_se``; NaN where left out.
    lines
        One for each version.
    smallest, largest
        Of the measured Z.
    pressure_exponent, pressure_exponent_se
        ``(dlog Z / dlog p)_T``: 0 by scale invariance, since states of one temperature at two pressures
        differ in their radius alone. NaN where the points do not tell.
    left_out
        Points not used.

    """

    points: xr.Dataset
    lines: tuple[CompressibilityLine, ...]
    smallest: float
    largest: float
    pressure_exponent: float
    pressure_exponent_se: float
    left_out: tuple[LeftOut, ...]


def compressibility(
    states: xr.Dataset, *, statuses: Sequence[str] = ("equilibrium",)
) -> CompressibilityCheck:
    """Compare the measured compressibility with that which the measured gradients predict.

    With ``q = 1 + grad_sq / tr_sigma`` the discrete radius makes the gas a real one: ``Z = q`` on a fixed
    sphere and at fixed ELR, ``Z = sqrt(q)`` at fixed LR; the finite-step radius adds terms of the order of
    the step, ``Z = 2 (1 - sqrt(1 - elr^2 m)) / (elr^2 tr_sigma)`` at fixed ELR, ``m = q tr_sigma``. Since
    T holds the same ``tr_sigma`` as the measured Z, the ratio of the two is that of V1 (its square for
    a radius), while Z itself says how far from an ideal gas the states are.

    ``(dlog Z / dlog p)_T`` is the coefficient of ``log p`` in a least-squares fit of log Z that is quadratic
    in the logarithm of what T depends on, the ELR or ``lr * wd``.

    Parameters
    ----------
    states
        Stationary states with ``tr_sigma``, ``grad_sq`` and ``norm``, and on a sphere ``effective_wd``.
    statuses
        Statuses of points to use.

    Raises
    ------
    InputError
        When something was not measured, or no point can be used.

    References
    ----------
    IG section 7 ("real gas") and appendix G, eq. 119-121.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> from thermograd.states import new_states
    >>> measured = {"norm": 1.74007, "tr_sigma": 9.0, "grad_sq": 0.144}
    >>> check = compressibility(new_states(FixedLR(lr=0.1, wd=0.05), measured, dim=10))
    >>> print(f"{check.largest:.4f}", check.points.predicted.values.ravel().round(4))
    1.0093 [1.     1.008  1.0092]

    """
    needs = ["compressibility", "pressure", "temperature", "tr_sigma", "grad_sq", "norm"]
    direct = "batch_grad_sq" in states
    points = select(states, [*needs, "snr", *(["batch_grad_sq"] if direct else [])], statuses)
    if len(points) == 0:
        raise InputError(f"compressibility: no point of status {list(statuses)} among {states.status.size}")
    measured, measured_se = points.values["compressibility"], points.errors["compressibility"]
    tr_sigma, snr = points.values["tr_sigma"], points.values["snr"]
    m = points.values["batch_grad_sq"] if direct else tr_sigma + points.values["grad_sq"]
    # Mean and noise of the gradient are measured together; the error of their ratio is that of the SNR.
    q, q_se = m / tr_sigma, 2 * snr * points.errors["snr"]
    predicted = {version: _predict(points, version, q * tr_sigma) for version in Versions._fields}
    spread = {
        version: np.abs(
            _predict(points, version, (q + q_se) * tr_sigma)
            - _predict(points, version, (q - q_se) * tr_sigma)
        )
        / 2
        for version in Versions._fields
    }
    versions = xr.Variable("version", list(Versions._fields))
    data = {
        name: xr.concat([points.on_grid(arrays[version]) for version in Versions._fields], versions)
        for name, arrays in (("predicted", predicted), ("predicted_se", spread))
    }
    data |= {"measured": points.on_grid(measured), "measured_se": points.on_grid(measured_se)}
    for name in ("temperature", "pressure"):
        data[name] = points.on_grid(points.values[name])
        data[f"{name}_se"] = points.on_grid(points.errors[name])
    exponent, exponent_se = _pressure_exponent(points, measured)
    return CompressibilityCheck(
        points=xr.Dataset(data, attrs={"protocol": points.protocol, "dim": points.dim}),
        lines=tuple(
            _line(version, measured, predicted[version], _ratio_error(states, statuses, version))
            for version in Versions._fields
        ),
        smallest=float(measured.min()),
        largest=float(measured.max()),
        pressure_exponent=exponent,
        pressure_exponent_se=exponent_se,
        left_out=points.left_out,
    )


def level_variable(points: Points) -> Array:
    """What the direction's state depends on alone: the ELR, or the product ``lr * wd`` at fixed LR.

    Parameters
    ----------
    points
        Of one protocol.

    """
    axes = points.axes
    return axes["lr"] * axes["wd"] if points.protocol == "FixedLR" else axes["elr"]


def _predict(points: Points, version: str, m: Array) -> Array:
    """Z of the predicted radius (or decay) at the measured temperature."""
    tr_sigma = points.values["tr_sigma"]
    axes = [points.axes[name] for name in PROTOCOLS[points.protocol].axes]
    with np.errstate(invalid="ignore", divide="ignore"):  # no stationary radius: NaN
        settled = np.asarray(
            getattr(_LAWS[points.protocol](*axes, tr_sigma if version == "sde" else m, 0.0), version)
        )
    sphere = points.protocol == "FixedSphere"
    pressure = settled if sphere else points.axes["wd"]
    volume = gas.volume(points.axes["radius"] if sphere else settled)
    return gas.compressibility(pressure, volume, points.values["temperature"], points.dim)


def _ratio_error(states: xr.Dataset, statuses: Sequence[str], version: str) -> float:
    """That of V1, twice for a radius: the ratio of the two Z is that of two pressures or two volumes."""
    check = radius(states, statuses=statuses)
    errors = check.points["relative_error_se"].sel(version=version).values
    errors = errors[np.isfinite(errors)]
    if not errors.size:
        return math.nan
    return float(np.median(errors)) * (1 if check.observable == "effective_wd" else 2)


def _line(version: str, measured: Array, predicted: Array, ratio_error: float) -> CompressibilityLine:
    error = np.abs(measured / predicted - 1)
    error = error[np.isfinite(error)]
    if not error.size:
        return CompressibilityLine(version, 0, math.nan, math.nan, math.nan)
    return CompressibilityLine(
        version, int(error.size), float(np.median(error)), float(error.max()), ratio_error
    )


def _pressure_exponent(points: Points, measured: Array) -> tuple[float, float]:
    z, y = np.log(level_variable(points)), np.log(points.values["pressure"])
    z, y = z - z.mean(), y - y.mean()
    design = np.stack([np.ones_like(z), z, z**2, y], axis=1)
    if len(z) < _LEAST or np.linalg.matrix_rank(design) < design.shape[1]:
        return math.nan, math.nan
    found, *_ = np.linalg.lstsq(design, np.log(measured), rcond=None)
    residuals = np.log(measured) - design @ found
    variance = residuals @ residuals / (len(z) - design.shape[1])
    covariance = variance * np.linalg.inv(design.T @ design)
    return float(found[3]), float(np.sqrt(covariance[3, 3]))
