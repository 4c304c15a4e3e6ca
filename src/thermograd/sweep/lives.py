"""How often a group's worker may be lost: only losses without progress in between are counted."""

from __future__ import annotations

from collections import Counter

from thermograd.sweep.checkpoints import Checkpoints
from thermograd.sweep.task import Task

__all__ = ["Lives"]


class Lives:
    """Losses of each group's workers since its checkpoint last advanced.

    A run of two weeks may well lose its worker several times; one that always dies at the same place gets no
    further than the last checkpoint before it.
    """

    def __init__(self) -> None:
        self._lost: Counter[str] = Counter()
        self._reached: dict[str, int] = {}

    def lose(self, task: Task) -> int:
        """Take note of a loss; returns how many there were since the last progress, this one included."""
        kept = Checkpoints(task.folder).of(task.key)
        done = 0 if kept is None else kept.done
        if done > self._reached.get(task.key, 0):
            # Further than ever, not than last time: a damaged checkpoint, which sets a group back, is no
            # progress, and so the count must end somewhere.
            self._lost[task.key] = 0
            self._reached[task.key] = done
        self._lost[task.key] += 1
        return self._lost[task.key]
