"""Entropies of many samples at once are those of one sample at a time, only sooner."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import polygamma

from thermograd.entropy import kozachenko_leonenko
from thermograd.entropy.kozachenko_leonenko import log_ball_volume
from thermograd.entropy.many import kozachenko_leonenko_many
from thermograd.entropy.neighbours.compiled_nearest import chart_nearest, pairwise_nearest, space_nearest
from thermograd.entropy.neighbours.compiled_terms import log_cap_volumes, means_spreads_times
from thermograd.entropy.shared_neighbours import added_variance
from thermograd.errors import InputError

MANIFOLDS = ("euclidean", "geodesic", "sphere")


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def clouds(d, n, rng):
    """Unit vectors, one sample a kind: what a grid of states shows, and what a sorted search likes least."""
    pole, equator = np.eye(d)[0], np.eye(d)[d - 1]
    generic = unit(np.ones(d) + 0.3 * rng.standard_normal(d))
    line = np.outer(np.linspace(-1, 1, n), np.eye(d)[0]) + 1e-5 * rng.standard_normal((n, d)) + equator
    outlier = generic + 1e-4 * rng.standard_normal((n, d))
    outlier[0] = -generic
    return unit(
        np.stack(
            [
                rng.standard_normal((n, d)),
                generic + 1e-3 * rng.standard_normal((n, d)),
                pole + 0.1 * rng.standard_normal((n, d)),
                # About the half circle where the last angle jumps from pi to -pi.
                -np.eye(d)[d - 2] + 0.1 * rng.standard_normal((n, d)),
                generic + np.cumsum(0.01 * rng.standard_normal((n, d)), axis=0),
                line,
                outlier,
            ]
        )
    )


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("manifold", MANIFOLDS)
@pytest.mark.parametrize("d", [2, 3, 4, 5, 7, 20])
def test_every_sample_as_one_alone(d, manifold, k):
    rng = np.random.default_rng([d, k])
    x = clouds(d, 200, rng)
    many = kozachenko_leonenko_many(x, manifold=manifold, k=k)
    assert many.dim == (d if manifold == "euclidean" else d - 1)
    for b, sample in enumerate(x):
        alone = kozachenko_leonenko(sample, k, manifold=manifold)
        # Both measure differences of the same coordinates: 1e-14, times m. The angles of both are rounded by
        # up to 4e-16 each in their own way, against neighbour distances of 1e-5: 4e-11 in each of 200 logs,
        # of either sign: 3e-12 in their mean, times m.
        rounding = 3e-12 if manifold == "sphere" and b in (1, 5, 6) else 5e-14
        assert abs(many.entropy[b] - alone.entropy) < rounding * many.dim
        assert many.n_effective[b] == pytest.approx(alone.n_effective, rel=1e-10)
        assert many.autocorrelation_time[b] == pytest.approx(alone.autocorrelation_time, rel=1e-10)


@pytest.mark.parametrize(("d", "k"), [(2, 1), (3, 1), (4, 3)])
def test_the_error_bar_is_the_scatter_of_independent_windows(d, k):
    """The kernels do not know who shares a neighbour; the law for it says what that adds on average.

    600 windows tell their standard deviation to 1/sqrt(1200) = 2.9%, the law's tables are good to 3%.
    """
    x = unit(np.random.default_rng([d, k]).standard_normal((600, 250, d)))
    many = kozachenko_leonenko_many(x, manifold="geodesic", k=k)
    promised, seen = np.sqrt((many.se**2).mean()), many.entropy.std(ddof=1)
    assert promised == pytest.approx(seen, rel=4 * np.hypot(0.029, 0.03))
    without = np.sqrt((many.se**2 - added_variance(k, d - 1) * many.autocorrelation_time / many.n).mean())
    assert without < seen * (1 - 0.029) or k > 1  # its own terms alone promise too little


@pytest.mark.parametrize("n", [3, 4, 31, 32, 33, 34, 65, 97])
@pytest.mark.parametrize("manifold", MANIFOLDS)
def test_sample_sizes_about_the_chunk(manifold, n):
    x = unit(np.random.default_rng(n).standard_normal((5, n, 3)))
    many = kozachenko_leonenko_many(x, manifold=manifold)
    alone = [kozachenko_leonenko(sample, manifold=manifold).entropy for sample in x]
    np.testing.assert_allclose(many.entropy, alone, rtol=0, atol=1e-12)


def brute(columns, period):
    gaps = np.abs(columns[:, :, None] - columns[:, None, :])
    gaps[-1] = np.minimum(gaps[-1], period - gaps[-1])
    squared = (gaps**2).sum(axis=0)
    np.fill_diagonal(squared, np.inf)
    return squared.min(axis=1)


@pytest.mark.parametrize("spread", [(1, 1, 1), (1, 1e-9, 1e-9), (1e-9, 1, 1), (0, 1, 1), (1, 0, 0)])
def test_the_searches_against_all_pairs(spread):
    # Also a sorting coordinate that tells nothing, and ties.
    rng = np.random.default_rng(3)
    x = rng.uniform(-math.pi, math.pi, size=(1, 3, 150)) * np.array(spread)[:, None]
    x[0, :, 7] = x[0, :, 90]
    order, found = np.argsort(x[:, 0], axis=1), np.empty((1, 150))
    space_nearest(x, order, found)
    np.testing.assert_allclose(found[0], brute(x[0], math.inf), rtol=1e-14)
    pairwise_nearest(x, 1, math.inf, found)
    np.testing.assert_allclose(found[0], brute(x[0], math.inf), rtol=1e-14)
    pairwise_nearest(x, 1, 2 * math.pi, found)
    np.testing.assert_allclose(found[0], brute(x[0], 2 * math.pi), rtol=1e-14)
    angles = np.ascontiguousarray(x[:, 1:])
    chart_nearest(angles, np.argsort(angles[:, -1], axis=1), 2 * math.pi, found)
    np.testing.assert_allclose(found[0], brute(angles[0], 2 * math.pi), rtol=1e-14)


@pytest.mark.parametrize("m", [1, 2, 3, 8, 99])
def test_cap_volumes(m):
    theta = np.array([1e-6, 0.1, 1.0, 1.5, math.pi / 2, 1.7, 3.0, math.pi])
    found = np.empty((1, len(theta)))
    log_cap_volumes((2 * np.sin(theta / 2))[None] ** 2, m, found)
    scaled = [quad(lambda t, e=e: m * (np.sin(e * t) / e) ** (m - 1), 0, 1, epsabs=0)[0] for e in theta]
    # Up to 100 terms of round-off and quad's 1.5e-8.
    np.testing.assert_allclose(found[0], m * np.log(theta) + np.log(scaled), rtol=0, atol=1e-7)
    # The whole sphere S^m, in units of the ball of R^m.
    sphere = math.log(2) + (m + 1) / 2 * math.log(math.pi) - math.lgamma((m + 1) / 2)
    assert found[0, -1] + log_ball_volume(m) == pytest.approx(sphere, abs=1e-12)
    halves = np.empty((1, 1))
    log_cap_volumes(np.array([[2.0]]), m, halves)
    assert halves[0, 0] + log_ball_volume(m) == pytest.approx(sphere - math.log(2), abs=1e-12)


def test_uniform_directions_have_the_sphere_s_entropy_and_the_promised_spread():
    n, batch = 500, 400
    x = unit(np.random.default_rng(4).standard_normal((batch, n, 3)))
    truth = math.log(4 * math.pi)
    many = kozachenko_leonenko_many(x, manifold="geodesic")
    assert many.warnings == ()
    # No edge and constant density: biased by the printed constant's 1/(2n) alone.
    sd = 1.2 * math.sqrt(float(polygamma(1, 1)) / n)
    assert abs(many.entropy.mean() - truth - 1 / (2 * n)) < 4 * sd / math.sqrt(batch)
    # 400 samples tell a standard deviation to 3.5%; the errors forget shared neighbours (up to 20%) and the
    # floor of the time lengthens them by about 5%.
    assert np.mean(many.se) == pytest.approx(many.entropy.std(), rel=0.3)


def test_small_temperature_limit():
    # Tangent Gaussian of variance T on S^2: log(2 pi e T), corrections of order T.
    T, n, batch = 1e-4, 500, 200
    rng = np.random.default_rng(5)
    x = unit(unit(np.array([1.0, 2.0, 3.0])) + math.sqrt(T) * rng.standard_normal((batch, n, 3)))
    truth = math.log(2 * math.pi * math.e * T)
    # Each term: trigamma(1) and variance 1 of the log density of a plane Gaussian; edges: bias of order 1/n
    # times a few, measured for a plane Gaussian at n = 500 below.
    noise = 1.2 * math.sqrt((float(polygamma(1, 1)) + 1) / n / batch)
    plane = rng.standard_normal((batch, n, 2))
    bias = kozachenko_leonenko_many(plane).entropy.mean() - math.log(2 * math.pi * math.e)
    for manifold in ("geodesic", "sphere"):
        found = kozachenko_leonenko_many(x, manifold=manifold).entropy.mean()
        assert abs(found - truth - bias) < 4 * math.sqrt(2) * noise + 10 * T


def test_the_error_of_the_mean_falls_as_one_over_root_n():
    rng = np.random.default_rng(6)
    sd = [
        kozachenko_leonenko_many(unit(rng.standard_normal((300, n, 3))), manifold="sphere").entropy.std()
        for n in (60, 960)
    ]
    # Two standard deviations of 300 samples: 4% each; the exponent over a factor of 16 to 6% / log 16 = 2%.
    assert math.log(sd[0] / sd[1]) / math.log(16) == pytest.approx(0.5, abs=4 * 0.02)


def test_a_walk_is_told_from_independent_points():
    """The negative control: the same estimator, correlated points, a value far from the law's."""
    rng = np.random.default_rng(7)
    walk = unit(np.array([0.0, 0.0, 1.0]) + np.cumsum(0.003 * rng.standard_normal((20, 500, 3)), axis=1))
    many = kozachenko_leonenko_many(walk, manifold="geodesic")
    assert (many.entropy < math.log(4 * math.pi) - 20 * many.se).all()


