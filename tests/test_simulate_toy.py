"""The toy sphere: exact values, the compiled walk against its twin, and what theory expects of the runs.

Tolerances: statistical ones are four standard errors, worked out from the number of independent samples or
from the scatter of independent seeds, beside a systematic part that is said where it is used.
"""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from thermograd.errors import InputError
from thermograd.simulate import toy
from thermograd.simulate.toy import draws
from thermograd.simulate.toy.reference import walk as plain_walk
from thermograd.states import load, save, stationary, validate
from thermograd.theory.snr import two_circle_limiting_snr_sq, two_circle_snr_sq

ALPHA = np.pi / 6
OP, UP = toy.overparameterized(), toy.underparameterized()


def two_circles(angle: float) -> np.ndarray:
    return toy.circles([[np.cos(angle), np.sin(angle), 0.0], [np.cos(angle), -np.sin(angle), 0.0]])


def rotation(rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((3, 3)))[0]


# --- exact values


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_gradients_are_those_of_the_losses_by_finite_differences(seed):
    rng = np.random.default_rng(seed)
    n = toy.circles(rng.standard_normal((4, 3)))
    x = rng.standard_normal(3)
    x /= np.linalg.norm(x)
    h = 1e-6  # truncation h^2, rounding 1e-16/h: 1e-10 either way

    def losses(point):
        return (n @ point) ** 2 / (point @ point)

    g = np.stack([(losses(x + h * e) - losses(x - h * e)) / (2 * h) for e in np.eye(3)], axis=1)
    found = toy.on_sphere(n, 3.7 * x)
    mean = g.mean(axis=0)
    assert found.loss.item() == pytest.approx(losses(x).mean(), rel=1e-12)
    assert found.full_grad_norm.item() == pytest.approx(np.linalg.norm(mean), abs=1e-8)
    assert found.mean_batch_grad_norm.item() == pytest.approx(np.linalg.norm(g, axis=1).mean(), abs=1e-8)
    assert found.tr_sigma.item() == pytest.approx(np.mean(np.sum((g - mean) ** 2, axis=1)), abs=1e-8)


def test_snr_over_the_whole_sphere_is_theorem_1():
    points = toy.globe(19, 37)
    found = toy.on_sphere(OP, points)
    x, y = points.sel(xyz="x").values, points.sel(xyz="y").values
    rho = np.hypot(x, y)
    inside = (rho > 1e-3) & (np.abs(np.abs(x) - np.abs(y)) > 1e-3)
    expected = two_circle_snr_sq(x[inside] / max(1, rho.max()), y[inside] / max(1, rho.max()), ALPHA)
    np.testing.assert_allclose(found.snr.values[inside] ** 2, expected, rtol=1e-9, atol=1e-14)
    assert found.snr.dims == ("latitude", "longitude")


def test_minimum_is_the_least_loss_of_the_sphere_and_the_pole_of_the_three_circles():
    found = toy.minimum(UP)
    assert found.loss == pytest.approx(1 / 26, rel=1e-12)
    np.testing.assert_allclose(found.point, [0, 0, 1], atol=1e-12)
    everywhere = toy.on_sphere(UP, toy.globe()).loss
    # The grid holds the pole itself.
    assert float(everywhere.min()) == pytest.approx(found.loss, rel=1e-12)
    assert toy.minimum(OP).loss < 1e-32
    rng = np.random.default_rng(0)
    n, turn = toy.circles(rng.standard_normal((5, 3))), rotation(rng)
    assert toy.minimum(n @ turn.T).loss == pytest.approx(toy.minimum(n).loss, rel=1e-12)


def test_no_cancellation_next_to_a_shared_point_of_circles_that_lie_askew():
    # At 1e-8 from the optimum the loss is 1e-16; n.x is known to 1e-16 absolutely, 1e-8 of itself.
    rng = np.random.default_rng(1)
    turn = rotation(rng)
    near = np.array([3e-9, 1e-8, 1.0])
    straight, askew = toy.on_sphere(OP, near), toy.on_sphere(OP @ turn.T, turn @ near)
    for name in ("loss", "full_grad_norm", "mean_batch_grad_norm", "snr"):
        assert askew[name].item() == pytest.approx(straight[name].item(), rel=1e-6), name


