"""The compiled simulator against its plain twin, against itself cut and shared out, and against physics."""

import numpy as np
import pytest

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.simulate.engine import kernel, plain
from thermograd.simulate.engine.ensemble import Collection, Ensemble, Model
from thermograd.theory import vmf
from thermograd.theory.radius import effective_wd_sphere, stationary_radius_elr, stationary_radius_lr

PROTOCOLS = {FixedSphere: (0.05, 2.0), FixedELR: (0.05, 0.1), FixedLR: (0.1, 0.1)}


def case(protocol, d, n, dtype, seed=0):
    """Chains of different hyperparameters, anisotropic noise, a random direction."""
    rng = np.random.default_rng(seed)
    first, second = (value * rng.uniform(0.5, 1.0, n) for value in PROTOCOLS[protocol])
    mu, w = rng.standard_normal(d), rng.standard_normal((d, n))
    w *= (second if protocol is FixedSphere else 1.0) / np.linalg.norm(w, axis=0)
    model = Model(protocol, first, second, mu / np.linalg.norm(mu), rng.uniform(0.5, 1.5, d))
    return model, Ensemble.start(w.astype(dtype), seed=seed + 1)


def same_state(one, other):
    return (one.weights == other.weights).all() and (one.streams == other.streams).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("d", "n"), [(2, 1), (3, 20), (5, 33), (10, 16), (33, 7)])
