"""How long an iteration takes here, measured in a process that is set up as the workers are."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from thermograd.errors import FailedWorkError
from thermograd.sweep.engines.child import prepare_child, quiet_start
from thermograd.training.execution import Execution
from thermograd.training.spec import TrainSpec

__all__ = ["Timing", "resolved", "timings"]

_LONGEST = 120.0
"""Seconds until the first measurement must be there: imports and a first compilation of kernels included."""


@dataclass(frozen=True)
class Timing:
    """Seconds that one iteration of a network with all its replicas takes."""

    execution: Execution
    seconds: float

    @property
    def per_run(self) -> float:
        """Seconds for each iteration of each run."""
        return self.seconds / self.execution.replicas


def timings(
    spec: TrainSpec, executions: Sequence[Execution], seconds: float
) -> Generator[Timing, None, None]:
    """Measure executions one after another, as long as the caller wants more.

    Parameters
    ----------
    spec
        One of the runs.
    executions
        Ways to carry it out; the kernel of each is settled on the way.
    seconds
        How long to measure each.

    Raises
    ------
    FailedWorkError
        If the run cannot be carried out at all; what is wrong with it is said by the run itself.

    """
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=_measure, args=(other, spec, list(executions), seconds))
    with quiet_start():
        process.start()
    other.close()
    deadline = time.monotonic() + _LONGEST + len(executions) * 10 * seconds
    try:
        for _ in executions:
            if not pipe.poll(max(0.0, deadline - time.monotonic())):
                return
            answer: Timing | str = pipe.recv()
            if isinstance(answer, str):
                raise FailedWorkError(answer)
            yield answer
    except EOFError:  # it died: of memory, perhaps; what was measured before counts
        return
    finally:
        process.kill()
        process.join()
        process.close()
        pipe.close()


def _measure(pipe: Connection, spec: TrainSpec, executions: list[Execution], seconds: float) -> None:
    prepare_child()
    try:
        from thermograd.training.group import step_seconds
        from thermograd.training.loop import load_images

        images = load_images(spec.data, spec.subset, spec.seed)
        for execution in executions:
            settled = resolved(execution, spec)
            pipe.send(Timing(settled, step_seconds(spec, images, settled, seconds)))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def resolved(execution: Execution, spec: TrainSpec) -> Execution:
    """The same execution with its kernel known, which the images' size decides with the network."""
    from thermograd.training.group import resolve
    from thermograd.training.loop import load_images

    if execution.kernel != "auto":
        return execution
    return resolve(execution, spec, load_images(spec.data, spec.subset, spec.seed))
