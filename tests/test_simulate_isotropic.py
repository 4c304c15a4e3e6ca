"""The isotropic laboratory: exact laws met, wrong ones rejected, runs that go on bit for bit, refusals."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from thermograd import memory
from thermograd.entropy.many import kozachenko_leonenko_many
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.simulate import (
    IsotropicSpec,
    Laboratory,
    direction_relaxation,
    isotropic,
    isotropic_along,
    predicted_radius,
)
from thermograd.simulate.exact import compare_exact
from thermograd.simulate.rules import expected_mean_square
from thermograd.simulate.spectrum import reflect
from thermograd.state_file import write_state
from thermograd.states import stationary, validate
from thermograd.theory import vmf
from thermograd.theory.relaxation import radius_at_elr, radius_at_lr

SMALL = {"steps": 4000, "record_every": 10, "queue_size": 20, "queue_every": 10}


def independent(protocol, mean_square):
    """Directions four relaxation times apart: a correlation of e^-4."""
    return 4 * direction_relaxation(protocol, mean_square)


def assert_same(one: xr.Dataset, other: xr.Dataset):
    """Bit for bit, but for the time it took."""
    strip = [data.drop_attrs(deep=False) for data in (one, other)]
    xr.testing.assert_identical(*strip)


# --- the exact law -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "T"), [(3, 1.0), (10, 0.3)])
def test_energy_and_entropy_where_the_small_temperature_forms_fail(dim, T):
    elr = 5e-4
    sigma = float(np.sqrt(2 * T / elr))
    protocol = FixedSphere(elr=elr, radius=1.0)
    # The direction turns at a rate of about elr (1 + (d-1) T) or faster: 2000 iterations are 6 times that.
    options = {"steps": 200_000, "chains": 64, "seed": range(8), "sigma": sigma}
    states = isotropic(protocol, dim, queue_size=50, queue_every=2000, **options)
    energy, entropy = (states[name].values.ravel() for name in ("loss", "entropy_sphere"))
    U = float(vmf.energy(T, dim))
    # Standard errors from eight independent runs; 5.4 of them in Student's law of 7 degrees: 1 in 1000.
    # Steps of finite length change U by the order of elr^2 m = 2 T elr (d-1): 0.3%.
    assert abs(energy.mean() - U) < 5.4 * energy.std(ddof=1) / 8**0.5 + 2 * T * elr * (dim - 1) * U
    assert energy.std(ddof=1) < 0.03 * U
    # The negative control: the small-T energy is 46% and 79% away.
    assert abs(energy.mean() - vmf.energy_small_t(T, dim)) > 0.3 * U
    np.testing.assert_allclose(states.temperature.values.ravel(), T, rtol=0.005)
    # 50 points in 2 or 9 dimensions leave the estimator a bias of its own: read it off exact samples.
    rng = np.random.default_rng(0)
    mu = np.eye(dim)[0]
    samples = np.array([vmf.sample(T, mu, 50, rng) for _ in range(800)])
    exact = kozachenko_leonenko_many(samples, manifold="geodesic").entropy
    error = np.hypot(entropy.std(ddof=1) / 8**0.5, np.std(exact) / 800**0.5)
    assert abs(entropy.mean() - np.mean(exact)) < 5.4 * error
    assert abs(entropy.mean() - vmf.entropy_sphere_small_t(T, dim)) > 20 * error


@pytest.mark.parametrize(
    "grid",
    [
        FixedSphere.grid(elr=[0.004, 0.01], radius=[0.2, 3.0]),
        FixedELR.grid(elr=[0.01, 0.02], wd=[0.01, 0.1]),
        FixedLR.grid(lr=[0.01, 0.05], wd=[0.005, 0.02]),
    ],
)
def test_the_three_protocols_at_their_temperatures(grid):
    """One state equation, p V = R T, and one law of the direction."""
    states = isotropic(
        grid, steps=40_000, chains=256, queue_size=0, initial_radius=None if "radius" in grid.axes else START
    )
    assert (states.status == "equilibrium").all(), states.status_reason.values
    T = states.temperature.values
    np.testing.assert_allclose(
        T, [[_temperature(grid.protocol, p) for p in row] for row in _rows(grid)], rtol=0.01
    )
    # At most elr = 0.03: a step leaves the variance elr/2 larger, and E has its own error: 256 chains times
    # 20 000 iterations / (2 / elr) at least, 1 / sqrt(10 000) = 1% of U at the smallest elr.
    ratio = states.loss.values / vmf.energy(T, 3)
    assert np.all(np.abs(ratio - 1 - states.effective_lr.values / 2) < 4 * 0.01)
    # The real gas: Z = 1 + grad_sq / tr_sigma, or its root; grad_sq = 2T is below 1.5% of tr_sigma = 2.
    np.testing.assert_allclose(states.compressibility, 1.0, atol=0.02)
    np.testing.assert_allclose(states.tr_sigma, 2.0, rtol=0.01)
    found = compare_exact(states)
    assert found["equilibrium"] == found["points"] == 4
    assert found["energy_worst"] < 0.05


START = predicted_radius


def _rows(grid):
    points = list(grid)
    return [points[i : i + grid.shape[1]] for i in range(0, len(points), grid.shape[1])]


def _temperature(protocol, point):
    if protocol is FixedLR:
        return (point.lr * point.wd / 4) ** 0.5  # sigma = 1, d = 3
    return point.elr / 2


def test_hot_directions_are_uniform():
    elr = 1e-3
    states = isotropic(
        FixedSphere(elr=elr, radius=1.0),
        steps=20_000,
        chains=512,
        sigma=300.0,
        queue_size=50,
        queue_every=200,
    )
    # T = 45: U = 1 - 1/(3 T) = 0.9926. A relaxation takes 1 / (elr^2 sigma^2) = 11 iterations: 10 000 of them
    # and 512 chains are 2e5 independent values of sd 0.58 at least.
    assert states.loss.item() == pytest.approx(1 - 1 / (3 * 45), abs=4 * 0.58 / 2e5**0.5 + 0.001)
    # 512 windows of 50 points, one after the other: sd of an entropy 0.2, error 0.009 / sqrt(1); bias of the
    # estimator at n = 50 without an edge is below 0.02.
    assert states.entropy_sphere.item() == pytest.approx(np.log(4 * np.pi), abs=4 * 0.009 + 0.02)


@pytest.mark.parametrize(
    ("protocol", "law"),
    [
        (FixedELR(elr=0.02, wd=0.01), lambda p, t, m: radius_at_elr(t, p.elr, p.wd, m, 0.2)),
        (FixedLR(lr=0.05, wd=0.02), lambda p, t, m: radius_at_lr(t, p.lr, p.wd, m, 0.6)),
    ],
)
def test_the_radius_relaxes_at_the_predicted_rate(protocol, law):
    start = float(law(protocol, 0, 2.0))
    spec = IsotropicSpec(steps=4000, record_every=1, chains=512, queue_size=0, initial_radius=start)
    laboratory = Laboratory(protocol, spec)
    laboratory.advance()
    trace = laboratory.trace()
    m = expected_mean_square(protocol, 2.0, 3)
    step = trace.step.values
    predicted = law(protocol, step - (step[0] - 1) / 2, m)
    # The law is the SDE's mean field: it leaves out |g|^2's start from a random direction (m is up to 1
    # larger for the 1/elr iterations of the descent) and terms of order elr m; measured against r*, a few
    # percent. With the rate halved the difference is ten times as large.
    deviation = np.abs(trace.norm.values.ravel() / predicted - 1).max()
    slow = np.abs(trace.norm.values.ravel() / law(protocol, step / 2, m) - 1).max()
    assert deviation < 0.06
    assert slow > 3 * deviation


# --- anisotropic noise: the Gibbs law broken -----------------------------------------------------------


@pytest.mark.parametrize("spectrum", [[1.6, 0.4], [2.0, 1.0, 0.6, 0.4]])
def test_anisotropic_noise_in_the_harmonic_limit(spectrum):
    variances, dim, elr = np.array(spectrum), len(spectrum) + 1, 0.004
    options = {"dim": dim, "steps": 80_000, "chains": 128, "seed": range(4), "queue_size": 40}
    protocol = FixedSphere(elr=elr, radius=1.0)
    laboratory = Laboratory(protocol, IsotropicSpec(spectrum=spectrum, queue_every=independent, **options))
    directions = []
    for _ in range(20):
        laboratory.advance(4000)  # 16 relaxation times between two snapshots
        directions.append(laboratory.directions()[:, 0])
    anisotropic = laboratory.states()
    isotropic_ = isotropic(protocol, spectrum=np.ones(dim - 1), queue_every=independent, **options)
    # The variance of each eigendirection, in the frame turned back: elr v / 2, and elr/2 more of itself by
    # the finite step. 20 snapshots of 512 chains: relative error sqrt(2 / 10240) = 1.4%; harmonic to order T.
    mus = [laboratory.spec.mean_direction_of(seed) for seed in range(4)]
    along = np.concatenate(
        [reflect(x, mu) for x, mu in zip(np.stack(directions, 1), mus, strict=True)], axis=1
    )
    found = (along[..., 1:] ** 2).mean(axis=(0, 1))
    np.testing.assert_allclose(found, elr * variances / 2 * (1 + elr / 2), rtol=4 * 0.014 + elr)
    # Both have the energy sum(elr v / 4): 4 runs of 128 chains and 40 000 iterations of 2 per 1/elr.
    U = elr * variances.sum() / 4
    independent_values = 4 * 128 * 40_000 * elr / 2
    rtol = 4 * (2 / (dim - 1)) ** 0.5 * (variances**2).mean() ** 0.5 / independent_values**0.5 + elr
    for states in (anisotropic, isotropic_):
        np.testing.assert_allclose(states.loss.mean().item(), U * (1 + elr / 2), rtol=rtol)
    # The entropy is below that of the isotropic law of the same energy, which Gibbs says cannot be beaten.
    deficit = isotropic_.entropy_sphere.values.ravel() - anisotropic.entropy_sphere.values.ravel()
    expected = 0.5 * np.log(variances.mean() / variances).sum()
    # Two means of 4 (seeds) * 128 * windows entropies of 40 points; each point's term has sd of about
    # sqrt(pi^2/6 + (d-1)/2) nats.
    windows = float(anisotropic.entropy_sphere_windows.values.ravel()[0])
    error = np.sqrt(2 * (np.pi**2 / 6 + (dim - 1) / 2) / (4 * 128 * windows * 40))
    # The estimator's bias at 40 points is not quite the same for a stretched cloud: 10% of the deficit.
    assert abs(deficit.mean() - expected) < 5 * error + 0.1 * expected
    assert deficit.mean() > 10 * error  # the negative control: the Gibbs law would have none
    S = 0.5 * np.log(2 * np.pi * np.e * elr * variances / 2).sum()
    assert abs(anisotropic.entropy_sphere.mean().item() - S) < 0.15


def test_a_flat_spectrum_is_the_isotropic_model_bit_for_bit():
    options = {**SMALL, "dim": 4, "chains": 3, "mean_direction": [1.0, 0.0, 0.0, 0.0]}
    protocol = FixedELR(elr=0.05, wd=0.1)
    assert_same(isotropic(protocol, **options), isotropic(protocol, spectrum=[1.0, 1.0, 1.0], **options))
    other = isotropic(protocol, spectrum=[1.0, 1.0, 1.1], **options)
    assert other.loss.item() != isotropic(protocol, **options).loss.item()


@pytest.mark.parametrize("dim", [2, 3, 17])
def test_the_reflection_is_an_isometry_that_swaps_the_first_axis_and_mu(dim):
    rng = np.random.default_rng(dim)
    mu = rng.standard_normal(dim)
    mu /= np.linalg.norm(mu)
    x = rng.standard_normal((20, dim))
    np.testing.assert_allclose(reflect(np.eye(dim)[0], mu), mu, atol=1e-14)
    np.testing.assert_allclose(reflect(reflect(x, mu), mu), x, atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(reflect(x, mu), axis=1), np.linalg.norm(x, axis=1))
    np.testing.assert_array_equal(reflect(x, np.eye(dim)[0]), x)


# --- what is logged ------------------------------------------------------------------------------------


def test_the_trace_is_the_standard_dataset():
    grid = FixedSphere.grid(elr=[0.01, 0.1], radius=[0.5, 1.0, 2.0])
    laboratory = Laboratory(grid, IsotropicSpec(**SMALL, chains=2, seed=[4, 7]))
    laboratory.advance()
    trace = laboratory.trace()
    validate(trace, "trace")
    assert dict(trace.sizes) == {"elr": 2, "radius": 3, "seed": 2, "step": 400}
    np.testing.assert_array_equal(trace.step, 10 * np.arange(1, 401))
    np.testing.assert_array_equal(trace.tr_sigma, trace.batch_grad_sq - trace.grad_sq)
    np.testing.assert_allclose(
        trace.norm, np.broadcast_to(trace.radius.values[:, None, None], trace.norm.shape), rtol=1e-6
    )
    # Windows of 20 directions, one every 10 iterations, over the second half.
    ends = trace.step.values[np.isfinite(trace.entropy_sphere.values).all(axis=(0, 1, 2))]
    np.testing.assert_array_equal(ends, np.arange(2200, 4001, 200))
    assert np.isnan(trace.entropy_sphere.sel(step=2190)).all()
    states = laboratory.states()
    for name in (
        "temperature",
        "sigma2",
        "pressure",
        "volume",
        "entropy",
        "entropy_chart",
        "compressibility",
    ):
        assert np.isfinite(states[name]).all(), name
        assert (states[f"{name}_se"] >= 0).all() or name == "volume", name
    assert states.attrs["simulator"] == "isotropic noise"
    assert (states.entropy_sphere_windows == 10).all()
    # p = elr tr_sigma / (2 r^2), the mean of |g|^2 over 2000 iterations of 2 chains known to 1.6%; finite
    # steps and grad_sq change it by a few percent at elr = 0.1, both ways.
    ideal = (states.elr / states.radius**2).broadcast_like(states.pressure)
    np.testing.assert_allclose(states.pressure, ideal, rtol=4 * 0.016 + 0.1)


def test_a_seed_of_the_axis_is_the_run_of_that_seed():
    grid = FixedLR.grid(lr=[0.01, 0.1], wd=[0.1])
    both = isotropic(grid, **SMALL, seed=[3, 5])
    alone = isotropic(grid, **SMALL, seed=5)
    for name in ("loss", "norm", "entropy_sphere", "entropy_sphere_chart"):
        np.testing.assert_array_equal(both[name].sel(seed=5), alone[name])
        assert not (both[name].sel(seed=3) == alone[name]).any()


def test_points_along_a_line_are_those_of_their_grid():
    grid = FixedSphere.grid(elr=[0.01, 0.1], radius=[1.0, 2.0])
    whole = isotropic(grid, **SMALL, chains=2)
    line = isotropic_along(list(grid), **SMALL, chains=2)
    for state, point in zip(line, grid, strict=True):
        assert state.sizes == {"elr": 1, "radius": 1}
        for name in ("loss", "temperature", "entropy"):
            assert state[name].item() == whole[name].sel(point.values).item()
    laboratory = Laboratory(list(grid), IsotropicSpec(**SMALL))
    laboratory.advance(100)
    with pytest.raises(InputError, match="4 points are no rectangle"):
        laboratory.trace()


def test_chains_are_pooled():
    protocol = FixedSphere(elr=0.05, radius=1.0)
    spread = [isotropic(protocol, **SMALL, chains=n, seed=range(12)).loss.values.std(ddof=1) for n in (1, 16)]
    # Sixteen chains: a quarter of the spread; each is known to sqrt(1 / 22) = 21%: a ratio of 4 to 30%.
    assert 4 / 1.3**3 < spread[0] / spread[1] < 4 * 1.3**3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_relaxation_spaces_the_queue_at_each_point(dtype):
    grid = FixedSphere.grid(elr=[0.001, 0.005, 0.1], radius=[1.0])
    spec = IsotropicSpec(
        steps=40_000, record_every=50, queue_size=50, queue_every=direction_relaxation, dtype=dtype
    )
    laboratory = Laboratory(grid, spec)
    laboratory.advance()
    # 1/elr = 1000, 200 and 10 iterations: 20 records cut to the 8 that fit, 4, and 1.
    entropy = np.isfinite(laboratory.trace().entropy_sphere.values[:, 0])
    assert entropy.sum(axis=1).tolist() == [1, 2, 8]
    assert laboratory.trace().step.values[entropy[1]].tolist() == [30_000, 40_000]


def test_lengths_are_rounded_up_to_whole_intervals():
    for steps in (1, 49, 1009 * 50, 123_456):
        spec = IsotropicSpec(steps=steps, queue_size=0)
        assert 0 <= spec.logs * spec.log_steps - steps < spec.log_steps
        assert spec.logs <= 400
    laboratory = Laboratory(FixedSphere(elr=0.1, radius=1.0), IsotropicSpec(steps=1009 * 50, queue_size=0))
    laboratory.advance()
    assert laboratory.step == laboratory.total_steps == 337 * 3 * 50


def test_a_chain_that_diverges_is_reported():
    # At elr = 0.1 elr^2 m is 0.73: stationary by its mean square, but r^2 at 48 and the start of the run-away
    # at 152 are only a few large gradients apart (|g|^2 is exponentially distributed).
    spec = IsotropicSpec(**SMALL, sigma=6.0)
    laboratory = Laboratory(FixedELR.grid(elr=[0.01, 0.1], wd=[0.1]), spec)
    laboratory.advance()
    states = laboratory.states()
    assert states.status.values.ravel().tolist()[1] == "diverged"
    assert "not finite any more by iteration" in states.status_reason.values.ravel()[1]
    assert np.isnan(states.loss.values.ravel()[1])
    assert np.isfinite(laboratory.trace().loss.values[0]).all()


# --- stopping and going on -----------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [30, 1700, 2950])
def test_saved_and_resumed_is_undisturbed(stop, tmp_path):
    grid = FixedELR.grid(elr=[0.01, 0.1], wd=[0.1])
    # Windows of 7 records end within log intervals of 1: and of 3 records where the length is odd.
    spec = IsotropicSpec(steps=4040, record_every=3, queue_size=7, queue_every=6, chains=2, seed=[0, 1])
    whole = Laboratory(grid, spec)
    whole.advance()
    first = Laboratory(grid, spec)
    first.advance(stop)
    first.save(tmp_path / "state.npz")
    second = Laboratory(grid, spec, threads=1)
    second.load(tmp_path / "state.npz")
    assert second.step == first.step
    second.advance()
    assert_same(second.trace(), whole.trace())
    first.advance()  # saving has not disturbed it
    assert_same(first.trace(), whole.trace())


def test_ctrl_c_keeps_what_was_done(tmp_path):
    """Interrupted after every piece of work, each time saved and taken up by another laboratory."""
    protocol = FixedSphere(elr=0.05, radius=1.0)
    spec = IsotropicSpec(steps=4040, record_every=3, queue_size=21, queue_every=9)
    assert spec.log_records == 4  # of which a window's 63 records are no multiple: it ends within a log
    whole, laboratory = Laboratory(protocol, spec), Laboratory(protocol, spec)
    whole.advance()
    before = signal.getsignal(signal.SIGINT)
    within = 0
    while laboratory.step < laboratory.total_steps:
        with pytest.raises(KeyboardInterrupt):
            laboratory.advance(on_progress=lambda done, total: signal.raise_signal(signal.SIGINT))
        assert signal.getsignal(signal.SIGINT) is before
        assert laboratory.trace().sizes["step"] == laboratory.step // spec.log_steps
        if laboratory.step % spec.log_steps:
            within += 1
            laboratory.save(tmp_path / "state.npz")
            laboratory = Laboratory(protocol, spec)
            laboratory.load(tmp_path / "state.npz")
    assert within >= 5
    assert_same(laboratory.trace(), whole.trace())


def test_a_second_ctrl_c_does_not_tear_the_state(monkeypatch):
    """Two signals inside one piece of work, before and after the chains have moved."""
    protocol, spec = (
        FixedSphere(elr=0.05, radius=1.0),
        IsotropicSpec(steps=4000, record_every=10, queue_size=0),
    )
    whole, laboratory = Laboratory(protocol, spec), Laboratory(protocol, spec)
    whole.advance()
    work = laboratory._chains.advance

    def disturbed(logs, records):
        signal.raise_signal(signal.SIGINT)
        found = work(logs, records)
        signal.raise_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(laboratory._chains, "advance", disturbed)
    with pytest.raises(KeyboardInterrupt):
        laboratory.advance()
    monkeypatch.undo()
    assert 0 < laboratory.step < laboratory.total_steps
    laboratory.advance()
    assert_same(laboratory.trace(), whole.trace())


@pytest.mark.parametrize("dim", [2, 40])
@pytest.mark.parametrize("protocol", [FixedSphere(elr=0.01, radius=0.3), FixedLR(lr=0.01, wd=0.01)])
def test_other_dimensions(dim, protocol):
    states = isotropic(protocol, dim, **SMALL, chains=64, sigma=0.5, initial_radius=START)
    # 2000 iterations are 20 relaxation times or more, 64 chains: U to sqrt(2 / (d-1) / 640), d = 2 worst.
    assert states.loss.item() == pytest.approx(
        vmf.energy(states.temperature.item(), dim), rel=4 * 0.056 + 0.01
    )
    assert np.isfinite(states.entropy_sphere.item())
    assert np.isfinite(states.entropy_chart.item())


def test_a_run_goes_on_beyond_its_end():
    laboratory = Laboratory(FixedSphere(elr=0.05, radius=1.0), IsotropicSpec(**SMALL))
    laboratory.advance()
    laboratory.advance(2000)
    trace = laboratory.trace()
    assert trace.step.values[-1] == 6000
    assert stationary(trace).entropy_sphere_windows.item() == 15


def test_a_state_of_something_else_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    spec = IsotropicSpec(**SMALL)
    laboratory = Laboratory(FixedSphere(elr=0.05, radius=1.0), spec)
    laboratory.advance(2500)
    laboratory.save(path)
    for points, other, part in [
        (FixedSphere(elr=0.06, radius=1.0), spec, "made with points [[0.05, 1.0]]; expected [[0.06, 1.0]]"),
        (FixedELR(elr=0.05, wd=1.0), spec, "made with protocol"),
        (FixedSphere(elr=0.05, radius=1.0), IsotropicSpec(**SMALL, seed=1), "seed 0; expected 1"),
        (FixedSphere(elr=0.05, radius=1.0), IsotropicSpec(**SMALL, sigma=2), "sigma 1.0; expected 2.0"),
        (FixedSphere(elr=0.05, radius=1.0), IsotropicSpec(**SMALL | {"queue_every": 20}), "queue_every [10]"),
    ]:
        with pytest.raises(InputError) as raised:
            Laboratory(points, other).load(path)
        assert part in str(raised.value)
    whole = path.read_bytes()
    for damaged in (b"", b"nonsense", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            laboratory.load(path)
    with np.load(tmp_path / "good.npz" if (tmp_path / "good.npz").write_bytes(whole) else path) as file:
        arrays = dict(file)
    for name, wrong in [
        ("weights_0", arrays["weights_0"][:, :0]),
        ("logs", arrays["logs"][:-1]),
        ("buffer_0", None),
    ]:
        broken = {key: value for key, value in {**arrays, name: wrong}.items() if value is not None}
        write_state(path, json.loads(str(broken.pop("settings"))), broken)
        with pytest.raises(InputError, match=name if name != "logs" else "expected them to agree"):
            laboratory.load(path)
    with pytest.raises(InputError, match="no such file"):
        laboratory.load(tmp_path / "none.npz")


# --- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"dim": 1}, ["dim is 1", "at least 2"]),
        ({"dim": 2.5}, ["dim is 2.5", "whole number"]),
        ({"steps": 0}, ["steps is 0", "at least 1"]),
        ({"chains": -1}, ["chains is -1"]),
        ({"sigma": 0}, ["sigma is 0", "above 0"]),
        ({"sigma": float("nan")}, ["sigma is nan"]),
        ({"seed": [1, 1]}, ["seed is [1, 1]", "distinct"]),
        ({"seed": -3}, ["seed is -3"]),
        ({"spectrum": [1.0]}, ["1 variances", "dim - 1 = 2"]),
        ({"spectrum": [1.0, 0.0]}, ["spectrum[1] is 0"]),
        ({"dim": 2, "dtype": "float32"}, ["dtype is 'float32'", "circle", "'float64'"]),
        ({"dtype": "float16"}, ["dtype is 'float16'"]),
        ({"queue_every": 70}, ["queue_every is 70", "multiple of record_every, 50"]),
        ({"queue_size": 3}, ["queue_size is 3", "0 for none"]),
        ({"queue_every": "relaxation"}, ["queue_every is 'relaxation'", "whole number"]),
        ({"steps": 20_000}, ["takes 50000 iterations", "half of the run has 10000", "queue_size 0"]),
        ({"initial_radius": -1.0}, ["initial_radius is -1.0"]),
        ({"mean_direction": [0.0, 0.0, 0.0]}, ["norm 0", "above 0"]),
        ({"threads": 0}, ["threads is 0"]),
    ],
)
def test_bad_choices_are_named_in_one_line(options, parts):
    with pytest.raises(InputError) as raised:
        isotropic(FixedLR(lr=0.01, wd=0.01), **options)
    assert "\n" not in str(raised.value)
    for part in parts:
        assert part in str(raised.value), str(raised.value)


@pytest.mark.parametrize(
    ("points", "options", "parts"),
    [
        (FixedELR.grid(elr=[0.1, 0.9], wd=[0.1]), {}, ["FixedELR(elr=0.9, wd=0.1)", "no stationary radius"]),
        (FixedLR(lr=10.0, wd=0.5), {}, ["lr * wd is 5", "lower lr"]),
        (FixedELR(elr=0.1, wd=0.1), {"initial_radius": 20.0}, ["runs away", "above 14.1", "start below"]),
        (FixedSphere(elr=0.1, radius=1.0), {"initial_radius": 2.0}, ["initial_radius is 2", "fixed sphere"]),
        ([], {}, ["points are none"]),
        ([FixedLR(lr=0.1, wd=0.1), FixedELR(elr=0.1, wd=0.1)], {}, ["protocols of one kind"]),
        (["elr"], {}, ["points are str"]),
    ],
)
def test_points_that_cannot_settle_are_refused_before_running(points, options, parts):
    with pytest.raises(InputError) as raised:
        Laboratory(points, IsotropicSpec(**options))
    for part in parts:
        assert part in str(raised.value), str(raised.value)


def test_memory_is_asked_for_beforehand(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**9)
    grid = FixedSphere.grid(elr=np.geomspace(0.01, 0.1, 17), radius=[1.0])
    Laboratory(grid, IsotropicSpec(dim=100))
    with pytest.raises(
        InputError, match=r"needs 2.04 GB .*queues: 2.04 GB.*0.8 GB.*lower queue_size, chains"
    ):
        Laboratory(grid, IsotropicSpec(dim=10_000))


# --- the command line ----------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    from click.testing import CliRunner

    from thermograd.cli.simulate_isotropic import isotropic as command

    def call(*arguments):
        return CliRunner().invoke(command, [*map(str, arguments), "--out", str(tmp_path / "out")])

    return call


def test_help_does_not_compile_anything():
    code = "from thermograd.cli.simulate_isotropic import isotropic\n"
    code += "import sys; isotropic(['--help'], standalone_mode=False)\n"
    code += "print([m for m in ('numba', 'torch', 'xarray', 'numpy') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--queue-every" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


BRIEF = ("--steps", 4000, "--queue-size", 20)


def test_the_command_writes_states_trace_and_state(run, tmp_path):
    result = run("--elr", "0.01,0.1", "--wd", "0.1", *BRIEF, "--seed", "1,2", "--queue-every", "relaxation")
    assert result.exit_code == 0, result.output
    assert "of 4" in result.output
    from thermograd.states import load

    states = load(tmp_path / "out" / "states-FixedELR.nc", "states")
    trace = load(tmp_path / "out" / "trace-FixedELR.nc", "trace")
    assert states.sizes == {"elr": 2, "wd": 1, "seed": 2}
    assert trace.sizes["step"] == 80
    assert_same(stationary(trace), states)
    again = run(
        "--elr",
        "0.01,0.1",
        "--wd",
        "0.1",
        *BRIEF,
        "--seed",
        "1,2",
        "--queue-every",
        "relaxation",
        "--resume",
        "--json",
    )
    assert again.exit_code == 0, again.output
    (row,) = json.loads(again.stdout)
    assert row["protocol"] == "FixedELR"
    assert row["points"] == 4
    assert_same(load(tmp_path / "out" / "states-FixedELR.nc"), states)
    other = run("--elr", "0.01,0.2", "--wd", "0.1", *BRIEF, "--seed", "1,2", "--resume")
    assert isinstance(other.exception, InputError)
    assert "made with points" in str(other.exception)


def test_the_command_interrupted_says_how_to_go_on(run, tmp_path, monkeypatch):
    whole = run("--lr", "0.1", "--wd", "0.1", *BRIEF)
    assert whole.exit_code == 0, whole.output
    expected = (tmp_path / "out" / "states-FixedLR.nc").read_bytes()
    advance = Laboratory.advance

    def interrupted(self, steps=None, *, on_progress=None):
        advance(self, 1500)
        raise KeyboardInterrupt

    monkeypatch.setattr(Laboratory, "advance", interrupted)
    stopped = run("--lr", "0.1", "--wd", "0.1", *BRIEF)
    assert stopped.exit_code == 1
    assert "1500 of 4000 iterations" in stopped.output
    assert "--resume" in stopped.output
    monkeypatch.undo()
    assert run("--lr", "0.1", "--wd", "0.1", *BRIEF, "--resume").exit_code == 0
    from thermograd.states import load

    (tmp_path / "whole.nc").write_bytes(expected)
    assert_same(load(tmp_path / "out" / "states-FixedLR.nc"), load(tmp_path / "whole.nc"))


def test_the_published_grids(run, tmp_path):
    result = run("--published", "--steps", 400, "--queue-size", 0, "--initial-radius", "stationary", "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [row["protocol"] for row in rows] == ["FixedSphere", "FixedELR", "FixedLR"]
    assert all(row["points"] == 17 * 17 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--published", "--elr", "0.1"), "--elr given with --published"),
        (("--elr", "0.1"), "expected one of: --elr and --radius"),
        (("--elr", "0.1", "--wd", "0.1", "--queue-every", "often"), "neither 'relaxation' nor a number"),
        (("--elr", "0.1", "--wd", "0.1", "--seed", "0.5"), "seed is 0.5"),
        (("--elr", "0.1", "--wd", "0.1", "--spectrum", "1,2,3"), "spectrum has 3 variances"),
    ],
)
def test_the_command_refuses_in_one_line(run, arguments, part):
    result = run(*arguments)
    assert result.exit_code != 0
    assert part in (result.output + str(result.exception))


def test_the_last_windows_alone():
    """Ten of ten records at the end of 4000: what is collected begins 100 records before the end."""
    spec = IsotropicSpec(steps=40_000, record_every=10, queue_size=10, queue_every=10, windows=10)
    assert spec.windows_from == spec.logs * spec.log_records - 100
    laboratory = Laboratory(FixedSphere(elr=0.1, radius=1.0), spec)
    laboratory.advance()
    entropies = laboratory.trace()["entropy_sphere"].values.ravel()
    ends = np.flatnonzero(np.isfinite(entropies))
    assert len(ends) == 10
    assert ends[0] == len(entropies) - 10
    # As many as half the run holds, and not more.
    assert replace(spec, windows=10_000).windows_from == replace(spec, windows=None).windows_from
    with pytest.raises(InputError, match="windows is 3 with a rule"):
        IsotropicSpec(windows=3, queue_every=direction_relaxation)
