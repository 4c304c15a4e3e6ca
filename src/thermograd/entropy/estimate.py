"""An entropy, and what has to be known to believe it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.correlation import correlation_time
from thermograd.entropy.directions import Directions
from thermograd.entropy.read_only import ReadOnly
from thermograd.errors import InputError

__all__ = [
    "ON_A_SPHERE",
    "EntropyEstimate",
    "above_uniform_warning",
    "sample_warnings",
    "short_walk_warning",
]

ON_A_SPHERE = (
    "the points lie on a sphere: in the space around it their law has no density and an entropy of minus "
    "infinity, and this number falls without end as they become more: use manifold='geodesic'"
)
"""What is said of unit vectors that are read as points of all space."""

_FLOAT32_ROUNDING = 2.0**-24  # of a coordinate, at most
_FEW = 30.0  # independent points; worth 3 to 8, walks scattered .9 to 1.2 times as much as their error says


@dataclass(frozen=True)
class EntropyEstimate:
    """An estimated differential entropy with its error bar, sample size and warnings.

    Attributes
    ----------
    entropy
        In nats. Minus infinity when points coincide (a warning says so).
    se
        Standard error of the average over the sample, with the autocorrelation of its terms in the order in
        which the points were given, and with what neighbours in common add to it; NaN where the entropy is
        not finite. It knows nothing of the bias, which in high dimension is far larger. The spread over
        independent windows needs no theory (:func:`thermograd.entropy.spread_over_windows`).
    n
        Number of points.
    n_effective
        ``n`` over the integrated autocorrelation time of the terms: how many independent terms the average is
        worth. Not how many independent points the sample holds: the log distances of a diffusing cloud
        decorrelate long before its points do (:func:`thermograd.entropy.diagnose` tells).
    dim
        Dimension of the space whose volume is measured: ``m`` in R^m, ``d - 1`` on the sphere in R^d.
    absolute
        False when the entropy is defined only up to a constant that depends on ``n``, ``dim`` and settings,
        or when the points lie on a sphere and were read as points of all space (a warning says so).
    estimator
        Name of the estimator.
    settings
        Its settings; they can not be changed.
    warnings
        What is wrong with the sample, in words; empty when nothing was noticed.
    uniform_entropy
        Entropy of the uniform law on the sphere of these directions: no law on it has more. NaN where the
        points are not read as directions, or the entropy is not absolute.

    Examples
    --------
    >>> estimate = EntropyEstimate(1.5, 0.1, 100, 50.0, 2, True, "kozachenko-leonenko", {"k": 1})
    >>> estimate.autocorrelation_time, estimate.at_radius(10.0).entropy == 1.5 + 2 * math.log(10)
    (2.0, True)

    """

    entropy: float
    se: float
    n: int
    n_effective: float
    dim: int
    absolute: bool
    estimator: str
    settings: Mapping[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    uniform_entropy: float = math.nan

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", ReadOnly(self.settings))

    @property
    def autocorrelation_time(self) -> float:
        """Integrated autocorrelation time of the averaged terms, in samples."""
        return self.n / self.n_effective

    @property
    def entropy_above_uniform(self) -> float:
        """``entropy - uniform_entropy``, in nats: negative for every law, so what is above 0 is bias."""
        return self.entropy - self.uniform_entropy

    def at_radius(self, radius: float) -> EntropyEstimate:
        """The entropy of ``w = radius u``, when this is that of ``u``: ``S(w) = S(u) + dim log r``.

        Parameters
        ----------
        radius
            ``r``, the norm of the weights whose directions were given (or any factor of length), above 0.

        Returns
        -------
        EntropyEstimate
            The same but for ``entropy`` and ``uniform_entropy``.

        Raises
        ------
        InputError
            For a radius that is not a finite number above 0.

        References
        ----------
        IG eq. 28: ``S = S_sphere + (d - 1) log r``.

        """
        if isinstance(radius, bool) or not isinstance(radius, int | float | np.number):
            raise InputError(f"at_radius: radius is {radius!r}; expected a number above 0")
        if not 0 < radius < math.inf:
            raise InputError(f"at_radius: radius is {radius!r}; expected a finite number above 0")
        shift = self.dim * math.log(radius)
        return replace(self, entropy=self.entropy + shift, uniform_entropy=self.uniform_entropy + shift)


def above_uniform_warning(entropy: float, se: float, uniform: float) -> tuple[str, ...]:
    """The sentence about an entropy that lies above the uniform law's by more than four standard errors.

    Parameters
    ----------
    entropy, se, uniform
        In nats; a NaN for ``uniform`` where there is no such bound.

    Returns
    -------
    tuple of str
        Empty when nothing is wrong.

    Examples
    --------
    >>> above_uniform_warning(3.0, 0.1, 2.5)[0].partition(",")[0]
    "the estimate lies 0.5 nats above the uniform law's entropy"

    """
    if not entropy - uniform > 4 * se:  # an estimate of a uniform sample falls on either side
        return ()
    return (
        f"the estimate lies {entropy - uniform:.3g} nats above the uniform law's entropy, which is the "
        "largest there is: the difference is bias",
    )


def short_walk_warning(points: NDArray[np.floating[Any]] | Directions, dim: int) -> tuple[str, ...]:
    """The sentence about a queue worth so few independent points that its error bar is hardly known.

    Only where the points could fill the space: elsewhere :func:`sample_warnings` has said more, and what is
    read there, the length of steps, is known better.

    Parameters
    ----------
    points
        In time order, shape ``(n, d)``.
    dim
        Dimension of the law.

    Returns
    -------
    tuple of str
        Empty from 30 independent points on.

    Examples
    --------
    >>> walk = np.cumsum(np.random.default_rng(0).standard_normal((500, 2)), axis=0)
    >>> short_walk_warning(walk, 2)[0].partition(":")[0]
    'the queue is worth 4.4 independent points'

    """
    n = len(points)
    if dim > math.log2(n):
        return ()
    memory = correlation_time(points)
    if not memory.surely_above_one or n >= _FEW * memory.time:
        return ()
    return (
        f"the queue is worth {n / memory.time:.2g} independent points: the standard error is known to a third"
        " at best, and on average up to a fifth too small",
    )


def sample_warnings(
    points: NDArray[np.floating[Any]], nearest: NDArray[np.float64], dim: int, *, logs: bool = True
) -> tuple[str, ...]:
    """What makes a nearest-neighbour entropy of this sample doubtful, whatever the estimator.

    Parameters
    ----------
    points
        The sample, shape ``(n, m)``.
    nearest
        Distance of each point to the neighbour that the estimator uses, shape ``(n,)``.
    dim
        Dimension of the law.
    logs
        Whether the estimator takes logs of these distances, or a sum, to which those of zero add nothing.

    Returns
    -------
    tuple of str
        One sentence per fault: coinciding points, a dimension that the sample cannot fill, float32 rounding.

    """
    n = len(points)
    found = []
    if zeros := int(np.count_nonzero(nearest == 0)):
        means = (
            "distances of zero, entropy minus infinity "
            "(did the weights stop moving, or was a point recorded twice? a larger k skips copies)"
            if logs
            else "edges of length zero, which make the graph shorter "
            "(did the weights stop moving, or was a point recorded twice?)"
        )
        found.append(f"{zeros} of {n} points coincide with their neighbour: {means}")
    # With 2^dim points there is about one per orthant: below, no ball around a point is small enough for the
    # density to be constant in it. Gaussian, n = 1000: bias -.06 nats in 5 dimensions, .9 in 20, 6 in 50.
    if dim > math.log2(n):
        found.append(
            f"{n} points are fewer than 2^{dim}, too few to fill {dim} dimensions: the value is biased by an "
            "unknown constant, so compare samples of equal size and spacing, and do not read it as the law's "
            "entropy"
        )
    median = float(np.median(nearest))
    scale = 0.0  # of float64 points it is not asked for: that would read them all once more
    if points.dtype == np.float32:
        scale = float(np.sqrt(np.mean(np.einsum("ij,ij->i", points, points, dtype=np.float64))))
    if 0 < median < 30 * _FLOAT32_ROUNDING * scale:
        found.append(
            f"the points are in float32, whose rounding ({_FLOAT32_ROUNDING * scale:.1g}) is not small "
            f"against the median neighbour distance ({median:.1g}): normalise float32 weights in float64"
        )
    return tuple(found)
