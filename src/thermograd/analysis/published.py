"""What the ideal-gas paper reports in its table 4."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["TABLE_4", "PublishedMaxwell"]


@dataclass(frozen=True)
class PublishedMaxwell:
    """One column of IG table 4 for one protocol.

    Attributes
    ----------
    network, data
        What was trained on what.
    protocol
        ``FixedELR`` or ``FixedLR``.
    r_squared
        Of the quadratic fit of the entropy.
    numbers
        ``a2/R, 2 a4/R, a5/R`` (ELR) or ``(a1-a2)/R, (2 a3-a5)/R, (2 a4-a5)/R`` (LR).
    max_error, mean_error
        Largest and mean ``|left - right| / R``; the text gives the mean for two only, NaN elsewhere.

    """

    network: str
    data: str
    protocol: str
    r_squared: float
    numbers: tuple[float, float, float]
    max_error: float
    mean_error: float = math.nan

    @property
    def source(self) -> str:
        """Where it is printed."""
        return "IG table 4"


TABLE_4: tuple[PublishedMaxwell, ...] = (
    PublishedMaxwell("ResNet-18", "CIFAR-10", "FixedELR", 0.9926, (-1.029, -0.008, 0.0002), 0.025),
    PublishedMaxwell("ResNet-18", "CIFAR-100", "FixedELR", 0.9949, (-1.022, -0.006, 0.0005), 0.019),
    PublishedMaxwell("ConvNet", "CIFAR-10", "FixedELR", 0.9975, (-1.128, -0.016, -0.006), 0.065),
    PublishedMaxwell("ConvNet", "CIFAR-100", "FixedELR", 0.9791, (-0.930, -0.0015, 0.009), 0.040),
    PublishedMaxwell("ResNet-18", "CIFAR-10", "FixedLR", 0.9939, (0.993, 0.005, 0.005), 0.030),
    PublishedMaxwell("ResNet-18", "CIFAR-100", "FixedLR", 0.9894, (1.075, 0.00008, -0.008), 0.056),
    PublishedMaxwell("ConvNet", "CIFAR-10", "FixedLR", 0.9926, (0.989, -0.038, -0.033), 0.176, 0.061),
    PublishedMaxwell("ConvNet", "CIFAR-100", "FixedLR", 0.8412, (0.659, -0.047, 0.0007), 0.233, 0.123),
)
"""The eight published tests of a Maxwell relation."""
