"""Compiled loops of the neighbour search. Imported inside functions only: numba takes half a second.

Every kernel works on a range of rows or pairs and releases the interpreter's lock, so that threads can share
it out. ``fastmath`` allows sums to be reordered (which is what vectorises them) and nothing about nan or inf.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

__all__ = [
    "add_product",
    "add_squares",
    "centre",
    "count_open",
    "histogram",
    "list_open",
    "mirror",
    "nearest_of_pairs",
    "nearest_of_rows",
    "squares",
]

_FAST = {"reassoc", "contract", "nsz", "arcp"}


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def add_squares(x: Any, a: int, b: int, i: Any, j: Any, total: Any, start: int, stop: int) -> None:
    """``total[p] += sum_c (x[i_p, c] - x[j_p, c])^2`` over columns ``a .. b``, in float64.

    Pairs that share their first point and stand together are measured four at a time.
    """
    flat = x.ravel()  # rows are contiguous: no copy
    # Unsigned, so that no index needs to be looked at for being negative: that would not vectorise.
    m, first, width = np.uint64(x.shape[1]), np.uint64(a), np.uint64(b - a)
    p = start
    while p < stop:
        here = np.uint64(i[p]) * m + first
        j0 = np.uint64(j[p]) * m + first
        if p + 3 < stop and i[p + 3] == i[p] and i[p + 2] == i[p] and i[p + 1] == i[p]:
            j1 = np.uint64(j[p + 1]) * m + first
            j2 = np.uint64(j[p + 2]) * m + first
            j3 = np.uint64(j[p + 3]) * m + first
            s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
            for c in range(width):
                value = np.float64(flat[here + c])
                d0 = value - np.float64(flat[j0 + c])
                d1 = value - np.float64(flat[j1 + c])
                d2 = value - np.float64(flat[j2 + c])
                d3 = value - np.float64(flat[j3 + c])
                s0 += d0 * d0
                s1 += d1 * d1
                s2 += d2 * d2
                s3 += d3 * d3
            total[p] += s0
            total[p + 1] += s1
            total[p + 2] += s2
            total[p + 3] += s3
            p += 4
        else:
            s = 0.0
            for c in range(width):
                difference = np.float64(flat[here + c]) - np.float64(flat[j0 + c])
                s += difference * difference
            total[p] += s
            p += 1


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def squares(x: Any, norms: Any, start: int, stop: int) -> None:
    """Squared norms of rows, in float64."""
    for i in range(start, stop):
        s = 0.0
        for c in range(x.shape[1]):
            value = np.float64(x[i, c])
            s += value * value
        norms[i] = s


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def centre(
    x: Any, a: int, b: int, reference: Any, scale: float, y: Any, norms: Any, start: int, stop: int
) -> None:
    """``y = float32(scale (x - reference))`` over columns ``a .. b``, and its squared norms."""
    for i in range(start, stop):
        row, out = x[i, a:b], y[i]
        s = 0.0
        for c in range(b - a):
            rounded = np.float32(scale * (np.float64(row[c]) - reference[c]))
            out[c] = rounded
            s += np.float64(rounded) * np.float64(rounded)
        norms[i] = s


@njit(nogil=True, cache=True, error_model="numpy")
def _insert(values: Any, indices: Any, value: float, index: int) -> None:
    """Keep the smallest values in ascending order; of equal ones, those of lower index."""
    k = len(values)
    if value > values[k - 1] or (value == values[k - 1] and index >= indices[k - 1]):
        return
    at = k - 1
    while at > 0 and (values[at - 1] > value or (values[at - 1] == value and indices[at - 1] > index)):
        values[at] = values[at - 1]
        indices[at] = indices[at - 1]
        at -= 1
    values[at] = value
    indices[at] = index


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def add_product(inner: Any, product: Any, factor: float, first: int, triangle: bool) -> None:
    """``inner[first + r] += factor product[r]`` in float64, of a triangle only up to the diagonal."""
    for r in range(len(product)):
        into, what = inner[first + r], product[r]
        for j in range(first + r + 1 if triangle else len(what)):
            into[j] += factor * np.float64(what[j])


@njit(nogil=True, cache=True, error_model="numpy")
def mirror(inner: Any, start: int, stop: int) -> None:
    """What is below the diagonal, written above it, in squares that stay in the first cache."""
    n, size = len(inner), 32
    for top in range(start, stop):
        for left in range(top + 1):
            for i in range(top * size, min(top * size + size, n)):
                for j in range(left * size, min(left * size + size, i)):
                    inner[j, i] = inner[i, j]


@njit(nogil=True, cache=True, error_model="numpy")
def nearest_of_rows(
    inner: Any,
    norms: Any,
    extra: Any,
    first: int,
    error: float,
    slack: float,
    theiler: int,
    values: Any,
    indices: Any,
    start: int,
    stop: int,
) -> None:
    """The k smallest upper bounds of partial squared distances in every row of the Gram matrix."""
    n = len(norms)
    for r in range(start, stop):
        i = first + r
        for j in range(n):
            if abs(i - j) > theiler:
                d = (1.0 + error) * (norms[i] + norms[j]) - 2.0 * inner[r, j] + slack + extra[r, j]
                if d < values[r, -1]:
                    _insert(values[r], indices[r], d, j)


@njit(nogil=True, cache=True, error_model="numpy")
def _lower(inner: Any, norms: Any, extra: Any, r: int, i: int, j: int, error: float, slack: float) -> Any:
    return (1.0 - error) * (norms[i] + norms[j]) - 2.0 * inner[r, j] - slack + extra[r, j]


@njit(nogil=True, cache=True, error_model="numpy")
def histogram(
    inner: Any,
    norms: Any,
    extra: Any,
    first: int,
    error: float,
    slack: float,
    theiler: int,
    symmetric: bool,
    near: Any,
    stride: int,
    counts: Any,
    start: int,
    stop: int,
) -> None:
    """In every ``stride``-th row, how many pairs have ``near / lower bound`` in which quarter octave."""
    n, last = len(norms), counts.shape[1] - 1
    for s in range(start, stop):
        r = s * stride
        i = first + r
        for j in range(i - theiler if symmetric else n):
            if abs(i - j) > theiler:
                low = _lower(inner, norms, extra, r, i, j, error, slack)
                limit = max(near[i], near[j]) if symmetric else near[i]
                if limit >= low:
                    counts[s, last] += 1
                elif limit <= 0.0:
                    counts[s, 0] += 1
                else:
                    counts[s, max(0, last - 1 + math.floor(4.0 * math.log2(limit / low)) + 1)] += 1


@njit(nogil=True, cache=True, error_model="numpy")
def count_open(
    inner: Any,
    norms: Any,
    extra: Any,
    first: int,
    error: float,
    slack: float,
    theiler: int,
    symmetric: bool,
    above: Any,
    reach: Any,
    counts: Any,
    start: int,
    stop: int,
) -> None:
    """How many pairs of every row have a lower bound within ``reach`` but not within ``above``."""
    n = len(norms)
    for r in range(start, stop):
        i = first + r
        found = 0
        for j in range(i - theiler if symmetric else n):
            if abs(i - j) > theiler:
                low = _lower(inner, norms, extra, r, i, j, error, slack)
                inside = low <= reach[i] or (symmetric and low <= reach[j])
                before = low <= above[i] or (symmetric and low <= above[j])
                found += inside and not before
        counts[r] = found


@njit(nogil=True, cache=True, error_model="numpy")
def list_open(
    inner: Any,
    norms: Any,
    extra: Any,
    first: int,
    error: float,
    slack: float,
    theiler: int,
    symmetric: bool,
    above: Any,
    reach: Any,
    offsets: Any,
    left: Any,
    right: Any,
    start: int,
    stop: int,
) -> None:
    """The pairs that ``count_open`` counted."""
    n = len(norms)
    for r in range(start, stop):
        i = first + r
        at = offsets[r]
        for j in range(i - theiler if symmetric else n):
            if abs(i - j) > theiler:
                low = _lower(inner, norms, extra, r, i, j, error, slack)
                inside = low <= reach[i] or (symmetric and low <= reach[j])
                before = low <= above[i] or (symmetric and low <= above[j])
                if inside and not before:
                    left[at] = i
                    right[at] = j
                    at += 1


@njit(nogil=True, cache=True, error_model="numpy")
def nearest_of_pairs(i: Any, j: Any, squared: Any, symmetric: bool, values: Any, indices: Any) -> None:
    """The k smallest squared distances of every point among the pairs given, with the other's index."""
    for p in range(len(i)):
        _insert(values[i[p]], indices[i[p]], squared[p], j[p])
        if symmetric:
            _insert(values[j[p]], indices[j[p]], squared[p], i[p])
