"""The Theiler window: neighbours in space that are no mere neighbours in time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.correlation import correlation_time
from thermograd.entropy.points import as_points
from thermograd.errors import InputError

__all__ = ["admissible_neighbours", "suggest_theiler"]

_OWNER = "suggest_theiler"
_TIMES = 2.0  # an exponential memory of time T = 2 tau has decayed to exp(-4) after 2 T


def admissible_neighbours(n: int, theiler: int) -> NDArray[np.int_]:
    """How many points lie outside the window about each: ``n - 1 - min(i, w) - min(n - 1 - i, w)``.

    Points near the ends of the queue have more neighbours left to them than those in its middle, which have
    ``n - 1 - 2w``: by up to ``w`` points, and an estimator that took the same number for all would be off.

    Parameters
    ----------
    n
        Number of points, in time order.
    theiler
        ``w``: points no farther apart in time than this are no neighbours.

    Returns
    -------
    array
        Shape ``(n,)``.

    References
    ----------
    J. Theiler, Phys. Rev. A 34 (1986) 2427, for the window; the counting is elementary.

    Examples
    --------
    >>> admissible_neighbours(6, 1)
    array([4, 3, 3, 3, 3, 4])

    """
    place = np.arange(n)
    return n - 1 - np.minimum(place, theiler) - np.minimum(place[::-1], theiler)


def suggest_theiler(x: Any) -> int:
    """A window wide enough that points outside of it are nearly independent: twice the correlation time.

    ``w = ceil(2 T)``, ``T = 1 + 2 sum rho(t)`` the integrated autocorrelation time of the points: an
    exponential memory has decayed to 2% at that lag. Points whose memory is within their noise get 0.

    What an estimate with it means: each point's neighbours are sought among the others as if these were
    independent draws from the stationary law, given that they are not within ``w``. It removes the crowding
    by neighbours in time. It does not remove the narrowing of a cloud that the queue had no time to fill
    (``(m/2) log(1 - T/n)`` nats, about), nor that the others, being one walk too, lie in clusters, which
    makes the nearest of them farther. For 1000 points of an Ornstein-Uhlenbeck walk in R^3 the bias goes from
    -.08 to +.03 nats at ``T = 9``, and from -.21 to +.11 at ``T = 19``: the window cannot make a short queue
    long.

    Parameters
    ----------
    x
        Points or directions in time order, equally spaced, shape ``(n, d)``, ``n >= 8``.

    Returns
    -------
    int
        ``w``, in samples, at most ``n / 8``.

    Raises
    ------
    InputError
        When the queue is too short for its memory: fewer than sixteen correlation times leave too little
        outside the window; or as for every estimator (nan, integers, ...).

    References
    ----------
    J. Theiler, Phys. Rev. A 34 (1986) 2427.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((1000, 5))
    >>> suggest_theiler(x)
    0
    >>> for i in range(1, 1000):
    ...     x[i] += 0.8 * x[i - 1]  # time (1 + .8)/(1 - .8) = 9
    >>> 14 <= suggest_theiler(x) <= 22
    True

    """
    points = as_points(x, _OWNER, at_least=8)
    n = len(points)
    time = correlation_time(points)
    if time.surely_above_one:
        window = math.ceil(_TIMES * time.time)
        if window > n // 8:
            raise InputError(
                f"{_OWNER}: the queue of {n} points spans {n / time.time:.3g} correlation times; expected at "
                "least 16, or a Theiler window leaves too little of it"
            )
        return window
    return 0
