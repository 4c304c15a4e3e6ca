"""How the report writes numbers and names."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from thermograd.figures.style import value_text

__all__ = [
    "PROTOCOL_NAMES",
    "VERSIONS",
    "exact",
    "formula",
    "number",
    "percent",
    "percent_with_error",
    "place",
    "plain",
    "with_error",
]

PROTOCOL_NAMES = {"FixedSphere": "fixed sphere", "FixedELR": "fixed ELR", "FixedLR": "fixed LR"}
"""The protocols as running text names them."""

VERSIONS = {"sde": "SDE", "discrete": "discrete", "finite_step": "finite-step"}
"""The versions of the law of the radius as running text names them."""


def number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, a real minus sign, and a dash where there is none.

    Examples
    --------
    >>> [number(x) for x in (0.0, -1.02862, 24408.0, 3.2e-7, float("nan"))]
    ['0', '−1.03', '24400', '3.2e-7', '–']

    """
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
        rounded = float(f"{value:.{digits - 1}e}")
        text = f"{rounded:.{decimals}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return text.replace("-", "−", 1) if value < 0 else text


def with_error(value: float, error: float) -> str:
    """A measurement with its standard error, to the same decimal: two digits of the error are kept.

    Examples
    --------
    >>> with_error(-1.02862, 0.0123), with_error(578398.0, 52516.0), with_error(0.0034, float("nan"))
    ('−1.029 ± 0.012', '578000 ± 53000', '0.0034 (error unknown)')

    """
    if not math.isfinite(value):
        return "–"
    if not (math.isfinite(error) and error > 0):
        return f"{number(value)} (error unknown)"
    decimals = 1 - math.floor(math.log10(error))
    if decimals > 6 or abs(value) >= 1e7:
        return f"{number(value, 4)} ± {number(error, 2)}"
    value, error = round(value, decimals), round(error, decimals)
    return f"{value:.{max(decimals, 0)}f} ± {error:.{max(decimals, 0)}f}".replace("-", "−", 1)


def percent(value: float) -> str:
    """A fraction as a percentage of two or three digits.

    Examples
    --------
    >>> percent(0.0253), percent(-0.4), percent(0.00012)
    ('2.53%', '−40%', '0.012%')

    """
    return f"{number(100 * value)}%" if math.isfinite(value) else "–"


def percent_with_error(value: float, error: float) -> str:
    """A fraction and its standard error as percentages.

    Examples
    --------
    >>> percent_with_error(0.0253, 0.0041), percent_with_error(float("nan"), 0.1)
    ('(2.53 ± 0.41)%', '–')

    """
    if not math.isfinite(value):
        return "–"
    return f"({with_error(100 * value, 100 * error)})%" if math.isfinite(error) else percent(value)


def formula(text: str) -> str:
    """A formula that is written as code, as it is printed.

    Examples
    --------
    >>> formula("elr * radius**2"), formula("(dS/dlog wd)_elr = -(d-1)/2")
    ('elr × radius²', '(dS/d log wd)_elr = −(d−1)/2')

    """
    return text.replace("**2", "²").replace(" * ", " × ").replace("-", "−").replace("dlog", "d log")


def exact(value: float) -> str:
    """A published number with all its digits and no exponent.

    Examples
    --------
    >>> exact(0.00008), exact(-0.0015), exact(float("nan"))
    ('0.00008', '−0.0015', '–')

    """
    if not math.isfinite(value):
        return "–"
    return np.format_float_positional(value, trim="-").replace("-", "−")


def place(point: Mapping[str, float]) -> str:
    """A grid point in words.

    Examples
    --------
    >>> place({"lr": 0.1, "wd": 3.16e-4})
    'lr = 0.1, wd = 3.16e-4'

    """
    return ", ".join(f"{name} = {value_text(value)}" for name, value in point.items())


def plain(value: object) -> str:
    """An attribute of a dataset as text: numpy's scalars and lists as Python writes their contents."""
    items = np.asarray(value).ravel().tolist() if isinstance(value, (list, tuple, np.ndarray)) else [value]
    return ", ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in items)
