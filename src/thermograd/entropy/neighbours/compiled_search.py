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
    "centre",
    "histogram",
    "list_open",
    "merge",
    "nearest_of_pairs",
    "nearest_of_rows",
    "parted",
]

_FAST = {"reassoc", "contract", "nsz", "arcp"}
_CHUNK = 32  # bounds looked at together: hardly any of them matters


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
    symmetric: bool,
    values: Any,
    indices: Any,
    start: int,
    stop: int,
) -> None:
    """The k smallest upper bounds of partial squared distances in every row of the Gram matrix.

    Of a symmetric matrix what is below the diagonal counts for both points; ``start`` and ``stop`` are a
    range of the lists that ``values`` has, each made of every so many rows, and the lists are to be merged.
    Else they are a range of rows.
    """
    n, lists = len(norms), len(values)
    upper, none = np.empty(n), np.full(n, -np.inf)
    for at in range(start, stop):
        one = at if symmetric else 0
        best, who = values[one], indices[one]
        worst = best[:, -1] if symmetric else none
        for r in range(at, len(inner) if symmetric else at + 1, lists):
            i = first + r
            end = max(0, i - theiler) if symmetric else n
            _bounds(inner[r, :end], norms, last, period, i, error, slack, upper[:end])
            if not symmetric:
                for j in range(max(0, i - theiler), min(n, i + theiler + 1)):
                    upper[j] = np.inf
            # Backwards: on a walk the nearest come first, and hardly another is let in after them.
            for chunk in range((end + _CHUNK - 1) // _CHUNK - 1, -1, -1):
                left = chunk * _CHUNK
                own, some = best[r, -1], False
                for j in range(left, min(left + _CHUNK, end)):
                    some |= upper[j] < own or upper[j] < worst[j]
                if some:
                    for j in range(left, min(left + _CHUNK, end)):
                        if upper[j] < best[r, -1]:
                            _insert(best[r], who[r], upper[j], j)
                        if symmetric and upper[j] < best[j, -1]:
                            _insert(best[j], who[j], upper[j], i)


@njit(nogil=True, cache=True, error_model="numpy")
def merge(values: Any, indices: Any) -> None:
    """The k smallest of all lists, in the first."""
    lists, rows, k = values.shape
    for other in range(1, lists):
        for r in range(rows):
            for place in range(k):
                _insert(values[0, r], indices[0, r], values[other, r, place], indices[other, r, place])


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
    bounds: Any,
    start: int,
    stop: int,
) -> None:
    """The pairs of every row that are not surely beyond ``reach``, but beyond ``above``: how many, and which.

    With their lower bounds. Without offsets they are only counted. What is nan is not surely beyond anything.
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
                    bounds[at + found] = low
                found += 1
        counts[r] = found


@njit(nogil=True, cache=True, error_model="numpy")
def nearest_of_pairs(
    i: Any, j: Any, squared: Any, others: Any, symmetric: bool, values: Any, indices: Any
) -> None:
    """The k smallest of ``squared + others`` of every point among the pairs given, with the other's index."""
    for p in range(len(i)):
        value = squared[p] + others[p]
        _insert(values[i[p]], indices[i[p]], value, j[p])
        if symmetric:
            _insert(values[j[p]], indices[j[p]], value, i[p])


@njit(nogil=True, cache=True, error_model="numpy")
def parted(
    i: Any,
    j: Any,
    squared: Any,
    others: Any,
    count: int,
    reach: Any,
    symmetric: bool,
    to_i: Any,
    to_j: Any,
    to_squared: Any,
    to_others: Any,
    gone: int,
) -> tuple[int, int]:
    """Move those of ``count`` pairs that are surely beyond ``reach`` behind ``gone`` others; close the gaps.

    ``reach`` is that of the first, or when symmetric of either, point, and what is compared with it is
    ``squared + others``. What is nan is not surely beyond. Returns how many stay, and how many are gone.
    """
    stay = 0
    for p in range(count):
        value = squared[p] + others[p]
        if value > reach[i[p]] and not (symmetric and not value > reach[j[p]]):
            to_i[gone], to_j[gone], to_squared[gone], to_others[gone] = i[p], j[p], squared[p], others[p]
            gone += 1
        else:
            i[stay], j[stay], squared[stay], others[stay] = i[p], j[p], squared[p], others[p]
            stay += 1
    return stay, gone
