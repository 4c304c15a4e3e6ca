"""Plain SGD with weight decay, with the same measurements as its siblings."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.optim.optimizer import ParamsT

from thermograd.optim.base import Moments, ProtocolSGD

__all__ = ["FixedLRSGD"]


class FixedLRSGD(ProtocolSGD):
    """SGD with weight decay: ``w <- w - lr * (g + wd * w)`` (IG section 3.2).

    The same weights as ``torch.optim.SGD(params, lr, weight_decay=wd)`` up to round-off: it exists for the
    running means and for the float64 update.

    Parameters
    ----------
    params
        Parameters or groups, as for every torch optimizer. Those without ``requires_grad`` are left out.
    lr
        Learning rate, ``group["lr"]``.
    wd
        Weight decay, ``group["weight_decay"]``.

    Raises
    ------
    InputError
        If ``lr`` or ``wd`` is not a finite number of 0 or more, or no parameter is trainable.

    Examples
    --------
    >>> import torch
    >>> w = torch.nn.Parameter(torch.tensor([0.0, 2.0], dtype=torch.float64))
    >>> optimizer = FixedLRSGD([w], lr=0.1, wd=0.5)
    >>> (w[0] / w.norm()).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [-0.05, 1.9]

    """

    _ranges: ClassVar[dict[str, tuple[str, bool]]] = {
        "lr": ("lr (learning rate)", True),
        "weight_decay": ("wd (weight decay)", True),
    }

    def __init__(self, params: ParamsT, lr: float | Tensor, wd: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": wd})

    def _update(self, group: dict[str, Any], w: Tensor, g: Tensor, moments: Moments) -> list[Tensor]:
        w.sub_(g.add_(w, alpha=group["weight_decay"]).mul_(group["lr"]))
        return [moments.norm_sq * moments.grad_sq, moments.norm_sq.sqrt()]
