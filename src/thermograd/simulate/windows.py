"""Consecutive windows of directions, and the entropies read from each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thermograd.simulate.engine.ensemble import Collection
from thermograd.simulate.spectrum import reflect

__all__ = ["ENTROPIES", "Schedule", "window_entropies"]

ENTROPIES = (
    "entropy_sphere",
    "entropy_sphere_chart",
    "entropy_autocorrelation_time",
    "entropy_effective_samples",
)
"""What a window gives, in this order: arc lengths' entropy, the chart's, and what the sample was worth."""

_BLOCK = 1 << 22  # numbers converted at a time: 32 MB in float64


class Schedule:
    """When windows of the grid points begin and end, counted in records.

    A point collects a direction every ``spacing`` records from record ``first`` on; every ``size`` of them
    are a window. Windows follow each other without a gap and never overlap.

    Parameters
    ----------
    size
        Directions in a window; 0: there are none.
    spacing
        Records between two of them, shape ``(points,)``.
    first
        Records before collecting begins.

    Examples
    --------
    >>> schedule = Schedule(10, np.array([1, 3]), first=100)
    >>> [schedule.next_stop(record) for record in (0, 100, 110, 129)], schedule.finished(130)
    ([100, 110, 120, 130], array([ True,  True]))

    """

    def __init__(self, size: int, spacing: NDArray[np.int64], first: int) -> None:
        self.size, self.spacing, self.first = size, spacing, first
        self._lengths = np.unique(size * spacing)

    def collects(self, record: int) -> bool:
        """Whether the records after this one are collected from."""
        return self.size > 0 and record >= self.first

    def next_stop(self, record: int) -> int | None:
        """The first record after this one at which collecting begins or a window ends, if there is one."""
        if not self.size:
            return None
        if record < self.first:
            return self.first
        done = record - self.first
        return self.first + int(((done // self._lengths + 1) * self._lengths).min())

    def finished(self, record: int) -> NDArray[np.bool_]:
        """Which points' windows end at this record, shape ``(points,)``."""
        done = record - self.first
        if not self.size or done <= 0:
            return np.zeros(self.spacing.shape, dtype=np.bool_)
        return np.asarray(done % (self.size * self.spacing) == 0)


def window_entropies(
    collection: Collection,
    chains: NDArray[np.intp],
    mean_direction: NDArray[np.float64] | None,
    threads: int | None,
) -> NDArray[np.float64]:
    """Entropies of the full windows of these chains, which are emptied.

    Parameters
    ----------
    collection
        The directions.
    chains
        Which chains' windows are full.
    mean_direction
        Where the directions are those of the eigenframe: ``mu``, to turn them into the usual frame, on which
        the papers' chart depends. None where they are in it already.
    threads
        Threads to use; None for all cores.

    Returns
    -------
    array
        Shape ``(4, len(chains))``, in the order of :data:`ENTROPIES`; NaN for a chain that diverged.

    """
    from thermograd.entropy.many import kozachenko_leonenko_many

    size, dim, _ = collection.buffer.shape
    found = np.full((len(ENTROPIES), len(chains)), np.nan)
    step = max(1, _BLOCK // (size * dim))
    for start in range(0, len(chains), step):
        block = chains[start : start + step]
        x = np.ascontiguousarray(np.moveaxis(collection.buffer[:, :, block], 2, 0), dtype=np.float64)
        if mean_direction is not None:
            x = reflect(x, mean_direction)
        good = np.isfinite(x).all(axis=(1, 2))
        if not good.any():
            continue
        arcs = kozachenko_leonenko_many(x[good], manifold="geodesic", threads=threads)
        chart = kozachenko_leonenko_many(x[good], manifold="sphere", threads=threads)
        values = (arcs.entropy, chart.entropy, arcs.autocorrelation_time, arcs.n_effective)
        found[:, start + np.flatnonzero(good)] = values
    collection.count[chains] = 0
    return found
