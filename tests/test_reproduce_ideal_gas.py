"""The ideal-gas experiments on networks, with tiny grids: everything is written, resumed, judged and said."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from thermograd.analysis.regimes import regimes
from thermograd.cli.main import thermograd as command_line
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.reproduce import ideal_gas_setup
from thermograd.reproduce.choice import Choice, choose_setups
from thermograd.reproduce.claims import Claim, from_dict, to_html, to_markdown
from thermograd.reproduce.ideal_gas import reproduce_ideal_gas
from thermograd.reproduce.ideal_gas_adiabat import RUN, plan_adiabat, run_adiabat, run_count
from thermograd.reproduce.ideal_gas_adiabat_claims import adiabat_claims
from thermograd.reproduce.ideal_gas_claims import gas_claims
from thermograd.reproduce.in_turn import How
from thermograd.reproduce.overparameterised_claims import overparameterised_claims
from thermograd.reproduce.presets import Setup, load_preset
from thermograd.reproduce.verdicts import verdict
from thermograd.states import load, new_states, new_trace
from thermograd.sweep import Serial
from thermograd.theory.radius import effective_wd_sphere, stationary_radius_elr, stationary_radius_lr
from thermograd.training.spec import Measurement

BRIEF = Measurement(log_every=10, noise_draws=6, queue_size=5, queue_every=2)
DIM = 387
R = (DIM - 1) / 2


def tiny(name: str = "ideal-gas-convnet-digits", **changes) -> Setup:
    """The quick setup with two values on each axis and a few iterations."""
    setup = load_preset(name, "quick")
    brief = {"steps": 40, "anneal": 5, "settle": 0, "measurement": BRIEF} | changes
    grids = (
        (FixedSphere.grid(elr=[0.006, 0.01], radius=[1.0]), replace(setup.grids[0][1], **brief)),
        (FixedELR.grid(elr=[0.006, 0.01], wd=[0.05]), replace(setup.grids[1][1], **brief)),
        (FixedLR.grid(lr=[0.1, 0.2], wd=[0.01]), replace(setup.grids[2][1], **brief)),
    )
    return replace(setup, grids=grids)


def gas(protocol: type, *, slope: float = 1.0, radius: float = 1.0, share: float = 0.02) -> xr.Dataset:
    """States of a real gas; `slope` bends how S follows the radius, `radius` the radius itself."""
    rng = np.random.default_rng(3)
    first, other = np.meshgrid(np.geomspace(1e-3, 1e-2, 6), np.geomspace(0.05, 0.5, 4), indexing="ij")
    laws = {FixedSphere: effective_wd_sphere, FixedELR: stationary_radius_elr, FixedLR: stationary_radius_lr}
    level = first * other if protocol is FixedLR else first
    tr_sigma = 50 * level**-0.4
    settled = radius * laws[protocol](first, other, tr_sigma, share * tr_sigma).finite_step
    sphere = protocol is FixedSphere
    norm = other if sphere else settled
    measured = {"norm": norm, "tr_sigma": tr_sigma, "grad_sq": share * tr_sigma, "loss": 1 + 20 * level}
    measured["entropy_sphere"] = 2 * R * np.log(level) + (slope - 1) * 2 * R * np.log(norm)
    measured["entropy_sphere"] += rng.normal(0, 1, first.shape)
    measured |= {"effective_wd": settled} if sphere else {}
    errors = {f"{name}_se": 2e-3 * np.abs(values) for name, values in measured.items()}
    errors["entropy_sphere_se"] = np.ones(first.shape)
    grid = protocol.grid(**dict(zip(protocol.axes, (first[:, 0], other[0]), strict=True)))
    return new_states(grid, measured | errors, dim=DIM)


def words(claims: list[Claim], part: str) -> list[str]:
    """The verdicts of all claims that speak of this."""
    found = [claim.verdict for claim in claims if part in claim.claim]
    assert found, part
    return found


# -- claims and verdicts -------------------------------------------------------------------------------------


def test_a_claim_is_checked_and_survives_json():
    claim = Claim("a | b", "IG 4", "1 < 2", "not testable", "too short")
    assert from_dict(json.loads(json.dumps(claim.to_dict()))) == claim
    assert "a \\| b" in to_markdown([claim])
    assert "<td>1 &lt; 2</td>" in to_html([claim])
    with pytest.raises(InputError, match="verdict is 'perhaps'"):
        Claim("a", "b", "c", "perhaps", "d")
    with pytest.raises(InputError, match="reason is empty"):
        Claim("a", "b", "c", "agrees", " ")
    with pytest.raises(InputError, match="expected texts under"):
        from_dict({"claim": "a"})


def test_a_verdict_needs_two_standard_errors_to_reject():
    # Written down beforehand: agrees within the tolerance, differs beyond it by 2 se, else it cannot be told.
    assert verdict(0.10, 0.05, 0.10)[0] == "agrees"
    assert verdict(0.1999, 0.05, 0.10)[0] == "not testable"
    assert verdict(0.2001, 0.05, 0.10)[0] == "differs"
    assert verdict(0.0, 0.11, 0.10)[0] == "not testable"
    assert verdict(np.nan, 0.1, 0.1)[0] == "not testable"


def test_a_real_gas_agrees_with_every_law_but_the_pressure_slope_of_an_ideal_one():
    setup = load_preset("ideal-gas-convnet-digits", "quick")
    states = {protocol.__name__: gas(protocol) for protocol in (FixedSphere, FixedELR, FixedLR)}
    claims = gas_claims(setup, states)
    for part in ("finite steps", "(V3)", "sigma2 depends", "T rises", "real gas", "dp/dT"):
        assert set(words(claims, part)) == {"agrees"}, part
    # Published numbers stand beside ours, and say that the setups differ.
    (published,) = [c for c in claims if "fixed LR: Maxwell" in c.claim]
    assert "R² 0.9926, 0.989" in published.paper
    assert "published: ConvNet(8) on CIFAR-10; here: ConvNet(1) on digits" in published.reason


@pytest.mark.parametrize("share", [0.02, 1.5])
def test_the_pressure_slope_fails_where_the_mean_gradient_grows_with_t(share):
    states = gas(FixedSphere)
    elr = states["elr"] / states["elr"].max()
    bent = gas(FixedSphere, share=0.02) if share < 1 else states
    if share > 1:
        tr_sigma = states["tr_sigma"]
        grad_sq = share * tr_sigma * elr
        law = effective_wd_sphere(
            states["elr"].values[:, None], states["radius"].values[None], tr_sigma.values, grad_sq.values
        )
        measured = {name: states[name].values for name in ("norm", "tr_sigma", "loss", "entropy_sphere")}
        measured |= {"effective_wd": law.finite_step, "grad_sq": grad_sq.values}
        grid = FixedSphere.grid(elr=states["elr"].values, radius=states["radius"].values)
        bent = new_states(grid, measured, dim=DIM)
    (claim,) = [
        c
        for c in gas_claims(load_preset("ideal-gas-convnet-digits", "quick"), {"FixedSphere": bent})
        if "dp/dT" in c.claim
    ]
    assert claim.verdict == ("agrees" if share < 1 else "differs")
    assert ("a real gas" in claim.reason) == (share > 1)


def test_wrong_gases_are_rejected():
    setup = load_preset("ideal-gas-convnet-digits", "quick")
    # A radius 8% too large misses V1 by 8% and the real gas by 16%; an entropy that follows the radius 1.3
    # times too steeply misses V3 by 0.3: all far beyond tolerances and errors.
    assert words(gas_claims(setup, {"FixedELR": gas(FixedELR, radius=1.08)}), "finite steps") == ["differs"]
    assert words(gas_claims(setup, {"FixedELR": gas(FixedELR, radius=1.08)}), "real gas") == ["differs"]
    for protocol in (FixedELR, FixedLR, FixedSphere):
        claims = gas_claims(setup, {protocol.__name__: gas(protocol, slope=1.3)})
        assert words(claims, "Maxwell relation (V3)") == ["differs"]


def scattered(elrs: int, radii: int, *, follows: float, error: float) -> Claim:
    """The claim on a sigma2 ~ elr^follows with as much scatter as is said of its errors, or of 1 for none."""
    rng = np.random.default_rng(0)
    elr, radius = np.geomspace(1e-3, 1e-2, elrs), np.geomspace(0.5, 2, radii)
    shape = (elrs, radii)
    scatter = error if follows else 1.0
    tr_sigma = 50 * elr[:, None] ** follows * np.exp(scatter * rng.standard_normal(shape))
    measured = {"tr_sigma": tr_sigma, "tr_sigma_se": error * tr_sigma, "norm": np.ones((elrs, 1)) * radius}
    grid = FixedSphere.grid(elr=elr, radius=radius)
    states = new_states(grid, measured | {"loss": np.ones(shape)}, dim=DIM)
    found = gas_claims(load_preset("ideal-gas-convnet-digits", "quick"), {"FixedSphere": states})
    (claim,) = [one for one in found if "sigma2 depends" in one.claim]
    return claim


def test_a_collapse_of_few_points_is_not_judged():
    # Noise without any collapse: 2, 3, 5, 6 degrees of freedom; then 12, and it is told.
    for elrs, radii in ((5, 1), (3, 2), (4, 2), (3, 3)):
        claim = scattered(elrs, radii, follows=0.0, error=0.02)
        assert claim.verdict == "not testable"
        assert "degrees of freedom about the curve; expected at least 8" in claim.reason
    assert scattered(5, 3, follows=0.0, error=0.02).verdict == "differs"


def test_a_collapse_within_errors_needs_something_to_collapse():
    # sigma2 ~ elr^-0.4 over a decade has a spread of 30%: errors of 2% are far below, those of 20% are not.
    assert scattered(8, 3, follows=-0.4, error=0.02).verdict == "agrees"
    assert scattered(8, 3, follows=-0.4, error=0.2).verdict == "not testable"


def test_a_temperature_that_falls_at_the_smallest_rates_does_not_rise():
    # log T is a parabola with its minimum a fifth of the grid from the smallest ELR: the middle rises.
    states = gas(FixedSphere)
    z = np.log(states["elr"] / states["elr"][0]) / np.log(10)
    bent = states.assign(temperature=states["temperature"] * 0 + 1e-3 * np.exp(4 * (z - 0.2) ** 2))
    bent["temperature"].attrs = states["temperature"].attrs
    setup = load_preset("ideal-gas-convnet-digits", "quick")
    assert words(gas_claims(setup, {"FixedSphere": states}), "T rises") == ["agrees"]
    (claim,) = [one for one in gas_claims(setup, {"FixedSphere": bent}) if "T rises" in one.claim]
    assert claim.verdict == "differs"
    assert "at the smallest" in claim.reason


# -- over-parameterised --------------------------------------------------------------------------------------


def falling_and_settled(elrs: list[float], falling: int) -> xr.Dataset:
    """Traces of which so many converge as IG figure 13 shows it; the others settle."""
    t = np.unique(np.geomspace(10, 1e5, 120).astype(int))
    rng = np.random.default_rng(1)
    shape = (len(elrs), 1, len(t))
    power = np.where(np.arange(len(elrs)) < falling, 1.0, 0.0)[:, None, None]
    series = {"loss": t**-power, "grad_sq": t ** (-2 * power), "tr_sigma": t ** (-1.6 * power)}
    measured = {
        k: np.broadcast_to(v, shape) * np.exp(0.02 * rng.normal(size=shape)) for k, v in series.items()
    }
    measured["point_grad_sq"] = measured["grad_sq"] + measured["tr_sigma"]
    measured["norm"] = np.broadcast_to(2 - power * 0.1 * np.log(t) / np.log(t[-1]), shape).copy()
    return new_trace(FixedELR.grid(elr=elrs, wd=[1e-3]), t, measured, dim=DIM)


def states_of(trace: xr.Dataset, falling: int) -> xr.Dataset:
    status = [["converging"] if i < falling else ["equilibrium"] for i in range(trace.sizes["elr"])]
    grid = FixedELR.grid(elr=trace["elr"].values, wd=trace["wd"].values)
    return new_states(grid, {"loss": trace["loss"].values[..., -1]}, dim=DIM, status=status)


@pytest.mark.parametrize(
    ("falling", "verdicts"),
    [
        (4, ["agrees", "agrees", "agrees", "agrees"]),
        (0, ["differs", "agrees", "not testable", "not testable"]),
        (7, ["agrees", "differs", "agrees", "agrees"]),
    ],
    ids=["as published", "nothing converges", "everything converges"],
)
def test_regimes_of_appendix_h_are_judged_from_the_runs_alone(falling, verdicts):
    trace = falling_and_settled([1e-5 * 2.15**n for n in range(7)], falling)
    found = regimes(states_of(trace, falling), trace)
    assert [claim.verdict for claim in overparameterised_claims(trace, found)] == verdicts


RATES = [1e-5 * 2.15**n for n in range(7)]


def judged_over(**changes: np.ndarray) -> list[str]:
    """The verdicts on norm and temperature with other values, where the first four runs converge."""
    trace = falling_and_settled(RATES, 4)
    found = regimes(states_of(trace, 4), trace)
    for name, values in changes.items():
        trace[name] = trace[name].copy(data=np.broadcast_to(values, trace[name].shape).copy())
    return [claim.verdict for claim in overparameterised_claims(trace, found)][2:]


def test_a_norm_and_a_temperature_that_only_were_larger_once_have_not_fallen_to_the_end():
    trace = falling_and_settled(RATES, 4)
    t = trace["step"].values
    noise = np.random.default_rng(2).standard_normal(trace["norm"].shape)
    # Noise about a constant ends below its largest value nearly always.
    assert judged_over(norm=1 + 1e-3 * noise) == ["not testable", "agrees"]
    assert judged_over(norm=(1 + 1e-3 * noise) * (t / 1e5) ** 0.1) == ["differs", "agrees"]
    # A thousand times smaller than at the start, and constant over the last two decades.
    once = np.maximum((t / 1000) ** -1.5, 1.0) * (1 + 0.02 * noise)
    assert judged_over(tr_sigma=once) == ["agrees", "differs"]


def test_settled_runs_are_the_control_of_the_temperature():
    trace = falling_and_settled(RATES, 4)
    steep = trace["tr_sigma"].values * (trace["step"].values / 10) ** -0.5
    assert judged_over(tr_sigma=steep) == ["agrees", "not testable"]


# -- what is run ---------------------------------------------------------------------------------------------


def test_setups_without_images_are_left_out_and_the_command_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("THERMOGRAD_CACHE", str(tmp_path))
    choice = choose_setups("ideal-gas", "quick")
    assert [setup.name for setup, _ in choice.chosen] == [
        "ideal-gas-convnet-digits",
        "ideal-gas-overparameterised-convnet-digits",
    ]
    (missing,) = choice.left_out
    assert missing.command == "thermograd data fetch cifar10"
    with pytest.raises(InputError, match="part is 'ideal-gas-resnet' at scale 'quick'"):
        choose_setups("ideal-gas", "quick", part="ideal-gas-resnet")
    with pytest.raises(
        InputError, match="digits images; ideal-gas at scale 'paper' expected cifar10, cifar100"
    ):
        choose_setups("ideal-gas", "paper", data="digits")


def test_the_adiabats_are_planned_run_and_resumed(tmp_path):
    setup = tiny()
    states = {"FixedLR": gas(FixedLR), "FixedELR": gas(FixedELR)}
    assert [len(grid) for grid, _ in plan_adiabat(setup, states).setup(setup).grids] == [9, 9]
    assert run_count(setup) == 9 * 2 * len(setup.seeds)  # two curves of five points share their start
    plan, count = plan_adiabat(setup, states, 3), run_count(setup, 3)
    done: list[tuple[int, int]] = []
    found = run_adiabat(
        plan, setup, "digits", tmp_path, states, engine=Serial(), on_progress=lambda *now: done.append(now)
    )
    total = count * 45  # 40 iterations and 5 of annealing
    assert max(done) == (total, total)
    assert set(found.paths) == {"FixedLR", "FixedELR"}
    assert set(found.paths["FixedLR"].paths) == {*RUN, "entropy", "constant-wd"}
    # Runs of 40 iterations are in no equilibrium: nothing is claimed of them, and why is said.
    assert {claim.verdict for claim in adiabat_claims(found.paths)} == {"not testable"}
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("runs/*.nc")}
    assert len(written) == count
    run_adiabat(plan, setup, "digits", tmp_path, states, engine=Serial())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("runs/*.nc")} == written


def test_without_fixed_lr_or_elr_there_is_no_adiabat():
    with pytest.raises(InputError, match="expected FixedLR or FixedELR"):
        plan_adiabat(tiny(), {"FixedSphere": gas(FixedSphere)})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tiny setup, interrupted once and then gone on with."""
    folder = tmp_path_factory.mktemp("ideal-gas")
    choice = Choice(((tiny(), "digits"),))
    struck = False

    def strike(done: int, total: int) -> None:
        nonlocal struck
        if not struck:
            struck = True
            signal.raise_signal(signal.SIGINT)

    stopped = reproduce_ideal_gas(
        scale="quick",
        folder=folder,
        choice=choice,
        how=How(engine=Serial(), on_progress=strike, on_message=lambda _: None),
    )
    gone_on = reproduce_ideal_gas(scale="quick", folder=folder, choice=choice, how=How(engine=Serial()))
    return stopped, gone_on, folder


