"""Nearest neighbours told from sketches, and what sketching does to their distances.

A sketched squared distance is the true one times a random factor of mean 1 (that of a chi-squared law of as
many degrees as the sketch has numbers, where differences are spread over many coordinates; less random where
not). Two biases follow.

- **The logarithm.** ``E log factor = -(variance of the log)``, to second order for log distances:
  ``-1/(2K)``. The variance is measured, from parts of the sketch that are independent of each other.
- **The minimum.** Of several neighbours about equally near, the one whose factor is smallest is taken: on a
  random walk, whose points have two, by ``-1/sqrt(2 pi K)``. Chosen by all parts of the sketch but one, and
  measured by that one, a neighbour's distance is unbiased (``crossed``), but the neighbour need not be the
  nearest: it is an upper bound in the mean, as the plain minimum (``plain``) is a lower one. Where true log
  distances of the candidates vary by a standard deviation ``s`` and their factors by ``e``, both normal, the
  truth lies a fraction ``1 / (1 + q)``, ``q = s / sqrt(s^2 + e^2)``, from ``plain`` to ``crossed``: from one
  half to one, whatever the number of candidates. Three quarters, give or take one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.nearest import nearest_neighbours

__all__ = ["SketchedNeighbours", "between", "sketched_neighbours"]


@dataclass(frozen=True)
class SketchedNeighbours:
    """Distances to the ``k`` nearest, as sketches tell them.

    Attributes
    ----------
    plain
        By the whole sketch, shape ``(n, k)``.
    crossed
        Measured by each part, chosen by the others, shape ``(parts, n, k)``.
    index
        Which points the plain ones are, shape ``(n, k)``.
    noise
        Variance of the log of a distance that one part measures.

    """

    plain: NDArray[np.float64]
    crossed: NDArray[np.float64]
    index: NDArray[np.intp]
    noise: float


def sketched_neighbours(
    sketches: NDArray[np.float64], k: int = 1, *, theiler: int = 0, device: Any = None
) -> SketchedNeighbours:
    """The ``k`` nearest neighbours of every point by independent sketches of the points.

    Parameters
    ----------
    sketches
        Each part preserving squared distances in the mean, in time order, shape ``(parts, n, length)``.
    k, theiler, device
        As for :func:`~thermograd.entropy.neighbours.nearest.nearest_neighbours`.

    Returns
    -------
    SketchedNeighbours
        Zero distances where whole sketches coincide.

    Raises
    ------
    InputError
        When too few points are left to some point, or a setting is out of range.

    Examples -------- Of Gaussian vectors the coordinates are a sketch already, of vectors of variance 1 in
    many more dimensions:

    >>> parts = np.random.default_rng(0).standard_normal((8, 200, 64)) / 8
    >>> found = sketched_neighbours(parts)
    >>> bool(np.log(found.plain).mean() < np.log(np.sqrt(2)) < np.log(found.crossed).mean() + found.noise)
    True

    """
    parts, n, _ = sketches.shape
    whole = nearest_neighbours(np.concatenate(list(sketches), axis=1), k, theiler=theiler, device=device)
    plain = whole.distance / math.sqrt(parts)
    crossed, again = np.empty((parts, n, k)), np.empty((parts, n, k))
    for part, own in enumerate(sketches):
        others = np.concatenate([other for p, other in enumerate(sketches) if p != part], axis=1)
        crossed[part] = _chords(own, nearest_neighbours(others, k, theiler=theiler, device=device).index)
        again[part] = _chords(own, whole.index)
    # A part sees nothing of a difference of few coordinates that cancel in it.
    crossed = np.where(crossed > 0, crossed, plain)
    seen = (again > 0).all(axis=0)
    noise = float(np.log(again[:, seen]).var(axis=0, ddof=1).mean()) if seen.any() else 0.0
    return SketchedNeighbours(plain, crossed, whole.index, noise)


def between(
    plain: NDArray[np.float64], crossed: NDArray[np.float64], noise: float
) -> tuple[NDArray[np.float64], float]:
    """Three quarters of the way from the lower to the upper bound, and the error that all points share.

    Parameters
    ----------
    plain
        Quantities of the points by the whole sketch, shape ``(n,)``.
    crossed
        The same by each part, shape ``(parts, n)``.
    noise
        Variance of one value of one part.

    Returns
    -------
    array
        Shape ``(n,)``.
    float
        Standard error of their mean from what all points have in common: the place between the bounds
        (uniform in the half that is left) and the part of the sketch's noise that does not average out over
        the points.

    Examples
    --------
    >>> between(np.zeros(4), np.full((8, 4), 0.4), 0.0)[0]
    array([0.3, 0.3, 0.3, 0.3])

    """
    parts, n = crossed.shape
    middle = plain + 0.75 * (crossed.mean(axis=0) - plain)
    spread = abs(float(crossed.mean() - plain.mean())) / 4
    by_part = crossed.mean(axis=1)
    common = float(by_part.var(ddof=1)) / parts - noise / (parts * n)
    return middle, math.sqrt(spread**2 / 3 + max(common, 0.0))


def _chords(points: NDArray[np.float64], index: NDArray[np.intp]) -> NDArray[np.float64]:
    distance = np.empty(index.shape)
    for rank, there in enumerate(index.T):
        difference = points - points[there]
        distance[:, rank] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return distance
