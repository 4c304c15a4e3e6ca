"""ConvNet(k): four 3x3 convolutions, each normalised and rectified, three of them pooled (IG appendix F)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, max_pool2d, relu

from thermograd.errors import InputError
from thermograd.nets.banded import banded_features
from thermograd.nets.layers import convolution, default_generator, frozen_head, prepare_input
from thermograd.nets.normalise import batch_norm
from thermograd.nets.registry import check_size

__all__ = ["ConvNet"]

_KERNELS = ("auto", "banded", "plain")


class ConvNet(nn.Module):
    """The papers' small convolutional network, fully scale-invariant (IG section 6, appendix F).

    Four 3x3 convolutions without bias, of widths ``k, 2k, 4k, 8k``, each followed by batch normalisation
    without affine parameters and ReLU; 2x2 max-pooling after the second, third and fourth; a maximum over the
    positions that remain; a frozen linear head with bias. Normalisation always uses the batch's own
    statistics, in ``eval()`` too, and has no epsilon: ``L(a w) = L(w)`` to round-off at every norm.

    Parameters
    ----------
    width
        Channels of the first convolution, k.
    in_channels
        Channels of the images.
    num_classes
        Outputs.
    generator
        Source of the initial weights and of the head, on the CPU. None takes a fresh one with seed 0, so that
        two networks built alike are equal.
    kernel
        How the convolutions are computed. "plain": torch's own operations; can be differentiated twice,
        transformed by ``torch.func`` and compiled, runs module hooks. "banded": one matrix product a layer,
        several times faster for narrow networks on small images on a CPU; can be differentiated once and by
        the weights only. "auto": banded where it pays. The results differ by round-off only.

    Raises
    ------
    InputError
        If a size is not a whole number above 0, or ``kernel`` is unknown.

    Examples
    --------
    >>> net = ConvNet(8)
    >>> sum(p.numel() for p in net.parameters() if p.requires_grad)
    24408
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])

    """

    def __init__(
        self,
        width: int,
        in_channels: int = 3,
        num_classes: int = 10,
        *,
        generator: torch.Generator | None = None,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        check_size("ConvNet", width=width, in_channels=in_channels, num_classes=num_classes)
        if kernel not in _KERNELS:
            raise InputError(f"ConvNet: kernel is {kernel!r}; expected one of {', '.join(_KERNELS)}")
        generator = default_generator(generator)
        self.width = width
        self.in_channels = in_channels
        self.kernel = kernel
        widths = [in_channels, width, 2 * width, 4 * width, 8 * width]
        convs = [convolution(before, after, 3, 1, generator) for before, after in pairwise(widths)]
        self.convs = nn.ModuleList(convs)
        self.head = frozen_head(8 * width, num_classes, generator, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, num_classes)`` of images ``(batch, in_channels, height, width)``."""
        x = prepare_input("ConvNet", x, self.in_channels)
        if self.kernel == "banded" or (self.kernel == "auto" and self._banded_pays(x)):
            features = (
                banded_features(x[None], [w[None] for w in self.convs.parameters()])[0].amax((0, 2)).t()
            )
        else:
            for layer, conv in enumerate(self.convs):
                x = relu(batch_norm(conv(x)), inplace=True)
                if layer > 0:
                    x = max_pool2d(x, 2)
            features = x.amax((2, 3))
        return linear(features, self.head.weight, self.head.bias)

    def _banded_pays(self, x: Tensor) -> bool:
        # Measured: the band's superfluous multiplications cost more than they save beyond this size, and
        # short batches leave the innermost loops too short.
        return (
            x.device.type == "cpu"
            and self.width * x.shape[3] <= 64
            and x.shape[0] >= 32
            and not x.requires_grad
            and not torch.compiler.is_compiling()
        )
