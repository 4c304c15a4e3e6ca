"""A 3x3 convolution of sixteen examples, and its gradient by the kernel, from tiles that fit the image.

Activations are stored ``(block, channel, row, column, lane)``: a block's sixteen examples are neighbours.
What is multiplied with a kernel carries a frame of zeros, one position wide.

This module imports numba: import it inside functions.
"""

from __future__ import annotations

from thermograd.nets.compiled.lanes import FEW_REGISTERS, LANES, inner, load, total
from thermograd.nets.compiled.tiles import convolution_tiles, kernel_gradient_tiles

__all__ = ["collect", "convolve", "kernel_gradient", "pack"]


# Sixteen sums hide the latency of a product and leave registers for what is multiplied. Where a tile spans a
# narrow image, the frame is not multiplied.
_4x4, _2x8, _1x8 = (convolution_tiles(*size) for size in ((4, 4), (2, 8), (1, 8)))
_8x2, _4x2, _2x2, _1x2 = (convolution_tiles(n, 2) for n in (8, 4, 2, 1))
_2_of_8, _1_of_8 = (convolution_tiles(n, 8, whole=True) for n in (2, 1))
_4_of_4, _2_of_4 = (convolution_tiles(n, 4, whole=True) for n in (4, 2))
_8_of_2, _4_of_2 = (convolution_tiles(n, 2, whole=True) for n in (8, 4))

# Gradients by the kernel: nine sums for each of two channels, or three for each of four.
_2_gradients_by_4, _1_gradient_by_4 = (kernel_gradient_tiles(n, 3, 4) for n in (2, 1))
_4_gradients_of_4, _4_gradients_of_2 = (kernel_gradient_tiles(4, 1, n, whole=True) for n in (4, 2))
_1_gradient_by_2 = kernel_gradient_tiles(1, 1, 2)


@inner
def _tile_channels(left, width):  # type: ignore[no-untyped-def]
    """Channels of the next tile, where ``left`` are left: what :func:`convolve` takes first."""
    n = 2 if FEW_REGISTERS or width == 8 else 4 if width % 4 == 0 else 8
    while n > left:
        n //= 2
    return n


@inner
def pack(kernel, at, outputs, inputs, width, transposed, w, w_at):  # type: ignore[no-untyped-def]
    """Bring a kernel into the order in which tiles read it.

    ``transposed``: the kernel of the gradient by the input, mirrored, channels exchanged; ``outputs`` are
    then the channels of the layer's input.
    """
    o = 0
    while o < outputs:
        n = _tile_channels(outputs - o, width)
        for row in range(3):
            for i in range(inputs):
                for tap in range(3):
                    for k in range(n):
                        if transposed:
                            source = (i * outputs + o + k) * 9 + 8 - (3 * row + tap)
                        else:
                            source = ((o + k) * inputs + i) * 9 + 3 * row + tap
                        w[w_at + o * inputs * 9 + ((row * inputs + i) * 3 + tap) * n + k] = kernel[
                            at + source
                        ]
        o += n


@inner
def convolve(x, x_at, inputs, w, w_at, y, y_at, outputs, height, width):  # type: ignore[no-untyped-def]
    """``y = conv(x)`` of one block: ``x`` with a frame, ``y`` without, ``w`` packed."""
    n, m, e = inputs, outputs, width
    x_row, q = (width + 2) * LANES, height * width * LANES
    p = (height + 2) * x_row
    for row in range(height):
        first, end = 1 if row == 0 else 0, 2 if row == height - 1 else 3
        a, b, o = x_at + row * x_row, y_at + row * width * LANES, 0
        # Each fills as many of its tiles as it can and leaves the rest to the next.
        if FEW_REGISTERS:
            pass
        elif width == 8:
            o = _2_of_8(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
            o = _1_of_8(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
        elif width == 4:
            o = _4_of_4(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
            o = _2_of_4(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
        elif width == 2:
            o = _8_of_2(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
            o = _4_of_2(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
        elif width % 4 == 0:
            o = _4x4(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
            if width % 8 == 0:
                o = _2x8(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
                o = _1x8(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
        else:
            o = _8x2(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
            o = _4x2(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
        o = _2x2(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)
        _1x2(o, x, a, p, x_row, n, w, w_at, first, end, y, b, q, m, e)


@inner
def kernel_gradient(g, g_at, outputs, x, x_at, inputs, blocks, height, width, sums, at):  # type: ignore[no-untyped-def]
    """Add the products of ``g`` and ``x``, both with a frame, over some blocks, to the lanes' ``sums``."""
    o, n, m, h, e = 0, inputs, outputs, height, width
    if not FEW_REGISTERS:
        if width == 2:
            o = _4_gradients_of_2(o, g, g_at, m, x, x_at, n, blocks, h, e, sums, at)
        elif width == 4:
            o = _4_gradients_of_4(o, g, g_at, m, x, x_at, n, blocks, h, e, sums, at)
        if width % 4 == 0:
            o = _2_gradients_by_4(o, g, g_at, m, x, x_at, n, blocks, h, e, sums, at)
            o = _1_gradient_by_4(o, g, g_at, m, x, x_at, n, blocks, h, e, sums, at)
    _1_gradient_by_2(o, g, g_at, m, x, x_at, n, blocks, h, e, sums, at)


@inner
def collect(sums, sums_at, count, result, at):  # type: ignore[no-untyped-def]
    """The sums of the lanes of so many vectors."""
    for i in range(count):
        result[at + i] = total(load(sums, sums_at + i * LANES))
