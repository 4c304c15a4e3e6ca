"""How much of the published effort a run of the isotropic reproduction spends."""

from __future__ import annotations

import math
from dataclasses import dataclass

from thermograd.errors import InputError

__all__ = ["Effort"]

_LEAST_QUEUE = 10  # directions: fewer have hardly an entropy


@dataclass(frozen=True)
class Effort:
    """A share of the published lengths, for a quick look or a test.

    Parameters
    ----------
    scale
        Iterations and queues over their published lengths, above 0 and at most 1. They shrink together, so
        that a run holds as many windows as ever and their points lie as far apart.

    Raises
    ------
    InputError
        If the scale is out of range.

    Examples
    --------
    >>> effort = Effort(0.05)
    >>> effort.steps(2_000_000), effort.queue(1000)
    (100000, 50)

    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and 0 < self.scale <= 1):
            raise InputError(f"isotropic: scale is {self.scale!r}; expected a share above 0 and at most 1")

    def steps(self, published: int) -> int:
        """So many iterations in place of these."""
        return max(1, round(self.scale * published))

    def queue(self, published: int) -> int:
        """So many directions in place of these, ten at least."""
        return max(_LEAST_QUEUE, round(self.scale * published))
