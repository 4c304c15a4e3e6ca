"""Compiled: squared differences of pairs of points, summed in float64. Import it inside functions (numba)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from thermograd.entropy.neighbours.compiled_vectors import filled, load, prefetch, total

__all__ = ["add_squares", "squares_of_ranges"]

_AHEAD = 2  # pairs after the one at hand whose numbers are asked for: from row to row nothing foresees them


@njit(nogil=True, cache=True, error_model="numpy")
def _rest(flat: Any, here: int, there: int, c: int, width: int, found: float) -> float:
    while c < width:
        difference = np.float64(flat[here + c]) - np.float64(flat[there + c])
        found += difference * difference
        c += 1
    return found


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _add_range(x: Any, a: int, b: int, i: Any, j: Any, sums: Any, start: int, stop: int) -> None:
    flat = x.ravel()  # rows are contiguous: no copy
    m, width = x.shape[1], b - a
    whole = width // 16 * 16
    p = start
    while p < stop:
        here, j0 = i[p] * m + a, j[p] * m + a
        if p + 3 < stop and i[p + 3] == i[p] and i[p + 2] == i[p] and i[p + 1] == i[p]:
            j1, j2, j3 = j[p + 1] * m + a, j[p + 2] * m + a, j[p + 3] * m + a
            s0, s1, s2, s3 = filled(0.0), filled(0.0), filled(0.0), filled(0.0)
            t0, t1, t2, t3 = filled(0.0), filled(0.0), filled(0.0), filled(0.0)
            for c in range(0, whole, 16):
                v, w = load(flat, here + c), load(flat, here + c + 8)
                d, e = v - load(flat, j0 + c), w - load(flat, j0 + c + 8)
                s0, t0 = s0 + d * d, t0 + e * e
                d, e = v - load(flat, j1 + c), w - load(flat, j1 + c + 8)
                s1, t1 = s1 + d * d, t1 + e * e
                d, e = v - load(flat, j2 + c), w - load(flat, j2 + c + 8)
                s2, t2 = s2 + d * d, t2 + e * e
                d, e = v - load(flat, j3 + c), w - load(flat, j3 + c + 8)
                s3, t3 = s3 + d * d, t3 + e * e
            sums[p] += _rest(flat, here, j0, whole, width, total(s0 + t0))
            sums[p + 1] += _rest(flat, here, j1, whole, width, total(s1 + t1))
            sums[p + 2] += _rest(flat, here, j2, whole, width, total(s2 + t2))
            sums[p + 3] += _rest(flat, here, j3, whole, width, total(s3 + t3))
            p += 4
        else:
            s, t = filled(0.0), filled(0.0)
            later = min(p + _AHEAD, stop - 1)
            next_i, next_j = i[later] * m + a, j[later] * m + a
            for c in range(0, whole, 16):
                prefetch(flat, next_i + c)
                prefetch(flat, next_i + c + 8)
                prefetch(flat, next_j + c)
                prefetch(flat, next_j + c + 8)
                d = load(flat, here + c) - load(flat, j0 + c)
                e = load(flat, here + c + 8) - load(flat, j0 + c + 8)
                s, t = s + d * d, t + e * e
            sums[p] += _rest(flat, here, j0, whole, width, total(s + t))
            p += 1


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def add_squares(x: Any, ranges: Any, i: Any, j: Any, sums: Any, start: int, stop: int) -> None:
    """``sums[p] += sum_c (x[i_p, c] - x[j_p, c])^2`` over one range of columns after the other, in float64.

    Pairs that share their first point and stand together are measured four at a time. Squares are added in
    one order whichever way, so that equal differences have equal sums.
    """
    for r in range(len(ranges)):
        _add_range(x, ranges[r, 0], ranges[r, 1], i, j, sums, start, stop)


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def squares_of_ranges(x: Any, ranges: Any, i: Any, j: Any, sums: Any, start: int, stop: int) -> None:
    """The same of every range of columns for itself: ``sums[r, p]``."""
    for r in range(len(ranges)):
        _add_range(x, ranges[r, 0], ranges[r, 1], i, j, sums[r], start, stop)
