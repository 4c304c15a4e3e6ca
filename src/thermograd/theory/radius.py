"""Where the radius of the weights settles: the balance of weight decay and gradient noise.

With ``tr_sigma`` the trace of the gradient covariance, ``grad_sq`` the squared norm of the full gradient and
``m = tr_sigma + grad_sq = E|g|^2``, all on the unit sphere, each law comes in three versions:

- *SDE*: continuous time (IG section 3.2);
- *discrete*: ``m`` in place of ``tr_sigma``, since in discrete time every gradient, not only its noise, is
  orthogonal to the weights and lengthens them (IG appendix G);
- *finite step*: Pythagoras to all orders in the step size. What it leaves out is that ``|g|^2`` and ``r``
  fluctuate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.protocol import FixedELR, FixedLR, Protocol

__all__ = [
    "Versions",
    "compressibility_elr",
    "compressibility_lr",
    "effective_wd_sphere",
    "largest_start_elr",
    "stationary_radius_elr",
    "stationary_radius_lr",
    "why_no_radius",
]

Array = NDArray[np.float64]


class Versions(NamedTuple):
    """One law in its three versions; arrays of one shape."""

    sde: Array
    discrete: Array
    finite_step: Array


def _arrays(*values: ArrayLike) -> list[Array]:
    return [np.asarray(value) for value in np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in values))]


def _root_of_positive(value: Array, power: float) -> Array:
    """``value**power``, and NaN without a warning where there is nothing to take a root of."""
    inside = value >= 0
    return np.where(inside, np.where(inside, value, 0.0) ** power, np.nan)


def stationary_radius_elr(
    elr: ArrayLike, wd: ArrayLike, tr_sigma: ArrayLike, grad_sq: ArrayLike = 0.0
) -> Versions:
    """Stationary radius at fixed effective learning rate, ``r = sqrt(elr * tr_sigma / (2 wd))`` (IG eq. 63).

    Finite step: ``|w - elr r^2 (g + wd w)| = r`` gives ``(1 - elr wd r^2)^2 + elr^2 m = 1``, hence
    ``r^2 = (1 - sqrt(1 - elr^2 m)) / (elr wd)``.

    Parameters
    ----------
    elr
        Effective learning rate.
    wd
        Weight decay.
    tr_sigma
        Trace of the minibatch gradient covariance on the unit sphere, in units of the loss squared.
    grad_sq
        Squared norm of the full gradient on the unit sphere, in units of the loss squared.

    Returns
    -------
    Versions
        Radii in the common shape of the arguments. The finite-step one is NaN where ``elr**2 * m > 1``: no
        radius is stationary there, and `why_no_radius` says so in words; the other two do not see it.

    Examples
    --------
    >>> sde, discrete, finite = stationary_radius_elr(0.1, 0.05, tr_sigma=9.0, grad_sq=0.4)
    >>> print(round(sde, 3), round(discrete, 3), round(finite, 3))
    3.0 3.066 3.104
    >>> print(stationary_radius_elr(0.4, 0.05, tr_sigma=9.0).finite_step)
    nan

    """
    elr, wd, tr_sigma, grad_sq = _arrays(elr, wd, tr_sigma, grad_sq)
    m = tr_sigma + grad_sq
    # x / (1 + sqrt(1 - x)) is 1 - sqrt(1 - x) without its cancellation at small steps.
    finite = elr * m / (wd * (1.0 + _root_of_positive(1.0 - elr**2 * m, 0.5)))
    sde, discrete = elr * tr_sigma / (2.0 * wd), elr * m / (2.0 * wd)
    return Versions(np.sqrt(sde)[()], np.sqrt(discrete)[()], np.sqrt(finite)[()])


def stationary_radius_lr(
    lr: ArrayLike, wd: ArrayLike, tr_sigma: ArrayLike, grad_sq: ArrayLike = 0.0
) -> Versions:
    """Stationary radius at fixed learning rate, ``r = (lr * tr_sigma / (2 wd))**(1/4)`` (IG eq. 72).

    Finite step: ``|w - lr (g + wd w)| = r`` gives ``(1 - lr wd)^2 r^2 + lr^2 m / r^2 = r^2``, hence
    ``r^4 = lr m / (2 wd - lr wd^2)``. (IG eq. 72 prints the effective learning rate where it means the plain
    one.)

    Parameters
    ----------
    lr
        Learning rate.
    wd
        Weight decay.
    tr_sigma
        Trace of the minibatch gradient covariance on the unit sphere, in units of the loss squared.
    grad_sq
        Squared norm of the full gradient on the unit sphere, in units of the loss squared.

    Returns
    -------
    Versions
        Radii in the common shape of the arguments. The finite-step one is NaN where ``lr * wd >= 2``: no
        radius is stationary there, and `why_no_radius` says so in words; the other two do not see it.

    Examples
    --------
    >>> sde, discrete, finite = stationary_radius_lr(0.1, 0.05, tr_sigma=9.0, grad_sq=0.15)
    >>> print(round(sde, 3), round(discrete, 3), round(finite, 3))
    1.732 1.739 1.74

    """
    lr, wd, tr_sigma, grad_sq = _arrays(lr, wd, tr_sigma, grad_sq)
    m = tr_sigma + grad_sq
    left = 2.0 - lr * wd  # of the decay once its own second order is taken off
    finite = lr * m / (wd * np.where(left > 0, left, np.nan))
    sde, discrete = lr * tr_sigma / (2.0 * wd), lr * m / (2.0 * wd)
    return Versions((sde**0.25)[()], (discrete**0.25)[()], (finite**0.25)[()])


def effective_wd_sphere(
    elr: ArrayLike, radius: ArrayLike, tr_sigma: ArrayLike, grad_sq: ArrayLike = 0.0
) -> Versions:
    """Effective weight decay on a fixed sphere, ``wd = elr * tr_sigma / (2 r^2)`` (IG eq. 84): its pressure.

    It is the weight decay that would do what the projection does, ``E (|w - lr g| - r) / (lr r)`` with
    ``lr = elr r^2`` (IG eq. 83). Finite step: ``(sqrt(1 + elr^2 m) - 1) / (elr r^2)``.

    Parameters
    ----------
    elr
        Effective learning rate.
    radius
        Radius of the sphere.
    tr_sigma
        Trace of the minibatch gradient covariance on the unit sphere, in units of the loss squared.
    grad_sq
        Squared norm of the full gradient on the unit sphere, in units of the loss squared.

    Returns
    -------
    Versions
        Effective weight decays in the common shape of the arguments; they always exist.

    Examples
    --------
    >>> sde, discrete, finite = effective_wd_sphere(0.2, 0.5, tr_sigma=9.0, grad_sq=0.56)
    >>> print(round(sde, 3), round(discrete, 3), round(finite, 3))
    3.6 3.824 3.515

    """
    elr, radius, tr_sigma, grad_sq = _arrays(elr, radius, tr_sigma, grad_sq)
    m = tr_sigma + grad_sq
    area = radius**2
    finite = elr * m / (area * (1.0 + np.sqrt(1.0 + elr**2 * m)))
    sde, discrete = elr * tr_sigma / (2.0 * area), elr * m / (2.0 * area)
    return Versions(np.asarray(sde)[()], np.asarray(discrete)[()], np.asarray(finite)[()])


def compressibility_elr(tr_sigma: ArrayLike, grad_sq: ArrayLike) -> Array:
    """Predicted compressibility on a sphere and at fixed ELR, ``Z = 1 + grad_sq/tr_sigma``.

    ``p V / (R T)`` with the discrete radius or effective weight decay (IG section 7 and appendix G).

    Parameters
    ----------
    tr_sigma
        Trace of the minibatch gradient covariance on the unit sphere.
    grad_sq
        Squared norm of the full gradient on the unit sphere.

    Returns
    -------
    numpy.ndarray
        1 for an ideal gas, above 1 for a real one.

    Examples
    --------
    >>> print(compressibility_elr(9.0, [0.0, 0.9]))
    [1.  1.1]

    """
    tr_sigma, grad_sq = _arrays(tr_sigma, grad_sq)
    return np.asarray(1.0 + grad_sq / tr_sigma)[()]


def compressibility_lr(tr_sigma: ArrayLike, grad_sq: ArrayLike) -> Array:
    """Predicted compressibility at fixed learning rate, ``Z = sqrt(1 + grad_sq/tr_sigma)``.

    The square root because ``V ~ sqrt(m)`` there (IG eq. 21, 72 and appendix G).

    Parameters
    ----------
    tr_sigma
        Trace of the minibatch gradient covariance on the unit sphere.
    grad_sq
        Squared norm of the full gradient on the unit sphere.

    Returns
    -------
    numpy.ndarray
        1 for an ideal gas, above 1 for a real one.

    Examples
    --------
    >>> print(compressibility_lr(9.0, [0.0, 1.89]))
    [1.  1.1]

    """
    return np.asarray(np.sqrt(compressibility_elr(tr_sigma, grad_sq)))[()]


def largest_start_elr(elr: ArrayLike, wd: ArrayLike, mean_square: ArrayLike) -> Array:
    """The radius above which fixed ELR runs away, ``r^2 = (1 + sqrt(1 - elr^2 m)) / (elr wd)``.

    The second solution of the finite-step balance. Above it the decay step ``elr r^2 wd`` overshoots the
    origin and lands farther out than it began, so start below.

    Parameters
    ----------
    elr
        Effective learning rate.
    wd
        Weight decay.
    mean_square
        ``m = tr_sigma + grad_sq`` on the unit sphere.

    Returns
    -------
    numpy.ndarray
        Radii in the common shape of the arguments; NaN where every start runs away.

    Examples
    --------
    >>> print(largest_start_elr(0.1, 0.05, [0.0, 64.0, 101.0]))
    [20.         17.88854382         nan]

    """
    elr, wd, m = _arrays(elr, wd, mean_square)
    return np.asarray(np.sqrt((1.0 + _root_of_positive(1.0 - elr**2 * m, 0.5)) / (elr * wd)))[()]


def why_no_radius(protocol: Protocol, mean_square: float) -> str:
    """Why this protocol has no stationary radius and what to do about it, in one line; empty if it has one.

    Parameters
    ----------
    protocol
        One of the three protocols.
    mean_square
        ``m = tr_sigma + grad_sq`` on the unit sphere, in units of the loss squared.

    Returns
    -------
    str
        The reason, naming the value and the limit.

    Examples
    --------
    >>> why_no_radius(FixedELR(elr=0.1, wd=1e-3), 50.0)
    ''
    >>> print(why_no_radius(FixedELR(elr=0.4, wd=1e-3), 25.0))  # doctest: +NORMALIZE_WHITESPACE
    no stationary radius: elr**2 * (tr_sigma + grad_sq) is 4, above 1, so that each step lengthens the weights
    whatever the weight decay; lower elr (now 0.4) to 0.2 or less
    >>> print(why_no_radius(FixedLR(lr=3.0, wd=1.0), 25.0))  # doctest: +NORMALIZE_WHITESPACE
    no stationary radius: lr * wd is 3, not below 2, so that decay itself lengthens the weights;
    lower lr (now 3) or wd (now 1)

    """
    if isinstance(protocol, FixedELR) and protocol.elr**2 * mean_square > 1:
        return (
            f"no stationary radius: elr**2 * (tr_sigma + grad_sq) is {protocol.elr**2 * mean_square:.4g}, "
            "above 1, so that each step lengthens the weights whatever the weight decay; "
            f"lower elr (now {protocol.elr:.4g}) to {mean_square**-0.5:.4g} or less"
        )
    if isinstance(protocol, FixedLR) and protocol.lr * protocol.wd >= 2:
        return (
            f"no stationary radius: lr * wd is {protocol.lr * protocol.wd:.4g}, not below 2, so that decay "
            f"itself lengthens the weights; lower lr (now {protocol.lr:.4g}) or wd (now {protocol.wd:.4g})"
        )
    return ""
