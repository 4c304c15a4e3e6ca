"""Measure, simulate, predict and steer the thermodynamics of SGD.

Names are loaded when they are first used: ``import thermograd`` imports neither torch nor matplotlib.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Grid

if TYPE_CHECKING:
    from thermograd import (
        analysis,
        data,
        entropy,
        figures,
        nets,
        noise,
        optim,
        report,
        simulate,
        sweep,
        theory,
    )
    from thermograd.states import load, save, stationary
    from thermograd.theory.predict import predict
    from thermograd.training import Measurement, TrainSpec, train

__all__ = [
    "FixedELR",
    "FixedLR",
    "FixedSphere",
    "Grid",
    "InputError",
    "Measurement",
    "TrainSpec",
    "analysis",
    "data",
    "entropy",
    "figures",
    "load",
    "nets",
    "noise",
    "optim",
    "predict",
    "report",
    "save",
    "simulate",
    "stationary",
    "sweep",
    "theory",
    "train",
]

__version__ = version("thermograd")

_HOME = {
    "Measurement": "training",
    "TrainSpec": "training",
    "load": "states",
    "predict": "theory.predict",
    "save": "states",
    "stationary": "states",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"thermograd.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"thermograd.{name}")
    raise AttributeError(f"module 'thermograd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
