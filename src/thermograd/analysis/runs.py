"""The runs of a trace one by one, each as series over its own log points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.states.schema import grid_dims, validate

__all__ = ["Run", "runs"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One run of a trace.

    Attributes
    ----------
    at
        Its hyperparameters, and the seed where there is one.
    step
        Log points that have everything needed, above 0, shape ``(n,)``.
    series
        By name, shape ``(n,)``.

    """

    at: dict[str, float]
    step: Array
    series: dict[str, Array]


def runs(
    trace: xr.Dataset, needs: Sequence[str], *, owner: str, optional: Sequence[str] = ()
) -> Iterator[Run]:
    """The runs of a trace one by one, each at the log points where all that is needed was measured.

    Parameters
    ----------
    trace
        What runs logged, one or a whole grid.
    needs
        Variables that must be finite at a log point.
    owner
        Who asks, for error messages.
    optional
        Variables to add where the trace holds them, NaN where they were not measured.

    Raises
    ------
    InputError
        When the trace breaks the schema or lacks a variable.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_trace
    >>> logged = {"loss": [3.0, 2.0, np.nan], "norm": [1.0] * 3}
    >>> trace = new_trace(FixedSphere(elr=0.1, radius=1.0), [0, 10, 20], logged, dim=3)
    >>> (run,) = runs(trace, ["loss"], owner="example")
    >>> run.at, run.step, run.series["loss"]
    ({'elr': 0.1, 'radius': 1.0}, array([10.]), array([2.]))

    """
    validate(trace, "trace")
    for name in needs:
        if name not in trace:
            raise InputError(f"{owner}: variable {name} is missing from the trace; expected {list(needs)}")
    names = [*needs, *(name for name in optional if name in trace)]
    dims = grid_dims(trace)
    held = {name: trace[name].transpose(*dims, "step").values for name in names}
    step = trace["step"].values.astype(np.float64)
    for place in np.ndindex(*(trace.sizes[name] for name in dims)):
        good = (step > 0) & np.all([np.isfinite(held[name][place]) for name in needs], axis=0)
        at = {str(name): float(trace[name].values[i]) for name, i in zip(dims, place, strict=True)}
        yield Run(at, step[good], {name: held[name][place][good] for name in names})
