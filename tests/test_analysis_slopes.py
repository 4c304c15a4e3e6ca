from __future__ import annotations

import numpy as np
import pytest

from thermograd.analysis.common_slope import common_slope
from thermograd.analysis.slopes import log_log_slopes
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.states import new_states
from thermograd.theory import gas, vmf
from thermograd.theory.radius import stationary_radius_elr, stationary_radius_lr

GRIDS = {
    "FixedELR": FixedELR.grid(elr=np.geomspace(1e-4, 1e-2, 5), wd=np.geomspace(1e-3, 1e-1, 4)),
    "FixedLR": FixedLR.grid(lr=np.geomspace(1e-3, 1e-1, 5), wd=np.geomspace(1e-3, 1e-1, 5)),
    "FixedSphere": FixedSphere.grid(elr=np.geomspace(1e-4, 1e-2, 5), radius=np.geomspace(0.25, 4, 4)),
}
IDEAL = {
    "FixedELR": {"(dS/dlog wd)_elr": -50, "(dS/dlog elr)_wd": 100},
    "FixedLR": {
        "(dS/dlog lr)_wd - (dS/dlog wd)_lr": 50,
        "(dS/dlog lr)_(lr wd)": 50,
        "(dS/dlog lr)_wd": 50,
        "(dS/dlog wd)_lr": 0,
    },
    "FixedSphere": {
        "(dS/dlog r)_elr": 100,
        "(dS/dlog elr)_r": 50,
        "(dlog p/dlog T)_V": 1,
        "(dp/dT)_V over (d-1)/(2V)": 1,
    },
}


@pytest.fixture
def rng():
    return np.random.default_rng(13)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize("name", GRIDS)
def test_the_ideal_gas_has_every_slope_exactly(name, noise, make_states):
    check = log_log_slopes(make_states(GRIDS[name], dim=101, noise=noise))
    assert {law.relation: law.ideal for law in check.laws} == IDEAL[name]
    for law in check.laws:
        assert law.pooled.value == pytest.approx(law.ideal, abs=1e-9)
        assert law.pooled.plain == pytest.approx(law.ideal, abs=1e-9)
        assert law.pooled.ratio == pytest.approx(float(law.ideal != 0), abs=1e-9)
        for line in law.lines:
            assert line.value == pytest.approx(law.ideal, abs=1e-9)
            assert line.n >= 3
    sizes = {"FixedELR": [5, 4], "FixedLR": [0, 5, 5, 5], "FixedSphere": [5, 4, 4, 4]}
    assert [len(law.lines) for law in check.laws] == sizes[name]
    assert [law.cold for law in check.laws] == [
        law.relation in ("(dS/dlog elr)_wd", "(dS/dlog lr)_wd", "(dS/dlog wd)_lr", "(dS/dlog elr)_r")
        for law in check.laws
    ]


@pytest.mark.parametrize("name", GRIDS)
def test_error_bars_cover(name, make_states, rng):
    """200 noisy gases: squares of (found - ideal)/se average to 1 (known errors, relative error 0.1).

    The scatter's own error makes that nu/(nu - 2): 1.15 for the 15 degrees and more that are left here.
    """
    states = make_states(GRIDS[name], dim=101, noise=0.01)
    keys = [key for key in ("entropy", "pressure", "temperature") if f"{key}_se" in states]
    truth = {key: states[key].values.copy() for key in keys}
    known, plain, line = [], [], []
    for _ in range(200):
        for key, exact in truth.items():
            states[key].values[...] = exact + states[f"{key}_se"].values * rng.standard_normal(exact.shape)
        laws = log_log_slopes(states).laws
        known.append([(law.pooled.value - law.ideal) / law.pooled.se for law in laws])
        plain.append([(law.pooled.plain - law.ideal) / law.pooled.plain_se for law in laws])
        line.append([(law.lines[0].value - law.ideal) / law.lines[0].se for law in laws if law.lines])
    np.testing.assert_allclose(np.mean(np.square(known), axis=0), 1, atol=0.4)
    np.testing.assert_allclose(np.mean(np.square(line), axis=0), 1, atol=0.4)
    np.testing.assert_allclose(np.mean(np.square(plain), axis=0), 1.1, atol=0.5)
    np.testing.assert_allclose(np.mean(known, axis=0), 0, atol=4 / np.sqrt(200))


