"""What all queues of directions share: a ring of vectors, its state as plain arrays, and one way to ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.entropy.estimate import EntropyEstimate
from thermograd.entropy.points import as_array
from thermograd.errors import InputError

__all__ = ["EntropyQueue", "check_at_least", "unit_direction"]


class EntropyQueue(ABC):
    """The last ``size`` weight vectors in some form, and estimators of the entropy of their directions.

    Parameters
    ----------
    size
        How many vectors the queue holds, at least 2.
    dim
        Length ``d`` of a vector, at least 2.

    Raises
    ------
    InputError
        When one is out of range.

    """

    loses: str
    """What an entropy from this queue lacks against one from the vectors themselves, in words."""
    bytes: int
    """Memory that the queue holds from the beginning, in bytes; an estimate needs more for a while."""

    def __init__(self, size: int, dim: int) -> None:
        check_at_least(type(self).__name__, 2, size=size, dim=dim)
        self._size, self._dim = int(size), int(dim)
        # An array and not a number, so that it can lie in a file.
        self._count: NDArray[np.int64] = np.zeros(1, dtype=np.int64)

    @property
    def size(self) -> int:
        """How many vectors make the queue full."""
        return self._size

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @property
    def updates(self) -> int:
        """How many vectors came since the last reset."""
        return int(self._count[0])

    def __len__(self) -> int:
        return min(self.updates, self.size)

    @property
    def full(self) -> bool:
        """Whether an entropy can be asked for."""
        return self.updates >= self.size

    def update(self, vector: Any) -> None:
        """Add a weight vector; a full queue drops its oldest.

        Parameters
        ----------
        vector
            Shape ``(d,)``, of any norm above 0; numpy array or torch tensor (copied to the CPU).

        Raises
        ------
        InputError
            For a wrong shape, nan or inf, a zero vector, integers or half precision.

        """
        owner = type(self).__name__
        values = as_array(vector, owner)
        if values.shape != (self.dim,):
            raise InputError(f"{owner}: the vector has shape {values.shape}; expected ({self.dim},)")
        self._check_type(values)
        if not np.isfinite(values).all():
            bad = int(np.argmin(np.isfinite(values)))
            raise InputError(f"{owner}: entry {bad} of the vector is {values[bad]}; expected finite weights")
        if not values.any():
            raise InputError(f"{owner}: the vector is zero; expected weights that have a direction")
        self._store(values)
        self._count[0] += 1  # last: a queue in a file that is killed before has not seen the vector

    def reset(self) -> None:
        """Forget all vectors."""
        self._count[0] = 0

    @abstractmethod
    def compute(self, estimator: Callable[..., EntropyEstimate], **settings: Any) -> EntropyEstimate:
        """The entropy of the vectors in the queue, in the order in which they came; the queue keeps them.

        Parameters
        ----------
        estimator
            Of this package (:func:`~thermograd.entropy.kozachenko_leonenko`, ...), or any function of unit
            vectors, shape ``(size, d)``, that the queue can serve.
        settings
            Passed on to it.

        Raises
        ------
        InputError
            When the queue is not full, or holds less than the estimator needs.

        """

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The queue as plain arrays, ``updates`` (a count) among them: enough to go on bit for bit."""
        state: dict[str, NDArray[Any]] = {name: array.copy() for name, array in self._arrays().items()}
        state["updates"] = np.asarray(self.updates, dtype=np.int64)
        return state

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Restore what :meth:`state_dict` gave, into a queue made with the same arguments.

        Parameters
        ----------
        state
            The arrays.

        Raises
        ------
        InputError
            When one is missing or does not fit.

        """
        owner, arrays = type(self).__name__, self._arrays()
        if set(state) != {*arrays, "updates"}:
            expected = " and ".join([", ".join(sorted(arrays)), "updates"])
            raise InputError(f"{owner}: the state has {sorted(state)}; expected {expected}")
        saved = {name: np.asarray(state[name]) for name in arrays}
        for name, own in arrays.items():
            for what in ("shape", "dtype"):
                if getattr(saved[name], what) != getattr(own, what):
                    raise InputError(
                        f"{owner}: the saved {name} has {what} {getattr(saved[name], what)}; "
                        f"expected {getattr(own, what)}"
                    )
        updates = int(np.asarray(state["updates"]))
        if updates < 0:
            raise InputError(f"{owner}: updates is {updates}; expected a count")
        self._check_state(saved)
        for name, own in arrays.items():
            own[...] = saved[name]
        self._count[0] = updates

    # -- what a kind of queue adds --------------------------------------------------------------------------

    @abstractmethod
    def _arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that, with the count, are the whole state; written into when a state is restored."""

    @abstractmethod
    def _store(self, values: NDArray[np.floating[Any]]) -> None:
        """Take in a checked vector."""

    def _check_type(self, values: NDArray[np.floating[Any]]) -> None:  # noqa: B027
        """Refuse a type of numbers that cannot be held."""

    def _check_state(self, saved: dict[str, NDArray[Any]]) -> None:  # noqa: B027
        """Refuse a state that fits by its shapes and yet is another queue's."""

    def _check_full(self) -> None:
        if not self.full:
            raise InputError(
                f"{type(self).__name__}: {len(self)} vectors are in the queue; "
                f"expected {self.size} for a window"
            )

    def _slots(self, rows: int) -> NDArray[np.intp]:
        """Where in a ring of so many rows the vectors lie, the oldest first."""
        return (self.updates - len(self) + np.arange(len(self))) % rows


def check_at_least(owner: str, least: int, **values: object) -> None:
    """Refuse anything that is not an integer of at least ``least``.

    Parameters
    ----------
    owner
        Who asks, for the message.
    least
        The smallest that is accepted.
    values
        By their names.

    Raises
    ------
    InputError
        For the first that is not.

    Examples
    --------
    >>> check_at_least("queue", 2, size=1.5)
    Traceback (most recent call last):
    thermograd.errors.InputError: queue: size is 1.5; expected an integer of at least 2

    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{owner}: {name} is {value!r}; expected an integer of at least {least}")


def unit_direction(values: NDArray[np.floating[Any]], out: NDArray[np.float64]) -> None:
    """Write the direction of a vector, in float64, into ``out``.

    Parameters
    ----------
    values
        Finite, not zero, shape ``(d,)``.
    out
        Shape ``(d,)``.

    Examples
    --------
    >>> out = np.empty(2)
    >>> unit_direction(np.array([3e200, 4e200]), out)
    >>> out
    array([0.6, 0.8])

    """
    out[:] = values
    out /= np.abs(out).max()  # squares of very small or large weights would under- or overflow
    out /= np.sqrt(out @ out)
