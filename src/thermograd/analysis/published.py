"""What the papers report: IG table 4, the temperatures and the phase exponents of FE."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = [
    "PHASE_EXPONENTS",
    "TABLE_4",
    "TEMPERATURE_LAWS",
    "PublishedExponent",
    "PublishedMaxwell",
    "PublishedTemperature",
]


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


@dataclass(frozen=True)
class PublishedTemperature:
    """One power law ``T = coefficient * elr^exponent`` of FE, from free-energy minimisation.

    Attributes
    ----------
    network, width, data
        What was trained on what; the width factor k.
    overparameterised
        Whether the paper counts it so.
    coefficient, exponent
        As printed in the figure, to two digits.
    low, high
        Smallest and largest learning rate used, chosen by hand (FE appendix B); the radius is 1.
    eps
        Slack of the free energy. For ResNet-18 on CIFAR-100 the list of FE appendix B names CIFAR-10 a
        second time; read here as CIFAR-100.
    steps
        Iterations.
    figure
        Number of the published figure.

    """

    network: str
    width: int
    data: str
    overparameterised: bool
    coefficient: float
    exponent: float
    low: float
    high: float
    eps: float
    steps: int
    figure: int

    @property
    def source(self) -> str:
        """Where it is printed."""
        return f"FE figure {self.figure}"

    def at(self, elr: float) -> float:
        """The temperature at this learning rate."""
        return float(self.coefficient * elr**self.exponent)


TEMPERATURE_LAWS: tuple[PublishedTemperature, ...] = (
    PublishedTemperature("ConvNet", 8, "CIFAR-10", False, 3.9e-3, 0.85, 1.8e-4, 1.0e-2, 1e-2, 1_600_000, 2),
    PublishedTemperature("ConvNet", 64, "CIFAR-10", True, 2.5e-4, 0.86, 1.0e-3, 5.2e-3, 4e-2, 1_600_000, 2),
    PublishedTemperature("ConvNet", 8, "CIFAR-100", False, 5.8e-5, 0.29, 5.6e-4, 2.2e-2, 1e-2, 1_600_000, 10),
    PublishedTemperature("ConvNet", 96, "CIFAR-100", True, 9.9e-7, 0.07, 5.6e-4, 6.1e-3, 4e-2, 1_600_000, 10),
    PublishedTemperature("ResNet-18", 4, "CIFAR-10", False, 3.9e-4, 0.57, 1.8e-4, 1.0e-2, 1e-2, 1_000_000, 9),
    PublishedTemperature("ResNet-18", 32, "CIFAR-10", True, 2.4e-6, 0.34, 1.0e-3, 7.2e-3, 1e-2, 1_000_000, 9),
    PublishedTemperature("ResNet-18", 4, "CIFAR-100", False, 6.2e-5, 0.32, 5.6e-4, 2.2e-2, 1e-2, 480_000, 9),
    PublishedTemperature("ResNet-18", 48, "CIFAR-100", True, 1.5e-6, 0.23, 1.0e-3, 6.1e-3, 3e-2, 480_000, 9),
)
"""The eight published power laws of the temperature."""


@dataclass(frozen=True)
class PublishedExponent:
    """One phase exponent of FE, ``E|g| = coefficient * |E g|^exponent``, over-parameterised on CIFAR-10.

    Attributes
    ----------
    network, width
        What was trained; the width factor k of FE appendix B.
    size
        Number of training images.
    elr
        Learning rate; the radius is 1.
    coefficient, exponent
        As printed in the figure, to two digits.
    figure
        Number of the published figure.

    """

    network: str
    width: int
    size: int
    elr: float
    coefficient: float
    exponent: float
    figure: int

    @property
    def source(self) -> str:
        """Where it is printed."""
        return f"FE figure {self.figure}"


PHASE_EXPONENTS: tuple[PublishedExponent, ...] = (
    PublishedExponent("ConvNet", 64, 5_000, 2.0e-5, 13, 0.93, 7),
    PublishedExponent("ConvNet", 64, 12_500, 2.0e-5, 12, 0.87, 7),
    PublishedExponent("ConvNet", 64, 25_000, 2.0e-5, 11, 0.83, 7),
    PublishedExponent("ConvNet", 64, 50_000, 2.0e-5, 10, 0.78, 7),
    PublishedExponent("ResNet-18", 32, 5_000, 2.1e-5, 12, 0.87, 15),
    PublishedExponent("ResNet-18", 32, 12_500, 2.1e-5, 15, 0.81, 15),
    PublishedExponent("ResNet-18", 32, 25_000, 2.1e-5, 17, 0.79, 15),
    PublishedExponent("ResNet-18", 32, 50_000, 2.1e-5, 20, 0.77, 15),
)
"""The eight published phase exponents, by network and rising size of the data set."""
