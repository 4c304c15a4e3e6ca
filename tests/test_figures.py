"""What is drawn is what was measured: the artists are read back and compared with the dataset."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thermograd import figures
from thermograd.errors import InputError
from thermograd.figures.draw import over_seeds
from thermograd.figures.output import new_figure
from thermograd.figures.style import STYLE, value_text
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Grid
from thermograd.states import new_states, new_trace
from thermograd.theory.radius import effective_wd_sphere, stationary_radius_elr, stationary_radius_lr
from thermograd.theory.relaxation import radius_at_elr, radius_at_lr

DIM = 388
PROTOCOLS = [FixedSphere, FixedELR, FixedLR]


def grid_of(protocol: type, second: int = 3) -> Grid:
    rates, others = np.geomspace(1e-3, 1e-2, 5), np.geomspace(0.1, 1.0, second)
    if protocol is FixedSphere:
        return FixedSphere.grid(elr=rates, radius=others)
    if protocol is FixedELR:
        return FixedELR.grid(elr=rates, wd=others)
    return FixedLR.grid(lr=rates, wd=others)


def gas(protocol: type, *, second: int = 3, seeds: tuple[int, ...] | None = None) -> xr.Dataset:
    """States of a made-up gas: every number different, radius exactly the finite-step one."""
    rng = np.random.default_rng(5)
    grid = grid_of(protocol, second)
    first, other = np.meshgrid(*grid.axes.values(), indexing="ij")
    if seeds:
        first, other = (np.repeat(values[..., None], len(seeds), axis=2) for values in (first, other))
    tr_sigma, grad_sq = rng.uniform(80, 120, first.shape), rng.uniform(5, 20, first.shape)
    measured = {"tr_sigma": tr_sigma, "grad_sq": grad_sq, "loss": rng.uniform(0.5, 2, first.shape)}
    if protocol is FixedSphere:
        measured["norm"] = other
        measured["effective_wd"] = effective_wd_sphere(first, other, tr_sigma, grad_sq).finite_step
    elif protocol is FixedELR:
        measured["norm"] = stationary_radius_elr(first, other, tr_sigma, grad_sq).finite_step
    else:
        measured["norm"] = stationary_radius_lr(first, other, tr_sigma, grad_sq).finite_step
    heat = np.log(first * tr_sigma) if protocol is not FixedLR else 0.5 * np.log(first * other * tr_sigma)
    measured["entropy_sphere"] = (DIM - 1) / 2 * heat
    errors = {f"{name}_se": 0.01 * np.abs(values) for name, values in measured.items()}
    return new_states(grid, measured | errors, dim=DIM, seeds=seeds)


def mark(states: xr.Dataset, status: str, first: int, second: int) -> xr.Dataset:
    """A copy with one point's status changed, NaN where the status says that nothing was measured."""
    changed = states.copy(deep=True)
    changed["status"] = changed["status"].astype(object)
    changed["status"].values[first, second] = status
    changed["status"] = changed["status"].astype(str)
    if status in ("diverged", "failed"):
        for variable in changed.data_vars.values():
            if variable.dtype.kind == "f":
                variable.values[first, second] = np.nan
    return changed


def axes() -> Axes:
    return Figure().subplots()


def drawn(ax: Axes, gid: str) -> Line2D:
    found = [line for line in ax.lines if line.get_gid() == gid]
    assert len(found) == 1, (gid, [line.get_gid() for line in ax.lines])
    return found[0]


MEASURED = [
    (figures.sigma2, "sigma2", 0),
    (figures.loss, "loss", 0),
    (figures.temperature, "temperature", 0),
    (figures.entropy_over_first, "entropy", 0),
    (figures.entropy_over_second, "entropy", 1),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("draw", "name", "along"), MEASURED)
