"""The kernels of batched networks: how R replicas of one architecture are computed, and which way pays.

A kernel takes images ``(R, B, C, H, W)``, whose strides are the kernel's own choice, and the stacked weights
``(R, out, in, k, k)``, and returns features ``(R, F, B)``. All kernels compute the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu

from thermograd.nets.banded import banded_features
from thermograd.nets.compiled import compiled_features
from thermograd.nets.normalise import batch_norm, steady_batch_norm

__all__ = ["CONVOLUTIONS", "KERNELS", "Kernel", "Shape", "choose"]

Convolution = Callable[..., Tensor]
"""``(x, weight, *, stride, padding, groups) -> y``, as `torch.nn.functional.conv2d`."""


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
    dtype: torch.dtype = torch.float32
    precision: str = "float32"


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
        Architecture, images, stacked weights and a convolution to features ``(R, F, B)``; images in another
        layout are copied.
    counts
        Whether the bits of a replica may depend on how many there are.

    """

    applies: Callable[[Shape], bool]
    prepare: Callable[[Tensor], Tensor]
    gather: Callable[[Tensor, Tensor], Tensor]
    features: Callable[[str, Tensor, Sequence[Tensor], Convolution], Tensor]
    counts: bool = False


# -- the convolution of the general kernels ------------------------------------------------------------------


