"""Exact distances to the nearest neighbours, in any dimension.

A Gram matrix gives all squared distances at the price of one matrix product, but as differences of large
numbers: for points a distance ``rho`` apart that lie ``R`` from the origin its relative error is about
``eps (R/rho)^2``, which for iterates of SGD in float32 is everything. And most of them are not needed: the
squares of a few columns, which any distance exceeds, tell that two points are no neighbours. What is left is
measured as sums of squared differences (:mod:`.search` says how, and why nothing can be missed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.columns import StraightColumns
from thermograd.entropy.neighbours.scales import distances_at_any_scale
from thermograd.entropy.neighbours.search import search
from thermograd.entropy.neighbours.tree import tree_neighbours
from thermograd.entropy.points import as_array
from thermograd.errors import InputError

__all__ = ["Neighbours", "check_neighbours", "nearest_neighbours"]

Points: TypeAlias = NDArray[np.floating[Any]]
Vector: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]

TREE_DIMENSION = 8
"""Up to here a k-d tree beats the search by columns."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest other points of every point, nearest first.

    Attributes
    ----------
    distance
        Shape ``(n, k)``, float64. Zero where points coincide.
    index
        Shape ``(n, k)``: which points they are; of those whose squared distances are equal as float64 sums,
        the ones of lower index.

    """

    distance: Vector
    index: Indices


def nearest_neighbours(
    x: Any, k: int = 1, *, period: float | None = None, theiler: int = 0, device: Any = None
) -> Neighbours:
    """The ``k`` nearest neighbours of every point, with distances exact to the round-off of one subtraction.

    ``rho_i^2`` is the k-th smallest of ``sum_c (x_ic - x_jc)^2`` over the points ``j`` with
    ``|i - j| > theiler``, summed in float64.

    Parameters
    ----------
    x
        Points in time order, shape ``(n, m)``, float32 or float64, finite. Never copied as a whole; a
        ``numpy.memmap`` is read a few columns at a time and may be larger than memory. A torch tensor on a
        GPU stays there.
    k
        How many neighbours, from 1 to ``n - 1`` (fewer with ``theiler``).
    period
        When given, the last coordinate is an angle of this period: differences of it are wrapped to at most
        half a period.
    theiler
        Points no farther apart in time than so many rows are no neighbours.
    device
        Of torch's, such as ``"cuda"``: whole Gram matrices are multiplied there, and what they leave open is
        measured there in float64 (:mod:`.torch_gram`). Without it, the processor and few columns.

    Returns
    -------
    Neighbours
        Euclidean distances and indices.

    Raises
    ------
    InputError
        When too few points are left to some point, or a setting is out of range; when distances span more
        than float64 can square, at whatever scale.

    Notes
    -----
    Exact by proof, not by chance: a pair is left out only when a sum over some of its columns, or a bound of
    it with the rounding errors of the float32 product accounted for, exceeds the distances measured. No
    random numbers are involved. The order of columns and what is foreseen decide the time only.

    Time: for iterates of a random walk some ``10 n m`` operations and a matrix product of 1024 columns; for
    points that are all about equally far apart the whole product, ``n^2 m``; at worst (tight clusters far
    apart, of points about equally far) ``n^2 m`` differences. Memory: 20 bytes for every pair of points, at
    most a quarter of the data or 64 MB, whichever is more, and 80 bytes for every pair followed. Up to
    64 MB are kept for the next search: to have them made anew costs as much as the work done in them.

    References
    ----------
    For ``theiler``: J. Theiler, Phys. Rev. A 34 (1986) 2427.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [3.0]])
    >>> nearest_neighbours(x).distance[:, 0], nearest_neighbours(x, period=3.5).index[:, 0]
    (array([1., 1., 2.]), array([2, 0, 0]))

    """
    if device is None and getattr(x, "is_cuda", False):
        device = x.device
    points = x if device is not None and hasattr(x, "detach") else as_array(x, "nearest_neighbours")
    if points.ndim != 2 or points.shape[1] == 0:
        raise InputError(
            f"nearest_neighbours: points have shape {tuple(points.shape)}; expected (number, dimension)"
        )
    check_neighbours("nearest_neighbours", len(points), k, period, theiler)
    if device is not None:
        return _on_device(points, k, period, theiler, device)

    def squares(power: int) -> tuple[Vector, Indices]:
        if points.shape[1] > TREE_DIMENSION:
            return search(StraightColumns(points, period, power), k, theiler, points.nbytes)
        scaled = np.ldexp(points.astype(np.float64), power) if power else points
        return tree_neighbours(scaled, k, None if period is None else float(np.ldexp(period, power)), theiler)

    few = points.shape[1] <= TREE_DIMENSION
    found = distances_at_any_scale("nearest_neighbours", points, period, squares, look_first=few)
    return Neighbours(*found)


def _on_device(points: Any, k: int, period: float | None, theiler: int, device: Any) -> Neighbours:
    import torch

    from thermograd.entropy.neighbours.torch_gram import torch_neighbours

    try:
        torch.empty(0, dtype=torch.float64, device=device)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise InputError(
            f"nearest_neighbours: device is {device!r}; expected one of torch's that is there and has float64"
        ) from error
    if points.dtype not in (np.float32, np.float64, torch.float32, torch.float64):
        raise InputError(
            f"nearest_neighbours: points are of type {points.dtype}; expected float32 or float64"
        )
    squared, index = torch_neighbours(points, k, period, theiler, device)
    wrong = np.flatnonzero(~((squared == 0) | ((squared > 1e-295) & (squared < 1e300))).all(axis=1))
    if len(wrong):
        raise InputError(
            f"nearest_neighbours: the square of row {wrong[0]}'s distance to a neighbour is beyond float64; "
            "expected finite points of ordinary size on a device"
        )
    return Neighbours(np.sqrt(squared), index)


def check_neighbours(owner: str, n: int, k: int, period: float | None, theiler: int) -> None:
    """Refuse settings that ``n`` points can not answer.

    Parameters
    ----------
    owner
        Who asks, for the message.
    n, k, period, theiler
        As for :func:`nearest_neighbours`.

    Raises
    ------
    InputError
        When one is out of range.

    Examples
    --------
    >>> check_neighbours("S", 10, 5, None, 3)
    Traceback (most recent call last):
    thermograd.errors.InputError: S: 10 points leave 3 neighbours outside theiler = 3; expected at least k = 5

    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError(f"{owner}: k (how many neighbours) is {k!r}; expected an integer of at least 1")
    if isinstance(theiler, bool) or not isinstance(theiler, int | np.integer) or theiler < 0:
        raise InputError(f"{owner}: theiler (in samples) is {theiler!r}; expected an integer of at least 0")
    number = isinstance(period, int | float | np.number) and not isinstance(period, bool)
    if period is not None and not (number and 0 < period < np.inf):
        raise InputError(f"{owner}: period is {period!r}; expected a positive number")
    # The middle point has theiler samples on either side, as far as there are any.
    middle = n // 2
    left = n - 1 - min(middle, theiler) - min(n - 1 - middle, theiler)
    if n == 0 or left < k:
        raise InputError(
            f"{owner}: {n} points leave {max(left, 0)} neighbours outside theiler = {theiler}; "
            f"expected at least k = {k}"
        )
