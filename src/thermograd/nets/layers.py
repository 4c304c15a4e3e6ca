"""The two kinds of weights of the papers' networks: trained convolutions and a frozen linear head."""

from __future__ import annotations

import math

import torch
from torch import nn

from thermograd.errors import InputError

__all__ = ["HEAD_NORM", "convolution", "default_generator", "frozen_head", "prepare_input"]

HEAD_NORM = 10.0
"""Norm of the head's weight matrix (Li and Arora's setting, IG section 6)."""


def default_generator(generator: torch.Generator | None) -> torch.Generator:
    """The caller's generator, or a fresh one seeded with 0: never the global one."""
    return torch.Generator().manual_seed(0) if generator is None else generator


def _uniform(weight: torch.Tensor, fan_in: int, generator: torch.Generator) -> None:
    # torch's own default initialisation, U(-1/sqrt(fan_in), 1/sqrt(fan_in)), from an explicit generator
    bound = 1 / math.sqrt(fan_in)
    with torch.no_grad():
        weight.uniform_(-bound, bound, generator=generator)


def convolution(
    in_channels: int, out_channels: int, kernel: int, stride: int, generator: torch.Generator
) -> nn.Conv2d:
    """A convolution without bias, initialised as torch does but from ``generator``."""
    # Made on the meta device: torch's own initialisation would draw from the global generator.
    conv = nn.Conv2d(
        in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False, device="meta"
    ).to_empty(device="cpu")
    _uniform(conv.weight, in_channels * kernel * kernel, generator)
    return conv


def frozen_head(features: int, num_classes: int, generator: torch.Generator, *, bias: bool) -> nn.Linear:
    """A linear layer that is never trained: ``requires_grad`` is False, the weight has norm 10.

    A trainable head is not scale-invariant. Frozen, its parameters still show up in ``model.parameters()``
    (they are saved, moved and counted as usual); optimizers skip them as they have no gradient.
    """
    head = nn.Linear(features, num_classes, bias=bias, device="meta").to_empty(device="cpu")
    _uniform(head.weight, features, generator)
    if bias:
        _uniform(head.bias, features, generator)
    with torch.no_grad():
        head.weight.mul_(HEAD_NORM / torch.linalg.vector_norm(head.weight))
    head.requires_grad_(False)
    return head


def prepare_input(owner: str, x: torch.Tensor, in_channels: int) -> torch.Tensor:
    """The images in the layout that is computed fastest.

    Raises
    ------
    InputError
        If a network of these channels, with three halvings of the image, cannot take them.

    """
    if x.dim() != 4 or x.shape[1] != in_channels or x.shape[2] % 8 or x.shape[3] % 8:
        raise InputError(
            f"{owner}: input has shape {tuple(x.shape)}; expected (batch, {in_channels}, height, width)"
            " with height and width multiples of 8"
        )
    # Measured with one thread: channels-last is up to twice as fast at 32x32, a little slower at 8x8.
    if x.device.type == "cpu" and x.shape[2] * x.shape[3] >= 256:
        return x.contiguous(memory_format=torch.channels_last)
    return x
