"""The state of unfinished work in a file: plain arrays and the settings they belong to, all or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.files import atomic_open

__all__ = ["previous_state", "read_latest_state", "read_state", "write_state"]

_SETTINGS = "settings"
_CHUNK = 2**24
_DIGEST = 32
"""Bytes of the SHA-256 that follows the archive: zip's own checks leave parts of a file unguarded."""


def write_state(
    path: str | os.PathLike[str],
    settings: Mapping[str, object],
    arrays: Mapping[str, NDArray[Any]],
    *,
    keep_previous: bool = False,
) -> Path:
    """Write settings and arrays to a file, atomically: an npz archive followed by its SHA-256.

    Parameters
    ----------
    path
        The file; its folder is made if it is missing.
    settings
        What JSON can hold: they decide which work may take the state up again.
    arrays
        Numbers only: nothing in the file can run when it is read.
    keep_previous
        Whether the state that lay there stays, at `previous_state(path)`.

    Raises
    ------
    InputError
        When the file cannot be written; what stood there stays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_state(f"{folder}/state.npz", {"dim": 3}, {"x": np.arange(2)})
    ...     read_state(path, {"dim": 3})
    {'x': array([0, 1])}

    """
    everything: dict[str, Any] = {_SETTINGS: np.array(json.dumps(settings)), **arrays}
    # A damaged file must not take the place of the whole one before it.
    keep = keep_previous and _is_whole(Path(path))
    with atomic_open(path, previous=previous_state(path) if keep else None) as handle:
        np.savez(handle, **everything)
        handle.flush()
        with open(handle.name, "rb") as written:
            digest = hashlib.file_digest(written, "sha256").digest()
        handle.write(digest)
    return Path(path)


def _is_whole(path: Path) -> bool:
    """Whether the file is there and ends with the SHA-256 of what comes before."""
    try:
        size = path.stat().st_size - _DIGEST
        digest = hashlib.sha256()
        with path.open("rb") as handle:
            for start in range(0, size, _CHUNK):
                digest.update(handle.read(min(_CHUNK, size - start)))
            return size > 0 and handle.read() == digest.digest()
    except OSError:
        return False


def previous_state(path: str | os.PathLike[str]) -> Path:
    """Where the state before the one at `path` is kept."""
    path = Path(path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def read_state(path: str | os.PathLike[str], settings: Mapping[str, object]) -> dict[str, NDArray[Any]]:
    """Read the arrays back, if they belong to the same settings.

    Parameters
    ----------
    path
        A file of :func:`write_state`.
    settings
        Those of the work that asks.

    Returns
    -------
    dict
        The arrays by name.

    Raises
    ------
    InputError
        When there is no such file, it is damaged or something else, or a setting differs: the message names
        the first that does.

    Examples
    --------
    >>> read_state("nowhere.npz", {})
    Traceback (most recent call last):
    thermograd.errors.InputError: nowhere.npz: no such file; expected a saved state

    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"{source}: no such file; expected a saved state")
    try:
        if not _is_whole(source):
            raise ValueError("it is damaged or something else")
        # Opened here: of a damaged file NumPy would leave the handle open.
        with source.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        saved = json.loads(str(arrays.pop(_SETTINGS)))
        if not isinstance(saved, dict):
            raise ValueError("its settings are no table")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{source}: cannot be read ({reason}); expected a saved state") from error
    own = json.loads(json.dumps(settings))  # tuples become lists, as in the file
    for name in own:
        if saved.get(name) != own[name]:
            raise InputError(
                f"{source}: the state was made with {name} {_short(saved.get(name))}; "
                f"expected {_short(own[name])}"
            )
    return arrays


def read_latest_state(
    path: str | os.PathLike[str], settings: Mapping[str, object]
) -> dict[str, NDArray[Any]] | None:
    """The state at `path`, or the one before it, or None: whichever is whole and has these settings.

    Warns
    -----
    RuntimeWarning
        For each file that is there and cannot be used, with the reason, and what is done instead.

    """
    candidates = [candidate for candidate in (Path(path), previous_state(path)) if candidate.exists()]
    for candidate in candidates:
        try:
            return read_state(candidate, settings)
        except InputError as error:
            instead = "the state before it is tried" if candidate == Path(path) else "the work begins anew"
            warnings.warn(f"{error}; {instead}", RuntimeWarning, stacklevel=2)
    return None


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
