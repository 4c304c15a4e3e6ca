from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from thermograd.analysis import fit_quadratic, maxwell, pressure_slopes
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere

GRIDS = {
    "FixedELR": FixedELR.grid(elr=np.geomspace(1e-4, 1e-2, 5), wd=np.geomspace(1e-3, 1e-1, 4)),
    "FixedLR": FixedLR.grid(lr=np.geomspace(1e-3, 1e0, 5), wd=np.geomspace(1e-3, 1e-1, 4)),
    "FixedSphere": FixedSphere.grid(elr=np.geomspace(1e-4, 1e-2, 5), radius=np.geomspace(0.25, 4, 4)),
}
IDEAL = {"FixedELR": -1.0, "FixedLR": 1.0, "FixedSphere": 1.0}


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.mark.parametrize("name", GRIDS)
def test_the_ideal_gas_obeys_the_relation_exactly(name, make_states):
    check = maxwell(make_states(GRIDS[name]))
    assert [number.ideal for number in check.numbers] == [IDEAL[name], 0, 0]
    np.testing.assert_allclose([number.value for number in check.numbers], [IDEAL[name], 0, 0], atol=1e-9)
    assert check.max_error < 1e-9
    assert check.fit.r_squared == pytest.approx(1)
    assert check.fit.n == 20


@pytest.mark.parametrize("name", GRIDS)
def test_error_bars_cover_the_ideal(name, make_states, rng):
    """200 noisy gases, 14 degrees of freedom: a number is within one se of its ideal in 66.6% (Student)."""
    inside = []
    states = make_states(GRIDS[name])
    exact = states.entropy.values.copy()
    for _ in range(200):
        states.entropy.values[...] = exact + rng.standard_normal(exact.shape)
        numbers = maxwell(states).numbers
        inside.append([abs(number.value - number.ideal) < number.se for number in numbers])
    # Binomial error 3.3% each.
    np.testing.assert_allclose(np.mean(inside, axis=0), 0.666, atol=4 * 0.033)


@pytest.mark.parametrize("name", GRIDS)
def test_an_entropy_that_ignores_its_second_variable_is_rejected(name, make_states, rng):
    """The negative control: same temperatures and radii, an entropy that knows the first axis only."""
    states = make_states(GRIDS[name], rng, noise=0.01)
    first = next(iter(GRIDS[name].axes))
    wrong = xr.zeros_like(states.entropy) + 50 * np.log(states[first]) * (0.3 if name == "FixedLR" else 1.0)
    wrong = wrong + 0.5 * rng.standard_normal(wrong.shape)
    check = maxwell(states.assign(entropy=wrong.assign_attrs(units="nats")))
    slope = check.numbers[0]
    assert abs(slope.value - slope.ideal) > 5 * slope.se
    assert check.mean_error > 0.5
    assert check.mean_error > 5 * check.mean_error_se


def test_table_4_prints_the_papers_combinations(make_states):
    """S given by chosen coefficients: each printed number is the combination that its name says."""
    states = make_states(GRIDS["FixedLR"], dim=101)  # R = 50
    x, y = np.meshgrid(*(np.log(v) for v in GRIDS["FixedLR"].axes.values()), indexing="ij")
    a = np.array([3.0, 40.0, -12.0, 0.7, 1.1, 0.4])
    surface = a[0] + a[1] * x + a[2] * y + a[3] * x**2 + a[4] * y**2 + a[5] * x * y
    check = maxwell(states.assign(entropy=states.entropy.copy(data=surface)))
    expected = {"(a1-a2)/R": 52 / 50, "(2 a3-a5)/R": (1.4 - 0.4) / 50, "(2 a4-a5)/R": (2.2 - 0.4) / 50}
    assert {n.name: pytest.approx(n.value) for n in check.numbers} == expected
    error = (40 + 1.4 * x + 0.4 * y) - (-12 + 2.2 * y + 0.4 * x) - 50
    assert check.max_error == pytest.approx(np.abs(error).max() / 50)
    assert check.mean_error == pytest.approx(np.abs(error).mean() / 50)
    worst = np.unravel_index(np.abs(error).argmax(), error.shape)
    assert check.max_error_at["lr"] == GRIDS["FixedLR"].axes["lr"][worst[0]]

    states = make_states(GRIDS["FixedELR"])
    x, y = np.meshgrid(*(np.log(v) for v in GRIDS["FixedELR"].axes.values()), indexing="ij")
    surface = a[0] + a[1] * x + a[2] * y + a[3] * x**2 + a[4] * y**2 + a[5] * x * y
    numbers = maxwell(states.assign(entropy=states.entropy.copy(data=surface))).numbers
    assert [n.value for n in numbers] == pytest.approx([-12 / 50, 2.2 / 50, 0.4 / 50])


