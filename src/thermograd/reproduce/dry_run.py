"""What a setup would take - grid, time, memory, disk - with nothing started and no images needed."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from thermograd.errors import FailedWorkError
from thermograd.memory import available_bytes
from thermograd.protocol import Grid
from thermograd.reproduce.choice import images_at_hand
from thermograd.reproduce.costs import Speed, cost, step_flops
from thermograd.reproduce.presets import Setup
from thermograd.sweep import Estimate, Plan, estimate
from thermograd.sweep.footprint import group_bytes
from thermograd.sweep.timing import timings
from thermograd.training.execution import Execution
from thermograd.training.spec import TrainSpec

__all__ = ["DryRun", "dry_run", "grid_text"]

_SHARE = 0.8  # of the free memory, as sweeps allow themselves
_HEAVY, _LIGHT = 2e10, 5e9
"""Operations of an iteration: more take seconds on a core; fewer are soon measured."""
_RECORDS = 256
_CIFAR_FILES = {
    "cifar10": ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"),
    "cifar100": ("train", "test"),
}


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
            "grids": {
                grid.protocol.__name__: {name: list(values) for name, values in grid.axes.items()}
                for grid, _ in self.setup.grids
            },
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


def dry_run(
    setup: Setup, data: str, folder: Path, *, workers: int | None = None, device: str = "cpu", note: str = ""
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
    workers, device
        As for :func:`thermograd.sweep.estimate`.
    note
        What to say besides.

    Raises
    ------
    InputError
        As :func:`thermograd.sweep.estimate`.

    """
    if images_at_hand(data):
        return _estimated(setup, setup.plan(data), folder, workers, device, [note])
    with tempfile.TemporaryDirectory(prefix="thermograd-") as place:
        _write_random_images(setup.data, Path(place))
        grids = tuple((grid, replace(template, data=place, subset=None)) for grid, template in setup.grids)
        # Nothing can have been done without the images, so that no results are looked for.
        plan = Plan(grids, "0" * 64, setup.seeds)
        assumed = f"the images {setup.data} are not here: an iteration was measured on random ones"
        return _estimated(setup, plan, Path(place) / "none", workers, device, [note, assumed])


def _estimated(
    setup: Setup, plan: Plan, folder: Path, workers: int | None, device: str, notes: list[str]
) -> DryRun:
    needed = (workers or 1) * max(group_bytes(template, 1) for _, template in plan.grids)
    fits = needed <= _SHARE * available_bytes()
    if fits and _operations(plan.specs()[0]) <= _HEAVY:
        found = estimate(plan, folder, workers, device=device)
    else:
        found, how = _by_operations(setup, plan.specs()[0], workers or 1, device)
        tight = "" if fits else f"it cannot be run here: {needed / 1e9:.3g} GB of memory are not free"
        notes = [*notes, how, tight]
    return DryRun(setup, found, "; ".join(filter(None, notes)))


def _by_operations(setup: Setup, spec: TrainSpec, workers: int, device: str) -> tuple[Estimate, str]:
    """The estimate of a setup too large to be tried: a narrower network's iteration, by its operations."""
    narrow = spec
    while narrow.width > 1 and _operations(narrow) > _LIGHT:
        narrow = replace(narrow, width=narrow.width // 2)
    with closing(timings(narrow, [Execution(device=device)], 1.0)) as measuring:
        timing = next(measuring, None)
    if timing is None:
        raise FailedWorkError("the time of an iteration could not be measured: the process that did died")
    timing = replace(timing, seconds=timing.seconds * _operations(spec) / _operations(narrow))
    how = "" if narrow == spec else f"the iteration is that of width {narrow.width} times its operations"
    found = cost(setup, Speed(timing.seconds), workers=workers)
    estimated = Estimate(
        runs=found.runs,
        reused=0,
        groups=found.runs,
        workers=workers,
        execution=timing.execution,
        picked="every run has its own network",
        step_seconds=timing.seconds,
        seconds=found.seconds,
        worker_bytes=found.memory_bytes / workers,
        all_bytes=found.memory_bytes,
        free_memory_bytes=float(available_bytes()),
        trace_bytes=found.trace_bytes,
        checkpoint_bytes=found.checkpoint_bytes,
        free_disk_bytes=float(shutil.disk_usage(tempfile.gettempdir()).free),
    )
    return estimated, how


def _operations(spec: TrainSpec) -> float:
    channels, side = (1, 8) if spec.data == "digits" else (3, 32)
    return step_flops(spec.architecture, spec.width, channels, side, spec.batch_size)


def grid_text(grid: Grid) -> str:
    """A grid in words: protocol, axes with their ends, number of points.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> grid_text(FixedLR.grid(lr=[0.1, 0.2, 0.4], wd=[0.01]))
    'FixedLR: lr 0.1 to 0.4 (3) x wd 0.01 (1) = 3 points'

    """
    axes = []
    for name, values in grid.axes.items():
        ends = f"{values[0]:.3g}" if len(values) == 1 else f"{values[0]:.3g} to {values[-1]:.3g}"
        axes.append(f"{name} {ends} ({len(values)})")
    return f"{grid.protocol.__name__}: {' x '.join(axes)} = {len(grid)} points"


def _write_random_images(name: str, folder: Path) -> None:
    """A stand-in for CIFAR in its own binary format: labels that occur, then noise."""
    draw = np.random.default_rng(0)
    classes, labels = (10, 1) if name == "cifar10" else (100, 2)
    for file in _CIFAR_FILES[name]:
        records = draw.integers(0, 256, (_RECORDS, labels + 3072), dtype=np.uint8)
        records[:, labels - 1] = np.arange(_RECORDS) % classes
        if labels == 2:
            records[:, 0] = records[:, 1] // 5
        (folder / f"{file}.bin").write_bytes(records.tobytes())