# --- the walk


@pytest.mark.parametrize("normals", [OP, UP], ids=["op", "up"])
@pytest.mark.parametrize("elr", [0.01, 0.3])
def test_compiled_walk_is_the_plain_one_on_the_same_draws(normals, elr):
    log_at = np.array([1, 2, 5, 100, 400], dtype=np.int32)
    logged = np.full((5, 3), np.nan)
    start = np.asarray(toy.START) / np.linalg.norm(toy.START)
    done, *_ = plain_walk(normals, start, elr, draws(len(normals), elr, 400, 3), 1e-16, log_at, logged)
    walked = toy.path(normals, elr, steps=400, seed=3, log_at=log_at.tolist())
    reached = log_at[log_at <= done]
    assert int(walked.step[-1]) == done
    # Rounding of 1e-16 a step; the maps contract, so it does not grow.
    np.testing.assert_allclose(walked.sel(step=reached).values, logged[: len(reached)], rtol=0, atol=1e-13)


def test_every_step_is_the_projected_step_of_the_drawn_circle():
    walked = toy.path(UP, 0.2, steps=50, seed=1).values
    for before, after, i in zip(walked[:-1], walked[1:], draws(3, 0.2, 50, 1), strict=True):
        s = UP[i] @ before
        moved = before - 0.2 * 2 * s * (UP[i] - s * before)
        np.testing.assert_allclose(after, moved / np.linalg.norm(moved), atol=1e-14)


def test_draws_are_uniform_and_those_of_two_rates_independent():
    n = 300_000
    first, second = draws(3, 0.1, n, 0), draws(3, 0.2, n, 0)
    table = np.zeros((3, 3))
    np.add.at(table, (first, second), 1)
    # Each cell has a standard deviation of sqrt(n/9 * 8/9); chi-squared with 8 degrees: 26.1 is 0.1%.
    assert np.sum((table - n / 9) ** 2 / (n / 9)) < 26.1
    assert (draws(3, 0.1, 100, 0) != draws(3, 0.1, 100, 1)).any()
    serial = np.zeros((3, 3))
    np.add.at(serial, (first[:-1], first[1:]), 1)
    assert np.sum((serial - n / 9) ** 2 / (n / 9)) < 26.1


def test_runs_do_not_depend_on_their_neighbours_nor_on_how_often_they_are_logged():
    alone = toy.simulate(UP, 0.05, steps=500, seed=2)
    among = toy.simulate(UP, [0.01, 0.05, 0.5], steps=500, seed=2, log_at=range(1, 501))
    np.testing.assert_array_equal(
        alone.loss.isel(elr=0).values, among.loss.sel(elr=0.05, step=alone.step.values).values
    )


# --- the trace


def test_trace_is_lawful_and_survives_a_file(tmp_path):
    trace = toy.simulate(OP, [1e-4, 0.1, 0.5], steps=2000, seed=4)
    validate(trace, "trace")
    assert load(save(trace, tmp_path / "t.nc"), "trace").identical(trace)
    assert trace.attrs["protocol"] == "FixedSphere"
    assert trace.radius.values.tolist() == [1.0]
    assert (trace.outcome == "done").all()
    for i, rate in enumerate(trace.elr.values):
        loss = trace.loss.isel(elr=i, radius=0)
        logged = loss.dropna("step")
        last = int(logged.step[-1])
        # After its end a run has no values, and its end is logged wherever it fell.
        assert logged.step.values.max() == last
        assert np.isnan(loss.where(loss.step > last, drop=True)).all()
        reason = str(trace.outcome_reason.isel(elr=i, radius=0).item())
        if rate > 1e-3:
            assert reason == f"loss below 1e-16 after {last} iterations"
            assert float(logged[-1]) < 1e-16
            assert (logged[:-1] >= 1e-16).all()
        else:
            assert (reason, last) == ("2000 iterations", 2000)


