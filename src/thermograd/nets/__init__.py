"""Fully scale-invariant networks, and finding the scale-invariant parameters of any network.

Importing this package does not import torch: the names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thermograd.nets.convnet import ConvNet
    from thermograd.nets.invariance import InvarianceReport, scale_invariant_parameters
    from thermograd.nets.normalise import BatchNorm, batch_norm
    from thermograd.nets.registry import ARCHITECTURES, build, weight_count
    from thermograd.nets.replicas import Replicas, losses
    from thermograd.nets.resnet import ResNet18
    from thermograd.nets.weights import dimension, set_norm, weight_norm

__all__ = [
    "ARCHITECTURES",
    "BatchNorm",
    "ConvNet",
    "InvarianceReport",
    "Replicas",
    "ResNet18",
    "batch_norm",
    "build",
    "dimension",
    "losses",
    "scale_invariant_parameters",
    "set_norm",
    "weight_count",
    "weight_norm",
]

_HOME = {
    "ARCHITECTURES": "registry",
    "BatchNorm": "normalise",
    "ConvNet": "convnet",
    "InvarianceReport": "invariance",
    "Replicas": "replicas",
    "ResNet18": "resnet",
    "batch_norm": "normalise",
    "build": "registry",
    "dimension": "weights",
    "losses": "replicas",
    "scale_invariant_parameters": "invariance",
    "set_norm": "weights",
    "weight_count": "registry",
    "weight_norm": "weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
