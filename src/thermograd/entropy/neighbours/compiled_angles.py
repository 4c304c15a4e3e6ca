"""Compiled conversion to spherical angles. Imported inside functions only: numba takes half a second.

Angles are converted from the right, where the chart ends: what follows a coordinate is then a running sum.
Almost every coordinate is far smaller than what follows it, and a few terms of a series do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

__all__ = ["convert"]

_FAST = {"reassoc", "contract", "nsz", "arcp"}
_SMALL, _MEDIUM = 1.0 / 32.0, 1.0 / 4.0  # |u/t| up to which 6, or 14, terms of the series do
_GROUP = 64  # factors of one logarithm
_PIECE = 512  # columns at a time: what four rows need stays in the first cache
_LAST_PIECE = 64  # near the chart's end, where the series' range ends too: fewer columns miss it


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _slope(u: float, tail: float) -> float:
    """``u / sqrt(tail)``: root and division in float32 cost a third, a cubic step mends 1e-7 to 1e-20."""
    y = np.float64(np.float32(1.0) / np.sqrt(np.float32(tail)))
    e = 1.0 - tail * y * y
    return u * (y + y * e * (0.5 + 0.375 * e))


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _series(u: Any, tails: Any, out: Any, short: bool) -> None:
    """``atan(u / sqrt(tail))`` by its Taylor series, to 1e-17 of itself for the small arguments it is for."""
    if short:
        for c in range(len(u)):
            q = _slope(np.float64(u[c]), tails[c])
            z = q * q
            p = 1.0 / 9.0 - z * (1.0 / 11.0)
            p = 1.0 / 3.0 - z * (1.0 / 5.0 - z * (1.0 / 7.0 - z * p))
            out[c] = q - q * z * p
    else:
        for c in range(len(u)):
            q = _slope(np.float64(u[c]), tails[c])
            z = q * q
            p = 1.0 / 23.0 - z * (1.0 / 25.0 - z * (1.0 / 27.0))
            p = 1.0 / 15.0 - z * (1.0 / 17.0 - z * (1.0 / 19.0 - z * (1.0 / 21.0 - z * p)))
            p = 1.0 / 7.0 - z * (1.0 / 9.0 - z * (1.0 / 11.0 - z * (1.0 / 13.0 - z * p)))
            p = 1.0 / 3.0 - z * (1.0 / 5.0 - z * p)
            out[c] = q - q * z * p


@njit(nogil=True, cache=True, error_model="numpy")
def _exactly(u: Any, tails: Any, out: Any, from_pole: bool) -> None:
    for c in range(len(u)):
        if from_pole:
            out[c] = math.atan2(math.sqrt(tails[c]), np.float64(u[c]))
        elif tails[c] == 0.0:  # at a pole of the chart; where nothing is left, the angle is 0 by convention
            out[c] = -0.5 * math.pi if u[c] < 0 else 0.5 * math.pi
        else:
            out[c] = math.atan2(np.float64(u[c]), math.sqrt(tails[c]))


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _log_product(tails: Any) -> float:
    """Sum of logarithms, one logarithm for 64 factors where their product can neither over- nor underflow."""
    total = 0.0
    whole = 0
    if tails[0] < 1e4 and tails[-1] > 1e-4:  # they descend
        whole = len(tails) // _GROUP * _GROUP
        for a in range(0, whole, _GROUP):
            p0, p1, p2, p3 = 1.0, 1.0, 1.0, 1.0  # four chains: one multiplication waits for another's
            for c in range(a, a + _GROUP, 4):
                p0 *= tails[c]
                p1 *= tails[c + 1]
                p2 *= tails[c + 2]
                p3 *= tails[c + 3]
            total += math.log((p0 * p1) * (p2 * p3))
    for c in range(whole, len(tails)):
        total += math.log(tails[c])
    return total


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _steepest(u: Any, tails: Any) -> float:
    """The largest ``(u / t)^2`` of a piece, or a little more: a root of the sum of its fourth powers.

    A sum vectorises, a maximum does not. The last t is the smallest.
    """
    if tails[-1] < 1e-30 or tails[0] > 1e30:  # outside what float32 can hold
        return math.inf
    scale = 1.0 / tails[-1]
    total = 0.0
    for c in range(len(u)):
        value = np.float64(u[c])
        z = value * value * scale
        total += (z * z) * (z * z)
    return math.sqrt(math.sqrt(total))


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _tails(u: Any, r: int, rows: int, a: int, b: int, tail: Any, out: Any) -> None:
    """Sums of squares of what follows each column. Four rows in step: one addition waits for another's."""
    if rows == 4:
        s0, s1, s2, s3 = tail[r], tail[r + 1], tail[r + 2], tail[r + 3]
        for c in range(b - 1, a - 1, -1):
            out[0, c - a], out[1, c - a], out[2, c - a], out[3, c - a] = s0, s1, s2, s3
            v0, v1 = np.float64(u[r, c]), np.float64(u[r + 1, c])
            v2, v3 = np.float64(u[r + 2, c]), np.float64(u[r + 3, c])
            s0 += v0 * v0
            s1 += v1 * v1
            s2 += v2 * v2
            s3 += v3 * v3
        tail[r], tail[r + 1], tail[r + 2], tail[r + 3] = s0, s1, s2, s3
    else:
        for q in range(rows):
            s = tail[r + q]
            for c in range(b - 1, a - 1, -1):
                out[q, c - a] = s
                value = np.float64(u[r + q, c])
                s += value * value
            tail[r + q] = s


@njit(nogil=True, cache=True, error_model="numpy")
def convert(
    u: Any, a: int, b: int, after: int, tail: Any, logs: Any, out: Any, from_pole: bool, start: int, stop: int
) -> None:
    """Angles of columns ``a .. b``: latitudes ``atan(u/t)``, or ``pi/2`` minus them when ``from_pole``.

    ``tail`` holds the squared norm of what follows column ``b - 1``, and after the call of what follows
    ``a - 1``; to ``logs`` the sum of ``log t^2`` is added. ``after`` columns of the chart follow ``b``.
    """
    tails = np.empty((4, _PIECE))
    right = b
    while right > a:
        near_end = after + b - right < 2 * _PIECE
        left = max(a, right - (_LAST_PIECE if near_end else _PIECE))
        for r in range(start, stop, 4):
            rows = min(4, stop - r)
            _tails(u, r, rows, left, right, tail, tails)
            for q in range(r, r + rows):
                values, target = u[q, left:right], out[q, left - a : right - a]
                norms = tails[q - r, : right - left]
                steep = _steepest(values, norms)
                logs[q] += _log_product(norms)
                if steep > _MEDIUM**2:
                    _exactly(values, norms, target, from_pole)
                else:
                    _series(values, norms, target, steep <= _SMALL**2)
                    if from_pole:
                        for c in range(len(target)):
                            target[c] = 0.5 * math.pi - target[c]
        right = left
