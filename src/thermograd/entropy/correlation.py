"""The integrated autocorrelation time of points in many dimensions, all coordinates together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.directions import Directions

__all__ = ["CorrelationTime", "correlation_time", "pooled_time"]

_BUCKETS = 32  # sums with random signs that stand for the coordinates: their noise is that of as many series
_WINDOW = 5.0  # Sokal's c, as for a single series
_ROWS = 64


@dataclass(frozen=True)
class CorrelationTime:
    """An integrated autocorrelation time and whether it can be told from that of independent values.

    Attributes
    ----------
    time
        ``1 + 2 sum rho(t)``, in samples, at least 1.
    noise
        What independent values would show above 1, standard deviation.
    time_products
        ``1 + 2 sum rho(t)^2``, that of products of two coordinates of a Gaussian law, which covariances
        average.

    """

    time: float
    noise: float
    time_products: float

    @property
    def surely_above_one(self) -> bool:
        """Whether it lies more than three standard deviations above that of independent values."""
        return self.time > 1.0 + 3.0 * self.noise


def correlation_time(x: NDArray[np.floating[Any]] | Directions) -> CorrelationTime:
    """The time over which points remember where they were, from the autocovariance of their positions.

    ``rho(t) = E (x_i - m).(x_(i+t) - m) / E |x_i - m|^2``: coordinates count by their variance. Beyond 32
    dimensions the coordinates are first summed into 32 buckets with random signs (of a fixed seed), which
    leaves the expectation of both as it is.

    Parameters
    ----------
    x
        Points in time order, shape ``(n, d)``, not all the same.

    Returns
    -------
    CorrelationTime
        In samples. An underestimate when the queue is shorter than fifty times it.

    References
    ----------
    A. Sokal, Monte Carlo Methods in Statistical Mechanics (1997), section 3, for the window; U. Wolff,
    Comput. Phys. Commun. 156 (2004) 143, for the mean having been estimated too.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1000, 100))
    >>> for i in range(1, 1000):
    ...     x[i] += 0.5 * x[i - 1]
    >>> print(round(correlation_time(x).time))
    3

    """
    return pooled_time(_buckets(x))


def pooled_time(series: NDArray[np.float64]) -> CorrelationTime:
    """The integrated autocorrelation time of several series of one law, their autocovariances added.

    Parameters
    ----------
    series
        One series a column, shape ``(n, count)``.

    Returns
    -------
    CorrelationTime
        Time 1 for series that are constant.

    Examples
    --------
    >>> print(pooled_time(np.array([[1.0, -1.0], [1.0, -1.0], [1.0, -1.0]])).time)
    1.0

    """
    n, count = series.shape
    noise = 2.0 * math.sqrt(_WINDOW / (n * count))
    centred = series - series.mean(axis=0)
    scale = float(np.abs(centred).max())
    if scale == 0:
        return CorrelationTime(1.0, noise, 1.0)
    size = 1 << int(2 * n - 1).bit_length()  # padded: a plain correlation, not a circular one
    spectrum = np.fft.rfft(centred / scale, size, axis=0)
    covariance = np.fft.irfft((spectrum.real**2 + spectrum.imag**2).sum(axis=1), size)[:n]
    times = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
    window = int(np.argmax(np.arange(n) >= _WINDOW * times))
    # The mean being estimated, each covariance is too small by total/n, and total = n * variance of the mean.
    total = float(times[window]) * (1.0 + (2 * window + 1) / n)
    share = total / n
    later = (covariance[1 : window + 1] / covariance[0] + share) / (1.0 + share)
    return CorrelationTime(max(1.0, total / (1.0 + share)), noise, 1.0 + 2.0 * float(later @ later))


def _buckets(x: NDArray[np.floating[Any]] | Directions) -> NDArray[np.float64]:
    n, d = x.shape
    if d <= _BUCKETS:
        return np.asarray(x[:], dtype=np.float64)
    rng = np.random.default_rng(0)
    width = -(-d // _BUCKETS)
    signs = np.zeros(width * _BUCKETS)
    signs[:d] = rng.choice([-1.0, 1.0], size=d)
    found = np.empty((n, _BUCKETS))
    padded = np.zeros((_ROWS, width * _BUCKETS))
    # Differences from a point of the sample keep the digits of points that are nearly the same.
    origin = x[0].astype(np.float64)
    for start in range(0, n, _ROWS):
        rows = np.asarray(x[start : start + _ROWS])
        padded[: len(rows), :d] = rows - origin
        padded *= signs
        found[start : start + len(rows)] = padded[: len(rows)].reshape(len(rows), width, _BUCKETS).sum(axis=1)
    return found
