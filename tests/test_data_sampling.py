"""Batches: uniform, independent, with replacement; the sequence does not depend on how it is drawn."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from thermograd.data import BatchSampler
from thermograd.errors import InputError

torch.set_num_threads(1)

N, B, STEPS = 128, 32, 1600  # 51 200 indices: 400 of each
LEVEL = 1e-3  # each test errs once in a thousand seeds; the seeds are fixed


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def drawn():
    return BatchSampler(N, B, generator(1), block=5).draw(STEPS).numpy()


@pytest.fixture(scope="module")
def epochs():
    """The negative control: whole epochs without replacement."""
    g = generator(2)
    order = torch.cat([torch.randperm(N, generator=g) for _ in range(STEPS * B // N)])
    return order.reshape(STEPS, B).numpy()


def chi_square(counts, expected):
    """Two-sided p-value: too even a sample is as suspicious as too uneven a one."""
    lower = stats.chi2.cdf(((counts - expected) ** 2 / expected).sum(), counts.size - 1)
    return 2 * min(lower, 1 - lower)


def test_indices_are_uniform(drawn, epochs):
    expected = STEPS * B / N
    assert chi_square(np.bincount(drawn.ravel(), minlength=N), expected) > LEVEL
    assert chi_square(np.bincount(epochs.ravel(), minlength=N), expected) < LEVEL
    # Index 0 half too often, 200 times above 400: chi-square up by 100, its standard deviation being 16.
    biased = drawn.ravel().copy()
    biased[np.flatnonzero(biased != 0)[:200]] = 0
    assert chi_square(np.bincount(biased, minlength=N), expected) < LEVEL


def test_batches_repeat_indices_as_often_as_independent_draws(drawn, epochs):
    # Distinct indices in a batch: mean N (1 - q), q = (1 - 1/N)^B; variance by inclusion and exclusion.
    q, q2 = (1 - 1 / N) ** B, (1 - 2 / N) ** B
    mean, variance = N * (1 - q), N * q + N * (N - 1) * q2 - (N * q) ** 2

    def z(batches):
        distinct = [len(set(batch)) for batch in batches.tolist()]
        return (np.mean(distinct) - mean) / np.sqrt(variance / len(batches))

    assert abs(z(drawn)) < stats.norm.isf(LEVEL / 2)
    assert abs(z(epochs)) > stats.norm.isf(LEVEL / 2)


def test_successive_batches_are_independent(drawn):
    # Place by place, a batch against the next, in 8 x 8 cells; with blocks of 5 every fifth pair is a seam.
    def p_value(batches):
        groups = batches // (N // 8)
        cells = np.bincount((groups[:-1] * 8 + groups[1:]).ravel(), minlength=64)
        return chi_square(cells, (len(batches) - 1) * B / 64)

    assert p_value(drawn) > LEVEL
    repeated = drawn.copy()
    repeated[5::5] = repeated[4:-1:5]  # a seam that hands out the last batch twice
    assert p_value(repeated) < LEVEL


def test_batch_mean_has_the_variance_of_independent_draws(drawn, epochs):
    # var / B, with no finite-population factor. Relative standard error sqrt(2 / STEPS) = 3.5% (the mean of a
    # batch of 32 is close to normal); without replacement the factor is (N - B) / (N - 1) = 0.76, 7 of them.
    values = np.linspace(-1, 1, N)
    tolerance = stats.norm.isf(LEVEL / 2) * np.sqrt(2 / STEPS)
    truth = values.var() / B
    assert abs(values[drawn].mean(axis=1).var() / truth - 1) < tolerance
    assert abs(values[epochs].mean(axis=1).var() / truth - 1) > tolerance


@given(
    st.integers(1, 60_000),
    st.integers(1, 40),
    st.integers(1, 17),
    st.lists(st.integers(0, 9), min_size=1, max_size=6),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_sequence_is_that_of_one_draw_a_step(num_images, batch_size, block, pieces, seed):
    sampler = BatchSampler(num_images, batch_size, generator(seed), block=block)
    g = generator(seed)
    for piece in pieces:  # 0: take one by iteration; otherwise that many at once
        got = sampler.draw(piece) if piece else next(sampler)[None]
        plain = [torch.randint(num_images, (batch_size,), generator=g) for _ in range(piece or 1)]
        assert torch.equal(got, torch.stack(plain))


@given(st.integers(0, 40), st.integers(1, 17), st.integers(1, 17))
@settings(max_examples=60, deadline=None)
def test_goes_on_from_a_saved_state_with_any_block(before, block, other_block):
    first = BatchSampler(1000, 8, generator(3), block=block)
    list(islice(first, before))
    state = first.state_dict()
    rest = first.draw(30)
    second = BatchSampler(1000, 8, generator(99), block=other_block)
    next(second)
    second.load_state_dict(state)
    again = BatchSampler(1000, 8, generator(98), block=block)
    again.load_state_dict(second.state_dict())
    assert torch.equal(second.draw(30), rest)
    assert torch.equal(again.draw(30), rest)


def test_state_of_another_set_is_refused():
    state = BatchSampler(1000, 8, generator(0)).state_dict()
    with pytest.raises(InputError, match="saved num_images is 1000; expected 999"):
        BatchSampler(999, 8, generator(0)).load_state_dict(state)


def test_global_generator_is_left_alone():
    before = torch.get_rng_state()
    BatchSampler(10, 3, generator(0)).draw(5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("numbers", "block", "name"),
    [
        ((0, 8), 1, "num_images"),
        ((10, 0), 1, "batch_size"),
        ((10, 2.0), 1, "batch_size"),
        ((10, 8), 0, "block"),
    ],
)
def test_refuses_numbers_below_one(numbers, block, name):
    with pytest.raises(InputError, match=f"BatchSampler: {name} is .*; expected an integer of at least 1"):
        BatchSampler(*numbers, generator(0), block=block)
    with pytest.raises(InputError, match="steps is 0; expected an integer of at least 1"):
        BatchSampler(10, 8, generator(0)).draw(0)
