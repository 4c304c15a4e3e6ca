from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.states import (
    drift,
    load,
    merge,
    new_states,
    new_trace,
    save,
    stationary,
    summarise_point,
    validate,
)
from thermograd.theory import gas

GRIDS = {
    "FixedSphere": FixedSphere.grid(elr=[1e-3, 1e-2], radius=[0.5, 1.0, 2.0]),
    "FixedELR": FixedELR.grid(elr=[1e-3, 1e-2], wd=[1e-3, 1e-2, 1e-1]),
    "FixedLR": FixedLR.grid(lr=[1e-2, 1e-1], wd=[1e-3, 1e-2, 1e-1]),
}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def run(rng):
    """One run at fixed LR of white noise around 1, with anything replaced."""

    def make(points=400, dim=11, **replaced):
        series = {name: rng.normal(1, 0.02, points) for name in ("loss", "norm", "batch_grad_sq")}
        wd = replaced.pop("wd", 1e-2)
        options = {k: replaced.pop(k) for k in ("outcome", "outcome_reason", "attrs") if k in replaced}
        step = 1000 * np.arange(1, points + 1)
        return new_trace(FixedLR(lr=0.1, wd=wd), step, series | replaced, dim=dim, **options)

    return make


# ---- stationary values


@pytest.mark.parametrize("name", GRIDS)
def test_the_ideal_gas_is_recovered_within_its_errors(name, make_trace, rng):
    """Every mean and derived law within 5 of its own standard errors of the truth, and these are small."""
    dim, sigma2, grad_sq = 101, 4.0, 40.0
    states = stationary(make_trace(GRIDS[name], rng, dim=dim, sigma2=sigma2, grad_sq=grad_sq))
    assert (states.status == "equilibrium").all(), states.status_reason.values
    first, second = xr.broadcast(*(states[axis] for axis in GRIDS[name].axes))
    if name == "FixedLR":
        temperature = np.sqrt(first * second * sigma2 / (2 * (dim - 1)))
        radius = (first * sigma2 * (dim - 1) / (2 * second)) ** 0.25
        exact = {"effective_lr": first / radius**2}
    else:
        temperature = first * sigma2 / 2
        radius = second if name == "FixedSphere" else np.sqrt(first * sigma2 * (dim - 1) / (2 * second))
        exact = {"relaxation_steps": 1 / (first**2 * sigma2 * (dim - 1))}
    exact |= {
        "temperature": temperature,
        "sigma2": xr.full_like(first, sigma2),
        "loss": (dim - 1) / 2 * temperature,
        "snr": xr.full_like(first, np.sqrt(grad_sq / (sigma2 * (dim - 1)))),
        "entropy": (dim - 1) / 2 * np.log(2 * np.pi * np.e * temperature) + (dim - 1) * np.log(radius),
        "compressibility": xr.ones_like(first),
    }
    if name == "FixedSphere":
        exact["pressure"] = temperature * (dim - 1) / radius**2
    else:
        exact["volume"] = radius**2 / 2
    for variable, truth in exact.items():
        error = states[f"{variable}_se"]
        assert (abs(states[variable] - truth) < 5 * error).all(), variable
        # 2% noise, 200 points, time 3: 0.0025 of the measured value, times what the law makes of it.
        scale = (dim - 1) / 2 if variable == "entropy" else truth
        assert (error < 0.015 * abs(scale)).all(), variable


def test_what_the_hyperparameters_fix_has_no_error(make_trace, rng):
    states = stationary(make_trace(GRIDS["FixedLR"], rng))
    np.testing.assert_allclose(states.relaxation_steps, 0 * states.loss + 1 / (4 * states.lr * states.wd))
    np.testing.assert_array_equal(states.pressure, 0 * states.loss + states.wd)
    assert not {"pressure_se", "relaxation_steps_se"} & set(states)


