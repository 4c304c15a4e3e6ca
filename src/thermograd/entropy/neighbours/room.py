"""Memory that one search leaves to the next: fresh pages cost as much as the work done on them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Room", "borrowed"]

_LINE = 64  # bytes: arrays begin where a cache line does
_MOST = 2**26  # bytes that are kept; whoever needs more works long enough to have them made
_KEPT: list[NDArray[np.uint8]] = []
_LOCK = Lock()


class Room:
    """Arrays cut one after another from one piece of memory, of whatever was there before.

    Parameters
    ----------
    memory
        The piece; what does not fit into it is allocated.

    Examples
    --------
    >>> room = Room(np.empty(256, dtype=np.uint8))
    >>> a, b = room.array(4), room.array((2, 3), np.float32)
    >>> a.shape, b.shape, b.dtype, room.asked
    ((4,), (2, 3), dtype('float32'), 128)

    """

    def __init__(self, memory: NDArray[np.uint8] | None = None) -> None:
        self._memory = np.empty(0, dtype=np.uint8) if memory is None else memory
        self._start = -self._memory.ctypes.data % _LINE
        self._used = 0
        self.asked = 0
        """Bytes that all arrays between one :meth:`clear` and the next needed, at most."""

    def array(self, shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """An array with arbitrary content, valid until :meth:`clear`."""
        kind = np.dtype(dtype)
        size = math.prod(shape if isinstance(shape, tuple) else (shape,)) * kind.itemsize
        begin = self._start + self._used
        self._used += -(-size // _LINE) * _LINE
        self.asked = max(self.asked, self._used)
        if begin + size > len(self._memory):
            spare = np.empty(size + _LINE, dtype=np.uint8)
            skipped = -spare.ctypes.data % _LINE
            return spare[skipped : skipped + size].view(kind).reshape(shape)
        return self._memory[begin : begin + size].view(kind).reshape(shape)

    def zeros(self, shape: int | tuple[int, ...]) -> NDArray[np.float64]:
        """An array of zeros, valid until :meth:`clear`."""
        found = self.array(shape)
        found.fill(0.0)
        return found

    def clear(self) -> None:
        """Begin anew: no array handed out before may be used any more."""
        self._used = 0

    def leave(self) -> NDArray[np.uint8]:
        """Memory in which all that was asked for fits next time."""
        wanted = self.asked + _LINE
        return self._memory if len(self._memory) >= wanted else np.empty(wanted, dtype=np.uint8)


@contextmanager
def borrowed() -> Iterator[Room]:
    """Room in the memory that the last search left, if no other has it just now.

    Examples
    --------
    >>> with borrowed() as room:
    ...     a = room.zeros(3)
    >>> a.sum()
    np.float64(0.0)

    """
    with _LOCK:
        memory = _KEPT.pop() if _KEPT else None
    room = Room(memory)
    yield room
    with _LOCK:
        if room.asked <= _MOST and not _KEPT:
            _KEPT.append(room.leave())
