"""Compiled loops of the neighbour search. Imported inside functions only: numba takes half a second.

Every kernel works on a range of rows or pairs and releases the interpreter's lock, so that threads can share
it out. ``fastmath`` allows sums to be reordered (which is what vectorises them) and nothing about nan or inf.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from thermograd.entropy.neighbours.compiled_vectors import filled, load, total

__all__ = [
    "add_product",
    "add_squares",
    "centre",
    "histogram",
    "list_open",
    "mirror",
    "nearest_of_pairs",
    "nearest_of_rows",
    "parted",
    "squares",
]

_FAST = {"reassoc", "contract", "nsz", "arcp"}
_CHUNK = 32  # bounds looked at together: hardly any of them matters


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def add_squares(x: Any, a: int, b: int, i: Any, j: Any, sums: Any, start: int, stop: int) -> None:
    """``sums[p] += sum_c (x[i_p, c] - x[j_p, c])^2`` over columns ``a .. b``, in float64.

    Pairs that share their first point and stand together are measured four at a time. Squares are added in
    one order whichever way, so that equal differences have equal sums.
    """
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
            for c in range(0, whole, 16):
                d = load(flat, here + c) - load(flat, j0 + c)
                e = load(flat, here + c + 8) - load(flat, j0 + c + 8)
                s, t = s + d * d, t + e * e
            sums[p] += _rest(flat, here, j0, whole, width, total(s + t))
            p += 1


@njit(nogil=True, cache=True, error_model="numpy")
def _rest(flat: Any, here: int, there: int, c: int, width: int, found: float) -> float:
    while c < width:
        difference = np.float64(flat[here + c]) - np.float64(flat[there + c])
        found += difference * difference
        c += 1
    return found


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


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _bounds(
    inner: Any, norms: Any, last: Any, period: float, i: int, error: float, slack: float, to: Any
) -> None:
    """Bounds of a row's partial squared distances: upper ones, or with both errors negative lower ones."""
    own, factor = norms[i], 1.0 + error
    if period > 0.0:
        angle, inverse = last[i], 1.0 / period
        for j in range(len(to)):
            gap = angle - last[j]
            gap -= period * np.rint(gap * inverse)
            to[j] = factor * (own + norms[j]) - 2.0 * inner[j] + slack + gap * gap
    else:
        for j in range(len(to)):
            to[j] = factor * (own + norms[j]) - 2.0 * inner[j] + slack


@njit(nogil=True, cache=True, error_model="numpy")
def nearest_of_rows(
    inner: Any,
    norms: Any,
    last: Any,
    period: float,
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
    upper = np.empty(n)
    for r in range(start, stop):
        i = first + r
        _bounds(inner[r], norms, last, period, i, error, slack, upper)
        for j in range(max(0, i - theiler), min(n, i + theiler + 1)):
            upper[j] = np.inf
        for left in range(0, n, _CHUNK):
            worst, some = values[r, -1], False
            for j in range(left, min(left + _CHUNK, n)):
                some |= upper[j] < worst
            if some:
                for j in range(left, min(left + _CHUNK, n)):
                    if upper[j] < values[r, -1]:
                        _insert(values[r], indices[r], upper[j], j)


@njit(nogil=True, cache=True, error_model="numpy")
def histogram(
    inner: Any,
    norms: Any,
    last: Any,
    period: float,
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
    n, most = len(norms), counts.shape[1] - 1
    lower = np.empty(n)
    for s in range(start, stop):
        r = s * stride
        i = first + r
        _bounds(inner[r], norms, last, period, i, -error, -slack, lower)
        for j in range(i - theiler if symmetric else n):
            if abs(i - j) > theiler:
                low = lower[j]
                limit = max(near[i], near[j]) if symmetric else near[i]
                if not low > limit:
                    counts[s, most] += 1
                elif limit <= 0.0:
                    counts[s, 0] += 1
                else:
                    counts[s, max(0, most - 1 + math.floor(4.0 * math.log2(limit / low)) + 1)] += 1


@njit(nogil=True, cache=True, error_model="numpy")
def list_open(
    inner: Any,
    norms: Any,
    last: Any,
    period: float,
    first: int,
    error: float,
    slack: float,
    theiler: int,
    symmetric: bool,
    above: Any,
    reach: Any,
    counts: Any,
    offsets: Any,
    left: Any,
    right: Any,
    start: int,
    stop: int,
) -> None:
    """The pairs of every row that are not surely beyond ``reach``, but beyond ``above``: how many, and which.

    Without offsets they are only counted. What is nan is not surely beyond anything.
    """
    n = len(norms)
    lower = np.empty(n)
    limit = reach
    naming = len(offsets) > 0
    for r in range(start, stop):
        i = first + r
        end = max(0, i - theiler) if symmetric else n
        _bounds(inner[r, :end], norms, last, period, i, -error, -slack, lower[:end])
        found, own = 0, reach[i]
        at = offsets[r] if naming else 0
        for begin in range(0, end, _CHUNK):
            some = False
            if symmetric:
                for j in range(begin, min(begin + _CHUNK, end)):
                    some |= not (lower[j] > own and lower[j] > limit[j])
            else:
                for j in range(begin, min(begin + _CHUNK, end)):
                    some |= not lower[j] > own
            if not some:
                continue
            for j in range(begin, min(begin + _CHUNK, end)):
                low = lower[j]
                if abs(i - j) <= theiler:
                    continue
                if low > own and not (symmetric and not low > limit[j]):
                    continue
                if low <= above[i] or (symmetric and low <= above[j]):
                    continue
                if naming:
                    left[at + found] = i
                    right[at + found] = j
                found += 1
        counts[r] = found


@njit(nogil=True, cache=True, error_model="numpy")
def nearest_of_pairs(i: Any, j: Any, squared: Any, symmetric: bool, values: Any, indices: Any) -> None:
    """The k smallest squared distances of every point among the pairs given, with the other's index."""
    for p in range(len(i)):
        _insert(values[i[p]], indices[i[p]], squared[p], j[p])
        if symmetric:
            _insert(values[j[p]], indices[j[p]], squared[p], i[p])


@njit(nogil=True, cache=True, error_model="numpy")
def parted(i: Any, j: Any, squared: Any, reach: Any, symmetric: bool) -> Any:
    """The pairs in a new order, those surely beyond ``reach`` of their points last, and how many come first.

    ``reach`` is that of the first, or when symmetric of either, point. What is nan is not surely beyond.
    """
    to_i, to_j, to_squared = np.empty_like(i), np.empty_like(j), np.empty_like(squared)
    near, far = 0, len(i)
    for p in range(len(i)):
        if squared[p] > reach[i[p]] and not (symmetric and not squared[p] > reach[j[p]]):
            far -= 1
            at = far
        else:
            at = near
            near += 1
        to_i[at], to_j[at], to_squared[at] = i[p], j[p], squared[p]
    return to_i, to_j, to_squared, near
