"""The gas laws: identities between them, the exact test function, and processes that must not work."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import InputError
from thermograd.theory import adiabats, gas, heat, vmf
from thermograd.theory.radius import effective_wd_sphere, stationary_radius_elr, stationary_radius_lr

D = 50
SIGMA2 = 0.7
TR_SIGMA = SIGMA2 * (D - 1)
AXIS = np.geomspace(1e-3, 1e-1, 5)


def test_state_equation_holds_in_all_three_protocols() -> None:
    """p V = R T, with the radius from the balance of decay and noise and T from the law of the direction."""
    rate, wd = AXIS[:, None], AXIS[None, :]
    v_elr = gas.volume(stationary_radius_elr(rate, wd, TR_SIGMA).sde)
    v_lr = gas.volume(stationary_radius_lr(rate, wd, TR_SIGMA).sde)
    t_elr = gas.temperature_elr(rate, SIGMA2) + 0 * wd
    t_lr = gas.temperature_lr(rate, wd, SIGMA2, D)
    for volume, temperature in ((v_elr, t_elr), (v_lr, t_lr)):
        np.testing.assert_allclose(wd * volume, gas.gas_constant(D) * temperature, rtol=1e-14)
        np.testing.assert_allclose(gas.pressure(volume, temperature, D), wd + 0 * rate, rtol=1e-14)
        np.testing.assert_allclose(gas.compressibility(wd, volume, temperature, D), 1.0, rtol=1e-14)
    p = effective_wd_sphere(rate, wd, TR_SIGMA).sde
    np.testing.assert_allclose(gas.pressure(gas.volume(wd), t_elr, D), p, rtol=1e-14)


def test_fixed_lr_temperature_is_that_of_its_effective_rate() -> None:
    lr, wd = AXIS[:, None], AXIS[None, :]
    radius = stationary_radius_lr(lr, wd, TR_SIGMA).sde
    np.testing.assert_allclose(
        gas.temperature_lr(lr, wd, SIGMA2, D), gas.temperature_elr(lr / radius**2, SIGMA2), rtol=1e-14
    )


def test_exact_states_minimise_their_own_potentials() -> None:
    """V2 of the paper, without noise: each minimises F (G) at its own T (and p), but not at a wrong T."""
    elr, wd = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e-3, 1e-1, 9), AXIS, indexing="ij"))
    T = gas.temperature_elr(elr, SIGMA2)
    radius = stationary_radius_elr(elr, wd, TR_SIGMA).sde
    U, S = vmf.energy(T, D), gas.entropy(vmf.entropy_sphere(T, D), radius, D)
    G = gas.gibbs(U[None, :], T[:, None], S[None, :], wd[:, None], gas.volume(radius)[None, :])
    np.testing.assert_array_equal(G.argmin(axis=1), np.arange(T.size))
    wrong = gas.gibbs(U[None, :], 2 * T[:, None], S[None, :], wd[:, None], gas.volume(radius)[None, :])
    assert np.mean(wrong.argmin(axis=1) == np.arange(T.size)) < 0.1

    T = gas.temperature_elr(np.geomspace(1e-3, 1e-1, 40), SIGMA2)
    F = gas.helmholtz(vmf.energy(T, D)[None, :], T[:, None], vmf.entropy_sphere(T, D)[None, :])
    np.testing.assert_array_equal(F.argmin(axis=1), np.arange(T.size))
    assert np.all(gas.gibbs(1.0, T, 2.0, 0.1, 3.0) == gas.helmholtz(1.0, T, 2.0) + 0.1 * 3.0)


def test_maxwell_relations() -> None:
    """V3: (dp/dT)_V = R/V; (dS/dlog wd)_elr = -R; (dS/dlog lr)_wd - (dS/dlog wd)_lr = R, exactly."""
    R, step = gas.gas_constant(D), 1e-4
    assert gas.pressure(2.0, 0.011, D) - gas.pressure(2.0, 0.01, D) == pytest.approx(0.001 * R / 2.0)

    def entropy_elr(elr: float, wd: float) -> float:
        T = gas.temperature_elr(elr, SIGMA2)
        r = stationary_radius_elr(elr, wd, TR_SIGMA).sde
        return float(gas.entropy(vmf.entropy_sphere(T, D), r, D))

    def entropy_lr(lr: float, wd: float) -> float:
        T = gas.temperature_lr(lr, wd, SIGMA2, D)
        r = stationary_radius_lr(lr, wd, TR_SIGMA).sde
        return float(gas.entropy(vmf.entropy_sphere(T, D), r, D))

    up, down = np.exp(step), np.exp(-step)
    slope = (entropy_elr(0.05, 0.02 * up) - entropy_elr(0.05, 0.02 * down)) / (2 * step)
    assert slope == pytest.approx(-R, rel=1e-7)
    along_lr = (entropy_lr(0.05 * up, 0.02) - entropy_lr(0.05 * down, 0.02)) / (2 * step)
    along_wd = (entropy_lr(0.05, 0.02 * up) - entropy_lr(0.05, 0.02 * down)) / (2 * step)
    assert along_lr - along_wd == pytest.approx(R, rel=1e-7)


def test_heat_capacity_from_states_converges_to_the_exact_one() -> None:
    """Second order on unequal temperatures: four times the points, sixteen times less error."""
    errors = []
    for n in (20, 80):
        T = np.geomspace(1e-3, 1.0, n)
        C = heat.heat_capacity_v(T, vmf.energy(T, D))
        errors.append(np.abs(C / vmf.heat_capacity(T, D) - 1)[1:-1].max())
    assert errors[1] < 0.02
    assert errors[0] / errors[1] > 8
    T = np.array([0.1, 0.2, 0.5, 0.6])
    np.testing.assert_allclose(heat.heat_capacity_v(T, [3 * T, T**2]), [[3, 3, 3, 3], 2 * T], rtol=1e-12)
    np.testing.assert_allclose(heat.heat_capacity_v(T[::-1], 3 * T[::-1]), 3.0, rtol=1e-12)
    np.testing.assert_allclose(heat.heat_capacity_v([0.1, 0.3], [1.0, 2.0]), 5.0)


@pytest.mark.parametrize(
    ("temperature", "energy", "message"),
    [
        ([1.0, 1.0], [1.0, 2.0], "expected strictly rising or falling"),
        ([1.0, np.nan, 2.0], [1.0, 2.0, 3.0], "expected strictly rising or falling"),
        ([1.0, 2.0], [1.0], r"expected \(n,\)"),
        ([1.0], [1.0], r"expected \(n,\)"),
    ],
)
def test_heat_capacity_refuses(temperature: list[float], energy: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        heat.heat_capacity_v(temperature, energy)


def test_mayer_and_gamma() -> None:
    cold = heat.heat_capacity_v_small_t(D)
    assert cold == pytest.approx(vmf.heat_capacity(1e-9, D), rel=1e-6)
    assert heat.heat_capacity_p(cold, D) - cold == gas.gas_constant(D)
    for capacity in (0.3 * cold, cold, 4 * cold):
        gamma = heat.heat_capacity_p(capacity, D) / capacity
        assert heat.adiabatic_exponent(capacity, D) == pytest.approx(gamma, rel=1e-14)


def _entropies(capacity: float, gamma: float) -> dict[str, np.ndarray]:
    """Entropy along each protocol's adiabat for a gas of constant C_V, where S_sphere = C_V log T + const."""

    def total(T: np.ndarray, radius: np.ndarray) -> np.ndarray:
        return np.asarray(gas.entropy(capacity * np.log(T), radius, D))

    lr = adiabats.adiabat_lr(AXIS, lr0=0.02, wd0=0.01, gamma=gamma)
    elr = adiabats.adiabat_elr(AXIS, elr0=0.02, wd0=0.01, gamma=gamma)
    sphere = adiabats.adiabat_sphere(AXIS, elr0=1e-4, radius0=0.1, gamma=gamma)
    V = gas.volume(AXIS)
    p = adiabats.adiabat_pressure(V, pressure0=0.3, volume0=2.0, gamma=gamma)
    return {
        "lr": total(gas.temperature_lr(lr, AXIS, SIGMA2, D), stationary_radius_lr(lr, AXIS, TR_SIGMA).sde),
        "elr": total(gas.temperature_elr(elr, SIGMA2), stationary_radius_elr(elr, AXIS, TR_SIGMA).sde),
        "sphere": total(gas.temperature_elr(sphere, SIGMA2), AXIS),
        "pressure": total(p * V / gas.gas_constant(D), AXIS),
    }


