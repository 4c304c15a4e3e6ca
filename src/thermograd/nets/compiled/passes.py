"""What lies between the convolutions: normalisation, ReLU and pooling, forward and backward.

Each function works on one channel of one block of sixteen examples. Pooling takes the largest raw value,
normalises and rectifies that: scaling by a positive number and ReLU keep the order. ``keep`` is 1 in the
lanes that hold examples and 0 in those that fill up the last block.

This module imports numba: import it inside functions.
"""

from __future__ import annotations

import numpy as np

from thermograd.nets.compiled.lanes import (
    LANES,
    filled,
    fma,
    inner,
    load,
    store,
    total,
    where_equal,
    where_greater,
)

__all__ = [
    "activate",
    "copy_images",
    "gradient_before",
    "gradient_sums",
    "largest",
    "moments",
    "share_among_largest",
]


@inner
def copy_images(images, at, height, width, batch, first, x, x_at):  # type: ignore[no-untyped-def]
    """Images with the examples innermost, from example ``first`` on, into a framed block."""
    own = min(LANES, batch - first)
    source = at + first
    for row in range(height):
        place = x_at + ((row + 1) * (width + 2) + 1) * LANES
        for _ in range(width):
            if own == LANES:
                store(x, place, load(images, source))
            else:
                for lane in range(own):
                    x[place + lane] = images[source + lane]
            place += LANES
            source += batch


@inner
def moments(y, at, vectors, own, keep):  # type: ignore[no-untyped-def]
    """Mean and sum of squared deviations, of ``own`` lanes, good to float32 round-off.

    In two passes, each in several partial sums a lane; the second corrects the mean of the first.
    """
    zero = filled(0.0)
    a, b, c, d = zero, zero, zero, zero
    for i in range(at, at + vectors * LANES, 4 * LANES):
        a = a + load(y, i)
        b = b + load(y, i + LANES)
        c = c + load(y, i + 2 * LANES)
        d = d + load(y, i + 3 * LANES)
    count = float(own * vectors)
    about = np.float32(total((a + b) + (c + d)) / count)
    centre = filled(about)
    a, b, c, d = zero, zero, zero, zero
    for i in range(at, at + vectors * LANES, 2 * LANES):
        u = (load(y, i) - centre) * keep
        v = (load(y, i + LANES) - centre) * keep
        a = a + u
        b = b + v
        c = fma(u, u, c)
        d = fma(v, v, d)
    rest = float(total(a + b)) / count
    return float(about) + rest, float(total(c + d)) - rest * rest * count


