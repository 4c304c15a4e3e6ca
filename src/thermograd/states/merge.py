"""One grid from many runs: what was measured goes to its place, what is missing says so."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from thermograd.errors import InputError
from thermograd.protocol import Grid
from thermograd.states.schema import grid_dims, label, validate
from thermograd.states.variables import VARIABLES

__all__ = ["ENVIRONMENT_ATTRS", "RUN_ATTRS", "SEED_ATTRS", "merge", "with_seed"]

RUN_ATTRS = frozenset({"run_id", "spec", "seed", "steps", "wall_time", "wall_time_s", "started", "finished"})
"""Attributes of a single run: where they differ the grid has none."""

ENVIRONMENT_ATTRS = frozenset(
    {"thermograd_version", "torch_version", "numpy_version", "python_version", "machine", "device", "host"}
)
"""Attributes of the place where a run was made: where they differ the grid lists them all."""

SEED_ATTRS = frozenset({"data_sha256"})
"""Attributes that the seed may decide (it draws the subset): where seeds differ in them all are listed."""


def with_seed(trace: xr.Dataset, seed: int) -> xr.Dataset:
    """The trace of a run at its place on the axis ``seed``, for merging repeated runs.

    Parameters
    ----------
    trace
        A trace without that axis.
    seed
        The run's seed.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> from thermograd.states import new_trace
    >>> trace = new_trace(FixedLR(lr=0.1, wd=0.01), [1], {"loss": [2.0], "norm": [1.0]}, dim=8)
    >>> merge([with_seed(trace, 3), with_seed(trace, 4)]).sizes["seed"]
    2

    """
    dims = grid_dims(trace)
    if "seed" in dims:
        raise InputError(f"with_seed: the trace has seeds {trace['seed'].values.tolist()}; expected none")
    placed = trace.expand_dims({"seed": np.array([seed], dtype=np.int64)})
    placed = placed.transpose(*dims, "seed", "step")
    label(placed)
    return placed


def merge(traces: Iterable[xr.Dataset], grid: Grid | None = None) -> xr.Dataset:
    """Traces of single runs, or of parts of a grid, as the trace of the whole grid.

    Parameters
    ----------
    traces
        Traces of one protocol, in any order: the result does not depend on it.
    grid
        The grid that was meant; every point of it gets a place. Without it, the rectangle of all values
        found.

    Returns
    -------
    xarray.Dataset
        A trace over the union of all log points. Where a run did not log (a run that diverged or was
        stopped early) there is NaN; a point without a run is NaN with outcome ``missing``. Where runs
        differ in :data:`RUN_ATTRS` these are dropped, where in :data:`ENVIRONMENT_ATTRS` they are listed; run
        ids become the variable ``run_id``.

    Raises
    ------
    InputError
        When there is no trace, two hold the same point, one lies off the grid, or an attribute that gives the
        numbers their meaning differs (another ``dim``, batch size, data hash): the message names it.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> from thermograd.states import new_trace
    >>> runs = [
    ...     new_trace(FixedLR(lr=lr, wd=wd), [1], {"loss": [lr], "norm": [1.0]}, dim=8)
    ...     for lr, wd in [(0.2, 0.01), (0.1, 0.01), (0.1, 0.02)]
    ... ]
    >>> whole = merge(runs)
    >>> whole.loss.isel(step=0).values
    array([[0.1, 0.1],
           [0.2, nan]])
    >>> whole.outcome.sel(lr=0.2, wd=0.02).item()
    'missing'

    """
    parts = list(traces)
    if not parts:
        raise InputError("merge: there is no trace; expected at least one")
    for part in parts:
        validate(part, "trace")
    attrs = _common_attrs(parts)
    dims = grid_dims(parts[0])
    for part in parts:
        if grid_dims(part) != dims:
            raise InputError(
                f"merge: traces have grid dimensions {grid_dims(part)} and {dims}; expected one set"
            )
    coords = {
        name: np.unique(np.concatenate([part[name].values for part in parts])) for name in (*dims, "step")
    }
    if grid is not None:
        _check_grid(grid, coords, str(attrs["protocol"]))
        coords |= {name: np.array(values) for name, values in grid.axes.items()}
    shape = tuple(len(coords[name]) for name in dims)
    names = sorted({str(name) for part in parts for name in part.data_vars if name in VARIABLES})
    numbers = {name: np.full((*shape, len(coords["step"])), np.nan) for name in names}
    text = {name: np.full(shape, "", dtype=object) for name in ("outcome", "outcome_reason", "run_id")}
    for part in parts:
        places = [np.searchsorted(coords[name], part[name].values) for name in (*dims, "step")]
        for index in np.ndindex(part["outcome"].shape):
            target = tuple(places[axis][i] for axis, i in enumerate(index))
            if not _takes(part, index, text["outcome"][target], text["outcome_reason"][target]):
                continue
            for name, words in text.items():
                words[target] = str(part[name].values[index]) if name in part else ""
            if "run_id" not in part:
                text["run_id"][target] = str(part.attrs.get("run_id", ""))
            for name in names:
                if name in part:
                    numbers[name][target][places[-1]] = part[name].values[index]
    empty = text["outcome"] == ""
    text["outcome"][empty], text["outcome_reason"][empty] = "missing", "no run"
    if not any(text["run_id"].flat):
        del text["run_id"]
    whole = xr.Dataset({name: ((*dims, "step"), values) for name, values in numbers.items()}, coords, attrs)
    for name, words in text.items():
        whole[name] = (dims, words.astype(str))
    label(whole)
    validate(whole, "trace")
    return whole


def _takes(part: xr.Dataset, index: tuple[int, ...], outcome: str, reason: str) -> bool:
    """Whether this run fills its place: an empty one, or one that so far is only known to be missing."""
    new = str(part["outcome"].values[index])
    if outcome in ("", "missing") and new == "missing":
        return str(part["outcome_reason"].values[index]) > reason  # any rule that forgets the order
    if outcome not in ("", "missing") and new != "missing":
        point = {name: float(part[name].values[i]) for name, i in zip(grid_dims(part), index, strict=True)}
        raise InputError(f"merge: two traces hold the point {point}; expected one run a point")
    return new != "missing"


def _common_attrs(parts: list[xr.Dataset]) -> dict[str, object]:
    attrs: dict[str, object] = {}
    for name in sorted({str(name) for part in parts for name in part.attrs}):
        # A run that never came to measure anything need not know what the others do.
        holders = [part for part in parts if name in part.attrs or not _is_empty(part)]
        values = sorted({_text(part.attrs.get(name)) for part in holders})
        if len(values) == 1:
            attrs[name] = next(part.attrs[name] for part in parts if name in part.attrs)
        elif name in ENVIRONMENT_ATTRS or (name in SEED_ATTRS and "seed" in parts[0].dims):
            attrs[name] = ", ".join(sorted({str(part.attrs.get(name, "unknown")) for part in holders}))
        elif name not in RUN_ATTRS:
            raise InputError(f"merge: attribute {name} is {' and '.join(values)}; expected the same in all")
    attrs.pop("run_id", None)
    return attrs


def _text(value: object) -> str:
    """An attribute for comparison: from a file a list comes back as an array, a list of one as its item."""
    items = np.atleast_1d(np.asarray(value)).tolist()
    return repr(items[0] if len(items) == 1 else items)


def _is_empty(part: xr.Dataset) -> bool:
    return bool(part["outcome"].isin(["failed", "missing"]).all())


def _check_grid(grid: Grid, coords: dict[str, np.ndarray], protocol: str) -> None:
    if grid.protocol.__name__ != protocol:
        raise InputError(f"merge: traces are of {protocol}, the grid of {grid.protocol.__name__}")
    for name, values in grid.axes.items():
        strange = sorted(set(coords[name].tolist()) - set(values))
        if strange:
            raise InputError(
                f"merge: a trace has {name} = {strange[0]}; expected one of the grid's {list(values)}"
            )
