from __future__ import annotations

import numpy as np
import pytest

from thermograd.analysis.adiabat import adiabat, entropy_along
from thermograd.analysis.energy_integral import entropy_change
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.states import new_states
from thermograd.theory import gas, vmf
from thermograd.theory.adiabats import adiabat_elr, adiabat_lr, adiabat_sphere
from thermograd.theory.radius import stationary_radius_elr, stationary_radius_lr

STARTS = {
    "FixedSphere": FixedSphere(elr=0.06, radius=1.5),
    "FixedELR": FixedELR(elr=0.06, wd=0.01),
    "FixedLR": FixedLR(lr=0.1, wd=0.05),
}
SIGMA2 = 10.0


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def stationary_state(protocol, dim, sigma2):
    """Temperature and radius of a protocol, from its hyperparameters alone."""
    tr_sigma = sigma2 * (dim - 1)
    if isinstance(protocol, FixedSphere):
        return gas.temperature_elr(protocol.elr, sigma2), protocol.radius
    if isinstance(protocol, FixedELR):
        radius = stationary_radius_elr(protocol.elr, protocol.wd, tr_sigma).sde
        return gas.temperature_elr(protocol.elr, sigma2), radius
    T = gas.temperature_lr(protocol.lr, protocol.wd, sigma2, dim)
    return T, stationary_radius_lr(protocol.lr, protocol.wd, tr_sigma).sde


def measured(protocols, dim, sigma2, error, rng=None):
    """States of the exact law at these protocols, the entropy with this error, drawn or not."""
    found = []
    for protocol in protocols:
        T, radius = stationary_state(protocol, dim, sigma2)
        values = {"norm": radius, "norm_se": 0.0, "tr_sigma": sigma2 * (dim - 1)}
        sphere = vmf.entropy_sphere(T, dim) + (error * rng.standard_normal() if rng else 0.0)
        values |= {"entropy_sphere": sphere, "entropy_sphere_se": error}
        found.append(new_states(protocol, values, dim=dim))
    return found


@pytest.mark.parametrize("dim", [3, 10, 1000])
@pytest.mark.parametrize("name", STARTS)
def test_the_exact_entropy_stays_along_the_curve(name, dim):
    """S of the exact law at the hyperparameters found, from their own temperatures and radii.

    The law's own error is 1e-13 d; the quadrature's is round-off. The law bends at T of about 1/d.
    """
    T = np.geomspace(0.3, 30, 13) / dim
    curve = adiabat(STARTS[name], energy=lambda T: vmf.energy(T, dim), temperatures=T, dim=dim, sigma2=SIGMA2)
    t0, r0 = stationary_state(STARTS[name], dim, SIGMA2)
    expected = gas.entropy(vmf.entropy_sphere(t0, dim), r0, dim)
    for protocol, t, r in zip(curve.protocols, curve.temperature, curve.radius, strict=True):
        found_t, found_r = stationary_state(protocol, dim, SIGMA2)
        assert [found_t, found_r] == pytest.approx([t, r])
        assert gas.entropy(vmf.entropy_sphere(found_t, dim), found_r, dim) == pytest.approx(
            expected, abs=1e-9
        )
    assert np.ptp(curve.sphere_change) > 1
    assert (curve.sphere_change_se == 0).all()


@pytest.mark.parametrize("share", [1.0, 0.5, 2.5])
def test_a_constant_heat_capacity_gives_the_power_laws(share):
    """``U = c R T``: gamma = 1 + 1/c, and the curves of the theory, at any offset of U."""
    dim, gamma, T = 11, 1 + 1 / share, np.geomspace(1e-3, 1, 7)
    curves = {
        name: adiabat(start, energy=lambda T: 100 + share * 5 * T, temperatures=T, dim=dim, sigma2=SIGMA2)
        for name, start in STARTS.items()
    }
    for curve in curves.values():
        np.testing.assert_allclose(curve.gamma, gamma, rtol=1e-10)
        np.testing.assert_allclose(curve.temperature, T)
    sphere, elr, lr = (STARTS[name] for name in ("FixedSphere", "FixedELR", "FixedLR"))
    for p in curves["FixedSphere"].protocols:
        expected = adiabat_sphere(p.radius, elr0=sphere.elr, radius0=sphere.radius, gamma=gamma)
        assert p.elr == pytest.approx(expected)
    for p in curves["FixedELR"].protocols:
        assert p.elr == pytest.approx(adiabat_elr(p.wd, elr0=elr.elr, wd0=elr.wd, gamma=gamma))
    for p in curves["FixedLR"].protocols:
        assert p.lr == pytest.approx(adiabat_lr(p.wd, lr0=lr.lr, wd0=lr.wd, gamma=gamma))
        if share == 1:
            assert p.lr == pytest.approx(0.1)


