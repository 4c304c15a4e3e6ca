"""The free-energy paper's network experiments and the study of the batch size, as one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import FailedWorkError, InputError
from thermograd.extras import require
from thermograd.reproduce.batch_size import BATCH_SIZE, batch_size_page
from thermograd.reproduce.choice import Choice, NotRun, choose_setups
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.data_sizes import size_families, size_page, training_examples
from thermograd.reproduce.dry_run import DryRun
from thermograd.reproduce.dry_run import dry_run as estimated
from thermograd.reproduce.free_energy_setup import setup_page
from thermograd.reproduce.presets import Setup, setups
from thermograd.reproduce.reproduced import Reproduced
from thermograd.reproduce.setup_run import run_setup
from thermograd.reproduce.summary import Entry, read_claims, write_summary

if TYPE_CHECKING:
    import xarray as xr

    from thermograd.sweep import Engine, SweepSummary

__all__ = [
    "EXPERIMENTS",
    "NETWORKS",
    "free_energy_choice",
    "free_energy_entries",
    "iterations",
    "reproduce_free_energy",
    "shifted",
]

EXPERIMENTS = ("free-energy", BATCH_SIZE)
"""What the names of the setups begin with that are run here."""

NETWORKS = "networks"
"""The part that stands for all of them."""

Progress = Callable[[int, int], None]
Message = Callable[[str], None]


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
    here = [one for one in EXPERIMENTS if any(name.startswith(f"{one}-") for name in names)]
    if part != NETWORKS:
        wanted = BATCH_SIZE if part.startswith(BATCH_SIZE) else EXPERIMENTS[0]
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
    data: str | None = None,
    folder: Path,
    part: str = NETWORKS,
    workers: int | None = None,
    engine: Engine | None = None,
    device: str = "cpu",
    dry_run: bool = False,
    choice: Choice | None = None,
    on_progress: Progress | None = None,
    on_message: Message | None = None,
) -> Reproduced:
    """Run the free-energy setups of a scale, test the paper's claims on each, and write their pages.

    Parameters
    ----------
    scale, data, part
        See `free_energy_choice`; ``data=None`` takes every setup whose images are on this machine.
    folder
        Where everything goes: a folder for each setup with ``plan.json``, ``runs/``, ``trace-*.nc``,
        ``states-*.nc``, ``report.html``, ``figures/``, ``tables/``, ``claims.json``; pages of setups taken
        together (sizes of the data set, batch sizes); ``index.html`` and ``claims.md``. The same call goes on
        where the last one ended.
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
    chosen = free_energy_choice(scale, part=part, data=data) if choice is None else choice
    if dry_run:
        missing = {one.setup for one in chosen.left_out}
        theirs = tuple((one, one.data) for one in setups(scale=scale) if one.name in missing)
        found = _estimates((*chosen.chosen, *theirs), folder, workers, device)
        return Reproduced(estimates=found, left_out=chosen.left_out)
    require("report")
    command = f"thermograd reproduce free-energy --scale {scale}" + f" --data {data}" * (data is not None)
    say = on_message or (lambda message: None)
    summaries: dict[str, SweepSummary] = {}
    claims: dict[str, tuple[Claim, ...]] = {}
    refused: list[NotRun] = []
    total = sum(iterations(setup) for setup, _ in chosen.chosen)
    before = 0
    for setup, source in chosen.chosen:
        say(f"{setup.name}: {setup.description}")
        try:
            run = run_setup(
                setup,
                source,
                folder / setup.name,
                workers=workers,
                engine=engine,
                device=device,
                on_progress=shifted(on_progress, before, total),
                on_message=on_message,
            )
            summaries[setup.name] = run.summary
            if run.summary.interrupted:
                return Reproduced(summaries, claims, chosen.left_out, tuple(refused), True)
            if not setup.name.startswith(BATCH_SIZE):
                own = f"thermograd reproduce free-energy --scale {scale} --part {setup.name}"
                own += f" --data {source}" * (source != setup.data)
                claims[setup.name] = setup_page(setup, run, command=own).claims
        except (InputError, FailedWorkError) as error:
            if len(chosen.chosen) == 1:
                raise
            refused.append(NotRun(setup.name, str(error)))
            say(f"{setup.name}: not run: {error}")
        before += iterations(setup)
        if on_progress is not None:
            on_progress(before, total)
    claims |= _families(
        _offered(scale, chosen), {s.name: source for s, source in chosen.chosen}, folder, command
    )
    page = write_summary(
        folder,
        free_energy_entries(scale, chosen, folder),
        (*chosen.left_out, *refused),
        title=f"SGD as free-energy minimisation, measured ({scale})",
        command=command,
    )
    return Reproduced(summaries, claims, chosen.left_out, tuple(refused), report=page)


