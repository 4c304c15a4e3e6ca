"""The two ways to ask a sweep to stop: Ctrl-C, and the signal by which batch systems end a job."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from thermograd.interrupt import postponed_interrupt

__all__ = ["stop_asked"]


@contextmanager
def stop_asked() -> Iterator[Callable[[], bool]]:
    """Inside, Ctrl-C and SIGTERM are only noted: the function given says whether one came."""
    came = False

    def note(_: int, __: FrameType | None) -> None:
        nonlocal came
        came = True

    with postponed_interrupt() as interrupted:
        if threading.current_thread() is not threading.main_thread():
            yield interrupted
            return
        usual = signal.signal(signal.SIGTERM, note)
        try:
            yield lambda: came or interrupted()
        finally:
            signal.signal(signal.SIGTERM, usual)
