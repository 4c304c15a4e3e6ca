"""Bounds of all squared distances from a float32 Gram matrix of the first columns.

With ``c`` one of the points and ``y`` the float32 rounding of ``x - c``,
``|y_i|^2 + |y_j|^2 - 2 y_i . y_j`` is within ``E (|y_i|^2 + |y_j|^2)`` of the squared distance over the
columns summed so far, ``E = (w + 8) 2^-24 1.01`` for products summed ``w`` at a time in float32, in whatever
order (Higham 2002, section 3.1: ``w u sum|a b|``, and ``2 sum|a b| <= |a|^2 + |b|^2``; 4 u more for rounding
``y``, the rest for what is of second order). Sums of these sums are in float64. A distance over some columns
is at most the distance over all, so the lower bounds hold whatever the other columns are.

Where the processor has a matrix unit the products are made there, with an error as small (:mod:`.tiles`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.columns import WIDTH, Block, Columns
from thermograd.entropy.neighbours.room import Room
from thermograd.entropy.neighbours.threads import blas_in_one_thread, in_ranges, thread_count
from thermograd.entropy.neighbours.tiles import TileProducts, tiles_at_hand

__all__ = ["PartialGram", "products_in_one_thread"]


_STRIPS = 16  # of rows, multiplied one after another
_SAMPLED = 64  # rows that a histogram is made of
_LEAST_TILED = 64  # rows, and columns, from which a matrix unit is worth its preparations


def products_in_one_thread(columns: Columns, rows: int) -> AbstractContextManager[None]:
    """Keep BLAS, where products are left to it, from starting threads of its own: ours share out the work.

    Parameters
    ----------
    columns
        The points.
    rows
        How many of them the Gram matrix has as rows.

    Examples
    --------
    >>> from thermograd.entropy.neighbours.columns import StraightColumns
    >>> with products_in_one_thread(StraightColumns(np.eye(5), None), 5):
    ...     pass

    """
    return nullcontext() if _on_tiles(columns, rows) else blas_in_one_thread()


def _on_tiles(columns: Columns, rows: int) -> bool:
    """Whether products are made on a matrix unit: few points, or narrow blocks, are left to BLAS."""
    return min(rows, max(columns.widths, default=0)) >= _LEAST_TILED and tiles_at_hand()


class PartialGram:
    """Lower and upper bounds of squared distances, tightened by every further block of columns.

    Parameters
    ----------
    columns
        The points.
    first, stop
        Range of the rows wanted; columns of the Gram matrix are all points.
    theiler
        Pairs of rows no farther apart than this do not count.
    pool
        Threads for compiled loops.
    room
        Memory.

    """

    def __init__(
        self,
        columns: Columns,
        first: int,
        stop: int,
        theiler: int,
        pool: ThreadPoolExecutor | None,
        room: Room | None = None,
    ) -> None:
        n = columns.n
        self.first, self.rows, self.theiler = first, stop - first, theiler
        self.symmetric = self.rows == n
        self.done = 0
        """Blocks summed so far."""
        self._columns, self._pool, self._room = columns, pool, room or Room()
        self._source: Iterator[Block] = columns.blocks(pool, self._room)
        self._inner = self._room.array((self.rows, n))
        self._empty = True  # nothing is in there yet, not even zeros
        self._norms = np.zeros(n)
        self._error = (WIDTH + 8) * 2.0**-24 * 1.01
        self._tiles = None
        self.tiled = _on_tiles(columns, self.rows)
        """Whether products are made on a matrix unit."""
        if self.tiled:
            self._tiles = TileProducts(n, first, stop, max(columns.widths), pool, self._room)
            self._error = (self._tiles.error + 4 * 2.0**-24) * 1.01
        self._slack = 0.0
        self._scale = 1.0
        # Used again by every block.
        self._y = np.empty(0, dtype=np.float32)
        self._products = np.empty(0, dtype=np.float32)

    def add(self, blocks: int) -> None:
        """Sum further blocks, until ``blocks`` are done."""
        n = self._columns.n
        while self.done < blocks:
            values, a, b = next(self._source)
            # One of the points, not their mean: an iterate lies nearer to those that follow it.
            reference = values[n // 2, a:b].astype(np.float64)
            if self._taken(values, a, b, reference):
                self._add_product(n, b - a)
                # What is below float32's range underflows, in y and in products of it.
                self._slack += (b - a) * 2.0**-100 / self._scale / self._scale
            self.done += 1

    def _add_product(self, n: int, width: int) -> None:
        from thermograd.entropy.neighbours import compiled_search

        factor = 1.0 / self._scale / self._scale
        if self._tiles is not None:
            self._tiles.add(self._inner, factor, anew=self._empty)
            self._empty = False
            return
        self._inner_or_zeros()
        y = self._y[: n * width].reshape(n, width)
        if self.symmetric and self._pool is None:
            # Transposed, because BLAS thinks in columns: its upper triangle is our lower one.
            from scipy.linalg.blas import ssyrk

            compiled_search.add_product(self._inner, ssyrk(1.0, y.T, trans=1).T, factor, 0, True)
            return
        if not len(self._products):
            self._products = self._room.array(self.rows * n, np.float32)

        def strip(start: int, stop: int) -> None:
            others = y[:stop] if self.symmetric else y  # of a symmetric product, half and a little more
            room = self._products[start * n :][: (stop - start) * len(others)]
            product = room.reshape(stop - start, len(others))
            np.matmul(y[self.first + start : self.first + stop], others.T, out=product)
            compiled_search.add_product(self._inner, product, factor, start, self.symmetric)

        size = max(32, -(-self.rows // _STRIPS))
        starts = range(0, self.rows, size)
        if self._pool is None:
            for start in starts:
                strip(start, min(start + size, self.rows))
            return
        # The longest rows first, so that all threads end at about the same time.
        waiting = [
            self._pool.submit(strip, start, min(start + size, self.rows)) for start in reversed(starts)
        ]
        for future in waiting:
            future.result()

    def _taken(
        self, values: NDArray[np.floating[Any]], a: int, b: int, reference: NDArray[np.float64]
    ) -> bool:
        """Round the centred, scaled columns and add their squared norms; False if all are zero."""
        norms = np.zeros(len(values))
        for last in (False, True):
            # The scale, a power of 2, loses no digits and keeps squares within float32's range. That of the
            # block before mostly does.
            self._round(values, a, b, reference, norms)
            if last or 2.0**-40 < float(norms.max()) < 2.0**40:
                break
            with np.errstate(over="ignore"):
                size = float(np.abs(values[:, a:b] - reference).max())
            if size == 0:
                return False
            if not math.isfinite(size):  # then bounds are nan, and no pair is left out
                self._norms += np.nan
                return False
            self._scale = math.ldexp(1.0, min(1000, -math.frexp(size)[1]))
        with np.errstate(over="ignore"):
            self._norms += norms / self._scale / self._scale
        return True

    def _round(
        self,
        values: NDArray[np.floating[Any]],
        a: int,
        b: int,
        reference: NDArray[np.float64],
        norms: NDArray[np.float64],
    ) -> None:
        from thermograd.entropy.neighbours import compiled_search

        n = len(values)
        if self._tiles is not None:
            self._tiles.take(values, a, b, reference, self._scale, norms)
            return
        if len(self._y) < n * (b - a):
            self._y = self._room.array(n * (b - a), np.float32)
        y = self._y[: n * (b - a)].reshape(n, b - a)
        work = partial(compiled_search.centre, values, a, b, reference, self._scale, y, norms)
        in_ranges(self._pool, work, n)

    def nearest(self, k: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Upper bounds of the ``k`` smallest partial squared distances of every row, and whose they are."""
        from thermograd.entropy.neighbours import compiled_search

        # Of a symmetric matrix a row is also told what the rows after it find, by each thread for itself.
        parts = thread_count() if self.symmetric and self._pool is not None else 1
        values = np.full((parts, self.rows, k), np.inf)
        indices = np.full((parts, self.rows, k), -1, dtype=np.intp)
        kernel: Any = compiled_search.nearest_of_rows
        work = partial(kernel, *self._bounds(), self.symmetric, values, indices)
        in_ranges(self._pool, work, parts if self.symmetric else self.rows)
        if parts > 1:
            compiled_search.merge(values, indices)
        return values[0], indices[0]

    def histogram(self, near: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
        """About how many pairs have ``near`` over their lower bound in which quarter octave up to 1.

        The last bin holds what is 1 or more, the one before it what is at most a quarter octave less.
        """
        from thermograd.entropy.neighbours import compiled_search

        stride = max(1, self.rows // _SAMPLED)
        counts = np.zeros((-(-self.rows // stride), bins), dtype=np.int64)
        kernel: Any = compiled_search.histogram
        work = partial(kernel, *self._bounds(), self.symmetric, near, stride, counts)
        in_ranges(self._pool, work, len(counts))
        return np.asarray(counts.sum(axis=0) * (self.rows / len(counts)))

    def within(
        self, reach: NDArray[np.float64], beyond: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
        """The pairs whose lower bound is at most ``reach`` of either point, but more than ``beyond`` of both.

        Of a symmetric matrix every pair is listed once, ``i > j``, and counts for both of its points; else
        ``i`` is a row and counts alone. The bounds come third.
        """
        from thermograd.entropy.neighbours import compiled_search

        before = np.full(self._columns.n, -np.inf) if beyond is None else beyond
        kernel: Any = compiled_search.list_open
        counts = np.zeros(self.rows, dtype=np.int64)
        given = (*self._bounds(), self.symmetric, before, reach, counts)
        none = np.empty(0, dtype=np.int32)
        in_ranges(
            self._pool, partial(kernel, *given, none.astype(np.int64), none, none, np.empty(0)), self.rows
        )
        offsets = np.cumsum(counts) - counts
        total = int(counts.sum())
        i, j = self._room.array(total, np.int32), self._room.array(total, np.int32)
        bounds = self._room.array(total)
        in_ranges(self._pool, partial(kernel, *given, offsets, i, j, bounds), self.rows)
        return i, j, bounds

    def further(self) -> Iterator[Block]:
        """The blocks not summed here: each once, whoever takes it."""
        return self._source

    def _inner_or_zeros(self) -> NDArray[np.float64]:
        if self._empty:
            self._inner.fill(0.0)
            self._empty = False
        return self._inner

    def _bounds(self) -> tuple[Any, ...]:
        last, period = self._columns.periodic
        return (
            self._inner_or_zeros(),
            self._norms,
            last,
            period,
            self.first,
            self._error,
            self._slack,
            self.theiler,
        )
