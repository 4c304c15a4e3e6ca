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

__all__ = ["MeanWithError", "integrated_time", "mean_with_error"]

_WINDOW = 5.0  # Sokal's c: the sum stops at the first lag >= c times the time found so far


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


def _checked(series: ArrayLike, owner: str) -> NDArray[np.float64]:
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1:
        raise InputError(f"{owner}: series has shape {values.shape}; expected one dimension")
    if not np.isfinite(values).all():
        bad = int(np.argmin(np.isfinite(values)))
        raise InputError(f"{owner}: series[{bad}] is {values[bad]}; expected finite values")
    return values


def _spread_and_time(values: NDArray[np.float64]) -> tuple[float, float]:
    """The standard deviation of one value and the integrated time, both corrected for the estimated mean."""
    n = len(values)
    if n < 2 or np.ptp(values) == 0:  # asked of the values: the mean of equal numbers may be rounded
        return 0.0, 1.0
    scale = float(np.abs(values - values.mean()).max())
    centred = (values - values.mean()) / scale
    # Padding to twice the length makes the FFT's circular correlation the plain one.
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), size)[:n] / n
    times = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
    # The covariances of a centred series sum to zero, so the window always closes.
    window = int(np.argmax(np.arange(n) >= _WINDOW * times))
    # The mean being estimated, each covariance is too small by total/n; total = n * variance of the mean.
    total = covariance[0] * times[window] * (1.0 + (2 * window + 1) / n)
    variance = covariance[0] + total / n
    if total < variance:  # the floor: independent values, for which the variance is the usual unbiased one
        total = variance = covariance[0] * n / (n - 1)
    return scale * math.sqrt(variance), float(total / variance)
