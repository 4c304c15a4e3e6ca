"""The weight vector w of a network: its dimension, its norm, and giving it a norm."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from thermograd.errors import InputError

__all__ = ["dimension", "set_norm", "trainable", "weight_norm"]


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that make up w: those with ``requires_grad``, in the model's order."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def dimension(model: nn.Module) -> int:
    """Number of trainable weights, d: the dimension of w.

    It is the d of the theory if all of them are scale-invariant; ``scale_invariant_parameters`` tells.

    Examples
    --------
    >>> from thermograd.nets import ConvNet
    >>> dimension(ConvNet(1, in_channels=1))
    387

    """
    return sum(parameter.numel() for parameter in trainable(model))


@torch.no_grad()
def weight_norm(model: nn.Module) -> float:
    """Norm r of all trainable weights together, accumulated in float64."""
    return math.hypot(*(float(torch.linalg.vector_norm(p, dtype=torch.float64)) for p in trainable(model)))


@torch.no_grad()
def set_norm(model: nn.Module, radius: float) -> None:
    """Scale all trainable weights together so that their norm is ``radius``; the function stays the same.

    Raises
    ------
    InputError
        If the radius is not a finite number above 0, or the weights are all 0.

    Examples
    --------
    >>> from thermograd.nets import ConvNet
    >>> net = ConvNet(1)
    >>> set_norm(net, 0.25)
    >>> round(weight_norm(net), 6)
    0.25

    """
    if not (math.isfinite(radius) and radius > 0):
        raise InputError(f"set_norm: radius is {radius!r}; expected a finite number above 0")
    norm = weight_norm(model)
    if not (math.isfinite(norm) and norm > 0):
        raise InputError(f"set_norm: the trainable weights have norm {norm!r}; expected a finite one above 0")
    torch._foreach_mul_(list[Tensor](trainable(model)), radius / norm)
