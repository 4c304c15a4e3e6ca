"""Figures of the free-energy paper: what is drawn is what was analysed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thermograd.analysis.bridge import bridge
from thermograd.analysis.decay import temperature_decay
from thermograd.analysis.free_energy_curves import free_energy_curves
from thermograd.analysis.phase import phase_by_size, phase_exponents
from thermograd.analysis.published import PHASE_EXPONENTS, TEMPERATURE_LAWS
from thermograd.analysis.regimes import regimes
from thermograd.analysis.temperature_law import temperature_law
from thermograd.errors import InputError
from thermograd.figures import bridge as bridge_figures
from thermograd.figures import free_energy as figures
from thermograd.figures import free_energy_time as over_time
from thermograd.figures.output import encode
from thermograd.figures.phase import phase_diagram, phase_exponent_by_size
from thermograd.figures.regimes import regime_map
from thermograd.protocol import FixedSphere
from thermograd.states import new_states, new_trace, stationary
from thermograd.theory import vmf

ELR = np.geomspace(1e-3, 1e-1, 13)
STEP = np.unique(np.geomspace(1, 1e5, 250).astype(int))


def axes() -> Axes:
    return Figure().subplots()


def drawn(ax: Axes, gid: str) -> Line2D:
    found = [line for line in ax.lines if line.get_gid() == gid]
    assert len(found) == 1, (gid, [line.get_gid() for line in ax.lines])
    return found[0]


@pytest.fixture(scope="module")
def states() -> xr.Dataset:
    """Exact states of the isotropic model with 1% errors; the coldest three have converged."""
    U, S = vmf.energy(ELR / 2, 10), vmf.entropy_sphere(ELR / 2, 10)
    U[:3] *= 1e-3
    measured = {"loss": U, "entropy_sphere": S, "norm": 1 + 0 * U, "tr_sigma": 9 + 0 * U}
    measured |= {
        "loss_se": 0.01 * U,
        "entropy_sphere_se": 0.02 + 0 * U,
        "norm_se": 0 * U,
        "tr_sigma_se": 0.1 + 0 * U,
    }
    columns = {name: values[:, None] for name, values in measured.items()}
    return new_states(FixedSphere.grid(elr=ELR, radius=[1.0]), columns, dim=10)


@pytest.fixture(scope="module")
def line(states):
    return temperature_law(states)[0]


@pytest.fixture(scope="module")
def trace() -> xr.Dataset:
    """Three ELRs: one converges, one settles, one is random."""
    rng = np.random.default_rng(0)
    t = STEP / 1e3
    noise = np.exp(0.05 * rng.standard_normal((3, 4, len(t))))
    fall = np.maximum(t, 1)
    rows = {
        "loss": [1 / fall, 0.3 + 0.6 / (1 + 100 * t), 2.4 + 0 * t],
        "grad_sq": [fall**-2.0, 1 + 0 * t, 1 + 0 * t],
        "point_grad_sq": [9 * fall**-1.6, 9 + 0 * t, 9 + 0 * t],
    }
    series = {name: (np.array(y) * noise[:, k])[:, None] for k, (name, y) in enumerate(rows.items())}
    series["entropy_sphere"] = np.array([-1e3 * np.log(fall), 50 + 0 * t, 90 + 0 * t])[:, None]
    series["norm"] = np.ones_like(series["loss"])
    return new_trace(FixedSphere.grid(elr=[1e-4, 1e-2, 1.0], radius=[1.0]), STEP, series, dim=1000)


def test_energy_and_entropy_are_the_states(states):
    ax = figures.loss_and_entropy(states, axes(), uniform_loss=1.0, uniform_entropy=2.0)
    twin = next(other for other in ax.figure.axes if other is not ax)
    np.testing.assert_array_equal(drawn(ax, "loss").get_ydata(), states.loss.values.ravel())
    np.testing.assert_array_equal(drawn(twin, "entropy").get_ydata(), states.entropy.values.ravel())
    np.testing.assert_array_equal(drawn(ax, "loss:uniform").get_ydata(), 1.0)
    np.testing.assert_array_equal(drawn(twin, "entropy:uniform").get_ydata(), 2.0)
    assert (ax.get_yscale(), twin.get_yscale()) == ("log", "linear")
    with pytest.raises(InputError, match="a single radius"):
        figures.loss_and_entropy(xr.concat([states, states.assign_coords(radius=[2.0])], "radius"), axes())


def test_the_band_shows_estimates_bounds_and_law(line):
    published = TEMPERATURE_LAWS[0]
    ax = figures.temperature_band(line, axes(), published=published)
    points = line.points
    estimate = points.inside.values & (points.kind.values == "estimate")
    shown = drawn(ax, "temperature")
    np.testing.assert_array_equal(shown.get_xdata(), ELR[estimate])
    np.testing.assert_array_equal(shown.get_ydata(), points.temperature.values[estimate])
    np.testing.assert_allclose(drawn(ax, "law").get_ydata(), line.law.at(ELR[estimate])[0])
    np.testing.assert_array_equal(drawn(ax, "upper bound").get_xdata(), ELR[3:4])
    np.testing.assert_array_equal(drawn(ax, "lower bound").get_xdata(), ELR[-1:])
    np.testing.assert_allclose(drawn(ax, "published").get_ydata()[0], published.at(published.low))
    assert [text.get_text() for text in ax.texts] == ["3 states without one"]


def test_free_energies_are_least_at_the_stars(line):
    curves = free_energy_curves(line)
    assert (curves.minimum == curves.own).all()
    ax = figures.free_energy_minima(line, axes())
    stars = np.concatenate([mark.get_xdata() for mark in ax.lines if mark.get_marker() == "*"])
    shown = [mark for mark in ax.lines if str(mark.get_gid()).startswith("F:")]
    assert len(stars) == len(shown) == 8
    for star, curve in zip(stars, shown, strict=True):
        assert curve.get_xdata()[np.argmin(curve.get_ydata())] == star
    with pytest.raises(InputError, match="expected some above 0"):
        free_energy_curves(line, [-1.0])


def test_without_a_temperature_the_figures_say_so(states):
    flat = states.copy(deep=True)
    flat["entropy"].values[:] = 1.0
    (line,) = temperature_law(flat, eps=0.0)
    ax = figures.temperature_band(line, axes())
    assert ax.get_title() == "temperature (not shown to exist)"
    note = figures.free_energy_minima(line, axes())
    assert note.texts[0].get_text() == "no state has a temperature"
    encode(figures.free_energy(flat, line), "png")


def test_runs_over_time(trace):
    ax = over_time.loss_over_time(trace, axes(), uniform=2.4)
    np.testing.assert_array_equal(drawn(ax, "loss:elr=0.01").get_ydata(), trace.loss.values[1, 0])
    np.testing.assert_array_equal(drawn(ax, "loss:uniform").get_ydata(), 2.4)
    ax = over_time.entropy_over_time(trace, axes(), uniform=100.0)
    np.testing.assert_array_equal(drawn(ax, "entropy_sphere:elr=1").get_ydata(), 90.0)
    with pytest.raises(InputError, match="entropy_sphere_chart is missing"):
        over_time.entropy_over_time(trace, axes(), observable="entropy_sphere_chart")


def test_the_decay_is_drawn_with_its_law(trace):
    runs = temperature_decay(trace.isel(elr=[0]))
    ax = over_time.temperature_over_time(runs, axes())
    shown = drawn(ax, "temperature:elr=1e-4")
    T = runs[0].points.temperature.values
    np.testing.assert_array_equal(shown.get_ydata()[T > 0], T[T > 0])
    np.testing.assert_allclose(drawn(ax, "law:elr=1e-4").get_ydata()[1], runs[0].law.at(runs[0].law.high)[0])
    with pytest.raises(InputError, match="no runs"):
        over_time.temperature_over_time([], axes())


def test_gradients_have_levels_only_where_they_have_settled(trace):
    ax = over_time.full_norm_over_time(trace, axes())
    raw = drawn(ax, "full:elr=0.01:raw")
    np.testing.assert_allclose(raw.get_ydata(), np.sqrt(trace.grad_sq.values[1, 0]))
    level = drawn(ax, "full:elr=0.01:level").get_ydata()
    # 50 values with 2.5% of noise
    np.testing.assert_allclose(level, 1, atol=4 * 0.025 / np.sqrt(50))
    assert not [mark for mark in ax.lines if mark.get_gid() == "full:elr=1e-4:level"]
    ax = over_time.snr_over_time(trace, axes())
    np.testing.assert_allclose(drawn(ax, "snr:elr=0.01:level").get_ydata(), np.sqrt(1 / 8), rtol=0.05)
    ax = over_time.stochastic_norm_over_time(trace, axes())
    np.testing.assert_allclose(drawn(ax, "stochastic:elr=0.01").get_ydata(), 3, rtol=0.1)


def test_the_phase_diagram(trace):
    falling, settled, _ = phase_exponents(trace)
    ax = phase_diagram({"5k": falling, "50k": settled}, axes())
    dots = drawn(ax, "5k:fitted")
    stretch = falling.points.stretch.values
    np.testing.assert_array_equal(dots.get_xdata(), falling.points.full.values[stretch])
    np.testing.assert_array_equal(dots.get_ydata(), falling.points.stochastic.values[stretch])
    x, y = drawn(ax, "5k:law").get_data()
    assert np.log(y[1] / y[0]) / np.log(x[1] / x[0]) == pytest.approx(falling.exponent)
    assert not [mark for mark in ax.lines if mark.get_gid() == "50k:law"]
    assert "50k: settles" in [text.get_text() for text in ax.get_legend().get_texts()]
    with pytest.raises(InputError, match="no runs"):
        phase_diagram({}, axes())


def test_exponents_over_size_stand_beside_the_published(trace):
    one = trace.isel(elr=[0])
    found = phase_by_size({5_000: one, 50_000: one})
    ax = phase_exponent_by_size(found, axes(), published=PHASE_EXPONENTS)
    np.testing.assert_array_equal(drawn(ax, "exponent").get_ydata(), found.points.exponent.values)
    assert drawn(ax, "published:ConvNet").get_ydata().tolist() == [0.93, 0.87, 0.83, 0.78]


def test_regimes_are_marked_each_with_its_own(trace):
    states = stationary(trace)
    found = regimes(states, trace, random_loss=2.4)
    assert found.points.regime.values.ravel().tolist() == ["convergence", "equilibrium", "divergence"]
    ax = regime_map(found, states, axes(), random_loss=2.4)
    for rate, word in zip(trace.elr.values, found.points.regime.values.ravel(), strict=True):
        assert drawn(ax, str(word)).get_xdata().tolist() == [rate]
    np.testing.assert_array_equal(drawn(ax, "random").get_ydata(), 2.4)
    with pytest.raises(InputError, match="another grid"):
        regime_map(found, states.isel(elr=[0, 1]), axes())


def test_the_bridge(states):
    (found,) = bridge(states)
    ax = bridge_figures.bridge_temperatures(found, axes())
    for name in ("noise", "minimum", "slope"):
        np.testing.assert_array_equal(drawn(ax, name).get_ydata(), found.points[name].values)
    ax = bridge_figures.bridge_ratio(found, axes())
    np.testing.assert_array_equal(drawn(ax, "minimum_mean").get_ydata(), found.minimum.value)
    np.testing.assert_array_equal(drawn(ax, "slope_ratio").get_ydata(), found.points.slope_ratio.values)


def test_composed_figures_are_the_same_at_every_run(states, line, trace):
    found = bridge(states)[0]
    first, again = (encode(bridge_figures.bridge(found), "png") for _ in range(2))
    assert first == again
    for figure, panels in (
        (figures.free_energy(states, line, uniform_loss=1.0, published=TEMPERATURE_LAWS[0]), 4),  # and a twin
        (over_time.gradients_over_time(trace), 3),
    ):
        assert len(figure.axes) == panels


def test_importing_draws_nothing():
    code = (
        "import sys; from thermograd.figures import bridge, free_energy, free_energy_time, phase, regimes; "
        "print('matplotlib' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
