"""The free-energy paper's network experiments and the study of the batch size, as one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import InputError
from thermograd.extras import require
from thermograd.reproduce.batch_size import batch_size_page
from thermograd.reproduce.choice import (
    BATCH_SIZE,
    FREE_ENERGY,
    NETWORKS,
    OWN,
    Choice,
    NotRun,
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
from thermograd.reproduce.in_turn import FAILURES, HERE, How, Task, run_in_turn, why
from thermograd.reproduce.presets import Setup, setups
from thermograd.reproduce.reproduced import Reproduced
from thermograd.reproduce.setup_run import SetupRun, results_of, run_setup, setups_there
from thermograd.reproduce.summary import read_claims
from thermograd.sweep.failures import no_space_is_failed_work
from thermograd.sweep.plan import PLAN_FILE

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "free_energy_choice",
    "free_energy_task",
    "iterations",
    "reproduce_free_energy",
    "with_families",
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
        sizes = part.startswith(BATCH_SIZE) or f"{BATCH_SIZE}-".startswith(f"{part}-")
        wanted = BATCH_SIZE if sizes and BATCH_SIZE in here else FREE_ENERGY
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
    if choice is None:
        chosen = free_energy_choice(scale, part=part, data=data)
    else:
        chosen = choice.only_for(FREE_ENERGY, BATCH_SIZE)
    if dry_run:
        return Reproduced(left_out=chosen.left_out, estimates=dry_runs(chosen, scale, folder, how))
    require("report")
    tasks = [free_energy_task(setup, source, folder, how) for setup, source in chosen.chosen]
    done = run_in_turn(tasks, chosen.left_out, how)
    if done.interrupted:
        return done
    done, out_of_date = with_families(done, scale, chosen, folder, how)
    refused = (*done.refused, *out_of_date)
    return done.with_page(write_first_page(folder, scale, chosen, refused, experiment=FREE_ENERGY, data=data))


def free_energy_task(setup: Setup, source: str, folder: Path, how: How) -> Task:
    """All that is done with one setup, in its place in the folder; batch sizes have a common page."""
    place = folder / setup.name

    def run(on_progress: Callable[[int, int], None] | None) -> SetupRun:
        return run_setup(setup, source, place, on_progress=on_progress, **how.options)

    def page(run: SetupRun) -> tuple[Claim, ...] | None:
        if setup.experiment == BATCH_SIZE:
            return None
        return setup_page(setup, run, command=command_line(FREE_ENERGY, setup, source)).claims

    return Task(setup, place, iterations(setup), run, page)


def iterations(setup: Setup) -> int:
    """Of all runs of a setup, their preparation included."""
    return sum(spec.total_steps for spec in setup.specs)


def with_families(
    done: Reproduced, scale: str, choice: Choice, folder: Path, how: How = HERE
) -> tuple[Reproduced, tuple[NotRun, ...]]:
    """Write the pages of setups taken together: of the choice, and of what else of a family lies there.

    Of what lies there only results of the setup itself and of this numerics version are read. What is left
    out is told, with the reason.

    Parameters
    ----------
    done
        What came out of the setups one by one; whatever was refused is left out.
    scale, choice, folder, how
        What was asked for.

    Returns
    -------
    Reproduced
        The same with the claims of these pages. A page whose analysis fails is refused, as a setup is.
    tuple of NotRun
        Pages of earlier calls that lie there and cannot be made any more.

    Raises
    ------
    FailedWorkError
        If the disk is full.
    InputError, ValueError, ArithmeticError
        If an analysis fails and nothing else was asked for.

    """
    sources = {setup.name: source for setup, source in choice.chosen}
    every = offered(scale, choice)
    names = {setup.name for setup in every}
    # With a setup of the user's own goes whatever is there; with those of a scale, the user's own.
    there = [one for one in setups_there(folder) if OWN in (scale, one.scale)]
    every += [one for one in there if one.name not in names]
    refused = {one.setup for one in done.refused}
    claims, failed, out_of_date = dict(done.claims), list(done.refused), []
    families = dict(size_families([one for one in every if one.experiment == FREE_ENERGY]))
    families[BATCH_SIZE] = tuple(one for one in every if one.experiment == BATCH_SIZE)
    for name, family in families.items():
        if not any(setup.name in sources for setup in family):
            continue
        here = [setup for setup in family if setup.name not in refused]
        left_out = [f"{setup.name}: not run" for setup in family if setup.name in refused]
        make = _batch_sizes if name == BATCH_SIZE else _data_sizes
        try:
            with no_space_is_failed_work():
                if (folder / name / PLAN_FILE).exists():
                    raise InputError(f"{folder / name} holds a setup; expected room for a common page")
                made = make(name, here, left_out, folder, sources, _command(scale, name, family, sources))
                if made:
                    claims[name] = read_claims(folder / name)
        except FAILURES as error:
            if len(sources) == 1:
                raise
            failed.append(NotRun(name, why(error)))
            how.say(f"{name}: not made: {why(error)}")
            continue
        for one in left_out:
            how.say(f"{name}: left out: {one}")
        if not made and (folder / name / "report.html").exists():
            out_of_date.append(NotRun(name, "; ".join(("too few of its setups have results", *left_out))))
    return replace(done, claims=claims, refused=tuple(failed)), tuple(out_of_date)


def _data_sizes(
    name: str,
    family: Sequence[Setup],
    left_out: list[str],
    folder: Path,
    sources: dict[str, str],
    command: str,
) -> bool:
    def size(setup: Setup) -> int:
        return training_examples(setup, sources.get(setup.name, setup.data))

    found, first = _gathered(family, left_out, folder, "trace", size, _network)
    traces = found.get("FixedSphere", {})
    if first is None or len(traces) < 2:
        return False
    architecture = first.grids[0][1].architecture
    size_page(name, traces, folder / name, architecture=architecture, left_out=left_out, command=command)
    return True


def _batch_sizes(
    name: str,
    family: Sequence[Setup],
    left_out: list[str],
    folder: Path,
    sources: dict[str, str],
    command: str,
) -> bool:
    def images(setup: Setup) -> str:
        subset = setup.grids[0][1].subset
        return f"{_network(setup)} on {'' if subset is None else f'{subset} of '}{setup.data}"

    states, _ = _gathered(
        family, left_out, folder, "states", lambda setup: setup.grids[0][1].batch_size, images
    )
    if states:
        batch_size_page(states, folder / name, left_out=left_out, command=command)
    return bool(states)


def _gathered(
    family: Sequence[Setup],
    left_out: list[str],
    folder: Path,
    kind: str,
    size: Callable[[Setup], int],
    subject: Callable[[Setup], str],
) -> tuple[dict[str, dict[int, xr.Dataset]], Setup | None]:
    """Results by protocol and size, all of one subject, and whose come first.

    What cannot be used is added to what is left out.
    """
    found: dict[str, dict[int, xr.Dataset]] = {}
    owner: dict[int, Setup] = {}
    for setup in family:
        try:
            results = results_of(setup, folder / setup.name, kind)
            if not results:
                continue
            first = next(iter(owner.values()), setup)
            if subject(setup) != subject(first):
                raise InputError(f"it is about {subject(setup)}; expected {subject(first)}, as {first.name}")
            same = owner.setdefault(size(setup), setup)
            if same is not setup:
                raise InputError(f"its size is that of {same.name}")
        except InputError as error:
            left_out.append(f"{setup.name}: {error}")
            continue
        for protocol, dataset in results.items():
            found.setdefault(protocol, {})[size(setup)] = dataset
    return found, next(iter(owner.values()), None)


def _network(setup: Setup) -> str:
    spec = setup.grids[0][1]
    return f"{spec.architecture}({spec.width})"


def _command(scale: str, name: str, family: Sequence[Setup], sources: dict[str, str]) -> str:
    """What makes a common page: all its setups are on the same images; nothing makes one of one's own."""
    if scale == OWN or any(setup.scale == OWN for setup in family):
        return ""
    given = [sources[s.name] for s in family if s.name in sources and sources[s.name] != s.data]
    data = data_option(given[0] if given else None)
    part = name.removesuffix("-sizes")
    return f"thermograd reproduce {FREE_ENERGY} --scale {scale} --part {part}{data}"
