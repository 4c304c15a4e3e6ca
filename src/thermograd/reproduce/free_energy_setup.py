"""One setup of the free-energy paper, from its traces to findings, claims and page."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from thermograd.errors import InputError
from thermograd.files import atomic_write
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.free_energy_claims import free_energy_claims, published_law
from thermograd.reproduce.presets import Setup
from thermograd.reproduce.setup_run import SetupRun
from thermograd.reproduce.summary import save_claims, to_page_claims
from thermograd.sweep import Plan

__all__ = ["RANDOM_FILE", "SetupPage", "setup_page", "where"]

RANDOM_FILE = "random-directions.json"
_DRAWS = 96


@dataclass(frozen=True)
class SetupPage:
    """What one setup gave: its claims, and the page that shows them."""

    claims: tuple[Claim, ...]
    report: Path


def setup_page(setup: Setup, run: SetupRun, *, command: str = "") -> SetupPage:
    """Make every analysis that the runs allow, judge the paper's claims, and write the page.

    Parameters
    ----------
    setup
        What was run.
    run
        What came out, with states on the fixed sphere.
    command
        Command line that makes the page again.

    Raises
    ------
    InputError
        If the setup has no runs on the fixed sphere.

    """
    from thermograd.analysis.published import TEMPERATURE_LAWS
    from thermograd.report.free_energy import write_free_energy_report
    from thermograd.report.free_energy_findings import analyse_free_energy

    if "FixedSphere" not in run.states:
        raise InputError(f"{setup.name}: protocols are {', '.join(run.states)}; expected FixedSphere")
    spec = setup.grids[0][1]
    law, same = published_law(spec.architecture, spec.width, setup.data, setup.overparameterised)
    findings = analyse_free_energy(
        run.states["FixedSphere"],
        run.traces["FixedSphere"],
        random_losses=random_losses(run.plan, run.folder),
        uniform_graph=_random_graph_entropy(run),
        eps=law.eps if law is not None else 1e-2,
    )
    claims = free_energy_claims(
        findings,
        where=where(setup),
        overparameterised=setup.overparameterised,
        published=law,
        same_setup=same,
        temperatures=not setup.family,
    )
    save_claims(claims, run.folder)
    page = write_free_energy_report(
        findings,
        run.folder,
        title=f"{setup.description} ({setup.name}, {setup.scale})",
        claims=to_page_claims(claims),
        published=TEMPERATURE_LAWS,
        same_setup=law if same else None,
        command=command,
    )
    return SetupPage(claims, page)


def where(setup: Setup) -> str:
    """Network and data of a setup in a few words.

    Examples
    --------
    >>> from thermograd.reproduce.presets import load_preset
    >>> where(load_preset("free-energy-subset-200", "small"))
    'ConvNet(4) on 200 digits'

    """
    spec = setup.grids[0][1]
    part = f"{spec.subset} " if spec.subset is not None else ""
    names = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
    of = "images of " if part and setup.data in names else ""
    return f"{spec.architecture}({spec.width}) on {part}{of}{names.get(setup.data, setup.data)}"


def _random_graph_entropy(run: SetupRun) -> float | None:
    from thermograd.training.random_directions import random_graph_entropy

    return random_graph_entropy(run.plan.grids[0][1], int(run.states["FixedSphere"].attrs["dim"]))


def random_losses(plan: Plan, folder: Path) -> dict[int, float]:
    """Mean loss at random directions by seed, measured once and kept beside the runs."""
    path = folder / RANDOM_FILE
    _, template = plan.grids[0]
    wanted = {"data_sha256": plan.data_sha256, "batch_size": template.batch_size, "draws": _DRAWS}
    try:
        kept = json.loads(path.read_text())
        known = {int(seed): float(pair[0]) for seed, pair in kept["losses"].items()}
        if {name: kept[name] for name in wanted} == wanted and set(plan.seeds) <= set(known):
            return {seed: known[seed] for seed in plan.seeds}
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        pass  # there is none yet, or it is of no use
    from thermograd.training.random_directions import random_loss

    found = {seed: random_loss(replace(template, seed=seed), draws=_DRAWS) for seed in plan.seeds}
    losses = {str(seed): [one.value, one.se] for seed, one in found.items()}
    atomic_write(path, json.dumps({**wanted, "losses": losses}, indent=1) + "\n")
    return {seed: one.value for seed, one in found.items()}
