"""Adiabats: hyperparameters that can be changed together without changing the entropy.

Along ``p V**gamma = const`` with ``gamma = C_p / C_V`` no heat is exchanged (IG eq. 97-99), so the entropy
``S = S_sphere + (d - 1) log r`` stays: the weights roam a larger sphere less widely. Each protocol turns this
into a curve in its own hyperparameters; the gradient variance is taken to be the same all along.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["adiabat_elr", "adiabat_lr", "adiabat_pressure", "adiabat_sphere"]

Array = NDArray[np.float64]


def _power(ratio: ArrayLike, exponent: ArrayLike) -> Array:
    return np.asarray(np.power(np.asarray(ratio, dtype=float), np.asarray(exponent, dtype=float)))


def adiabat_pressure(
    volume: ArrayLike, *, pressure0: ArrayLike, volume0: ArrayLike, gamma: ArrayLike
) -> Array:
    """The adiabat through a state, ``p = p0 (V0/V)**gamma`` (IG eq. 99).

    Parameters
    ----------
    volume
        Where to follow it to, ``r**2 / 2``.
    pressure0, volume0
        The state that it passes through.
    gamma
        Adiabatic exponent.

    Returns
    -------
    numpy.ndarray
        Pressures (weight decays), in the common shape of the arguments.

    Examples
    --------
    >>> print(adiabat_pressure([0.5, 1.0, 2.0], pressure0=0.01, volume0=1.0, gamma=2.0))
    [0.04   0.01   0.0025]

    """
    ratio = np.asarray(volume0, dtype=float) / np.asarray(volume, dtype=float)
    return np.asarray(np.asarray(pressure0, dtype=float) * _power(ratio, gamma))[()]


def adiabat_lr(wd: ArrayLike, *, lr0: ArrayLike, wd0: ArrayLike, gamma: ArrayLike) -> Array:
    """The learning rate that keeps the entropy at another weight decay, at fixed LR (IG eq. 31).

    ``p V**gamma ~ wd**(1 - gamma/2) lr**(gamma/2)``, hence ``lr = lr0 (wd/wd0)**(1 - 2/gamma)``.

    Parameters
    ----------
    wd
        Weight decays to go to.
    lr0, wd0
        The hyperparameters to start from.
    gamma
        Adiabatic exponent.

    Returns
    -------
    numpy.ndarray
        Learning rates, in the common shape of the arguments.

    Examples
    --------
    At gamma = 2 the learning rate alone sets the entropy:

    >>> print(adiabat_lr([1e-3, 1e-2], lr0=0.1, wd0=1e-3, gamma=2.0))
    [0.1 0.1]

    """
    exponent = 1.0 - 2.0 / np.asarray(gamma, dtype=float)
    ratio = np.asarray(wd, dtype=float) / np.asarray(wd0, dtype=float)
    return np.asarray(np.asarray(lr0, dtype=float) * _power(ratio, exponent))[()]


def adiabat_elr(wd: ArrayLike, *, elr0: ArrayLike, wd0: ArrayLike, gamma: ArrayLike) -> Array:
    """The effective learning rate that keeps the entropy at another weight decay, at fixed ELR.

    ``p V**gamma ~ wd**(1 - gamma) elr**gamma`` with IG eq. 63, hence ``elr = elr0 (wd/wd0)**(1 - 1/gamma)``.

    Parameters
    ----------
    wd
        Weight decays to go to.
    elr0, wd0
        The hyperparameters to start from.
    gamma
        Adiabatic exponent.

    Returns
    -------
    numpy.ndarray
        Effective learning rates, in the common shape of the arguments.

    Examples
    --------
    >>> print(adiabat_elr([1e-3, 4e-3], elr0=0.01, wd0=1e-3, gamma=2.0))
    [0.01 0.02]

    """
    exponent = 1.0 - 1.0 / np.asarray(gamma, dtype=float)
    ratio = np.asarray(wd, dtype=float) / np.asarray(wd0, dtype=float)
    return np.asarray(np.asarray(elr0, dtype=float) * _power(ratio, exponent))[()]


def adiabat_sphere(radius: ArrayLike, *, elr0: ArrayLike, radius0: ArrayLike, gamma: ArrayLike) -> Array:
    """The effective learning rate that keeps the entropy on a sphere of another radius.

    ``p V**gamma ~ elr radius**(2 gamma - 2)`` with IG eq. 84, hence
    ``elr = elr0 (radius0/radius)**(2 gamma - 2)``.

    Parameters
    ----------
    radius
        Radii to go to.
    elr0, radius0
        The hyperparameters to start from.
    gamma
        Adiabatic exponent.

    Returns
    -------
    numpy.ndarray
        Effective learning rates, in the common shape of the arguments.

    Examples
    --------
    At gamma = 2 it is the plain learning rate ``elr * radius**2`` that stays:

    >>> print(adiabat_sphere([1.0, 2.0], elr0=0.04, radius0=1.0, gamma=2.0))
    [0.04 0.01]

    """
    exponent = 2.0 * np.asarray(gamma, dtype=float) - 2.0
    ratio = np.asarray(radius0, dtype=float) / np.asarray(radius, dtype=float)
    return np.asarray(np.asarray(elr0, dtype=float) * _power(ratio, exponent))[()]
