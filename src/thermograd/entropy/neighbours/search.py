"""The search for nearest neighbours by partial distances: exact, whatever the points are.

A sum of squares over some of the columns is at most the sum over all. So

1. a float32 Gram matrix of the first columns bounds every pair's distance from below (:mod:`.gram`), and it
   is extended to further columns for as long as that is cheaper than following the pairs still open;
2. pairs that may be near are summed on exactly, in float64, and dropped on the way when their partial sum
   outgrows what the neighbours' own is foreseen to be (:mod:`.follow`). What the Gram matrix knows of the
   first columns counts as a bound all the way, so these are visited last, by the few pairs that are left;
3. the neighbours found are the nearest unless another pair's lower bound is below their distance. All bounds
   are looked through, and such pairs measured in a second round, with the distances found as the limit.

What is foreseen (from how a few pairs' distances grow over the columns) decides how long it takes, never what
is found.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.columns import Columns
from thermograd.entropy.neighbours.follow import Growth, Pairs, follow, growth, nearest_of
from thermograd.entropy.neighbours.gram import PartialGram, products_in_one_thread
from thermograd.entropy.neighbours.room import Room, borrowed
from thermograd.entropy.neighbours.threads import thread_count
from thermograd.memory import physical_bytes

__all__ = ["search", "tile_bytes"]

# Time of one column of one pair followed, in columns of one pair of the Gram matrix, as measured: where it is
# made by BLAS, and where on a matrix unit.
_DIRECT, _DIRECT_TILED = 12.0, 16.0
_PILOTS = 16  # pairs whose growth over the columns is looked at
_BINS = 64  # quarter octaves of near distance over distance, for the plan
_LEAST_TILE = 2**26  # bytes of Gram matrix that are always granted
_SHARE = 4  # and of the data's size, one in so many
_MEMORY = 8  # and of the machine's memory, however large the data: they may lie in a file
_ROUND_OFF = 1 + 1e-12  # of a float64 sum of squares, generously


def search(
    columns: Columns, k: int, theiler: int, data_bytes: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Squared distances and indices of the ``k`` nearest neighbours of every point.

    Parameters
    ----------
    columns
        The points.
    k
        How many neighbours; every point must have as many that count.
    theiler
        Pairs of rows no farther apart than this do not count.
    data_bytes
        Size of the sample, by which :func:`tile_bytes` goes.

    """
    n = columns.n
    # A row of the matrix holds a float64 sum and a float32 product per point, and a square to be added.
    rows = int(max(1, min(n, tile_bytes(data_bytes) // (20 * n))))
    squared, index = np.empty((n, k)), np.empty((n, k), dtype=np.intp)
    with ThreadPoolExecutor(thread_count()) as threads, borrowed() as room:
        pool = threads if thread_count() > 1 else None
        for first in range(0, n, rows):
            tile = slice(first, min(first + rows, n))
            with products_in_one_thread(columns, tile.stop - tile.start):
                found = _search_rows(columns, tile.start, tile.stop, k, theiler, pool, room)
            squared[tile], index[tile] = found
            room.clear()
    return squared, index


def tile_bytes(data_bytes: int) -> int:
    """How much of the Gram matrix is made at a time, in bytes.

    A quarter of the data, at least 64 MB, at most an eighth of the memory that this machine has. A row of the
    matrix is made in any case.

    Parameters
    ----------
    data_bytes
        Size of the sample.

    Examples
    --------
    >>> tile_bytes(1000), tile_bytes(10**18) < physical_bytes() / 7
    (67108864, True)

    """
    return max(_LEAST_TILE, min(data_bytes // _SHARE, physical_bytes() // _MEMORY))


def _search_rows(
    columns: Columns,
    first: int,
    stop: int,
    k: int,
    theiler: int,
    pool: ThreadPoolExecutor | None,
    room: Room,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    n = columns.n
    gram = PartialGram(columns, first, stop, theiler, pool, room)
    gram.add(min(1, len(columns.widths)))
    upper, who = gram.nearest(k)
    pilots = np.unique(np.linspace(0, stop - first - 1, _PILOTS).astype(int))
    pilots = pilots[who[pilots, -1] >= 0]  # bounds that are no numbers have no neighbours
    known = growth(columns, pilots + first, who[pilots, -1], pool)
    while gram.done < len(columns.widths):
        goal = _plan(columns, gram, _spread_out(upper[:, -1], first, n), known)
        if goal <= gram.done:
            break
        gram.add(goal)
        upper, who = gram.nearest(k)
    part = max(float(known.part[gram.done]), 1e-300)
    reach = _spread_out(upper[:, -1], first, n) * (1 + known.margin[gram.done]) / part
    symmetric = gram.symmetric
    begin = gram.done % len(columns.widths) if columns.widths else 0
    i, j, bounds = gram.within(reach)
    near, dropped = follow(
        columns,
        i,
        j,
        k,
        symmetric=symmetric,
        known=known,
        reach=None,
        pool=pool,
        begin=begin,
        bounds=bounds if begin else None,
        further=gram.further() if begin else None,
        room=room,
    )
    squared, index = nearest_of(near, n, k, symmetric)
    # Infinite where too few were followed to the end: then everything is still open to that point.
    limit = np.full(n, -np.inf)
    limit[first:stop] = squared[first:stop, -1] * _ROUND_OFF
    again, _ = dropped.parted(limit, symmetric, Pairs.room_for(len(dropped.i), room))
    i, j = again.i, again.j
    if (limit > reach).any():
        more = gram.within(limit, reach)
        i, j = np.concatenate([i, more[0]]), np.concatenate([j, more[1]])
    if len(i):
        found = _measure_again(columns, i, j, k, symmetric, known, limit, pool, begin, room)
        squared, index = nearest_of(Pairs.join((near, found), room), n, k, symmetric)
    return squared[first:stop], index[first:stop]


def _measure_again(
    columns: Columns,
    i: NDArray[np.int32],
    j: NDArray[np.int32],
    k: int,
    symmetric: bool,
    known: Growth,
    limit: NDArray[np.float64],
    pool: ThreadPoolExecutor | None,
    begin: int,
    room: Room,
) -> Pairs:
    few, where = np.unique(np.concatenate([i, j]), return_inverse=True)
    options: dict[str, Any] = {"symmetric": symmetric, "known": known, "pool": pool, "begin": begin}
    if len(few) > columns.n // 4:
        return follow(columns, i, j, k, reach=limit, room=room, **options)[0]
    # Where coordinates must be computed, or read from a file, a few points cost less than all.
    left, right = where[: len(i)].astype(np.int32), where[len(i) :].astype(np.int32)
    some = columns.rows(few)
    found, _ = follow(some, left, right, k, reach=limit[few], room=room, **options)
    return Pairs(few[found.i].astype(np.int32), few[found.j].astype(np.int32), found.squared, found.others)


def _spread_out(values: NDArray[np.float64], first: int, n: int) -> NDArray[np.float64]:
    """One value for every point, minus infinity for those that are no row of the tile."""
    whole = np.full(n, -np.inf)
    whole[first : first + len(values)] = values
    return whole


def _plan(columns: Columns, gram: PartialGram, near: NDArray[np.float64], known: Growth) -> int:
    """How many blocks the Gram matrix should cover, by the cost of following the pairs then still open.

    A pair at ``near / ratio`` is open until the part ``ratio`` of its distance is known.
    """
    share = gram.histogram(near, _BINS)
    done = np.concatenate([[0], np.cumsum(columns.widths)])
    ratio = 2.0 ** ((np.arange(_BINS) - _BINS + 1.5) / 4)
    ratio[-1] = 2.0  # the neighbours themselves
    # A pair is dropped when it has outgrown what is foreseen and the doubt about it.
    told = np.maximum.accumulate(known.part / (1 + known.margin))
    until = np.interp(ratio, told, done)
    symmetric_half = 0.5 if gram.symmetric else 1.0
    direct = _DIRECT_TILED if gram.tiled else _DIRECT
    best, least = gram.done, np.inf
    goals = {gram.done, len(done) - 1}
    goals |= {min(gram.done * 2**p, len(done) - 1) for p in range(1, 30)}
    for goal in sorted(goals):
        product = symmetric_half * gram.rows * columns.n * (done[goal] - done[gram.done])
        still_open = ratio >= told[goal] if goal < len(done) - 1 else ratio >= 2.0
        cost = product + direct * float(np.sum((share * until)[still_open]))
        if cost < least:
            best, least = goal, cost
    return int(best)