def test_markers_are_the_dataset_and_error_bars_its_errors(protocol, draw, name, along):
    states = gas(protocol)
    ax = draw(states, axes())
    x_axis, other = protocol.axes if along == 0 else protocol.axes[::-1]
    for value in states[other].values:
        line = drawn(ax, f"{name}:{other}={value_text(value)}:equilibrium")
        row = states.sel({other: value})
        np.testing.assert_array_equal(line.get_ydata(), row[name].values)
        product = name == "sigma2" and protocol is FixedLR
        np.testing.assert_array_equal(line.get_xdata(), row[x_axis].values * (value if product else 1.0))
    bars = np.array([bar.get_segments() for bar in ax.collections])
    half = (bars[..., 1, 1] - bars[..., 0, 1]) / 2
    np.testing.assert_allclose(half, states[f"{name}_se"].transpose(other, x_axis).values, rtol=1e-9)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_radius_panel_has_each_prediction_and_the_finite_step_one_fits_this_gas(protocol):
    states = gas(protocol)
    ax = figures.stationary_radius(states, axes())
    name = "effective_wd" if protocol is FixedSphere else "norm"
    law = {FixedSphere: effective_wd_sphere, FixedELR: stationary_radius_elr, FixedLR: stationary_radius_lr}[
        protocol
    ]
    first, other = protocol.axes
    for value in states[other].values:
        row = states.sel({other: value})
        expected = law(row[first].values, value, row["tr_sigma"].values, row["grad_sq"].values)
        gid = f"{name}:{other}={value_text(value)}"
        measured = drawn(ax, f"{gid}:equilibrium").get_ydata()
        for key, style in {"sde": "-", "discrete": "--", "finite_step": ":"}.items():
            line = drawn(ax, f"{gid}:{key}")
            assert line.get_linestyle() == style
            np.testing.assert_allclose(line.get_ydata(), getattr(expected, key), rtol=1e-12)
        np.testing.assert_allclose(measured, drawn(ax, f"{gid}:finite_step").get_ydata(), rtol=1e-12)
        # The negative control: the gradient that the SDE leaves out is 4% to 25% of the noise.
        assert (measured / drawn(ax, f"{gid}:sde").get_ydata() > 1.01).all()


@pytest.mark.parametrize("status", ["converging", "not-stationary"])
def test_points_out_of_equilibrium_are_hollow_joined_to_nothing_and_without_prediction(status):
    states = mark(gas(FixedELR), status, 2, 1)
    ax = figures.stationary_radius(states, axes())
    gid = f"norm:wd={value_text(float(states['wd'][1]))}"
    filled, hollow = drawn(ax, f"{gid}:equilibrium"), drawn(ax, f"{gid}:out-of-equilibrium")
    assert np.flatnonzero(np.isnan(filled.get_ydata())).tolist() == [2]
    assert np.flatnonzero(np.isfinite(hollow.get_ydata())).tolist() == [2]
    assert hollow.get_ydata()[2] == states["norm"].values[2, 1]
    assert hollow.get_markerfacecolor() == "white" != filled.get_markerfacecolor()
    assert hollow.get_markeredgecolor() == filled.get_markerfacecolor()
    assert hollow.get_linestyle() == "None"
    assert np.isnan(drawn(ax, f"{gid}:sde").get_ydata()[2])
    assert not [line for line in ax.lines if str(line.get_gid()).startswith("norm:wd=0.1:out")]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_entropy_fit_is_least_squares_over_equilibrium_points_alone(protocol):
    states = gas(protocol)
    clean = figures.entropy_over_first(states, axes())
    # A wild value out of equilibrium must not move the surface; the same value in equilibrium must.
    states["entropy"].values[0, 0] += 1e5
    spoiled = figures.entropy_over_first(mark(states, "converging", 0, 0), axes())
    believed = figures.entropy_over_first(states, axes())
    first, other = protocol.axes
    x, y = np.meshgrid(np.log(states[first].values), np.log(states[other].values), indexing="ij")
    design = np.stack([np.ones_like(x), x, y, x**2, y**2, x * y], axis=-1)
    used = np.ones(x.shape, dtype=bool)
    used[0, 0] = False
    solved, *_ = np.linalg.lstsq(design[used], states["entropy"].values[used], rcond=None)
    height = design @ solved
    for j, value in enumerate(states[other].values):
        gid = f"entropy:{other}={value_text(value)}:fit"
        line = drawn(spoiled, gid)
        assert line.get_linestyle() == "--"
        expected = np.where(used[:, j], height[:, j], np.nan)
        np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-6)
        assert np.abs(drawn(believed, gid).get_ydata() - drawn(clean, gid).get_ydata()).max() > 1e3
    over_second = figures.entropy_over_second(mark(states, "converging", 0, 0), axes())
    for i, value in enumerate(states[first].values):
        line = drawn(over_second, f"entropy:{first}={value_text(value)}:fit")
        np.testing.assert_allclose(line.get_ydata(), np.where(used[i], height[i], np.nan), rtol=1e-6)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_missing_points_and_a_single_valued_axis_survive(protocol):
    holes = mark(mark(gas(protocol), "diverged", 0, 0), "failed", 4, 2)
    figures.panels(holes).draw_without_rendering()
    single = mark(gas(protocol, second=1), "diverged", 1, 0)
    figures.panels(single).draw_without_rendering()
    ax = figures.entropy_over_first(single, axes())
    other = protocol.axes[1]
    line = drawn(ax, f"entropy:{other}={value_text(float(single[other][0]))}:equilibrium")
    np.testing.assert_array_equal(line.get_ydata(), single["entropy"].values[:, 0])
    assert np.isnan(line.get_ydata()).tolist() == [False, True, False, False, False]
    # One value of an axis determines no surface, so no fit may be claimed.
    assert not [drawn_line for drawn_line in ax.lines if str(drawn_line.get_gid()).endswith(":fit")]


