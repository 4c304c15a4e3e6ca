"""Training several runs as one batched network: specs in, traces out, and a checkpoint on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import InputError
from thermograd.protocol import FixedSphere
from thermograd.training.execution import Execution, groups
from thermograd.training.spec import TrainSpec

if TYPE_CHECKING:
    import xarray as xr

    from thermograd.data import ImageData
    from thermograd.training.run import ReplicaRun

__all__ = ["clear_checkpoint", "resolve", "step_seconds", "train_group"]

_ALONE = Execution()


def train_group(
    specs: Sequence[TrainSpec],
    images: ImageData,
    *,
    execution: Execution = _ALONE,
    on_progress: Callable[[int], None] | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 300.0,
) -> list[xr.Dataset]:
    """Train runs that share a network, each to the trace that `thermograd.training.train` describes.

    No number of a run depends on its companions. One that diverges is held and reported, the others go on.

    Parameters
    ----------
    specs
        Runs that are alike but for protocol, seed and initial radius (see `groups`).
    images
        The data, reduced to the specs' subset.
    execution
        Kernel and device; `execution.replicas` is recorded, the group may be smaller.
    on_progress
        Called several times a second with the iterations done, of ``spec.total_steps``. When it raises, the
        state is saved before the exception is passed on.
    checkpoint
        File for the unfinished state: written every `checkpoint_seconds`, taken up again if it is there, to
        the same bits. A damaged one falls back to the one before it, with a RuntimeWarning.
    checkpoint_seconds
        Time between two checkpoints.

    Returns
    -------
    list of Dataset
        Traces in the order of the specs. Remove the checkpoint (`clear_checkpoint`) once they are stored.

    Raises
    ------
    InputError
        If the runs cannot share a network, the network on these data is not fully scale-invariant, the
        device does not exist, or the checkpoint cannot be written.

    """
    from thermograd.training.trace import provenance, run_trace

    specs = list(specs)
    if len(groups(specs, max(len(specs), 1))) != 1:
        raise InputError(
            f"train_group: {len(specs)} runs cannot share a network; expected at least one, "
            "all alike but for protocol, seed and initial radius"
        )
    execution = resolve(execution, specs[0], images)
    with _quiet_machine(execution.device):
        run, seconds = _run(
            _filled(specs, execution), images, execution, on_progress, checkpoint, checkpoint_seconds
        )
    traces = []
    for i, spec in enumerate(specs):
        reason = run.reasons[i]
        # Only projecting has an effective weight decay: a run's variables do not depend on its companions.
        unknown = () if isinstance(spec.protocol, FixedSphere) else ("effective_wd",)
        rows = [{n: values[i] for n, values in row.items() if n not in unknown} for row in run.rows]
        rows = [row for row in rows if math.isfinite(row["loss"])]
        trace = run_trace(spec, run.dim, rows, "diverged" if reason else "done", reason)
        trace.attrs |= provenance(spec, images, execution, seconds / len(specs))
        traces.append(trace)
    return traces


def _filled(specs: list[TrainSpec], execution: Execution) -> list[TrainSpec]:
    """The group filled up with copies, where the bits of a run depend on how many share its network."""
    from thermograd.nets.stacked import KERNELS

    if not KERNELS[execution.kernel].counts:
        return specs
    return specs + [specs[0]] * (execution.replicas - len(specs))


def _run(
    specs: list[TrainSpec],
    images: ImageData,
    execution: Execution,
    on_progress: Callable[[int], None] | None,
    checkpoint: Path | None,
    checkpoint_seconds: float,
) -> tuple[ReplicaRun, float]:
    from thermograd.state_file import read_latest_state, write_state
    from thermograd.training.run import ReplicaRun

    began = saved = time.perf_counter()
    tell = on_progress or (lambda done: None)
    run = ReplicaRun(specs, images, execution)

    def save() -> None:
        nonlocal saved
        if checkpoint is not None:
            run.seconds = before + time.perf_counter() - began
            write_state(checkpoint, run.settings, run.state(), keep_previous=True)
        saved = time.perf_counter()

    def tick(done: int) -> None:
        try:
            tell(done)
        except BaseException:
            save()
            raise
        if time.perf_counter() - saved > checkpoint_seconds:
            save()

    state = None if checkpoint is None else read_latest_state(checkpoint, run.settings)
    if state is None:
        run.prepare(tell)
    else:
        run.restore(state)
    before = run.seconds
    while not run.finished:
        run.advance(tick)
    return run, before + time.perf_counter() - began


def clear_checkpoint(checkpoint: Path) -> None:
    """Remove the state of a run that is finished and stored."""
    from thermograd.state_file import previous_state

    checkpoint.unlink(missing_ok=True)
    previous_state(checkpoint).unlink(missing_ok=True)


def resolve(execution: Execution, spec: TrainSpec, images: ImageData) -> Execution:
    """The same execution with the kernel that "auto" stands for, for this spec's network on these images."""
    if execution.kernel != "auto":
        return execution
    from thermograd.nets.stacked import Shape, choose

    channels, height, columns = images.train_images.shape[1:]
    device = execution.device.partition(":")[0]
    network = (spec.architecture, spec.width, execution.replicas, channels, height, columns, device)
    shape = Shape(*network, precision=spec.precision)
    return replace(execution, kernel=choose(shape))


def step_seconds(spec: TrainSpec, images: ImageData, execution: Execution, seconds: float = 1.0) -> float:
    """Measured time of one iteration of a whole batched network, with all its replicas, on this machine.

    The fastest of at least three stretches, in `seconds` or a little more, after a warm-up.
    """
    from thermograd.training.run import ReplicaRun

    alike = [replace(spec, seed=spec.seed + i, subset=None) for i in range(execution.replicas)]
    with _quiet_machine(execution.device):
        run = ReplicaRun(alike, images, execution)
        best, stretch, left = math.inf, 1, 3
        run.time_steps(1)
        end = time.perf_counter() + seconds
        while left > 0 or time.perf_counter() < end:
            took = run.time_steps(stretch)
            best, left = min(best, took / stretch), left - 1
            stretch = max(1, min(100, round(seconds / 10 / took * stretch)))
    return best


@contextmanager
def _quiet_machine(device: str) -> Iterator[None]:
    """One thread, and float32 that is float32: settings of torch that are put back afterwards.

    TF32 rounds the factors of every product to 10 bits. That is noise of 5e-4 in activations and gradients,
    of no harm to a model and far above the neighbour distances that the entropy is read from.
    """
    import torch

    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (kind == "cpu" and number) or not (number or "0").isdigit():
        raise InputError(f"device is {device!r}; expected cpu, cuda or cuda:<number>")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        seen = torch.cuda.device_count()
        raise InputError(f"device is {device!r}, but torch sees {seen or 'no'} CUDA devices; expected cpu")
    threads = torch.get_num_threads()
    products, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    deterministic = torch.backends.cudnn.deterministic
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions
        torch.backends.cudnn.deterministic = deterministic
