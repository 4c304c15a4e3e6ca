"""A queue of the directions of the weights, filled while they move, taken a window at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from thermograd.entropy.points import as_array
from thermograd.errors import InputError

__all__ = ["DirectionQueue"]

_OWNER = "DirectionQueue"


class DirectionQueue:
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
    >>> queue.push(np.array([0.0, 3.0, 4.0]))
    >>> queue.full
    False
    >>> queue.push(np.array([2.0, 0.0, 0.0]))
    >>> queue.take_window()
    array([[0. , 0.6, 0.8],
           [1. , 0. , 0. ]])
    >>> len(queue)
    0

    """

    def __init__(self, size: int, dim: int, dtype: DTypeLike = "float64") -> None:
        self.bytes = self.bytes_needed(size, dim, dtype)
        """Memory that the queue holds from the beginning, in bytes."""
        # Zeros, not empty: pages are handed out as they are written, and a saved state shows no old memory.
        self._buffer: NDArray[np.floating[Any]] = np.zeros((size, dim), dtype=dtype)
        self._pushed = 0  # since the last window was taken

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
        for name, value in (("size", size), ("dim", dim)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 2:
                raise InputError(f"{_OWNER}: {name} is {value!r}; expected an integer of at least 2")
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise InputError(f"{_OWNER}: dtype is {kind}; expected float32 or float64")
        return int(size) * int(dim) * kind.itemsize

    @property
    def size(self) -> int:
        """How many vectors make a window."""
        return int(self._buffer.shape[0])

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._buffer.shape[1])

    def __len__(self) -> int:
        return min(self._pushed, self.size)

    @property
    def full(self) -> bool:
        """Whether a window can be taken."""
        return self._pushed >= self.size

    def push(self, vector: Any) -> None:
        """Add a weight vector; a full queue drops its oldest.

        Parameters
        ----------
        vector
            Shape ``(d,)``, of any norm above 0; numpy array or torch tensor (copied to the CPU).

        Raises
        ------
        InputError
            For a wrong shape, nan or inf, a zero vector, integers, half precision, or float64 weights in a
            float32 queue.

        """
        values = as_array(vector, _OWNER)
        if values.shape != (self.dim,):
            raise InputError(f"{_OWNER}: the vector has shape {values.shape}; expected ({self.dim},)")
        if values.dtype.itemsize > self._buffer.dtype.itemsize:
            raise InputError(
                f"{_OWNER}: the vector is float64; expected float32, or a queue of dtype='float64'"
            )
        if not np.isfinite(values).all():
            bad = int(np.argmin(np.isfinite(values)))
            raise InputError(f"{_OWNER}: entry {bad} of the vector is {values[bad]}; expected finite weights")
        if not values.any():
            raise InputError(f"{_OWNER}: the vector is zero; expected weights that have a direction")
        self._buffer[self._pushed % self.size] = values
        self._pushed += 1

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
        if not self.full:
            raise InputError(
                f"{_OWNER}: {len(self)} vectors are in the queue; expected {self.size} for a window"
            )
        window = np.empty(self._buffer.shape)
        for age, row in enumerate(window):
            row[:] = self._buffer[(self._pushed + age) % self.size]
            row /= np.abs(row).max()  # squares of very small or large weights would under- or overflow
            row /= np.sqrt(row @ row)
        self._pushed = 0
        return window

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The queue as plain arrays: ``buffer`` (size, d), as it is stored, and ``pushed`` (a count)."""
        return {"buffer": self._buffer.copy(), "pushed": np.asarray(self._pushed, dtype=np.int64)}

    def load_state_dict(self, state: dict[str, ArrayLike]) -> None:
        """Restore what :meth:`state_dict` gave, into a queue of the same size, dimension and dtype.

        Parameters
        ----------
        state
            The two arrays.

        Raises
        ------
        InputError
            When one is missing or does not fit.

        """
        if set(state) != {"buffer", "pushed"}:
            raise InputError(f"{_OWNER}: the state has {sorted(state)}; expected buffer and pushed")
        buffer, pushed = np.asarray(state["buffer"]), int(np.asarray(state["pushed"]))
        for name, saved, own in (
            ("shape", buffer.shape, self._buffer.shape),
            ("dtype", buffer.dtype, self._buffer.dtype),
        ):
            if saved != own:
                raise InputError(f"{_OWNER}: the saved buffer has {name} {saved}; expected {own}")
        if pushed < 0:
            raise InputError(f"{_OWNER}: pushed is {pushed}; expected a count")
        self._buffer[...] = buffer
        self._pushed = pushed
