"""Running a plan over a pool of single-thread processes: resumable by run, Ctrl-C safe, failures recorded."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from thermograd.errors import InputError
from thermograd.extras import require
from thermograd.interrupt import postponed_interrupt
from thermograd.sweep.plan import Plan
from thermograd.sweep.store import RunStore
from thermograd.sweep.worker import DONE, FAILED, FATAL, STOPPED, WORKER_ENVIRONMENT, start_worker, work

__all__ = ["SweepSummary", "run_plan"]

_POLL_SECONDS = 0.5
_NOT_BEGUN = -1
_LIVES = 2
"""A run whose worker died is tried again this often in all before it counts as failed."""


@dataclass(frozen=True)
class SweepSummary:
    """What a call of `run_plan` did: runs reused, runs done now, runs that failed."""

    reused: int
    done: int
    failed: int
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """0 if every run has a result, else 1."""
        return int(self.interrupted or self.failed > 0)

    def __str__(self) -> str:
        """One line for people."""
        end = "; interrupted" if self.interrupted else ""
        return f"{self.done} runs done, {self.reused} reused, {self.failed} failed{end}"


def run_plan(
    plan: Plan,
    folder: Path,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> SweepSummary:
    """Do every run of a plan that has no result yet.

    Each run is a process of its own kind of luck: it is done on one thread, writes its own file, and depends
    on nothing but its spec, so that the results are the same to the bit whatever was killed in between and
    however many workers there were.

    Parameters
    ----------
    plan
        What to run.
    folder
        Where the results lie; it is locked against a second sweep while this one runs.
    workers
        Number of processes; default: the machine's cores.
    on_progress
        Called twice a second with (iterations done, iterations in all).

    Raises
    ------
    InputError
        If the folder cannot be written, the disk is full, or the data changed. Finished runs stay.

    """
    require("train")
    workers = workers if workers is not None else _cores()
    if workers < 1:
        raise InputError(f"workers is {workers}; expected at least 1")
    store = RunStore(folder)
    with store.locked():
        plan.save(folder)
        specs = plan.specs()
        keys = [plan.key(spec) for spec in specs]
        waiting = [i for i, key in enumerate(keys) if not store.path(key).exists()]
        reused = len(specs) - len(waiting)
        deaths: Counter[int] = Counter()
        outcomes: Counter[str] = Counter()
        suspects: list[int] = []
        interrupted = False
        while waiting:
            # Runs that were under way when a worker died go on alone: the next death is then nobody else's.
            now = suspects[:1] or waiting
            before = outcomes.total()
            pool = _Pool(plan, folder, min(workers, len(now)), on_progress)
            left, suspects_found, interrupted = pool.run(now, waiting, outcomes)
            waiting = [i for i in waiting if i not in now or i in left]
            suspects = [i for i in suspects_found + suspects if i in waiting]
            if interrupted:
                break
            # Workers that die before they have begun anything count against every run, or this never ends.
            deaths.update(suspects_found if suspects_found or outcomes.total() > before else left)
            for i in [i for i in waiting if deaths[i] >= _LIVES]:
                reason = f"its worker process died {_LIVES} times (out of memory, or killed)"
                store.note_failure(keys[i], specs[i], reason)
                waiting.remove(i)
                suspects = [other for other in suspects if other != i]
                outcomes[FAILED] += 1
    return SweepSummary(reused, outcomes[DONE], outcomes[FAILED], interrupted)


@dataclass
class _Pool:
    """One generation of worker processes; when one of them dies, the whole generation is replaced."""

    plan: Plan
    folder: Path
    workers: int
    on_progress: Callable[[int, int], None] | None

    def run(
        self, indices: list[int], waiting: list[int], outcomes: Counter[str]
    ) -> tuple[list[int], list[int], bool]:
        """Do these runs, of all that are waiting.

        Returns those still to do, those that were under way when a worker died, and whether the user
        stopped it.
        """
        specs = self.plan.specs()
        context = multiprocessing.get_context("spawn")
        # Plain shared memory, no locks: a worker killed while it holds one would leave everybody waiting.
        progress = context.RawArray("q", len(specs))
        stop = context.RawValue("b", 0)
        total = sum(spec.total_steps for spec in specs)
        for i, spec in enumerate(specs):
            progress[i] = _NOT_BEGUN if i in waiting else spec.total_steps
        left = dict.fromkeys(indices)
        broken: list[int] = []
        fatal = ""
        with (
            postponed_interrupt() as interrupted,
            _environment(WORKER_ENVIRONMENT),
            ProcessPoolExecutor(self.workers, context, start_worker, (progress, stop)) as executor,
        ):
            futures: dict[Future[tuple[str, str]], int] = {}
            try:
                with suppress(BrokenProcessPool):  # a worker that dies this early is seen below, or next time
                    for i in indices:
                        key = self.plan.key(specs[i])
                        args = (i, specs[i], key, self.plan.data_sha256, self.folder)
                        futures[executor.submit(work, *args)] = i
                unfinished = set(futures)
                while unfinished:
                    finished, unfinished = wait(unfinished, _POLL_SECONDS, FIRST_COMPLETED)
                    for future in finished:
                        i = futures[future]
                        try:
                            outcome, reason = future.result()
                        except BrokenProcessPool:
                            if progress[i] != _NOT_BEGUN:
                                broken.append(i)
                            continue
                        if outcome == FATAL:
                            fatal = fatal or reason
                            stop.value = 1
                        elif outcome != STOPPED:
                            progress[i] = specs[i].total_steps
                            outcomes[outcome] += 1
                            del left[i]
                    if self.on_progress is not None:
                        self.on_progress(sum(max(done, 0) for done in progress[:]), total)
                    if interrupted():
                        stop.value = 1
            finally:
                # Whatever ends this block, the pool must not work through the rest of the plan behind it.
                stop.value = 1
        if fatal:
            kept = len(specs) - len(waiting) + outcomes[DONE]
            raise InputError(f"{fatal}; {kept} finished runs are kept, run again to go on")
        return list(left), broken, interrupted()


def _cores() -> int:
    """Cores that this process may use, where the system tells; else all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the processes started inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
