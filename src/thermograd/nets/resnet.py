"""ResNet18(k): pre-activation residual network with affine-free normalisation (IG appendix F)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from thermograd.nets.layers import convolution, default_generator, frozen_head, prepare_input
from thermograd.nets.normalise import batch_norm
from thermograd.nets.registry import check_size

__all__ = ["ResNet18"]


class _Block(nn.Module):
    """``x + conv2(relu(bn(conv1(relu(bn(x))))))``; a strided block's shortcut is bn + 1x1 convolution."""

    def __init__(self, before: int, after: int, stride: int, generator: torch.Generator) -> None:
        super().__init__()
        self.conv1 = convolution(before, after, 3, stride, generator)
        self.conv2 = convolution(after, after, 3, 1, generator)
        self.shortcut = None if stride == 1 else convolution(before, after, 1, stride, generator)

    def forward(self, x: Tensor) -> Tensor:
        normal = batch_norm(x)
        shortcut = x if self.shortcut is None else self.shortcut(normal)
        y: Tensor = self.conv1(relu(normal, inplace=self.shortcut is None))
        y = self.conv2(relu(batch_norm(y), inplace=True))
        return y.add_(shortcut)


class ResNet18(nn.Module):
    """The papers' pre-activation ResNet-18, fully scale-invariant (IG section 6, appendix F).

    A 3x3 convolution; four stages of two blocks, widths ``k, 2k, 4k, 8k``, strides 1, 2, 2, 2; normalisation,
    ReLU, average pool and a frozen linear head without bias. Every normalisation is without affine parameters
    and without epsilon and uses the batch's own statistics, in ``eval()`` too.

    The first convolution of a block is scale-invariant alone. The tensors that write to one residual stream
    (stem, second convolutions, shortcuts) are so only together: scaling all of them scales the stream.

    Parameters
    ----------
    width
        Channels of the first stage, k.
    in_channels
        Channels of the images.
    num_classes
        Outputs.
    generator
        Source of the initial weights and of the head, on the CPU. None takes a fresh one with seed 0.

    Raises
    ------
    InputError
        If a size is not a whole number above 0.

    Examples
    --------
    >>> net = ResNet18(4)
    >>> sum(p.numel() for p in net.parameters() if p.requires_grad)
    43692

    """

    def __init__(
        self,
        width: int,
        in_channels: int = 3,
        num_classes: int = 10,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_size("ResNet18", width=width, in_channels=in_channels, num_classes=num_classes)
        generator = default_generator(generator)
        self.width = width
        self.in_channels = in_channels
        self.stem = convolution(in_channels, width, 3, 1, generator)
        blocks = []
        before = width
        for stage in range(4):
            after = width * 2**stage
            blocks.append(_Block(before, after, 1 if stage == 0 else 2, generator))
            blocks.append(_Block(after, after, 1, generator))
            before = after
        self.blocks = nn.Sequential(*blocks)
        self.head = frozen_head(before, num_classes, generator, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, num_classes)`` of images ``(batch, in_channels, height, width)``."""
        x = self.blocks(self.stem(prepare_input("ResNet18", x, self.in_channels)))
        features = relu(batch_norm(x), inplace=True).mean((2, 3))
        return linear(features, self.head.weight)
