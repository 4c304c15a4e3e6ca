"""Setups one after another: one that cannot be run is listed and stops no other; a full disk stops all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermograd.errors import InputError
from thermograd.reproduce.choice import NotRun
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.presets import Setup
from thermograd.reproduce.reproduced import Reproduced
from thermograd.sweep.failures import NoResultsError, no_space_is_failed_work

if TYPE_CHECKING:
    from thermograd.sweep import Engine, SweepSummary

__all__ = ["FAILURES", "HERE", "How", "Task", "run_in_turn", "why"]

Progress = Callable[[int, int], None]

FAILURES = (InputError, NoResultsError, ValueError, ArithmeticError)
"""What stops one setup and no other: what is refused, and numbers that an analysis cannot deal with
(``numpy.linalg.LinAlgError`` is a ``ValueError``). Any other error is the program's and ends the call."""


@dataclass(frozen=True)
class How:
    """Who carries out the runs of an experiment, and who is told.

    Parameters
    ----------
    workers, engine, device
        As for :func:`thermograd.sweep.run_plan`; without a device a folder's own is kept.
    on_progress
        Called with (iterations done, iterations in all) of all setups together.
    on_message
        Called with what there is to say, in words.

    """

    workers: int | None = None
    engine: Engine | None = None
    device: str | None = None
    on_progress: Progress | None = None
    on_message: Callable[[str], None] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What a single sweep is told, apart from its progress."""
        names = ("workers", "engine", "device", "on_message")
        return {name: getattr(self, name) for name in names}

    def say(self, words: str) -> None:
        """Tell it, if anybody listens."""
        if self.on_message is not None:
            self.on_message(words)

    def shifted(self, before: int, total: int) -> Progress | None:
        """Where one setup among others reports to."""
        show = self.on_progress
        return None if show is None else lambda done, _: show(before + done, total)


HERE = How()
"""All cores of this machine, and nobody is told."""


@dataclass(frozen=True)
class Task:
    """A setup and what is to be done with it.

    Attributes
    ----------
    setup
        What is run.
    folder
        Where.
    iterations
        Of all its runs, at most.
    run
        Does the runs, given where to report progress; what it returns has a ``summary``.
    page
        Given that, analyses it and writes the page; returns the claims, ``None`` where a common page has
        them.

    """

    setup: Setup
    folder: Path
    iterations: int
    run: Callable[[Progress | None], Any]
    page: Callable[[Any], tuple[Claim, ...] | None]


def run_in_turn(tasks: Sequence[Task], left_out: tuple[NotRun, ...], how: How) -> Reproduced:
    """Do each task, until one is interrupted.

    Parameters
    ----------
    tasks
        What is to be done.
    left_out
        Setups whose images are missing.
    how
        See `How`.

    Raises
    ------
    InputError
        If there is nothing to do for want of images; of a single task, whatever refuses it. Of several, one
        that is refused, or has no result, is listed with the reason, and the others go on.
    ValueError, ArithmeticError
        Of a single task, if its analysis fails; of several, it is listed with the error's type and words.
    FailedWorkError
        If the disk is full or cannot be written: what is done is kept.

    """
    if left_out and not tasks:
        commands = " and ".join(dict.fromkeys(one.command for one in left_out if one.command))
        needed = ", ".join(dict.fromkeys(one.reason for one in left_out))
        which = f"{left_out[0].setup}: " if len(left_out) == 1 else ""
        raise InputError(f"nothing can be run: {which}{needed}; run: {commands}")
    summaries: dict[str, SweepSummary] = {}
    claims: dict[str, tuple[Claim, ...]] = {}
    refused: list[NotRun] = []
    before, total = 0, sum(task.iterations for task in tasks)
    for task in tasks:
        name = task.setup.name
        how.say(f"{name}: {task.setup.description}")
        try:
            with no_space_is_failed_work():
                run = task.run(how.shifted(before, total))
                summaries[name] = run.summary
                if run.summary.interrupted:
                    return Reproduced(summaries, claims, left_out, tuple(refused), interrupted=True)
                found = task.page(run)
                if found is not None:
                    claims[name] = found
        except FAILURES as error:
            if len(tasks) == 1:
                raise
            refused.append(NotRun(name, why(error)))
            how.say(f"{name}: not run: {why(error)}")
        before += task.iterations
        if how.on_progress is not None:
            how.on_progress(before, total)
    return Reproduced(summaries, claims, left_out, tuple(refused))


def why(error: Exception) -> str:
    """Why a setup has no page, in one line.

    Examples
    --------
    >>> why(InputError("other images")), why(ZeroDivisionError("division by zero"))
    ('other images', 'the analysis failed: ZeroDivisionError: division by zero')

    """
    if isinstance(error, (InputError, NoResultsError)):
        return str(error)
    return f"the analysis failed: {type(error).__name__}: {' '.join(str(error).split())}"