def hot_states(grid, dim, sigma2):
    first, second = np.meshgrid(*grid.axes.values(), indexing="ij")
    tr_sigma = np.full(grid.shape, sigma2 * (dim - 1))
    if grid.protocol is FixedLR:
        T = gas.temperature_lr(first, second, sigma2, dim)
        norm = stationary_radius_lr(first, second, tr_sigma).sde
    else:
        T = gas.temperature_elr(first, sigma2)
        sphere = grid.protocol is FixedSphere
        norm = second if sphere else stationary_radius_elr(first, second, tr_sigma).sde
    values = {"norm": norm, "tr_sigma": tr_sigma, "entropy_sphere": vmf.entropy_sphere(T, dim)}
    return new_states(grid, values, dim=dim), T


@pytest.mark.parametrize("dim", [3, 10])
@pytest.mark.parametrize("name", GRIDS)
def test_maxwell_relations_hold_for_any_energy_and_the_others_know_the_heat_capacity(name, dim):
    """The exact law with T up to 1: the slopes that are not `cold` stay ideal, the others hold C_V."""
    R = (dim - 1) / 2
    axes = {key: np.geomspace(v[0], v[0] * 1.02, 3) for key, v in GRIDS[name].axes.items()}
    # a small square about T = 0.5, so that its slopes are derivatives (curvature: 0.02^2)
    grid = GRIDS[name].protocol.grid(**axes)
    _, T = hot_states(grid, dim, 1.0)
    sigma2 = 0.5 / T[1, 1] if name != "FixedLR" else (0.5 / T[1, 1]) ** 2
    states, T = hot_states(grid, dim, sigma2)
    assert T[1, 1] == pytest.approx(0.5)
    C_V = float(vmf.heat_capacity(0.5, dim))
    expected = {
        "(dS/dlog elr)_wd": C_V + R,
        "(dS/dlog lr)_wd": (C_V + R) / 2,
        "(dS/dlog wd)_lr": (C_V - R) / 2,
        "(dS/dlog elr)_r": C_V,
    }
    for law in log_log_slopes(states).laws:
        assert law.cold == (law.relation in expected)
        assert law.pooled.value == pytest.approx(expected.get(law.relation, law.ideal), abs=1e-3)
    # over a wide grid the Maxwell relations still hold; on a plane, by the symmetry of this one
    wide, _ = hot_states(GRIDS[name], dim, {"FixedLR": 1e3}.get(name, 100.0))
    for law in log_log_slopes(wide).laws:
        if law.cold:
            assert abs(law.pooled.value - law.ideal) > 0.01 * R
        else:
            assert law.pooled.value == pytest.approx(law.ideal, rel=1e-9)
            assert all(line.value == pytest.approx(law.ideal, rel=1e-9) for line in law.lines)


@pytest.mark.parametrize("name", GRIDS)
def test_an_entropy_that_forgets_the_radius_is_rejected(name, make_states, rng):
    """The negative control: the entropy on the sphere knows the temperature only."""
    states = make_states(GRIDS[name], rng, dim=101, noise=0.01)
    wrong = states.assign(entropy=states.entropy.copy(data=states.entropy_sphere.values))
    right = log_log_slopes(states).laws[0].pooled
    assert abs(right.value - IDEAL[name][log_log_slopes(states).laws[0].relation]) < 5 * right.se
    law = log_log_slopes(wrong).laws[0]
    assert abs(law.pooled.value - law.ideal) > 20 * law.pooled.se
    assert abs(law.pooled.ratio) < 0.1
    if name == "FixedLR":
        assert abs(log_log_slopes(wrong).laws[1].pooled.ratio) < 0.1


