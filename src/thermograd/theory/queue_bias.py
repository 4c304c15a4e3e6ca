"""How far a nearest-neighbour entropy misses when its queue is a piece of a correlated walk.

Near a minimum the direction does an Ornstein-Uhlenbeck walk in ``m = d - 1`` dimensions with correlation time
``tau = 1/elr`` iterations. A queue of ``n`` directions, each ``delta = spacing/tau`` after the one before,
sees ``n delta`` correlation times. Kozachenko and Leonenko's estimator assumes that its points are
independent, and reads too little entropy for two reasons: over a short window the cloud is narrower than the
stationary law, and each point has the next ones in time for neighbours. At ``elr = 1e-3`` the published queue
(1000 points, 50 iterations apart) spans 50 correlation times and reads 0.17 nats too little on S^2: the dip
of the points below the line at the left of IG figure 1a.

The prediction is the law of the distance from a point ``x`` to its nearest neighbour. For each lag j the
chance ``p_j(rho)`` that the walk is within rho of x is a noncentral chi-squared. These visits come in
clusters, and the time of the first of them, with law ``f``, follows from the renewal equation

    p_k = f_k + sum_{j<k} f_j q_{k-j},

``q_j`` the chance to be inside again j lags after a first visit, which happens anywhere in the ball. Past and
future are independent given x, and everything is averaged over x and its place in the queue.

Checked on exact walks with n = 1000, spans from 2 to 5000 correlation times: within 0.02 nats for m = 2, 0.03
for m = 9, but 0.05 at a span of 100 and 0.1 at 200, where neighbours in space take over from those in time.
"""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, rfft
from scipy.special import gammainc, gammainccinv, gammaincinv, roots_genlaguerre

from thermograd.errors import InputError

__all__ = ["QueueBias", "queue_bias", "spacing_in_times"]

Array = NDArray[np.float64]
_STARTS, _DISTANCES, _INSIDE, _LAGS = 8, 80, 6, 50  # nodes: twice as many change the bias by 1e-3 m
_LARGEST = 100


class QueueBias(NamedTuple):
    """What a queue adds to the entropy, in nats; plain numbers.

    Attributes
    ----------
    bias
        ``E S_hat - S``, the whole of it.
    narrowing
        The part that any estimator suffers: the window's cloud has a fraction of the stationary variance,
        ``(m/2) log`` of it.
    crowding
        The rest: neighbours in time, and what is left of the bias for independent points.

    """

    bias: float
    narrowing: float
    crowding: float


def spacing_in_times(spacing: ArrayLike, elr: ArrayLike, curvature: ArrayLike = 1.0) -> Array:
    """Iterations between two points of the queue in correlation times, ``-spacing log(1 - elr h)``.

    Parameters
    ----------
    spacing
        Iterations from one point to the next.
    elr
        Step size of the direction on the unit sphere, above 0, with ``elr h < 1``.
    curvature
        ``h`` of the loss on the unit sphere; 1 at the minimum of the test function.

    Returns
    -------
    numpy.ndarray
        About ``spacing elr h``, in the common shape of the arguments.

    Raises
    ------
    InputError
        If ``elr h`` is not between 0 and 1.

    References
    ----------
    The linearised update of IG eq. 24.

    Examples
    --------
    >>> print(round(1000 * spacing_in_times(50, 1e-3), 2))
    50.03

    """
    rate = np.asarray(elr, dtype=float) * np.asarray(curvature, dtype=float)
    if np.any(rate <= 0) or np.any(rate >= 1):
        bad = rate[(rate <= 0) | (rate >= 1)].flat[0]
        raise InputError(f"elr times curvature is {bad}; expected a number above 0 and below 1")
    return np.asarray(-np.asarray(spacing, dtype=float) * np.log1p(-rate))[()]


def queue_bias(n: int, spacing: float, dim: int) -> QueueBias:
    """Bias of the nearest-neighbour entropy (``k = 1``) of ``n`` equidistant points of an OU walk.

    Parameters
    ----------
    n
        Points in the queue, at least 3.
    spacing
        From one to the next, in correlation times, above 0: see `spacing_in_times`.
    dim
        Dimension of the sphere, ``d - 1``, from 1 to 100.

    Returns
    -------
    QueueBias
        In nats. Takes 0.2 s at ``n = 1000``.

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    IG eq. 25 is the estimator, appendix F the queue; the prediction is derived here.

    Examples
    --------
    The published queue on S^2, from the smallest ELR to the largest:

    >>> for elr in (1e-3, 1e-2, 1e-1):
    ...     print(f"{elr:g}: {queue_bias(1000, spacing_in_times(50, elr), 2).bias:.2f}")
    0.001: -0.17
    0.01: -0.01
    0.1: -0.01

    """
    n, spacing, dim = _checked(n, spacing, dim)
    lags = np.unique(np.round(np.append(np.arange(1, min(n, 11)), np.geomspace(1, n - 1, _LAGS))).astype(int))
    kept = np.exp(-spacing * lags)
    variance = -np.expm1(-2.0 * spacing * lags)
    squares, weights = roots_genlaguerre(_STARTS, 0.5 * dim - 1.0)  # of |x|^2/2
    squares, weights = 2.0 * squares, weights / weights.sum()
    rho = _distances(n, dim, math.sqrt(squares[-1]), kept[0], variance[0])
    again = _returns(rho, dim, kept, variance)
    gaps = np.zeros(_DISTANCES)  # chance that there is no neighbour within rho
    for square, weight in zip(squares, weights, strict=True):
        visit = _within(rho[:, None] ** 2 / variance, dim, (1.0 - kept) ** 2 * square / variance)
        gaps += weight * _no_neighbour(_every_lag(visit, lags), _every_lag(again, lags))
    log_rho = math.log(rho[-1]) - float(np.trapezoid(1.0 - gaps, np.log(rho)))
    estimate = dim * log_rho + math.log(n - 1) + np.euler_gamma
    estimate += 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim + 1.0)
    bias = estimate - 0.5 * dim * math.log(2.0 * math.pi * math.e)
    narrowing = 0.5 * dim * math.log(_window_variance(n, spacing))
    return QueueBias(bias, narrowing, bias - narrowing)


