"""Temperature from free-energy minimisation: exact laws, known rates, the isotropic simulator, and frauds."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from thermograd.analysis.bridge import bridge
from thermograd.analysis.free_energy import free_energies, longest_stretch, pair_bounds, temperature_bands
from thermograd.analysis.power_law import fit_power_law
from thermograd.analysis.published import PHASE_EXPONENTS, TEMPERATURE_LAWS
from thermograd.analysis.smoothing import carried, gaussian_in_log, noise_about, triangular_in_log
from thermograd.analysis.temperature_law import temperature_law
from thermograd.errors import InputError
from thermograd.figures.smoothing import smooth_in_log
from thermograd.protocol import FixedELR, FixedSphere
from thermograd.simulate import direction_relaxation, isotropic
from thermograd.states import new_states
from thermograd.theory import vmf


def exact(elr: np.ndarray, d: int = 10, *, error: float = 0.0, seed: int | None = None) -> xr.Dataset:
    """States of the isotropic model, T = elr / 2, with independent Gaussian errors of a known size."""
    T = elr / 2
    U, S = vmf.energy(T, d), vmf.entropy_sphere(T, d)
    U_se, S_se = error * U, error * d * np.ones_like(S)
    if seed is not None:
        rng = np.random.default_rng(seed)
        U, S = (x + se * rng.standard_normal(len(x)) for x, se in ((U, U_se), (S, S_se)))
    measured = {"loss": U, "entropy_sphere": S, "norm": np.ones_like(U), "tr_sigma": (d - 1.0) + 0 * U}
    if error:
        measured |= {
            "loss_se": U_se,
            "entropy_sphere_se": S_se,
            "norm_se": 0 * U,
            "tr_sigma_se": 1e-6 + 0 * U,
        }
    columns = {name: values[:, None] for name, values in measured.items()}
    return new_states(FixedSphere.grid(elr=elr, radius=[1.0]), columns, dim=d)


@pytest.fixture(scope="module")
def simulated() -> xr.Dataset:
    """A short simulation: windows of 200 directions that are one relaxation time apart, 16 chains."""
    return isotropic(
        FixedSphere.grid(elr=np.geomspace(4e-3, 8e-2, 13), radius=[1.0]),
        10,
        steps=200_000,
        chains=16,
        queue_size=200,
        queue_every=direction_relaxation,
        seed=3,
    )


# Smoothing


def test_the_triangular_kernel_keeps_ends_and_mixes_only_neighbours():
    rates = np.geomspace(1e-3, 1e-2, 15)  # 0.164 apart: a neighbour weighs (0.3 - 0.164) / 0.3 of the point
    weights = triangular_in_log(rates)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(weights[[0, -1]], np.eye(15)[[0, -1]])
    share = 1 - np.log(10) / 14 / 0.3
    np.testing.assert_allclose(weights[7, 6:9], np.array([share, 1, share]) / (1 + 2 * share), rtol=1e-9)
    assert np.count_nonzero(weights[7]) == 3
    np.testing.assert_array_equal(triangular_in_log(np.geomspace(1e-3, 1, 10)), np.eye(10))  # 0.77 apart


def test_smoothed_errors_are_those_of_repeated_measurements():
    rates, errors = np.geomspace(1e-3, 1e-2, 20), np.linspace(0.1, 0.3, 20)
    weights = triangular_in_log(rates)
    samples = np.random.default_rng(0).normal(0, errors, (20_000, 20)) @ weights.T
    # a covariance of 20 000 samples has a relative error of 1% of the variances: 4.5 of them
    np.testing.assert_allclose(np.cov(samples.T), carried(weights, errors), atol=0.045 * errors.max() ** 2)
    unknown = errors.copy()
    unknown[3] = np.nan
    lost = np.isnan(np.diag(carried(weights, unknown)))
    assert np.flatnonzero(lost).tolist() == [1, 2, 3, 4, 5]  # 0.12 apart: two to either side


def test_the_gaussian_matrix_is_the_smoothing_of_the_figures():
    rng = np.random.default_rng(1)
    step = np.unique(np.geomspace(1, 1e5, 120).astype(int))
    y = np.log(step) ** 2 + rng.normal(0, 1, len(step))
    for sigma in (0.1, 0.2, 1.0):
        smooth = gaussian_in_log(step, sigma) @ y
        np.testing.assert_allclose(smooth, smooth_in_log(step, y, sigma), rtol=1e-9, atol=1e-9)
    # 120 residuals, correlated over three widths, say the noise to about 10%
    assert noise_about(step[20:], y[20:]).mean() == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("rates", [[], [1.0, 1.0], [2.0, 1.0], [-1.0, 1.0], [1.0, np.inf], [[1.0]]])
def test_rates_that_do_not_rise_are_refused(rates):
    with pytest.raises(InputError, match="smoothing"):
        triangular_in_log(rates)
    with pytest.raises(InputError, match="smoothing"):
        gaussian_in_log(rates)


# Bands


@pytest.mark.parametrize("d", [3, 10, 1000])
@pytest.mark.parametrize("n", [5, 9, 33, 120])
def test_the_band_of_an_exact_law_holds_its_temperature_at_any_spacing(d, n):
    rng = np.random.default_rng(n)
    for T in (np.geomspace(1e-4, 1e-1, n) / d, np.sort(np.exp(rng.uniform(-9, 1, n))) / d):
        bands = temperature_bands(vmf.energy(T, d), vmf.entropy_sphere(T, d))
        assert (bands.kind[1:-1] == "estimate").all()
        # differences of U between neighbours are the least exact: 1e-16 over a relative spacing of 1e-4
        assert (bands.lower[1:-1] <= T[1:-1] * (1 + 1e-9)).all()
        assert (bands.upper[1:-1] >= T[1:-1] * (1 - 1e-9)).all()
        assert bands.kind[[0, -1]].tolist() == ["upper bound", "lower bound"]


def test_the_error_falls_with_the_square_of_the_spacing():
    """Cold, U = (d-1) T / 2 and S = (d-1)/2 log T: the chords' geometric mean is 2 sinh(h/2)/h times T."""
    for n in (5, 9, 17, 33):
        T = np.geomspace(1e-8, 1e-7, n)
        h = np.log(10) / (n - 1)
        bands = temperature_bands(vmf.energy(T, 10), vmf.entropy_sphere(T, 10))
        # the law is cold up to terms of order T = 1e-7
        np.testing.assert_allclose(bands.temperature[1:-1] / T[1:-1], 2 * np.sinh(h / 2) / h, rtol=1e-6)


