"""A simulation's state in a file: plain arrays and the settings they belong to, written all or nothing."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.files import atomic_write

__all__ = ["read_state", "write_state"]

_SETTINGS = "settings"


def write_state(
    path: str | os.PathLike[str], settings: Mapping[str, object], arrays: Mapping[str, NDArray[Any]]
) -> Path:
    """Write settings and arrays to an npz file, atomically.

    Parameters
    ----------
    path
        The file; its folder is made if it is missing.
    settings
        What JSON can hold: they decide which simulation may take the state up again.
    arrays
        Numbers only: nothing in the file can run when it is read.

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
    content = io.BytesIO()
    everything: dict[str, Any] = {_SETTINGS: np.array(json.dumps(settings)), **arrays}
    np.savez(content, **everything)
    atomic_write(path, content.getvalue())
    return Path(path)


def read_state(path: str | os.PathLike[str], settings: Mapping[str, object]) -> dict[str, NDArray[Any]]:
    """Read the arrays back, if they belong to the same settings.

    Parameters
    ----------
    path
        A file of :func:`write_state`.
    settings
        Those of the simulation that asks.

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
    thermograd.errors.InputError: nowhere.npz: no such file; expected the state of a simulation

    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"{source}: no such file; expected the state of a simulation")
    try:
        # From memory: of a damaged file NumPy would leave the handle open.
        with np.load(io.BytesIO(source.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        saved = json.loads(str(arrays.pop(_SETTINGS)))
        if not isinstance(saved, dict):
            raise ValueError("its settings are no table")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{source}: cannot be read ({reason}); expected the state of a simulation"
        ) from error
    own = json.loads(json.dumps(settings))  # tuples become lists, as in the file
    for name in own:
        if saved.get(name) != own[name]:
            raise InputError(
                f"{source}: the state was made with {name} {_short(saved.get(name))}; "
                f"expected {_short(own[name])}"
            )
    return arrays


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
