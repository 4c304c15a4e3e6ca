"""Exact squared distances of many pairs at once, giving up those surely, or probably, too far apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.columns import Block, Columns, wrapped
from thermograd.entropy.neighbours.room import Room
from thermograd.entropy.neighbours.threads import in_ranges

__all__ = ["Growth", "Pairs", "follow", "growth", "nearest_of"]

_CHECKS = 1.25  # pairs are looked through whenever the part of the distance that is known has grown by this
# Standard deviations of what is foreseen: one in 700 pairs falls outside and needs a second round.
_SIGMAS = 3.0
_LEAST, _MOST = 0.02, 2.0  # and not less, or more, of a squared distance


@dataclass(frozen=True)
class Growth:
    """Which part of a squared distance the first blocks tell, and how surely.

    Attributes
    ----------
    part
        Shape ``(blocks + 1,)``, from 0 (or what the periodic coordinate gives) to 1, never falling: a mean.
    margin
        By how much of itself a squared distance foreseen from so many blocks may be off.

    """

    part: NDArray[np.float64]
    margin: NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of points with the squares summed for them: a distance, or a lower bound of it.

    Attributes
    ----------
    i, j
        The points.
    squared
        Sums of squares over the columns seen.
    others
        Lower bounds of the sums over others, zero where no others are left.

    """

    i: NDArray[np.int32]
    j: NDArray[np.int32]
    squared: NDArray[np.float64]
    others: NDArray[np.float64]

    @staticmethod
    def room_for(count: int, room: Room) -> Pairs:
        """As many pairs, of whatever is there."""
        return Pairs(
            room.array(count, np.int32), room.array(count, np.int32), room.array(count), room.array(count)
        )

    def cut(self, start: int, stop: int) -> Pairs:
        """Some of them: a view."""
        part = slice(start, stop)
        return Pairs(self.i[part], self.j[part], self.squared[part], self.others[part])

    def parted(
        self, reach: NDArray[np.float64], symmetric: bool, gone: Pairs, already: int = 0
    ) -> tuple[Pairs, int]:
        """Keep those within ``reach`` (squared) of their first, or when symmetric of either, point, in place.

        The others go to ``gone``, behind ``already`` that are there; how many are there then comes second.
        """
        from thermograd.entropy.neighbours import compiled_search

        mine, theirs = ((pairs.i, pairs.j, pairs.squared, pairs.others) for pairs in (self, gone))
        stay, there = compiled_search.parted(*mine, len(self.i), reach, symmetric, *theirs, already)
        return self.cut(0, stay), there

    @staticmethod
    def join(parts: Sequence[Pairs], room: Room) -> Pairs:
        """All of several lists."""
        whole = Pairs.room_for(sum(len(part.i) for part in parts), room)
        np.concatenate([part.i for part in parts], out=whole.i)
        np.concatenate([part.j for part in parts], out=whole.j)
        np.concatenate([part.squared for part in parts], out=whole.squared)
        np.concatenate([part.others for part in parts], out=whole.others)
        return whole


