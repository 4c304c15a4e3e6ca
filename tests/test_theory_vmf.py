"""The von Mises-Fisher law against 40-digit integration, closed forms, limits, and its own sampler."""

from __future__ import annotations

import math
from functools import cache

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ive

from thermograd.errors import InputError
from thermograd.theory import vmf
from thermograd.theory.bessel import bessel_ratio

DIMS = [2, 3, 10, 100, 1_000, 100_000, 1_000_000]
TEMPERATURES = [1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 30.0, 1e3, 1e6, 1e8]


@cache
def by_integration(T: float, d: int) -> dict[str, mp.mpf]:
    """The law by brute force: integrals over the cosine ``t = tanh x``, trapezoidal rule, 40 digits.

    The weight ``exp(k t) (1 - t**2)**((d-3)/2) dt = exp(k tanh x) cosh(x)**-(d-1) dx`` is analytic for
    ``|Im x| < pi/2`` and falls off exponentially, so the rule converges geometrically; no Bessel function.
    """
    with mp.workdps(40):
        # 1/T as float64 rounds it: its error of 1e-16 is the caller's, not that of the law.
        k, n = mp.mpf(1.0 / T), mp.mpf(d - 1)

        def below(x: mp.mpf) -> mp.mpf:  # 1 - tanh x
            return 2 / (1 + mp.exp(2 * x))

        def weight_log(x: mp.mpf) -> mp.mpf:  # log of the integrand over exp(k)
            return -k * below(x) - n * mp.log(mp.cosh(x))

        t = 2 * k / (n + mp.sqrt(n * n + 4 * k * k))  # the peak: k (1 - t**2) = n t
        top, width = mp.atanh(t), 1 / mp.sqrt(n * (1 + t * t))
        step = width / 16
        height = weight_log(top)
        z = first = second = mp.mpf(0)
        for sign in (1, -1):
            j = 0 if sign == 1 else 1
            while True:
                x = top + sign * j * step
                log_w = weight_log(x) - height
                if log_w < -80:
                    break
                w = mp.exp(log_w)
                loss = below(x)
                z, first, second = z + w, first + w * loss, second + w * loss * loss
                j += 1
        energy = first / z
        log_sum = mp.log(z * step) + height  # log of int exp(k (t - 1)) (1 - t**2)**((d-3)/2) dt
        area = mp.log(2) + n / 2 * mp.log(mp.pi) - mp.loggamma(n / 2)  # of the sphere around the cosine
        with mp.workdps(60):
            variance = second / z - energy**2
        return {
            "energy": energy,
            "mean": 1 - energy,
            "entropy": area + log_sum + k * energy,
            "log_normalizer": -area - log_sum - k,
            "heat_capacity": variance * k * k,
        }


@pytest.mark.parametrize("d", DIMS)
def test_against_integration(d: int) -> None:
    """The precision that the module promises, on the whole table."""
    for T in TEMPERATURES:
        exact = by_integration(T, d)

        def relative(got: float, name: str, exact: dict[str, mp.mpf] = exact) -> float:
            return abs(float((mp.mpf(float(got)) - exact[name]) / exact[name]))

        assert relative(vmf.energy(T, d), "energy") < 1e-12
        assert relative(vmf.mean_resultant(1.0 / T, d), "mean") < 1e-12
        assert relative(vmf.heat_capacity(T, d), "heat_capacity") < 1e-12
        assert abs(float(mp.mpf(float(vmf.entropy_sphere(T, d))) - exact["entropy"])) < 1e-13 * d
        scale = max(d, 1.0 / T)  # log C_d contains -kappa itself
        error = abs(float(mp.mpf(float(vmf.log_normalizer(1.0 / T, d))) - exact["log_normalizer"]))
        assert error < 1e-13 * scale


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0, 4.5, 19.0, 21.0, 60.0])
@pytest.mark.parametrize("argument", [1e-8, 1e-3, 0.5, 7.0, 40.0, 1e4, 1e7])
def test_bessel_ratio_against_mpmath(order: float, argument: float) -> None:
    """Each quantity with its own relative precision, on both sides of the order where the recurrence ends."""
    got = bessel_ratio(order, argument)
    with mp.workdps(60):
        k, nu = mp.mpf(argument), mp.mpf(order)
        value = mp.besseli(nu, k)
        ratio = mp.besseli(nu + 1, k) / value
        slope = k * k * (1 - ratio**2) - (2 * nu + 1) * k * ratio
        exact = (ratio, 1 - ratio, slope)
        for number, truth in zip((got.ratio, got.complement, got.slope), exact, strict=True):
            assert abs(float(mp.mpf(float(number)) / truth - 1)) < 1e-12
        log_error = float(mp.mpf(float(got.log_scaled)) - (mp.log(value) - k - nu * mp.log(k)))
        assert abs(log_error) < 1e-12 * max(1.0, order)


