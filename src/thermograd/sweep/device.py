"""Where a sweep's networks are computed: asked about before anything is written or begun."""

from __future__ import annotations

import re

from thermograd.errors import InputError
from thermograd.extras import require
from thermograd.sweep.engines import Engine, Processes, RayCluster, Serial

__all__ = ["check_device", "is_local"]

_DEVICE = re.compile(r"(cpu|mps|cuda(:\d{1,3})?)")


def is_local(engine: Engine | None) -> bool:
    """Whether an engine computes on this machine, so that what is here tells what it can do."""
    return engine is None or isinstance(engine, Processes | Serial)


def check_device(device: str, engine: Engine | None = None) -> None:
    """Refuse a device that is none, or that is not there.

    Parameters
    ----------
    device
        ``cpu``, ``mps``, ``cuda``, ``cuda:1``.
    engine
        Who carries out the runs; default: this machine. What another machine has is not known here.

    Raises
    ------
    InputError
        Naming the device and what there is.

    Examples
    --------
    >>> check_device("gpu")
    Traceback (most recent call last):
    thermograd.errors.InputError: device is 'gpu'; expected cpu, cuda, cuda:<number> or mps

    """
    if _DEVICE.fullmatch(device) is None:
        raise InputError(f"device is {device!r}; expected cpu, cuda, cuda:<number> or mps")
    if isinstance(engine, RayCluster) and device.startswith("cuda"):
        if engine.gpus_per_run == 0:
            raise InputError(
                f"device is {device!r} and gpus_per_run is 0; expected a share of a GPU above 0, such as 0.25"
            )
        if device != "cuda":
            raise InputError(f"device is {device!r} on Ray, which decides which GPU it is; expected cuda")
    if is_local(engine):
        _check_here(device)


def _check_here(device: str) -> None:
    if device == "cpu":
        return
    require("train")
    import torch

    if device == "mps":
        if not torch.backends.mps.is_available():
            raise InputError("device is 'mps', which torch does not see here; expected cpu")
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise InputError(f"device is {device!r}, but torch sees no CUDA device; expected cpu")
    number = int(device.partition(":")[2] or 0)
    if number >= count:
        raise InputError(f"device is {device!r}; expected a number below {count}, the GPUs that torch sees")
