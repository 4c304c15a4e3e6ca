"""How long a series remembers itself, and the mean of a correlated series with an honest error bar.

Neighbouring log points of a training run are not independent: ``n`` of them are worth only ``n / time``
independent ones, with ``time`` the integrated autocorrelation time, and an error bar that forgets this is too
small by ``sqrt(time)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = ["MeanWithError", "MeansWithErrors", "integrated_time", "mean_with_error", "means_with_errors"]

_WINDOW = 5.0  # Sokal's c: the sum stops at the first lag >= c times the time found so far
_NUMBERS = 1 << 17  # values of padded series transformed at a time: they stay in cache


@dataclass(frozen=True)
class MeanWithError:
    """The mean of a correlated series and what it is worth.

    Attributes
    ----------
    mean
        The average, in the unit of the series; NaN of an empty series.
    se
        Its standard error; NaN when there are fewer than two values.
    time
        Integrated autocorrelation time, in samples; at least 1.
    n_effective
        Number of independent samples that the series is worth, ``n / time``.

    """

    mean: float
    se: float
    time: float
    n_effective: float


@dataclass(frozen=True)
class MeansWithErrors:
    """What :class:`MeanWithError` says, of many series: each attribute has one entry a series.

    Attributes
    ----------
    mean, se, time, n_effective
        As there, shape ``(batch,)``.

    """

    mean: NDArray[np.float64]
    se: NDArray[np.float64]
    time: NDArray[np.float64]
    n_effective: NDArray[np.float64]


def integrated_time(series: ArrayLike) -> float:
    """The integrated autocorrelation time of a stationary series, in samples.

    ``time = 1 + 2 sum_(t>=1) rho(t)``, summed up to the first lag ``t >= 5 time(t)`` (Sokal's automatic
    window), with the autocovariance from an FFT and corrected for the mean having been estimated from the
    same series (Wolff).

    Parameters
    ----------
    series
        Equally spaced values, shape ``(n,)``, finite, any unit.

    Returns
    -------
    float
        The time, at least 1: an anticorrelated series would have less, but so little of a short noisy series'
        correlation can be trusted that an error bar is never made smaller than that of independent values.
        A constant series, or one of fewer than two values, has time 1. Trust it when ``n > 50 time``; of a
        shorter series it is an underestimate.

    Raises
    ------
    InputError
        When the series is not one-dimensional or holds a value that is not finite.

    References
    ----------
    A. Sokal, Monte Carlo Methods in Statistical Mechanics (1997), section 3 (the window); U. Wolff, Comput.
    Phys. Commun. 156 (2004) 143, section 3 (the correction).

    Examples
    --------
    An AR(1) series of coefficient ``rho`` has time ``(1 + rho) / (1 - rho)``, here 3:

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).standard_normal(100_000)
    >>> series = np.zeros_like(noise)
    >>> for t in range(1, len(noise)):
    ...     series[t] = 0.5 * series[t - 1] + noise[t]
    >>> round(integrated_time(series), 1)
    3.0

    """
    return _spread_and_time(_checked(series, "integrated_time"))[1]


def mean_with_error(series: ArrayLike) -> MeanWithError:
    """The mean of a stationary series with a standard error that respects its autocorrelation.

    ``se^2 = variance * time / n``, with :func:`integrated_time` for the time. NaN entries are left out, and
    the rest is treated as if it were equally spaced.

    Parameters
    ----------
    series
        Values, shape ``(n,)``, any unit; NaN where there is none.

    Returns
    -------
    MeanWithError
        Mean, standard error, autocorrelation time and effective number of samples.

    Raises
    ------
    InputError
        When the series is not one-dimensional or holds an infinite value.

    Examples
    --------
    >>> mean_with_error([1.0, float("nan"), 1.0, 5.0, 5.0])
    MeanWithError(mean=3.0, se=1.1547005383792515, time=1.0, n_effective=4.0)

    """
    values = np.asarray(series, dtype=np.float64)
    values = _checked(values[~np.isnan(values)] if values.ndim == 1 else values, "mean_with_error")
    n = len(values)
    if n == 0:
        return MeanWithError(math.nan, math.nan, 1.0, 0.0)
    spread, time = _spread_and_time(values)
    se = spread * math.sqrt(time / n) if n > 1 else math.nan
    return MeanWithError(float(values.mean()), se, time, n / time)


def means_with_errors(series: ArrayLike) -> MeansWithErrors:
    """:func:`mean_with_error` of every row, the same bit for bit, several times faster than row by row.

    Parameters
    ----------
    series
        One series a row, shape ``(batch, n)``, any unit. NaN entries are left out of their row: series of
        different lengths are padded with them.

    Returns
    -------
    MeansWithErrors
        Four arrays of shape ``(batch,)``.

    Raises
    ------
    InputError
        When the array is not two-dimensional or holds an infinite value.

    Examples
    --------
    >>> nan = float("nan")
    >>> found = means_with_errors([[1.0, nan, 1.0, 5.0, 5.0], [2.0, nan, nan, nan, nan]])
    >>> found.mean, found.se.round(4), found.n_effective
    (array([3., 2.]), array([1.1547,    nan]), array([4., 1.]))

    """
    rows = np.asarray(series, dtype=np.float64)
    if rows.ndim != 2:
        raise InputError(
            f"means_with_errors: series have shape {rows.shape}; expected (number of series, length)"
        )
    if np.isinf(rows).any():
        row, entry = np.argwhere(np.isinf(rows))[0]
        raise InputError(
            f"means_with_errors: series[{row}, {entry}] is {rows[row, entry]}; expected finite values"
        )
    there = ~np.isnan(rows)
    counts = np.count_nonzero(there, axis=1)
    mean, se = np.full(len(rows), math.nan), np.full(len(rows), math.nan)
    time = np.ones(len(rows))
    for n in np.unique(counts[counts > 0]):
        alike = np.flatnonzero(counts == n)
        step = max(1, _NUMBERS // _padded(n))
        for part in (alike[a : a + step] for a in range(0, len(alike), step)):
            values = rows[part][there[part]].reshape(len(part), n)
            mean[part] = values.mean(axis=1)
            if n > 1:
                spread, time[part] = _spreads_and_times(values)
                se[part] = spread * np.sqrt(time[part] / n)
    return MeansWithErrors(mean, se, time, counts / time)


def _checked(series: ArrayLike, owner: str) -> NDArray[np.float64]:
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1:
        raise InputError(f"{owner}: series has shape {values.shape}; expected one dimension")
    if not np.isfinite(values).all():
        bad = int(np.argmin(np.isfinite(values)))
        raise InputError(f"{owner}: series[{bad}] is {values[bad]}; expected finite values")
    return values


def _spread_and_time(values: NDArray[np.float64]) -> tuple[float, float]:
    if len(values) < 2:
        return 0.0, 1.0
    spread, time = _spreads_and_times(values[None])
    return float(spread[0]), float(time[0])


def _padded(n: int) -> int:
    """Padding to twice the length makes the FFT's circular correlation the plain one."""
    return 1 << int(2 * n - 1).bit_length()


