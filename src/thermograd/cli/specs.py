"""From the options of a run to its spec."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from thermograd.data import absolute
from thermograd.protocol import Protocol
from thermograd.training.spec import Measurement, TrainSpec

__all__ = ["template"]

_MEASUREMENT = tuple(field.name for field in fields(Measurement))


def template(protocol: Protocol, *, data: str, **run: Any) -> TrainSpec:
    """The spec that the options of `run_options` describe; a path is made absolute, to hold from anywhere."""
    measurement = Measurement(**{name: run.pop(name) for name in _MEASUREMENT})
    return TrainSpec(protocol, data=absolute(data), measurement=measurement, **run)
