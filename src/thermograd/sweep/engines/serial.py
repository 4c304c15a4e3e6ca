"""The engine without a second process: tasks one after another, here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

from thermograd.sweep.task import Outcome, Task
from thermograd.sweep.worker import Trainer, perform

__all__ = ["Serial"]


@dataclass(frozen=True)
class Serial:
    """Runs in this process: for notebooks, debuggers and profilers, and where processes are not to be had.

    A run that takes its process down takes the sweep with it, until it is started again.

    Parameters
    ----------
    train
        Trains a group; default: the package's own.

    """

    train: Trainer | None = None

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def map(self, tasks: deque[Task], poll: Callable[[], bool]) -> Generator[Outcome, None, None]:
        """Carry out tasks one by one (see `thermograd.sweep.engines.Engine`)."""
        while tasks and not poll():
            yield perform(tasks.popleft(), poll, self.train)
