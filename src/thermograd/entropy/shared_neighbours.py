"""Why a nearest-neighbour entropy varies more than its terms say, and by how much.

The terms ``xi_i``, the log volumes of the balls up to the k-th neighbours, are averages of nothing independent: a
point that happens to lie in the midst of others makes all of their balls smaller. Leave a point out, and the sum
of all terms changes by its own and, of every point that names it as one of the ``k``, by about ``1/k``: the mean
of ``log V_(k+1)/V_k``. So the terms that vary as the entropy does are

    p_j = xi_j - (number of points that name j) / k,

and the variance of the entropy is that of their mean, less what is counted twice: the part of the noise that no
single point answers for. That part belongs to the neighbours and not to the law (where a density is smooth, a
ball's share of the points has one law everywhere), so it is measured once and for all, on uniform spheres.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from thermograd.autocorrelation import MeanWithError, mean_with_error

__all__ = ["KS", "MS", "excess", "graph_excess", "graph_influence", "mean_of_shared_terms"]

KS = (1, 2, 3, 5, 10, 20, 50)
"""Neighbours for which the excess was measured."""

MS = (1, 2, 3, 5, 10, 30, 100)
"""Dimensions for which it was measured."""

_EXCESS = (
    (0.870, 0.352, 0.220, 0.110, 0.056, 0.030, 0.011),
    (0.903, 0.360, 0.261, 0.175, 0.086, 0.045, 0.017),
    (0.978, 0.459, 0.334, 0.186, 0.103, 0.050, 0.018),
    (0.998, 0.523, 0.390, 0.236, 0.116, 0.060, 0.023),
    (0.990, 0.613, 0.456, 0.282, 0.152, 0.072, 0.028),
    (0.990, 0.701, 0.525, 0.321, 0.167, 0.082, 0.030),
    (0.990, 0.750, 0.520, 0.321, 0.173, 0.091, 0.034),
)
"""``Var(p) - n Var(S)``, a row a dimension, a column a neighbour: measured by ``scripts/shared_neighbours.py``."""

_GRAPH_EXCESS = (
    (1.601, 0.6, 0.3, 0.159, 0.07, 0.035, 0.015),
    (1.227, 0.6, 0.45, 0.301, 0.15, 0.08, 0.032),
    (1.227, 0.6, 0.45, 0.301, 0.15, 0.08, 0.032),
    (1.227, 0.6, 0.45, 0.301, 0.15, 0.08, 0.032),
    (1.227, 0.6, 0.45, 0.301, 0.15, 0.08, 0.032),
    (1.227, 0.6, 0.45, 0.301, 0.15, 0.08, 0.032),
    (1.227, 0.6, 0.45, 0.301, 0.15, 0.08, 0.032),
)
"""The same of the k-nearest-neighbour graph."""


def excess(k: int, m: int) -> float:
    """What the variance of ``p`` exceeds ``n`` times the variance of the entropy by, for points of a smooth law.

    Parameters
    ----------
    k
        Which neighbour. Beyond 50 it falls as ``1/k``.
    m
        Dimension. Beyond 100 it is taken as there.

    Returns
    -------
    float
        Interpolated in the logs of both, between values measured to 4% of the variance.

    Examples
    --------
    >>> excess(1, 1) < excess(1, 2) < excess(1, 10)
    True

    """
    return _interpolated(_EXCESS, k, m)


def graph_excess(k: int, m: int) -> float:
    """The same for the entropy of the k-nearest-neighbour graph.

    Parameters
    ----------
    k, m
        As for :func:`excess`.

    Examples
    --------
    >>> 0 < graph_excess(50, 3) < graph_excess(5, 3)
    True

    """
    return _interpolated(_GRAPH_EXCESS, k, m)


def graph_influence(distance: NDArray[np.float64], named: NDArray[np.intp], m: int) -> NDArray[np.float64]:
    """What every point has to do with the entropy of the k-nearest-neighbour graph, in nats times ``n``.

    ``p_j = (m / mean_i l_i) (l_j - sum_(i names j) (rho_i,k+1 - rho_ij))``, ``l_i`` the sum of the distances
    ``rho`` to the ``k`` neighbours of i: without j, each point that names it takes its next neighbour instead,
    whose distance is taken as ``rho_ik (1 + 1/(k m))``, what it is on average.

    Parameters
    ----------
    distance, named
        Of the ``k`` neighbours of each point, shape ``(n, k)``.
    m
        Dimension of the surface.

    Returns
    -------
    array
        Shape ``(n,)``.

    Examples
    --------
    >>> graph_influence(np.array([[1.0], [1.0], [2.0]]), np.array([[1], [0], [1]]), 1)
    array([ 0. , -1.5,  1.5])

    """
    k = distance.shape[1]
    own = distance.sum(axis=1)
    longer = distance[:, -1:] * (1.0 + 1.0 / (k * m)) - distance
    others = np.bincount(named.ravel(), weights=longer.ravel(), minlength=len(own))
    return np.asarray(m / own.mean() * (own - others))


def _interpolated(table: tuple[tuple[float, ...], ...], k: int, m: int) -> float:
    by_dimension = [float(np.interp(math.log(m), np.log(MS), column)) for column in np.transpose(table)]
    if k >= KS[-1]:
        return by_dimension[-1] * KS[-1] / k
    return float(np.interp(math.log(k), np.log(KS), by_dimension))


def mean_of_shared_terms(terms: NDArray[np.float64], named: NDArray[np.intp], m: int) -> MeanWithError:
    """The mean of the terms of a nearest-neighbour entropy, with an error that knows of shared neighbours.

    ``se^2 = Var(p) time(p) / n - excess(k, m) / n``, ``p_j = xi_j - (number that name j) / k``, and no less than
    the terms' own.

    Parameters
    ----------
    terms
        ``xi_i``, log volumes up to the k-th neighbour, in time order, shape ``(n,)``, finite.
    named
        Indices of the ``k`` neighbours of each point, shape ``(n, k)``.
    m
        Dimension.

    Returns
    -------
    MeanWithError
        Mean, time and effective number are those of the terms.

    References
    ----------
    M. Penrose and J. Yukich, Ann. Appl. Probab. 13 (2003) 277 and 23 (2013) 2161: such sums have a variance
    ``n (Var log f + v(k, m))``, and the second part does not depend on the law. In many dimensions it tends to
    ``pi^2/6 + 2 log 2`` for ``k = 1``.

    Examples
    --------
    Three points on a line, the middle one named by both others:

    >>> found = mean_of_shared_terms(np.log([1.0, 1.0, 2.0]), np.array([[1], [0], [1]]), 1)
    >>> plain = mean_with_error(np.log([1.0, 1.0, 2.0]))
    >>> found.mean == plain.mean, found.se > plain.se
    (True, True)

    """
    n, k = named.shape
    plain = mean_with_error(terms)
    counts = np.bincount(named.ravel(), minlength=n)
    squared = mean_with_error(terms - counts / k).se ** 2 - excess(k, m) / n
    return MeanWithError(plain.mean, math.sqrt(max(squared, plain.se**2)), plain.time, plain.n_effective)
