"""Sixteen examples in one vector register: a SIMD type for numba, of float32.

Vectors are values that stay in registers, so that no loop depends on what an auto-vectoriser can prove
(sixteen lanes are one AVX-512, two AVX or four SSE registers). Only what a network needs is there.

This module imports numba: import it inside functions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
import numba.core
import numba.extending
from llvmlite import ir

__all__ = [
    "FEW_REGISTERS",
    "LANES",
    "filled",
    "fma",
    "inner",
    "load",
    "numbers",
    "outer",
    "pointer",
    "read",
    "spread_scalar",
    "store",
    "total",
    "vector_fma",
    "where_equal",
    "where_greater",
    "write",
    "zero_vector",
]

LANES = 16

# numba is typed in part, and differently from version to version.
types: Any = numba.core.types
cgutils: Any = numba.core.cgutils
models: Any = numba.extending.models
config: Any = numba.core.config
njit: Any = numba.njit
carray: Any = numba.carray  # type: ignore[attr-defined]

_CHOSEN = config.CPU_FEATURES if config.CPU_NAME else None
_HOST = llvmlite.binding.get_host_cpu_features().get("avx512f", False)

FEW_REGISTERS = not (_HOST if _CHOSEN is None else "+avx512f" in _CHOSEN)
"""Whether the machine that is compiled for lacks 32 registers of sixteen floats: then tiles are smaller."""

# A product and a sum may become one operation, the sign of zero is free. Infinities and nan stay.
_FAST = ("contract", "nsz")
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_WORD = ir.IntType(32)

# What an intrinsic's inner function is given: numba's context, LLVM's builder, the signature, the arguments.
Generate = Callable[[Any, Any, Any, Any], Any]


def intrinsic(function: Any) -> Any:
    """Make an operation of compiled code from a function that writes LLVM's instructions."""
    return numba.extending.intrinsic(function)


def inner(function: Any) -> Any:
    """Compile a function that only compiled code calls."""
    return njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def outer(function: Any) -> Any:
    """Compile a function that Python calls; it lets other threads run, and is kept on disk."""
    return njit(nogil=True, cache=True, error_model="numpy")(function)


class Lanes(types.Type):  # type: ignore[misc]
    """The type of sixteen numbers."""

    def __init__(self) -> None:
        super().__init__(name="lanes of float32")


@numba.extending.register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        super().__init__(dmm, fe_type, _VECTOR)


_LANES = Lanes()


def pointer(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """Where the numbers of a flat array begin."""
    return cgutils.create_struct_proxy(array_type)(context, builder, value=array).data


def read(builder: Any, data: Any, index: Any) -> Any:
    """LLVM: the sixteen numbers from ``index`` on."""
    place = builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())
    return builder.load(place, align=4)


def write(builder: Any, data: Any, index: Any, value: Any) -> None:
    """LLVM: write sixteen numbers from ``index`` on."""
    place = builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())
    builder.store(value, place, align=4)


def spread_scalar(builder: Any, scalar: Any) -> Any:
    """LLVM: the scalar in all lanes."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, _WORD(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_WORD, LANES), [0] * LANES))


def vector_fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """LLVM: ``a * b + c``, as one operation where the machine has it."""
    name = f"llvm.fmuladd.v{LANES}f32"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), name)
    return builder.call(function, [a, b, c])


def zero_vector() -> Any:
    """LLVM: zero in all lanes."""
    return ir.Constant(_VECTOR, [0.0] * LANES)


@intrinsic
def _at(typing_context: Any, address: Any) -> tuple[Any, Generate]:
    """A pointer to the float32 number at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.float32)(types.intp), generate


@inner
def numbers(address, count):  # type: ignore[no-untyped-def]
    """So many float32 numbers that lie at an address, as a flat array: a tensor's memory."""
    return carray(_at(address), count)


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> tuple[Any, Generate]:
    """The sixteen numbers of a flat contiguous float32 array from ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return read(builder, pointer(context, builder, array, arguments[0]), arguments[1])

    return _LANES(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> tuple[Any, Generate] | None:
    """Write sixteen numbers to a flat contiguous float32 array from ``index`` on."""
    if value != _LANES:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write(builder, pointer(context, builder, array, arguments[0]), arguments[1], arguments[2])
        return context.get_dummy_value()

    return types.none(array, types.intp, value), generate


@intrinsic
def filled(typing_context: Any, scalar: Any) -> tuple[Any, Generate]:
    """The scalar, rounded to float32, in all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return spread_scalar(builder, arguments[0])

    return _LANES(types.float32), generate


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> tuple[Any, Generate] | None:
    """``a * b + c``."""
    if not a == b == c == _LANES:
        return None
    return a(a, b, c), lambda context, builder, signature, arguments: vector_fma(builder, *arguments)


@intrinsic
def total(typing_context: Any, value: Any) -> tuple[Any, Generate]:
    """The sum of the lanes, in a fixed order: halves onto halves."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = arguments[0]
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        half = LANES // 2
        while half:
            order = [(lane + half) % LANES for lane in range(LANES)]
            mask = ir.Constant(ir.VectorType(_WORD, LANES), order)
            vector = builder.fadd(vector, builder.shuffle_vector(vector, undefined, mask))
            half //= 2
        return builder.extract_element(vector, _WORD(0))

    return types.float32(value), generate


def _where(comparison: str) -> Any:
    @intrinsic
    def where(typing_context: Any, a: Any, b: Any, c: Any, d: Any) -> tuple[Any, Generate] | None:
        if not a == b == c == d == _LANES:
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.select(builder.fcmp_ordered(comparison, *arguments[:2]), *arguments[2:])

        return a(a, b, c, d), generate

    return where


where_greater = _where(">")  # (a, b, c, d): c where a > b, else d; d where a or b is nan
where_equal = _where("==")


def _operator(symbol: Any, name: str) -> None:
    """Make an operator of Python act lane by lane."""

    @intrinsic
    def operate(typing_context: Any, a: Any, b: Any) -> tuple[Any, Generate]:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(*arguments, flags=_FAST)

        return a(a, b), generate

    def choose(a, b):  # type: ignore[no-untyped-def]  # numba compares the names with the lambda's
        return (lambda a, b: operate(a, b)) if a == b == _LANES else None

    numba.extending.overload(symbol)(choose)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")
