"""Lemma 1 and theorem 1 of the free-energy paper, against gradients taken numerically and symbolically."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from thermograd.errors import InputError
from thermograd.theory.snr import (
    central_meridian_snr_sq,
    gradient_norm_ratios,
    limiting_snr,
    two_circle_snr_sq,
    two_circle_snr_sq_polar,
)

ALPHA = np.pi / 6
ROUNDING = 1e-12  # ten operations in float64, none of them a cancellation


def normals(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle), 0.0], [np.cos(angle), -np.sin(angle), 0.0]])


def gradients(x: np.ndarray, angle: float) -> np.ndarray:
    """Tangent gradients of (n.x)^2/|x|^2 at unit x, written out from the definition."""
    n = normals(angle)
    s = n @ x
    return 2 * s[:, None] * (n - s[:, None] * x)


def snr_sq(g: np.ndarray) -> float:
    mean = g.mean(axis=0)
    return float(mean @ mean / np.mean(np.sum((g - mean) ** 2, axis=1)))


# --- theorem 1


@given(
    st.floats(0.05, 0.95),
    st.floats(-np.pi, np.pi),
    st.floats(0.05, np.pi / 2 - 0.05),
)
def test_theorem_1_is_the_snr_of_the_two_gradients(rho, phi, angle):
    x, y = rho * np.sin(phi), rho * np.cos(phi)
    expected = snr_sq(gradients(np.array([x, y, np.sqrt(1 - rho**2)]), angle))
    # The gradients' difference may be small beside them: the oracle then loses that factor to rounding.
    assert two_circle_snr_sq(x, y, angle) == pytest.approx(expected, rel=1e-9)
    assert two_circle_snr_sq_polar(rho, phi, angle) == pytest.approx(expected, rel=1e-9)


def test_theorem_1_is_what_sympy_derives_from_the_losses():
    x, y, z, c, s = sp.symbols("x y z c s", real=True)
    norm = x**2 + y**2 + z**2
    losses = [(x * c + y * s) ** 2 / norm, (x * c - y * s) ** 2 / norm]
    g1, g2 = (sp.Matrix([sp.diff(loss, v) for v in (x, y, z)]) for loss in losses)
    mean, difference = g1 + g2, g1 - g2
    printed_mean = x**2 * c**4 + y**2 * s**4 - (x**2 * c**2 + y**2 * s**2) ** 2
    printed_difference = s**2 * c**2 * (x**2 + y**2 - 4 * x**2 * y**2)
    for own, printed in ((mean, printed_mean), (difference, printed_difference)):
        square = sp.together(own.dot(own) - 16 * printed).subs(z, sp.sqrt(1 - x**2 - y**2))
        assert sp.simplify(square.subs(s, sp.sqrt(1 - c**2))) == 0


def test_the_circles_themselves_have_snr_one():
    rho = np.linspace(0, 1, 11)
    np.testing.assert_allclose(two_circle_snr_sq_polar(rho, ALPHA, ALPHA), 1.0, rtol=ROUNDING)


@pytest.mark.parametrize("angle", [0.02, 0.3, ALPHA, np.pi / 4 - 0.01])
def test_the_central_meridian_is_the_minimum_over_every_meridian(angle):
    # The paper claims |phi| <= a. The numerator is concave in sin^2(phi), the denominator largest at both
    # ends of its range, so the minimum is over all phi; looked for on a grid that holds phi = 0 and pi/2.
    phi = np.linspace(-np.pi, np.pi, 2001)
    for rho in np.linspace(0.0, 0.99, 34):
        values = two_circle_snr_sq_polar(rho, phi, angle)
        lowest = central_meridian_snr_sq(rho, angle)
        assert values.min() == pytest.approx(lowest, rel=ROUNDING)
        assert np.abs(np.sin(phi[np.argmin(values)])) < 1e-9
        assert (values[np.abs(np.sin(phi)) > 0.01] > lowest).all()


def test_beyond_a_right_angle_between_the_circles_the_minimum_is_elsewhere():
    # Negative control: the claim needs a < pi/4, and the function that rests on it refuses a larger one.
    angle = np.pi / 4 + 0.1
    central, across = two_circle_snr_sq_polar(0.3, np.array([0.0, np.pi / 2]), angle)
    assert across < central
    with pytest.raises(InputError, match=r"angle is 0\.88.*pi/4"):
        central_meridian_snr_sq(0.3, angle)


def test_towards_the_optimum_the_snr_rises_inside_the_wedge_and_falls_outside():
    rho = np.linspace(1.0, 0.0, 201)[1:]
    for fraction in (0.0, 0.3, 0.7, 0.95):
        inside = two_circle_snr_sq_polar(rho, fraction * ALPHA, ALPHA)
        assert (np.diff(inside) > 0).all(), fraction
    for phi in (1.1 * ALPHA, 0.5 * np.pi / 2):
        assert (np.diff(two_circle_snr_sq_polar(rho, phi, ALPHA)) < 0).all(), phi


def test_the_approach_to_the_limit_is_quadratic_in_the_distance():
    # SNR^2 is a ratio of functions linear in rho^2; for rho <= 1e-2 the next order is 1e-4 of the first.
    rho = np.geomspace(1e-4, 1e-2, 9)
    phi = 0.2
    gap = two_circle_snr_sq_polar(0.0, phi, ALPHA) - two_circle_snr_sq_polar(rho, phi, ALPHA)
    slope = np.polyfit(np.log(rho), np.log(gap), 1)[0]
    # The gap of 1e-8 is known to 1e-16: 1e-8 relative; the next order decides.
    assert slope == pytest.approx(2.0, abs=1e-3)


def test_the_limit_at_the_optimum_is_lemma_1_with_the_circles_hessians():
    hessians = np.array([2 * np.outer(n, n) for n in normals(ALPHA)])
    phi = np.linspace(-np.pi, np.pi, 25)
    direction = np.stack([np.sin(phi), np.cos(phi), np.zeros_like(phi)], axis=-1)
    expected = limiting_snr(hessians[None], direction) ** 2
    np.testing.assert_allclose(two_circle_snr_sq_polar(0.0, phi, ALPHA), expected, rtol=1e-10)
    assert two_circle_snr_sq_polar(0.0, 0.0, ALPHA) == pytest.approx(np.tan(ALPHA) ** 2, rel=ROUNDING)


def test_undefined_at_the_optimum_and_infinite_where_the_gradients_agree():
    assert np.isnan(two_circle_snr_sq(0.0, 0.0, ALPHA))
    agree = np.sqrt(0.5)
    assert two_circle_snr_sq(agree, agree, ALPHA) > 1e10


def test_the_last_step_of_the_proof_by_symbols():
    R, S = sp.symbols("R S", nonnegative=True)
    M = S * (1 - R) ** 2 + (1 - S) * R**2
    P = (S * (1 - R) + (1 - S) * R) ** 2
    Q = 4 * S * (1 - S)
    second = 8 * R * S**2 - 8 * R * S + R - 4 * S**2 + 3 * S
    assert sp.expand(M * Q - P + (R - S) * second) == 0
    # Negative control: what the paper prints, MP - Q, is another polynomial.
    assert sp.expand(M * P - Q - (S - R) * second) != 0
    # Linear in R, so its ends decide: S (3 - 4 S) at R = 0, 1/2 - S at R = 1/2, both >= 0 for 0 <= S <= 1/2.
    assert sp.degree(second, R) == 1
    assert sp.expand(second.subs(R, 0) - S * (3 - 4 * S)) == 0
    assert sp.expand(second.subs(R, sp.Rational(1, 2)) - (sp.Rational(1, 2) - S)) == 0
    evaluate = sp.lambdify((R, S), second)
    grid = np.linspace(0, 0.5, 201)
    r, s = np.meshgrid(grid, grid, indexing="ij")
    assert (evaluate(r, s)[s <= r] >= -1e-15).all()
    # Negative control: out of the range it does change sign.
    assert evaluate(0.0, 0.9) < 0


# --- lemma 1


def random_hessians(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    factors = rng.standard_normal((n, dim, dim))
    return factors @ np.swapaxes(factors, -1, -2)


def test_lemma_1_is_the_snr_of_quadratic_losses_at_any_distance():
    rng = np.random.default_rng(4)
    hessians, v = random_hessians(rng, 7, 5), rng.standard_normal(5)
    for distance in (1e-6, 1.0, 1e3):
        g = hessians @ (distance * v)
        assert limiting_snr(hessians, v) ** 2 == pytest.approx(snr_sq(g), rel=1e-10)
        ratio = np.linalg.norm(g, axis=1) / np.linalg.norm(g.mean(axis=0))
        np.testing.assert_allclose(gradient_norm_ratios(hessians, v), ratio, rtol=1e-10)


def test_lemma_1_broadcasts_and_forgets_the_direction_s_length():
    rng = np.random.default_rng(5)
    hessians, v = random_hessians(rng, 4, 3), rng.standard_normal((6, 3))
    together = limiting_snr(hessians[None], v)
    assert together.shape == (6,)
    assert gradient_norm_ratios(hessians[None], v).shape == (6, 4)
    for one, direction in zip(together, v, strict=True):
        assert limiting_snr(hessians, 100 * direction) == pytest.approx(one, rel=1e-12)


def test_lemma_1_limits_examples_that_agree_and_a_flat_direction():
    same = np.array([np.eye(2)] * 3)
    assert limiting_snr(same, [1.0, 2.0]) == np.inf
    np.testing.assert_allclose(gradient_norm_ratios(same, [1.0, 2.0]), 1.0)
    flat = np.array([np.diag([1.0, 0.0]), np.diag([2.0, 0.0])])
    assert np.isnan(limiting_snr(flat, [0.0, 1.0]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: limiting_snr(np.eye(2), [1, 0]), "hessians have shape (2, 2)"),
        (lambda: limiting_snr(np.ones((3, 2, 2)), [1, 0, 0]), "direction (3,)"),
        (lambda: limiting_snr(np.ones((3, 2, 2)), [0, 0]), "direction is zero"),
        (lambda: gradient_norm_ratios(np.full((3, 2, 2), np.nan), [1, 0]), "not finite"),
        (lambda: two_circle_snr_sq(0.9, 0.9, ALPHA), "rho is 1.27"),
        (lambda: two_circle_snr_sq_polar(-0.1, 0.0, ALPHA), "rho is -0.1"),
        (lambda: two_circle_snr_sq(0.1, 0.1, 0.0), "angle is 0.0"),
        (lambda: two_circle_snr_sq(0.1, 0.1, np.nan), "angle is nan"),
    ],
)
def test_mistakes_end_in_one_clear_line(call, words):
    with pytest.raises(InputError) as error:
        call()
    assert words in str(error.value)
    assert "\n" not in str(error.value)
