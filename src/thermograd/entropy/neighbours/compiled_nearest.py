"""Compiled: squared distance of every point to its nearest other point, in many small clouds.

Few dimensions: points are sorted along one coordinate and each looks to both sides of itself until the gap
along that coordinate alone is as large as the best distance found. A cloud that the coordinate does not
spread costs what all pairs cost, never more. Many dimensions: all pairs, each once.

Importing this module imports numba: it is imported inside functions only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types, uintp
from numba.extending import intrinsic
from numpy.typing import NDArray

__all__ = ["chart_nearest", "pairwise_nearest", "space_nearest"]

Array = NDArray[np.float64]
Order = NDArray[np.intp]

# Sums may be reordered and distances are never nan; infinities are used and must be kept.
_FAST = {"nnan", "nsz", "contract", "reassoc"}
_CHUNK = 32  # points looked at between two looks at the gap


def _emit_smaller(context: Any, a: Any, b: Any) -> Any:
    """The smaller of two numbers, flagged so that a minimum over a loop becomes vector instructions."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        flags = ["nnan", "nsz"]
        return builder.select(builder.fcmp_ordered("<", *args, flags=flags), *args, flags=flags)

    return types.float64(types.float64, types.float64), generate


_smaller: Any = intrinsic(_emit_smaller)


@njit(nogil=True, fastmath=_FAST, error_model="numpy", cache=True)
def _scan_space(a: Array, b: Array, c: Array, start: int, count: int, i: int, best: float) -> float:
    p, q, r = a[i], b[i], c[i]
    for step in range(count):
        j = uintp(start) + uintp(step)  # unsigned: a negative index would need a branch, and no vectors then
        x, y, z = a[j] - p, b[j] - q, c[j] - r
        best = _smaller(x * x + y * y + z * z, best)
    return best


@njit(nogil=True, fastmath=_FAST, error_model="numpy", cache=True)
def _scan_chart(a: Array, b: Array, period: float, start: int, count: int, i: int, best: float) -> float:
    p, q = a[i], b[i]
    for step in range(count):
        j = uintp(start) + uintp(step)
        x, y = a[j] - p, abs(b[j] - q)
        y = _smaller(y, period - y)
        best = _smaller(x * x + y * y, best)
    return best


@njit(nogil=True, fastmath=_FAST, error_model="numpy", cache=True)
def space_nearest(columns: Array, order: Order, squared: Array) -> None:
    """Squared nearest distances in one to three dimensions.

    Parameters
    ----------
    columns
        Coordinates, shape ``(batch, m, n)``, ``m <= 3``.
    order
        What sorts the first coordinate, shape ``(batch, n)``.
    squared
        Takes the result, shape ``(batch, n)``.

    """
    batch, m, n = columns.shape
    a, b, c = np.empty(n), np.zeros(n), np.zeros(n)
    for w in range(batch):
        for i in range(n):
            j = order[w, i]
            a[i] = columns[w, 0, j]
            if m > 1:
                b[i] = columns[w, 1, j]
            if m > 2:
                c[i] = columns[w, 2, j]
        for i in range(n):
            best = np.inf
            j = i + 1
            while j < n and (a[j] - a[i]) * (a[j] - a[i]) < best:
                if j + _CHUNK <= n:  # a count known to the compiler makes a loop without remainder
                    best = _scan_space(a, b, c, j, _CHUNK, i, best)
                else:
                    best = _scan_space(a, b, c, j, n - j, i, best)
                j += _CHUNK
            j = i
            while j > 0 and (a[i] - a[j - 1]) * (a[i] - a[j - 1]) < best:
                if j >= _CHUNK:
                    best = _scan_space(a, b, c, j - _CHUNK, _CHUNK, i, best)
                else:
                    best = _scan_space(a, b, c, 0, j, i, best)
                j -= _CHUNK
            squared[w, order[w, i]] = best


