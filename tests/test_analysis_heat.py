from __future__ import annotations

import numpy as np
import pytest

from thermograd.analysis.energy_fit import fit_energy, local_slope
from thermograd.analysis.heat import heat_capacities
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.states import new_states
from thermograd.theory import vmf

GRIDS = {
    "FixedELR": FixedELR.grid(elr=np.geomspace(1e-3, 1e-1, 9), wd=np.geomspace(1e-3, 1e-1, 5)),
    "FixedLR": FixedLR.grid(lr=np.geomspace(1e-3, 1e-1, 9), wd=np.geomspace(1e-3, 1e-1, 9)),
    "FixedSphere": FixedSphere.grid(elr=np.geomspace(1e-3, 1e-1, 9), radius=np.geomspace(0.25, 4, 4)),
}


@pytest.fixture
def rng():
    return np.random.default_rng(21)


def exact_states(T, dim, relative_error=1e-3):
    """The exact law of the test function on the unit sphere at these temperatures, sigma2 = 1."""
    U = vmf.energy(T, dim)[:, None]
    values = {"loss": U, "loss_se": relative_error * U, "norm": 1 + 0 * U, "tr_sigma": dim - 1 + 0 * U}
    return new_states(FixedSphere.grid(elr=2 * T, radius=[1.0]), values, dim=dim)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize("name", GRIDS)
def test_the_ideal_gas_has_the_heat_capacities_of_the_theory(name, noise, make_states):
    """``U = R T``: exactly C_V = R, C_p = 2 R, gamma = 2, whether errors are known or not."""
    check = heat_capacities(make_states(GRIDS[name], dim=101, noise=noise))
    assert check.gas_constant == 50
    assert check.c_v == pytest.approx(50)
    assert check.gamma == pytest.approx(2)
    np.testing.assert_allclose(check.points.c_v, 50, rtol=1e-9)
    np.testing.assert_allclose(check.points.c_p, 100, rtol=1e-9)
    np.testing.assert_allclose(check.points.gamma, 2, rtol=1e-9)
    assert check.points.sizes["level"] == (17 if name == "FixedLR" else 9)
    assert int(check.points.n.sum()) == GRIDS[name].shape[0] * GRIDS[name].shape[1]
    if name == "FixedSphere":
        assert check.lines == ()
        assert np.isnan(check.mayer)
        return
    assert len(check.lines) == GRIDS[name].shape[1]
    for line in check.lines:
        assert [line.c_v, line.c_p, line.difference] == pytest.approx([50, 100, 50])
    assert check.mayer == pytest.approx(1)


