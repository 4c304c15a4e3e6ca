"""V3 on the fixed sphere: the slope of the measured pressure with temperature, radius by radius."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.points import LeftOut, select
from thermograd.errors import InputError

__all__ = ["PressureSlope", "PressureSlopes", "pressure_slopes"]

Array = NDArray[np.float64]
_LEAST = 3  # temperatures: a line through two has no scatter to tell its error


@dataclass(frozen=True)
class PressureSlope:
    """``(dp/dT)_V`` at one radius.

    Attributes
    ----------
    radius
        Of the sphere.
    slope, slope_se
        Measured, per unit of loss.
    expected
        ``(d-1)/(2V)``.
    ratio, ratio_se
        ``slope / expected``, 1 for an ideal gas.
    n
        Number of states.

    """

    radius: float
    slope: float
    slope_se: float
    expected: float
    ratio: float
    ratio_se: float
    n: int


@dataclass(frozen=True)
class PressureSlopes:
    """The slopes at all radii that have enough states, and what was left out."""

    slopes: tuple[PressureSlope, ...]
    left_out: tuple[LeftOut, ...]


def pressure_slopes(states: xr.Dataset, *, statuses: Sequence[str] = ("equilibrium",)) -> PressureSlopes:
    """Test ``(dp/dT)_V = (d-1)/(2V)`` on a fixed sphere, p the measured effective weight decay (IG eq. 82).

    At each radius a straight line ``p = c + slope T`` is fitted with weights ``1 / p**2``, since errors are
    relative and temperatures span decades; the standard error comes from the scatter about the line. Each
    temperature has its own learning rate and its own measured noise, so the line, unlike a single ratio
    ``p V / (R T)``, is a derivative at constant volume.

    Parameters
    ----------
    states
        Stationary states on the fixed sphere with ``pressure`` and ``temperature``.
    statuses
        Statuses of points to use.

    Raises
    ------
    InputError
        When the states are of another protocol, something was not measured, or no radius has three states.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> elr = np.array([[1e-3], [2e-3], [4e-3]])
    >>> measured = {"norm": 2 + 0 * elr, "tr_sigma": 9 + 0 * elr, "effective_wd": elr * 9 / 8}
    >>> grid = FixedSphere.grid(elr=elr.ravel(), radius=[2.0])
    >>> slope = pressure_slopes(new_states(grid, measured, dim=10)).slopes[0]
    >>> print(f"{slope.slope:.4f} {slope.expected:.4f} {slope.ratio:.4f}")
    2.2500 2.2500 1.0000

    """
    if states.attrs.get("protocol") != "FixedSphere":
        protocol = states.attrs.get("protocol")
        raise InputError(f"pressure slopes: protocol is {protocol!r}; expected 'FixedSphere'")
    points = select(states, ["pressure", "temperature"], statuses)
    slopes, left_out = [], list(points.left_out)
    for radius in np.unique(points.axes["radius"]):
        here = points.axes["radius"] == radius
        temperature, pressure = points.values["temperature"][here], points.values["pressure"][here]
        if len(np.unique(temperature)) < _LEAST:
            reason = f"{here.sum()} states at this radius; expected {_LEAST} temperatures"
            elrs = points.axes["elr"][here]
            left_out += [LeftOut({"elr": float(elr), "radius": float(radius)}, reason) for elr in elrs]
            continue
        slope, slope_se = _slope(temperature, pressure)
        expected = (points.dim - 1) / float(radius) ** 2
        ratio, ratio_se, n = slope / expected, slope_se / expected, int(here.sum())
        slopes.append(PressureSlope(float(radius), slope, slope_se, expected, ratio, ratio_se, n))
    if not slopes:
        raise InputError(f"pressure slopes: no radius has {_LEAST} usable states; {len(left_out)} left out")
    return PressureSlopes(tuple(slopes), tuple(left_out))


def _slope(temperature: Array, pressure: Array) -> tuple[float, float]:
    design = np.stack([1 / pressure, temperature / pressure], axis=1)
    scale = np.abs(design).max(axis=0)
    design /= scale
    found, *_ = np.linalg.lstsq(design, np.ones_like(pressure), rcond=None)
    residuals = 1 - design @ found
    covariance = residuals @ residuals / (len(pressure) - 2) * np.linalg.inv(design.T @ design)
    return float(found[1] / scale[1]), float(np.sqrt(covariance[1, 1]) / scale[1])
