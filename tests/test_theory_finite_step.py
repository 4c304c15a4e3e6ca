"""Energy, temperature and entropy at finite steps: against the exact chain, simulation, and their limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thermograd.errors import InputError
from thermograd.protocol import FixedSphere
from thermograd.theory import vmf
from thermograd.theory.discrete_chain import exact_state
from thermograd.theory.finite_step import (
    energy_finite_step,
    energy_first_order,
    entropy_sphere_finite_step,
    temperature_finite_step,
)


def chain(elr: float, sigma: float, d: int, nodes: int = 20):
    return exact_state(FixedSphere(elr=elr, radius=1.0), sigma, d, nodes)


def directions(elr: float, d: int, chains: int, steps: int, seed: int) -> tuple[float, float, np.ndarray]:
    """Projected SGD in R^d: mean loss, its error over independent chains, and the directions at the end."""
    rng = np.random.default_rng(seed)
    mu = np.eye(d)[0]
    u = vmf.sample(elr / 2, mu, chains, rng)
    total = np.zeros(chains)
    warm = math.ceil(5 / elr)  # correlation times in which the start is forgotten
    for step in range(warm + steps):
        g = mu + rng.standard_normal((chains, d))
        u = u - elr * (g - np.sum(g * u, axis=1, keepdims=True) * u)
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        if step >= warm:
            total += 1 + u[:, 0]
    total /= steps
    return float(total.mean()), float(total.std(ddof=1) / math.sqrt(chains)), u


@pytest.mark.parametrize("d", [3, 10])
@pytest.mark.parametrize("elr", [0.03, 0.1, 0.2])
def test_simulation(elr: float, d: int) -> None:
    """The exact chain within 4 errors of a simulation, the closed form within 4 errors and its accuracy.

    The error of the mean of N correlated losses: relative spread sqrt(2/(d-1)), memory 1/elr steps; at 1.5e6
    steps and d = 3 it is 0.47%, 0.26% and 0.18%, where the excess over the Gibbs law is 1.4%, 3.6% and 4.2%.
    """
    steps = 1000
    mean, error, _ = directions(elr, d, chains=1500, steps=steps, seed=17)
    budget = math.sqrt(2 / (d - 1) / (1500 * steps * elr))
    assert error < 1.3 * budget * mean  # the error bar is what the budget says it can be
    exact = chain(elr, 1.0, d).energy
    assert abs(mean - exact) < 4 * error
    accuracy = {0.03: 1e-4, 0.1: 1e-3, 0.2: 6e-3}[elr]
    assert abs(mean - energy_finite_step(elr, 1.0, d)) < 4 * error + accuracy * mean
    if elr == 0.2:  # negative control: 4.2% above at d = 3, 3.2% below at d = 10
        assert abs(mean - float(vmf.energy(elr / 2, d))) > 12 * error


def test_simulated_directions_have_the_exact_second_moment() -> None:
    """E s^2 of independent chains at the end, within 4 errors; the Gibbs law's is 25 errors off."""
    d, elr = 10, 0.2
    _, _, u = directions(elr, d, chains=60_000, steps=1, seed=2)
    square = 1 - u[:, 0] ** 2
    error = square.std() / math.sqrt(len(square))
    assert abs(square.mean() - chain(elr, 1.0, d).grad_sq) < 4 * error
    assert abs(square.mean() - float(vmf.grad_sq(elr / 2, d))) > 12 * error


@pytest.mark.parametrize(
    ("elr", "accuracy", "d"),
    # at d = 100 a step of 0.2 is longer than the radius
    [(0.03, 1e-4, d) for d in (2, 3, 10, 100)]
    + [(0.1, 1e-3, d) for d in (2, 3, 10, 100)]
    + [(0.2, 6e-3, d) for d in (2, 3, 10)],
)
def test_stated_accuracy(elr: float, accuracy: float, d: int) -> None:
    """Energy within what the documentation says; entropy within R times that, and the law's own deficit."""
    exact = chain(elr, 1.0, d)
    assert energy_finite_step(elr, 1.0, d) == pytest.approx(exact.energy, rel=accuracy)
    # dS = dU/T: a relative error of U is worth about U/T <= (d-1)/2 in entropy
    allowed = accuracy * (d - 1) / 2 * 1.1 + 3e-4
    assert abs(entropy_sphere_finite_step(elr, 1.0, d) - exact.entropy_sphere) < allowed
    # no law has more entropy than the Gibbs law of its energy
    T = temperature_of(exact.energy, d)
    assert -3e-4 < exact.entropy_sphere - float(vmf.entropy_sphere(T, d)) < 1e-9


def temperature_of(energy: float, d: int) -> float:
    from scipy.optimize import brentq

    return float(brentq(lambda T: float(vmf.energy(T, d)) - energy, 1e-6, 10.0, xtol=1e-14))