def test_errors_cover_the_truth(make_trace):
    """Over 600 independent runs 68.3% of the intervals of every observable hold the exact value."""
    grid = FixedELR.grid(elr=np.geomspace(1e-3, 1e-2, 20), wd=np.geomspace(1e-3, 1e-1, 30))
    trace = make_trace(grid, np.random.default_rng(3), points=600, rho=0.6)
    states = stationary(trace)
    truth = {"loss": states.elr * 4.0 / 2 * 50, "sigma2": 4.0, "snr": np.sqrt(0.1)}
    truth["compressibility"] = 1.0
    for name, exact in truth.items():
        inside = float((abs(states[name] - exact) < states[f"{name}_se"]).mean())
        # Binomial error 1.9%; the estimated autocorrelation time costs up to 3% more of coverage.
        assert 0.60 < inside < 0.75, (name, inside)


def test_a_derived_error_knows_that_its_inputs_move_together(rng):
    """Where grad_sq and tr_sigma wander together their ratio does not, whatever the error of each."""
    wander = rng.normal(1, 0.1, 2000)
    series = {
        "loss": rng.normal(1, 0.01, 2000),
        "norm": np.ones(2000),
        "grad_sq": 2 * wander,
        "tr_sigma": 8 * wander,
    }
    trace = new_trace(FixedSphere(elr=0.01, radius=1.0), np.arange(2000), series, dim=9)
    states = stationary(trace)
    assert states.snr.item() == pytest.approx(0.5, rel=1e-12)
    assert states.snr_se.item() < 1e-10
    # The negative control: independent inputs with these errors give 0.5/2 * sqrt(2) * 0.1 / sqrt(1000). The
    # estimated time has an error of sqrt(2 * 11 / 1000) = 15%.
    parts = {
        name: states[name].item() for name in ("grad_sq", "grad_sq_se", "tr_sigma", "tr_sigma_se", "norm")
    }
    independent = new_states(FixedSphere(elr=0.01, radius=1.0), parts, dim=9)
    assert independent.snr_se.item() == pytest.approx(0.25 * np.sqrt(2) * 0.1 / np.sqrt(1000), rel=0.3)


def test_a_negative_unbiased_estimate_gives_no_snr(run):
    states = stationary(run(grad_sq=np.full(400, -0.1), tr_sigma=np.full(400, 1.1)))
    assert np.isnan(states.snr.item())
    assert np.isnan(states.snr_se.item())
    assert states.status.item() == "equilibrium"


def test_the_entropy_says_how_many_windows_it_rests_on(run):
    windows = np.full(400, np.nan)
    windows[[50, 250, 320, 399]] = [100.0, -3.0, -1.0, -2.0]
    states = stationary(run(entropy_sphere=windows))
    assert states.entropy_sphere.item() == -2.0  # the first lies before the window
    assert states.entropy_sphere_windows.item() == 3
    assert states.entropy_sphere_spread.item() == 1.0
    assert states.entropy_sphere_se.item() == pytest.approx(1 / np.sqrt(3))
    expected = -2.0 + 10 * np.log(states.norm.item())
    assert states.entropy.item() == pytest.approx(expected)
    # independent of the norm: the errors add in squares
    norm_part = 10 * states.norm_se.item() / states.norm.item()
    assert states.entropy_se.item() == pytest.approx(np.hypot(1 / np.sqrt(3), norm_part), rel=1e-6)


def test_the_window_is_of_iterations_or_of_log_points():
    """Log-spaced logs: the last half of the iterations holds only the points beyond it."""
    step = np.unique(np.geomspace(1, 1_000_000, 200).astype(int))
    series = {"loss": np.where(step > 500_000, 1.0, 9.0), "norm": np.ones(len(step))}
    trace = new_trace(FixedSphere(elr=0.1, radius=1.0), step, series, dim=4)
    half, papers = stationary(trace), stationary(trace, last=30)
    assert half.loss.item() == 1.0
    assert half.log_points.item() == (step > 500_000).sum() == 10
    assert papers.log_points.item() == 30
    assert papers.loss.item() == pytest.approx((10 * 1 + 20 * 9) / 30)
    assert papers.status.item() == "converging"


# ---- status


