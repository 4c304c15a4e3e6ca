"""From what runs logged to the stationary states they reached: averages, errors and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from thermograd.autocorrelation import means_with_errors
from thermograd.errors import InputError
from thermograd.protocol import Grid, Protocol
from thermograd.states.derived import Derived, derive, independent_error
from thermograd.states.gradient import split_gradient
from thermograd.states.schema import grid_dims, label, new_dataset, validate
from thermograd.states.status import judge
from thermograd.states.variables import VARIABLES

__all__ = ["new_states", "stationary"]

Array = NDArray[np.float64]
Index = tuple[int, ...]


def stationary(
    trace: xr.Dataset,
    *,
    fraction: float = 0.5,
    last: int | None = None,
    tolerance: float = 0.02,
    relaxations: float = 5.0,
) -> xr.Dataset:
    """The stationary state of every run: means over its last part, their errors, and whether to believe them.

    Means are plain averages of the log points in the window, errors respect their autocorrelation
    (:func:`thermograd.autocorrelation.mean_with_error`), and the errors of derived observables follow from
    the series of what they depend on, covariances included. A point of status ``failed`` or ``diverged`` is
    NaN; the other statuses keep their values:

    - ``converging``: the loss or the gradient keeps falling over the window (an over-parameterised net), or
      the run spans fewer than ``relaxations`` relaxation times of the norm;
    - ``not-stationary``: loss, gradient, norm, effective weight decay or noise differ by more than
      ``tolerance`` between the halves of the window, significantly (a false alarm in about 0.3% of long
      series) or too slowly to tell, or the window holds too few log points;
    - ``equilibrium``: none of these.

    Parameters
    ----------
    trace
        What the runs logged (see :func:`thermograd.states.new_trace`), one or a whole grid.
    fraction
        Part of each run's iterations, counted from its end, to average over.
    last
        Number of log points to average over instead, as the papers do (IG: 30, FE: 50).
    tolerance
        Largest relative drift that does not matter.
    relaxations
        Fewest relaxation times of the norm that a run must span; 0 switches this off. Does not concern the
        fixed sphere.

    Raises
    ------
    InputError
        When the trace breaks the schema or an option is out of range.

    Examples
    --------
    >>> from thermograd.protocol import FixedELR
    >>> from thermograd.states import new_trace
    >>> rng = np.random.default_rng(0)
    >>> noise = {"loss": rng.normal(1, 0.1, 400), "norm": rng.normal(2, 0.1, 400)}
    >>> states = stationary(new_trace(FixedELR(elr=0.01, wd=0.01), np.arange(400), noise, dim=10))
    >>> str(states.status.item()), round(states.volume.item(), 1), round(states.loss_se.item(), 3)
    ('equilibrium', 2.0, 0.007)

    """
    validate(trace, "trace")
    if not 0 < fraction <= 1:
        raise InputError(f"stationary: fraction is {fraction}; expected above 0 and at most 1")
    if last is not None and last < 1:
        raise InputError(f"stationary: last is {last}; expected a number of log points, at least 1")
    if tolerance <= 0 or relaxations < 0:
        raise InputError(
            f"stationary: tolerance is {tolerance}, relaxations is {relaxations}; expected > 0 and >= 0"
        )
    dims = grid_dims(trace)
    shape = tuple(trace.sizes[dim] for dim in dims)
    measured = [str(name) for name in trace.data_vars if name in VARIABLES]
    series = {name: trace[name].values for name in measured}
    windows, ends = {}, {}
    for point in np.ndindex(shape):
        at_point = {name: values[point] for name, values in series.items()}
        windows[point], ends[point] = _window(at_point, trace["step"].values, fraction, last)
    data = {name: np.full(shape, np.nan) for name in [n + e for n in measured for e in ("", "_se")]}
    data["log_points"] = np.full(shape, np.nan)
    for point, window in windows.items():
        split_gradient(window)
        data["log_points"][point] = len(window["loss"])
        if "entropy_sphere" in window:
            _entropy_windows(data, point, window["entropy_sphere"])
    for name in measured:
        held = [window[name] for window in windows.values()]
        # One observable of all points at a time: many times faster than one by one.
        rows = _padded([np.empty(0) if np.isinf(values).any() else values for values in held])
        found = means_with_errors(rows)
        data[name], data[f"{name}_se"] = found.mean.reshape(shape), found.se.reshape(shape)
    axes = _axes(trace, dims, shape)
    derived = derive(str(trace.attrs["protocol"]), axes, int(trace.attrs["dim"]), data)
    for name, law in derived.items():
        data[name] = law.value
        if law.slopes:
            data[f"{name}_se"] = _errors(law, windows, data).reshape(shape)
    status = np.full(shape, "", dtype=object)
    reason = status.copy()
    outcome, outcome_reason = trace["outcome"].values, trace["outcome_reason"].values
    for point, window in windows.items():
        relaxation = 0.0 if "radius" in dims else float(data.get("relaxation_steps", np.zeros(shape))[point])
        verdict = judge(
            window,
            outcome=str(outcome[point]),
            outcome_reason=str(outcome_reason[point]),
            steps=ends[point],
            relaxation_steps=relaxation,
            tolerance=tolerance,
            relaxations=relaxations,
        )
        status[point], reason[point] = verdict.status, verdict.reason
        if verdict.status in ("failed", "diverged"):
            for values in data.values():
                values[point] = np.nan
    states = xr.Dataset(
        {name: (dims, values) for name, values in data.items()},
        {dim: trace[dim] for dim in dims},
        trace.attrs
        | {"window": f"last {last} log points" if last else f"last {fraction:g} of the iterations"},
    )
    states["status"], states["status_reason"] = (dims, status.astype(str)), (dims, reason.astype(str))
    if "run_id" in trace:
        states["run_id"] = trace["run_id"]
    label(states)
    validate(states, "states")
    return states


def new_states(
    axes: Protocol | Grid,
    variables: Mapping[str, ArrayLike],
    *,
    dim: int,
    status: ArrayLike = "equilibrium",
    status_reason: ArrayLike = "",
    seeds: Sequence[int] | None = None,
    attrs: Mapping[str, object] | None = None,
) -> xr.Dataset:
    """Validated states from averages that are already known; derived observables are added.

    Parameters
    ----------
    axes
        The protocol of a single point, or the grid of many.
    variables
        Stationary means and standard errors (``<name>_se``) by name, each of shape ``grid.shape``, followed
        by the number of seeds when these are given; any shape-``()`` value for a single point. What is
        missing of the derived observables is computed, with the delta method for independent errors.
    dim
        Number of scale-invariant weights ``d``.
    status, status_reason
        One entry for all or an array of the grid's shape.
    seeds
        Values of the ``seed`` axis.
    attrs
        Provenance.

    Raises
    ------
    InputError
        When anything disagrees with the schema.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> states = new_states(FixedLR(lr=0.1, wd=0.01), {"norm": 2.0, "norm_se": 0.1}, dim=10)
    >>> states.volume.item(), round(states.volume_se.item(), 3), states.effective_lr.item()
    (2.0, 0.2, 0.025)

    """
    text = {"status": status, "status_reason": status_reason}
    given = {name: np.asarray(values) for name, values in variables.items()}
    states = new_dataset("states", axes, given, text, dim=dim, seeds=seeds, attrs=attrs)
    dims = grid_dims(states)
    shape = tuple(states.sizes[name] for name in dims)
    means = {str(name): states[name].values for name in states.data_vars if name in VARIABLES}
    errors = {
        str(name).removesuffix("_se"): states[name].values
        for name in states.data_vars
        if str(name).endswith("_se")
    }
    derived = derive(str(states.attrs["protocol"]), _axes(states, dims, shape), dim, means)
    new = {}
    for name, law in derived.items():
        if name not in states:
            new[name] = (dims, law.value)
            error = independent_error(law, errors)
            if error is not None:
                new[f"{name}_se"] = (dims, error)
    states = states.assign(new)
    label(states)
    validate(states, "states")
    return states


def _axes(dataset: xr.Dataset, dims: tuple[str, ...], shape: Index) -> dict[str, Array]:
    grids = np.meshgrid(*(dataset[dim].values for dim in dims), indexing="ij")
    return {dim: np.broadcast_to(grid, shape) for dim, grid in zip(dims, grids, strict=True)}


def _window(
    series: dict[str, Array], step: NDArray[np.int64], fraction: float, last: int | None
) -> tuple[dict[str, Array], float]:
    """The series at this run's own log points in the window, and the iterations the run has done."""
    logged = np.flatnonzero(~np.all([np.isnan(values) for values in series.values()], axis=0))
    if len(logged) == 0:
        return {name: values[:0] for name, values in series.items()}, 0.0
    end = float(step[logged[-1]])
    # Of iterations and not of log points: runs may log ever more rarely.
    kept = logged[-last:] if last else logged[step[logged] > (1 - fraction) * end]
    return {name: values[kept] for name, values in series.items()}, end


