"""The unit of work of a sweep: a group of runs that share a network, and what became of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from thermograd.errors import InputError
from thermograd.sweep.checkpoints import Checkpoints
from thermograd.sweep.plan import Plan
from thermograd.training.execution import Execution, groups
from thermograd.training.spec import TrainSpec

__all__ = ["End", "Outcome", "Task", "form_tasks", "group_size"]


class End(Enum):
    """How a task ended."""

    DONE = "every run has its result"
    FAILED = "an exception, which belongs to these runs"
    STOPPED = "stopped on request; a checkpoint is kept where there is one"
    DIED = "the worker process died"
    LOST = "the machine that it ran on is gone"
    FATAL = "nowhere to write, which stops the whole sweep: a full disk, a file server that is gone"
    REFUSED = "input that no run can be done with: changed images, a folder that is not shared"


@dataclass(frozen=True)
class Task:
    """A group of runs to be trained as one network; whoever has it needs nothing else.

    Parameters
    ----------
    specs, keys
        The runs and their content addresses.
    data_sha256
        The hash that their images must have.
    folder
        The sweep's folder, absolute.
    execution
        How the group is carried out; the same for all tasks of a sweep.
    checkpoint_seconds
        Time between two checkpoints.

    """

    specs: tuple[TrainSpec, ...]
    keys: tuple[str, ...]
    data_sha256: str
    folder: Path
    execution: Execution
    checkpoint_seconds: float = 300.0

    @property
    def key(self) -> str:
        """The address of the group: a hash of its runs' addresses."""
        return hashlib.sha256("\n".join(self.keys).encode()).hexdigest()[:20]

    @property
    def total_steps(self) -> int:
        """Iterations of each run; all runs of a group have as many."""
        return self.specs[0].total_steps

    def alone(self, waiting: Collection[str]) -> list[Task]:
        """Each of the runs that still wait as a task of its own: its numbers are the same."""
        return [
            replace(self, specs=(spec,), keys=(key,))
            for spec, key in zip(self.specs, self.keys, strict=True)
            if key in waiting
        ]


@dataclass(frozen=True)
class Outcome:
    """What became of a task, why, and what the worker has to say about it."""

    task: Task
    end: End
    reason: str = ""
    warnings: tuple[str, ...] = ()


def group_size(runs: int, replicas: int, workers: int) -> int:
    """Runs to a group, such that all workers have equal shares in each round.

    Examples
    --------
    >>> group_size(24, 8, 2), group_size(5, 8, 2), group_size(32, 8, 2)
    (6, 3, 8)

    """
    workers = max(1, workers)
    rounds = max(1, math.ceil(runs / (replicas * workers)))
    return max(1, math.ceil(runs / (rounds * workers)))


def form_tasks(
    plan: Plan, folder: Path, waiting: Collection[str], workers: int, checkpoint_seconds: float = 300.0
) -> list[Task]:
    """Share the waiting runs out: groups that have a checkpoint first, then new ones, the longest first.

    A new group takes no more runs than leave every worker something to do: a run's numbers do not depend on
    who shares its network.

    Parameters
    ----------
    plan
        The plan; its execution is known.
    folder
        The sweep's folder.
    waiting
        Keys of the runs that have no result.
    workers
        Groups worked on at once.
    checkpoint_seconds
        Time between two checkpoints.

    """
    execution = plan.execution
    if execution is None:
        raise InputError("plan: its execution is None; expected it to be picked before tasks are formed")
    specs = {plan.key(spec): spec for spec in plan.specs()}
    left = {key: specs[key] for key in specs if key in waiting}

    def task(members: tuple[str, ...]) -> Task:
        group = tuple(specs[key] for key in members)
        sha256 = plan.images_sha256(group[0].seed)
        return Task(group, members, sha256, folder.resolve(), execution, checkpoint_seconds)

    tasks = []
    for kept in Checkpoints(folder).found():
        # Members that have their result already are carried along: the checkpoint is of the whole group.
        if set(kept.keys) <= set(specs) and any(key in left for key in kept.keys):
            tasks.append(task(kept.keys))
            for key in kept.keys:
                left.pop(key, None)
    size = group_size(len(left), execution.replicas, workers)
    keys = {spec: key for key, spec in left.items()}
    fresh = [task(tuple(keys[spec] for spec in group)) for group in groups(list(left.values()), size)]
    return tasks + sorted(fresh, key=lambda one: -one.total_steps)
