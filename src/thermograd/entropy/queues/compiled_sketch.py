"""The compiled sum of a count sketch: one pass over a vector, signs and places worked out on the way."""

from __future__ import annotations

import numba
import numpy as np
from numba import njit

__all__ = ["add"]


@njit(inline="always")
def _mixed(x):  # type: ignore[no-untyped-def]
    """SplitMix64: 64 bits that look random, from a counter."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(
    [
        numba.void(
            numba.types.Array(kind, 1, "A", readonly=True), numba.uint64, numba.float64[:, ::1], numba.int64
        )
        for kind in (numba.float32, numba.float64)
    ],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def add(values, seed, sums, first):  # type: ignore[no-untyped-def]
    """Add a vector to the ``sums`` of parts, shape (parts, length), length a power of two from 64.

    Of each run of ``length`` coordinates every one goes to another sum, turned by a random number of places:
    coordinates of one run never collide, others once in ``length``.
    """
    parts, length = sums.shape
    mask = length - 1
    d = len(values)
    for part in range(parts):
        # Twice mixed: streams of neighbouring seeds and parts share nothing.
        stream = _mixed(_mixed(seed) ^ np.uint64(first + part))
        for start in range(0, d, length):
            turn = np.int64(_mixed(stream ^ np.uint64(2 * start + 1)) & np.uint64(mask))
            stop = min(start + length, d)
            for word in range(start, stop, 64):
                bits = _mixed(stream ^ np.uint64(2 * word))
                for j in range(word, min(word + 64, stop)):
                    value = np.float64(values[j])
                    sign = np.float64(np.int64(bits & np.uint64(1)) * 2 - 1)
                    bits = bits >> np.uint64(1)
                    sums[part, (j + turn) & mask] += sign * value
