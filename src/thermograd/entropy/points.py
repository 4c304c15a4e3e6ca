"""What counts as a sample of points: a finite float32 or float64 array, one point a row."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.directions import Directions, row_norms
from thermograd.entropy.progress import row_blocks
from thermograd.errors import InputError

__all__ = ["NORM_TOLERANCE", "as_array", "as_directions", "as_points"]

_WHY_NOT_HALF = (
    "half precision rounds a coordinate by 5e-4 (float16) or 4e-3 (bfloat16) of itself, far more than "
    "neighbouring iterates differ"
)
NORM_TOLERANCE = 1e-5
"""What normalising in float32, by whatever method, may leave; rows farther off are no directions."""


def as_array(x: Any, owner: str) -> NDArray[np.floating[Any]]:
    """``x`` as a numpy array of float32 or float64, never rounded on the way.

    Parameters
    ----------
    x
        Anything numpy understands, or a tensor with ``detach().cpu().numpy()`` (so torch need not be there).
    owner
        Who asks, for the message.

    Raises
    ------
    InputError
        When the numbers are of half precision, integers or complex, or the rows of different lengths.

    Examples
    --------
    >>> as_array([[1, 2]], "entropy")
    Traceback (most recent call last):
    thermograd.errors.InputError: entropy: points are of type int64; expected float32 or float64

    """
    # Asked before the conversion: numpy has no bfloat16 to convert a tensor to.
    name = str(getattr(x, "dtype", "")).removeprefix("torch.")
    if name in ("float16", "bfloat16"):
        raise InputError(
            f"{owner}: points are of type {name}; expected float32 or float64, because {_WHY_NOT_HALF}"
        )
    if hasattr(x, "detach"):
        x = x.detach().cpu().numpy()
    if isinstance(x, np.ma.MaskedArray):
        raise InputError(f"{owner}: points are a masked array; expected the rows that are not masked")
    # A file stays one, to be read a few columns at a time; other kinds of arrays become plain.
    try:
        array = x if type(x) is np.memmap else np.asarray(x)
    except ValueError as error:
        raise InputError(
            f"{owner}: points make no array ({error}); expected rows of equal length, float32 or float64"
        ) from error
    if array.dtype.newbyteorder("=") not in (np.float32, np.float64):
        raise InputError(f"{owner}: points are of type {array.dtype}; expected float32 or float64")
    return cast("NDArray[np.floating[Any]]", array)


def as_points(x: Any, owner: str, *, at_least: int) -> NDArray[np.floating[Any]]:
    """A sample of points, checked: two-dimensional, finite, enough rows, not all the same.

    Parameters
    ----------
    x
        The sample, shape ``(n, m)``, as in :func:`as_array`.
    owner
        Who asks, for the message.
    at_least
        The smallest number of points accepted.

    Raises
    ------
    InputError
        When any of that fails; rows that are not finite are named by their index.

    """
    points = as_array(x, owner)
    if points.ndim != 2 or points.shape[1] == 0:
        raise InputError(f"{owner}: points have shape {points.shape}; expected (number of points, dimension)")
    if len(points) < at_least:
        raise InputError(f"{owner}: {len(points)} points were given; expected at least {at_least}")
    # The sum of a row is finite unless an entry is not, or the sum overflows: then look closer.
    sums = np.empty(len(points))
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in row_blocks("values", (len(points), points.shape[1])):
            sums[rows] = points[rows].sum(axis=1)
    suspects = np.flatnonzero(~np.isfinite(sums))
    bad = [int(i) for i in suspects if not np.isfinite(points[i]).all()]
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        raise InputError(
            f"{owner}: {len(bad)} of {len(points)} points hold nan or inf (rows {shown}); expected finite"
        )
    if all(np.array_equal(row, points[0]) for row in points[1:]):  # stops at the first that differs
        raise InputError(f"{owner}: all {len(points)} points are the same; expected a sample that varies")
    return points


def as_directions(x: Any, owner: str, *, at_least: int) -> Directions:
    """A sample of unit vectors, shape ``(n, d)``, ``d >= 2``, checked to 1e-5 in the norm.

    Rows whose norm is not 1 to round-off are divided by it where they are used.

    Parameters
    ----------
    x
        The sample, as in :func:`as_points`.
    owner
        Who asks, for the message.
    at_least
        The smallest number of points accepted.

    Raises
    ------
    InputError
        When a row is not of norm 1, or as :func:`as_points` does.

    """
    points = as_points(x, owner, at_least=at_least)
    if points.shape[1] < 2:
        raise InputError(
            f"{owner}: points have dimension {points.shape[1]}; expected at least 2 for a sphere"
        )
    norms = row_norms(points)
    worst = int(np.argmax(np.abs(norms - 1.0)))
    if abs(norms[worst] - 1.0) > NORM_TOLERANCE:
        raise InputError(
            f"{owner}: row {worst} has norm {norms[worst]:.6g}; expected unit vectors: "
            "divide each row by its norm, x / np.linalg.norm(x, axis=1, keepdims=True)"
        )
    return Directions(points, norms)
