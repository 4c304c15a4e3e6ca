"""The compiled loop: sixteen chains at a time through all iterations of a call.

Chains are independent, so a block of sixteen stays in registers and cache from the first iteration to the
last, however many chains there are; and what a chain does depends on neither its neighbours nor the threads.

This module imports numba: import it inside functions. numba's cache on disk notices changes of this file
only: after a change of ``lanes`` or ``lane_normals``, touch it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from thermograd.simulate.engine.lane_normals import cosine, next_words, radius, sine
from thermograd.simulate.engine.lanes import LANES, filled, fma, load, square_root, store, widened

__all__ = ["ELR", "LR", "SPHERE", "run_blocks"]

LR, ELR, SPHERE = 0, 1, 2
_FLUSH = 64  # sums over iterations are kept in the weights' dtype for so many, then in float64; even
_CACHE_LINE = 64
_ONE = np.float64(1.0)


@njit(nogil=True, cache=True, error_model="numpy")
def run_blocks(  # type: ignore[no-untyped-def]
    first_block, end_block, kind, start, logs, records, stride,
    weights, streams, rates, mean, scale, sums, buffer, spacing, count,
):  # fmt: skip
    """Advance the chains of these blocks; every array has the chains last.

    ``rates`` holds each chain's numbers in the weights' dtype (see :func:`_iterate`), ``start`` is the number
    of records before this call, ``sums`` (5, logs, n) takes the sums that :class:`Logs` are the means of.
    An empty ``buffer`` collects nothing.
    """
    d, n = weights.shape
    w, h = _lines(d, weights), _lines(d, weights)
    rows, words = _lines(len(rates), weights), _lines(4, streams)
    read, total = _lines(3, sums), _lines(5, sums)
    for block in range(first_block, end_block):
        base = block * LANES
        own = min(LANES, n - base)
        for lane in range(LANES):
            chain = base + min(lane, own - 1)  # the last block is filled up with copies of the last chain
            for j in range(d):
                w[j * LANES + lane] = weights[j, chain]
            for j in range(4):
                words[j * LANES + lane] = streams[j, chain]
            for j in range(len(rates)):
                rows[j * LANES + lane] = rates[j, chain]
        for log in range(logs):
            total[:] = 0.0
            for record in range(records):
                _many(kind, d, stride, words, w, h, mean, scale, rows, total)
                _read(d, w, mean, read, total)
                if len(buffer):
                    number = start + log * records + record + 1
                    _collect(d, w, read, buffer, base, own, spacing, count, number)
            for lane in range(own):
                for j in range(5):
                    sums[j, log, base + lane] = total[j * LANES + lane]
        for lane in range(own):
            for j in range(d):
                weights[j, base + lane] = w[j * LANES + lane]
            for j in range(4):
                streams[j, base + lane] = words[j * LANES + lane]


@njit
def _lines(rows, like):  # type: ignore[no-untyped-def]
    """Room for so many vectors, beginning at a cache line: no vector straddles two of them."""
    room = np.zeros(rows * LANES + _CACHE_LINE // like.itemsize, dtype=like.dtype)
    skip = (-room.ctypes.data % _CACHE_LINE) // like.itemsize
    return room[skip : skip + rows * LANES]


@njit
def _many(kind, d, steps, words, w, h, mean, scale, rows, total):  # type: ignore[no-untyped-def]
    """``steps`` iterations, their sums added in float64 after every few, so that no digits are lost."""
    for done in range(0, steps, _FLUSH):
        square, growth = _iterate(kind, d, min(_FLUSH, steps - done), words, w, h, mean, scale, rows)
        old = load(total, 3 * LANES)
        store(total, 3 * LANES, old + widened(square, old))
        old = load(total, 4 * LANES)
        store(total, 4 * LANES, old + widened(growth, old))


@njit
def _iterate(kind, d, steps, words, w, h, mean, scale, rows):  # type: ignore[no-untyped-def]
    """A few iterations of one block; the sums of ``|g|^2`` on the unit sphere and of ``|v|/|w| - 1``.

    ``rows`` is ``(lr, lr wd)`` for FixedLR, ``(elr, elr wd)`` for FixedELR, ``(elr r, elr^2)`` on the sphere;
    then ``r`` (or 1) and 1. The update is written as a change of the weights: in float32 a factor of
    ``1 - lr wd`` would be rounded the same way in every iteration and bias the norm by up to 1%.
    """
    s0, s1, s2, s3 = load(words, 0), load(words, LANES), load(words, 2 * LANES), load(words, 3 * LANES)
    size, second, target, one = load(rows, 0), load(rows, LANES), load(rows, 2 * LANES), load(rows, 3 * LANES)
    zero = one - one
    sum_square, sum_growth, ww = zero, zero, zero
    for j in range(d):
        ww = fma(load(w, j * LANES), load(w, j * LANES), ww)
    spare = cosine(s0)  # of the right type; written before it is used
    for step in range(steps):
        # 1 / |w|, the step along g (the gradient on the unit sphere), and the part of w that decays. There is
        # no other division: the compiler makes this one an estimate and a Newton step.
        if kind == SPHERE:
            inverse, k, shrink = one / target, size, zero
        elif kind == ELR:
            inverse = one / square_root(ww)
            k, shrink = size * (ww * inverse), second * ww
        else:
            inverse = one / square_root(ww)
            k, shrink = size * inverse, second
        # h = mu + s * eps, and h.w
        hw = zero
        for j in range(0, d - 1, 2):
            a, s0, s1, s2, s3 = next_words(s0, s1, s2, s3)
            b, s0, s1, s2, s3 = next_words(s0, s1, s2, s3)
            r = radius(a)
            h_0 = fma(filled(scale[j]), widened(r * cosine(b), one), filled(mean[j]))
            h_1 = fma(filled(scale[j + 1]), widened(r * sine(b), one), filled(mean[j + 1]))
            store(h, j * LANES, h_0)
            store(h, (j + 1) * LANES, h_1)
            hw = fma(h_0, load(w, j * LANES), fma(h_1, load(w, (j + 1) * LANES), hw))
        if d % 2 == 1:
            j = d - 1
            drawn = spare
            if step % 2 == 0:  # a pair of normals serves two iterations of a record
                a, s0, s1, s2, s3 = next_words(s0, s1, s2, s3)
                b, s0, s1, s2, s3 = next_words(s0, s1, s2, s3)
                r = radius(a)
                drawn, spare = r * cosine(b), r * sine(b)
            h_0 = fma(filled(scale[j]), widened(drawn, one), filled(mean[j]))
            store(h, j * LANES, h_0)
            hw = fma(h_0, load(w, j * LANES), hw)
        # g = h - (h.u) u, and the weights' change
        q = hw * inverse * inverse
        ww, gg = zero, zero
        for j in range(d):
            w_j = load(w, j * LANES)
            g_j = load(h, j * LANES) - q * w_j
            gg = fma(g_j, g_j, gg)
            w_j = w_j - fma(k, g_j, shrink * w_j)
            ww = fma(w_j, w_j, ww)
            store(w, j * LANES, w_j)
        sum_square = sum_square + gg
        if kind == SPHERE:
            back = target / square_root(ww)
            for j in range(d):
                store(w, j * LANES, load(w, j * LANES) * back)
            # sqrt(1 + x) - 1 = x / (1 + sqrt(1 + x)), with x = elr^2 |g|^2 and back = 1 / sqrt(1 + x)
            sum_growth = sum_growth + second * gg * back / (one + back)
    store(words, 0, s0)
    store(words, LANES, s1)
    store(words, 2 * LANES, s2)
    store(words, 3 * LANES, s3)
    return sum_square, sum_growth


@njit
def _read(d, w, mean, read, total):  # type: ignore[no-untyped-def]
    """A record in float64: ``1 / |w|`` to ``read``; loss, norm and squared gradient to the sums."""
    one = filled(_ONE)
    ww, dot = one - one, one - one
    for j in range(d):
        w_j = widened(load(w, j * LANES), one)
        ww = fma(w_j, w_j, ww)
        dot = fma(filled(np.float64(mean[j])), w_j, dot)
    norm = square_root(ww)
    inverse = one / norm
    loss = fma(dot, inverse, one)
    store(read, 0, inverse)
    store(total, 0, load(total, 0) + loss)
    store(total, LANES, load(total, LANES) + norm)
    # 1 - (L - 1)^2
    store(total, 2 * LANES, fma(loss, one + one - loss, load(total, 2 * LANES)))


@njit
def _collect(d, w, read, buffer, base, own, spacing, count, number):  # type: ignore[no-untyped-def]
    """Keep the directions of those chains whose turn it is."""
    for lane in range(own):
        chain = base + lane
        if spacing[chain] > 0 and number % spacing[chain] == 0:
            slot = count[chain] % len(buffer)
            for j in range(d):
                buffer[slot, j, chain] = w[j * LANES + lane] * read[lane]
            count[chain] += 1
