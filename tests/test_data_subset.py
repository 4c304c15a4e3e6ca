"""Subsets: proportions exact, draw uniform, the same images for the same seed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from thermograd.data import ImageData, load, subset
from thermograd.data.stratified import apportion
from thermograd.errors import InputError


def numbered(labels):
    """A set in which each training image's pixels spell its own number."""
    number = np.arange(len(labels))
    raw = np.stack([number // 256, number % 256], axis=-1).astype(np.uint8)[:, None, None, :]
    return ImageData("numbered", raw, labels, raw, labels, int(max(labels)) + 1, mean=(0.0,), std=(1.0,))


def numbers(data):
    high, low = data.train_raw[:, 0, 0].astype(int).T
    return high * 256 + low


def largest_remainder_slowly(counts, n):
    """Place by place with exact fractions: the textbook rule."""
    exact = [Fraction(n * count, sum(counts)) for count in counts]
    shares = [int(share) for share in exact]
    order = sorted(range(len(counts)), key=lambda k: (-(exact[k] - shares[k]), k))
    for k in order[: n - sum(shares)]:
        shares[k] += 1
    return shares


@given(st.lists(st.integers(0, 6000), min_size=1, max_size=100).filter(any), st.floats(0, 1))
def test_apportionment_is_the_largest_remainder_rule(counts, fraction):
    n = int(fraction * sum(counts))
    shares = apportion(np.array(counts), n)
    assert shares.tolist() == largest_remainder_slowly(counts, n)
    assert (shares <= counts).all()


def test_apportionment_of_equal_classes_is_even_and_ties_go_to_the_first():
    assert apportion(np.full(10, 5000), 5000).tolist() == [500] * 10
    assert apportion(np.full(4, 100), 10).tolist() == [3, 3, 2, 2]


def test_class_proportions_of_real_labels_are_kept_exactly():
    digits = load("digits")
    whole = np.bincount(digits.train_labels).tolist()
    for n in (10, 137, 500, 1436, 1437):
        kept = np.bincount(subset(digits, n, seed=3).train_labels, minlength=10)
        assert kept.tolist() == largest_remainder_slowly(whole, n)


def test_images_keep_their_labels_their_order_and_appear_once():
    labels = np.random.default_rng(1).integers(0, 5, 400)
    small = subset(numbered(labels), 150, seed=7)
    kept = numbers(small)
    assert (np.diff(kept) > 0).all()
    assert np.array_equal(small.train_labels, labels[kept])
    assert np.array_equal(small.test_labels, labels)
    assert small.name == "numbered-n150-seed7"


def test_seed_decides_and_nothing_else():
    data = numbered(np.repeat(np.arange(4), 100))
    first = numbers(subset(data, 40, seed=0))
    assert np.array_equal(first, numbers(subset(data, 40, seed=0)))
    assert not np.array_equal(first, numbers(subset(data, 40, seed=1)))
    assert subset(data, 40, seed=0).sha256 != subset(data, 40, seed=1).sha256
    # Written down once: results name a subset by its seed, so a seed must mean the same images for ever.
    assert first[:10].tolist() == [2, 3, 11, 13, 20, 48, 53, 59, 62, 92]


def test_larger_subset_holds_the_smaller():
    data = numbered(np.repeat(np.arange(4), 100))
    small, large = (set(numbers(subset(data, n, seed=5))) for n in (40, 200))
    assert small < large


def test_whole_set_is_its_own_subset():
    digits = load("digits")
    assert subset(digits, 1437, seed=9).sha256 == digits.sha256


def uniformity(draws, members):
    """Two-sided p-value that each of the class's images is kept equally often.

    With k of c kept in each of s independent draws, sum (hits - s p)^2 / (s p (1 - p)) (c - 1) / c follows
    chi-square with c - 1 degrees of freedom, p = k / c.
    """
    c = len(members)
    hits = np.array([sum(member in draw for draw in draws) for member in members])
    p = hits.sum() / (len(draws) * c)
    statistic = ((hits - len(draws) * p) ** 2).sum() / (len(draws) * p * (1 - p)) * (c - 1) / c
    lower = stats.chi2.cdf(statistic, c - 1)
    return 2 * min(lower, 1 - lower)


def test_draw_is_uniform_within_a_class_and_the_first_images_are_not():
    data = numbered(np.repeat([0, 1], [60, 20]))
    draws = [set(numbers(subset(data, 20, seed))) for seed in range(500)]
    assert uniformity(draws, range(60)) > 1e-3
    # Two images that are favoured: added to a fifth of the draws, 75 hits above 125 each, whose sd is 10.
    rng = np.random.default_rng(0)
    favoured = [draw | ({0, 1} if rng.random() < 0.2 else set()) for draw in draws]
    assert uniformity(favoured, range(60)) < 1e-3
    assert uniformity([set(range(15))] * 500, range(60)) < 1e-3


@pytest.mark.parametrize("n", [9, 1438, 0, -5, 100.0, True, "100"])
def test_refuses_sizes_out_of_range(n):
    with pytest.raises(
        InputError, match=r"subset of digits: n is .*; expected an integer from 10 .* to 1437"
    ):
        subset(load("digits"), n, seed=0)


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_refuses_seeds_that_are_none(seed):
    with pytest.raises(InputError, match=r"seed is .*; expected an integer of 0 or above"):
        subset(load("digits"), 100, seed=seed)