def status_of(trace, **options):
    states = stationary(trace, **options)
    return states.status.item(), states.status_reason.item()


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_false_alarms_come_at_the_stated_rate(rho):
    """2000 stationary series: |z| > threshold in 0.27% plus what the estimated error costs, here below 1%."""
    from scipy.signal import lfilter

    rng = np.random.default_rng(5)
    shocks = rng.standard_normal((2000, 2200))
    series = 10 + lfilter([1.0], [1.0, -rho], shocks, axis=1)[:, 200:]
    alarms = np.mean([abs(d.z) > d.threshold for d in map(drift, series)])
    # Binomial error of 0.27%: 0.12%. At 2000 points and time 9 the error's own error (13%) adds as much.
    assert alarms < 0.0027 + 4 * 0.0012 + (0.003 if rho else 0)


@pytest.mark.parametrize("shape", ["line", "step", "relaxation", "strong relaxation", "noiseless"])
def test_drifts_are_found(shape):
    """Each is about 10 standard errors; the strong ones are where the halves' own spread would hide them."""
    rng = np.random.default_rng(6)
    t = np.linspace(0, 1, 400)
    series = {
        "line": 5 + 0.5 * t,
        "step": 5 + 0.3 * (t > 0.5),
        "relaxation": 5 + np.exp(-5 * t),
        "strong relaxation": 5 + 50 * np.exp(-5 * t),
        "noiseless": 5 + 0.5 * t,
    }[shape]
    noise = 0.0 if shape == "noiseless" else 0.3
    assert drift(series + rng.normal(0, noise, 400) if noise else series).matters(0.02)


def test_a_significant_drift_that_is_small_does_not_matter(run):
    norm = np.linspace(1.0, 1.01, 400)
    status, _ = status_of(run(norm=norm))
    assert status == "equilibrium"
    status, reason = status_of(run(norm=norm), tolerance=1e-3)
    assert status == "not-stationary"
    assert reason.startswith("norm drifts: +0.25% between the halves")


def test_a_rising_loss_is_not_stationary_and_a_falling_one_converges(run, rng):
    ramp = np.linspace(1, 2, 400) * rng.normal(1, 0.02, 400)
    assert status_of(run(loss=ramp))[0] == "not-stationary"
    status, reason = status_of(run(loss=ramp[::-1]))
    assert status == "converging"
    assert "loss keeps falling: -" in reason
    assert status_of(run(batch_grad_sq=ramp[::-1]))[0] == "converging"


def test_a_norm_that_has_had_no_time_is_not_believed(run):
    """Relaxation time 1 / (4 * 0.1 * wd) against 400 000 iterations, also when no drift is to be seen."""
    assert status_of(run(wd=1e-2))[0] == "equilibrium"
    status, reason = status_of(run(wd=2e-5))
    assert status == "converging"
    assert (
        "400000 iterations are 3.2 of its relaxation times (1.25e+05 iterations); expected at least 5"
        in reason
    )
    assert status_of(run(wd=2e-5), relaxations=3.0)[0] == "equilibrium"


def test_too_few_points_prove_nothing(run):
    status, reason = status_of(run(points=12))
    assert (status, reason) == ("not-stationary", "6 log points in the window; expected 8 or more")


@pytest.mark.parametrize("outcome", ["diverged", "failed"])
def test_a_bad_end_is_nan_with_its_reason(run, outcome):
    states = stationary(run(outcome=outcome, outcome_reason="loss was 1e9 at step 7"))
    assert states.status.item() == outcome
    assert states.status_reason.item() == "loss was 1e9 at step 7"
    assert all(np.isnan(values.item()) for values in states.values() if values.dtype == float)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_value_that_is_not_finite_has_diverged(run, bad):
    loss = np.ones(400)
    loss[390:] = bad
    states = stationary(run(loss=loss))
    assert states.status.item() == "diverged"
    assert states.status_reason.item() == "loss is not finite at 10 of 200 log points"
    assert np.isnan(states.norm.item())


def test_options_out_of_range_are_refused(run):
    for options in ({"fraction": 0}, {"fraction": 1.5}, {"last": 0}, {"tolerance": 0}, {"relaxations": -1}):
        with pytest.raises(InputError, match=next(iter(options))):
            stationary(run(), **options)