def test_when_cold_the_exact_law_follows_the_line_of_constant_lr():
    """The physical limit: gamma - 2 is of the order of T (d-3)/2, here below 1e-4."""
    start = FixedLR(lr=1e-4, wd=1e-4)
    curve = adiabat(start, energy=lambda T: vmf.energy(T, 10), temperatures=[1e-6, 1e-5], dim=10, sigma2=1.0)
    np.testing.assert_allclose([p.lr for p in curve.protocols], 1e-4, rtol=1e-4)
    np.testing.assert_allclose(curve.gamma, 2, atol=1e-3)


def test_when_hot_the_curve_leaves_the_line_of_constant_gamma():
    """d = 10, T from 0.1 to 1: gamma = 1 + R/C_V of the exact law rises from 2.6 to 47.

    At the hottest point the curves of constant gamma, 2 or that of the start, have lost nats of entropy.
    """
    t0, dim = 0.1, 10
    start = FixedSphere(elr=2 * t0 / SIGMA2, radius=1.0)
    T = np.array([t0, 0.103, 0.3, 1.0])
    curve = adiabat(start, energy=lambda T: vmf.energy(T, dim), temperatures=T, dim=dim, sigma2=SIGMA2)
    assert curve.protocols[0] == start
    assert np.isnan(curve.gamma[0])
    at_start, at_end = 1 + 4.5 / vmf.heat_capacity(np.array([t0, 1.0]), dim)
    assert curve.gamma[1] == pytest.approx(at_start, rel=0.03)  # the step in T
    assert at_start < curve.gamma[1] < curve.gamma[2] < curve.gamma[3] < at_end
    for gamma in (2.0, at_start):
        r = (t0 / T[-1]) ** (1 / (2 * gamma - 2))
        assert 2 * T[-1] / SIGMA2 == pytest.approx(
            adiabat_sphere(r, elr0=start.elr, radius0=1.0, gamma=gamma)
        )
        wrong = gas.entropy(vmf.entropy_sphere(T[-1], dim), r, dim)
        assert wrong - vmf.entropy_sphere(t0, dim) < -3


def test_measured_energies_converge_as_the_square_of_their_spacing():
    """Straight pieces: the curvature of U is met up to h^2/12 of itself; four times better at half h."""
    off = []
    for n in (9, 17):
        T = np.geomspace(0.1, 1, n)
        found, _ = entropy_change((T[::-1], vmf.energy(T, 10)[::-1]), 0.1, np.array([1.0]))
        off.append(found[0] - (vmf.entropy_sphere(1.0, 10) - vmf.entropy_sphere(0.1, 10)))
    assert abs(off[0]) < 0.3 * (np.log(10) / 8) ** 2
    assert off[0] / off[1] == pytest.approx(4, rel=0.1)


def test_errors_of_measured_energies_carry_over(rng):
    """The change is linear in U: 500 draws of a z with variance 1, relative error 6%."""
    T, ends = np.geomspace(0.1, 1, 9), np.array([0.15, 0.5, 1.0])
    U, U_se = 4 * T, 0.01 * (1 + T)
    found = [entropy_change((T, U + U_se * rng.standard_normal(9), U_se), 0.3, ends) for _ in range(500)]
    change, se = (np.array([one[i] for one in found]) for i in (0, 1))
    np.testing.assert_allclose(np.mean(((change - 4 * np.log(ends / 0.3)) / se) ** 2, axis=0), 1, atol=0.25)
    assert np.isnan(entropy_change((T, U), 0.3, ends)[1]).all()
    curve = adiabat(
        FixedSphere(elr=0.06, radius=1.0), energy=(T, U, U_se), temperatures=ends, dim=9, sigma2=10
    )
    np.testing.assert_allclose(curve.sphere_change, 4 * np.log(ends / 0.3))
    np.testing.assert_allclose(curve.sphere_change_se, se[0])


# ---- measured states along the curve


def exact_curve(dim=10, n=6):
    T = np.geomspace(0.1, 1, n)
    start = FixedELR(elr=2 * 0.1 / SIGMA2, wd=0.05)
    return adiabat(
        start, energy=lambda T: vmf.energy(T, dim), temperatures=T, dim=dim, sigma2=SIGMA2
    ).protocols


def test_the_chi_squared_of_constancy_is_one(rng):
    """200 noisy curves of 6 points: chi-squared 5 +- sqrt(10/200), and p-values uniform."""
    protocols = exact_curve()
    noisy = measured(protocols, 10, SIGMA2, 0.05)
    expected = noisy[0].entropy.item()
    found = []
    for _ in range(200):
        for one in noisy:
            one.entropy.values[...] = expected + 0.05 * rng.standard_normal()
        found.append(entropy_along(noisy))
    assert np.mean([check.chi_squared for check in found]) == pytest.approx(5, abs=4 * np.sqrt(10 / 200))
    p = np.array([check.p_value for check in found])
    assert np.mean(p) == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / 200))
    # of 200, 10 +- 3.1 lie below 5%
    assert (p < 0.05).sum() < 10 + 4 * 3.1
    z = [(check.mean - expected) / check.mean_se for check in found]
    assert np.mean(np.square(z)) == pytest.approx(1, abs=0.4)
    z = [check.trend.value / check.trend.se for check in found]
    assert np.mean(np.square(z)) == pytest.approx(1, abs=0.4)


