"""How many runs share a network: measured here, before a long sweep, and said in words."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from thermograd.errors import FailedWorkError, InputError
from thermograd.memory import available_bytes
from thermograd.sweep.engines import cores
from thermograd.sweep.footprint import gpu_bytes, group_bytes
from thermograd.sweep.gpus import free_gpu_bytes, gpu_count
from thermograd.sweep.plan import Plan
from thermograd.sweep.status import duration
from thermograd.sweep.task import group_size
from thermograd.sweep.timing import Timing, resolved, timings
from thermograd.training.execution import Execution, groups
from thermograd.training.schedule import log_steps
from thermograd.training.spec import TrainSpec

__all__ = ["UNMEASURED_ON_GPU", "Choice", "choose", "iterations", "settle", "sweep_seconds"]

_CANDIDATES = (2, 4, 8, 16)
_GPU_CANDIDATES = (8, 32, 64, 128, 256)
"""A GPU is busy only with many small networks at once."""
UNMEASURED_ON_GPU = 64
"""Runs that share a network on GPUs of other machines, which cannot be asked from here."""
_TINY = 50_000
"""Iterations of a sweep below which measuring would cost more than it could save."""
_MEASURE_SECONDS = 0.7
_ROOM = 0.8
"""Part of the free memory that may be used."""
_BUDGET, _BUDGET_SHARE = 10.0, 0.05
_WORTH = 0.97
"""A larger group must be faster by this much: smaller ones lose less when a worker dies."""


@dataclass(frozen=True)
class Choice:
    """The execution picked, why in words, and what was measured on the way."""

    execution: Execution
    words: str
    timings: tuple[Timing, ...] = ()


def settle(plan: Plan, waiting: Sequence[TrainSpec], workers: int, local: bool = True) -> tuple[Plan, str]:
    """The plan with its execution known, and what to say about it: nothing if it was known before."""
    if plan.execution is not None and plan.picked:
        return plan, ""
    choice = choose(plan.execution, waiting, workers, plan.device or "cpu", local)
    return replace(plan, execution=choice.execution, picked=choice.words), choice.words


def choose(
    asked: Execution | None,
    waiting: Sequence[TrainSpec],
    workers: int,
    device: str,
    local: bool = True,
) -> Choice:
    """Pick how many runs share a network, by the time that the whole sweep would take.

    Candidates are 1 and 2, 4, 8, 16 - on a GPU 8, 32, 64, 128, 256 - none so large that workers are left idle
    or memory is short. Measuring takes ten seconds at most, and one part in twenty of the sweep. What other
    machines' GPUs take is not measured: there it is 64.

    Parameters
    ----------
    asked
        The execution, if the user said it: then nothing is measured.
    waiting
        The runs to do.
    workers
        Groups worked on at once.
    device
        Where the networks are computed.
    local
        Whether that is on this machine.

    """
    longest = max(waiting, key=iterations)
    if asked is not None:
        execution = _resolved(asked, longest)
        return Choice(execution, f"{_named(execution)}, as asked for")
    single = Execution(1, device=device)
    share = math.ceil(len(waiting) / workers)
    if not local and device != "cpu":
        execution = _resolved(Execution(min(UNMEASURED_ON_GPU, share), device=device), longest)
        return Choice(execution, f"{_named(execution)}: not measured, the GPUs are on other machines")
    sizes = _GPU_CANDIDATES if device.startswith("cuda") else _CANDIDATES
    candidates = [
        Execution(n, device=device) for n in sizes if n <= share and _fits(longest, n, workers, device, local)
    ]
    if sum(map(iterations, waiting)) < _TINY:
        execution = _resolved(single, longest)
        return Choice(execution, f"{_named(execution)}: a sweep this short is not worth measuring")
    if not candidates:
        execution = _resolved(single, longest)
        return Choice(
            execution, f"{_named(execution)}: {len(waiting)} runs for {workers} workers leave none to share"
        )
    found = _measure(longest, [single, *candidates], waiting, workers)
    if not found:
        execution = _resolved(single, longest)
        return Choice(execution, f"{_named(execution)}: nothing could be measured")
    best = found[0]
    for timing in found[1:]:
        if sweep_seconds(waiting, workers, timing) < _WORTH * sweep_seconds(waiting, workers, best):
            best = timing
    here = "here" if local else "on this machine, not on the cluster"
    measured = ", ".join(f"{t.execution.replicas}: {1e3 * t.per_run:.3g} ms" for t in found)
    total = duration(sweep_seconds(waiting, workers, best))
    return Choice(
        best.execution,
        f"{_named(best.execution)}: the shortest sweep, about {total} with {workers} workers, by the time of "
        f"an iteration of each run measured {here} ({measured})",
        tuple(found),
    )


def _fits(spec: TrainSpec, replicas: int, workers: int, device: str, local: bool) -> bool:
    """Whether all workers have room for such groups, in the memory of the machine or of its GPUs."""
    # Of other machines nothing is known: as many workers as this one has cores are taken to share one.
    beside = workers if local else min(workers, cores())
    if group_bytes(spec, replicas, device=device) > _ROOM * available_bytes() / max(1, beside):
        return False
    if not device.startswith("cuda"):
        return True
    beside = math.ceil(workers / max(1, gpu_count(device)))
    return gpu_bytes(spec, replicas) <= _ROOM * free_gpu_bytes(device) / beside


def _measure(
    spec: TrainSpec, executions: Sequence[Execution], waiting: Sequence[TrainSpec], workers: int
) -> list[Timing]:
    """As many of these as the budget allows, which the first measurement tells."""
    found: list[Timing] = []
    start, budget = 0.0, _BUDGET
    try:
        with closing(timings(spec, executions, _MEASURE_SECONDS)) as measuring:
            for timing in measuring:
                # Imports and a first compilation are not counted: any worker has them before it too.
                start = start or time.monotonic() - _MEASURE_SECONDS
                found.append(timing)
                budget = min(budget, _BUDGET_SHARE * sweep_seconds(waiting, workers, found[0]))
                if time.monotonic() - start + 2 * _MEASURE_SECONDS > budget:
                    break
    except FailedWorkError:  # the runs will say it, each for itself
        pass
    return found


def sweep_seconds(waiting: Sequence[TrainSpec], workers: int, timing: Timing) -> float:
    """The time of the whole sweep: groups handed to whichever worker is free next, the longest first."""
    size = group_size(len(waiting), timing.execution.replicas, workers)
    lengths = sorted((iterations(group[0]) for group in groups(list(waiting), size)), reverse=True)
    free = [0.0] * max(1, workers)
    for length in lengths:
        heapq.heappush(free, heapq.heappop(free) + length * timing.seconds)
    return max(free)


def iterations(spec: TrainSpec) -> float:
    """What a run costs in iterations: its own, and the gradients drawn to measure noise."""
    points = len(log_steps(spec.steps, spec.measurement))
    return spec.total_steps + points * spec.measurement.noise_draws


def _resolved(execution: Execution, spec: TrainSpec) -> Execution:
    try:
        return resolved(execution, spec)
    except (InputError, ValueError, RuntimeError, MemoryError):  # each run will say it for itself
        return execution


def _named(execution: Execution) -> str:
    share = "every run has its own network"
    if execution.replicas > 1:
        share = f"up to {execution.replicas} runs share a network"
    kernel = "" if execution.kernel == "auto" else f", kernel {execution.kernel}"
    return f"{share} (on {execution.device}{kernel})"
