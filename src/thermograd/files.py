"""Writing files so that a reader, at any moment, sees the old content or the new one whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from thermograd.errors import InputError

__all__ = ["atomic_open", "atomic_write", "check_writable"]


@contextmanager
def atomic_open(
    path: str | os.PathLike[str], *, previous: str | os.PathLike[str] | None = None
) -> Iterator[BinaryIO]:
    """A file to write bytes to that takes its place only when all is written: all or nothing.

    The content goes to a temporary file in the same folder, is forced to the disk, and is renamed onto
    `path`. The folder is made if it is missing.

    Parameters
    ----------
    path
        Where the file will lie.
    previous
        Where to keep what lay there before; ``None``: it is replaced.

    Raises
    ------
    InputError
        If the folder cannot be written or the disk is full; a file that stood at `path` is as it was.

    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            if previous is not None:
                with suppress(FileNotFoundError):
                    path.replace(previous)
            temporary.replace(path)
        finally:
            with suppress(OSError):  # gone already, or in a folder that never came to be
                temporary.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot write {path}: {reason}; expected a writable folder with free space"
        ) from error


def atomic_write(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write text (UTF-8) or bytes to a file: all or nothing.

    Raises
    ------
    InputError
        If the folder cannot be written or the disk is full; a file that stood at `path` is as it was.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atomic_write(f"{folder}/new/note.txt", "whole")
    ...     Path(folder, "new", "note.txt").read_text()
    'whole'

    """
    with atomic_open(path) as handle:
        handle.write(content.encode() if isinstance(content, str) else content)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out before long work whether its result can be written; leaves nothing behind but the folder.

    Raises
    ------
    InputError
        If the folder of `path` cannot be made or written.

    """
    probe = Path(path).with_name(f".{Path(path).name}.probe")
    atomic_write(probe, "")
    probe.unlink()