def test_the_kernel_does_what_its_plain_twin_does(protocol, d, n, dtype):
    model, fast = case(protocol, d, n, dtype)
    _, slow = case(protocol, d, n, dtype)
    kept, expected = (Collection.empty(e, 4, np.arange(n) % 4) for e in (fast, slow))
    run = {"logs": 2, "records": 3, "stride": 7}
    found = kernel.advance(model, fast, collection=kept, **run)
    truth = plain.advance(model, slow, collection=expected, **run)
    assert fast.step == slow.step == 42
    assert (fast.streams == slow.streams).all()
    assert (kept.count == expected.count).all()
    assert (kept.count == [6 // s if s else 0 for s in np.arange(n) % 4]).all()
    # The noise is float32 in both, equal up to 3e-7 for a normal of 1; 42 steps of 0.1 add at random:
    # 0.1 sqrt(42) 3e-7 = 2e-7 and the rounding of float32, 6e-8 sqrt(42) = 4e-7, times a norm of up to 2.
    error = 5e-6 if dtype == np.float32 else 2e-6
    np.testing.assert_allclose(fast.weights, slow.weights, atol=error, rtol=0)
    np.testing.assert_allclose(kept.buffer, expected.buffer, atol=error, rtol=0)
    for name in ("loss", "norm", "grad_sq", "batch_grad_sq"):
        np.testing.assert_allclose(getattr(found, name), getattr(truth, name), atol=2 * error, rtol=2 * error)
    if protocol is FixedSphere:
        # In float32 the twin adds w.g, the rounding of 0: 1e-7 |h| against elr |g|^2 / 2 = 0.01
        np.testing.assert_allclose(found.effective_wd, truth.effective_wd, rtol=100 * error)
    else:
        assert found.effective_wd is None
        assert truth.effective_wd is None


def test_a_wrong_twin_is_told_apart():
    # negative control for the tolerances above: one part in a thousand of one learning rate
    model, fast = case(FixedLR, 3, 20, np.float32)
    _, slow = case(FixedLR, 3, 20, np.float32)
    first = model.first * np.where(np.arange(20) == 7, 1.001, 1.0)
    wrong = Model(FixedLR, first, model.second, model.mean_direction, model.noise_scale)
    kernel.advance(model, fast, logs=1, records=1, stride=42)
    plain.advance(wrong, slow, logs=1, records=1, stride=42)
    off = np.abs(fast.weights - slow.weights).max(axis=0)
    assert off[7] > 5e-5
    assert np.delete(off, 7).max() < 5e-6


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("n", [1, 40])
def test_threads_and_neighbours_change_no_bit(protocol, n):
    run = {"logs": 2, "records": 2, "stride": 100}
    model, alone = case(protocol, 3, n, np.float32)
    logs = kernel.advance(model, alone, threads=1, **run)
    for threads in (2, 3, 7, None):
        _, shared = case(protocol, 3, n, np.float32)
        again = kernel.advance(model, shared, threads=threads, **run)
        assert same_state(alone, shared)
        assert (again.loss == logs.loss).all()
        assert (again.batch_grad_sq == logs.batch_grad_sq).all()
    few = slice(0, (n + 1) // 2)
    fewer = Model(protocol, model.first[few], model.second[few], model.mean_direction, model.noise_scale)
    _, start = case(protocol, 3, n, np.float32)
    part = Ensemble(start.weights[:, few], start.streams[:, few])  # views: written back in place
    kernel.advance(fewer, part, **run)
    assert (start.weights[:, few] == alone.weights[:, few]).all()
    assert (start.streams[:, few] == alone.streams[:, few]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_run_cut_into_pieces_continues_bit_for_bit(protocol, dtype):
    model, whole = case(protocol, 3, 20, dtype)
    _, cut = case(protocol, 3, 20, dtype)
    _, other_stride = case(protocol, 3, 20, dtype)
    kept, pieces = (Collection.empty(e, 3, np.arange(20) % 5) for e in (whole, cut))
    logs = kernel.advance(model, whole, logs=6, records=5, stride=70, collection=kept)
    saved = [kernel.advance(model, cut, logs=2, records=5, stride=70, collection=pieces)]
    restored = Ensemble(cut.weights.copy(), cut.streams.copy(), cut.step)
    saved += [
        kernel.advance(model, restored, logs=k, records=5, stride=70, collection=pieces) for k in (1, 3)
    ]
    assert same_state(whole, restored)
    assert restored.step == whole.step == 2100
    assert (kept.buffer == pieces.buffer).all()
    assert (kept.count == pieces.count).all()
    for name in ("loss", "norm", "grad_sq", "batch_grad_sq"):
        assert (np.concatenate([getattr(part, name) for part in saved]) == getattr(logs, name)).all()
    # Reading more often does not change the path: at even strides, since iterations share normals in pairs.
    kernel.advance(model, other_stride, logs=150, records=1, stride=14)
    assert same_state(whole, other_stride)


def test_collected_directions_are_those_of_the_records():
    model, ensemble = case(FixedLR, 5, 3, np.float64)
    _, watched = case(FixedLR, 5, 3, np.float64)
    kept = Collection.empty(ensemble, 3, [1, 2, 0])
    kernel.advance(model, ensemble, logs=1, records=5, stride=10, collection=kept)
    seen = []
    for _ in range(5):
        kernel.advance(model, watched, logs=1, records=1, stride=10)
        seen.append(watched.weights / np.linalg.norm(watched.weights, axis=0))
    assert kept.count.tolist() == [5, 2, 0]
    np.testing.assert_allclose(kept.buffer[[0, 1, 2], :, 0], np.array(seen)[[3, 4, 2], :, 0], atol=1e-15)
    np.testing.assert_allclose(kept.buffer[:2, :, 1], np.array(seen)[[1, 3], :, 1], atol=1e-15)
    assert not kept.buffer[:, :, 2].any()


# Weight decay of 4.5 units of float32's round-off an iteration: 1 - lr wd is rounded by half a unit, by 11%.
SHRINK = 4.5 * 2.0**-24


@pytest.mark.parametrize("protocol", [FixedELR, FixedLR])
def test_the_norm_does_not_drift_in_float32(protocol):
    d, n, lr, steps = 3, 16, 2e-3, 400_000
    model = Model(protocol, np.full(n, lr), np.full(n, SHRINK / lr), np.eye(d)[0], np.ones(d))
    start = np.random.default_rng(0).standard_normal((d, n)).astype(np.float32)
    norms = []
    for dtype in (np.float32, np.float64):
        ensemble = Ensemble.start(start.astype(dtype), seed=5)
        kernel.advance(model, ensemble, logs=1, records=1, stride=steps)
        norms.append(np.linalg.norm(ensemble.weights.astype(np.float64), axis=0))
    drift = norms[0] / norms[1] - 1
    # A rounding of 2^-24 / sqrt(3) at most and at random in every iteration: 3.4e-8 sqrt(4e5) = 2.2e-5 a
    # chain, half of it on average over the mantissas.
    assert np.abs(drift).max() < 4e-5
    assert abs(drift.mean()) < 4 * 2.2e-5 / np.sqrt(n)


def test_a_rounded_shrink_factor_does_drift():
    # negative control: the same law as w * (1 - lr wd) - lr g / |w|, in NumPy's float32
    lr, steps, n = 2e-3, 40_000, 16
    rng = np.random.default_rng(0)
    start = rng.standard_normal((3, n))
    naive, exact = start.astype(np.float32), start.astype(np.float32).astype(np.float64)
    factor = np.float32(1) - np.float32(SHRINK)
    for noise in rng.standard_normal((steps, 3, n)).astype(np.float32):
        for w, keep in ((naive, factor), (exact, 1 - SHRINK)):
            square = (w * w).sum(axis=0)
            g = noise.astype(w.dtype)
            g -= w * ((g * w).sum(axis=0) / square)
            w *= keep
            w -= w.dtype.type(lr) / np.sqrt(square) * g
    drift = np.linalg.norm(naive.astype(np.float64), axis=0) / np.linalg.norm(exact, axis=0) - 1
    # half a unit, 3e-8, in each of 40 000 iterations: 1.2e-3; ten times fewer than the test above
    assert np.abs(drift).mean() > 0.5e-3


@pytest.mark.parametrize("elr", [0.04, 0.02, 0.01])
def test_the_stationary_energy_is_that_of_the_von_mises_fisher_law(elr):
    d, n, sigma = 3, 256, 1.0
    T = elr * sigma**2 / 2
    model = Model(FixedSphere, np.full(n, elr), np.ones(n), np.eye(d)[0], np.full(d, sigma))
    start = vmf.sample(T, model.mean_direction, n, np.random.default_rng(1)).T
    ensemble = Ensemble.start(start.astype(np.float32), seed=2)
    logs = kernel.advance(model, ensemble, logs=1, records=int(150 / elr), stride=int(1 / elr))
    # A record every relaxation time of the direction, 1/elr: the energy (sd U for d = 3) is worth two
    # thirds or more of its 150/elr records, and chains are independent.
    expected = float(vmf.energy(T, d))
    energy, measured_se = logs.loss.mean(), logs.loss.std() / np.sqrt(n)
    se = expected / np.sqrt(n * 100 / elr)
    assert measured_se < 1.5 * se
    # Finite steps: the variance of a weight near the minimum is T / (1 - elr/2) rather than T, so the
    # energy is elr/2 too high to first order in the step.
    excess = energy / expected - 1
    assert excess == pytest.approx(elr / 2, abs=5 * se / expected + 2 * elr**2)
    assert abs(excess) > 5 * se / expected  # the law of the SDE without that step is told apart


def test_the_stationary_gradient_and_the_effective_weight_decay():
    d, n, elr, radius = 10, 64, 0.01, 2.0
    model = Model(FixedSphere, np.full(n, elr), np.full(n, radius), np.eye(d)[0], np.ones(d))
    start = radius * vmf.sample(elr / 2, model.mean_direction, n, np.random.default_rng(1)).T
    ensemble = Ensemble.start(start.astype(np.float32), seed=3)
    logs = kernel.advance(model, ensemble, logs=1, records=1000, stride=50)
    tr_sigma, grad_sq = d - 1.0, float(vmf.grad_sq(elr / 2, d))
    # 3.2e6 gradients of relative sd sqrt(2/9) = 0.47: 2.6e-4; grad_sq is worth 64 * 500 records of sd 0.47
    assert logs.grad_sq.mean() == pytest.approx(grad_sq, rel=5 * 0.47 / np.sqrt(32_000) + elr)
    assert logs.batch_grad_sq.mean() == pytest.approx(tr_sigma + grad_sq, rel=5 * 2.6e-4)
    predicted = effective_wd_sphere(elr, radius, logs.batch_grad_sq.mean(), 0.0).finite_step
    # E sqrt(1 + x) below sqrt(1 + E x) by elr^2 |g|^2 / 4 * 0.22 = 5e-5
    assert logs.effective_wd.mean() == pytest.approx(float(predicted), rel=2e-4)
    np.testing.assert_allclose(logs.norm, radius, rtol=3e-7)


@pytest.mark.parametrize(
    ("protocol", "first", "second", "law"),
    [(FixedLR, 0.1, 0.05, stationary_radius_lr), (FixedELR, 0.02, 0.05, stationary_radius_elr)],
)
def test_the_stationary_norm(protocol, first, second, law):
    d, n, tr_sigma = 10, 256, 9.0
    model = Model(protocol, np.full(n, first), np.full(n, second), np.eye(d)[0], np.ones(d))
    start = 1.5 * vmf.sample(0.02, model.mean_direction, n, np.random.default_rng(1)).T
    ensemble = Ensemble.start(start.astype(np.float32), seed=4)
    kernel.advance(model, ensemble, logs=1, records=1, stride=5000)  # relaxes in 50 and 280 iterations
    logs = kernel.advance(model, ensemble, logs=1, records=200, stride=50)
    versions = law(first, second, tr_sigma, logs.batch_grad_sq.mean() - tr_sigma)
    # r has sd 1.5% and a memory of 560 iterations: worth 256 * 10 000 / 560 values, 2.3e-4; finite_step
    # leaves out the fluctuations of |g|^2 and r, 3e-4 for these values
    assert logs.norm.mean() == pytest.approx(float(versions.finite_step), rel=1.5e-3)
    assert logs.norm.mean() != pytest.approx(float(versions.sde), rel=3e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("advance", [kernel.advance, plain.advance])
def test_without_noise_the_chain_is_a_known_map_to_the_minimum(advance, dtype):
    elr, radius, steps = 0.1, 3.0, 60
    model = Model(FixedSphere, [elr], [radius], [0.0, 0.0, 1.0], np.zeros(3))
    angle = 2.5  # from the minimum, -mu
    start = radius * np.array([[np.sin(angle)], [0.0], [-np.cos(angle)]])
    ensemble = Ensemble.start(start.astype(dtype), seed=0)
    logs = advance(model, ensemble, logs=steps, records=1, stride=1)
    angles = []
    for _ in range(steps):
        angle -= np.arctan(elr * np.sin(angle))
        angles.append(angle)
    tolerance = 1e-12 if dtype == np.float64 else 2e-5  # 60 roundings, which grow while the angle is obtuse
    np.testing.assert_allclose(logs.loss[:, 0], 1 - np.cos(angles), rtol=0, atol=tolerance)
    np.testing.assert_allclose(logs.grad_sq[:, 0], np.sin(angles) ** 2, rtol=0, atol=2 * tolerance)
    advance(model, ensemble, logs=1, records=1, stride=400)
    assert 1 - np.abs(ensemble.weights[2, 0]) / radius < 1e-6


@pytest.mark.parametrize("advance", [kernel.advance, plain.advance])
@pytest.mark.parametrize("protocol", [FixedELR, FixedLR])
def test_without_gradient_the_norm_shrinks_by_weight_decay_alone(advance, protocol):
    # at the minimum without noise nothing is left but the decay
    rate, wd, steps = 0.1, 0.02, 100
    model = Model(protocol, [rate], [wd], [0.0, 1.0], np.zeros(2))
    ensemble = Ensemble.start(np.array([[0.0], [-2.0]]), seed=0)
    advance(model, ensemble, logs=1, records=1, stride=steps)
    norm = 2.0
    for _ in range(steps):
        norm -= rate * wd * norm * (norm**2 if protocol is FixedELR else 1.0)
    assert -ensemble.weights[1, 0] == pytest.approx(norm, rel=1e-12)


def test_a_chain_that_diverges_becomes_nan_and_leaves_the_others_alone():
    model = Model(FixedELR, [0.1, 0.1, 0.1], [0.1, 1e3, 0.1], [1.0, 0.0, 0.0], np.ones(3))
    for dtype in (np.float32, np.float64):
        start = np.array([[1.0] * 3, [0.0] * 3, [1.0] * 3], dtype=dtype)
        ensemble, calm = Ensemble.start(start, seed=0), Ensemble.start(start, seed=0)
        logs = kernel.advance(model, ensemble, logs=2, records=1, stride=500)
        kernel.advance(
            Model(FixedELR, [0.1] * 3, [0.1] * 3, [1.0, 0.0, 0.0], np.ones(3)),
            calm,
            logs=2,
            records=1,
            stride=500,
        )
        assert np.isnan(ensemble.weights[:, 1]).all()
        assert np.isnan(logs.loss[-1, 1])
        assert (ensemble.weights[:, [0, 2]] == calm.weights[:, [0, 2]]).all()


def rayleigh(matrix):
    """``w.A w / |w|^2`` and its gradient."""

    def loss(w):
        square = (w * w).sum(axis=1)
        image = w @ matrix.astype(w.dtype)
        values = (w * image).sum(axis=1) / square
        return values, 2 * (image - values[:, None] * w) / square[:, None]

    return loss


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_plain_simulator_takes_any_loss(protocol):
    model, ensemble = case(protocol, 3, 5, np.float64)
    _, by_hand = case(protocol, 3, 5, np.float64)
    mu = model.mean_direction

    def loss(w):
        norm = np.linalg.norm(w, axis=1, keepdims=True)
        u = w / norm
        return 1 + u @ mu, (mu - (u @ mu)[:, None] * u) / norm

    logs = plain.advance(model, ensemble, logs=2, records=3, stride=10)
    again = plain.advance(model, by_hand, logs=2, records=3, stride=10, loss=loss)
    np.testing.assert_allclose(again.loss, logs.loss, rtol=1e-12)
    np.testing.assert_allclose(again.grad_sq, logs.grad_sq, rtol=1e-12)
    np.testing.assert_allclose(by_hand.weights, ensemble.weights, rtol=1e-11)
    plain.advance(model, by_hand, logs=1, records=1, stride=1, loss=rayleigh(np.eye(3)))  # has no gradient
    plain.advance(model, ensemble, logs=1, records=1, stride=1)
    assert np.abs(by_hand.weights - ensemble.weights).max() > 1e-3


def test_another_loss_flows_to_its_own_minimum():
    matrix = np.diag([1.0, 2.0, 4.0])
    model = Model(FixedSphere, [0.05] * 4, [2.0] * 4, [1.0, 0.0, 0.0], np.zeros(3))
    start = np.random.default_rng(0).standard_normal((3, 4))
    ensemble = Ensemble.start(2.0 * start / np.linalg.norm(start, axis=0), seed=0)
    logs = plain.advance(model, ensemble, logs=2, records=1, stride=400, loss=rayleigh(matrix))
    np.testing.assert_allclose(logs.loss[-1], 1.0, atol=1e-12)  # the smallest eigenvalue
    np.testing.assert_allclose(np.abs(ensemble.weights[0]), 2.0, rtol=1e-12)


def test_what_does_not_fit_is_refused():
    model, ensemble = case(FixedSphere, 3, 4, np.float32)
    run = {"logs": 1, "records": 1, "stride": 1}
    for advance in (kernel.advance, plain.advance):
        with pytest.raises(InputError, match="stride is 0; expected an integer of at least 1"):
            advance(model, ensemble, logs=1, records=1, stride=0)
        with pytest.raises(InputError, match=r"weights have shape \(3, 5\); expected \(3, 4\)"):
            advance(model, Ensemble.start(np.ones((3, 5)), seed=0), **run)
        with pytest.raises(InputError, match="chain 0 has weights of norm"):
            advance(model, Ensemble.start(np.ones((3, 4)), seed=0), **run)
        with pytest.raises(InputError, match="the collection holds float64"):
            advance(model, ensemble, collection=Collection.empty(case(FixedLR, 3, 4, float)[1], 2, 1), **run)
    with pytest.raises(InputError, match="threads is 0"):
        kernel.advance(model, ensemble, threads=0, **run)
    with pytest.raises(InputError, match="loss returns shapes"):
        plain.advance(model, ensemble, loss=lambda w: (w, w), **run)
    with pytest.raises(InputError, match=r"mean_direction has norm 2\.0; expected 1"):
        Model(FixedLR, [0.1], [0.1], [2.0, 0.0], [1.0, 1.0])
    with pytest.raises(InputError, match="weights are int64; expected float32 or float64"):
        Ensemble.start(np.ones((3, 4), dtype=np.int64), seed=0)
