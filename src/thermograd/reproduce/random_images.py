"""A stand-in for images that are not on this machine, where only the time of an iteration is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["write_random_images"]

_RECORDS = 256
_FILES = {
    "cifar10": ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"),
    "cifar100": ("train", "test"),
}


def write_random_images(name: str, folder: Path) -> None:
    """Write noise in the binary format of CIFAR, every class among its labels.

    Parameters
    ----------
    name
        ``"cifar10"`` or ``"cifar100"``.
    folder
        Where the files go.

    Examples
    --------
    >>> import tempfile
    >>> from thermograd.data import load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_random_images("cifar100", Path(folder))
    ...     load(folder).name
    'cifar100'

    """
    draw = np.random.default_rng(0)
    classes, labels = (10, 1) if name == "cifar10" else (100, 2)
    for file in _FILES[name]:
        records = draw.integers(0, 256, (_RECORDS, labels + 3072), dtype=np.uint8)
        records[:, labels - 1] = np.arange(_RECORDS) % classes
        if labels == 2:
            records[:, 0] = records[:, 1] // 5
        (folder / f"{file}.bin").write_bytes(records.tobytes())
