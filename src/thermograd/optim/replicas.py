"""SGD of many replicas at once, each under a protocol of its own: one row of weights a replica."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Protocol

__all__ = ["ReplicaSGD"]

_METER = ("loss", "batch_grad_sq", "mean_batch_grad_norm", "norm", "effective_wd")


class ReplicaSGD:
    """The three protocols' updates on stacked weights, with the running means of every step.

    All three are ``w <- keep * w - step * g``, with ``keep`` and ``step`` a number per replica (IG section
    3.2): at fixed LR ``step = lr`` and at fixed ELR ``step = elr |w|**2``, ``keep = 1 - step * wd``; on the
    sphere both are divided by the stretch of the norm. The update is computed in float64 and each weight is
    rounded once, as in `FixedLRSGD`, `FixedELRSGD` and `SphereSGD`, its plain twins.

    Parameters
    ----------
    protocols
        One per replica, of any kinds.
    weights
        Stacked parameters ``(R, ...)``, whose gradients a step reads from ``grad``.

    Attributes
    ----------
    sums
        Of every replica, the number of steps and the sums since `take_means` was last called: float64,
        ``(R, 1 + names)``, on the device; part of a run's state.

    Notes
    -----
    Nothing in a step waits for the device or depends on numbers, so that a step can be captured in a graph.

    Examples
    --------
    >>> w = torch.nn.Parameter(torch.tensor([[0.0, 2.0], [0.0, 2.0]]))
    >>> w.grad = torch.tensor([[0.5, 0.0], [0.5, 0.0]])
    >>> optimizer = ReplicaSGD([FixedLR(lr=0.1, wd=0.5), FixedELR(elr=0.1, wd=0.5)], [w])
    >>> optimizer.step(torch.zeros(2))
    >>> w.data
    tensor([[-0.0500,  1.9000],
            [-0.2000,  1.6000]])

    """

    def __init__(self, protocols: Sequence[Protocol], weights: Sequence[Tensor]) -> None:
        self._weights = list(weights)
        self.count = len(protocols)
        shapes = [tuple(p.shape) for p in self._weights]
        if not shapes or any(shape[0] != self.count for shape in shapes):
            raise InputError(
                f"ReplicaSGD: weights have shapes {shapes}; expected a first dimension of {self.count}"
            )
        self._sizes = [p[0].numel() for p in self._weights]
        rates, decays, radii = [], [], []
        for protocol in protocols:
            match protocol:
                case FixedLR():
                    rates.append(protocol.lr)
                case FixedELR() | FixedSphere():
                    rates.append(protocol.elr)
                case _:
                    raise InputError(f"protocol is {protocol!r}; expected a FixedSphere, FixedELR or FixedLR")
            decays.append(0.0 if isinstance(protocol, FixedSphere) else protocol.wd)
            radii.append(protocol.radius if isinstance(protocol, FixedSphere) else math.nan)
        self._rates, self._decays, self._radii = map(self._column, (rates, decays, radii))
        # 0 where the rate is an ELR, to be multiplied by |w|^2; 1 where it is a learning rate
        fixed_lr = [isinstance(protocol, FixedLR) for protocol in protocols]
        self._mixed = any(fixed_lr) and not all(fixed_lr)
        self._all_lr = all(fixed_lr)
        self._is_lr = self._mask(fixed_lr)
        on_sphere = [isinstance(protocol, FixedSphere) for protocol in protocols]
        self._any_sphere = any(on_sphere)
        self._is_sphere = self._mask(on_sphere)
        self.sums = torch.zeros(self.count, 1 + len(_METER), dtype=torch.float64, device=self._device)
        self._one = torch.ones(self.count, dtype=torch.float64, device=self._device)
        self._nothing = torch.full_like(self._one, math.nan)

    @property
    def _device(self) -> torch.device:
        return self._weights[0].device

    def _column(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self._device)

    def _mask(self, values: list[bool]) -> Tensor:
        return torch.tensor(values, device=self._device)

    def set_rates(self, values: Sequence[float]) -> None:
        """Change the learning rates, or ELRs, of all replicas, in place."""
        self._rates.copy_(self._column(list(values)))

    def hold(self, replica: int) -> None:
        """Move this replica no more: its rate and its decay are 0 from now on."""
        self._rates[replica] = 0.0
        self._decays[replica] = 0.0

    @torch.no_grad()
    def step(self, losses: Tensor) -> None:
        """One step of every replica; `losses`, ``(R,)``, go into the means."""
        w = self._rows(self._weights)
        g = self._rows([p.grad for p in self._weights])
        norm_sq, grad_sq = torch.linalg.vecdot(w, w), torch.linalg.vecdot(g, g)
        unit_grad_sq = norm_sq * grad_sq
        norm = norm_sq.sqrt()
        if self._all_lr:
            step = self._rates
        else:
            step = self._rates * norm_sq
            if self._mixed:
                step = torch.where(self._is_lr, self._rates, step)
        keep = 1 - step * self._decays
        effective_wd = self._nothing
        if self._any_sphere:
            # |u - elr |w| g|^2 = 1 + elr * growth for the unit vector u = w / |w|
            growth = self._rates * unit_grad_sq - 2 * torch.linalg.vecdot(w, g)
            stretch = (1 + self._rates * growth).sqrt()
            effective_wd = growth / (1 + stretch) / self._radii**2
            shrink = self._radii / (norm * stretch)
            keep = torch.where(self._is_sphere, shrink, keep)
            step = torch.where(self._is_sphere, step * shrink, step)
        w.mul_(keep[:, None]).addcmul_(g, -step[:, None])
        pieces = torch.split(w.to(self._weights[0].dtype), self._sizes, 1)
        torch._foreach_copy_(
            self._weights, [piece.view_as(p) for piece, p in zip(pieces, self._weights, strict=True)]
        )
        values = (self._one, losses, unit_grad_sq, unit_grad_sq.sqrt(), norm, effective_wd)
        self.sums.add_(torch.stack([value.double() for value in values], 1))

    def _rows(self, tensors: Sequence[Tensor | None]) -> Tensor:
        rows = [t.reshape(self.count, -1) for t in tensors if t is not None]
        return torch.cat(rows, 1).to(torch.float64)

    def take_means(self) -> dict[str, list[float]]:
        """Means of all replicas since the last call, by name; the only call that waits for the device.

        ``loss``; ``batch_grad_sq`` and ``mean_batch_grad_norm``, mean square and mean of the minibatch
        gradient's norm on the unit sphere; ``norm``, before each step; ``effective_wd`` (IG eq. 83), NaN
        for replicas that are not on a sphere. NaN if no step was taken.
        """
        sums = self.sums.cpu()
        means = sums[:, 1:] / sums[:, :1]
        self.sums.zero_()
        return {name: means[:, i].tolist() for i, name in enumerate(_METER)}
