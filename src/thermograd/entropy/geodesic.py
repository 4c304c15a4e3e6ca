"""Arc lengths on the sphere and the volumes of its caps: what frees a distance of any chart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import zeta

__all__ = ["arc_length", "log_ball_volume", "log_cap_curvature"]

_NODES = 64
_FALL = 40.0  # nats: what is farther from the rim of a cap than this is 1e-17 of it
_SMALL = 0.5


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

    ``m / theta^m * integral_0^theta sin(t)^(m-1) dt``, 0 for small ``theta``. Up to the equator

        (m - 1) log(sin(theta)/theta) + log(m/theta * integral_0^theta (sin(theta-s)/sin(theta))^(m-1) ds),

    by Gauss-Legendre quadrature over as much of ``s`` as holds the integrand, which falls from 1 and is
    log-concave; beyond it as the sphere less the cap on the other side.

    Parameters
    ----------
    theta
        Radii along the sphere, 0 to pi, shape ``(n,)``.
    m
        Dimension of the sphere, at least 1.

    Returns
    -------
    array
        Shape ``(n,)``, to 1e-13 nats or 1e-15 of itself or of ``m log theta``, whichever is most, for ``m``
        up to 1e9.

    Examples
    --------
    The half sphere S^2 has area 2 pi, the flat disc of radius pi/2 pi^3/4:

    >>> bool(np.isclose(np.exp(log_cap_curvature(np.array([np.pi / 2]), 2))[0], 8 / np.pi**2))
    True

    Almost all of a sphere of many dimensions lies next to its equator: a cap of radius 2 holds all of it.

    >>> theta, m = np.array([np.pi / 2, 2.0]), 10**6
    >>> half, all_of_it = log_cap_curvature(theta, m) + m * np.log(theta)
    >>> round(float(np.exp(all_of_it - half)), 6)
    2.0

    """
    theta = np.asarray(theta, dtype=np.float64)
    beyond = theta > math.pi / 2
    near = np.where(beyond, math.pi - theta, theta)
    found = _up_to_the_equator(near, m)
    if beyond.any():
        equator = np.array([math.pi / 2])
        whole = float(_up_to_the_equator(equator, m)[0]) + m * math.log(math.pi / 2) + math.log(2.0)
        with np.errstate(divide="ignore"):  # at theta = pi nothing is left on the other side
            rest = found[beyond] + m * np.log(near[beyond])
        found[beyond] = whole + np.log1p(-np.exp(rest - whole)) - m * np.log(theta[beyond])
    return found


def _up_to_the_equator(theta: NDArray[np.float64], m: int) -> NDArray[np.float64]:
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    sine = np.sin(theta)
    # Where sin(theta - s) has fallen far enough, or the centre of the cap.
    fallen = math.exp(-_FALL / (m - 1)) if m > 1 else 0.0
    width = theta - np.arcsin(sine * fallen)
    s = width[:, None] * (0.5 + 0.5 * node)
    # sin(theta - s) / sin(theta) - 1, without a difference of large numbers
    with np.errstate(divide="ignore", invalid="ignore"):
        change = -2.0 * np.sin(0.5 * s) ** 2 - np.sin(s) / np.tan(theta)[:, None]
        inside = np.exp((m - 1) * np.log1p(np.maximum(change, -1.0))) @ (0.5 * weight)
        found = (m - 1) * _log_sinc(theta) + np.log(m * (width / theta) * inside)
    return np.where(theta > 0, found, 0.0)


def _log_sinc(theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """``log(sin(theta) / theta)``, to round-off of itself: it is multiplied by the dimension."""
    small = np.minimum(theta, _SMALL)
    n = np.arange(1, 13)
    series = -((small[:, None] / math.pi) ** (2 * n)) @ (zeta(2 * n) / n)
    large = np.maximum(theta, _SMALL)
    return np.where(theta < _SMALL, series, np.log(np.sin(large) / large))


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