@pytest.mark.parametrize("ratio", [0.4, 1.0, 3.0])
def test_entropy_stays_on_an_adiabat_and_moves_off_it(ratio: float) -> None:
    """V4 for any constant heat capacity; with a gamma 10% off the entropy moves by a known amount.

    ``dS = C_V dlog(p V) + R dlog V = C_V (gamma - gamma') dlog V`` along ``p V**gamma' = const``.
    """
    capacity = ratio * float(gas.gas_constant(D))
    gamma = float(heat.adiabatic_exponent(capacity, D))
    for name, S in _entropies(capacity, gamma).items():
        assert np.ptp(S) < 1e-10, name
    wrong = _entropies(capacity, 1.1 * gamma)
    assert np.ptp(wrong["pressure"]) == pytest.approx(capacity * 0.1 * gamma * np.log(1e4), rel=1e-10)
    assert min(np.ptp(S) for S in wrong.values()) > 0.1


def test_exact_adiabat_of_the_test_function_when_cold() -> None:
    """At fixed LR the entropy depends on lr alone up to O(d T) and not at all on wd (IG eq. 31)."""
    wd = np.geomspace(1e-7, 1e-5, 7)
    lr = adiabats.adiabat_lr(wd, lr0=1e-3, wd0=1e-6, gamma=2.0)
    T = gas.temperature_lr(lr, wd, SIGMA2, D)
    S = gas.entropy(vmf.entropy_sphere(T, D), stationary_radius_lr(lr, wd, TR_SIGMA).sde, D)
    assert np.ptp(S) < D**2 * T.max()  # the next term of S_sphere is (d-1)(d-3) T/4
    assert (
        np.ptp(vmf.entropy_sphere(T, D)) > 50
    )  # although the direction alone is far from keeping its entropy
