"""Eight float64 in one vector register: a SIMD type for numba's kernels of the neighbour search.

Left to itself, LLVM makes vectors of four on machines that have eight, and none of a running sum. Here the
vectors are values: one AVX-512, two AVX or four SSE registers. Numbers in memory may be float32; they are
widened when they are loaded. Only what the kernels need is there.

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
    "filled",
    "first",
    "following",
    "inverse_root",
    "largest",
    "load",
    "mantissas_and_exponents",
    "prefetch",
    "product",
    "root",
    "store",
    "total",
    "widest",
]

LANES = 8

# numba is typed in part, and differently from version to version; an intrinsic is called with one argument
# less than it is defined with.
types: Any = numba.core.types
cgutils: Any = numba.core.cgutils
models: Any = numba.extending.models
intrinsic: Any = numba.extending.intrinsic

_DOUBLES, _FLOATS = ir.VectorType(ir.DoubleType(), LANES), ir.VectorType(ir.FloatType(), LANES)
_LONGS, _INDEX = ir.VectorType(ir.IntType(64), LANES), ir.IntType(32)
_FAST = ("contract", "nsz")

# What an intrinsic's inner function is given: numba's context, LLVM's builder, the signature, the arguments.
Generate = Callable[[Any, Any, Any, Any], Any]


class Eight(types.Type):  # type: ignore[misc]
    """The type of eight float64."""

    def __init__(self) -> None:
        super().__init__(name="eight(float64)")


@numba.extending.register_model(Eight)
class _EightModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Eight) -> None:
        super().__init__(dmm, fe_type, _DOUBLES)


eight = Eight()


def _all(value: float | int, kind: Any = _DOUBLES) -> Any:
    return ir.Constant(kind, [value] * LANES)


def _moved(builder: Any, vector: Any, other: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(vector, other, ir.Constant(ir.VectorType(_INDEX, LANES), lanes))


def _place(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Pointer to 8 neighbours of a flat array."""
    data = cgutils.create_struct_proxy(array_type)(context, builder, value=array).data
    vector = ir.VectorType(data.type.pointee, LANES)
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> tuple[Any, Generate]:
    """The 8 numbers of a flat contiguous array from ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], *arguments)
        found = builder.load(place, align=array.dtype.bitwidth // 8)
        return found if array.dtype.bitwidth == 64 else builder.fpext(found, _DOUBLES)

    return eight(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> tuple[Any, Generate]:
    """Write 8 numbers to a flat contiguous array of float64 from ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(context, builder, signature.args[0], *arguments[:2]), align=8)
        return context.get_dummy_value()

    return types.none(array, types.intp, value), generate


@intrinsic
def prefetch(typing_context: Any, array: Any, index: Any) -> tuple[Any, Generate]:
    """Ask for what a flat contiguous array holds at ``index`` to be brought into the second cache."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], *arguments)
        place = builder.bitcast(place, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, _INDEX, _INDEX, _INDEX])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, _INDEX(0), _INDEX(2), _INDEX(1)])  # to read; second cache; data
        return context.get_dummy_value()

    return types.none(array, types.intp), generate


@intrinsic
def filled(typing_context: Any, scalar: Any) -> tuple[Any, Generate]:
    """The scalar in all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        undefined = ir.Constant(_DOUBLES, ir.Undefined)
        start = builder.insert_element(undefined, arguments[0], _INDEX(0))
        return _moved(builder, start, undefined, [0] * LANES)

    return eight(types.float64), generate


@intrinsic
def first(typing_context: Any, vector: Any) -> tuple[Any, Generate]:
    """The number in the first lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.extract_element(arguments[0], _INDEX(0))

    return types.float64(vector), generate


def _operator(symbol: Any, name: str) -> None:
    """Make an operator of Python act lane by lane."""

    @intrinsic
    def operate(typing_context: Any, a: Any, b: Any) -> tuple[Any, Generate]:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(*arguments, flags=_FAST)

        return eight(a, b), generate

    def choose(a, b):  # type: ignore[no-untyped-def]  # numba compares the names with the lambda's
        if not isinstance(a, Eight) or not isinstance(b, Eight):
            return None
        return lambda a, b: operate(a, b)

    numba.extending.overload(symbol)(choose)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")


@intrinsic
def following(typing_context: Any, vector: Any) -> tuple[Any, Generate]:
    """In each lane the sum over the lanes after it: 0 in the last."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zero = _all(0.0)
        found = _moved(builder, arguments[0], zero, list(range(1, LANES + 1)))
        for step in (1, 2, 4):
            lanes = [min(lane + step, LANES) for lane in range(LANES)]
            found = builder.fadd(found, _moved(builder, found, zero, lanes), flags=_FAST)
        return found

    return eight(vector), generate