def test_the_obvious_formula_is_not_good_enough() -> None:
    """Negative control: 1 - ive/ive loses its digits when cold and everything when d is large."""
    T, d = 1e-8, 3
    naive = 1.0 - ive(d / 2, 1 / T) / ive(d / 2 - 1, 1 / T)
    exact = float(by_integration(T, d)["energy"])
    assert abs(naive / exact - 1) > 1e-10
    assert ive(100_000 / 2 - 1, 10.0) == 0.0


@pytest.mark.parametrize("T", [1e-3, 0.05, 0.3, 1.0, 20.0])
def test_closed_forms_in_three_dimensions(T: float) -> None:
    k = 1.0 / T
    mean = 1.0 / math.tanh(k) - T
    log_z = math.log(4 * math.pi * T) + k + math.log(-math.expm1(-2 * k) / 2)  # log(4 pi sinh(k) / k)
    assert vmf.energy(T, 3) == pytest.approx(1 - mean, rel=1e-12)
    assert vmf.log_normalizer(k, 3) == pytest.approx(-log_z, rel=1e-12)
    assert vmf.entropy_sphere(T, 3) == pytest.approx(log_z - k * mean, abs=1e-11)
    square = 1 - (1 - 2 * mean * T)  # E(1 - t**2) = 2 T A
    assert vmf.grad_sq(T, 3) == pytest.approx(square, rel=1e-12)


def test_circle() -> None:
    """d = 2 is the von Mises law with I_1/I_0."""
    k = np.array([0.01, 0.7, 5.0, 80.0])
    np.testing.assert_allclose(vmf.mean_resultant(k, 2), ive(1, k) / ive(0, k), rtol=1e-13)
    np.testing.assert_allclose(vmf.log_normalizer(k, 2), -np.log(2 * np.pi * ive(0, k)) - k, rtol=1e-13)


@pytest.mark.parametrize("d", [2, 11, 1001, 100_001])
def test_cold_limit_and_its_rate(d: int) -> None:
    """U = (d-1) T/2 - (d-1)(d-3) T**2/8 + ..., so the small-T form is off by (d-3) T/4, relatively."""
    for x in (1e-2, 1e-3):
        T = x / d
        off = vmf.energy(T, d) / vmf.energy_small_t(T, d) - 1
        assert off == pytest.approx(-(d - 3) * T / 4, rel=3 * x, abs=2 * T**2 + 1e-13)
        gap = vmf.entropy_sphere(T, d) - vmf.entropy_sphere_small_t(T, d)
        # dS = dU/T, integrated: -(d-1)(d-3) T/4
        assert gap == pytest.approx(-(d - 1) * (d - 3) * T / 4, rel=3 * x, abs=1e-12 * d + T**1.9)
    assert vmf.energy(0.0, d) == 0
    assert vmf.entropy_sphere(0.0, d) == -np.inf
    assert vmf.heat_capacity(0.0, d) == (d - 1) / 2
    assert vmf.grad_sq(0.0, d) == 0


@pytest.mark.parametrize("d", DIMS)
def test_hot_limit_is_uniform(d: int) -> None:
    exact = float(mp.log(2) + mp.mpf(d) / 2 * mp.log(mp.pi) - mp.loggamma(mp.mpf(d) / 2))
    assert vmf.entropy_uniform(d) == pytest.approx(exact, rel=1e-14)
    assert vmf.entropy_sphere(np.inf, d) == pytest.approx(exact, rel=1e-13)
    assert vmf.log_normalizer(0.0, d) == pytest.approx(-exact, rel=1e-13)
    assert vmf.energy(np.inf, d) == 1
    assert vmf.heat_capacity(np.inf, d) == 0
    assert vmf.grad_sq(np.inf, d) == pytest.approx(1 - 1 / d, rel=1e-14)
    # the first order in 1/T
    assert vmf.mean_resultant(1e-5, d) == pytest.approx(1e-5 / d, rel=1e-9)
    assert vmf.heat_capacity(1e5, d) == pytest.approx(1e-10 / d, rel=1e-9)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    log_t=st.floats(-8, 8),
    d=st.one_of(st.integers(2, 60), st.integers(2, 1_000_000)),
    factor=st.floats(1e-4, 1e-3),
)
def test_thermodynamic_identities(log_t: float, d: int, factor: float) -> None:
    """dU = C_V dT and dU = T dS; energy and entropy grow with temperature and stay in their bounds."""
    T = 10.0**log_t
    low, high = T * (1 - factor), T * (1 + factor)
    U, S = vmf.energy([low, high], d), vmf.entropy_sphere([low, high], d)
    assert 0 < U[0] <= U[1] <= 1
    assert S[0] <= S[1] + 1e-13 * d
    assert S[1] <= vmf.entropy_uniform(d) + 1e-12 * d
    capacity = vmf.heat_capacity(T, d)
    assert capacity > 0
    # second order in the step, plus round-off of the differences
    round_off_u, round_off_s = 1e-12 * U[1] / (high - low), 1e-13 * d / (2 * factor)
    assert (U[1] - U[0]) / (high - low) == pytest.approx(capacity, rel=20 * factor**2, abs=2 * round_off_u)
    assert (S[1] - S[0]) / (2 * factor) == pytest.approx(capacity, rel=20 * factor**2, abs=2 * round_off_s)


