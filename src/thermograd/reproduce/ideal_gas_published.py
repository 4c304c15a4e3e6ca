"""Which published numbers of the ideal-gas paper a setup compares with, and how the setups differ."""

from __future__ import annotations

from thermograd.analysis.published import TABLE_4, PublishedMaxwell
from thermograd.reproduce.presets import Setup
from thermograd.training.spec import TrainSpec

__all__ = ["PUBLISHED_WIDTHS", "network_words", "published_maxwell", "setup_difference"]

_NETWORKS = {"ConvNet": "ConvNet", "ResNet18": "ResNet-18"}
_DATA = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
PUBLISHED_WIDTHS = {
    ("ConvNet", "CIFAR-10"): 8,
    ("ConvNet", "CIFAR-100"): 16,
    ("ResNet-18", "CIFAR-10"): 4,
    ("ResNet-18", "CIFAR-100"): 4,
}
"""Width multipliers of IG table 3."""


def published_maxwell(setup: Setup, protocol: str) -> PublishedMaxwell | None:
    """The column of IG table 4 that is nearest: same kind of network, same images or else CIFAR-10.

    Parameters
    ----------
    setup
        What was measured.
    protocol
        Name of the protocol; for the fixed sphere nothing is published.

    Examples
    --------
    >>> from thermograd.reproduce.presets import load_preset
    >>> row = published_maxwell(load_preset("ideal-gas-convnet-digits", "quick"), "FixedLR")
    >>> row.network, row.data, row.r_squared
    ('ConvNet', 'CIFAR-10', 0.9926)

    """
    spec = setup.grids[0][1]
    network, data = _NETWORKS[spec.architecture], _DATA.get(setup.data, "CIFAR-10")
    for row in TABLE_4:
        if (row.network, row.data, row.protocol) == (network, data, protocol):
            return row
    return None


def setup_difference(setup: Setup) -> str:
    """How a setup differs from the published one, in words; empty at the paper's scale.

    Parameters
    ----------
    setup
        What was measured.

    Examples
    --------
    >>> from thermograd.reproduce.presets import load_preset
    >>> setup_difference(load_preset("ideal-gas-convnet-digits", "quick"))
    'published: ConvNet(8) on CIFAR-10; here: ConvNet(1) on digits, up to 12,000 iterations'

    """
    if setup.scale == "paper":
        return ""
    spec = setup.grids[0][1]
    network, data = _NETWORKS[spec.architecture], _DATA.get(setup.data, "CIFAR-10")
    width = PUBLISHED_WIDTHS[network, data]
    there = f"{network}({width}) on {data}"
    if "appendix H" in setup.source:
        there = "ResNet-18(32) on CIFAR-10"
    steps = max(template.steps for _, template in setup.grids)
    return f"published: {there}; here: {network_words(spec)} on {setup.data}, up to {steps:,} iterations"


def network_words(spec: TrainSpec) -> str:
    """The network with its width, as the paper writes it."""
    return f"{_NETWORKS[spec.architecture]}({spec.width})"
