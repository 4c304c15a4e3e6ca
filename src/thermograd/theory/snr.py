"""The signal-to-noise ratio of minibatch gradients close to an optimum that every example shares.

``SNR = |E g| / sqrt(E|g - E g|^2)``. Where no example's gradient survives at the optimum (over-parameterised
training) the ratio has no value there, and a limit that depends on the direction of approach.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = [
    "central_meridian_snr_sq",
    "gradient_norm_ratios",
    "limiting_snr",
    "two_circle_limiting_snr_sq",
    "two_circle_snr_sq",
    "two_circle_snr_sq_polar",
]

Array = NDArray[np.float64]
_ROUNDING = 1e-12  # how far x^2 + y^2 may exceed 1: points of the sphere come out of a division by their norm


def gradient_norm_ratios(hessians: ArrayLike, direction: ArrayLike) -> Array:
    """Each example's gradient norm over that of the full gradient, close to a shared optimum (FE lemma 1).

    ``|grad L_i| / |grad L| = |H_i v| / |H v|``, ``H = mean_i H_i``: a constant along the ray, so that both
    norms decay at one rate (exponent 1 in a phase diagram).

    Parameters
    ----------
    hessians
        Hessians ``H_i`` of the examples' losses at the optimum, shape ``(..., n, D, D)``.
    direction
        Direction ``v`` in which the weights lie from the optimum, shape ``(..., D)``; its length is left out.

    Returns
    -------
    numpy.ndarray
        Dimensionless, shape ``(..., n)``; infinite where only the full gradient vanishes, NaN where all do.

    Raises
    ------
    InputError
        If the shapes do not fit, a value is not finite, or the direction is zero.

    References
    ----------
    FE appendix D, lemma 1 (1).

    Examples
    --------
    >>> print(gradient_norm_ratios([np.diag([1.0, 0.0]), np.diag([3.0, 2.0])], [1.0, 0.0]))
    [0.5 1.5]

    """
    each, mean = _along(hessians, direction)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.linalg.norm(each, axis=-1) / np.linalg.norm(mean, axis=-1)[..., None])


def limiting_snr(hessians: ArrayLike, direction: ArrayLike) -> Array:
    """The SNR close to an optimum that every example shares (FE lemma 1).

    ``SNR = |H v| / sqrt(E|H_i v|^2 - |H v|^2)``, ``H = E H_i``, E the mean over the examples, one to a
    minibatch.

    Parameters
    ----------
    hessians
        Hessians ``H_i`` of the examples' losses at the optimum, shape ``(..., n, D, D)``.
    direction
        Direction ``v`` in which the weights lie from the optimum, shape ``(..., D)``; its length is left out.

    Returns
    -------
    numpy.ndarray
        Dimensionless, shape ``(...)``; infinite where all examples agree, NaN where every gradient vanishes.

    Raises
    ------
    InputError
        If the shapes do not fit, a value is not finite, or the direction is zero.

    References
    ----------
    FE appendix D, lemma 1 (2).

    Examples
    --------
    >>> print(limiting_snr([np.diag([1.0, 0.0]), np.diag([3.0, 2.0])], [1.0, 0.0]))
    2.0

    """
    each, mean = _along(hessians, direction)
    # The mean square of the deviations, and not a difference of mean squares: those cancel at a large SNR.
    noise = np.sqrt(np.mean(np.sum((each - mean[..., None, :]) ** 2, axis=-1), axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.linalg.norm(mean, axis=-1) / noise)[()]


def _along(hessians: ArrayLike, direction: ArrayLike) -> tuple[Array, Array]:
    """``H_i v`` for each example, and their mean."""
    H, v = np.asarray(hessians, dtype=float), np.asarray(direction, dtype=float)
    if H.ndim < 3 or H.shape[-1] != H.shape[-2] or v.ndim < 1 or v.shape[-1] != H.shape[-1]:
        raise InputError(
            f"hessians have shape {H.shape} and direction {v.shape}; expected (..., n, D, D) and (..., D)"
        )
    if not (np.isfinite(H).all() and np.isfinite(v).all()):
        raise InputError("hessians or direction hold a value that is not finite; expected finite numbers")
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    if (length == 0).any():
        raise InputError("direction is zero; expected a vector of some length")
    each = np.einsum("...nij,...j->...ni", H, v / length)
    return each, each.mean(axis=-2)


def two_circle_snr_sq(x: ArrayLike, y: ArrayLike, angle: ArrayLike) -> Array:
    r"""The squared SNR anywhere on the sphere for two great circles, one example each (FE theorem 1 (1)).

    With ``c, s = cos a, sin a``, the losses are ``L_i = (x c +- y s)^2 / |w|^2`` and

        SNR^2 = (x^2 c^4 + y^2 s^4 - (x^2 c^2 + y^2 s^2)^2) / (s^2 c^2 (x^2 + y^2 - 4 x^2 y^2)).

    Parameters
    ----------
    x, y
        Coordinates on the unit sphere, ``x^2 + y^2 <= 1``; both optima are at ``x = y = 0``.
    angle
        ``a``: half the angle between the circles' normals, in radians, between 0 and pi/2.

    Returns
    -------
    numpy.ndarray
        Dimensionless; NaN at the optima, infinite where both gradients agree.

    Raises
    ------
    InputError
        If a point lies off the sphere or an angle out of range.

    Examples
    --------
    On a circle itself one of the two gradients vanishes, and the SNR is 1:

    >>> a = np.pi / 6
    >>> print(two_circle_snr_sq(0.3 * np.sin(a), 0.3 * np.cos(a), a).round(12))
    1.0

    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return _snr_sq(np.hypot(x, y), x, y, _angle(angle))


