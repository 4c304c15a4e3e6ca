"""The generator of :mod:`thermograd.simulate.engine.generator`, sixteen streams at once, compiled.

This module imports numba: import it inside functions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from thermograd.simulate.engine.generator import COSINE, LOGARITHM, SINE
from thermograd.simulate.engine.lanes import (
    LANES,
    as_floats,
    as_words,
    exclusive_or,
    filled,
    fma,
    from_signed,
    from_unsigned,
    load,
    rotate_left,
    shift_left,
    shift_right_signed,
    square_root,
    store,
)

__all__ = ["cosine", "fill", "next_words", "radius", "sine"]

_SQRT_HALF = np.int32(0x3F3504F3)
_ONE, _HALF, _WORD_BITS = np.float32(1.0), np.float32(0.5), np.float32(32.0)
_MINUS_2_LOG_2 = np.float32(-2.0 * math.log(2.0))
_TO_UNIT = np.float32(2.0**-31)
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7 = (np.float32(-2.0 * c) for c in LOGARITHM)
_S0, _S1, _S2, _S3, _S4 = (np.float32(c) for c in SINE)
_C0, _C1, _C2, _C3, _C4 = (np.float32(c) for c in COSINE)


@njit
def next_words(s0: Any, s1: Any, s2: Any, s3: Any) -> Any:
    """The next word of every stream and the streams' new states."""
    words = rotate_left(s0 + s3, 7) + s0
    shifted = shift_left(s1, 9)
    s2 = exclusive_or(s2, s0)
    s3 = exclusive_or(s3, s1)
    s1 = exclusive_or(s1, s2)
    s0 = exclusive_or(s0, s3)
    return words, s0, s1, exclusive_or(s2, shifted), rotate_left(s3, 11)


@njit
def radius(words: Any) -> Any:
    """``sqrt(-2 log u)``, ``u = (words + 1/2) 2^-32 = 2^exponent (1 + f)``."""
    bits = as_words(from_unsigned(words) + filled(_HALF))
    exponent = shift_right_signed(bits - filled(_SQRT_HALF), 23)
    f = as_floats(bits - shift_left(exponent, 23)) - filled(_ONE)
    p = fma(filled(_L7), f, filled(_L6))
    p = fma(p, f, filled(_L5))
    p = fma(p, f, filled(_L4))
    p = fma(p, f, filled(_L3))
    p = fma(p, f, filled(_L2))
    p = fma(p, f, filled(_L1))
    p = fma(p, f, filled(_L0))
    whole = (from_signed(exponent) - filled(_WORD_BITS)) * filled(_MINUS_2_LOG_2)
    return square_root(fma(f, p, whole))


@njit
def cosine(words: Any) -> Any:
    """Cosine of the angle: of ``x`` in [-1, 1] times a quarter turn, with the sign from the lowest bit."""
    x = from_signed(words) * filled(_TO_UNIT)
    z = x * x
    p = fma(filled(_C4), z, filled(_C3))
    p = fma(p, z, filled(_C2))
    p = fma(p, z, filled(_C1))
    p = fma(p, z, filled(_C0))
    return as_floats(exclusive_or(as_words(p), shift_left(words, 31)))


@njit
def sine(words: Any) -> Any:
    """Sine of the same angle."""
    x = from_signed(words) * filled(_TO_UNIT)
    z = x * x
    p = fma(filled(_S4), z, filled(_S3))
    p = fma(p, z, filled(_S2))
    p = fma(p, z, filled(_S1))
    return x * fma(p, z, filled(_S0))


@njit(nogil=True)
def fill(streams: Any, out: Any) -> None:
    """Normals of sixteen streams, (4, 16) words in int32, to ``out`` of shape (2 pairs, 16), float32."""
    words, flat = streams.reshape(-1), out.reshape(-1)
    s0, s1, s2, s3 = load(words, 0), load(words, LANES), load(words, 2 * LANES), load(words, 3 * LANES)
    for row in range(0, len(out), 2):
        a, s0, s1, s2, s3 = next_words(s0, s1, s2, s3)
        b, s0, s1, s2, s3 = next_words(s0, s1, s2, s3)
        r = radius(a)
        store(flat, row * LANES, r * cosine(b))
        store(flat, (row + 1) * LANES, r * sine(b))
    store(words, 0, s0)
    store(words, LANES, s1)
    store(words, 2 * LANES, s2)
    store(words, 3 * LANES, s3)
