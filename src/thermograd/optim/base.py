"""What the three optimizers share: one flat weight vector a group, closures, means of the last steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from thermograd.errors import InputError
from thermograd.optim.meter import Meter

__all__ = ["Moments", "ProtocolSGD"]


class Moments(NamedTuple):
    """Inner products of the whole weight vector w and its gradient g, float64 scalars on their device."""

    norm_sq: Tensor
    """``|w|**2``."""
    grad_sq: Tensor
    """``|g|**2``."""
    radial: Tensor
    """``w . g``: 0 up to round-off if the weights are scale-invariant (P2)."""


class ProtocolSGD(Optimizer):
    """Abstract optimizer whose step acts on the weights of a group as one vector w.

    A group's parameters are laid end to end, in float64, once a step: inner products are accumulated and the
    update is computed in float64, and each weight is rounded once. In float32 a factor such as
    ``1 - elr * wd * |w|**2`` would itself be rounded, and bias the norm.

    Parameters without ``requires_grad`` (a frozen head) are left out when a group is added: they are not part
    of w. A parameter whose ``grad`` is None in a step counts with gradient 0.

    Notes
    -----
    Nothing in a step waits for the device. ``group["sums"]`` holds running sums, saved by ``state_dict``.

    """

    meter: ClassVar[Meter] = Meter(["batch_grad_sq", "norm"])
    _ranges: ClassVar[dict[str, tuple[str, bool]]] = {}
    """What each hyperparameter of a group means, and whether it may be 0."""

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self._check(defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group: its trainable parameters are one vector w with a norm of its own."""
        self._check({**self.defaults, **param_group})
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        kept = [index for index, p in enumerate(group["params"]) if p.requires_grad]
        if not kept:
            self.param_groups.pop()
            raise InputError(
                f"{type(self).__name__}: no parameter of a group requires a gradient; expected at least one"
            )
        for key in {"params", "param_names"} & group.keys():
            group[key] = [group[key][index] for index in kept]
        group["sums"] = self.meter.zeros(group["params"][0].device)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step.

        Parameters
        ----------
        closure
            Called first, with gradients enabled, to evaluate the loss and its gradients again; its value is
            returned.

        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params: list[Tensor] = group["params"]
            if all(p.grad is None for p in params):
                continue
            w = _flat(params)
            g = _flat([torch.zeros_like(p) if p.grad is None else p.grad for p in params])
            moments = Moments(torch.dot(w, w), torch.dot(g, g), torch.dot(w, g))
            values = self._update(group, w, g, moments)
            _write(w, params)
            if group["sums"].device != w.device:
                group["sums"] = group["sums"].to(w.device)
            self.meter.add(group["sums"], values)
        return loss

    def take_means(self, group: int = 0, *, reset: bool = True) -> dict[str, float]:
        """Means over the steps since the last reset, on the unit sphere where that matters.

        Parameters
        ----------
        group
            Which parameter group: each is a vector of its own.
        reset
            Whether to start a new interval.

        Returns
        -------
        dict[str, float]
            ``batch_grad_sq``: ``|w|**2 |g|**2`` of the minibatch gradient, its square on the unit sphere;
            ``norm``: ``|w|`` before the step; on the sphere also ``effective_wd`` (IG eq. 83). NaN if no step
            was taken.

        """
        sums = self.param_groups[group]["sums"]
        means = self.meter.means(sums)
        if reset:
            sums.zero_()
        return means

    def _update(self, group: dict[str, Any], w: Tensor, g: Tensor, moments: Moments) -> list[Tensor]:
        """Change ``w`` in place, ``g`` being free to use up; return the meter's values, in order."""
        raise NotImplementedError

    def _check(self, values: dict[str, Any]) -> None:
        for name, (meaning, zero) in self._ranges.items():
            value = values[name]
            if isinstance(value, Tensor):
                continue  # on a device, reading it would wait; a tensor is what capturing a graph needs
            number = isinstance(value, int | float) and math.isfinite(value)
            if not number or value < 0 or (value == 0 and not zero):
                least = "of 0 or more" if zero else "above 0"
                raise InputError(
                    f"{type(self).__name__}: {meaning} is {value!r}; expected a finite number {least}"
                )


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors]).to(torch.float64, copy=False)


def _write(w: Tensor, params: list[Tensor]) -> None:
    pieces = torch.split(w.to(params[0].dtype), [p.numel() for p in params])
    torch._foreach_copy_(params, [piece.view_as(p) for piece, p in zip(pieces, params, strict=True)])
