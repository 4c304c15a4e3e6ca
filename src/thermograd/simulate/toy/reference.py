"""One run of the toy sphere in plain NumPy on the same draws: what the compiled one is checked against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["walk"]

Array = NDArray[np.float64]
Picks = NDArray[np.int32]


def walk(
    normals: Array, start: Array, elr: float, picks: Picks, stop_below: float, log_at: Picks, logged: Array
) -> tuple[int, float, float, float]:
    """Projected SGD, one circle a step: what ``toy_kernel.walk`` does, to rounding.

    Parameters
    ----------
    normals, start, elr, picks, stop_below, log_at, logged
        As there.

    Returns
    -------
    tuple
        Steps done and the last position.

    Examples
    --------
    One step from the x axis towards the circle whose normal lies between x and z:

    >>> normal, logged = np.array([[0.6, 0.0, 0.8]]), np.zeros((1, 3))
    >>> x = np.array([1.0, 0.0, 0.0])
    >>> done, *end = walk(normal, x, 0.5, np.zeros(1, np.int32), 0.0, np.ones(1, np.int32), logged)
    >>> done, logged[0].round(3) + 0.0
    (1, array([ 0.902,  0.   , -0.433]))

    """
    x, row, done = start, 0, 0
    for t, i in enumerate(picks):
        s = normals[i] @ x
        x = x - 2.0 * elr * s * (normals[i] - s * x)
        x = x / np.sqrt(x @ x)
        done = t + 1
        if row < len(log_at) and log_at[row] == done:
            logged[row] = x
            row += 1
        if np.sum((normals @ x) ** 2) < stop_below * len(normals):
            break
    return done, float(x[0]), float(x[1]), float(x[2])
