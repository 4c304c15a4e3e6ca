"""Along a run: the decay of the temperature, phase exponents, over- and under-parameterised, regimes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from thermograd.analysis.decay import temperature_decay
from thermograd.analysis.parameterisation import parameterisation, run_ends
from thermograd.analysis.phase import phase_by_size, phase_exponents
from thermograd.analysis.regimes import regimes
from thermograd.errors import InputError
from thermograd.protocol import FixedSphere
from thermograd.simulate import toy
from thermograd.states import new_trace, stationary

STEP = np.unique(np.geomspace(1, 1e6, 220).astype(int))


def traced(series: dict[str, np.ndarray], elr: float = 1e-4, step: np.ndarray = STEP) -> xr.Dataset:
    """A single run of a net with 1000 weights."""
    return new_trace(FixedSphere(elr=elr, radius=1.0), step, {"norm": np.ones(len(step))} | series, dim=1000)


def converging(seed: int = 0, *, a: float = 0.8, noise: float = 0.0, p: float = 1.0) -> xr.Dataset:
    """An over-parameterised run: U = t^-p, S = -1000 log t, |E g| = t^-1, E|g| = 3 t^-a, after 1e3 steps."""
    rng = np.random.default_rng(seed)
    t = np.maximum(STEP, 1e3) / 1e3

    def noisy(y: np.ndarray, relative: float) -> np.ndarray:
        return y * np.exp(relative * rng.standard_normal(len(y)))

    return traced(
        {
            "loss": noisy(t**-p, noise / 4),
            "entropy_sphere": -1e3 * np.log(t) + 100 * noise * rng.standard_normal(len(t)),
            "grad_sq": noisy(t**-2.0, 2 * noise),
            "point_grad_sq": noisy(9 * t ** (-2 * a), noise / 2),
        }
    )


def settled(seed: int = 0, elr: float = 1e-4) -> xr.Dataset:
    """An under-parameterised run: all falls for 1e3 steps and then stays, with 5% of noise."""
    rng = np.random.default_rng(seed)
    t = np.minimum(STEP, 1e3) / 1e3
    noise = np.exp(0.05 * rng.standard_normal((3, len(t))))
    return traced(
        {
            "loss": 0.5 * t**-0.5 * noise[0],
            "entropy_sphere": 1e4 - 300 * np.log(t) + 20 * rng.standard_normal(len(t)),
            "grad_sq": t**-0.5 * noise[1],
            "point_grad_sq": 9 * t**-0.4 * noise[2],
        },
        elr,
    )


# The decay of the temperature


@pytest.mark.parametrize("p", [0.5, 1.0, 1.5])
def test_the_temperature_of_a_known_way_decays_as_known(p):
    """T = dU/dS = p t^-p / 1000 for U = t^-p and S = -1000 log t."""
    (run,) = temperature_decay(converging(p=p), sigma=0.0, since=2e4)
    # h = 2 log points are 0.13 in log t: sinh(p h)/(p h) - 1 = 0.6% at p = 1.5 of T, nothing of its slope.
    # Log points are whole numbers, which no longer shows at 1e4.
    assert run.law.exponent == pytest.approx(-p, abs=1e-3)
    t = run.points.step.values
    T = run.points.temperature.values[t > 2e4]
    np.testing.assert_allclose(T, p * (t[t > 2e4] / 1e3) ** -p / 1e3, rtol=0.01)
    assert run.vanishes
    assert run.verdict.startswith("T tends to zero")


def test_the_decay_survives_noise_with_an_error_that_is_its_scatter():
    found = [temperature_decay(converging(k, noise=0.1))[0] for k in range(40)]
    exponents = np.array([run.law.exponent for run in found])
    errors = np.array([run.law.exponent_se for run in found])
    # smoothing with 0.2 bends both ends of t^-1 by 2% at most
    assert abs(exponents.mean() + 1) < 0.02 + 3 * exponents.std() / np.sqrt(40)
    # 40 repetitions tell a standard deviation to 11%; errors may be enlarged by scatter
    assert 0.67 < errors.mean() / exponents.std(ddof=1) < 2
    assert all(run.vanishes for run in found)
    late = [run.points.sel(step=run.points.step > 1e4) for run in found]
    pulls = np.array(
        [np.log(p.temperature * p.step / 1e0) / (p.temperature_se / p.temperature) for p in late]
    )
    assert 0.6 < pulls.std() < 1.5  # noise of a run is known from some ten neighbours


def test_a_temperature_that_stays_is_no_decay():
    """U = 0.01 S: the temperature is 0.01 for ever."""
    rng = np.random.default_rng(0)
    S = -1e3 * np.log(STEP) + 10 * rng.standard_normal(len(STEP))
    (run,) = temperature_decay(traced({"loss": 200 + 0.01 * S, "entropy_sphere": S}))
    assert not run.vanishes
    assert run.law.at(1e5)[0] == pytest.approx(0.01, rel=1e-6)
    assert run.verdict.startswith("T does not tend to zero")


def test_a_temperature_that_falls_to_a_constant_is_found_out():
    """T = 1e-3 (1 + 1e4/t): falls as 1/t, then stays."""
    t = STEP.astype(float)
    U = 1e-3 * 1e3 * (1e4 / t - np.log(t))
    (run,) = temperature_decay(
        traced({"loss": 20 + U, "entropy_sphere": -1e3 * np.log(t)}), sigma=0.0, since=1e3
    )
    assert run.late.exponent > -0.1
    assert run.law.exponent < -0.3


def test_a_settled_run_has_no_temperature_along_its_way():
    (run,) = temperature_decay(settled())
    assert run.law is None
    assert not run.vanishes
    assert len(run.left_out) > 5
    assert run.verdict.startswith("no temperature")


def test_decay_refuses_what_it_cannot_use():
    with pytest.raises(InputError, match="entropy_sphere is missing"):
        temperature_decay(traced({"loss": 1.0 / STEP}))
    with pytest.raises(InputError, match="half is 0"):
        temperature_decay(converging(), half=0)
    with pytest.raises(InputError, match="no run has 7 log points"):
        temperature_decay(converging().isel(step=slice(0, 6)))


# Phase diagram


@pytest.mark.parametrize("a", [0.78, 0.93])
def test_the_exponent_of_a_known_law_is_found_through_noise(a):
    """80 runs, 30% of noise in |E g|: the ratio of slopes is right, the plain regression too flat."""
    found = [phase_exponents(converging(k, a=a, noise=0.3))[0] for k in range(80)]
    exponents = np.array([run.exponent for run in found])
    errors = np.array([run.exponent_se for run in found])
    assert exponents.mean() == pytest.approx(a, abs=3.5 * exponents.std() / np.sqrt(80))
    # 80 repetitions tell a standard deviation to 8%
    assert errors.mean() / exponents.std(ddof=1) == pytest.approx(1, abs=0.3)
    plain = np.array([run.plain for run in found])
    # noise 0.3 in x; log |E g| spreads by log(10^1.5)/sqrt(12) = 1: too flat by 0.3^2/(1 + 0.3^2) = 8%
    assert plain.mean() / a == pytest.approx(1 - 0.083, abs=0.03)


def test_a_law_without_noise_is_met():
    (run,) = phase_exponents(converging(a=0.8))
    assert run.exponent == pytest.approx(0.8, abs=1e-9)
    assert run.plain == pytest.approx(0.8, abs=1e-9)
    # E|g| = 3 t^-0.8 with |E g| = t^-1
    assert run.coefficient == pytest.approx(3, rel=1e-9)
    assert run.points.step.values[run.points.stretch.values].min() >= 1e6 / 10**1.5


def test_gradients_that_settle_have_no_exponent():
    for seed in range(5):
        (run,) = phase_exponents(settled(seed))
        assert np.isnan(run.exponent)
        assert run.verdict.startswith("no exponent")


def test_log_points_without_a_norm_are_named():
    trace = converging()
    trace["grad_sq"].values[..., -10:-4] = -1e-9
    (run,) = phase_exponents(trace)
    assert len(run.left_out) == 6
    assert "grad_sq or point_grad_sq is not above 0" in str(run.left_out[0])
    assert run.exponent == pytest.approx(0.8, abs=1e-9)
    assert "6 of" in run.verdict


def test_exponents_that_rise_on_smaller_data_sets():
    sizes = {50_000: 0.78, 25_000: 0.83, 12_500: 0.87, 5_000: 0.93}
    traces = {size: converging(i, a=a, noise=0.1) for i, (size, a) in enumerate(sizes.items())}
    found = phase_by_size(traces)
    # by hand from the four: 0.93 - 0.78 over log 10
    assert found.slope == pytest.approx(-0.15 / np.log(10), abs=4 * found.slope_se)
    assert "approaches 1 on smaller data sets" in found.verdict
    same = phase_by_size({size: converging(i, noise=0.1) for i, size in enumerate(sizes)})
    assert "no trend" in same.verdict
    mixed = phase_by_size(traces | {1_000: settled()})
    assert len(mixed.left_out) == 1
    assert "1000 examples: no exponent" in mixed.left_out[0]
    with pytest.raises(InputError, match="0 sizes have an exponent"):
        phase_by_size({1_000: settled()})


# The toy sphere, where everything is known


@pytest.fixture(scope="module")
def over() -> xr.Dataset:
    return toy.simulate(toy.overparameterized(), [0.003, 0.01], steps=20_000)


@pytest.fixture(scope="module")
def under() -> xr.Dataset:
    return toy.simulate(toy.underparameterized(), [0.003, 0.01, 0.1], steps=50_000)


def test_at_an_optimum_that_all_share_both_norms_vanish_alike(over):
    """Lemma 1: the exponent is 1."""
    for run in phase_exponents(over):
        assert run.exponent == pytest.approx(1, abs=0.02 + 3 * run.exponent_se)


def test_the_toys_are_told_apart(over, under):
    assert parameterisation(over).word == "over"
    found = parameterisation(under)
    assert found.word == "under", found.reason
    assert "have settled" in found.reason


def test_a_run_that_is_too_short_decides_nothing(under):
    short = under.isel(step=under.step < 100)
    assert parameterisation(short).word == "undecided"
    assert parameterisation(under.isel(step=slice(0, 4))).word == "undecided"
    with pytest.raises(InputError, match="holds none of"):
        parameterisation(traced({"loss": 1.0 / STEP}))


def test_settled_and_converging_runs_are_told_apart_through_noise():
    for seed in range(10):
        assert [end.word for end in run_ends(converging(seed, noise=0.1))] == ["over"]
        assert parameterisation(settled(seed)).word == "under"


# Regimes


def grid_of_runs() -> xr.Dataset:
    """Seven ELRs: two converge, one still falls towards a settled gradient, two settle, two are random."""
    rng = np.random.default_rng(4)
    elr = np.array([1e-5, 1e-4, 1e-3, 1e-2, 2e-2, 0.1, 1.0])
    t = STEP / 1e3
    names = ("loss", "grad_sq", "point_grad_sq")
    flat = np.exp(0.02 * rng.standard_normal((len(elr), len(names), len(STEP))))
    levels = {
        "loss": [0, 0, 0, 0.5, 1.0, 2.3, 2.4],
        "grad_sq": [0, 0, 1] + [1] * 4,
        "point_grad_sq": [0, 0] + [9] * 5,
    }
    series = {}
    for k, name in enumerate(names):
        rows = np.array([np.full(len(t), float(level)) for level in levels[name]])
        rows[:2] = {"loss": t**-1.0, "grad_sq": t**-2.0, "point_grad_sq": 9 * t**-1.6}[name]
        if name == "loss":
            rows[2] = t**-0.5
        series[name] = (rows * flat[:, k])[:, None, :]
    series["norm"] = np.ones_like(series["loss"])
    return new_trace(FixedSphere.grid(elr=elr, radius=[1.0]), STEP, series, dim=1000)


def test_the_three_regimes_are_found_in_their_order():
    trace = grid_of_runs()
    found = regimes(stationary(trace), trace, random_loss=2.4)
    words = ["convergence"] * 2 + ["unsettled"] + ["equilibrium"] * 2 + ["divergence"] * 2
    assert found.points.regime.values.ravel().tolist() == words
    assert found.in_order
    assert "convergence at elr 1e-05 to 0.0001 (2 runs)" in found.verdict
    assert "is that of a random direction, 2.4" in str(found.points.reason.values.ravel()[-1])


def test_without_the_loss_of_a_random_direction_divergence_is_not_seen_and_that_is_said():
    trace = grid_of_runs()
    found = regimes(stationary(trace), trace)
    assert "divergence" not in found.points.regime.values
    assert "not compared with a random direction" in str(found.points.reason.values.ravel()[-1])


def test_regimes_out_of_order_and_other_grids():
    trace = grid_of_runs()
    states = stationary(trace)
    states["loss"].values[:] = states["loss"].values[::-1].copy()
    assert not regimes(states, random_loss=2.4).in_order
    with pytest.raises(InputError, match="another grid"):
        regimes(states, trace.isel(elr=[0, 1]))
    with pytest.raises(InputError, match="random_loss is -1"):
        regimes(states, random_loss=-1)


def test_runs_that_diverged_or_failed():
    trace = grid_of_runs()
    outcome = trace["outcome"].values.astype(object)
    outcome[-1], outcome[0] = "diverged", "failed"
    trace["outcome"] = (trace["outcome"].dims, outcome.astype(str))
    found = regimes(stationary(trace), trace, random_loss=2.4).points.regime.values.ravel()
    assert (found[0], found[-1]) == ("unknown", "divergence")