def test_towards_zero_temperature_the_law_is_kept():
    elr = np.geomspace(1e-9, 1e-7, 9)
    (line,) = temperature_law(exact(elr), shuffles=0, width=0)
    h = np.log(100) / 8
    assert line.law.exponent == pytest.approx(1, abs=1e-6)
    assert line.law.at(1e-8)[0] == pytest.approx(5e-9 * 2 * np.sinh(h / 2) / h, rel=1e-5)


def test_bounds_with_errors_are_where_the_free_energies_differ_by_so_many_errors():
    """Against a scan over T of the inequality itself."""
    rng = np.random.default_rng(5)
    grid = np.geomspace(1e-4, 1e4, 4001)
    checked = 0
    for _ in range(200):
        U, S = rng.normal(0, 1, 2), rng.normal(0, 1, 2)
        vu, vs = rng.uniform(0, 0.4, 2) ** 2
        z, eps = rng.uniform(0, 3), rng.choice([0.0, 0.2])
        covariances = {"U_covariance": np.diag([vu, vu]), "S_covariance": np.diag([vs, vs])}
        pairs = pair_bounds(U, S, eps=eps, sigmas=z, **covariances)
        excess = U[0] - U[1] - eps - grid * (S[0] - S[1])
        allowed = excess <= z * np.sqrt(2 * vu + 2 * vs * grid**2)
        told_apart = abs(S[0] - S[1]) > z * np.sqrt(2 * vs)
        bounded = (grid >= pairs.lower[0, 1]) & (grid <= pairs.upper[0, 1])
        if told_apart or pairs.lower[0, 1] > 0:
            checked += 1
            assert np.count_nonzero(bounded != allowed) <= 1  # a step of the scan
        else:
            assert bounded[allowed].all()
    assert checked > 100


def test_the_longest_stretch_is_the_longest():
    rng = np.random.default_rng(2)
    for _ in range(100):
        n = 9
        U = np.sort(rng.normal(size=n)) + rng.normal(0, 0.1, n)
        pairs = pair_bounds(U, np.sort(rng.normal(size=n)), eps=0.05)
        stretch, _ = longest_stretch(pairs)

        def lawful(a: int, b: int, pairs=pairs) -> bool:
            inner = slice(a, b)
            low, high = pairs.lower[inner, inner].max(axis=1), pairs.upper[inner, inner].min(axis=1)
            return bool((np.isfinite(low) & (low <= high) & (high > 0)).all())

        longest = max(b - a for a in range(n) for b in range(a + 1, n + 1) if lawful(a, b))
        assert lawful(stretch.start, stretch.stop)
        assert stretch.stop - stretch.start == longest


def test_each_state_is_least_at_its_own_temperature():
    T = np.geomspace(1e-3, 1e-1, 9)
    U, S = vmf.energy(T, 10), vmf.entropy_sphere(T, 10)
    curves, least = free_energies(U, S, T)
    assert least.tolist() == list(range(9))
    assert curves.shape == (9, 9)


