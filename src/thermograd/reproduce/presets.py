"""Presets: the grids and run lengths of an experiment at a scale, as TOML files in the package."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from importlib.resources import files
from typing import Any

from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS, Grid
from thermograd.sweep.plan import Plan
from thermograd.training.spec import Measurement, TrainSpec

__all__ = ["SCALES", "preset_plan"]

SCALES = ("quick",)
"""The scales that there are presets for."""


def preset_plan(experiment: str, scale: str, data: str) -> Plan:
    """The plan of an experiment at a scale, on these images.

    The preset is chosen by the images: ``<experiment>-<scale>-<data set>.toml``. A table of the file that is
    named after a protocol is a grid: its axes, and any key of the run that differs there.

    Parameters
    ----------
    experiment, scale
        ``"ideal-gas"``, ``"quick"``.
    data
        ``"digits"``, ``"cifar10"``, or the path of a folder or archive of CIFAR-10.

    Raises
    ------
    InputError
        If the data cannot be read or there is no preset for them.

    """
    from thermograd.data import absolute, load

    images = load(data)
    name = f"{experiment}-{scale}-{images.name}.toml"
    resource = files("thermograd.reproduce") / "presets" / name
    if not resource.is_file():
        raise InputError(f"no preset {name} for the images {images.name!r}; expected digits or cifar10")
    content = tomllib.loads(resource.read_text())
    source = absolute(data)
    common = {key: value for key, value in content.items() if key not in PROTOCOLS}
    grids = []
    for protocol in PROTOCOLS:
        own = {**common, **content[protocol]}
        axes = {axis: own.pop(axis) for axis in PROTOCOLS[protocol].axes}
        grid = Grid(PROTOCOLS[protocol], axes)
        grids.append((grid, _template(grid, source, own)))
    return Plan(tuple(grids), images.sha256)


def _template(grid: Grid, source: str, keys: dict[str, Any]) -> TrainSpec:
    measured = {f.name for f in fields(Measurement)}
    measurement = Measurement(**{key: keys.pop(key) for key in list(keys) if key in measured})
    return TrainSpec(next(iter(grid)), data=source, measurement=measurement, **keys)
