"""The networks by name, without importing torch, so that a run can be described before it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermograd.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["ARCHITECTURES", "Architecture", "build", "check_size", "weight_count"]


def _convnet_count(width: int, in_channels: int) -> int:
    return 9 * width * (in_channels + 2 * width * (1 + 4 + 16))


def _resnet18_count(width: int, in_channels: int) -> int:
    stem = 9 * in_channels * width
    blocks = 4 * 9 * width * width
    for stage in range(1, 4):
        before, after = width * 2 ** (stage - 1), width * 2**stage
        blocks += 9 * before * after + 3 * 9 * after * after + before * after
    return stem + blocks


@dataclass(frozen=True)
class Architecture:
    """What is known of a network before it is built."""

    name: str
    weight_count: Callable[[int, int], int]
    """Trainable weights, a function of width and input channels."""


ARCHITECTURES: dict[str, Architecture] = {
    entry.name: entry
    for entry in (Architecture("ConvNet", _convnet_count), Architecture("ResNet18", _resnet18_count))
}
"""The networks of the papers by class name, as run descriptions record them."""


def _entry(architecture: str) -> Architecture:
    if architecture not in ARCHITECTURES:
        raise InputError(f"architecture is {architecture!r}; expected one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[architecture]


def check_size(owner: str, **sizes: int) -> None:
    """Refuse sizes that are not whole numbers above 0."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InputError(f"{owner}: {name} is {size!r}; expected a whole number above 0")


def weight_count(architecture: str, width: int, in_channels: int = 3) -> int:
    """Number of trainable, scale-invariant weights, d (IG appendix F).

    Parameters
    ----------
    architecture
        A key of :data:`ARCHITECTURES`.
    width
        Channels of the first convolution, k.
    in_channels
        Channels of the images.

    Raises
    ------
    InputError
        If the name is unknown or a size is not a whole number above 0.

    Examples
    --------
    >>> weight_count("ConvNet", 8), weight_count("ResNet18", 32)
    (24408, 2790240)

    """
    entry = _entry(architecture)
    check_size(architecture, width=width, in_channels=in_channels)
    return entry.weight_count(width, in_channels)


def build(
    architecture: str,
    width: int,
    in_channels: int = 3,
    num_classes: int = 10,
    generator: torch.Generator | None = None,
) -> torch.nn.Module:
    """Build a network by name.

    Parameters
    ----------
    architecture
        A key of :data:`ARCHITECTURES`.
    width
        Channels of the first convolution, k.
    in_channels
        Channels of the images.
    num_classes
        Outputs.
    generator
        Source of the initial weights and of the head; None takes a fresh one with seed 0.

    Raises
    ------
    InputError
        If the name is unknown or a size is not a whole number above 0.

    Examples
    --------
    >>> type(build("ConvNet", width=1, in_channels=1)).__name__
    'ConvNet'

    """
    name = _entry(architecture).name
    from thermograd import nets

    network: torch.nn.Module = getattr(nets, name)(width, in_channels, num_classes, generator=generator)
    return network
