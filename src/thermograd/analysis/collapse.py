"""On what the gradient noise depends: does sigma2 of all states fall on one curve, and on which variable?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.points import LeftOut, select
from thermograd.errors import InputError

__all__ = ["Collapse", "Spread", "collapse"]

Array = NDArray[np.float64]
_LEAST = 5


@dataclass(frozen=True)
class Spread:
    """What is left of the variation of ``log sigma2`` once a smooth curve in one variable is taken away.

    Attributes
    ----------
    variable
        The variable, as an expression of the hyperparameters.
    coefficients
        Of ``log sigma2 = b0 + b1 z + b2 z^2``, ``z = log(variable)``.
    residual, residual_se
        Standard deviation about the curve in ``log sigma2`` (0.01 is 1%), and its standard error.
    ratio
        ``residual`` over the total standard deviation: 0 for a perfect collapse, about 1 for none. It
        says nothing where the total is no larger than the measurement noise.
    freedom
        Degrees of freedom of the fit: points less coefficients; 0 where nothing can be left.

    """

    variable: str
    coefficients: tuple[float, ...]
    residual: float
    residual_se: float
    ratio: float
    freedom: int


@dataclass(frozen=True)
class Collapse:
    """The collapse on the variable of the theory, beside that on a wrong one.

    Attributes
    ----------
    right
        On ``elr`` (fixed sphere and ELR) or ``lr * wd`` (fixed LR).
    wrong
        On ``elr * radius**2`` (the plain learning rate), ``elr * wd``, or ``lr``.
    total
        Standard deviation of ``log sigma2``.
    noise
        What the standard errors of ``sigma2`` alone would leave; NaN when they are not known.
    n
        Number of points.
    left_out
        Points not used.

    """

    right: Spread
    wrong: Spread
    total: float
    noise: float
    n: int
    left_out: tuple[LeftOut, ...]


def collapse(states: xr.Dataset, *, statuses: Sequence[str] = ("equilibrium",)) -> Collapse:
    """Test that ``sigma2`` depends on ``elr`` alone (fixed sphere, ELR) or on ``lr * wd`` alone (fixed LR).

    A quadratic in log-log coordinates is fitted in the right variable and, as a contrast, in a wrong one; a
    collapse leaves little spread in the first and much in the second. It is a law for one network: each seed,
    with a head of its own, has its own curve, and spreads are about their means.

    Parameters
    ----------
    states
        Stationary states with ``sigma2``.
    statuses
        Statuses of points to use.

    Raises
    ------
    InputError
        When ``sigma2`` was not measured or fewer than 5 points with 3 values of the variable can be used.

    References
    ----------
    IG section 6 and figures 2, 5-10.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> from thermograd.states import new_states
    >>> grid = FixedLR.grid(lr=[0.1, 0.2, 0.4], wd=[0.01, 0.02, 0.04])
    >>> product = np.outer([0.1, 0.2, 0.4], [0.01, 0.02, 0.04])
    >>> found = collapse(new_states(grid, {"tr_sigma": np.sqrt(product)}, dim=10))
    >>> for spread in (found.right, found.wrong):
    ...     print(f"{spread.variable}: {spread.ratio:.2f}")
    lr * wd: 0.00
    lr: 0.82

    """
    points = select(states, ["sigma2"], statuses)
    axes, sigma2 = points.axes, points.values["sigma2"]
    if points.protocol == "FixedLR":
        right, wrong = ("lr * wd", axes["lr"] * axes["wd"]), ("lr", axes["lr"])
    elif points.protocol == "FixedELR":
        right, wrong = ("elr", axes["elr"]), ("elr * wd", axes["elr"] * axes["wd"])
    else:
        right, wrong = ("elr", axes["elr"]), ("elr * radius**2", axes["elr"] * axes["radius"] ** 2)
    if len(sigma2) < _LEAST or len(np.unique(right[1])) < 3:
        raise InputError(
            f"collapse: {len(sigma2)} usable points ({len(points.left_out)} left out) with "
            f"{len(np.unique(right[1]))} values of {right[0]}; expected at least {_LEAST} with 3 values"
        )
    if (sigma2 <= 0).any():
        raise InputError(f"collapse: sigma2 is {sigma2.min():.3g} at a point; expected above 0")
    relative = points.errors["sigma2"] / sigma2
    noise = float(np.sqrt(np.mean(relative**2))) if np.isfinite(relative).all() else math.nan
    seed = axes.get("seed", np.zeros(len(sigma2)))
    own = [np.log(sigma2[seed == one]) for one in np.unique(seed)]
    freedom = len(sigma2) - len(own)
    total = math.sqrt(sum(len(one) * float(one.var()) for one in own) / freedom)
    spreads = [_spread(name, variable, sigma2, seed, total) for name, variable in (right, wrong)]
    return Collapse(spreads[0], spreads[1], total, noise, len(sigma2), points.left_out)


def _spread(name: str, variable: Array, sigma2: Array, seed: Array, total: float) -> Spread:
    squares, freedom, coefficients = 0.0, 0, []
    for one in np.unique(seed):
        z, target = np.log(variable[seed == one]), np.log(sigma2[seed == one])
        # lr * wd of a log-spaced grid repeats up to rounding
        degree = min(2, len(np.unique(z.round(9))) - 1)
        centred = np.polynomial.Polynomial.fit(z, target, degree)
        left = target - centred(z)
        squares += float(left @ left)
        freedom += len(target) - degree - 1
        coefficients.append(np.pad(centred.convert().coef, (0, 2))[:3])
    residual = math.sqrt(squares / freedom) if freedom > 0 else math.nan
    return Spread(
        name,
        tuple(float(c) for c in np.array(coefficients, dtype=np.float64).mean(axis=0)),
        residual,
        residual / math.sqrt(2 * freedom) if freedom > 0 else math.nan,
        residual / total if total > 0 else math.nan,
        freedom,
    )
