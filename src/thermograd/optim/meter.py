"""Running means of what a step knows anyway, kept on the device so that no step waits for the host."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Meter"]


class Meter:
    """Sums of named scalars and their count, as one float64 tensor that a state dict can carry.

    Parameters
    ----------
    names
        Names of the scalars, in the order in which :meth:`add` receives them.

    Examples
    --------
    >>> meter = Meter(["norm"])
    >>> sums = meter.zeros(torch.device("cpu"))
    >>> meter.add(sums, [torch.tensor(1.0)])
    >>> meter.add(sums, [torch.tensor(2.0)])
    >>> meter.means(sums)
    {'norm': 1.5}

    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def zeros(self, device: torch.device) -> Tensor:
        """Empty sums: the count first, then one sum a name."""
        return torch.zeros(1 + len(self.names), dtype=torch.float64, device=device)

    def add(self, sums: Tensor, values: Sequence[Tensor]) -> None:
        """Add one value of each name, 0-dimensional tensors on the device of ``sums``, in place."""
        sums.add_(torch.stack((torch.ones_like(values[0]), *values)))

    def means(self, sums: Tensor) -> dict[str, float]:
        """Mean of each name, NaN if nothing was added. The only call that waits for the device."""
        count, *totals = sums.tolist()
        return {
            name: total / count if count else math.nan for name, total in zip(self.names, totals, strict=True)
        }
