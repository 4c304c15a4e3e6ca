"""A queue of the directions of the weights, filled while they move, taken a window at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from thermograd.entropy.estimate import EntropyEstimate
from thermograd.entropy.queues.stream import EntropyQueue, check_at_least, unit_direction
from thermograd.errors import InputError

__all__ = ["DirectionQueue", "check_dtype"]


class DirectionQueue(EntropyQueue):
    """The last ``size`` weight vectors, handed out as unit directions in windows that do not overlap.

    Weights are stored as they come, without any rounding, and normalised in float64 when a window is taken.
    Normalising in float32 would move every coordinate by up to 6e-8 of itself: at neighbour distances of 1e-6
    and ``d = 24 408``, 16 nats of entropy. Float32 weights need a float32 queue only (half the memory,
    nothing lost); a float32 queue refuses float64 weights.

    Parameters
    ----------
    size
        How many vectors make a window, at least 2.
    dim
        Length ``d`` of a vector, at least 2.
    dtype
        ``"float64"`` holds anything; ``"float32"`` float32 weights only.

    Raises
    ------
    InputError
        When an argument is out of range.

    References
    ----------
    IG section 5.1 (1000 vectors, one every 50 iterations).

    Examples
    --------
    >>> import numpy as np
    >>> queue = DirectionQueue(2, 3)
    >>> queue.update(np.array([0.0, 3.0, 4.0]))
    >>> queue.full
    False
    >>> queue.update(np.array([2.0, 0.0, 0.0]))
    >>> queue.take_window()
    array([[0. , 0.6, 0.8],
           [1. , 0. , 0. ]])
    >>> len(queue)
    0

    """

    loses = "in memory: nothing"

    def __init__(self, size: int, dim: int, dtype: DTypeLike = "float64") -> None:
        self.bytes = self.bytes_needed(size, dim, dtype)
        super().__init__(size, dim)
        # Zeros, not empty: pages are handed out as they are written, and a saved state shows no old memory.
        self._buffer: NDArray[np.floating[Any]] = np.zeros(
            (size, dim), dtype=check_dtype(DirectionQueue.__name__, dtype)
        )

    @staticmethod
    def bytes_needed(size: int, dim: int, dtype: DTypeLike = "float64") -> int:
        """The memory that such a queue will hold, in bytes, before it is made.

        A window taken from it is a float64 array on top of that, ``8 * size * dim``.

        Parameters
        ----------
        size, dim, dtype
            As for the queue.

        Examples
        --------
        4000 vectors of ResNet-18(32):

        >>> DirectionQueue.bytes_needed(4000, 2_790_240, "float32") / 1e9
        44.64384

        """
        check_at_least(DirectionQueue.__name__, 2, size=size, dim=dim)
        return int(size) * int(dim) * check_dtype(DirectionQueue.__name__, dtype).itemsize

    def take_window(self) -> NDArray[np.float64]:
        """The last ``size`` directions in the order they came, and an empty queue: windows never overlap.

        Returns
        -------
        array
            Shape ``(size, d)``, float64, rows of norm 1.

        Raises
        ------
        InputError
            When the queue is not full.

        """
        window = self._window()
        self.reset()
        return window

    def compute(self, estimator: Callable[..., EntropyEstimate], **settings: Any) -> EntropyEstimate:
        """Any estimator, on a float64 copy of the directions; the queue keeps them.

        Parameters
        ----------
        estimator, settings
            A function of unit vectors, shape ``(size, d)``, and what else to pass to it.

        Raises
        ------
        InputError
            When the queue is not full.

        """
        return estimator(self._window(), **settings)

    def _window(self) -> NDArray[np.float64]:
        self._check_full()
        window = np.empty(self._buffer.shape)
        for row, slot in zip(window, self._slots(self.size), strict=True):
            unit_direction(self._buffer[slot], row)
        return window

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"buffer": self._buffer}

    def _check_type(self, values: NDArray[np.floating[Any]]) -> None:
        if values.dtype.itemsize > self._buffer.dtype.itemsize:
            raise InputError(
                "DirectionQueue: the vector is float64; expected float32, or a queue of dtype='float64'"
            )

    def _store(self, values: NDArray[np.floating[Any]]) -> None:
        self._buffer[self.updates % self.size] = values


def check_dtype(owner: str, dtype: DTypeLike) -> np.dtype[Any]:
    """The type of numbers in which weights are kept, float32 or float64.

    Parameters
    ----------
    owner
        Who asks, for the message.
    dtype
        What numpy takes for one, or torch's of that name.

    Raises
    ------
    InputError
        For any other.

    Examples
    --------
    >>> check_dtype("queue", "float16")
    Traceback (most recent call last):
    thermograd.errors.InputError: queue: dtype is float16; expected float32 or float64, because it is coarse

    """
    name = str(dtype).removeprefix("torch.")
    try:
        kind = np.dtype(name if str(dtype) != name else dtype)
    except TypeError:  # bfloat16, which numpy does not have
        raise InputError(f"{owner}: dtype is {name}; expected float32 or float64{_why(name)}") from None
    if kind not in (np.float32, np.float64):
        raise InputError(f"{owner}: dtype is {kind}; expected float32 or float64{_why(str(kind))}")
    return kind


def _why(name: str) -> str:
    return ", because it is coarse" if name in ("float16", "bfloat16") else ""