def test_ctrl_c_is_obeyed_and_the_same_call_goes_on(whole):
    stopped, gone_on, _ = whole
    assert stopped.interrupted
    assert stopped.exit_code == 1
    assert stopped.report is None
    assert not gone_on.interrupted
    assert gone_on.exit_code == 0
    (summary,) = gone_on.summaries.values()
    assert summary.reused + summary.done == 6


def test_a_page_a_table_and_the_states_are_written(whole):
    _, gone_on, folder = whole
    here = folder / "ideal-gas-convnet-digits"
    names = {path.name for path in here.iterdir()}
    assert {
        "plan.json",
        "runs",
        "report.html",
        "claims.json",
        "verification.txt",
        "figures",
        "tables",
    } <= names
    assert {path.stem for path in (here / "tables").glob("*.csv")} >= {"table-4", "compressibility", "radius"}
    page = (here / "report.html").read_text("utf-8")
    assert "published: ConvNet(8) on CIFAR-10; here: ConvNet(1) on digits" in page
    assert load(here / "states-FixedLR.nc").attrs["architecture"] == "ConvNet(1)"
    assert gone_on.report == folder / "index.html"
    # Two points a protocol say nothing on a surface of six coefficients: said, and no fit.
    verdicts = {claim.verdict for claim in gone_on.claims["ideal-gas-convnet-digits"]}
    assert "not testable" in verdicts
    assert "expected at least" in (folder / "claims.md").read_text("utf-8")


