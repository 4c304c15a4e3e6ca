"""Least squares of a quadratic surface, with the covariance of everything linear in its coefficients."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = ["QuadraticFit", "fit_quadratic"]

Array = NDArray[np.float64]
_TERMS = 6


@dataclass(frozen=True)
class QuadraticFit:
    """``S = a0 + a1 x + a2 y + a3 x^2 + a4 y^2 + a5 x y``, fitted.

    Attributes
    ----------
    coefficients
        ``a0 .. a5``, shape ``(6,)``.
    covariance
        Theirs, from the scatter of the residuals, shape ``(6, 6)``.
    r_squared
        Share of the variance of ``S`` that the surface explains.
    residual_sd
        Standard deviation of the residuals, with ``n - 6`` degrees of freedom (less those of offsets), in the
        unit of ``S``.
    n
        Number of points.

    """

    coefficients: Array
    covariance: Array
    r_squared: float
    residual_sd: float
    n: int

    def linear(self, weights: ArrayLike) -> tuple[float, float]:
        """The value and standard error of ``sum_k weights_k a_k``, weights of shape ``(6,)``."""
        row = np.asarray(weights, dtype=np.float64)
        return float(row @ self.coefficients), math.sqrt(max(0.0, float(row @ self.covariance @ row)))


def fit_quadratic(
    x: ArrayLike,
    y: ArrayLike,
    s: ArrayLike,
    errors: ArrayLike | None = None,
    offsets: Array | None = None,
) -> QuadraticFit:
    """Fit a quadratic surface by ordinary least squares, or by weights ``1 / errors**2`` (IG eq. 108).

    Parameters
    ----------
    x, y
        Where, shape ``(n,)``.
    s
        What, shape ``(n,)``.
    errors
        Standard errors of ``s`` up to a common factor, shape ``(n,)``; the factor is found from the
        residuals.
    offsets
        Further columns of the fit, shape ``(n, m)``, such as :attr:`thermograd.analysis.points.Points.seeds`:
        what they explain is no part of the variance of ``s``.

    Raises
    ------
    InputError
        When the points do not determine the surface: fewer than 7 distinct ones, fewer than 3 values of
        ``x`` or of ``y``, or all on one conic.

    Examples
    --------
    >>> x, y = np.meshgrid([0.0, 1.0, 2.0], [0.0, 1.0, 3.0])
    >>> x, y = x.ravel(), y.ravel()
    >>> fit_quadratic(x, y, 1 - y + 2 * x * y).coefficients.round(9) + 0.0
    array([ 1.,  0., -1.,  0.,  0.,  2.])

    """
    x, y, s = (np.asarray(values, dtype=np.float64) for values in (x, y, s))
    distinct = len(np.unique(np.stack([x, y]), axis=1).T)
    counts = (len(np.unique(x)), len(np.unique(y)))
    if distinct < _TERMS + 1 or min(counts) < 3:
        raise InputError(
            f"quadratic fit: {distinct} distinct points on {counts[0]} x {counts[1]} values; expected at "
            "least 7 points and 3 values of each variable (add grid points, or accept more statuses)"
        )
    # Centred and scaled, then carried back exactly: logarithms of small numbers would cost half the digits.
    (x0, x1), (y0, y1) = ((v.mean(), v.std()) for v in (x, y))
    u, v = (x - x0) / x1, (y - y0) / y1
    weight = np.ones_like(s) if errors is None else 1 / np.asarray(errors, dtype=np.float64)
    if not (np.isfinite(weight).all() and (weight > 0).all()):
        raise InputError(
            "quadratic fit: an error is not a positive number; expected errors above 0 at all points"
        )
    weight = weight / np.sqrt(np.mean(weight**2))
    others = np.empty((len(s), 0)) if offsets is None else np.asarray(offsets, dtype=np.float64)
    columns = np.stack([np.ones_like(u), u, v, u**2, v**2, u * v], axis=1)
    design = weight[:, None] * np.hstack([columns, others])
    scaled, _, rank, _ = np.linalg.lstsq(design, weight * s, rcond=None)
    if rank < design.shape[1] or len(s) <= design.shape[1]:
        raise InputError(
            f"quadratic fit: {distinct} points lie on one conic; expected points all over a rectangle"
        )
    residuals = weight * s - design @ scaled
    variance = float(residuals @ residuals) / (len(s) - design.shape[1])
    means = weight[:, None] * np.hstack([columns[:, :1], others])
    about = weight * s - means @ np.linalg.lstsq(means, weight * s, rcond=None)[0]
    total = float(about @ about)
    r_squared = 1 - float(residuals @ residuals) / total if total > 0 else math.nan
    back = _back(x0, x1, y0, y1)
    covariance = variance * back @ np.linalg.inv(design.T @ design)[:_TERMS, :_TERMS] @ back.T
    return QuadraticFit(back @ scaled[:_TERMS], covariance, r_squared, math.sqrt(variance), len(s))


def _back(x0: float, x1: float, y0: float, y1: float) -> Array:
    """The matrix from the coefficients in ``u = (x - x0)/x1, v = (y - y0)/y1`` to those in ``x, y``."""
    in_u = np.array([1.0, -x0 / x1, -y0 / y1, (x0 / x1) ** 2, (y0 / y1) ** 2, x0 * y0 / (x1 * y1)])
    matrix = np.zeros((_TERMS, _TERMS))
    matrix[0] = in_u
    matrix[1] = [0, 1 / x1, 0, -2 * x0 / x1**2, 0, -y0 / (x1 * y1)]
    matrix[2] = [0, 0, 1 / y1, 0, -2 * y0 / y1**2, -x0 / (x1 * y1)]
    matrix[3, 3], matrix[4, 4], matrix[5, 5] = 1 / x1**2, 1 / y1**2, 1 / (x1 * y1)
    return matrix
