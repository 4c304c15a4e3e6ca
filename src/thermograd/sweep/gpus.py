"""The GPUs of this machine: how many a device stands for, what is free on them, which worker has which."""

from __future__ import annotations

__all__ = ["free_gpu_bytes", "gpu_count", "take_gpu"]


def gpu_count(device: str) -> int:
    """GPUs of this machine that a device stands for: all for ``cuda``, one for ``cuda:1``.

    Examples
    --------
    >>> gpu_count("cpu"), gpu_count("cuda:3")
    (0, 1)

    """
    if not device.startswith("cuda"):
        return 0
    if device != "cuda":
        return 1
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def free_gpu_bytes(device: str) -> float:
    """Memory that is free on a GPU of this machine; of ``cuda``, on the one that has least."""
    import torch

    places = range(gpu_count(device)) if device == "cuda" else [int(device.partition(":")[2])]
    return float(min((torch.cuda.mem_get_info(place)[0] for place in places), default=0))


def take_gpu(device: str, place: int) -> None:
    """In a worker process: let ``cuda`` be the GPU that is this worker's, in turn.

    Parameters
    ----------
    device
        Where its task is computed; anything but ``cuda`` says itself which one it is.
    place
        The worker's number.

    """
    if device != "cuda":
        return
    import torch

    count = gpu_count(device)
    if count > 1:
        torch.cuda.set_device(place % count)