def _call(builder: Any, name: str, result: Any, values: Any, fastmath: tuple[str, ...] = ()) -> Any:
    kind = ir.FunctionType(result, [value.type for value in values])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, values, fastmath=fastmath)


@intrinsic
def root(typing_context: Any, vector: Any) -> tuple[Any, Generate]:
    """The square root."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, f"llvm.sqrt.v{LANES}f64", _DOUBLES, arguments)

    return eight(vector), generate


@intrinsic
def inverse_root(typing_context: Any, vector: Any) -> tuple[Any, Generate]:
    """One over the square root of what float32 can hold, to 1e-16: an estimate in float32, and a cubic step.

    The flags allow the machine's own estimate of 12 or 14 bits with one Newton step of LLVM's.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        flags = ("afn", "arcp", "contract", "nsz", "ninf", "nnan", "reassoc")
        narrow = builder.fptrunc(arguments[0], _FLOATS)
        square_root = _call(builder, f"llvm.sqrt.v{LANES}f32", _FLOATS, [narrow], flags)
        y = builder.fpext(builder.fdiv(_all(1.0, _FLOATS), square_root, flags=flags), _DOUBLES)

        def times(a: Any, b: Any) -> Any:
            return builder.fmul(a, b, flags=_FAST)

        e = builder.fsub(_all(1.0), times(times(arguments[0], y), y), flags=_FAST)
        step = builder.fadd(_all(0.5), times(_all(0.375), e), flags=_FAST)
        return builder.fadd(y, times(times(y, e), step), flags=_FAST)

    return eight(vector), generate


@intrinsic
def widest(typing_context: Any, a: Any, b: Any) -> tuple[Any, Generate]:
    """The larger number in each lane; none may be nan."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return eight(a, b), generate


@intrinsic
def largest(typing_context: Any, vector: Any) -> tuple[Any, Generate]:
    """The largest number of all lanes; none may be nan."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = arguments[0]
        for step in (4, 2, 1):
            other = _moved(builder, found, found, [(lane + step) % LANES for lane in range(LANES)])
            found = builder.select(builder.fcmp_ordered(">", found, other), found, other)
        return builder.extract_element(found, _INDEX(0))

    return types.float64(vector), generate


def _of_all_lanes(name: str) -> Callable[[Any, Any], Any]:
    def of_all(typing_context: Any, vector: Any) -> tuple[Any, Generate]:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            found = arguments[0]
            for step in (4, 2, 1):
                other = _moved(builder, found, found, [(lane + step) % LANES for lane in range(LANES)])
                found = getattr(builder, name)(found, other, flags=_FAST)
            return builder.extract_element(found, _INDEX(0))

        return types.float64(vector), generate

    return of_all


total = intrinsic(_of_all_lanes("fadd"))
"""The sum of all lanes."""

product = intrinsic(_of_all_lanes("fmul"))
"""The product of all lanes."""


@intrinsic
def mantissas_and_exponents(typing_context: Any, vector: Any) -> tuple[Any, Generate]:
    """Positive normal numbers as mantissas in [1, 2) times powers of 2, and the exponents as numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], _LONGS)
        exponents = builder.sub(builder.lshr(bits, _all(52, _LONGS)), _all(1023, _LONGS))
        digits = builder.and_(bits, _all((1 << 52) - 1, _LONGS))
        mantissas = builder.bitcast(builder.or_(digits, _all(1023 << 52, _LONGS)), _DOUBLES)
        return context.make_tuple(
            builder, signature.return_type, [mantissas, builder.sitofp(exponents, _DOUBLES)]
        )

    return types.UniTuple(eight, 2)(vector), generate
