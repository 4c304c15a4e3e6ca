from __future__ import annotations

import math
from pathlib import Path

import mpmath
import numpy as np
import pytest

from thermograd.entropy.geodesic import arc_length, log_ball_volume, log_cap_curvature
from thermograd.entropy.kozachenko_leonenko import kozachenko_leonenko
from thermograd.entropy.neighbours.angles import LAST_PERIOD, from_angles, log_jacobian, to_angles
from thermograd.entropy.neighbours.brute import brute_force_neighbours
from thermograd.entropy.neighbours.chart import chart_neighbours
from thermograd.errors import InputError


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


def as_one_writes_them(u: np.ndarray) -> np.ndarray:
    u = u.astype(np.float64)
    tails = np.sqrt(np.cumsum(u[:, :0:-1] ** 2, axis=1)[:, ::-1])
    angles = np.empty((len(u), u.shape[1] - 1))
    angles[:, :-1] = np.arctan2(tails[:, :-1], u[:, :-2])
    angles[:, -1] = np.arctan2(u[:, -1], u[:, -2])
    return angles


def walk(n: int, d: int, step: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    w, points = rng.standard_normal(d), np.empty((n, d))
    for i in range(n):
        move = rng.standard_normal(d)
        w = move if math.isinf(step) else w / np.linalg.norm(w) + step * move / math.sqrt(d)
        points[i] = w / np.linalg.norm(w)
    return points


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("d", [2, 3, 70, 600, 5000])
def test_every_branch_of_the_conversion_is_right_to_round_off(d: int, dtype: str) -> None:
    # Short series, long series and arc tangent, in whole pieces and parts of them: rounding pi/2 - latitude
    # costs half a spacing of 2.2e-16, and so do the reference's root and arc tangent.
    u = directions(9, d, seed=d).astype(dtype)
    u[0, d // 2] = 0.9  # a large coordinate amid small ones
    np.testing.assert_allclose(to_angles(u), as_one_writes_them(u), rtol=0, atol=5e-16)


def test_angles_against_many_digits() -> None:
    u = directions(2, 400, seed=1)
    for row, found in zip(u, to_angles(u), strict=True):
        with mpmath.workdps(40):
            tail, exact = mpmath.mpf(0), []
            for value in row[:0:-1]:
                tail += mpmath.mpf(float(value)) ** 2
                exact.append(tail)
            truth = [
                mpmath.atan2(mpmath.sqrt(t), mpmath.mpf(float(v)))
                for t, v in zip(exact[::-1], row, strict=False)
            ]
            worst = max(abs(mpmath.mpf(float(f)) - t) for f, t in zip(found[:-1], truth, strict=False))
        assert worst < 4e-16


@pytest.mark.parametrize("pole", [1.0, -1.0])
@pytest.mark.parametrize("d", [3, 5, 9, 12, 100])
def test_jacobian_near_a_pole_against_many_digits(d: int, pole: float) -> None:
    # Distances of 1e-3 .. 1e-8 from either pole: logs of 7 to 18, and a sum of d - 2 of them, to 1e-15. An
    # angle has the relative error of a root of a sum of d squares, at most d/2 times 1.1e-16, and its own.
    u = directions(8, d, seed=d)
    for row, size in zip(u, 10.0 ** -np.arange(3, 9), strict=False):
        row[0] = 0.0
        row *= size / np.linalg.norm(row)
        row[0] = pole
    found = chart_neighbours(u)[1]
    angles = to_angles(u)
    with mpmath.workdps(40):
        for row, stretch, phi in zip(u, found, angles, strict=True):
            tails = [mpmath.mpf(0)]
            for value in row[::-1]:
                tails.append(tails[-1] + mpmath.mpf(float(value)) ** 2)
            logs = [mpmath.log(t / tails[-1]) / 2 for t in tails[2:-1]]
            assert abs(float(mpmath.fsum(logs) - mpmath.mpf(float(stretch)))) <= 2e-15 * d * (
                1 + max(abs(float(x)) for x in logs)
            )
            first = mpmath.atan2(mpmath.sqrt(tails[-2]), mpmath.mpf(float(row[0])))
            assert abs(float(mpmath.mpf(float(phi[0])) - first)) <= (2.3e-16 + d * 0.6e-16) * float(first)
    # The control: from angles near pi, whose spacing is 4e-16, digits are lost.
    if pole < 0 and d == 3:
        assert np.abs(log_jacobian(angles) - found).max() > 1e-9


@pytest.mark.parametrize("power", [-1000, -600, 600, 1000])
@pytest.mark.parametrize("d", [2, 5, 30, 1200])
def test_directions_of_any_norm(d: int, power: int) -> None:
    u = directions(40, d, seed=d)
    truth, same = chart_neighbours(u, 2)
    some = u.copy()
    some[::3] = np.ldexp(some[::3], power)
    for scaled in (np.ldexp(u, power), some):
        found, stretch = chart_neighbours(scaled, 2)
        np.testing.assert_allclose(found.distance, truth.distance, rtol=1e-12)
        np.testing.assert_array_equal(found.index, truth.index)
        np.testing.assert_allclose(stretch, same, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("d", [5, 30])
def test_vectors_without_a_direction_are_refused(d: int) -> None:
    u = directions(40, d)
    for value, said in ((0.0, "row 7 is zero"), (math.nan, "row 7 holds nan or inf")):
        bad = u.copy()
        bad[7] = value
        with pytest.raises(InputError, match=said):
            chart_neighbours(bad)
    u[7, -3:] = 1e-170  # these have squares of zero, but an angle of their own
    with pytest.raises(InputError, match="the last coordinates of row 7"):
        chart_neighbours(u)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("step", [1e-6, 1e-2, 1.0, math.inf])
def test_neighbours_in_the_chart_equal_the_twin(step: float, dtype: str) -> None:
    u = walk(70, 6000, step, 3).astype(dtype)
    angles = as_one_writes_them(u)
    # An angle of the twin is rounded by 2e-16, a difference of it is step/sqrt(d): in the mean over d columns
    # the relative error is 2e-16/step, and 1e-13 of round-off come on top.
    rtol = 1e-13 + 10 * 2e-16 / min(step, 1.0)
    for k in (1, 5, 50):
        for theiler in (0, 5):
            truth = brute_force_neighbours(angles, k, period=LAST_PERIOD, theiler=theiler)
            found, stretch = chart_neighbours(u, k, theiler=theiler)
            np.testing.assert_allclose(found.distance, truth.distance, rtol=rtol)
            assert (found.index == truth.index).mean() > 0.99  # but for ties within round-off
    # 6000 terms, weighted by up to 6000, of relative error 1e-16.
    np.testing.assert_allclose(stretch, log_jacobian(angles), rtol=1e-13, atol=1e-9)
    d_entropy = 5999 * np.log(truth.distance[:, 0] / found.distance[:, 0]).mean()
    assert abs(d_entropy) <= 1e-9 * abs(5999 * np.log(truth.distance[:, 0]).mean())


@pytest.mark.parametrize("manifold", ["geodesic", "sphere"])
@pytest.mark.parametrize("step", [1e-6, 1e-3, 1.0, math.inf])
def test_entropy_of_a_network_s_size_equals_brute_force(manifold: str, step: float) -> None:
    # d = 24 408, neighbours at 1e-6 to 1. Reference: all pairs in float64; in the chart of latitudes, which
    # keep the digits that angles near pi/2 round away (2e-16 of 1e-6/sqrt(d) is 3e-8 of a difference).
    d, n = 24_408, 24
    u = walk(n, d, step, 7)
    tails = np.sqrt(np.cumsum(u[:, ::-1] ** 2, axis=1)[:, ::-1])
    coordinates, stretch = u, np.zeros(n)
    if manifold == "sphere":
        coordinates = np.arctan2(u[:, :-2], tails[:, 1:-1])
        stretch = np.log(tails[:, 1:-1] / tails[:, :1]).sum(axis=1)
    squared = np.full((n, n), np.inf)
    last = np.arctan2(u[:, -1], u[:, -2])
    for i in range(n):
        squared[i] = ((coordinates - coordinates[i]) ** 2).sum(axis=1)
        if manifold == "sphere":
            squared[i] += np.angle(np.exp(1j * (last - last[i]))) ** 2
        squared[i, i] = np.inf
    rho = np.sqrt(squared.min(axis=1))
    if manifold == "geodesic":
        rho = arc_length(rho)
        stretch = log_cap_curvature(rho, d - 1)
    m = d - 1
    truth = np.mean(m * np.log(rho) + stretch) + log_ball_volume(m) + math.log(n - 1) + np.euler_gamma
    found = kozachenko_leonenko(u, manifold=manifold)  # type: ignore[arg-type]
    assert abs(found.entropy - truth) <= 1e-9 * abs(truth)


def test_float32_angles_would_be_wrong() -> None:
    # The control: near pi/2 their spacing is 1.2e-7, here as large as the differences (1e-6 / sqrt(2000)).
    u = walk(50, 2000, 1e-6, 4)
    exact = chart_neighbours(u)[0].distance[:, 0]
    rounded = brute_force_neighbours(to_angles(u).astype(np.float32), period=LAST_PERIOD).distance[:, 0]
    assert np.abs(np.log(rounded / exact)).mean() > 0.1


@pytest.mark.parametrize("d", [5, 9, 10, 11, 1030])
def test_chart_neighbours_at_the_seam_at_poles_and_in_few_dimensions(d: int) -> None:
    u = directions(40, d, seed=d)
    u[1] = u[0]
    u[2, :-2], u[2, -2:] = 0.0, [-1.0, 1e-9]
    u[3, :-2], u[3, -2:] = 0.0, [-1.0, -1e-9]  # across the seam
    u[4] = np.eye(d)[0]  # the pole
    found, stretch = chart_neighbours(u, 3)
    truth = brute_force_neighbours(to_angles(u), 3, period=LAST_PERIOD)
    np.testing.assert_allclose(found.distance, truth.distance, rtol=1e-12)
    assert found.distance[0, 0] == 0
    assert found.index[2, 0] == 3
    assert found.distance[2, 0] == pytest.approx(2e-9, rel=1e-6)
    assert np.flatnonzero(np.isneginf(stretch)).tolist() == [4]
    layouts = (np.asfortranarray(u), np.repeat(u, 2, axis=1)[:, ::2], 7.0 * u)
    for other in layouts:  # norms do not matter
        np.testing.assert_allclose(
            chart_neighbours(other, 3)[0].distance, truth.distance, rtol=1e-9, atol=1e-15
        )


def test_directions_in_a_file(tmp_path: Path) -> None:
    u = walk(50, 4000, 1e-3, 5)
    file = np.memmap(tmp_path / "queue", np.float64, "w+", shape=u.shape)
    file[:] = u
    found, stretch = chart_neighbours(file, 2)
    truth, same = chart_neighbours(u, 2)
    np.testing.assert_array_equal(found.distance, truth.distance)
    np.testing.assert_array_equal(stretch, same)


def test_too_few_points_for_the_window() -> None:
    with pytest.raises(
        InputError, match="chart_neighbours: 20 points leave 0 neighbours outside theiler = 10"
    ):
        chart_neighbours(directions(20, 30), theiler=10)
