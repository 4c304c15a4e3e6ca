"""Nearest neighbours in few dimensions by a k-d tree, with a rule for points that are equally far."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.columns import wrapped

__all__ = ["tree_neighbours"]

_NUMBERS = 2**19  # measured at a time: 4 MB, which stays in cache
_WINDOW = 32  # rows of a Theiler window asked for at first
_GROWTH = 2  # times as many are asked for by points that have not enough


def tree_neighbours(
    x: NDArray[np.floating[Any]], k: int, period: float | None, theiler: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Squared distances and indices of the ``k`` nearest neighbours of every point.

    Parameters
    ----------
    x
        Points in time order, shape ``(n, m)``, finite.
    k
        How many neighbours; every point must have as many that count.
    period
        Of the last coordinate; ``None`` for none.
    theiler
        Pairs of rows no farther apart than this do not count.

    Notes
    -----
    The tree is asked for more and more, by ever fewer points, until what it names reaches beyond the k-th
    neighbour that counts: then all those equally far are among it, and the lower indices are taken. Memory
    is bounded whatever the window.

    Examples
    --------
    >>> squared, index = tree_neighbours(np.array([[0.0], [1.0], [2.0]]), 1, None, 0)
    >>> index[:, 0]
    array([1, 0, 1])

    """
    from scipy.spatial import cKDTree

    n, m = x.shape
    points = x.astype(np.float64)
    box, slack = None, 0.0
    if period is not None:
        points[:, -1] %= period
        points[points[:, -1] >= period, -1] = 0.0  # the remainder of a tiny negative angle rounds up to it
        box = np.array([0.0] * (m - 1) + [period])  # 0: not periodic
        slack = 4 * np.finfo(float).eps * period  # which remainders have lost
    # Of many points in one place the first few can be anybody's neighbours, and the others never.
    kept = _first_of_each_place(x, k + 2 * theiler + 1)
    tree = cKDTree(points[kept], boxsize=box)
    squared, index = np.empty((n, k)), np.empty((n, k), dtype=np.intp)
    rows, count = np.arange(n), k + 2 + min(2 * theiler, _WINDOW)
    while len(rows):
        count = min(count, len(kept))
        unfinished = []
        step = max(1, _NUMBERS // (count * (m + 4)))
        for start in range(0, len(rows), step):
            here = rows[start : start + step]
            far, found = tree.query(points[here], k=count)
            far, there = far.reshape(len(here), -1), kept[found].reshape(len(here), -1)
            apart = _squared(x, here, there, period)
            apart[np.abs(there - here[:, None]) <= theiler] = np.inf
            order = np.lexsort((there, apart), axis=1)[:, :k]
            squared[here], index[here] = (np.take_along_axis(a, order, 1) for a in (apart, there))
            beyond = far[:, -1] > np.sqrt(squared[here, -1]) * (1 + 1e-12) + slack
            if count < len(kept):
                unfinished.append(here[~beyond])
        rows = np.concatenate(unfinished) if unfinished else rows[:0]
        count *= _GROWTH
    return squared, index


def _first_of_each_place(x: NDArray[np.floating[Any]], count: int) -> NDArray[np.intp]:
    """Rows that have fewer than ``count`` equals among the rows before them."""
    order = np.lexsort(x.T)  # stable: equals in ascending order
    new = np.ones(len(x), dtype=bool)
    new[1:] = (x[order[1:]] != x[order[:-1]]).any(axis=1)
    starts = np.flatnonzero(new)
    rank = np.arange(len(x)) - starts[np.cumsum(new) - 1]
    return np.sort(order[rank < count])


def _squared(
    x: NDArray[np.floating[Any]], here: NDArray[np.intp], there: NDArray[np.intp], period: float | None
) -> NDArray[np.float64]:
    # The tree's distances are of remainders, which have lost digits: measure again.
    difference = np.subtract(x[here][:, None], x[there], dtype=np.float64)
    if period is not None:
        difference[..., -1] = wrapped(difference[..., -1], period)
    return np.asarray(np.einsum("ikm,ikm->ik", difference, difference))