def test_another_numerics_version_is_refused_by_name(whole, tmp_path):
    _, _, folder = whole
    there = tmp_path / "ideal-gas-convnet-digits"
    there.mkdir()
    text = (folder / "ideal-gas-convnet-digits" / "plan.json").read_text()
    plain = json.loads(text)
    (there / "plan.json").write_text(json.dumps(plain | {"numerics_version": 1}))
    with pytest.raises(InputError, match="numerics version 1"):
        reproduce_ideal_gas(
            scale="quick", folder=tmp_path, choice=Choice(((tiny(), "digits"),)), how=How(engine=Serial())
        )


def test_one_setup_that_cannot_be_run_stops_no_other(tmp_path, monkeypatch):
    good, bad = tiny(), replace(tiny(), name="ideal-gas-broken")
    real = ideal_gas_setup.run_setup

    def fails(setup, *rest, **options):
        if setup.name == bad.name:
            raise InputError("its images are torn")
        return real(setup, *rest, **options)

    monkeypatch.setattr(ideal_gas_setup, "run_setup", fails)
    choice = Choice(((bad, "digits"), (good, "digits")))
    found = reproduce_ideal_gas(scale="quick", folder=tmp_path, choice=choice, how=How(engine=Serial()))
    assert [str(one) for one in found.refused] == ["ideal-gas-broken: its images are torn"]
    assert list(found.claims) == [good.name]
    assert found.exit_code == 1
    with pytest.raises(InputError, match="torn"):
        reproduce_ideal_gas(
            scale="quick", folder=tmp_path, choice=Choice(((bad, "digits"),)), how=How(engine=Serial())
        )


