"""A queue in files: for more vectors than memory holds, and for work that may be killed."""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from thermograd.entropy.estimate import EntropyEstimate
from thermograd.entropy.queues.queue import check_dtype
from thermograd.entropy.queues.reserved import reserve
from thermograd.entropy.queues.stream import EntropyQueue, check_at_least, unit_direction
from thermograd.errors import InputError

__all__ = ["DiskQueue"]

_FILES = ("vectors.npy", "window.npy", "updates.npy")
_FEW = 3  # vectors of float64 in memory at a time


class DiskQueue(EntropyQueue):
    """The last ``size`` weight vectors in a folder, unrounded; what is killed goes on where it was.

    A queue made again in the same folder with the same arguments holds what the one before held, even if that
    was killed in the middle of an `update`: a vector is written beside those that count, and is counted
    afterwards. (A power failure is another matter: the files are not forced to the disk.) All space is taken
    when the queue is made, so that a disk that fills up later loses nothing. The files go when the queue is
    closed, or when a ``with`` block ends without an error.

    Parameters
    ----------
    size
        How many vectors make the queue full, at least 2.
    dim
        Length ``d`` of a vector, at least 2.
    folder
        Where; made if it is missing, for one queue and one process at a time.
    dtype
        ``"float64"`` holds anything; ``"float32"`` float32 weights only.

    Raises
    ------
    InputError
        When an argument is out of range, the disk has too little space, the folder cannot be written, or
        holds a queue of other arguments, or one that another process has open.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> first = DiskQueue(3, 2, folder)
    >>> first.update(np.array([3.0, 4.0]))
    >>> del first  # killed
    >>> with DiskQueue(3, 2, folder) as second:
    ...     print(len(second))
    1
    >>> os.path.exists(folder)
    False

    """

    loses = "on disk: nothing, but the time to read it"

    def __init__(
        self, size: int, dim: int, folder: str | os.PathLike[str], dtype: DTypeLike = "float64"
    ) -> None:
        needed = self.disk_bytes_needed(size, dim, dtype)
        super().__init__(size, dim)
        self.folder = Path(folder)
        self.bytes = _FEW * 8 * self.dim
        shapes = {
            "vectors.npy": ((self.size + 1, self.dim), check_dtype("DiskQueue", dtype)),
            "window.npy": ((self.size, self.dim), np.dtype(np.float64)),
            "updates.npy": ((1,), np.dtype(np.int64)),
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._release = weakref.finalize(self, os.close, _locked(self.folder))
            # The count is made last: without it the folder holds no queue.
            if not (self.folder / "updates.npy").exists():
                free = shutil.disk_usage(self.folder).free
                if needed > free:
                    raise InputError(
                        f"DiskQueue: {needed / 1e9:.3g} GB are needed in {self.folder}; "
                        f"expected at most the {free / 1e9:.3g} GB that are free"
                    )
                try:
                    for name, (shape, kind) in shapes.items():
                        reserve(self.folder / name, shape, kind)
                except OSError:
                    self.close()  # space taken for nothing would only make things worse
                    raise
            self._buffer, self._directions, self._count = (
                _opened(self.folder / name, *shapes[name]) for name in _FILES
            )
        except OSError as error:
            raise InputError(
                f"DiskQueue: {self.folder} cannot be used ({error.strerror or error}); "
                f"expected a folder that can be written and {needed / 1e9:.3g} GB of space"
            ) from error

    @staticmethod
    def disk_bytes_needed(size: int, dim: int, dtype: DTypeLike = "float64") -> int:
        """The space on disk that such a queue takes, in bytes: the vectors, and their directions in float64.

        Parameters
        ----------
        size, dim, dtype
            As for the queue.

        Examples
        --------
        >>> DiskQueue.disk_bytes_needed(4000, 2_790_240, "float32") / 1e9
        133.94268096

        """
        check_at_least(DiskQueue.__name__, 2, size=size, dim=dim)
        kept = check_dtype(DiskQueue.__name__, dtype).itemsize
        return int(dim) * (kept * (int(size) + 1) + 8 * int(size))

    def compute(self, estimator: Callable[..., EntropyEstimate], **settings: Any) -> EntropyEstimate:
        """Any estimator that takes a ``numpy.memmap``: those of this package read it a few columns at a time.

        Parameters
        ----------
        estimator, settings
            A function of unit vectors, shape ``(size, d)``, and what else to pass to it.

        Raises
        ------
        InputError
            When the queue is not full.

        """
        self._check_full()
        row = np.empty(self.dim)
        for age, slot in enumerate(self._slots(self.size + 1)):
            unit_direction(self._buffer[slot], row)
            self._directions[age] = row
        return estimator(self._directions, **settings)

    def close(self) -> None:
        """Remove the files, and the folder if nothing else is in it; a closed queue is of no more use."""
        # The mappings stay until the queue goes: an estimate may still be reading.
        for name in reversed(_FILES):
            (self.folder / name).unlink(missing_ok=True)
        self._release()
        (self.folder / _LOCK).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def __enter__(self) -> DiskQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:  # what was interrupted can be gone on with
            self._release()

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"buffer": self._buffer}

    def _check_type(self, values: NDArray[np.floating[Any]]) -> None:
        if values.dtype.itemsize > self._buffer.dtype.itemsize:
            raise InputError(
                "DiskQueue: the vector is float64; expected float32, or a queue of dtype='float64'"
            )

    def _store(self, values: NDArray[np.floating[Any]]) -> None:
        # One row more than vectors: the row written is none of those that count until it is counted itself.
        self._buffer[self.updates % (self.size + 1)] = values


_LOCK = "in-use"


def _locked(folder: Path) -> int:
    """A descriptor that locks the folder; the system unlocks it when the process ends, however it ends."""
    import fcntl

    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise InputError(
            f"DiskQueue: {folder} is in use; expected a folder that no other queue has open"
        ) from None
    return lock


def _opened(path: Path, shape: tuple[int, ...], kind: np.dtype[Any]) -> NDArray[Any]:
    try:
        array = np.lib.format.open_memmap(path, "r+")
    except (OSError, ValueError) as error:
        raise InputError(
            f"DiskQueue: {path} cannot be read ({error}); expected the files of a queue, or none"
        ) from error
    if array.shape != shape or array.dtype != kind:
        raise InputError(
            f"DiskQueue: {path} holds {array.shape} {array.dtype}; expected {shape} {kind}, "
            "or a folder without a queue"
        )
    return array
