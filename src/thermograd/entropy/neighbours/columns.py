"""The coordinates of a sample, a few columns at a time: never a second array of the sample's size."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.room import Room
from thermograd.entropy.progress import tell

__all__ = ["WIDTH", "Columns", "StraightColumns", "wrapped"]

Block: TypeAlias = tuple[NDArray[np.floating[Any]], int, int]

WIDTH = 1024
"""Columns of a block, at most: float32 products are summed over one block at a time."""

_RUN = 16  # blocks of a file read one after another: a disk reads 64 kB of a row as fast as 4


class Columns(Protocol):
    """Points whose squared distance is a sum over columns, visited in a fixed order of blocks.

    The order should be such that the first blocks tell much of a distance: that is what makes a search fast.
    """

    n: int
    widths: list[int]
    """Number of columns of every block, in the order of visits."""
    at_hand: bool
    """Whether blocks cost nothing before they are looked at, so that a few rows need not be taken out."""
    periodic: tuple[NDArray[np.float64], float]
    """The coordinate that is an angle, and its period; nothing and 0 where there is none."""

    def blocks(self, pool: ThreadPoolExecutor | None, room: Room | None = None) -> Iterator[Block]:
        """Arrays of ``n`` rows and which of their columns make the block, valid until the next."""
        ...

    def rows(self, index: NDArray[np.intp]) -> Columns:
        """The same coordinates of some of the points."""
        ...


class StraightColumns:
    """Points as they are: columns of an array or of a file, the last of them periodic if a period is given.

    Parameters
    ----------
    x
        Shape ``(n, m)``, float32 or float64; a ``numpy.memmap`` is read block by block.
    period
        Of the last coordinate; ``None`` for none.
    power
        All coordinates, and the period, are multiplied by 2 to this.

    """

    def __init__(self, x: NDArray[np.floating[Any]], period: float | None, power: int = 0) -> None:
        self.n = len(x)
        self._on_disk = isinstance(x, np.memmap)
        self._x = np.asarray(x)
        self._period, self._power = period, power
        self._as_it_is = self._x.flags.c_contiguous and self._x.flags.aligned and self._x.dtype.isnative
        self.at_hand = self._as_it_is and not power and not self._on_disk
        straight = x.shape[1] if period is None else x.shape[1] - 1
        self.periodic = (
            (np.empty(0), 0.0)
            if period is None
            else (np.ldexp(self._x[:, -1].astype(np.float64), power), float(np.ldexp(period, power)))
        )
        starts = np.arange(0, straight, WIDTH)
        # Any first few blocks are spread evenly over the columns (multiples of the golden section, modulo 1):
        # layers of a network differ in scale, and blocks from one layer would foresee the others badly.
        run = _RUN if self._on_disk else 1
        group = np.arange(len(starts)) // run
        order = np.lexsort((np.arange(len(starts)), group * 0.6180339887498949 % 1.0))
        self._bounds = [(int(a), int(min(a + WIDTH, straight))) for a in starts[order]]
        self.widths = [b - a for a, b in self._bounds]

    def blocks(self, pool: ThreadPoolExecutor | None, room: Room | None = None) -> Iterator[Block]:
        """The columns themselves where rows are contiguous, copies of them otherwise."""
        for done, (a, b) in enumerate(self._bounds, 1):
            if self._power:
                yield np.ldexp(self._x[:, a:b].astype(np.float64), self._power), 0, b - a
            elif self._as_it_is:
                yield self._x, a, b
            else:
                yield np.ascontiguousarray(self._x[:, a:b], dtype=self._x.dtype.newbyteorder("=")), 0, b - a
            tell("distances", done, len(self._bounds))

    def rows(self, index: NDArray[np.intp]) -> StraightColumns:
        """A copy of these rows."""
        return StraightColumns(self._x[index], self._period, self._power)


def wrapped(difference: NDArray[np.float64], period: float) -> NDArray[np.float64]:
    """A difference of angles, brought to the nearest of its equivalents.

    Parameters
    ----------
    difference, period
        In one unit.

    Examples
    --------
    >>> wrapped(np.array([0.1, 3.0, -3.5]), 4.0)
    array([ 0.1, -1. ,  0.5])

    """
    # Subtracting a whole period only where needed leaves small differences untouched by rounding.
    return difference - period * np.rint(difference / period)