def test_nothing_in_equilibrium_still_gives_a_figure():
    states = gas(FixedLR)
    states["status"] = states["status"].copy(data=np.full(states["status"].shape, "converging"))
    figure = figures.panels(states)
    figure.draw_without_rendering()
    filled = [line for ax in figure.axes for line in ax.lines if str(line.get_gid()).endswith(":equilibrium")]
    assert len(filled) == 5 * 3 + 5
    assert all(np.isnan(line.get_ydata()).all() for line in filled)
    for variable in states.data_vars.values():
        if variable.dtype.kind == "f":
            variable.values[:] = np.nan
    figures.panels(states).draw_without_rendering()


def test_unmeasured_variables_leave_their_panel_empty_and_say_so():
    states = gas(FixedELR).drop_vars(["entropy", "entropy_se"])
    texts = [text.get_text() for ax in figures.panels(states).axes for text in ax.texts]
    assert texts == ["entropy was not measured"] * 2
    with pytest.raises(InputError, match=r"variable entropy is missing; expected it among"):
        figures.entropy_over_first(states, axes())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_radius_errors_are_measured_over_predicted(protocol):
    states = mark(gas(protocol), "converging", 1, 1)
    ax = figures.radius_errors(states, axes())
    law = {FixedSphere: effective_wd_sphere, FixedELR: stationary_radius_elr, FixedLR: stationary_radius_lr}[
        protocol
    ]
    first, other = np.meshgrid(*(states[axis].values for axis in protocol.axes), indexing="ij")
    predicted = law(first, other, states["tr_sigma"].values, states["grad_sq"].values)
    measured = states["effective_wd" if protocol is FixedSphere else "norm"].values
    good = (states["status"] == "equilibrium").values.ravel()
    for key in predicted._fields:
        error = (measured / getattr(predicted, key) - 1).ravel()
        filled, hollow = drawn(ax, f"{key}:equilibrium"), drawn(ax, f"{key}:out-of-equilibrium")
        np.testing.assert_allclose(filled.get_ydata(), np.where(good, error, np.nan), atol=1e-12)
        np.testing.assert_allclose(hollow.get_ydata(), np.where(good, np.nan, error), atol=1e-12)
        np.testing.assert_allclose(filled.get_xdata(), states["effective_lr"].values.ravel(), rtol=1e-12)
    assert np.nanmax(np.abs(drawn(ax, "finite_step:equilibrium").get_ydata())) < 1e-12
    assert np.nanmin(np.abs(drawn(ax, "sde:equilibrium").get_ydata())) > 0.01


def test_seeds_in_equilibrium_are_averaged_and_their_disagreement_enlarges_the_error():
    states = gas(FixedELR, seeds=(0, 1, 2))
    states["loss"].values[0, 0] = [1.0, 1.0, 1.3]
    states["loss_se"].values[0, 0] = [0.001, 0.001, 0.001]
    states["loss"].values[1, 0] = [1.0, 1.0, 1.0]
    states["loss_se"].values[1, 0] = [0.03, 0.03, 0.03]
    states["loss"].values[2, 0] = [1.0, 2.0, 50.0]
    states["status"].values[2, 0, 2] = "converging"
    mean, error, good = over_seeds(states, "loss")
    assert mean.values[:3, 0] == pytest.approx([1.1, 1.0, 1.5])
    assert error.values[0, 0] == pytest.approx(np.std([1.0, 1.0, 1.3], ddof=1) / np.sqrt(3))
    assert error.values[1, 0] == pytest.approx(0.03 / np.sqrt(3))
    assert good.all()
    line = drawn(figures.loss(states, axes()), f"loss:wd={value_text(float(states['wd'][0]))}:equilibrium")
    np.testing.assert_array_equal(line.get_ydata(), mean.values[:, 0])


