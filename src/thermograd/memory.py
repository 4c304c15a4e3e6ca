"""How much memory there is, and whether work fits: asked before it begins, not found out by a crash."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from thermograd.errors import InputError

__all__ = ["available_bytes", "check_memory", "physical_bytes"]

_SHARE = 0.8  # of what is free: the rest is for everyone else


def available_bytes() -> int:
    """Memory that this machine can still give, in bytes.

    Returns
    -------
    int
        ``MemAvailable`` where the system says it, else all physical memory.

    Examples
    --------
    >>> available_bytes() > 0
    True

    """
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:  # not Linux
        pass
    return physical_bytes()


def physical_bytes() -> int:
    """The memory that this machine has, in bytes.

    Examples
    --------
    >>> physical_bytes() >= available_bytes()
    True

    """
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_memory(owner: str, parts: Mapping[str, float], advice: str) -> None:
    """Refuse what does not fit, naming the largest part.

    Parameters
    ----------
    owner
        Who asks, for the message.
    parts
        Bytes that each part will hold, by its name.
    advice
        What to lower.

    Raises
    ------
    InputError
        When the sum exceeds 80% of the available memory.

    Examples
    --------
    >>> check_memory("demo", {"queues": 1e18, "trace": 1e6}, "queue_size")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    thermograd.errors.InputError: demo: needs 1e+09 GB of memory (queues: 1e+09 GB); expected at most ...

    """
    needed, allowed = sum(parts.values()), _SHARE * available_bytes()
    if needed > allowed:
        largest = max(parts, key=lambda name: parts[name])
        raise InputError(
            f"{owner}: needs {needed / 1e9:.3g} GB of memory ({largest}: {parts[largest] / 1e9:.3g} GB); "
            f"expected at most {allowed / 1e9:.3g} GB, 80% of what is free: lower {advice}"
        )
