"""Doing every run of a plan that has no result yet: resumable, Ctrl-C safe, failures recorded."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from thermograd.errors import InputError
from thermograd.extras import require
from thermograd.sweep.calibration import settle
from thermograd.sweep.checkpoints import Checkpoints
from thermograd.sweep.engines import Engine, Processes, Serial
from thermograd.sweep.engines.base import POLL_SECONDS
from thermograd.sweep.footprint import fitting_workers
from thermograd.sweep.heartbeat import beats, clear_beats
from thermograd.sweep.images import clear_images
from thermograd.sweep.plan import Plan
from thermograd.sweep.stopping import stop_asked
from thermograd.sweep.store import RunStore
from thermograd.sweep.task import End, Outcome, Task, form_tasks

__all__ = ["SweepSummary", "run_plan"]

_LIVES = 2
"""A group whose worker died is tried again this often in all before its runs go on alone, or are given up."""


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
    device: str = "cpu",
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
        Where networks are computed, if the plan leaves it open.
    checkpoint_seconds
        Time between two checkpoints of a group.
    on_progress
        Called twice a second with (iterations done, iterations in all).
    on_message
        Called with what there is to say, in words: what was picked, what was odd about a run.

    Raises
    ------
    InputError
        If the folder cannot be written, the disk is full, the runs do not fit into memory, the folder holds a
        plan that this one does not continue, or the data changed. Finished runs stay.

    """
    require("train")
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}; expected at least 1")
    say = on_message or (lambda message: None)
    store = RunStore(folder)
    with store.locked(), stop_asked() as asked:
        plan = plan.save(folder)
        clear_beats(folder)
        store.clear_halves()
        specs = {plan.key(spec): spec for spec in plan.specs()}
        waiting = set(specs) - store.finished()
        if not waiting:
            return SweepSummary(len(specs), 0, 0, False)
        count = _places(plan, engine, workers, lambda message: None)
        plan, words = settle(plan, [specs[key] for key in specs if key in waiting], count, device)
        plan = plan.save(folder)
        if words:
            say(words)
        count = _places(plan, engine, workers, say)
        engine = engine or Processes(count)
        tasks = form_tasks(plan, folder, waiting, count, checkpoint_seconds)
        drive = _Drive(plan, folder, waiting, deque(tasks), asked, on_progress, say)
        drive.through(engine)
        done = len(waiting & store.finished())
        if drive.fatal:
            kept = len(specs) - len(waiting) + done
            raise InputError(f"{drive.fatal}; {kept} finished runs are kept, run again to go on")
        interrupted = asked() and done + drive.failed < len(waiting)
        return SweepSummary(len(specs) - len(waiting), done, drive.failed, interrupted)


def _places(plan: Plan, engine: Engine | None, workers: int | None, say: Callable[[str], None]) -> int:
    """How many groups are worked on at once; those of this machine must fit into its memory."""
    if engine is None:
        return fitting_workers(plan, workers, say)
    here = isinstance(engine, Processes | Serial)
    return fitting_workers(plan, engine.workers, say) if here else engine.workers


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
    fatal: str = ""
    deaths: Counter[str] = field(default_factory=Counter)
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
        return bool(self.fatal) or self.asked()

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
            self.fatal = self.fatal or outcome.reason
        elif end is End.DIED:
            self.deaths[task.key] += 1
            if self.deaths[task.key] < _LIVES:
                self.tasks.append(task)
            else:
                how = f"{outcome.reason}: out of memory, or killed"
                self.give_up(task, f"its worker process died {_LIVES} times ({how})")
        elif end is not End.STOPPED:
            self.give_up(task, outcome.reason)

    def give_up(self, task: Task, reason: str) -> None:
        """A group goes on one by one, so that one bad run takes no other with it; a single run has failed."""
        Checkpoints(self.folder).clear(task.key)
        if len(task.keys) > 1:
            self.tasks.extend(task.alone(self.open))
            return
        try:
            self.store.note_failure(task.keys[0], task.specs[0], reason)
        except InputError as error:
            self.fatal = self.fatal or str(error)
        self.open.discard(task.keys[0])
        self.failed += 1

    def show(self, now: bool = False) -> None:
        """Report progress, at most twice a second."""
        if self.on_progress is None or (time.monotonic() - self.shown < POLL_SECONDS and not now):
            return
        self.shown = time.monotonic()
        done = sum(steps for key, steps in self.steps.items() if key not in self.open)
        if not now:
            for beat in beats(self.folder).values():
                done += sum(min(beat.done, self.steps[key]) for key in beat.runs if key in self.open)
        self.on_progress(done, sum(self.steps.values()))

    def clean(self) -> None:
        """Leave results, notes and checkpoints that are of use, and nothing else."""
        checkpoints = Checkpoints(self.folder)
        missing = set(self.steps) - self.store.finished()
        checkpoints.keep_only({group.key for group in checkpoints.found() if missing & set(group.keys)})
        self.store.clear_halves()
        clear_beats(self.folder)
        clear_images(self.folder)