def _distances(n: int, dim: int, farthest: float, kept: float, variance: float) -> Array:
    """Distances between which the nearest neighbour lies, for every start, up to chances of 1e-5."""
    # below: the expected number of neighbours is at most n times that of the first lag, from the origin
    low = 0.5 * math.log(variance * 2.0 * gammaincinv(0.5 * dim, 1e-5 / n))
    reach = math.sqrt(2.0 * gammainccinv(0.5 * dim, 1e-10))
    # above: the next point in time is nearer, or any other is
    high = math.log(min(math.sqrt(variance) * reach + (1.0 - kept) * farthest, reach + farthest))
    return np.asarray(np.exp(np.linspace(low, high, _DISTANCES)))


def _returns(rho: Array, dim: int, kept: Array, variance: Array) -> Array:
    """Chance to be within rho at each lag from inside the ball, over the chance from its centre.

    Where in the ball a visit takes place is taken from the first lag, by far the likeliest where it matters:
    a normal law cut off at rho.
    """
    t, w = np.polynomial.legendre.leggauss(_INSIDE)
    inside, norm = np.zeros((rho.size, kept.size)), np.zeros((rho.size, 1))
    square = rho[:, None] ** 2
    for u, weight in zip((0.5 * (t + 1.0)) ** (1.0 / dim), w, strict=True):  # uniform in the ball's volume
        density = weight * np.exp(-0.5 * u**2 * square / variance[0])
        inside += density * _within(square / variance, dim, (kept * u) ** 2 * square / variance)
        norm += density
    return np.asarray(inside / norm / gammainc(0.5 * dim, 0.5 * square / variance))


def _within(square: Array, dim: int, offset: Array) -> Array:
    """Chance that a normal point of unit variance, its mean ``offset`` away in square, lies in a ball."""
    from scipy.stats import ncx2  # a second of import that nothing else here needs

    return np.asarray(ncx2.cdf(square, dim, offset))


def _every_lag(values: Array, lags: NDArray[np.int_]) -> Array:
    every, known = np.log(np.arange(1, lags[-1] + 1)), np.log(lags)
    return np.array([np.interp(every, known, row) for row in values])


def _no_neighbour(visit: Array, again: Array) -> Array:
    """Chance that no point of the queue is within rho, over the places that a point can have in it."""
    n = visit.shape[1]
    returns = np.concatenate([np.ones((len(visit), 1)), (again * visit)[:, :-1]], axis=1)
    first = _product(visit, _inverse(returns), n)
    survival = np.concatenate([np.ones((len(visit), 1)), 1.0 - np.cumsum(first, axis=1)], axis=1)
    survival = np.clip(survival, 0.0, 1.0)
    # i points before it, n - i after it
    return np.asarray(np.mean(survival * survival[:, ::-1], axis=1))


def _product(a: Array, b: Array, n: int) -> Array:
    """The first ``n`` coefficients of the product of two power series."""
    size = 1 << (2 * n - 1).bit_length()
    return np.asarray(irfft(rfft(a, size, axis=1) * rfft(b, size, axis=1), size, axis=1)[:, :n])


def _inverse(series: Array) -> Array:
    """Power series of ``1/series``, which begins with 1, by Newton's iteration."""
    n, known = series.shape[1], 1
    found = np.ones((len(series), 1))
    while known < n:
        known = min(2 * known, n)
        found = np.pad(found, ((0, 0), (0, known - found.shape[1])))
        error = -_product(series[:, :known], found, known)
        error[:, 0] += 2.0
        found = _product(found, error, known)
    return found


def _window_variance(n: int, spacing: float) -> float:
    """Variance of the points about their own mean, of a walk of variance 1."""
    lag = np.arange(1, n)
    return 1.0 - (1.0 + 2.0 * float(np.sum((1.0 - lag / n) * np.exp(-spacing * lag)))) / n


def _checked(n: int, spacing: float, dim: int) -> tuple[int, float, int]:
    whole = {"n (points in the queue)": (n, 3, math.inf), "dim (of the sphere)": (dim, 1, _LARGEST)}
    numbers = []
    for name, (value, least, most) in whole.items():
        try:
            number = operator.index(value)
        except TypeError:
            number = -1
        if not least <= number <= most:
            limit = f"at least {least}" if most == math.inf else f"between {least} and {most}"
            raise InputError(f"{name} is {value!r}; expected an integer {limit}")
        numbers.append(number)
    try:
        step = float(spacing)
    except (TypeError, ValueError):
        step = math.nan
    if not (step > 0 and math.isfinite(step)):
        raise InputError(
            f"spacing (of the queue, in correlation times) is {spacing!r}; expected a finite number above 0"
        )
    return numbers[0], step, numbers[1]
