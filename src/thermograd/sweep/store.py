"""Where a sweep keeps its results: one file per run, named by the run's content address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import InputError
from thermograd.files import atomic_write
from thermograd.training.spec import TrainSpec

if TYPE_CHECKING:
    import xarray as xr

    from thermograd.sweep.plan import Plan
    from thermograd.sweep.status import PointState

__all__ = ["DamagedResultError", "RunStore"]

_DAMAGE = (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError)
"""What h5py raises at a file that is not whole, or not a trace."""


class DamagedResultError(InputError):
    """The file of a result is there and can be read, and is not what was written."""


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

    def _warnings(self, key: str) -> Path:
        return self.folder / "runs" / f"{key}.warnings.json"

    def save(self, key: str, trace: xr.Dataset) -> None:
        """Keep the trace of a finished run; it takes the place of a note of an earlier failure."""
        from thermograd.states import save

        save(trace, self.path(key))
        self._note(key).unlink(missing_ok=True)

    def load(self, key: str) -> xr.Dataset:
        """The trace of a finished run."""
        from thermograd.states import load

        return load(self.path(key))

    def outcome(self, key: str) -> tuple[str, str]:
        """How a finished run ended, and why: a status reads these two words of each file and nothing else.

        Raises
        ------
        DamagedResultError
            If the file is not a whole trace.

        """
        import h5py

        content = self._content(key)
        try:
            with h5py.File(content, "r") as file:
                words = [file[name].asstr()[...].item() for name in ("outcome", "outcome_reason")]
        except _DAMAGE as error:
            raise DamagedResultError(f"{self.path(key).name} is damaged ({_line(error)})") from error
        return str(words[0]), str(words[1])

    def damage(self, key: str) -> str:
        """What is wrong with the file of a result, all of it read; empty: nothing."""
        import h5py

        def read(_: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                item[()]

        content = self._content(key)
        try:
            self.outcome(key)
            with h5py.File(content, "r") as file:
                file.visititems(read)
        except DamagedResultError as error:
            return str(error)
        except _DAMAGE as error:
            return f"{self.path(key).name} is damaged ({_line(error)})"
        return ""

    def set_aside(self, key: str) -> Path:
        """Rename a damaged result, so that its run is done again; returns where it lies now."""
        aside = self.path(key).with_suffix(".nc.damaged")
        self.path(key).replace(aside)
        return aside

    def _content(self, key: str) -> BytesIO:
        """The bytes of a result: what goes wrong from here on is theirs, not the file server's."""
        try:
            return BytesIO(self.path(key).read_bytes())
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(
                f"{self.path(key)}: cannot be read ({reason}); expected a readable file"
            ) from error

    def note_failure(self, key: str, spec: TrainSpec, reason: str) -> None:
        """Remember why a run failed."""
        atomic_write(self._note(key), json.dumps({"reason": reason, "spec": spec.to_dict()}, indent=1) + "\n")

    def failure(self, key: str) -> str | None:
        """Why a run failed, if it did."""
        try:
            return str(json.loads(self._note(key).read_text())["reason"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"its note cannot be read ({error})"

    def note_warnings(self, key: str, warnings: tuple[str, ...]) -> None:
        """Remember what was odd about a run that has its result all the same."""
        atomic_write(self._warnings(key), json.dumps(list(warnings)) + "\n")

    def warnings(self, key: str) -> tuple[str, ...]:
        """What was odd about a run."""
        with suppress(OSError, ValueError):
            return tuple(map(str, json.loads(self._warnings(key).read_text())))
        return ()

    def finished(self) -> set[str]:
        """The keys of all runs that have a trace."""
        return {path.stem for path in (self.folder / "runs").glob("[!.]*.nc")}

    def states(self, plan: Plan) -> list[PointState]:
        """The state of every run of a plan, in its order."""
        from thermograd.sweep.status import point_states

        return point_states(plan, self.folder)

    def clear_halves(self) -> None:
        """Delete what killed processes left half written; for when nobody is at work."""
        for path in (self.folder / "runs").glob(".*.part"):
            with suppress(OSError):
                path.unlink()

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


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