def test_neither_threads_nor_neighbours_in_the_batch_change_a_bit():
    x = unit(np.random.default_rng(8).standard_normal((90, 700, 3)))
    for manifold in MANIFOLDS:
        one = kozachenko_leonenko_many(x, manifold=manifold, threads=1)
        four = kozachenko_leonenko_many(x, manifold=manifold, threads=4)
        few = kozachenko_leonenko_many(x[50:53], manifold=manifold)
        for name in ("entropy", "se", "n_effective"):
            np.testing.assert_array_equal(getattr(one, name), getattr(four, name))
            np.testing.assert_array_equal(getattr(one, name)[50:53], getattr(few, name))


def test_strided_samples_and_tensors_are_taken():
    x = np.random.default_rng(9).standard_normal((3, 50, 4))
    expected = kozachenko_leonenko_many(np.ascontiguousarray(x.transpose(2, 1, 0))).entropy
    np.testing.assert_array_equal(kozachenko_leonenko_many(x.transpose(2, 1, 0)).entropy, expected)
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(x).permute(2, 1, 0).requires_grad_()
    np.testing.assert_array_equal(kozachenko_leonenko_many(tensor).entropy, expected)


@pytest.mark.parametrize("d", [3, 6])
@pytest.mark.parametrize("manifold", MANIFOLDS)
def test_float32_directions_are_those_of_float64_rounded_once(manifold, d):
    rng = np.random.default_rng(10)
    x = unit(unit(rng.standard_normal(d)) + 1e-3 * rng.standard_normal((4, 300, d))).astype(np.float32)
    many = kozachenko_leonenko_many(x, manifold=manifold)
    wide = x.astype(np.float64)
    same = kozachenko_leonenko_many(wide if manifold == "euclidean" else unit(wide), manifold=manifold)
    # Normalising twice differs by 1e-16 of 1, against distances of 1e-5 or more, averaged over 300.
    np.testing.assert_allclose(many.entropy, same.entropy, rtol=0, atol=1e-11)
    near = unit(unit(rng.standard_normal(d)) + 1e-6 * rng.standard_normal((4, 300, d)))
    assert (
        "are in float32" in kozachenko_leonenko_many(near.astype(np.float32), manifold=manifold).warnings[-1]
    )
    assert not any("float32" in line for line in kozachenko_leonenko_many(near, manifold=manifold).warnings)


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.9, 0.995])
def test_the_error_bar_is_the_one_for_a_single_series(rho):
    from scipy.signal import lfilter

    from thermograd.autocorrelation import mean_with_error

    rng = np.random.default_rng(11)
    x = 5 + 1e3 * lfilter([1.0], [1.0, -rho], rng.standard_normal((30, 400)), axis=1)
    x[4], x[5] = 0.1, np.linspace(0, 1, 400)
    found = np.empty((30, 3))
    means_spreads_times(x, 5.0, found)
    for (mean, spread, time), row in zip(found, x, strict=True):
        alone = mean_with_error(row)
        assert time == pytest.approx(
            alone.time, rel=1e-9
        )  # a sum of 400 terms with cancellation, from an FFT
        assert mean == pytest.approx(alone.mean, rel=1e-12, abs=1e-10)
        assert spread * math.sqrt(time / 400) == pytest.approx(alone.se, rel=1e-9)


