from __future__ import annotations

import numpy as np
import pytest

from thermograd.analysis.potentials import potentials
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.states import new_states
from thermograd.theory import gas, vmf
from thermograd.theory.radius import stationary_radius_elr, stationary_radius_lr

GRIDS = {
    "FixedELR": FixedELR.grid(elr=np.geomspace(1e-3, 1e-1, 7), wd=np.geomspace(1e-3, 1e-1, 6)),
    "FixedLR": FixedLR.grid(lr=np.geomspace(1e-3, 1e-1, 7), wd=np.geomspace(1e-3, 1e-1, 6)),
    "FixedSphere": FixedSphere.grid(elr=np.geomspace(1e-3, 1e-1, 7), radius=np.geomspace(0.25, 4, 4)),
}


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def vmf_states(grid, dim, sigma2):
    """The exact stationary law of the test function at every point, in continuous time."""
    first, second = np.meshgrid(*grid.axes.values(), indexing="ij")
    tr_sigma = np.full(grid.shape, sigma2 * (dim - 1))
    if grid.protocol is FixedLR:
        T, norm = (
            gas.temperature_lr(first, second, sigma2, dim),
            stationary_radius_lr(first, second, tr_sigma).sde,
        )
    else:
        T = gas.temperature_elr(first, sigma2)
        sphere = grid.protocol is FixedSphere
        norm = second if sphere else stationary_radius_elr(first, second, tr_sigma).sde
    values = {"loss": vmf.energy(T, dim), "entropy_sphere": vmf.entropy_sphere(T, dim)}
    return new_states(grid, values | {"norm": norm, "tr_sigma": tr_sigma}, dim=dim)


@pytest.mark.parametrize("name", GRIDS)
def test_the_excess_of_an_ideal_gas_is_known(name, make_states):
    """``Phi_j - Phi_i = R T_i (x - 1 - log x)`` with x = T_j/T_i, and the same in the volumes for G."""
    states = make_states(GRIDS[name], dim=101)
    check = potentials(states)
    R, T, V = 50.0, states.temperature.values, states.volume.values
    if name == "FixedSphere":
        assert check.potential == "F"
        assert check.excess.dims == ("radius", "elr_star", "elr")
        assert check.steps_away.dims == ("radius", "elr_star")
        x = T[None, :, 0] / T[:, None, 0]
        expected = np.broadcast_to(R * T[:, None, 0] * (x - 1 - np.log(x)), check.excess.shape)
    else:
        first = "elr" if name == "FixedELR" else "lr"
        assert check.potential == "G"
        assert check.excess.dims == (f"{first}_star", "wd_star", first, "wd")
        assert check.steps_away.dims == (f"{first}_star", "wd_star")
        x, y = T / T[:, :, None, None], V / V[:, :, None, None]
        expected = R * T[:, :, None, None] * (x - 1 - np.log(x) + y - 1 - np.log(y))
    # U - T S + p V is a difference of numbers below 50 T log(...) ~ 1e3 T: round-off 1e-12 of T
    np.testing.assert_allclose(check.excess.values, expected, atol=1e-10)
    assert (check.steps_away == 0).all()
    assert check.within_one == 1
    assert check.n == states.status.size
    assert not check.beyond
    assert not check.left_out
    stars = (
        np.meshgrid(*(check.steps_away[d].values for d in check.minimiser.wd.dims), indexing="ij")
        if (name != "FixedSphere")
        else np.meshgrid(check.steps_away.radius.values, check.steps_away.elr_star.values, indexing="ij")[1:]
    )
    for found, own in zip(check.minimiser.data_vars.values(), stars, strict=True):
        np.testing.assert_array_equal(found, own)


@pytest.mark.parametrize("dim", [3, 10])
@pytest.mark.parametrize("name", GRIDS)
def test_the_exact_law_is_the_minimum_at_any_temperature(name, dim):
    """Gibbs: exact in every dimension, also where T is 1 and equipartition long gone (elr 0.1, sigma2 20)."""
    check = potentials(vmf_states(GRIDS[name], dim, 20.0))
    assert (check.steps_away == 0).all()
    assert (check.difference == 0).all()


def test_a_potential_is_quadratic_about_its_minimum():
    """Half the grid step, a quarter of the neighbour's excess: R T (e^h - 1 - h) = R T h^2/2 (1 + h/3)."""
    neighbour = []
    for n in (5, 9):
        grid = FixedSphere.grid(elr=np.geomspace(1e-3, 2e-3, n), radius=[1.0])
        neighbour.append(float(potentials(vmf_states(grid, 3, 1.0)).excess[0, 0, 1]))
    h = np.log(2) / 4
    exact = (np.exp(h) - 1 - h) / (np.exp(h / 2) - 1 - h / 2)
    assert neighbour[0] / neighbour[1] == pytest.approx(exact, rel=1e-6)
    assert exact == pytest.approx(4, rel=h)


def test_on_the_sphere_the_radius_does_not_matter():
    """``F`` of two radii differs by ``T (d-1) log r``, the same for all competitors."""
    excess = potentials(vmf_states(GRIDS["FixedSphere"], 10, 4.0)).excess
    np.testing.assert_allclose(excess.isel(radius=3), excess.isel(radius=0), atol=1e-12)


