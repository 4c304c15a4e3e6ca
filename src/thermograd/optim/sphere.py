"""SGD at a fixed effective learning rate on a sphere."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.optim.optimizer import ParamsT

from thermograd.optim.base import Moments, ProtocolSGD
from thermograd.optim.meter import Meter

__all__ = ["SphereSGD"]


class SphereSGD(ProtocolSGD):
    """Projected SGD: ``w <- proj_r(w - elr * r**2 * g)``, |w| the norm of all the group's weights together.

    The law (IG section 3.2). Before projecting, the norm grows by what weight decay would have to take back:
    ``effective_wd = (|w - eta g| - r) / (eta r)`` with ``eta = elr * r**2`` (IG eq. 83). It is
    measured in every step, as ``|w - eta g|**2 - r**2 = eta**2 |g|**2 - 2 eta w.g`` divided by the sum of the
    two norms, which loses no digits however small the step.

    Weights that are not on the sphere, as in the first step, are projected first; their gradient there
    follows from scale invariance, ``grad L(a w) = grad L(w) / a``.

    Parameters
    ----------
    params
        Parameters or groups, as for every torch optimizer. Those without ``requires_grad`` are left out.
    elr
        Effective learning rate. It lives in ``group["lr"]``, so learning-rate schedulers set the ELR.
    radius
        Norm of the weights, ``group["radius"]``.

    Raises
    ------
    InputError
        If ``elr`` is not a finite number of 0 or more, ``radius`` not one above 0, or no parameter is
        trainable.

    Examples
    --------
    >>> import torch
    >>> w = torch.nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))
    >>> optimizer = SphereSGD([w], elr=0.1, radius=1.0)
    >>> (w[0] / w.norm()).backward()
    >>> optimizer.step()
    >>> round(w.norm().item(), 12)
    1.0
    >>> optimizer.take_means()["norm"]
    5.0

    """

    meter: ClassVar[Meter] = Meter(["batch_grad_sq", "norm", "effective_wd"])
    _ranges: ClassVar[dict[str, tuple[str, bool]]] = {
        "lr": ("elr (effective learning rate)", True),
        "radius": ("radius", False),
    }

    def __init__(self, params: ParamsT, elr: float | Tensor, radius: float = 1.0) -> None:
        super().__init__(params, {"lr": elr, "radius": radius})

    def _update(self, group: dict[str, Any], w: Tensor, g: Tensor, moments: Moments) -> list[Tensor]:
        elr, radius = group["lr"], group["radius"]
        norm = moments.norm_sq.sqrt()
        unit_grad_sq = moments.norm_sq * moments.grad_sq
        # |u - elr |w| g|^2 = 1 + elr * growth for the unit vector u = w / |w|
        growth = elr * unit_grad_sq - 2 * moments.radial
        stretch = (1 + elr * growth).sqrt()
        effective_wd = growth / (1 + stretch) / radius**2
        shrink = radius / (norm * stretch)
        w.mul_(shrink).addcmul_(g, -elr * moments.norm_sq * shrink)
        return [unit_grad_sq, norm, effective_wd]