def test_coinciding_points_are_never_silent_and_spare_the_others():
    x = unit(np.random.default_rng(12).standard_normal((6, 40, 3)))
    x[2, 7] = x[2, 3]
    x[4] = x[4, 0]
    x[5, 9] = [-1.0, 0.0, 0.0]
    for manifold in MANIFOLDS:
        many = kozachenko_leonenko_many(x, manifold=manifold)
        polar = manifold == "sphere"
        bad = [2, 4, 5] if polar else [2, 4]
        assert (many.entropy[bad] == -math.inf).all()
        assert np.isnan(many.se[bad]).all()
        assert np.isnan(many.n_effective[bad]).all()
        good = [b for b in range(6) if b not in bad]
        alone = [kozachenko_leonenko(x[b], manifold=manifold).entropy for b in good]
        np.testing.assert_allclose(many.entropy[good], alone, rtol=0, atol=1e-12)
        assert many.coincident.tolist() == [0, 0, 2, 0, 40, 0]
        assert many.at_pole.tolist() == [0, 0, 0, 0, 0, int(polar)]
        assert many.warnings[0].startswith("2 of 6 samples (numbers 2, 4) hold points that coincide")
        assert len(many.warnings) == 1 + polar
    assert np.isfinite(kozachenko_leonenko_many(x[:3], k=2).entropy).all()


