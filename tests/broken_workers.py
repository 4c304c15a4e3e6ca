"""Stand-ins for what workers do, that break in known ways, for worker processes to import.

`toy_train` takes the place of training: it walks, logs, reports progress, writes checkpoints and goes on from
them as training does, in milliseconds and without torch. Its numbers depend on the spec alone.
"""

import errno
import os
import signal
import time
from pathlib import Path

import numpy as np

from thermograd.errors import InputError
from thermograd.state_file import read_latest_state, write_state
from thermograd.sweep.heartbeat import Heartbeat
from thermograd.sweep.task import End, Outcome
from thermograd.sweep.worker import perform
from thermograd.training.schedule import log_steps
from thermograd.training.trace import run_trace

DIM = 387
_fsync = os.fsync


def toy_train(
    specs, images, *, execution, on_progress=None, checkpoint=None, checkpoint_seconds=300.0, pause=0.0
):
    """A random walk for each run, in the place of its training."""
    tell = on_progress or (lambda done: None)
    settings = {"runs": [spec.to_dict() | {"data": ""} for spec in specs]}
    state = None if checkpoint is None else read_latest_state(checkpoint, settings)
    points = log_steps(specs[0].steps, specs[0].measurement)
    values, losses, done = np.ones(len(specs)), np.full((len(specs), len(points)), np.nan), 0
    if state is not None:
        values, losses, done = state["values"], state["losses"], int(state["done"])
    saved = time.monotonic()

    def save():
        if checkpoint is not None:
            arrays = {"values": values, "losses": losses, "done": np.array(done)}
            write_state(checkpoint, settings, arrays, keep_previous=True)

    while done < specs[0].steps:
        for i, spec in enumerate(specs):
            values[i] += 0.01 * np.random.default_rng([spec.stream("batches"), done]).standard_normal()
        done += 1
        if done in points:
            losses[:, points.index(done)] = values
        time.sleep(pause)
        try:
            tell(specs[0].anneal + specs[0].settle + done)
        except BaseException:
            save()
            raise
        if time.monotonic() - saved > checkpoint_seconds:
            save()
            saved = time.monotonic()
    rows = [[{"loss": loss, "norm": 1.0 + loss**2} for loss in row] for row in losses.tolist()]
    return [run_trace(spec, DIM, some, "done", "") for spec, some in zip(specs, rows, strict=True)]


def toy(task, should_stop):
    """A worker that only plays."""
    return perform(task, should_stop, toy_train)


def slow_toy(task, should_stop):
    """A worker that takes 10 ms for an iteration, on a disk that takes 30 ms for a file."""
    if os.fsync is _fsync:
        os.fsync = lambda handle: (time.sleep(0.03), _fsync(handle))
    return perform(task, should_stop, lambda *args, **how: toy_train(*args, pause=0.01, **how))


def killed_on_the_lowest_lr(task, should_stop):
    """Kill the worker process on its way through the group that holds the lowest LR."""

    def train(specs, *args, on_progress, **how):
        def progress(done):
            on_progress(done)
            if min(spec.protocol.lr for spec in specs) == 0.1 and done > 5:
                os.kill(os.getpid(), signal.SIGKILL)

        return toy_train(specs, *args, on_progress=progress, **how)

    return perform(task, should_stop, train)


def _killed(task, should_stop, dies):
    """A worker that dies at the iterations that it is told to, and saves its state after each."""

    def train(specs, *args, on_progress, **how):
        def progress(done):
            on_progress(done)
            if dies(done):
                os.kill(os.getpid(), signal.SIGKILL)

        return toy_train(specs, *args, on_progress=progress, **{**how, "checkpoint_seconds": 0.0})

    return perform(task, should_stop, train)


def killed_on_the_way(task, should_stop):
    """Killed four times, once at each of four iterations."""

    def dies(done):
        flag = task.folder / f"killed-at-{done}"
        if done not in (20, 40, 60, 80) or flag.exists():
            return False
        flag.touch()
        return True

    return _killed(task, should_stop, dies)


def killed_at_the_same_place(task, should_stop):
    """Killed whenever it comes to iteration 60."""
    return _killed(task, should_stop, lambda done: done == 60)


def die_at_once(task, should_stop):
    """Kill the worker process before it has done anything."""
    os.kill(os.getpid(), signal.SIGKILL)


def raise_on_the_lowest_lr(task, should_stop):
    """Training of any group that holds the lowest LR raises."""

    def train(specs, *args, **how):
        if min(spec.protocol.lr for spec in specs) == 0.1:
            raise ArithmeticError("this learning rate is bad")
        return toy_train(specs, *args, **how)

    return perform(task, should_stop, train)


def full_disk_from_the_third_on(task, should_stop):
    """Let the temporary file of the third result be a link to a device without space."""
    runs = task.folder / "runs"
    if len(list(runs.glob("*.nc"))) >= 2:
        (runs / f".{task.keys[0]}.nc.{os.getpid()}.part").symlink_to("/dev/full")
    return perform(task, should_stop, toy_train)


def full_disk_at_a_checkpoint(task, should_stop):
    """Let the second checkpoint find no space."""

    def train(specs, *args, checkpoint, on_progress, **how):
        def progress(done):
            on_progress(done)
            if done == 10:
                full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                raise InputError(f"cannot write {checkpoint}: {full.strerror}; expected space") from full

        return toy_train(specs, *args, checkpoint=checkpoint, on_progress=progress, **how)

    return perform(task, should_stop, train)


def small_files_only(task, should_stop):
    """A worker whose files may not grow beyond a few kilobytes."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
    return perform(task, should_stop, toy_train)


def never_begin(task, should_stop):
    """Show a sign of life and wait for the sweep to stop."""
    with Heartbeat(task.folder, task.key, task.keys, task.total_steps):
        while not should_stop():
            time.sleep(0.02)
    return Outcome(task, End.STOPPED)


def where(folder):
    """The folder's worker processes that are at work, by their signs of life."""
    from thermograd.sweep.heartbeat import beats

    return [beat.pid for beat in beats(Path(folder)).values() if beat.alive]