def nearest_of(pairs: Pairs, n: int, k: int, symmetric: bool) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The ``k`` smallest squared distances of every point among the pairs, and to whom; infinite where fewer.

    Parameters
    ----------
    pairs
        Each pair at most once.
    n, k
        Number of points, and of neighbours.
    symmetric
        Whether a pair counts for both of its points or for the first.

    """
    from thermograd.entropy.neighbours import compiled_search

    values, indices = np.full((n, k), np.inf), np.full((n, k), -1, dtype=np.intp)
    compiled_search.nearest_of_pairs(
        pairs.i, pairs.j, pairs.squared, pairs.others, symmetric, values, indices
    )
    return values, indices


def growth(
    columns: Columns, i: NDArray[Any], j: NDArray[Any], pool: ThreadPoolExecutor | None = None
) -> Growth:
    """How squared distances grow over the blocks of columns, seen on a few pairs.

    Parameters
    ----------
    columns
        The points.
    i, j
        The pairs, different points each.
    pool
        Threads.

    """
    from thermograd.entropy.neighbours import compiled_squares

    sample, left, right = columns, i.astype(np.int32), j.astype(np.int32)
    if not columns.at_hand:
        few, where = np.unique(np.concatenate([i, j]), return_inverse=True)
        left, right = where[: len(i)].astype(np.int32), where[len(i) :].astype(np.int32)
        sample = columns.rows(few)
    squared = _begin(sample, left, right, Room())
    added = np.zeros((len(columns.widths), len(left)))
    if sample.at_hand:
        found = list(sample.blocks(pool))
        ranges = np.array([(a, b) for _, a, b in found]).reshape(-1, 2)
        values = found[0][0] if found else np.empty((0, 0))
        in_ranges(
            pool, partial(compiled_squares.squares_of_ranges, values, ranges, left, right, added), len(left)
        )
    else:
        for block, (values, a, b) in enumerate(sample.blocks(pool)):
            compiled_squares.squares_of_ranges(
                values, np.array([(a, b)]), left, right, added[block:], 0, len(left)
            )
    sums = np.cumsum([squared, *added], axis=0)
    squared = sums[-1]
    apart = (squared > 0) & np.isfinite(squared)
    if not apart.any():  # coincident pairs know nothing: count the columns instead
        part = np.append(0.0, np.cumsum(columns.widths) / max(1, sum(columns.widths)))
        return Growth(part, np.full(len(part), _MOST))
    parts = sums[:, apart] / squared[apart]
    part = parts.mean(axis=1)
    margin = np.clip(_SIGMAS * parts.std(axis=1) / np.maximum(part, 1e-300), _LEAST, _MOST)
    margin[-1] = 0.0  # nothing is left to foresee
    return Growth(part, margin)


def _begin(columns: Columns, i: NDArray[np.int32], j: NDArray[np.int32], room: Room) -> NDArray[np.float64]:
    angle, period = columns.periodic
    squared = room.zeros(len(i))
    if period:
        np.square(wrapped(angle[i] - angle[j], period), out=squared)
    return squared


def follow(
    columns: Columns,
    i: NDArray[np.int32],
    j: NDArray[np.int32],
    k: int,
    *,
    symmetric: bool,
    known: Growth,
    reach: NDArray[np.float64] | None,
    pool: ThreadPoolExecutor | None,
    begin: int,
    bounds: NDArray[np.float64] | None = None,
    further: Iterator[Block] | None = None,
    room: Room | None = None,
) -> tuple[Pairs, Pairs]:
    """Measure pairs over all columns, dropping on the way those that will not be among the ``k`` nearest.

    Parameters
    ----------
    columns
        The points.
    i, j
        The pairs; not kept in their order.
    k
        How many neighbours of a point matter.
    symmetric
        Whether a pair counts for both of its points or for the first.
    known
        How distances are foreseen to grow, by :func:`growth`.
    reach
        Squared distance beyond which a pair is of no use to a point, shape ``(n,)``. Without it, it is
        foreseen from the nearest so far, and a pair may be dropped that should not: its lower bound tells.
    pool
        Threads.
    begin
        The block to begin with; those before it come last.
    bounds
        Lower bounds of the pairs' squared distances over the blocks before ``begin``; 0 without.
    further
        The blocks from ``begin`` on, where somebody has them at hand.
    room
        Memory.

    Returns
    -------
    Pairs, Pairs
        Those measured completely, with exact squared distances; and those dropped, with lower bounds.

    """
    from thermograd.entropy.neighbours import compiled_squares

    room = room or Room()
    squared, others = _begin(columns, i, j, room), room.zeros(len(i))
    if bounds is not None:
        np.maximum(np.subtract(bounds, squared, out=others), 0.0, out=others)
    alive, dropped = Pairs(i, j, squared, others), Pairs.room_for(len(i), room)
    looked = float(known.part[begin]) if bounds is not None else 0.0
    after = islice(columns.blocks(pool, room), begin, None) if further is None else further
    # The blocks of which bounds are known come last: then hardly a pair is left to be measured over them.
    order = chain(after, islice(columns.blocks(pool, room), begin))
    blocks, gone = len(columns.widths), 0
    waiting: list[tuple[int, int]] = []
    for seen, (values, a, b) in enumerate(order, start=begin + 1):
        waiting.append((a, b))
        look = seen < blocks and known.part[seen] >= _CHECKS * looked and known.part[seen] > 0
        if columns.at_hand and not look and seen < begin + blocks:
            continue  # as many columns at once as can be: threads wait for one another every time
        ranges = np.array(waiting)
        work = partial(compiled_squares.add_squares, values, ranges, alive.i, alive.j, alive.squared)
        in_ranges(pool, work, len(alive.i))
        waiting.clear()
        if not look:
            continue
        looked = float(known.part[seen])
        limit = reach
        if limit is None:
            so_far = nearest_of(alive, columns.n, k, symmetric)[0][:, -1]
            limit = np.where(np.isfinite(so_far), so_far, 0.0) * (1 + known.margin[seen]) / looked
        alive, gone = alive.parted(limit, symmetric, dropped, gone)
        if not len(alive.i) and reach is not None:
            break
    alive.others.fill(0.0)
    return alive, dropped.cut(0, gone)
