"""The report of one setup of the ideal-gas paper: claims first, then every law, table and figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from thermograd.analysis import csv_text, markdown, table4
from thermograd.analysis.adiabat_paths import AdiabatPaths
from thermograd.analysis.regimes import Regimes
from thermograd.figures import save
from thermograd.files import atomic_write
from thermograd.report.content import Claim, Section
from thermograd.report.findings import analyse
from thermograd.report.measured import entropy_quality, provenance, stationarity
from thermograd.report.network_sections import (
    Drawn,
    adiabat_section,
    convergence_section,
    gas_section,
    temperature_section,
)
from thermograd.report.page import render
from thermograd.report.pictures import figure_sections, make_figures
from thermograd.report.tables import collapse_section, maxwell_section, radius_section

__all__ = ["NetworkResults", "write_network_report"]


@dataclass(frozen=True)
class NetworkResults:
    """What the page of a setup is made of.

    Attributes
    ----------
    states, traces
        By protocol.
    runs
        Traces of single runs to draw, by title.
    adiabat
        Paths by protocol, or why there are none; None leaves the section out.
    regimes
        Of over-parameterised runs at fixed ELR; None leaves the section out.
    start
        Norm at their start.

    """

    states: dict[str, xr.Dataset]
    traces: dict[str, xr.Dataset]
    runs: dict[str, xr.Dataset] = field(default_factory=dict)
    adiabat: Mapping[str, AdiabatPaths] | str | None = None
    regimes: Regimes | None = None
    start: float = 1.0


def write_network_report(
    results: NetworkResults,
    folder: Path,
    *,
    title: str,
    label: str,
    claims: Sequence[Claim] = (),
    paragraphs: Sequence[str] = (),
    command: str = "",
) -> Path:
    """Write ``report.html``, which needs nothing else, and beside it ``figures/`` and ``tables/``.

    Parameters
    ----------
    results
        What was measured.
    folder
        Where to write.
    title
        Heading of the page.
    label
        What to call these measurements in table 4, beside the published networks.
    claims
        What the paper says and whether it was found, for the head of the page.
    paragraphs
        What was run, and how it differs from the published setup.
    command
        Command line that makes the page again, quoted in it.

    Returns
    -------
    Path
        The page.

    """
    findings = {protocol: analyse(dataset) for protocol, dataset in results.states.items()}
    rows = [row for dataset in results.states.values() for row in table4({label: dataset})]
    figures = make_figures(findings, results.runs)
    own = _own_sections(results)
    sections = [
        Section(
            "claims", "What the paper claims, and what was measured", tuple(paragraphs), claims=tuple(claims)
        ),
        *(drawn.section for drawn in own if drawn.section.anchor == "convergence"),
        radius_section(findings),
        maxwell_section(findings, rows),
        collapse_section(findings),
        *(drawn.section for drawn in own if drawn.section.anchor != "convergence"),
        stationarity(results.states),
        entropy_quality(results.states),
        *figure_sections(findings, results.runs, figures),
        provenance(results.states, command),
    ]
    for drawn in own:
        figures |= drawn.figures
    for name, figure in figures.items():
        save(figure, folder / "figures" / name)
    for section in sections:
        for table in section.tables:
            atomic_write(folder / "tables" / f"{table.name}.csv", table.csv())
            atomic_write(folder / "tables" / f"{table.name}.md", table.markdown())
    atomic_write(folder / "tables" / "table-4.csv", csv_text(rows))
    atomic_write(folder / "tables" / "table-4.md", markdown(rows))
    # Last: who finds the page finds all that it speaks of.
    page = folder / "report.html"
    atomic_write(page, render(title, sections))
    return page


def _own_sections(results: NetworkResults) -> list[Drawn]:
    drawn = [gas_section(results.states), temperature_section(results.states)]
    if results.adiabat is not None:
        drawn.append(adiabat_section(results.adiabat))
    if results.regimes is not None:
        trace, states = results.traces["FixedELR"], results.states["FixedELR"]
        drawn.append(convergence_section(trace, results.regimes, states, results.start))
    return drawn
