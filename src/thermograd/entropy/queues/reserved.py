"""Array files whose space on the disk is taken before anything is written to them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["reserve"]

_BLOCK = 2**22  # bytes written at a time


def reserve(path: Path, shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
    """A ``.npy`` file of zeros with all of its space, or no file and an error.

    A file with holes that is mapped into memory ends the process with a bus error when a hole is written to
    on a full disk: no error that anyone could handle. So the space is asked for first.

    Parameters
    ----------
    path
        Where; what is there is replaced when all has gone well.
    shape, kind
        Of the array.

    Raises
    ------
    OSError
        When there is no space, no permission, or too large a file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     reserve(Path(folder, "x.npy"), (2, 3), np.dtype("f8"))
    ...     np.load(Path(folder, "x.npy")).sum()
    np.float64(0.0)

    """
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"shape": shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(kind)}
            )
            file.flush()
            _extend(file.fileno(), file.tell(), int(np.prod(shape, dtype=object)) * kind.itemsize)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _extend(descriptor: int, start: int, length: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, length)
        return
    os.lseek(descriptor, start, os.SEEK_SET)
    left = length
    while left > 0:
        left -= os.write(descriptor, bytes(min(left, _BLOCK)))
