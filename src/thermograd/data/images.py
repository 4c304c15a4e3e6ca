"""A labelled image set as every producer sees it: raw bytes, normalised floats, labels and a hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thermograd.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ImageData", "describe"]


@dataclass(frozen=True, eq=False)
class ImageData:
    """A set of labelled images with its fixed training and test part.

    The raw bytes are kept; the floats that a network sees are made from them on first use and kept too,
    ``x = (raw / scale - mean) / std`` with ``mean`` and ``std`` per channel. The constants belong to the
    whole published set, so a subset is normalised like the set it came from.

    Parameters
    ----------
    name
        What the set is called in results, e.g. ``"digits"``.
    train_raw, test_raw
        Pixels, uint8, shape (N, C, H, W).
    train_labels, test_labels
        Class numbers from 0 to ``num_classes - 1``, integers, shape (N,); kept as int64.
    num_classes
        The number of classes, at least 2.
    mean, std
        Mean and standard deviation of each channel, in units of ``scale``.
    scale
        The pixel value that stands for 1: 255, or 16 for the digits.

    Raises
    ------
    InputError
        If shapes do not fit together, a part is empty, or a label is out of range.

    Examples
    --------
    >>> pixels, labels = np.full((4, 1, 2, 2), 51, np.uint8), np.array([0, 1, 0, 1])
    >>> data = ImageData("grey", pixels, labels, pixels, labels, 2, mean=(0.1,), std=(0.5,))
    >>> data.train_images.shape, round(float(data.train_images[0, 0, 0, 0]), 6)
    ((4, 1, 2, 2), 0.2)

    """

    name: str
    train_raw: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_raw: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 255.0

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            raw, labels = getattr(self, f"{part}_raw"), np.asarray(getattr(self, f"{part}_labels"))
            where = f"{self.name}: {part} images"
            if raw.dtype != np.uint8 or raw.ndim != 4 or raw.shape[0] == 0:
                raise InputError(
                    f"{where} are {raw.dtype} of shape {raw.shape}; expected uint8 (N, C, H, W), N above 0"
                )
            if labels.shape != raw.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
                raise InputError(
                    f"{where} are {len(raw)}, their labels {labels.dtype} of shape {labels.shape}; "
                    f"expected one integer for each image"
                )
            if not 0 <= labels.min() <= labels.max() < self.num_classes:
                raise InputError(
                    f"{where} have labels from {labels.min()} to {labels.max()}; "
                    f"expected 0 to {self.num_classes - 1}"
                )
            object.__setattr__(self, f"{part}_labels", labels.astype(np.int64))
        if self.train_raw.shape[1:] != self.test_raw.shape[1:]:
            raise InputError(
                f"{self.name}: test images have shape {self.test_raw.shape[1:]}; "
                f"expected that of the training images, {self.train_raw.shape[1:]}"
            )
        if not len(self.mean) == len(self.std) == self.image_shape[0]:
            raise InputError(
                f"{self.name}: {len(self.mean)} means and {len(self.std)} standard deviations; "
                f"expected one for each of the {self.image_shape[0]} channels"
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        channels, height, width = self.train_raw.shape[1:]
        return channels, height, width

    @cached_property
    def train_images(self) -> NDArray[np.float32]:
        """The normalised training images, float32 (N, C, H, W), 4 bytes a pixel from the first use on."""
        return self._normalised(self.train_raw)

    @cached_property
    def test_images(self) -> NDArray[np.float32]:
        """The normalised test images, float32 (N, C, H, W), 4 bytes a pixel from the first use on."""
        return self._normalised(self.test_raw)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the raw arrays in hexadecimal: the same images in the same order, the same hash.

        Hashed are, for each of train_raw, train_labels, test_raw and test_labels, one line ``name dtype
        shape`` and the array's bytes in C order, little-endian. The set's name is not part of it.
        """
        digest = hashlib.sha256()
        for field, dtype in (
            ("train_raw", "|u1"),
            ("train_labels", "<i8"),
            ("test_raw", "|u1"),
            ("test_labels", "<i8"),
        ):
            array = np.ascontiguousarray(getattr(self, field), dtype=dtype)
            digest.update(f"{field} {dtype} {array.shape}\n".encode())
            digest.update(array.data)
        return digest.hexdigest()

    def _normalised(self, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
        # In place, one channel's two constants at a time: the set is big, so no second float copy of it.
        mean, std = np.asarray(self.mean), np.asarray(self.std)
        images = raw.astype(np.float32)
        images *= (1 / (self.scale * std)).astype(np.float32)[:, None, None]
        images -= (mean / std).astype(np.float32)[:, None, None]
        return images


def describe(data: ImageData) -> dict[str, Any]:
    """What a set holds, in types that JSON knows.

    Parameters
    ----------
    data
        Any image set.

    Returns
    -------
    dict
        ``name``, ``num_classes``, ``image_shape`` (C, H, W), ``train`` and ``test`` (each with ``images``
        and ``class_counts``), ``mean``, ``std``, ``scale`` and ``sha256``.

    Examples
    --------
    >>> from thermograd.data import load
    >>> describe(load("digits"))["train"]["images"]
    1437

    """

    def part(labels: NDArray[np.int64]) -> dict[str, Any]:
        counts = np.bincount(labels, minlength=data.num_classes)
        return {"images": len(labels), "class_counts": counts.tolist()}

    return {
        "name": data.name,
        "num_classes": data.num_classes,
        "image_shape": list(data.image_shape),
        "train": part(data.train_labels),
        "test": part(data.test_labels),
        "mean": list(data.mean),
        "std": list(data.std),
        "scale": data.scale,
        "sha256": data.sha256,
    }
