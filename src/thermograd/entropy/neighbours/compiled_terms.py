"""Compiled: from points to columns of coordinates, and from a point's terms to their mean and its error.

Importing this module imports numba: it is imported inside functions only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["log_cap_volumes", "means_spreads_times", "tails", "to_columns"]

Array = NDArray[np.float64]

_FAST = {"nsz", "contract", "reassoc"}  # nan and infinities are asked for and must be kept


@njit(nogil=True, fastmath=_FAST, error_model="numpy", cache=True)
def to_columns(x: NDArray[np.floating[Any]], normalise: bool, columns: Array, norms: Array) -> None:
    """Coordinates one after the other instead of points one after the other, in float64.

    Parameters
    ----------
    x
        Points, shape ``(batch, n, m)``.
    normalise
        Whether to divide each point by its norm.
    columns
        Takes the coordinates, shape ``(batch, m, n)``.
    norms
        Takes the squared norm of each point as given, shape ``(batch, n)``.

    """
    batch, n, m = x.shape
    for w in range(batch):
        for i in range(n):
            total = 0.0
            for q in range(m):
                value = np.float64(x[w, i, q])
                columns[w, q, i] = value
                total += value * value
            norms[w, i] = total
            if normalise:
                scale = 1.0 / math.sqrt(total)
                for q in range(m):
                    columns[w, q, i] *= scale


@njit(nogil=True, fastmath=_FAST, error_model="numpy", cache=True)
def tails(columns: Array, found: Array) -> None:
    """Norm of what follows each coordinate but the last; after the last but one, the last with its sign.

    Parameters
    ----------
    columns
        Coordinates, shape ``(batch, d, n)``.
    found
        Takes the norms, shape ``(batch, d-1, n)``.

    """
    batch, d, n = columns.shape
    total = np.empty(n)
    for w in range(batch):
        for i in range(n):
            last = columns[w, d - 1, i]
            found[w, d - 2, i] = abs(last) if last == 0.0 else last  # no negative zero: pi, never -pi
            total[i] = last * last
        for q in range(d - 3, -1, -1):
            for i in range(n):
                total[i] += columns[w, q + 1, i] * columns[w, q + 1, i]
                found[w, q, i] = math.sqrt(total[i])


@njit(nogil=True, cache=True)
def log_cap_volumes(squared: Array, m: int, terms: Array) -> None:
    """Log volume of the caps of the unit sphere S^m, over the volume of the unit ball of R^m.

    ``log(m integral_0^theta sin(t)^(m-1) dt)``, an incomplete beta function of ``z = sin(theta/2)^2``, as
    ``(m/2) log(4 z (1-z)) + log sum_j prod_(i<j) z (m+i) / (m/2+1+i)``: every term of the sum is positive.

    Parameters
    ----------
    squared
        Squared chords ``4 z`` from the centre of a cap to its rim, above 0, shape ``(batch, n)``.
    m
        Dimension of the sphere.
    terms
        Takes the logs, shape ``(batch, n)``.

    References
    ----------
    DLMF 8.17.8, with a = b = m/2.

    """
    half = 0.5 * m
    log_half_sphere = (
        math.log(0.5 * m) + 0.5 * math.log(math.pi) + math.lgamma(half) - math.lgamma(half + 0.5)
    )
    for w in range(squared.shape[0]):
        for i in range(squared.shape[1]):
            z = min(0.25 * squared[w, i], 1.0)
            small = min(z, 1.0 - z)
            total, term, j = 1.0, 1.0, 0
            while term > 1e-17 * total:
                term *= small * (m + j) / (half + 1.0 + j)
                total += term
                j += 1
            log_cap = -math.inf
            if small > 0.0:
                log_cap = half * math.log(4.0 * small * (1.0 - small)) + math.log(total)
            if z > 0.5:  # what the cap about the opposite point leaves of the whole
                whole = log_half_sphere + math.log(2.0)
                log_cap = whole + math.log1p(-math.exp(log_cap - whole))
            terms[w, i] = log_cap


@njit(nogil=True, fastmath=_FAST, error_model="numpy", cache=True)
def means_spreads_times(series: Array, window: float, found: Array) -> None:
    """Mean, standard deviation of one value and integrated autocorrelation time of every row.

    The rule of :func:`thermograd.autocorrelation.mean_with_error`. The autocovariance is summed lag by lag,
    no farther than the automatic window: for the short memory of log distances that is far less work than
    a Fourier transform.

    Parameters
    ----------
    series
        Shape ``(batch, n)``, ``n >= 2``, finite.
    window
        The sum stops at the first lag that is at least this many times the time found so far.
    found
        Takes mean, standard deviation and time, shape ``(batch, 3)``.

    """
    batch, n = series.shape
    centred = np.empty(n)
    for w in range(batch):
        row = series[w]
        mean, low, high = 0.0, row[0], row[0]
        for i in range(n):
            mean += row[i]
            low, high = min(low, row[i]), max(high, row[i])
        mean /= n
        found[w, 0], found[w, 1], found[w, 2] = mean, 0.0, 1.0
        if low == high:
            continue
        scale = max(high - mean, mean - low)
        zero = 0.0
        for i in range(n):
            centred[i] = (row[i] - mean) / scale
            zero += centred[i] * centred[i]
        zero /= n
        time, lag = 1.0, 0
        while lag < window * time and lag + 1 < n:
            lag += 1
            earlier, later = centred[: n - lag], centred[lag:]
            product = 0.0
            for i in range(n - lag):
                product += earlier[i] * later[i]
            time += 2.0 * product / n / zero
        total = zero * time * (1.0 + (2 * lag + 1) / n)
        variance = zero + total / n
        if total < variance:
            total = variance = zero * n / (n - 1)
        found[w, 1], found[w, 2] = scale * math.sqrt(variance), total / variance
