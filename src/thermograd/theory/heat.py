"""Heat capacities of the gas that SGD is, and the adiabatic exponent that they give."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError
from thermograd.theory.gas import gas_constant

__all__ = ["adiabatic_exponent", "heat_capacity_p", "heat_capacity_v", "heat_capacity_v_small_t"]

Array = NDArray[np.float64]


def _float(value: ArrayLike) -> Array:
    return np.asarray(value, dtype=float)


def heat_capacity_v(temperature: ArrayLike, energy: ArrayLike) -> Array:
    """Heat capacity at fixed volume from measured states, ``C_V = dU/dT`` (IG eq. 97).

    Second-order differences on the given, possibly unequal, temperatures, one-sided at the ends: exact where
    ``U`` is a quadratic.

    Parameters
    ----------
    temperature
        Temperatures, shape ``(n,)``, ``n >= 2``, strictly monotone.
    energy
        Mean losses at these temperatures, shape ``(..., n)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(..., n)``, in the units of the gas constant.

    Raises
    ------
    InputError
        If the temperatures do not rise or fall strictly, or the shapes do not fit.

    Examples
    --------
    >>> T = np.array([1e-3, 2e-3, 5e-3, 1e-2])
    >>> print(heat_capacity_v(T, 5 * T))
    [5. 5. 5. 5.]

    """
    T, U = _float(temperature), _float(energy)
    if T.ndim != 1 or T.size < 2 or U.ndim < 1 or U.shape[-1] != T.size:
        raise InputError(
            f"temperature has shape {T.shape} and energy {U.shape}; expected (n,) and (..., n) with n >= 2"
        )
    steps = np.diff(T)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise InputError(f"temperature is {T.tolist()}; expected strictly rising or falling values")
    return np.asarray(np.gradient(U, T, axis=-1, edge_order=2 if T.size > 2 else 1))


def heat_capacity_v_small_t(d: ArrayLike) -> Array:
    """Heat capacity at fixed volume when cold, ``C_V = (d - 1)/2`` (IG eq. 30): equipartition.

    Holds for any loss with a non-degenerate quadratic minimum; `thermograd.theory.vmf.heat_capacity` is exact
    for the test function.

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
    >>> print(heat_capacity_v_small_t(11))
    5.0

    """
    return gas_constant(d)


def heat_capacity_p(heat_capacity_v: ArrayLike, d: ArrayLike) -> Array:
    """Heat capacity at fixed pressure, ``C_p = C_V + R`` (Mayer's relation, IG eq. 97).

    Parameters
    ----------
    heat_capacity_v
        ``C_V``.
    d
        Number of trainable scale-invariant weights.

    Returns
    -------
    numpy.ndarray
        In the units of ``C_V``.

    Examples
    --------
    >>> print(heat_capacity_p(5.0, 11))
    10.0

    """
    return np.asarray(_float(heat_capacity_v) + gas_constant(d))[()]


def adiabatic_exponent(heat_capacity_v: ArrayLike, d: ArrayLike) -> Array:
    """The adiabatic exponent, ``gamma = C_p / C_V = 1 + R / C_V`` (IG section 4).

    Parameters
    ----------
    heat_capacity_v
        ``C_V``, above 0, in nats.
    d
        Number of trainable scale-invariant weights.

    Returns
    -------
    numpy.ndarray
        Above 1, dimensionless.

    Examples
    --------
    Two, for any loss with a quadratic minimum, when cold:

    >>> print(adiabatic_exponent(heat_capacity_v_small_t(1000), 1000))
    2.0

    """
    return np.asarray(1.0 + gas_constant(d) / _float(heat_capacity_v))[()]
