"""Which grid points an analysis uses, and which it leaves out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.states.schema import grid_dims, validate

__all__ = ["LeftOut", "Points", "select"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LeftOut:
    """A grid point that an analysis did not use.

    Attributes
    ----------
    point
        Its hyperparameters by name.
    reason
        Why, in words.

    """

    point: dict[str, float]
    reason: str

    def __str__(self) -> str:
        place = ", ".join(f"{name} = {value:.4g}" for name, value in self.point.items())
        return f"{place}: {self.reason}"


@dataclass(frozen=True)
class Points:
    """The usable points of a states dataset, as flat arrays of shape ``(n,)``.

    Attributes
    ----------
    protocol
        Name of the protocol.
    dim
        Number of scale-invariant weights ``d``.
    axes
        Hyperparameters (and seed) by name.
    values, errors
        Observables and their standard errors by name; an error is NaN where it is not known.
    used
        Boolean array over the grid.
    left_out
        The others.

    """

    protocol: str
    dim: int
    axes: dict[str, Array]
    values: dict[str, Array]
    errors: dict[str, Array]
    used: xr.DataArray
    left_out: tuple[LeftOut, ...]

    def __len__(self) -> int:
        return int(self.used.sum())

    @property
    def seeds(self) -> Array:
        """Columns of a fit, shape ``(n, seeds - 1)``: what each seed adds to the mean over seeds.

        Seeds have heads, and with them energies, noises and entropies, of their own: what lies between them
        is no scatter about a law that holds for every network.
        """
        if not len(self):
            return np.empty((0, 0))
        known, which = np.unique(self.axes.get("seed", np.zeros(len(self))), return_inverse=True)
        columns = np.eye(len(known))[:, :-1]
        columns[-1] = -1
        return np.asarray(columns[which], dtype=np.float64)

    def on_grid(self, values: Array) -> xr.DataArray:
        """Flat values put back in their places, NaN where no point is used."""
        grid = xr.full_like(self.used, np.nan, dtype=np.float64)
        grid.values[self.used.values] = values
        return grid


def select(states: xr.Dataset, needs: Sequence[str], statuses: Sequence[str] = ("equilibrium",)) -> Points:
    """The points that have one of these statuses and a finite value of everything needed.

    Parameters
    ----------
    states
        Stationary states of one protocol.
    needs
        Names of the variables that the analysis cannot do without.
    statuses
        Statuses to accept.

    Raises
    ------
    InputError
        When the dataset breaks the schema, or lacks a needed variable altogether.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> from thermograd.states import new_states
    >>> states = new_states(
    ...     FixedLR.grid(lr=[0.1], wd=[0.01, 0.1]),
    ...     {"norm": [[2.0, 3.0]]},
    ...     dim=10,
    ...     status=[["equilibrium", "failed"]],
    ...     status_reason=[["", "no run"]],
    ... )
    >>> points = select(states, ["norm"])
    >>> points.values["norm"], str(points.left_out[0])
    (array([2.]), 'lr = 0.1, wd = 0.1: failed (no run)')

    """
    validate(states, "states")
    for name in needs:
        if name not in states:
            raise InputError(f"analysis: variable {name} is missing from the states; expected {list(needs)}")
    dims = grid_dims(states)
    shape = states["status"].shape
    used = xr.DataArray(np.zeros(shape, dtype=bool), {name: states[name] for name in dims}, dims)
    left_out = []
    for index in np.ndindex(used.shape):
        status = str(states["status"].values[index])
        empty = [name for name in needs if not np.isfinite(states[name].values[index])]
        if status not in statuses:
            reason = str(states["status_reason"].values[index])
            reason = f"{status} ({reason})" if reason else status
        elif empty:
            reason = f"{', '.join(empty)} has no value"
        else:
            used.values[index] = True
            continue
        point = {name: float(states[name].values[i]) for name, i in zip(dims, index, strict=True)}
        left_out.append(LeftOut(point, reason))
    chosen = used.values
    grids = np.meshgrid(*(states[name].values.astype(np.float64) for name in dims), indexing="ij")
    axes = {name: grid[chosen] for name, grid in zip(dims, grids, strict=True)}
    values = {name: states[name].values[chosen] for name in needs}
    unknown = np.full(int(chosen.sum()), np.nan)
    errors = {
        name: states[f"{name}_se"].values[chosen] if f"{name}_se" in states else unknown for name in needs
    }
    protocol, dim = str(states.attrs["protocol"]), int(states.attrs["dim"])
    return Points(protocol, dim, axes, values, errors, used, tuple(left_out))
