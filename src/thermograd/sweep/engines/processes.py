"""The engine of one machine: a pool of single-thread processes, each replaced when it dies."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from ctypes import c_byte
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from thermograd.errors import InputError
from thermograd.sweep.engines.base import POLL_SECONDS
from thermograd.sweep.engines.child import quiet_start, start_worker
from thermograd.sweep.task import End, Outcome, Task
from thermograd.sweep.worker import perform

__all__ = ["Processes", "Work", "cores"]

Work = Callable[[Task, Callable[[], bool]], Outcome]
_PATIENCE = 60.0


@dataclass(frozen=True)
class Processes:
    """Processes of this machine, each on one thread and with one task at a time.

    Workers are deaf to Ctrl-C, which is the parent's to decide about, and end themselves when they find their
    parent gone. A worker that dies costs its own task one life and nobody else anything.

    Parameters
    ----------
    workers
        How many; default: one for each core that this process may use.
    work
        What a worker does with a task; an importable function.

    """

    workers: int = field(default_factory=lambda: cores())
    work: Work = perform

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"workers is {self.workers}; expected at least 1")

    def map(self, tasks: deque[Task], poll: Callable[[], bool]) -> Generator[Outcome, None, None]:
        """Carry out tasks (see `thermograd.sweep.engines.Engine`)."""
        # Plain shared memory, no lock: a worker killed while it holds one would leave everybody waiting.
        stop: c_byte = multiprocessing.get_context("spawn").RawValue("b", 0)
        hands: list[_Hand] = []
        try:
            while True:
                if poll():
                    stop.value = 1
                while tasks and not stop.value and (hand := self._free(hands, stop)) is not None:
                    hand.give(tasks.popleft())
                busy = [hand for hand in hands if hand.task is not None]
                if not busy:
                    return
                ready = wait([thing for hand in busy for thing in hand.signs], POLL_SECONDS)
                for hand in busy:
                    if any(sign in ready for sign in hand.signs):
                        outcome = hand.take()
                        if outcome.end is End.DIED:
                            hands.remove(hand)
                        yield outcome
        finally:
            # Whatever ends this block, no worker goes on behind it.
            stop.value = 1
            for hand in hands:
                hand.dismiss()
            for hand in hands:
                hand.wait()

    def _free(self, hands: list[_Hand], stop: c_byte) -> _Hand | None:
        """An idle worker that is alive, or a new one while there may be more."""
        for hand in [hand for hand in hands if hand.task is None]:
            if hand.process.is_alive():
                return hand
            hands.remove(hand)
        if len(hands) >= self.workers:
            return None
        taken = {hand.place for hand in hands}
        place = next(number for number in range(self.workers) if number not in taken)
        hands.append(_Hand(self.work, stop, place))
        return hands[-1]


class _Hand:
    """One worker process and the line to it."""

    def __init__(self, work: Work, stop: c_byte, place: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.task: Task | None = None
        self.place = place
        self.process: SpawnProcess = context.Process(
            target=start_worker, args=(other, stop, work, place), daemon=False
        )
        with quiet_start():
            self.process.start()
        other.close()

    @property
    def signs(self) -> tuple[Connection, int]:
        """What becomes ready when the worker has something to say, or has died."""
        return self.pipe, self.process.sentinel

    def give(self, task: Task) -> None:
        """Hand over a task; a worker that died meanwhile is found out by its sentinel."""
        self.task = task
        with suppress(OSError):
            self.pipe.send(task)

    def take(self) -> Outcome:
        """The outcome of the task at hand."""
        task, self.task = self.task, None
        assert task is not None
        with suppress(EOFError, OSError):
            if self.pipe.poll():
                outcome: Outcome = self.pipe.recv()
                return outcome
        self.process.join(_PATIENCE)
        code = self.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return Outcome(task, End.DIED, how)

    def dismiss(self) -> None:
        """Let the worker go home after the task at hand."""
        with suppress(OSError):
            self.pipe.send(None)

    def wait(self) -> None:
        """Until it is gone; one that writes its checkpoint is given time."""
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()
        self.process.close()


def cores() -> int:
    """Cores that this process may use, where the system tells; else all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
