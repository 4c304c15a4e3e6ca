"""One stationary state as a flat record, for printing and for programs that read JSON."""

from __future__ import annotations

import math

import xarray as xr

from thermograd.errors import InputError
from thermograd.states.schema import grid_dims, validate
from thermograd.states.variables import VARIABLES

__all__ = ["summarise_point"]


def summarise_point(states: xr.Dataset) -> dict[str, str | float | None]:
    """The only grid point of a states dataset, as names and values.

    Parameters
    ----------
    states
        Stationary states with one grid point.

    Returns
    -------
    dict
        Protocol, hyperparameters, status and its reason, then every observable, each followed by its standard
        error (``<name>_se``) where it has one; None where there is no value.

    Raises
    ------
    InputError
        When there is more than one point, or the dataset breaks the schema.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> from thermograd.states import new_states
    >>> record = summarise_point(new_states(FixedLR(lr=0.1, wd=0.01), {"norm": 2.0}, dim=10))
    >>> record["protocol"], record["lr"], record["status"], record["norm"], record["volume"]
    ('FixedLR', 0.1, 'equilibrium', 2.0, 2.0)

    """
    validate(states, "states")
    dims = grid_dims(states)
    sizes = {name: states.sizes[name] for name in dims}
    if set(sizes.values()) != {1}:
        raise InputError(f"summary: the states have sizes {sizes}; expected a single grid point")
    record: dict[str, str | float | None] = {"protocol": str(states.attrs["protocol"])}
    record |= {name: float(states[name].item()) for name in dims}
    record |= {name: str(states[name].item()) for name in ("status", "status_reason")}
    for name in VARIABLES:
        for column in (name, f"{name}_se"):
            if column in states:
                value = float(states[column].item())
                record[column] = value if math.isfinite(value) else None
    return record
