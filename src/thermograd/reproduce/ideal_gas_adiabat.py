"""Runs along the adiabats of a network, planned from the states of its grid (V4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.analysis.adiabat_paths import AdiabatPaths, adiabat_paths, constant_decay
from thermograd.analysis.levels import levels
from thermograd.analysis.network_adiabat import (
    NetworkAdiabat,
    energy_adiabat,
    entropy_adiabat,
    gas_adiabat,
)
from thermograd.errors import InputError
from thermograd.files import atomic_write
from thermograd.protocol import FixedELR, FixedLR, Grid, Protocol
from thermograd.reproduce.presets import Setup
from thermograd.reproduce.setup_run import run_setup
from thermograd.sweep import Engine
from thermograd.sweep.failures import NoResultsError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["POINTS", "RUN", "AdiabatPlan", "AdiabatRuns", "plan_adiabat", "run_adiabat", "run_count"]

RUN = ("noise", "gas")
"""The curves that are run; that of the measured entropies follows from them by scale invariance."""
POINTS = 5
_KINDS = (FixedLR, FixedELR)


@dataclass(frozen=True)
class AdiabatPlan:
    """Where the adiabats lie.

    Attributes
    ----------
    source
        Name of the protocol whose states they come from.
    kinds
        Protocols that each point is run under: a state of the gas is the same under both.
    curves
        By name: ``noise``, ``gas``, ``entropy``.

    """

    source: str
    kinds: tuple[type[Protocol], ...]
    curves: dict[str, NetworkAdiabat]

    def setup(self, setup: Setup) -> Setup:
        """One small setup for the points of all curves that are run; the curves' start is the same one."""
        templates = {grid.protocol: template for grid, template in setup.grids}
        grids = []
        for kind in self.kinds:
            grid = Grid.of(
                self.curves[name].protocol(kind, i) for name in RUN for i in range(len(self.curves[name]))
            )
            grids.append((grid, replace(templates[kind], protocol=next(iter(grid)))))
        return replace(setup, name=f"{setup.name}-adiabat", grids=tuple(grids))

    def folder(self, setup: Setup) -> str:
        """Named by the points: another curve never meets the results of this one."""
        points = "\n".join(str(point) for grid, _ in self.setup(setup).grids for point in grid)
        return hashlib.sha256(points.encode()).hexdigest()[:12]

    def to_text(self) -> str:
        """JSON of the curves."""
        curves = {
            name: [str(curve.protocol(kind, i)) for i in range(len(curve)) for kind in self.kinds]
            for name, curve in self.curves.items()
        }
        changes = {name: curve.sphere_change.round(3).tolist() for name, curve in self.curves.items()}
        plain = {"source": self.source, "points": curves, "assumed_change_of_sphere_entropy": changes}
        return json.dumps(plain, indent=1) + "\n"


@dataclass(frozen=True)
class AdiabatRuns:
    """What the runs along the adiabats gave.

    Attributes
    ----------
    paths
        By protocol: each path and what the entropy does along it; empty if interrupted.
    interrupted
        Whether they were.
    failed
        Runs without a result.

    """

    paths: dict[str, AdiabatPaths]
    interrupted: bool
    failed: int


def plan_adiabat(setup: Setup, states: Mapping[str, xr.Dataset], points: int = POINTS) -> AdiabatPlan:
    """Where the adiabats through the middle of a grid lie, by its measured energies and entropies.

    Parameters
    ----------
    setup
        The grid's setup.
    states
        Its stationary states by protocol.
    points
        Of each curve, an odd number: the middle one is the middle of the grid.

    Raises
    ------
    InputError
        If the setup has neither fixed LR nor fixed ELR, or too few of its states are in equilibrium.

    """
    names = [kind.__name__ for kind in _KINDS if kind.__name__ in states]
    if not names:
        raise InputError(f"adiabat: the states are of {', '.join(states)}; expected FixedLR or FixedELR")
    found = levels(states[names[0]])
    curves = {
        "noise": energy_adiabat(found, points),
        "gas": gas_adiabat(found, points),
        "entropy": entropy_adiabat(found, points),
    }
    return AdiabatPlan(names[0], tuple(kind for kind in _KINDS if kind.__name__ in states), curves)


def run_count(setup: Setup, points: int = POINTS) -> int:
    """How many runs the adiabats of a setup take, at most: 0 where it has no protocol for them."""
    kinds = sum(grid.protocol in _KINDS for grid, _ in setup.grids)
    shared = len(RUN) - 1  # the curves' common start
    return (len(RUN) * points - shared) * kinds * len(setup.seeds)


def run_adiabat(
    plan: AdiabatPlan,
    setup: Setup,
    data: str,
    folder: Path,
    states: Mapping[str, xr.Dataset],
    *,
    workers: int | None = None,
    engine: Engine | None = None,
    device: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_message: Callable[[str], None] | None = None,
) -> AdiabatRuns:
    """Do the runs of the planned curves that have no result yet, and test whether the entropy stays.

    Parameters
    ----------
    plan
        From :func:`plan_adiabat`.
    setup
        The grid's setup, whose templates the runs follow.
    data
        Where its images are.
    folder
        Of the grid's results: the runs go into ``adiabat/``, as one sweep.
    states
        The grid's stationary states by protocol: the control runs along a line of them.
    workers, engine, device, on_progress, on_message
        As for :func:`thermograd.sweep.run_plan`.

    """
    place = folder / "adiabat"
    atomic_write(place / "curves.json", plan.to_text())
    points = plan.setup(setup)
    try:
        run = run_setup(
            points,
            data,
            place / plan.folder(setup),
            workers=workers,
            engine=engine,
            device=device,
            on_progress=on_progress,
            on_message=on_message,
        )
    except NoResultsError:
        return AdiabatRuns({}, False, len(points.specs))  # the page says so
    if run.summary.interrupted:
        return AdiabatRuns({}, True, run.summary.failed)
    found = {}
    for kind in plan.kinds:
        states_along = run.states[kind.__name__]
        along = {
            name: {
                i: there
                for i in range(len(plan.curves[name]))
                if not _absent(there := _at(states_along, plan.curves[name].protocol(kind, i)))
            }
            for name in RUN
        }
        if all(along.values()):
            control = constant_decay(states[kind.__name__])
            found[kind.__name__] = adiabat_paths(kind.__name__, plan.curves, along, control)
    return AdiabatRuns(found, False, run.summary.failed)


def _at(states: xr.Dataset, point: Protocol) -> xr.Dataset:
    """The states of one point, its axes kept."""
    return states.sel({axis: [value] for axis, value in point.values.items()})


def _absent(states: xr.Dataset) -> bool:
    return bool(states["status"].isin(["failed", "missing"]).all())