@inner
def activate(y, y_at, height, width, pool, mean, inverse, keep, x, x_at):  # type: ignore[no-untyped-def]
    """Normalise, rectify and (if asked) pool into a framed image."""
    centre, scale, zero = filled(mean), filled(inverse), filled(0.0)
    line = width * LANES
    if pool:
        for row in range(height // 2):
            a = y_at + 2 * row * line
            place = x_at + ((row + 1) * (width // 2 + 2) + 1) * LANES
            for _ in range(width // 2):
                u, v = load(y, a), load(y, a + LANES)
                u = where_greater(u, v, u, v)
                v, w = load(y, a + line), load(y, a + line + LANES)
                v = where_greater(v, w, v, w)
                u = (where_greater(u, v, u, v) - centre) * scale
                store(x, place, where_greater(zero, u, zero, u) * keep)
                a += 2 * LANES
                place += LANES
    else:
        for row in range(height):
            a = y_at + row * line
            place = x_at + ((row + 1) * (width + 2) + 1) * LANES
            for _ in range(width):
                u = (load(y, a) - centre) * scale
                store(x, place, where_greater(zero, u, zero, u) * keep)
                a += LANES
                place += LANES


@inner
def largest(x, x_at, height, width):  # type: ignore[no-untyped-def]
    """The largest value of each lane in a framed image."""
    line = (width + 2) * LANES
    best = load(x, x_at + line + LANES)
    for row in range(height):
        a = x_at + (row + 1) * line + LANES
        for _ in range(width):
            value = load(x, a)
            best = where_greater(value, best, value, best)
            a += LANES
    return best


@inner
def share_among_largest(x, x_at, height, width, gradient, g, g_at):  # type: ignore[no-untyped-def]
    """The gradient of the largest value by each position: all that equal it have an equal share."""
    line = (width + 2) * LANES
    best = largest(x, x_at, height, width)
    zero, one = filled(0.0), filled(1.0)
    count = zero
    for row in range(height):
        a = x_at + (row + 1) * line + LANES
        for _ in range(width):
            count = count + where_equal(load(x, a), best, one, zero)
            a += LANES
    share = gradient / count
    place = g_at
    for row in range(height):
        a = x_at + (row + 1) * line + LANES
        for _ in range(width):
            store(g, place, where_equal(load(x, a), best, share, zero))
            a += LANES
            place += LANES


@inner
def gradient_sums(g, g_at, x, x_at, height, width):  # type: ignore[no-untyped-def]
    """Sums of the gradient where ReLU passes it, and of its product with the activation."""
    zero = filled(0.0)
    plain, tilted = zero, zero
    place = g_at
    for row in range(height):
        a = x_at + ((row + 1) * (width + 2) + 1) * LANES
        for _ in range(width):
            active, gradient = load(x, a), load(g, place)
            plain = plain + where_greater(active, zero, gradient, zero)
            tilted = fma(active, gradient, tilted)
            a += LANES
            place += LANES
    return float(total(plain)), float(total(tilted))


@inner
def gradient_before(  # type: ignore[no-untyped-def]
    g, g_at, x, x_at, y, y_at, height, width, pool, mean, inverse, shift, tilt, keep, gy, gy_at
):
    """The gradient by ``y``, before normalisation, framed: ``inverse g + shift + (y - mean) tilt``.

    ``g``, without a frame, is the gradient by the activations ``x``. It passes ReLU where ``x > 0``, and
    pooling to the first, row by row, of the positions that hold the largest ``y``.
    """
    centre, scale, zero = filled(mean), filled(inverse), filled(0.0)
    offset, slope = filled(shift), filled(tilt)
    line, framed = width * LANES, (width + 2) * LANES
    place = g_at
    if pool:
        for row in range(height // 2):
            a = y_at + 2 * row * line
            b = gy_at + (2 * row + 1) * framed + LANES
            c = x_at + ((row + 1) * (width // 2 + 2) + 1) * LANES
            for _ in range(width // 2):
                y0, y1 = load(y, a), load(y, a + LANES)
                y2, y3 = load(y, a + line), load(y, a + line + LANES)
                top = where_greater(y0, y1, y0, y1)
                low = where_greater(y2, y3, y2, y3)
                top = where_greater(top, low, top, low)
                rest = where_greater(load(x, c), zero, load(g, place) * scale, zero)
                g0 = where_equal(y0, top, rest, zero)
                rest = where_equal(y0, top, zero, rest)
                g1 = where_equal(y1, top, rest, zero)
                rest = where_equal(y1, top, zero, rest)
                g2 = where_equal(y2, top, rest, zero)
                g3 = where_equal(y2, top, zero, rest)
                store(gy, b, (fma(y0 - centre, slope, offset) + g0) * keep)
                store(gy, b + LANES, (fma(y1 - centre, slope, offset) + g1) * keep)
                store(gy, b + framed, (fma(y2 - centre, slope, offset) + g2) * keep)
                store(gy, b + framed + LANES, (fma(y3 - centre, slope, offset) + g3) * keep)
                a += 2 * LANES
                b += 2 * LANES
                c += LANES
                place += LANES
    else:
        for row in range(height):
            a = y_at + row * line
            b = gy_at + (row + 1) * framed + LANES
            c = x_at + (row + 1) * framed + LANES
            for _ in range(width):
                passed = where_greater(load(x, c), zero, load(g, place) * scale, zero)
                store(gy, b, (fma(load(y, a) - centre, slope, offset) + passed) * keep)
                a += LANES
                b += LANES
                c += LANES
                place += LANES
