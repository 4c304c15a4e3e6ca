"""A queue of sketches: a thousand numbers of each vector, whatever its length."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.autocorrelation import mean_with_error
from thermograd.entropy.estimate import EntropyEstimate, sample_warnings
from thermograd.entropy.knn_graph import NO_LENGTH, knn_graph
from thermograd.entropy.kozachenko_leonenko import kozachenko_leonenko
from thermograd.entropy.neighbours.threads import in_ranges, thread_count
from thermograd.entropy.queues.chords import entropy_of_chords
from thermograd.entropy.queues.sketched_neighbours import SketchedNeighbours, between, sketched_neighbours
from thermograd.entropy.queues.stream import EntropyQueue, check_at_least
from thermograd.entropy.shared_neighbours import graph_error
from thermograd.errors import InputError

__all__ = ["SketchQueue"]

_PARTS = 8  # independent of each other: one measures what the others chose
_LEAST = 64 * _PARTS  # a random word of signs serves 64 coordinates
_BLOCK = 2**20  # coordinates checked and squared at a time


class SketchQueue(EntropyQueue):
    """Count sketches of the last ``size`` directions: ``width`` numbers each, for vectors of any length.

    Eight independent parts of ``K/8`` sums ``s_b = sum_(c in b) +-u_c`` each, with signs and places from a
    fixed seed: ``E |s_i - s_j|^2 = |u_i - u_j|^2``, with relative standard deviation ``sqrt(2/K)``, in
    float64, so that a distance of 1e-6 is told as well as one of 1. An entropy multiplies log distances by
    ``d``: its standard error gains ``d / sqrt(2 K n)`` nats (30 at ``d = 43 692``, ``n = 1000``, ``K =
    1024``), and where several neighbours are about equally near, ``d / (4 sqrt(2 pi K))`` (136) of doubt
    remains of a bias four times that, which is corrected (:mod:`.sketched_neighbours`).
    Both are in the ``se``. States compared by the same seed share signs and no more.

    Parameters
    ----------
    size
        How many vectors make the queue full, at least 2.
    dim
        Length ``d`` of a vector.
    width
        ``K``, a power of two, at least 512 and at most ``dim``.
    seed
        Of signs and places, recorded in the settings of every estimate.

    Raises
    ------
    InputError
        When an argument is out of range.

    References
    ----------
    M. Charikar, K. Chen, M. Farach-Colton, Theor. Comput. Sci. 312 (2004) 3 (the sketch).

    Examples
    --------
    >>> from thermograd.entropy import kozachenko_leonenko
    >>> rng = np.random.default_rng(0)
    >>> walk = np.cumsum(1e-3 * rng.standard_normal((100, 4000)), axis=0) + 1.0
    >>> queue = SketchQueue(100, 4000, width=512)
    >>> for w in walk:
    ...     queue.update(w)
    >>> told = queue.compute(kozachenko_leonenko, manifold="geodesic")
    >>> u = walk / np.linalg.norm(walk, axis=1, keepdims=True)
    >>> bool(abs(told.entropy - kozachenko_leonenko(u, manifold="geodesic").entropy) < 2 * told.se)
    True

    """

    def __init__(self, size: int, dim: int, *, width: int = 1024, seed: int = 0) -> None:
        check_at_least("SketchQueue", 0, seed=seed)
        self.bytes = self.bytes_needed(size, dim, width)
        super().__init__(size, dim)
        self._seed = np.array([seed], dtype=np.int64)
        self._sketches = np.zeros((_PARTS, self.size, width // _PARTS))
        noise, doubt = dim / math.sqrt(2 * width * size), dim / (4 * math.sqrt(2 * math.pi * width))
        self.loses = (
            f"sketches of {width} numbers: about {noise:.2g} nats of standard error, and up to {doubt:.2g} "
            "more where several neighbours are about equally near; the directions themselves are gone, so no "
            "chart of angles, no covariance and no autocorrelation times"
        )

    @property
    def width(self) -> int:
        """``K``, how many numbers are kept of a vector."""
        return _PARTS * int(self._sketches.shape[2])

    @property
    def seed(self) -> int:
        """The seed of signs and places."""
        return int(self._seed[0])

    @staticmethod
    def bytes_needed(size: int, dim: int, width: int = 1024) -> int:
        """The memory that such a queue will hold, in bytes; an estimate takes three times that.

        Parameters
        ----------
        size, dim, width
            As for the queue.

        Examples
        --------
        >>> SketchQueue.bytes_needed(1000, 1_000_000_000)
        8192000

        """
        check_at_least("SketchQueue", 2, size=size, dim=dim)
        check_at_least("SketchQueue", _LEAST, width=width)
        if width & (width - 1):
            raise InputError(f"SketchQueue: width is {width}; expected a power of two")
        if width > dim:
            raise InputError(
                f"SketchQueue: width is {width}; expected at most dim = {dim} (keep the vectors themselves)"
            )
        return 8 * int(size) * int(width)

    def compute(self, estimator: Callable[..., EntropyEstimate], **settings: Any) -> EntropyEstimate:
        """Entropies from distances: of :func:`kozachenko_leonenko` (not in the chart) and :func:`knn_graph`.

        Parameters
        ----------
        estimator, settings
            One of the two functions of this package, and its settings.

        Raises
        ------
        InputError
            When the queue is not full, or for any other estimator.

        """
        self._check_full()
        if estimator is kozachenko_leonenko and settings.get("manifold", "euclidean") != "sphere":
            found = self._kozachenko_leonenko(**settings)
        elif estimator is knn_graph:
            found = self._knn_graph(**settings)
        else:
            name = getattr(estimator, "__name__", repr(estimator))
            chart = " with manifold='sphere'" if estimator is kozachenko_leonenko else ""
            raise InputError(
                f"SketchQueue: sketches can not serve {name}{chart}; expected kozachenko_leonenko with "
                "manifold='euclidean' or 'geodesic', or knn_graph"
            )
        return replace(found, settings={**found.settings, "sketch": self.width, "seed": self.seed})

    def _neighbours(
        self, k: int, theiler: int, device: Any, *, logs: bool
    ) -> tuple[SketchedNeighbours, tuple[str, ...]]:
        ordered = self._sketches[:, self._slots(self.size)]
        found = sketched_neighbours(ordered, k, theiler=theiler, device=device)
        warnings = sample_warnings(ordered[0], found.plain[:, -1 if logs else 0], self.dim, logs=logs)
        return found, (*warnings, f"told from {self.loses}")

    def _kozachenko_leonenko(
        self, k: int = 1, manifold: str = "euclidean", theiler: int = 0, *, device: Any = None
    ) -> EntropyEstimate:
        if manifold not in ("euclidean", "geodesic"):
            raise InputError(f"SketchQueue: manifold is {manifold!r}; expected 'euclidean' or 'geodesic'")
        found, warnings = self._neighbours(k, theiler, device, logs=True)
        apart = bool((found.plain[:, -1] > 0).all())
        with np.errstate(divide="ignore"):
            plain, crossed = np.log(found.plain[:, -1]), np.log(found.crossed[:, :, -1])
        common = 0.0
        if apart:
            plain, common = between(plain + found.noise / _PARTS, crossed + found.noise, found.noise)
        estimate = entropy_of_chords(
            plain,
            found.index,
            self.dim,
            k=k,
            theiler=theiler,
            geodesic=manifold == "geodesic",
            warnings=warnings,
        )
        return replace(estimate, se=math.hypot(estimate.se, estimate.dim * common))

    def _knn_graph(
        self, k: int = 50, dimension: int | None = None, theiler: int = 0, *, device: Any = None
    ) -> EntropyEstimate:
        dim = self.dim - 1 if dimension is None else dimension
        if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or not 1 <= dim <= self.dim:
            raise InputError(
                f"SketchQueue: dimension of the surface is {dim!r}; expected an integer from 1 to {self.dim}"
            )
        dim = int(dim)
        found, warnings = self._neighbours(k, theiler, device, logs=False)
        # The mean of a length, and not of its log: E sqrt(factor) = 1 - variance of the log / 2.
        plain = found.plain.sum(axis=1) / (1 - found.noise / _PARTS / 2)
        crossed = found.crossed.sum(axis=2) / (1 - found.noise / 2)
        n, mean = self.size, float(plain.mean())
        settings: dict[str, object] = {"k": int(k), "dimension": dim}
        if theiler:
            settings["theiler"] = int(theiler)
        if mean == 0:
            warnings += (NO_LENGTH,)
            return EntropyEstimate(
                -math.inf, math.nan, n, math.nan, dim, False, "knn-graph", settings, warnings
            )
        middle, common = between(plain / mean, crossed / mean, found.noise)
        lengths = mean_with_error(middle)
        entropy = dim * math.log(n * mean * lengths.mean) - (dim - 1) * math.log(n)
        se = math.hypot(graph_error(found.plain, found.index, dim), dim * common / lengths.mean)
        return EntropyEstimate(
            entropy, se, n, lengths.n_effective, dim, False, "knn-graph", settings, warnings
        )

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"sketches": self._sketches, "seed": self._seed}

    def _check_state(self, saved: dict[str, NDArray[Any]]) -> None:
        if saved["seed"][0] != self.seed:
            raise InputError(
                f"SketchQueue: the saved sketches have seed {saved['seed'][0]}; expected {self.seed}"
            )

    def _store(self, values: NDArray[np.floating[Any]]) -> None:
        from thermograd.entropy.queues.compiled_sketch import add

        # Sketching is linear: the weights' sketch over their norm is the direction's.
        largest = float(np.abs(values).max())
        squares = 0.0
        for start in range(0, self.dim, _BLOCK):
            block = values[start : start + _BLOCK].astype(np.float64) / largest
            squares += float(block @ block)
        sums = np.zeros((_PARTS, self._sketches.shape[2]))

        def work(first: int, stop: int) -> None:
            add(values, np.uint64(self.seed), sums[first:stop], first)

        if self.dim < _BLOCK:  # a thread may take longer to wake than to do it
            work(0, _PARTS)
        else:
            with ThreadPoolExecutor(thread_count()) as pool:
                in_ranges(pool, work, _PARTS)
        sums /= largest * math.sqrt(squares)
        self._sketches[:, self.updates % self.size] = sums
