"""The ideal-gas paper's network experiments: train, measure, verify, judge, report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import FailedWorkError, InputError
from thermograd.extras import require
from thermograd.reproduce.choice import Choice, NotRun, choose_setups
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.dry_run import dry_run as estimate_setup
from thermograd.reproduce.ideal_gas_adiabat import run_count
from thermograd.reproduce.ideal_gas_setup import (
    is_overparameterised,
    iterations,
    reproduce_setup,
)
from thermograd.reproduce.presets import Setup, setups
from thermograd.reproduce.reproduced import Reproduced
from thermograd.reproduce.summary import Entry, read_claims, write_summary

if TYPE_CHECKING:
    from thermograd.sweep import Engine, SweepSummary

__all__ = ["EXPERIMENT", "NETWORKS", "ideal_gas_choice", "reproduce_ideal_gas"]

EXPERIMENT = "ideal-gas"
"""What the names of the setups begin with."""

NETWORKS = "networks"
"""The part that stands for all of them."""


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
    return choose_setups(EXPERIMENT, scale, part="" if part == NETWORKS else part, data=data)


def reproduce_ideal_gas(
    *,
    scale: str,
    data: str | None = None,
    folder: Path,
    part: str = NETWORKS,
    workers: int | None = None,
    engine: Engine | None = None,
    device: str = "cpu",
    dry_run: bool = False,
    choice: Choice | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_message: Callable[[str], None] | None = None,
) -> Reproduced:
    """Run the ideal-gas setups of a scale, test the paper's laws on each, and write their pages.

    Parameters
    ----------
    scale, data, part
        See `ideal_gas_choice`; ``data=None`` takes every setup whose images are on this machine.
    folder
        Where everything goes: a folder for each setup with ``plan.json``, ``runs/``, ``trace-*.nc``,
        ``states-*.nc``, ``adiabat/``, ``report.html``, ``figures/``, ``tables/``, ``claims.json``; above them
        ``index.html`` and ``claims.md``. The same call goes on where the last one ended.
    workers, engine, device
        As for :func:`thermograd.sweep.run_plan`.
    dry_run
        Only say what each setup would take.
    choice
        Setups and images, instead of `part` and `data`.
    on_progress
        Called with (iterations done, iterations in all) of all setups together.
    on_message
        Called with what there is to say, in words.

    Raises
    ------
    InputError
        If an argument is out of range or a package is missing; of a single setup, whatever refuses it. Of
        several, one that cannot be run is listed with the reason, and the others go on.

    """
    chosen = ideal_gas_choice(scale, part=part, data=data) if choice is None else choice
    say = on_message or (lambda message: None)
    if dry_run:
        return _estimated(chosen, scale, folder, workers, device, say)
    require("report")
    command = f"thermograd reproduce {EXPERIMENT} --scale {scale}" + f" --data {data}" * (data is not None)
    summaries: dict[str, SweepSummary] = {}
    claims: dict[str, tuple[Claim, ...]] = {}
    refused: list[NotRun] = []
    total = sum(iterations(setup) for setup, _ in chosen.chosen)
    before = 0
    for setup, source in chosen.chosen:
        say(f"{setup.name}: {setup.description}")
        try:
            result = reproduce_setup(
                setup,
                source,
                folder / setup.name,
                workers=workers,
                engine=engine,
                device=device,
                command=f"{command} --part {setup.name}",
                on_progress=_shifted(on_progress, before, total),
                on_message=on_message,
            )
        except (InputError, FailedWorkError) as error:
            if len(chosen.chosen) == 1:
                raise
            refused.append(NotRun(setup.name, str(error)))
            say(f"{setup.name}: not run: {error}")
        else:
            summaries[setup.name] = result.summary
            if result.summary.interrupted:
                return Reproduced(summaries, claims, chosen.left_out, tuple(refused), interrupted=True)
            claims[setup.name] = result.claims
        before += iterations(setup)
        if on_progress is not None:
            on_progress(before, total)
    page = write_summary(
        folder,
        _entries(scale, folder),
        (*chosen.left_out, *refused),
        title=f"The ideal gas of SGD, measured ({scale})",
        command=command,
    )
    return Reproduced(summaries, claims, chosen.left_out, tuple(refused), report=page)


def _estimated(
    chosen: Choice, scale: str, folder: Path, workers: int | None, device: str, say: Callable[[str], None]
) -> Reproduced:
    """What every setup would take, those without their images too."""
    sources = {setup.name: (setup, source) for setup, source in chosen.chosen}
    absent = {one.setup for one in chosen.left_out}
    for setup in setups(EXPERIMENT, scale):
        if setup.name in absent:
            sources[setup.name] = (setup, setup.data)
    found = []
    for name, (setup, source) in sources.items():
        say(f"{name}: measuring an iteration")
        found.append(
            estimate_setup(setup, source, folder / name, workers=workers, device=device, note=_note(setup))
        )
    return Reproduced(left_out=chosen.left_out, estimates=tuple(found))


def _note(setup: Setup) -> str:
    if is_overparameterised(setup) or not run_count(setup):
        return ""
    whole = len(setup.specs)
    return f"besides, at most {run_count(setup)} runs along adiabats planned from these {whole}"


def _shifted(
    on_progress: Callable[[int, int], None] | None, before: int, total: int
) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    return lambda done, _: on_progress(before + done, total)


def _entries(scale: str, folder: Path) -> list[Entry]:
    """Every setup of the scale that has results in the folder, with its claims."""
    return [
        Entry(setup.name, f"{setup.description} ({setup.source})", read_claims(folder / setup.name))
        for setup in setups(EXPERIMENT, scale)
        if (folder / setup.name / "plan.json").exists()
    ]
