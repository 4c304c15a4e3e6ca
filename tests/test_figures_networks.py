"""Figures of the real gas, of maps of the temperature and of convergence show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from thermograd.analysis.compressibility import compressibility
from thermograd.errors import InputError
from thermograd.figures.compressibility import compressibility_over_temperature, real_gas
from thermograd.figures.output import encode, new_figure
from thermograd.figures.overparameterised import gradients_and_norm_over_time, series_over_time
from thermograd.figures.temperature_map import temperature_map
from thermograd.protocol import FixedELR
from thermograd.states import new_states, new_trace

ELR, WD = [0.001, 0.002, 0.004], [0.01, 0.1]


def states(status: object = "equilibrium", seeds: list[int] | None = None) -> xr.Dataset:
    """A grid at fixed ELR whose Z is 1.5, and T is the ELR."""
    elr, wd = np.meshgrid(ELR, WD, indexing="ij")
    tr_sigma = np.full(elr.shape, 2.0 * 9)
    norm = np.sqrt(elr * 1.5 * tr_sigma / (2 * wd))
    measured = {"norm": norm, "tr_sigma": tr_sigma, "grad_sq": 0.5 * tr_sigma}
    if seeds is not None:
        measured = {name: np.stack([values] * len(seeds), axis=-1) for name, values in measured.items()}
    grid = FixedELR.grid(elr=ELR, wd=WD)
    return new_states(grid, measured, dim=10, status=status, seeds=seeds)


def lines(ax) -> dict[str, object]:
    return {str(line.get_gid()): line for line in ax.lines}


@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_z_is_drawn_over_t_with_its_prediction(seeds):
    dataset = states(seeds=seeds)
    ax = compressibility_over_temperature(dataset, new_figure(4, 4).subplots())
    drawn = lines(ax)
    measured = drawn["compressibility:wd=0.1:equilibrium"]
    np.testing.assert_allclose(measured.get_xdata(), ELR)
    np.testing.assert_allclose(measured.get_ydata(), 1.5)
    predicted = compressibility(dataset).points["predicted"].sel(version="finite_step", wd=0.1)
    expected = predicted.values if seeds is None else predicted.values[:, 0]
    np.testing.assert_allclose(drawn["compressibility:wd=0.1:finite_step"].get_ydata(), expected)
    assert len(real_gas({"FixedELR": dataset, "FixedLR": states("failed")}).axes) == 1


def test_a_gas_without_states_is_refused():
    with pytest.raises(InputError, match="compressibility in equilibrium"):
        real_gas({"FixedELR": states("failed")})


def test_the_map_shows_t_and_crosses_out_what_is_not_in_equilibrium():
    status = [["equilibrium", "equilibrium"], ["equilibrium", "converging"], ["equilibrium", "equilibrium"]]
    ax = temperature_map(states(status), new_figure(4, 4).subplots())
    shown = np.ma.filled(ax.collections[0].get_array(), np.nan).reshape(2, 3)
    np.testing.assert_allclose(shown[0], ELR)
    np.testing.assert_allclose(shown[1], [ELR[0], np.nan, ELR[2]])
    cross = lines(ax)["temperature-map:out-of-equilibrium"]
    assert (cross.get_xdata().tolist(), cross.get_ydata().tolist()) == ([0.002], [0.1])
    with pytest.raises(InputError, match="no state in equilibrium"):
        temperature_map(states("failed"), new_figure(4, 4).subplots())


def traces(noise: float = 0.0) -> xr.Dataset:
    t = np.unique(np.geomspace(10, 1e4, 60).astype(int))
    rng = np.random.default_rng(0)
    shape = (2, 1, len(t))
    grad_sq = np.broadcast_to(1.0 / t, shape) * (1 + noise * rng.normal(size=shape))
    series = {"loss": 1.0 / t, "tr_sigma": 2.0 / t, "norm": 1 + 1.0 / t}
    measured = {name: np.broadcast_to(values, shape) for name, values in series.items()} | {
        "grad_sq": grad_sq
    }
    return new_trace(FixedELR.grid(elr=[1e-3, 1e-2], wd=[1e-3]), t, measured, dim=10)


def test_the_same_states_give_the_same_files():
    assert encode(real_gas({"FixedELR": states()}), "svg") == encode(real_gas({"FixedELR": states()}), "svg")


def test_four_panels_over_time_show_what_was_logged():
    figure = gradients_and_norm_over_time(traces())
    assert len(figure.axes) == 4
    t = traces()["step"].values
    growth = lines(figure.axes[1])["growth:1e-3"]
    np.testing.assert_allclose(growth.get_ydata(), 1.0 / t, rtol=1e-9)
    with pytest.raises(InputError, match="quantity is 'snr'"):
        series_over_time(traces(), new_figure(4, 4).subplots(), "snr")


def test_smoothing_the_full_gradient_keeps_a_power_law_and_tames_noise():
    ax = series_over_time(traces(noise=1.0), new_figure(4, 4).subplots(), "grad_sq")
    drawn = lines(ax)
    t = traces()["step"].values
    raw, smooth = (drawn[f"grad_sq:1e-3{end}"].get_ydata() * t for end in (":raw", ""))
    # Where points are 0.12 apart in log t a kernel of 0.1 averages about three: sd 1 becomes below 0.75.
    inner = slice(5, -5)
    assert np.nanstd(smooth[inner]) < 0.75
    # exp(s^2 / 2) is the bias of a 1/t law under a kernel of width s = 0.1, 0.5%; sd of a mean of 50: 0.14.
    assert np.nanmean(smooth[inner]) == pytest.approx(1.0, abs=4 * 0.14)
    assert np.isnan(raw).any()  # below 0, and so not to be drawn on a logarithmic axis
