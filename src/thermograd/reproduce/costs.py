"""What a setup costs in iterations, time, memory and disk, by its grids and the speed of one step."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

from thermograd.errors import InputError
from thermograd.reproduce.presets import Setup
from thermograd.sweep.footprint import checkpoint_bytes, group_bytes, trace_bytes
from thermograd.training.schedule import log_steps
from thermograd.training.spec import TrainSpec

__all__ = ["Cost", "Speed", "cost", "entropy_windows", "step_flops"]


@dataclass(frozen=True)
class Speed:
    """How fast a machine is on one of a setup's runs.

    Parameters
    ----------
    step_seconds
        One iteration of one run on one core (or one GPU); of several runs that share a network, its part.
    gradient_seconds
        One minibatch gradient at frozen weights; ``None``: as long as an iteration.
    window_seconds
        Reading the entropy of one window of the queue.

    Raises
    ------
    InputError
        If a time is negative or not finite, or an iteration takes none.

    """

    step_seconds: float
    gradient_seconds: float | None = None
    window_seconds: float = 0.0

    def __post_init__(self) -> None:
        gradient = self.step_seconds if self.gradient_seconds is None else self.gradient_seconds
        if not 0 < self.step_seconds < math.inf:
            raise InputError(f"Speed: step_seconds is {self.step_seconds!r}; expected a number above 0")
        for name, value in (("gradient_seconds", gradient), ("window_seconds", self.window_seconds)):
            if not 0 <= value < math.inf:
                raise InputError(f"Speed: {name} is {value!r}; expected a number of at least 0")
        object.__setattr__(self, "gradient_seconds", gradient)


@dataclass(frozen=True)
class Cost:
    """What a setup takes.

    Attributes
    ----------
    runs
        Points of all grids times seeds.
    steps
        Iterations of SGD of all runs, their preparation included; annealing once for each seed and worker.
    gradients
        Minibatch gradients drawn to measure noise, at most (see `noise_rtol` of `Measurement`).
    windows
        Entropies read.
    core_seconds, seconds
        Summed over all workers, and from start to end.
    memory_bytes
        All workers.
    trace_bytes, checkpoint_bytes
        Disk: all results; the checkpoints that exist at one time, queues included.

    """

    runs: int
    steps: int
    gradients: int
    windows: int
    core_seconds: float
    seconds: float
    memory_bytes: float
    trace_bytes: float
    checkpoint_bytes: float


def cost(setup: Setup, speed: Speed, *, workers: int = 1, replicas: int = 1) -> Cost:
    """What a setup takes with so many workers.

    Groups of runs are handed to whichever worker is free next, the longest first, as the sweep does. Left
    out are a run's first few gradients, which set its radius, and the loss on the test set.

    Parameters
    ----------
    setup
        What to do.
    speed
        Of one worker.
    workers
        Processes, or GPUs.
    replicas
        Runs that share a network; they end together, so that a group takes as long as its runs one after
        another.

    Raises
    ------
    InputError
        If `workers` or `replicas` is not a whole number above 0.

    Examples
    --------
    >>> from thermograd.reproduce.presets import load_preset
    >>> found = cost(load_preset("ideal-gas-convnet-cifar10", "paper"), Speed(0.080))
    >>> found.runs, found.steps, found.windows, round(found.core_seconds / 86400)
    (299, 598000000, 5083, 559)

    """
    for name, value in (("workers", workers), ("replicas", replicas)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"cost: {name} is {value!r}; expected a whole number above 0")
    assert speed.gradient_seconds is not None
    specs = setup.specs
    steps, gradients, windows, seconds = 0, 0, 0, []
    # Runs of a grid differ in their protocol alone: what is counted is the same for all of them.
    counted: dict[object, tuple[int, int, int]] = {}
    for spec in specs:
        alike = (spec.steps, spec.settle, spec.measurement)
        if alike not in counted:
            counted[alike] = (spec.settle + spec.steps, _gradients(spec), entropy_windows(spec))
        own_steps, own_gradients, own_windows = counted[alike]
        steps, gradients, windows = steps + own_steps, gradients + own_gradients, windows + own_windows
        seconds.append(
            own_steps * speed.step_seconds
            + own_gradients * speed.gradient_seconds
            + own_windows * speed.window_seconds
        )
    # Those of one length share a network; a group cannot be larger than what leaves every worker one.
    size = min(replicas, math.ceil(len(specs) / workers))
    seconds.sort(reverse=True)
    groups = [sum(seconds[start : start + size]) for start in range(0, len(seconds), size)]
    busy = min(workers, len(groups))
    anneal = len(setup.seeds) * specs[0].anneal
    free = [anneal * speed.step_seconds] * busy
    for group in groups:
        heapq.heappush(free, heapq.heappop(free) + group)
    largest = max(specs, key=lambda spec: group_bytes(spec, size))
    return Cost(
        runs=len(specs),
        steps=steps + busy * anneal,
        gradients=gradients,
        windows=windows,
        core_seconds=sum(free),
        seconds=max(free),
        memory_bytes=busy * group_bytes(largest, size),
        trace_bytes=sum(map(trace_bytes, specs)),
        checkpoint_bytes=busy * checkpoint_bytes(largest, size),
    )


def _gradients(spec: TrainSpec) -> int:
    measurement = spec.measurement
    each = measurement.noise_draws if measurement.noise_rtol is None else measurement.noise_max_draws
    return each * len(log_steps(spec.steps, measurement))


def entropy_windows(spec: TrainSpec) -> int:
    """Log points of a run at which its queue has filled since the last window: each reads an entropy.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.training.spec import Measurement
    >>> spec = TrainSpec(FixedSphere(elr=0.01, radius=1), steps=8000, measurement=Measurement(log_every=500))
    >>> entropy_windows(spec)
    4

    """
    measurement = spec.measurement
    windows, since = 0, 0
    for step in log_steps(spec.steps, measurement):
        pushed = step // measurement.queue_every
        if pushed - since >= measurement.queue_size:
            windows, since = windows + 1, pushed
    return windows


def step_flops(architecture: str, width: int, channels: int, side: int, batch_size: int = 128) -> float:
    """Floating-point operations of the convolutions in one iteration, forward and backward.

    Two per multiplication and addition; each convolution is done three times (forward, gradient by weights,
    gradient by input), the first one, whose input needs no gradient, twice. Normalisation, pooling and the
    head are left out: few operations, much memory traffic.

    Parameters
    ----------
    architecture, width
        The network: ``"ConvNet"`` or ``"ResNet18"``, and k.
    channels, side
        Of the images.
    batch_size
        Images per minibatch.

    Raises
    ------
    InputError
        If the architecture is unknown.

    Examples
    --------
    >>> f"{step_flops('ConvNet', 8, 3, 32):.3g}"
    '2.83e+09'

    """
    area, k = side * side, width
    first = 9.0 * channels * k * area
    if architecture == "ConvNet":
        # Widths k, 2k, 4k, 8k at full, full, half and quarter resolution.
        rest = 9 * (2 * k * k * area + 8 * k * k * area / 4 + 32 * k * k * area / 16)
    elif architecture == "ResNet18":
        # Four convolutions of width k; in each later stage one from half the width at half the resolution,
        # three more, and a 1x1 shortcut: with twice the width on a quarter of the area all stages are alike.
        rest = 36.0 * k * k * area + 3 * (9 * (2 + 3 * 4) + 2) * k * k * area / 4
    else:
        raise InputError(f"step_flops: architecture is {architecture!r}; expected ConvNet or ResNet18")
    return 2.0 * batch_size * (2 * first + 3 * rest)
