"""The two ends of the von Mises-Fisher law: cold, where it is Gaussian, and hot, where it is uniform."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from thermograd.errors import InputError

__all__ = ["checked_arguments", "energy_small_t", "entropy_sphere_small_t", "entropy_uniform"]


def energy_small_t(T: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
    """Mean loss when cold, ``U = (d - 1) T / 2``, right to a factor ``1 + O(d T)`` (IG eq. 106).

    Parameters
    ----------
    T
        Temperature, at least 0, in units of the loss.
    d
        Dimension of the space, at least 2.

    Returns
    -------
    numpy.ndarray
        In the common shape of the arguments.

    Raises
    ------
    InputError
        If a ``T`` is negative or a ``d`` below 2.

    Examples
    --------
    >>> print(energy_small_t(1e-3, 11))
    0.005

    """
    T, d = checked_arguments("T", T, d)
    return np.asarray(0.5 * (d - 1.0) * T)[()]


def entropy_sphere_small_t(T: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
    """Entropy on the unit sphere when cold, ``(d-1)/2 log(2 pi e T)`` (IG appendix E): that of a Gaussian.

    Parameters
    ----------
    T
        Temperature, at least 0, in units of the loss.
    d
        Dimension of the space, at least 2.

    Returns
    -------
    numpy.ndarray
        In nats, in the common shape of the arguments.

    Raises
    ------
    InputError
        If a ``T`` is negative or a ``d`` below 2.

    Examples
    --------
    A Gaussian of variance ``T`` in each of the two directions of the sphere in three dimensions:

    >>> gaussian = 0.5 * np.log(2 * np.pi * np.e * 1e-4)
    >>> print(np.round(entropy_sphere_small_t(1e-4, 3), 3), np.round(2 * gaussian, 3))
    -6.372 -6.372

    """
    T, d = checked_arguments("T", T, d)
    with np.errstate(divide="ignore"):  # log 0 = -inf is the entropy of a point
        return np.asarray(0.5 * (d - 1.0) * (np.log(2.0 * np.pi) + 1.0 + np.log(T)))[()]


def entropy_uniform(d: ArrayLike) -> NDArray[np.float64]:
    """Entropy of the uniform law on the unit sphere, ``log(2 pi**(d/2) / Gamma(d/2))``: its log area.

    Parameters
    ----------
    d
        Dimension of the space, at least 2.

    Returns
    -------
    numpy.ndarray
        In nats, in the shape of ``d``.

    Raises
    ------
    InputError
        If a ``d`` is below 2.

    Examples
    --------
    The circle, the sphere, and a sphere in a hundred dimensions, whose area is tiny:

    >>> print(np.round(np.exp(entropy_uniform([2, 3, 100])), 3))
    [ 6.283 12.566  0.   ]

    """
    _, d = checked_arguments("T", 1.0, d)
    return np.asarray(np.log(2.0) + 0.5 * d * np.log(np.pi) - gammaln(0.5 * d))[()]


def checked_arguments(
    name: str, value: ArrayLike, d: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A temperature (or concentration) and a dimension as float arrays of one shape; NaN passes as missing.

    Parameters
    ----------
    name
        What the first one is called in an error message.
    value
        Temperature or concentration, at least 0.
    d
        Dimension of the space, at least 2.

    Returns
    -------
    tuple of numpy.ndarray
        Both, broadcast.

    Raises
    ------
    InputError
        If a value is negative or a ``d`` below 2 or infinite.

    Examples
    --------
    >>> checked_arguments("T", -0.1, 3)
    Traceback (most recent call last):
    thermograd.errors.InputError: T is -0.1; expected at least 0

    """
    first, second = np.broadcast_arrays(np.asarray(value, dtype=float), np.asarray(d, dtype=float))
    if np.any(first < 0):
        raise InputError(f"{name} is {float(np.nanmin(first))}; expected at least 0")
    if np.any(second < 2) or np.any(np.isinf(second)):
        raise InputError(
            f"d (dimension) is {float(np.nanmin(second))}; expected a finite number of at least 2"
        )
    return first, second