def two_circle_snr_sq_polar(rho: ArrayLike, phi: ArrayLike, angle: ArrayLike) -> Array:
    """The squared SNR of two great circles on the meridian ``phi``, down to its limit at the optimum.

    `two_circle_snr_sq` at ``x = rho sin phi``, ``y = rho cos phi``. For ``|phi| <= a < pi/4`` it rises to a
    constant as ``rho`` falls to 0, and among all ``phi`` it is smallest on the central meridian ``phi = 0``
    (FE appendix D, theorem 1 (2)).

    Parameters
    ----------
    rho
        Distance from the axis through the optima, from 0 to 1; at 0 the limit of the meridian is returned.
    phi
        Angle of the meridian from the central one, in radians; the circles themselves are at ``+-a``.
    angle
        ``a``: half the angle between the circles' normals, in radians, between 0 and pi/2.

    Returns
    -------
    numpy.ndarray
        Dimensionless.

    Raises
    ------
    InputError
        If a point lies off the sphere or an angle out of range.

    Examples
    --------
    >>> a = np.pi / 6
    >>> print(two_circle_snr_sq_polar([0.0, 0.5], 0.0, a) / np.tan(a) ** 2)
    [1.   0.75]

    """
    p = np.asarray(phi, dtype=float)
    return _snr_sq(np.asarray(rho, dtype=float), np.sin(p), np.cos(p), _angle(angle))


def central_meridian_snr_sq(rho: ArrayLike, angle: ArrayLike) -> Array:
    """The smallest squared SNR at a distance from the axis, ``(1 - rho^2) tan^2 a`` (FE theorem 1 (2a)).

    Slow gradient descent approaches the optimum along this meridian, the flattest one.

    Parameters
    ----------
    rho
        Distance from the axis through the optima, from 0 to 1.
    angle
        ``a``: half the angle between the circles' normals, in radians, above 0 and below pi/4: beyond, the
        flattest meridian is the one across.

    Returns
    -------
    numpy.ndarray
        Dimensionless.

    Raises
    ------
    InputError
        If a distance or an angle is out of range.

    Examples
    --------
    >>> print(central_meridian_snr_sq(0.0, np.pi / 6).round(12))
    0.333333333333

    """
    r, a = _on_sphere(np.asarray(rho, dtype=float)), _angle(angle, np.pi / 4, "pi/4")
    return np.asarray((1.0 - r) * (1.0 + r) * np.tan(a) ** 2)[()]


def two_circle_limiting_snr_sq(elr: ArrayLike, angle: ArrayLike) -> Array:
    """The mean squared SNR of slow projected SGD as it converges to the two circles' common point.

    ``E SNR^2 = tan^2 a + elr`` to first order in the learning rate, at any angle. The meridian's slope
    ``u = tan phi`` decays at the rate ``2 elr cos 2a`` and is kicked by ``+-elr sin 2a`` at every step, so
    ``E u^2 = elr s^2 c^2 / cos 2a``; theorem 1 at the optimum is ``tan^2 a + u^2 cos 2a / (s^2 c^2)`` to
    second order in u.

    Parameters
    ----------
    elr
        Learning rate on the unit sphere, far below 1, above 0; one circle a step.
    angle
        ``a``: half the angle between the circles' normals, in radians, above 0 and below pi/4.

    Returns
    -------
    numpy.ndarray
        Dimensionless.

    Raises
    ------
    InputError
        If a learning rate or an angle is out of range.

    References
    ----------
    The limit ``elr -> 0`` is FE theorem 1 (2a); the correction is not in the paper.

    Examples
    --------
    >>> print(two_circle_limiting_snr_sq([0.001, 0.01], np.pi / 6).round(4))
    [0.3343 0.3433]

    """
    rate, a = np.asarray(elr, dtype=float), _angle(angle, np.pi / 4, "pi/4")
    bad = ~((rate > 0) & np.isfinite(rate))
    if bad.any():
        raise InputError(f"elr is {float(rate[bad].flat[0])!r}; expected a finite number above 0")
    return np.asarray(np.tan(a) ** 2 + rate)[()]


def _snr_sq(rho: Array, sine: Array, cosine: Array, a: Array) -> Array:
    """Theorem 1 at ``(x, y) = rho (sin phi, cos phi)``, with ``rho^2`` cancelled: it holds at 0 as well.

    Numerator and denominator are written as the squared lengths that the proof takes them from, sums of
    squares: expanded, they cancel where they are small.
    """
    length = np.hypot(sine, cosine)
    with np.errstate(divide="ignore", invalid="ignore"):
        S, C = (sine / length) ** 2, (cosine / length) ** 2
        s, c = np.sin(a) ** 2, np.cos(a) ** 2
        r = np.clip(_on_sphere(rho), 0.0, 1.0)
        b, square, height = S * c + C * s, r**2, (1.0 - r) * (1.0 + r)
        mean = S * (c - square * b) ** 2 + C * (s - square * b) ** 2 + height * square * b**2
        tilt = C * (1 - 2 * square * S) ** 2 + S * (1 - 2 * square * C) ** 2
        difference = tilt + 4 * square * height * S * C
        return np.asarray(mean / (s * c * difference))[()]


def _on_sphere(rho: Array) -> Array:
    bad = ~((rho >= 0) & (rho <= 1 + _ROUNDING))
    if bad.any():
        raise InputError(f"rho is {float(rho[bad].flat[0])!r}; expected a distance from 0 to 1")
    return rho


def _angle(angle: ArrayLike, most: float = np.pi / 2, most_text: str = "pi/2") -> Array:
    a = np.asarray(angle, dtype=float)
    bad = ~((a > 0) & (a < most))
    if bad.any():
        raise InputError(f"angle is {float(a[bad].flat[0])!r}; expected above 0 and below {most_text}")
    return a
