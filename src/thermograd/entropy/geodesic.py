"""Arc lengths on the sphere and the volumes of its caps: what frees a distance of any chart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

__all__ = ["arc_length", "log_ball_volume", "log_cap_curvature"]


def arc_length(chord: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The length along the unit sphere between points whose straight distance is ``chord``: ``2
    arcsin(c/2)``.

    Parameters
    ----------
    chord
        0 to 2; rounding above 2 is forgiven.

    Examples
    --------
    >>> float(arc_length(np.array([2.0]))[0]) == np.pi
    True

    """
    return np.asarray(2.0 * np.arcsin(np.minimum(np.asarray(chord, dtype=np.float64) / 2.0, 1.0)))


def log_cap_curvature(theta: NDArray[np.float64], m: int) -> NDArray[np.float64]:
    """Log of the volume of a cap of the unit sphere S^m over that of a flat ball of the same radius.

    ``m / theta^m * integral_0^theta sin(t)^(m-1) dt``, 0 for small ``theta``. With ``t = theta exp(-x/m)``
    it is the mean of ``(sin(t) / t)^(m-1)`` over an exponential law of x: by Gauss-Laguerre quadrature.

    Parameters
    ----------
    theta
        Radii along the sphere, 0 to pi, shape ``(n,)``.
    m
        Dimension of the sphere, at least 1.

    Examples
    --------
    The half sphere S^2 has area 2 pi, the flat disc of radius pi/2 pi^3/4:

    >>> bool(np.isclose(np.exp(log_cap_curvature(np.array([np.pi / 2]), 2))[0], 8 / np.pi**2))
    True

    """
    node, weight = np.polynomial.laguerre.laggauss(64)
    reach = np.exp(-node / m)
    # sinc(t) = sin(t) / t, which numpy scales by pi
    log_ratio = (m - 1) * np.log(np.maximum(np.sinc(theta[:, None] * reach / np.pi), np.finfo(float).tiny))
    found: NDArray[np.float64] = logsumexp(log_ratio, b=weight, axis=1)
    return found


def log_ball_volume(m: int) -> float:
    """Log of the volume of the unit ball of R^m, ``(m/2) log pi - log Gamma(m/2 + 1)``.

    Parameters
    ----------
    m
        Dimension, at least 1.

    Examples
    --------
    >>> round(log_ball_volume(2), 6) == round(math.log(math.pi), 6)
    True

    """
    return m / 2 * math.log(math.pi) - math.lgamma(m / 2 + 1)
