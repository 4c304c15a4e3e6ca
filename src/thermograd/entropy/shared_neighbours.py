"""Why a nearest-neighbour entropy varies more than its terms say, and by how much.

The terms ``xi_i``, the log volumes of the balls up to the k-th neighbours, are averages of nothing
independent: a point that happens to lie in the midst of others makes all of their balls smaller. Leave a
point out, and the sum of all terms changes by its own and, of every point that names it as one of the ``k``,
by about ``1/k``: the mean of ``log V_(k+1)/V_k``. So the terms that vary as the entropy does are

    p_j = xi_j - (number of points that name j) / k,

and the variance of the entropy is that of their mean, less what is counted twice: the part of the noise that
no single point answers for. That part belongs to the neighbours and not to the law (where a density is
smooth, a ball's share of the points has one law everywhere), so it is measured once and for all, on uniform
spheres.

**On a walk** a single point is nothing that could be left out: the ones before and after take its place, and
``p_j`` falls short of what the sum would lose if that piece of the walk had never been. What is independent
there is a piece as long as its memory; without it, the points in it are gone as well, and only those that
name it from elsewhere are left with larger balls. So of the points that name j those within twice the
integrated time of the terms do not count, and of what is counted twice only the share of the others. (All
named points being counted, the error of a graph with k = 5 was half of the scatter on queues worth 30
independent points; so it is within 13%, from 30 on, in 2 to 10 dimensions.)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import polygamma

from thermograd.autocorrelation import MeanWithError, mean_with_error

__all__ = [
    "KS",
    "MS",
    "added_variance",
    "excess",
    "far_in_time",
    "graph_error",
    "graph_excess",
    "graph_influence",
    "mean_of_shared_terms",
]

KS = (1, 2, 3, 5, 10, 20, 50)
"""Neighbours for which the excess was measured."""

MS = (1, 2, 3, 5, 10, 30, 100)
"""Dimensions for which it was measured."""

_EXCESS = (
    (0.759, 0.334, 0.207, 0.092, 0.059, 0.031, 0.012),
    (0.880, 0.365, 0.250, 0.166, 0.082, 0.044, 0.018),
    (0.975, 0.483, 0.346, 0.197, 0.108, 0.051, 0.019),
    (0.956, 0.526, 0.392, 0.240, 0.116, 0.060, 0.024),
    (0.895, 0.633, 0.464, 0.291, 0.153, 0.073, 0.028),
    (0.794, 0.705, 0.521, 0.323, 0.168, 0.082, 0.030),
    (0.976, 0.722, 0.482, 0.313, 0.170, 0.089, 0.034),
)
"""``Var(p) - n Var(S)``, a row a dimension, a column a neighbour: measured by
``scripts/shared_neighbours.py``."""

_VARIANCE = (
    (2.203, 0.951, 0.614, 0.388, 0.178, 0.087, 0.036),
    (2.295, 1.022, 0.638, 0.354, 0.176, 0.084, 0.032),
    (2.351, 0.987, 0.603, 0.361, 0.168, 0.086, 0.035),
    (2.576, 1.057, 0.633, 0.365, 0.183, 0.088, 0.033),
    (2.853, 1.078, 0.648, 0.364, 0.171, 0.086, 0.033),
    (3.145, 1.117, 0.668, 0.381, 0.180, 0.089, 0.035),
    (3.020, 1.139, 0.740, 0.414, 0.190, 0.089, 0.034),
)
"""``n Var(S)`` on uniform spheres. On the circle it is exactly 2.141 for k = 1."""

_GRAPH_EXCESS = (
    (1.612, 0.493, 0.303, 0.164, 0.074, 0.036, 0.014),
    (1.108, 0.634, 0.444, 0.276, 0.139, 0.070, 0.028),
    (1.099, 0.814, 0.592, 0.372, 0.192, 0.097, 0.038),
    (1.019, 1.008, 0.755, 0.488, 0.251, 0.125, 0.052),
    (0.857, 1.304, 1.021, 0.680, 0.374, 0.199, 0.085),
    (0.232, 1.963, 1.696, 1.212, 0.696, 0.391, 0.176),
    (-1.300, 3.880, 3.533, 2.616, 1.599, 0.952, 0.471),
)
"""The same of the k-nearest-neighbour graph."""


def excess(k: int, m: int) -> float:
    """What the variance of ``p`` exceeds ``n`` times the variance of the entropy by, for points of a smooth
    law.

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


def added_variance(k: int, m: int) -> float:
    """What shared neighbours add to ``n`` times the variance of an entropy, over that of its terms.

    ``v(k, m) - trigamma(k)``: for who knows the terms but not the neighbours. It holds while balls are small
    against what the density varies over; beyond some five dimensions points near the middle of a cloud are
    named by so many that it is far too small (:func:`mean_of_shared_terms` knows).

    Parameters
    ----------
    k, m
        As for :func:`excess`.

    Examples
    --------
    On the circle it is ``2.141 - pi^2/6 = 0.50``:

    >>> 0.45 < added_variance(1, 1) < 0.6
    True

    """
    return max(0.0, _interpolated(_VARIANCE, k, m) - float(polygamma(1, k)))


