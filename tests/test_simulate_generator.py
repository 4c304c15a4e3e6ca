"""The simulator's noise: the generator's bits, its normals, and tests of randomness that can tell."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from thermograd.errors import InputError
from thermograd.simulate.engine import generator
from thermograd.simulate.engine.generator import LARGEST_NORMAL, next_words, normals, seed_streams

SCRIPT = Path(__file__).parents[1] / "scripts" / "check_generator.py"
ROWS, STREAMS, BLOCKS = 8192, 64, 4  # 2.1e6 normals


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("check_generator", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def xoshiro128pp(state):
    """The generator in Python's whole numbers, after Blackman and Vigna's definition."""
    mask = 2**32 - 1
    rotate = lambda x, k: ((x << k) | (x >> (32 - k))) & mask  # noqa: E731
    result = (rotate((state[0] + state[3]) & mask, 7) + state[0]) & mask
    shifted = (state[1] << 9) & mask
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = rotate(state[3], 11)
    return result


def test_words_are_those_of_the_definition():
    streams = seed_streams(11, 5)
    states = [[int(word) for word in stream] for stream in streams.T]
    for _ in range(100):
        assert next_words(streams).tolist() == [xoshiro128pp(state) for state in states]


def test_a_stream_depends_on_seed_and_chain_alone():
    many = seed_streams(3, 1000)
    assert (seed_streams(3, 17) == many[:, :17]).all()
    assert len({tuple(stream) for stream in many.T}) == 1000
    assert not (seed_streams(4, 1000) == many).all(axis=0).any()


def test_normals_are_the_exact_functions_of_their_words():
    streams = seed_streams(0, 10_000)
    a, b = (next_words(copy) for copy in (streams.copy(), _skipped(streams)))
    draws = normals(streams, 2)
    r = np.sqrt(-2 * np.log((a + 0.5) / 2**32))
    angle = np.pi / 2 * b.view(np.int32) / 2**31
    # float32: the logarithm is good to 3e-7 of itself (1e-7 near 1), sine and cosine to 1e-7
    np.testing.assert_allclose(draws[1], r * np.sin(angle), atol=4e-6, rtol=0)
    np.testing.assert_allclose(np.abs(draws[0]), r * np.cos(angle), atol=4e-6, rtol=0)
    assert ((draws[0] < 0) == (b % 2 == 1)).all()


def _skipped(streams):
    ahead = streams.copy()
    next_words(ahead)
    return ahead


def test_the_extreme_words_make_finite_normals():
    words = np.array([0, 1, 2**31, 2**32 - 1], dtype=np.uint32)
    r = generator._radius(words)
    assert r[0] == pytest.approx(np.sqrt(66 * np.log(2)), rel=1e-6)
    assert r[0] < LARGEST_NORMAL
    assert r[-1] == 0.0  # u rounds to 1, of which the logarithm is 0 and not below
    assert np.isfinite(r).all()
    assert (np.diff(r) < 0).all()
    sine, cosine = generator._direction(words)
    np.testing.assert_allclose(sine**2 + cosine**2, 1, atol=3e-7)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_an_odd_count_spends_the_words_of_the_next_even_one(count):
    one, other = seed_streams(1, 3), seed_streams(1, 3)
    draws = normals(one, count)
    assert draws.shape == (count, 3)
    assert (draws == normals(other, count + count % 2)[:count]).all()
    assert (one == other).all()


def test_the_compiled_generator_draws_the_same(check):
    draws = check.compiled(seed=9, streams=32, rows=200)()
    streams = seed_streams(9, 32)
    # the same polynomials, with fused operations or without: a few units in the last place of 6
    np.testing.assert_allclose(draws, normals(streams, 200), atol=2e-6, rtol=0)


def test_the_compiled_generator_passes(check):
    z = check.z_scores(check.compiled(seed=1, streams=STREAMS, rows=ROWS), BLOCKS)
    assert len(z) == 21
    # 5 standard errors: by chance for one seed in 80 000, and the seed is fixed
    assert check.failures(z) == []


def test_a_good_generator_passes(check):
    rng = np.random.default_rng(0)
    assert check.failures(check.z_scores(lambda: rng.standard_normal((ROWS, STREAMS)), BLOCKS)) == []


def _rejected(check, draw):
    return check.failures(check.z_scores(draw, BLOCKS))


def test_sums_of_four_uniforms_are_rejected(check):
    rng = np.random.default_rng(0)
    draw = lambda: np.sqrt(3.0) * (rng.random((4, ROWS, STREAMS)).sum(axis=0) - 2)  # noqa: E731
    failed = _rejected(check, draw)
    # kurtosis 2.7: 0.3 / sqrt(96 / 2.1e6) = 44 standard errors; mean, variance and independence are right
    # (the rows of squares assume the normal law's variance of a square, so they may fail too)
    assert "kurtosis" in failed
    assert "count beyond 4 sigma" in failed
    assert not {"mean", "variance"} & set(failed)
    assert not any("correlation" in name and "squares" not in name for name in failed)


def test_a_tail_cut_by_coarse_uniforms_is_rejected(check):
    rng = np.random.default_rng(0)

    def draw():
        u = (rng.integers(2**11, size=(ROWS, STREAMS)) + 0.5) / 2**11
        return special.ndtri(u)  # never beyond 3.49, where 1013 of 2.1e6 belong

    assert "count beyond 4 sigma" in _rejected(check, draw)


def test_two_streams_from_one_seed_are_rejected(check):
    rng = np.random.default_rng(0)

    def draw():
        x = rng.standard_normal((ROWS, STREAMS))
        x[:, 40] = x[:, 3]
        return x

    assert "largest correlation" in _rejected(check, draw)


def test_a_stream_that_remembers_is_rejected(check):
    rng = np.random.default_rng(0)

    def draw():
        x = rng.standard_normal((ROWS + 2, STREAMS))
        return (x[2:] + 0.01 * x[:-2]) / np.sqrt(1 + 0.01**2)  # 0.01 sqrt(2.1e6) = 14 standard errors

    assert "serial correlation, lag 2" in _rejected(check, draw)


@pytest.mark.parametrize(("seed", "chains"), [(-1, 3), (1.5, 3), (0, 0), (True, 2)])
def test_bad_seeds_are_refused(seed, chains):
    with pytest.raises(InputError, match=r"seed_streams: (seed|chains) is"):
        seed_streams(seed, chains)
