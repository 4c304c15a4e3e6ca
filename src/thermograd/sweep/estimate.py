"""What a sweep would take - time, memory, disk - before anything is started."""

from __future__ import annotations

import math
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from thermograd.errors import FailedWorkError, InputError
from thermograd.extras import require
from thermograd.memory import available_bytes
from thermograd.sweep.calibration import choose, sweep_seconds
from thermograd.sweep.device import check_device, is_local
from thermograd.sweep.engines import Engine, RayCluster
from thermograd.sweep.footprint import checkpoint_bytes, fitting_workers, group_bytes, trace_bytes
from thermograd.sweep.plan import Plan
from thermograd.sweep.status import duration
from thermograd.sweep.store import RunStore
from thermograd.sweep.task import form_tasks
from thermograd.sweep.timing import Timing, timings
from thermograd.training.execution import Execution
from thermograd.training.spec import TrainSpec

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True)
class Estimate:
    """What is to be done and what it takes.

    Attributes
    ----------
    runs, reused, groups
        Runs of the plan, those that have their result, and groups that the others are shared out to.
    workers, execution, picked
        How it would be done, and why.
    step_seconds
        One iteration of a group's network with all its runs, measured here.
    seconds
        The whole sweep with these workers.
    worker_bytes, all_bytes, free_memory_bytes
        Memory of one worker, of all, and what is free.
    trace_bytes, checkpoint_bytes, free_disk_bytes
        Disk that all results take, that checkpoints take while it runs, and what is free.
    measured
        Where the time was measured; where it was not, `step_seconds` and `seconds` are NaN.

    """

    runs: int
    reused: int
    groups: int
    workers: int
    execution: Execution
    picked: str
    step_seconds: float
    seconds: float
    worker_bytes: float
    all_bytes: float
    free_memory_bytes: float
    trace_bytes: float
    checkpoint_bytes: float
    free_disk_bytes: float
    measured: str = "measured on this machine just now"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """A few lines for people."""
        workers = f"{self.workers} worker" + "s" * (self.workers > 1)
        if math.isnan(self.seconds):
            time = f"{self.measured}, with {workers}"
        else:
            time = f"about {duration(self.seconds)} with {workers} ({self._step}, {self.measured})"
        return "\n".join(
            [
                f"runs      {self.runs}, {self.reused} of them done already; {self.groups} groups to do",
                f"how       {self.picked}",
                f"time      {time}",
                f"memory    {_size(self.worker_bytes)} a worker, {_size(self.all_bytes)} in all; "
                f"{_size(self.free_memory_bytes)} are free",
                f"disk      {_size(self.trace_bytes)} of results, at most {_size(self.checkpoint_bytes)} of "
                f"checkpoints meanwhile; {_size(self.free_disk_bytes)} are free",
            ]
        )

    @property
    def _step(self) -> str:
        runs = "a run" if self.execution.replicas == 1 else f"{self.execution.replicas} runs together"
        return f"{step_text(self.step_seconds)} an iteration of {runs}"


def step_text(seconds: float) -> str:
    """The time of an iteration: milliseconds, or seconds from one on.

    Examples
    --------
    >>> step_text(0.000734), step_text(41.53)
    ('0.734 ms', '41.5 s')

    """
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def estimate(
    plan: Plan,
    folder: Path,
    workers: int | None = None,
    *,
    engine: Engine | None = None,
    device: str | None = None,
) -> Estimate:
    """What `run_plan` would do with this plan in this folder; measures for a few seconds, writes nothing.

    Parameters
    ----------
    plan
        What to run.
    folder
        Where; results that lie there count as done. It need not exist.
    workers
        Processes; default: one per core or GPU, as memory allows. Not with `engine`.
    engine
        Who would carry out the runs; default: a pool of processes here. Of a cluster the number of workers is
        asked for, and nothing else: the time is that of an iteration on this machine, and is left out where
        the device is not here.
    device
        Where networks are computed; default: what the plan says, or the folder, or else ``"cpu"``.

    Raises
    ------
    InputError
        If the folder holds a plan that this one does not continue, the device is not there, or the runs do
        not fit into memory.
    FailedWorkError
        If a run cannot be carried out.

    """
    require("train")
    plan = plan.on(device).continuing(folder)
    plan = plan if plan.device else plan.on("cpu")
    check_device(plan.device, engine)
    local = is_local(engine)
    specs = {plan.key(spec): spec for spec in plan.specs()}
    store = RunStore(folder)
    waiting = set(specs) - {key for key in store.finished() if not store.damage(key)}
    left = [specs[key] for key in specs if key in waiting]
    if isinstance(engine, RayCluster):
        workers = engine.foreseen()
    elif engine is None or local:
        workers = fitting_workers(plan, workers if engine is None else engine.workers, lambda message: None)
    else:
        workers = engine.workers
    execution, picked = plan.execution, plan.picked
    measured: tuple[Timing, ...] = ()
    if left and (execution is None or not picked):
        choice = choose(execution, left, workers, plan.device, local)
        execution, picked, measured = choice.execution, choice.words, choice.timings
    execution = execution or Execution(device=plan.device)
    step, seconds, groups = 0.0, 0.0, 0
    words = "measured on this machine just now" + ("" if local else ", not on the cluster")
    largest = max(specs.values(), key=lambda spec: group_bytes(spec, execution.replicas))
    if left:
        if not local and not _is_here(plan.device):
            step = seconds = math.nan
            words = (
                f"not measured: this machine has no {plan.device}, and the cluster is not asked to measure"
            )
        else:
            timing = next((one for one in measured if one.execution == execution), None)
            timing = timing or _timed(left[0], execution)
            step, seconds = timing.seconds, sweep_seconds(left, workers, timing)
        planned = Plan(plan.grids, plan.data_sha256, plan.seeds, plan.subset_sha256, execution)
        groups = len(form_tasks(planned, folder, waiting, workers))
    worker = group_bytes(largest, execution.replicas, execution.kernel, execution.device)
    return Estimate(
        runs=len(specs),
        reused=len(specs) - len(waiting),
        groups=groups,
        workers=workers,
        execution=execution,
        picked=picked,
        step_seconds=step,
        seconds=seconds,
        worker_bytes=worker,
        all_bytes=workers * worker,
        free_memory_bytes=float(available_bytes()),
        trace_bytes=sum(map(trace_bytes, left)),
        checkpoint_bytes=min(workers, groups) * checkpoint_bytes(largest, execution.replicas),
        free_disk_bytes=float(shutil.disk_usage(_existing(folder)).free),
        measured=words,
    )


def _timed(spec: TrainSpec, execution: Execution) -> Timing:
    with closing(timings(spec, [execution], 1.0)) as measuring:
        for timing in measuring:
            return timing
    raise FailedWorkError("the time of an iteration could not be measured: the process that did died")


def _is_here(device: str) -> bool:
    try:
        check_device(device)
    except InputError:
        return False
    return True


def _existing(folder: Path) -> Path:
    """The folder, or the first above it that there is."""
    return next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())


def _size(size: float) -> str:
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6)):
        if size >= bytes_:
            return f"{size / bytes_:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"
