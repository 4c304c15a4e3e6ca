"""The most faithful queue of directions that fits a memory budget."""

from __future__ import annotations

import os

from numpy.typing import DTypeLike

from thermograd.entropy.neighbours.nearest import TREE_DIMENSION
from thermograd.entropy.neighbours.search import tile_bytes
from thermograd.entropy.queues.difference_queue import DifferenceQueue
from thermograd.entropy.queues.disk_queue import DiskQueue
from thermograd.entropy.queues.queue import DirectionQueue, check_dtype
from thermograd.entropy.queues.sketch_queue import SketchQueue
from thermograd.entropy.queues.stream import EntropyQueue, check_at_least
from thermograd.errors import InputError
from thermograd.memory import physical_bytes

__all__ = ["check_fits", "entropy_queue", "search_bytes"]

_WIDTHS = (16384, 8192, 4096, 2048, 1024, 512)
_WORTH = 8  # numbers of a vector per number of its sketch, at least: below, the sketch says too little
_BASE = 2**26  # what any estimate takes, however small: blocks, compiled code


def entropy_queue(
    size: int,
    dim: int,
    budget: int,
    *,
    dtype: DTypeLike = "float64",
    folder: str | os.PathLike[str] | None = None,
) -> EntropyQueue:
    """A queue for the entropy of the last ``size`` directions, the most faithful that fits a budget.

    In this order, with ``N`` vectors of length ``d``, ``b`` bytes a weight, and on top what a search for
    neighbours takes (:func:`search_bytes`):

    1. :class:`DirectionQueue`: nothing is lost; ``N d (b + 8)`` bytes.
    2. :class:`DiskQueue`, if a folder is named: nothing is lost but time; ``N d (b + 8)`` bytes of disk.
    3. :class:`DifferenceQueue`: next to nothing is lost; ``4 N d`` bytes.
    4. :class:`SketchQueue`: distances with noise; ``32 N K`` bytes, ``K`` numbers a vector.

    What the choice loses is said by its ``loses``.

    Parameters
    ----------
    size
        How many vectors, at least 2.
    dim
        Their length ``d``, at least 2.
    budget
        Bytes of memory, for the queue and an estimate from it together. A vector handed over is not counted.
    dtype
        Of the weights that will be handed over: ``"float32"`` or ``"float64"``.
    folder
        Where vectors may lie on disk; ``None`` for nowhere.

    Returns
    -------
    EntropyQueue
        Empty (or, from a folder, as it was left).

    Raises
    ------
    InputError
        When an argument is out of range, or not even sketches fit.

    Examples
    --------
    4000 vectors of ResNet-18(32), 134 GB in float32 with their directions:

    >>> queue = entropy_queue(4000, 2_790_240, 2_000_000_000, dtype="float32")
    >>> type(queue).__name__, queue.width, queue.bytes
    ('SketchQueue', 8192, 262144000)
    >>> print(queue.loses.partition(",")[0])
    sketches of 8192 numbers: about 3.4e+02 nats of standard error

    """
    owner = "entropy_queue"
    check_at_least(owner, 2, size=size, dim=dim)
    check_at_least(owner, 1, budget=budget)
    kind = check_dtype(owner, dtype)
    window = 8 * size * dim
    if DirectionQueue.bytes_needed(size, dim, kind) + window + search_bytes(size, dim, window) <= budget:
        return DirectionQueue(size, dim, kind)
    if folder is not None and search_bytes(size, dim, window) + 3 * 8 * dim <= budget:
        return DiskQueue(size, dim, folder, kind)
    differences = DifferenceQueue.bytes_needed(size, dim)
    if differences + search_bytes(size, dim, differences) <= budget:
        return DifferenceQueue(size, dim, budget=budget)
    widths = [width for width in _WIDTHS if width * _WORTH <= dim]
    needed = 0
    for width in widths:
        sketches = SketchQueue.bytes_needed(size, dim, width)
        needed = 4 * sketches + search_bytes(size, width, sketches)
        if needed <= budget:
            return SketchQueue(size, dim, width=width)
    least = needed if widths else differences + search_bytes(size, dim, differences)
    raise InputError(
        f"{owner}: {size} vectors of length {dim} need {least / 1e6:.3g} MB at least; "
        f"expected at most the budget of {budget / 1e6:.3g} MB"
    )


def search_bytes(size: int, dim: int, data: int) -> int:
    """The memory that a search for nearest neighbours takes beside the points, in bytes, at most.

    Parameters
    ----------
    size, dim
        Number of points and of their coordinates.
    data
        Bytes of the points.

    Examples
    --------
    >>> search_bytes(1000, 50_000, 400_000_000) / 1e6, search_bytes(10**6, 3, 24 * 10**6) / 1e6
    (107.108864, 239.108864)

    """
    if dim <= TREE_DIMENSION:  # two float64 copies, nodes, and what is found
        return _BASE + 2 * 8 * size * dim + 124 * size
    # 20 bytes a pair in tiles, at least a row of them, and about as much again for the pairs followed.
    return _BASE + 2 * min(20 * size**2, max(20 * size, tile_bytes(data)))


def check_fits(owner: str, size: int, dim: int, data: int, *, covariance: bool = False) -> None:
    """Refuse, before any work, points whose entropy this machine has not the memory for.

    Parameters
    ----------
    owner
        Who asks, for the message.
    size, dim
        Number of points and of their coordinates.
    data
        Bytes of the points, which may lie in a file.
    covariance
        Whether the estimator takes float64 copies of the points and of their covariance, and not a search.

    Raises
    ------
    InputError
        With the number of bytes.

    Examples
    --------
    >>> check_fits("x.npy", 10, 10**7, 80 * 10**7, covariance=True)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    thermograd.errors.InputError: x.npy: 10 points of 10000000 coordinates need 2.4e+06 GB of memory; ...

    """
    needed = 3 * 8 * (dim**2 + size * dim) if covariance else search_bytes(size, dim, data)
    allowed = 0.8 * physical_bytes()
    if needed > allowed:
        raise InputError(
            f"{owner}: {size} points of {dim} coordinates need {needed / 1e9:.3g} GB of memory; "
            f"expected at most {allowed / 1e9:.3g} GB, 80% of what there is"
        )
