"""Entropy of the Gaussian law with the sample's covariance: the reference where dimensions are few."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from thermograd.entropy.correlation import pooled_time
from thermograd.entropy.estimate import EntropyEstimate
from thermograd.entropy.points import as_points
from thermograd.errors import InputError

__all__ = ["GaussianFit", "fit_gaussian", "gaussian"]

_OWNER = "gaussian"
_PLENTY = 10.0  # independent points a dimension: with fewer, chance spreads the spectrum by half
_SIGMAS = 5.0
_SHORTEST = 6  # correlation times
_CORRELATED = 2.0  # independent points a dimension that a correlated sample must be worth


def gaussian(x: Any) -> EntropyEstimate:
    """Entropy of the Gaussian law with the covariance of a sample, without the bias of its log determinant.

    ``S = (m/2) log(2 pi e) + log|C|/2 - b/2`` with ``C`` the sample covariance and
    ``b = E log|C| - log|Sigma| = sum_(i=1)^m digamma((nu + 1 - i)/2) + m log(2/nu)``, exactly, for
    ``nu = n - 1`` degrees of freedom; its variance is ``sum_i trigamma((nu + 1 - i)/2) / 4``, exactly. Of a
    correlated sample, ``C`` is divided by ``n - T`` and ``nu = n / T' - 1``, with ``T = 1 + 2 sum rho(t)``
    and ``T' = 1 + 2 sum rho(t)^2`` from the mean autocorrelation ``rho`` of its whitened coordinates: right
    to the first order in ``m T'/n``, for a Gaussian process. A time that independent points would show as
    well is taken as 1.

    Parameters
    ----------
    x
        Points in time order, shape ``(n, m)``, numpy array or torch tensor, float32 or float64. For
        directions see :func:`thermograd.entropy.gaussian_tangent`.

    Returns
    -------
    EntropyEstimate
        In nats, absolute; minus infinity, with a warning, for points in a flat subspace. Of a law that is not
        Gaussian it is an upper bound, its error bar means little, and a warning says so when Mardia's
        kurtosis tells. ``n_effective`` is ``n / T'``.

    Raises
    ------
    InputError
        When independent points are not more than the dimensions, or correlated ones not worth twice as many
        (in between the correction of first order is off by up to a tenth of a nat a dimension); for rows with
        nan or inf, constant data, integers, complex numbers or half precision.

    References
    ----------
    T. Anderson, Multivariate Statistical Analysis (2003), theorem 7.5.3 (the determinant as a product of
    independent chi-squared); K. Mardia, Biometrika 57 (1970) 519.

    Examples
    --------
    Fifty dimensions, 200 points: without the correction it would be 7 nats too low.

    >>> import numpy as np
    >>> estimate = gaussian(np.random.default_rng(0).standard_normal((200, 50)))
    >>> print(f"{estimate.entropy:.1f} +- {estimate.se:.1f}; exact {25 * np.log(2 * np.pi * np.e):.1f}")
    70.9 +- 0.4; exact 70.9

    """
    points = as_points(x, _OWNER, at_least=3)
    # Differences from a point of the sample are exact where float32 points are nearly the same.
    fit = fit_gaussian(np.subtract(points, points[0], dtype=np.float64), _OWNER)
    n, m = points.shape
    return EntropyEstimate(fit.entropy, fit.se, n, fit.n_effective, m, True, "gaussian", {}, fit.warnings)


@dataclass(frozen=True)
class GaussianFit:
    """What a Gaussian fit tells, for the estimators that rest on one.

    Attributes
    ----------
    entropy, se, n_effective, warnings
        As of the estimate.
    squares
        Squared distances from the mean in units of the covariance (Mahalanobis), of mean ``m``, shape
        ``(n,)``.

    """

    entropy: float
    se: float
    n_effective: float
    warnings: tuple[str, ...]
    squares: NDArray[np.float64]


def fit_gaussian(points: NDArray[np.float64], owner: str) -> GaussianFit:
    """The law of :func:`gaussian`, for points that have been checked.

    Parameters
    ----------
    points
        Shape ``(n, m)``, finite.
    owner
        Who asks, for the message.

    Raises
    ------
    InputError
        When the sample is not worth more points than dimensions.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((100, 2))
    >>> print(fit_gaussian(x, "example").squares.mean().round(12))
    2.0

    """
    n, m = points.shape
    if n - 1 <= m:
        raise InputError(
            f"{owner}: {n} points in {m} dimensions have no covariance of full rank; "
            f"expected at least {m + 2} points"
        )
    centred = points - points.mean(axis=0)
    largest = np.abs(centred).max(axis=0)
    flat = f"{n} points lie in a flat subspace of their {m} dimensions: entropy minus infinity"
    if (largest == 0).any():
        return GaussianFit(-math.inf, math.nan, math.nan, (flat,), np.full(n, math.nan))
    # Squares of very large or small units would over- or underflow.
    scale = largest * np.sqrt(np.mean((centred / largest) ** 2, axis=0))
    left, singular, _ = np.linalg.svd(centred / scale, full_matrices=False)
    if singular[-1] <= singular[0] * max(n, m) * np.finfo(float).eps:
        return GaussianFit(-math.inf, math.nan, math.nan, (flat,), np.full(n, math.nan))
    white = math.sqrt(n) * left
    time, time_products = _times(white, centred / scale)
    n_effective = n / time_products
    freedom = n_effective - 1.0
    # Of independent points the correction is exact down to m + 2; of others it is of first order in m T'/n,
    # and off by .09 nats a dimension at 1.3 points a dimension, by .03 at 2.
    least = _CORRELATED * m if time_products > 1.0 else m + 1
    if freedom <= m or n_effective < least:
        raise InputError(
            f"{owner}: the {n} points are worth {n_effective:.3g} independent ones; "
            f"expected at least {least:g} for a covariance in {m} dimensions"
        )
    if time > n / _SHORTEST:  # a free walk shows 5, whatever its length
        raise InputError(
            f"{owner}: the {n} points span {n / time:.3g} correlation times; expected at least {_SHORTEST}"
        )
    halves = 0.5 * (freedom - np.arange(m))
    log_det = 2.0 * float(np.log(singular).sum() + np.log(scale).sum()) - m * math.log(n - time)
    bias = float(digamma(halves).sum()) + m * math.log(2.0 / freedom)
    entropy = 0.5 * (m * math.log(2.0 * math.pi * math.e) + log_det - bias)
    se = 0.5 * math.sqrt(float(polygamma(1, halves).sum()))
    squares = np.einsum("ij,ij->i", white, white)
    warnings = _warnings(n, m, n_effective, time, squares)
    return GaussianFit(entropy, se, n_effective, warnings, squares)


def _times(white: NDArray[np.float64], plain: NDArray[np.float64]) -> tuple[float, float]:
    """The two times, of whitened coordinates unless whitening has hidden a short walk's memory in them."""
    memory, visible = pooled_time(white), pooled_time(plain)
    # Unlike whitened coordinates, plain ones may all be one series: five standard deviations of that.
    alone = visible.noise * math.sqrt(plain.shape[1])
    if visible.time > max(memory.time, 1.0 + 5.0 * alone):
        return visible.time, visible.time_products
    # A law's own noise must not pass for memory: independent points keep the exact correction.
    return (memory.time, memory.time_products) if memory.surely_above_one else (1.0, 1.0)


