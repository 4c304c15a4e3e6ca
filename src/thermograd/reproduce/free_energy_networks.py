"""The free-energy paper's network experiments and the study of the batch size, as one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import InputError
from thermograd.extras import require
from thermograd.reproduce.batch_size import batch_size_page
from thermograd.reproduce.choice import (
    BATCH_SIZE,
    FREE_ENERGY,
    NETWORKS,
    Choice,
    choose_setups,
    command_line,
    data_option,
    offered,
)
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.data_sizes import size_families, size_page, training_examples
from thermograd.reproduce.dry_run import dry_runs
from thermograd.reproduce.first_page import write_first_page
from thermograd.reproduce.free_energy_setup import setup_page
from thermograd.reproduce.in_turn import HERE, How, Task, run_in_turn
from thermograd.reproduce.presets import Setup, setups
from thermograd.reproduce.reproduced import Reproduced
from thermograd.reproduce.setup_run import SetupRun, run_setup
from thermograd.reproduce.summary import read_claims
from thermograd.sweep.failures import no_space_is_failed_work

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "free_energy_choice",
    "free_energy_task",
    "iterations",
    "reproduce_free_energy",
    "write_families",
]


def free_energy_choice(scale: str, *, part: str = NETWORKS, data: str | None = None) -> Choice:
    """The setups of a part, with the images that each is to be run on.

    Parameters
    ----------
    scale
        One of ``thermograd.reproduce.presets.SCALES``.
    part
        ``"networks"``: all; else the name of a setup, or the beginning of several names up to a hyphen
        (``"free-energy-subset"``, ``"batch-size"``).
    data
        As for `choose_setups`.

    Raises
    ------
    InputError
        If scale or part is unknown, the data cannot be read, or no setup is for them.

    Examples
    --------
    >>> [setup.name for setup, _ in free_energy_choice("small", part="free-energy-subset").chosen][:2]
    ['free-energy-subset-1437', 'free-energy-subset-200']

    """
    names = [setup.name for setup in setups(scale=scale)]
    both = (FREE_ENERGY, BATCH_SIZE)
    here = [one for one in both if any(name.startswith(f"{one}-") for name in names)]
    if part != NETWORKS:
        wanted = BATCH_SIZE if part.startswith(BATCH_SIZE) else FREE_ENERGY
        return choose_setups(wanted, scale, part=part, data=data)
    found, errors = [], []
    for experiment in here:
        try:
            found.append(choose_setups(experiment, scale, data=data))
        except InputError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    return Choice(
        tuple(pair for choice in found for pair in choice.chosen),
        tuple(one for choice in found for one in choice.left_out),
    )


def reproduce_free_energy(
    *,
    scale: str,
    folder: Path,
    data: str | None = None,
    part: str = NETWORKS,
    choice: Choice | None = None,
    dry_run: bool = False,
    how: How = HERE,
) -> Reproduced:
    """Run the free-energy setups of a scale, test the paper's claims on each, and write their pages.

    Parameters
    ----------
    scale, data, part
        See `free_energy_choice`; ``data=None`` takes every setup whose images are on this machine.
    folder
        Where everything goes: a folder for each setup with ``plan.json``, ``runs/``, ``trace-*.nc``,
        ``states-*.nc``, ``report.html``, ``figures/``, ``tables/``, ``claims.json``; pages of setups taken
        together (sizes of the data set, batch sizes); ``index.html`` and ``claims.md`` of all that lies
        there. The same call goes on where the last one ended.
    choice, dry_run, how
        As for :func:`thermograd.reproduce.reproduce_ideal_gas`, and so is what is raised.

    """
    chosen = free_energy_choice(scale, part=part, data=data) if choice is None else choice
    if dry_run:
        return Reproduced(left_out=chosen.left_out, estimates=dry_runs(chosen, scale, folder, how))
    require("report")
    tasks = [free_energy_task(setup, source, folder, how) for setup, source in chosen.chosen]
    done = run_in_turn(tasks, chosen.left_out, how)
    if done.interrupted:
        return done
    done.claims.update(write_families(scale, chosen, folder))
    page = write_first_page(folder, scale, chosen, done.refused, experiment=FREE_ENERGY, data=data)
    return done.with_page(page)


def free_energy_task(setup: Setup, source: str, folder: Path, how: How) -> Task:
    """All that is done with one setup, in its place in the folder; batch sizes have a common page."""
    place = folder / setup.name

    def run(on_progress: Callable[[int, int], None] | None) -> SetupRun:
        return run_setup(setup, source, place, on_progress=on_progress, **how.options)

    def page(run: SetupRun) -> tuple[Claim, ...] | None:
        if setup.name.startswith(BATCH_SIZE):
            return None
        return setup_page(setup, run, command=command_line(FREE_ENERGY, setup, source)).claims

    return Task(setup, place, iterations(setup), run, page)


def iterations(setup: Setup) -> int:
    """Of all runs of a setup, their preparation included."""
    return sum(spec.total_steps for spec in setup.specs)


def write_families(scale: str, choice: Choice, folder: Path) -> dict[str, tuple[Claim, ...]]:
    """The pages of setups taken together, from whatever of them lies in the folder; returns their claims.

    Raises
    ------
    InputError
        If results cannot be read.
    FailedWorkError
        If the disk is full.

    """
    sources = {setup.name: source for setup, source in choice.chosen}
    claims = {}
    every = offered(scale, choice)
    with no_space_is_failed_work():
        for name, family in size_families(every).items():
            if not any(setup.name in sources for setup in family):
                continue
            traces = {
                training_examples(setup, sources.get(setup.name, setup.data)): found["FixedSphere"]
                for setup in family
                if "FixedSphere" in (found := _datasets(folder / setup.name, "trace"))
            }
            if len(traces) > 1:
                command = _command(scale, name.removesuffix("-sizes"), family, sources)
                size_page(name, traces, folder / name, command=command)
                claims[name] = read_claims(folder / name)
        sizes = tuple(setup for setup in every if setup.name.startswith(BATCH_SIZE))
        states: dict[str, dict[int, xr.Dataset]] = {}
        for setup in sizes:
            for protocol, dataset in _datasets(folder / setup.name, "states").items():
                states.setdefault(protocol, {})[setup.grids[0][1].batch_size] = dataset
        if states and any(setup.name in sources for setup in sizes):
            command = _command(scale, BATCH_SIZE, sizes, sources)
            batch_size_page(states, folder / BATCH_SIZE, command=command)
            claims[BATCH_SIZE] = read_claims(folder / BATCH_SIZE)
    return claims


def _command(scale: str, part: str, family: tuple[Setup, ...], sources: dict[str, str]) -> str:
    """What makes a common page: all its setups are on the same images."""
    given = [sources[s.name] for s in family if s.name in sources and sources[s.name] != s.data]
    data = data_option(given[0] if given else None)
    return f"thermograd reproduce {FREE_ENERGY} --scale {scale} --part {part}{data}"


def _datasets(folder: Path, kind: str) -> dict[str, xr.Dataset]:
    from thermograd.protocol import PROTOCOLS
    from thermograd.states import load

    paths = {name: folder / f"{kind}-{name}.nc" for name in PROTOCOLS}
    return {name: load(path) for name, path in paths.items() if path.exists()}