def test_values_logged_are_those_of_the_place():
    at = [1, 7, 300]
    trace = toy.simulate(UP, 0.1, steps=300, seed=6, log_at=at)
    there = toy.on_sphere(UP, toy.path(UP, 0.1, steps=300, seed=6, log_at=at))
    for name in ("loss", "full_grad_norm", "mean_batch_grad_norm", "grad_sq", "tr_sigma"):
        np.testing.assert_allclose(trace[name].values[0, 0], there[name].sel(step=at).values, rtol=1e-12)
    assert (trace.norm == 1).all()
    np.testing.assert_allclose(trace.batch_grad_sq, trace.grad_sq + trace.tr_sigma, rtol=1e-12)


def test_schedule_begins_at_one_and_ends_at_the_end():
    for steps in (1, 2, 77, 50_000):
        points = toy.schedule(steps)
        assert points[0] == 1
        assert points[-1] == steps
        assert (np.diff(points) > 0).all()
    assert len(toy.schedule(50_000)) < 700


# --- over-parameterised


def test_convergence_below_learning_rate_one_and_nowhere_above():
    # The last relaxation takes 1/LR steps to shrink the loss e-fold: 37 of them from 1 to 1e-16.
    rates = [1e-3, 0.01, 0.1, 0.5, 0.9, 0.98, 1.0, 1.02, 1.2, 3.0]
    found = toy.limits(toy.simulate(OP, rates, steps=60_000, seed=0))
    assert found.converged.values.tolist() == [rate < 1 for rate in rates]
    assert (found.final_loss.values[-2:] > 1e-3).all()


def test_a_step_never_loses_height_up_to_learning_rate_one_and_does_close_to_the_optimum_beyond():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4000, 3)) * [1, 1, 3]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    s = x @ OP[0]
    for elr, never_falls in ((0.3, True), (1.0, True), (1.1, False)):
        moved = x - 2 * elr * s[:, None] * (OP[0] - s[:, None] * x)
        gain = np.abs(moved[:, 2]) / np.linalg.norm(moved, axis=1) / np.abs(x[:, 2])
        falls = gain < 1 - 1e-14
        if never_falls:
            assert not falls.any()
        else:
            np.testing.assert_array_equal(falls, s**2 < (elr - 1) / (2 * elr))
            assert falls.any()


def test_at_learning_rate_one_the_loss_falls_as_one_over_time():
    at = np.unique(np.geomspace(1000, 400_000, 60).astype(int))
    trace = toy.simulate(OP, 1.0, steps=400_000, seed=0, log_at=at.tolist())
    # rho^2 obeys d(rho^2)/dt = -c rho^4; c, averaged over directions, changes slowly, loss/rho^2 quickly:
    # a factor within [1/4, 3/4], of which the slope over 2.6 decades keeps at most log10(3)/2.6/sqrt(60/12).
    slope = np.polyfit(np.log(at), np.log(trace.loss.values[0, 0]), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.1)