def _spreads_and_times(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviation of one value and integrated time of each row, corrected for the estimated mean."""
    n = rows.shape[1]
    size = _padded(n)
    centred = rows - rows.mean(axis=1, keepdims=True)
    scale = np.abs(centred).max(axis=1)
    varies = rows.max(axis=1) > rows.min(axis=1)  # not the scale: the mean of equal numbers may be rounded
    scale[~varies] = 1.0
    centred /= scale[:, None]
    spectrum = np.fft.rfft(centred, size)
    # Squares added, not a complex product: its rounding depends on where in the array a number stands.
    covariance = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[:, :n] / n
    zero = covariance[:, 0].copy()
    zero[~varies] = 1.0
    times = 2.0 * np.cumsum(covariance / zero[:, None], axis=1) - 1.0
    # The covariances of a centred series sum to zero, so the window always closes.
    window = np.argmax(np.arange(n) >= _WINDOW * times, axis=1)
    # The mean being estimated, each covariance is too small by total/n; total = n * variance of the mean.
    total = zero * times[np.arange(len(rows)), window] * (1.0 + (2 * window + 1) / n)
    variance = zero + total / n
    # The floor: independent values, for which the variance is the usual unbiased one.
    floored = total < variance
    variance[floored] = zero[floored] * n / (n - 1)
    time = total / variance
    time[floored | ~varies] = 1.0
    spread = scale * np.sqrt(variance)
    spread[~varies] = 0.0
    return spread, time