def _warnings(
    n: int, m: int, n_effective: float, time: float, squares: NDArray[np.float64]
) -> tuple[str, ...]:
    found = []
    if n_effective < _PLENTY * m:
        found.append(
            f"the points are worth {n_effective:.3g} independent ones in {m} dimensions: the value rests on "
            "the law being exactly Gaussian, since the sample cannot tell its covariance"
        )
        if n_effective < n:  # measured at 5 to 60 dimensions, 2 to 4 points a dimension
            found[-1] += f", and the correction is off by about {0.12 * m * (m / n_effective) ** 2:.2g} nats"
    if time > 0.02 * n:
        found.append(
            f"the queue spans {n / time:.3g} correlation times: the cloud is narrower than the stationary "
            "law by an amount that is corrected to first order only"
        )
    # Mardia's kurtosis: mean and variance of the mean fourth power under a Gaussian law, exactly, independent
    # points.
    kurtosis = float(np.mean(squares**2))
    expected = m * (m + 2) * (n - 1) / (n + 1)
    variance = 8.0 * m * (m + 2) * (n - 3) * (n - m - 1) * (n - m + 1)
    variance /= (n + 1.0) ** 2 * (n + 3) * (n + 5)
    spread = math.sqrt(max(variance, 0.0) * n / n_effective)
    if spread > 0 and abs(kurtosis - expected) > _SIGMAS * spread:
        found.append(
            f"the law is not Gaussian (Mardia's kurtosis {kurtosis / expected:.3g} times the Gaussian's, "
            f"{abs(kurtosis - expected) / spread:.0f} standard errors off): the value is an upper bound of "
            "the entropy"
        )
    return tuple(found)
