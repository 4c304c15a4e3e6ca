"""The directions that all replicas took lately, a window at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Windows"]

_SHARE = 4
"""A queue may take one part in so many of a device's free memory; a larger one lies on the host."""


class Windows:
    """The last weight vectors of every replica, handed out as unit directions in windows without overlap.

    Weights are kept as they come, float32, and normalised in float64 when a window is taken: rounding a
    direction to float32 costs entropy at small neighbour distances (`DirectionQueue` says how much).

    Parameters
    ----------
    replicas, size, dim
        R, vectors in a window, and d.
    device
        Where the weights are; the queue lies there too if it leaves room for the rest.

    """

    def __init__(self, replicas: int, size: int, dim: int, device: torch.device) -> None:
        if device.type == "cuda" and 4 * replicas * size * dim * _SHARE > torch.cuda.mem_get_info(device)[0]:
            device = torch.device("cpu")
        self.size = size
        self.count = 0
        """Vectors since the last window was taken."""
        # Zeros, not empty: on a CPU pages are handed out as they are written.
        self._buffer = torch.zeros(replicas, size, dim, device=device)

    @property
    def full(self) -> bool:
        """Whether there are enough vectors for a window."""
        return self.count >= self.size

    def push(self, weights: Tensor) -> None:
        """Add the weight vectors of all replicas, ``(R, d)``."""
        self._buffer[:, self.count % self.size].copy_(weights, non_blocking=True)
        self.count += 1

    def directions(self, replica: int) -> NDArray[np.float64]:
        """One replica's window in the order in which it came, rows of norm 1, ``(size, d)``."""
        window = self._buffer[replica].roll(-(self.count % self.size), 0).cpu().numpy().astype(np.float64)
        window /= np.sqrt(np.einsum("nd,nd->n", window, window))[:, None]
        return window

    def reset(self) -> None:
        """Begin a new window."""
        self.count = 0

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that is needed to go on, as arrays."""
        kept = min(self.count, self.size)
        return {"queue_count": np.array(self.count), "queue": self._buffer[:, :kept].cpu().numpy()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on where `state` was taken."""
        self.count = int(state["queue_count"])
        kept = state["queue"].shape[1]
        self._buffer[:, :kept].copy_(torch.from_numpy(state["queue"]))