def test_states_out_of_equilibrium_are_left_out_and_listed(make_states):
    states = make_states(GRIDS["FixedELR"])
    states.entropy[0] = 1e9  # would wreck the fit
    states["status"] = states.status.astype("<U14")
    states.status[0] = "not-stationary"
    check = maxwell(states)
    assert check.max_error < 1e-9
    assert check.fit.n == 16
    assert len(check.left_out) == 4
    assert str(check.left_out[0]) == "elr = 0.0001, wd = 0.001: not-stationary"
    assert maxwell(states, statuses=("equilibrium", "not-stationary")).max_error > 0.1


def test_too_few_points_are_no_fit(make_states):
    states = make_states(FixedELR.grid(elr=[1e-3, 1e-2], wd=[1e-3, 1e-2, 1e-1, 1]))
    with pytest.raises(InputError, match="8 distinct points on 2 x 4 values; expected at least 7"):
        maxwell(states)
    states = make_states(FixedELR.grid(elr=[1e-3, 1e-2, 1e-1], wd=[1e-3, 1e-2, 1e-1]))
    states["status"] = states.status.astype("<U14")
    states.status[:, 1] = "diverged"
    with pytest.raises(
        InputError, match=r"3 points were left out, the first elr = 0\.001, wd = 0\.01: diverged"
    ):
        maxwell(states)
    with pytest.raises(InputError, match="entropy is missing"):
        maxwell(states.drop_vars("entropy"))


# ---- the surface


def test_the_surface_is_the_plain_least_squares(rng):
    """Against the textbook formulas in long double on uncentred columns."""
    x, y = rng.uniform(-9, -4, 40), rng.uniform(-7, -2, 40)
    s = 1e4 - 30 * x + 50 * y + x * y + rng.normal(0, 3, 40)
    fit = fit_quadratic(x, y, s)
    design = np.stack([np.ones(40), x, y, x**2, y**2, x * y], axis=1)
    plain, rss, *_ = np.linalg.lstsq(design, s, rcond=None)
    np.testing.assert_allclose(fit.coefficients, plain, rtol=1e-8)
    covariance = rss[0] / 34 * np.linalg.inv(design.T @ design)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-6)
    assert fit.r_squared == pytest.approx(1 - rss[0] / ((s - s.mean()) ** 2).sum())
    assert fit.linear([0, 1, 0, 0, 0, 0]) == (
        pytest.approx(plain[1]),
        pytest.approx(np.sqrt(covariance[1, 1])),
    )


