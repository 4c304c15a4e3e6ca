"""Nearest neighbours by measuring every pair in float64: slow, obviously right, the fast search's twin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.columns import wrapped
from thermograd.entropy.neighbours.nearest import Neighbours, check_neighbours

__all__ = ["brute_force_neighbours"]


def brute_force_neighbours(
    x: NDArray[np.floating[Any]], k: int = 1, *, period: float | None = None, theiler: int = 0
) -> Neighbours:
    """The ``k`` nearest neighbours of every point, by all differences: what ``nearest_neighbours`` must give.

    ``d_ij^2 = sum_c (x_ic - x_jc)^2`` in float64, one row at a time, sorted.

    Parameters
    ----------
    x
        Points in time order, shape ``(n, m)``.
    k
        How many neighbours.
    period
        Of the last coordinate, if it is an angle.
    theiler
        Points no farther apart in time than so many rows are no neighbours.

    Returns
    -------
    Neighbours
        Of equally distant points, those of lower index.

    Raises
    ------
    InputError
        When too few points are left to some point, or a setting is out of range.

    References
    ----------
    For ``theiler``: J. Theiler, Phys. Rev. A 34 (1986) 2427.

    Examples
    --------
    >>> brute_force_neighbours(np.array([[0.0], [1.0], [3.0]])).index[:, 0]
    array([1, 0, 1])

    """
    n = len(x)
    check_neighbours("brute_force_neighbours", n, k, period, theiler)
    distance, index = np.empty((n, k)), np.empty((n, k), dtype=np.intp)
    for i in range(n):
        difference = np.subtract(x, x[i], dtype=np.float64)
        if period is not None:
            difference[:, -1] = wrapped(difference[:, -1], period)
        squared = np.einsum("ij,ij->i", difference, difference)
        squared[max(0, i - theiler) : i + theiler + 1] = np.inf
        index[i] = np.argsort(squared, kind="stable")[:k]
        distance[i] = np.sqrt(squared[index[i]])
    return Neighbours(distance, index)
