"""A smooth curve through measured energies over temperature, and its slope with an error bar."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

__all__ = ["EnergyFit", "fit_energy", "known", "local_slope"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EnergyFit:
    """A polynomial ``y = b0 + b1 T + b2 T^2`` through measured energies, by weighted least squares.

    Attributes
    ----------
    coefficients, covariance
        Lowest order first; the covariance follows from the errors of the points or, where these are not
        known, from the scatter about the curve.
    chi_squared, freedom
        Of the residuals over the errors (NaN where not known), and its degrees of freedom.
    hottest
        Largest temperature of the fit.
    n
        Number of points.

    """

    coefficients: Array
    covariance: Array
    chi_squared: float
    freedom: int
    hottest: float
    n: int

    @property
    def p_value(self) -> float:
        """Chance of a larger `chi_squared` if the curve is true; NaN where that is not known."""
        return float(chdtrc(self.freedom, self.chi_squared)) if self.freedom > 0 else math.nan

    def slope(self, temperature: ArrayLike) -> tuple[Array, Array]:
        """``dy/dT`` at these temperatures, and its standard error."""
        T = np.asarray(temperature, dtype=np.float64)
        rows = np.stack([k * T ** max(k - 1, 0) for k in range(len(self.coefficients))], axis=-1)
        variance = np.einsum("...i,ij,...j->...", rows, self.covariance, rows)
        return rows @ self.coefficients, np.sqrt(variance)


def known(errors: Array) -> bool:
    """Whether there is an error above 0 for every value: exact values have no weights.

    Examples
    --------
    >>> known(np.array([0.1, 0.2])), known(np.array([0.1, np.nan])), known(np.zeros(2))
    (True, False, False)

    """
    return bool(np.isfinite(errors).all() and (errors > 0).all())


def fit_energy(T: Array, T_se: Array, y: Array, y_se: Array, degree: int = 2) -> EnergyFit:
    """Fit ``y = b0 + b1 T + b2 T^2`` with weights ``1 / (y_se^2 + (dy/dT)^2 T_se^2)``.

    Parameters
    ----------
    T, y
        Temperatures and energies, shape ``(n,)``, ``n >= 3``.
    T_se, y_se
        Their standard errors. Where one of `y_se` is not known (0 or NaN) errors are taken as proportional to
        T, and their size is found from the scatter; an unknown `T_se` counts as 0.
    degree
        Of the polynomial; lowered to ``n - 2``, which leaves a degree of freedom.

    Examples
    --------
    >>> T = np.array([0.1, 0.2, 0.4, 0.8])
    >>> fit = fit_energy(T, 0 * T, 5 * T - T**2, 0.01 * T)
    >>> print(fit.slope(0.0)[0].round(9), fit.slope(0.5)[0].round(9), fit.freedom)
    5.0 4.0 1

    """
    degree = min(degree, len(T) - 2)
    scale = float(T.max())
    solved = _solve(T / scale, np.nan_to_num(T_se) / scale, y, y_se, T / scale, degree)
    units = scale ** -np.arange(degree + 1.0)
    covariance = solved.covariance * np.outer(units, units)
    return EnergyFit(
        solved.coefficients * units, covariance, solved.chi_squared, solved.freedom, scale, len(T)
    )


def local_slope(T: Array, T_se: Array, y: Array, y_se: Array, at: float) -> tuple[float, float]:
    """Slope at one temperature and its standard error, ``dy/dT = (y/T) dlog y / dlog T``, by a log-log cubic.

    A power law is met exactly, with any spacing of temperatures; where a y is not above 0 the cubic is one of
    y itself. The cubic becomes a parabola or straight line for 4 or 3 temperatures.

    Parameters
    ----------
    T, T_se, y, y_se
        As for :func:`fit_energy`, a few neighbouring temperatures.
    at
        Temperature of the slope.

    Examples
    --------
    >>> T = np.array([0.1, 0.2, 0.4])
    >>> slope, _ = local_slope(T, 0 * T, 5 * T, 0.01 * T, 0.2)
    >>> print(round(slope, 9))
    5.0

    """
    logarithmic = bool((y > 0).all())
    target, target_se = (np.log(y), y_se / y) if logarithmic else (y, y_se)
    unit = np.ones_like(T) if logarithmic else T / T.max()
    solved = _solve(np.log(T / at), np.nan_to_num(T_se) / T, target, target_se, unit, min(3, len(T) - 2))
    value, slope = solved.coefficients[:2]
    factor = np.exp(value) / at if logarithmic else 1 / at
    row = np.zeros(len(solved.coefficients))
    row[:2] = slope if logarithmic else 0.0, 1.0
    return float(factor * slope), float(factor * np.sqrt(row @ solved.covariance @ row))


@dataclass(frozen=True)
class _Solved:
    coefficients: Array
    covariance: Array
    chi_squared: float
    freedom: int


def _solve(x: Array, x_se: Array, y: Array, y_se: Array, unit: Array, degree: int) -> _Solved:
    """A polynomial by weighted least squares; errors that are not known are in proportion to `unit`."""
    weighted = known(y_se)
    powers = np.arange(degree + 1)
    design = x[:, None] ** powers
    errors: Array = y_se if weighted else unit
    for _ in range(3):  # the error of x counts by the slope, which the fit has first to find
        rows = design / errors[:, None]
        found = np.asarray(np.linalg.lstsq(rows, y / errors, rcond=None)[0], dtype=np.float64)
        if weighted:
            through_x = x_se * (design[:, :-1] @ (powers[1:] * found[1:]))
            errors = np.asarray(np.hypot(y_se, through_x), dtype=np.float64)
    residuals: Array = (y - design @ found) / errors
    freedom, square = len(x) - degree - 1, float(residuals @ residuals)
    covariance = np.linalg.pinv(rows.T @ rows) * (1.0 if weighted else square / freedom)
    return _Solved(found, np.asarray(covariance, dtype=np.float64), square if weighted else math.nan, freedom)
