"""Both papers' network experiments, setup after setup; what cannot be run is listed and stops no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermograd.errors import FailedWorkError, InputError
from thermograd.extras import require
from thermograd.reproduce.choice import Choice, NotRun, choose_setups
from thermograd.reproduce.free_energy_networks import (
    EXPERIMENTS,
    free_energy_entries,
    iterations,
    reproduce_free_energy,
    shifted,
)
from thermograd.reproduce.ideal_gas import EXPERIMENT, reproduce_ideal_gas
from thermograd.reproduce.ideal_gas_setup import iterations as gas_iterations
from thermograd.reproduce.presets import Setup, setups
from thermograd.reproduce.reproduced import Reproduced
from thermograd.reproduce.summary import Entry, read_claims, write_summary

if TYPE_CHECKING:
    from thermograd.sweep import Engine

__all__ = ["everything_choice", "reproduce_all"]

Pairs = tuple[tuple[Setup, str], ...]
Progress = Callable[[int, int], None]
Message = Callable[[str], None]


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
    >>> [setup.name for setup, source in choice.chosen if source == "digits"]
    ['ideal-gas-convnet-digits', 'free-energy-convnet-digits-up']

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
    data: str | None = None,
    folder: Path,
    workers: int | None = None,
    engine: Engine | None = None,
    device: str = "cpu",
    dry_run: bool = False,
    choice: Choice | None = None,
    on_progress: Progress | None = None,
    on_message: Message | None = None,
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
    workers, engine, device
        As for :func:`thermograd.sweep.run_plan`.
    dry_run
        Only say what each setup would take.
    choice
        Setups and images, instead of `scale` and `data`.
    on_progress
        Called with (iterations done, iterations in all) of all setups together.
    on_message
        Called with what there is to say, in words.

    Raises
    ------
    InputError
        If an argument is out of range or a package is missing. A setup that cannot be run or analysed is
        listed with the reason, and the others go on.

    """
    chosen = everything_choice(scale, data) if choice is None else choice
    ideal = tuple(pair for pair in chosen.chosen if pair[0].name.startswith(EXPERIMENT))
    others = tuple(pair for pair in chosen.chosen if not pair[0].name.startswith(EXPERIMENT))
    options: dict[str, Any] = {"scale": scale, "folder": folder, "workers": workers, "device": device}
    if dry_run:
        return _estimated(chosen, ideal, others, options)
    require("report")
    options |= {"engine": engine, "on_message": on_message}
    of_ideal = sum(gas_iterations(setup) for setup, _ in ideal)
    total = of_ideal + sum(iterations(setup) for setup, _ in others)
    runs: tuple[tuple[Pairs, Callable[..., Reproduced], int], ...] = (
        (ideal, reproduce_ideal_gas, 0),
        (others, reproduce_free_energy, of_ideal),
    )
    parts: list[Reproduced] = []
    for some, run, before in runs:
        if not some:
            continue
        show = shifted(on_progress, before, total)
        try:
            parts.append(run(choice=Choice(some, chosen.left_out), on_progress=show, **options))
        except (InputError, FailedWorkError) as error:
            # Of several setups one that is refused is listed; a single one raises.
            if len(some) > 1:
                raise
            parts.append(Reproduced(refused=(NotRun(some[0][0].name, str(error)),)))
        if parts[-1].interrupted:
            return _joined(parts, chosen.left_out)
    joined = _joined(parts, chosen.left_out)
    command = f"thermograd reproduce all --scale {scale}" + f" --data {data}" * (data is not None)
    page = write_summary(
        folder,
        [*_ideal_gas_entries(scale, ideal, folder), *free_energy_entries(scale, Choice(others), folder)],
        (*joined.left_out, *joined.refused),
        title=f"The thermodynamics of SGD: both papers, measured ({scale})",
        command=command,
    )
    return replace(joined, report=page)


def _estimated(chosen: Choice, ideal: Pairs, others: Pairs, options: Mapping[str, Any]) -> Reproduced:
    """What all setups would take, those too whose images are missing."""
    gas = tuple(one for one in chosen.left_out if one.setup.startswith(EXPERIMENT))
    rest = tuple(one for one in chosen.left_out if one not in gas)
    found = (
        *reproduce_ideal_gas(choice=Choice(ideal, gas), dry_run=True, **options).estimates,
        *reproduce_free_energy(choice=Choice(others, rest), dry_run=True, **options).estimates,
    )
    return Reproduced(left_out=chosen.left_out, estimates=found)


def _joined(parts: Sequence[Reproduced], left_out: tuple[NotRun, ...]) -> Reproduced:
    """One result of several; the same setups are left out of all."""
    return Reproduced(
        {name: one for part in parts for name, one in part.summaries.items()},
        {name: one for part in parts for name, one in part.claims.items()},
        left_out,
        tuple(one for part in parts for one in part.refused),
        any(part.interrupted for part in parts),
    )


def _ideal_gas_entries(scale: str, chosen: Sequence[tuple[Setup, str]], folder: Path) -> list[Entry]:
    """Every ideal-gas setup that has results in the folder, with its claims."""
    mine = {setup.name: setup for setup, _ in chosen}
    known = setups(EXPERIMENT, scale)
    offered = [mine.pop(setup.name, setup) for setup in known] + list(mine.values())
    return [
        Entry(setup.name, f"{setup.description} ({setup.source})", read_claims(folder / setup.name))
        for setup in offered
        if (folder / setup.name / "plan.json").exists()
    ]


def _experiments(scale: str) -> list[str]:
    names = [setup.name for setup in setups(scale=scale)]
    every = (EXPERIMENT, *EXPERIMENTS)
    return [one for one in every if any(name.startswith(f"{one}-") for name in names)]


def _name_of(data: str | None) -> str:
    """Which set the images are; read once, so that a wrong path is said before anything is run."""
    if data is None:
        return ""
    from thermograd.data import load

    return load(data).name
