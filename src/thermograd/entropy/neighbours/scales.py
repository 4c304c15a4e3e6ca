"""Points whose squared distances float64 can not hold: scaled by a power of 2, which loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.columns import wrapped
from thermograd.errors import InputError

__all__ = ["distances_at_any_scale"]

_LEAST, _MOST = 1e-295, 1e300  # squared distances between which no digit is lost
_ORDINARY = 200  # powers of 2 within which squares do not overflow, and hardly ever underflow
_NUMBERS = 2**22  # looked at together

Found = tuple[NDArray[np.float64], NDArray[np.intp]]


def distances_at_any_scale(
    owner: str,
    x: NDArray[np.floating[Any]],
    period: float | None,
    search: Callable[[int], Found],
    *,
    look_first: bool = False,
) -> Found:
    """Distances to the nearest neighbours and who they are, from a search of squares that may overflow.

    Looking at all numbers beforehand costs as much as half of a search of many columns: there, what was
    found tells.

    Parameters
    ----------
    owner
        Who asks, for the message.
    x
        The points, shape ``(n, m)``.
    period
        Of the last coordinate; ``None`` for none.
    search
        Gives squared distances and indices when all coordinates are multiplied by 2 to a power.
    look_first
        Whether to choose the power, and refuse what is not finite, before any search.

    Raises
    ------
    InputError
        When points hold nan or inf, or neighbours are too near for points as large.

    Examples
    --------
    >>> x = np.array([[0.0], [1e200], [3e200]])
    >>> def search(power):
    ...     x0, x1, x2 = np.ldexp(x[:, 0], power)
    ...     with np.errstate(over="ignore"):
    ...         return np.array([[x1 - x0], [x1 - x0], [x2 - x1]]) ** 2, np.array([[1], [0], [1]])
    >>> distances_at_any_scale("doctest", x, None, search)[0][:, 0]
    array([1.e+200, 1.e+200, 2.e+200])

    """
    largest = _largest(owner, x) if look_first else 1.0
    power = -int(np.frexp(largest)[1])
    if abs(power) < _ORDINARY:
        # Overflow is awaited here, and makes infinite, or nan, what is looked for below.
        with np.errstate(over="ignore", invalid="ignore"):
            squared, index = search(0)
        if not len(_doubtful(x, squared, index, period)):
            return np.sqrt(squared), index
        largest = _largest(owner, x)
        power = -int(np.frexp(largest)[1])
    squared, index = search(power)
    wrong = _doubtful(x, squared, index, period)
    if len(wrong):
        raise InputError(
            f"{owner}: row {wrong[0]} and its neighbour nearly coincide beside coordinates as large as "
            f"{largest:.3g}; expected distances of at least 1e-147 of that, or of zero"
        )
    return np.ldexp(np.sqrt(squared), -power), index


def _doubtful(
    x: NDArray[np.floating[Any]],
    squared: NDArray[np.float64],
    index: NDArray[np.intp],
    period: float | None,
) -> NDArray[np.intp]:
    """Rows with squares that over- or underflowed; points that truly coincide are not among them."""
    rows, places = np.nonzero(~((squared >= _LEAST) & (squared <= _MOST)))
    others = index[rows, places]
    apart = np.ones(len(rows), dtype=bool)
    small = np.flatnonzero(squared[rows, places] < _LEAST)
    step = max(1, _NUMBERS // x.shape[1])
    for start in range(0, len(small), step):
        some = small[start : start + step]
        difference = np.subtract(x[rows[some]], x[others[some]], dtype=np.float64)
        if period is not None:
            difference[:, -1] = wrapped(difference[:, -1], period)
        apart[some] = difference.any(axis=1)
    return np.unique(rows[apart])


def _largest(owner: str, x: NDArray[np.floating[Any]]) -> float:
    step = max(1, _NUMBERS // x.shape[1])
    found = 0.0
    for start in range(0, len(x), step):
        size = np.abs(x[start : start + step]).max(axis=1)
        bad = np.flatnonzero(~np.isfinite(size))
        if len(bad):
            raise InputError(f"{owner}: row {start + bad[0]} holds nan or inf; expected finite points")
        found = max(found, float(size.max()))
    return found
