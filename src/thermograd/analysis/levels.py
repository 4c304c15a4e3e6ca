"""Smooth curves through what a network's direction does at each ELR: temperature, energy, entropy, norm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from thermograd.analysis.compressibility import level_variable
from thermograd.analysis.points import LeftOut, select
from thermograd.errors import InputError

__all__ = ["LevelCurve", "Levels", "levels"]

Array = NDArray[np.float64]
_DEGREE = 2
_LEAST = 6  # points: three coefficients, and a scatter to tell their errors
_LEAST_LEVELS = 4


@dataclass(frozen=True)
class LevelCurve:
    """A parabola in ``z = log(level) - centre`` by least squares.

    Attributes
    ----------
    coefficients, covariance
        Lowest order first; the covariance is that of the scatter about the curve.
    centre
        Mean of ``log(level)``.
    residual
        Standard deviation about the curve.

    """

    coefficients: Array
    covariance: Array
    centre: float
    residual: float

    def at(self, level: ArrayLike) -> tuple[Array, Array]:
        """The value at these levels, and its standard error."""
        return self._linear(self.powers(level))

    def slope(self, level: ArrayLike) -> tuple[Array, Array]:
        """The derivative by ``log(level)``, and its standard error."""
        return self._linear(self.slope_powers(level))

    def powers(self, level: ArrayLike) -> Array:
        """What the coefficients are multiplied by, a row for each level."""
        z = np.log(np.asarray(level, dtype=np.float64)) - self.centre
        return np.asarray(z[..., None] ** np.arange(len(self.coefficients)), dtype=np.float64)

    def slope_powers(self, level: ArrayLike) -> Array:
        """What the coefficients are multiplied by in the derivative, a row for each level."""
        z = np.log(np.asarray(level, dtype=np.float64)) - self.centre
        k = np.arange(len(self.coefficients))
        return np.asarray(k * z[..., None] ** np.maximum(k - 1, 0), dtype=np.float64)

    def _linear(self, rows: Array) -> tuple[Array, Array]:
        variance = np.einsum("...i,ij,...j->...", rows, self.covariance, rows)
        return np.asarray(rows @ self.coefficients), np.sqrt(variance)


@dataclass(frozen=True)
class Levels:
    """What the states of one protocol are, as functions of what the direction alone depends on.

    Attributes
    ----------
    protocol, dim
        Of the states.
    variable
        The level's name: ``elr``, or ``lr * wd`` at fixed LR.
    low, high
        Smallest and largest level.
    log_temperature, log_gas_temperature
        Curves of ``log T``, T from the gradient noise, and of ``log(p V / R)``, T by the gas thermometer.
    log_energy, entropy_sphere, log_elr, log_growth
        Curves of ``log U``, ``S_sphere``, the logarithm of the ELR ``lr / r**2``, and that of
        ``2 p V = wd r**2``.
    norm
        Geometric mean of the states' norms.
    n
        Number of states.
    left_out
        States not used.

    """

    protocol: str
    dim: int
    variable: str
    low: float
    high: float
    log_temperature: LevelCurve
    log_gas_temperature: LevelCurve
    log_energy: LevelCurve
    entropy_sphere: LevelCurve
    log_elr: LevelCurve
    log_growth: LevelCurve
    norm: float
    n: int
    left_out: tuple[LeftOut, ...]

    def temperature(self, level: ArrayLike) -> tuple[Array, Array]:
        """T at these levels, and its standard error."""
        value, se = self.log_temperature.at(level)
        return np.exp(value), np.exp(value) * se


def levels(
    states: xr.Dataset, *, statuses: Sequence[str] = ("equilibrium",), observable: str = "entropy_sphere"
) -> Levels:
    """Fit the curves on which the states of one protocol lie, whatever their radius.

    By scale invariance, ``lr -> a**2 lr, wd -> wd / a**2`` multiplies the norm by a and leaves every
    direction that SGD visits as it is: at fixed LR the direction's state depends on ``lr * wd`` alone, at
    fixed ELR and on spheres on the ELR alone. Each curve is a parabola in the logarithm of that variable
    through all states, unweighted: chains of one level scatter more than their own errors say. Seeds have
    heads of their own, and with them energies and entropies that lie apart: each has its own constant, the
    curve is their mean, and what is apart is no scatter.

    Parameters
    ----------
    states
        Stationary states of one protocol, with ``entropy_sphere``.
    statuses
        Statuses of points to use.
    observable
        Which entropy of the direction: ``"entropy_sphere"`` or ``"entropy_sphere_chart"``.

    Raises
    ------
    InputError
        When something was not measured, or fewer than 6 states at 4 levels can be used.

    Examples
    --------
    >>> from thermograd.protocol import FixedELR
    >>> from thermograd.states import new_states
    >>> elr = np.geomspace(0.001, 0.01, 6)[:, None]
    >>> measured = {"loss": 5 * elr, "norm": 1 + 0 * elr, "tr_sigma": 9 + 0 * elr}
    >>> measured["entropy_sphere"] = 4.5 * np.log(elr)
    >>> found = levels(new_states(FixedELR.grid(elr=elr.ravel(), wd=[0.01]), measured, dim=10))
    >>> print(found.variable, found.entropy_sphere.slope(0.003)[0].round(6), found.n)
    elr 4.5 6

    """
    needs = ["loss", "norm", "temperature", "pressure", "effective_lr", observable]
    points = select(states, needs, statuses)
    level = level_variable(points)
    distinct = len(np.unique(np.log(level).round(9)))  # lr * wd repeats up to rounding
    if len(points) < _LEAST or distinct < _LEAST_LEVELS:
        raise InputError(
            f"levels of {points.protocol}: {len(points)} usable points at {distinct} levels "
            f"({len(points.left_out)} left out); expected at least {_LEAST} at {_LEAST_LEVELS}"
        )
    values = points.values
    if (values["loss"] <= 0).any():
        raise InputError(f"levels: loss is {values['loss'].min():.3g} at a point; expected above 0")
    centre = float(np.log(level).mean())

    def curve(y: Array) -> LevelCurve:
        return _fit(np.log(level) - centre, y, centre, points.seeds)

    log_growth = np.log(values["pressure"] * values["norm"] ** 2)
    return Levels(
        protocol=points.protocol,
        dim=points.dim,
        variable="lr * wd" if points.protocol == "FixedLR" else "elr",
        low=float(level.min()),
        high=float(level.max()),
        log_temperature=curve(np.log(values["temperature"])),
        log_gas_temperature=curve(log_growth - np.log(points.dim - 1)),
        log_energy=curve(np.log(values["loss"])),
        entropy_sphere=curve(values[observable]),
        log_elr=curve(np.log(values["effective_lr"])),
        log_growth=curve(log_growth),
        norm=float(np.exp(np.log(values["norm"]).mean())),
        n=len(points),
        left_out=points.left_out,
    )


def _fit(z: Array, y: Array, centre: float, seeds: Array) -> LevelCurve:
    own = _DEGREE + 1
    design = np.hstack([z[:, None] ** np.arange(own), seeds])
    if len(z) <= design.shape[1]:
        raise InputError(f"levels: {len(z)} usable points with {seeds.shape[1] + 1} seeds; expected more")
    found, *_ = np.linalg.lstsq(design, y, rcond=None)
    residuals = y - design @ found
    variance = float(residuals @ residuals) / (len(z) - design.shape[1])
    covariance = (variance * np.linalg.inv(design.T @ design))[:own, :own]
    return LevelCurve(np.asarray(found[:own]), np.asarray(covariance), centre, math.sqrt(variance))
