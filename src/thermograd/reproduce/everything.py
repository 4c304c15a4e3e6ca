"""Both papers' network experiments, setup after setup; what cannot be run is listed and stops no other."""

from __future__ import annotations

from pathlib import Path

from thermograd.extras import require
from thermograd.reproduce.choice import EXPERIMENTS, IDEAL_GAS, Choice, NotRun, choose_setups
from thermograd.reproduce.dry_run import dry_runs
from thermograd.reproduce.first_page import write_first_page
from thermograd.reproduce.free_energy_networks import free_energy_task, with_families
from thermograd.reproduce.ideal_gas import adiabat_note, ideal_gas_task
from thermograd.reproduce.in_turn import HERE, How, run_in_turn
from thermograd.reproduce.presets import Setup, setups
from thermograd.reproduce.reproduced import Reproduced

__all__ = ["everything_choice", "reproduce_all"]


def everything_choice(scale: str, data: str | None = None) -> Choice:
    """Every setup of a scale, ideal gas first, with the images that it is run on.

    Parameters
    ----------
    scale
        One of ``thermograd.reproduce.presets.SCALES``.
    data
        Path of a folder or archive of CIFAR-10 or CIFAR-100, for the setups of that set; the digits are
        always at hand, and so is what was downloaded before. Nothing is downloaded.

    Raises
    ------
    InputError
        If the scale is unknown or the data cannot be read.

    Examples
    --------
    >>> choice = everything_choice("quick")
    >>> [setup.name for setup, source in choice.chosen if source == "digits" and setup.overparameterised][:2]
    ['ideal-gas-overparameterised-convnet-digits', 'free-energy-convnet-digits-op']

    """
    chosen: list[tuple[Setup, str]] = []
    missing: list[NotRun] = []
    given = _name_of(data)
    for experiment in _experiments(scale):
        here = choose_setups(experiment, scale)
        sources = {setup.name: source for setup, source in here.chosen}
        for setup in setups(experiment, scale):
            if data is not None and setup.data == given:
                sources[setup.name] = data
            if setup.name in sources:
                chosen.append((setup, sources[setup.name]))
            else:
                missing += [one for one in here.left_out if one.setup == setup.name]
    return Choice(tuple(chosen), tuple(missing))


def reproduce_all(
    *,
    scale: str,
    folder: Path,
    data: str | None = None,
    choice: Choice | None = None,
    dry_run: bool = False,
    how: How = HERE,
) -> Reproduced:
    """Run every network setup of both papers at a scale, in order, and put all claims on one page.

    Parameters
    ----------
    scale, data
        See `everything_choice`.
    folder
        Where everything goes: a folder for each setup, as `reproduce_ideal_gas` and `reproduce_free_energy`
        write it; ``index.html``, ``claims.md`` and ``claims.json`` of all of them. The same call goes on
        where the last one ended; results that are there are reused.
    choice, dry_run, how
        As for :func:`thermograd.reproduce.reproduce_ideal_gas`, and so is what is raised.

    """
    chosen = everything_choice(scale, data) if choice is None else choice
    if dry_run:
        found = dry_runs(chosen, scale, folder, how, lambda one: adiabat_note(one) if _is_gas(one) else "")
        return Reproduced(left_out=chosen.left_out, estimates=found)
    require("report")
    tasks = [
        (ideal_gas_task if _is_gas(setup) else free_energy_task)(setup, source, folder, how)
        for setup, source in chosen.chosen
    ]
    done = run_in_turn(tasks, chosen.left_out, how)
    if done.interrupted:
        return done
    done, out_of_date = with_families(done, scale, chosen, folder, how)
    refused = (*done.refused, *out_of_date)
    return done.with_page(write_first_page(folder, scale, chosen, refused, experiment="all", data=data))


def _is_gas(setup: Setup) -> bool:
    return setup.experiment == IDEAL_GAS


def _experiments(scale: str) -> list[str]:
    names = [setup.name for setup in setups(scale=scale)]
    return [one for one in EXPERIMENTS if any(name.startswith(f"{one}-") for name in names)]


def _name_of(data: str | None) -> str:
    """Which set the images are; read once, so that a wrong path is said before anything is run."""
    if data is None:
        return ""
    from thermograd.data import load

    return load(data).name
