"""The images of a sweep: read and normalised once, seen by all worker processes of a machine."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermograd.errors import InputError

if TYPE_CHECKING:
    from thermograd.data import ImageData

__all__ = ["clear_images", "sweep_images"]

_ARRAYS = ("train_raw", "train_labels", "train_images", "test_raw", "test_labels", "test_images")
_SHARED_FROM = 32_000_000
_CHUNK = 2_000
"""Normalised at once: workers keep the memory they have once had, so it must never be the whole set."""


@lru_cache(maxsize=4)
def sweep_images(data: str, subset: int | None, seed: int, sha256: str, folder: Path) -> ImageData:
    """The images of a run, whose content is checked.

    A small set is loaded by every worker. A big one is written to the sweep's folder as plain arrays, by
    whoever comes first, and mapped into memory: the pages are in the machine's memory once, whatever the
    number of workers and the engine, and unlike a segment of shared memory they leave nothing behind when a
    process is killed.

    Parameters
    ----------
    data, subset, seed
        Of the run's spec.
    sha256
        The hash that the images must have.
    folder
        The sweep's folder.

    Raises
    ------
    InputError
        If the images cannot be read, or their content is another.

    """
    from filelock import FileLock

    place = folder / "images" / sha256[:20]
    if not place.exists():
        images = _load(data, subset, seed, sha256)
        if 4 * (images.train_raw.size + images.test_raw.size) < _SHARED_FROM:
            return images
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock")):
            if not place.exists():
                _write(images, place)
        del images
    try:
        mapped = _map(place)
    except (OSError, ValueError, KeyError):  # damaged, or gone: the source is still there
        return _load(data, subset, seed, sha256)
    return mapped if mapped.sha256 == sha256 else _load(data, subset, seed, sha256)


def clear_images(folder: Path) -> None:
    """Delete the arrays; for when nobody is at work."""
    shutil.rmtree(folder / "images", ignore_errors=True)


def _load(data: str, subset: int | None, seed: int, sha256: str) -> ImageData:
    from thermograd.training.loop import load_images

    images = load_images(data, subset, seed)
    # A data set that is not the planned one would be stored under a key that promises another.
    if images.sha256 != sha256:
        raise ChangedImagesError(f"the images at {data!r} have changed since the sweep was planned")
    return images


class ChangedImagesError(InputError):
    """The images are not those that the sweep was planned with: no run of it can be done."""


def _write(images: ImageData, place: Path) -> None:
    building = place.with_suffix(".part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    for part in ("train", "test"):
        raw, labels = getattr(images, f"{part}_raw"), getattr(images, f"{part}_labels")
        np.save(building / f"{part}_raw.npy", raw)
        np.save(building / f"{part}_labels.npy", labels)
        name = building / f"{part}_images.npy"
        file = np.lib.format.open_memmap(name, mode="w+", dtype=np.float32, shape=raw.shape)
        for start in range(0, len(raw), _CHUNK):
            end = start + _CHUNK
            some = replace(images, train_raw=raw[start:end], train_labels=labels[start:end])
            file[start:end] = some.train_images
        file.flush()
    kept = {"name": images.name, "num_classes": images.num_classes, "scale": images.scale}
    kept |= {"mean": list(images.mean), "std": list(images.std)}
    (building / "set.json").write_text(json.dumps(kept))
    with suppress(OSError):  # somebody was faster
        building.rename(place)


def _map(place: Path) -> ImageData:
    from thermograd.data import ImageData

    # Copy on write: nobody writes, and a read-only array would have torch warn about it.
    arrays: dict[str, Any] = {
        name: np.asarray(np.load(place / f"{name}.npy", mmap_mode="c")) for name in _ARRAYS
    }
    kept: dict[str, Any] = json.loads((place / "set.json").read_text())
    kept |= {"mean": tuple(kept["mean"]), "std": tuple(kept["std"])}
    normalised = {name: arrays.pop(name) for name in ("train_images", "test_images")}
    images = ImageData(**arrays, **kept)
    # Known already: what the properties would compute and keep.
    vars(images).update(normalised)
    return images