def test_a_dry_run_says_all_and_writes_nothing(tmp_path):
    setup = replace(tiny(), grids=tiny().grids[:1])
    found = reproduce_ideal_gas(
        scale="quick", folder=tmp_path / "out", choice=Choice(((setup, "digits"),)), how=How(1), dry_run=True
    )
    text = found.to_text()
    assert "FixedSphere: elr 0.006 to 0.01 (2) x radius 1 (1) = 2 points, 40 iterations" in text
    assert all(f"\n{word}" in text for word in ("time", "memory", "disk"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--part", "ideal-gas-convnet-digit"), ("part is 'ideal-gas-convnet-digit'", "convnet-digits")),
        (("--scale", "paper", "--data", "digits"), ("digits images", "cifar10, cifar100")),
        (("--part", "isotropic", "--dry-run"), ("--dry-run is True", "--part isotropic")),
        (("--data", "digits", "--address", "auto"), ("--address auto", "--engine ray")),
        (("--dry-run", "--address", "auto"), ("--address auto", "--engine ray")),
        (("--dry-run", "--engine", "serial", "--workers", "2"), ("--workers is 2 with --engine serial",)),
        (("--dry-run", "--device", "gpu"), ("device is 'gpu'", "expected cpu, cuda")),
        (("--preset", "x.toml", "--part", "ideal-gas-x"), ("--part ideal-gas-x", "--preset x.toml")),
        (("--preset", "x.toml"), ("preset x.toml cannot be read",)),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path, options, parts):
    from click.testing import CliRunner

    result = CliRunner().invoke(
        command_line, ["reproduce", "ideal-gas", *options, "--out", str(tmp_path / "x")]
    )
    assert isinstance(result.exception, InputError)
    assert all(part in str(result.exception) for part in parts), str(result.exception)
    assert not Path(tmp_path / "x").exists()
