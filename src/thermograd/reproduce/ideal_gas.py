"""The ideal-gas paper's network experiments: train, measure, verify, judge, report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from thermograd.extras import require
from thermograd.reproduce.choice import IDEAL_GAS, NETWORKS, Choice, choose_setups, command_line
from thermograd.reproduce.dry_run import dry_runs
from thermograd.reproduce.first_page import write_first_page
from thermograd.reproduce.ideal_gas_adiabat import run_count
from thermograd.reproduce.ideal_gas_setup import (
    SetupResult,
    iterations,
    reproduce_setup,
)
from thermograd.reproduce.in_turn import HERE, How, Task, run_in_turn
from thermograd.reproduce.presets import Setup
from thermograd.reproduce.reproduced import Reproduced

__all__ = ["adiabat_note", "ideal_gas_choice", "ideal_gas_task", "reproduce_ideal_gas"]


def ideal_gas_choice(scale: str, *, part: str = NETWORKS, data: str | None = None) -> Choice:
    """The setups of a part, with the images that each is to be run on.

    Parameters
    ----------
    scale
        One of ``thermograd.reproduce.presets.SCALES``.
    part
        ``"networks"``: all; else the name of a setup, or the beginning of several names up to a hyphen.
    data
        As for `choose_setups`.

    Raises
    ------
    InputError
        If scale or part is unknown, the data cannot be read, or no setup is for them.

    Examples
    --------
    >>> [setup.name for setup, _ in ideal_gas_choice("small", data="digits").chosen]
    ['ideal-gas-convnet-digits', 'ideal-gas-overparameterised-convnet-digits']

    """
    return choose_setups(IDEAL_GAS, scale, part="" if part == NETWORKS else part, data=data)


def reproduce_ideal_gas(
    *,
    scale: str,
    folder: Path,
    data: str | None = None,
    part: str = NETWORKS,
    choice: Choice | None = None,
    dry_run: bool = False,
    how: How = HERE,
) -> Reproduced:
    """Run the ideal-gas setups of a scale, test the paper's laws on each, and write their pages.

    Parameters
    ----------
    scale, data, part
        See `ideal_gas_choice`; ``data=None`` takes every setup whose images are on this machine.
    folder
        Where everything goes: a folder for each setup with ``plan.json``, ``runs/``, ``trace-*.nc``,
        ``states-*.nc``, ``adiabat/``, ``report.html``, ``figures/``, ``tables/``, ``claims.json``; above them
        ``index.html`` and ``claims.md`` of all that lies there. The same call goes on where the last one
        ended.
    choice
        Setups and images, instead of `part` and `data`.
    dry_run
        Only say what each setup would take.
    how
        Who carries out the runs, and who is told.

    Raises
    ------
    InputError
        If an argument is out of range, a setup is for another experiment, a package is missing, or there are
        no images at all; of a single setup, whatever refuses it. Of several, one that cannot be run is listed
        with the reason, and the others go on.
    FailedWorkError
        If the disk is full or cannot be written; what is done is kept. Of a single setup also if no run
        succeeded.

    """
    chosen = ideal_gas_choice(scale, part=part, data=data) if choice is None else choice.only_for(IDEAL_GAS)
    if dry_run:
        found = dry_runs(chosen, scale, folder, how, adiabat_note)
        return Reproduced(left_out=chosen.left_out, estimates=found)
    require("report")
    tasks = [ideal_gas_task(setup, source, folder, how) for setup, source in chosen.chosen]
    done = run_in_turn(tasks, chosen.left_out, how)
    if done.interrupted:
        return done
    page = write_first_page(folder, scale, chosen, done.refused, experiment=IDEAL_GAS, data=data)
    return done.with_page(page)


def ideal_gas_task(setup: Setup, source: str, folder: Path, how: How) -> Task:
    """All that is done with one setup, in its place in the folder."""
    place = folder / setup.name

    def run(on_progress: Callable[[int, int], None] | None) -> SetupResult:
        command = command_line(IDEAL_GAS, setup, source)
        return reproduce_setup(setup, source, place, command=command, on_progress=on_progress, **how.options)

    return Task(setup, place, iterations(setup), run, lambda result: result.claims)


def adiabat_note(setup: Setup) -> str:
    """What a dry run of one of these setups leaves out: runs that are planned from the states of others.

    Examples
    --------
    >>> from thermograd.reproduce.presets import load_preset
    >>> adiabat_note(load_preset("ideal-gas-convnet-digits"))
    'besides, at most 18 runs along adiabats planned from these 45'

    """
    if setup.overparameterised or not run_count(setup):
        return ""
    whole = len(setup.specs)
    return f"besides, at most {run_count(setup)} runs along adiabats planned from these {whole}"