def test_the_pressure_of_a_real_gas_is_told(make_states, rng):
    """A pressure 10% too high has the right exponent and the wrong rise; T^1.1 has both wrong."""
    states = make_states(GRIDS["FixedSphere"], rng, dim=101, noise=0.005)

    def laws(pressure):
        changed = states.assign(pressure=states.pressure.copy(data=pressure))
        return [law.pooled for law in log_log_slopes(changed).laws[2:]]

    exponent, rise = laws(1.1 * states.pressure.values)
    assert abs(exponent.value - 1) < 5 * exponent.se
    assert abs(rise.value - 1.1) < 5 * rise.se
    assert rise.value - 1 > 10 * rise.se
    exponent, rise = laws(states.pressure.values * states.temperature.values**0.1)
    assert abs(exponent.value - 1.1) < 5 * exponent.se
    assert exponent.value - 1 > 10 * exponent.se


def test_a_curve_is_told_from_its_error_bars(make_states):
    """chi-squared says that the lines are bent; the plain error, from the scatter, grows with it."""
    states = make_states(GRIDS["FixedELR"], dim=101, noise=1e-3)
    states.entropy.values[...] += 2 * np.log(states.wd.values / 1e-2) ** 2
    pooled = log_log_slopes(states).laws[0].pooled
    assert pooled.freedom == 14
    assert pooled.chi_squared > 14 + 10 * np.sqrt(28)
    assert pooled.plain_se > 3 * pooled.se


def test_left_out_points_and_short_lines(make_states):
    states = make_states(GRIDS["FixedSphere"], dim=101)
    states["status"] = states.status.astype("<U14")
    states.status[0, 0] = "diverged"
    states.pressure.values[1, 1] = np.nan
    check = log_log_slopes(states)
    assert [str(left) for left in check.left_out] == [
        "elr = 0.0001, radius = 0.25: diverged",
        "elr = 0.0003162, radius = 0.63: pressure has no value",
    ]
    assert check.laws[0].pooled.n == 19
    assert check.laws[2].pooled.n == 18
    states.status[1:, 0] = "diverged"
    states.status[:, 1] = "diverged"
    laws = log_log_slopes(states).laws
    assert "(dS/dlog r)_elr" not in [law.relation for law in laws]  # 2 radii: no line has 3 points
    states.status[1:] = "diverged"
    with pytest.raises(InputError, match=r"no line of 2 usable points \(18 left out\) has 3"):
        log_log_slopes(states)
    with pytest.raises(InputError, match="entropy_chart is missing"):
        log_log_slopes(states, observable="entropy_chart")


def test_seeds_lie_on_one_line(make_states, rng):
    parts = [make_states(GRIDS["FixedELR"], rng, dim=101, noise=0.01) for _ in range(2)]
    keys = ("norm", "norm_se", "entropy_sphere", "entropy_sphere_se")
    stacked = {key: np.stack([part[key].values for part in parts], axis=-1) for key in keys}
    law = log_log_slopes(new_states(GRIDS["FixedELR"], stacked, dim=101, seeds=[0, 1])).laws[0]
    assert [line.n for line in law.lines] == [8] * 5
    assert abs(law.pooled.value + 50) < 5 * law.pooled.se


# ---- the common slope


def test_a_common_slope_is_the_least_squares_with_offsets(rng):
    """Against the textbook design matrix with a column for each line."""
    group = np.repeat([0.0, 1.0, 2.0], 6)
    x = rng.uniform(0, 3, 18)
    errors = rng.uniform(0.1, 0.5, 18)
    y = 2 * x + 10 * group + errors * rng.standard_normal(18)
    found = common_slope(x, y, errors, group, ideal=2.0, unit=1.0)
    design = np.stack([x, *(group == g for g in range(3))], axis=1)
    for sd, value in ((errors, found.value), (np.ones(18), found.plain)):
        expected = np.linalg.lstsq(design / sd[:, None], y / sd, rcond=None)[0]
        assert value == pytest.approx(expected[0])
    weighted = design / errors[:, None]
    assert found.se == pytest.approx(np.sqrt(np.linalg.inv(weighted.T @ weighted)[0, 0]))
    _, rss, *_ = np.linalg.lstsq(design, y, rcond=None)
    assert found.plain_se == pytest.approx(np.sqrt(rss[0] / 14 * np.linalg.inv(design.T @ design)[0, 0]))
    assert found.freedom == 14
    assert found.ratio == pytest.approx(found.value / 2)
