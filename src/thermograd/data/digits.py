"""The 8x8 handwritten digits that come with the package: real images without a download."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from thermograd.data.images import ImageData
from thermograd.data.stratified import apportion

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DIGITS_FILE", "DIGITS_FILE_SHA256", "DIGITS_SHA256", "held_out", "load_digits"]

DIGITS_FILE = "digits.npz"
"""The file in this package: ``images`` (1797, 8, 8), values 0 to 16, and ``labels`` (1797,), both uint8."""

DIGITS_FILE_SHA256 = "aa64e930663d6e9271e1566601d65e70236553f73ec6cb041a4ab37167cf1d04"
"""The SHA-256 of that file."""

DIGITS_SHA256 = "e53887a2fb72e6546d436f949a001f8e7fa6636aa3ce6f388235be4447393f47"
"""The `ImageData.sha256` of the set, independent of how the file is compressed."""

_TEST_IMAGES = 360
# Over the 1437 training images, pixels / 16, rounded to four digits as CIFAR's constants are.
_MEAN, _STD = (0.3053,), (0.3761,)


def held_out(labels: NDArray[np.uint8], n: int = _TEST_IMAGES) -> NDArray[np.bool_]:
    """Which images are held out for testing: a rule, not a draw.

    Each class gives its share of the ``n`` test images (largest remainder), evenly spaced in file order:
    image ``i`` of a class of ``c`` with share ``k`` is taken when ``floor((i + 1) k / c) > floor(i k / c)``,
    about every fifth. The published set does not say which of its 13 writers wrote what, so they are in both
    parts: test accuracy tells how well a known hand is read, not a new one.

    Parameters
    ----------
    labels
        The class of each image in file order, shape (N,).
    n
        How many images to hold out.

    Returns
    -------
    ndarray
        True for the test images, shape (N,), with sum ``n``.

    Examples
    --------
    >>> held_out(np.array([0, 0, 0, 0, 1, 1, 1, 1]), n=2).astype(int)
    array([0, 0, 0, 1, 0, 0, 0, 1])

    """
    labels = np.asarray(labels)
    mask = np.zeros(len(labels), dtype=np.bool_)
    counts = np.bincount(labels)
    for label, share in enumerate(apportion(counts, n)):
        members = np.flatnonzero(labels == label)
        taken = np.arange(len(members) + 1) * share // max(len(members), 1)
        mask[members] = np.diff(taken) > 0
    return mask


def load_digits() -> ImageData:
    """Read the handwritten digits: 1437 training and 360 test images of 1x8x8, 10 classes.

    It is the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI Machine
    Learning Repository, 1998, doi:10.24432/C50P49, CC BY 4.0), as packaged by scikit-learn. Each pixel counts
    the ink in a 4x4 block of a 32x32 bitmap, 0 to 16. Which images are held out: see `held_out`.

    Examples
    --------
    >>> digits = load_digits()
    >>> digits.train_images.shape, digits.test_images.shape
    ((1437, 1, 8, 8), (360, 1, 8, 8))

    """
    with (
        (files("thermograd.data") / DIGITS_FILE).open("rb") as stream,
        np.load(stream, allow_pickle=False) as arrays,
    ):
        images, labels = arrays["images"][:, None], arrays["labels"]
    test = held_out(labels)
    return ImageData(
        name="digits",
        train_raw=images[~test],
        train_labels=labels[~test],
        test_raw=images[test],
        test_labels=labels[test],
        num_classes=10,
        mean=_MEAN,
        std=_STD,
        scale=16.0,
    )
