"""Compressibility, curves over levels and adiabats of networks, on states whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from thermograd.analysis.adiabat_paths import adiabat_paths, constant_decay, single_points
from thermograd.analysis.compressibility import compressibility
from thermograd.analysis.levels import levels
from thermograd.analysis.network_adiabat import energy_adiabat, entropy_adiabat, gas_adiabat
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Grid
from thermograd.states import new_states
from thermograd.theory import gas as laws
from thermograd.theory.radius import effective_wd_sphere, stationary_radius_elr, stationary_radius_lr

DIM = 401
R = (DIM - 1) / 2
LAWS = {FixedSphere: effective_wd_sphere, FixedELR: stationary_radius_elr, FixedLR: stationary_radius_lr}
PROTOCOLS = list(LAWS)


def states(
    protocol: type,
    *,
    share: float = 0.3,
    heat: float = 2 * R,
    noise: float = 0.0,
    pressure: float = 0.0,
    shape: tuple[int, int] = (6, 4),
    rates: tuple[float, float] = (1e-3, 1e-2),
) -> xr.Dataset:
    """States with the finite-step radius, ``grad_sq = share tr_sigma``, ``U = heat T`` and its entropy.

    The entropy is that of the noise's temperature, ``S_sphere = heat log T``; `pressure` bends the measured
    Z by a power of the pressure, and `noise` scatters energies and entropies by that part of R.
    """
    rng = np.random.default_rng(5)
    first, other = np.meshgrid(
        np.geomspace(*rates, shape[0]), np.geomspace(0.05, 0.5, shape[1]), indexing="ij"
    )
    level = first * other if protocol is FixedLR else first
    tr_sigma = 50 * level**-0.2
    grad_sq = share * tr_sigma
    settled = LAWS[protocol](first, other, tr_sigma, grad_sq).finite_step
    sphere = protocol is FixedSphere
    settled = settled * (settled if sphere else other) ** pressure
    norm = other if sphere else settled
    sigma2 = tr_sigma / (DIM - 1)
    T = laws.temperature_lr(first, other, sigma2, DIM) if protocol is FixedLR else first * sigma2 / 2
    measured = {"norm": norm, "tr_sigma": tr_sigma, "grad_sq": grad_sq, "loss": heat * T}
    measured["entropy_sphere"] = heat * np.log(T) + noise * R * rng.normal(size=T.shape)
    if sphere:
        measured["effective_wd"] = settled
    measured |= {f"{name}_se": 1e-3 * np.abs(values) for name, values in list(measured.items())}
    measured["entropy_sphere_se"] = np.full(T.shape, max(noise, 1e-3) * R)
    axes = dict(zip(protocol.axes, (first[:, 0], other[0]), strict=True))
    return new_states(Grid(protocol, axes), measured, dim=DIM)


def along(curve, kind: type, heat: float = 2 * R) -> dict[int, xr.Dataset]:
    """What would be measured at the points of a curve, if U = heat T is the energy that counts."""
    found = {}
    for i in range(len(curve)):
        point = curve.protocol(kind, i)
        level = point.lr * point.wd if kind is FixedLR else point.elr
        tr_sigma = 50 * level**-0.2
        norm = float(LAWS[kind](*point.values.values(), tr_sigma, 0.3 * tr_sigma).finite_step)
        sigma2 = tr_sigma / (DIM - 1)
        T = (
            laws.temperature_lr(*point.values.values(), sigma2, DIM)
            if kind is FixedLR
            else level * sigma2 / 2
        )
        measured = {"norm": norm, "tr_sigma": tr_sigma, "entropy_sphere": heat * np.log(T)}
        measured |= {"norm_se": 0.0, "tr_sigma_se": 0.0, "entropy_sphere_se": 1.0}
        found[i] = new_states(point, {k: float(v) for k, v in measured.items()}, dim=DIM)
    return found


# -- known truth ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_real_gas_is_predicted_exactly_where_the_law_is_exact(protocol):
    check = compressibility(states(protocol))
    lines = {line.version: line for line in check.lines}
    # Round-off of a few divisions and roots.
    assert lines["finite_step"].worst < 1e-12
    q = 1.3 if protocol is not FixedLR else 1.3**0.5
    predicted = check.points["predicted"].sel(version="discrete").values
    np.testing.assert_allclose(predicted, q, rtol=1e-12)
    np.testing.assert_allclose(check.points["predicted"].sel(version="sde").values, 1.0, rtol=1e-12)
    assert lines["sde"].median > 0.1


@pytest.mark.parametrize("protocol", [FixedELR, FixedLR])
def test_energy_and_entropy_give_the_same_curve_where_one_is_the_others_integral(protocol):
    found = levels(states(protocol))
    by_energy, by_entropy = energy_adiabat(found), entropy_adiabat(found)
    # U = C T and S = C log T are straight in the logarithms: the curves' parabolas meet them exactly.
    np.testing.assert_allclose(by_energy.sphere_change, by_entropy.sphere_change, rtol=1e-7, atol=1e-6)
    # The gas thermometer reads Z T, and Z is the same all over the grid but for the terms of finite steps.
    ratio = by_energy.sphere_change[-1] / gas_adiabat(found).sphere_change[-1]
    assert ratio == pytest.approx(1.3 if protocol is FixedELR else 1.3**0.5, rel=0.02)
    # gamma = 1 + R / C = 1.5: p V**gamma stays along the curve, up to the same terms in Z.
    invariant = by_energy.wd * (by_energy.radius**2 / 2) ** 1.5
    assert np.ptp(np.log(invariant)) < 0.02


def test_what_lies_between_seeds_is_no_error_of_their_curve():
    """One seed has 1.8 times the energy of the other and 40 nats more entropy; one point is missing."""
    one = states(FixedLR, noise=0.01)
    other = states(FixedLR, noise=0.01).assign(loss=1.8 * one.loss, entropy_sphere=one.entropy_sphere + 40)
    both = xr.concat(
        [each.expand_dims(seed=[seed]) for seed, each in enumerate((one, other))], "seed"
    ).transpose("lr", "wd", "seed")
    both = both.assign(status=both.status.copy())
    both["status"][0, 0, 1] = "diverged"
    alone, found = levels(one), levels(both)
    np.testing.assert_allclose(
        found.log_energy.coefficients[1:], alone.log_energy.coefficients[1:], atol=1e-9
    )
    apart = found.log_energy.at([2e-3, 2e-4])[0] - alone.log_energy.at([2e-3, 2e-4])[0]
    np.testing.assert_allclose(apart, np.log(1.8) / 2, rtol=1e-6)
    # Two seeds alike: the errors are those of twice the points, and not of what lies between them.
    assert found.entropy_sphere.residual == pytest.approx(alone.entropy_sphere.residual, rel=0.1)
    change = entropy_adiabat(found)
    np.testing.assert_allclose(change.sphere_change, entropy_adiabat(alone).sphere_change, atol=3)
    assert change.sphere_change_se.max() < entropy_adiabat(alone).sphere_change_se.max()


@pytest.mark.parametrize("protocol", [FixedELR, FixedLR])
def test_the_points_of_a_curve_settle_at_its_radius(protocol):
    curve = entropy_adiabat(levels(states(protocol)))
    for i, one in along(curve, protocol).items():
        # Six digits of the hyperparameters, and a parabola through the steps' terms of the growth.
        assert float(one["norm"].item()) == pytest.approx(curve.radius[i], rel=2e-3)


def test_both_protocols_have_one_state_at_a_point_of_a_curve():
    curve = energy_adiabat(levels(states(FixedLR)))
    for i in range(len(curve)):
        lr, elr = curve.protocol(FixedLR, i), curve.protocol(FixedELR, i)
        m = 123.0
        by_lr = stationary_radius_lr(lr.lr, lr.wd, m, 0.0).finite_step
        # The ELR that fixed LR has at its own radius, for any m: the two finite-step laws are one.
        by_elr = stationary_radius_elr(lr.lr / by_lr**2, lr.wd, m, 0.0).finite_step
        assert by_elr == pytest.approx(float(by_lr), rel=1e-9)
        assert elr.wd == lr.wd


# -- known rate ----------------------------------------------------------------------------------------------


def test_finite_steps_depart_from_the_discrete_law_as_the_square_of_the_step():
    gaps = []
    for scale in (1.0, 0.5):
        points = compressibility(states(FixedELR, rates=(1e-3 * scale, 1e-2 * scale))).points
        Z = points["predicted"].isel(elr=-1, wd=0)
        m_step = (1e-2 * scale) ** 2 * 1.3 * 50 * (1e-2 * scale) ** -0.2
        gaps.append((float(Z.sel(version="finite_step") / Z.sel(version="discrete")) - 1) / m_step)
    # 2 (1 - sqrt(1 - x)) / x = 1 + x/4 + x^2/8 + ...: the gap over x = elr^2 m is 1/4 as x goes to 0.
    assert gaps == pytest.approx([0.25, 0.25], rel=0.01)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_power_of_the_pressure_is_found(protocol):
    bent = 0.02
    check = compressibility(states(protocol, pressure=bent))
    # Z goes as p on a sphere and as r^2 elsewhere: the exponents are b/(1+b), as p itself is bent, and 2 b.
    expected = bent / (1 + bent) if protocol is FixedSphere else 2 * bent
    assert check.pressure_exponent == pytest.approx(expected, rel=0.02)
    assert abs(compressibility(states(protocol)).pressure_exponent) < 1e-3


# -- physical limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_a_mean_gradient_small_steps_make_an_ideal_gas(protocol):
    check = compressibility(states(protocol, share=0.0, rates=(1e-5, 1e-4)))
    # What is left is elr^2 tr_sigma / 4 on spheres and at fixed ELR, 1e-6 here, and lr wd / 4 at fixed LR.
    assert check.largest == pytest.approx(1.0, abs=2e-5)
    assert check.smallest == pytest.approx(1.0, abs=2e-5)


def test_the_entropy_stays_along_the_adiabat_and_grows_at_constant_decay():
    grid = states(FixedLR)
    curves = {"noise": energy_adiabat(levels(grid)), "entropy": entropy_adiabat(levels(grid))}
    found = adiabat_paths("FixedLR", curves, {"noise": along(curves["noise"], FixedLR)}, constant_decay(grid))
    path, control = found.paths["noise"].check, found.paths["constant-wd"].check
    # The measured radius follows the curve's to 2e-3, of which (d - 1) = 400 makes 0.8 nats.
    assert path.span < 1.6
    assert path.sphere_span > 300
    # At constant decay lr rises alone: dS = (C + R) dlog T, since r^2 goes as T there.
    assert control.trend.plain / R == pytest.approx(3.0, rel=0.02)
    assert not found.paths["constant-wd"].expected


def test_moved_by_scale_invariance_the_states_are_those_of_the_other_curve():
    curves = {
        "gas": gas_adiabat(levels(states(FixedLR))),
        "entropy": entropy_adiabat(levels(states(FixedLR))),
    }
    measured = along(curves["gas"], FixedLR)
    moved = adiabat_paths("FixedLR", curves, {"gas": measured}).paths["entropy"].states
    truth = along(curves["entropy"], FixedLR)
    for one, there in zip(moved, truth.values(), strict=True):
        assert one["wd"].item() == there["wd"].item()
        assert one["norm"].item() == pytest.approx(there["norm"].item(), rel=1e-5)  # six digits
        assert one["entropy"].item() == pytest.approx(there["entropy"].item(), abs=0.01)


# -- negative controls ---------------------------------------------------------------------------------------


def test_points_without_a_result_leave_a_gap():
    grid = states(FixedLR)
    curves = {"gas": gas_adiabat(levels(grid)), "entropy": entropy_adiabat(levels(grid))}
    measured = along(curves["gas"], FixedLR)
    del measured[1]
    paths = adiabat_paths("FixedLR", curves, {"gas": measured}).paths
    assert len(paths["gas"].states) == 4
    # What was at place 2 is still moved to the radius of place 2.
    third = paths["entropy"].states[1]
    assert third["lr"].item() == curves["entropy"].protocol(FixedLR, 2).lr
    del measured[0], measured[2], measured[3]
    assert "1 usable points" in adiabat_paths("FixedLR", curves, {"gas": measured}).paths["gas"].check


def test_an_energy_that_is_not_the_one_that_counts_is_found_out():
    grid = states(FixedLR)
    wrong = grid.assign(loss=grid["loss"] * 1.5)
    wrong["loss"].attrs = grid["loss"].attrs
    curves = {"noise": energy_adiabat(levels(wrong)), "entropy": entropy_adiabat(levels(grid))}
    path = adiabat_paths("FixedLR", curves, {"noise": along(curves["noise"], FixedLR)}).paths
    # The curve lets the radius undo 1.5 times what the direction gains: S falls by half of that.
    assert path["noise"].check.trend.plain / R == pytest.approx(-1.0, rel=0.02)
    # Moved to the entropies' own curve, the same runs keep it.
    assert path["entropy"].check.span < 1.6


def test_errors_of_the_curves_cover_what_repeats_scatter():
    grid = states(FixedLR, noise=0.05)
    exact = entropy_adiabat(levels(states(FixedLR)))
    found = entropy_adiabat(levels(grid))
    pull = (found.sphere_change - exact.sphere_change)[[0, 1, 3, 4]] / found.sphere_change_se[[0, 1, 3, 4]]
    # 24 states, three coefficients: four correlated pulls of unit variance; 4 has a chance below 1e-3.
    assert np.abs(pull).max() < 4
    # 0.05 R = 10 nats a state, by the span's weight about sqrt(3 to 12 / 24): between 2 and 10 nats.
    assert 2 < found.sphere_change_se.max() < 10


@pytest.mark.parametrize(
    ("shape", "words"), [((3, 4), "levels"), ((5, 1), "5 usable points")], ids=["levels", "points"]
)
def test_too_few_states_give_no_curve(shape, words):
    with pytest.raises(InputError, match=words):
        levels(states(FixedELR, shape=shape))


def test_what_cannot_be_a_curve_is_refused():
    found = levels(states(FixedELR))
    with pytest.raises(InputError, match="points is 4"):
        energy_adiabat(found, 4)
    with pytest.raises(InputError, match="expected wd"):
        constant_decay(states(FixedSphere))
    with pytest.raises(InputError, match="no point of status"):
        compressibility(
            states(FixedELR).assign(status=lambda d: d["status"].copy(data=np.full((6, 4), "failed")))
        )


def test_seeds_are_taken_one_by_one():
    grid = FixedELR.grid(elr=[0.01], wd=[0.1])
    two = new_states(grid, {"norm": [[[1.0, 2.0]]]}, dim=DIM, seeds=[3, 5])
    assert [one["seed"].item() for one in single_points(two)] == [3, 5]