def test_what_the_radius_undoes_is_said():
    check = entropy_along(measured(exact_curve(), 10, SIGMA2, 0.05))
    assert check.span < 1e-9
    assert check.p_value == pytest.approx(1)
    assert check.sphere_span == pytest.approx(vmf.entropy_sphere(1.0, 10) - vmf.entropy_sphere(0.1, 10))
    assert check.sphere_span > 1
    assert check.points.elr.values == pytest.approx(2 * np.geomspace(0.1, 1, 6) / SIGMA2)
    assert check.freedom == 5


@pytest.mark.parametrize("gamma", [2.0, 2.6])
def test_the_law_of_constant_gamma_fails_where_it_does_not_hold(gamma, rng):
    """The negative control: the same temperatures, radii by ``p V^gamma``, errors of 0.05 nats."""
    T = np.geomspace(0.1, 1, 6)
    radius = (0.1 / T) ** (1 / (2 * gamma - 2))
    protocols = [FixedSphere(elr=2 * t / SIGMA2, radius=r) for t, r in zip(T, radius, strict=True)]
    check = entropy_along(measured(protocols, 10, SIGMA2, 0.05, rng))
    assert check.p_value < 1e-6
    assert abs(check.trend.value) > 5 * check.trend.se


def test_unknown_errors_are_no_verdict():
    states = [one.drop_vars("entropy_se") for one in measured(exact_curve(), 10, SIGMA2, 0.05)]
    check = entropy_along(states)
    assert np.isnan(check.chi_squared)
    assert np.isnan(check.p_value)
    assert check.spread < 1e-9


def test_along_an_isotherm_there_is_no_trend_with_temperature():
    protocols = [FixedSphere(elr=0.06, radius=r) for r in (1.0, 2.0, 4.0)]
    check = entropy_along(measured(protocols, 10, SIGMA2, 0.05))
    assert check.trend is None
    assert check.span == pytest.approx(9 * np.log(4))
    assert check.p_value < 1e-6
    assert check.sphere_span == pytest.approx(0)


def test_states_that_can_not_be_used_are_left_out_or_refused():
    states = measured(exact_curve(n=4), 10, SIGMA2, 0.05)
    states[1]["status"] = states[1].status.astype("<U14")
    states[1].status[...] = "diverged"
    check = entropy_along(states)
    assert len(check.left_out) == 1
    assert check.points.sizes["point"] == 3
    with pytest.raises(InputError, match="2 usable points, 1 left out; expected 3"):
        entropy_along(states[:3])
    grid = FixedELR.grid(elr=[0.1, 0.2], wd=[0.1])
    pair = new_states(
        grid,
        {"norm": np.ones((2, 1)), "entropy_sphere": np.ones((2, 1)), "tr_sigma": np.ones((2, 1))},
        dim=10,
    )
    with pytest.raises(InputError, match="dataset 1 holds 2 points; expected a single one"):
        entropy_along([states[0], pair])
    other = measured([FixedSphere(elr=0.1, radius=1.0)], 10, SIGMA2, 0.05)
    with pytest.raises(InputError, match="expected one protocol and dim"):
        entropy_along([*states, *other])
    with pytest.raises(InputError, match="entropy_chart is missing"):
        entropy_along(states, observable="entropy_chart")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"temperatures": [0.1, -1.0]}, r"temperatures are \[0\.1, -1\.0\]; expected"),
        ({"temperatures": []}, "expected a list of finite numbers above 0"),
        ({"dim": 1}, "dim is 1; expected"),
        ({"sigma2": 0.0}, "sigma2 is 0.0; expected"),
        ({"energy": lambda T: np.nan * T}, "energy gives 0 finite values"),
        ({"energy": lambda T: 1.0}, r"in shape \(\) at 1 temperatures"),
        ({"energy": ([0.1, 0.2], [1.0])}, r"measured energies have shapes \[\(2,\), \(1,\)\]"),
        ({"energy": ([0.1, 0.1], [1.0, 2.0])}, r"measured energies at T = \[0\.1, 0\.1\]"),
        (
            {"energy": ([0.2, 1.0], [1.0, 2.0])},
            r"measured from T = 0\.2 to 1; expected them to span .* 0\.1 to",
        ),
    ],
)
def test_bad_input_is_one_line(changed, message):
    good = {"energy": lambda T: 5 * T, "temperatures": [0.1, 0.5], "dim": 11, "sigma2": 10.0}
    with pytest.raises(InputError, match=message):
        adiabat(STARTS["FixedSphere"], **(good | changed))