@pytest.mark.parametrize("dim", [3, 10, 100])
def test_local_slopes_of_the_exact_law_converge_as_the_fourth_power_of_the_spacing(dim):
    """A cubic through five points has a slope off by h^4/30 times the fifth derivative.

    At h = log 100 / 16 = 0.29 that is 0.02% times a number of order 1 to 10 (the law bends within a few
    steps): below 0.3%. Half the spacing must bring it down by 16, up to the next order, h^2 of it.
    """
    worst = []
    for n in (17, 33):
        T = np.geomspace(1e-2, 1, n)
        found = heat_capacities(exact_states(T, dim)).points
        inside = slice((n - 1) // 8, -((n - 1) // 8))  # two of the coarse steps from either end
        worst.append(np.abs(found.c_v.values / vmf.heat_capacity(T, dim) - 1)[inside].max())
    assert worst[0] < 3e-3
    assert 10 < worst[0] / worst[1] < 25


def test_gamma_is_two_when_cold_and_grows_without_bound_when_hot():
    """The limits: C_V to (d-1)/2, and to 1/(d T^2), where gamma = 1 + R d T^2."""
    cold = heat_capacities(exact_states(np.geomspace(1e-6, 1e-4, 9), 10)).points
    # U = R T (1 - (d-3) T/4 ...): 2e-4 at the hottest
    np.testing.assert_allclose(cold.gamma, 2, atol=1e-3)
    T = np.geomspace(10, 1000, 17)
    hot = heat_capacities(exact_states(T, 10, 1e-9)).points
    # the law is off by 1/T^2 <= 1e-2 of itself, the cubic at its ends by a few per cent
    np.testing.assert_allclose(hot.c_v[2:-2] * 10 * T[2:-2] ** 2, 1, atol=0.02)
    np.testing.assert_allclose(hot.gamma[8], 1 + 4.5 * 10 * T[8] ** 2, rtol=0.02)


def test_error_bars_cover(make_states, rng):
    """200 noisy gases: the squares of (found - true)/se average to 1, with a relative error of 0.1."""
    values = np.geomspace(1e-3, 1e-1, 5)
    states = make_states(FixedLR.grid(lr=values, wd=values), dim=101, noise=0.01)
    truth = {key: states[key].values.copy() for key in ("loss", "temperature", "volume")}
    scaled = []
    for _ in range(200):
        for key, exact in truth.items():
            states[key].values[...] = exact + states[f"{key}_se"].values * rng.standard_normal(exact.shape)
        check = heat_capacities(states)
        middle = check.points.isel(level=4)
        line = check.lines[2]
        scaled.append(
            [
                (check.c_v - 50) / check.c_v_se,
                (check.gamma - 2) / check.gamma_se,
                float((middle.c_v - 50) / middle.c_v_se),
                float((middle.energy - 50 * truth["temperature"][2, 2]) / middle.energy_se),
                (line.c_p - 100) / line.c_p_se,
                (line.difference - 50) / line.difference_se,
                (check.mayer - 1) / check.mayer_se,
            ]
        )
    # energy: its temperature has an error of its own that energy_se does not hold; H: U and pV taken apart.
    # Bounds at 4 errors; the cold limit is fitted after a look at the data, which may widen it a little.
    np.testing.assert_allclose(np.mean(np.square(scaled), axis=0), 1, atol=0.45)
    # Noise of 1% in T biases a slope by its square over the spread of T: below a tenth of an error bar.
    np.testing.assert_allclose(np.mean(scaled, axis=0), 0, atol=5 / np.sqrt(200))


def test_within_a_level_the_energy_scatters_as_its_errors_say(make_states, rng):
    """Joule's law holds for the ideal gas; an energy that knows the weight decay breaks it."""
    states = make_states(GRIDS["FixedELR"], rng, dim=101, noise=0.01)
    check = heat_capacities(states)
    assert check.joule_freedom == 36
    # chi-squared of 36: sd sqrt(72); errors are those of the exact value, U of the noisy: 1% of chi-squared
    assert abs(check.joule_chi_squared - 36) < 4 * np.sqrt(72)
    states.loss.values[...] *= 1 + 0.02 * np.log(states.wd.values / 1e-2)
    assert heat_capacities(states).joule_chi_squared > 36 + 10 * np.sqrt(72)


def test_a_gas_that_is_not_ideal_is_told_by_its_volume(make_states, rng):
    """The negative control of Mayer's relation: p V = R T^1.2, whose slope is 1.2 T^0.2 R, far from R."""
    states = make_states(GRIDS["FixedELR"], rng, dim=101, noise=0.005)
    good = heat_capacities(states)
    assert abs(good.mayer - 1) < 5 * good.mayer_se
    states.volume.values[...] *= states.temperature.values**0.2
    bad = heat_capacities(states)
    assert abs(bad.mayer - 1) > 20 * bad.mayer_se
    for line in bad.lines:
        assert abs(line.c_p - 100) > 5 * line.c_p_se


def test_a_loss_of_another_heat_capacity_is_told(make_states, rng):
    """U proportional to T^1.5 has no slope at T = 0 and C_V = 1.5 U/T elsewhere."""
    states = make_states(GRIDS["FixedSphere"], rng, dim=101, noise=0.005)
    T = states.temperature.values
    states.loss.values[...] *= np.sqrt(T / T.max())
    states.loss_se.values[...] = 0.005 * states.loss.values
    found = heat_capacities(states)
    expected = 1.5 * found.points.energy / found.points.temperature
    assert (abs(found.points.c_v - expected) < 5 * found.points.c_v_se).all()
    assert (abs(found.points.c_v - 50) > 5 * found.points.c_v_se).all()
    assert found.c_v < 25


def test_the_cold_limit_is_taken_where_one_curve_fits():
    """Errors of 0.1% see that the law bends: the hot end is dropped. With 3% all of it is one curve."""
    T = np.geomspace(1e-2, 1, 17)
    found = heat_capacities(exact_states(T, 10))
    assert 5 <= found.fit.n < 17
    assert found.fit.hottest == pytest.approx(T[found.fit.n - 1])
    assert found.fit.p_value > 0.05
    # the curve that just passes is off by about an error bar or three
    assert abs(found.c_v - 4.5) < 4 * found.c_v_se
    assert found.c_v == pytest.approx(4.5, rel=0.01)
    bounded = heat_capacities(exact_states(T, 10), below=0.03)
    assert bounded.fit.hottest < 0.03
    # what the curve leaves out is 8 T^3, of slope 24 T^2 <= 0.02
    assert bounded.c_v == pytest.approx(4.5, abs=0.02)
    hidden = heat_capacities(exact_states(np.geomspace(1, 100, 17), 10))
    assert hidden.fit.p_value < 1e-3 or abs(hidden.c_v - 4.5) > 1  # nothing cold was measured, and it shows


def test_an_offset_of_the_loss_changes_no_slope(make_states):
    """A net's loss does not fall to 0 when cold; a loss below 0 is no trouble either."""
    states = make_states(GRIDS["FixedSphere"], dim=101, noise=1e-3)
    plain = heat_capacities(states)
    for offset, tolerance in ((0.5, 0.02), (-1e3, 0.02)):
        states_up = states.assign(loss=states.loss.copy(data=states.loss.values + offset))
        up = heat_capacities(states_up)
        assert up.c_v == pytest.approx(plain.c_v, rel=1e-6)
        # steps of log T of 0.58: h^4/30 = 0.4%, times derivatives of order 1
        np.testing.assert_allclose(up.points.c_v[2:-2], 50, rtol=tolerance)


def test_seeds_are_pooled_and_missing_levels_left_out(make_states, rng):
    grid = GRIDS["FixedELR"]
    parts = [make_states(grid, rng, dim=101, noise=0.01) for _ in range(3)]
    keys = ("loss", "loss_se", "norm", "norm_se", "tr_sigma", "tr_sigma_se")
    stacked = {key: np.stack([part[key].values for part in parts], axis=-1) for key in keys}
    states = new_states(grid, stacked, dim=101, seeds=[0, 1, 2])
    check = heat_capacities(states)
    assert check.joule_freedom == 3 * 45 - 9
    assert check.lines[0].n == 27
    assert abs(check.c_v - 50) < 5 * check.c_v_se
    states["status"] = states.status.astype("<U14")
    states.status[2] = "diverged"
    fewer = heat_capacities(states)
    assert fewer.points.sizes["level"] == 8
    assert len(fewer.left_out) == 15
    states.status[2:] = "diverged"
    with pytest.raises(InputError, match=r"2 temperatures in 30 usable points \(105 left out\)"):
        heat_capacities(states)
    with pytest.raises(InputError, match=r"below is 1e-09, 0 temperatures; expected 3"):
        heat_capacities(parts[0], below=1e-9)
    with pytest.raises(InputError, match="loss is missing"):
        heat_capacities(parts[0].drop_vars(["loss", "loss_se"]))


# ---- the fits


def test_the_curve_is_the_weighted_least_squares(rng):
    """Against the textbook formula in long double."""
    T = np.geomspace(1e-3, 1e-1, 12)
    y_se = 0.01 * (1 + np.arange(12)) * T
    y = 5 * T - 3 * T**2 + y_se * rng.standard_normal(12)
    fit = fit_energy(T, 0 * T, y, y_se)
    design = (T.astype(np.longdouble)[:, None] ** np.arange(3) / y_se[:, None]).astype(np.longdouble)
    normal = (design.T @ design).astype(float)
    units = np.sqrt(np.diag(normal))
    inverse = np.linalg.inv(normal / np.outer(units, units)) / np.outer(units, units)
    expected = inverse @ (design.T @ (y / y_se)).astype(float)
    np.testing.assert_allclose(fit.coefficients, expected, rtol=1e-6)
    np.testing.assert_allclose(fit.covariance, inverse, rtol=1e-6)
    residuals = (y - np.polyval(expected[::-1], T)) / y_se
    assert fit.chi_squared == pytest.approx(residuals @ residuals)
    assert fit.slope(0.05)[0] == pytest.approx(expected[1] + 0.1 * expected[2])


def test_an_error_of_the_temperature_counts_by_the_slope():
    T = np.array([1.0, 2.0, 3.0, 4.0])
    plain = fit_energy(T, 0 * T, 5 * T, np.full(4, 0.5), degree=1)
    both = fit_energy(T, np.full(4, 0.1), 5 * T, np.full(4, 0.5), degree=1)
    np.testing.assert_allclose(both.covariance, 2 * plain.covariance)  # 0.5^2 + (5 * 0.1)^2
    slope_se = [local_slope(T, x, 5 * T, 0.5 * T, 2.0)[1] for x in (0 * T, 0.1 * T)]
    assert slope_se[1] == pytest.approx(np.sqrt(2) * slope_se[0])
