"""One slope through several straight lines of points, each with its own offset."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermograd.analysis.energy_fit import known

__all__ = ["Slope", "common_slope"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Slope:
    """A slope by least squares, along one line of the grid or common to all of them.

    Attributes
    ----------
    at
        What is held fixed along the line; empty for the slope common to all lines.
    value, se
        Weighted by the known errors of the points, which give the standard error; as `plain` where not known.
    plain, plain_se
        Unweighted, with the standard error from the scatter about the lines.
    ratio, ratio_se
        `value` over the ideal slope (over R where that is 0).
    chi_squared, freedom
        Of the weighted residuals; NaN where errors are not known. Far above `freedom`, the lines are not
        straight or the errors too small: then `plain_se` is the better one.
    n
        Number of points.

    """

    at: dict[str, float]
    value: float
    se: float
    plain: float
    plain_se: float
    ratio: float
    ratio_se: float
    chi_squared: float
    freedom: int
    n: int


def common_slope(x: Array, y: Array, errors: Array, group: Array, *, ideal: float, unit: float) -> Slope:
    """The slope common to several lines, each with its own offset, weighted and not.

    Parameters
    ----------
    x, y, errors
        Points and the standard errors of y, shape ``(n,)``; errors of 0 or NaN are not known.
    group
        Which line each point belongs to, by any number.
    ideal, unit
        Expected slope, and what stands in for it in the ratio when it is 0.

    Examples
    --------
    >>> x = np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
    >>> group = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    >>> slope = common_slope(x, 2 * x + 10 * group, 0.1 + 0 * x, group, ideal=2.0, unit=1.0)
    >>> print(f"{slope.value:.3f} {slope.se:.3f} {slope.chi_squared:.3f} {slope.freedom}")
    2.000 0.050 0.000 3

    """
    lines = [group == value for value in np.unique(group)]
    freedom = len(x) - len(lines) - 1

    def fit(weight: Array) -> tuple[float, float, float]:
        u, v = x.copy(), y.copy()
        for line in lines:
            u[line] -= np.average(x[line], weights=weight[line])
            v[line] -= np.average(y[line], weights=weight[line])
        information = float(weight @ u**2)
        slope = float(weight @ (u * v)) / information
        return slope, 1 / math.sqrt(information), float(weight @ (v - slope * u) ** 2)

    plain, unit_se, rss = fit(np.ones_like(x))
    plain_se = unit_se * math.sqrt(rss / freedom) if freedom > 0 else math.nan
    value, se, chi_squared = fit(1 / errors**2) if known(errors) else (plain, plain_se, math.nan)
    scale = ideal if ideal != 0 else unit
    ratio, ratio_se = value / scale, abs(se / scale)
    return Slope({}, value, se, plain, plain_se, ratio, ratio_se, chi_squared, freedom, len(x))