def test_broadcasting_and_missing_points() -> None:
    T = np.array([[0.1], [np.nan], [np.inf]])
    U = vmf.energy(T, [2, 3, 10_000])
    assert U.shape == (3, 3)
    assert np.isnan(U[1]).all()
    assert np.isnan(vmf.entropy_sphere(np.nan, 5))
    assert U[0, 1] == vmf.energy(0.1, 3)
    assert U[0, 2] == vmf.energy(0.1, 10_000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vmf.energy(-1.0, 3), "T is -1.0; expected at least 0"),
        (lambda: vmf.entropy_sphere(1.0, 1), "d .dimension. is 1.0; expected a finite number of at least 2"),
        (lambda: vmf.mean_resultant(-2.0, 3), "kappa is -2.0; expected at least 0"),
        (lambda: vmf.sample(-1.0, [0.0, 1.0], 3, np.random.default_rng(0)), "T .temperature. is -1.0"),
        (lambda: vmf.sample(np.nan, [0.0, 1.0], 3, np.random.default_rng(0)), "T .temperature. is nan"),
        (
            lambda: vmf.sample(1.0, [0.0, 0.0], 3, np.random.default_rng(0)),
            "expected a finite, non-zero vector",
        ),
        (lambda: vmf.sample(1.0, [1.0], 3, np.random.default_rng(0)), "expected a finite, non-zero vector"),
    ],
)
def test_refusals(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


N = 20_000


@pytest.mark.parametrize(
    ("T", "d"), [(1e-6, 2), (0.2, 2), (0.01, 3), (5.0, 3), (0.02, 20), (1e-3, 200), (1e9, 4)]
)
def test_sample_has_the_law(T: float, d: int) -> None:
    """Mean loss within 4 exact standard errors; a temperature a tenth higher is rejected where cold."""
    generator = np.random.default_rng([d, 7])
    mu = np.zeros(d)
    mu[0] = 2.0  # its length must not matter
    n = N if d <= 20 else 4_000
    u = vmf.sample(T, mu, n, generator)
    np.testing.assert_allclose(np.linalg.norm(u, axis=1), 1.0, rtol=1e-14)
    rest = np.sum(u[:, 1:] ** 2, axis=1)
    loss = rest / (1.0 - u[:, 0]) if T < 1 else 1.0 + u[:, 0]  # 1 + cos without cancellation near -mu
    error = math.sqrt(float(vmf.heat_capacity(T, d))) * T / math.sqrt(n)  # var(loss) = C_V T**2
    assert abs(loss.mean() - vmf.energy(T, d)) < 4 * error
    # the full gradient's square, too; its variance is at most twice its mean squared when cold, 1 at most
    assert abs(rest.mean() - vmf.grad_sq(T, d)) < 4 * min(2 * float(vmf.grad_sq(T, d)), 1.0) / math.sqrt(n)
    # uniform around the axis: the mean of each other coordinate is 0
    spread = math.sqrt(float(vmf.grad_sq(T, d)) / (d - 1) / n)
    assert np.abs(u[:, 1:].mean(axis=0)).max() < 5 * spread
    if T < 1:
        assert abs(loss.mean() - vmf.energy(1.1 * T, d)) > 4 * error  # ten errors away at the least


def test_sample_passes_kolmogorov_smirnov() -> None:
    """d = 3: the loss has distribution (1 - exp(-k loss)) / (1 - exp(-2 k)); 10% off is rejected."""
    T, n = 0.4, 20_000
    mu = np.array([1.0, -2.0, 2.0]) / 3
    loss = np.sort(1.0 + vmf.sample(T, mu, n, np.random.default_rng(3)) @ mu)

    def distance(temperature: float) -> float:
        law = np.expm1(-loss / temperature) / np.expm1(-2 / temperature)
        grid = np.arange(n + 1) / n
        return math.sqrt(n) * float(np.maximum(grid[1:] - law, law - grid[:-1]).max())

    assert distance(T) < 1.95  # exceeded by chance once in a thousand
    assert distance(1.1 * T) > 1.95


def test_sample_at_the_ends() -> None:
    generator = np.random.default_rng(0)
    mu = np.array([0.0, 3.0, 4.0])
    np.testing.assert_allclose(vmf.sample(0.0, mu, 5, generator), np.tile(-mu / 5, (5, 1)), atol=1e-15)
    hot = vmf.sample(np.inf, mu, 10_000, generator)
    assert np.abs(hot.mean(axis=0)).max() < 4 / math.sqrt(3 * 10_000)
    assert vmf.sample(1.0, mu, 0, generator).shape == (0, 3)
