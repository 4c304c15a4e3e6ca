"""The directions of a sample, in memory or, when there are too many, in a file that goes away afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.progress import tell
from thermograd.entropy.queues.reserved import reserve
from thermograd.entropy.queues.stream import unit_direction
from thermograd.errors import InputError
from thermograd.memory import physical_bytes

__all__ = ["normalised"]

_SHARE = 0.25  # of the memory: an estimate takes some besides


@contextmanager
def normalised(
    x: NDArray[np.floating[Any]], wanted: bool = True, owner: str = "normalised"
) -> Iterator[NDArray[np.floating[Any]]]:
    """The rows of ``x`` divided by their norms, in float64, for as long as the ``with`` block lasts.

    Parameters
    ----------
    x
        Vectors, shape ``(n, d)``, perhaps a ``numpy.memmap``.
    wanted
        When false, ``x`` as it is.
    owner
        Who asks, for the message.

    Yields
    ------
    array
        Shape ``(n, d)``: in memory up to a quarter of it, else in a temporary file.

    Raises
    ------
    InputError
        For a row that is zero or holds nan or inf, or when the file does not fit the disk.

    Examples
    --------
    >>> with normalised(np.array([[3.0, 4.0]], dtype="f4")) as u:
    ...     print(u)
    [[0.6 0.8]]

    """
    if not wanted:
        yield x
        return
    needed = 8 * x.size
    if needed <= _SHARE * physical_bytes():
        yield _filled(x, np.empty(x.shape), owner)
        return
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if needed > free:
        raise InputError(
            f"{owner}: directions need {needed / 1e9:.3g} GB in {tempfile.gettempdir()}; expected at most "
            f"the {free / 1e9:.3g} GB that are free (TMPDIR names another folder)"
        )
    with tempfile.TemporaryDirectory(prefix="thermograd-") as folder:
        path = Path(folder, "directions.npy")
        try:
            reserve(path, x.shape, np.dtype(np.float64))
        except OSError as error:
            raise InputError(
                f"{owner}: directions of {needed / 1e9:.3g} GB cannot be written to {tempfile.gettempdir()} "
                f"({error.strerror or error}); expected space there (TMPDIR names another folder)"
            ) from error
        yield _filled(x, np.lib.format.open_memmap(path, "r+"), owner)


def _filled(x: NDArray[np.floating[Any]], out: NDArray[np.float64], owner: str) -> NDArray[np.float64]:
    for i, row in enumerate(x):
        if not np.isfinite(row).all():
            raise InputError(f"{owner}: row {i} holds nan or inf; expected finite points")
        if not row.any():
            raise InputError(f"{owner}: row {i} is zero; expected points that have a direction")
        unit_direction(row, out[i])
        tell("directions", i + 1, len(x))
    return out
