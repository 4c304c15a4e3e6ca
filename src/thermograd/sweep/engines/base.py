"""What an engine is: one `map` over tasks, with progress and a way to stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Protocol

from thermograd.sweep.task import Outcome, Task

__all__ = ["POLL_SECONDS", "Engine"]

POLL_SECONDS = 0.5


class Engine(Protocol):
    """Carries out tasks; what they are and what their outcomes mean is not its business.

    Results do not pass through an engine: workers write them to the sweep's folder. So an engine can lose a
    worker, or the whole sweep the engine, and nothing that is done is lost.
    """

    @property
    def workers(self) -> int:
        """Tasks worked on at once."""
        ...

    def map(self, tasks: deque[Task], poll: Callable[[], bool]) -> Generator[Outcome, None, None]:
        """Carry out tasks, in any order, and yield what became of each as it ends.

        Parameters
        ----------
        tasks
            Taken from the left until none is left; the caller may add to it whenever it has the turn.
        poll
            Called about twice a second. When it says True, no task is begun any more, those under way are
            asked to stop and are waited for.

        """
        ...
