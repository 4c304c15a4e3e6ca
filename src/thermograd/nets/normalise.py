"""Batch normalisation without affine parameters and without an epsilon: exactly scale-invariant."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

__all__ = ["BatchNorm", "batch_norm", "inverse_std"]

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


class _BatchNorm(Function):
    # Statistics and transform are two calls, so that the statistics of constant channels can be mended in
    # between, at the cost of a few operations on one number a channel and none on the activations.
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        mean, var = torch.ops.aten.batch_norm_update_stats(x, None, None, 0.0)
        invstd = inverse_std(mean, var.sqrt())
        ctx.save_for_backward(x, mean, invstd)
        usable = var.masked_fill(invstd == 0, torch.inf)
        out: Tensor = torch.ops.aten.native_batch_norm(x, None, None, mean, usable, False, 0.0, 0.0)[0]
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        # An ATen operation with a derivative of its own: second derivatives work.
        x, mean, invstd = ctx.saved_tensors
        out: Tensor = torch.ops.aten.native_batch_norm_backward(
            grad, x, None, None, None, mean, invstd, True, 0.0, [True, False, False]
        )[0]
        return out


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
    out: Tensor = _BatchNorm.apply(x)  # type: ignore[no-untyped-call]
    return out


class BatchNorm(nn.Module):
    """Module form of :func:`batch_norm`: nothing to train or store, the same in ``eval()``."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x``, shape ``(batch, channels, *positions)``."""
        return batch_norm(x)