@pytest.mark.parametrize("sigma", [0.3, 2.0])
@pytest.mark.parametrize("d", [2, 3, 50])
def test_first_order_is_exact(d: int, sigma: float) -> None:
    """Known rate: what the first order leaves out falls by 100 when the step falls by 10, both versions.

    T = elr sigma^2/2 is held fixed, as in the expansion, by sigma^2 ~ 1/elr. The next order is elr
    (1 + (T d)^2) of it, hence the tolerance.
    """
    T = 2e-3 * sigma**2
    for law in (energy_first_order, energy_finite_step):
        gap = []
        for elr in (4e-3, 4e-4):
            noise = math.sqrt(2 * T / elr)
            gap.append(float(law(elr, noise, d)) / chain(elr, noise, d).energy - 1)
        assert abs(gap[0]) < 4e-3**2
        assert abs(gap[1]) < 4e-4**2
    # negative control: a first-order coefficient that is 2% off is seen
    elr, noise = 4e-4, math.sqrt(2 * T / 4e-4)
    gibbs = float(vmf.energy(T, d))
    wrong = gibbs + 1.02 * (float(energy_first_order(elr, noise, d)) - gibbs)
    assert abs(wrong / chain(elr, noise, d).energy - 1) > 4e-4**2


def test_limits() -> None:
    elr = np.array([1e-4, 0.3, 1.5])
    # cold: independent discrete oscillators, variance elr sigma^2 / (2 - elr)
    np.testing.assert_allclose(temperature_finite_step(elr, 1e-6, 7), elr * 1e-12 / (2 - elr), rtol=1e-9)
    # short steps: the Gibbs law
    assert energy_finite_step(1e-9, 1.0, 5) == pytest.approx(float(vmf.energy(5e-10, 5)), rel=1e-8)
    assert energy_finite_step(0.1, 0.0, 5) == 0
    assert energy_finite_step(0.0, 1.0, 5) == 0
    # so much noise that each step loses the direction: uniform, up to the pull over the noise
    assert energy_finite_step(0.5, 1e3, 5) == pytest.approx(1, abs=5e-3)
    assert entropy_sphere_finite_step(0.5, 1e3, 5) <= vmf.entropy_uniform(5)
    # steps that overshoot the minimum
    assert np.isnan(temperature_finite_step(2.1, 1e-3, 3))
    # many dimensions: no overflow, finite, colder than the noise says by Pythagoras' factor
    d, step = 1e6, 5e-4
    T = step / 2
    y = step**2 * d
    ratio = float(temperature_finite_step(step, 1.0, d)) / T
    assert ratio == pytest.approx(2 / (1 + math.sqrt(1 + y)), rel=2 * step)


@pytest.mark.parametrize(("elr", "sigma"), [(0.03, 3.0), (0.1, 3.0), (0.2, 3.0), (0.1, 10.0), (0.3, 10.0)])
@pytest.mark.parametrize("d", [2, 3, 10, 50])
def test_hot_states_stay_within_the_stated_accuracy(d: int, elr: float, sigma: float) -> None:
    accuracy = {0.03: 4e-4, 0.1: 1.2e-2}.get(elr, 5e-2) if sigma == 3.0 else 5e-2
    exact = chain(elr, sigma, d, nodes=26)
    assert energy_finite_step(elr, sigma, d) == pytest.approx(exact.energy, rel=accuracy)
    # negative control: hot and in few dimensions, nothing but the exact chain is right to 1e-4
    if elr >= 0.1 and d <= 3:
        assert energy_finite_step(elr, sigma, d) != pytest.approx(exact.energy, rel=1e-3)


def test_the_exact_chain_converges() -> None:
    """More nodes change nothing; too few do: the agreement is not built in."""
    fine, finer = chain(0.1, 1.0, 3, nodes=20), chain(0.1, 1.0, 3, nodes=28)
    np.testing.assert_allclose(fine, finer, rtol=1e-11)
    assert chain(0.1, 1.0, 3, nodes=3).energy != pytest.approx(finer.energy, rel=1e-7)
    # short steps: the Gibbs law itself, entropy included
    short = chain(1e-5, 100.0, 4)
    assert short.energy == pytest.approx(float(vmf.energy(0.05, 4)), rel=1e-5)
    assert short.entropy_sphere == pytest.approx(float(vmf.entropy_sphere(0.05, 4)), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.1, 1.0, 3), "elr .* is -0.1; expected a finite number of at least 0"),
        ((0.1, -1.0, 3), "sigma .* is -1.0"),
        ((0.1, 1.0, 1), "d .* is 1.0; expected a finite number of at least 2"),
        ((np.inf, 1.0, 3), "elr .* is inf"),
    ],
)
def test_bad_input_is_named(arguments: tuple[float, float, float], message: str) -> None:
    for law in (temperature_finite_step, energy_finite_step, energy_first_order, entropy_sphere_finite_step):
        with pytest.raises(InputError, match=message):
            law(*arguments)
