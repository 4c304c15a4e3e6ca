"""Compiled conversion to latitudes, from the right. Imported inside functions only, for numba.

The latitude of a column is ``atan(u/t)``, ``t`` the norm of what follows it in the row. Almost every
coordinate is far smaller than that, and a few terms of the series do; what is larger is halved three times,
``tan(a/2) = u / (t + sqrt(u^2 + t^2))``, before the series.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from thermograd.entropy.neighbours.compiled_vectors import (
    filled,
    first,
    following,
    inverse_root,
    largest,
    load,
    mantissas_and_exponents,
    prefetch,
    product,
    root,
    store,
    total,
    widest,
)

__all__ = ["latitudes"]

_FAST = {"contract", "nsz"}
_SHORT, _MEDIUM, _LONG = 1.0 / 32.0, 1.0 / 8.0, 1.0 / 4.0  # |u/t| up to which 6, 9, 14 terms do
_LOW, _HIGH = 1e-30, 1e30  # squared norms that float32 can hold, four of whose product float64 can
_GROUP = 32


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _series_short(q: Any) -> Any:
    """``atan q`` to 1e-17 of itself for ``|q| <= 1/32``, by Taylor's series."""
    z = q * q
    p = filled(1.0 / 9.0) - z * filled(1.0 / 11.0)
    p = filled(1.0 / 5.0) - z * (filled(1.0 / 7.0) - z * p)
    p = filled(1.0 / 3.0) - z * p
    return q - q * (z * p)


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _series_medium(q: Any) -> Any:
    """``|q| <= 1/8``."""
    z = q * q
    p = filled(1.0 / 15.0) - z * (filled(1.0 / 17.0) - z * filled(1.0 / 19.0))
    p = filled(1.0 / 9.0) - z * (filled(1.0 / 11.0) - z * (filled(1.0 / 13.0) - z * p))
    p = filled(1.0 / 3.0) - z * (filled(1.0 / 5.0) - z * (filled(1.0 / 7.0) - z * p))
    return q - q * (z * p)


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _series_long(q: Any) -> Any:
    """``|q| <= 1/4``."""
    z = q * q
    p = filled(1.0 / 23.0) - z * (filled(1.0 / 25.0) - z * filled(1.0 / 27.0))
    p = filled(1.0 / 17.0) - z * (filled(1.0 / 19.0) - z * (filled(1.0 / 21.0) - z * p))
    p = filled(1.0 / 11.0) - z * (filled(1.0 / 13.0) - z * (filled(1.0 / 15.0) - z * p))
    p = filled(1.0 / 5.0) - z * (filled(1.0 / 7.0) - z * (filled(1.0 / 9.0) - z * p))
    p = filled(1.0 / 3.0) - z * p
    return q - q * (z * p)


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _halved(u: Any, t: Any, squared: Any) -> Any:
    """``tan(atan(u/t) / 8)``: at most 0.2."""
    one = filled(1.0)
    h = u / (t + root(squared))
    h = h / (one + root(one + h * h))
    return h / (one + root(one + h * h))


