"""How the radius gets there: the SDE's radius as a function of time, in closed form, and how long it takes.

Time is counted in iterations. The radius obeys a deterministic equation (IG eq. 11 and 18) because the
gradient of a scale-invariant loss is orthogonal to the weights; with a constant ``tr_sigma`` it can be
solved. Put ``m = tr_sigma + grad_sq`` in its place for the discrete version (see `thermograd.theory.radius`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import exprel

__all__ = ["radius_at_elr", "radius_at_lr", "relaxation_steps_elr", "relaxation_steps_lr"]

Array = NDArray[np.float64]


def _arrays(*values: ArrayLike) -> list[Array]:
    return [np.asarray(value) for value in np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in values))]


def radius_at_elr(
    step: ArrayLike, elr: ArrayLike, wd: ArrayLike, tr_sigma: ArrayLike, radius0: ArrayLike
) -> Array:
    """The radius at fixed ELR after some steps: ``v = r^2`` follows a logistic curve (IG eq. 11).

    ``dr/dt = -elr wd r^3 + (elr^2/2) r tr_sigma`` is linear in ``1/v``:
    ``1/v = exp(-x)/v0 + 2 wd elr t (1 - exp(-x))/x`` with ``x = elr^2 tr_sigma t``; so written, it also holds
    without weight decay (exponential growth) and without noise (``1/v`` grows linearly).

    Parameters
    ----------
    step
        Iterations since the start, ``t >= 0``.
    elr
        Effective learning rate.
    wd
        Weight decay, at least 0.
    tr_sigma
        Trace of the minibatch gradient covariance on the unit sphere, in units of the loss squared, at least
        0.
    radius0
        Radius at the start.

    Returns
    -------
    numpy.ndarray
        Radii in the common shape of the arguments.

    Examples
    --------
    From 1 to the stationary 3:

    >>> print(np.round(radius_at_elr([0, 10, 30, 100], elr=0.1, wd=0.05, tr_sigma=9.0, radius0=1.0), 3))
    [1.    1.455 2.419 2.999]

    """
    step, elr, wd, tr_sigma, radius0 = _arrays(step, elr, wd, tr_sigma, radius0)
    x = elr**2 * tr_sigma * step
    inverse = np.exp(-x) / radius0**2 + 2.0 * wd * elr * step * exprel(-x)
    return np.asarray(1.0 / np.sqrt(inverse))[()]


def radius_at_lr(
    step: ArrayLike, lr: ArrayLike, wd: ArrayLike, tr_sigma: ArrayLike, radius0: ArrayLike
) -> Array:
    """The radius at fixed LR after some steps: ``q = r^4`` relaxes exponentially (IG eq. 18).

    ``dr/dt = -lr wd r + lr^2 tr_sigma / (2 r^3)`` is linear in ``q``:
    ``q = q0 exp(-x) + 2 lr^2 tr_sigma t (1 - exp(-x))/x`` with ``x = 4 lr wd t``; so written, it also holds
    without weight decay (``q`` grows linearly).

    Parameters
    ----------
    step
        Iterations since the start, ``t >= 0``.
    lr
        Learning rate.
    wd
        Weight decay, at least 0.
    tr_sigma
        Trace of the minibatch gradient covariance on the unit sphere, in units of the loss squared, at least
        0.
    radius0
        Radius at the start.

    Returns
    -------
    numpy.ndarray
        Radii in the common shape of the arguments.

    Examples
    --------
    >>> print(np.round(radius_at_lr([0, 10, 30, 300], lr=0.1, wd=0.05, tr_sigma=9.0, radius0=1.0), 3))
    [1.    1.251 1.465 1.731]

    """
    step, lr, wd, tr_sigma, radius0 = _arrays(step, lr, wd, tr_sigma, radius0)
    x = 4.0 * lr * wd * step
    fourth = radius0**4 * np.exp(-x) + 2.0 * lr**2 * tr_sigma * step * exprel(-x)
    return np.asarray(fourth**0.25)[()]


def relaxation_steps_elr(elr: ArrayLike, tr_sigma: ArrayLike) -> Array:
    """Iterations in which the radius forgets its start at fixed ELR, ``1 / (elr^2 tr_sigma)``.

    The time constant of ``1/r^2``, and of ``r^2`` near its end. On a fixed sphere it is the scale on which
    noise alone turns the direction: the mean cosine to the start decays as ``exp(-t / (2 tau))``.

    Parameters
    ----------
    elr
        Effective learning rate.
    tr_sigma
        Trace of the minibatch gradient covariance on the unit sphere, in units of the loss squared.

    Returns
    -------
    numpy.ndarray
        In iterations, in the common shape of the arguments. Five of them leave less than 1% of the start.

    Examples
    --------
    Ten times smaller steps take a hundred times longer:

    >>> print(relaxation_steps_elr([1e-2, 1e-3], 100.0))
    [  100. 10000.]

    """
    elr, tr_sigma = _arrays(elr, tr_sigma)
    return np.asarray(1.0 / (elr**2 * tr_sigma))[()]


def relaxation_steps_lr(lr: ArrayLike, wd: ArrayLike) -> Array:
    """Iterations in which the radius forgets its start at fixed LR, ``1 / (4 lr wd)``.

    The time constant of ``r^4``.

    Parameters
    ----------
    lr
        Learning rate.
    wd
        Weight decay.

    Returns
    -------
    numpy.ndarray
        In iterations, in the common shape of the arguments. Five of them leave less than 1% of the start.

    Examples
    --------
    >>> print(relaxation_steps_lr(0.1, [1e-2, 1e-4]))
    [  250. 25000.]

    """
    lr, wd = _arrays(lr, wd)
    return np.asarray(1.0 / (4.0 * lr * wd))[()]
