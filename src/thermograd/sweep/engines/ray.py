"""The engine of a cluster: tasks on the nodes of Ray, results in the folder that all of them see."""

from __future__ import annotations

import logging
import sys
import uuid
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from thermograd.errors import FailedWorkError, InputError
from thermograd.sweep.engines.base import POLL_SECONDS
from thermograd.sweep.engines.processes import cores
from thermograd.sweep.gpus import gpu_count
from thermograd.sweep.heartbeat import beats
from thermograd.sweep.lives import Lives
from thermograd.sweep.task import End, Outcome, Task
from thermograd.sweep.worker import WORKER_ENVIRONMENT, perform

__all__ = ["RayCluster"]

Work = Callable[[Task, Callable[[], bool]], Outcome]

_GRACE = 120.0
"""Seconds that tasks under way have to write their checkpoints when the sweep stops."""


class RayCluster:
    """Workers of a Ray cluster, one core (and a share of a GPU) to each task.

    Tasks are small descriptions; images and results never pass through Ray: a worker reads the images itself
    and writes its results to the sweep's folder, which every node must see at the same path. A task whose
    node is lost goes to another one; it goes on from its checkpoint, and what is stored already is not done
    again.

    Parameters
    ----------
    address
        Of a running cluster, ``"auto"`` to find the one of this machine; ``None``: the one that this process
        is connected to, or else one that is started here for the time of the sweep.
    workers
        Tasks handed to the cluster at once; default: as many as it has room for.
    gpus_per_run
        Share of a GPU that a task takes, a group of runs that share a network: 0.25 puts four of them on one.
        0: CPU only.
    retries
        How often a task may lose its node, without progress in between, before it counts as failed.
    work
        What a worker does with a task; a function that the nodes can import.

    Raises
    ------
    InputError
        If Ray is not installed, a number is out of range, or the cluster cannot be reached.

    """

    def __init__(
        self,
        address: str | None = None,
        *,
        workers: int | None = None,
        gpus_per_run: float = 0.0,
        retries: int = 5,
        work: Work = perform,
    ) -> None:
        if not 0 <= gpus_per_run <= 64:
            raise InputError(f"gpus_per_run is {gpus_per_run}; expected 0 or more, at most 64")
        if (workers is not None and workers < 1) or retries < 0:
            raise InputError(f"workers is {workers}, retries {retries}; expected at least 1 and at least 0")
        if find_spec("ray") is None:
            raise InputError("ray is not installed; expected it from: pip install 'thermograd[ray]'")
        self.address, self.gpus_per_run, self.retries, self.work = address, gpus_per_run, retries, work
        self._asked = workers
        self._started = False

    @property
    def workers(self) -> int:
        """Tasks worked on at once: those asked for, or the cluster's room."""
        total = self._connected().cluster_resources()
        room = int(total.get("CPU", 1))
        if self.gpus_per_run > 0:
            room = min(room, int(total.get("GPU", 0) / self.gpus_per_run))
        if room < 1:
            raise InputError(
                f"gpus_per_run is {self.gpus_per_run:g}, the cluster has {total.get('GPU', 0):g} GPUs and "
                f"{total.get('CPU', 0):g} cores; expected room for one task"
            )
        return self._asked or room

    def _connected(self) -> Any:
        """Ray, connected to the cluster."""
        import ray

        if ray.is_initialized():
            return ray
        options: dict[str, Any] = {"address": self.address or "local"}
        if self.address is None:
            options |= {"include_dashboard": False, "num_cpus": self._asked}
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise InputError(f"Ray at {self.address!r} cannot be reached ({_line(error)})") from error
        self._started = True
        return ray

    def map(self, tasks: deque[Task], poll: Callable[[], bool]) -> Generator[Outcome, None, None]:
        """Carry out tasks (see `thermograd.sweep.engines.Engine`)."""
        ray = self._connected()
        flag: Path | None = None
        remote = self._remote(ray)
        under_way: dict[Any, Task] = {}
        lives = Lives()
        stopping, places = 0.0, self.workers
        try:
            while True:
                if poll() and not stopping:
                    stopping = POLL_SECONDS
                while tasks and not stopping and len(under_way) < places:
                    task = tasks.popleft()
                    flag = flag or task.folder / "progress" / f"{uuid.uuid4().hex}.stop"
                    under_way[remote.remote(self.work, task, str(flag))] = task
                if not under_way:
                    return
                if stopping:
                    self._stop(flag, under_way, stopping)
                    stopping += POLL_SECONDS
                ready, _ = ray.wait(list(under_way), num_returns=1, timeout=POLL_SECONDS)
                for reference in ready:
                    outcome = self._outcome(reference, under_way.pop(reference))
                    if outcome.end is End.LOST and lives.lose(outcome.task) <= self.retries:
                        tasks.appendleft(outcome.task)
                        continue
                    yield outcome
        finally:
            self._stop(flag, under_way, _GRACE if stopping else POLL_SECONDS)
            if under_way:
                ray.wait(list(under_way), num_returns=len(under_way), timeout=_GRACE)
            if flag is not None:
                with suppress(OSError):
                    flag.unlink()
            self.close()

    def foreseen(self) -> int:
        """Tasks at once, found out without starting a cluster: one that is to run here has this machine."""
        if self.address is None and not self._is_connected():
            room = cores()
            if self.gpus_per_run > 0:
                room = min(room, int(gpu_count("cuda") / self.gpus_per_run))
            return self._asked or max(1, room)
        try:
            return self.workers
        finally:
            self.close()

    def _is_connected(self) -> bool:
        return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())

    def close(self) -> None:
        """Leave the cluster, if it was joined here."""
        if self._started:
            import ray

            self._started = False
            ray.shutdown()

    def _remote(self, ray: Any) -> Any:
        return ray.remote(_on_a_node).options(
            num_cpus=1,
            num_gpus=self.gpus_per_run,
            max_retries=0,  # who tries again, and how often, is decided here
            runtime_env={"env_vars": WORKER_ENVIRONMENT},
        )

    def _stop(self, flag: Path | None, under_way: dict[Any, Task], waited: float) -> None:
        """Ask tasks under way to stop by a file that they look for; forget those that have not begun."""
        import ray

        if flag is None or not under_way:
            return
        with suppress(OSError):
            flag.parent.mkdir(parents=True, exist_ok=True)
            flag.touch()
        folder = next(iter(under_way.values())).folder
        begun = set(beats(folder))
        for reference, task in under_way.items():
            # One under way is never cancelled before its time: that would strike while it writes.
            if task.key not in begun or waited > _GRACE:
                ray.cancel(reference, force=waited > _GRACE)

    def _outcome(self, reference: Any, task: Task) -> Outcome:
        import ray
        from ray import exceptions as errors

        try:
            outcome: Outcome = ray.get(reference)
            return outcome
        except errors.TaskCancelledError:
            return Outcome(task, End.STOPPED)
        except (errors.NodeDiedError, errors.LocalRayletDiedError, errors.ObjectLostError) as error:
            return Outcome(task, End.LOST, _line(error))
        except (errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
            return Outcome(task, End.DIED, _line(error))
        except errors.RayTaskError as error:
            return Outcome(task, End.FAILED, _line(error))
        except errors.RayError as error:
            raise FailedWorkError(f"the Ray cluster failed ({_line(error)}); run again to go on") from error


def _on_a_node(work: Work, task: Task, flag: str) -> Outcome:
    """What runs in a worker of the cluster."""
    return work(task, Path(flag).exists)


def _line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    told = text.splitlines()[-1] if "Traceback" in text else text
    return " ".join(told.split())[:200]
