"""The kernels of batched networks: how R replicas of one architecture are computed, and which way pays.

A kernel takes images ``(R, B, C, H, W)`` - their strides are the kernel's own choice - and the stacked weights
``(R, out, in, k, k)``, and returns features ``(R, B, F)``. All kernels compute the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu

from thermograd.nets.banded import banded_features
from thermograd.nets.normalise import batch_norm

__all__ = ["KERNELS", "Kernel", "Shape", "choose"]


@dataclass(frozen=True)
class Shape:
    """What a kernel is chosen by."""

    architecture: str
    width: int
    replicas: int
    channels: int
    height: int
    columns: int
    device: str


@dataclass(frozen=True)
class Kernel:
    """One way to compute R networks.

    Parameters
    ----------
    applies
        Whether it can compute such networks.
    prepare
        Images ``(N, C, H, W)`` in the layout from which minibatches are gathered.
    gather
        Prepared images and an index ``(R, B)`` to images ``(R, B, C, H, W)`` in the kernel's own layout.
    features
        Images and stacked weights to features ``(R, B, F)``; images in another layout are copied.

    """

    applies: Callable[[Shape], bool]
    prepare: Callable[[Tensor], Tensor]
    gather: Callable[[Tensor, Tensor], Tensor]
    features: Callable[[str, Tensor, Sequence[Tensor]], Tensor]


# -- the two architectures on channels (B, groups * C, H, W) -------------------------------------------------


def _convnet(x: Tensor, weights: Sequence[Tensor], groups: int) -> Tensor:
    for layer, weight in enumerate(weights):
        x = relu(batch_norm(conv2d(x, weight, padding=1, groups=groups)), inplace=True)
        if layer > 0:
            x = max_pool2d(x, 2)
    return x.amax((2, 3))


def _resnet18(x: Tensor, weights: Sequence[Tensor], groups: int) -> Tensor:
    following = iter(weights)
    x = conv2d(x, next(following), padding=1, groups=groups)
    for block in range(8):
        stride = 2 if block in (2, 4, 6) else 1
        first, second = next(following), next(following)
        normal = batch_norm(x)
        shortcut = x if stride == 1 else conv2d(normal, next(following), stride=stride, groups=groups)
        y = conv2d(relu(normal, inplace=stride == 1), first, stride=stride, padding=1, groups=groups)
        y = conv2d(relu(batch_norm(y), inplace=True), second, padding=1, groups=groups)
        x = y.add_(shortcut)
    return relu(batch_norm(x), inplace=True).mean((2, 3))


_ARCHITECTURES = {"ConvNet": _convnet, "ResNet18": _resnet18}


def _last(x: Tensor) -> bool:
    # Measured with one thread: channels-last is up to twice as fast at 32x32, a little slower at 8x8.
    return x.device.type == "cpu" and x.shape[-2] * x.shape[-1] >= 256


# -- each: one after the other -------------------------------------------------------------------------------


def _prepare_plain(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last) if _last(images) else images.contiguous()


def _gather_plain(images: Tensor, index: Tensor) -> Tensor:
    # Indexing keeps channels-last rows whole: one copy of whole images.
    picked = images[index.reshape(-1)]
    if _last(images):
        picked = picked.contiguous(memory_format=torch.channels_last)
    return picked.unflatten(0, index.shape)


def _each(architecture: str, images: Tensor, weights: Sequence[Tensor]) -> Tensor:
    compute = _ARCHITECTURES[architecture]
    alone = zip(*(weight.unbind() for weight in weights), strict=True)
    return torch.stack(
        [
            compute(x.contiguous(memory_format=torch.channels_last) if _last(x) else x, w, 1)
            for x, w in zip(images.unbind(), alone, strict=True)
        ]
    )


# -- grouped: one convolution of R groups --------------------------------------------------------------------


def _gather_grouped(images: Tensor, index: Tensor) -> Tensor:
    # index.t(): examples outermost; then the replicas' channels lie beside each other
    picked = images[index.t().reshape(-1)].unflatten(0, (index.shape[1], index.shape[0]))
    return picked.transpose(0, 1)


def _grouped(architecture: str, images: Tensor, weights: Sequence[Tensor]) -> Tensor:
    replicas = images.shape[0]
    x = images.transpose(0, 1).flatten(1, 2)
    if images.device.type == "cpu":
        x = x.contiguous(memory_format=torch.channels_last)
    features = _ARCHITECTURES[architecture](x, [w.flatten(0, 1) for w in weights], replicas)
    return features.unflatten(1, (replicas, -1)).transpose(0, 1)


# -- banded: narrow ConvNets on a CPU ------------------------------------------------------------------------


def _banded_applies(shape: Shape) -> bool:
    return shape.architecture == "ConvNet"


def _prepare_banded(images: Tensor) -> Tensor:
    # Positions outermost: drawing examples is drawing columns, and leaves them innermost.
    return images.flatten(1).t().contiguous().unflatten(0, images.shape[1:])


def _gather_banded(images: Tensor, index: Tensor) -> Tensor:
    picked = images.flatten(0, 2).index_select(1, index.reshape(-1))
    return picked.view(*images.shape[:3], *index.shape).permute(3, 4, 0, 1, 2)


def _banded(architecture: str, images: Tensor, weights: Sequence[Tensor]) -> Tensor:
    return banded_features(images, weights).amax((1, 3)).transpose(1, 2)


def _always(shape: Shape) -> bool:
    return True


KERNELS: dict[str, Kernel] = {
    "banded": Kernel(_banded_applies, _prepare_banded, _gather_banded, _banded),
    "each": Kernel(_always, _prepare_plain, _gather_plain, _each),
    "grouped": Kernel(_always, Tensor.contiguous, _gather_grouped, _grouped),
}
"""The kernels by name, as plans record them."""


def choose(shape: Shape) -> str:
    """The kernel that is fastest for these networks, by a rule from measurements (``benchmarks/replicas.py``)."""
    if shape.device != "cpu":
        return "grouped"
    if shape.architecture == "ConvNet" and shape.width * shape.columns <= 64:
        return "banded"
    return "each"
