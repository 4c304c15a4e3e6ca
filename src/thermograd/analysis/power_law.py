"""A power law through points, with the covariance of its two numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.autocorrelation import integrated_time
from thermograd.errors import InputError

__all__ = ["PowerLaw", "fit_power_law"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PowerLaw:
    """``y = c x^a`` by least squares in the logarithms.

    Attributes
    ----------
    coefficient
        ``c``: the value at ``x = 1``, often far outside of the points.
    exponent, exponent_se
        ``a`` and its standard error.
    covariance
        Of ``(log c, a)``, shape ``(2, 2)``.
    low, high
        Smallest and largest x of the fit.
    n
        Number of points.

    """

    coefficient: float
    exponent: float
    exponent_se: float
    covariance: Array
    low: float
    high: float
    n: int

    @property
    def coefficient_se(self) -> float:
        """Standard error of ``c``, by the delta method."""
        return self.coefficient * math.sqrt(max(float(self.covariance[0, 0]), 0.0))

    def at(self, x: ArrayLike) -> tuple[Array, Array]:
        """The value at x, and its standard error by the delta method."""
        place = np.asarray(x, dtype=np.float64)
        rows = np.stack([np.ones_like(place), np.log(place)], axis=-1)
        value = self.coefficient * place**self.exponent
        variance = np.einsum("...i,ij,...j->...", rows, self.covariance, rows)
        return value, value * np.sqrt(np.maximum(variance, 0.0))

    def __str__(self) -> str:
        return self.text("x")

    def text(self, x: str) -> str:
        """The law in one line, with this name for x."""
        error = f" ± {self.exponent_se:.1g}" if math.isfinite(self.exponent_se) else ""
        law = f"{self.coefficient:.2g} {x}^({self.exponent:.3g}{error})"
        return f"{law} for {x} from {self.low:.3g} to {self.high:.3g}"


def fit_power_law(x: ArrayLike, y: ArrayLike, *, covariance: Array | None = None) -> PowerLaw:
    """Fit ``log y = log c + a log x`` with equal weights.

    Where the errors of y are known they imply that of the law, enlarged where the points scatter more; else
    the scatter about the line alone tells it, enlarged where neighbouring residuals are alike.

    Parameters
    ----------
    x, y
        Points above 0, shape ``(n,)``, x rising, ``n >= 3``.
    covariance
        Of the errors of ``log y``, shape ``(n, n)``.

    Raises
    ------
    InputError
        Fewer than 3 points, or a value that is not above 0.

    Examples
    --------
    >>> x = np.array([1e-3, 2e-3, 4e-3, 8e-3])
    >>> print(fit_power_law(x, 2 * x**0.5 * np.array([1.01, 0.99, 0.99, 1.01])))
    2 x^(0.5 ± 0.009) for x from 0.001 to 0.008

    """
    u, v = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if u.ndim != 1 or u.shape != v.shape or len(u) < 3:
        raise InputError(f"power law: points have shapes {u.shape}, {v.shape}; expected (n,), n >= 3")
    if not (np.isfinite(u) & np.isfinite(v) & (u > 0) & (v > 0)).all():
        raise InputError("power law: a point is not a finite number above 0; expected that of all")
    log_x, log_y = np.log(u), np.log(v)
    middle = log_x.mean()
    design = np.stack([np.ones_like(log_x), log_x - middle], axis=1)
    inverse = np.diag([1 / len(u), 1 / float(design[:, 1] @ design[:, 1])])
    linear = inverse @ design.T
    found = linear @ log_y
    left = log_y - design @ found
    spread = None
    if covariance is not None and np.isfinite(covariance).all() and (np.diag(covariance) > 0).all():
        # Not less than the errors say, or few points that lie well would have no error.
        expected = float(np.mean(np.diag(covariance)))
        excess = max(float(left @ left) / (len(u) - 2) / expected, 1.0)
        spread = linear @ covariance @ linear.T * excess
    if spread is None:
        # Rounding leaves an exact law residuals whose autocorrelation means nothing.
        time = integrated_time(left) if len(u) > 3 and np.ptp(left) > 1e-12 else 1.0
        spread = inverse * float(left @ left) / (len(u) - 2) * time
    back = np.array([[1.0, -middle], [0.0, 1.0]])
    spread = back @ spread @ back.T
    return PowerLaw(
        math.exp(found[0] - found[1] * middle),
        float(found[1]),
        math.sqrt(float(spread[1, 1])),
        spread,
        float(u.min()),
        float(u.max()),
        len(u),
    )
