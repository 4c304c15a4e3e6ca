"""Exact squared distances of many pairs at once, giving up those surely, or probably, too far apart."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.columns import Block, Columns, wrapped
from thermograd.entropy.neighbours.threads import in_ranges

__all__ = ["Growth", "Pairs", "follow", "growth", "nearest_of"]

_CHECKS = 1.25  # pairs are looked through whenever the part of the distance that is known has grown by this


_SIGMAS = (
    3.0  # standard deviations of what is foreseen: one in 700 pairs falls outside and needs a second round
)
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

    def parted(self, reach: NDArray[np.float64], symmetric: bool) -> tuple[Pairs, Pairs]:
        """Those within ``reach`` (squared) of their first, or when symmetric of either, point; the others."""
        from thermograd.entropy.neighbours import compiled_search

        *arrays, near = compiled_search.parted(self.i, self.j, self.squared, self.others, reach, symmetric)
        return Pairs(*(array[:near] for array in arrays)), Pairs(*(array[near:] for array in arrays))

    @staticmethod
    def join(parts: list[Pairs]) -> Pairs:
        """All of several lists."""
        return Pairs(
            np.concatenate([part.i for part in parts]),
            np.concatenate([part.j for part in parts]),
            np.concatenate([part.squared for part in parts]),
            np.concatenate([part.others for part in parts]),
        )


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
    squared = _begin(sample, left, right)
    sums = [squared.copy()]
    for values, a, b in sample.blocks(pool):
        compiled_squares.add_squares(values, np.array([(a, b)]), left, right, squared, 0, len(left))
        sums.append(squared.copy())
    apart = (squared > 0) & np.isfinite(squared)
    if not apart.any():  # coincident pairs know nothing: count the columns instead
        part = np.append(0.0, np.cumsum(columns.widths) / max(1, sum(columns.widths)))
        return Growth(part, np.full(len(part), _MOST))
    parts = np.array(sums)[:, apart] / squared[apart]
    part = parts.mean(axis=1)
    margin = np.clip(_SIGMAS * parts.std(axis=1) / np.maximum(part, 1e-300), _LEAST, _MOST)
    margin[-1] = 0.0  # nothing is left to foresee
    return Growth(part, margin)


def _begin(columns: Columns, i: NDArray[np.int32], j: NDArray[np.int32]) -> NDArray[np.float64]:
    angle, period = columns.periodic
    return wrapped(angle[i] - angle[j], period) ** 2 if period else np.zeros(len(i))


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
) -> tuple[Pairs, Pairs]:
    """Measure pairs over all columns, dropping on the way those that will not be among the ``k`` nearest.

    Parameters
    ----------
    columns
        The points.
    i, j
        The pairs.
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

    Returns
    -------
    Pairs, Pairs
        Those measured completely, with exact squared distances; and those dropped, with lower bounds.

    """
    from thermograd.entropy.neighbours import compiled_squares

    squared, blocks = _begin(columns, i, j), len(columns.widths)
    others = np.zeros(len(i)) if bounds is None else np.maximum(bounds - squared, 0.0)
    alive = Pairs(i, j, squared, others)
    dropped: list[Pairs] = []
    looked = float(known.part[begin]) if bounds is not None else 0.0
    after = islice(columns.blocks(pool), begin, None) if further is None else further
    # The blocks of which bounds are known come last: then hardly a pair is left to be measured over them.
    order = chain(after, islice(columns.blocks(pool), begin))
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
        alive, far = alive.parted(limit, symmetric)
        dropped.append(far)
        if not len(alive.i) and reach is not None:
            break
    whole = Pairs(alive.i, alive.j, alive.squared, np.zeros(len(alive.i)))
    return whole, Pairs.join([Pairs(i[:0], j[:0], np.empty(0), np.empty(0)), *dropped])
