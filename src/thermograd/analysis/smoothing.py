"""The two kernels of the free-energy paper as matrices, so that errors follow the values through them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = ["carried", "gaussian_in_log", "noise_about", "triangular_in_log"]

Array = NDArray[np.float64]


def triangular_in_log(rates: ArrayLike, width: float = 0.3) -> Array:
    """The matrix that averages over neighbouring learning rates, the two end points left as they are.

    Rows hold ``max(h - |log eta_i - log eta_j|, 0)`` over their sum. The kernel ends at a finite distance:
    where the grid is sparse nothing is mixed, and a dense part of it cannot pull at a sparse one.

    Parameters
    ----------
    rates
        Learning rates, above 0 and increasing, shape ``(n,)``.
    width
        ``h``, in the natural logarithm of the learning rate; 0 for no smoothing.

    Returns
    -------
    numpy.ndarray
        Shape ``(n, n)``, rows with sum 1.

    Raises
    ------
    InputError
        If the rates do not rise from above 0, or the width is negative.

    References
    ----------
    FE appendix B, which takes ``h = 0.3``.

    Examples
    --------
    >>> print(triangular_in_log([1.0, 1.2, 1.4, 4.0]).round(2))
    [[1.   0.   0.   0.  ]
     [0.21 0.53 0.26 0.  ]
     [0.   0.33 0.67 0.  ]
     [0.   0.   0.   1.  ]]

    """
    place = _logarithm("smoothing: learning rates", rates)
    if not 0 <= width < np.inf:
        raise InputError(f"smoothing: width is {width!r}; expected a number of at least 0")
    if width == 0:
        return np.eye(len(place))
    weights = np.maximum(width - np.abs(place[:, None] - place[None, :]), 0.0)
    weights[[0, -1]] = 0.0
    weights[0, 0] = weights[-1, -1] = 1.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def gaussian_in_log(step: ArrayLike, sigma: float = 0.2) -> Array:
    """The matrix that smooths a curve over the logarithm of time.

    Weights are ``exp(-(ln t - ln t')^2 / (2 sigma^2))`` times the share of log time that each point stands
    for; within the kernel a straight line is fitted, so that the ends of a steep curve stay steep.

    Parameters
    ----------
    step
        Times, above 0 and increasing, shape ``(n,)``; the matrix has ``n^2`` entries.
    sigma
        Width in ``ln t``; 0 for no smoothing.

    Returns
    -------
    numpy.ndarray
        Shape ``(n, n)``, rows with sum 1.

    Raises
    ------
    InputError
        If the times do not rise from above 0, or the width is negative.

    References
    ----------
    FE appendix B, which takes ``sigma = 0.2`` for networks.

    Examples
    --------
    A power law's logarithm is straight and stays as it is:

    >>> t = np.array([1.0, 2.0, 3.0, 10.0, 11.0])
    >>> bool(np.allclose(gaussian_in_log(t) @ np.log(t), np.log(t)))
    True

    """
    place = _logarithm("smoothing: times", step)
    if not 0 <= sigma < np.inf:
        raise InputError(f"smoothing: sigma is {sigma!r}; expected a number of at least 0")
    if sigma == 0 or len(place) < 2:
        return np.eye(len(place))
    away = (place[None, :] - place[:, None]) / sigma
    weight = np.exp(-0.5 * away**2) * np.gradient(place)
    weight /= weight.sum(axis=1, keepdims=True)
    centre = np.sum(weight * away, axis=1, keepdims=True)
    spread = np.sum(weight * away**2, axis=1, keepdims=True) - centre**2
    # A point with no other within the kernel has no slope.
    lever = np.divide(centre, spread, out=np.zeros_like(centre), where=spread > 1e-9)
    return np.asarray(weight * (1.0 - lever * (away - centre)))


def carried(weights: Array, errors: Array) -> Array:
    """The covariance of smoothed values whose errors were independent before: ``W diag(se^2) W^T``.

    Parameters
    ----------
    weights
        Smoothing matrix, shape ``(m, n)``.
    errors
        Standard errors, shape ``(n,)``; one that is not known makes all that it touches NaN.

    Examples
    --------
    >>> print(carried(np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([0.2, 0.2])).round(3))
    [[0.02 0.02]
     [0.02 0.04]]

    """
    touched = np.abs(weights) > 1e-9  # a Gaussian reaches everywhere, and matters nearby
    known = np.where(np.isfinite(errors), errors, 0.0)
    covariance = np.asarray((weights * known**2) @ weights.T)
    lost = (touched & ~np.isfinite(errors)).any(axis=1)
    covariance[lost] = covariance[:, lost] = np.nan
    return covariance


def noise_about(step: ArrayLike, values: ArrayLike, sigma: float = 0.2) -> Array:
    """Standard deviation of each value about its smooth curve, from the residuals nearby.

    A smoothed value contains the value itself: the residual's variance is short by a factor that the matrix
    tells. Of positive values the logarithm is smoothed, whose noise changes little where the values fall by
    decades. Of noise that is correlated between log points this sees only a part.

    Parameters
    ----------
    step
        Times, above 0 and increasing, shape ``(n,)``.
    values
        Series, shape ``(n,)``, finite.
    sigma
        Width of the kernel in ``ln t``; residuals are pooled over three times that.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``, in the unit of the values; NaN where the points lie too far apart for a smooth curve.

    Examples
    --------
    >>> t = np.geomspace(1, 1e3, 400)
    >>> noise = noise_about(t, (1 + np.random.default_rng(0).normal(0, 0.1, 400)) / t)
    >>> print((noise * t).mean().round(2))
    0.1

    """
    weights = gaussian_in_log(step, sigma)
    given = np.asarray(values, dtype=np.float64)
    positive = bool((given > 0).all())
    y = np.log(given) if positive else given
    share = 1.0 - 2.0 * np.diag(weights) + np.sum(weights**2, axis=1)
    place = _logarithm("smoothing: times", step)
    near = np.exp(-0.5 * ((place[None, :] - place[:, None]) / (3 * sigma)) ** 2)
    near /= near.sum(axis=1, keepdims=True)
    square, held = near @ (y - weights @ y) ** 2, near @ share
    # Points without neighbours are their own smooth curve.
    noise = np.sqrt(np.divide(square, held, out=np.full_like(y, np.nan), where=held > 0.05))
    return np.asarray(noise * np.exp(weights @ y) if positive else noise)


def _logarithm(what: str, values: ArrayLike) -> Array:
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or not len(given) or not (np.isfinite(given) & (given > 0)).all():
        raise InputError(f"{what} are {given.tolist()}; expected a list of finite numbers above 0")
    if (np.diff(given) <= 0).any():
        raise InputError(f"{what} are {given.tolist()}; expected increasing")
    return np.log(given)
