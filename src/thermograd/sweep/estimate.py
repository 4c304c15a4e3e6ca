"""What a sweep would take - time, memory, disk - before anything is started."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from thermograd.errors import FailedWorkError
from thermograd.extras import require
from thermograd.memory import available_bytes
from thermograd.sweep.calibration import choose, sweep_seconds
from thermograd.sweep.footprint import checkpoint_bytes, fitting_workers, group_bytes, trace_bytes
from thermograd.sweep.growth import grown
from thermograd.sweep.plan import PLAN_FILE, Plan
from thermograd.sweep.status import duration
from thermograd.sweep.store import RunStore
from thermograd.sweep.task import form_tasks
from thermograd.sweep.timing import Timing, timings
from thermograd.training.execution import Execution

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

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """A few lines for people."""
        runs = "a run" if self.execution.replicas == 1 else f"{self.execution.replicas} runs together"
        step = f"{1e3 * self.step_seconds:.3g} ms an iteration of {runs}"
        return "\n".join(
            [
                f"runs      {self.runs}, {self.reused} of them done already; {self.groups} groups to do",
                f"how       {self.picked}",
                f"time      about {duration(self.seconds)} with {self.workers} workers ({step}, "
                "measured on this machine just now)",
                f"memory    {_size(self.worker_bytes)} a worker, {_size(self.all_bytes)} in all; "
                f"{_size(self.free_memory_bytes)} are free",
                f"disk      {_size(self.trace_bytes)} of results, at most {_size(self.checkpoint_bytes)} of "
                f"checkpoints meanwhile; {_size(self.free_disk_bytes)} are free",
            ]
        )


def estimate(plan: Plan, folder: Path, workers: int | None = None, *, device: str = "cpu") -> Estimate:
    """What `run_plan` would do with this plan in this folder; measures for a few seconds, writes nothing.

    Parameters
    ----------
    plan
        What to run.
    folder
        Where; results that lie there count as done. It need not exist.
    workers
        Processes; default: one per core, as memory allows.
    device
        Where networks are computed, if the plan leaves it open.

    Raises
    ------
    InputError
        If the folder holds a plan that this one does not continue, or the runs do not fit into memory.
    FailedWorkError
        If a run cannot be carried out.

    """
    require("train")
    path = folder / PLAN_FILE
    if path.exists():
        plan = grown(Plan.load(folder), plan, path)
    specs = {plan.key(spec): spec for spec in plan.specs()}
    waiting = set(specs) - RunStore(folder).finished()
    left = [specs[key] for key in specs if key in waiting]
    workers = fitting_workers(plan, workers, lambda message: None)
    execution, picked = plan.execution, plan.picked
    measured: tuple[Timing, ...] = ()
    if left and (execution is None or not picked):
        choice = choose(execution, left, workers, device)
        execution, picked, measured = choice.execution, choice.words, choice.timings
    execution = execution or Execution(device=device)
    step, seconds, groups = 0.0, 0.0, 0
    largest = max(specs.values(), key=lambda spec: group_bytes(spec, execution.replicas))
    if left:
        timing = next((one for one in measured if one.execution == execution), None)
        if timing is None:
            with closing(timings(left[0], [execution], 1.0)) as measuring:
                timing = next(measuring, None)
        if timing is None:
            raise FailedWorkError("the time of an iteration could not be measured: the process that did died")
        step, seconds = timing.seconds, sweep_seconds(left, workers, timing)
        planned = Plan(plan.grids, plan.data_sha256, plan.seeds, plan.subset_sha256, execution)
        groups = len(form_tasks(planned, folder, waiting, workers))
    worker = group_bytes(largest, execution.replicas)
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
    )


def _existing(folder: Path) -> Path:
    """The folder, or the first above it that there is."""
    return next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())


def _size(size: float) -> str:
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6)):
        if size >= bytes_:
            return f"{size / bytes_:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"