# ---- schema


def broken(trace, how):
    if how == "unknown variable":
        return trace.assign(loss2=trace.loss)
    if how == "derived variable":
        return trace.assign(entropy=trace.loss.assign_attrs(units="nats"))
    if how == "single precision":
        return trace.assign(loss=trace.loss.astype("float32"))
    if how == "wrong order":
        return trace.transpose("step", "lr", "wd")
    if how == "wrong protocol":
        return trace.assign_attrs(protocol="FixedELR")
    if how == "no dim":
        return trace.assign_attrs(dim="many")
    if how == "unknown outcome":
        return trace.assign(outcome=trace.outcome.copy(data=[["fine"]]))
    if how == "no norm":
        return trace.drop_vars("norm")
    if how == "wrong units":
        return trace.assign(norm=trace.norm.assign_attrs(units="m"))
    if how == "nested attribute":
        return trace.assign_attrs(config={"a": 1})
    if how == "falling steps":
        return trace.isel(step=slice(None, None, -1))
    assert how == "extra dimension"
    return trace.expand_dims("layer")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("unknown variable", "variable loss2 is not known; expected one of"),
        ("derived variable", "variable entropy is not known"),
        ("single precision", "variable loss has dtype float32; expected float64"),
        (
            "wrong order",
            r"variable loss has dimensions \('step', 'lr', 'wd'\); expected \('lr', 'wd', 'step'\)",
        ),
        ("wrong protocol", "dimension elr is missing"),
        ("no dim", "attribute dim is 'many'; expected the number of weights"),
        ("unknown outcome", "variable outcome holds 'fine'; expected"),
        ("no norm", "variable norm is missing"),
        ("wrong units", "variable norm has units 'm'; expected 'weights'"),
        ("nested attribute", "attribute config is {'a': 1}; expected a text, a number"),
        ("falling steps", "coordinate step is .* expected increasing"),
        ("extra dimension", "layer is not known"),
    ],
)
def test_each_breach_of_the_schema_is_named(run, how, message):
    trace = run(points=20)
    validate(trace, "trace")
    with pytest.raises(InputError, match=f"trace: .*{message}"):
        validate(broken(trace, how), "trace")


def test_a_wrong_shape_is_refused_by_name():
    with pytest.raises(InputError, match=r"variable norm has shape \(3,\); expected \(1, 1, 2\)"):
        new_trace(FixedLR(lr=1, wd=1), [1, 2], {"loss": [1, 2], "norm": [1, 2, 3]}, dim=3)


def test_repeated_runs_have_a_seed_axis(rng):
    grid = GRIDS["FixedLR"]
    series = {"loss": rng.normal(1, 0.02, (2, 3, 4, 100)), "norm": np.ones((2, 3, 4, 100))}
    trace = new_trace(grid, 10_000 * np.arange(100), series, dim=5, seeds=[0, 1, 2, 7])
    states = stationary(trace)
    assert states.loss.dims == ("lr", "wd", "seed")
    np.testing.assert_allclose(states.loss, series["loss"][..., 50:].mean(-1))
    assert states.volume.sel(seed=7).values == pytest.approx(0.5)


# ---- files


def test_a_saved_dataset_comes_back_identical_and_byte_for_byte(run, tmp_path):
    trace = run(attrs={"run_id": "lr=0.1 µ", "versions": ["numpy 2", "torch 2"], "batch_size": 128})
    states = stationary(trace)
    for dataset, kind in ((trace, "trace"), (states, "states")):
        first = save(dataset, tmp_path / "first.nc")
        shuffled = dataset[list(dataset.data_vars)[::-1]]
        second = save(shuffled, tmp_path / "second.nc")
        digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)}
        assert len(digests) == 1
        loaded = load(first, kind)
        xr.testing.assert_identical(loaded, dataset)
        third = save(loaded, tmp_path / "third.nc")
        assert third.read_bytes() == first.read_bytes()
        assert list(map(str, sorted(tmp_path.glob("*.tmp")))) == []