@njit(nogil=True, cache=True, error_model="numpy")
def _one_by_one(u: Any, at: int, to: int, tail: float, out: Any, into: int, found: Any) -> float:
    """Columns ``at .. to`` of the flat array by the library's arc tangent: where squares fit no float32."""
    for c in range(to - 1, at - 1, -1):
        value = np.float64(u[c])
        if tail == 0.0:  # at a pole of the chart; where nothing is left, the angle is 0 by convention
            out[into + c - at] = -0.5 * math.pi if value < 0 else 0.5 * math.pi
        else:
            out[into + c - at] = math.atan2(value, math.sqrt(tail))
        found[0] += math.log(tail) if tail > 0.0 else -math.inf
        square = value * value
        # Below this, a square has lost digits to underflow; they count where the tail is no larger.
        if value != 0.0 and square < 1e-280 and tail < 1e-250:
            found[1] = 1.0
        tail += square
    return tail


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def latitudes(
    values: Any, a: int, b: int, tail: Any, logs: Any, lost: Any, out: Any, start: int, stop: int
) -> None:
    """Latitudes of columns ``a .. b`` of rows ``start .. stop``, written to ``out`` from its first column on.

    ``tail`` holds the squared norm of what follows column ``b - 1``, and after the call of what follows
    ``a - 1``; to ``logs`` the sum of ``log t^2`` is added; ``lost`` becomes 1 where squares underflow.
    """
    u, into = values.ravel(), out.ravel()  # rows are contiguous: no copy
    width, stride = values.shape[1], out.shape[1]
    vectors = (b - a) // _GROUP * _GROUP
    odd = b - a - vectors
    found = np.zeros(2)
    zero, one = filled(0.0), filled(1.0)
    for r in range(start, stop):
        here, there = r * width + a, r * stride
        ahead = min(r + 1, stop - 1) * width + a  # asked for early: from row to row nothing foresees it
        found[0] = 0.0
        found[1] = 0.0
        mantissas, exponents = one, zero
        carry = filled(tail[r])
        for c in range(b - a - _GROUP, odd - 1, -_GROUP):
            u3, u2 = load(u, here + c + 24), load(u, here + c + 16)
            u1, u0 = load(u, here + c + 8), load(u, here + c)
            prefetch(u, ahead + c)
            prefetch(u, ahead + c + 8)
            prefetch(u, ahead + c + 16)
            prefetch(u, ahead + c + 24)
            s3, s2, s1, s0 = u3 * u3, u2 * u2, u1 * u1, u0 * u0
            before = first(carry)
            t3 = carry + following(s3)
            carry = filled(first(t3 + s3))
            t2 = carry + following(s2)
            carry = filled(first(t2 + s2))
            t1 = carry + following(s1)
            carry = filled(first(t1 + s1))
            t0 = carry + following(s0)
            carry = filled(first(t0 + s0))
            if not (before > _LOW and first(carry) < _HIGH):  # also nan
                after = _one_by_one(u, here + c, here + c + _GROUP, before, into, there + c, found)
                carry = filled(after)
                continue
            mantissas, powers = mantissas_and_exponents(mantissas * ((t3 * t2) * (t1 * t0)))
            exponents = exponents + powers
            q3, q2 = u3 * inverse_root(t3), u2 * inverse_root(t2)
            q1, q0 = u1 * inverse_root(t1), u0 * inverse_root(t0)
            steep = largest(widest(widest(q3 * q3, q2 * q2), widest(q1 * q1, q0 * q0)))
            if steep <= _SHORT**2:
                q3, q2, q1, q0 = (
                    _series_short(q3),
                    _series_short(q2),
                    _series_short(q1),
                    _series_short(q0),
                )
            elif steep <= _MEDIUM**2:
                q3, q2, q1, q0 = (
                    _series_medium(q3),
                    _series_medium(q2),
                    _series_medium(q1),
                    _series_medium(q0),
                )
            elif steep <= _LONG**2:
                q3, q2, q1, q0 = _series_long(q3), _series_long(q2), _series_long(q1), _series_long(q0)
            else:
                times = filled(8.0)
                q3 = times * _series_long(_halved(u3, root(t3), t3 + s3))
                q2 = times * _series_long(_halved(u2, root(t2), t2 + s2))
                q1 = times * _series_long(_halved(u1, root(t1), t1 + s1))
                q0 = times * _series_long(_halved(u0, root(t0), t0 + s0))
            store(into, there + c + 24, q3)
            store(into, there + c + 16, q2)
            store(into, there + c + 8, q1)
            store(into, there + c, q0)
        after = first(carry)
        if odd:
            after = _one_by_one(u, here, here + odd, after, into, there, found)
        tail[r] = after
        logs[r] += found[0] + math.log(product(mantissas)) + math.log(2.0) * total(exponents)
        if found[1] > 0.0:
            lost[r] = 1
