"""SGD with weight decay at a fixed effective learning rate."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.optim.optimizer import ParamsT

from thermograd.optim.base import Moments, ProtocolSGD

__all__ = ["FixedELRSGD"]


class FixedELRSGD(ProtocolSGD):
    """SGD whose learning rate follows the norm: ``w <- w - elr * |w|**2 * (g + wd * w)`` (IG section 3.2).

    |w| is the norm of all the group's weights together, before the step.

    Parameters
    ----------
    params
        Parameters or groups, as for every torch optimizer. Those without ``requires_grad`` are left out.
    elr
        Effective learning rate. It lives in ``group["lr"]``, so learning-rate schedulers set the ELR.
    wd
        Weight decay, ``group["weight_decay"]``.

    Raises
    ------
    InputError
        If ``elr`` or ``wd`` is not a finite number of 0 or more, or no parameter is trainable.

    Examples
    --------
    >>> import torch
    >>> w = torch.nn.Parameter(torch.tensor([0.0, 2.0], dtype=torch.float64))
    >>> optimizer = FixedELRSGD([w], elr=0.1, wd=0.5)
    >>> (w[0] / w.norm()).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [-0.2, 1.6]

    """

    _ranges: ClassVar[dict[str, tuple[str, bool]]] = {
        "lr": ("elr (effective learning rate)", True),
        "weight_decay": ("wd (weight decay)", True),
    }

    def __init__(self, params: ParamsT, elr: float | Tensor, wd: float) -> None:
        super().__init__(params, {"lr": elr, "weight_decay": wd})

    def _update(self, group: dict[str, Any], w: Tensor, g: Tensor, moments: Moments) -> list[Tensor]:
        lr = group["lr"] * moments.norm_sq
        w.addcmul_(w, -lr * group["weight_decay"]).addcmul_(g, -lr)
        return [moments.norm_sq * moments.grad_sq, moments.norm_sq.sqrt()]
