from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from thermograd.analysis import collapse, radius
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Grid
from thermograd.theory.radius import effective_wd_sphere, stationary_radius_elr, stationary_radius_lr

# Steps large enough that the three versions differ by percents: elr^2 m up to 0.5, lr wd up to 0.5.
CASES = {
    "FixedSphere": (FixedSphere.grid(elr=[0.005, 0.01, 0.02], radius=[0.5, 1, 2]), effective_wd_sphere),
    "FixedELR": (FixedELR.grid(elr=[0.005, 0.01, 0.02], wd=[0.01, 0.1, 1]), stationary_radius_elr),
    "FixedLR": (FixedLR.grid(lr=[0.1, 0.3, 0.5], wd=[0.1, 0.4, 1]), stationary_radius_lr),
}
DIM, SIGMA2, GRAD_SQ = 101, 10.0, 300.0  # tr_sigma 1000, m 1300


@pytest.fixture
def rng():
    return np.random.default_rng(13)


def generated(case, version, make_states, rng=None, noise=0.0):
    grid, law = case
    axes = np.meshgrid(*grid.axes.values(), indexing="ij")
    truth = getattr(law(*axes, SIGMA2 * (DIM - 1), GRAD_SQ), version)
    observable = "effective_wd" if law is effective_wd_sphere else "norm"
    made = {observable: truth}
    return make_states(grid, rng, dim=DIM, sigma2=SIGMA2, grad_sq=GRAD_SQ, noise=noise, **made)


@pytest.mark.parametrize("version", ["sde", "discrete", "finite_step"])
@pytest.mark.parametrize("name", CASES)
def test_the_formula_that_made_the_data_fits_and_the_others_do_not(name, version, make_states):
    check = radius(generated(CASES[name], version, make_states))
    worst = {line.version: line.worst for line in check.summary}
    assert worst.pop(version) < 1e-12
    # sde against discrete: m / tr_sigma = 1.3 to the power 1/4 at least; finite step: second order of 0.5.
    assert min(worst.values()) > 0.02
    assert [line.n for line in check.summary] == [9, 9, 9]
    assert check.points.relative_error.dims == ("version", *CASES[name][0].axes)


def test_the_known_simulation_is_met():
    """d = 10, 400 chains, measured beforehand: 1.74007 at LR .1, wd .05; 1.3483 at ELR .02, wd .05."""
    from thermograd.states import new_states

    states = new_states(
        FixedELR(elr=0.02, wd=0.05), {"norm": 1.3483, "tr_sigma": 9.0, "grad_sq": 0.085}, dim=10
    )
    sde, discrete, finite = radius(states).summary
    assert sde.worst == pytest.approx(1.3483 / 1.3416 - 1, abs=1e-4)
    assert discrete.worst < 5e-4
    assert finite.worst < 5e-4


@pytest.mark.parametrize("name", CASES)
def test_errors_of_the_relative_error_cover(name, make_states, rng):
    """Of 300 noisy points 68.3% of the relative errors of the true version are within one standard error."""
    small, law = CASES[name]
    axes = {
        axis: np.geomspace(values[0], values[-1], n)
        for (axis, values), n in zip(small.axes.items(), (15, 20), strict=True)
    }
    grid = Grid(small.protocol, axes)
    states = generated((grid, law), "finite_step", make_states, rng, noise=0.01)
    points = radius(states).points.sel(version="finite_step")
    inside = (abs(points.relative_error) < points.relative_error_se).mean()
    assert inside == pytest.approx(0.683, abs=4 * 0.027)
    assert (points.relative_error_se < 0.03).all()


def test_without_the_direct_mean_square_its_error_is_that_of_the_sum(make_states):
    states = generated(CASES["FixedLR"], "discrete", make_states, noise=0.01)
    direct, summed = radius(states), radius(states.drop_vars(["batch_grad_sq", "batch_grad_sq_se"]))
    ratio = (direct.points.predicted_se / direct.points.predicted).sel(version="discrete")
    np.testing.assert_allclose(ratio, 0.01 / 4, rtol=1e-3)  # r ~ m^(1/4)
    ratio = (summed.points.predicted_se / summed.points.predicted).sel(version="discrete")
    np.testing.assert_allclose(ratio, np.hypot(10, 3) / 1300 / 4, rtol=1e-3)