@pytest.mark.parametrize("degrees", [10, 30])
def test_limiting_snr_is_theorem_1_plus_the_learning_rate(degrees):
    angle, elr = np.radians(degrees), 0.01
    # From when the start is forgotten (the slope's rate is 2 LR cos 2a) to a loss that float64 still holds:
    # the distance's rate is 2 LR sin^2 a, so there are 60 e-foldings of it.
    steps = int(30 / np.sin(angle) ** 2 / elr)
    at = range(steps // 4, steps, 50)
    values = []
    for seed in range(12):
        trace = toy.simulate(two_circles(angle), elr, steps=steps, seed=seed, stop_below=0.0, log_at=at)
        values.append(float((trace.grad_sq / trace.tr_sigma).mean()))
    error = np.std(values, ddof=1) / np.sqrt(12)
    law = two_circle_limiting_snr_sq(elr, angle)
    # Second order: LR^2 times a number of order 1 (measured -1.3 at LR .1 and 30 degrees).
    assert np.mean(values) == pytest.approx(law, abs=4 * error + 3 * elr**2)
    # The law without the learning rate must be told from it, or this test shows nothing.
    assert np.mean(values) - np.tan(angle) ** 2 > 4 * error


def test_smallest_rates_approach_the_central_meridian_and_the_snr_rises_with_the_rate():
    found = toy.limits(toy.simulate(OP, [1e-3, 2e-3, 4e-3, 0.1, 0.2, 0.4], seed=0))
    assert found.converged.all()
    # tan^2 a + LR is below .3374 here: SNR at most .0035 above tan a; as much for an approach not yet over.
    np.testing.assert_allclose(found.snr.values[:3], np.tan(ALPHA), atol=0.007)
    assert found.snr.values[3:].min() > found.snr.values[:3].max() + 0.02


def test_full_and_stochastic_gradients_decay_as_one():
    trace = toy.simulate(OP, [0.01, 0.1], seed=1).isel(radius=0)
    for i in range(2):
        full, batch = trace.full_grad_norm.values[i], trace.mean_batch_grad_norm.values[i]
        close = np.isfinite(full) & (full < 1e-2)
        slope = np.polyfit(np.log(full[close]), np.log(batch[close]), 1)[0]
        # The ratio stays between 1 (on a circle) and 2 over 13 e-foldings.
        assert slope == pytest.approx(1.0, abs=np.log(2) / 13)


# --- under-parameterised


def test_energy_above_the_minimum_is_r_t_and_rises_with_the_rate():
    # Equipartition: U - min = (d-1)/2 T, T = LR tr_sigma / (2 (d-1)); finite steps add LR k, k = 0.442 here.
    tr_sigma = toy.on_sphere(UP, toy.minimum(UP).point).tr_sigma.item()
    curvature = np.linalg.eigvalsh(UP.T @ UP / 3)[1] - 1 / 26
    rates = np.array([0.01, 0.02, 0.04])
    excess = []
    for seed in range(8):
        trace = toy.simulate(UP, rates.tolist(), steps=100_000, seed=seed, log_at=range(2000, 100_000, 100))
        excess.append(trace.loss.values[:, 0].mean(axis=-1) - trace.attrs["minimum_loss"])
    expected = rates * tr_sigma / 4 / (1 - rates * curvature)
    mean, error = np.mean(excess, axis=0), np.std(excess, axis=0, ddof=1) / np.sqrt(8)
    # The law is linear in the loss's Hessian: the noise that changes with place adds as much as finite steps.
    np.testing.assert_array_less(np.abs(mean - expected), 4 * error + rates * curvature * expected)
    assert (np.diff(mean) > 0).all()
    # Negative control: twice the law would be seen to fail.
    assert (np.abs(mean - 2 * expected) > 4 * error + 2 * rates * curvature * expected).all()


def test_snr_falls_as_the_root_of_the_rate_and_the_stochastic_gradient_stays():
    rates = np.geomspace(3e-3, 3e-2, 7)
    found = toy.limits(toy.simulate(UP, rates.tolist(), steps=200_000, seed=0))
    slope, covariance = np.polyfit(np.log(rates), np.log(found.snr.values), 1, cov=True)
    # Finite rates bend the slope by LR k/2 at most.
    assert slope[0] == pytest.approx(0.5, abs=4 * np.sqrt(covariance[0, 0]) + 0.01)
    trace = toy.simulate(UP, rates.tolist(), steps=20_000, seed=0)
    batch = trace.mean_batch_grad_norm.isel(radius=0, step=slice(-100, None)).mean("step")
    np.testing.assert_allclose(batch, toy.on_sphere(UP, [0, 0, 1]).mean_batch_grad_norm.item(), rtol=0.03)


def test_settled_runs_are_equilibria_of_an_ideal_gas_and_converging_ones_are_told_apart():
    up = stationary(toy.simulate(UP, [0.02, 0.1], seed=0)).isel(radius=0)
    assert (up.status == "equilibrium").all()
    # p V = R T up to grad_sq/tr_sigma (discrete steps) and elr^2 |g|^2 / 4 (finite ones), both below 5% here.
    np.testing.assert_allclose(up.compressibility, 1 + up.snr**2, atol=2e-3)
    op = stationary(toy.simulate(OP, [0.02, 0.1], seed=0)).isel(radius=0)
    assert (op.status == "converging").all()


def test_limits_tell_settled_converged_and_slow_runs_apart():
    found = toy.limits(toy.simulate(OP, [1e-4, 0.1, 3.0], seed=0))
    assert found.converged.values.tolist() == [False, True, False]
    assert found.settled.values.tolist() == [False, False, True]
    assert found.loss_spread.values[2] > found.loss_se.values[2] > 0


def test_a_run_goes_on_as_far_as_floats_have_squares():
    trace = toy.simulate(OP, 0.3, steps=50_000, stop_below=0.0)
    assert 0 < toy.limits(trace).final_loss.item() < 1e-300
    assert str(trace.outcome_reason.item()).startswith("loss below 1e-300 after ")
    # Loss and SNR are right on the way there: the SNR depends on the direction alone.
    snr = np.sqrt(trace.grad_sq / trace.tr_sigma).values[0, 0]
    late = snr[np.isfinite(snr)][20:]
    assert (late >= np.tan(ALPHA) * (1 - 1e-9)).all()
    assert (late <= 1 / np.tan(ALPHA) * (1 + 1e-9)).all()


def test_points_without_any_gradient_have_no_snr():
    assert np.isnan(toy.on_sphere(OP, [0, 0, 1.0]).snr.item())
    one = toy.circles([[1.0, 0, 0]])
    assert toy.on_sphere(one, [0.6, 0.8, 0]).snr.item() == np.inf


# --- mistakes


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: toy.circles([[1, 0]]), "normals have shape (1, 2)"),
        (lambda: toy.circles([[1, 0, 0], [0, 0, 0]]), "normals[1] is [0.0, 0.0, 0.0]"),
        (lambda: toy.circles([[1, 0, np.nan]]), "normals[0]"),
        (lambda: toy.circles("circles"), "normals are 'circles'"),
        (lambda: toy.simulate(OP, -0.1), "elr (effective learning rate) is -0.1"),
        (lambda: toy.simulate(OP, [0.1, 0.1]), "a value twice"),
        (lambda: toy.simulate(OP, 0.1, steps=0), "steps is 0"),
        (lambda: toy.simulate(OP, 0.1, steps=10, seed=-1), "seed is -1"),
        (lambda: toy.simulate(OP, 0.1, steps=10, stop_below=-1.0), "stop_below is -1.0"),
        (lambda: toy.simulate(OP, 0.1, steps=10, log_at=[3, 2]), "log_at is [3, 2]"),
        (lambda: toy.simulate(OP, 0.1, steps=10, log_at=[11]), "from 1 to steps = 10"),
        (lambda: toy.simulate(OP, 0.1, steps=10, start=(0, 0, 0)), "start is [0.0, 0.0, 0.0]"),
        (lambda: toy.path(OP, 0.1, steps=2.5), "steps is 2.5"),
        (lambda: toy.on_sphere(OP, [[0, 0, 0.0]]), "points hold one that is zero"),
        (lambda: toy.on_sphere(OP, [1.0, 2.0]), "points have shape (2,)"),
        (lambda: toy.globe(2), "latitudes is 2"),
        (lambda: toy.schedule(10, log_points=0), "log_points is 0"),
        (lambda: toy.limits(toy.simulate(OP, 0.1, steps=9), fraction=0), "fraction is 0"),
        (lambda: toy.limits(xr.Dataset()), "loss over (elr, radius, step) is missing"),
    ],
)
def test_mistakes_end_in_one_clear_line(call, words):
    with pytest.raises(InputError) as error:
        call()
    assert words in str(error.value)
    assert "\n" not in str(error.value)