def graph_excess(k: int, m: int) -> float:
    """The same for the entropy of the k-nearest-neighbour graph.

    Parameters
    ----------
    k, m
        As for :func:`excess`; but beyond 100 dimensions it grows as ``m``, as the variance itself.

    Examples
    --------
    >>> 0 < graph_excess(50, 3) < graph_excess(5, 3)
    True

    """
    return _interpolated(_GRAPH_EXCESS, k, m) * max(1.0, m / MS[-1])


def far_in_time(named: NDArray[np.intp], window: int) -> NDArray[np.bool_]:
    """Which neighbours are more than ``window`` rows away.

    Parameters
    ----------
    named
        Indices of the neighbours of each point, in time order, shape ``(n, k)``.
    window
        In rows.

    Examples
    --------
    >>> far_in_time(np.array([[1], [0], [0]]), 1).ravel()
    array([False, False,  True])

    """
    return np.asarray(np.abs(named - np.arange(len(named))[:, None]) > window)


def graph_influence(
    distance: NDArray[np.float64], named: NDArray[np.intp], m: int, window: int = 0
) -> NDArray[np.float64]:
    """What every point has to do with the entropy of the k-nearest-neighbour graph, in nats times ``n``.

    ``p_j = (m / mean_i l_i) (l_j - sum_(i names j) (rho_i,k+1 - rho_ij))``, ``l_i`` the sum of the distances
    ``rho`` to the ``k`` neighbours of i: without j, each point that names it takes its next neighbour
    instead, whose distance is taken as ``rho_ik (1 + 1/(k m))``, what it is on average.

    Parameters
    ----------
    distance, named
        Of the ``k`` neighbours of each point, shape ``(n, k)``.
    m
        Dimension of the surface.
    window
        Points no farther apart in time than this do not count among those that name j.

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
    far = far_in_time(named, window)
    others = np.bincount(named[far], weights=longer[far], minlength=len(own))
    return np.asarray(m * ((own - others) / own.mean()))


def _interpolated(table: tuple[tuple[float, ...], ...], k: int, m: int) -> float:
    by_dimension = [float(np.interp(math.log(m), np.log(MS), column)) for column in np.transpose(table)]
    if k >= KS[-1]:
        return by_dimension[-1] * KS[-1] / k
    return float(np.interp(math.log(k), np.log(KS), by_dimension))


def mean_of_shared_terms(terms: NDArray[np.float64], named: NDArray[np.intp], m: int) -> MeanWithError:
    """The mean of the terms of a nearest-neighbour entropy, with an error that knows of shared neighbours.

    ``se^2 = (Var(p) time(p) - f excess(k, m)) / n``, ``p_j = xi_j - (number that name j from farther than
    twice the terms' time) / k``, ``f`` the share of such neighbours, and no less than the terms' own.

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
    ``n (Var log f + v(k, m))``, and the second part does not depend on the law. In many dimensions it tends
    to ``pi^2/6 + 2 log 2`` for ``k = 1``.

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
    far = far_in_time(named, _window(plain))
    counts = np.bincount(named[far], minlength=n)
    shared = mean_with_error(terms - counts / k)
    squared = shared.se**2 - _counted_twice(far, excess(k, m), shared.time)
    return MeanWithError(plain.mean, math.sqrt(max(squared, plain.se**2)), plain.time, plain.n_effective)


def graph_error(distance: NDArray[np.float64], named: NDArray[np.intp], m: int) -> float:
    """Standard error of the entropy of the k-nearest-neighbour graph, in nats.

    Parameters
    ----------
    distance, named, m
        As for :func:`graph_influence`.

    Examples
    --------
    >>> graph_error(np.array([[1.0], [1.0], [2.0]]), np.array([[1], [0], [1]]), 1) > 0
    True

    """
    k = distance.shape[1]
    window = _window(mean_with_error(distance.sum(axis=1)))
    influence = mean_with_error(graph_influence(distance, named, m, window))
    counted_twice = _counted_twice(far_in_time(named, window), graph_excess(k, m), influence.time)
    # On uniform spheres half of the influences' variance is left at every dimension, .63 +- .1 in 10 000.
    return math.sqrt(max(influence.se**2 - counted_twice, 0.55 * influence.se**2))


def _counted_twice(far: NDArray[np.bool_], excess: float, time: float) -> float:
    # It is noise of single points. A time above 1 that is found by chance multiplies it with the rest; that
    # of a walk does not, and is told from chance at three standard deviations.
    n = len(far)
    return float(far.mean()) * excess * min(time, 1.0 + 3.0 * math.sqrt(22.0 / n)) / n


def _window(terms: MeanWithError) -> int:
    return math.ceil(2.0 * terms.time) if terms.time > 1.0 else 0