def _rounded(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    # What enters and leaves the convolution is rounded, in both directions; the rest of the network is not.
    y = conv2d(x.bfloat16(), weight.bfloat16(), stride=stride, padding=padding, groups=groups)
    return y.float()


CONVOLUTIONS: dict[str, Convolution] = {"float32": conv2d, "bfloat16": _rounded}
"""By the precision of the factors."""


# -- the two architectures on channels (B, groups * C, H, W) -------------------------------------------------


def _convnet(x: Tensor, weights: Sequence[Tensor], groups: int, convolve: Convolution) -> Tensor:
    norm = batch_norm if groups == 1 else steady_batch_norm
    for layer, weight in enumerate(weights):
        x = relu(norm(convolve(x, weight, padding=1, groups=groups)), inplace=True)
        if layer > 0:
            x = max_pool2d(x, 2)
    return x.amax((2, 3))


def _resnet18(x: Tensor, weights: Sequence[Tensor], groups: int, convolve: Convolution) -> Tensor:
    norm = batch_norm if groups == 1 else steady_batch_norm
    following = iter(weights)
    x = convolve(x, next(following), padding=1, groups=groups)
    for block in range(8):
        stride = 2 if block in (2, 4, 6) else 1
        first, second = next(following), next(following)
        normal = norm(x)
        shortcut = x if stride == 1 else convolve(normal, next(following), stride=stride, groups=groups)
        y = convolve(relu(normal, inplace=stride == 1), first, stride=stride, padding=1, groups=groups)
        y = convolve(relu(norm(y), inplace=True), second, padding=1, groups=groups)
        x = y.add_(shortcut)
    return relu(norm(x), inplace=True).mean((2, 3))


_ARCHITECTURES = {"ConvNet": _convnet, "ResNet18": _resnet18}


def _last(x: Tensor) -> bool:
    # Measured with one thread: channels-last is up to twice as fast at 32x32, a little slower at 8x8.
    return x.device.type == "cpu" and x.shape[-2] * x.shape[-1] >= 256


# -- each: one after the other -------------------------------------------------------------------------------


def _prepare_plain(images: Tensor) -> Tensor:
    if _last(images):
        return images.contiguous(memory_format=torch.channels_last)
    return images.contiguous()


def _gather_plain(images: Tensor, index: Tensor) -> Tensor:
    # Indexing keeps channels-last rows whole: one copy of whole images.
    picked = images[index.reshape(-1)]
    if _last(images):
        picked = picked.contiguous(memory_format=torch.channels_last)
    return picked.view(*index.shape, *images.shape[1:])


def _each(architecture: str, images: Tensor, weights: Sequence[Tensor], convolve: Convolution) -> Tensor:
    compute = _ARCHITECTURES[architecture]
    alone = zip(*(weight.unbind() for weight in weights), strict=True)
    return torch.stack(
        [
            compute(x.contiguous(memory_format=torch.channels_last) if _last(x) else x, w, 1, convolve)
            for x, w in zip(images.unbind(), alone, strict=True)
        ]
    ).transpose(1, 2)


# -- grouped: one convolution of R groups --------------------------------------------------------------------


def _gather_grouped(images: Tensor, index: Tensor) -> Tensor:
    # index.t(): examples outermost; then the replicas' channels lie beside each other
    picked = images[index.t().reshape(-1)]
    return picked.view(index.shape[1], index.shape[0], *images.shape[1:]).transpose(0, 1)


def _grouped(architecture: str, images: Tensor, weights: Sequence[Tensor], convolve: Convolution) -> Tensor:
    replicas = images.shape[0]
    x = images.transpose(0, 1).flatten(1, 2)
    if images.device.type == "cpu":
        x = x.contiguous(memory_format=torch.channels_last)
    features = _ARCHITECTURES[architecture](x, [w.flatten(0, 1) for w in weights], replicas, convolve)
    return features.view(len(features), replicas, -1).permute(1, 2, 0)


# -- examples innermost: banded and compiled -----------------------------------------------------------------


def _gather_innermost(images: Tensor, index: Tensor) -> Tensor:
    # Rows of whole images, then one transposition: drawing columns is slow where the data fill a cache.
    replicas, batch = index.shape
    picked = images.flatten(1).index_select(0, index.reshape(-1)).view(replicas, batch, -1)
    turned = picked.transpose(1, 2).contiguous()
    return turned.view(replicas, *images.shape[1:], batch).permute(0, 4, 1, 2, 3)


def _banded_applies(shape: Shape) -> bool:
    return shape.architecture == "ConvNet" and shape.precision == "float32"


def _banded(architecture: str, images: Tensor, weights: Sequence[Tensor], convolve: Convolution) -> Tensor:
    return banded_features(images, weights).amax((1, 3))


def _compiled_applies(shape: Shape) -> bool:
    exact = shape.dtype == torch.float32 and shape.precision == "float32"
    return shape.architecture == "ConvNet" and shape.device == "cpu" and exact


def _compiled(architecture: str, images: Tensor, weights: Sequence[Tensor], convolve: Convolution) -> Tensor:
    return compiled_features(images.permute(0, 2, 3, 4, 1).contiguous(), weights).transpose(1, 2)


# -- the table -----------------------------------------------------------------------------------------------


def _always(shape: Shape) -> bool:
    return True


KERNELS: dict[str, Kernel] = {
    "compiled": Kernel(_compiled_applies, Tensor.contiguous, _gather_innermost, _compiled),
    "banded": Kernel(_banded_applies, Tensor.contiguous, _gather_innermost, _banded),
    "each": Kernel(_always, _prepare_plain, _gather_plain, _each),
    "grouped": Kernel(_always, Tensor.contiguous, _gather_grouped, _grouped, counts=True),
}
"""The kernels by name, as plans record them."""


def choose(shape: Shape) -> str:
    """The kernel that is fastest for these networks, by a rule from ``benchmarks/replicas.py``.

    On a device other than a CPU nothing has been measured: narrow networks take the kernel of fewest and
    largest operations there, too.
    """
    if KERNELS["compiled"].applies(shape):
        return "compiled"
    if KERNELS["banded"].applies(shape) and shape.width * shape.columns <= 64:
        return "banded"
    if shape.device != "cpu":
        return "grouped"
    # Groups cost more than they save where one network's channels fill vectors and its images caches.
    return "grouped" if shape.replicas > 1 and shape.width * shape.columns <= 128 else "each"
