"""V3 without a surface: straight lines of entropy or pressure over the logarithm of one hyperparameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.common_slope import Slope, common_slope
from thermograd.analysis.energy_fit import known
from thermograd.analysis.points import LeftOut, Points, select
from thermograd.errors import InputError
from thermograd.theory.gas import gas_constant

__all__ = ["SlopeCheck", "SlopeLaw", "log_log_slopes"]

Array = NDArray[np.float64]
_LEAST = 3  # points of a line: two have no scatter to tell its error


@dataclass(frozen=True)
class SlopeLaw:
    """One derivative and what theory says of it.

    Attributes
    ----------
    relation
        In words of mathematics.
    ideal
        Slope of the ideal gas.
    cold
        Whether that holds only where ``C_V = R``, as for any cold gas. The others are Maxwell relations.
    lines
        The slope along each line of the grid that has 3 points.
    pooled
        The slope common to all lines, each with its own offset.

    """

    relation: str
    ideal: float
    cold: bool
    lines: tuple[Slope, ...]
    pooled: Slope


@dataclass(frozen=True)
class SlopeCheck:
    """All slopes that the states determine.

    Attributes
    ----------
    protocol, observable
        Name of the protocol, and which entropy.
    laws
        The first is the Maxwell relation of the entropy.
    left_out
        Points not used.

    """

    protocol: str
    observable: str
    laws: tuple[SlopeLaw, ...]
    left_out: tuple[LeftOut, ...]


class _Known(NamedTuple):
    """A law before it is measured; the unit stands in for an ideal of 0 in ratios."""

    relation: str
    ideal: float
    cold: bool
    unit: float


def log_log_slopes(
    states: xr.Dataset, *, statuses: Sequence[str] = ("equilibrium",), observable: str = "entropy"
) -> SlopeCheck:
    """Slopes of the entropy with the logarithm of each hyperparameter, line by line and pooled.

    With ``R = (d-1)/2``, natural logarithms, and the cold limit ``C_V = R`` in brackets:

    - fixed ELR: ``(dS/dlog wd)_elr = -R``, ``(dS/dlog elr)_wd = C_V + R [= d-1]``;
    - fixed LR: ``(dS/dlog lr)_wd - (dS/dlog wd)_lr = R``, from a plane through all points; the same along
      lines of constant ``lr * wd``, on which T stays, ``(dS/dlog lr)_(lr wd) = R``; each alone
      ``(dS/dlog lr)_wd = (C_V + R)/2 [= R]``, ``(dS/dlog wd)_lr = (C_V - R)/2 [= 0]``;
    - fixed sphere: ``(dS/dlog r)_elr = d-1``, ``(dS/dlog elr)_r = C_V [= R]``, and of the measured pressure
      ``(dlog p/dlog T)_V = 1`` and ``(dp/dT)_V = (d-1)/(2V)``, which is ``(p/T) dlog p/dlog T`` at the middle
      of each line and is given as a ratio to that.

    Parameters
    ----------
    states
        Stationary states with ``entropy``; the pressure of the sphere is used where it was measured.
    statuses
        Statuses of points to use.
    observable
        Which entropy: ``"entropy"``, or ``"entropy_chart"`` for the papers' reading of it.

    Raises
    ------
    InputError
        When the entropy was not measured, or no line has 3 points.

    References
    ----------
    IG section 4 and appendix D.3, eq. 23, 82, 85.

    Examples
    --------
    >>> from thermograd.protocol import FixedELR
    >>> from thermograd.states import new_states
    >>> grid = FixedELR.grid(elr=[1e-3, 2e-3, 4e-3], wd=[1e-3, 1e-2, 1e-1])
    >>> norm = np.sqrt(np.array([[1.0], [2.0], [4.0]]) / [1, 10, 100])
    >>> for law in log_log_slopes(new_states(grid, {"norm": norm, "entropy_sphere": 0 * norm}, dim=11)).laws:
    ...     print(f"{law.relation}: {law.pooled.value:.3f}, ideal {law.ideal:g}")
    (dS/dlog wd)_elr: -5.000, ideal -5
    (dS/dlog elr)_wd: 5.000, ideal 10

    """
    points = select(states, [observable], statuses)
    R = float(gas_constant(points.dim))
    S, S_se = points.values[observable], points.errors[observable]
    laws: list[SlopeLaw | None] = []
    left_out = list(points.left_out)

    def along(name: str, fixed: str, ideal: float, cold: bool) -> None:
        x, group = np.log(points.axes[name]), points.axes[fixed]
        relation = f"(dS/dlog {name})_{fixed}".replace("radius", "r")
        laws.append(_law(_Known(relation, ideal, cold, R), x, S, S_se, group, fixed))

    if points.protocol == "FixedELR":
        along("wd", "elr", -R, False)
        along("elr", "wd", 2 * R, True)
    elif points.protocol == "FixedLR":
        x, y = np.log(points.axes["lr"]), np.log(points.axes["wd"])
        laws.append(_plane(x, y, S, S_se, R))
        product = np.exp((x + y).round(9))  # of a log-spaced grid repeats up to rounding
        laws.append(_law(_Known("(dS/dlog lr)_(lr wd)", R, False, R), x, S, S_se, product, "lr * wd"))
        along("lr", "wd", R, True)
        along("wd", "lr", 0.0, True)
    else:
        along("radius", "elr", 2 * R, False)
        along("elr", "radius", R, True)
        if "pressure" in states and "temperature" in states:
            pressed = select(states, ["pressure", "temperature"], statuses)
            laws += _pressure(pressed)
            left_out += [left for left in pressed.left_out if left.point not in [o.point for o in left_out]]
    found = tuple(law for law in laws if law is not None)
    if not found:
        raise InputError(
            f"log-log slopes: no line of {len(points)} usable points ({len(points.left_out)} left out) has "
            f"{_LEAST}; expected at least one"
        )
    return SlopeCheck(points.protocol, observable, found, tuple(left_out))


def _law(law: _Known, x: Array, y: Array, errors: Array, group: Array, fixed: str) -> SlopeLaw | None:
    lines, kept = [], np.zeros(len(x), dtype=bool)
    for value in np.unique(group):
        here = group == value
        if len(np.unique(x[here])) < _LEAST:
            continue
        kept |= here
        one = common_slope(x[here], y[here], errors[here], group[here], ideal=law.ideal, unit=law.unit)
        lines.append(Slope(**(vars(one) | {"at": {fixed: float(value)}})))
    if not lines:
        return None
    pooled = common_slope(x[kept], y[kept], errors[kept], group[kept], ideal=law.ideal, unit=law.unit)
    return SlopeLaw(law.relation, law.ideal, law.cold, tuple(lines), pooled)


def _plane(x: Array, y: Array, S: Array, S_se: Array, R: float) -> SlopeLaw | None:
    """Slope in x minus slope in y of a plane: along ``x + y = const`` it is the slope over ``(x - y)/2``."""
    design = np.stack([np.ones_like(x), x - x.mean(), y - y.mean()], axis=1) if len(x) else np.empty((0, 3))
    freedom = len(x) - 3
    if freedom < 1 or np.linalg.matrix_rank(design) < 3:
        return None
    contrast = np.array([0.0, 1.0, -1.0])

    def fit(sd: Array) -> tuple[float, float, float]:
        rows = design / sd[:, None]
        found = np.linalg.lstsq(rows, S / sd, rcond=None)[0]
        residuals = S / sd - rows @ found
        variance = contrast @ np.linalg.inv(rows.T @ rows) @ contrast
        return float(contrast @ found), math.sqrt(variance), float(residuals @ residuals)

    plain, unit_se, rss = fit(np.ones_like(S))
    plain_se = unit_se * math.sqrt(rss / freedom)
    value, se, chi_squared = fit(S_se) if known(S_se) else (plain, plain_se, math.nan)
    pooled = Slope({}, value, se, plain, plain_se, value / R, se / R, chi_squared, freedom, len(x))
    return SlopeLaw("(dS/dlog lr)_wd - (dS/dlog wd)_lr", R, False, (), pooled)


def _pressure(points: Points) -> list[SlopeLaw | None]:
    T, p = points.values["temperature"], points.values["pressure"]
    if not ((T > 0).all() and (p > 0).all()):
        worst = min(T.min(), p.min())
        raise InputError(f"log-log slopes: a temperature or pressure is {worst:.3g}; expected above 0")
    x, y, radius = np.log(T), np.log(p), points.axes["radius"]
    # slope 1 carries the error of T over to p; both see the same gradients, so this overstates it
    errors = np.hypot(points.errors["pressure"] / p, np.nan_to_num(points.errors["temperature"] / T))
    exponent = _law(_Known("(dlog p/dlog T)_V", 1.0, False, 1.0), x, y, errors, radius, "radius")
    if exponent is None:
        return []
    height = y - x + np.log(radius**2 / (points.dim - 1))  # log of p V / (R T)
    everywhere = np.isin(radius, [line.at["radius"] for line in exponent.lines])
    lines = tuple(_rise(line, height, errors, radius == line.at["radius"]) for line in exponent.lines)
    pooled = _rise(exponent.pooled, height, errors, everywhere)
    return [exponent, SlopeLaw("(dp/dT)_V over (d-1)/(2V)", 1.0, False, lines, pooled)]


def _rise(exponent: Slope, height: Array, errors: Array, here: NDArray[np.bool_]) -> Slope:
    """``(p/T) dlog p/dlog T`` at the points' middle, where the errors of the two factors are independent."""

    def times(slope: float, slope_se: float, weight: Array, scatter: float) -> tuple[float, float]:
        level = float(np.exp(np.average(height[here], weights=weight)))
        return level * slope, level * math.hypot(slope_se, slope * scatter / math.sqrt(weight.sum()))

    ones = np.ones(int(here.sum()))
    scatter = float(height[here].std(ddof=1))
    plain, plain_se = times(exponent.plain, exponent.plain_se, ones, scatter)
    value, se = plain, plain_se
    if known(errors[here]):
        value, se = times(exponent.value, exponent.se, 1 / errors[here] ** 2, 1.0)
    found = {"value": value, "se": se, "plain": plain, "plain_se": plain_se, "ratio": value, "ratio_se": se}
    return Slope(**(vars(exponent) | found))
