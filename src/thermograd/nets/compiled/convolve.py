"""A 3x3 convolution of sixteen examples, and its gradient by the kernel, from tiles that fit the image.

Activations are stored ``(block, channel, row, column, lane)``: the sixteen examples of a block are neighbours.
What is multiplied with a kernel carries a frame of zeros, one position wide.

This module imports numba: import it inside functions.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from thermograd.nets.compiled.lanes import FEW_REGISTERS, LANES, load, total
from thermograd.nets.compiled.tiles import convolution_tile, kernel_gradient_tile

__all__ = ["collect", "convolve", "kernel_gradient", "pack"]


def _strip(channels: int, columns: int, *, whole: bool = False) -> Any:
    """Make: all tiles of one size in one row, for the channels from ``start`` on; where the next begins."""
    tile = convolution_tile(channels, columns, whole=whole)

    @njit(error_model="numpy")
    def strip(  # type: ignore[no-untyped-def]
        start, x, x_at, x_channel, x_row, inputs, w, w_at, first, end, y, y_at, y_channel, outputs, width
    ):
        stop = outputs - (outputs - start) % channels
        # What one tile reads is read for all channels before the next tile, so that it stays in the cache.
        for column in range(0, width, columns):
            for o in range(start, stop, channels):
                tile(
                    x, x_at + column * LANES, x_channel, x_row, inputs, w, w_at + o * inputs * 9,
                    first, end, y, y_at + column * LANES + o * y_channel, y_channel,
                )  # fmt: skip
        return stop

    return strip


# Sixteen sums hide the latency of a product and leave registers for what is multiplied. Where a tile spans a
# narrow image, the frame is not multiplied.
_4x4, _2x8, _1x8 = _strip(4, 4), _strip(2, 8), _strip(1, 8)
_8x2, _4x2, _2x2, _1x2 = _strip(8, 2), _strip(4, 2), _strip(2, 2), _strip(1, 2)
_2_of_8, _1_of_8 = _strip(2, 8, whole=True), _strip(1, 8, whole=True)
_4_of_4, _2_of_4 = _strip(4, 4, whole=True), _strip(2, 4, whole=True)
_8_of_2, _4_of_2 = _strip(8, 2, whole=True), _strip(4, 2, whole=True)


@njit(error_model="numpy")
def _tile_channels(left, width):  # type: ignore[no-untyped-def]
    """Channels of the next tile, where ``left`` are left: what :func:`convolve` takes first."""
    n = 2 if FEW_REGISTERS or width == 8 else 4 if width % 4 == 0 else 8
    while n > left:
        n //= 2
    return n


@njit(error_model="numpy")
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
                        w[w_at + o * inputs * 9 + ((row * inputs + i) * 3 + tap) * n + k] = kernel[at + source]
        o += n


@njit(error_model="numpy")
def convolve(x, x_at, inputs, w, w_at, y, y_at, outputs, height, width):  # type: ignore[no-untyped-def]
    """``y = conv(x)`` of one block: ``x`` with a frame, ``y`` without, ``w`` packed."""
    x_row, y_channel = (width + 2) * LANES, height * width * LANES
    x_channel = (height + 2) * x_row
    for row in range(height):
        first, end = 1 if row == 0 else 0, 2 if row == height - 1 else 3
        a, b, o = x_at + row * x_row, y_at + row * width * LANES, 0
        if not FEW_REGISTERS:
            if width == 8:
                o = _2_of_8(
                    o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                )
                o = _1_of_8(
                    o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                )
            elif width == 4:
                o = _4_of_4(
                    o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                )
                o = _2_of_4(
                    o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                )
            elif width == 2:
                o = _8_of_2(
                    o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                )
                o = _4_of_2(
                    o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                )
            elif width % 4 == 0:
                o = _4x4(
                    o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                )
                if width % 8 == 0:
                    o = _2x8(
                        o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                    )
                    o = _1x8(
                        o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                    )
            else:
                o = _8x2(
                    o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                )
                o = _4x2(
                    o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width
                )
        o = _2x2(o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width)
        _1x2(o, x, a, x_channel, x_row, inputs, w, w_at, first, end, y, b, y_channel, outputs, width)


def _sweep(channels: int, rows: int, columns: int, *, whole: bool = False) -> Any:
    """Make: the gradient by the kernel of all channels from ``start`` on that fill a tile of one size."""
    tile = kernel_gradient_tile(channels, rows, columns, whole=whole)

    @njit(error_model="numpy")
    def sweep(start, g, g_at, outputs, x, x_at, inputs, blocks, height, width, sums, at):  # type: ignore[no-untyped-def]
        line = (width + 2) * LANES
        plane = (height + 2) * line
        stop = outputs - (outputs - start) % channels
        for o in range(start, stop, channels):
            for i in range(inputs):
                for row in range(0, 3, rows):
                    # Where the kernel has only one row, the rows of the image that it meets are known.
                    first, end = (max(0, 1 - row), min(height, height + 1 - row)) if rows == 1 else (0, height)
                    tile(
                        g, g_at + o * plane + (first + 1) * line + LANES, outputs * plane, plane, line,
                        x, x_at + i * plane + (first + row) * line, inputs * plane, line,
                        blocks, end - first, width // columns,
                        sums, at + ((o * inputs + i) * 9 + 3 * row) * LANES, inputs * 9 * LANES,
                    )  # fmt: skip
        return stop

    return sweep


_whole_2, _whole_4 = _sweep(4, 1, 2, whole=True), _sweep(4, 1, 4, whole=True)
_pairs_4, _single_4 = _sweep(2, 3, 4), _sweep(1, 3, 4)
_single_2 = _sweep(1, 1, 2)


@njit(error_model="numpy")
def kernel_gradient(g, g_at, outputs, x, x_at, inputs, blocks, height, width, sums, at):  # type: ignore[no-untyped-def]
    """Add the products of ``g`` and ``x``, both with a frame, over some blocks, to the lanes' ``sums``."""
    o = 0
    if not FEW_REGISTERS:
        if width == 2:
            o = _whole_2(o, g, g_at, outputs, x, x_at, inputs, blocks, height, width, sums, at)
        elif width == 4:
            o = _whole_4(o, g, g_at, outputs, x, x_at, inputs, blocks, height, width, sums, at)
        if width % 4 == 0:
            o = _pairs_4(o, g, g_at, outputs, x, x_at, inputs, blocks, height, width, sums, at)
            o = _single_4(o, g, g_at, outputs, x, x_at, inputs, blocks, height, width, sums, at)
    _single_2(o, g, g_at, outputs, x, x_at, inputs, blocks, height, width, sums, at)


@njit(error_model="numpy")
def collect(sums, sums_at, count, result, at):  # type: ignore[no-untyped-def]
    """The sums of the lanes of so many vectors."""
    for i in range(count):
        result[at + i] = total(load(sums, sums_at + i * LANES))
