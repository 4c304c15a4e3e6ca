"""One stream of random numbers for each chain: xoshiro128++ and Box-Muller, in plain NumPy.

The compiled simulator draws the same numbers in vector registers (:mod:`thermograd.simulate.engine.lanes`);
this is the generator's definition and the tests' twin. Integers agree in every bit, normals up to the
rounding of float32. Everything is made of additions, shifts and polynomials, without a table and without a
call to a library, so that 16 chains advance in a vector register at once.

Two words ``a, b`` make two normals: ``R = sqrt(-2 log((a + 1/2) 2^-32))`` times the cosine and the sine of an
angle that is uniform in [-pi/2, pi/2) by ``b``, with the cosine's sign from the lowest bit of ``b``. The
largest normal it can make is ``sqrt(66 log 2) = 6.764``, beyond which a normal law has 1.3e-11 of its weight.
The noise is float32 whatever the dtype of the weights, so that runs in both dtypes see the same noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError

__all__ = ["COSINE", "LARGEST_NORMAL", "LOGARITHM", "SINE", "next_words", "normals", "seed_streams"]

LARGEST_NORMAL = 6.7638
"""``sqrt(-2 log 2^-33)``, rounded up: no draw is larger."""

# Minimax polynomials, lowest power first; their errors are below the rounding of float32.
LOGARITHM = (
    0.9999999453574065,
    -0.5000036516793619,
    0.33335058894934383,
    -0.2496990698137632,
    0.19900168505471907,
    -0.17250857853403295,
    0.1622254739119181,
    -0.10106755107710935,
)
"""``log(1 + f) / f`` for ``f`` in [sqrt(1/2) - 1, sqrt(2) - 1]; relative error 1.7e-7."""
SINE = (
    1.57079628978044,
    -0.6459633577790771,
    0.07968847464911158,
    -0.004672221196776385,
    0.00015081787874428952,
)
"""``sin(pi x / 2) / x`` in powers of ``x^2`` for ``x`` in [-1, 1]; error of the sine 3e-9."""
COSINE = (
    0.9999999534677686,
    -1.2336982147347595,
    0.2536507451023643,
    -0.020810628432484102,
    0.000858191133047535,
)
"""``cos(pi x / 2)`` in powers of ``x^2`` for ``x`` in [-1, 1]; error 5e-8."""

_SQRT_HALF = 0x3F3504F3  # bits of sqrt(1/2) in float32


def seed_streams(seed: int, chains: int) -> NDArray[np.uint32]:
    """The generators' states for so many chains; that of chain ``i`` depends on ``(seed, i)`` only.

    They are successive words of one ``SeedSequence``, which is prefix-stable: more chains leave the first
    ones as they are. Two streams of period 2^128 - 1 overlap within 2^40 draws with a chance of 2^-87.

    Parameters
    ----------
    seed
        An integer of at least 0.
    chains
        How many, at least 1.

    Returns
    -------
    numpy.ndarray
        Shape ``(4, chains)``, uint32.

    Raises
    ------
    InputError
        If the seed or the number is out of range.

    References
    ----------
    D. Blackman, S. Vigna, ACM Trans. Math. Softw. 47 (2021) 36 (the generator).

    Examples
    --------
    >>> seed_streams(0, 100).shape
    (4, 100)
    >>> bool((seed_streams(5, 3) == seed_streams(5, 100)[:, :3]).all())
    True

    """
    for name, value, least in (("seed", seed, 0), ("chains", chains, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"seed_streams: {name} is {value!r}; expected an integer of at least {least}")
    words = np.random.SeedSequence(int(seed)).generate_state(4 * int(chains), np.uint32)
    return np.ascontiguousarray(words.reshape(-1, 4).T)


def next_words(streams: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The next 32 bits of every stream; the streams (shape ``(4, n)``) advance in place.

    Examples
    --------
    The first words from the state 1, 2, 3, 4, as the generator's authors' code gives them:

    >>> streams = np.array([[1], [2], [3], [4]], dtype=np.uint32)
    >>> [int(next_words(streams)[0]) for _ in range(3)]
    [641, 1573767, 3222811527]

    """
    s0, s1, s2, s3 = streams
    words = _rotate(s0 + s3, 7) + s0
    shifted = s1 << np.uint32(9)
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3[...] = _rotate(s3, 11)
    return np.asarray(words)


def normals(streams: NDArray[np.uint32], count: int) -> NDArray[np.float32]:
    """The next ``count`` standard normals of every stream, which advance in place.

    An odd count spends the words of the next even one; `plain` and the compiled loop keep what is left over
    for the next iteration of a record.

    Parameters
    ----------
    streams
        Shape ``(4, n)``.
    count
        At least 1.

    Returns
    -------
    numpy.ndarray
        Shape ``(count, n)``, float32.

    Examples
    --------
    >>> draws = normals(seed_streams(0, 100_000), 3)
    >>> bool(abs(draws.mean()) < 0.01), bool(abs(draws.std() - 1) < 0.01)
    (True, True)

    """
    pairs = -(-count // 2)
    out = np.empty((2 * pairs, streams.shape[1]), dtype=np.float32)
    for pair in range(pairs):
        radius = _radius(next_words(streams))
        sine, cosine = _direction(next_words(streams))
        out[2 * pair], out[2 * pair + 1] = radius * cosine, radius * sine
    return out[:count]


def _rotate(words: NDArray[np.uint32], by: int) -> NDArray[np.uint32]:
    return np.asarray((words << np.uint32(by)) | (words >> np.uint32(32 - by)))


def _radius(words: NDArray[np.uint32]) -> NDArray[np.float32]:
    """``sqrt(-2 log u)`` with ``u = (words + 1/2) 2^-32``, split as ``2^exponent (1 + f)``."""
    bits = (words.astype(np.float32) + np.float32(0.5)).view(np.int32)
    exponent = (bits - np.int32(_SQRT_HALF)) >> np.int32(23)
    f = (bits - (exponent << np.int32(23))).view(np.float32) - np.float32(1.0)
    whole = (exponent.astype(np.float32) - np.float32(32.0)) * np.float32(-2.0 * np.log(2.0))
    return np.sqrt(whole + f * _polynomial(f, tuple(-2.0 * c for c in LOGARITHM)))


def _direction(words: NDArray[np.uint32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sine and cosine of a uniform angle."""
    x = words.view(np.int32).astype(np.float32) * np.float32(2.0**-31)
    square = x * x
    sine = x * _polynomial(square, SINE)
    cosine = _polynomial(square, COSINE)
    sign = words << np.uint32(31)
    return sine, (cosine.view(np.uint32) ^ sign).view(np.float32)


def _polynomial(x: NDArray[np.float32], coefficients: tuple[float, ...]) -> NDArray[np.float32]:
    value = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        value = value * x + np.float32(c)
    return value
