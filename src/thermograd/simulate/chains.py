"""The chains of all grid points and seeds, with their streams and queues: the state of a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.protocol import FixedSphere, Protocol
from thermograd.simulate.engine import plain
from thermograd.simulate.engine.ensemble import Collection, Ensemble, Logs, Model
from thermograd.simulate.spec import IsotropicSpec
from thermograd.simulate.spectrum import reflect
from thermograd.simulate.windows import ENTROPIES, Schedule, window_entropies

__all__ = ["Chains"]

Array = NDArray[np.float64]
Form = dict[str, tuple[tuple[int, ...], Any]]
_MEANS = ("loss", "norm", "grad_sq", "batch_grad_sq")


class Chains:
    """Everything that moves: one ensemble for each seed, the points' chains side by side in it.

    Parameters
    ----------
    points
        Protocols of one kind.
    spec
        What is simulated.
    threads
        Threads to use, None for all cores.

    Raises
    ------
    InputError
        When a point has no stationary radius, runs away from its start, or has no room for a window.

    Examples
    --------
    >>> spec = IsotropicSpec(queue_size=0, chains=2)
    >>> chains = Chains([FixedSphere(elr=0.1, radius=1.0)], spec, threads=1)
    >>> chains.advance(logs=3, records=10).shape, chains.step
    ((3, 5, 1, 1), 1500)

    """

    def __init__(self, points: Sequence[Protocol], spec: IsotropicSpec, threads: int | None) -> None:
        self.points, self.spec, self.threads = points, spec, threads
        self.protocol: type[Protocol] = type(points[0])
        self.fields = (*_MEANS, "effective_wd") if self.protocol is FixedSphere else _MEANS
        """What `advance` gives the means of, in this order."""
        self.radii = [spec.start_radius(point) for point in points]
        """Norm of each point's weights at the start."""
        spacing = [spec.spacing(point) if spec.queue_size else 1 for point in points]
        self.schedule = Schedule(spec.queue_size, np.array(spacing, dtype=np.int64), spec.windows_from)
        self._models = [self._model(seed) for seed in spec.seeds]
        self._ensembles = [self._start(seed) for seed in spec.seeds]
        self._collections: list[Collection] = []  # made when collecting begins: half of the run needs none

    @property
    def step(self) -> int:
        """Iterations done."""
        return self._ensembles[0].step

    def advance(self, logs: int, records: int) -> Array:
        """Go on by ``logs * records`` records; means over the chains, shape (logs, fields, seeds, points)."""
        if self.schedule.collects(self.step // self.spec.record_every):
            self._make_room()
        means = np.empty((logs, len(self.fields), len(self._models), len(self.points)))
        for k in range(len(self._models)):
            found = self._run(k, logs, records)
            for f, name in enumerate(self.fields):
                means[:, f, k] = self._pooled(getattr(found, name))
        return means

    def _run(self, k: int, logs: int, records: int) -> Logs:
        collection = self._collections[k] if self._collections else None
        model, ensemble, stride = self._models[k], self._ensembles[k], self.spec.record_every
        if self.spec.loss is not None:
            return plain.advance(
                model,
                ensemble,
                logs=logs,
                records=records,
                stride=stride,
                collection=collection,
                loss=self.spec.loss,
            )
        from thermograd.simulate.engine import kernel

        return kernel.advance(
            model,
            ensemble,
            logs=logs,
            records=records,
            stride=stride,
            collection=collection,
            threads=self.threads,
        )

    def _pooled(self, values: Array) -> Array:
        """The mean over the chains of each point, which are the last axis."""
        with np.errstate(invalid="ignore", over="ignore"):  # of a diverged chain: its outcome says so
            return np.asarray(values.reshape(*values.shape[:-1], len(self.points), self.spec.chains).mean(-1))

    def _make_room(self) -> None:
        if not self._collections:
            spacing = np.repeat(self.schedule.spacing, self.spec.chains)
            size = self.schedule.size
            self._collections = [Collection.empty(ensemble, size, spacing) for ensemble in self._ensembles]

    def take_windows(self) -> Array | None:
        """Entropies of the windows that are full now, shape (4, seeds, points), NaN elsewhere; or None."""
        record = self.step // self.spec.record_every
        points = np.flatnonzero(self.schedule.finished(record))
        if not len(points):
            return None
        chains = (points[:, None] * self.spec.chains + np.arange(self.spec.chains)).ravel()
        values = np.full((len(ENTROPIES), len(self._models), len(self.points)), np.nan)
        for k, (seed, collection) in enumerate(zip(self.spec.seeds, self._collections, strict=True)):
            turned = self.spec.mean_direction_of(seed) if self.spec.spectrum is not None else None
            found = window_entropies(collection, chains, turned, self.threads)
            values[:, k, points] = found.reshape(len(ENTROPIES), len(points), -1).mean(-1)
        return values

    def directions(self) -> Array:
        """Unit vectors of the weights now, shape (seeds, points, chains, d), in the usual frame."""
        found = []
        for seed, ensemble in zip(self.spec.seeds, self._ensembles, strict=True):
            x = ensemble.weights.T.astype(np.float64)
            x /= np.linalg.norm(x, axis=1, keepdims=True)
            found.append(reflect(x, self.spec.mean_direction_of(seed)) if self.spec.spectrum else x)
        return np.array(found).reshape(len(found), len(self.points), self.spec.chains, self.spec.dim)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state as plain arrays."""
        arrays: dict[str, NDArray[Any]] = {"step": np.array(self.step)}
        for k, ensemble in enumerate(self._ensembles):
            arrays |= {f"weights_{k}": ensemble.weights, f"streams_{k}": ensemble.streams}
        for k, collection in enumerate(self._collections):
            arrays |= {f"buffer_{k}": collection.buffer, f"count_{k}": collection.count}
        return arrays

    def expected(self, arrays: dict[str, NDArray[Any]]) -> Form:
        """Shape and type of each of these arrays; the queues are there only if collecting has begun."""
        chains, dim, dtype = len(self.points) * self.spec.chains, self.spec.dim, np.dtype(self.spec.dtype)
        form: Form = {"step": ((), np.int64)}
        step = arrays.get("step", np.array(0))
        record = int(step) // self.spec.record_every if step.shape == () else 0
        for k in range(len(self._ensembles)):
            form |= {f"weights_{k}": ((dim, chains), dtype), f"streams_{k}": ((4, chains), np.uint32)}
            if self.schedule.collects(record - 1):
                form |= {f"buffer_{k}": ((self.schedule.size, dim, chains), dtype)}
                form |= {f"count_{k}": ((chains,), np.int64)}
        return form

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take up what :meth:`arrays` gave.

        Raises
        ------
        InputError
            When the iterations done are no whole number of records.

        """
        step = int(arrays["step"])
        if step < 0 or step % self.spec.record_every:
            raise InputError(f"step is {step}; expected a multiple of {self.spec.record_every}")
        for k, ensemble in enumerate(self._ensembles):
            ensemble.weights, ensemble.streams = arrays[f"weights_{k}"], arrays[f"streams_{k}"]
            ensemble.step = step
        self._collections = []
        if "buffer_0" in arrays:
            self._make_room()
            for k, collection in enumerate(self._collections):
                collection.buffer, collection.count = arrays[f"buffer_{k}"], arrays[f"count_{k}"]

    def _model(self, seed: int) -> Model:
        first, second = np.array([list(point.values.values()) for point in self.points]).T
        mean = self.spec.mean_direction_of(seed)
        if self.spec.spectrum is not None:
            mean = np.eye(self.spec.dim)[0]  # the eigenframe
        chains = self.spec.chains
        return Model(
            self.protocol, np.repeat(first, chains), np.repeat(second, chains), mean, self.spec.noise_scale
        )

    def _start(self, seed: int) -> Ensemble:
        # The protocol's name is part of the streams' seed: three protocols on one seed are independent.
        mixed = np.random.SeedSequence([seed, *self.protocol.__name__.encode()]).generate_state(1, np.uint64)
        return Ensemble.start(self.spec.starts_of(seed, self.points), seed=int(mixed[0]))
