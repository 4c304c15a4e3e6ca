"""The training loop: one spec in, one trace out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from thermograd.training.schedule import log_steps
from thermograd.training.spec import NUMERICS_VERSION, TrainSpec

if TYPE_CHECKING:
    import xarray as xr

    from thermograd.data import ImageData

__all__ = ["empty_trace", "load_images", "train"]


def train(
    spec: TrainSpec, *, data: ImageData | None = None, on_progress: Callable[[int], None] | None = None
) -> xr.Dataset:
    """Train one scale-invariant network and return its trace, the labelled record of what was measured.

    The weights follow the spec's protocol exactly; measurements (gradient noise at frozen weights, test
    loss, entropy windows) draw from random streams of their own, so that a run measured more often walks the
    same path. A loss that is no longer finite ends the run with the outcome ``diverged``: that is a result,
    not an error.

    Parameters
    ----------
    spec
        What to run.
    data
        The images, if they are at hand already; else they are loaded as ``spec.data`` says.
    on_progress
        Called now and then with the number of iterations done, of ``spec.total_steps``; may raise to stop.

    Returns
    -------
    xarray.Dataset
        A trace (see `thermograd.states`): dims are the protocol's two axes, of length 1, and ``step``.
        Interval means between log points, everything on the unit sphere.

    Raises
    ------
    InputError
        If the data cannot be read, or the network on them is not fully scale-invariant.

    Examples
    --------
    >>> from thermograd.protocol import FixedELR
    >>> from thermograd.training import Measurement, TrainSpec
    >>> brief = Measurement(log_every=5, noise_draws=6)
    >>> trace = train(TrainSpec(FixedELR(elr=5e-3, wd=0.01), steps=10, anneal=5, settle=0, measurement=brief))
    >>> trace.step.values, trace.outcome.item()
    (array([ 5, 10]), 'done')

    """
    import torch

    started = time.perf_counter()
    images = load_images(spec.data, spec.subset, spec.seed) if data is None else data
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        dataset = _run(spec, images, on_progress or (lambda done: None))
    finally:
        torch.set_num_threads(threads)
    dataset.attrs |= _provenance(spec, images, time.perf_counter() - started)
    return dataset


def _run(spec: TrainSpec, images: ImageData, on_progress: Callable[[int], None]) -> xr.Dataset:
    from thermograd.training.run import Run

    run = Run(spec, images)
    rows: list[dict[str, float]] = []
    if not run.prepare(on_progress):
        return _trace(
            spec, run.dim, rows, "diverged", "the loss or the norm stopped being finite in annealing"
        )
    for point in log_steps(spec.steps, spec.measurement):
        row = run.advance(point, on_progress)
        if row is None:
            reason = f"the loss or the norm stopped being finite between iterations {run.step} and {point}"
            return _trace(spec, run.dim, rows, "diverged", reason)
        rows.append(row)
    return _trace(spec, run.dim, rows, "done", "")


def load_images(source: str, size: int | None, seed: int) -> ImageData:
    """The images of a spec: a data set, or a stratified subset of it drawn with this seed."""
    from thermograd.data import load, subset

    images = load(source)
    return images if size is None else subset(images, size, seed)


def empty_trace(spec: TrainSpec, dim: int, reason: str) -> xr.Dataset:
    """The trace of a run without a result: its place in the grid, and why nothing is there."""
    return _trace(spec, dim, [], "failed", reason)


def _trace(spec: TrainSpec, dim: int, rows: list[dict[str, float]], outcome: str, reason: str) -> xr.Dataset:
    from thermograd.states import new_trace

    steps = log_steps(spec.steps, spec.measurement)
    variables = {}
    for name in rows[0] if rows else ("loss", "norm"):
        variables[name] = np.full(len(steps), math.nan)
        variables[name][: len(rows)] = [row[name] for row in rows]
    attrs = {
        "batch_size": spec.batch_size,
        "steps": spec.steps,
        "architecture": f"{spec.architecture}({spec.width})",
        "anneal": spec.anneal,
        "anneal_from": spec.anneal_from,
        "anneal_to": spec.anneal_to,
        "settle": spec.settle,
        "entropy_estimator": "kozachenko_leonenko(k=1, manifold='geodesic'), chart: manifold='sphere'",
        "entropy_queue_size": spec.measurement.queue_size,
        "entropy_queue_every": spec.measurement.queue_every,
        "noise_draws": spec.measurement.noise_draws,
    }
    return new_trace(
        spec.protocol, steps, variables, dim=dim, outcome=outcome, outcome_reason=reason, attrs=attrs
    )


def _provenance(spec: TrainSpec, images: ImageData, seconds: float) -> dict[str, object]:
    import platform

    import torch

    import thermograd

    return {
        "seed": spec.seed,
        "run_id": spec.key(images.sha256),
        "spec": json.dumps(spec.to_dict(), sort_keys=True),
        "data_name": images.name,
        "data_sha256": images.sha256,
        "numerics_version": NUMERICS_VERSION,
        "thermograd_version": thermograd.__version__,
        "torch_version": torch.__version__,
        "numpy_version": np.__version__,
        "python_version": platform.python_version(),
        "machine": platform.machine(),
        "device": "cpu",
        "wall_time_s": seconds,
    }
