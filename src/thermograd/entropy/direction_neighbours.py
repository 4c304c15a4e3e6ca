"""Nearest neighbours among directions: chords of the unit sphere, whatever the norms of the rows are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.directions import Directions
from thermograd.entropy.neighbours.nearest import Neighbours, nearest_neighbours
from thermograd.entropy.normalised import normalised
from thermograd.entropy.theiler import admissible_neighbours

__all__ = ["direction_neighbours"]

_SMALL = 2**24  # bytes of a float64 copy that is made without asking
_MOST = 256  # neighbours searched, before a copy of all points is cheaper
_ROUND_OFF = 1.0 - 1e-9


def direction_neighbours(u: Directions, k: int = 1, *, theiler: int = 0, device: Any = None) -> Neighbours:
    """The ``k`` nearest other directions of every one, by the length of the chord between them.

    Of rows ``x_i = r_i u_i``, ``|u_i - u_j|^2 = (|x_i - x_j|^2 - (r_i - r_j)^2) / (r_i r_j)``. So more
    neighbours than ``k`` are sought among the rows as they are, corrected and sorted anew; they hold the
    nearest directions if the k-th of these is nearer than any row not found can be, which is at least
    ``(rho^2 - max_j (r_i - r_j)^2) / (r_i max r)`` for the distance ``rho`` of the last row found. Otherwise
    more are sought, or, where norms vary as much as the walk itself, copies of the directions are made.

    Parameters
    ----------
    u
        The directions.
    k, theiler, device
        As for :func:`thermograd.entropy.nearest_neighbours`.

    Returns
    -------
    Neighbours
        Of the directions, exact to ``1e-15 |r_i - r_j| / rho^2`` of a distance.

    Examples
    --------
    Rows 1e-5 longer or shorter are no farther:

    >>> from thermograd.entropy.neighbours.nearest import nearest_neighbours
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((100, 30_000))
    >>> x /= np.linalg.norm(x, axis=1, keepdims=True)
    >>> r = 1 + 1e-5 * rng.standard_normal(100)
    >>> found = direction_neighbours(Directions(x * r[:, None], r)).distance
    >>> bool(np.allclose(found, nearest_neighbours(x).distance, rtol=1e-13))
    True

    """
    n, d = u.shape
    if u.exact:
        return nearest_neighbours(u.points, k, theiler=theiler, device=device)
    if 8 * n * d <= _SMALL:
        return nearest_neighbours(u[:], k, theiler=theiler, device=device)
    wanted = k + 1
    left = int(admissible_neighbours(n, theiler).min())
    while wanted <= min(left, _MOST):
        found = nearest_neighbours(u.points, wanted, theiler=theiler, device=device)
        squared = _corrected(u.norms, found)
        order = np.argsort(squared, axis=1, kind="stable")[:, :k]
        squared = np.take_along_axis(squared, order, 1)
        low, high = float(u.norms.min()), float(u.norms.max())
        off = np.maximum(u.norms - low, high - u.norms)
        beyond = (found.distance[:, -1] ** 2 - off**2) / (u.norms * high)
        if (squared[:, -1] <= beyond * _ROUND_OFF).all():
            return Neighbours(np.sqrt(squared), np.take_along_axis(found.index, order, 1))
        wanted *= 4
    with normalised(u.points) as copy:
        return nearest_neighbours(copy, k, theiler=theiler, device=device)


def _corrected(norms: NDArray[np.float64], found: Neighbours) -> NDArray[np.float64]:
    here, there = norms[:, None], norms[found.index]
    squared = (found.distance**2 - (here - there) ** 2) / (here * there)
    return np.maximum(squared, 0.0)
