"""The states of groups under way: which runs each holds, how far it is, and when it is of no more use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from thermograd.files import atomic_write

__all__ = ["Checkpoints", "KeptGroup"]

_MEMBERS = ".runs.json"


@dataclass(frozen=True)
class KeptGroup:
    """A group that has a checkpoint: its address, its runs' addresses, and iterations done, at least."""

    key: str
    keys: tuple[str, ...]
    done: int
    total: int


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in a sweep's folder; beside each lies a list of the runs that it is of."""

    folder: Path

    @property
    def _place(self) -> Path:
        return self.folder / "checkpoints"

    def path(self, key: str) -> Path:
        """Where the state of a group lies."""
        return self._place / f"{key}.ckpt"

    def describe(self, group: KeptGroup) -> None:
        """Write down what the group's checkpoint is of."""
        content = {"runs": list(group.keys), "done": group.done, "total": group.total}
        atomic_write(self._place / f"{group.key}{_MEMBERS}", json.dumps(content) + "\n")

    def of(self, key: str) -> KeptGroup | None:
        """The checkpoint of one group, if there is one."""
        if not any(self._files(key)):
            return None
        try:
            plain = json.loads((self._place / f"{key}{_MEMBERS}").read_text())
            return KeptGroup(key, tuple(plain["runs"]), int(plain["done"]), int(plain["total"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # of runs that nobody remembers: of no use

    def found(self) -> list[KeptGroup]:
        """Every checkpoint whose runs are known, those furthest on first, and of these the smallest."""
        keys = sorted({path.name.split(".")[0] for path in self._place.glob("[!.]*")})
        kept = [group for group in map(self.of, keys) if group is not None]
        return sorted(kept, key=lambda group: (-group.done, len(group.keys)))

    def clear(self, key: str) -> None:
        """Delete the state of a group."""
        for path in (*self._files(key), self._place / f"{key}{_MEMBERS}"):
            with suppress(OSError):
                path.unlink()

    def keep_only(self, keys: set[str]) -> None:
        """Delete every state but those of these groups, and what a killed process left half written."""
        for path in list(self._place.glob("*")):
            if path.name.startswith(".") or path.name.split(".")[0] not in keys:
                with suppress(OSError):
                    path.unlink()
        with suppress(OSError):  # not empty, or never there
            self._place.rmdir()

    def bytes(self) -> int:
        """What all checkpoints take on the disk."""
        return sum(path.stat().st_size for path in self._place.glob("*"))

    def _files(self, key: str) -> Iterator[Path]:
        return (path for path in self._place.glob(f"{key}.*") if not path.name.endswith(_MEMBERS))
