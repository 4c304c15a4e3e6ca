"""Entropy from the length of the k-nearest-neighbour graph: Costa and Hero, as in the free-energy paper."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from thermograd.autocorrelation import mean_with_error
from thermograd.entropy.direction_neighbours import direction_neighbours
from thermograd.entropy.directions import Directions, as_they_are, row_norms
from thermograd.entropy.estimate import EntropyEstimate, sample_warnings, short_walk_warning
from thermograd.entropy.neighbours.nearest import check_neighbours
from thermograd.entropy.points import NORM_TOLERANCE, as_points
from thermograd.entropy.shared_neighbours import graph_error
from thermograd.entropy.theiler import admissible_neighbours
from thermograd.errors import InputError

__all__ = ["NO_LENGTH", "knn_graph"]

_OWNER = "knn_graph"
NO_LENGTH = "every point has as many exact copies as it has neighbours: entropy minus infinity"
"""What is said of a graph of no length."""


def knn_graph(
    x: Any, k: int = 50, dimension: int | None = None, theiler: int = 0, *, device: Any = None
) -> EntropyEstimate:
    """Differential entropy up to a constant, from the total length of the k-nearest-neighbour graph.

    ``S = D (log L_k - ((D-1)/D) log n)``, ``L_k`` the sum over all points of the distances to their ``k``
    nearest neighbours. The constant left out depends on ``D`` and ``k`` only, so differences between samples
    are entropies (strictly Renyi's, of order ``(D-1)/D``, next to Shannon's for large ``D``).

    Parameters
    ----------
    x
        Points in time order, shape ``(n, d)``, numpy array or torch tensor, float32 or float64: unit vectors
        on the sphere S^(d-1), or points on any ``D``-dimensional surface. Distances are Euclidean, in the
        unit of ``x``. Where ``D = d - 1`` and all norms are 1 within 1e-5, rows are normalised again in
        float64: what normalising in float32 leaves is no distance.
    k
        How many neighbours, 1 to ``n - 2``; the paper's is 50.
    dimension
        ``D``, the dimension of the surface that the points lie on; ``d - 1``, the sphere's, when not given.
    theiler
        ``w``: points no farther apart in time than so many rows are no neighbours. With
        ``n_i = n - 1 - min(i, w) - min(n-1-i, w)`` others left to point i, ``S = D log(L_k/n) + mean log(n_i
        + 1)``, which is the law above at ``w = 0``. What it means, and which to take:
        :func:`thermograd.entropy.suggest_theiler`.
    device
        Of torch's, such as ``"cuda"``, to search for neighbours on; the processor when not given.

    Returns
    -------
    EntropyEstimate
        Entropy in nats with ``absolute=False``, minus infinity where every point has ``k`` exact copies. Its
        ``se`` is that of the influences of the points on ``L_k``
        (:func:`thermograd.entropy.shared_neighbours.graph_influence`): lengths of edges alone vary less, by
        40% in ten dimensions.

    Raises
    ------
    InputError
        For fewer than ``k + 2`` points, rows with nan or inf, constant data, integers or half precision, a
        dimension outside 1 .. d, or fewer than ``k`` points outside a Theiler window.

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
    if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or not 1 <= dim <= d:
        raise InputError(f"{_OWNER}: dimension of the surface is {dim!r}; expected 1 to {d}")
    dim = int(dim)
    check_neighbours(_OWNER, n, k, None, theiler)
    norms = row_norms(points)
    on_sphere = dim == d - 1 and bool((np.abs(norms - 1.0) <= NORM_TOLERANCE).all())
    u = Directions(points, norms) if on_sphere else as_they_are(points)
    found = direction_neighbours(u, k, theiler=theiler, device=device)
    lengths = mean_with_error(found.distance.sum(axis=1))
    settings: dict[str, object] = {"k": int(k), "dimension": dim}
    if theiler:
        settings["theiler"] = int(theiler)
    warnings = sample_warnings(points, found.distance[:, 0], dim, logs=False)
    if lengths.mean == 0:
        warnings += (NO_LENGTH,)
        return EntropyEstimate(-math.inf, math.nan, n, math.nan, dim, False, "knn-graph", settings, warnings)
    # log n is that of n - 1 others and the point itself: with a Theiler window there are fewer.
    log_count = float(np.log(admissible_neighbours(n, theiler) + 1).mean()) if theiler else math.log(n)
    entropy = dim * math.log(lengths.mean) + log_count
    se = graph_error(found.distance, found.index, dim)
    warnings += short_walk_warning(u, dim)
    return EntropyEstimate(entropy, se, n, lengths.n_effective, dim, False, "knn-graph", settings, warnings)
