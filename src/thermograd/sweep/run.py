"""Doing every run of a plan that has no result yet: resumable, Ctrl-C safe, failures recorded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from thermograd.errors import FailedWorkError, InputError
from thermograd.extras import require
from thermograd.sweep.calibration import settle
from thermograd.sweep.checkpoints import Checkpoints
from thermograd.sweep.device import check_device, is_local
from thermograd.sweep.engines import Engine, Processes
from thermograd.sweep.engines.base import POLL_SECONDS
from thermograd.sweep.failures import no_space_is_failed_work
from thermograd.sweep.footprint import fitting_workers
from thermograd.sweep.heartbeat import beats, clear_beats
from thermograd.sweep.images import clear_images
from thermograd.sweep.lives import Lives
from thermograd.sweep.plan import Plan
from thermograd.sweep.stopping import stop_asked
from thermograd.sweep.store import RunStore
from thermograd.sweep.task import End, Outcome, Task, form_tasks

__all__ = ["SweepSummary", "run_plan"]

_LIVES = 2
"""A group whose worker died is tried this often in all, without its checkpoint having advanced in between,
before its runs go on alone, or are given up."""


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
    engine: Engine | None = None,
    device: str | None = None,
    checkpoint_seconds: float = 300.0,
    on_progress: Callable[[int, int], None] | None = None,
    on_message: Callable[[str], None] | None = None,
) -> SweepSummary:
    """Do every run of a plan that has no result yet.

    A run writes its own file and depends on nothing but its spec and the plan's execution: the results are
    the same to the bit whatever was killed in between, however many workers there were, on whichever engine,
    and whichever runs shared a network.

    Parameters
    ----------
    plan
        What to run. A plan that is in the folder already may be a part of it, and decides the execution.
    folder
        Where the results lie; it is locked against a second sweep while this one runs.
    workers
        Number of processes; default: the machine's cores, fewer if memory is short. Not with `engine`.
    engine
        Who carries out the runs; default: a pool of processes here.
    device
        Where networks are computed; default: what the plan says, or the folder, or else ``"cpu"``.
    checkpoint_seconds
        Time between two checkpoints of a group.
    on_progress
        Called twice a second with (iterations done, iterations in all).
    on_message
        Called with what there is to say, in words: what was picked, what was odd about a run.

    Raises
    ------
    InputError
        If the folder cannot be written, the device is not there, the runs do not fit into memory, the folder
        holds a plan that this one does not continue, or the data changed.
    FailedWorkError
        If the disk is full, or a worker could not read or write a file. Finished runs and checkpoints stay.

    """
    require("train")
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}; expected at least 1")
    say = on_message or (lambda message: None)
    store = RunStore(folder)
    plan = plan.on(device)
    check_device(plan.device or "cpu", engine)
    with no_space_is_failed_work(), store.locked(), stop_asked() as asked:
        plan = plan.continuing(folder)
        plan = plan if plan.device else plan.on("cpu")
        check_device(plan.device, engine)  # the folder may say another
        plan = plan.save(folder)
        clear_beats(folder)
        store.clear_halves()
        specs = {plan.key(spec): spec for spec in plan.specs()}
        _set_aside_damaged(store, set(specs), say)
        waiting = set(specs) - store.finished()
        if not waiting:
            return SweepSummary(len(specs), 0, 0, False)
        count = _places(plan, engine, workers, lambda message: None)
        plan, words = settle(plan, [specs[key] for key in specs if key in waiting], count, is_local(engine))
        plan = plan.save(folder)
        if words:
            say(words)
        count = _places(plan, engine, workers, say)
        engine = engine or Processes(count)
        tasks = form_tasks(plan, folder, waiting, count, checkpoint_seconds)
        drive = _Drive(plan, folder, waiting, deque(tasks), asked, on_progress, say)
        drive.through(engine)
        done = len(waiting & store.finished())
        if drive.fatal is not None:
            kept = len(specs) - len(waiting) + done
            raise type(drive.fatal)(f"{drive.fatal}; {kept} finished runs are kept, run again to go on")
        interrupted = asked() and done + drive.failed < len(waiting)
        return SweepSummary(len(specs) - len(waiting), done, drive.failed, interrupted)


def _places(plan: Plan, engine: Engine | None, workers: int | None, say: Callable[[str], None]) -> int:
    """How many groups are worked on at once; those of this machine must fit into its memory."""
    if engine is None:
        return fitting_workers(plan, workers, say)
    return fitting_workers(plan, engine.workers, say) if is_local(engine) else engine.workers


def _set_aside_damaged(store: RunStore, keys: set[str], say: Callable[[str], None]) -> None:
    """A result that cannot be read is no result: its run is done again, and the sweep goes on."""
    for key in sorted(keys & store.finished()):
        if damage := store.damage(key):
            say(f"warning: {damage}: set aside as {store.set_aside(key).name}, its run is done again")


@dataclass
class _Drive:
    """One pass through the tasks: what to make of each outcome."""

    plan: Plan
    folder: Path
    waiting: set[str]
    tasks: deque[Task]
    asked: Callable[[], bool]
    on_progress: Callable[[int, int], None] | None
    say: Callable[[str], None]
    failed: int = 0
    fatal: InputError | FailedWorkError | None = None
    lives: Lives = field(default_factory=Lives)
    split: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    shown: float = 0.0

    def __post_init__(self) -> None:
        self.store = RunStore(self.folder)
        self.steps = {self.plan.key(spec): spec.total_steps for spec in self.plan.specs()}
        self.open = set(self.waiting)  # neither done nor given up

    def through(self, engine: Engine) -> None:
        """Until every run is done or given up, or the sweep is to stop."""
        try:
            with closing(engine.map(self.tasks, self.poll)) as outcomes:
                for outcome in outcomes:
                    self.take(outcome)
        finally:
            self.clean()
        self.show(now=True)

    def poll(self) -> bool:
        """Show how far it is; say whether to stop."""
        self.show()
        return self.fatal is not None or self.asked()

    def take(self, outcome: Outcome) -> None:
        """What an outcome means for the runs of its task."""
        task, end = outcome.task, outcome.end
        for warning in outcome.warnings:
            if warning not in self.said:  # many runs have the same to say
                self.said.add(warning)
                self.say(f"warning: {warning}")
        if end is End.DONE:
            self.open -= set(task.keys)
        elif end is End.FATAL:
            self.fatal = self.fatal or FailedWorkError(outcome.reason)
        elif end is End.REFUSED:
            self.fatal = self.fatal or InputError(outcome.reason)
        elif end is End.DIED:
            if self.lives.lose(task) < _LIVES:
                self.tasks.append(task)
            else:
                how = f"{outcome.reason}: out of memory, or killed"
                self.give_up(task, f"its worker process died {_LIVES} times ({how})")
        elif end is not End.STOPPED:
            self.give_up(task, outcome.reason)

    def give_up(self, task: Task, reason: str) -> None:
        """A group goes on one by one, so that one bad run takes no other with it; a single run has failed.

        Its checkpoint is kept: whatever it was, the next session goes on from there.
        """
        if len(task.keys) > 1:
            self.split.add(task.key)
            self.tasks.extend(task.alone(self.open))
            return
        try:
            self.store.note_failure(task.keys[0], task.specs[0], reason)
        except InputError as error:
            self.fatal = self.fatal or FailedWorkError(str(error))
        self.open.discard(task.keys[0])
        self.failed += 1

    def show(self, now: bool = False) -> None:
        """Report progress, at most twice a second."""
        if self.on_progress is None or (time.monotonic() - self.shown < POLL_SECONDS and not now):
            return
        self.shown = time.monotonic()
        done = sum(steps for key, steps in self.steps.items() if key not in self.open)
        # What lies in checkpoints is done too, before it is gone on with and when the sweep is interrupted.
        reached: dict[str, int] = {}
        parts = [(beat.key, beat.runs, beat.done) for beat in beats(self.folder).values()]
        parts += [(kept.key, kept.keys, kept.done) for kept in Checkpoints(self.folder).found()]
        for group, runs, iterations in parts:
            if group not in self.split:
                for key in self.open.intersection(runs):
                    reached[key] = max(reached.get(key, 0), min(iterations, self.steps[key]))
        self.on_progress(done + sum(reached.values()), sum(self.steps.values()))

    def clean(self) -> None:
        """Leave results, notes and checkpoints that are of use, and nothing else."""
        checkpoints = Checkpoints(self.folder)
        missing = set(self.steps) - self.store.finished()
        checkpoints.keep_only({group.key for group in checkpoints.found() if missing & set(group.keys)})
        self.store.clear_halves()
        clear_beats(self.folder)
        clear_images(self.folder)
