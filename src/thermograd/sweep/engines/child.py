"""The life of a worker process: how it is started, what it is deaf to, and what ends it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ctypes import c_byte
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from thermograd.sweep.gpus import take_gpu
from thermograd.sweep.worker import WORKER_ENVIRONMENT

__all__ = ["prepare_child", "quiet_start", "start_worker"]


def start_worker(pipe: Connection, stop: c_byte, work: Callable[..., Any], place: int) -> None:
    """Do one task after another, as they come down the line, until it brings None.

    `place` is the worker's number, below that of all workers: it decides about the GPU.
    """
    prepare_child()
    with suppress(EOFError, OSError):  # the parent is gone
        while (task := pipe.recv()) is not None:
            take_gpu(task.execution.device, place)
            pipe.send(work(task, lambda: bool(stop.value)))


def prepare_child() -> None:
    """Make a fresh process deaf to signals that are meant for its parent, and mortal with it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):  # where memory runs out, a worker is to go, whose run is tried again
        Path("/proc/self/oom_score_adj").write_text("500")
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def quiet_start() -> Iterator[None]:
    """Start processes inside: in the workers' environment, with Ctrl-C held back until they are deaf."""
    before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    os.environ.update(WORKER_ENVIRONMENT)
    # A mask is inherited: the child never sees the signals of the moments before it is prepared.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
