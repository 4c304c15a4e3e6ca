"""The two loops that do the arithmetic: tiles of a 3x3 convolution, and of its gradient by the kernel.

Each keeps all its sums in registers. A result is summed in an order that does not depend on the tile that it
falls into, so the shape of the tiles is a matter of speed only.

This module imports numba: import it inside functions.
"""

from __future__ import annotations

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

__all__ = ["convolution_tile", "kernel_gradient_tile"]

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


def _add_product(builder: Any, place: Any, a: Any, b: Any) -> None:
    builder.store(vector_fma(builder, a, b, builder.load(place)), place)


def convolution_tile(channels: int, columns: int, *, whole: bool) -> Any:
    """Make: one row's ``columns`` neighbouring results of ``channels`` channels, for sixteen examples.

    ``tile(x, x_at, x_channel, x_row, inputs, w, w_at, first, end, y, y_at, y_channel)`` reads ``x`` from
    ``x_at`` on, the place one row above and one column to the left of the first result; strides of a channel
    and of a row are given, columns are neighbours. ``w`` holds for each of the kernel's rows and each of the
    ``inputs`` channels its three weights for each result channel. Only the kernel's rows from ``first`` to
    before ``end`` are added.

    Parameters
    ----------
    channels, columns
        Size of the tile.
    whole
        The tile is as wide as the image: what lies outside is known to be zero and left out.

    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, x_at, x_channel, x_row, inputs, weights, w_at, first, end, results, y_at, y_channel = arguments
        x = pointer(context, builder, signature.args[0], data)
        w = pointer(context, builder, signature.args[5], weights)
        y = pointer(context, builder, signature.args[9], results)
        used = range(1, columns + 1) if whole else range(columns + 2)
        sums = _sums(builder, channels * columns)
        with cgutils.for_range(builder, end, start=first) as row:
            x_line = _steps(builder, x_at, (row.index, x_row))
            w_line = _steps(builder, w_at, (builder.mul(row.index, inputs), _SIZE(3 * channels)))
            with cgutils.for_range(builder, inputs) as channel:
                at = _steps(builder, x_line, (channel.index, x_channel))
                weight = _steps(builder, w_line, (channel.index, _SIZE(3 * channels)))
                seen = {j: read(builder, x, builder.add(at, _SIZE(j * LANES))) for j in used}
                for tap in range(3):
                    for o in range(channels):
                        place = builder.gep(w, [builder.add(weight, _SIZE(tap * channels + o))])
                        factor = spread_scalar(builder, builder.load(place))
                        for j in range(columns):
                            if j + tap in used:
                                _add_product(builder, sums[o * columns + j], seen[j + tap], factor)
        for o in range(channels):
            line = _steps(builder, y_at, (_SIZE(o), y_channel))
            for j in range(columns):
                value = builder.load(sums[o * columns + j])
                write(builder, y, builder.add(line, _SIZE(j * LANES)), value)
        return context.get_dummy_value()

    @intrinsic
    def tile(  # type: ignore[no-untyped-def]
        typing_context, x, x_at, x_channel, x_row, inputs, w, w_at, first, end, y, y_at, y_channel
    ) -> tuple[Any, Generate]:
        n = types.intp
        return types.none(x, n, n, n, n, w, n, n, n, y, n, n), generate

    return tile


def kernel_gradient_tile(channels: int, rows: int, columns: int, *, whole: bool) -> Any:
    """Make: products of the gradients of ``channels`` channels with one channel, summed over positions.

    ``tile(g, g_at, g_block, g_channel, g_row, x, x_at, x_block, x_row, blocks, height, steps, sums, at,
    stride)`` sums over ``blocks`` blocks of sixteen examples, ``height`` rows, and ``steps`` times ``columns``
    columns, and adds the lanes' sums to ``sums`` from ``at`` on: taps are neighbours, channels ``stride``
    apart.

    Parameters
    ----------
    channels
        Result channels of the tile.
    rows
        Rows of the kernel, 1 or 3; all three columns belong to the tile.
    columns
        Columns of the image in one pass of the innermost loop.
    whole
        These are all that the image has: what lies outside is known to be zero and left out.

    """
    taps = 3 * rows

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        gradients, g_at, g_block, g_channel, g_row, data, x_at, x_block, x_row = arguments[:9]
        blocks, height, steps, results, sum_at, stride = arguments[9:]
        g = pointer(context, builder, signature.args[0], gradients)
        x = pointer(context, builder, signature.args[5], data)
        sums = pointer(context, builder, signature.args[12], results)
        used = range(1, columns + 1) if whole else range(columns + 2)
        places = _sums(builder, channels * taps)
        with (
            cgutils.for_range(builder, blocks) as block,
            cgutils.for_range(builder, height) as row,
            cgutils.for_range(builder, steps) as step,
        ):
            column = (step.index, _SIZE(columns * LANES))
            g_here = _steps(builder, g_at, (block.index, g_block), (row.index, g_row), column)
            x_here = _steps(builder, x_at, (block.index, x_block), (row.index, x_row), column)
            g_lines = [_steps(builder, g_here, (_SIZE(o), g_channel)) for o in range(channels)]
            x_lines = [_steps(builder, x_here, (_SIZE(line), x_row)) for line in range(rows)]
            seen: dict[tuple[int, int], Any] = {}
            for j in range(columns):
                for line in range(rows):
                    for k in range(j, j + 3):
                        if k in used and (line, k) not in seen:
                            index = builder.add(x_lines[line], _SIZE(k * LANES))
                            seen[line, k] = read(builder, x, index)
                for o in range(channels):
                    gradient = read(builder, g, builder.add(g_lines[o], _SIZE(j * LANES)))
                    for tap in range(taps):
                        line, k = tap // 3, j + tap % 3
                        if k in used:
                            _add_product(builder, places[o * taps + tap], gradient, seen[line, k])
        for o in range(channels):
            start = _steps(builder, sum_at, (_SIZE(o), stride))
            for tap in range(taps):
                index = builder.add(start, _SIZE(tap * LANES))
                old = read(builder, sums, index)
                write(builder, sums, index, builder.fadd(old, builder.load(places[o * taps + tap])))
        return context.get_dummy_value()

    @intrinsic
    def tile(  # type: ignore[no-untyped-def]
        typing_context, g, g_at, g_block, g_channel, g_row, x, x_at, x_block, x_row,
        blocks, height, steps, sums, at, stride,
    ) -> tuple[Any, Generate]:  # fmt: skip
        n = types.intp
        return types.none(g, n, n, n, n, x, n, n, n, n, n, n, sums, n, n), generate

    return tile
