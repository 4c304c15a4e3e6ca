"""What a setup would take - grid, time, memory, disk - with nothing started and no images needed."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermograd.errors import FailedWorkError, InputError
from thermograd.memory import available_bytes
from thermograd.protocol import Grid
from thermograd.reproduce.choice import Choice, images_at_hand, offered
from thermograd.reproduce.costs import step_flops
from thermograd.reproduce.presets import Setup
from thermograd.reproduce.random_images import write_random_images
from thermograd.sweep import Estimate, Plan, RayCluster, RunStore, estimate
from thermograd.sweep.calibration import sweep_seconds
from thermograd.sweep.device import check_device, is_local
from thermograd.sweep.footprint import checkpoint_bytes, fitting_workers, group_bytes, trace_bytes
from thermograd.sweep.plan import PLAN_FILE
from thermograd.sweep.timing import Timing, timings
from thermograd.training.execution import Execution
from thermograd.training.spec import TrainSpec

if TYPE_CHECKING:
    from thermograd.reproduce.in_turn import How

__all__ = ["DryRun", "dry_run", "dry_runs", "grid_text"]

_HEAVY, _LIGHT = 2e10, 5e9
"""Operations of an iteration: more take seconds on a core; fewer are soon measured."""
_REPEATS = 3
"""The fastest counts: whatever else the machine does only makes an iteration longer."""


@dataclass(frozen=True)
class DryRun:
    """What a setup would do and take.

    Attributes
    ----------
    setup
        What it is.
    estimate
        Time, memory and disk, an iteration measured on this machine.
    note
        What the estimate leaves out or had to assume; empty if nothing.

    """

    setup: Setup
    estimate: Estimate
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "setup": self.setup.name,
            "scale": self.setup.scale,
            "source": self.setup.source,
            "grids": {grid.protocol.__name__: _plain(grid) for grid, _ in self.setup.grids},
            "seeds": list(self.setup.seeds),
            "estimate": self.estimate.to_dict(),
            "note": self.note,
        }

    def __str__(self) -> str:
        """For people: what, on which grids, and at what cost."""
        spec = self.setup.grids[0][1]
        network = f"{spec.architecture}({spec.width}) on {self.setup.data}, batch size {spec.batch_size}"
        lines = [f"{self.setup.name} ({self.setup.scale}; {self.setup.source})", f"network   {network}"]
        lines += [
            f"grid      {grid_text(grid)}, {template.steps:,} iterations"
            for grid, template in self.setup.grids
        ]
        lines += [str(self.estimate), f"note      {self.note}"] if self.note else [str(self.estimate)]
        return "\n".join(lines)


def dry_runs(
    choice: Choice, scale: str, folder: Path, how: How, note: Callable[[Setup], str] = lambda setup: ""
) -> tuple[DryRun, ...]:
    """Estimate every setup of a choice, those too whose images are missing.

    Parameters
    ----------
    choice, scale
        What would be run.
    folder
        With one folder for each setup.
    how
        Who would carry it out.
    note
        What to say besides of a setup.

    Raises
    ------
    InputError
        As `dry_run`.

    """
    sources = {setup.name: source for setup, source in choice.chosen}
    absent = {one.setup for one in choice.left_out}
    known: dict[object, Timing] = {}
    found = []
    for setup in offered(scale, choice):
        if setup.name in sources or setup.name in absent:
            how.say(f"{setup.name}: measuring an iteration")
            source = sources.get(setup.name, setup.data)
            found.append(dry_run(setup, source, folder / setup.name, how, note=note(setup), known=known))
    return tuple(found)


def dry_run(
    setup: Setup,
    data: str,
    folder: Path,
    how: How,
    *,
    note: str = "",
    known: dict[object, Timing] | None = None,
) -> DryRun:
    """Estimate what running a setup would take; a few seconds of measuring, nothing is written.

    Where the images are not on this machine, the time of an iteration is measured on random ones of the same
    shape: it does not depend on what they show.

    Parameters
    ----------
    setup
        What would be run.
    data
        A named data set, or a path.
    folder
        Where the results would lie; those that lie there count as done.
    how
        Who would carry it out.
    note
        What to say besides.
    known
        Times of networks that stood in for wider ones; those measured now are added.

    Raises
    ------
    InputError
        As :func:`thermograd.sweep.estimate`, but for what one machine cannot do and another could: memory
        that is short is said in the note, and an iteration that cannot be measured in place of its time.

    """
    known = {} if known is None else known
    if images_at_hand(data):
        return _estimated(setup, setup.plan(data), folder, how, known, [note])
    with tempfile.TemporaryDirectory(prefix="thermograd-") as place:
        write_random_images(setup.data, Path(place))
        grids = tuple((grid, replace(template, data=place, subset=None)) for grid, template in setup.grids)
        # What is done is known by the images' hash: without them it cannot be told.
        plan = Plan(grids, "0" * 64, setup.seeds)
        notes = [note, f"the images {setup.data} are not here: an iteration was measured on random ones"]
        notes += ["what is done already is not counted"] if (folder / PLAN_FILE).exists() else []
        found = _estimated(setup, plan, Path(place) / "none", how, known, notes)
        return replace(found, estimate=replace(found.estimate, free_disk_bytes=_free_disk(folder)))


def _estimated(
    setup: Setup, plan: Plan, folder: Path, how: How, known: dict[object, Timing], notes: list[str]
) -> DryRun:
    plan = plan.on(how.device).continuing(folder)
    plan = plan if plan.device else plan.on("cpu")
    check_device(plan.device, how.engine)
    workers, fits = _workers(plan, how)
    # A GPU soon has any of these networks done, and may be one of another machine.
    light = plan.device != "cpu" or _operations(plan.specs()[0]) <= _HEAVY
    measured: Timing | str = "" if fits and light else _by_operations(plan, known)
    if measured == "":
        try:
            found = estimate(plan, folder, how.workers, engine=how.engine, device=plan.device)
        except FailedWorkError as error:  # a busy machine, or too little memory: the rest is known
            measured = str(error)
    if measured != "":
        found = _worked_out(plan, folder, workers, measured, is_local(how.engine))
    if not fits:
        needed = f"{found.all_bytes / 1e9:.3g} GB of memory are more than 80% of what is free"
        notes = [*notes, f"it does not fit into this machine: {needed}"]
    return DryRun(setup, found, "; ".join(filter(None, notes)))


def _workers(plan: Plan, how: How) -> tuple[int, bool]:
    """How many runs are worked on at once, and whether they fit into this machine, if they are to."""
    if isinstance(how.engine, RayCluster):
        return how.engine.foreseen(), True
    if not is_local(how.engine):
        return how.engine.workers if how.engine is not None else 1, True
    asked = how.workers if how.engine is None else how.engine.workers
    try:
        return fitting_workers(plan, asked, lambda message: None), True
    except InputError:  # said in the note: the other setups are to be estimated all the same
        return asked or 1, False


def _by_operations(plan: Plan, known: dict[object, Timing]) -> Timing | str:
    """The iteration of a network too large to be tried: a narrower one's, by their operations; or why not."""
    spec = plan.specs()[0]
    narrow = spec
    while narrow.width > 1 and _operations(narrow) > _LIGHT:
        narrow = replace(narrow, width=narrow.width // 2)
    # Neither the classes nor the protocol of a network change what an iteration takes.
    where = plan.device or "cpu"
    alike = (spec.architecture, narrow.width, spec.data == "digits", spec.batch_size, spec.precision, where)
    if alike not in known:
        try:
            with closing(timings(narrow, [Execution(device=where)] * _REPEATS, 1.0)) as measuring:
                found = list(measuring)
        except FailedWorkError as error:
            return str(error)
        if not found:
            return "the process that measures an iteration died, or took too long to begin"
        known[alike] = min(found, key=lambda timing: timing.seconds)
    return replace(known[alike], seconds=known[alike].seconds * _operations(spec) / _operations(narrow))


def _worked_out(plan: Plan, folder: Path, workers: int, measured: Timing | str, local: bool) -> Estimate:
    """The estimate by what is known of a plan, each run with its own network; without a time, why."""
    specs = {plan.key(spec): spec for spec in plan.specs()}
    done = RunStore(folder).finished()
    left = [spec for key, spec in specs.items() if key not in done]
    largest = max(specs.values(), key=lambda one: group_bytes(one, 1, device=plan.device))
    if isinstance(measured, Timing):
        execution, step = measured.execution, measured.seconds
        seconds = sweep_seconds(left, workers, measured) if left else 0.0
        words = "a narrower network's by their operations, measured on this machine just now"
        words += "" if local else ", not on the cluster"
    else:
        execution, step, seconds = Execution(device=plan.device), math.nan, math.nan
        words = f"not measured: {measured}"
    worker = group_bytes(largest, 1, execution.kernel, plan.device)
    return Estimate(
        runs=len(specs),
        reused=len(specs) - len(left),
        groups=len(left),
        workers=workers,
        execution=execution,
        picked=f"every run has its own network (on {plan.device})",
        step_seconds=step,
        seconds=seconds,
        worker_bytes=worker,
        all_bytes=workers * worker,
        free_memory_bytes=float(available_bytes()),
        trace_bytes=sum(map(trace_bytes, left)),
        checkpoint_bytes=min(workers, len(left)) * checkpoint_bytes(largest, 1),
        free_disk_bytes=_free_disk(folder),
        measured=words,
    )


def _free_disk(folder: Path) -> float:
    """Where the results would lie, which need not exist yet."""
    there = next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())
    return float(shutil.disk_usage(there).free)


