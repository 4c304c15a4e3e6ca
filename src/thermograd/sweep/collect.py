"""From the files of single runs to one trace per protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import InputError
from thermograd.sweep.failures import NoResultsError, no_space_is_failed_work
from thermograd.sweep.plan import Plan
from thermograd.sweep.status import point_states
from thermograd.sweep.store import RunStore
from thermograd.training.trace import empty_trace

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SETUP_FILE", "collect", "finish", "stationary_last"]

SETUP_FILE = "setup.json"
"""What a sweep's preset says besides its plan, if it has one; beside the plan."""


def collect(plan: Plan, folder: Path) -> dict[str, xr.Dataset]:
    """The traces of a plan, one dataset over the whole grid for each of its protocols.

    Runs that failed or have not been done yet are there too, as missing values with the reason. With more
    than one seed there is a dimension ``seed``.

    Raises
    ------
    NoResultsError
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
        raise NoResultsError(f"{folder} has no finished run ({reasons})")
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
    InputError
        If the folder's `SETUP_FILE` is damaged.
    FailedWorkError
        If no run of the plan has finished, or the disk is full.

    """
    from thermograd.states import save, stationary

    last = stationary_last(folder)
    written = []
    with no_space_is_failed_work():
        for protocol, trace in collect(plan, folder).items():
            save(trace, folder / f"trace-{protocol}.nc")
            written.append(folder / f"states-{protocol}.nc")
            save(stationary(trace, last=last), written[-1])
    return written


def stationary_last(folder: Path) -> int | None:
    """How many log points the means of a sweep are taken over, as its preset says.

    Parameters
    ----------
    folder
        Of the sweep.

    Returns
    -------
    int or None
        For ``thermograd.states.stationary(trace, last=...)``. ``None``: the second half of the iterations,
        as for any sweep that was made from no preset.

    Raises
    ------
    InputError
        If the file is damaged.

    Examples
    --------
    >>> stationary_last(Path("/no/such/folder")) is None
    True

    """
    path = folder / SETUP_FILE
    try:
        last = json.loads(path.read_text())["stationary_last"]
        if not (last is None or (type(last) is int and last > 0)):
            raise ValueError(f"stationary_last is {last!r}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); expected what a preset says: delete it") from error
    return last
