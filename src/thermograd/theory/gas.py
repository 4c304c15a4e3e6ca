"""The ideal-gas laws of SGD: state equation, temperatures, compressibility, entropy, potentials.

A stationary state of SGD on scale-invariant weights is a gas (IG section 3): pressure = weight decay, volume
= ``r**2 / 2``, gas constant ``R = (d-1)/2``, and ``p V = R T``. Everything here is a plain function of arrays
that broadcast; NaN, which marks a missing state, gives NaN. Heat capacities are in `thermograd.theory.heat`,
adiabats in `thermograd.theory.adiabats`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "compressibility",
    "entropy",
    "gas_constant",
    "gibbs",
    "helmholtz",
    "pressure",
    "temperature_elr",
    "temperature_lr",
    "volume",
]

Array = NDArray[np.float64]


def _float(value: ArrayLike) -> Array:
    return np.asarray(value, dtype=float)


def gas_constant(d: ArrayLike) -> Array:
    """The gas constant, ``R = (d - 1)/2``: half the number of dimensions of the sphere (IG eq. 13).

    Parameters
    ----------
    d
        Number of trainable scale-invariant weights.

    Returns
    -------
    numpy.ndarray
        In nats, in the shape of ``d``.

    Examples
    --------
    >>> print(gas_constant(43_692))
    21845.5

    """
    return np.asarray(0.5 * (_float(d) - 1.0))[()]


def volume(radius: ArrayLike) -> Array:
    """The volume, ``V = r**2 / 2`` (IG eq. 13).

    Parameters
    ----------
    radius
        Norm of the weights.

    Returns
    -------
    numpy.ndarray
        In the units of the weights squared, in the shape of ``radius``.

    Examples
    --------
    >>> print(volume([1.0, 2.0]))
    [0.5 2. ]

    """
    return np.asarray(0.5 * _float(radius) ** 2)[()]


def pressure(volume: ArrayLike, temperature: ArrayLike, d: ArrayLike) -> Array:
    """The state equation solved for the pressure, ``p = R T / V`` (IG eq. 13, 84).

    The equation is symmetric: call it with the pressure in place of the volume to get the volume.

    Parameters
    ----------
    volume
        ``r**2 / 2``.
    temperature
        Temperature, in units of the loss.
    d
        Number of trainable scale-invariant weights.

    Returns
    -------
    numpy.ndarray
        The weight decay (on a fixed sphere: the effective one) that holds this volume.

    Examples
    --------
    A gas in 11 dimensions at T = 1e-3, on a sphere of radius 1:

    >>> p = pressure(0.5, 1e-3, 11)
    >>> print(p, pressure(p, 1e-3, 11))
    0.01 0.5

    """
    return np.asarray(gas_constant(d) * _float(temperature) / _float(volume))[()]


def temperature_elr(elr: ArrayLike, sigma2: ArrayLike) -> Array:
    """Temperature at fixed effective learning rate, ``T = elr * sigma2 / 2`` (IG eq. 7, 67).

    Holds on a fixed sphere and with free radius alike.

    Parameters
    ----------
    elr
        Effective learning rate.
    sigma2
        Gradient variance per dimension on the unit sphere, ``tr_sigma / (d - 1)``, in units of the loss
        squared.

    Returns
    -------
    numpy.ndarray
        In units of the loss.

    Examples
    --------
    >>> print(temperature_elr([1e-3, 1e-2], 4.0))
    [0.002 0.02 ]

    """
    return np.asarray(0.5 * _float(elr) * _float(sigma2))[()]


def temperature_lr(lr: ArrayLike, wd: ArrayLike, sigma2: ArrayLike, d: ArrayLike) -> Array:
    """Temperature at fixed learning rate, ``T = sqrt(lr * wd * sigma2 / (2 (d - 1)))`` (IG eq. 20).

    It is `temperature_elr` at the effective learning rate ``lr / r**2`` of the stationary radius.

    Parameters
    ----------
    lr
        Learning rate.
    wd
        Weight decay.
    sigma2
        Gradient variance per dimension on the unit sphere, ``tr_sigma / (d - 1)``, in units of the loss
        squared.
    d
        Number of trainable scale-invariant weights.

    Returns
    -------
    numpy.ndarray
        In units of the loss.

    Examples
    --------
    Only the product of the two matters:

    >>> print(temperature_lr([0.1, 0.01], [0.05, 0.5], 1.0, 11))
    [0.01581139 0.01581139]

    """
    product = _float(lr) * _float(wd) * _float(sigma2)
    return np.asarray(np.sqrt(product / (2.0 * (_float(d) - 1.0))))[()]


def compressibility(pressure: ArrayLike, volume: ArrayLike, temperature: ArrayLike, d: ArrayLike) -> Array:
    """The compressibility factor of measured states, ``Z = p V / (R T)``: 1 for an ideal gas (IG section 7).

    `thermograd.theory.radius` predicts it from the part of the gradient that is not noise.

    Parameters
    ----------
    pressure
        Weight decay, or effective weight decay on a fixed sphere.
    volume
        ``r**2 / 2``.
    temperature
        Temperature, in units of the loss.
    d
        Number of trainable scale-invariant weights.

    Returns
    -------
    numpy.ndarray
        Dimensionless.

    Examples
    --------
    >>> print(compressibility(pressure=0.01, volume=0.5, temperature=1e-3, d=11))
    1.0

    """
    measured = _float(pressure) * _float(volume)
    return np.asarray(measured / (gas_constant(d) * _float(temperature)))[()]


def entropy(entropy_sphere: ArrayLike, radius: ArrayLike, d: ArrayLike) -> Array:
    """Entropy of the weights, ``S = S_sphere + (d - 1) log r`` (IG eq. 1).

    Parameters
    ----------
    entropy_sphere
        Differential entropy of the direction on the unit sphere, in nats.
    radius
        Norm of the weights.
    d
        Number of trainable scale-invariant weights.

    Returns
    -------
    numpy.ndarray
        In nats.

    Examples
    --------
    Doubling the radius of a gas of three dimensions quadruples the area it roams:

    >>> print(entropy(1.0, [1.0, 2.0], 3) - 1.0, np.log(4.0))
    [0.         1.38629436] 1.3862943611198906

    """
    return np.asarray(_float(entropy_sphere) + (_float(d) - 1.0) * np.log(_float(radius)))[()]


def helmholtz(energy: ArrayLike, temperature: ArrayLike, entropy: ArrayLike) -> Array:
    """Helmholtz energy, ``F = U - T S``: least at equilibrium on a fixed sphere (IG section 3.2).

    Parameters
    ----------
    energy
        Mean training loss ``U``.
    temperature
        Temperature, in units of the loss.
    entropy
        ``S``, in nats.

    Returns
    -------
    numpy.ndarray
        In units of the loss.

    Examples
    --------
    >>> print(helmholtz(1.0, 0.01, -20.0))
    1.2

    """
    return np.asarray(_float(energy) - _float(temperature) * _float(entropy))[()]


def gibbs(
    energy: ArrayLike, temperature: ArrayLike, entropy: ArrayLike, pressure: ArrayLike, volume: ArrayLike
) -> Array:
    """Gibbs energy, ``G = U - T S + p V``: least at equilibrium when the radius is free (IG eq. 14).

    Parameters
    ----------
    energy
        Mean training loss ``U``.
    temperature
        Temperature, in units of the loss.
    entropy
        ``S``, in nats.
    pressure
        Weight decay.
    volume
        ``r**2 / 2``.

    Returns
    -------
    numpy.ndarray
        In units of the loss.

    Examples
    --------
    The volume of the state equation is where ``G`` is least:

    >>> radius = np.linspace(0.5, 2.0, 1501)
    >>> G = gibbs(0.0, 1e-3, entropy(0.0, radius, 11), 0.01, volume(radius))
    >>> print(round(volume(radius[G.argmin()]), 3), pressure(0.01, 1e-3, 11))
    0.5 0.5

    """
    free = helmholtz(energy, temperature, entropy)
    return np.asarray(free + _float(pressure) * _float(volume))[()]
