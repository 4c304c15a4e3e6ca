"""From what a simulation logged to the standard dataset, one trace for each grid that was asked for."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import xarray as xr

from thermograd.protocol import FixedSphere, Grid, Protocol
from thermograd.simulate.record import Record
from thermograd.simulate.spec import IsotropicSpec
from thermograd.states import new_trace

__all__ = ["make_traces", "provenance"]


def make_traces(
    parts: Sequence[Grid | Protocol], spec: IsotropicSpec, record: Record, attrs: dict[str, object]
) -> list[xr.Dataset]:
    """Traces of grids or single protocols whose points lie behind each other in the record.

    Parameters
    ----------
    parts
        Grids and protocols, in the order of the record's points.
    spec
        What was simulated.
    record
        What was logged.
    attrs
        Provenance.

    Returns
    -------
    list of xarray.Dataset
        Validated traces; ``tr_sigma`` is measured: the mean square of the minibatch gradient less that of the
        full one.

    """
    log_steps = spec.log_records * spec.record_every
    series = record.series()
    series["tr_sigma"] = series["batch_grad_sq"] - series["grad_sq"]
    outcome, reason = record.outcomes(log_steps)
    steps = log_steps * np.arange(1, record.logs + 1)
    seeds = None if isinstance(spec.seed, int) else spec.seeds
    found, begin = [], 0
    for part in parts:
        here = slice(begin, begin + (len(part) if isinstance(part, Grid) else 1))
        grid = part.shape if isinstance(part, Grid) else (1, 1)
        shape = grid if seeds is None else (*grid, len(seeds))
        found.append(
            new_trace(
                part,
                steps,
                {name: values[..., here].T.reshape(*shape, -1) for name, values in series.items()},
                dim=spec.dim,
                outcome=outcome[:, here].T.reshape(shape),
                outcome_reason=reason[:, here].T.reshape(shape),
                seeds=seeds,
                attrs=attrs,
            )
        )
        begin = here.stop
    return found


def provenance(spec: IsotropicSpec, protocol: type[Protocol]) -> dict[str, object]:
    """Attributes that say what was simulated and with what.

    Parameters
    ----------
    spec
        What was simulated.
    protocol
        Under which protocol.

    """
    attrs: dict[str, object] = {
        "simulator": "isotropic noise" if spec.spectrum is None else "anisotropic noise",
        "loss_function": "1 + mu.u" if spec.loss is None else "given by the user",
        "sigma": spec.sigma,
        "chains": spec.chains,
        "record_every": spec.record_every,
        "queue_size": spec.queue_size,
        "dtype": spec.dtype,
        "thermograd_version": version("thermograd"),
        "numpy_version": np.__version__,
        "numba_version": version("numba"),
        "python_version": platform.python_version(),
    }
    if spec.spectrum is not None:
        attrs["spectrum"] = list(spec.spectrum)
    if spec.queue_size:
        attrs["queue_every"] = "a rule" if callable(spec.queue_every) else spec.queue_every
    if protocol is not FixedSphere:
        start = 1.0 if spec.initial_radius is None else spec.initial_radius
        attrs["initial_radius"] = "a rule" if callable(start) else start
    if isinstance(spec.seed, int):
        attrs["seed"] = spec.seed
        if spec.loss is None and spec.dim <= 100:  # longer ones follow from the seed all the same
            attrs["mean_direction"] = spec.mean_direction_of(spec.seed).tolist()
    return attrs
