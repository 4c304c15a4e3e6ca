"""Adiabats of a network: curves of constant entropy, from measured energies or from measured entropies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermograd.analysis.levels import LevelCurve, Levels
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Protocol

__all__ = ["NetworkAdiabat", "energy_adiabat", "entropy_adiabat", "gas_adiabat"]

Array = NDArray[np.float64]
_DIGITS = 6  # of a hyperparameter: the same states give the same runs on any machine
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


@dataclass(frozen=True)
class NetworkAdiabat:
    """A curve along which the radius is to undo what the direction gains.

    Attributes
    ----------
    level
        ``elr``, or ``lr * wd`` at fixed LR, of each point; the middle one is where the curve starts.
    temperature, elr, radius, wd
        Of each point.
    sphere_change, sphere_change_se
        Change of the entropy on the sphere from the start that the curve assumes, in nats, and its
        standard error.
    dim
        Number of scale-invariant weights.

    """

    level: Array
    temperature: Array
    elr: Array
    radius: Array
    wd: Array
    sphere_change: Array
    sphere_change_se: Array
    dim: int

    def __len__(self) -> int:
        return len(self.level)

    def protocol(self, kind: type[Protocol], index: int) -> Protocol:
        """The point under one of the three protocols, its hyperparameters to six digits.

        Parameters
        ----------
        kind
            ``FixedSphere``, ``FixedELR`` or ``FixedLR``.
        index
            Which point.

        """
        elr, radius, wd = (float(values[index]) for values in (self.elr, self.radius, self.wd))
        values = {"elr": elr, "radius": radius, "wd": wd, "lr": elr * radius**2}
        if kind not in (FixedSphere, FixedELR, FixedLR):
            raise InputError(f"adiabat: protocol is {kind!r}; expected FixedSphere, FixedELR or FixedLR")
        return kind(**{name: float(f"{values[name]:.{_DIGITS}g}") for name in kind.axes})


def energy_adiabat(found: Levels, points: int = 5) -> NetworkAdiabat:
    """The adiabat of the measured energies: ``dS_sphere = dU / T``, if the training loss is the energy.

    With a constant heat capacity ``C_V = dU/dT`` it is ``p V**gamma = const``, ``gamma = 1 + R / C_V``; here
    ``int (dU/dz) / T dz`` is taken along the fitted curves, ``z = log(level)``, whatever their shape. For
    networks the loss is not the energy that SGD minimises (IG section 6.1), so that this is a test of how
    far it may stand in for it.

    Parameters
    ----------
    found
        Curves of the states.
    points
        Number of points, odd: the middle one is the start.

    Raises
    ------
    InputError
        If the number of points is even or below 3.

    References
    ----------
    IG section 4 (V4) and appendix D.4, eq. 97-99.

    Examples
    --------
    >>> from thermograd.analysis.levels import levels
    >>> from thermograd.states import new_states
    >>> elr = np.geomspace(0.001, 0.01, 6)[:, None]
    >>> measured = {"norm": 1 + 0 * elr, "tr_sigma": 9 + 0 * elr, "loss": 4.5 * elr / 2}
    >>> measured["entropy_sphere"] = 4.5 * np.log(elr)
    >>> states = new_states(FixedELR.grid(elr=elr.ravel(), wd=[0.01]), measured, dim=10)
    >>> curve = energy_adiabat(levels(states), 3)
    >>> print((curve.sphere_change / 4.5 / np.log(10) * 2).round(2), curve.protocol(FixedELR, 1))
    [-1.  0.  1.] FixedELR(elr=0.00316228, wd=0.01)

    """
    return _along_heat(found, points, found.log_temperature)


def gas_adiabat(found: Levels, points: int = 5) -> NetworkAdiabat:
    """The adiabat of the measured energies by the gas thermometer, ``T = p V / R``.

    For an ideal gas this is the temperature from the noise; for measured states it is Z times that, with
    ``grad_sq`` beside ``tr_sigma``: what drives the norm apart, whatever it is made of.

    Parameters
    ----------
    found, points
        As for :func:`energy_adiabat`.

    """
    return _along_heat(found, points, found.log_gas_temperature)


def entropy_adiabat(found: Levels, points: int = 5) -> NetworkAdiabat:
    """The curve along which the measured entropies themselves say that the entropy stays.

    Interpolated between the measured states, it asks nothing of the energy: runs along it check the
    entropy's surface at states that were not among those it was fitted to.

    Parameters
    ----------
    found, points
        As for :func:`energy_adiabat`.

    """
    level = _span(found, points)
    start = level[points // 2]
    curve = found.entropy_sphere
    rows = curve.powers(level) - curve.powers(start)
    change = rows @ curve.coefficients
    change_se = np.sqrt(np.einsum("pi,ij,pj->p", rows, curve.covariance, rows))
    return _curve(found, level, change, change_se)


def _span(found: Levels, points: int) -> Array:
    if points < 3 or points % 2 == 0:
        raise InputError(f"adiabat: points is {points}; expected an odd number, at least 3")
    return np.geomspace(found.low, found.high, points)


def _curve(found: Levels, level: Array, change: Array, change_se: Array) -> NetworkAdiabat:
    radius = found.norm * np.exp(-change / (found.dim - 1))
    elr = np.exp(found.log_elr.at(level)[0])
    growth = np.exp(found.log_growth.at(level)[0])
    return NetworkAdiabat(
        level=level,
        temperature=found.temperature(level)[0],
        elr=elr,
        radius=radius,
        wd=growth / radius**2,
        sphere_change=change,
        sphere_change_se=change_se,
        dim=found.dim,
    )


def _along_heat(found: Levels, points: int, log_temperature: LevelCurve) -> NetworkAdiabat:
    level = _span(found, points)
    change, change_se = np.zeros(points), np.zeros(points)
    middle = points // 2
    for i in range(points):
        if i != middle:
            change[i], change_se[i] = _heat(found.log_energy, log_temperature, level[middle], level[i])
    return _curve(found, level, change, change_se)


def _heat(
    log_energy: LevelCurve, log_temperature: LevelCurve, start: float, end: float
) -> tuple[float, float]:
    """The integral of ``dU / T`` and its error, that of T taken as one factor."""
    low, high = np.log(start), np.log(end)
    level = np.exp((low + high) / 2 + (high - low) / 2 * _NODES)
    log_t, log_t_se = log_temperature.at(level)
    weight = (high - low) / 2 * _WEIGHTS * np.exp(log_energy.at(level)[0] - log_t)
    slope = log_energy.slope(level)[0]
    value = float(weight @ slope)
    # U moves with every coefficient, and so does its slope.
    row = weight @ (slope[:, None] * log_energy.powers(level) + log_energy.slope_powers(level))
    own = float(row @ log_energy.covariance @ row)
    return value, float(np.sqrt(own + (np.mean(log_t_se) * value) ** 2))
