"""What fluctuations of the gradient do to the mean radius: the finite-step laws, corrected.

The finite-step laws of `thermograd.theory.radius` are Pythagoras for a gradient of constant length. In a run
``|g|^2`` fluctuates from step to step, with mean ``m`` and variance ``V`` on the unit sphere, and makes the
radius fluctuate. With ``C = V/m^2`` and ``x = elr^2 m``:

- *sphere*: ``sqrt(1 + elr^2 |g|^2)`` is concave: its mean is lower by ``x^2 C / (8 (1 + x)^(3/2))``;
- *fixed LR*: ``log r^2`` is an AR(1) process. With ``k = 1 - (1 - lr wd)^2`` the squared coefficient of
  variation of ``r^2`` is ``k C / (4 (1 - k))``. The two second-order terms of ``E log|w'|/|w| = 0``, of
  ``|g|^2`` and of ``r``, cancel exactly, so that the finite-step radius is the geometric mean of r;
- *fixed ELR*: with ``b = elr wd E r^2`` the balance is
  ``(1 - b)^2 + x = 1 + x^2 C/2 - (1 - 2 (1-b)^2) b^2 v``, with ``v = x^2 C / (1 - (1 - 2 b (1-b))^2)`` the
  squared coefficient of variation of ``r^2``.

The next order needs the third cumulant of ``|g|^2``. On the sphere and at fixed ELR, where it is felt, it is
taken as ``2 V^2/m``: that of the gamma law with this mean and variance, exact for isotropic noise. ``|g|^2``
is taken as drawn afresh at every step; the part of it that remembers, through the full gradient, changes the
corrections (not the radii) by the relative order of ``elr/4`` in the isotropic model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = ["RadiusLaw", "mean_effective_wd", "radius_law_elr", "radius_law_lr"]

Array = NDArray[np.float64]


class RadiusLaw(NamedTuple):
    """The stationary law of the radius to second order in its fluctuations; arrays of one shape.

    Attributes
    ----------
    mean
        ``E r``: what a running mean of the norm measures.
    mean_square
        ``E r^2``, twice the mean volume.
    spread
        Squared coefficient of variation of ``r^2``, four times that of ``r``, to leading order.

    """

    mean: Array
    mean_square: Array
    spread: Array


def mean_effective_wd(
    elr: ArrayLike, radius: ArrayLike, mean_square: ArrayLike, variance: ArrayLike
) -> Array:
    """Mean effective weight decay on a fixed sphere, ``E (sqrt(1 + elr^2 |g|^2) - 1) / (elr r^2)``.

    ``(sqrt(1 + x) - 1 - x^2 C / (8 (1 + x)^(3/2)) + x^3 C^2 / (8 (1 + x)^(5/2))) / (elr r^2)`` with
    ``x = elr^2 m``, ``C = V/m^2``.

    Parameters
    ----------
    elr
        Effective learning rate, above 0.
    radius
        Radius of the sphere, above 0.
    mean_square
        ``m``, the mean of ``|g|^2`` on the unit sphere, in units of the loss squared.
    variance
        ``V``, its variance over the steps of a run.

    Returns
    -------
    numpy.ndarray
        In the common shape of the arguments.

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    IG eq. 83 defines what is measured; the finite-step law is derived here.

    Examples
    --------
    A tenth of a percent at a moderate step, with ``|g|^2`` chi-squared in nine directions:

    >>> from thermograd.theory.radius import effective_wd_sphere
    >>> plain = effective_wd_sphere(0.05, 2.0, 9.0).finite_step
    >>> print(f"{mean_effective_wd(0.05, 2.0, 9.0, 18.0) / plain - 1:.2e}")
    -1.21e-03

    """
    elr, radius, m, variance = _checked(
        ("elr (effective learning rate)", elr), ("radius", radius), mean_square, variance
    )
    x = elr**2 * m
    root = np.sqrt(1.0 + x)
    noise = elr**4 * variance
    lengthening = x / (1.0 + root) - noise / (8.0 * root**3) + _over(noise**2, x) / (8.0 * root**5)
    return np.asarray(lengthening / (elr * radius**2))[()]


def radius_law_elr(elr: ArrayLike, wd: ArrayLike, mean_square: ArrayLike, variance: ArrayLike) -> RadiusLaw:
    """Mean and spread of the stationary radius at fixed effective learning rate.

    Parameters
    ----------
    elr
        Effective learning rate, above 0.
    wd
        Weight decay, above 0.
    mean_square
        ``m``, the mean of ``|g|^2`` on the unit sphere, in units of the loss squared.
    variance
        ``V``, its variance over the steps of a run.

    Returns
    -------
    RadiusLaw
        In the common shape of the arguments; NaN where ``elr^2 m >= 1``: no radius is stationary there.

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    The finite-step form of IG eq. 63, derived here.

    Examples
    --------
    >>> law = radius_law_elr(0.1, 0.05, 9.44, 19.8)
    >>> print(round(law.mean, 3), round(law.spread, 4))
    3.089 0.0113

    """
    elr, wd, m, variance = _checked(
        ("elr (effective learning rate)", elr), ("wd (weight decay)", wd), mean_square, variance
    )
    x = elr**2 * m
    x = np.where(x < 1.0, x, np.nan)
    noise = elr**4 * variance
    decay = x / (1.0 + np.sqrt(1.0 - x))
    pull = 2.0 * decay * (1.0 - decay)  # per step, of the logarithm of r^2
    forgotten = pull * (2.0 - pull)
    spread = _over(noise, forgotten)
    skew = 2.0 / 3.0 * _over(noise**2, x)
    x_left = x - (0.5 * noise - skew - (1.0 - 2.0 * (1.0 - decay) ** 2) * decay**2 * spread)
    # a positive number whenever the fluctuations are a correction at all
    shrunk = x_left / (1.0 + np.sqrt(np.where(x_left <= 1.0, 1.0 - x_left, np.nan)))
    square = shrunk / (elr * wd)
    mean = np.sqrt(np.where(square >= 0, square, np.nan)) * (1.0 - spread / 8.0)
    return RadiusLaw(np.asarray(mean)[()], np.asarray(square)[()], np.asarray(spread)[()])


def radius_law_lr(lr: ArrayLike, wd: ArrayLike, mean_square: ArrayLike, variance: ArrayLike) -> RadiusLaw:
    """Mean and spread of the stationary radius at fixed learning rate.

    ``E r = r* (1 + v/8)``, ``E r^2 = r*^2 (1 + v/2)`` with ``r*`` the finite-step radius and
    ``v = k C / (4 (1 - k))``.

    Parameters
    ----------
    lr
        Learning rate, above 0.
    wd
        Weight decay, above 0.
    mean_square
        ``m``, the mean of ``|g|^2`` on the unit sphere, in units of the loss squared.
    variance
        ``V``, its variance over the steps of a run.

    Returns
    -------
    RadiusLaw
        In the common shape of the arguments; NaN where ``lr wd >= 1``: a step of decay alone passes the
        origin, and fluctuations are no correction any more.

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    The finite-step form of IG eq. 72, derived here.

    Examples
    --------
    >>> law = radius_law_lr(0.5, 0.2, 9.54, 20.2)
    >>> print(round(law.mean, 3), round(law.spread, 4))
    1.885 0.013

    """
    lr, wd, m, variance = _checked(
        ("lr (learning rate)", lr), ("wd (weight decay)", wd), mean_square, variance
    )
    product = np.where(lr * wd < 1.0, lr * wd, np.nan)
    square = np.sqrt(lr * m / (wd * (2.0 - product)))
    spread = product * (2.0 - product) * _over(variance, m**2) / (4.0 * (1.0 - product) ** 2)
    mean = np.sqrt(square) * (1.0 + spread / 8.0)
    return RadiusLaw(
        np.asarray(mean)[()], np.asarray(square * (1.0 + spread / 2.0))[()], np.asarray(spread)[()]
    )


def _over(value: Array, divisor: Array) -> Array:
    """The quotient; 0 where there is nothing to divide by, without gradient, and NaN where there is none."""
    return np.asarray(value / np.where(divisor == 0, np.inf, divisor))


def _checked(
    first: tuple[str, ArrayLike], second: tuple[str, ArrayLike], mean_square: ArrayLike, variance: ArrayLike
) -> list[Array]:
    """The arguments as float arrays of one shape; NaN passes as missing."""
    values = (first[1], second[1], mean_square, variance)
    arrays = [np.asarray(v) for v in np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in values))]
    for name, value in ((first[0], arrays[0]), (second[0], arrays[1])):
        if np.any(value <= 0):
            raise InputError(f"{name} is {np.nanmin(value)}; expected a number above 0")
    for name, value in zip(("mean_square (of the gradient)", "variance (of |g|^2)"), arrays[2:], strict=True):
        if np.any(value < 0):
            raise InputError(f"{name} is {np.nanmin(value)}; expected at least 0")
    return arrays
