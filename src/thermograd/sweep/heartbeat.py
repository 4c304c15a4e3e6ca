"""Signs of life: a small file per task at work, by which anybody who sees the folder knows how far it is."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

__all__ = ["Beat", "Heartbeat", "beats", "clear_beats"]

_PERIOD = 2.0
_RECENT = 30.0
_SILENCE = 40.0
"""Seconds without a sign after which a worker on another machine counts as gone."""


@dataclass(frozen=True)
class Beat:
    """What a worker tells about its task.

    `done` and `total` are iterations of each run, `per_second` those done a second lately,
    `written` the time of the sign in seconds since 1970.
    """

    key: str
    runs: tuple[str, ...]
    done: int
    total: int
    per_second: float
    host: str
    pid: int
    written: float
    warnings: tuple[str, ...] = ()

    @property
    def worker(self) -> str:
        """Where the task is worked on."""
        return f"{self.host}:{self.pid}"

    @property
    def alive(self) -> bool:
        """Whether the worker still works, as far as one can tell from here."""
        if self.host == socket.gethostname() and not _process_exists(self.pid):
            return False
        return abs(time.time() - self.written) < _SILENCE


class Heartbeat:
    """While it is open, a thread renews the file every two seconds; the file goes when it is closed.

    A full disk or a folder that is gone silences it and does no other harm.
    """

    def __init__(self, folder: Path, key: str, runs: tuple[str, ...], total: int) -> None:
        self._path = folder / "progress" / f"{key}.json"
        self._beat = Beat(key, runs, 0, total, 0.0, socket.gethostname(), os.getpid(), 0.0)
        self._marks: deque[tuple[float, int]] = deque()
        self._over = threading.Event()
        self._warnings: Callable[[], tuple[str, ...]] = tuple
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Heartbeat:
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            self._path.unlink()

    def reached(self, done: int) -> None:
        """Take note of the iterations done."""
        now = time.monotonic()
        # The speed of the last half minute: what came from a checkpoint or was annealed before is not in it.
        if not self._marks or now - self._marks[-1][0] > 1:
            self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[0][0] > _RECENT:
            self._marks.popleft()
        since, before = self._marks[0]
        speed = (done - before) / (now - since) if now - since > 0.5 else self._beat.per_second
        self._beat = replace(self._beat, done=done, per_second=max(speed, 0.0))

    def warn_from(self, warnings: Callable[[], tuple[str, ...]]) -> None:
        """Where warnings are found."""
        self._warnings = warnings

    def _go_on(self) -> None:
        while not self._over.wait(_PERIOD):
            self._write()

    def _write(self) -> None:
        beat = replace(self._beat, written=time.time(), warnings=self._warnings())
        # Not forced to the disk as results are: a sign that is lost is followed by another.
        temporary = self._path.with_name(f".{self._path.name}.{beat.host}.{beat.pid}.part")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(asdict(beat)))
            temporary.replace(self._path)


def beats(folder: Path) -> dict[str, Beat]:
    """The last sign of every task that has one, by the task's key; dead workers' too."""
    found = {}
    for path in (folder / "progress").glob("[!.]*.json"):
        with suppress(OSError, ValueError, TypeError, KeyError):
            plain = json.loads(path.read_text())
            found[plain["key"]] = Beat(
                **{**plain, "runs": tuple(plain["runs"]), "warnings": tuple(plain["warnings"])}
            )
    return found


def clear_beats(folder: Path) -> None:
    """Delete all signs; for when nobody is at work."""
    for path in (folder / "progress").glob("*"):
        with suppress(OSError):
            path.unlink()
    with suppress(OSError):
        (folder / "progress").rmdir()


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
