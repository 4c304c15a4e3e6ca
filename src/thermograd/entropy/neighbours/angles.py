"""The papers' chart of the sphere: spherical angles of unit vectors, and the volume they stretch.

``u_1 = cos phi_1``, ``u_2 = sin phi_1 cos phi_2``, ...,
``u_(d-1) = sin phi_1 ... sin phi_(d-2) cos phi_(d-1)``, ``u_d = sin phi_1 ... sin phi_(d-2) sin phi_(d-1)``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.threads import in_ranges, thread_count
from thermograd.errors import InputError

__all__ = ["LAST_PERIOD", "at_normal_size", "from_angles", "log_jacobian", "to_angles"]

LAST_PERIOD = 2.0 * np.pi
"""The period of the last angle; the others have none."""

_ROWS = 64  # vectors at a time: the sines of all would be a second array of the sample's size


def to_angles(u: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The spherical angles of vectors; their norms do not matter.

    ``phi_j = atan2(sqrt(u_(j+1)^2 + ... + u_d^2), u_j)`` for ``j <= d-2`` and
    ``phi_(d-1) = atan2(u_d, u_(d-1))``. Neither loses digits near a pole, as an arc cosine would.

    Parameters
    ----------
    u
        Vectors, shape ``(n, d)``, ``d >= 2``.

    Returns
    -------
    array
        Shape ``(n, d-1)``: ``phi_1 .. phi_(d-2)`` in [0, pi], ``phi_(d-1)`` in (-pi, pi].

    References
    ----------
    IG section 5.1, before eq. 26.

    Examples
    --------
    >>> import numpy as np
    >>> to_angles(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])) / np.pi
    array([[0.5, 0.5],
           [1. , 0. ]])

    """
    from thermograd.entropy.neighbours import compiled_angles

    u = np.asarray(u)
    n, d = u.shape
    sizes = np.abs(u).max(axis=1).astype(np.float64)
    u = at_normal_size("to_angles", u, np.flatnonzero(~((sizes > 1e-100) & (sizes < 1e100))))
    u = np.ascontiguousarray(u, dtype=u.dtype.newbyteorder("="))
    angles = np.empty((n, d - 1))
    last, before = u[:, -1].astype(np.float64), u[:, -2].astype(np.float64)
    # +0.0 turns a negative zero into a positive one, so that the angle is pi and never -pi.
    angles[:, -1] = np.arctan2(last + 0.0, before)
    tails, logs = last**2 + before**2, np.zeros(n)
    with ThreadPoolExecutor(thread_count()) as pool:
        work = partial(compiled_angles.convert, u, 0, d - 2, 0, tails, logs, angles, True)
        in_ranges(pool, work, n)
    return angles


def at_normal_size(
    owner: str, u: NDArray[np.floating[Any]], rows: NDArray[np.intp]
) -> NDArray[np.floating[Any]]:
    """The vectors, with some rows multiplied by a power of 2 that brings their largest coordinate near 1.

    Parameters
    ----------
    owner
        Who asks, for the message.
    u
        Vectors, shape ``(n, d)``.
    rows
        Which to scale; without any, nothing is copied.

    Raises
    ------
    InputError
        When one of the rows has no direction: it is zero, or holds nan or inf.

    Examples
    --------
    >>> at_normal_size("doctest", np.array([[3e-200, 0.0]]), np.array([0])).round(3)
    array([[0.574, 0.   ]])

    """
    if not len(rows):
        return u
    sizes = np.abs(u[rows]).max(axis=1)
    bad = np.flatnonzero(~((sizes > 0) & np.isfinite(sizes)))
    if len(bad):
        said = "is zero" if sizes[bad[0]] == 0 else "holds nan or inf"
        raise InputError(f"{owner}: row {rows[bad[0]]} {said}; expected finite vectors that have a direction")
    scaled = u.astype(np.float64)
    scaled[rows] = np.ldexp(scaled[rows], -np.frexp(sizes)[1][:, None])
    return scaled


def from_angles(angles: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The unit vectors that have these spherical angles: the inverse of :func:`to_angles`.

    Parameters
    ----------
    angles
        Shape ``(n, d-1)``.

    Returns
    -------
    array
        Shape ``(n, d)``.

    Examples
    --------
    >>> import numpy as np
    >>> from_angles(np.array([[np.pi / 2, 0.0]])).round(12)
    array([[0., 1., 0.]])

    """
    angles = np.asarray(angles, dtype=np.float64)
    before = np.cumprod(np.sin(angles), axis=1)
    u = np.ones((len(angles), angles.shape[1] + 1))
    u[:, 1:] = before
    u[:, :-1] *= np.cos(angles)
    return u


def log_jacobian(angles: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Log of the area of the sphere per volume of the chart, ``sum_(j<=d-2) (d-1-j) log sin phi_j``.

    Parameters
    ----------
    angles
        Shape ``(n, d-1)``, as :func:`to_angles` gives them.

    Returns
    -------
    array
        Shape ``(n,)``; minus infinity at a pole of the chart.

    Notes
    -----
    An angle near pi is rounded by 2e-16, which its sine, the distance from the pole, can not make good: at
    1e-6 from the pole ten digits are left. :func:`thermograd.entropy.neighbours.chart.chart_neighbours` takes
    the logarithms of the vectors' own coordinates and loses none.

    References
    ----------
    IG eq. 27.

    Examples
    --------
    >>> import numpy as np
    >>> float(np.exp(log_jacobian(np.array([[np.pi / 2, np.pi / 6, 3.0]]))[0]).round(12))
    0.5

    """
    count = angles.shape[1] - 1
    total = np.zeros(len(angles))
    weights = np.arange(count, 0, -1, dtype=np.float64)
    for start in range(0, len(angles), _ROWS):
        rows = slice(start, start + _ROWS)
        sines = np.sin(angles[rows, :-1])
        with np.errstate(divide="ignore"):
            total[rows] = np.log(sines) @ weights
    return total
