"""The two loops that do the arithmetic: tiles of a 3x3 convolution, and of its gradient by the kernel.

Activations are stored ``(block, channel, row, column, lane)``: a block's sixteen examples are neighbours.
A tile keeps all its sums in registers. A result is summed in an order that does not depend on the tile that
it falls into, so the shape of the tiles is a matter of speed only.

This module imports numba: import it inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from thermograd.nets.compiled.lanes import (
    LANES,
    Generate,
    cgutils,
    intrinsic,
    pointer,
    read,
    spread_scalar,
    types,
    vector_fma,
    write,
    zero_vector,
)

__all__ = ["convolution_tiles", "kernel_gradient_tiles"]

_SIZE = ir.IntType(64)


def _steps(builder: Any, start: Any, *steps: tuple[Any, Any]) -> Any:
    """LLVM: ``start + a * b + ...``."""
    for index, stride in steps:
        start = builder.add(start, builder.mul(index, stride))
    return start


def _sums(builder: Any, count: int) -> list[Any]:
    """So many vectors of zeros; LLVM keeps them in registers."""
    places = [cgutils.alloca_once(builder, zero_vector().type) for _ in range(count)]
    for place in places:
        builder.store(zero_vector(), place)
    return places


@contextmanager
def _each(builder: Any, start: Any, end: Any, step: int = 1) -> Iterator[Any]:
    """LLVM: a loop of ``range(start, end, step)``."""
    with cgutils.for_range_slice(builder, start, end, _SIZE(step), _SIZE) as (index, _):
        yield index


def _after_last(builder: Any, start: Any, end: Any, step: int) -> Any:
    """LLVM: where so many whole steps from ``start`` on end."""
    return builder.sub(end, builder.srem(builder.sub(end, start), _SIZE(step)))


def _add_product(builder: Any, place: Any, a: Any, b: Any) -> None:
    builder.store(vector_fma(builder, a, b, builder.load(place)), place)


def convolution_tiles(channels: int, columns: int, *, whole: bool = False) -> Any:
    """Make: one row of a convolution's result, in tiles of so many channels and columns, for one block.

    ``tiles(start, x, x_at, x_channel, x_row, inputs, w, w_at, first, end, y, y_at, y_channel, outputs,
    width)`` computes the channels from ``start`` on that fill a tile, and returns the next. ``x`` has a frame
    of zeros and is read from ``x_at`` on, the place one row above and one column to the left of the first
    result; ``w`` is packed; only the kernel's rows from ``first`` to before ``end`` are added.

    Parameters
    ----------
    channels, columns
        Size of a tile.
    whole
        A tile is as wide as the image: what lies outside is known to be zero and left out.

    """
    used = range(1, columns + 1) if whole else range(columns + 2)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, data, x_at, x_channel, x_row, inputs, weights, w_at, first, end = arguments[:10]
        results, y_at, y_channel, outputs, width = arguments[10:]
        x = pointer(context, builder, signature.args[1], data)
        w = pointer(context, builder, signature.args[6], weights)
        y = pointer(context, builder, signature.args[10], results)
        stop = _after_last(builder, start, outputs, channels)
        # What one tile reads is read for all channels before the next tile, so that it stays in the cache.
        with (
            _each(builder, _SIZE(0), width, columns) as column,
            _each(builder, start, stop, channels) as channel,
        ):
            sums = _sums(builder, channels * columns)
            kernel = _steps(builder, w_at, (channel, builder.mul(inputs, _SIZE(9))))
            with _each(builder, first, end) as row:
                x_line = _steps(builder, x_at, (column, _SIZE(LANES)), (row, x_row))
                w_line = _steps(builder, kernel, (builder.mul(row, inputs), _SIZE(3 * channels)))
                with _each(builder, _SIZE(0), inputs) as i:
                    here = _steps(builder, x_line, (i, x_channel))
                    weight = _steps(builder, w_line, (i, _SIZE(3 * channels)))
                    seen = {j: read(builder, x, builder.add(here, _SIZE(j * LANES))) for j in used}
                    for tap in range(3):
                        for o in range(channels):
                            place = builder.gep(w, [builder.add(weight, _SIZE(tap * channels + o))])
                            factor = spread_scalar(builder, builder.load(place))
                            for j in range(columns):
                                if j + tap in used:
                                    _add_product(builder, sums[o * columns + j], seen[j + tap], factor)
            y_here = _steps(builder, y_at, (column, _SIZE(LANES)), (channel, y_channel))
            for o in range(channels):
                line = _steps(builder, y_here, (_SIZE(o), y_channel))
                for j in range(columns):
                    value = builder.load(sums[o * columns + j])
                    write(builder, y, builder.add(line, _SIZE(j * LANES)), value)
        return stop

    @intrinsic
    def tiles(  # type: ignore[no-untyped-def]
        typing_context, start, x, x_at, x_channel, x_row, inputs, w, w_at, first, end,
        y, y_at, y_channel, outputs, width,
    ) -> tuple[Any, Generate]:  # fmt: skip
        n = types.intp
        return n(n, x, n, n, n, n, w, n, n, n, y, n, n, n, n), generate

    return tiles


def kernel_gradient_tiles(channels: int, rows: int, columns: int, *, whole: bool = False) -> Any:
    """Make: products of gradients ``g`` and activations ``x`` summed over all positions of some blocks.

    ``tiles(start, g, g_at, outputs, x, x_at, inputs, blocks, height, width, sums, sums_at)`` computes the
    channels of ``g`` from ``start`` on that fill a tile, and returns the next. Both ``g`` and ``x`` have a
    frame of zeros. What the lanes add up to is added to ``sums``: ``(outputs, inputs, 9, lane)``.

    Parameters
    ----------
    channels
        Channels of ``g`` in a tile; it has one of ``x``.
    rows
        Rows of the kernel in a tile, 1 or 3; it has all three columns.
    columns
        Columns of the image in one pass of the innermost loop.
    whole
        These are all that the image has: what lies outside is known to be zero and left out.

    """
    taps = 3 * rows
    used = range(1, columns + 1) if whole else range(columns + 2)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, gradients, g_at, outputs, data, x_at, inputs, blocks, height, width, results, at = arguments
        g = pointer(context, builder, signature.args[1], gradients)
        x = pointer(context, builder, signature.args[4], data)
        sums = pointer(context, builder, signature.args[10], results)
        line = _steps(builder, _SIZE(2 * LANES), (width, _SIZE(LANES)))
        plane = _steps(builder, builder.mul(line, _SIZE(2)), (height, line))
        per_channel = builder.mul(inputs, _SIZE(9 * LANES))
        stop = _after_last(builder, start, outputs, channels)

        def tile(channel: Any, i: Any, top: int) -> None:
            # Where the tile has one row of the kernel, the rows of the image that it meets are known.
            first, last = (max(0, 1 - top), max(0, top - 1)) if rows == 1 else (0, 0)
            places = _sums(builder, channels * taps)
            with (
                _each(builder, _SIZE(0), blocks) as block,
                _each(builder, _SIZE(first), builder.sub(height, _SIZE(last))) as row,
                _each(builder, _SIZE(0), width, columns) as column,
            ):
                g_plane = _steps(builder, channel, (block, outputs))
                x_plane = _steps(builder, i, (block, inputs))
                g_line = builder.add(row, _SIZE(1))
                g_here = _steps(builder, g_at, (g_plane, plane), (g_line, line), (column, _SIZE(LANES)))
                x_here = _steps(builder, x_at, (x_plane, plane), (row, line), (column, _SIZE(LANES)))
                g_lines = [_steps(builder, g_here, (_SIZE(o), plane)) for o in range(channels)]
                x_lines = [_steps(builder, x_here, (_SIZE(top + k), line)) for k in range(rows)]
                seen: dict[tuple[int, int], Any] = {}
                for j in range(columns):
                    for k in range(rows):
                        for side in range(j, j + 3):
                            if side in used and (k, side) not in seen:
                                place = builder.add(x_lines[k], _SIZE(side * LANES))
                                seen[k, side] = read(builder, x, place)
                    for o in range(channels):
                        gradient = read(builder, g, builder.add(g_lines[o], _SIZE((j + 1) * LANES)))
                        for tap in range(taps):
                            k, side = tap // 3, j + tap % 3
                            if side in used:
                                _add_product(builder, places[o * taps + tap], gradient, seen[k, side])
            for o in range(channels):
                here = _steps(builder, at, (builder.add(channel, _SIZE(o)), per_channel))
                here = _steps(builder, here, (i, _SIZE(9 * LANES)))
                for tap in range(taps):
                    place = builder.add(here, _SIZE((3 * top + tap) * LANES))
                    new = builder.fadd(read(builder, sums, place), builder.load(places[o * taps + tap]))
                    write(builder, sums, place, new)

        with (
            _each(builder, start, stop, channels) as channel,
            _each(builder, _SIZE(0), inputs) as i,
        ):
            for top in range(0, 3, rows):
                tile(channel, i, top)
        return stop

    @intrinsic
    def tiles(  # type: ignore[no-untyped-def]
        typing_context, start, g, g_at, outputs, x, x_at, inputs, blocks, height, width, sums, sums_at
    ) -> tuple[Any, Generate]:
        n = types.intp
        return n(n, g, n, n, x, n, n, n, n, n, sums, n), generate

    return tiles