def test_text_of_any_make_is_text(run, tmp_path):
    """Some packages keep their version in a subclass of str, which HDF5 does not take."""

    class Version(str):
        __slots__ = ()

    attrs = {"torch_version": Version("2.13"), "names": np.array(["a", "b"]), "one": ["a"]}
    loaded = load(save(run(attrs=attrs), tmp_path / "x.nc"))
    assert loaded.attrs["torch_version"] == "2.13"
    assert list(loaded.attrs["names"]) == ["a", "b"]
    other = run(wd=0.5, attrs=attrs)
    assert merge([loaded, other]).attrs["torch_version"] == "2.13"


def test_plain_xarray_opens_the_file(run, tmp_path):
    path = save(stationary(run()), tmp_path / "states.nc")
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        assert opened.status.item() == "equilibrium"
        assert opened.loss.attrs["units"] == "1"


def test_the_wrong_kind_is_refused_with_the_path(run, tmp_path):
    path = save(run(), tmp_path / "trace.nc")
    with pytest.raises(InputError, match=r"trace\.nc: states: "):
        load(path, "states")


@pytest.mark.parametrize("content", [b"", b"not a NetCDF file", None])
def test_what_is_no_netcdf_is_refused_in_one_line(run, tmp_path, content):
    path = save(run(), tmp_path / "file.nc")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError, match=r"file\.nc: cannot be read .* expected a NetCDF file") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"none\.nc: no such file"):
        load(tmp_path / "none.nc")


def test_what_cannot_be_written_is_named(run, tmp_path):
    with pytest.raises(InputError, match="Is a directory"):
        save(run(), tmp_path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no files")
def test_a_folder_that_takes_no_files_is_one_line(run):
    with pytest.raises(InputError, match=r"cannot write /proc/x\.nc: ") as caught:
        save(run(), "/proc/x.nc")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_unwritable_folder_is_one_line(run, tmp_path):
    path = save(run(), tmp_path / "x.nc")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"cannot write .*x\.nc: Permission denied"):
            save(run(), path)
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_leaves_the_old_file(run, tmp_path):
    """A file-size limit stands in for the full disk: the same short write, in a process of its own."""
    path = save(run(), tmp_path / "x.nc")
    before = path.read_bytes()
    script = """
import resource, signal, sys, numpy as np
from thermograd.errors import InputError
from thermograd.protocol import FixedLR
from thermograd.states import new_trace, save
big = {"loss": np.random.default_rng(0).random(100_000), "norm": np.ones(100_000)}
trace = new_trace(FixedLR(lr=0.1, wd=0.1), np.arange(100_000), big, dim=8)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    save(trace, sys.argv[1])
except InputError as error:
    print(error)
"""
    assert hasattr(resource, "RLIMIT_FSIZE")
    assert hasattr(signal, "SIGXFSZ")
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"cannot write {path}: File too large" in done.stdout
    assert done.stdout.count("\n") == 1
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.nc"]


# ---- merging


def test_merging_puts_runs_in_place_whatever_their_order(make_trace, rng, tmp_path):
    whole = make_trace(GRIDS["FixedLR"], rng, points=20)
    single = [
        whole.isel(lr=[i], wd=[j]).assign_attrs(run_id=f"run {i}{j}", wall_time=float(i + j))
        for i in range(2)
        for j in range(3)
    ]
    merged = merge(single)
    xr.testing.assert_identical(merged.drop_vars("run_id"), whole)
    assert merged.run_id.sel(lr=0.1, wd=1e-2).item() == "run 11"
    assert "wall_time" not in merged.attrs
    xr.testing.assert_identical(merge(single[::-1]), merged)
    xr.testing.assert_identical(merge([merge(single[:2]), merge(single[2:][::-1])]), merged)
    from_disk = [load(save(part, tmp_path / f"{i}.nc")) for i, part in enumerate(single)]
    xr.testing.assert_identical(merge(from_disk), merged)


