"""Ctrl-C that waits for the piece of work at hand, so that what was done stays whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["postponed_interrupt"]


@contextmanager
def postponed_interrupt() -> Iterator[Callable[[], bool]]:
    """Inside, Ctrl-C is only noted, however often it comes: the function given says whether it did.

    An exception can be swallowed by whatever runs when it strikes (a progress bar that asks for the width of
    the screen), and one that struck at once would leave work half done, with threads of the compiled loop
    ahead of what is recorded; a piece of work is short. Outside the main thread, where signals cannot be
    handled, nothing is postponed.

    Examples
    --------
    >>> with postponed_interrupt() as interrupted:
    ...     for _ in range(2):
    ...         signal.raise_signal(signal.SIGINT)
    ...     interrupted()
    True

    """
    came = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    usual = signal.getsignal(signal.SIGINT)

    def note(_: int, __: FrameType | None) -> None:
        nonlocal came
        came = True

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, usual)
