"""The toy sphere's figures show what was simulated; pages and commands made of them are whole."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thermograd.cli.reproduce import reproduce
from thermograd.cli.simulate_toy import toy as toy_cli
from thermograd.errors import InputError
from thermograd.figures import toy as figures
from thermograd.figures.interactive import interactive_sphere, plotly_script
from thermograd.figures.output import encode
from thermograd.figures.smoothing import smooth_in_log
from thermograd.figures.sphere import View, sphere_circles, sphere_path, sphere_surface
from thermograd.figures.style import value_text
from thermograd.figures.toy_limits import toy_final_loss, toy_limiting_snr, toy_limits
from thermograd.figures.toy_sphere import (
    theorem_scheme,
    toy_destinations,
    toy_landscape,
    toy_landscapes,
    toy_metrics,
)
from thermograd.reproduce.toy import TOY_RATES, reproduce_toy
from thermograd.simulate import toy
from thermograd.states import load

OP, UP = toy.overparameterized(), toy.underparameterized()
RATES = [1e-3, 0.05, 0.3]


@cache
def runs(name: str) -> xr.Dataset:
    return toy.simulate({"op": OP, "up": UP}[name], RATES, steps=3000)


@cache
def surface(name: str) -> xr.Dataset:
    return toy.on_sphere({"op": OP, "up": UP}[name], toy.globe(37, 73))


def axes():
    return Figure().subplots()


def drawn(ax, gid: str) -> Line2D:
    found = [line for line in ax.lines if line.get_gid() == gid]
    assert len(found) == 1, (gid, [line.get_gid() for line in ax.lines])
    return found[0]


# --- smoothing


def test_smoothing_keeps_a_power_law_to_its_ends():
    t = np.geomspace(1, 1e4, 80)
    np.testing.assert_allclose(smooth_in_log(t, 3 - 2 * np.log(t)), 3 - 2 * np.log(t), rtol=0, atol=1e-10)


def test_smoothing_damps_a_wave_as_a_gaussian_does():
    t = np.geomspace(1, 1e4, 2000)
    wave = np.cos(15 * np.log(t))
    middle = slice(400, 1600)
    # exp(-(15 * 0.1)^2 / 2) of it is left; with 217 points to a unit the sum is the integral to 1e-3.
    np.testing.assert_allclose(smooth_in_log(t, wave)[middle], np.exp(-1.125) * wave[middle], atol=1e-3)


def test_smoothing_weighs_log_time_and_not_points():
    # A cluster of points on the right of t = 2 must not pull the value there to its own.
    t = np.sort(np.concatenate([np.geomspace(1, 4, 101), np.linspace(2.01, 2.05, 400)]))
    y = (np.log(t) - np.log(2)) ** 2
    at = int(np.argmin(np.abs(t - 2)))
    assert smooth_in_log(t, y)[at] == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("bad", [([2, 1], [1, 1]), ([0, 1], [1, 1]), ([1, 2], [1, np.nan]), ([1, 2], [1])])
def test_smoothing_refuses_what_it_cannot_smooth(bad):
    with pytest.raises(InputError, match="expected rising, finite"):
        smooth_in_log(np.array(bad[0], float), np.array(bad[1], float))


# --- curves and limits


@pytest.mark.parametrize("name", ["op", "up"])
def test_pale_lines_are_the_trace(name):
    trace = runs(name)
    expected = {
        "loss": (figures.toy_loss, trace.loss - trace.attrs["minimum_loss"]),
        "snr": (figures.toy_snr, np.sqrt(trace.grad_sq / trace.tr_sigma)),
        "full_grad_norm": (figures.toy_full_grad_norm, trace.full_grad_norm),
        "mean_batch_grad_norm": (figures.toy_batch_grad_norm, trace.mean_batch_grad_norm),
    }
    for variable, (draw, values) in expected.items():
        ax = draw(trace, axes())
        for i, rate in enumerate(RATES):
            line = drawn(ax, f"{variable}:elr={value_text(rate)}:raw")
            run = values.isel(elr=i, radius=0).dropna("step")
            if variable != "loss":  # of the loss, points at the minimum to rounding have no logarithm
                np.testing.assert_array_equal(line.get_xdata(), run.step.values)
                np.testing.assert_array_equal(line.get_ydata(), run.values)
            assert np.isin(line.get_ydata(), run.values).all()
            smooth = drawn(ax, f"{variable}:elr={value_text(rate)}")
            assert len(smooth.get_xdata()) == len(line.get_xdata())


def test_eight_of_eighty_runs_are_drawn_and_more_refused():
    many = toy.simulate(UP, list(TOY_RATES), steps=20)
    assert figures.toy_rates(many).sizes["elr"] == 8
    assert figures.toy_rates(many, [0.1, 0.100001]).elr.values.tolist() == [0.1]
    with pytest.raises(InputError, match="81 runs; expected at most 8"):
        figures.toy_loss(many, axes())
    with pytest.raises(InputError, match="expected a trace of the toy sphere"):
        figures.toy_snr(xr.Dataset(), axes())


def test_limits_are_drawn_as_what_they_are():
    limits = toy.limits(toy.simulate(OP, [1e-4, 0.1, 3.0], seed=0))
    ax = toy_final_loss(limits, axes())
    assert drawn(ax, "loss:converged").get_ydata().tolist() == [limits.final_loss.values[1]]
    assert drawn(ax, "loss:on the way").get_xdata().tolist() == [1e-4]
    assert drawn(ax, "loss:settled").get_ydata().tolist() == [limits.loss.values[2]]
    law = np.array([0.5, 0.6, np.nan])
    ax = toy_limiting_snr(limits, axes(), law=law, law_text="law")
    np.testing.assert_array_equal(drawn(ax, "snr:law").get_ydata(), law)
    assert drawn(ax, "snr:measured").get_ydata().tolist() == limits.snr.values[1:].tolist()
    assert drawn(ax, "snr:on the way").get_xdata().tolist() == [1e-4]
    up = toy.limits(toy.simulate(UP, [0.1, 0.2], steps=5000))
    assert drawn(toy_final_loss(up, axes()), "loss:minimum").get_ydata()[0] == pytest.approx(1 / 26)
    with pytest.raises(InputError, match=r"simulate\.toy\.limits"):
        toy_final_loss(xr.Dataset(), axes())


# --- the sphere


def test_only_the_side_that_faces_the_viewer_is_drawn():
    view = View(20, 60)
    ax = axes()
    toy_landscape(surface("up"), ax, view=view)
    sphere_circles(UP, ax, view)
    for line in ax.lines[-3:]:
        across, up = (np.asarray(c, float) for c in (line.get_xdata(), line.get_ydata()))
        seen = np.isfinite(across)
        # Half of a great circle is seen, whatever the view.
        assert seen.mean() == pytest.approx(0.5, abs=0.01)
        depth = np.sqrt(np.clip(1 - across[seen] ** 2 - up[seen] ** 2, 0, None))
        points = np.stack([across[seen], up[seen], depth], axis=-1) @ view.axes
        distance = np.abs(points @ UP.T).min(axis=0)
        assert distance.min() < 1e-6
    hidden = axes()
    sphere_path(-view.axes[2][None] * np.ones((4, 1)), hidden, view)
    assert len(hidden.lines) == 0


def test_the_colour_at_a_pixel_is_the_value_at_its_point():
    view = View(35, 112)
    image = sphere_surface(toy.on_sphere(UP, toy.globe()).loss, axes(), view)
    seen = image.get_array()
    side = (np.arange(len(seen)) + 0.5) / len(seen) * 2 * view.half_width - view.half_width
    for row, column in ((210, 210), (300, 120), (100, 260)):
        across, up = side[column], side[row]
        point = np.array([across, up, np.sqrt(1 - across**2 - up**2)]) @ view.axes
        # Linear interpolation over a degree: second derivatives of at most 2, (pi/180)^2/8 of them.
        assert seen[row, column] == pytest.approx(toy.on_sphere(UP, point).loss.item(), abs=2e-4)
    assert np.ma.getmaskarray(seen)[0, 0]


@pytest.mark.parametrize("elevation", [0, 48, 90])
def test_views_are_rotations(elevation):
    np.testing.assert_allclose(View(elevation, 30).axes @ View(elevation, 30).axes.T, np.eye(3), atol=1e-14)


def test_every_composition_can_be_written_and_twice_the_same():
    paths = [toy.path(UP, rate, steps=300) for rate in (2.4e-3, 6.9e-2)]
    both = {"UP": (surface("up"), paths), "OP": (surface("op"), paths)}
    made = [
        lambda: figures.toy_curves(runs("up"), "UP"),
        lambda: toy_limits(toy.limits(runs("op")), title="OP"),
        lambda: toy_landscapes(both),
        lambda: toy_metrics({"UP": surface("up"), "OP": surface("op")}),
        lambda: toy_destinations({"UP": (surface("up"), paths, 0.6), "OP": (surface("op"), paths, 0.02)}),
        lambda: theorem_scheme(Figure().subplots()).figure,
    ]
    for make in made:
        assert encode(make(), "png").startswith(b"\x89PNG")
    # Paths drawn as an image are the likeliest to differ.
    assert encode(made[2](), "svg") == encode(made[2](), "svg")


def test_figures_refuse_what_they_cannot_draw():
    with pytest.raises(InputError, match="expected latitude and longitude"):
        sphere_surface(xr.DataArray(np.zeros((2, 2)), dims=("a", "b")), axes(), View(0, 0))
    with pytest.raises(InputError, match="5 paths; expected at most 4"):
        toy_landscape(surface("up"), axes(), paths=[toy.path(UP, 0.1, steps=2)] * 5)
    with pytest.raises(InputError, match="normals"):
        toy_landscape(surface("up").drop_attrs(), axes())


# --- interactive


def fragment(name: str = "a-sphere"):
    panels = {"loss": (surface("op"), "loss"), "SNR": (surface("op"), "snr")}
    return interactive_sphere(panels, name=name, caption="c", paths=[toy.path(OP, 0.1, steps=9000)])


def test_fragments_are_small_repeatable_and_bring_no_plotly():
    one = fragment()
    assert one == fragment()
    assert 'id="a-sphere"' in one.html
    full = toy.on_sphere(OP, toy.globe())
    names = ("loss", "snr", "full_grad_norm", "mean_batch_grad_norm")
    paths = [toy.path(UP, rate, steps=10_000) for rate in (2.4e-3, 6.9e-2)]
    whole = interactive_sphere({n: (full, n) for n in names}, name="whole", caption="c", paths=paths)
    assert len(whole.html) < 1_500_000
    assert "https://" not in one.html.replace("https://plot.ly", "")
    script = plotly_script()
    assert script.startswith("<script>")
    assert len(script) > 1_000_000


@pytest.mark.parametrize(
    ("change", "words"),
    [({"name": "a b"}, "name is 'a b'"), ({"panels": {}}, "no panels"), ({"paths": [None] * 5}, "5 paths")],
)
def test_fragments_refuse_what_they_cannot_show(change, words):
    given = {"panels": {"loss": (surface("op"), "loss")}, "name": "s", "caption": "c"} | change
    with pytest.raises(InputError, match=words):
        interactive_sphere(**given)


# --- commands and report


@pytest.mark.slow
def test_reproduction_writes_everything_and_its_claims_hold(tmp_path):
    rates = [float(f"{rate:.6g}") for rate in np.geomspace(1e-3, 2.0, 24)]
    result = reproduce_toy(tmp_path, elr=rates)
    assert [claim.verdict.kind for claim in result.claims] == ["holds"] * 6, result.to_text()
    for name in ("op", "up"):
        load(tmp_path / f"trace-{name}.nc", "trace")
        load(tmp_path / f"states-{name}.nc", "states")
        assert (tmp_path / "tables" / f"limits-{name}.csv").is_file()
    stems = {path.stem for path in (tmp_path / "figures").glob("*.pdf")}
    assert stems == {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert {"landscape", "metrics", "destinations", "scheme", "curves-op", "limits-up"} <= stems
    page = (tmp_path / "report.html").read_text()
    assert page.count(plotly_script()) == 1
    assert page.count('id="sphere-') == 2
    assert page.index(plotly_script()) < page.index('id="sphere-')


def test_a_run_too_short_is_open_and_not_a_success(tmp_path):
    from thermograd.report.toy_claims import converging_claims, settling_claims

    trace = toy.simulate(OP, [0.1, 2.0], steps=30)
    claims = converging_claims(trace, toy.limits(trace))
    assert [claim.verdict.kind for claim in claims] == ["open", "open"]
    trace = toy.simulate(UP, [0.01, 0.02], steps=30)
    assert {c.verdict.kind for c in settling_claims(trace, toy.limits(trace), 0.148)} == {"open"}
    # Negative control: three circles do not converge, and the claim that two do fails of them.
    trace = toy.simulate(UP, [0.01, 0.1, 2.0], steps=20_000)
    assert converging_claims(trace, toy.limits(trace))[0].verdict.kind == "fails"


def test_command_prints_and_writes(tmp_path):
    options = ["--preset", "op", "--lr", "0.1,0.3", "--steps", "2000", "--out", str(tmp_path), "--json"]
    result = CliRunner().invoke(toy_cli, options, catch_exceptions=False)
    runs_ = json.loads(result.stdout)["runs"]
    assert [(run["lr"], run["converged"]) for run in runs_] == [(0.1, True), (0.3, True)]
    assert load(tmp_path / "trace-toy.nc").identical(toy.simulate(OP, [0.1, 0.3], steps=2000))
    circles = ["--normals", "1,0,0.2; 0,1,0.2", "--lr", "0.1", "--steps", "50"]
    printed = CliRunner().invoke(toy_cli, circles, catch_exceptions=False).stdout.splitlines()
    assert printed[0].startswith("minimum of the full loss: ")
    assert printed[2].split()[:2] == ["0.1", "50"]
    assert len(printed) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lr", "0.1"], "neither --preset nor --normals"),
        (["--preset", "op", "--normals", "1,0,0", "--lr", "0.1"], "both --preset and --normals"),
        (["--normals", "1,0", "--lr", "0.1"], "normals have shape"),
        (["--normals", "a,b,c", "--lr", "0.1"], "'a,b,c'"),
        (["--preset", "up", "--lr", "-1"], "is -1.0"),
    ],
)
def test_command_refuses_mistakes_in_one_line(options, words):
    error = CliRunner().invoke(toy_cli, options).exception
    assert isinstance(error, InputError)
    assert words in str(error)
    assert "\n" not in str(error)


def test_the_other_command_says_what_it_does():
    assert "toy sphere" in CliRunner().invoke(reproduce, ["free-energy", "--help"]).stdout
