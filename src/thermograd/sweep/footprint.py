"""What a group of runs takes: memory of its worker, place on the disk; worked out without building it."""

from __future__ import annotations

import math
from collections.abc import Callable

from thermograd.memory import available_bytes, check_memory
from thermograd.sweep.engines import cores
from thermograd.sweep.gpus import gpu_count
from thermograd.sweep.plan import Plan
from thermograd.training.schedule import log_steps
from thermograd.training.spec import TrainSpec

__all__ = [
    "checkpoint_bytes",
    "dimension",
    "fitting_workers",
    "gpu_bytes",
    "group_bytes",
    "image_bytes",
    "trace_bytes",
]

_PROCESS = 520e6
"""A worker before its first task: Python, torch, numba, and what it keeps in store."""
_GPU_PROCESS = 3.5e9
"""The same with the libraries for GPUs."""
_GPU_CONTEXT = 1.5e9
"""What a process takes on the GPU before anything is computed, and work space of the libraries."""
_SHARE = 0.8
_COPIES_OF_QUEUE = 3  # the queue, the window taken from it, and the search for neighbours in it
_COPIES_OF_WEIGHTS = 8  # weights, gradients, sums, the annealed start, the state being written
_COPIES_OF_ACTIVATIONS = 10  # outputs, normalised, gradients, layouts; peaks measured: 5 (ResNet) to 11
_TRACE_VARIABLES = 16
_TRACE_BASE = 60_000


def dimension(spec: TrainSpec) -> int:
    """Scale-invariant weights ``d`` of a run's network.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> dimension(TrainSpec(FixedLR(lr=0.1, wd=0.1)))
    387

    """
    channels, _ = _image(spec)
    k = spec.width
    if spec.architecture == "ConvNet":
        return 9 * (channels * k + 42 * k * k)
    # A stem; four convolutions in the first stage, and in each further one a 1x1 shortcut besides.
    return 9 * channels * k + 36 * k * k + sum(32 * k * k * 4**stage for stage in (1, 2, 3))


def _image(spec: TrainSpec) -> tuple[int, int]:
    """Channels and pixels of an image: the digits', or CIFAR's."""
    return (1, 64) if spec.data == "digits" else (3, 1024)


def group_bytes(spec: TrainSpec, replicas: int, kernel: str = "auto", device: str = "cpu") -> float:
    """Memory of a worker with this many runs like this one, roughly; images that all workers share left out.

    Parameters
    ----------
    spec
        One of the runs.
    replicas
        Runs that share the network.
    kernel
        How it is computed; "auto": as it will be picked.
    device
        Where: on a GPU most is there (`gpu_bytes`), and the worker holds the libraries and what it writes.

    """
    if device != "cpu":
        d = dimension(spec)
        state = 4.0 * replicas * d * (_COPIES_OF_WEIGHTS + spec.measurement.queue_size)
        return _GPU_PROCESS + state + image_bytes(spec)
    private = image_bytes(spec) if _copies_images(spec, replicas, kernel) else 0.0
    return _PROCESS + private + _network_bytes(spec, replicas)


def gpu_bytes(spec: TrainSpec, replicas: int) -> float:
    """Memory on a GPU of a group with this many runs like this one, roughly, images included."""
    return _GPU_CONTEXT + image_bytes(spec) + _network_bytes(spec, replicas)


def image_bytes(spec: TrainSpec) -> float:
    """All images, normalised; of a set that is not known here, CIFAR's number.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> image_bytes(TrainSpec(FixedLR(lr=0.1, wd=0.1), data="cifar10")) / 1e6
    737.28

    """
    channels, pixels = _image(spec)
    train, test = (1_437, 360) if spec.data == "digits" else (50_000, 10_000)
    return 4.0 * channels * pixels * (min(train, spec.subset or train) + test)


def _copies_images(spec: TrainSpec, replicas: int, kernel: str) -> bool:
    """Whether a worker has the images a second time: kernel `each` wants channels last, from 16x16 on."""
    channels, pixels = _image(spec)
    if pixels < 256 or channels == 1:  # one channel lies the same either way
        return False
    if kernel != "auto":
        return kernel == "each"
    # The kernels that need no copy: for the usual ConvNet, and narrow networks in groups.
    usual = spec.architecture == "ConvNet" and spec.precision == "float32"
    return not usual and (replicas == 1 or spec.width * math.isqrt(pixels) > 128)


def _network_bytes(spec: TrainSpec, replicas: int) -> float:
    _, pixels = _image(spec)
    d = dimension(spec)
    # Widths double from layer to layer while pixels fall to a quarter; ResNets have four layers a stage.
    layers = 1.0 if spec.architecture == "ConvNet" else 4.0
    outputs = layers * spec.width * pixels * (1 + 2 + 4 / 4 + 8 / 16)
    activations = _COPIES_OF_ACTIVATIONS * 4 * spec.batch_size * outputs
    queue = 4.0 * d * spec.measurement.queue_size
    return replicas * (activations + _COPIES_OF_QUEUE * queue + 4 * _COPIES_OF_WEIGHTS * d)


def checkpoint_bytes(spec: TrainSpec, replicas: int) -> float:
    """Place on the disk of a group's checkpoints: the last one and the one before it, queues included."""
    d = dimension(spec)
    return 2.0 * replicas * 4 * d * (spec.measurement.queue_size + 3)


def trace_bytes(spec: TrainSpec) -> float:
    """Size of one run's result."""
    return _TRACE_BASE + 8.0 * _TRACE_VARIABLES * len(log_steps(spec.steps, spec.measurement))


def fitting_workers(plan: Plan, asked: int | None, say: Callable[[str], None]) -> int:
    """How many worker processes to have: those asked for, or as many as there are cores and memory for.

    On GPUs one for each: a second process there waits for the first, and a larger group gains more.

    Raises
    ------
    InputError
        If the number asked for, or one alone, does not fit.

    """
    replicas, kernel = 1, "auto"
    if plan.execution is not None:
        replicas, kernel = plan.execution.replicas, plan.execution.kernel
    device = plan.device or "cpu"
    largest = max(group_bytes(template, replicas, kernel, device) for _, template in plan.grids)
    places = gpu_count(device) or cores()
    count = places if asked is None else asked
    if asked is None:
        count = max(1, min(count, math.floor(_SHARE * available_bytes() / largest)))
        if count < places:
            say(f"{count} workers, not {places}: each may need {largest / 1e9:.2g} GB of memory")
    parts = {f"{count} workers with {replicas} runs each": count * largest}
    check_memory("sweep", parts, "workers, replicas or queue_size")
    return count
