"""Whether directions look as if drawn from a von Mises-Fisher law: two things that it implies, tested."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.directions import Directions

__all__ = ["departures"]

_PAIRS = 128  # differences of disjoint pairs of directions: 8128 cosines, a spread known to 1.6%
_FEWEST = 8
_SIGMAS = 5.0


def departures(
    x: NDArray[np.floating[Any]] | Directions,
    mean: NDArray[np.float64],
    depth: NDArray[np.float64],
    along: float,
    n_effective: float,
    time: float,
) -> tuple[str, ...]:
    """Where a sample departs from the law that was fitted to it, in words.

    Two tests, each at five standard errors. The cosine with the mean direction must vary by ``A'(kappa)``.
    And the spread across it must be the same in all ``p = d - 1`` directions: then the squared cosine between
    two independent differences has mean ``1/p`` and variance ``2 (p-1) / (p^2 (p+2))``, whatever their
    lengths.

    Parameters
    ----------
    x
        Directions in time order, shape ``(n, d)``.
    mean
        Their mean vector.
    depth
        One minus the cosine with the mean direction, shape ``(n,)``.
    along
        Variance of the cosine under the law.
    n_effective
        Of the cosines.
    time
        Integrated autocorrelation time of the directions, in samples: pairs compared are twice as far apart.

    Returns
    -------
    tuple of str
        Empty when the law may hold.

    References
    ----------
    S. John, Biometrika 59 (1972) 169, for the second moment of the spectrum as a test of sphericity.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((500, 4)) * [1.0, 0.01, 0.001, 0.001]
    >>> x += [0.0, 0.0, 9.0, 0.0]
    >>> x /= np.linalg.norm(x, axis=1, keepdims=True)
    >>> mean = x.mean(axis=0)
    >>> depth = 1 - x @ mean / np.linalg.norm(mean)
    >>> departures(x, mean, depth, depth.var(), 500.0, 1.0)[0].partition(":")[0]
    'the spread about the mean direction is not the same in all 3 directions'

    """
    found = []
    variance = float(depth.var())
    fourth = float(np.mean((depth - depth.mean()) ** 4))
    # The larger of what the sample and a Gaussian say: of few points with long tails both are too small
    # alone.
    noise = math.sqrt(max(fourth - variance**2, 2.0 * along**2) / n_effective)
    if abs(variance - along) > _SIGMAS * noise:
        found.append(
            f"the cosine with the mean direction varies {variance / along:.3g} times as much as under a von "
            "Mises-Fisher law of the same mean: that law does not hold, and the entropy is of another"
        )
    n, d = x.shape
    p = d - 1
    spacing = math.ceil(2.0 * time) if time > 1 else 1
    rows = np.arange(0, n, max(spacing, n // (2 * _PAIRS)))[: 2 * _PAIRS]
    rows = rows[: len(rows) // 2 * 2]
    if p == 1 or len(rows) < 2 * _FEWEST:
        return tuple(found)
    # Differences know nothing of the error of the mean, which in many dimensions is larger than 1/sqrt(p).
    away = np.subtract(x[rows[1::2]], x[rows[::2]], dtype=np.float64)
    axis = mean / max(float(np.linalg.norm(mean)), 1e-300)
    away -= np.outer(away @ axis, axis)
    norms = np.sqrt(np.einsum("ij,ij->i", away, away))
    away = away[norms > 0] / norms[norms > 0, None]
    cosines = (away @ away.T)[np.triu_indices(len(away), 1)]
    excess = p * float(np.mean(cosines**2)) - 1.0
    if excess > _SIGMAS * math.sqrt(2.0 * (p - 1) / (p + 2) / len(cosines)):
        found.append(
            f"the spread about the mean direction is not the same in all {p} directions: it is as that of "
            f"{p / (1.0 + excess):.3g} equal ones, so no von Mises-Fisher law holds, and the entropy is too "
            "high"
        )
    return tuple(found)