@pytest.mark.parametrize("name", GRIDS)
def test_a_shuffled_grid_fails(name, make_states, rng):
    """The negative control: each state with another's energy, entropy and volume.

    The minimiser of a state is then at a random place: within one step by chance only.
    """
    states = make_states(GRIDS[name], rng, dim=101, noise=1e-3)
    order = rng.permutation(states.status.size)
    for key in ("loss", "entropy", "volume"):
        states[key].values[...] = states[key].values.ravel()[order].reshape(states.status.shape)
    check = potentials(states)
    sd = np.sqrt(check.by_chance * (1 - check.by_chance) / check.n)  # binomial
    assert check.by_chance < 0.45
    # Places are drawn without repetition, so the binomial sd is an upper bound; F: 4 independent radii.
    assert abs(check.within_one - check.by_chance) < 5 * sd
    assert len(check.beyond) == round((1 - check.within_one) * check.n)
    sure = [far for far in check.beyond if not far.within_error]
    assert len(sure) > 0.9 * len(check.beyond)


@pytest.mark.parametrize("name", GRIDS)
def test_an_entropy_of_the_wrong_size_fails(name, make_states):
    """With 0.2 S the least F lies at T_j = 0.2 T_i: two steps of log 100 / 6 = 0.77 away, or at the edge."""
    states = make_states(GRIDS[name], dim=101)
    check = potentials(states.assign(entropy=states.entropy.copy(data=0.2 * states.entropy.values)))
    assert check.within_one < 0.5
    first = next(iter(GRIDS[name].axes))
    assert all(far.minimiser[first] <= far.point[first] for far in check.beyond)
    assert not any(far.within_error for far in check.beyond)  # no errors are known: nothing is excused


@pytest.mark.parametrize("name", GRIDS)
def test_the_error_of_a_difference_covers(name, make_states, rng):
    """One competitor is pushed below all others, so that every state is compared with this one.

    Noise in U, S_sphere and, off the sphere, r; T and p are exact. Its linear part: relative noise 1e-4.
    """
    first, second = (values[:3] for values in GRIDS[name].axes.values())
    grid = GRIDS[name].protocol.grid(**dict(zip(GRIDS[name].axes, (first, second), strict=True)))
    exact = make_states(grid, dim=101)
    exact.loss.values[0, 0] -= 1e3
    if name == "FixedSphere":
        exact.loss.values[0, :] -= 1e3
    truth = potentials(exact).difference.values
    scaled = []
    names = ("loss", "entropy_sphere", "norm")
    se = {key: 1e-4 * np.abs(exact[key].values) for key in names}
    if name == "FixedSphere":
        se["norm"] = 0 * se["norm"]
    se["loss"] = np.full_like(se["loss"], 1e-4)
    noisy = exact.copy(deep=True)
    for key in names:
        noisy[f"{key}_se"].values[...] = se[key]
    for _ in range(100):
        drawn = {key: exact[key].values + se[key] * rng.standard_normal(se[key].shape) for key in names}
        noisy.loss.values[...] = drawn["loss"]
        noisy.entropy.values[...] = drawn["entropy_sphere"] + 100 * np.log(drawn["norm"])
        noisy.volume.values[...] = drawn["norm"] ** 2 / 2
        check = potentials(noisy)
        z = (check.difference.values - truth) / np.where(truth > 0, check.difference_se.values, np.nan)
        scaled.append(z[truth > 0])
    # 100 draws of one z have a variance of 1 +- 0.14; over states that share the pushed one: at most that.
    assert np.mean(np.square(scaled)) == pytest.approx(1, abs=4 * 0.14)
    assert np.mean(np.square(scaled), axis=0).max() < 1 + 6 * 0.14


def test_the_error_of_the_radius_cancels_where_the_potential_is_flat(make_states):
    """``dG/dlog r = p r^2 - T (d-1)`` is 0 at the state's own radius: only the minimiser's error is left."""
    states = make_states(GRIDS["FixedELR"], dim=101)
    states.norm_se.values[...] = 0.01 * states.norm.values
    states.loss.values[0, 0] -= 100
    T, p, r0 = states.temperature.values, states.pressure.values, states.norm.values[0, 0]
    expected = 0.01 * np.abs(p * r0**2 - 100 * T)
    np.testing.assert_allclose(potentials(states).difference_se, expected, atol=1e-9)
    # without the parts S and V carry errors of their own, which can not cancel
    parts = states.drop_vars("norm_se")
    parts.entropy_se.values[...] = 1.0
    parts.volume_se.values[...] = 0.02 * parts.volume.values
    own, best = T**2 + (0.02 * p * parts.volume.values) ** 2, T**2 + (0.02 * p * r0**2 / 2) ** 2
    expected = np.sqrt(own + best)
    expected[0, 0] = 0
    np.testing.assert_allclose(potentials(parts).difference_se, expected, atol=1e-9)


