"""Minibatches of many replicas at once: the same sequences that each would draw alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["ReplicaBatches"]

_BLOCK = 256


class ReplicaBatches:
    """For each step one row of indices per replica, drawn independently with replacement (IG appendix F).

    Replica r's sequence is that of a `BatchSampler` with its generator: it knows nothing of the others.

    Parameters
    ----------
    num_images, batch_size
        N and B.
    seeds
        One per replica.
    device
        Where the indices are put, a block of steps at a time; they are drawn on the CPU.

    Examples
    --------
    >>> batches = ReplicaBatches(100, 8, [1, 2])
    >>> batches.draw().shape
    torch.Size([2, 8])

    """

    def __init__(
        self, num_images: int, batch_size: int, seeds: Sequence[int], device: torch.device | str = "cpu"
    ) -> None:
        self._num_images, self._batch_size, self._device = num_images, batch_size, device
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._refill()

    def draw(self) -> Tensor:
        """The next step's indices, int64, ``(R, B)``."""
        if self._used == _BLOCK:
            self._refill()
        self._used += 1
        return self._rows[self._used - 1]

    def draw_nothing(self) -> Tensor:
        """A step's indices without taking the step: their shape and place."""
        return self._rows[0]

    def state(self) -> NDArray[np.uint8]:
        """Where the sequences stand, ``(R, bytes)``."""
        used = np.frombuffer(np.int64(self._used).tobytes(), np.uint8)
        return np.stack([np.concatenate([used, start.numpy()]) for start in self._starts])

    def restore(self, state: NDArray[np.uint8]) -> None:
        """Go on where `state` was taken."""
        for generator, row in zip(self._generators, state, strict=True):
            generator.set_state(torch.from_numpy(row[8:].copy()))
        self._refill()
        self._used = int(np.frombuffer(state[0, :8].tobytes(), np.int64)[0])

    def _refill(self) -> None:
        self._starts = [generator.get_state() for generator in self._generators]
        shape = (_BLOCK, self._batch_size)
        drawn = [torch.randint(self._num_images, shape, generator=g) for g in self._generators]
        self._rows = list(torch.stack(drawn, 1).to(self._device).unbind(0))
        self._used = 0
