"""Making and checking datasets: the one place that knows what a lawful trace or states dataset looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS, Grid, Protocol
from thermograd.states.variables import OUTCOMES, STATUSES, TEXT, VARIABLES

__all__ = ["Kind", "grid_dims", "new_dataset", "new_trace", "validate"]

Kind = Literal["trace", "states"]

_REQUIRED = {"trace": ("loss", "norm", "outcome", "outcome_reason"), "states": ("status", "status_reason")}
_AXIS_ATTRS = {
    "elr": {"units": "1", "long_name": "effective learning rate", "symbol": r"$\eta_\mathrm{eff}$"},
    "lr": {"units": "1", "long_name": "learning rate", "symbol": r"$\eta$"},
    "wd": {"units": "1", "long_name": "weight decay", "symbol": r"$\lambda$"},
    "radius": {"units": "weights", "long_name": "radius of the sphere", "symbol": "$r$"},
    "seed": {"units": "1", "long_name": "seed of the run"},
    "step": {"units": "iterations", "long_name": "iterations done"},
}


def new_trace(
    axes: Protocol | Grid,
    step: ArrayLike,
    variables: Mapping[str, ArrayLike],
    *,
    dim: int,
    outcome: ArrayLike = "done",
    outcome_reason: ArrayLike = "",
    seeds: Sequence[int] | None = None,
    attrs: Mapping[str, object] | None = None,
) -> xr.Dataset:
    """A validated trace: what one run, or a whole grid of runs, logged along the way.

    Parameters
    ----------
    axes
        The protocol of a single run, or the grid of many.
    step
        Iteration counts of the log points, shape ``(n,)``, increasing integers.
    variables
        Arrays by name (see :data:`thermograd.states.VARIABLES`), each of shape ``(n,)`` for a single run or
        ``grid.shape + (seeds, n)``, without ``seeds`` when none are given. Each value is the mean over the
        interval since the previous log point, on the unit sphere.
    dim
        Number of scale-invariant weights ``d``.
    outcome, outcome_reason
        How the runs ended, one of :data:`thermograd.states.OUTCOMES`, and why in words: one entry for all, or
        an array of the grid's shape.
    seeds
        Values of the ``seed`` axis, for runs that are repeated.
    attrs
        Provenance: run id, batch size, data set and hash, versions, and whatever else belongs to the record.

    Raises
    ------
    InputError
        When anything disagrees with the schema.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> trace = new_trace(FixedLR(lr=0.1, wd=1e-3), [10, 20], {"loss": [2.0, 1.0], "norm": [1.0, 1.1]}, dim=8)
    >>> trace.loss.dims, trace.norm.attrs["units"]
    (('lr', 'wd', 'step'), 'weights')

    """
    text = {"outcome": outcome, "outcome_reason": outcome_reason}
    return new_dataset("trace", axes, variables, text, dim=dim, seeds=seeds, step=step, attrs=attrs)


def new_dataset(
    kind: Kind,
    axes: Protocol | Grid,
    variables: Mapping[str, ArrayLike],
    text: Mapping[str, ArrayLike],
    *,
    dim: int,
    seeds: Sequence[int] | None = None,
    step: ArrayLike | None = None,
    attrs: Mapping[str, object] | None = None,
) -> xr.Dataset:
    """A validated dataset of either kind; :func:`new_trace` and :func:`new_states` say what goes in."""
    protocol = axes.protocol if isinstance(axes, Grid) else type(axes)
    values: Mapping[str, Sequence[float]] = (
        axes.axes if isinstance(axes, Grid) else {name: [value] for name, value in axes.values.items()}
    )
    coords: dict[str, np.ndarray] = {name: np.array(values[name], dtype=np.float64) for name in protocol.axes}
    if seeds is not None:
        coords["seed"] = np.asarray(seeds, dtype=np.int64)
    grid = tuple(coords)
    if step is not None:
        coords["step"] = np.asarray(step, dtype=np.int64)
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name, array in variables.items():
        if name in TEXT:
            text = {**text, name: array}
            continue
        shape = tuple(len(coords[dim_name]) for dim_name in coords)
        given = np.asarray(array, dtype=np.float64)
        single = isinstance(axes, Protocol) and given.shape == shape[2:]
        if given.shape != shape and not single:
            expected = f"{shape} for {tuple(coords)}"
            raise InputError(f"{kind}: variable {name} has shape {given.shape}; expected {expected}")
        data[name] = (tuple(coords), given.reshape(shape))
    for name, words in text.items():
        shape = tuple(len(coords[dim_name]) for dim_name in grid)
        data[name] = (grid, np.broadcast_to(np.asarray(words, dtype=str), shape).copy())
    dataset = xr.Dataset(data, coords, {"protocol": protocol.__name__, "dim": dim, **(attrs or {})})
    label(dataset)
    validate(dataset, kind)
    return dataset


def label(dataset: xr.Dataset) -> None:
    """Write units, long names and symbols to every known variable and coordinate, in place."""
    for name in dataset.coords:
        dataset[name].attrs = dict(_AXIS_ATTRS.get(str(name), {}))
    for name in dataset.data_vars:
        base = str(name).removesuffix("_se")
        if base in VARIABLES:
            described = VARIABLES[base]
            attrs = described.attrs
            if base != name:
                attrs = {"units": described.units, "long_name": f"standard error of {base}"}
            dataset[name].attrs = attrs


def grid_dims(dataset: xr.Dataset) -> tuple[str, ...]:
    """The dimensions of one grid point's values: the protocol's axes, and ``seed`` where there is one."""
    axes = PROTOCOLS[str(dataset.attrs["protocol"])].axes
    return (*axes, "seed") if "seed" in dataset.dims else axes


def validate(dataset: xr.Dataset, kind: Kind) -> None:
    """Refuse a dataset that does not keep to the schema.

    Parameters
    ----------
    dataset
        What claims to be a trace or states.
    kind
        ``"trace"``: dims are the protocol's axes, ``seed`` where repeated, and ``step``. ``"states"``: the
        same without ``step``, and every variable may have a ``<name>_se`` beside it.

    Raises
    ------
    InputError
        Naming the attribute, coordinate or variable, what it is, and what was expected.

    Examples
    --------
    >>> validate(xr.Dataset(attrs={"protocol": "FixedLR", "dim": 8}), "states")
    Traceback (most recent call last):
    thermograd.errors.InputError: states: dimension lr is missing; expected ('lr', 'wd')

    """
    _check_attrs(dataset, kind)
    dims = grid_dims(dataset) + (("step",) if kind == "trace" else ())
    _check_coords(dataset, kind, dims)
    for name in dataset.data_vars:
        _check_variable(dataset[name], kind, dims)
    for name in _REQUIRED[kind]:
        if name not in dataset.data_vars:
            raise InputError(f"{kind}: variable {name} is missing; expected {list(_REQUIRED[kind])} at least")


def _check_attrs(dataset: xr.Dataset, kind: Kind) -> None:
    protocol, dim = dataset.attrs.get("protocol"), dataset.attrs.get("dim")
    if protocol not in PROTOCOLS:
        raise InputError(f"{kind}: attribute protocol is {protocol!r}; expected one of {list(PROTOCOLS)}")
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)) or dim < 2:
        raise InputError(f"{kind}: attribute dim is {dim!r}; expected the number of weights, at least 2")
    for name, value in dataset.attrs.items():
        items = value if isinstance(value, (list, tuple, np.ndarray)) else [value]
        # Exactly what a NetCDF file can hold; found out here and not when a long run is to be saved.
        lawful = [isinstance(i, (str, int, float, np.number)) and not isinstance(i, bool) for i in items]
        if not (lawful and all(lawful)):
            expected = "a text, a number, or a list of them"
            raise InputError(f"{kind}: attribute {name} is {value!r}; expected {expected}")


def _check_coords(dataset: xr.Dataset, kind: Kind, dims: tuple[str, ...]) -> None:
    for name in dims:
        if name not in dataset.dims or name not in dataset.coords:
            raise InputError(f"{kind}: dimension {name} is missing; expected {dims}")
        values = dataset[name].values
        whole = name in ("seed", "step")
        if values.dtype.kind != ("i" if whole else "f"):
            expected = "integers" if whole else "float64"
            raise InputError(f"{kind}: coordinate {name} has dtype {values.dtype}; expected {expected}")
        if not (np.isfinite(values).all() and (values >= 0).all() and (np.diff(values) > 0).all()):
            raise InputError(
                f"{kind}: coordinate {name} is {values.tolist()}; expected increasing, at least 0"
            )
    for name in (*dataset.dims, *dataset.coords):
        if name not in dims:
            raise InputError(f"{kind}: dimension or coordinate {name} is not known; expected {dims}")


def _check_variable(array: xr.DataArray, kind: Kind, dims: tuple[str, ...]) -> None:
    name = str(array.name)
    if name in TEXT:
        if kind not in TEXT[name]:
            raise InputError(f"{kind}: variable {name} does not belong here; it is part of {TEXT[name]}")
        dims = tuple(d for d in dims if d != "step")
        if array.dims != dims:
            raise InputError(f"{kind}: variable {name} has dimensions {array.dims}; expected {dims}")
        allowed = {"outcome": OUTCOMES, "status": STATUSES}.get(name)
        for word in array.values.flat:
            if not isinstance(word, str) or (allowed and word not in allowed):
                raise InputError(f"{kind}: variable {name} holds {str(word)!r}; expected {allowed or 'text'}")
        return
    base = name.removesuffix("_se") if kind == "states" else name
    if base not in VARIABLES or (kind == "trace" and VARIABLES[base].derived):
        known = [n for n, v in VARIABLES.items() if kind == "states" or not v.derived]
        raise InputError(f"{kind}: variable {name} is not known; expected one of {known}")
    if array.dims != dims:
        raise InputError(f"{kind}: variable {name} has dimensions {array.dims}; expected {dims}")
    if array.dtype != np.float64:
        raise InputError(f"{kind}: variable {name} has dtype {array.dtype}; expected float64")
    if array.attrs.get("units") != VARIABLES[base].units:
        given, expected = array.attrs.get("units"), VARIABLES[base].units
        raise InputError(f"{kind}: variable {name} has units {given!r}; expected {expected!r}")
