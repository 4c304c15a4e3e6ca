"""What a sweep's worker process does: one run at a time, on one thread, its result written by itself."""

from __future__ import annotations

import os
import signal
import threading
from ctypes import Array, c_byte, c_longlong
from functools import lru_cache
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermograd.errors import InputError
from thermograd.training.spec import TrainSpec

if TYPE_CHECKING:
    from thermograd.data import ImageData

__all__ = ["DONE", "FAILED", "FATAL", "STOPPED", "WORKER_ENVIRONMENT", "start_worker", "work"]

DONE, FAILED, STOPPED, FATAL = "done", "failed", "stopped", "fatal"

WORKER_ENVIRONMENT = {
    # One thread a process: two-thread steps collapse when another process is busy, and one thread adds in
    # one order, which makes runs reproducible to the bit.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Keep freed pages: giving them back at every step costs a third of the time in page faults.
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "100000000",
}


class _StopAskedError(Exception):
    """The sweep was interrupted."""


_shared: dict[str, Any] = {}


def start_worker(progress: Array[c_longlong], stop: c_byte) -> None:
    """Prepare a fresh worker process: deaf to Ctrl-C (the parent decides), and gone when the parent is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared.update(progress=progress, stop=stop)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@lru_cache(maxsize=4)
def _images(data: str, subset: int | None, seed: int) -> ImageData:
    from thermograd.training.loop import load_images

    return load_images(data, subset, seed)


def work(index: int, spec: TrainSpec, key: str, data_sha256: str, folder: Path) -> tuple[str, str]:
    """Do one run and store its trace; return what became of it and why."""
    from thermograd.sweep.store import RunStore
    from thermograd.training.loop import train

    store = RunStore(folder)

    def on_progress(done: int) -> None:
        _shared["progress"][index] = done
        if _shared["stop"].value:
            raise _StopAskedError

    try:
        on_progress(0)
        # A data set that is not the planned one would be stored under a key that promises another.
        images = _images(spec.data, spec.subset, spec.seed)
        if images.sha256 != data_sha256:
            return FATAL, f"the images at {spec.data!r} have changed since the sweep was planned"
        trace = train(spec, data=images, on_progress=on_progress)
    except _StopAskedError:
        return STOPPED, ""
    except Exception as error:
        # Whatever went wrong belongs to this grid point: the sweep goes on, and the reason is kept.
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return _keep(lambda: store.note_failure(key, spec, reason), FAILED, reason)
    return _keep(lambda: store.save(key, trace), DONE, "")


def _keep(write: Any, outcome: str, reason: str) -> tuple[str, str]:
    try:
        write()
    except InputError as error:
        return FATAL, str(error)
    except Exception as error:
        return FATAL, f"a result could not be written ({type(error).__name__}: {error})"
    return outcome, reason
