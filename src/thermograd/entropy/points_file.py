"""A sample of points in a ``.npy`` file: opened without reading it, refused with a reason."""

from __future__ import annotations

import os
import tokenize
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.points import as_array
from thermograd.errors import InputError

__all__ = ["open_points"]

_EXPECTED = "expected one array of float32 or float64 as numpy.save writes it"


def open_points(path: str | os.PathLike[str]) -> NDArray[np.floating[Any]]:
    """Points of a ``.npy`` file as a read-only ``numpy.memmap``: the file may be larger than memory.

    Parameters
    ----------
    path
        The file, an array of shape ``(n, m)``, one point a row.

    Returns
    -------
    array
        Not read yet, so not checked for nan either.

    Raises
    ------
    InputError
        When the file is missing, not an array file, an archive or a pickle, cut short, or holds integers,
        halves, or an array that is not two-dimensional.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/x.npy", np.ones((3, 2)))
    ...     open_points(f"{folder}/x.npy").shape
    (3, 2)

    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            magic = file.read(6)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; {_EXPECTED}") from error
    if magic[:4] == b"PK\x03\x04":
        raise InputError(f"{path} is an archive (.npz) of arrays; {_EXPECTED}")
    if magic != b"\x93NUMPY":
        # Never unpickled: a pickle may run any program.
        what = "a pickle" if magic[:1] == b"\x80" else "no array file"
        raise InputError(f"{path} is {what} (it begins with {magic!r}); {_EXPECTED}")
    try:
        # A damaged header is Python text and may hold anything: it fails in as many ways as Python has.
        with np.errstate(over="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            points: NDArray[np.floating[Any]] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, TypeError, ArithmeticError, SyntaxError, MemoryError) as error:
        raise InputError(f"{path} cannot be read as an array ({_words(error)}); {_EXPECTED}") from error
    except (RecursionError, tokenize.TokenError) as error:
        raise InputError(f"{path} cannot be read as an array (its header is damaged); {_EXPECTED}") from error
    as_array(points, str(path))
    if points.ndim != 2 or points.size == 0:
        raise InputError(
            f"{path} holds an array of shape {points.shape}; expected (number of points, dimension)"
        )
    return points


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or "its header is damaged"
