"""Whether the entropy that is read from consecutive iterates is more than the length of a step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.lines import sphere_lines
from thermograd.errors import InputError

__all__ = ["StepReading", "step_reading"]

Array = NDArray[np.float64]
_LEAST = 4
_SURE = 2.0
_NEAR = 0.1


@dataclass(frozen=True)
class StepReading:
    """The entropy of one line of states over the length of a step.

    Attributes
    ----------
    at
        Which radius (and seed).
    slope, slope_se
        ``b`` of ``S / (d - 1) = a + b log(elr sqrt(E|g|^2))``: 1 where S is the volume of a step, 1/2 where
        it is the entropy of a cold gas, ``(d - 1)/2 log T`` with T in proportion to the ELR.
    scatter
        Standard deviation about the line, in nats for each dimension.
    n
        Number of states.
    word
        ``"step"``: the slope is within 0.1 of 1; ``"law"``: it is below 0.9 by two standard errors;
        ``"undecided"``.

    """

    at: dict[str, float]
    slope: float
    slope_se: float
    scatter: float
    n: int
    word: str

    def __str__(self) -> str:
        return (
            f"S/(d-1) = {self.slope:.3g} ± {self.slope_se:.1g} of the logarithm of a step's length, within "
            f"{self.scatter:.2g} nats ({self.n} states)"
        )


def step_reading(
    states: xr.Dataset, *, within: tuple[float, float] | None = None, observable: str = "entropy"
) -> tuple[StepReading, ...]:
    """Fit the entropy of each line of constant radius over the logarithm of the length of a step.

    The nearest neighbour of an iterate among consecutive ones is the iterate a step away. If the window is
    much shorter than the time in which SGD visits its stationary law, distances tell that length alone, and
    the entropy is ``(d - 1) log(elr |g|)`` up to a constant, whatever the law is. A temperature dU/dS then
    comes out as half of that of a cold gas, whose entropy rises half as fast.

    Parameters
    ----------
    states
        Stationary states on a fixed sphere with the entropy and ``batch_grad_sq``.
    within
        Smallest and largest ELR to use.
    observable
        Which entropy.

    Raises
    ------
    InputError
        Another protocol, a variable that was not measured, or no line with 4 usable states.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> from thermograd.theory import vmf
    >>> elr = np.geomspace(1e-4, 1e-2, 8)[:, None]
    >>> measured = {"norm": 1 + 0 * elr, "loss": elr, "batch_grad_sq": 9 + 0 * elr}
    >>> measured["entropy_sphere"] = vmf.entropy_sphere(elr / 2, 10)
    >>> grid = FixedSphere.grid(elr=elr.ravel(), radius=[1.0])
    >>> (reading,) = step_reading(new_states(grid, measured, dim=10))
    >>> round(reading.slope, 2), reading.word
    (0.5, 'law')

    """
    owner = "step reading"
    lines = sphere_lines(states, [observable, "batch_grad_sq"], within=within, owner=owner)
    enough = [line for line in lines if len(line.elr) >= _LEAST]
    if not enough:
        most = max(len(line.elr) for line in lines)
        raise InputError(f"{owner}: {most} usable states at most on a line; expected at least {_LEAST}")
    d = int(states.attrs["dim"])
    found = []
    for line in enough:
        x = np.log(line.elr * np.sqrt(line.values["batch_grad_sq"]))
        slope, se, scatter = _line(x, line.values[observable] / (d - 1))
        word = "undecided"
        if abs(slope - 1) <= _NEAR:
            word = "step"
        elif slope + _SURE * se < 1 - _NEAR:
            word = "law"
        found.append(StepReading(line.at, slope, se, scatter, len(x), word))
    return tuple(found)


def _line(x: Array, y: Array) -> tuple[float, float, float]:
    """Slope of least squares, its standard error, and the scatter about the line."""
    away = x - x.mean()
    information = float(away @ away)
    slope = float(away @ y) / information
    left = y - y.mean() - slope * away
    scatter = math.sqrt(float(left @ left) / (len(x) - 2))
    return slope, scatter / math.sqrt(information), scatter
