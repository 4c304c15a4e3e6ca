"""Entropy from the length of the k-nearest-neighbour graph: Costa and Hero, as in the free-energy paper."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from thermograd.autocorrelation import mean_with_error
from thermograd.entropy.estimate import EntropyEstimate, sample_warnings
from thermograd.entropy.nearest import nearest_neighbours
from thermograd.entropy.points import as_points
from thermograd.errors import InputError

__all__ = ["knn_graph"]

_OWNER = "knn_graph"


def knn_graph(x: Any, k: int = 50, *, dimension: int | None = None) -> EntropyEstimate:
    """Differential entropy up to a constant, from the total length of the k-nearest-neighbour graph.

    ``S = D (log L_k - ((D-1)/D) log n)``, ``L_k`` the sum over all points of the distances to their ``k``
    nearest neighbours. The constant left out depends on ``D`` and ``k`` only, so differences between samples
    are entropies (strictly Renyi's, of order ``(D-1)/D``, next to Shannon's for large ``D``).

    Parameters
    ----------
    x
        Points in time order, shape ``(n, d)``, numpy array or torch tensor, float32 or float64: unit vectors
        on the sphere S^(d-1), or points on any ``D``-dimensional surface. Distances are Euclidean, in the
        unit of ``x``.
    k
        How many neighbours, 1 to ``n - 2``; the paper's is 50.
    dimension
        ``D``, the dimension of the surface that the points lie on; ``d - 1``, the sphere's, when not given.

    Returns
    -------
    EntropyEstimate
        Entropy in nats with ``absolute=False``. Its ``se`` is ``D`` times the relative standard error of the
        mean neighbour distance.

    Raises
    ------
    InputError
        For fewer than ``k + 2`` points, rows with nan or inf, constant data, integers or half precision, or a
        dimension outside 1 .. d.

    References
    ----------
    FE section 4; Costa and Hero, IEEE Trans. Signal Process. 52 (2004) 2210.

    Examples
    --------
    Twice the side of a square is ``2 log 2`` more entropy:

    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(size=(500, 2))
    >>> more = knn_graph(2 * x, k=5, dimension=2).entropy - knn_graph(x, k=5, dimension=2).entropy
    >>> round(more, 6), round(2 * np.log(2), 6)
    (1.386294, np.float64(1.386294))

    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError(f"{_OWNER}: k (how many neighbours) is {k!r}; expected an integer of at least 1")
    points = as_points(x, _OWNER, at_least=k + 2)
    n, d = points.shape
    dim = d - 1 if dimension is None else dimension
    if not 1 <= dim <= d:
        raise InputError(f"{_OWNER}: dimension of the surface is {dim}; expected 1 to {d}")
    distance = nearest_neighbours(points, k).distance
    lengths = mean_with_error(distance.sum(axis=1))
    settings = {"k": int(k), "dimension": dim}
    warnings = sample_warnings(points, distance[:, 0], dim)
    if lengths.mean == 0:  # every point has k exact copies
        return EntropyEstimate(-math.inf, math.nan, n, math.nan, dim, False, "knn-graph", settings, warnings)
    entropy = dim * math.log(n * lengths.mean) - (dim - 1) * math.log(n)
    se = dim * lengths.se / lengths.mean
    return EntropyEstimate(entropy, se, n, lengths.n_effective, dim, False, "knn-graph", settings, warnings)