@pytest.mark.parametrize(
    ("protocol", "law"),
    [(FixedLR(lr=0.05, wd=0.01), radius_at_lr), (FixedELR(elr=1e-3, wd=0.01), radius_at_elr)],
)
def test_predicted_norm_follows_the_radius_equation_from_any_start(protocol, law):
    step = np.unique(np.geomspace(20, 20_000, 60).round().astype(int))
    for start in (0.5, 20.0):
        bounds = list(zip(np.r_[0, step[:-1]], step, strict=True))
        rate = protocol.values[protocol.axes[0]]
        exact = [law(np.arange(a, b) + 0.5, rate, 0.01, 620.0, start).mean() for a, b in bounds]
        measured = {"loss": np.ones(len(step)), "norm": exact, "batch_grad_sq": np.full(len(step), 620.0)}
        trace = new_trace(protocol, step, measured, dim=DIM)
        # 16 midpoints of an interval instead of all: (1/16)^2 / 24 of the curvature term.
        np.testing.assert_allclose(figures.predicted_norm(trace), exact, rtol=1e-3)
        ax = figures.training_norm(trace, axes())
        np.testing.assert_array_equal(drawn(ax, "norm:measured").get_ydata(), exact)
        # The negative control: half the gradient noise is another radius.
        trace["batch_grad_sq"] *= 0.5
        assert abs(figures.predicted_norm(trace)[-1] / exact[-1] - 1) > 0.1


def test_sphere_run_shows_the_effective_decay_beside_the_finite_step_law():
    step, square = np.arange(10, 101, 10), np.linspace(900.0, 500.0, 10)
    decay = effective_wd_sphere(0.03, 2.0, square).finite_step
    measured = {
        "loss": square / 500,
        "norm": np.full(10, 2.0),
        "batch_grad_sq": square,
        "effective_wd": decay,
    }
    trace = new_trace(FixedSphere(elr=0.03, radius=2.0), step, measured, dim=DIM)
    ax = figures.training_norm(trace, axes())
    np.testing.assert_allclose(drawn(ax, "effective_wd:predicted").get_ydata(), decay, rtol=1e-12)
    figures.training(trace).draw_without_rendering()


def test_a_trace_of_many_runs_is_refused():
    measured = {"loss": np.ones((2, 1, 3)), "norm": np.ones((2, 1, 3))}
    trace = new_trace(FixedLR.grid(lr=[0.1, 0.2], wd=[0.1]), [1, 2, 3], measured, dim=DIM)
    with pytest.raises(InputError, match=r"lr has 2 values; expected a single run"):
        figures.training(trace)
    assert figures.training(trace.isel(lr=[1]).assign(batch_grad_sq=trace["norm"].isel(lr=[1]))).axes


def test_unknown_protocol_and_format_are_refused():
    with pytest.raises(
        InputError, match=r"protocol is 'None'; expected one of FixedSphere, FixedELR, FixedLR"
    ):
        figures.loss(xr.Dataset(), axes())
    with pytest.raises(InputError, match=r"format is 'gif'; expected one of png, pdf, svg"):
        figures.encode(Figure(), "gif")


def test_files_are_the_same_when_made_again(tmp_path):
    def figure(protocol: type) -> Figure:
        with figures.styled():
            whole = new_figure(3, 3)
            figures.stationary_radius(gas(protocol), whole.subplots())
        return whole

    first = figures.save(figure(FixedSphere), tmp_path / "a" / "figure.png")
    second = figures.save(figure(FixedSphere), tmp_path / "b" / "figure")
    assert [path.name for path in first] == ["figure.png", "figure.pdf"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    svgs = [figures.encode(figure(protocol), "svg") for protocol in (FixedSphere, FixedSphere, FixedELR)]
    assert svgs[0] == svgs[1] != svgs[2]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["figure.pdf", "figure.png"]


def test_colours_of_both_scales_can_be_told_from_white():
    for axis in ("lr", "wd"):
        for colour in figures.style.colours(axis, 17):
            red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
            linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
            luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
            assert 1.05 / (luminance + 0.05) > 1.5, colour


def test_importing_figures_imports_no_matplotlib_and_drawing_no_pyplot():
    code = (
        "import sys, thermograd.figures as f; assert 'matplotlib' not in sys.modules\n"
        "from thermograd.figures.output import new_figure\n"
        "with f.styled(): f.encode(new_figure(1, 1), 'png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_style_leaves_no_trace():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with figures.styled():
        assert mpl.rcParams["font.size"] == STYLE["font.size"]
    assert dict(mpl.rcParams) == before
    assert before["font.size"] != STYLE["font.size"]
