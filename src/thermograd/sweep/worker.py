"""What a worker does with a task: train the group, store each run's trace, say what became of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from thermograd.errors import InputError
from thermograd.sweep.checkpoints import Checkpoints, KeptGroup
from thermograd.sweep.failures import system_error
from thermograd.sweep.heartbeat import Heartbeat
from thermograd.sweep.images import ChangedImagesError, sweep_images
from thermograd.sweep.plan import PLAN_FILE
from thermograd.sweep.store import RunStore
from thermograd.sweep.task import End, Outcome, Task

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["WORKER_ENVIRONMENT", "Trainer", "perform"]

Trainer = Callable[..., "list[xr.Dataset]"]
"""`thermograd.training.group.train_group`, or what stands in for it in a test."""

WORKER_ENVIRONMENT = {
    # One thread a process: two-thread steps collapse when another process is busy, and one thread adds in
    # one order, which makes runs reproducible to the bit.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    # Keep freed pages: giving them back at every step costs a third of the time in page faults.
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "100000000",
}

_MOST_WARNINGS = 10


class _StopAskedError(Exception):
    """The sweep is to stop."""


def perform(task: Task, should_stop: Callable[[], bool], train: Trainer | None = None) -> Outcome:
    """Do a task; whatever goes wrong is an outcome, never an exception.

    Doing it again is harmless: what is stored already is not trained again, and a group goes on from its
    checkpoint.

    Parameters
    ----------
    task
        What to do.
    should_stop
        Asked a few times a second whether to stop.
    train
        Trains the group; default: `thermograd.training.group.train_group`.

    """
    try:
        if not (task.folder / PLAN_FILE).exists():
            reason = f"{task.folder} cannot be seen by a worker; expected a shared folder"
            return Outcome(task, End.REFUSED, reason)
        if not _waiting(task):
            Checkpoints(task.folder).clear(task.key)
            return Outcome(task, End.DONE)
    except OSError as error:  # a file server that does not answer
        return _failure(task, error)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)

        def said() -> tuple[str, ...]:
            texts = (str(w.message) for w in list(caught) if issubclass(w.category, RuntimeWarning))
            return tuple(dict.fromkeys(texts))[:_MOST_WARNINGS]

        with Heartbeat(task.folder, task.key, task.keys, task.total_steps) as heartbeat:
            heartbeat.warn_from(said)
            try:
                outcome = _perform(task, should_stop, train, heartbeat)
                _keep_warnings(outcome, said())
            except _StopAskedError:
                outcome = Outcome(task, End.STOPPED)
            except ChangedImagesError as error:
                outcome = Outcome(task, End.REFUSED, str(error))
            except Exception as error:
                outcome = _failure(task, error)
        return replace(outcome, warnings=said())


def _perform(
    task: Task, should_stop: Callable[[], bool], train: Trainer | None, heartbeat: Heartbeat
) -> Outcome:
    checkpoints = Checkpoints(task.folder)
    watch = _Watch(task, checkpoints)

    def on_progress(done: int) -> None:
        heartbeat.reached(done)
        watch.look(done)
        if should_stop():
            watch.expect(done)
            raise _StopAskedError

    if should_stop():
        raise _StopAskedError
    from thermograd.training.group import clear_checkpoint, train_group

    spec = task.specs[0]
    images = sweep_images(spec.data, spec.subset, spec.seed, task.data_sha256, task.folder)
    traces = (train or train_group)(
        task.specs,
        images,
        execution=task.execution,
        on_progress=on_progress,
        checkpoint=checkpoints.path(task.key),
        checkpoint_seconds=task.checkpoint_seconds,
    )
    store, waiting = RunStore(task.folder), _waiting(task)
    for key, trace in zip(task.keys, traces, strict=True):
        if key in waiting:
            store.save(key, trace)
    # Only now: killed before, the group ends again from its last state, which takes no time.
    clear_checkpoint(checkpoints.path(task.key))
    checkpoints.clear(task.key)
    return Outcome(task, End.DONE)


class _Watch:
    """Keeps the list beside a checkpoint true: which runs it is of, and how far they are."""

    def __init__(self, task: Task, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._path = checkpoints.path(task.key)
        there = checkpoints.of(task.key)
        self._known = there or KeptGroup(task.key, task.keys, 0, task.total_steps)
        if there is None:
            checkpoints.describe(self._known)
        self._written, self._before = self._time(), self._known.done

    def look(self, done: int) -> None:
        """A checkpoint that is new since the last look is at least as far on as things were then."""
        written = self._time()
        if written != self._written:
            self._written = written
            self.expect(self._before)
        self._before = done

    def expect(self, done: int) -> None:
        """The next checkpoint will be of this iteration."""
        self._known = replace(self._known, done=done)
        self._checkpoints.describe(self._known)

    def _time(self) -> float:
        try:
            return self._path.stat().st_mtime
        except OSError:
            return 0.0


def _waiting(task: Task) -> set[str]:
    store = RunStore(task.folder)
    return {key for key in task.keys if not store.path(key).exists()}


def _failure(task: Task, error: Exception) -> Outcome:
    """What an exception means: trouble with files ends the sweep; anything else belongs to the runs."""
    reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return Outcome(task, End.FAILED if system_error(error) is None else End.FATAL, reason)


def _keep_warnings(outcome: Outcome, said: tuple[str, ...]) -> None:
    if said:
        for key in outcome.task.keys:
            RunStore(outcome.task.folder).note_warnings(key, said)