def test_missing_and_short_runs_are_nan_with_their_reason(make_trace, rng):
    grid = GRIDS["FixedLR"]
    whole = make_trace(grid, rng, points=40, noise=0.005)
    short = whole.isel(lr=[0], wd=[0], step=slice(0, 5))
    short = short.assign(outcome=short.outcome.copy(data=[["diverged"]]))
    merged = merge([whole.isel(lr=[1]), short], grid)
    assert merged.loss.shape == (2, 3, 40)
    assert np.isfinite(merged.loss.isel(lr=0, wd=0)).sum() == 5
    assert merged.outcome.values[0].tolist() == ["diverged", "missing", "missing"]
    states = stationary(merged)
    assert states.status.values[0].tolist() == ["diverged", "failed", "failed"]
    assert states.status_reason.values[0, 1] == "no run"
    assert (states.status.values[1] == "equilibrium").all()
    # an incomplete grid can be completed later
    rest = whole.isel(lr=[0], wd=[1, 2])
    assert (merge([merged, rest]).outcome == "done").sum() == 5


def test_runs_of_different_length_each_end_at_their_own_end(run):
    long, short = run(wd=1e-2), run(wd=2e-2, points=100)
    states = stationary(merge([long, short]))
    np.testing.assert_allclose(states.loss.sel(wd=2e-2).item(), stationary(short).loss.item())
    assert states.log_points.values.tolist() == [[200, 50]]


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        ({"dim": 11}, {"dim": 12}, "attribute dim is 11 and 12"),
        ({"attrs": {"data_hash": "a"}}, {"attrs": {"data_hash": "b"}}, "attribute data_hash is 'a' and 'b'"),
        ({"attrs": {"batch_size": 8}}, {}, "attribute batch_size is 8 and None"),
        ({"wd": 1e-3}, {"wd": 1e-3}, "two traces hold the point"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(run, one, two, message):
    with pytest.raises(InputError, match=message):
        merge([run(**{"wd": 1e-2} | one), run(**{"wd": 1e-3} | two)])


def test_runs_that_measured_nothing_need_no_record(run):
    """A failed run has a place in the grid but does not know the data's hash."""
    done = run(wd=1e-2, attrs={"data_hash": "a", "spec": "1"})
    failed = run(wd=1e-3, points=0, outcome="failed", outcome_reason="out of memory")
    merged = merge([failed, done])
    assert merged.attrs["data_hash"] == "a"
    assert stationary(merged).status_reason.sel(wd=1e-3).item() == "out of memory"


def test_versions_that_differ_are_listed(run):
    versions = [run(wd=w, attrs={"torch_version": v}) for w, v in ((1e-2, "2.4"), (1e-3, "2.13"))]
    assert merge(versions).attrs["torch_version"] == "2.13, 2.4"


def test_one_point_becomes_a_flat_record(run, make_trace, rng):
    record = summarise_point(stationary(run(grad_sq=np.full(400, -0.1), tr_sigma=np.full(400, 1.1))))
    assert list(record)[:5] == ["protocol", "lr", "wd", "status", "status_reason"]
    assert record["volume_se"] == pytest.approx(record["norm"] * record["norm_se"], rel=1e-6)
    assert record["snr"] is None
    with pytest.raises(InputError, match="expected a single grid point"):
        summarise_point(stationary(make_trace(GRIDS["FixedLR"], rng)))


def test_a_run_off_the_grid_is_refused(run):
    with pytest.raises(InputError, match=r"a trace has wd = 0.5; expected one of the grid's"):
        merge([run(wd=0.5)], FixedLR.grid(lr=[0.1], wd=[0.1, 0.2]))
    with pytest.raises(InputError, match="at least one"):
        merge([])


def test_known_averages_become_states_with_derived_errors():
    grid = GRIDS["FixedELR"]
    norm = np.full((2, 3), 2.0)
    states = new_states(grid, {"norm": norm, "norm_se": 0.1 * norm, "tr_sigma": 8 * norm}, dim=9)
    assert states.volume.values == pytest.approx(2.0)
    assert states.volume_se.values == pytest.approx(2.0 * 0.2)  # V = r^2/2: twice the relative error
    assert states.temperature.isel(elr=1).values == pytest.approx(gas.temperature_elr(1e-2, 2.0))
    assert "temperature_se" not in states
