"""Measured states along adiabats of a network, beside a path that is none: how far the entropy stays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from thermograd.analysis.adiabat import AdiabatCheck, entropy_along
from thermograd.analysis.network_adiabat import NetworkAdiabat
from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS
from thermograd.states.schema import grid_dims

__all__ = ["WORDS", "AdiabatPaths", "PathOutcome", "adiabat_paths", "constant_decay", "single_points"]


@dataclass(frozen=True)
class PathOutcome:
    """One path and what the entropy does along it.

    Attributes
    ----------
    words
        What the path is.
    states
        Stationary states, a single point each, in order along the path.
    check
        Whether the entropy stays, or why it cannot be said.
    expected
        Whether the theory says that it stays.

    """

    words: str
    states: tuple[xr.Dataset, ...]
    check: AdiabatCheck | str
    expected: bool


@dataclass(frozen=True)
class AdiabatPaths:
    """All paths of one protocol.

    Attributes
    ----------
    protocol
        Its name.
    paths
        By short name: ``noise``, ``gas``, ``entropy`` and, if there is one, ``constant-wd``.
    curves
        The planned curves by the same names.

    """

    protocol: str
    paths: dict[str, PathOutcome]
    curves: dict[str, NetworkAdiabat]


WORDS = {
    "noise": "dU = T dS, T from the noise",
    "gas": "dU = T dS, T = pV/R",
    "entropy": "measured entropies",
    "constant-wd": "constant WD (no adiabat)",
}
"""The paths as figures and tables name them."""


def adiabat_paths(
    protocol: str,
    curves: Mapping[str, NetworkAdiabat],
    measured: Mapping[str, Mapping[int, xr.Dataset]],
    control: Sequence[xr.Dataset] = (),
) -> AdiabatPaths:
    """Test every path: those that were run, that of the measured entropies, and the control.

    No runs are needed along the curve of the measured entropies: its points have the directions of another
    path's points, and a radius changes nothing but the entropy's ``(d-1) log r``.

    Parameters
    ----------
    protocol
        Name of the protocol of all states.
    curves
        Planned curves by name, ``entropy`` among them.
    measured
        For each curve that was run, the states of its points (all seeds) by their place on it; points whose
        runs have no result are missing.
    control
        States of single points along a path on which the entropy does not stay.

    """
    paths = {}
    for name, states in measured.items():
        singles = tuple(one for i in sorted(states) for one in single_points(states[i]))
        paths[name] = PathOutcome(WORDS[name], singles, _check(singles), True)
    if measured and "entropy" in curves:
        # The path run that is nearest to it: the shift is exact, and small here as well.
        name = "gas" if "gas" in measured else next(iter(measured))
        moved = tuple(
            _moved(one, curves["entropy"], i, float(curves["entropy"].radius[i] / curves[name].radius[i]))
            for i in sorted(measured[name])
            for one in single_points(measured[name][i])
        )
        paths["entropy"] = PathOutcome(WORDS["entropy"], moved, _check(moved), True)
    if control:
        paths["constant-wd"] = PathOutcome(
            WORDS["constant-wd"], tuple(control), _check(tuple(control)), False
        )
    return AdiabatPaths(protocol, paths, dict(curves))


def constant_decay(states: xr.Dataset) -> tuple[xr.Dataset, ...]:
    """The states of a grid at its middle weight decay, a single point each: along them the entropy grows.

    Parameters
    ----------
    states
        At fixed LR or ELR.

    Raises
    ------
    InputError
        On a fixed sphere, which has no weight decay.

    """
    if "wd" not in states.dims:
        raise InputError(f"constant decay: the states have {list(states.dims)}; expected wd among them")
    first = grid_dims(states)[0]
    line = states.isel(wd=[states.sizes["wd"] // 2])
    return tuple(one for i in range(states.sizes[first]) for one in single_points(line.isel({first: [i]})))


def single_points(states: xr.Dataset) -> tuple[xr.Dataset, ...]:
    """A dataset of one grid point, seed by seed.

    Parameters
    ----------
    states
        Of a single point, with one seed or several.

    """
    if "seed" not in states.dims:
        return (states,)
    return tuple(states.isel(seed=[i]) for i in range(states.sizes["seed"]))


def _moved(state: xr.Dataset, curve: NetworkAdiabat, index: int, factor: float) -> xr.Dataset:
    """The same directions at another radius, by scale invariance, under the hyperparameters of that."""
    protocol = curve.protocol(PROTOCOLS[str(state.attrs["protocol"])], index)
    there = state.assign_coords({axis: [value] for axis, value in protocol.values.items()})
    scaled = {"norm": factor, "norm_se": factor, "volume": factor**2, "volume_se": factor**2}
    for name, by in scaled.items():
        if name in there:
            there[name] = there[name] * by
    there["entropy"] = there["entropy"] + (curve.dim - 1) * math.log(factor)
    for name in (*scaled, "entropy", *protocol.axes):
        if name in state:
            there[name].attrs = state[name].attrs
    return there


def _check(states: Sequence[xr.Dataset]) -> AdiabatCheck | str:
    try:
        return entropy_along(states)
    except InputError as error:
        return str(error)
