"""The report of one setup of the free-energy paper: one page with its figures and tables beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.analysis.published import PublishedTemperature
from thermograd.figures.output import save
from thermograd.files import atomic_write
from thermograd.report.content import Claim, Section, Table
from thermograd.report.free_energy_findings import FreeEnergyFindings
from thermograd.report.free_energy_pictures import make_free_energy_figures, picture
from thermograd.report.free_energy_tables import (
    bridge_table,
    decay_table,
    law_table,
    phase_table,
    regime_table,
    step_table,
    temperature_table,
)
from thermograd.report.measured import entropy_quality, provenance, stationarity
from thermograd.report.page import render
from thermograd.report.wording import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LEAD", "write_free_energy_report", "write_page"]

LEAD = (
    "SGD at a fixed learning rate as the minimiser of a free energy F = U − T S: training loss U, entropy S "
    "of the stationary weights, and a temperature T that the learning rate sets."
)


def write_free_energy_report(
    findings: FreeEnergyFindings,
    folder: Path,
    *,
    title: str,
    claims: Sequence[Claim] = (),
    published: Sequence[PublishedTemperature] = (),
    same_setup: PublishedTemperature | None = None,
    command: str = "",
) -> Path:
    """Write ``report.html``, which needs nothing else, and beside it ``figures/`` and ``tables/``.

    Parameters
    ----------
    findings
        What was found.
    folder
        Where to write.
    title
        Heading of the page.
    claims
        What the paper says and whether it was found, for the head of the page.
    published
        The paper's temperature laws, for the table.
    same_setup
        The one of them that is for this network and data, drawn beside ours.
    command
        Command line that makes the page again, quoted in it.

    Returns
    -------
    Path
        The page.

    """
    figures = make_free_energy_figures(findings, same_setup)
    states = {"FixedSphere": findings.states}
    parts = (
        ("over-time", "Over the iterations", ("over-time", "gradients"), ()),
        ("regimes", "Which regime each run is in", ("regimes",), (regime_table(findings),)),
        (
            "temperature",
            "Temperature by free-energy minimisation",
            ("free-energy", "free-energy-graph"),
            (law_table(findings, published), temperature_table(findings)),
        ),
        ("bridge", "The two temperatures", ("bridge",), (bridge_table(findings), step_table(findings))),
        ("decay", "Temperature along converging runs", ("decay",), (decay_table(findings),)),
        ("phase", "How the gradients vanish", ("phase",), (phase_table(findings),)),
    )
    sections = [
        Section(
            "claims", "What the paper claims, and what was measured", _summary(findings), (), tuple(claims)
        )
    ]
    for anchor, heading, stems, tables in parts:
        sections.append(_section(anchor, heading, stems, tables, figures))
    sections += [stationarity(states), entropy_quality(states), provenance(states, command)]
    return write_page(folder / "report.html", title, sections, figures)


def write_page(
    page: Path, title: str, sections: Sequence[Section], figures: Mapping[str, Figure], *, lead: str = LEAD
) -> Path:
    """Write a page, and beside it its figures and tables as files; the page comes last.

    Parameters
    ----------
    page
        Where to.
    title, lead
        Heading and first sentence.
    sections
        Parts of the page, whose tables are written as CSV and Markdown.
    figures
        By the stem of their files, written as PNG and PDF.

    """
    for stem, figure in figures.items():
        save(figure, page.parent / "figures" / stem)
    for section in sections:
        for table in section.tables:
            atomic_write(page.parent / "tables" / f"{table.name}.csv", table.csv())
            atomic_write(page.parent / "tables" / f"{table.name}.md", table.markdown())
    atomic_write(page, render(title, list(sections), lead=lead))
    return page


def _section(
    anchor: str,
    title: str,
    stems: Sequence[str],
    tables: Sequence[Table | str],
    figures: Mapping[str, Figure],
) -> Section:
    """A part of the page; what has no result says why."""
    drawn = [stem for stem in figures if any(stem == s or stem.startswith(f"{s}-seed") for s in stems)]
    missing = dict.fromkeys(table for table in tables if isinstance(table, str))
    return Section(
        anchor,
        title,
        tuple(f"Not to be had from these runs: {why}." for why in missing),
        tables=tuple(table for table in tables if not isinstance(table, str)),
        pictures=tuple(picture(figures[stem], stem) for stem in drawn),
    )


def _summary(f: FreeEnergyFindings) -> tuple[str, ...]:
    uniform = f"of the uniform law on the sphere the entropy is {number(f.uniform_entropy)} nats"
    if f.random_losses:
        losses = ", ".join(number(loss) for loss in f.random_losses.values())
        uniform += f" and the loss {losses}" + " with the seeds' heads" * (len(f.random_losses) > 1)
    told = [
        f"{f.states['status'].size} runs of a network with d = {f.dim} scale-invariant weights; {uniform}."
    ]
    if not isinstance(f.regimes, str):
        told.append(f"Regimes: {f.regimes.verdict}.")
    if not isinstance(f.parameterisation, str):
        told.append(f"Recognised as {f.parameterisation.word}-parameterised: {f.parameterisation.reason}.")
    if f.within is not None:
        told.append(f"Temperatures are looked for from ELR {number(f.within[0])} to {number(f.within[1])}.")
    return tuple(told)
