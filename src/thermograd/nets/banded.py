"""Narrow 3x3 networks as few large operations, R of them at once: the fast path of ``ConvNet`` in torch.

General convolution kernels are made for many channels: with one to four of them they spend most of their time
on layout. Here every convolution is one batched matrix product with the banded (Toeplitz) matrix of the
kernel along the columns. It multiplies ``image width / 3`` times more numbers than needed and is still
several times faster for narrow networks on small images, the more so as every operation serves all replicas
at once. The function computed is the same as with the plain operations, up to round-off.

What remains is mostly the cost of calling operations, so all memory is laid out once for a shape and used
again for the next batch (`thermograd.nets.banded_workspace`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from thermograd.nets.banded_workspace import Workspace

__all__ = ["banded_features"]

_KEPT = 4
"""Workspaces that wait for another batch, at most: for training, for measuring, for testing."""

_waiting: dict[object, list[Workspace]] = {}
"""Workspaces by what they were made for, those used last at the end; one in use is not here."""


def _take(key: object, images: Tensor, channels: Sequence[int]) -> Workspace:
    if _waiting.get(key) and not _capturing(images):
        return _waiting[key].pop()
    return Workspace(images, channels)


def _put_back(key: object, workspace: Workspace) -> None:
    if _capturing(workspace.images):
        return
    waiting = _waiting.pop(key, [])
    _waiting[key] = [*waiting[-1:], workspace]
    while len(_waiting) > _KEPT:
        del _waiting[next(iter(_waiting))]


def _capturing(images: Tensor) -> bool:
    # What a CUDA graph computes with must be the graph's own, as long as the graph lives.
    return images.is_cuda and torch.cuda.is_current_stream_capturing()


class _BandedFeatures(Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, *weights: Tensor) -> Tensor:
        channels = tuple(weight.shape[1] for weight in weights)
        key = (tuple(images.shape), channels, images.dtype, images.device)
        workspace = _take(key, images, channels)
        workspace.images.copy_(images.permute(0, 3, 2, 4, 1))
        for layer, weight in zip(workspace.layers, weights, strict=True):
            layer.forward(weight)
        features: Tensor = workspace.features.clone()
        if any(ctx.needs_input_grad):
            ctx.workspace, ctx.key = workspace, key
            ctx.save_for_backward(*weights)
        else:
            _put_back(key, workspace)
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.needs_input_grad[0]:
            raise RuntimeError("the banded kernel has no gradient for the images; ConvNet's plain kernel has")
        if ctx.workspace is None:
            raise RuntimeError("the banded kernel can be differentiated once; ConvNet's plain kernel again")
        workspace, ctx.workspace = ctx.workspace, None
        gradients: list[Tensor] = []
        g: Tensor | None = grad.flatten(3)
        for layer, weight in zip(reversed(workspace.layers), reversed(ctx.saved_tensors), strict=True):
            assert g is not None
            g, gweight = layer.backward(g, weight, first=layer is workspace.layers[0])
            gradients.append(gweight)
        _put_back(ctx.key, workspace)
        return None, *reversed(gradients)


def banded_features(images: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """The convolutional part of R ``ConvNet``: features before the global maximum.

    Each layer is ``relu(batch_norm(conv2d(x, weight, padding=1)))``; all but the first are 2x2 max-pooled.
    Where several positions share the largest value, pooling passes the gradient to the first of them.

    Parameters
    ----------
    images
        ``(R, batch, channels, height, width)``; each halving must come out even. Examples innermost in memory
        are read fastest.
    weights
        Kernels, ``(R, after, before, 3, 3)`` each.

    Returns
    -------
    Tensor
        Features ``(R, height, channels, width, batch)``; they can be differentiated once, by the weights.

    Examples
    --------
    >>> x = torch.randn(1, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> banded_features(x, [torch.ones(1, 2, 1, 3, 3), torch.ones(1, 1, 2, 3, 3)]).shape
    torch.Size([1, 4, 1, 4, 4])

    """
    features: Tensor = _BandedFeatures.apply(images, *weights)  # type: ignore[no-untyped-call]
    return features