def iterations(setup: Setup) -> int:
    """Of all runs of a setup, their preparation included."""
    return sum(spec.total_steps for spec in setup.specs)


def shifted(on_progress: Progress | None, before: int, total: int) -> Progress | None:
    """The same function, told of one setup among others."""
    if on_progress is None:
        return None
    return lambda done, _: on_progress(before + done, total)


def _estimates(
    chosen: Sequence[tuple[Setup, str]], folder: Path, workers: int | None, device: str
) -> tuple[DryRun, ...]:
    return tuple(
        estimated(setup, source, folder / setup.name, workers=workers, device=device)
        for setup, source in chosen
    )


def _families(
    offered: Sequence[Setup], sources: Mapping[str, str], folder: Path, command: str
) -> dict[str, tuple[Claim, ...]]:
    """The pages of setups taken together, from whatever of them lies in the folder."""
    claims = {}
    for name, family in size_families(offered).items():
        if not any(setup.name in sources for setup in family):
            continue
        traces = {
            training_examples(setup, sources.get(setup.name, setup.data)): found["FixedSphere"]
            for setup in family
            if "FixedSphere" in (found := _datasets(folder / setup.name, "trace"))
        }
        if len(traces) > 1:
            part = name.removesuffix("-sizes")
            size_page(name, traces, folder / name, command=f"{command} --part {part}")
            claims[name] = read_claims(folder / name)
    states: dict[str, dict[int, xr.Dataset]] = {}
    for setup in offered:
        if setup.name.startswith(BATCH_SIZE):
            for protocol, dataset in _datasets(folder / setup.name, "states").items():
                states.setdefault(protocol, {})[setup.grids[0][1].batch_size] = dataset
    if states and any(name.startswith(BATCH_SIZE) for name in sources):
        batch_size_page(states, folder / BATCH_SIZE, command=f"{command} --part {BATCH_SIZE}")
        claims[BATCH_SIZE] = read_claims(folder / BATCH_SIZE)
    return claims


def _datasets(folder: Path, kind: str) -> dict[str, xr.Dataset]:
    from thermograd.protocol import PROTOCOLS
    from thermograd.states import load

    paths = {name: folder / f"{kind}-{name}.nc" for name in PROTOCOLS}
    return {name: load(path) for name, path in paths.items() if path.exists()}


def _offered(scale: str, choice: Choice) -> list[Setup]:
    """The scale's setups in order, and those of the choice that are not among them."""
    known = [setup for one in EXPERIMENTS for setup in setups(scale=scale) if setup.name.startswith(one)]
    mine = {setup.name: setup for setup, _ in choice.chosen}
    return [mine.pop(setup.name, setup) for setup in known] + list(mine.values())


def free_energy_entries(scale: str, choice: Choice, folder: Path) -> list[Entry]:
    """Every setup and family of the scale that has results in the folder, with its claims."""
    offered = _offered(scale, choice)
    entries = [
        Entry(setup.name, f"{setup.description} ({setup.source})", read_claims(folder / setup.name))
        for setup in offered
        if (folder / setup.name / "plan.json").exists()
    ]
    together = dict.fromkeys(size_families(offered), "gradients on data sets of several sizes")
    together[BATCH_SIZE] = "temperature and noise against the batch size"
    entries += [
        Entry(name, note, read_claims(folder / name))
        for name, note in together.items()
        if (folder / name / "report.html").exists()
    ]
    return entries
