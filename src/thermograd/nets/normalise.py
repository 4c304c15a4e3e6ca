"""Batch normalisation without affine parameters and without an epsilon: exactly scale-invariant."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

__all__ = ["BatchNorm", "batch_norm", "inverse_std", "steady_batch_norm"]

_ROUND_OFF = 16.0
"""A channel whose spread is below this many units of round-off of its mean is a constant channel."""


def inverse_std(mean: Tensor, std: Tensor) -> Tensor:
    """``1 / std``, and 0 for a channel that is constant to round-off: it carries no signal to amplify.

    Both sides of the test scale with the weights, so the rule is itself scale-invariant, which an epsilon
    added to the variance is not.

    Parameters
    ----------
    mean, std
        Mean and standard deviation of each channel, same shape.

    Examples
    --------
    >>> inverse_std(torch.tensor([0.0, 3.0, 0.0]), torch.tensor([0.5, 1e-9, 0.0]))
    tensor([2., 0., 0.])

    """
    threshold = mean.abs().mul_(_ROUND_OFF * torch.finfo(mean.dtype).eps)
    return std.reciprocal().masked_fill_(std <= threshold, 0.0)


def _channel_sum(wide: Tensor, channels: int) -> Tensor:
    # Columns in the last vectors of a matrix are added in another order than the rest; rows never are. So the
    # sum of a channel does not depend on how many channels stand beside it.
    return wide.sum(0).view(-1, channels).t().contiguous().sum(1)


def _wide(x: Tensor) -> Tensor:
    """Channels-last activations as rows that hold many positions: one pass of a row is one long loop."""
    count = x.numel() // x.shape[1]
    positions = math.gcd(count, 64)
    return x.movedim(1, -1).reshape(count // positions, positions * x.shape[1])


def _narrow(wide: Tensor, x: Tensor) -> Tensor:
    return wide.view(x.movedim(1, -1).shape).movedim(-1, 1)


def _is_wide(x: Tensor) -> bool:
    # torch's own kernel for this layout on a CPU adds float32 numbers one after the other: its mean is off by
    # up to 15 000 units of round-off for 128 images of 32x32, and it is slow for few channels.
    return (
        x.device.type == "cpu"
        and x.dim() == 4
        and not x.is_contiguous()
        and x.is_contiguous(memory_format=torch.channels_last)
    )


class _BatchNorm(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        out: Tensor
        if _is_wide(x):
            channels = x.shape[1]
            wide = _wide(x)
            positions, count = wide.shape[1] // channels, x.numel() // channels
            mean = _channel_sum(wide, channels).div_(count)
            out = torch.empty_like(x)
            centred = torch.sub(wide, mean.repeat(positions), out=_wide(out))
            invstd = inverse_std(mean, _channel_sum(centred * centred, channels).div_(count).sqrt_())
            centred.mul_(invstd.repeat(positions))
        else:
            # Statistics and transform are two calls, so that the statistics of constant channels can be
            # mended in between: a few operations on one number a channel, none on the activations.
            mean, var = torch.ops.aten.batch_norm_update_stats(x, None, None, 0.0)
            invstd = inverse_std(mean, var.sqrt())
            usable = var.masked_fill(invstd == 0, torch.inf)
            out = torch.ops.aten.native_batch_norm(x, None, None, mean, usable, False, 0.0, 0.0)[0]
        ctx.save_for_backward(x, mean, invstd)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, mean, invstd = ctx.saved_tensors
        if not _is_wide(x) or torch.is_grad_enabled():
            # An operation with a derivative of its own: second derivatives work.
            out: Tensor = torch.ops.aten.native_batch_norm_backward(
                grad, x, None, None, None, mean, invstd, True, 0.0, [True, False, False]
            )[0]
            return out
        channels = x.shape[1]
        wide, g = _wide(x), _wide(grad)
        positions, count = wide.shape[1] // channels, x.numel() // channels
        centred = wide - mean.repeat(positions)
        # invstd * (g - mean(g) - normalised * mean(g * normalised))
        shift = _channel_sum(g, channels).mul_(invstd).div_(-count)
        tilt = _channel_sum(g * centred, channels).mul_(invstd**3).div_(-count)
        centred.mul_(tilt.repeat(positions)).add_(shift.repeat(positions))
        return _narrow(centred.addcmul_(g, invstd.repeat(positions)), x)


def batch_norm(x: Tensor) -> Tensor:
    """Normalise each channel to mean 0 and variance 1 over the batch and all positions.

    ``y = (x - mean) / std`` with the batch's own (biased) statistics, and ``y = 0``, with gradient 0, for a
    channel that is constant to round-off. ``batch_norm(a * x) == batch_norm(x)`` to round-off for every
    ``a > 0``, however small: there is no epsilon. With one, P1 and P2 of scale invariance fail as soon as the
    weights are small (IG section 6 trains at norm 0.25).

    Parameters
    ----------
    x
        Activations, shape ``(batch, channels, *positions)``.

    Examples
    --------
    >>> x = torch.randn(8, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(batch_norm(1e-6 * x), batch_norm(x), atol=1e-6))
    True
    >>> batch_norm(torch.full((4, 1, 2, 2), 7.0)).abs().max().item()
    0.0

    """
    out: Tensor
    if x.device.type == "cpu" and not _is_wide(x) and not torch.compiler.is_compiling():
        # Nearly always every channel stands out of round-off, and torch's own operation, without its epsilon,
        # is all there is to do. Elsewhere looking at the numbers would make the host wait for the device.
        out, mean, invstd = torch.native_batch_norm(x, None, None, None, None, True, 0.0, 0.0)
        if float((mean * invstd).abs().max()) * _ROUND_OFF * torch.finfo(mean.dtype).eps < 1:
            return out
    out = _BatchNorm.apply(x)  # type: ignore[no-untyped-call]
    return out


def steady_batch_norm(x: Tensor) -> Tensor:
    """:func:`batch_norm` computed in one way whatever the numbers are, as its steps on a device are.

    For channels of several networks side by side: what one of them holds must not change the way, and with it
    the round-off, of another.

    Examples
    --------
    >>> x = torch.randn(8, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(steady_batch_norm(x), batch_norm(x), atol=1e-6))
    True

    """
    out: Tensor = _BatchNorm.apply(x)  # type: ignore[no-untyped-call]
    return out


class BatchNorm(nn.Module):
    """Module form of :func:`batch_norm`: nothing to train or store, the same in ``eval()``."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x``, shape ``(batch, channels, *positions)``."""
        return batch_norm(x)
