"""From a protocol to the optimizer that carries it out."""

from __future__ import annotations

from torch.optim.optimizer import ParamsT

from thermograd.errors import InputError
from thermograd.optim.base import ProtocolSGD
from thermograd.optim.fixed_elr import FixedELRSGD
from thermograd.optim.fixed_lr import FixedLRSGD
from thermograd.optim.sphere import SphereSGD
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Protocol

__all__ = ["for_protocol"]


def for_protocol(protocol: Protocol, params: ParamsT) -> ProtocolSGD:
    """The optimizer whose step is the protocol's update, with the protocol's hyperparameters.

    Parameters
    ----------
    protocol
        ``FixedSphere``, ``FixedELR`` or ``FixedLR``.
    params
        Parameters or groups, as for every torch optimizer.

    Raises
    ------
    InputError
        If the protocol is none of the three.

    Examples
    --------
    >>> import torch
    >>> w = torch.nn.Parameter(torch.ones(3))
    >>> type(for_protocol(FixedSphere(elr=1e-3, radius=2.0), [w])).__name__
    'SphereSGD'

    """
    match protocol:
        case FixedSphere():
            return SphereSGD(params, elr=protocol.elr, radius=protocol.radius)
        case FixedELR():
            return FixedELRSGD(params, elr=protocol.elr, wd=protocol.wd)
        case FixedLR():
            return FixedLRSGD(params, lr=protocol.lr, wd=protocol.wd)
        case _:
            raise InputError(f"protocol is {protocol!r}; expected a FixedSphere, FixedELR or FixedLR")
