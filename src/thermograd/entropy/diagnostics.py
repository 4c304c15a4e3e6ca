"""Whether a queue of directions says anything about the stationary law, or only how far a step goes.

Nearest-neighbour estimators want independent points, exponentially many in the dimension. A queue of SGD
iterates is a piece of a slow random walk in thousands of dimensions: its nearest neighbours are the iterates
just before and after, and the "entropy" is the log of a diffusion length times the dimension. States can
still be compared by it, since the bias is about the same for all. These numbers say how far it is from more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.autocorrelation import integrated_time, mean_with_error
from thermograd.entropy.correlation import correlation_time
from thermograd.entropy.direction_neighbours import direction_neighbours
from thermograd.entropy.directions import Directions
from thermograd.entropy.displacement import Displacement, displacements
from thermograd.entropy.estimate import above_uniform_warning
from thermograd.entropy.geodesic import log_ball_volume
from thermograd.entropy.points import as_directions
from thermograd.entropy.progress import row_blocks
from thermograd.errors import InputError

__all__ = ["QueueDiagnostics", "diagnose"]

_OWNER = "diagnose"
_ENOUGH_TIMES = 50  # below, the autocorrelation time itself is an underestimate (Sokal)


@dataclass(frozen=True)
class QueueDiagnostics:
    """How independent the directions of a queue are, and how that limits what its entropy means.

    Attributes
    ----------
    n
        Number of directions.
    dim
        Dimension of the sphere, ``d - 1``.
    time_directions
        Integrated autocorrelation time of the directions, in samples: the mean over random projections.
        When it is not small against ``n`` it is an underestimate.
    time_slowest
        The largest over these projections.
    n_effective
        ``n / time_directions``: the number of independent directions, at most.
    independent
        The same by the clock that estimators go by, the integrated autocorrelation time of all coordinates
        together (:func:`thermograd.entropy.correlation.correlation_time`), and ``n`` where that can not be
        told from independent directions': what :func:`thermograd.entropy.recommend` wants to know.
    time_distances
        The same time of the log nearest-neighbour distances, which the error bar of an entropy rests on.
    n_effective_distances
        ``n / time_distances``.
    adjacent_1, adjacent_2
        Fraction of points whose nearest neighbour is at most 1, or 2, samples away in time.
        Independent points: about ``2/n`` and ``4/n``.
    median_distance
        Median distance (chord of the unit sphere) to the nearest neighbour.
    uniform_entropy
        Entropy of the uniform law on the sphere, ``log(2 pi^(d/2) / Gamma(d/2))``: no law has more.
    entropy
        Kozachenko and Leonenko's estimate from these chords, ``k = 1``: unlike the papers' chart it does not
        depend on the axes.
    displacement
        How far the directions get in a step and in the whole queue (chords), and whether that has an end.
    warnings
        What this means, in words; empty when nothing is wrong.

    """

    n: int
    dim: int
    time_directions: float
    time_slowest: float
    n_effective: float
    independent: float
    time_distances: float
    n_effective_distances: float
    adjacent_1: float
    adjacent_2: float
    median_distance: float
    uniform_entropy: float
    entropy: float
    displacement: Displacement
    warnings: tuple[str, ...]

    @property
    def entropy_above_uniform(self) -> float:
        """``entropy - uniform_entropy``, in nats: negative for every law."""
        return self.entropy - self.uniform_entropy


def diagnose(directions: Any, *, rng: np.random.Generator, projections: int = 8) -> QueueDiagnostics:
    """Autocorrelation times, time-adjacency of neighbours and warnings for a queue in time order.

    Parameters
    ----------
    directions
        Unit vectors in the order in which they were visited, equally spaced in time, shape ``(n, d)``,
        ``n >= 4``.
    rng
        Draws the directions that the points are projected on.
    projections
        How many.

    Returns
    -------
    QueueDiagnostics
        Times in samples, entropies in nats.

    Raises
    ------
    InputError
        For fewer than 4 points, rows with nan or inf, points off the sphere, constant data, integers or half
        precision, or fewer than one projection.

    Examples
    --------
    Independent directions on S^2 raise no objection, steps of a random walk do:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((1000, 3))
    >>> diagnose(x / np.linalg.norm(x, axis=1, keepdims=True), rng=rng).warnings
    ()
    >>> walk = np.cumsum(0.01 * x, axis=0) + [0.0, 0.0, 1.0]
    >>> for line in diagnose(walk / np.linalg.norm(walk, axis=1, keepdims=True), rng=rng).warnings:
    ...     print(line.partition(":")[0])
    the queue spans at most 5 correlation times of the directions

    """
    x = as_directions(directions, _OWNER, at_least=4)
    if projections < 1:
        raise InputError(f"{_OWNER}: projections is {projections}; expected at least 1")
    n, d = x.shape
    axes = rng.standard_normal((d, projections))
    # Projecting differences from the mean keeps the digits when all directions are nearly the same.
    shadows = _project(x, axes)
    times = [integrated_time(shadow) for shadow in shadows.T]
    time = float(np.mean(times))

    clock = correlation_time(x)

    found = direction_neighbours(x)
    rho = found.distance[:, 0]
    lag = np.abs(found.index[:, 0] - np.arange(n))
    apart = rho > 0
    logs = mean_with_error(np.log(rho[apart]))
    uniform = math.log(2.0) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)
    entropy = -math.inf
    if apart.all():
        entropy = (d - 1) * logs.mean + log_ball_volume(d - 1) + math.log(n - 1) + np.euler_gamma
    adjacent = float(np.mean(lag <= 1))
    moved = displacements(x)
    return QueueDiagnostics(
        n=n,
        dim=d - 1,
        time_directions=time,
        time_slowest=max(times),
        n_effective=n / time,
        independent=n / clock.time if clock.surely_above_one else float(n),
        time_distances=logs.time,
        n_effective_distances=n / logs.time,
        adjacent_1=adjacent,
        adjacent_2=float(np.mean(lag <= 2)),
        median_distance=float(np.median(rho)),
        uniform_entropy=uniform,
        entropy=entropy,
        displacement=moved,
        warnings=_warnings(n, d - 1, time, adjacent, int(np.sum(~apart)), moved)
        + above_uniform_warning(entropy, (d - 1) * logs.se, uniform),
    )


def _project(x: Directions, axes: NDArray[np.float64]) -> NDArray[np.float64]:
    centre = x.mean()
    shadows = np.empty((len(x), axes.shape[1]))
    for rows in row_blocks("projections", x.shape):  # in blocks: no second array of the sample's size
        shadows[rows] = (x[rows] - centre) @ axes
    return shadows


def _warnings(
    n: int, dim: int, time: float, adjacent: float, coinciding: int, moved: Displacement
) -> tuple[str, ...]:
    found = []
    if coinciding:
        found.append(f"{coinciding} of {n} directions coincide with another: did the weights stop moving?")
    if n < _ENOUGH_TIMES * time:
        found.append(
            f"the queue spans at most {n / time:.0f} correlation times of the directions: "
            "what is measured is a diffusion length, not the entropy of the stationary law "
            f"(a step is {moved.step:.3g} long, the whole queue {moved.whole:.3g}; {moved.words}: over half "
            f"of it the mean square is {moved.ratio:.2f} times that over a quarter, 1 in a stationary cloud "
            "and 2 in diffusion)"
        )
    if adjacent > 0.5:
        found.append(
            f"the nearest neighbour of {adjacent:.0%} of the directions is the one just before or after in "
            "time: the entropy reads the length of a step"
        )
    if dim > math.log2(n / time):
        found.append(
            f"the queue is worth at most {n / time:.0f} independent directions on a sphere of dimension "
            f"{dim}: too few to fill it, so entropies can be compared between like queues but not with the "
            "law's own"
        )
    return tuple(found)