def test_too_high_a_dimension_is_said():
    x = np.random.default_rng(13).standard_normal((2, 30, 9))
    assert "30 points are fewer than 2^9" in kozachenko_leonenko_many(x).warnings[0]


GOOD = unit(np.random.default_rng(14).standard_normal((50, 900, 3)))  # two slices of work


def spoiled(place, value):
    x = GOOD.copy()
    x[place] = value
    return x


@pytest.mark.parametrize(
    ("x", "options", "said"),
    [
        (GOOD[0], {}, r"samples have shape \(900, 3\); expected \(number of samples"),
        (GOOD[:0], {}, r"samples have shape \(0, 900, 3\)"),
        (GOOD[:, :2], {}, "samples hold 2 points; expected at least 3"),
        (GOOD[:, :5], {"k": 4}, "samples hold 5 points; expected at least 6"),
        (GOOD, {"k": 0}, "k .* is 0"),
        (GOOD, {"k": True}, "k .* is True"),
        (GOOD, {"threads": 0}, "threads is 0; expected an integer of at least 1"),
        (GOOD, {"manifold": "torus"}, "manifold is 'torus'"),
        (spoiled((48, 17, 1), np.nan), {}, "row 17 of sample 48 holds nan or inf"),
        (spoiled((1, 899, 0), -np.inf), {"manifold": "sphere"}, "row 899 of sample 1 holds nan or inf"),
        (spoiled((3, 5), 1e200), {}, "row 5 of sample 3 has a norm above 1e150"),
        (
            spoiled((49, 5), 1.0),
            {"manifold": "geodesic"},
            "row 5 of sample 49 has norm 1.73205; expected unit",
        ),
        (spoiled((0, 0), 0.0), {"manifold": "sphere"}, "row 0 of sample 0 has norm 0"),
        (spoiled((0, 0), 0.0).astype(np.float32), {"manifold": "sphere"}, "row 0 of sample 0 has norm 0"),
        (GOOD[:, :, :1], {"manifold": "sphere"}, "dimension 1; expected at least 2"),
        (np.ones((2, 9, 2), dtype=int), {}, "type int64; expected float32 or float64"),
        (GOOD.astype(np.float16), {}, "float16; expected .* half precision rounds"),
    ],
)
def test_bad_input(x, options, said):
    with pytest.raises(InputError, match=said):
        kozachenko_leonenko_many(x, **options)
