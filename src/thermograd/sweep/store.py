"""Where a sweep keeps its results: one file per run, named by the run's content address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import InputError
from thermograd.files import atomic_write
from thermograd.sweep.plan import Plan
from thermograd.training.spec import TrainSpec

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PointState", "RunStore"]


@dataclass(frozen=True)
class PointState:
    """How far one grid point is: ``finished``, ``diverged``, ``failed`` or ``pending``, and why."""

    spec: TrainSpec
    state: str
    reason: str = ""

    @property
    def has_result(self) -> bool:
        """Whether there is a trace: a run that diverged has one as well."""
        return self.state in ("finished", "diverged")


@dataclass(frozen=True)
class RunStore:
    """The results in one folder.

    A finished run is a NetCDF trace, written under a temporary name and renamed, so that a killed process
    leaves a whole file or none. A failed run leaves a note with the reason and is tried again next time.
    """

    folder: Path

    def path(self, key: str) -> Path:
        """Where the trace of a run lies."""
        return self.folder / "runs" / f"{key}.nc"

    def _note(self, key: str) -> Path:
        return self.folder / "runs" / f"{key}.failed.json"

    def save(self, key: str, trace: xr.Dataset) -> None:
        """Keep the trace of a finished run; it takes the place of a note of an earlier failure."""
        from thermograd.states import save

        save(trace, self.path(key))
        self._note(key).unlink(missing_ok=True)

    def load(self, key: str) -> xr.Dataset:
        """The trace of a finished run."""
        from thermograd.states import load

        return load(self.path(key))

    def note_failure(self, key: str, spec: TrainSpec, reason: str) -> None:
        """Remember why a run failed."""
        atomic_write(self._note(key), json.dumps({"reason": reason, "spec": spec.to_dict()}, indent=1) + "\n")

    def states(self, plan: Plan) -> list[PointState]:
        """The state of every run of a plan, in its order."""
        return [self.state(spec, plan.key(spec)) for spec in plan.specs()]

    def state(self, spec: TrainSpec, key: str) -> PointState:
        """The state of one run."""
        if self.path(key).exists():
            trace = self.load(key)
            if trace["outcome"].item() == "done":
                return PointState(spec, "finished")
            return PointState(spec, trace["outcome"].item(), trace["outcome_reason"].item())
        if self._note(key).exists():
            return PointState(spec, "failed", json.loads(self._note(key).read_text())["reason"])
        return PointState(spec, "pending", "not run yet")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against a second sweep; the lock goes with the process, however that ends."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise InputError(f"{self.folder} is in use by another running sweep; wait for it") from None
        except OSError as error:
            raise InputError(
                f"cannot write {self.folder}: {error.strerror}; expected a writable folder"
            ) from error
        try:
            yield
        finally:
            lock.release()
