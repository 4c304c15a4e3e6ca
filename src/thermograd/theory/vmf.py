"""The von Mises-Fisher law: the stationary law of the isotropic noise model, exactly, in any dimension.

The test function ``L(w) = 1 + mu.w/|w|`` with ``|mu| = 1`` under isotropic gradient noise has the Gibbs law
``rho(u) ~ exp(-L(u)/T)`` on the unit sphere of R^d: von Mises-Fisher with concentration ``kappa = 1/T`` about
``-mu`` (IG section 5 and appendix E). With ``A = A_d(1/T)`` the mean resultant length,

    U = 1 - A,    S_sphere = -log C_d(1/T) - A/T,    C_V = dU/dT,    |grad L|^2 = (d - 1) T A.

All functions broadcast ``T >= 0`` (``inf`` is the uniform law) against ``d >= 2``; NaN gives NaN. Against
60-digit arithmetic, for d from 2 to 1e6 and T from 1e-8 to 1e8, the relative error of U, A and C_V is below
1e-12 and the error of S_sphere below ``1e-13 d``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.theory.bessel import BesselRatio, bessel_ratio
from thermograd.theory.vmf_limits import (
    checked_arguments,
    energy_small_t,
    entropy_sphere_small_t,
    entropy_uniform,
)
from thermograd.theory.vmf_sample import sample

__all__ = [
    "energy",
    "energy_small_t",
    "entropy_sphere",
    "entropy_sphere_small_t",
    "entropy_uniform",
    "grad_sq",
    "heat_capacity",
    "log_normalizer",
    "mean_resultant",
    "sample",
]

_LOG_2PI = float(np.log(2.0 * np.pi))


def mean_resultant(kappa: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
    """Length of the mean direction, ``A_d(kappa) = I_{d/2}(kappa) / I_{d/2-1}(kappa)`` (IG eq. 103).

    Parameters
    ----------
    kappa
        Concentration ``1/T``, at least 0.
    d
        Dimension of the space, at least 2.

    Returns
    -------
    numpy.ndarray
        Between 0 (uniform) and 1 (a point), in the common shape of the arguments.

    Raises
    ------
    InputError
        If a ``kappa`` is negative or a ``d`` below 2.

    Examples
    --------
    In three dimensions it is the Langevin function ``coth kappa - 1/kappa``:

    >>> float(mean_resultant(1.5, 3)), float(1 / np.tanh(1.5) - 1 / 1.5)  # doctest: +ELLIPSIS
    (0.438124726315..., 0.438124726315...)

    and for weak concentration ``kappa/d``:

    >>> print(mean_resultant(1e-3, 1_000_000))
    1e-09

    """
    kappa, d = checked_arguments("kappa", kappa, d)
    return _evaluate(kappa, d, lambda bessel, k, d: bessel.ratio, point=lambda d: np.ones_like(d))


def log_normalizer(kappa: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
    """``log C_d(kappa)`` of the density ``C_d exp(kappa m.u)`` on the unit sphere (IG eq. 102).

    ``C_d(k) = k**(d/2-1) / ((2 pi)**(d/2) I_{d/2-1}(k))``; its value at 0 is minus the log area of the
    sphere.

    Parameters
    ----------
    kappa
        Concentration ``1/T``, at least 0.
    d
        Dimension of the space, at least 2.

    Returns
    -------
    numpy.ndarray
        In nats, in the common shape of the arguments; ``-inf`` at ``kappa = inf``, where ``-kappa`` wins.

    Raises
    ------
    InputError
        If a ``kappa`` is negative or a ``d`` below 2.

    Examples
    --------
    ``C_3(k) = k / (4 pi sinh k)``:

    >>> float(log_normalizer(2.0, 3)), float(np.log(2 / (4 * np.pi * np.sinh(2.0))))  # doctest: +ELLIPSIS
    (-3.1262444390235..., -3.1262444390235...)

    """
    kappa, d = checked_arguments("kappa", kappa, d)
    return _evaluate(
        kappa,
        d,
        lambda bessel, k, d: -0.5 * d * _LOG_2PI - bessel.log_scaled - k,
        point=lambda d: np.full_like(d, -np.inf),
    )


def energy(T: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
    """Mean loss of the test function at temperature ``T``, ``U = 1 - A_d(1/T)`` (IG eq. 103).

    Parameters
    ----------
    T
        Temperature, at least 0, in units of the loss.
    d
        Dimension of the space, at least 2.

    Returns
    -------
    numpy.ndarray
        From 0 (at the minimum) to 1 (uniform), in the common shape of the arguments; no digit is lost at
        small ``T``.

    Raises
    ------
    InputError
        If a ``T`` is negative or a ``d`` below 2.

    Examples
    --------
    Cold, each of the ``d - 1`` directions of the sphere holds ``T/2`` (equipartition); hot, the law is
    uniform:

    >>> print(energy([0.0, 1e-6, 1.0, np.inf], 101))
    [0.00000000e+00 4.99987750e-05 9.90099961e-01 1.00000000e+00]

    """
    T, d = checked_arguments("T", T, d)
    return _evaluate(_inverse(T), d, lambda bessel, k, d: bessel.complement, point=lambda d: np.zeros_like(d))


def entropy_sphere(T: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
    """Differential entropy on the unit sphere, ``S_sphere = -log C_d(1/T) - A_d(1/T)/T`` (IG eq. 103).

    Parameters
    ----------
    T
        Temperature, at least 0, in units of the loss.
    d
        Dimension of the space, at least 2.

    Returns
    -------
    numpy.ndarray
        In nats, in the common shape of the arguments; ``-inf`` at ``T = 0``.

    Raises
    ------
    InputError
        If a ``T`` is negative or a ``d`` below 2.

    Examples
    --------
    Hot, it is the log area of the sphere, the largest entropy there is:

    >>> float(entropy_sphere(np.inf, 3)), float(np.log(4 * np.pi))  # doctest: +ELLIPSIS
    (2.53102424..., 2.53102424...)

    and ``dU = T dS``:

    >>> T = np.array([0.0999, 0.1001])
    >>> bool(np.isclose(np.diff(energy(T, 10)) / np.diff(entropy_sphere(T, 10)), 0.1, rtol=1e-5))
    True

    """
    T, d = checked_arguments("T", T, d)
    # The two large terms of -log C_d - kappa A, kappa and kappa A, are joined as kappa (1 - A).
    return _evaluate(
        _inverse(T),
        d,
        lambda bessel, k, d: 0.5 * d * _LOG_2PI + bessel.log_scaled + k * bessel.complement,
        point=lambda d: np.full_like(d, -np.inf),
    )


def heat_capacity(T: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
    """Heat capacity at fixed volume, ``C_V = dU/dT = A_d'(1/T) / T**2`` (IG eq. 97), exactly.

    Parameters
    ----------
    T
        Temperature, at least 0, in units of the loss.
    d
        Dimension of the space, at least 2.

    Returns
    -------
    numpy.ndarray
        In nats per unit of the loss over ``T`` (as the gas constant), in the common shape of the arguments.

    Raises
    ------
    InputError
        If a ``T`` is negative or a ``d`` below 2.

    Examples
    --------
    ``(d-1)/2`` when cold, so that gamma = 2 (IG eq. 30); ``1/(d T**2)`` when hot:

    >>> print(heat_capacity([0.0, 1e-4, 1e3], 11))
    [5.0000000e+00 4.9979997e+00 9.0909089e-08]

    """
    T, d = checked_arguments("T", T, d)
    return _evaluate(_inverse(T), d, lambda bessel, k, d: bessel.slope, point=lambda d: 0.5 * (d - 1.0))


def grad_sq(T: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
    """Mean squared full gradient on the unit sphere, ``E(1 - (mu.u)**2) = (d - 1) T A_d(1/T)``.

    The test function has ``grad L(u) = mu - (mu.u) u``; integrating by parts on the sphere gives
    ``E|grad L|^2 = T E lap L``, and ``lap L = -(d-1) mu.u``. With it `thermograd.theory.radius` predicts the
    discretised radius of the isotropic model without measuring anything.

    Parameters
    ----------
    T
        Temperature, at least 0, in units of the loss.
    d
        Dimension of the space, at least 2.

    Returns
    -------
    numpy.ndarray
        In units of the loss squared, in the common shape of the arguments.

    Raises
    ------
    InputError
        If a ``T`` is negative or a ``d`` below 2.

    Examples
    --------
    Uniform directions have ``E(1 - (mu.u)**2) = 1 - 1/d``:

    >>> print(grad_sq([1e-3, np.inf], 10))
    [0.00895957 0.9       ]

    """
    T, d = checked_arguments("T", T, d)

    def square(bessel: BesselRatio, k: NDArray[np.float64], d: NDArray[np.float64]) -> NDArray[np.float64]:
        # A/k tends to 1/d as k -> 0; below 1e-100 the next term, k**2/d**2, is long gone.
        tiny = k < 1e-100
        return (d - 1.0) * np.where(tiny, 1.0 / d, bessel.ratio / np.where(tiny, 1.0, k))

    return _evaluate(_inverse(T), d, square, point=lambda d: np.zeros_like(d))


def _inverse(T: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", over="ignore"):  # T = 0 is a point, dealt with by _evaluate
        return np.asarray(1.0 / T)


def _evaluate(
    kappa: NDArray[np.float64],
    d: NDArray[np.float64],
    law: Callable[[BesselRatio, NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    point: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """The law where the concentration is finite, the limit ``point`` where it is not."""
    cold = np.isinf(kappa)
    safe = np.where(cold, 1.0, kappa)
    value = law(bessel_ratio(0.5 * d - 1.0, safe), safe, d)
    return np.asarray(np.where(cold, point(d), value))[()]
