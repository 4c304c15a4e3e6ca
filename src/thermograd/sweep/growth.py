"""A sweep may grow, and nothing else about it may change: the first difference is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermograd.errors import InputError
from thermograd.training.spec import TrainSpec

if TYPE_CHECKING:
    from thermograd.sweep.plan import Plan

__all__ = ["grown"]


def grown(there: Plan, asked: Plan, path: Path) -> Plan:
    """The plan to go on with in a folder that holds one already.

    Grids may have more values, and there may be more seeds and more protocols; every run that is planned
    already must be among those asked for, so that nothing done is left over. The execution stays: another
    one would give other round-off, and the sweep would be no longer one experiment.

    Parameters
    ----------
    there
        The folder's plan.
    asked
        What is wanted now.
    path
        Where the folder's plan lies, for the message.

    Raises
    ------
    InputError
        Naming the first thing that differs.

    """
    difference = _difference(there, asked)
    if difference:
        raise InputError(
            f"{path} holds another plan than the one asked for: {difference}; a sweep can grow by values and "
            "seeds, nothing else: continue it with 'thermograd sweep resume', or choose another --out folder"
        )
    hashes = dict(there.subset_sha256) | dict(asked.subset_sha256)
    if hashes or (there.seeds != asked.seeds and asked.data_sha256 != there.data_sha256):
        hashes = {there.seeds[0]: there.data_sha256, asked.seeds[0]: asked.data_sha256} | hashes
    # Until it is picked, nothing has been done with it: its kernel is not known yet.
    settled = there if there.picked or asked.execution is None else asked
    device = there.device if there.picked else asked.device or there.device
    execution = settled.execution
    if execution is not None and device:
        execution = replace(execution, device=device)
    return replace(
        asked,
        data_sha256=there.data_sha256,
        subset_sha256=tuple(sorted(hashes.items())),
        execution=execution,
        picked=settled.picked,
        device=device,
    )


def _difference(there: Plan, asked: Plan) -> str:
    grids = {grid.protocol.__name__: (grid, template) for grid, template in asked.grids}
    for grid, template in there.grids:
        name = grid.protocol.__name__
        if name not in grids:
            return f"protocols are {', '.join(grids)}, and it holds {name}"
        new_grid, new_template = grids[name]
        old, new = _content(template), _content(new_template)
        for field, value in old.items():
            if new[field] != value:
                return f"{field} is {new[field]!r}, and it holds {value!r}"
        for axis, values in grid.axes.items():
            gone = sorted(set(values) - set(new_grid.axes[axis]))
            if gone:
                return f"{axis} is {list(new_grid.axes[axis])}, and it also holds {gone[0]!r}"
        if lost := [str(point) for point in grid if point not in set(new_grid)]:
            return f"{len(new_grid)} points of {name} are asked for, and it also holds {lost[0]}"
    gone_seeds = sorted(set(there.seeds) - set(asked.seeds))
    if gone_seeds:
        return f"seeds are {list(asked.seeds)}, and it also holds {gone_seeds[0]}"
    for seed in there.seeds:
        if asked.images_sha256(seed) != there.images_sha256(seed):
            return "the images have another content"
    return _other_execution(there, asked)


def _other_execution(there: Plan, asked: Plan) -> str:
    if there.picked and asked.device and there.device != asked.device:
        return f"device is {asked.device!r}, and it holds {there.device!r}"
    if there.execution is None or asked.execution is None:
        return ""
    old, new = there.execution.to_dict(), asked.execution.to_dict()
    for field in ("replicas", "kernel"):
        value = new[field]
        if old[field] != value and "auto" not in (old[field], value):
            return f"{field} is {value!r}, and it holds {old[field]!r}"
    return ""


def _content(template: TrainSpec) -> dict[str, Any]:
    """What a template says, flat, but for what a grid and a plan say themselves and where the images lie."""
    plain = template.to_dict()
    measurement = plain.pop("measurement")
    for name in ("protocol", "data", "seed"):
        del plain[name]
    return {**plain, **measurement}
