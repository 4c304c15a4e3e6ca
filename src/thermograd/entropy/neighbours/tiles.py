"""Whether this processor has a matrix unit (AMX), and products of points on it as good as float32's."""

from __future__ import annotations

import ctypes
import platform
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.room import Room
from thermograd.entropy.neighbours.threads import in_ranges, thread_count
from thermograd.errors import InputError

__all__ = ["TileProducts", "tiles_at_hand"]

_DEEP, _SIDE = 32, 16  # columns and points of a tile
_ARCH_PRCTL, _REQUEST, _TILE_DATA = 158, 0x1023, 18  # of Linux on x86-64


@cache
def tiles_at_hand() -> bool:
    """Whether products of bfloat16 can be made on tiles here; the first call asks Linux to allow it.

    Linux reserves the eight kilobytes of a thread's tiles only for processes that ask.

    Examples
    --------
    >>> tiles_at_hand() in (True, False)
    True

    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    import numba.core
    from llvmlite.binding import get_host_cpu_features

    config: Any = numba.core.config
    if config.CPU_NAME or config.CPU_FEATURES or config.DISABLE_JIT:  # then code is not for this processor
        return False
    features = get_host_cpu_features()
    if not (features.get("amx-tile") and features.get("amx-bf16")):
        return False
    return int(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST, _TILE_DATA)) == 0


class TileProducts:
    """Scalar products of points, block of columns after block, from numbers split in two bfloat16.

    With ``y = h + l + r``, ``h`` and ``l`` the nearest bfloat16 (8 bits) to ``y`` and to what is left,
    ``|l| <= 2^-8 |y|`` and ``|r| <= 2^-16 |y|``; what is not summed, ``l l' + h r' + r h'``, is at most
    ``3.05 2^-16 |y y'|``. A product of tiles adds 16 terms one after the other, two such sums, and that to
    float32, three times for every 32 columns: no term goes through more than ``17 + 3 w / 32`` roundings
    (Higham 2002, section 4.2). Twice that is allowed for.

    Parameters
    ----------
    n
        Number of points.
    first, stop
        Range of those whose products with all others are wanted.
    width
        Columns of a block, at most.
    pool
        Threads.
    room
        Memory.

    Raises
    ------
    InputError
        Where :func:`tiles_at_hand` says no.

    References
    ----------
    Intel 64 and IA-32 Architectures Software Developer's Manual, TDPBF16PS.

    Examples
    --------
    >>> x, inner, norms = np.array([[1.0, 2.0], [3.0, -1.0]]), np.zeros((2, 2)), np.zeros(2)
    >>> if tiles_at_hand():
    ...     products = TileProducts(2, 0, 2, 1024, None)
    ...     products.take(x, 0, 2, np.zeros(2), 1.0, norms)
    ...     products.add(inner, 1.0)
    ... else:
    ...     norms[:], inner[:] = (5, 10), ((5, 0), (1, 10))
    >>> norms, inner
    (array([ 5., 10.]), array([[ 5.,  0.],
           [ 1., 10.]]))

    """

    def __init__(
        self,
        n: int,
        first: int,
        stop: int,
        width: int,
        pool: ThreadPoolExecutor | None,
        room: Room | None = None,
    ) -> None:
        if not tiles_at_hand():  # the processor would end the process
            raise InputError("TileProducts: this processor, or system, has no tiles; expected AMX on Linux")
        self.error = 3.05 * 2.0**-16 + 2 * (17 + 3 * -(-width // _DEEP)) * 2.0**-24
        """Of ``2 y y'``, in units of ``|y|^2 + |y'|^2``."""
        self._n, self._first, self._rows, self._pool = n, first, stop - first, pool
        self._skipped = first // (2 * _SIDE) * 2
        groups = -(-n // (2 * _SIDE)) * 2
        ours = -(-stop // (2 * _SIDE)) * 2 - self._skipped
        length = -(-width // _DEEP) * _DEEP * _SIDE * 2
        room = room or Room()  # a row of a tile is one line of the cache there, not two
        self._left, self._right = room.array(ours * length, np.int16), room.array(groups * length, np.int16)
        self._groups, self._ours, self._depth = groups, ours, 0

    def take(
        self,
        x: NDArray[np.floating[Any]],
        a: int,
        b: int,
        reference: NDArray[np.float64],
        scale: float,
        norms: NDArray[np.float64],
    ) -> None:
        """Make the block of columns ``a .. b``, centred and scaled; give their squared norms."""
        from thermograd.entropy.neighbours import compiled_tiles

        self._depth = -(-(b - a) // _DEEP)
        length = self._depth * _DEEP * _SIDE * 2
        left = self._left[: self._ours * length].reshape(self._ours, length)
        right = self._right[: self._groups * length].reshape(self._groups, length)
        work = partial(compiled_tiles.split, x, a, b, reference, scale, left, right, self._skipped, norms)
        in_ranges(self._pool, work, self._groups)

    def add(self, inner: NDArray[np.float64], factor: float, anew: bool = False) -> None:
        """Add ``factor`` times the block's products, of all points up to the diagonal only; or put them."""
        from thermograd.entropy.neighbours import compiled_tiles

        parts = 1 if self._pool is None else thread_count()
        kernel: Any = compiled_tiles.add_products
        triangle = self._rows == self._n
        given = (self._left, self._right, self._depth, factor, inner, anew, self._first, triangle, parts)
        in_ranges(self._pool, partial(kernel, *given), parts)
