"""Datasets on disk: NetCDF files that plain xarray opens, written all at once or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path

import h5netcdf
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from thermograd.errors import InputError
from thermograd.files import atomic_write
from thermograd.states.schema import Kind, validate

__all__ = ["load", "save"]


def save(dataset: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a dataset to a NetCDF file, atomically.

    The file is written under another name in the same folder, forced to disk, and renamed: a reader, a
    crash or a full disk never leaves half a file, and what was there before stays until the new one is
    complete. The same dataset gives the same bytes.

    Parameters
    ----------
    dataset
        A trace or states (told apart by the ``step`` dimension); validated first.
    path
        File to write; its folder is made if it is missing.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    InputError
        When the dataset breaks the schema, or the file cannot be written; the message names the path.

    Examples
    --------
    >>> import tempfile
    >>> from thermograd.protocol import FixedLR
    >>> from thermograd.states import new_states
    >>> states = new_states(FixedLR(lr=0.1, wd=0.01), {"norm": 2.0}, dim=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load(save(states, f"{folder}/states.nc")).identical(states)
    True

    """
    target = Path(path)
    validate(dataset, _kind(dataset))
    atomic_write(target, _to_bytes(dataset))
    return target


def load(path: str | os.PathLike[str], kind: Kind | None = None) -> xr.Dataset:
    """Read a dataset that :func:`save` wrote, into memory, and check it.

    Parameters
    ----------
    path
        The file.
    kind
        ``"trace"`` or ``"states"`` when only that will do.

    Raises
    ------
    InputError
        When there is no such file, it is not NetCDF, or what it holds breaks the schema; the message names
        the path.

    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"{source}: no such file; expected a NetCDF file")
    try:
        content = io.BytesIO(source.read_bytes())
        # Nothing here is a date, whatever the units are called.
        with xr.open_dataset(content, engine="h5netcdf", decode_times=False) as opened:
            dataset = opened.load()
    except Exception as error:  # a damaged file can raise anything
        raise InputError(f"{source}: cannot be read ({_line(error)}); expected a NetCDF file") from error
    dataset = dataset.drop_encoding()
    for name, values in dataset.data_vars.items():
        if values.dtype.kind == "O":
            dataset[name] = values.astype(str)
    # Numbers come back as NumPy scalars, lists of numbers as arrays.
    dataset.attrs = {k: v.item() if isinstance(v, np.generic) else v for k, v in dataset.attrs.items()}
    try:
        validate(dataset, kind or _kind(dataset))
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return dataset


def _kind(dataset: xr.Dataset) -> Kind:
    return "trace" if "step" in dataset.dims else "states"


def _to_bytes(dataset: xr.Dataset) -> bytes:
    """The file's content, made in memory: HDF5 crashes the process when a full disk stops it in mid-file."""
    # Sorted, so that the order in which variables were computed does not show in the file.
    ordered = dataset[sorted(map(str, dataset.data_vars))].drop_encoding()
    ordered.attrs = {name: _plain(value) for name, value in dataset.attrs.items()}
    content = io.BytesIO()
    with h5netcdf.File(content, "w") as file:
        encoding = {str(name): {"_FillValue": None} for name in ordered.variables}
        ordered.dump_to_store(H5NetCDFStore(file), encoding=encoding)
    return content.getvalue()


def _plain(value: object) -> object:
    """Text as HDF5 takes it: neither NumPy strings nor the subclasses of str that some versions are."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (list, tuple, np.ndarray)) and any(isinstance(item, str) for item in value):
        return [str(item) for item in value]
    return value


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
