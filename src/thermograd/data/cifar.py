"""CIFAR-10 and CIFAR-100 from their official binary files (A. Krizhevsky, 2009)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thermograd.data.archive import MANIFEST, collect, verify_manifest
from thermograd.data.images import ImageData
from thermograd.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CIFAR10", "CIFAR100", "CifarFormat", "read_cifar"]

_IMAGE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class CifarFormat:
    """What the files of one of the two sets look like.

    A record is one byte for each kind of label, then the 3072 pixels: the red plane, the green, the blue,
    each row by row.
    """

    name: str
    title: str
    folder: str
    """The folder that the official archive unpacks to."""
    train_files: tuple[str, ...]
    test_file: str
    labels: dict[str, int]
    """The kinds of label in the order of their bytes, and the number of classes of each."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def files(self) -> tuple[str, ...]:
        """All files, training first."""
        return (*self.train_files, self.test_file)

    @property
    def record_bytes(self) -> int:
        """The length of one record."""
        return len(self.labels) + _PIXELS


CIFAR10 = CifarFormat(
    name="cifar10",
    title="CIFAR-10",
    folder="cifar-10-batches-bin",
    train_files=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test_file="test_batch.bin",
    labels={"class": 10},
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2023, 0.1994, 0.2010),
)
"""CIFAR-10, with the normalisation of IG appendix F."""

CIFAR100 = CifarFormat(
    name="cifar100",
    title="CIFAR-100",
    folder="cifar-100-binary",
    train_files=("train.bin",),
    test_file="test.bin",
    labels={"coarse": 20, "fine": 100},
    mean=(0.5071, 0.4867, 0.4408),
    std=(0.2675, 0.2565, 0.2761),
)
"""CIFAR-100, with the normalisation of IG appendix F."""

_FORMATS = (CIFAR10, CIFAR100)
# The biggest official file is train.bin of CIFAR-100.
_MAX_FILE_BYTES = 50_000 * CIFAR100.record_bytes


def read_cifar(path: str | Path, *, coarse: bool = False) -> ImageData:
    """Read CIFAR-10 or CIFAR-100 from a folder or from the official archive; which one, the files tell.

    The files may hold fewer records than the official ones. If a ``MANIFEST.json`` lies beside them, their
    SHA-256 must be the one it gives.

    Parameters
    ----------
    path
        The folder with the ``.bin`` files, the folder above it (as the archive unpacks), or the ``.tar.gz``.
    coarse
        Of CIFAR-100, take the 20 coarse labels instead of the 100 fine ones.

    Returns
    -------
    ImageData
        Images of 3x32x32; ``name`` is ``"cifar10"``, ``"cifar100"`` or ``"cifar100-coarse"``.

    Raises
    ------
    InputError
        If the path or files are missing, empty or truncated, a label is out of range, a hash differs, or
        coarse labels are asked of CIFAR-10.

    """
    source = _data_folder(Path(path).expanduser())
    wanted = {name for kind in _FORMATS for name in kind.files}
    contents = collect(source, wanted | {MANIFEST}, _MAX_FILE_BYTES)
    manifest = contents.pop(MANIFEST, None)
    kind = _recognise(source, contents)
    if coarse and "coarse" not in kind.labels:
        raise InputError(f"{source}: holds {kind.title}, which has no coarse labels; expected CIFAR-100")
    # Sizes first: a truncated file has the wrong hash as well, but its size says more.
    for name in kind.files:
        _check_size(source / name, len(contents[name]), kind)
    if manifest is not None:
        verify_manifest(source, contents, manifest)
    label = "coarse" if coarse else list(kind.labels)[-1]
    parts = {name: _records(source / name, contents.pop(name), kind, label) for name in kind.files}
    return ImageData(
        name=f"{kind.name}-coarse" if coarse else kind.name,
        train_raw=np.concatenate([parts[name][0] for name in kind.train_files]),
        train_labels=np.concatenate([parts[name][1] for name in kind.train_files]).astype(np.int64),
        test_raw=np.ascontiguousarray(parts[kind.test_file][0]),
        test_labels=parts[kind.test_file][1].astype(np.int64),
        num_classes=kind.labels[label],
        mean=kind.mean,
        std=kind.std,
    )


def _data_folder(path: Path) -> Path:
    if not path.exists():
        raise InputError(
            f"{path}: no such folder or archive; expected the binary files of CIFAR-10 or CIFAR-100 "
            f"(get them with `thermograd data fetch cifar10` or `cifar100`)"
        )
    if not path.is_dir() or any((path / name).is_file() for kind in _FORMATS for name in kind.files):
        return path
    inside = [path / kind.folder for kind in _FORMATS if (path / kind.folder).is_dir()]
    if len(inside) > 1:
        raise InputError(f"{path}: holds both {inside[0].name} and {inside[1].name}; expected one of the two")
    return inside[0] if inside else path


def _recognise(source: Path, contents: dict[str, bytes]) -> CifarFormat:
    kinds = [kind for kind in _FORMATS if not contents.keys().isdisjoint(kind.files)]
    if len(kinds) > 1:
        raise InputError(f"{source}: holds files of both CIFAR-10 and CIFAR-100; expected those of one")
    if not kinds:
        raise InputError(
            f"{source}: no CIFAR files found; expected data_batch_1.bin to data_batch_5.bin and "
            f"test_batch.bin, or train.bin and test.bin: the binary version, not the pickled one "
            f"(get them with `thermograd data fetch cifar10` or `cifar100`)"
        )
    kind = kinds[0]
    missing = [name for name in kind.files if name not in contents]
    if missing:
        raise InputError(
            f"{source}: {', '.join(missing)} missing; expected all {len(kind.files)} files of {kind.title} "
            f"(get them with `thermograd data fetch {kind.name}`)"
        )
    return kind


def _check_size(file: Path, size: int, kind: CifarFormat) -> None:
    record = kind.record_bytes
    if size == 0:
        raise InputError(f"{file}: is empty; expected records of {record} bytes")
    if size % record:
        raise InputError(
            f"{file}: has {size} bytes, {size % record} too many for {size // record} records of {record} "
            f"bytes; expected whole records of {kind.title}: the file is truncated or of another kind"
        )


def _records(
    file: Path, content: bytes, kind: CifarFormat, label: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The images and the labels of one kind in one file, as views of its bytes."""
    table = np.frombuffer(content, dtype=np.uint8).reshape(-1, kind.record_bytes)
    for column, (name, classes) in enumerate(kind.labels.items()):
        wrong = np.flatnonzero(table[:, column] >= classes)
        if wrong.size:
            raise InputError(
                f"{file}: record {wrong[0]} has {name} label {table[wrong[0], column]}; "
                f"expected 0 to {classes - 1}"
            )
    images = table[:, len(kind.labels) :].reshape(-1, *_IMAGE)
    return images, table[:, list(kind.labels).index(label)]
