"""A queue of differences from a reference direction: float64 weights at the price of float32."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.estimate import ON_A_SPHERE, EntropyEstimate, sample_warnings, short_walk_warning
from thermograd.entropy.knn_graph import knn_graph
from thermograd.entropy.kozachenko_leonenko import kozachenko_leonenko
from thermograd.entropy.neighbours.nearest import nearest_neighbours
from thermograd.entropy.points import as_points
from thermograd.entropy.queues.chords import entropy_of_chords
from thermograd.entropy.queues.stream import EntropyQueue, check_at_least, unit_direction
from thermograd.errors import InputError

__all__ = ["DifferenceQueue"]

_VARIANCE = 2.0**-48 / 12 * 0.54
"""Mean square of the relative rounding of a float32, whose steps are 2^-24 to 2^-23 of the number."""
_LOSS = 0.01  # nats, from which on rounding is spoken of


class DifferenceQueue(EntropyQueue):
    """Differences ``u_i - u_0`` of the last ``size`` directions from a reference, in float32.

    A float32 rounds what it holds by at most 6e-8 of *itself*, and the differences of a slow walk are as
    small as the walk is slow. With ``R`` the distance from the reference and ``rho`` that of neighbours,
    rounding moves ``S`` at random by about ``2e-8 sqrt(d/n) R/rho`` nats, and up by ``2e-16 d (R/rho)^2``:
    2e-6 nats for 1000 steps in ``d = 24 408``, however short (measured), where directions themselves in
    float32 would lose tens of nats at ``rho = 1e-6``. The reference is the first direction, and follows once
    a queue length.

    Entropies from distances (:func:`~thermograd.entropy.kozachenko_leonenko` with ``manifold="euclidean"`` or
    ``"geodesic"``, :func:`~thermograd.entropy.knn_graph`) need no more memory. Others get float64 directions,
    twice the queue's memory on top.

    Parameters
    ----------
    size
        How many vectors make the queue full, at least 2.
    dim
        Length ``d`` of a vector, at least 2.
    budget
        Bytes that the queue and what it hands to an estimator may take; ``None`` for no limit.

    Raises
    ------
    InputError
        When an argument is out of range, or the queue alone does not fit the budget.

    Examples
    --------
    >>> from thermograd.entropy import kozachenko_leonenko
    >>> rng = np.random.default_rng(0)
    >>> walk = np.cumsum(1e-6 * rng.standard_normal((30, 50)), axis=0) + 1.0
    >>> queue = DifferenceQueue(30, 50)
    >>> for w in walk:
    ...     queue.update(w)
    >>> u = walk / np.linalg.norm(walk, axis=1, keepdims=True)
    >>> kept = queue.compute(kozachenko_leonenko, manifold="geodesic").entropy
    >>> bool(abs(kept - kozachenko_leonenko(u, manifold="geodesic").entropy) < 1e-6)
    True
    >>> rounded = kozachenko_leonenko(u.astype("f4"), manifold="geodesic").entropy
    >>> bool(abs(kept - rounded) > 0.01)
    True

    """

    loses = (
        "differences in float32: for a walk of 1000 steps 1e-5 nats, for independent directions less; "
        "an estimate from a chart of angles needs float64 directions besides"
    )

    def __init__(self, size: int, dim: int, *, budget: int | None = None) -> None:
        self.bytes = self.bytes_needed(size, dim)
        super().__init__(size, dim)
        self._budget = budget
        if budget is not None and self.bytes > budget:
            raise InputError(
                f"DifferenceQueue: {self.bytes} bytes are needed; expected at most the budget of {budget}"
            )
        self._buffer = np.zeros((self.size, self.dim), dtype=np.float32)
        self._reference = np.zeros(self.dim)
        # How many vectors had come when row 0 was written, and when the reference last moved.
        self._since = np.zeros(2, dtype=np.int64)

    @staticmethod
    def bytes_needed(size: int, dim: int) -> int:
        """The memory that such a queue will hold, in bytes, before it is made.

        Parameters
        ----------
        size, dim
            As for the queue.

        Examples
        --------
        >>> DifferenceQueue.bytes_needed(1000, 43_692)
        175816608

        """
        check_at_least(DifferenceQueue.__name__, 2, size=size, dim=dim)
        return 4 * int(size) * int(dim) + 3 * 8 * int(dim)  # two directions at work

    def compute(self, estimator: Callable[..., EntropyEstimate], **settings: Any) -> EntropyEstimate:
        """Entropies from distances without a copy; others on float64 directions, if the budget allows.

        Parameters
        ----------
        estimator, settings
            A function of unit vectors, shape ``(size, d)``, and what else to pass to it.

        Raises
        ------
        InputError
            When the queue is not full, or directions do not fit the budget.

        """
        self._check_full()
        self._sort()
        if estimator is knn_graph:
            found = knn_graph(self._buffer, **settings)
        elif estimator is kozachenko_leonenko and settings.get("manifold", "euclidean") == "euclidean":
            found = kozachenko_leonenko(self._buffer, **settings)
            # What the differences are of are unit vectors, though they themselves are none.
            found = replace(found, absolute=False, warnings=(ON_A_SPHERE, *found.warnings))
        elif estimator is kozachenko_leonenko and settings["manifold"] == "geodesic":
            found = self._geodesic(**{name: value for name, value in settings.items() if name != "manifold"})
        else:
            found = estimator(self._directions(), **settings)
        return replace(found, warnings=(*found.warnings, *self._rounding()))

    def _geodesic(self, k: int = 1, theiler: int = 0, *, device: Any = None) -> EntropyEstimate:
        check_at_least(kozachenko_leonenko.__name__, 1, k=k)
        points = as_points(self._buffer, kozachenko_leonenko.__name__, at_least=k + 2)
        neighbours = nearest_neighbours(points, k, theiler=theiler, device=device)
        rho = neighbours.distance[:, -1]
        warnings = sample_warnings(self._buffer, rho, self.dim - 1)
        warnings += short_walk_warning(self._buffer, self.dim - 1)
        with np.errstate(divide="ignore"):
            logs = np.log(rho)
        return entropy_of_chords(
            logs, neighbours.index, self.dim, k=k, theiler=theiler, geodesic=True, warnings=warnings
        )

    def _directions(self) -> NDArray[np.float64]:
        needed = self.bytes + 8 * self.size * self.dim
        if self._budget is not None and needed > self._budget:
            raise InputError(
                f"DifferenceQueue: directions in float64 need {needed / 1e9:.3g} GB in all; expected at most "
                f"the budget of {self._budget / 1e9:.3g} GB, or an entropy from distances "
                "(kozachenko_leonenko with manifold='euclidean' or 'geodesic', knn_graph)"
            )
        window = self._buffer.astype(np.float64)
        window += self._reference
        return window

    def _sort(self) -> None:
        """Bring the ring into time order where it lies: three reversals, a row of extra memory."""
        first = self._slot()
        if first:
            for start, stop in ((0, first), (first, self.size), (0, self.size)):
                for low in range((stop - start) // 2):
                    pair = [start + low, stop - 1 - low]
                    self._buffer[pair] = self._buffer[pair[::-1]]
            self._since[0] = self.updates  # the next vector takes the place of the oldest, now row 0

    def _slot(self) -> int:
        return (self.updates - int(self._since[0])) % self.size

    def _rounding(self) -> tuple[str, ...]:
        """A sentence when rounding against the steps is worth more than 0.01 nats."""
        share, before = 0.0, self._buffer[0].astype(np.float64)
        for row in self._buffer[1:]:
            here = row.astype(np.float64)
            step = float((here - before) @ (here - before))
            noise = _VARIANCE * float(here @ here + before @ before)
            share += noise / step if step > 0 else 0.0
            before = here
        share *= self.dim / (self.size - 1)
        lost = share / 2 + math.sqrt(share / self.size)  # what is always added, and what is random
        if lost < _LOSS:
            return ()
        return (
            "float32 differences from a reference that is far away against the step change it by about "
            f"{lost:.2g} nats",
        )

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"buffer": self._buffer, "reference": self._reference, "since": self._since}

    def _store(self, values: NDArray[np.floating[Any]]) -> None:
        u = np.empty(self.dim)
        unit_direction(values, u)
        if self.updates == 0:
            self._reference[:] = u
            self._since[:] = 0
        elif self.updates - self._since[1] >= self.size:
            # Once a queue length, so that every vector is moved, and rounded, at most once more.
            shift = self._buffer[self._slot() - 1].copy()
            self._reference += shift
            self._buffer -= shift
            self._since[1] = self.updates
        np.subtract(u, self._reference, out=u)
        self._buffer[self._slot()] = u
