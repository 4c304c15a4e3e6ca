"""One run of the toy sphere, compiled: a few nanoseconds of arithmetic a step, which NumPy cannot do.

Imported inside functions alone: numba takes half a second to import.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["walk"]

Array = NDArray[np.float64]
Picks = NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def walk(
    normals: Array, start: Array, elr: float, picks: Picks, stop_below: float, log_at: Picks, logged: Array
) -> tuple[int, float, float, float]:
    """Projected SGD, one circle a step: ``x <- (x - elr g) / |x - elr g|``.

    Parameters
    ----------
    normals
        Unit normals, shape ``(n, 3)``.
    start
        Unit vector, shape ``(3,)``.
    elr
        Learning rate.
    picks
        The circle of each step, shape ``(steps,)``.
    stop_below
        Full loss below which the run ends.
    log_at
        Steps done at which to write the position down, increasing, shape ``(m,)``.
    logged
        Filled with positions, shape ``(m, 3)``; rows that the run does not reach stay as they are.

    Returns
    -------
    tuple
        Steps done and the last position.

    """
    n, steps, m = len(normals), len(picks), len(log_at)
    x, y, z = start[0], start[1], start[2]
    # A sum of squares: x^T M x would cancel close to a common point of circles that lie askew.
    threshold = stop_below * n
    row = 0
    done = 0
    for t in range(steps):
        i = picks[t]
        a, b, c = normals[i, 0], normals[i, 1], normals[i, 2]
        s = a * x + b * y + c * z
        # |x| = 1 up to rounding, so -elr * 2 s (n - s x) is the whole step.
        k = 2.0 * elr * s
        x, y, z = x - k * (a - s * x), y - k * (b - s * y), z - k * (c - s * z)
        r = math.sqrt(x * x + y * y + z * z)
        x, y, z = x / r, y / r, z / r
        done = t + 1
        if row < m and log_at[row] == done:
            logged[row, 0], logged[row, 1], logged[row, 2] = x, y, z
            row += 1
        total = 0.0
        for j in range(n):
            s = normals[j, 0] * x + normals[j, 1] * y + normals[j, 2] * z
            total += s * s
        if total < threshold:
            break
    return done, x, y, z
