"""Figures of the isotropic model: points are the dataset, lines the theory, marks the minima."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thermograd.analysis.heat import heat_capacities
from thermograd.analysis.isotropic_law import finite_step_on_grid, isotropic_law, law_on_grid
from thermograd.analysis.potentials import potentials
from thermograd.errors import InputError
from thermograd.figures.adiabat import adiabats, entropy_on_paths, paths_in_plane
from thermograd.figures.heat import heat, heat_capacity_curve, heat_energy
from thermograd.figures.isotropic import (
    energy_and_entropy,
    isotropic_entropy_over_first,
    isotropic_entropy_over_second,
    isotropic_radius,
)
from thermograd.figures.isotropic_anisotropy import (
    anisotropy,
    anisotropy_energy,
    anisotropy_entropy,
    tangent_cloud,
)
from thermograd.figures.isotropic_cloud import cloud_sphere
from thermograd.figures.isotropic_panels import isotropic_panels
from thermograd.figures.isotropic_residuals import (
    energy_residual,
    entropy_residual,
    isotropic_residuals,
    radius_residual,
)
from thermograd.figures.potentials import excess_map, excess_scale, minima, star_columns
from thermograd.figures.style import styled, value_text
from thermograd.protocol import PROTOCOLS, FixedELR, FixedLR, FixedSphere, Grid
from thermograd.states import new_states
from thermograd.theory import vmf

ALL = list(PROTOCOLS.values())


def gas(
    protocol: type,
    *,
    n: int = 9,
    dim: int = 3,
    sigma: float = 1.0,
    excess: float = 0.0,
    seeds: tuple[int, ...] | None = None,
) -> xr.Dataset:
    """Exact states of the isotropic model, ``U`` too large by ``excess`` times the ELR, 1% errors."""
    rates = np.geomspace(1e-3, 1e-1, n)
    others = np.geomspace(0.1, 10, n) if protocol is FixedSphere else rates
    grid = Grid(protocol, dict(zip(protocol.axes, (rates, others), strict=True)))
    first, second = np.meshgrid(rates, others, indexing="ij")
    law = isotropic_law(protocol.__name__, first, second, dim=dim, sigma=sigma)
    tr_sigma = np.full(grid.shape, sigma**2 * (dim - 1))
    grad_sq = vmf.grad_sq(law["temperature"], dim)
    measured = {"tr_sigma": tr_sigma, "grad_sq": grad_sq, "batch_grad_sq": tr_sigma + grad_sq}
    measured["loss"] = law["loss"] * (1 + excess * law["effective_lr"])
    measured["entropy_sphere"] = law["entropy_sphere"]
    if protocol is FixedSphere:
        measured |= {"norm": second, "effective_wd": law["effective_wd_finite_step"]}
    else:
        measured["norm"] = law["norm_finite_step"]
    errors = {f"{name}_se": 0.01 * np.abs(values) for name, values in measured.items()}
    if protocol is FixedSphere:
        errors["norm_se"] = np.zeros(grid.shape)
    every = measured | errors
    if seeds:
        every = {name: np.repeat(values[..., None], len(seeds), axis=2) for name, values in every.items()}
    return new_states(grid, every, dim=dim, seeds=seeds, attrs={"sigma": sigma})


def axes() -> Axes:
    return Figure().subplots()


def lines(ax: Axes) -> dict[str, Line2D]:
    return {str(line.get_gid()): line for each in ax.figure.axes for line in each.lines if line.get_gid()}


@pytest.mark.parametrize("protocol", ALL)
def test_law_on_the_grid_keeps_the_state_equation_and_the_exact_law(protocol):
    states = gas(protocol, dim=10, sigma=2.0)
    law = law_on_grid(states)
    # p V = R T is exact for the SDE's radius: round-off only.
    np.testing.assert_allclose(
        law["effective_wd"] * law["norm"] ** 2 / 2, 4.5 * law["temperature"], rtol=1e-12
    )
    np.testing.assert_allclose(law["loss"], vmf.energy(law["temperature"], 10), rtol=1e-12)
    np.testing.assert_allclose(law["entropy"], law["entropy_sphere"] + 9 * np.log(law["norm"]), atol=1e-12)
    # The limit of small steps: with sigma = 2 and ELR 1e-3 the step changes U by less than a percent.
    cold = dict.fromkeys(protocol.axes, 0)
    assert float(finite_step_on_grid(states)["loss"][cold] / law["loss"][cold]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("sigma", [None, "high", 0.0, -1.0, float("nan")])
def test_states_without_a_lawful_sigma_are_refused(sigma):
    states = gas(FixedELR)
    states.attrs.pop("sigma")
    if sigma is not None:
        states.attrs["sigma"] = sigma
    with pytest.raises(InputError, match=r"attribute sigma is .*; expected the noise scale"):
        energy_and_entropy(states, axes())


@pytest.mark.parametrize("protocol", ALL)
def test_panel_a_is_the_middle_row_of_the_dataset_beside_the_exact_law(protocol):
    states = gas(protocol, excess=1.0)
    drawn = lines(energy_and_entropy(states, axes()))
    along, other = ("wd", "lr") if protocol is FixedLR else protocol.axes
    row = states.isel({other: 4})
    assert float(row[other]) == pytest.approx(1.0 if other == "radius" else 0.01)
    law = law_on_grid(states).isel({other: 4})
    for name in ("loss", "entropy_sphere"):
        points, line = drawn[f"{name}:equilibrium"], drawn[f"{name}:exact"]
        np.testing.assert_array_equal(points.get_ydata(), row[name].values)
        np.testing.assert_array_equal(points.get_xdata(), row[along].values)
        ends = np.asarray(line.get_ydata())[[0, -1]]
        np.testing.assert_allclose(ends, law[name].values[[0, -1]], rtol=1e-9)
    # U was made 1 + ELR times too large: the line may not follow the points.
    hottest = drawn["loss:equilibrium"].get_ydata()[-1] / drawn["loss:exact"].get_ydata()[-1]
    assert hottest == pytest.approx(1 + float(law["effective_lr"][-1]), rel=1e-6)
    # In three dimensions below T = 0.05 the small-T form is exact up to exp(-2/T): nothing to draw.
    assert not [gid for gid in drawn if gid.endswith("small-t")]


def test_small_t_form_is_dashed_where_it_differs_and_only_there():
    states = gas(FixedELR, dim=10, sigma=3.0)
    drawn = lines(energy_and_entropy(states, axes()))
    cold, exact = (np.asarray(drawn[f"loss:{kind}"].get_ydata()) for kind in ("small-t", "exact"))
    x = np.asarray(drawn["loss:exact"].get_xdata())
    everywhere = vmf.energy_small_t(4.5 * x, 10)
    np.testing.assert_array_equal(np.isfinite(cold), np.abs(everywhere / exact - 1) > 0.01)
    assert 0 < np.isfinite(cold).sum() < cold.size
    assert drawn["loss:small-t"].get_linestyle() == "--"


def test_predictions_are_drawn_where_they_have_the_variable():
    states = gas(FixedELR)
    predicted = finite_step_on_grid(states)
    drawn = lines(
        energy_and_entropy(states, axes(), predictions={"both": predicted, "one": predicted[["loss"]]})
    )
    np.testing.assert_array_equal(drawn["loss:both"].get_ydata(), predicted["loss"].isel(wd=4).values)
    assert "entropy_sphere:both" in drawn
    assert "loss:one" in drawn
    assert "entropy_sphere:one" not in drawn
    assert drawn["loss:one"].get_linestyle() != drawn["loss:both"].get_linestyle()


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize(
    ("draw", "name", "along"),
    [
        (isotropic_radius, None, 1),
        (isotropic_entropy_over_second, "entropy", 1),
        (isotropic_entropy_over_first, "entropy", 0),
    ],
)
def test_families_are_the_dataset_beside_the_law(protocol, draw, name, along):
    name = name or ("effective_wd" if protocol is FixedSphere else "norm")
    states = gas(protocol)
    drawn = lines(draw(states, axes()))
    x_axis, other = protocol.axes[along], protocol.axes[1 - along]
    law = law_on_grid(states)
    for value in states[other].values:
        gid = f"{name}:{other}={value_text(value)}"
        points, line = drawn[f"{gid}:equilibrium"], drawn[f"{gid}:exact"]
        np.testing.assert_array_equal(points.get_ydata(), states[name].sel({other: value}).values)
        np.testing.assert_array_equal(points.get_xdata(), states[x_axis].values)
        ends = law[name].sel({other: value}).transpose(x_axis).values[[0, -1]]
        np.testing.assert_allclose(np.asarray(line.get_ydata())[[0, -1]], ends, rtol=1e-9, atol=1e-12)


def test_many_curves_are_thinned_but_no_point_of_a_curve_is():
    states = gas(FixedLR, n=17)
    drawn = lines(isotropic_radius(states, axes()))
    points = [line for gid, line in drawn.items() if gid.endswith(":equilibrium")]
    assert len(points) == 9
    assert all(len(line.get_xdata()) == 17 for line in points)
    assert {f"norm:lr={value_text(v)}:equilibrium" for v in states["lr"].values[[0, -1]]} <= set(drawn)


def test_points_out_of_equilibrium_are_hollow():
    states = gas(FixedELR)
    status = states["status"].values.astype(object)
    status[2, 4] = "converging"
    states["status"] = states["status"].copy(data=status.astype(str))
    drawn = lines(energy_and_entropy(states, axes()))
    assert np.isnan(drawn["loss:equilibrium"].get_ydata()[2])
    assert drawn["loss:out-of-equilibrium"].get_ydata()[2] == states["loss"].values[2, 4]
    used = lines(energy_residual(states, axes()))
    # The mean of that ELR is over the other eight states.
    assert len(used["loss:states"].get_ydata()) == 80


@pytest.mark.parametrize("protocol", [FixedELR, FixedLR])
def test_map_marks_the_minimum_and_the_state_itself(protocol):
    # U too high by a factor of its own at one state moves the minimum of its neighbours, not of far ones.
    states = gas(protocol)
    states["loss"].values[4, 4] *= 1.5
    check = potentials(states)
    own_axes = protocol.axes
    for star in [(1, 1), (4, 4), (7, 1)]:
        ax = excess_map(check, axes(), star)
        panel = check.excess.values[star]
        row, column = np.unravel_index(np.nanargmin(panel), panel.shape)
        first, second = (states[name].values for name in own_axes)
        drawn = lines(ax)
        assert (drawn["minimum"].get_xdata()[0], drawn["minimum"].get_ydata()[0]) == (
            second[column],
            first[row],
        )
        assert (drawn["own"].get_xdata()[0], drawn["own"].get_ydata()[0]) == (second[star[1]], first[star[0]])
        low, high = ax.get_ylim()
        assert low > high  # the learning rate rises downwards, as in the paper
        mesh = next(each for each in ax.collections if each.get_gid() == "excess")
        shown = np.ma.filled(mesh.get_array().reshape(panel.shape), np.nan)
        norm = excess_scale(check.excess)
        np.testing.assert_allclose(shown, np.maximum(panel, norm.vmin), rtol=1e-12)
    spoiled = lines(excess_map(check, axes(), (4, 4)))
    # The negative control: the spoiled state is no longer its own minimum, and the marks part.
    assert (spoiled["minimum"].get_xdata()[0], spoiled["minimum"].get_ydata()[0]) != (
        spoiled["own"].get_xdata()[0],
        spoiled["own"].get_ydata()[0],
    )


def test_columns_of_the_sphere_have_their_minima_on_the_diagonal():
    check = potentials(gas(FixedSphere))
    ax = star_columns(check, axes(), 3)
    drawn = lines(ax)
    np.testing.assert_array_equal(drawn["minimum"].get_ydata(), drawn["minimum"].get_xdata())
    np.testing.assert_array_equal(drawn["own"].get_ydata(), drawn["own"].get_xdata())
    # Rows are states, columns temperatures: a hot state at a cold temperature lies at the bottom left.
    mesh = next(each for each in ax.collections if each.get_gid() == "excess")
    shown = mesh.get_array().reshape(9, 9)
    assert shown[8, 0] == pytest.approx(float(check.excess[3, 0, 8]))
    # Entropies of a wrong law, half as steep, must leave the diagonal.
    wrong = gas(FixedSphere)
    wrong["entropy"] = wrong["entropy"] / 2
    off = lines(star_columns(potentials(wrong), axes(), 3))
    assert (off["minimum"].get_ydata() != off["own"].get_ydata()).sum() > 4


def test_left_out_states_are_grey_and_zero_is_not():
    states = gas(FixedELR)
    status = states["status"].values.astype(object)
    status[0, 0] = "failed"
    states["status"] = states["status"].copy(data=status.astype(str))
    check = potentials(states)
    ax = excess_map(check, axes(), (4, 4))
    shown = next(each for each in ax.collections if each.get_gid() == "excess").get_array().reshape(9, 9)
    assert np.argwhere(np.ma.getmaskarray(shown)).tolist() == [[0, 0]]
    # A star that was left out has no minimum to mark.
    assert "minimum" not in lines(excess_map(check, axes(), (0, 0)))


def test_a_check_of_the_other_potential_is_refused():
    with pytest.raises(InputError, match=r"potential 'G'; expected 'F'"):
        star_columns(potentials(gas(FixedLR)), axes(), 0)
    with pytest.raises(InputError, match=r"none of the 8 potential differences is above 0"):
        excess_scale(xr.DataArray(np.zeros(8)))


@pytest.mark.parametrize("seeds", [None, (0, 1)])
@pytest.mark.parametrize("protocol", ALL)
def test_minima_of_all_protocols_say_their_share(protocol, seeds):
    figure = Figure()
    check = potentials(gas(protocol, seeds=seeds))
    assert len(minima(check, figure)) == (4 if protocol is FixedSphere else 9)
    assert "100% of minima within one step" in figure.get_suptitle()


@pytest.mark.parametrize("protocol", ALL)
def test_one_figure_holds_all_five_panels(protocol):
    states = gas(protocol, n=5)
    figure = isotropic_panels(states)
    assert [ax.get_title()[:1] for ax in figure.axes if ax.get_title()] == ["a", "b", "c", "d"]
    states = states.drop_vars(["entropy", "entropy_se"])
    texts = [text.get_text().replace("\n", " ") for ax in isotropic_panels(states).axes for text in ax.texts]
    assert texts.count("entropy not measured") == 2
    assert any("variable entropy is missing" in text for text in texts)


@pytest.mark.parametrize("protocol", ALL)
def test_the_key_above_the_panels_stays_above_them(protocol):
    states = gas(protocol, n=5)
    status = states["status"].values.astype(object)
    status[0, 0] = "converging"
    states["status"] = states["status"].copy(data=status.astype(str))
    law = finite_step_on_grid(states)
    figure = isotropic_panels(states, predictions={"finite steps": law, "queue's reading": law})
    with styled():
        figure.draw_without_rendering()
    left, right = figure.subfigs[0].subfigs
    (key,) = left.legends
    box = key.get_window_extent()
    assert len(key.get_texts()) == 5
    assert box.x0 >= 0
    assert box.x1 <= min(ax.get_tightbbox().x0 for ax in right.axes if ax.get_tightbbox())
    assert box.y0 >= max(ax.title.get_window_extent().y1 for ax in left.axes if ax.get_title())


def uneven(dim: int) -> xr.Dataset:
    """A table over the anisotropy, as the report makes it."""
    a = np.array([0.0, 0.5, 0.9])
    deficit = -(dim - 1) / 4 * np.log1p(-(a**2))
    values = {"energy": 0.005 * np.ones(3), "energy_se": 5e-5 * np.ones(3), "energy_law": 0.005 * np.ones(3)}
    values |= {"deficit": deficit, "deficit_se": 0.01 * np.ones(3)}
    return xr.Dataset({k: ("anisotropy", v) for k, v in values.items()}, {"anisotropy": a}, {"dim": dim})


def test_anisotropy_figure_shows_the_deficit_and_the_ellipses_of_both_laws():
    tables = [uneven(3), uneven(5)]
    drawn = lines(anisotropy_entropy(tables, axes()))
    for dim in (3, 5):
        line, points = drawn[f"d={dim}:law"], drawn[f"d={dim}:entropy"]
        assert np.asarray(line.get_ydata())[-1] == pytest.approx((dim - 1) / 4 * np.log(0.19), rel=1e-9)
        np.testing.assert_allclose(points.get_ydata()[-1], line.get_ydata()[-1], rtol=1e-9)
    np.testing.assert_allclose(lines(anisotropy_energy(tables, axes()))["d=3:energy"].get_ydata(), 0.0)
    # Standard deviations 0.3 and 0.1 are the ellipse's half axes; the circle has their mean square.
    cloud = np.array([[-1.0, 0.1, 0.0], [-1.0, 0.0, 0.1]])
    drawn = lines(tangent_cloud(cloud, [0.09, 0.01], axes()))
    for sigmas in (1, 2):
        law, gibbs = drawn[f"law:{sigmas}"], drawn[f"gibbs:{sigmas}"]
        assert np.max(law.get_xdata()) == pytest.approx(0.3 * sigmas)
        assert np.max(law.get_ydata()) == pytest.approx(0.1 * sigmas)
        radii = np.hypot(gibbs.get_xdata(), gibbs.get_ydata())
        np.testing.assert_allclose(radii, sigmas * np.sqrt(0.05), rtol=1e-9)
    np.testing.assert_array_equal(drawn["cloud"].get_xdata(), [0.1, 0.0])
    anisotropy(tables, cloud, [0.09, 0.01]).draw_without_rendering()
    with pytest.raises(InputError, match=r"cloud has shape \(3, 2\) and 2 variances"):
        tangent_cloud(np.ones((3, 2)), [1.0, 1.0], axes())
    with pytest.raises(InputError, match=r"there are no anisotropic states"):
        anisotropy([])


def test_the_turning_cloud_is_small_and_the_same_every_time():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((1500, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    clouds = {"cold": points, "warm": points[::-1], "hot": -points, "<b>": points}
    first, second = (cloud_sphere(clouds, mu=[1, 0, 0], name="c", caption="") for _ in range(2))
    assert first == second
    assert len(first.html) < 1_000_000
    assert "<b>" not in first.html  # markup in a name stays text
    with pytest.raises(InputError, match=r"cloud 'x' has shape \(4, 2\)"):
        cloud_sphere({"x": np.ones((4, 2))}, mu=[1, 0, 0], name="c", caption="")
    with pytest.raises(InputError, match=r"name is 'a b'"):
        cloud_sphere(clouds, mu=[1, 0, 0], name="a b", caption="")


def test_energy_residual_shows_the_excess_that_was_put_in():
    states = gas(FixedELR, excess=0.4)
    drawn = lines(
        energy_residual(states, axes(), predictions={"put in": law_on_grid(gas(FixedELR))[["loss"]]})
    )
    rate = states["elr"].values
    np.testing.assert_allclose(drawn["loss:means"].get_xdata(), rate, rtol=1e-12)
    np.testing.assert_allclose(drawn["loss:means"].get_ydata(), 0.4 * rate, rtol=1e-9)
    # The law itself as a prediction is 0: it must not follow the points.
    np.testing.assert_allclose(drawn["loss:put in"].get_ydata(), 0.0, atol=1e-12)
    right = law_on_grid(states)
    predicted = {"right": right[["loss"]] * (1 + 0.4 * right["effective_lr"])}
    followed = lines(energy_residual(states, axes(), predictions=predicted))["loss:right"]
    np.testing.assert_allclose(followed.get_ydata(), 0.4 * rate, rtol=1e-9)


@pytest.mark.parametrize("protocol", ALL)
def test_radius_and_entropy_residuals_of_exact_states_are_zero_with_known_errors(protocol):
    states = gas(protocol)
    ax = radius_residual(states, axes())
    name = "effective_wd" if protocol is FixedSphere else "norm"
    means = lines(ax)[f"{name}:means"]
    np.testing.assert_allclose(means.get_ydata(), 0.0, atol=1e-12)
    # Nine states of 1% each, at fixed LR from one to nine: the mean has 1%/sqrt(n).
    bars = np.array([bar.get_segments() for bar in ax.collections])[0]
    half = (bars[:, 1, 1] - bars[:, 0, 1]) / 2
    count = np.r_[1:10, 8:0:-1] if protocol is FixedLR else np.full(9, 9)
    np.testing.assert_allclose(half, 0.01 / np.sqrt(count), rtol=1e-6)
    drawn = lines(entropy_residual(states, axes()))
    np.testing.assert_allclose(drawn["entropy_sphere:means"].get_ydata(), 0.0, atol=1e-12)
    states["entropy_sphere"] = states["entropy_sphere"] - 0.3
    drawn = lines(entropy_residual(states, axes()))
    np.testing.assert_allclose(drawn["entropy_sphere:means"].get_ydata(), -0.3, rtol=1e-9)
    isotropic_residuals(states).draw_without_rendering()


def test_heat_figure_shows_measured_levels_beside_the_exact_law_of_their_dimension():
    checks = [heat_capacities(gas(FixedELR, dim=10, sigma=3.0)), heat_capacities(gas(FixedLR))]
    drawn = lines(heat_energy(checks, axes(), dims=(3, 100)))
    assert {"d=3:exact", "d=10:exact", "d=100:exact", "d=10:fit", "d=3:fit"} <= set(drawn)
    points = drawn["d=10:energy"]
    T = np.asarray(points.get_xdata())
    np.testing.assert_allclose(T, 4.5 * np.geomspace(1e-3, 1e-1, 9), rtol=1e-9)
    np.testing.assert_allclose(points.get_ydata(), vmf.energy(T, 10), rtol=1e-9)
    line = drawn["d=10:exact"]
    np.testing.assert_allclose(line.get_ydata(), vmf.energy(line.get_xdata(), 10), rtol=1e-12)
    # Where the small-T form fails: above 1, which no mean loss can reach.
    assert np.max(drawn["d=10:small-t"].get_ydata()) > 1 > np.max(line.get_ydata())
    slopes = lines(heat_capacity_curve(checks, axes(), dims=()))
    np.testing.assert_allclose(slopes["d=3:c_v"].get_ydata(), 1.0, atol=1e-3)
    exact = slopes["d=10:exact"]
    np.testing.assert_allclose(exact.get_ydata(), vmf.heat_capacity(exact.get_xdata(), 10) / 4.5, rtol=1e-12)
    heat(checks).draw_without_rendering()
    # A fit of the cold limit is no property of hot states.
    apart = lines(heat_energy(checks[1:], axes(), hot=checks[:1]))
    assert {"d=3:fit", "d=10:energy"} <= set(apart)
    assert "d=10:fit" not in apart
    with pytest.raises(InputError, match=r"there are no heat capacities"):
        heat([])


def on_path(points: list[FixedLR]) -> list[xr.Dataset]:
    """Exact states of single points, entropies 0.02 nats uncertain."""
    found = []
    for point in points:
        law = isotropic_law("FixedLR", point.lr, point.wd, dim=3, sigma=1.0)
        measured = {"norm": law["norm"], "entropy_sphere": law["entropy_sphere"], "tr_sigma": np.array(2.0)}
        errors = {"norm_se": 0.0 * law["norm"], "entropy_sphere_se": np.array(0.02)}
        found.append(new_states(point, measured | errors, dim=3))
    return found


def test_entropy_stays_on_the_drawn_adiabat_and_not_on_the_other_path():
    # Cold and at fixed LR the learning rate alone sets the entropy (IG eq. 31): up to exp(-2/T) in d = 3.
    wds = np.geomspace(1e-3, 1e-1, 5)
    paths = {
        "adiabat": on_path([FixedLR(lr=0.01, wd=wd) for wd in wds]),
        "other": on_path([FixedLR(lr=10 * wd, wd=1e-3) for wd in wds]),
    }
    ax = entropy_on_paths(paths, axes())
    drawn = lines(ax)
    np.testing.assert_allclose(drawn["path:adiabat"].get_ydata(), 0.0, atol=1e-9)
    T = np.asarray(drawn["path:adiabat"].get_xdata())
    np.testing.assert_allclose(T, 0.5 * np.sqrt(0.01 * wds), rtol=1e-9)
    np.testing.assert_allclose(drawn["path:entropy_sphere"].get_ydata(), np.log(T / T[0]), atol=1e-9)
    np.testing.assert_allclose(drawn["path:other"].get_ydata(), np.log(wds / wds[0]), atol=1e-9)
    bars = np.array([bar.get_segments() for bar in ax.collections])
    np.testing.assert_allclose((bars[..., 1, 1] - bars[..., 0, 1]) / 2, 0.02, rtol=1e-6)
    curve = {"predicted": [FixedLR(lr=0.02, wd=wd) for wd in wds]}
    plane_ax = paths_in_plane(paths, axes(), curves=curve)
    plane = lines(plane_ax)
    np.testing.assert_array_equal(plane["plane:adiabat"].get_xdata(), wds)
    np.testing.assert_array_equal(plane["plane:adiabat"].get_ydata(), np.full(5, 0.01))
    np.testing.assert_array_equal(plane["plane:predicted"].get_ydata(), np.full(5, 0.02))
    adiabats(paths, curves=curve).draw_without_rendering()
    # A learning rate that stays up to rounding fills no frame of its own.
    low, high = paths_in_plane({"adiabat": paths["adiabat"]}, axes()).get_ylim()
    assert high > 10 * low


def test_paths_that_cannot_be_drawn_are_refused():
    with pytest.raises(InputError, match=r"paths are \[\]; expected one at least"):
        adiabats({})
    with pytest.raises(InputError, match=r"a state on path 'x' has sizes .*; expected a single point"):
        entropy_on_paths({"x": [gas(FixedLR)]}, axes())
    mixed = [*on_path([FixedLR(lr=0.1, wd=0.1)]), gas(FixedELR).isel(elr=[0], wd=[0])]
    with pytest.raises(InputError, match=r"paths are of protocols \['FixedELR', 'FixedLR'\]"):
        paths_in_plane({"x": mixed}, axes())
