"""The first page of a folder: every setup of a scale that lies there, whichever command wrote it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from thermograd.reproduce.choice import (
    BATCH_SIZE,
    FREE_ENERGY,
    IDEAL_GAS,
    OWN,
    Choice,
    NotRun,
    data_option,
    offered,
)
from thermograd.reproduce.data_sizes import size_families
from thermograd.reproduce.setup_run import setups_there
from thermograd.reproduce.summary import Entry, read_claims, write_summary
from thermograd.sweep.collect import SETUP_FILE
from thermograd.sweep.failures import no_space_is_failed_work
from thermograd.sweep.plan import PLAN_FILE

__all__ = ["folder_entries", "write_first_page"]

_TITLES = {
    (True, False): "The ideal gas of SGD, measured",
    (False, True): "SGD as free-energy minimisation, measured",
}
_BOTH = "The thermodynamics of SGD: both papers, measured"


def write_first_page(
    folder: Path, scale: str, choice: Choice, refused: Sequence[NotRun], *, experiment: str, data: str | None
) -> Path:
    """Write ``index.html``, ``claims.md`` and ``claims.json`` of all that lies in a folder.

    Parameters
    ----------
    folder
        With one folder for each setup.
    scale
        Whose setups are listed.
    choice
        What was asked for just now: of what is not in the folder, only this is said.
    refused
        What could not be run or analysed just now.
    experiment
        The command's name: ``"ideal-gas"``, ``"free-energy"``, ``"all"``.
    data
        Where its images were said to be.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If claims in the folder are damaged, or it cannot be written.
    FailedWorkError
        If the disk is full.

    """
    # What was refused just now is listed once, by its reason: claims that lie there are those of other runs.
    without = {one.setup for one in refused}
    entries = [entry for entry in folder_entries(folder, scale, choice) if entry.name not in without]
    there = {entry.name for entry in entries if (folder / entry.name / "report.html").exists()}
    missing = [one for one in choice.left_out if one.setup not in there]
    known = [*setups_there(folder), *offered(scale, choice)]
    experiments = {setup.name: setup.experiment for setup in known}
    experiments |= dict.fromkeys((*size_families(known), BATCH_SIZE), FREE_ENERGY)
    found = {experiments.get(entry.name) for entry in entries}
    gas, free_energy = IDEAL_GAS in found, bool(found & {FREE_ENERGY, BATCH_SIZE})
    kinds = (gas or experiment != FREE_ENERGY, free_energy or experiment != IDEAL_GAS)
    title = _TITLES.get(kinds, _BOTH)
    # One command makes all that is listed; no command makes several setups of one's own.
    command = f"thermograd reproduce {experiment if kinds in _TITLES else 'all'} --scale {scale}"
    command = "" if scale == OWN else command + data_option(data)
    with no_space_is_failed_work():
        return write_summary(
            folder, entries, (*missing, *refused), title=f"{title} ({scale})", command=command
        )


def folder_entries(folder: Path, scale: str, choice: Choice) -> list[Entry]:
    """Every setup of a scale, of a choice or of the user's own that has a sweep in the folder, and families.

    Raises
    ------
    InputError
        If the claims of one are damaged.

    """
    known = offered(scale, choice)
    notes = {setup.name: f"{setup.description} ({setup.source})" for setup in known}
    scales = {setup.name: setup.scale for setup in known}
    for path in sorted(folder.glob(f"*/{SETUP_FILE}")):
        name, said = path.parent.name, _said(path)
        if said.get("scale") == OWN:
            notes[name] = f"{said['description']} ({said['source']})"
        elif said and said["scale"] != scales.get(name):
            notes.pop(name, None)  # runs of the same name at another scale
    there = [name for name in notes if (folder / name / PLAN_FILE).exists()]
    entries = [Entry(name, notes[name], read_claims(folder / name)) for name in there]
    own = [setup for setup in setups_there(folder) if setup.scale == OWN]
    every = [setup for setup in (*known, *own) if setup.name in there]
    together = dict.fromkeys(size_families(every), "gradients on data sets of several sizes")
    if any(setup.experiment == BATCH_SIZE for setup in every):
        together[BATCH_SIZE] = "temperature and noise against the batch size"
    entries += [
        Entry(name, note, read_claims(folder / name))
        for name, note in together.items()
        if (folder / name / "report.html").exists()
    ]
    return entries


def _said(path: Path) -> dict[str, str]:
    """What a setup says of itself; nothing if it cannot be read."""
    try:
        plain = json.loads(path.read_text())
        return {key: plain[key] for key in ("scale", "description", "source")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
