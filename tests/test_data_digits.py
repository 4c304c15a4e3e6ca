"""The embedded digits are scikit-learn's, and their division is the documented one."""

from __future__ import annotations

import hashlib
import importlib.util
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from thermograd.data import describe, load
from thermograd.data.digits import DIGITS_FILE, DIGITS_FILE_SHA256, DIGITS_SHA256, held_out

ROOT = Path(__file__).resolve().parents[1]

# From the published description of the test set: images of each digit, 0 to 9.
PUBLISHED_COUNTS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_file_and_arrays_have_the_recorded_hashes(digits):
    content = (files("thermograd.data") / DIGITS_FILE).read_bytes()
    assert hashlib.sha256(content).hexdigest() == DIGITS_FILE_SHA256
    assert digits.sha256 == DIGITS_SHA256
    assert len(content) < 50_000


def test_class_counts_are_the_published_ones(digits):
    both = np.concatenate([digits.train_labels, digits.test_labels])
    assert np.bincount(both).tolist() == PUBLISHED_COUNTS
    assert digits.train_raw.max() == digits.test_raw.max() == 16


def test_division_is_stratified_and_complete(digits):
    info = describe(digits)
    assert (info["train"]["images"], info["test"]["images"]) == (1437, 360)
    for held, published in zip(info["test"]["class_counts"], PUBLISHED_COUNTS, strict=True):
        assert abs(held - Fraction(360 * published, 1797)) < 1


def test_held_out_images_are_evenly_spaced_in_each_class():
    with np.load(files("thermograd.data") / DIGITS_FILE, allow_pickle=False) as arrays:
        labels = arrays["labels"]
    mask = held_out(labels)
    for digit in range(10):
        gaps = np.diff(np.flatnonzero(mask[labels == digit]))
        assert set(gaps) <= {4, 5, 6}, digit


def test_constants_are_those_of_the_training_images(digits):
    pixels = digits.train_raw / 16
    assert digits.mean == (round(pixels.mean(), 4),)
    assert digits.std == (round(pixels.std(), 4),)
    # Rounded to 5e-5, so the normalised images are standard to 5e-5 / std.
    assert abs(digits.train_images.mean(dtype=np.float64)) < 5e-5 / 0.376
    assert abs(digits.train_images.std(dtype=np.float64) - 1) < 5e-5 / 0.376


def test_licence_and_authors_come_with_the_file():
    text = (files("thermograd.data") / "LICENSE-digits.txt").read_text(encoding="utf-8")
    for part in ("CC BY 4.0", "https://doi.org/10.24432/C50P49", "E. Alpaydin and C. Kaynak", "Changes:"):
        assert part in text


def test_same_as_scikit_learn(digits):
    source = pytest.importorskip("sklearn.datasets").load_digits()
    mask = held_out(source.target)
    assert np.array_equal(digits.train_raw[:, 0], source.images[~mask])
    assert np.array_equal(digits.test_raw[:, 0], source.images[mask])
    assert np.array_equal(digits.train_labels, source.target[~mask])
    assert np.array_equal(digits.test_labels, source.target[mask])


def test_script_makes_the_same_arrays_twice_in_the_same_bytes():
    pytest.importorskip("sklearn.datasets")
    path = ROOT / "scripts" / "embed_digits.py"
    if not path.is_file():
        pytest.skip("the script is not part of an installed package")
    spec = importlib.util.spec_from_file_location("embed_digits", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    arrays = script.digit_arrays()
    assert script.npz_bytes(arrays) == script.npz_bytes(arrays)
    with np.load(script.TARGET, allow_pickle=False) as kept:
        assert sorted(kept.files) == sorted(arrays)
        for name, array in arrays.items():
            assert kept[name].dtype == np.uint8
            assert np.array_equal(kept[name], array)
