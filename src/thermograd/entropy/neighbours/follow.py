"""Exact squared distances of many pairs at once, giving up those surely, or probably, too far apart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.columns import Columns, wrapped
from thermograd.entropy.neighbours.threads import in_ranges

__all__ = ["Growth", "Pairs", "follow", "growth", "nearest_of"]

_CHECKS = 1.12  # pairs are looked through whenever the part of the distance that is known has grown by this


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
    """Pairs of points with the squares summed for them: a distance, or a lower bound of it."""

    i: NDArray[np.int32]
    j: NDArray[np.int32]
    squared: NDArray[np.float64]

    def parted(self, reach: NDArray[np.float64], symmetric: bool) -> tuple[Pairs, Pairs]:
        """Those within ``reach`` (squared) of their first, or when symmetric of either, point; the others."""
        from thermograd.entropy.neighbours import compiled_search

        i, j, squared, near = compiled_search.parted(self.i, self.j, self.squared, reach, symmetric)
        return (
            Pairs(i[:near], j[:near], squared[:near]),
            Pairs(i[near:], j[near:], squared[near:]),
        )

    @staticmethod
    def join(parts: list[Pairs]) -> Pairs:
        """All of several lists."""
        return Pairs(
            np.concatenate([part.i for part in parts]),
            np.concatenate([part.j for part in parts]),
            np.concatenate([part.squared for part in parts]),
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
    compiled_search.nearest_of_pairs(pairs.i, pairs.j, pairs.squared, symmetric, values, indices)
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
    from thermograd.entropy.neighbours import compiled_search

    sample, left, right = columns, i.astype(np.int32), j.astype(np.int32)
    if not columns.at_hand:
        few, where = np.unique(np.concatenate([i, j]), return_inverse=True)
        left, right = where[: len(i)].astype(np.int32), where[len(i) :].astype(np.int32)
        sample = columns.rows(few)
    squared = _begin(sample, left, right)
    sums = [squared.copy()]
    for values, a, b in sample.blocks(pool):
        compiled_search.add_squares(values, a, b, left, right, squared, 0, len(left))
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

    Returns
    -------
    Pairs, Pairs
        Those measured completely, with exact squared distances; and those dropped, with lower bounds.

    """
    from thermograd.entropy.neighbours import compiled_search

    alive = Pairs(i, j, _begin(columns, i, j))
    dropped: list[Pairs] = []
    looked, blocks = 0.0, len(columns.widths)
    for block, (values, a, b) in enumerate(columns.blocks(pool), start=1):
        work = partial(compiled_search.add_squares, values, a, b, alive.i, alive.j, alive.squared)
        in_ranges(pool, work, len(alive.i))
        if block == blocks or known.part[block] < _CHECKS * looked or known.part[block] <= 0:
            continue
        looked = float(known.part[block])
        limit = reach
        if limit is None:
            so_far = nearest_of(alive, columns.n, k, symmetric)[0][:, -1]
            limit = np.where(np.isfinite(so_far), so_far, 0.0) * (1 + known.margin[block]) / looked
        alive, far = alive.parted(limit, symmetric)
        dropped.append(far)
        if not len(alive.i) and reach is not None:
            break
    return alive, Pairs.join(dropped) if dropped else Pairs(i[:0], j[:0], np.empty(0))
