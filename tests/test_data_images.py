"""The image set itself: normalisation, hash, refusals, and what importing it costs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from thermograd.data import ImageData, describe, load
from thermograd.errors import InputError


def make(**changes):
    rng = np.random.default_rng(0)
    fields = {
        "name": "made",
        "train_raw": rng.integers(0, 256, (6, 2, 3, 4), dtype=np.uint8),
        "train_labels": np.array([0, 1, 2, 0, 1, 2]),
        "test_raw": rng.integers(0, 256, (3, 2, 3, 4), dtype=np.uint8),
        "test_labels": np.array([2, 1, 0], dtype=np.uint8),
        "num_classes": 3,
        "mean": (0.4, 0.5),
        "std": (0.2, 0.3),
    }
    return ImageData(**(fields | changes))


def test_normalisation_is_the_formula_per_channel():
    data = make()
    assert data.train_images.dtype == np.float32
    for channel, (mean, std) in enumerate(zip(data.mean, data.std, strict=True)):
        exact = (data.train_raw[:, channel] / 255 - mean) / std
        # Three float32 roundings of numbers below 5: 3 * 5 * 2**-24 at most.
        assert np.abs(data.train_images[:, channel] - exact).max() < 15 * 2**-24
    assert data.train_images is data.train_images


def test_hash_is_of_the_arrays_in_the_documented_form():
    data = make()
    text = b"train_raw |u1 (6, 2, 3, 4)\n" + data.train_raw.tobytes()
    text += b"train_labels <i8 (6,)\n" + data.train_labels.astype("<i8").tobytes()
    text += b"test_raw |u1 (3, 2, 3, 4)\n" + data.test_raw.tobytes()
    text += b"test_labels <i8 (3,)\n" + data.test_labels.astype("<i8").tobytes()
    assert data.sha256 == hashlib.sha256(text).hexdigest()


def test_hash_sees_one_pixel_one_label_and_the_shape_but_not_the_name():
    data = make()
    pixels, labels = data.train_raw.copy(), data.test_labels.copy()
    pixels[3, 1, 2, 0] ^= 1
    labels[0] = 0
    changed = [
        replace(data, train_raw=pixels),
        replace(data, test_labels=labels),
        replace(data, train_raw=data.train_raw.swapaxes(2, 3), test_raw=data.test_raw.swapaxes(2, 3)),
    ]
    assert len({data.sha256, *(other.sha256 for other in changed)}) == 4
    assert replace(data, name="other", std=(1.0, 1.0)).sha256 == data.sha256


def test_fields_cannot_be_reassigned():
    with pytest.raises(FrozenInstanceError):
        make().num_classes = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_raw": np.zeros((6, 2, 3, 4))}, "train images are float64 of shape"),
        ({"train_raw": np.zeros((0, 2, 3, 4), np.uint8)}, "expected uint8 .* N above 0"),
        ({"test_labels": np.array([0, 1])}, "test images are 3, their labels int64 of shape"),
        ({"test_labels": np.array([0.0, 1.0, 2.0])}, "their labels float64"),
        ({"train_labels": np.array([0, 1, 2, 0, 1, 3])}, "labels from 0 to 3; expected 0 to 2"),
        ({"train_labels": np.array([0, 1, 2, 0, 1, -1])}, "labels from -1 to 2; expected 0 to 2"),
        ({"test_raw": np.zeros((3, 2, 4, 4), np.uint8)}, "test images have shape"),
        ({"mean": (0.5,)}, "1 means and 2 standard deviations; expected one for each of the 2"),
    ],
)
def test_refuses_what_does_not_fit(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        make(**changes)
    assert "\n" not in str(caught.value)


def test_description_is_json_and_counts_by_hand():
    info = json.loads(json.dumps(describe(make(test_labels=np.array([2, 2, 0])))))
    assert info["test"] == {"images": 3, "class_counts": [1, 0, 2]}
    assert info["image_shape"] == [2, 3, 4]


@pytest.mark.parametrize("source", ["", "mnist", "no/such/folder.tar.gz"])
def test_unknown_source_says_what_is_expected(source):
    with pytest.raises(InputError, match="expected digits, cifar10, cifar100, or the path") as caught:
        load(source)
    assert repr(source) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_cifar100_has_coarse_labels():
    with pytest.raises(InputError, match="digits: has no coarse labels; expected cifar100"):
        load("digits", coarse=True)


def test_import_and_digits_need_no_heavy_package():
    code = (
        "import sys, thermograd.data as data; data.load('digits').train_images; "
        "print([m for m in ('torch', 'pooch', 'requests', 'sklearn', 'scipy', 'xarray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
