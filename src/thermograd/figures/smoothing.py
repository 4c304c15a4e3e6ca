"""Smoothing of curves drawn over the logarithm of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError

__all__ = ["smooth_in_log"]

Array = NDArray[np.float64]


def smooth_in_log(step: Array, values: Array, sigma: float = 0.1) -> Array:
    """A series averaged with a Gaussian kernel in the logarithm of time, as FE smooths its curves.

    Weights are ``exp(-(ln t - ln t')^2 / (2 sigma^2))``, times the share of log time that each point
    stands for: where points lie close they would outvote the others. A line and not a constant is fitted
    within the kernel, or both ends of a steep curve would be bent to the horizontal.

    Parameters
    ----------
    step
        Times, above 0 and increasing, shape ``(n,)``.
    values
        Series, shape ``(n,)``, finite.
    sigma
        Width in ``ln t``; FE takes 0.1 for the toy sphere and 0.2 for networks.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``.

    Raises
    ------
    InputError
        If the shapes differ, a value is not finite, the times do not rise, or the width is not above 0.

    Examples
    --------
    >>> t = np.array([1.0, 2.0, 3.0, 10.0, 11.0])
    >>> print(smooth_in_log(t, np.log(t)) / np.log(10))
    [0.         0.30103    0.47712125 1.         1.04139269]

    """
    t, y = np.asarray(step, dtype=float), np.asarray(values, dtype=float)
    rising = t.ndim == 1 and len(t) > 0 and bool((t > 0).all() and (np.diff(t) > 0).all())
    if not (rising and y.shape == t.shape and np.isfinite(y).all()):
        raise InputError(
            f"smooth: times and values have shapes {t.shape}, {y.shape}; expected rising, finite"
        )
    if not sigma > 0:
        raise InputError(f"smooth: sigma is {sigma!r}; expected above 0")
    if len(t) == 1:
        return y
    place = np.log(t)
    share = np.gradient(place)
    smooth = np.empty_like(y)
    for begin in range(0, len(t), 1024):  # in blocks: a dense trace has 50 000 points
        away = (place - place[begin : begin + 1024, None]) / sigma
        weight = np.exp(-0.5 * away**2) * share
        weight /= weight.sum(axis=1, keepdims=True)
        mean, centre = weight @ y, np.sum(weight * away, axis=1)
        spread = np.sum(weight * away**2, axis=1) - centre**2
        covariance = (weight * (away - centre[:, None])) @ y
        # A point with no other within the kernel has no slope.
        slope = np.divide(covariance, spread, out=np.zeros_like(mean), where=spread > 1e-9)
        smooth[begin : begin + 1024] = mean - slope * centre
    return smooth
