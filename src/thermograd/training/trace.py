"""From the rows of a run to its trace, with everything that produced it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from thermograd.training.execution import Execution
from thermograd.training.schedule import log_steps
from thermograd.training.spec import NUMERICS_VERSION, TrainSpec

if TYPE_CHECKING:
    import xarray as xr

    from thermograd.data import ImageData

__all__ = ["empty_trace", "provenance", "run_trace"]


def run_trace(
    spec: TrainSpec, dim: int, rows: Sequence[Mapping[str, float]], outcome: str, reason: str
) -> xr.Dataset:
    """The trace of one run; log points that it did not reach are NaN."""
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
        "precision": spec.precision,
        "anneal": spec.anneal,
        "anneal_from": spec.anneal_from,
        "anneal_to": spec.anneal_to,
        "settle": spec.settle,
        "entropy_estimator": "kozachenko_leonenko(k=1, manifold='geodesic'), chart: manifold='sphere'",
        "entropy_queue_size": spec.measurement.queue_size,
        "entropy_queue_every": spec.measurement.queue_every,
        "noise_draws_least": spec.measurement.noise_draws,
        "noise_rtol": spec.measurement.noise_rtol or "none: a fixed number of draws",
    }
    if spec.measurement.graph_neighbours is not None:
        attrs["entropy_graph_estimator"] = f"knn_graph(k={spec.measurement.graph_neighbours})"
    return new_trace(
        spec.protocol, steps, variables, dim=dim, outcome=outcome, outcome_reason=reason, attrs=attrs
    )


def empty_trace(spec: TrainSpec, dim: int, reason: str) -> xr.Dataset:
    """The trace of a run without a result: its place in the grid, and why nothing is there."""
    return run_trace(spec, dim, [], "failed", reason)


def provenance(spec: TrainSpec, images: ImageData, execution: Execution, seconds: float) -> dict[str, object]:
    """Where a trace comes from: the run, its data, versions, the machine."""
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
        "device": execution.device,
        "kernel": execution.kernel,
        "replicas": execution.replicas,
        "wall_time_s": seconds,
    }
