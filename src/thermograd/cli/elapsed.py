"""The time that long work without a measure of progress has taken, on the standard error."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

__all__ = ["elapsed"]


@contextmanager
def elapsed(what: str, every: float = 2.0, quiet: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Say what is being done and for how long, again and again; nothing of short work, or while ``quiet``."""
    began, done = time.monotonic(), threading.Event()
    on_terminal = sys.stderr.isatty()

    def speak() -> None:
        pause = every
        while not done.wait(pause):
            if quiet():
                continue
            text = f"{what}: {time.monotonic() - began:.0f} s"
            click.echo(f"\r{text}" if on_terminal else text, nl=not on_terminal, err=True)
            # In a log file every line stays: speak half as often each time.
            pause = every if on_terminal else 2 * pause
        if on_terminal and time.monotonic() - began > every:
            click.echo("\r\x1b[K", nl=False, err=True)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join()
