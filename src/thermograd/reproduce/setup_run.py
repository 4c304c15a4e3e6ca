"""One setup, from its preset to stationary states: the step that all network experiments share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import InputError
from thermograd.files import atomic_write
from thermograd.protocol import PROTOCOLS
from thermograd.reproduce.presets import Setup
from thermograd.sweep import Engine, Plan, RunStore, SweepSummary, collect, run_plan
from thermograd.sweep.collect import SETUP_FILE
from thermograd.sweep.plan import PLAN_FILE
from thermograd.training.spec import NUMERICS_VERSION, TrainSpec

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SetupRun", "example_runs", "results_of", "run_setup", "setups_there", "write_states"]

_KEPT = tuple(one.name for one in fields(Setup) if one.name not in ("grids", "seeds", "file"))
"""Grids and seeds are in the plan; where the user's file was, another machine need not know."""


@dataclass(frozen=True)
class SetupRun:
    """What the runs of a setup gave.

    Attributes
    ----------
    plan
        The plan as it was carried out.
    folder
        Where everything lies.
    summary
        Runs done, reused, failed.
    traces, states
        By protocol; empty if the sweep was interrupted.

    """

    plan: Plan
    folder: Path
    summary: SweepSummary
    traces: dict[str, xr.Dataset]
    states: dict[str, xr.Dataset]


def run_setup(
    setup: Setup,
    data: str,
    folder: Path,
    *,
    workers: int | None = None,
    engine: Engine | None = None,
    device: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_message: Callable[[str], None] | None = None,
) -> SetupRun:
    """Do the runs of a setup that have no result yet, and write traces and stationary states.

    Parameters
    ----------
    setup
        What to run.
    data
        A named data set or the path of a folder or archive of the one that the setup is for.
    folder
        Where the results lie; with the same setup and images a second call goes on where the first ended.
    workers, engine, device, on_progress, on_message
        As for :func:`thermograd.sweep.run_plan`.

    Raises
    ------
    InputError
        If the images cannot be read or are others, or the folder holds another plan or results of another
        numerics version, which is refused by name.
    FailedWorkError
        If no run succeeded.

    """
    plan = setup.plan(data)
    # What is said here holds for a new folder; one that is refused keeps what it says.
    if not (folder / PLAN_FILE).exists():
        _describe(setup, folder)
    summary = run_plan(
        plan,
        folder,
        workers=workers,
        engine=engine,
        device=device,
        on_progress=on_progress,
        on_message=on_message,
    )
    _describe(setup, folder)
    plan = Plan.load(folder)
    if summary.interrupted:
        return SetupRun(plan, folder, summary, {}, {})
    return SetupRun(plan, folder, summary, *write_states(plan, folder, setup.stationary_last))


def _describe(setup: Setup, folder: Path) -> None:
    """Keep beside a plan what only its preset knows, for whoever goes on with the sweep or lists it."""
    text = json.dumps({name: getattr(setup, name) for name in _KEPT}, indent=1, ensure_ascii=False) + "\n"
    path = folder / SETUP_FILE
    if not path.exists() or path.read_text() != text:
        atomic_write(path, text)


def write_states(
    plan: Plan, folder: Path, last: int | None = None
) -> tuple[dict[str, xr.Dataset], dict[str, xr.Dataset]]:
    """Write each protocol's trace and stationary states beside the runs; return both, by protocol.

    Parameters
    ----------
    plan
        Of the sweep.
    folder
        Where its runs lie.
    last
        How many log points the stationary means are taken over; ``None``: the second half of the iterations.

    """
    from thermograd.states import save, stationary

    traces = collect(plan, folder)
    states = {}
    for protocol, trace in traces.items():
        states[protocol] = stationary(trace, last=last)
        save(trace, folder / f"trace-{protocol}.nc")
        save(states[protocol], folder / f"states-{protocol}.nc")
    return traces, states


def setups_there(folder: Path) -> list[Setup]:
    """The setups that lie in a folder, each in its own, as they say themselves; without those that do not.

    Examples
    --------
    >>> setups_there(Path("/no/such/folder"))
    []

    """
    found = []
    for path in sorted(folder.glob(f"*/{SETUP_FILE}")):
        try:
            plan, kept = Plan.load(path.parent), json.loads(path.read_text())
            setup = Setup(grids=plan.grids, seeds=plan.seeds, **{name: kept[name] for name in _KEPT})
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if setup.name == path.parent.name:
            found.append(setup)
    return found


def results_of(setup: Setup, folder: Path, kind: str) -> dict[str, xr.Dataset]:
    """The traces or states that lie in a setup's folder, by protocol; none if there are none.

    Parameters
    ----------
    setup
        Whose they must be.
    folder
        Its own.
    kind
        ``"trace"`` or ``"states"``.

    Raises
    ------
    InputError
        If they are of another setup, as their plan says, or of another numerics version, or damaged.

    Examples
    --------
    >>> from thermograd.reproduce.presets import load_preset
    >>> results_of(load_preset("ideal-gas-convnet-digits"), Path("/no/such/folder"), "trace")
    {}

    """
    from thermograd.states import load

    paths = {name: folder / f"{kind}-{name}.nc" for name in PROTOCOLS}
    paths = {name: path for name, path in paths.items() if path.exists()}
    if not paths:
        return {}
    plan = Plan.load(folder)
    wanted = {grid.protocol.__name__: _content(template) for grid, template in setup.grids}
    for grid, template in plan.grids:
        name = grid.protocol.__name__
        if name not in wanted:
            raise InputError(f"{folder / PLAN_FILE} holds {name}; expected {', '.join(wanted)}")
        for field, value in _content(template).items():
            if value != wanted[name][field]:
                raise InputError(
                    f"{folder / PLAN_FILE}: {field} is {value!r} under {name}; expected "
                    f"{wanted[name][field]!r}, as {setup.name} says"
                )
    found = {name: load(path) for name, path in paths.items() if name in plan.protocols}
    for name, dataset in found.items():
        version = int(dataset.attrs.get("numerics_version", NUMERICS_VERSION))
        if version != NUMERICS_VERSION:
            raise InputError(f"{paths[name]} has numerics version {version}; expected {NUMERICS_VERSION}")
    return found


def _content(template: TrainSpec) -> dict[str, object]:
    """What all runs of a protocol have in common, wherever their images lie."""
    plain = template.to_dict()
    measurement = plain.pop("measurement")
    for name in ("protocol", "data", "seed"):
        del plain[name]
    return {**plain, **measurement}


def example_runs(plan: Plan, folder: Path) -> dict[str, xr.Dataset]:
    """The trace of one finished run for each protocol, by the run's name, to be drawn over time."""
    store = RunStore(folder)
    points = store.states(plan)
    examples = {}
    for protocol in plan.protocols:
        done = [
            point.spec
            for point in points
            if point.state == "finished" and type(point.spec.protocol).__name__ == protocol
        ]
        if done:
            spec = done[len(done) // 2]  # from the middle of the grid, neither slowest nor wildest
            examples[str(spec.protocol)] = store.load(plan.key(spec))
    return examples