@njit(nogil=True, fastmath=_FAST, error_model="numpy", cache=True)
def chart_nearest(columns: Array, order: Order, period: float, squared: Array) -> None:
    """Squared nearest distances of one or two angles, the last of them periodic.

    Parameters
    ----------
    columns
        Angles, shape ``(batch, m, n)``, ``m <= 2``.
    order
        What sorts the last angle, shape ``(batch, n)``.
    period
        Of the last angle, whose values span at most one.
    squared
        Takes the result, shape ``(batch, n)``.

    """
    batch, m, n = columns.shape
    # Three turns one after the other: from the middle one, all others lie within a turn on either side.
    a, b, key = np.zeros(3 * n), np.empty(3 * n), np.empty(3 * n)
    for w in range(batch):
        for i in range(n):
            j = order[w, i]
            last = columns[w, m - 1, j]
            for turn in range(3):
                if m > 1:
                    a[turn * n + i] = columns[w, 0, j]
                b[turn * n + i] = last  # not shifted: wrapping the difference rounds once, shifting twice
                key[turn * n + i] = last + (turn - 1) * period
        for i in range(n, 2 * n):
            best = np.inf
            j = i + 1
            end = i + n  # the point itself, a turn later
            while j < end and (key[j] - key[i]) * (key[j] - key[i]) < best:
                if j + _CHUNK <= end:
                    best = _scan_chart(a, b, period, j, _CHUNK, i, best)
                else:
                    best = _scan_chart(a, b, period, j, end - j, i, best)
                j += _CHUNK
            j = i
            end = i - n + 1
            while j > end and (key[i] - key[j - 1]) * (key[i] - key[j - 1]) < best:
                if j - _CHUNK >= end:
                    best = _scan_chart(a, b, period, j - _CHUNK, _CHUNK, i, best)
                else:
                    best = _scan_chart(a, b, period, end, j - end, i, best)
                j -= _CHUNK
            squared[w, order[w, i - n]] = best


@njit(nogil=True, fastmath=_FAST, error_model="numpy", cache=True)
def pairwise_nearest(columns: Array, k: int, period: float, squared: Array) -> None:
    """Squared distances to the k-th neighbours in any dimension, from all pairs.

    Parameters
    ----------
    columns
        Coordinates, shape ``(batch, m, n)``.
    k
        Which neighbour, at most ``n - 1``.
    period
        Of the last coordinate, whose values span at most one; infinite where it has none.
    squared
        Takes the result, shape ``(batch, n)``.

    """
    batch, m, n = columns.shape
    row = np.empty(n)
    least = np.empty((n, k))  # the k smallest squared distances of each point, ascending
    for w in range(batch):
        x = columns[w]
        least[:] = np.inf
        best = squared[w]
        best[:] = np.inf
        for i in range(n - 1):
            count = n - 1 - i
            to = row[:count]
            last, own = x[m - 1, i + 1 :], x[m - 1, i]
            for j in range(count):
                gap = abs(last[j] - own)
                gap = _smaller(gap, period - gap)
                to[j] = gap * gap
            q = 0
            while q + 4 <= m - 1:  # four at a time: a sum goes through memory a quarter as often
                a, b, c, d = x[q, i + 1 :], x[q + 1, i + 1 :], x[q + 2, i + 1 :], x[q + 3, i + 1 :]
                e, f, g, h = x[q, i], x[q + 1, i], x[q + 2, i], x[q + 3, i]
                for j in range(count):
                    s, t, u, v = a[j] - e, b[j] - f, c[j] - g, d[j] - h
                    to[j] += s * s + t * t + u * u + v * v
                q += 4
            while q < m - 1:
                a, e = x[q, i + 1 :], x[q, i]
                for j in range(count):
                    to[j] += (a[j] - e) * (a[j] - e)
                q += 1
            if k == 1:
                others = best[i + 1 :]
                nearest = best[i]
                for j in range(count):
                    others[j] = _smaller(to[j], others[j])
                    nearest = _smaller(to[j], nearest)
                best[i] = nearest
            else:
                for j in range(count):
                    _insert(least[i], to[j])
                    _insert(least[i + 1 + j], to[j])
        if k > 1:
            best[:] = least[:, k - 1]


@njit(nogil=True, cache=True)
def _insert(ascending: Array, value: float) -> None:
    """Put a value in its place of a full sorted list, whose largest drops out."""
    place = len(ascending) - 1
    if value >= ascending[place]:
        return
    while place > 0 and ascending[place - 1] > value:
        ascending[place] = ascending[place - 1]
        place -= 1
    ascending[place] = value
