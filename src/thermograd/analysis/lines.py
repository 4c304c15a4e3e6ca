"""The states of a fixed-sphere grid as lines of rising ELR, one for each radius and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.points import LeftOut, select
from thermograd.errors import InputError
from thermograd.states.schema import grid_dims

__all__ = ["SphereLine", "sphere_lines"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SphereLine:
    """The usable states of one radius (and seed) over the ELR.

    Attributes
    ----------
    at
        The radius, and the seed where there is one.
    elr
        Effective learning rates, rising, shape ``(n,)``.
    values, errors
        Observables and their standard errors by name, shape ``(n,)``; an error is NaN where it is not known.
    left_out
        The states of this line that are not used.

    """

    at: dict[str, float]
    elr: Array
    values: dict[str, Array]
    errors: dict[str, Array]
    left_out: tuple[LeftOut, ...]


def sphere_lines(
    states: xr.Dataset,
    needs: Sequence[str],
    statuses: Sequence[str] = ("equilibrium",),
    within: tuple[float, float] | None = None,
    *,
    owner: str,
) -> tuple[SphereLine, ...]:
    """Every line of constant radius, on which the volume is fixed and the Helmholtz free energy is least.

    Parameters
    ----------
    states
        Stationary states on a fixed sphere.
    needs
        Variables that the analysis cannot do without.
    statuses
        Statuses to accept.
    within
        Smallest and largest ELR to use.
    owner
        Who asks, for error messages.

    Raises
    ------
    InputError
        States of another protocol, a variable that was not measured, or an empty range.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> states = new_states(FixedSphere.grid(elr=[0.1, 0.2], radius=[1.0]), {"loss": [[1.0], [2.0]]}, dim=3)
    >>> (line,) = sphere_lines(states, ["loss"], within=(0.15, 1.0), owner="example")
    >>> line.at, line.elr, str(line.left_out[0])
    ({'radius': 1.0}, array([0.2]), 'elr = 0.1, radius = 1: outside of the range 0.15 to 1')

    """
    if states.attrs.get("protocol") != "FixedSphere":
        raise InputError(
            f"{owner}: protocol is {states.attrs.get('protocol')!r}; expected 'FixedSphere': elsewhere the "
            "volume changes with the learning rate and U - T S is not what is least"
        )
    low, high = (0.0, np.inf) if within is None else within
    if not 0 <= low < high:
        raise InputError(f"{owner}: within is {within!r}; expected a smaller and a larger ELR")
    points = select(states, needs, statuses)
    # A point's bounds may come from rounded text: a relative slack keeps the ends in.
    inside = (points.axes["elr"] >= low * (1 - 1e-9)) & (points.axes["elr"] <= high * (1 + 1e-9))
    found = []
    others = [str(name) for name in grid_dims(states) if name != "elr"]
    for place in np.ndindex(*(states.sizes[name] for name in others)):
        at = {name: float(states[name].values[i]) for name, i in zip(others, place, strict=True)}
        here = np.all([points.axes[name] == value for name, value in at.items()], axis=0)
        beyond = tuple(
            LeftOut({"elr": float(rate), **at}, f"outside of the range {low:.4g} to {high:.4g}")
            for rate in points.axes["elr"][here & ~inside]
        )
        missing = tuple(
            left for left in points.left_out if all(left.point[name] == value for name, value in at.items())
        )
        kept = here & inside
        found.append(
            SphereLine(
                at,
                points.axes["elr"][kept],
                {name: values[kept] for name, values in points.values.items()},
                {name: values[kept] for name, values in points.errors.items()},
                (*missing, *beyond),
            )
        )
    return tuple(found)
