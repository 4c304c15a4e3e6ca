from __future__ import annotations

import math

import numpy as np
import pytest

from thermograd.entropy.angles import from_angles, log_jacobian, to_angles


def directions(n: int, d: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("d", [2, 3, 10, 500])
def test_there_and_back(d: int) -> None:
    u = directions(200, d)  # more than one block
    angles = to_angles(u)
    assert angles.shape == (200, d - 1)
    np.testing.assert_allclose(from_angles(angles), u, atol=1e-14)
    assert (angles[:, :-1] >= 0).all()
    assert (angles[:, :-1] <= math.pi).all()
    assert (angles[:, -1] > -math.pi).all()
    assert (angles[:, -1] <= math.pi).all()
    assert angles[:, -1].min() < -2  # the last goes all round
    np.testing.assert_allclose(to_angles(7.5 * u), angles, atol=1e-14)


def test_seam_and_poles() -> None:
    u = np.array([[0.0, -1.0, -0.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    half = math.pi / 2
    np.testing.assert_allclose(to_angles(u), [[half, math.pi], [half, math.pi], [0, 0], [math.pi, 0]], atol=0)


def test_near_a_pole_no_digit_is_lost() -> None:
    u = np.array([[1.0, 3e-12, 4e-12]])
    assert to_angles(u)[0, 0] == pytest.approx(5e-12, rel=1e-15)
    assert math.acos(u[0, 0]) == 0.0  # what an arc cosine would have made of it


@pytest.mark.parametrize("d", [3, 4, 7])
def test_jacobian_is_the_stretch_of_the_chart(d: int) -> None:
    # Area per chart volume from the derivatives of the inverse, by complex steps: exact to round-off.
    angles = to_angles(directions(5, d, seed=d))

    def complex_inverse(phi: np.ndarray) -> np.ndarray:
        sines = np.concatenate([[1.0], np.cumprod(np.sin(phi))])
        return sines * np.concatenate([np.cos(phi), [1.0]])

    for phi, found in zip(angles, log_jacobian(angles), strict=True):
        steps = 1e-30j * np.eye(d - 1)
        jacobian = np.array([complex_inverse(phi + step).imag / 1e-30 for step in steps])
        assert found == pytest.approx(0.5 * np.linalg.slogdet(jacobian @ jacobian.T)[1], abs=1e-12)


def test_jacobian_at_a_pole_is_minus_infinity() -> None:
    assert log_jacobian(to_angles(np.array([[1.0, 0.0, 0.0, 0.0]])))[0] == -math.inf