def _operations(spec: TrainSpec) -> float:
    channels, side = (1, 8) if spec.data == "digits" else (3, 32)
    return step_flops(spec.architecture, spec.width, channels, side, spec.batch_size)


def _plain(grid: Grid) -> dict[str, Any]:
    """The values on each axis; of a grid that is no whole rectangle also which of its points are meant."""
    axes: dict[str, Any] = {name: list(values) for name, values in grid.axes.items()}
    if grid.only is not None:
        axes["points"] = [dict(zip(grid.axes, point, strict=True)) for point in grid.only]
    return axes


def grid_text(grid: Grid) -> str:
    """A grid in words: protocol, axes with their ends, number of points; part of a rectangle point by point.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> grid_text(FixedLR.grid(lr=[0.1, 0.2, 0.4], wd=[0.01]))
    'FixedLR: lr 0.1 to 0.4 (3) x wd 0.01 (1) = 3 points'
    >>> grid_text(Grid.of([FixedLR(lr=0.1, wd=0.2), FixedLR(lr=0.3, wd=0.1)]))
    'FixedLR: (lr, wd) = (0.1, 0.2), (0.3, 0.1): 2 points'

    """
    if grid.only is not None:
        points = ", ".join(f"({first:.3g}, {second:.3g})" for first, second in grid.only)
        return f"{grid.protocol.__name__}: ({', '.join(grid.axes)}) = {points}: {len(grid)} points"
    axes = []
    for name, values in grid.axes.items():
        ends = f"{values[0]:.3g}" if len(values) == 1 else f"{values[0]:.3g} to {values[-1]:.3g}"
        axes.append(f"{name} {ends} ({len(values)})")
    return f"{grid.protocol.__name__}: {' x '.join(axes)} = {len(grid)} points"
