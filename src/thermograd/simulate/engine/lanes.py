"""Sixteen chains in one vector register: a SIMD type for numba.

Left to itself, LLVM vectorises a loop over chains only when it can prove that no two arrays overlap, which
fails silently and costs a factor of ten. Here the vectors are values: they stay in registers from one
iteration to the next, on any machine (16 lanes of float32 are one AVX-512, two AVX or four SSE registers).
Only what the simulator needs is there: ``+ - * /``, ``fma``, the square root, and a few operations on words.

This module imports numba: import it inside functions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba.core
import numba.extending
from llvmlite import ir

__all__ = [
    "LANES",
    "as_floats",
    "as_words",
    "exclusive_or",
    "filled",
    "fma",
    "from_signed",
    "from_unsigned",
    "load",
    "rotate_left",
    "shift_left",
    "shift_right_signed",
    "square_root",
    "store",
    "widened",
]

LANES = 16

# numba is typed in part, and differently from version to version; an intrinsic is called with one argument
# less than it is defined with.
types: Any = numba.core.types
cgutils: Any = numba.core.cgutils
models: Any = numba.extending.models
intrinsic: Any = numba.extending.intrinsic

# 'contract' lets a product and a sum become one operation, 'arcp' a division a product with the reciprocal,
# 'afn' a square root an estimate with Newton steps, 'nsz' forgets the sign of zero. Infinities and nan stay.
_FAST = ("contract", "arcp", "afn", "nsz")


class Lanes(types.Type):  # type: ignore[misc]
    """The type of sixteen numbers of one scalar type."""

    def __init__(self, scalar: Any) -> None:
        self.scalar = scalar
        super().__init__(name=f"lanes({scalar})")


@numba.extending.register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        element = dmm.lookup(fe_type.scalar).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(element, LANES))


_WORDS, _FLOATS = Lanes(types.int32), Lanes(types.float32)

# What an intrinsic's inner function is given: numba's context, LLVM's builder, the signature, the arguments.
Generate = Callable[[Any, Any, Any, Any], Any]


def _place(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Pointer to 16 neighbours of a flat array."""
    data = cgutils.create_struct_proxy(array_type)(context, builder, value=array).data
    vector = ir.VectorType(data.type.pointee, LANES)
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> tuple[Any, Generate]:
    """The 16 numbers of a flat contiguous array from ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], *arguments)
        return builder.load(place, align=array.dtype.bitwidth // 8)

    return Lanes(array.dtype)(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> tuple[Any, Generate] | None:
    """Write 16 numbers to a flat contiguous array from ``index`` on."""
    if value != Lanes(array.dtype):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.intp, value), generate


@intrinsic
def filled(typing_context: Any, scalar: Any) -> tuple[Any, Generate]:
    """The scalar in all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(signature.return_type)
        undefined, zero = ir.Constant(vector, ir.Undefined), ir.IntType(32)(0)
        first = builder.insert_element(undefined, arguments[0], zero)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(first, undefined, mask)

    return Lanes(scalar)(scalar), generate


def _operator(symbol: Any, of_floats: str, of_words: str | None = None) -> None:
    """Make an operator of Python act lane by lane."""

    @intrinsic
    def operate(typing_context: Any, a: Any, b: Any) -> tuple[Any, Generate]:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if a == _WORDS:
                return getattr(builder, str(of_words))(*arguments)
            return getattr(builder, of_floats)(*arguments, flags=_FAST)

        return a(a, b), generate

    def choose(a, b):  # type: ignore[no-untyped-def]  # numba compares the names with the lambda's
        if not isinstance(a, Lanes) or a != b or (a == _WORDS and of_words is None):
            return None
        return lambda a, b: operate(a, b)

    numba.extending.overload(symbol)(choose)


_operator(operator.add, "fadd", "add")
_operator(operator.sub, "fsub", "sub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")


def _function(name: str, arguments: int, fastmath: tuple[str, ...]) -> Any:
    """An intrinsic function of LLVM, of vectors of floats of one type."""

    def call(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lanes = signature.return_type
        kind = context.get_value_type(lanes)
        full_name = f"llvm.{name}.v{LANES}f{lanes.scalar.bitwidth}"
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind] * arguments), full_name
        )
        return builder.call(function, values, fastmath=fastmath)

    return call


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> tuple[Any, Generate] | None:
    """``a * b + c``, as one operation where the machine has it."""
    return (a(a, b, c), _function("fmuladd", 3, ())) if a == b == c else None


@intrinsic
def square_root(typing_context: Any, a: Any) -> tuple[Any, Generate]:
    """The square root; nan of a negative number."""
    return a(a), _function("sqrt", 1, _FAST)


def _by_constant(operation: Callable[[Any, Any, Callable[[int], Any], int], Any]) -> Any:
    """An operation of words with a number that is known when the code is compiled."""

    @intrinsic(prefer_literal=True)
    def operate(typing_context: Any, words: Any, by: Any) -> tuple[Any, Generate] | None:
        if words != _WORDS or not isinstance(by, types.IntegerLiteral):
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            vector = context.get_value_type(words)
            return operation(
                builder, arguments[0], lambda value: ir.Constant(vector, [value] * LANES), by.literal_value
            )

        return words(words, by), generate

    return operate


shift_left = _by_constant(lambda builder, words, filled, by: builder.shl(words, filled(by)))
shift_right_signed = _by_constant(lambda builder, words, filled, by: builder.ashr(words, filled(by)))
rotate_left = _by_constant(
    lambda builder, words, filled, by: builder.or_(
        builder.shl(words, filled(by)), builder.lshr(words, filled(32 - by))
    )
)


@intrinsic
def exclusive_or(typing_context: Any, a: Any, b: Any) -> tuple[Any, Generate] | None:
    """Bit by bit, of two vectors of words."""
    return (
        (a(a, b), lambda context, builder, signature, args: builder.xor(*args)) if a == b == _WORDS else None
    )


def _conversion(operation: str, source: Lanes, target: Lanes) -> Any:
    """A conversion between words and floats."""

    @intrinsic
    def convert(typing_context: Any, value: Any) -> tuple[Any, Generate] | None:
        if value != source:
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, operation)(arguments[0], context.get_value_type(target))

        return target(source), generate

    return convert


as_floats = _conversion("bitcast", _WORDS, _FLOATS)
as_words = _conversion("bitcast", _FLOATS, _WORDS)
from_signed = _conversion("sitofp", _WORDS, _FLOATS)
from_unsigned = _conversion("uitofp", _WORDS, _FLOATS)


@intrinsic
def widened(typing_context: Any, value: Any, like: Any) -> tuple[Any, Generate] | None:
    """Float lanes in the type of ``like``, which is as wide or wider: themselves, or float64 of float32."""
    if not (isinstance(value, Lanes) and isinstance(like, Lanes)) or value == _WORDS:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if like == value:
            return arguments[0]
        return builder.fpext(arguments[0], context.get_value_type(like))

    return like(value, like), generate
