"""Anisotropic noise near a minimum: a discrete oscillator per direction, and what it lacks to a Gibbs law.

Cold, the direction stays close to the minimum, where the loss is ``sum_i h_i x_i^2 / 2`` in ``m = d - 1``
tangent coordinates (``h = 1`` for the test function). With noise of variance ``s_i^2`` along them a step is
``x_i <- (1 - elr h_i) x_i - elr s_i eps_i``, and the stationary law is normal with variances

    v_i = elr s_i^2 / (h_i (2 - elr h_i)),

exactly, at any step with ``elr h_i < 2``. The energy feels the sum of the noise alone: to leading order it is
that of the Gibbs law at ``T = elr mean(s^2)/2``. The entropy feels its shape: it is lower than the Gibbs
law's of the same energy by ``(m/2) log`` of the ratio of the arithmetic to the geometric mean of ``h_i v_i``,
and the free energy at T is higher by T times the divergence. No temperature makes an anisotropic state
minimal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = ["HarmonicLaw", "energy_correction", "harmonic_law"]

Array = NDArray[np.float64]


class HarmonicLaw(NamedTuple):
    """The stationary law of discrete oscillators; plain numbers but for the variances.

    Attributes
    ----------
    variance
        Of each direction, shape ``(m,)``.
    temperature
        ``T = elr mean(s^2) / 2``, from the trace of the noise alone.
    energy
        ``U = sum h_i v_i / 2`` above the minimum, in units of the loss.
    entropy
        ``S = sum log(2 pi e v_i) / 2``, in nats.
    entropy_deficit
        Entropy of the Gibbs law of the same energy, less ``S``: 0 for isotropic noise, else positive.
    divergence
        Kullback-Leibler divergence from the Gibbs law at ``temperature``, in nats.
    free_energy
        ``U - T S``.
    free_energy_excess
        Over that of the Gibbs law at ``temperature``: ``T`` times the divergence.

    """

    variance: Array
    temperature: float
    energy: float
    entropy: float
    entropy_deficit: float
    divergence: float
    free_energy: float
    free_energy_excess: float


def harmonic_law(elr: float, noise_variance: ArrayLike, curvature: ArrayLike = 1.0) -> HarmonicLaw:
    """Variances, energy, entropy and distance to the Gibbs law of anisotropic noise at a minimum.

    Parameters
    ----------
    elr
        Step size of the direction on the unit sphere, above 0, with ``elr h < 2`` in every direction.
    noise_variance
        ``s_i^2``, the eigenvalues of the gradient covariance on the unit sphere in the tangent space, above
        0, shape ``(m,)`` with ``m = d - 1``, in units of the loss squared. Its mean is ``sigma2``.
    curvature
        ``h_i``, the loss's second derivatives along the same directions, above 0, one number or ``(m,)``.

    Returns
    -------
    HarmonicLaw
        On a sphere right to leading order in ``T``; `energy_correction` is the size of what comes next.

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    IG eq. 106 is the isotropic case at short steps; finite steps and anisotropy are derived here.

    Examples
    --------
    Noise of the same trace, in equal and unequal parts: the same energy, less entropy.

    >>> even, uneven = harmonic_law(0.01, [1.0, 1.0]), harmonic_law(0.01, [1.8, 0.2])
    >>> print(round(even.energy, 6), round(uneven.energy, 6))
    0.005025 0.005025
    >>> print(round(even.entropy - uneven.entropy, 3), round(uneven.entropy_deficit, 3))
    0.511 0.511

    """
    noise, h = _checked(elr, noise_variance, curvature)
    m = noise.size
    variance = elr * noise / (h * (2.0 - elr * h))
    T = 0.5 * elr * float(np.mean(noise))
    share = h * variance  # twice the energy of each direction: T for the Gibbs law
    energy = 0.5 * float(np.sum(share))
    entropy = 0.5 * float(np.sum(np.log(2.0 * np.pi * np.e * variance)))
    deficit = 0.5 * float(np.sum(np.log(2.0 * energy / m / share)))
    excess = share / T - 1.0
    divergence = 0.5 * float(np.sum(excess - np.log1p(excess)))
    return HarmonicLaw(
        variance, T, energy, entropy, deficit, divergence, energy - T * entropy, T * divergence
    )


def energy_correction(elr: float, noise_variance: ArrayLike, polar_variance: float | None = None) -> float:
    """Relative size of what the sphere's curvature adds to the energy of `harmonic_law`, test function.

    ``dU/U = T_0 - sum T_i / 4 - sum T_i^2 / (2 sum T_i)`` with ``T_i = elr s_i^2 / 2``, for noise that is
    diagonal in the coordinates of R^d, projected on the tangent space: exact to first order in the ``T_i``.
    With isotropic noise it is ``-(d - 3) T / 4``.

    Parameters
    ----------
    elr
        Step size of the direction on the unit sphere, above 0.
    noise_variance
        ``s_i^2`` along the ``m`` directions that are tangent at the minimum, above 0.
    polar_variance
        ``s_0^2`` along the minimum itself, whose noise is tangent away from it; the mean of the others if
        not given.

    Returns
    -------
    float
        The relative correction. The next is of the order of its square, and of ``elr`` times it.

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    Ito's formula for ``mu.u`` under the update of IG eq. 24, with a diagonal in place of ``sigma``.

    Examples
    --------
    >>> from thermograd.theory import vmf
    >>> T, d = 1e-3, 11
    >>> exact = vmf.energy(T, d) / vmf.energy_small_t(T, d) - 1
    >>> print(f"{exact:.5f} {energy_correction(0.01, [0.2] * (d - 1)):.5f}")
    -0.00200 -0.00200

    """
    noise, _ = _checked(elr, noise_variance, 1.0)
    polar = float(np.mean(noise)) if polar_variance is None else float(polar_variance)
    if not (polar >= 0 and np.isfinite(polar)):
        raise InputError(f"polar_variance is {polar_variance!r}; expected a finite number of at least 0")
    T = 0.5 * elr * noise
    total = float(np.sum(T))
    return 0.5 * elr * polar - total / 4.0 - float(np.sum(T**2)) / (2.0 * total)


def _checked(elr: float, noise_variance: ArrayLike, curvature: ArrayLike) -> tuple[Array, Array]:
    noise = np.asarray(noise_variance, dtype=float)
    if noise.ndim != 1 or noise.size == 0 or not np.all((noise > 0) & np.isfinite(noise)):
        raise InputError(
            f"noise_variance is {np.array2string(noise, threshold=8)}; "
            "expected a vector of finite numbers above 0"
        )
    h = np.asarray(curvature, dtype=float)
    if h.shape not in ((), noise.shape) or not np.all((h > 0) & np.isfinite(h)):
        raise InputError(
            f"curvature has shape {h.shape}; expected one number or {noise.shape}, finite and above 0"
        )
    h = np.broadcast_to(h, noise.shape)
    if not (elr > 0 and elr * h.max() < 2):
        limit = f"{2 / h.max():.4g}"
        raise InputError(f"elr is {elr!r}; expected a number above 0 and below 2/curvature = {limit}")
    return noise, h
