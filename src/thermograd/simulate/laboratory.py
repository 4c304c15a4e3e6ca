"""The laboratory: chains of the isotropic model at all points of a grid, from their start to their states."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.interrupt import postponed_interrupt
from thermograd.memory import check_memory
from thermograd.protocol import Grid, Protocol
from thermograd.simulate.chains import Chains
from thermograd.simulate.record import Record
from thermograd.simulate.spec import IsotropicSpec
from thermograd.simulate.traces import make_traces, provenance
from thermograd.state_file import read_state, write_state
from thermograd.states import stationary

__all__ = ["Laboratory"]

_OWNER = "Laboratory"
_STATE_VERSION = 2  # raised whenever a state would go on along another path
_CALL_SECONDS = 0.3  # of work between two looks at Ctrl-C and the progress bar


class Laboratory:
    """Many chains of the isotropic model: advance them, look at them, save them, go on.

    Everything is checked here, before anything runs: the spec against the points (is there a stationary
    radius, does the start run away, does a window fit), and the memory that it will take.

    Parameters
    ----------
    points
        A grid, one protocol, or protocols of one kind that are no rectangle (the points of an adiabat).
    spec
        Everything else that determines the numbers.
    threads
        Threads to use, None for all cores. Numbers do not depend on it.

    Raises
    ------
    InputError
        In one line, for whatever cannot be simulated as asked.

    References
    ----------
    IG section 5 and appendix D.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> grid = FixedSphere.grid(elr=[0.04], radius=[0.5, 1.0])
    >>> laboratory = Laboratory(grid, IsotropicSpec(steps=20_000, queue_size=0, chains=16))
    >>> laboratory.advance()
    >>> states = laboratory.states()
    >>> states.loss.values.round(2), states.status.values.tolist()
    (array([[0.02, 0.02]]), [['equilibrium', 'equilibrium']])

    """

    def __init__(
        self,
        points: Grid | Protocol | Sequence[Protocol],
        spec: IsotropicSpec | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        self.spec = spec or IsotropicSpec()
        self.wall_time_s = 0.0
        """Time spent advancing, in seconds."""
        self._parts = _parts(points)
        self.points: tuple[Protocol, ...] = tuple(
            point for part in self._parts for point in (part if isinstance(part, Grid) else (part,))
        )
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise InputError(f"{_OWNER}: threads is {threads!r}; expected a whole number of at least 1")
        self._check_memory()
        self._chains = Chains(self.points, self.spec, threads)
        self._record = Record(
            self._chains.fields, len(self.spec.seeds), len(self.points), self.spec.log_records
        )

    @property
    def step(self) -> int:
        """Iterations done."""
        return self._chains.step

    @property
    def total_steps(self) -> int:
        """Iterations of the whole run, in whole log intervals."""
        return self.spec.logs * self.spec.log_steps

    def advance(
        self, steps: int | None = None, *, on_progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Go on, to the end of the run or by some iterations.

        Ctrl-C ends this between two pieces of work: what was done stays, can be read and saved, and going on
        from it gives the same numbers as never having stopped.

        Parameters
        ----------
        steps
            Iterations, rounded up to whole log intervals; may lead beyond the end. None: the rest of the run.
        on_progress
            Called with the iterations done and those of the whole run.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C.

        """
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 0):
            raise InputError(f"{_OWNER}: steps is {steps!r}; expected a whole number of at least 0")
        goal = self.total_steps
        if steps is not None:
            goal = -(-(self.step + steps) // self.spec.log_steps) * self.spec.log_steps
        budget = 1  # log intervals of the next piece: one, until it is known how long that takes
        with postponed_interrupt() as interrupted:
            while self.step < goal:
                started = time.perf_counter()
                logs = self._advance_piece(goal // self.spec.record_every, budget)
                elapsed = time.perf_counter() - started
                self.wall_time_s += elapsed
                budget = max(1, min(4 * logs, int(_CALL_SECONDS * logs / max(elapsed, 1e-9))))
                if on_progress:
                    on_progress(self.step, max(self.total_steps, goal))
                if interrupted():
                    raise KeyboardInterrupt

    def _advance_piece(self, goal: int, budget: int) -> int:
        """Whole log intervals up to the next end of a window, or a part of one; how many were begun."""
        whole = self.spec.log_records
        record = self.step // self.spec.record_every
        stop = self._chains.schedule.next_stop(record)
        stop = goal if stop is None else min(goal, stop)
        logs, records = min(budget, (stop - record) // whole), whole
        if record % whole or logs == 0:
            logs, records = 1, min(whole - record % whole, stop - record)
        self._record.add(self._chains.advance(logs, records), records)
        windows = self._chains.take_windows()
        if windows is not None:
            self._record.add_window((record + logs * records - 1) // whole, windows)
        return logs

    def directions(self) -> NDArray[np.float64]:
        """Where the weights of every chain point now.

        Returns
        -------
        array
            Unit vectors, shape ``(seeds, points, chains, d)``.

        """
        return self._chains.directions()

    def traces(self) -> list[xr.Dataset]:
        """What was logged so far, one trace for each grid or protocol that was asked for.

        Raises
        ------
        InputError
            When no log interval is complete yet.

        """
        if not self._record.logs:
            raise InputError(f"{_OWNER}: nothing is logged after {self.step} iterations; expected advance()")
        attrs = provenance(self.spec, type(self.points[0]))
        attrs |= {"steps": self.step, "wall_time_s": self.wall_time_s}
        return make_traces(self._parts, self.spec, self._record, attrs)

    def trace(self) -> xr.Dataset:
        """What was logged so far: interval means of every observable, entropies where a window ended.

        Dims are the protocol's axes, ``seed`` when several were asked for, and ``step``; ``tr_sigma`` is
        measured, as the mean square of the minibatch gradient less that of the full gradient.

        Raises
        ------
        InputError
            When no log interval is complete yet, or the points are no rectangle (see :meth:`traces`).

        """
        if len(self._parts) > 1:
            raise InputError(f"{_OWNER}: {len(self._parts)} points are no rectangle; expected traces()")
        return self.traces()[0]

    def states(self) -> xr.Dataset:
        """The stationary states: means over the second half, errors, and the verdict on every point."""
        return stationary(self.trace())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole state to an npz file, atomically; :meth:`load` goes on from it bit for bit.

        Raises
        ------
        InputError
            When the file cannot be written.

        """
        arrays = self._chains.arrays() | self._record.arrays()
        return write_state(path, self._settings(), {**arrays, "wall_time_s": np.array(self.wall_time_s)})

    def load(self, path: str | os.PathLike[str]) -> None:
        """Take up the state that :meth:`save` wrote, of the same points and spec.

        Raises
        ------
        InputError
            When the file is missing or damaged, or belongs to other points or another spec; this laboratory
            stays as it was.

        """
        arrays = read_state(path, self._settings())
        expected = self._chains.expected(arrays) | self._record.expected(arrays)
        for name, (shape, dtype) in {**expected, "wall_time_s": ((), np.float64)}.items():
            held = arrays.get(name)
            if held is None or held.shape != shape or held.dtype != dtype:
                form = "missing" if held is None else f"{held.dtype} of shape {held.shape}"
                raise InputError(f"{path}: {name} is {form}; expected {np.dtype(dtype)} of shape {shape}")
        step, logs = int(arrays["step"]), len(arrays["logs"])
        if step % self.spec.record_every or logs != step // self.spec.log_steps:
            raise InputError(f"{path}: it has {step} iterations and {logs} logs; expected them to agree")
        self._chains.restore(arrays)
        self._record.restore(arrays)
        self.wall_time_s = float(arrays["wall_time_s"])

    def _settings(self) -> dict[str, object]:
        """What must agree between a state file and the laboratory that takes it up."""
        probe = np.random.default_rng(3).standard_normal((4, self.spec.dim))
        return {
            "state_version": _STATE_VERSION,
            "protocol": type(self.points[0]).__name__,
            "points": [list(point.values.values()) for point in self.points],
            "initial_radius": self._chains.radii,
            "queue_every": (self._chains.schedule.spacing * self.spec.record_every).tolist(),
            "loss": None if self.spec.loss is None else np.asarray(self.spec.loss(probe)[0]).tolist(),
            **self.spec.plain(),
        }

    def _check_memory(self) -> None:
        spec, points = self.spec, len(self.points) * len(self.spec.seeds)
        item = np.dtype(spec.dtype).itemsize
        # The simulator works on copies padded to its vector width; saving holds everything twice more.
        parts = {
            "weights": 4.0 * points * spec.chains * (spec.dim * item + 16),
            "queues": 3.0 * points * spec.chains * spec.queue_size * spec.dim * item,
            "logs": 4.0 * 8 * 10 * spec.logs * points,
        }
        check_memory(_OWNER, parts, "queue_size, chains, dim or the number of points")


def _parts(points: Grid | Protocol | Sequence[Protocol]) -> tuple[Grid | Protocol, ...]:
    parts: tuple[object, ...] = (points,) if isinstance(points, Grid | Protocol) else tuple(points)
    found = tuple(part for part in parts if isinstance(part, Grid | Protocol))
    kinds = {type(part) for part in found}
    if not found or len(found) < len(parts) or len(kinds) > 1:
        names = sorted({type(part).__name__ for part in parts})
        raise InputError(
            f"{_OWNER}: points are {', '.join(names) or 'none'}; expected a grid, a protocol, or several "
            "protocols of one kind"
        )
    return found
