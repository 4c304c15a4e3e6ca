"""Anisotropic noise at a minimum: oscillators, entropy deficit, and the sphere's next correction."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thermograd.errors import InputError
from thermograd.theory import vmf
from thermograd.theory.harmonic import energy_correction, harmonic_law

NOISE = np.array([1.8, 0.9, 0.2, 0.1])


def test_variances_are_the_fixed_point_of_one_step() -> None:
    """Known truth: iterating ``v <- (1 - elr h)^2 v + elr^2 s^2`` ends there, at any step that is stable."""
    h = np.array([1.0, 0.5, 2.0, 6.0])
    for elr in (1e-2, 0.3):
        v = np.zeros(4)
        for _ in range(int(30 / (elr * 0.5))):
            v = (1 - elr * h) ** 2 * v + elr**2 * NOISE
        np.testing.assert_allclose(harmonic_law(elr, NOISE, h).variance, v, rtol=1e-12)


def test_potentials_are_those_of_the_normal_law() -> None:
    """U, S, the divergence and F from determinants and traces of the two covariances."""
    h, elr = np.array([1.0, 0.5, 2.0, 3.0]), 0.2
    law = harmonic_law(elr, NOISE, h)
    cov, gibbs = np.diag(law.variance), np.diag(law.temperature / h)
    assert law.temperature == pytest.approx(elr * 0.75 / 2, rel=1e-14)
    assert law.energy == pytest.approx(np.trace(np.diag(h) @ cov) / 2, rel=1e-13)
    assert law.entropy == pytest.approx(0.5 * np.linalg.slogdet(2 * np.pi * np.e * cov)[1], rel=1e-13)
    ratio = np.linalg.solve(gibbs, cov)
    divergence = 0.5 * (np.trace(ratio) - 4 - np.linalg.slogdet(ratio)[1])
    assert law.divergence == pytest.approx(divergence, rel=1e-12)
    gibbs_free = law.temperature * (2 - 0.5 * np.linalg.slogdet(2 * np.pi * np.e * gibbs)[1])
    assert law.free_energy - gibbs_free == pytest.approx(law.free_energy_excess, rel=1e-12)
    assert law.free_energy_excess == pytest.approx(law.temperature * divergence, rel=1e-12)
    # the Gibbs law of the same energy has it in equal parts
    same = 0.5 * np.sum(np.log(2 * np.pi * np.e * (2 * law.energy / 4) / h))
    assert law.entropy_deficit == pytest.approx(same - law.entropy, rel=1e-12)


def test_deficit_is_quadratic_in_the_anisotropy() -> None:
    """Known rate: noise 1 + e z gives ``sum (e z)^2 / 4``, up to a relative e of third order."""
    z = np.array([1.0, -2.0, 0.5, 0.5])
    for e in (1e-2, 1e-3):
        law = harmonic_law(1e-9, 1 + e * z)
        expected = e**2 * float(z @ z) / 4
        assert law.entropy_deficit == pytest.approx(expected, rel=3 * e)
        assert law.divergence == pytest.approx(expected, rel=3 * e)


def test_limits() -> None:
    """Isotropic and cold: the Gibbs law of the test function; equal noise has no deficit, unequal always."""
    T, d = 1e-5, 6
    law = harmonic_law(1e-6, np.full(d - 1, 2 * T / 1e-6))
    assert law.temperature == pytest.approx(T, rel=1e-12)
    assert law.energy == pytest.approx(float(vmf.energy(T, d)), rel=1e-5 * d)
    assert law.entropy == pytest.approx(float(vmf.entropy_sphere(T, d)), abs=1e-4 * d)
    assert law.entropy_deficit == pytest.approx(0, abs=1e-14)
    assert law.divergence == pytest.approx(0, abs=1e-11)
    # finite steps alone, isotropic: T/(1 - elr/2) exactly, no deficit, but no longer the law of T
    law = harmonic_law(0.5, np.ones(3))
    assert law.energy == pytest.approx(1.5 * law.temperature / 0.75, rel=1e-14)
    assert law.entropy_deficit == pytest.approx(0, abs=1e-14)
    assert law.divergence > 0.01
    # a network's spectrum: almost all noise in few of many directions
    steep = harmonic_law(1e-4, 1.0 / np.arange(1, 10_001) ** 1.2)
    assert steep.entropy_deficit > 0.1 * 10_000
    assert steep.free_energy_excess > 0


def on_the_sphere(
    elr: float, noise: np.ndarray, polar: float, chains: int, steps: int
) -> tuple[float, float, np.ndarray]:
    """Projected SGD with noise diagonal in R^d: mean loss, its error, mean squared tangent coordinates."""
    rng = np.random.default_rng(11)
    d = noise.size + 1
    mu = np.eye(d)[0]
    scale = np.sqrt(np.append(polar, noise))
    start = np.sqrt(elr * np.append(0.0, noise) / (2 - elr)) * rng.standard_normal((chains, d)) - mu
    u = start / np.linalg.norm(start, axis=1, keepdims=True)
    total, squares = np.zeros(chains), np.zeros(d)
    warm = math.ceil(5 / elr)
    for step in range(warm + steps):
        g = mu + scale * rng.standard_normal((chains, d))
        u = u - elr * (g - np.sum(g * u, axis=1, keepdims=True) * u)
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        if step >= warm:
            total += 1 + u[:, 0]
            squares += np.mean(u**2, axis=0)
    total /= steps
    return float(total.mean()), float(total.std(ddof=1) / math.sqrt(chains)), squares[1:] / steps


@pytest.mark.parametrize("polar", [0.0, 2.0])
def test_simulation_on_the_sphere(polar: float) -> None:
    """Energy with the next correction within 4 errors plus the order after it; without it, rejected.

    T_i = 0.045, 0.0225, 0.005, 0.0025: the correction is -3.6% (-1 point of polar noise each 0.025), its
    square 0.2%. The simulation's error is sqrt(2 sum T_i^2)/sum T_i over sqrt(chains steps elr): 0.1%.
    """
    elr = 0.05
    mean, error, squares = on_the_sphere(elr, NOISE, polar, chains=2000, steps=800)
    law = harmonic_law(elr, NOISE)
    correction = energy_correction(elr, NOISE, polar)
    next_order = 2 * 0.045**2 + elr * 0.045
    corrected = law.energy * (1 + correction)
    assert abs(mean - corrected) < 4 * error + next_order * mean
    if polar == 0.0:  # with polar noise the parts of the correction nearly cancel
        assert abs(mean - law.energy) > 4 * error + next_order * mean
    # anisotropy is in the second moments: each within its own correction, and not the mean temperature
    np.testing.assert_allclose(squares, law.variance, rtol=0.15)
    assert not np.allclose(squares, law.temperature, rtol=0.5)


def test_correction_of_isotropic_noise_is_the_sphere_s() -> None:
    """``-(d - 3) T / 4``, that of the exact law to second order in T."""
    for d in (3, 11, 101):
        T = 1e-6
        correction = energy_correction(1e-3, np.full(d - 1, 2 * T / 1e-3))
        assert correction == pytest.approx(-(d - 3) * T / 4, abs=1e-15)
        exact = float(vmf.energy(T, d) / vmf.energy_small_t(T, d)) - 1
        assert correction == pytest.approx(exact, abs=2 * (d * T) ** 2 + 1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.1, [1.0, 0.0]), "noise_variance is .*; expected a vector of finite numbers above 0"),
        ((0.1, []), "noise_variance is"),
        ((0.1, [1.0, 2.0], [1.0, 2.0, 3.0]), r"curvature has shape \(3,\); expected one number or \(2,\)"),
        ((2.0, [1.0, 2.0]), "elr is 2.0; expected a number above 0 and below 2/curvature = 2"),
        ((-0.1, [1.0]), "elr is -0.1"),
    ],
)
def test_bad_input_is_named(arguments, message: str) -> None:
    with pytest.raises(InputError, match=message):
        harmonic_law(*arguments)
    with pytest.raises(InputError, match=r"polar_variance is -1.0"):
        energy_correction(0.1, [1.0], -1.0)
