"""One ordinary torch optimizer for each training protocol, measuring as it steps."""

from thermograd.optim.base import ProtocolSGD
from thermograd.optim.factory import for_protocol
from thermograd.optim.fixed_elr import FixedELRSGD
from thermograd.optim.fixed_lr import FixedLRSGD
from thermograd.optim.sphere import SphereSGD

__all__ = ["FixedELRSGD", "FixedLRSGD", "ProtocolSGD", "SphereSGD", "for_protocol"]
