"""How far a sweep is: every point's state, and the whole in one line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thermograd.sweep.checkpoints import Checkpoints, KeptGroup
from thermograd.sweep.heartbeat import Beat, beats
from thermograd.sweep.plan import Plan
from thermograd.sweep.store import DamagedResultError, RunStore
from thermograd.training.spec import TrainSpec

__all__ = ["PointState", "SweepStatus", "point_states", "sweep_status"]

STATES = ("finished", "diverged", "failed", "running", "interrupted", "pending")


@dataclass(frozen=True)
class PointState:
    """How far one run is.

    `state` is ``finished``, ``diverged``, ``failed``, ``running``, ``interrupted`` (it has a checkpoint) or
    ``pending``; `reason` says why, in words. Of a run that is under way, `fraction` is the part done,
    `per_second` its iterations a second, `seconds_left` its time left and `worker` where it runs. `warnings`
    is what was odd about it.
    """

    spec: TrainSpec
    state: str
    reason: str = ""
    fraction: float = 0.0
    per_second: float | None = None
    seconds_left: float | None = None
    worker: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def has_result(self) -> bool:
        """Whether there is a trace: a run that diverged has one as well."""
        return self.state in ("finished", "diverged")

    def to_dict(self) -> dict[str, Any]:
        """One flat row, ready for JSON."""
        spec = self.spec
        return {
            "protocol": type(spec.protocol).__name__,
            **spec.protocol.values,
            "seed": spec.seed,
            "state": self.state,
            "reason": self.reason,
            "fraction": self.fraction,
            "iterations_per_second": self.per_second,
            "seconds_left": self.seconds_left,
            "worker": self.worker,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class SweepStatus:
    """The states of all points, and what they amount to.

    `seconds_left` is the work left at the speed of all workers alive, None when nobody is at work.
    """

    points: tuple[PointState, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Points in each state."""
        found = Counter(point.state for point in self.points)
        return {state: found[state] for state in STATES if found[state]}

    @property
    def per_second(self) -> float:
        """Iterations a second of all runs under way together."""
        return sum(point.per_second or 0.0 for point in self.points if point.state == "running")

    @property
    def seconds_left(self) -> float | None:
        """Time to the end, if workers go on as they do."""
        left = sum(
            (1 - point.fraction) * point.spec.total_steps
            for point in self.points
            if point.state in ("running", "interrupted", "pending")
        )
        if left == 0 or self.per_second == 0:
            return None
        # No run ends before its own time left, however many workers are idle by then.
        slowest = max((point.seconds_left or 0.0 for point in self.points), default=0.0)
        return max(left / self.per_second, slowest)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "points": [point.to_dict() for point in self.points],
            "counts": self.counts,
            "iterations_per_second": self.per_second,
            "seconds_left": self.seconds_left,
        }

    def __str__(self) -> str:
        """One line for people."""
        done = sum(point.has_result for point in self.points)
        others = ", ".join(f"{n} {state}" for state, n in self.counts.items() if state != "finished")
        line = f"{done} of {len(self.points)} finished" + (f" ({others})" if others else "")
        if self.seconds_left is not None:
            line += f"; {self.per_second:.3g} iterations/s in all, about {duration(self.seconds_left)} left"
        return line


def sweep_status(plan: Plan, folder: Path) -> SweepStatus:
    """The state of every run of a sweep, whoever carries it out and wherever that is."""
    return SweepStatus(tuple(point_states(plan, folder)))


def point_states(plan: Plan, folder: Path) -> list[PointState]:
    """The state of every run of a plan, in its order, from the files in the folder alone."""
    store = RunStore(folder)
    finished = store.finished()
    alive = {key: beat for beat in beats(folder).values() if beat.alive for key in beat.runs}
    kept = {key: group for group in reversed(Checkpoints(folder).found()) for key in group.keys}
    states = []
    for spec in plan.specs():
        key = plan.key(spec)
        if key in finished:
            states.append(_ended(spec, store, key))
        elif key in alive:
            states.append(_running(spec, alive[key]))
        elif (reason := store.failure(key)) is not None:
            states.append(_failed(spec, reason, kept.get(key)))
        elif key in kept:
            states.append(_interrupted(spec, kept[key]))
        else:
            states.append(PointState(spec, "pending", "not run yet"))
    return states


def _ended(spec: TrainSpec, store: RunStore, key: str) -> PointState:
    try:
        outcome, reason = store.outcome(key)
    except DamagedResultError as error:
        return PointState(spec, "pending", f"{error}; the run will be done again")
    warnings = store.warnings(key)
    if outcome == "done":
        return PointState(spec, "finished", "; ".join(warnings), 1.0, warnings=warnings)
    return PointState(spec, outcome, reason, 1.0, warnings=warnings)


def _running(spec: TrainSpec, beat: Beat) -> PointState:
    fraction = beat.done / beat.total
    left = (beat.total - beat.done) / beat.per_second if beat.per_second > 0 else None
    speed = beat.per_second or None
    pace = f", {speed:.3g} iterations/s" if speed else ""
    ends = f", {duration(left)} left" if left is not None else ""
    said = f"{fraction:.0%}{pace}{ends}, on {beat.worker}"
    reason = "; ".join([said, *beat.warnings])
    return PointState(spec, "running", reason, fraction, speed, left, beat.worker, beat.warnings)


def _failed(spec: TrainSpec, reason: str, group: KeptGroup | None) -> PointState:
    if group is None:
        return PointState(spec, "failed", reason)
    fraction = group.done / group.total
    return PointState(spec, "failed", f"{reason}; a checkpoint at {fraction:.0%} is kept", fraction)


def _interrupted(spec: TrainSpec, group: KeptGroup) -> PointState:
    fraction = group.done / group.total
    return PointState(spec, "interrupted", f"a checkpoint at {fraction:.0%}", fraction)


def duration(seconds: float) -> str:
    """A time in words: seconds, minutes, hours or days.

    Examples
    --------
    >>> duration(8), duration(150), duration(9000), duration(1e6)
    ('8 s', '2.5 min', '2.5 h', '11.6 d')

    """
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