# Frauds


def shuffled(states: xr.Dataset, seed: int) -> xr.Dataset:
    order = np.random.default_rng(seed).permutation(states.sizes["elr"])
    changed = states.copy(deep=True)
    for name in ("entropy", "entropy_se", "entropy_sphere", "entropy_sphere_se"):
        changed[name].values[:] = states[name].values[order]
    return changed


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_entropies_have_no_temperature(seed):
    states = exact(np.geomspace(1e-3, 1e-1, 14), error=0.01, seed=0)
    assert temperature_law(states)[0].exists
    (line,) = temperature_law(shuffled(states, seed), draws=0)
    assert not line.exists
    assert "temperature exists" in line.verdict
    assert "no " in line.verdict or "not " in line.verdict


def test_a_constant_entropy_has_no_temperature():
    states = exact(np.geomspace(1e-3, 1e-1, 9), error=0.01)
    states["entropy"].values[:] = 3.0
    (line,) = temperature_law(states)
    assert not line.exists
    assert (line.points.kind != "estimate").all()
    (line,) = temperature_law(states, eps=0.0)  # and as published: each but the coldest is beaten at any T
    assert not line.exists
    assert (line.points.kind.values[1:] == "none").all()


def test_a_temperature_that_falls_is_none():
    """Entropy growing, energy growing, but along a concave curve: every chord lies below it."""
    elr = np.geomspace(1e-3, 1e-1, 9)
    S = np.linspace(0, 8, 9)[:, None]
    columns = {"loss": np.sqrt(1 + S), "entropy_sphere": S, "norm": 1 + 0 * S}
    (line,) = temperature_law(new_states(FixedSphere.grid(elr=elr, radius=[1.0]), columns, dim=10))
    assert not line.exists
    assert line.law is None
    assert line.verdict.startswith("no temperature exists: at most 2 of 9")


def test_what_cannot_be_tested_is_refused():
    states = exact(np.geomspace(1e-3, 1e-1, 9))
    with pytest.raises(InputError, match="2 usable states"):
        temperature_law(states.isel(elr=[0, 1]))
    with pytest.raises(InputError, match="n >= 3"):
        temperature_bands([0.0, 1.0], [0.0, 1.0])
    with pytest.raises(InputError, match="eps is -1"):
        temperature_law(states, eps=-1)
    with pytest.raises(InputError, match="entropy_chart is missing"):
        temperature_law(states, observable="entropy_chart")
    with pytest.raises(InputError, match="within"):
        temperature_law(states, within=(1.0, 0.1))
    free = new_states(FixedELR.grid(elr=[0.1], wd=[0.1]), {"loss": [[1.0]], "norm": [[1.0]]}, dim=3)
    with pytest.raises(InputError, match="expected 'FixedSphere'"):
        temperature_law(free)


def test_states_that_break_the_law_are_found_and_named():
    """Three runs at small ELR that have converged: far below in energy, hardly lower in entropy."""
    states = exact(np.geomspace(1e-3, 1e-1, 14), error=0.002, seed=1)
    states["loss"].values[:3] *= 1e-3
    (line,) = temperature_law(states)
    assert line.exists
    assert line.points.inside.values.tolist() == [False] * 3 + [True] * 11
    assert "none exists with elr 0.001, 0.00143, 0.00203 among the competitors" in line.verdict
    (chosen,) = temperature_law(states, within=(line.stretch[0], 1.0))
    assert len(chosen.left_out) == 3
    assert "outside of the range" in str(chosen.left_out[0])
    assert chosen.law.exponent == pytest.approx(line.law.exponent, abs=0.02)  # the end is smoothed or not


def test_a_slack_pulls_the_temperature_down_by_half_its_share_of_the_energy():
    """Cold, with R = 9/2: bounds by neighbours at a factor e^h give log T a shift of -eps/(2 U) for any h."""
    states = exact(np.geomspace(4e-6, 8e-5, 13))
    plain, slack = (temperature_law(states, eps=eps, shuffles=0, width=0)[0] for eps in (0.0, 2e-8))
    shift = np.log(slack.points.temperature / plain.points.temperature).values[1:-1]
    # the next order is the square of eps/(U h) = 2e-8 / (1e-5 * 0.25) over 2: 3e-5 where the shift is 1e-3
    np.testing.assert_allclose(shift, -2e-8 / (2 * states.loss.values.ravel()[1:-1]), rtol=0.04)
    assert slack.law.exponent > plain.law.exponent


