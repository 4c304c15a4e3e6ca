"""How far the directions of a queue get: a step, the whole queue, and whether there is an end to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.directions import Directions, as_they_are
from thermograd.entropy.points import as_points
from thermograd.entropy.progress import row_blocks

__all__ = ["Displacement", "displacement", "displacements"]

_OWNER = "displacement"
_ROWS = 64
_SETTLED, _DIFFUSING, _DRIFTING = 1.2, 1.6, 2.8  # ratios: towards 1, 2 and 4


@dataclass(frozen=True)
class Displacement:
    """Root mean square displacements of a queue.

    Attributes
    ----------
    step
        From one sample to the next.
    whole
        Over nine tenths of the queue: from its first tenth to its last.
    ratio
        Mean square displacement over half of the queue, by that over a quarter: 1 when the cloud has been
        filled (displacements have saturated at ``sqrt(2)`` times its width), 2 for free diffusion, 4 for a
        straight drift. An Ornstein-Uhlenbeck walk over x correlation times has ``(1 - exp(-x/2)) / (1 -
        exp(-x/4))``.

    """

    step: float
    whole: float
    ratio: float

    @property
    def words(self) -> str:
        """What the ratio means, as part of a sentence."""
        if self.ratio < _SETTLED:
            return "displacements have saturated"
        if self.ratio < _DIFFUSING:
            return "displacements have nearly saturated"
        if self.ratio < _DRIFTING:
            return "displacements still grow as in free diffusion"
        return "displacements grow as in a straight drift"


def displacement(x: Any) -> Displacement:
    """Mean displacements of a queue over one sample, a quarter, half and nine tenths of it.

    ``D^2(t) = mean_i |x_(i+t) - x_i|^2``. What a short queue's nearest neighbours measure is ``D(1)`` and not
    the width of the stationary law, for which ``D^2`` would have to stop growing.

    Parameters
    ----------
    x
        Points in time order, equally spaced, shape ``(n, d)``, ``n >= 4``.

    Returns
    -------
    Displacement
        In the unit of ``x``.

    Raises
    ------
    InputError
        For fewer than 4 points, or as for every estimator.

    References
    ----------
    G. Uhlenbeck and L. Ornstein, Phys. Rev. 36 (1930) 823.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.standard_normal((1000, 50))
    >>> displacement(noise).words, displacement(np.cumsum(noise, axis=0)).words
    ('displacements have saturated', 'displacements still grow as in free diffusion')

    """
    return displacements(as_they_are(as_points(x, _OWNER, at_least=4)))


def displacements(points: Directions) -> Displacement:
    """What :func:`displacement` tells, of points that have been checked.

    Parameters
    ----------
    points
        In time order, shape ``(n, d)``, ``n >= 4``.

    Examples
    --------
    >>> displacements(as_they_are(np.arange(20.0)[:, None])).words
    'displacements grow as in a straight drift'

    """
    n = len(points)
    quarter, half = mean_square(points, n // 4), mean_square(points, 2 * (n // 4))
    whole = mean_square(points, n - n // 10 if n >= 20 else n - 1)
    ratio = half / quarter if quarter > 0 else float("nan")
    return Displacement(mean_square(points, 1) ** 0.5, whole**0.5, ratio)


def mean_square(points: NDArray[np.floating[Any]] | Directions, lag: int) -> float:
    """The mean square distance of points so many samples apart.

    Parameters
    ----------
    points
        Shape ``(n, d)``.
    lag
        1 to ``n - 1``.

    Examples
    --------
    >>> mean_square(np.array([[0.0], [1.0], [3.0]]), 1)
    2.5

    """
    total, pairs = 0.0, len(points) - lag
    x, norms = (points.points, points.norms) if isinstance(points, Directions) else (points, None)
    if isinstance(points, Directions) and points.exact:
        norms = None
    for rows in row_blocks("displacements", (pairs, points.shape[1]), _ROWS):  # no second array of that size
        start, stop = rows.start, rows.stop
        difference = np.subtract(x[start + lag : stop + lag], x[start:stop], dtype=np.float64)
        if norms is None:
            total += float(np.einsum("ij,ij->", difference, difference))
            continue
        squared = np.einsum("ij,ij->i", difference, difference)
        r, s = norms[start + lag : stop + lag], norms[start:stop]  # of the rows: no part of their directions
        total += float((np.maximum(squared - (r - s) ** 2, 0.0) / (r * s)).sum())
    return total / pairs