def test_where_no_radius_is_stationary_there_is_no_finite_step_prediction(make_states):
    grid = FixedELR.grid(elr=[0.01, 0.1], wd=[0.1])  # elr^2 m = 0.1 and 10
    check = radius(make_states(grid, dim=DIM, sigma2=SIGMA2))
    sde, _, finite = check.summary
    assert (sde.n, finite.n) == (2, 1)
    assert finite.worst_at == {"elr": 0.01, "wd": 0.1}


def test_what_is_left_out_is_said(make_states):
    states = generated(CASES["FixedLR"], "sde", make_states)
    states.norm[0, 0] = np.nan
    states["status"] = states.status.astype("<U14")
    states.status[0, 1] = "converging"
    check = radius(states)
    assert [str(left) for left in check.left_out] == [
        "lr = 0.1, wd = 0.1: norm has no value",
        "lr = 0.1, wd = 0.4: converging",
    ]
    assert check.summary[0].n == 7
    assert np.isnan(check.points.measured.values[0]).tolist() == [True, True, False]
    states.status[:] = "converging"
    with pytest.raises(InputError, match=r"no point of status \['equilibrium'\] among 9"):
        radius(states)
    with pytest.raises(InputError, match="grad_sq is missing"):
        radius(states.drop_vars("grad_sq"))


# ---- collapse of the noise


def noisy_gas(name, of, make_states, rng, noise=0.03):
    """States whose tr_sigma is a log-log quadratic of this function of the axes, with known noise."""
    grid = {
        "FixedSphere": FixedSphere.grid(elr=np.geomspace(1e-4, 1e-2, 6), radius=[0.5, 1, 2, 4]),
        "FixedELR": FixedELR.grid(elr=np.geomspace(1e-4, 1e-2, 6), wd=np.geomspace(1e-3, 1e-1, 4)),
        "FixedLR": FixedLR.grid(lr=np.geomspace(1e-3, 1e-1, 6), wd=np.geomspace(1e-3, 1e-1, 4)),
    }[name]
    z = np.log(of(*np.meshgrid(*grid.axes.values(), indexing="ij")))
    tr_sigma = np.exp(1 + 0.7 * z + 0.02 * z**2)
    return make_states(grid, rng, noise=noise, tr_sigma=tr_sigma)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("FixedSphere", lambda elr, radius: elr),
        ("FixedELR", lambda elr, wd: elr),
        ("FixedLR", lambda lr, wd: lr * wd),
    ],
)
def test_noise_that_depends_on_the_right_variable_collapses_to_its_errors(name, of, make_states, rng):
    found = collapse(noisy_gas(name, of, make_states, rng))
    # 24 points, 21 degrees: the residual spread is 3% within 4 of its errors of 15%.
    assert abs(found.right.residual - 0.03) < 4 * found.right.residual_se
    assert found.right.residual_se == pytest.approx(found.right.residual / np.sqrt(42))
    assert found.noise == pytest.approx(0.03, rel=0.05)
    assert found.right.ratio < 0.1
    assert found.wrong.ratio > 0.4
    assert found.n == 24


def test_noise_that_depends_on_the_wrong_variable_does_not_collapse(make_states, rng):
    found = collapse(noisy_gas("FixedLR", lambda lr, wd: lr, make_states, rng))
    assert found.right.ratio > 0.4
    assert found.wrong.ratio < 0.1


def test_the_curve_is_returned(make_states):
    found = collapse(noisy_gas("FixedLR", lambda lr, wd: lr * wd, make_states, None, noise=0.0))
    # sigma2 = tr_sigma / 100
    assert found.right.coefficients == pytest.approx((1 - np.log(100), 0.7, 0.02))


def test_too_few_points_do_not_collapse(make_states):
    with pytest.raises(InputError, match=r"4 usable points .* 2 values of elr; expected at least 5"):
        collapse(make_states(FixedELR.grid(elr=[1e-3, 1e-2], wd=[1e-3, 1e-2])))


def test_each_seed_has_a_curve_of_its_own(make_states, rng):
    """Twice the noise in the other seed, and another power of the ELR: both collapse, the two are not one."""
    parts = [
        noisy_gas("FixedELR", lambda elr, wd, s=seed: (1 + s) * elr ** (-0.5 - 0.2 * s), make_states, rng)
        for seed in (0, 1)
    ]
    both = xr.concat([one.expand_dims(seed=[i]) for i, one in enumerate(parts)], "seed")
    both = both.transpose(*parts[0].sigma2.dims, "seed")
    found, alone = collapse(both), collapse(parts[0])
    assert found.right.residual == pytest.approx(alone.right.residual, rel=0.5)
    assert found.right.residual < 0.1 * found.wrong.residual
