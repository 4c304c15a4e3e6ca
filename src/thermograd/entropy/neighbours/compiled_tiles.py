"""Compiled: products of float32 numbers on a matrix unit (AMX), each number split in two bfloat16.

The unit has eight tiles of 16 rows of 64 bytes. It multiplies 16 x 32 by 32 x 16 bfloat16 and adds to 16 x 16
float32: some twenty times what float32 vectors do. A number is split, ``y = h + l`` to 16 bits, and of
``(h + l)(h' + l')`` all but ``l l'`` is summed.

This module imports numba: import it inside functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba.core
import numba.extending
import numpy as np
from llvmlite import ir
from numba import njit

from thermograd.entropy.neighbours.compiled_vectors import prefetch

__all__ = ["add_products", "split"]

types: Any = numba.core.types
cgutils: Any = numba.core.cgutils
intrinsic: Any = numba.extending.intrinsic

_BYTE = ir.IntType(8)
_SIDE, _DEEP = 16, 32  # rows of a tile, and numbers in one of its rows
_BYTES = 1024  # of a tile
_PAIR = 2 * _BYTES  # a tile of h and the one of l that belongs to it
_PANEL = 256  # points whose numbers stay in the second cache while others are multiplied with them
_PIECE = 256  # columns split, and multiplied, at a time: their tiles stay in the first cache
_SUMS = 4 * _BYTES  # of 32 points by 32


def _call(builder: Any, name: str, arguments: list[Any]) -> None:
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), arguments)


def _on_tiles(name: str, *tiles: int) -> Callable[[], None]:
    """An instruction that knows nothing but tiles."""

    @intrinsic
    def instruction(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _call(builder, name, [ir.Constant(_BYTE, tile) for tile in tiles])
            return context.get_dummy_value()

        return types.none(), generate

    return instruction  # type: ignore[no-any-return]


def _with_memory(name: str, *tiles: int) -> Callable[..., None]:
    """An instruction on a flat array from a byte on; one that moves a tile is told the bytes between rows."""

    @intrinsic
    def instruction(typing_context: Any, array: Any, start: Any, stride: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0]).data
            place = builder.gep(builder.bitcast(data, _BYTE.as_pointer()), [arguments[1]])
            moved = [ir.Constant(_BYTE, tile) for tile in tiles]
            _call(builder, name, [*moved, place, arguments[2]] if tiles else [place])
            return context.get_dummy_value()

        return types.none(array, types.intp, types.intp), generate

    return instruction  # type: ignore[no-any-return]


_configure, _release = _with_memory("ldtilecfg"), _on_tiles("tilerelease")
# Tiles 0 .. 3 are sums, 4 and 5 two times sixteen points, 6 and 7 the others that they are multiplied with.
_zero_0, _zero_1, _zero_2, _zero_3 = (_on_tiles("tilezero", tile) for tile in range(4))
_load_4, _load_5, _load_6, _load_7 = (_with_memory("tileloadd64", tile) for tile in range(4, 8))
_load_0, _load_1, _load_2, _load_3 = (_with_memory("tileloadd64", tile) for tile in range(4))
_store_0, _store_1, _store_2, _store_3 = (_with_memory("tilestored64", tile) for tile in range(4))
_multiply_0, _multiply_1 = _on_tiles("tdpbf16ps", 0, 4, 6), _on_tiles("tdpbf16ps", 1, 4, 7)
_multiply_2, _multiply_3 = _on_tiles("tdpbf16ps", 2, 5, 6), _on_tiles("tdpbf16ps", 3, 5, 7)


@njit(nogil=True, cache=True, error_model="numpy")
def _block(
    left: Any, right: Any, i: int, j: int, depth: int, begin: int, end: int, sums: Any, to: int
) -> None:
    """Products of 32 points by 32, over bytes ``begin .. end`` of each point's tiles, added to ``sums``.

    The tiles begin at byte ``i`` of ``left`` and ``j`` of ``right``; the sums at byte ``to``.
    """
    lower, farther = i + depth * _PAIR, j + depth * _PAIR
    if begin == 0:
        _zero_0()
        _zero_1()
        _zero_2()
        _zero_3()
    else:
        _load_0(sums, to, 64)
        _load_1(sums, to + _BYTES, 64)
        _load_2(sums, to + 2 * _BYTES, 64)
        _load_3(sums, to + 3 * _BYTES, 64)
    for at in range(begin, end, _PAIR):
        _load_4(left, i + at, 64)
        _load_5(left, lower + at, 64)
        _load_6(right, j + at + _BYTES, 64)
        _load_7(right, farther + at + _BYTES, 64)
        _multiply_0()
        _multiply_1()
        _multiply_2()
        _multiply_3()
        _load_6(right, j + at, 64)
        _load_7(right, farther + at, 64)
        _multiply_0()
        _multiply_1()
        _multiply_2()
        _multiply_3()
        _load_4(left, i + at + _BYTES, 64)
        _load_5(left, lower + at + _BYTES, 64)
        _multiply_0()
        _multiply_1()
        _multiply_2()
        _multiply_3()
    _store_0(sums, to, 64)
    _store_1(sums, to + _BYTES, 64)
    _store_2(sums, to + 2 * _BYTES, 64)
    _store_3(sums, to + 3 * _BYTES, 64)


@njit(nogil=True, cache=True, error_model="numpy")
def add_products(
    left: Any,
    right: Any,
    depth: int,
    factor: float,
    inner: Any,
    anew: bool,
    first: int,
    triangle: bool,
    parts: int,
    start: int,
    stop: int,
) -> None:
    """Add ``factor`` times the products of points to ``inner``, of a triangle only up to the diagonal.

    Parameters
    ----------
    left, right
        Points as :func:`split` leaves them; ``left`` begins with the tile that holds row ``first``.
    depth
        Tiles in a row.
    factor
        A number.
    inner
        Float64: rows are the points from ``first`` on, columns all points.
    anew
        Whether to overwrite what is there.
    first
        Row of the sample that is the first of ``inner``.
    triangle
        Whether only columns up to the row itself are wanted.
    parts, start, stop
        Every ``parts``-th strip of 32 rows, from the ``start``-th on, then from the next up to ``stop``.

    """
    rows, n = inner.shape
    shape = np.zeros(64, dtype=np.uint8)
    shape[0] = 1
    shape[16:32:2] = 64
    shape[48:56] = _SIDE
    sums = np.empty((_PANEL // 32, 2, 2, _SIDE, _SIDE), dtype=np.float32)
    flat = sums.ravel()
    side, begin = 2 * _SIDE, first // (2 * _SIDE)
    strips = (first + rows + side - 1) // side - begin
    _configure(shape, 0, 0)
    for panel in range(0, n, _PANEL):
        for part in range(start, stop):
            for strip in range(part, strips, parts):
                top = (begin + strip) * side
                last = min(top + side, n) if triangle else n
                end = min(panel + _PANEL, last)
                here = strip * 2 * depth * _PAIR
                for piece in range(0, depth * _PAIR, _PIECE // _DEEP * _PAIR):
                    further = min(piece + _PIECE // _DEEP * _PAIR, depth * _PAIR)
                    for across in range(panel, end, side):
                        there, to = across // _SIDE * depth * _PAIR, (across - panel) // side * _SUMS
                        _block(left, right, here, there, depth, piece, further, flat, to)
                for across in range(panel, end, _SIDE):
                    block, half = (across - panel) // side, (across - panel) // _SIDE % 2
                    for r in range(max(top, first), min(top + side, first + rows)):
                        into = inner[r - first]
                        found = sums[block, (r - top) // _SIDE, half, (r - top) % _SIDE]
                        width = min(_SIDE, (r + 1 if triangle else n) - across)
                        if anew:
                            for c in range(width):
                                into[across + c] = factor * np.float64(found[c])
                        else:
                            for c in range(width):
                                into[across + c] += factor * np.float64(found[c])
    _release()


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"}, error_model="numpy")
def split(
    x: Any,
    a: int,
    b: int,
    reference: Any,
    scale: float,
    left: Any,
    right: Any,
    skipped: int,
    norms: Any,
    start: int,
    stop: int,
) -> None:
    """Centred, scaled columns ``a .. b`` as float32 in two parts, in the order in which tiles are loaded.

    Parameters
    ----------
    x
        The sample.
    a, b
        Range of its columns.
    reference, scale
        ``y = float32(scale (x - reference))``.
    left, right
        Int16, one row for every sixteen points: for every 32 columns a tile of ``h`` and one of ``l``. In
        ``left`` a point is a row of the tile; in ``right`` pairs of columns are, and points lie side by side.
    skipped
        Groups of sixteen that ``left`` leaves out before its first; it may end earlier, too.
    norms
        Takes the squared norms of ``y``.
    start, stop
        Range of groups.

    """
    n, flat, stride = len(norms), x.ravel(), x.shape[1]
    y = np.empty(_PIECE, dtype=np.float32)
    rest = np.empty(_PIECE, dtype=np.float32)
    bits, rest_bits = y.view(np.int32), rest.view(np.int32)
    rows = np.empty(_SIDE * 2 * _PIECE, dtype=np.int16)  # 16 points, as `left` has them
    words = rows.view(np.int32)
    tile, line, half = _SIDE * _DEEP, _DEEP, np.int32(1 << 15)
    for group in range(start, stop):
        across = right[group].view(np.int32)
        for r in range(group * _SIDE, min(group * _SIDE + _SIDE, n)):
            norms[r] = 0.0
        for piece in range(0, b - a, _PIECE):
            width = min(_PIECE, b - a - piece)
            whole = (width + _DEEP - 1) // _DEEP * _DEEP
            for q in range(_SIDE):
                r = group * _SIDE + q
                if r < n:
                    ahead = r * stride + a + piece + width
                    for c in range(0, min(_PIECE, b - a - piece - width), 8):
                        prefetch(flat, ahead + c)
                    values, centre = x[r, a + piece : a + piece + width], reference[piece : piece + width]
                    s = 0.0
                    for c in range(width):
                        rounded = np.float32(scale * (np.float64(values[c]) - centre[c]))
                        y[c] = rounded
                        s += np.float64(rounded) * np.float64(rounded)
                    norms[r] += s
                    y[width:whole] = 0.0
                else:
                    y[:whole] = 0.0
                # bfloat16 is the upper half of float32. Half a unit added before the rest is cut off rounds.
                for c in range(whole):
                    rest_bits[c] = (bits[c] + half) & np.int32(-65536)
                for k in range(0, whole, _DEEP):
                    into = rows[2 * tile * (k // _DEEP) + q * line :]
                    for c in range(_DEEP):
                        into[c] = np.int16(rest_bits[k + c] >> 16)
                for c in range(whole):
                    rest[c] = y[c] - rest[c]
                for k in range(0, whole, _DEEP):
                    into = rows[2 * tile * (k // _DEEP) + tile + q * line :]
                    for c in range(_DEEP):
                        into[c] = np.int16((rest_bits[k + c] + half) >> 16)
            base = 2 * tile * (piece // _DEEP)
            if skipped <= group < skipped + len(left):
                left[group - skipped, base : base + 2 * _SIDE * whole] = rows[: 2 * _SIDE * whole]
            for t in range(2 * whole // _DEEP):
                at = t * tile // 2
                for w in range(_DEEP // 2):
                    for q in range(_SIDE):
                        across[base // 2 + at + w * _SIDE + q] = words[at + q * _DEEP // 2 + w]
