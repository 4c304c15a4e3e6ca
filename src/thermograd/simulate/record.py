"""What a simulation has logged so far: interval means, entropies of windows, and how each run ended."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.simulate.windows import ENTROPIES

__all__ = ["Record"]

Array = NDArray[np.float64]


class Record:
    """Log intervals and windows of all seeds and points, as they come in.

    Parameters
    ----------
    fields
        Names of the means that every log holds.
    seeds, points
        How many there are of each.
    log_records
        Records in a log interval.

    Examples
    --------
    A log that comes in two pieces is the mean of its records all the same:

    >>> record = Record(("loss",), seeds=1, points=2, log_records=4)
    >>> record.add(np.full((1, 1, 1, 2), 1.0), records=1)
    >>> record.add(np.full((1, 1, 1, 2), 5.0), records=3)
    >>> record.logs, record.series()["loss"]
    (1, array([[[4., 4.]]]))

    """

    def __init__(self, fields: tuple[str, ...], seeds: int, points: int, log_records: int) -> None:
        self.fields, self.shape, self.log_records = fields, (len(fields), seeds, points), log_records
        self._logs: list[Array] = []
        self._sum, self._summed = np.zeros(self.shape), 0  # of the log interval at hand, when it is cut
        self._windows: list[tuple[int, Array]] = []

    @property
    def logs(self) -> int:
        """Complete log intervals."""
        return sum(map(len, self._logs))

    def add(self, means: Array, records: int) -> None:
        """Add whole logs, or one piece of a log.

        Parameters
        ----------
        means
            Shape ``(logs, fields, seeds, points)``, each the mean over this many records.
        records
            Either those of whole log intervals, or fewer: then ``logs`` is 1.

        """
        if records == self.log_records:
            self._logs.append(means)
            return
        self._sum += means[0] * records
        self._summed += records
        if self._summed == self.log_records:
            self._logs.append(self._sum[None] / self.log_records)
            self._sum, self._summed = np.zeros(self.shape), 0

    def add_window(self, log: int, entropies: Array) -> None:
        """Entropies of windows that ended within a log interval, ``(4, seeds, points)``, NaN of others."""
        self._windows.append((log, entropies))

    def series(self) -> dict[str, Array]:
        """Everything by its name in the dataset, each of shape ``(logs, seeds, points)``."""
        logs = self._all_logs()
        found = {name: logs[:, f] for f, name in enumerate(self.fields)}
        if self._windows:
            found |= dict(zip(ENTROPIES, self._entropies(len(logs)), strict=True))
        return found

    def _all_logs(self) -> Array:
        return np.concatenate([np.empty((0, *self.shape)), *self._logs])

    def _entropies(self, logs: int) -> Array:
        """At each log point the mean over the windows that ended there; NaN where none did."""
        total = np.zeros((len(ENTROPIES), logs, *self.shape[1:]))
        count = np.zeros(total.shape)
        for log, values in self._windows:
            if log < logs:
                there = ~np.isnan(values)
                total[:, log] += np.where(there, values, 0.0)
                count[:, log] += there
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def outcomes(self, log_steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """How each run ended and why, two arrays of shape ``(seeds, points)``.

        Parameters
        ----------
        log_steps
            Iterations in a log interval.

        """
        lost = ~np.isfinite(self.series()["loss"])
        outcome = np.full(self.shape[1:], "done", dtype=object)
        reason = np.full(self.shape[1:], "", dtype=object)
        for seed, point in zip(*np.nonzero(lost.any(axis=0)), strict=True):
            step = log_steps * (1 + int(np.argmax(lost[:, seed, point])))
            outcome[seed, point] = "diverged"
            reason[seed, point] = f"the weights were not finite any more by iteration {step}"
        return outcome, reason

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as plain arrays."""
        return {
            "logs": self._all_logs(),
            "sum": self._sum,
            "summed": np.array(self._summed),
            "window_logs": np.array([log for log, _ in self._windows], dtype=np.int64),
            "windows": np.array([v for _, v in self._windows]).reshape(-1, len(ENTROPIES), *self.shape[1:]),
        }

    def expected(self, arrays: dict[str, NDArray[Any]]) -> dict[str, tuple[tuple[int, ...], type]]:
        """Shape and type of each of these arrays, as far as their own lengths leave it open."""
        logs, windows = (len(np.atleast_1d(arrays.get(name, []))) for name in ("logs", "window_logs"))
        return {
            "logs": ((logs, *self.shape), np.float64),
            "sum": (self.shape, np.float64),
            "summed": ((), np.int64),
            "window_logs": ((windows,), np.int64),
            "windows": ((windows, len(ENTROPIES), *self.shape[1:]), np.float64),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take up what :meth:`arrays` gave."""
        self._logs = [arrays["logs"]] if len(arrays["logs"]) else []
        self._sum, self._summed = arrays["sum"], int(arrays["summed"])
        self._windows = list(zip(arrays["window_logs"].tolist(), arrays["windows"], strict=True))
