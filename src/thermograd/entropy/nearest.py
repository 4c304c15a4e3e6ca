"""Exact distances to the nearest neighbours, in any dimension.

A Gram matrix gives all squared distances at the price of one matrix product, but as differences of large
numbers: for points a distance ``rho`` apart that lie ``R`` from the origin its relative error is about
``eps (R/rho)^2``, which for iterates of SGD in float32 is everything. So the Gram matrix (float64, of centred
points) only *names the candidates*, all those that its error bound leaves open, and these are measured
again as sums of squared differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neighbours", "nearest_neighbours"]

Points: TypeAlias = NDArray[np.floating[Any]]
Vector: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]

_TREE_DIMENSION = 8  # up to here a k-d tree beats the Gram matrix
_ROWS = 512  # rows of the distance matrix held at a time
_COLUMNS = 4096  # coordinates held in float64 at a time
_PAIRS = 128  # pairs measured at a time: with _COLUMNS, 4 MB, which stays in cache


@dataclass(frozen=True)
class Neighbours:
    """The nearest other points of every point, nearest first.

    Attributes
    ----------
    distance
        Shape ``(n, k)``, float64. Zero where points coincide.
    index
        Shape ``(n, k)``: which points they are.

    """

    distance: Vector
    index: Indices


def nearest_neighbours(x: Points, k: int = 1, *, period: float | None = None) -> Neighbours:
    """The ``k`` nearest neighbours of every point, with distances exact to the round-off of one subtraction.

    Parameters
    ----------
    x
        Points, shape ``(n, m)``, float32 or float64, finite, ``n > k``. Never copied to float64 as a whole.
    k
        How many neighbours, from 1 to ``n - 1``.
    period
        When given, the last coordinate is an angle of this period: differences of it are wrapped to at most
        half a period.

    Returns
    -------
    Neighbours
        Euclidean distances and indices. Among equally distant points the choice is arbitrary.

    Notes
    -----
    Time ``n^2 m`` (a matrix product) plus ``n k m``; memory about 55 kB a point and the ``n k`` results. Up
    to dimension 8 a k-d tree names the candidates.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [3.0]])
    >>> nearest_neighbours(x).distance[:, 0], nearest_neighbours(x, period=3.5).index[:, 0]
    (array([1., 1., 2.]), array([2, 0, 0]))

    """
    row, column = (_tree_candidates if x.shape[1] <= _TREE_DIMENSION else _gram_candidates)(x, k, period)
    n = len(x)
    # Each pair is measured once, however often it was named.
    pairs, where = np.unique(np.minimum(row, column) * n + np.maximum(row, column), return_inverse=True)
    distance = np.sqrt(_measure(x, pairs // n, pairs % n, period))[where]
    order = np.lexsort((distance, row))
    first = np.searchsorted(row[order], np.arange(n))
    best = order[first[:, None] + np.arange(k)]
    return Neighbours(distance=distance[best], index=column[best])


def wrapped(difference: Vector, period: float) -> Vector:
    """A difference of angles, brought to the nearest of its equivalents."""
    # Subtracting a whole period only where needed leaves small differences untouched by rounding.
    return difference - period * np.rint(difference / period)


def _tree_candidates(x: Points, k: int, period: float | None) -> tuple[Indices, Indices]:
    from scipy.spatial import cKDTree

    n, m = x.shape
    centred = x.astype(np.float64)
    box = None
    if period is not None:
        centred[:, -1] %= period
        centred[centred[:, -1] >= period, -1] = 0.0  # the remainder of a tiny negative angle rounds up to it
        box = np.array([0.0] * (m - 1) + [period])  # 0: not periodic
    found = np.atleast_2d(cKDTree(centred, boxsize=box).query(centred, k=k + 1)[1])
    # Among coincident points the point itself need not come first, nor be found at all: then drop the last.
    keep = found != np.arange(n)[:, None]
    keep[keep.all(axis=1), -1] = False
    return np.repeat(np.arange(n), k), found[keep]


def _gram_candidates(x: Points, k: int, period: float | None) -> tuple[Indices, Indices]:
    n, m = x.shape
    straight = m if period is None else m - 1
    centre = x.mean(axis=0, dtype=np.float64)
    blocks = [slice(a, min(a + _COLUMNS, straight)) for a in range(0, straight, _COLUMNS)]
    norms = np.zeros(n)
    for columns in blocks:
        part = x[:, columns] - centre[columns]
        norms += np.einsum("ij,ij->i", part, part)
    # Rounding of a sum of m products, whatever its order: m eps sum|a b| (Higham 2002, section 3.1); centring
    # and the last additions add a few eps more.
    error = (2 * m + 32) * np.finfo(np.float64).eps * norms
    rows_found, columns_found = [], []
    for start in range(0, n, _ROWS):
        rows = slice(start, min(start + _ROWS, n))
        squared = norms[rows, None] + norms
        for columns in blocks:
            part = x[:, columns] - centre[columns]
            squared -= 2.0 * (part[rows] @ part.T)
        if period is not None:
            last = x[:, -1].astype(np.float64)
            squared += wrapped(last[rows, None] - last, period) ** 2
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = np.inf
        bound = error[rows, None] + error
        # k points are surely no farther than `reach`; whoever may be nearer than that stays in play.
        reach = np.partition(squared + bound, k - 1, axis=1)[:, k - 1]
        i, j = np.nonzero(squared - bound <= reach[:, None])
        rows_found.append(i + start)
        columns_found.append(j)
    return np.concatenate(rows_found), np.concatenate(columns_found)


def _measure(x: Points, i: Indices, j: Indices, period: float | None) -> Vector:
    """Squared distances of the pairs, as sums of squared differences in float64."""
    straight = x.shape[1] if period is None else x.shape[1] - 1
    squared = np.zeros(len(i))
    step = max(1, _PAIRS * _COLUMNS // max(1, min(straight, _COLUMNS)))
    for start in range(0, len(i), step):
        pairs = slice(start, start + step)
        for a in range(0, straight, _COLUMNS):
            columns = slice(a, min(a + _COLUMNS, straight))
            difference = x[i[pairs], columns].astype(np.float64) - x[j[pairs], columns]
            squared[pairs] += np.einsum("ij,ij->i", difference, difference)
    if period is not None:
        last = x[:, -1].astype(np.float64)
        squared += wrapped(last[i] - last[j], period) ** 2
    return squared
