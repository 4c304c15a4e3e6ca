"""The values of a grid's axis as a preset writes them: lists, ranges, and powers as the papers print them."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from thermograd.errors import InputError

__all__ = ["axis_values"]

_FORMS = (
    'a number, a list, a range "first:last:count", powers like "10^(-4+n/6), n=0..13", or a number per image '
    'like "0.005*B/128"'
)
_POWERS = re.compile(r"(\d+)\^\((-?\d+(?:/\d+)?)\+n(?:/(\d+))?\),n=(\d+)\.\.(\d+)")
_PER_IMAGE = re.compile(r"([0-9.]+(?:[eE][+-]?\d+)?)\*B/([0-9.]+)")
_MOST = 10_000


def axis_values(owner: str, value: object, batch_size: int = 128) -> tuple[float, ...]:
    """The numbers that an entry stands for, in the order in which they are written.

    Parameters
    ----------
    owner
        What the entry is, for the error message: file and key.
    value
        A number; ``"0.001:0.1:5"`` (five, log-spaced, rounded to six digits as on the command line);
        ``"10^(-4+n/6), n=0..13"`` (powers, rounded to twelve digits so that they are the same numbers on
        every machine); ``"0.005*B/128"`` (in proportion to the batch size, 0.005 at 128); or a list of these,
        which are joined. With a number in proportion to the batch size the list is put in order, and what
        comes out twice, to twelve digits, is taken once, since at some batch size it meets the others.
    batch_size
        Of the runs on this axis.

    Raises
    ------
    InputError
        If it is none of these.

    Examples
    --------
    >>> axis_values("elr", ["10^(-3+n/2), n=0..2", 0.5])
    (0.001, 0.00316227766017, 0.01, 0.5)
    >>> axis_values("radius", "2^(-2+n), n=0..4")
    (0.25, 0.5, 1.0, 2.0, 4.0)
    >>> [axis_values("elr", [0.005, "0.005*B/128"], batch_size) for batch_size in (32, 128, 512)]
    [(0.00125, 0.005), (0.005,), (0.005, 0.02)]
    >>> axis_values("wd", "some")
    Traceback (most recent call last):
    thermograd.errors.InputError: wd is 'some'; expected a number, a list, a range "first:last:count", ...

    """
    if isinstance(value, list | tuple):
        numbers = [number for item in value for number in axis_values(owner, item, batch_size)]
        if not _scaled(value):
            return tuple(numbers)
        return tuple(sorted({f"{number:.12g}": number for number in numbers}.values()))
    found: tuple[float, ...] = ()
    if isinstance(value, int | float) and not isinstance(value, bool):
        found = (float(value),)
    elif isinstance(value, str):
        text = re.sub(r"\s", "", value)
        found = _range(text) if text.count(":") == 2 else _powers(text) or _per_image(text, batch_size)
    if not found or not all(0 < number < math.inf for number in found):
        raise InputError(f"{owner} is {value!r}; expected {_FORMS}, all finite and above 0")
    return found


def _scaled(value: object) -> bool:
    """Whether a number in proportion to the batch size is among them."""
    if isinstance(value, list | tuple):
        return any(map(_scaled, value))
    return isinstance(value, str) and "B" in value


def _range(text: str) -> tuple[float, ...]:
    try:
        first, last, count = text.split(":")
        low, high, n = float(first), float(last), int(count)
    except ValueError:
        return ()
    if not (0 < low < high < math.inf and 2 <= n <= _MOST):
        return ()
    return tuple(float(f"{low * (high / low) ** (i / (n - 1)):.6g}") for i in range(n))


def _powers(text: str) -> tuple[float, ...]:
    match = _POWERS.fullmatch(text)
    if match is None:
        return ()
    base, start, divisor, first, last = match.groups()
    try:
        exponents = [
            Fraction(start) + Fraction(n, int(divisor or 1))
            for n in range(int(first), min(int(last), int(first) + _MOST) + 1)
        ]
        return tuple(float(f"{float(base) ** float(exponent):.12g}") for exponent in exponents)
    except (ZeroDivisionError, OverflowError):
        return ()


def _per_image(text: str, batch_size: int) -> tuple[float, ...]:
    match = _PER_IMAGE.fullmatch(text)
    try:
        return (float(f"{float(match[1]) * batch_size / float(match[2]):.12g}"),) if match else ()
    except (ValueError, ZeroDivisionError):
        return ()