def _entropy_windows(data: dict[str, Array], point: Index, values: Array) -> None:
    """How many independent estimates of the entropy there are, and how much they differ."""
    shape = data["entropy_sphere"].shape
    windows = values[np.isfinite(values)]
    spread = float(windows.std(ddof=1)) if len(windows) > 1 else math.nan
    data.setdefault("entropy_sphere_windows", np.full(shape, np.nan))[point] = len(windows)
    data.setdefault("entropy_sphere_spread", np.full(shape, np.nan))[point] = spread


def _padded(series: Sequence[Array]) -> Array:
    """Series of any lengths as rows of one array, with NaN behind the shorter ones."""
    rows = np.full((len(series), max(map(len, series), default=0)), np.nan)
    for row, values in zip(rows, series, strict=True):
        row[: len(values)] = values
    return rows


def _errors(law: Derived, windows: Mapping[Index, Mapping[str, Array]], data: Mapping[str, Array]) -> Array:
    """The delta method on the series themselves where they share their log points, so covariances count."""
    names = list(law.slopes)
    series, separate = [], {}
    for i, (point, window) in enumerate(windows.items()):
        held = np.array([window[name] for name in names])
        slopes = np.array([law.slopes[name][point] for name in names])
        linear = np.empty(0)  # gives NaN
        if held.size and np.isfinite(held).all():
            linear = slopes @ (held - held.mean(axis=1, keepdims=True))
        else:
            squares = [
                (slope * data[f"{name}_se"][point]) ** 2 for name, slope in zip(names, slopes, strict=True)
            ]
            separate[i] = math.sqrt(sum(squares)) if np.isfinite(squares).all() else math.nan
        series.append(linear if np.isfinite(linear).all() else np.empty(0))
    errors = means_with_errors(_padded(series)).se
    for i, error in separate.items():
        errors[i] = error
    return errors
