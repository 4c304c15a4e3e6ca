"""What a queue of a correlated walk makes of its entropy: exact walks, the model itself, and the limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from thermograd.entropy import kozachenko_leonenko
from thermograd.errors import InputError
from thermograd.theory import vmf
from thermograd.theory.finite_step import entropy_sphere_finite_step
from thermograd.theory.queue_bias import queue_bias, spacing_in_times


def simulated(n: int, spacing: float, m: int, walks: int, seed: int) -> tuple[float, float]:
    """Mean bias of the estimator over exact OU walks of unit variance, and its error over the walks."""
    rng = np.random.default_rng(seed)
    kept = math.exp(-spacing)
    found = []
    for _ in range(walks):
        steps = rng.standard_normal((n, m))
        steps[1:] *= math.sqrt(1 - kept**2)
        walk = lfilter([1.0], [1.0, -kept], steps, axis=0)
        found.append(kozachenko_leonenko(walk).entropy - m / 2 * math.log(2 * math.pi * math.e))
    return float(np.mean(found)), float(np.std(found, ddof=1) / math.sqrt(walks))


# the accuracy that the documentation states, in nats: largest where neighbours in space take over
@pytest.mark.parametrize(
    ("m", "span", "accuracy"),
    [(2, span, 0.02) for span in (2, 10, 50, 200, 1000)]
    + [(9, 2, 0.03), (9, 20, 0.03), (9, 100, 0.06), (9, 200, 0.12), (9, 1000, 0.03)],
)
def test_exact_walks(m: int, span: float, accuracy: float) -> None:
    """Within 4 errors plus the stated accuracy. One walk of 1000 points scatters by 0.06 to 0.2 nats."""
    n, walks = 1000, 25 if m == 2 else 8
    mean, error = simulated(n, span / n, m, walks, seed=span)
    assert error < 0.25 / math.sqrt(walks)
    found = queue_bias(n, span / n, m)
    assert abs(found.bias - mean) < 4 * error + accuracy
    if span <= 50:  # negative control: independent points, and a window that is narrow and nothing else
        assert abs(queue_bias(n, 50.0, m).bias - mean) > 4 * error + accuracy
    if span <= 20:
        assert abs(found.narrowing - mean) > 4 * error + accuracy


def test_the_published_queue_on_the_model_itself() -> None:
    """SGD on the sphere S^2 at ELR 1e-3, 1000 directions 50 steps apart: the dip of IG figure 1a.

    0.17 nats below the law's own entropy. One queue scatters by 0.14; 48 of them, read 0.02.
    """
    rng = np.random.default_rng(5)
    d, elr, n, spacing, chains = 3, 1e-3, 1000, 50, 48
    mu = np.eye(d)[0]
    u = vmf.sample(elr / 2, mu, chains, rng)
    queue = np.empty((n, chains, d))
    for k in range(n):
        for noise in rng.standard_normal((spacing, chains, d)):
            g = mu + noise
            u = u - elr * (g - np.sum(g * u, axis=1, keepdims=True) * u)
            u /= np.sqrt(np.sum(u * u, axis=1, keepdims=True))
        queue[k] = u
    read = [kozachenko_leonenko(queue[:, i], manifold="geodesic").entropy for i in range(chains)]
    bias = np.mean(read) - float(entropy_sphere_finite_step(elr, 1.0, d))
    error = float(np.std(read, ddof=1)) / math.sqrt(chains)
    predicted = queue_bias(n, float(spacing_in_times(spacing, elr)), d - 1).bias
    assert predicted == pytest.approx(-0.174, abs=2e-3)
    assert abs(bias - predicted) < 4 * error + 0.02
    assert bias < -4 * error  # negative control: no bias at all


@pytest.mark.parametrize("m", [2, 5, 30])
def test_a_short_window_scales_like_free_diffusion(m: int) -> None:
    """Known rate: a window much shorter than a correlation time sees Brownian motion, whatever its spacing.

    A walk with a quarter of the spacing is the same walk at half the size: ``m log 2`` nats less, up to the
    relative order of the span, 1e-3, times m.
    """
    longer, shorter = queue_bias(500, 2e-6, m), queue_bias(500, 0.5e-6, m)
    assert longer.bias - shorter.bias == pytest.approx(m * math.log(2), abs=2e-3 * m)
    assert longer.narrowing - shorter.narrowing == pytest.approx(m * math.log(2), abs=2e-3 * m)


def test_independent_points_have_the_estimator_s_own_bias() -> None:
    """Limit: spaced by many correlation times. Independent normal points, 4 errors of 40 samples."""
    for n, m in ((300, 3), (300, 9)):
        mean, error = simulated(n, 60.0, m, 40, seed=m)
        found = queue_bias(n, 60.0, m)
        assert abs(found.bias - mean) < 4 * error
        assert found.narrowing == pytest.approx(m / 2 * math.log(1 - 1 / n), rel=1e-6)
        assert found.bias == pytest.approx(queue_bias(n, 80.0, m).bias, abs=1e-10)
    # any longer spacing sees no more, and the bias shrinks with it
    biases = [queue_bias(400, spacing, 4).bias for spacing in (0.01, 0.05, 0.2, 1.0)]
    assert np.all(np.diff(biases) > 0)


def test_narrowing_is_the_variance_within_a_window() -> None:
    """Of exact walks: mean variance about the window's own mean, within 4 errors of 2000 windows."""
    rng = np.random.default_rng(0)
    n, spacing = 50, 0.04
    kept = math.exp(-spacing)
    steps = rng.standard_normal((n, 2000))
    steps[1:] *= math.sqrt(1 - kept**2)
    variance = lfilter([1.0], [1.0, -kept], steps, axis=0).var(axis=0)
    error = variance.std() / math.sqrt(2000)
    assert abs(variance.mean() - math.exp(queue_bias(n, spacing, 2).narrowing)) < 4 * error
    assert queue_bias(n, spacing, 2).narrowing < -0.5


def test_spacing_counts_correlation_times() -> None:
    """One step keeps 1 - elr h of the direction; after spacing_in_times = 1 exp(-1) is left."""
    assert (1 - 0.02) ** (1 / spacing_in_times(1, 0.02)) == pytest.approx(math.exp(-1), rel=1e-12)
    assert spacing_in_times(50, 1e-8) == pytest.approx(50e-8, rel=1e-7)
    assert spacing_in_times(50, 1e-3, curvature=2.0) == pytest.approx(0.1, rel=2e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: queue_bias(2, 0.1, 2), "n .* is 2; expected an integer at least 3"),
        (lambda: queue_bias(100, 0.0, 2), "spacing .* is 0.0; expected a finite number above 0"),
        (lambda: queue_bias(100, math.nan, 2), "spacing .* is nan"),
        (lambda: queue_bias(100, 0.1, 1000), "dim .* is 1000; expected an integer between 1 and 100"),
        (lambda: queue_bias(100, 0.1, 2.5), "dim .* is 2.5"),
        (lambda: spacing_in_times(50, 1.5), "elr times curvature is 1.5"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