def test_points_out_of_equilibrium_are_left_out_with_their_reason():
    states = exact(np.geomspace(1e-3, 1e-1, 9))
    status = states["status"].values.astype(object)
    status[0] = "converging"
    states["status"] = (states["status"].dims, status.astype(str))
    (line,) = temperature_law(states, shuffles=0)
    assert [str(left) for left in line.left_out] == ["elr = 0.001, radius = 1: converging"]
    assert line.points.sizes["elr"] == 8


# Errors


def test_the_error_of_the_exponent_is_its_scatter():
    """80 repetitions tell a standard deviation to 8%: within 3 of these."""
    elr = np.geomspace(1e-3, 1e-1, 14)
    found = [temperature_law(exact(elr, error=0.01, seed=k), draws=60, shuffles=0)[0].law for k in range(80)]
    scatter = np.std([law.exponent for law in found], ddof=1)
    # errors are enlarged where points scatter more than they should, and never made smaller
    assert np.mean([law.exponent_se for law in found]) / scatter == pytest.approx(1.1, abs=0.3)


def test_a_seed_gives_one_answer():
    states = exact(np.geomspace(1e-3, 1e-1, 9), error=0.02, seed=0)
    first, again, other = (temperature_law(states, seed=k, shuffles=0)[0] for k in (1, 1, 2))
    assert first.points.identical(again.points)
    assert first.law.exponent_se != other.law.exponent_se


def test_a_power_law_through_noise():
    rng = np.random.default_rng(3)
    x = np.geomspace(1e-3, 1, 20)
    pulls = []
    for _ in range(200):
        y = 2 * x**0.7 * np.exp(rng.normal(0, 0.1, 20))
        law = fit_power_law(x, y, covariance=0.01 * np.eye(20))
        pulls.append((law.exponent - 0.7) / law.exponent_se)
    # errors that are enlarged now and then make pulls smaller than 1; 200 tell their size to 5%
    assert 0.75 < np.std(pulls) < 1.05
    with pytest.raises(InputError, match="n >= 3"):
        fit_power_law([1.0, 2.0], [1.0, 2.0])


# The simulator


def test_the_simulated_temperature_is_within_every_band(simulated):
    (line,) = temperature_law(simulated)
    T = simulated["temperature"].sel(radius=1.0).values
    # a band reaches half a spacing, 12%, to either side, and two standard errors of 2% beyond
    assert (line.points["lower"].values <= T).all()
    assert (line.points["upper"].values >= T).all()
    assert (line.points.kind.values[1:-1] == "estimate").all()
    assert line.exists
    assert line.grows
    # finite steps raise U by elr/2 of itself or less: 4% at the end of 3 units of log elr
    assert line.law.exponent == pytest.approx(1, abs=0.04 / 3 + 4 * line.law.exponent_se)


def test_simulated_bands_of_shuffled_entropies_are_empty(simulated):
    assert not temperature_law(shuffled(simulated, 7))[0].exists


def test_the_two_temperatures_of_the_simulator_meet(simulated):
    (line,) = bridge(simulated)
    for mean in (line.minimum, line.slope):
        # finite steps (4% at most), spacing (h^2/24 = 0.3%) and 4 standard errors
        assert mean.value == pytest.approx(1.0, abs=0.043 + 4 * mean.se)
        assert mean.chance > 1e-3
    assert line.points["overlaps"].values.all()
    assert line.minimum.n == 11
    assert line.slope.n == 13


def test_temperatures_that_differ_part():
    states = exact(np.geomspace(1e-3, 1e-1, 14), error=0.005, seed=2)
    states["temperature"].values[7:] *= 2
    (line,) = bridge(states)
    assert set(states.elr.values[8:13]) <= set(line.parts)
    assert set(line.parts) <= set(states.elr.values[7:])
    assert "not the same for all" in line.verdict
    with pytest.raises(InputError, match="temperature is missing"):
        bridge(states.drop_vars(["temperature", "temperature_se"]))


# The papers


def test_published_numbers_are_as_printed():
    assert len(TEMPERATURE_LAWS) == 8
    assert len(PHASE_EXPONENTS) == 8
    first = TEMPERATURE_LAWS[0]
    # the hottest curve of FE figure 2 is at 7.2e-5, for the next to last ELR, 8.5e-3
    assert first.at(8.5e-3) == pytest.approx(7.2e-5, rel=0.1)
    for under, over in zip(TEMPERATURE_LAWS[::2], TEMPERATURE_LAWS[1::2], strict=True):
        assert (under.overparameterised, over.overparameterised) == (False, True)
        assert under.at(3e-3) > 5 * over.at(3e-3)
    for network in (PHASE_EXPONENTS[:4], PHASE_EXPONENTS[4:]):
        assert (np.diff([p.exponent for p in network]) < 0).all()
        assert (np.diff([p.size for p in network]) > 0).all()
