"""Unit vectors in the numbers they were given in, read as what they stand for: rows divided by their norms.

A direction normalised in float32 has a norm of 1 within 1e-7, and what is off is not the walk's: at steps of
1e-6 in ``d = 24 408`` it reads as tens of nats of distance. The rows are divided by their norms in float64
where they are used, a block at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.progress import row_blocks

__all__ = ["EXACT", "Directions", "as_they_are", "row_norms"]

EXACT = 1e-13
"""A norm this close to 1 is one: the round-off of normalising in float64, and of measuring it."""

_ROWS = 64


class Directions:
    """The rows of a sample divided by their norms, in float64 and on demand; never a copy of the whole.

    Indexing with a slice or an array of rows gives an array of unit vectors. Points whose norms are 1 to
    round-off are handed out as they are.

    Parameters
    ----------
    points
        Shape ``(n, d)``, float32 or float64, norms above 0; perhaps a ``numpy.memmap``.
    norms
        Of the rows, in float64, shape ``(n,)``.

    Examples
    --------
    >>> u = Directions(np.array([[0.6, 0.8], [3.0, 4.0]]), np.array([1.0, 5.0]))
    >>> u[1:], u.mean()
    (array([[0.6, 0.8]]), array([0.6, 0.8]))

    """

    def __init__(self, points: NDArray[np.floating[Any]], norms: NDArray[np.float64]) -> None:
        self.points, self.norms = points, norms
        self._shrink = 1.0 / norms
        self.exact = bool((np.abs(norms - 1.0) <= EXACT).all())

    @property
    def shape(self) -> tuple[int, int]:
        """Number of points, length of a vector."""
        n, d = self.points.shape
        return n, d

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, rows: Any) -> NDArray[np.floating[Any]]:
        if self.exact:
            return np.asarray(self.points[rows])
        found: NDArray[np.float64] = self.points[rows] * np.expand_dims(self._shrink[rows], -1)
        return found

    def mean(self) -> NDArray[np.float64]:
        """The mean vector, in float64."""
        if self.exact:
            return np.asarray(self.points.mean(axis=0, dtype=np.float64))
        total = np.zeros(self.shape[1])
        for rows in row_blocks("mean direction", self.shape, _ROWS):
            total += self._shrink[rows] @ self.points[rows].astype(np.float64)
        return total / len(self)


def row_norms(points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The norms of the rows, summed in float64.

    Parameters
    ----------
    points
        Shape ``(n, d)``.

    Examples
    --------
    >>> row_norms(np.array([[3.0, 4.0]], dtype="f4"))
    array([5.])

    """
    found = np.empty(len(points))
    n, d = points.shape
    for rows in row_blocks("norms", (n, d)):
        block = points[rows]
        found[rows] = np.einsum("ij,ij->i", block, block, dtype=np.float64)
    return np.asarray(np.sqrt(found))


def as_they_are(points: NDArray[np.floating[Any]]) -> Directions:
    """Points whose lengths mean something: nothing is divided.

    Parameters
    ----------
    points
        Shape ``(n, d)``.

    Examples
    --------
    >>> as_they_are(np.array([[3.0, 4.0]]))[:]
    array([[3., 4.]])

    """
    return Directions(points, np.ones(len(points)))