def test_weights_help_where_errors_differ(rng):
    """Half the points ten times as noisy: weights cut the scatter of a1, and the errors know it."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(6.0), np.arange(6.0)))
    errors = np.where(np.arange(36) % 2, 1.0, 0.1)
    plain, weighed = [], []
    for _ in range(300):
        s = 2 * x + rng.standard_normal(36) * errors
        plain.append(fit_quadratic(x, y, s).coefficients[1] - 2)
        fit = fit_quadratic(x, y, s, 7 * errors)  # a common factor does not matter
        weighed.append((fit.coefficients[1] - 2) / fit.linear([0, 1, 0, 0, 0, 0])[1])
    spread = np.std(weighed)
    assert spread == pytest.approx(np.sqrt(30 / 28), rel=0.2)  # Student with 30 degrees; relative error 4%
    assert np.std(plain) > 0.2


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.tile([0.0, 1.0, 2.0], 2), np.repeat([0.0, 1.0], 3), "6 distinct points on 3 x 2"),
        (np.repeat([0.0, 1.0, 2.0], 4), np.repeat([0.0, 1.0, 2.0], 4), "3 distinct points"),
        (np.arange(9.0), np.arange(9.0), "on one conic"),
        (np.cos(np.arange(12)), np.sin(np.arange(12)), "on one conic"),
    ],
)
def test_points_that_do_not_determine_a_surface_are_refused(x, y, message):
    with pytest.raises(InputError, match=message):
        fit_quadratic(x, y, x)


# ---- pressure on the sphere


def test_the_pressure_of_an_ideal_gas_rises_as_it_must(make_states):
    slopes = pressure_slopes(make_states(GRIDS["FixedSphere"], dim=101)).slopes
    assert [s.n for s in slopes] == [5] * 4
    for slope in slopes:
        assert slope.expected == pytest.approx(100 / slope.radius**2)
        assert slope.ratio == pytest.approx(1, abs=1e-9)


def test_the_slopes_errors_cover(make_states, rng):
    grid = FixedSphere.grid(elr=np.geomspace(1e-4, 1e-2, 12), radius=np.geomspace(0.25, 4, 10))
    slopes = [s for _ in range(30) for s in pressure_slopes(make_states(grid, rng, noise=0.01)).slopes]
    inside = np.mean([abs(s.ratio - 1) < s.ratio_se for s in slopes])
    # 300 slopes, 10 degrees of freedom: 65.9% +- 2.7%. Noise in T biases a slope by its square, 1e-4.
    assert inside == pytest.approx(0.659, abs=4 * 0.027)


def test_a_constant_in_the_pressure_is_no_slope_and_a_wrong_slope_is_seen(make_states, rng):
    """The negative control: p = R T / V + c has the right slope whatever its ratio; 1.1 R T / V has not."""
    states = make_states(GRIDS["FixedSphere"])
    offset = states.assign(pressure=states.pressure.copy(data=states.pressure.values + 1e-3))
    assert [s.ratio for s in pressure_slopes(offset).slopes] == pytest.approx([1] * 4)
    noise = 1 + 0.005 * rng.standard_normal(states.pressure.shape)
    steep = states.assign(pressure=states.pressure.copy(data=1.1 * noise * states.pressure.values))
    for slope in pressure_slopes(steep).slopes:
        assert slope.ratio - 1 > 5 * slope.ratio_se
        assert slope.ratio == pytest.approx(1.1, abs=5 * slope.ratio_se)


def test_a_radius_with_two_states_is_left_out(make_states):
    states = make_states(GRIDS["FixedSphere"])
    states["status"] = states.status.astype("<U14")
    states.status[:3, 0] = "converging"
    found = pressure_slopes(states)
    assert len(found.slopes) == 3
    reasons = [left.reason for left in found.left_out]
    assert reasons == ["converging"] * 3 + ["2 states at this radius; expected 3 temperatures"] * 2
    with pytest.raises(InputError, match="expected 'FixedSphere'"):
        pressure_slopes(make_states(GRIDS["FixedELR"]))


def test_of_no_state_in_equilibrium_no_surface_is_asked(make_states):
    states = make_states(GRIDS["FixedLR"])
    states["status"][...] = "diverged"
    with pytest.raises(InputError, match="quadratic fit: 0 distinct points"):
        maxwell(states)


def test_what_lies_between_seeds_is_no_scatter_about_the_surface(make_states, rng):
    """A head of its own gives a seed 500 nats more; one point of it is missing."""
    name = "FixedLR"
    one = make_states(GRIDS[name], dim=101)
    noise = rng.normal(0, 1.0, (2, *one.entropy.shape))
    parts = [
        one.assign(entropy=one.entropy + 500 * seed + noise[seed]).expand_dims(seed=[seed]) for seed in (0, 1)
    ]
    both = xr.concat(parts, "seed").transpose(*one.entropy.dims, "seed")
    both["status"][0, 0, 1] = "diverged"
    found = maxwell(both)
    # The residuals are the noise of 1 nat; the seeds' distance would make them 250.
    assert found.fit.residual_sd == pytest.approx(1.0, abs=0.2)
    assert found.fit.r_squared > 0.999
    assert abs(found.centre.value - 1) < 4 * found.centre.se < 0.02
