"""The convolutional part of ``ConvNet`` for many replicas on one CPU thread, in compiled loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from thermograd.errors import InputError
from thermograd.nets.compiled.plan import LAYERS, Plan, Sizes, make_plan, take_memory

__all__ = ["compiled_features"]


class _CompiledFeatures(Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, images: Tensor, *weights: Tensor) -> Tensor:
        # Imported here: numba costs half a second, and only this function needs it.
        from thermograd.nets.compiled.network import forward

        replicas, batch = len(images), plan.sizes.batch
        needed = any(ctx.needs_input_grad)
        memory = take_memory(plan, replicas if needed else 1)
        features = images.new_empty(replicas, batch, plan.sizes.channels[-1])
        forward(
            images.data_ptr(),
            _addresses(weights),
            memory,
            plan.scratch,
            plan.saved if needed else 0,
            plan.table,
            plan.mask,
            batch,
            replicas,
            features.data_ptr(),
        )
        if needed:
            ctx.plan = plan
            # As a saved tensor the memory is freed, for the next call to use, as soon as the graph is.
            ctx.save_for_backward(torch.from_numpy(memory), *weights)
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from thermograd.nets.compiled.network import backward

        memory, *weights = ctx.saved_tensors
        plan: Plan = ctx.plan
        gradient = grad.contiguous()
        results = [torch.empty_like(weight) for weight in weights]
        backward(
            gradient.data_ptr(),
            _addresses(weights),
            memory.numpy(),
            plan.scratch,
            plan.saved,
            plan.table,
            plan.mask,
            plan.kernel,
            plan.sizes.batch,
            len(grad),
            _addresses(results),
        )
        return None, None, *results


def _addresses(tensors: Sequence[Tensor]) -> tuple[int, ...]:
    """Where contiguous tensors lie."""
    return tuple(tensor.data_ptr() for tensor in tensors)


def _check(images: Tensor, weights: Sequence[Tensor]) -> Sizes:
    def refuse(what: str, expected: str) -> InputError:
        return InputError(f"compiled_features: {what}; expected {expected}")

    if len(weights) != LAYERS:
        raise refuse(f"there are {len(weights)} weights", f"{LAYERS}, one a layer")
    for i, tensor in enumerate((images, *weights)):
        if tensor.dtype == torch.float32 and tensor.is_cpu and tensor.dim() == 5:
            continue
        name = f"weights[{i - 1}]" if i else "images"
        if tensor.dtype != torch.float32:
            raise refuse(f"{name} is {str(tensor.dtype).removeprefix('torch.')}", "float32")
        if not tensor.is_cpu:
            raise refuse(f"{name} is on {tensor.device}", "a tensor on the CPU")
        raise refuse(f"{name} has shape {tuple(tensor.shape)}", "five dimensions")
    if images.requires_grad:
        raise refuse("images requires a gradient", "images that need none: only the weights have one here")
    if not images.is_contiguous():
        raise refuse(f"images has strides {images.stride()}", "a contiguous tensor, the examples last")
    replicas, channels, height, width, batch = images.shape
    if height % 8 or width % 8 or not images.numel():
        raise refuse(f"images has shape {tuple(images.shape)}", "heights and widths that are multiples of 8")
    if batch < 2:
        raise refuse(f"images has shape {tuple(images.shape)}", "two examples or more")
    counts = [channels]
    for i, weight in enumerate(weights):
        after = weight.shape[1]
        if weight.shape != (replicas, after, counts[-1], 3, 3) or after == 0:
            expected = f"({replicas}, channels, {counts[-1]}, 3, 3)"
            raise refuse(f"weights[{i}] has shape {tuple(weight.shape)}", expected)
        counts.append(after)
    return Sizes(tuple(counts), height, width, batch)


def compiled_features(images: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Features of R independent ConvNets on one CPU thread: all that precedes the linear head.

    Four times ``relu(batch_norm(conv2d(x, weight, padding=1)))``, all but the first 2x2 max-pooled, then the
    maximum over the positions; what :class:`thermograd.nets.ConvNet` computes with ``kernel="plain"``, up to
    round-off. A channel that is constant to round-off is 0 and has gradient 0, as there. The bits of a
    replica depend on neither the other replicas, nor their number, nor its place among them.

    Parameters
    ----------
    images
        ``(R, channels, height, width, batch)``, float32, contiguous: the examples are innermost. Height and
        width are multiples of 8; the batch may have any size from 2 on, and multiples of 16 waste nothing.
    weights
        The four kernels, ``(R, after, before, 3, 3)`` each, float32.

    Returns
    -------
    Tensor
        ``(R, batch, features)``. It can be differentiated once, by the weights only.

    Raises
    ------
    InputError
        If a tensor is not on the CPU, not float32 or of the wrong shape, or ``images`` requires a gradient.

    References
    ----------
    IG section 6, appendix F (the network).

    Examples
    --------
    >>> from thermograd.nets import ConvNet
    >>> net = ConvNet(2, in_channels=1)
    >>> images = torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> weights = [p.detach()[None] for p in net.convs.parameters()]
    >>> features = compiled_features(images.permute(1, 2, 3, 0)[None].contiguous(), weights)
    >>> features.shape
    torch.Size([1, 32, 16])
    >>> bool(torch.allclose(net.head(features[0]), net(images), atol=1e-4))
    True

    """
    plan = make_plan(_check(images, weights))
    features: Tensor = _CompiledFeatures.apply(  # type: ignore[no-untyped-call]
        plan, images, *(weight.contiguous() for weight in weights)
    )
    return features
