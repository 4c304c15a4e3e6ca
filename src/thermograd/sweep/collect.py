"""From the files of single runs to one trace per protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import FailedWorkError
from thermograd.sweep.failures import no_space_is_failed_work
from thermograd.sweep.plan import Plan
from thermograd.sweep.status import point_states
from thermograd.sweep.store import RunStore
from thermograd.training.trace import empty_trace

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["collect", "finish"]


def collect(plan: Plan, folder: Path) -> dict[str, xr.Dataset]:
    """The traces of a plan, one dataset over the whole grid for each of its protocols.

    Runs that failed or have not been done yet are there too, as missing values with the reason. With more
    than one seed there is a dimension ``seed``.

    Raises
    ------
    FailedWorkError
        If no run of the plan has finished.

    """
    from thermograd.states import merge
    from thermograd.states.merge import with_seed

    store = RunStore(folder)
    finished = store.finished()
    keys = {spec: plan.key(spec) for spec in plan.specs()}
    done, damaged = {}, {}
    for spec, key in keys.items():
        if key in finished and not (damage := store.damage(key)):
            done[spec] = store.load(key)
        elif key in finished:
            damaged[spec] = damage
    missing = {point.spec: point.reason for point in point_states(plan, folder) if point.spec not in done}
    missing |= damaged
    if not done:
        reasons = "; ".join(sorted(set(missing.values())))
        raise FailedWorkError(f"{folder} has no finished run ({reasons})")
    for trace in done.values():
        # How long a run took, and where its images lay, say nothing about its numbers; left in, no two sweeps
        # would be equal.
        for name in ("wall_time_s", "spec"):
            trace.attrs.pop(name, None)
    dim = int(next(iter(done.values())).attrs["dim"])
    traces = {}
    for protocol in plan.protocols:
        runs = []
        for spec in plan.specs(protocol):
            run = done[spec] if spec in done else empty_trace(spec, dim, missing[spec])
            runs.append(with_seed(run, spec.seed) if len(plan.seeds) > 1 else run)
        traces[protocol] = merge(runs)
    return traces


def finish(plan: Plan, folder: Path) -> list[Path]:
    """Write each protocol's trace and stationary states beside the runs; return the files of the states.

    Raises
    ------
    FailedWorkError
        If no run of the plan has finished, or the disk is full.

    """
    from thermograd.states import save, stationary

    written = []
    with no_space_is_failed_work():
        for protocol, trace in collect(plan, folder).items():
            save(trace, folder / f"trace-{protocol}.nc")
            written.append(folder / f"states-{protocol}.nc")
            save(stationary(trace), written[-1])
    return written
