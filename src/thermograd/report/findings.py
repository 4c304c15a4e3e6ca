"""Every analysis of one protocol's states, or the reason in words why it could not be made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis import (
    Collapse,
    MaxwellCheck,
    Points,
    PressureSlopes,
    RadiusCheck,
    collapse,
    maxwell,
    pressure_slopes,
    radius,
    select,
)
from thermograd.errors import InputError

__all__ = ["Findings", "analyse"]

Array = NDArray[np.float64]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Findings:
    """What the states of one protocol say about each law; a text in place of a result says why there is none.

    Attributes
    ----------
    states
        The states themselves.
    gas
        Runs with a compressibility ``Z = p V / (R T)``.
    radius, maxwell, pressure, collapse
        Results of :mod:`thermograd.analysis`; ``pressure`` is for the fixed sphere only and None elsewhere.

    """

    states: xr.Dataset
    gas: Points | str
    radius: RadiusCheck | str
    maxwell: MaxwellCheck | str
    pressure: PressureSlopes | str | None
    collapse: Collapse | str


def analyse(states: xr.Dataset) -> Findings:
    """Make every analysis that these states allow.

    Parameters
    ----------
    states
        Stationary states of one protocol.

    """
    sphere = states.attrs.get("protocol") == "FixedSphere"
    return Findings(
        states,
        _attempt(_gas, states),
        _attempt(radius, states),
        _attempt(maxwell, states),
        _attempt(pressure_slopes, states) if sphere else None,
        _attempt(collapse, states),
    )


def _gas(states: xr.Dataset) -> Points:
    points = select(states, ["compressibility"])
    if len(points) == 0:
        raise InputError(f"gas law: none of the {states['status'].size} runs can be used")
    return points


def _attempt(analysis: Callable[[xr.Dataset], Result], states: xr.Dataset) -> Result | str:
    try:
        return analysis(states)
    except InputError as error:
        return str(error)