def test_a_tie_is_no_other_minimum(make_states):
    states = make_states(FixedSphere.grid(elr=[1e-3, 1e-2, 1e-1], radius=[1.0]))
    for key in ("loss", "entropy", "temperature"):
        states[key].values[...] = 1.0
    assert (potentials(states).steps_away == 0).all()


def test_the_error_of_the_temperature_counts(make_states):
    """``d(Phi_i - Phi_j)/dT_i = S_j - S_i``: with an error of T alone that is all there is."""
    grid = FixedSphere.grid(elr=[1e-3, 1e-2, 1e-1], radius=[1.0])
    states = make_states(grid, dim=101, noise=0.0)
    states.loss.values[0] -= 100
    states.temperature_se.values[...] = 0.01 * states.temperature.values
    check = potentials(states)
    expected = np.abs(states.entropy - states.entropy[0]) * states.temperature_se
    np.testing.assert_allclose(check.difference_se.values[0], expected.values[:, 0])
    assert check.beyond[0].point == {"elr": 0.1, "radius": 1.0}
    assert check.beyond[0].minimiser == {"elr": 1e-3, "radius": 1.0}
    assert check.beyond[0].steps == 2
    assert not check.beyond[0].within_error


def test_noise_moves_minimisers_no_further_than_it_explains(make_states, rng):
    """Entropies off by 0.02 R: a neighbour (step 0.4, excess R T 0.04 along each axis) is within reach.

    Three steps cost R T 0.35, 12 standard errors of the difference: never. Two steps along one axis cost at
    least R T 0.08 (fixed LR: half in T, half in V), 2.8 standard errors: a few of 144 states.
    """
    grid = FixedLR.grid(lr=np.geomspace(1e-3, 8e-2, 12), wd=np.geomspace(1e-3, 8e-2, 12))
    states = make_states(grid, rng, dim=101, noise=0.0)
    error = 0.02 * 50 * np.ones(grid.shape)
    states.entropy.values[...] += error * rng.standard_normal(grid.shape)
    states.entropy_se.values[...] = error
    states = states.drop_vars("entropy_sphere_se")
    check = potentials(states)
    assert check.steps_away.max() < 3
    assert check.within_one > 0.9
    assert check.steps_away.max() > 0
    assert all(far.within_error for far in check.beyond)


def test_seeds_are_tested_apart(make_states, rng):
    grid = GRIDS["FixedLR"]
    parts = [make_states(grid, rng, dim=101, noise=1e-3) for _ in range(2)]
    parts[1].loss.values[0, 0] -= 100
    keys = ("loss", "norm", "entropy_sphere", "tr_sigma")
    stacked = {key: np.stack([part[key].values for part in parts], axis=-1) for key in keys}
    both = potentials(new_states(grid, stacked, dim=101, seeds=[3, 8]))
    assert both.excess.dims == ("lr_star", "wd_star", "lr", "wd", "seed")
    for i, part in enumerate(parts):
        single = potentials(part)
        np.testing.assert_allclose(both.excess.isel(seed=i), single.excess, atol=1e-12)
        np.testing.assert_array_equal(both.steps_away.isel(seed=i), single.steps_away)
    assert {far.point["seed"] for far in both.beyond} == {8.0}
    sphere = GRIDS["FixedSphere"]
    one = make_states(sphere, dim=11)
    copies = {key: np.stack([one[key].values] * 3, axis=-1) for key in keys}
    check = potentials(new_states(sphere, copies, dim=11, seeds=[0, 1, 2]))
    assert check.excess.dims == ("radius", "elr_star", "elr", "seed")
    assert check.within_one == 1


def test_what_is_left_out_neither_competes_nor_is_judged(make_states):
    states = make_states(GRIDS["FixedELR"])
    states["status"] = states.status.astype("<U14")
    states.status[0, 0] = "converging"
    states.loss.values[0, 0] = -1e9
    states.entropy.values[3, 2] = np.nan
    check = potentials(states)
    assert check.within_one == 1
    assert check.n == 40
    reasons = [str(left) for left in check.left_out]
    assert reasons[0] == "elr = 0.001, wd = 0.001: converging"
    assert reasons[1].endswith("entropy has no value")
    assert np.isnan(check.excess[0, 0]).all()
    assert np.isnan(check.excess[:, :, 0, 0]).all()
    assert np.isnan(check.steps_away[3, 2])
    assert np.isnan(check.difference_se[3, 2])


def test_a_radius_where_the_test_cannot_fail_is_left_out(make_states):
    states = make_states(GRIDS["FixedSphere"])
    states["status"] = states.status.astype("<U14")
    states.status[2:, 1] = "diverged"
    check = potentials(states)
    assert check.n == 21
    assert [left.reason for left in check.left_out[-2:]] == [
        "no competitor is more than one grid step away"
    ] * 2
    assert np.isnan(check.excess.isel(radius=1)).all()
    states.status[2:] = "diverged"
    with pytest.raises(InputError, match=r"8 usable points \(20 left out\), none more than one grid step"):
        potentials(states)
    with pytest.raises(InputError, match="entropy_chart is missing"):
        potentials(states, observable="entropy_chart")
